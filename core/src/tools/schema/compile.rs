//! From a schema as a plain map to nodes that refer to each other by number.

use std::collections::{BTreeMap, VecDeque};

use regex_lite::Regex;

use super::number::compare;
use super::{Bound, Id, Node, Schema, Types};
use crate::envelope::{Limits, Map, Value, codec};
use crate::error::{Error, Result};

/// Bytes that a schema may have, as `MessagePack`.
const MOST_BYTES: usize = 256 * 1024;

/// Keywords that say what a value must be and are left to the tool itself.
const LEFT_OUT: [&str; 4] = ["unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef"];

pub(super) fn compile(schema: &Map) -> Result<Schema> {
    let limits = Limits::new(MOST_BYTES, Limits::DEFAULT_DEPTH)?;
    codec::encode_map(schema, &limits)?;
    if !describes_a_map(schema) {
        return Err(Error::invalid("`parameters` must be a JSON Schema of type object: arguments have names")
            .with_context("field", "parameters")
            .with_context("at", "/type"));
    }
    let root = Value::Map(schema.clone());
    let mut compiler = Compiler {
        root: &root,
        nodes: Vec::new(),
        known: BTreeMap::new(),
        open: VecDeque::new(),
        unchecked: Vec::new(),
    };
    compiler.id(String::new());
    while let Some((id, pointer)) = compiler.open.pop_front() {
        let node = compiler.node(&pointer)?;
        compiler.nodes[id] = node;
    }
    Ok(Schema { nodes: compiler.nodes, unchecked: compiler.unchecked })
}

fn describes_a_map(schema: &Map) -> bool {
    schema.text("type") == Some("object")
}

struct Compiler<'v> {
    root: &'v Value,
    nodes: Vec<Node>,
    /// JSON pointer to node.
    known: BTreeMap<String, Id>,
    open: VecDeque<(Id, String)>,
    unchecked: Vec<String>,
}

