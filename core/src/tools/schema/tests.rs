//! What the vectors do not say: limits, and how faults are told.

use super::*;
use crate::envelope::{Limits, json};
use crate::error::ErrorKind;

fn map(text: &str) -> Map {
    json::decode(text.as_bytes(), &Limits::default()).unwrap().as_map().unwrap().clone()
}

fn told(schema: &str, arguments: &str) -> Vec<String> {
    told_map(schema, &map(arguments))
}

fn told_map(schema: &str, arguments: &Map) -> Vec<String> {
    let schema = Schema::compile(&map(schema)).unwrap();
    schema.faults(arguments).iter().map(Fault::to_string).collect()
}

fn refused(schema: &str) -> (String, String) {
    let error = Schema::compile(&map(schema)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let at = error.context().iter().find(|(key, _)| *key == "at").map(|(_, at)| at.clone());
    (at.unwrap_or_default(), error.message().to_owned())
}

#[test]
fn a_fault_names_the_place_what_was_expected_and_what_was_found() {
    let schema = r##"{"type": "object", "required": ["city", "days"], "additionalProperties": false, "properties": {
        "city": {"type": "string", "maxLength": 5}, "days": {"type": "array", "items": {"$ref": "#/$defs/day"}},
        "unit": {"enum": ["C", "F"]}},
        "$defs": {"day": {"type": "object", "properties": {"from": {"type": "integer", "minimum": 1}}}}}"##;
    assert_eq!(
        told(schema, r#"{"city": 5, "unit": "K", "days": [{"from": 2}, {"from": 0}, {"from": null}]}"#),
        [
            "`city` must be text, found integer 5",
            "`unit` must be \"C\" or \"F\", found text \"K\"",
            "`days[1].from` must be at least 1, found integer 0",
            "`days[2].from` must be integer, found nil",
        ]
    );
    assert_eq!(
        told(schema, r#"{"citty": "Berlin"}"#),
        [
            "`city` is missing; it must be text",
            "`days` is missing; it must be list",
            "`citty` must be left out: there is no such argument, found text \"Berlin\"; is `city` meant?",
        ]
    );
    assert_eq!(
        told(schema, r#"{"city": "Berlin", "days": []}"#),
        ["`city` must be text of at most 5 characters, found 6 characters"]
    );
}

#[test]
fn of_alternatives_the_faults_of_the_one_that_is_meant_are_told() {
    let schema = r#"{"type": "object", "properties": {"at": {"anyOf": [
        {"type": "object", "required": ["lat"], "properties": {"lat": {"type": "number"}}}, {"type": "string"},
        {"type": "null"}]}}}"#;
    assert_eq!(told(schema, r#"{"at": {"lat": "x"}}"#), ["`at.lat` must be number, found text \"x\""]);
    assert_eq!(told(schema, r#"{"at": 5}"#), ["`at` must be map, text or nil, found integer 5"]);
    let tagged = r#"{"type": "object", "properties": {"s": {"oneOf": [
        {"type": "object", "properties": {"k": {"const": "a"}, "n": {"type": "integer"}}, "required": ["k", "n"]},
        {"type": "object", "properties": {"k": {"const": "b"}, "t": {"type": "string"}}, "required": ["k", "t"]}]}}}"#;
    assert_eq!(told(tagged, r#"{"s": {"k": "b"}}"#), ["`s.t` is missing; it must be text"]);
}

#[test]
fn raw_bytes_stand_where_the_schema_says_so() {
    let schema = r#"{"type": "object", "properties": {
        "file": {"type": "string", "format": "binary"}, "name": {"type": "string"}}}"#;
    let bytes = || Value::from(&b"\x00\xff"[..]);
    assert_eq!(told_map(schema, &Map::from([("file", bytes())])), [""; 0]);
    assert_eq!(told_map(schema, &Map::from([("name", bytes())])), ["`name` must be text, found bytes"]);
}

#[test]
fn no_number_is_no_number() {
    let schema = r#"{"type": "object", "properties": {"n": {"type": "number"}}}"#;
    assert_eq!(told_map(schema, &Map::from([("n", f64::NAN)])), ["`n` must be number, found float NaN"]);
}

