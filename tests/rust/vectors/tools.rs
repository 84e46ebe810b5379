//! Definitions, catalogs and arguments of tools, as Python's `json`, `hashlib` and msgpack-python have them.

use stargazer_core::envelope::{Limits, Map, Value};
use stargazer_core::tools::{Arguments, Catalog, ToolDefinition, schema_hash};
use stargazer_core::{ErrorKind, Result};

use super::file::{Row, rows};

const FILE: &str = "tools.json";

fn definitions(row: &Row) -> Vec<ToolDefinition> {
    let tools = row.get("tools").and_then(Value::as_list).unwrap();
    tools.iter().map(|tool| ToolDefinition::from_map(tool.as_map().unwrap()).unwrap()).collect()
}

fn names(value: Option<&Value>) -> Vec<&str> {
    value.and_then(Value::as_list).unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

#[test]
fn a_catalog_has_the_hash_and_the_bytes_of_the_vectors() {
    for row in rows(FILE, "catalogs") {
        let tools = definitions(&row);
        assert_eq!(schema_hash(&tools), row.text("schema_hash"), "{row:?}");
        assert_eq!(schema_hash(tools.iter().rev()), row.text("schema_hash"), "in any order");
        let catalog = Catalog::new(tools);
        assert_eq!(catalog.encode().unwrap(), row.hex("hex"), "{row:?}");
        let read = Catalog::decode(&row.hex("hex"), &Limits::default()).unwrap();
        assert_eq!(read, catalog, "permissions included");
        assert!(read.refused().is_empty());
    }
}

#[test]
fn catalogs_of_others_are_read() {
    for row in rows(FILE, "foreign_catalogs") {
        let catalog = Catalog::decode(&row.hex("hex"), &Limits::default()).unwrap();
        let found: Vec<&str> = catalog.tools().iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(found, names(row.get("tools")), "{row:?}");
        let left_out: Vec<&str> = catalog.refused().iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(left_out, names(row.get("left_out")), "{row:?}");
        assert_eq!(catalog.schema_hash(), "x", "the hash is the writer's");
    }
}

#[test]
fn a_definition_that_cannot_be_is_refused_by_its_field() {
    for row in rows(FILE, "refused_definitions") {
        let error = ToolDefinition::from_map(row.get("definition").unwrap().as_map().unwrap()).unwrap_err();
        let field = error.context().iter().find(|(key, _)| *key == "field").map(|(_, field)| field.as_str());
        assert_eq!((error.kind(), field), (ErrorKind::Invalid, Some(row.text("field"))), "{row:?}: {error}");
    }
}

#[test]
fn arguments_fit_or_are_told_why_not() {
    for row in rows(FILE, "arguments") {
        let map = |column: &str| row.get(column).and_then(Value::as_map).unwrap().clone();
        let tool = ToolDefinition::new("t").with_parameters(map("schema"));
        let found: Result<()> = Arguments::of(&tool).unwrap().check(&map("arguments"));
        match (found, row.text("told")) {
            (Ok(()), "") => {}
            (Err(error), told) => {
                assert_eq!(error.message(), format!("arguments of `t`: {told}"), "{row:?}");
                assert_eq!(error.kind(), ErrorKind::Invalid);
            }
            (Ok(()), told) => panic!("{row:?} should be told {told:?}"),
        }
    }
}

#[test]
fn a_definition_survives_its_own_map() {
    for row in rows(FILE, "catalogs") {
        for tool in definitions(&row) {
            assert_eq!(ToolDefinition::from_map(&tool.to_map()).unwrap(), tool);
            let openai: Map = tool.to_openai();
            assert_eq!(openai.text("type"), Some("function"));
            assert_eq!(openai.get("function").unwrap().get("name").unwrap().as_str(), Some(tool.name.as_str()));
        }
    }
}