impl Compiler<'_> {
    /// The node of the schema at a place; compiled when its turn comes, so that schemas may refer to themselves.
    fn id(&mut self, pointer: String) -> Id {
        if let Some(id) = self.known.get(&pointer) {
            return *id;
        }
        let id = self.nodes.len();
        self.nodes.push(Node::default());
        self.known.insert(pointer.clone(), id);
        self.open.push_back((id, pointer));
        id
    }

    fn node(&mut self, at: &str) -> Result<Node> {
        let map = match look(self.root, at) {
            Some(Value::Bool(true)) => return Ok(Node::default()),
            Some(Value::Bool(false)) => return Ok(Node { never: true, ..Node::default() }),
            Some(Value::Map(map)) => map,
            other => return Err(wrong(at, "a schema (a map, true or false)", other)),
        };
        let read = Reader { map, at };
        let mut node = Node {
            types: read.types()?,
            takes_bytes: matches!(map.text("format"), Some("binary" | "byte" | "base64"))
                || map.contains_key("contentEncoding"),
            constant: map.get("const").cloned(),
            choices: read.list("enum")?.map(<[Value]>::to_vec),
            bounds: read.bounds()?,
            multiple_of: read.number("multipleOf")?.cloned(),
            min_length: read.natural("minLength")?,
            max_length: read.natural("maxLength")?,
            min_items: read.natural("minItems")?,
            max_items: read.natural("maxItems")?,
            unique: read.flag("uniqueItems")?,
            min_properties: read.natural("minProperties")?,
            max_properties: read.natural("maxProperties")?,
            required: read.names("required")?,
            ..Node::default()
        };
        if let Some(of) = &node.multiple_of
            && compare(of, &Value::Int(0)).is_none_or(std::cmp::Ordering::is_le)
        {
            return Err(wrong(&read.place("multipleOf"), "a number above 0", Some(of)));
        }
        if let Some(source) = read.text("pattern")? {
            node.pattern = self.pattern(source, read.place("pattern")).map(|regex| (source.to_owned(), regex));
        }
        self.of_lists(&read, &mut node)?;
        self.of_maps(&read, &mut node)?;
        self.combined(&read, &mut node)?;
        for keyword in LEFT_OUT.into_iter().filter(|keyword| map.contains_key(keyword)) {
            self.unchecked.push(read.place(keyword));
        }
        Ok(node)
    }

    fn of_lists(&mut self, read: &Reader<'_>, node: &mut Node) -> Result<()> {
        let tuple = if matches!(read.map.get("items"), Some(Value::List(_))) { "items" } else { "prefixItems" };
        node.prefix = self.every(read, tuple)?.unwrap_or_default();
        let rest = if tuple == "items" { "additionalItems" } else { "items" };
        node.items = self.one(read, rest);
        if let Some(id) = self.one(read, "contains") {
            let least = read.natural("minContains")?.unwrap_or(1);
            node.contains = Some((id, least, read.natural("maxContains")?));
        }
        Ok(())
    }

    fn of_maps(&mut self, read: &Reader<'_>, node: &mut Node) -> Result<()> {
        node.properties = self.by_name(read, "properties")?;
        for (source, id) in self.by_name(read, "patternProperties")? {
            let place = step(&read.place("patternProperties"), &source);
            match self.pattern(&source, place) {
                Some(regex) => node.matching.push((regex, id)),
                // Which keys are additional cannot be told without it.
                None => node.additional = None,
            }
        }
        let readable = read.map_of("patternProperties")?.is_none_or(|all| all.len() == node.matching.len());
        node.additional = self.one(read, "additionalProperties").filter(|_| readable);
        node.names = self.one(read, "propertyNames");
        for keyword in ["dependentRequired", "dependencies"] {
            for (key, names) in read.map_of(keyword)?.into_iter().flatten() {
                if let Value::List(_) = names {
                    let place = read.place(keyword);
                    let inner = Reader { map: read.map_of(keyword)?.unwrap_or(read.map), at: &place };
                    node.requires.push((key.clone(), inner.names(key)?));
                } else if keyword == "dependentRequired" {
                    return Err(wrong(&step(&read.place(keyword), key), "a list of names", Some(names)));
                }
            }
        }
        node.implies = self.by_name(read, "dependentSchemas")?;
        for (key, schema) in read.map_of("dependencies")?.into_iter().flatten() {
            if !matches!(schema, Value::List(_)) {
                let id = self.id(step(&read.place("dependencies"), key));
                node.implies.push((key.clone(), id));
            }
        }
        Ok(())
    }

    fn combined(&mut self, read: &Reader<'_>, node: &mut Node) -> Result<()> {
        if let Some(target) = read.text("$ref")? {
            let place = read.place("$ref");
            let pointer = target.strip_prefix('#').filter(|rest| rest.is_empty() || rest.starts_with('/'));
            let pointer = pointer.map(percent_decoded).filter(|pointer| look(self.root, pointer).is_some());
            let pointer = pointer.ok_or_else(|| {
                let error = Error::invalid(format!(
                    "`$ref` must lead to a place in this schema, such as #/$defs/name; {target:?} does not"
                ));
                error.with_context("field", "parameters").with_context("at", place)
            })?;
            node.reference = Some(self.id(pointer));
        }
        node.all = self.every(read, "allOf")?.unwrap_or_default();
        node.any = self.every(read, "anyOf")?;
        node.one = self.every(read, "oneOf")?;
        node.not = self.one(read, "not");
        if let Some(condition) = self.one(read, "if") {
            node.condition = Some((condition, self.one(read, "then"), self.one(read, "else")));
        }
        Ok(())
    }

    /// The schema under a keyword.
    fn one(&mut self, read: &Reader<'_>, keyword: &str) -> Option<Id> {
        read.map.contains_key(keyword).then(|| self.id(read.place(keyword)))
    }

    /// The list of schemas under a keyword.
    fn every(&mut self, read: &Reader<'_>, keyword: &str) -> Result<Option<Vec<Id>>> {
        let Some(list) = read.list(keyword)? else { return Ok(None) };
        let place = read.place(keyword);
        Ok(Some((0..list.len()).map(|n| self.id(format!("{place}/{n}"))).collect()))
    }

    /// The map of schemas under a keyword.
    fn by_name(&mut self, read: &Reader<'_>, keyword: &str) -> Result<Vec<(String, Id)>> {
        let place = read.place(keyword);
        let map = read.map_of(keyword)?;
        Ok(map.into_iter().flatten().map(|(name, _)| (name.clone(), self.id(step(&place, name)))).collect())
    }

    /// A pattern, or `None` and a remark when it is beyond what takes linear time.
    fn pattern(&mut self, source: &str, place: String) -> Option<Regex> {
        let regex = Regex::new(source);
        if regex.is_err() {
            self.unchecked.push(place);
        }
        regex.ok()
    }
}

/// The keywords of one schema.
struct Reader<'a> {
    map: &'a Map,
    at: &'a str,
}