#[test]
fn a_schema_without_end_is_told_as_such_and_ends() {
    for endless in [
        r##"{"type": "object", "$ref": "#"}"##,
        r##"{"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}},
            "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}}}"##,
        r##"{"type": "object", "not": {"$ref": "#"}}"##,
    ] {
        let told = told(endless, r#"{"a": 1}"#);
        assert!(told.len() == 1 && told[0].contains("less work to check"), "{told:?}");
    }
    // One that only goes as deep as the value is taken.
    let tree = r##"{"type": "object", "properties": {"left": {"$ref": "#"}, "n": {"type": "integer"}}}"##;
    assert_eq!(told(tree, r#"{"left": {"left": {"n": "x"}}}"#), ["`left.left.n` must be integer, found text \"x\""]);
}

#[test]
fn long_lists_are_checked() {
    let many = |n: i64| Map::from([("a", Value::from((0..n).chain([5]).collect::<Vec<_>>()))]);
    let unique = r#"{"type": "object", "properties": {"a": {"items": {"type": "integer"}, "uniqueItems": true}}}"#;
    assert_eq!(
        told_map(unique, &many(20_000)),
        ["`a[20000]` must be different from all others, found the same once more"]
    );
    // 1 and 1.0 are one number, a text that looks like bytes is no bytes.
    let list = |items: Vec<Value>| Map::from([("a", items)]);
    let any = r#"{"type": "object", "properties": {"a": {"uniqueItems": true}}}"#;
    assert_eq!(told_map(any, &list(vec![1.into(), 1.0.into()])).len(), 1);
    assert_eq!(told_map(any, &list(vec!["b'a'".into(), Value::from(&b"a"[..])])).len(), 0);
}

#[test]
fn only_so_many_faults_are_told() {
    let arguments: Map = (0..100).map(|n| (format!("a{n}"), n)).collect();
    let told = told_map(r#"{"type": "object", "additionalProperties": {"type": "string"}}"#, &arguments);
    assert_eq!(told.len(), Fault::MOST);
}

#[test]
fn what_is_no_schema_is_refused_with_its_place() {
    for (schema, at) in [
        (r#"{"type": "string"}"#, "/type"),
        (r#"{"properties": {}}"#, "/type"),
        (r#"{"type": "object", "properties": {"a": 5}}"#, "/properties/a"),
        (r#"{"type": "object", "properties": {"a/b": {"type": "text"}}}"#, "/properties/a~1b/type"),
        (r#"{"type": "object", "required": "city"}"#, "/required"),
        (r#"{"type": "object", "required": [5]}"#, "/required"),
        (r#"{"type": "object", "minProperties": -1}"#, "/minProperties"),
        (r#"{"type": "object", "properties": {"a": {"minimum": "1"}}}"#, "/properties/a/minimum"),
        (r#"{"type": "object", "properties": {"a": {"multipleOf": 0}}}"#, "/properties/a/multipleOf"),
        (r##"{"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}}"##, "/properties/a/$ref"),
        (r#"{"type": "object", "properties": {"a": {"$ref": "https://example.org/a.json"}}}"#, "/properties/a/$ref"),
        (r#"{"type": "object", "anyOf": [5]}"#, "/anyOf/0"),
        (r#"{"type": "object", "dependentRequired": {"a": "b"}}"#, "/dependentRequired/a"),
    ] {
        let (place, message) = refused(schema);
        assert_eq!(place, at, "{schema}: {message}");
    }
    let mut deep = Value::from([("type", "object")]);
    for _ in 0..100 {
        deep = Value::from([("type", Value::from("object")), ("not", deep)]);
    }
    assert_eq!(Schema::compile(deep.as_map().unwrap()).unwrap_err().kind(), ErrorKind::TooLarge);
}

#[test]
fn what_cannot_be_checked_is_named() {
    let schema = r#"{"type": "object", "unevaluatedProperties": false,
        "properties": {"mail": {"type": "string", "pattern": "^(?!\\.)[a-z.]+@"}, "id": {"pattern": "^[a-z]+$"}}}"#;
    let schema = Schema::compile(&map(schema)).unwrap();
    assert_eq!(schema.unchecked(), ["/unevaluatedProperties", "/properties/mail/pattern"]);
    assert_eq!(schema.faults(&Map::from([("mail", "."), ("id", "a")])), []);
    assert_eq!(schema.faults(&Map::from([("id", "5")])).len(), 1);
}