impl<'a> Reader<'a> {
    fn place(&self, keyword: &str) -> String {
        step(self.at, keyword)
    }

    fn wrong(&self, keyword: &str, expected: &str) -> Error {
        wrong(&self.place(keyword), expected, self.map.get(keyword))
    }

    fn natural(&self, keyword: &str) -> Result<Option<u64>> {
        match self.map.get(keyword) {
            None => Ok(None),
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // checked
            Some(Value::Float(x)) if x.fract() == 0.0 && (0.0..9e15).contains(x) => Ok(Some(*x as u64)),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| self.wrong(keyword, "a whole number from 0")),
        }
    }

    fn number(&self, keyword: &str) -> Result<Option<&'a Value>> {
        match self.map.get(keyword) {
            None => Ok(None),
            Some(value) if value.as_f64().is_some_and(f64::is_finite) => Ok(Some(value)),
            Some(_) => Err(self.wrong(keyword, "a number")),
        }
    }

    fn flag(&self, keyword: &str) -> Result<bool> {
        match self.map.get(keyword) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| self.wrong(keyword, "true or false")),
        }
    }

    fn text(&self, keyword: &str) -> Result<Option<&'a str>> {
        match self.map.get(keyword) {
            None => Ok(None),
            Some(value) => value.as_str().map(Some).ok_or_else(|| self.wrong(keyword, "text")),
        }
    }

    fn list(&self, keyword: &str) -> Result<Option<&'a [Value]>> {
        match self.map.get(keyword) {
            None => Ok(None),
            Some(value) => value.as_list().map(Some).ok_or_else(|| self.wrong(keyword, "a list")),
        }
    }

    fn map_of(&self, keyword: &str) -> Result<Option<&'a Map>> {
        match self.map.get(keyword) {
            None => Ok(None),
            Some(value) => value.as_map().map(Some).ok_or_else(|| self.wrong(keyword, "a map")),
        }
    }

    fn names(&self, keyword: &str) -> Result<Vec<String>> {
        let names = self.list(keyword)?.unwrap_or_default().iter();
        let names: Option<Vec<String>> = names.map(|name| name.as_str().map(str::to_owned)).collect();
        names.ok_or_else(|| self.wrong(keyword, "a list of names"))
    }

    fn types(&self) -> Result<Option<Types>> {
        let one = |value: &Value| value.as_str().and_then(Types::of);
        let types = match self.map.get("type") {
            None => return Ok(None),
            Some(Value::List(list)) => {
                list.iter().map(one).try_fold(Types::default(), |all, one| one.map(|one| all.with(one)))
            }
            Some(value) => one(value),
        };
        let words = "string, integer, number, boolean, array, object, null, or a list of them";
        types.map(Some).ok_or_else(|| self.wrong("type", words))
    }

    fn bounds(&self) -> Result<Vec<(Bound, Value)>> {
        let mut bounds = Vec::new();
        for (keyword, bound, exclusive, strict) in [
            ("minimum", Bound::AtLeast, "exclusiveMinimum", Bound::MoreThan),
            ("maximum", Bound::AtMost, "exclusiveMaximum", Bound::LessThan),
        ] {
            // Draft 4 has a flag beside the bound where the later ones have a bound of its own.
            let flag = self.map.get(exclusive).and_then(Value::as_bool);
            if let Some(limit) = self.number(keyword)? {
                bounds.push((if flag == Some(true) { strict } else { bound }, limit.clone()));
            }
            if flag.is_none()
                && let Some(limit) = self.number(exclusive)?
            {
                bounds.push((strict, limit.clone()));
            }
        }
        Ok(bounds)
    }
}

/// What stands at a JSON pointer.
fn look<'v>(root: &'v Value, pointer: &str) -> Option<&'v Value> {
    pointer.split('/').skip(1).try_fold(root, |value, step| {
        let step = step.replace("~1", "/").replace("~0", "~");
        match value {
            Value::Map(map) => map.get(&step),
            Value::List(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        }
    })
}

fn step(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// References are parts of addresses, where names may be written with `%`.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| bytes[at] == b'%') {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn wrong(at: &str, expected: &str, found: Option<&Value>) -> Error {
    let found = found.map_or("nothing", Value::type_name);
    let place = if at.is_empty() { "the root" } else { at };
    Error::invalid(format!("`parameters` is no JSON Schema: {place} must be {expected}, found {found}"))
        .with_context("field", "parameters")
        .with_context("at", at)
        .with_context("expected", expected)
        .with_context("found", found)
}
