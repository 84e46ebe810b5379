//! What a tool is called, what it takes, and under which rules it runs.

use std::time::Duration;

use super::Place;
use super::schema::Schema;
use crate::envelope::{Limits, Map, Value, json};
use crate::error::{Error, Result};

/// The definition of a tool, as it stands in a catalog and is offered to a model.
///
/// As JSON, which is what bindings give:
///
/// ```
/// # use stargazer_core::tools::{Place, ToolDefinition};
/// let weather = ToolDefinition::from_json(
///     r#"{"name": "weather", "description": "Weather of a city.",
///         "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
///         "timeout_ms": 10000, "concurrency": 4, "place": "service", "permissions": [],
///         "no_background": false, "allow_repeat": true}"#,
/// )?;
/// assert_eq!(weather.place, Place::Service);
/// # Ok::<(), stargazer_core::Error>(())
/// ```
///
/// Everything but the name may be left out. A key that is not known is refused.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ToolDefinition {
    /// Its name: 1 to 64 of `A-Z a-z 0-9 _ -`, what models take as the name of a function.
    pub name: String,
    /// What it does, for the model that chooses; at most 8192 bytes.
    pub description: String,
    /// JSON Schema of its arguments, of type object.
    pub parameters: Map,
    /// It must not go on in the background of a turn: whoever calls it waits (the original's flag).
    pub no_background: bool,
    /// It may be called again in one turn with the same arguments (the original's flag).
    pub allow_repeat: bool,
    /// What its caller must be allowed; asked by the side that runs it.
    pub permissions: Vec<String>,
    /// How long a call may run; by default as long as its caller waits.
    pub timeout: Option<Duration>,
    /// How many calls an instance of a service runs at the same time; by default as many as come.
    pub concurrency: Option<usize>,
    /// Where it runs.
    pub place: Place,
    /// Keys of a catalog's entry that we do not know, in their order; written back.
    pub rest: Map,
}

impl ToolDefinition {
    /// Bytes of a description.
    pub const MOST_DESCRIPTION: usize = 8192;
    /// Characters of a name.
    pub const MOST_NAME: usize = 64;

    /// A tool that takes nothing.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: String::new(),
            parameters: no_parameters(),
            no_background: false,
            allow_repeat: false,
            permissions: Vec::new(),
            timeout: None,
            concurrency: None,
            place: Place::default(),
            rest: Map::new(),
        }
    }

    /// Sets the description.
    pub fn with_description(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    /// Sets the JSON Schema of the arguments.
    pub fn with_parameters(mut self, schema: Map) -> Self {
        self.parameters = schema;
        self
    }

    /// From JSON text; checked. `Invalid` naming the field.
    pub fn from_json(text: &str) -> Result<Self> {
        let not_json = |error: Error| {
            Error::invalid(format!("the definition of a tool must be JSON: {}", error.message())).with_source(error)
        };
        match json::decode(text.as_bytes(), &Limits::default()).map_err(not_json)? {
            Value::Map(map) => Self::from_map(&map),
            other => {
                Err(Error::invalid(format!("the definition of a tool must be a map, found {}", other.type_name()))
                    .with_context("expected", "map")
                    .with_context("found", other.type_name()))
            }
        }
    }

    /// From a plain map; checked. `Invalid` naming the field.
    pub fn from_map(map: &Map) -> Result<Self> {
        let (mut definition, unknown) = Self::read(map)?;
        if let Some((key, _)) = unknown.iter().next() {
            return Err(Error::invalid(format!(
                "`{key}` is not known to the definition of a tool; known are {}",
                KEYS.join(", ")
            ))
            .with_context("field", key));
        }
        definition.permissions = match map.get("permissions") {
            None | Some(Value::Nil) => Vec::new(),
            Some(value) => texts(value).ok_or_else(|| wrong("permissions", "a list of text", value))?,
        };
        definition.compile()?;
        Ok(definition)
    }

    /// From an entry of a catalog, whose permissions stand elsewhere; not checked. Unknown keys are kept.
    pub(super) fn from_entry(map: &Map) -> Result<Self> {
        let (mut definition, rest) = Self::read(map)?;
        definition.rest = rest;
        Ok(definition)
    }

    fn read(map: &Map) -> Result<(Self, Map)> {
        let mut definition = Self::new("");
        let mut unknown = Map::new();
        for (key, value) in map {
            match (key.as_str(), value) {
                ("permissions", _) => {}
                ("name", Value::Text(name)) => definition.name.clone_from(name),
                ("name", _) => return Err(wrong(key, "text", value)),
                (key, Value::Nil) if KEYS.contains(&key) => {}
                ("description", Value::Text(text)) => definition.description.clone_from(text),
                ("description", _) => return Err(wrong(key, "text", value)),
                ("parameters", Value::Map(schema)) => definition.parameters.clone_from(schema),
                ("parameters", _) => return Err(wrong(key, "a map", value)),
                ("no_background", Value::Bool(on)) => definition.no_background = *on,
                ("allow_repeat", Value::Bool(on)) => definition.allow_repeat = *on,
                ("no_background" | "allow_repeat", _) => return Err(wrong(key, "true or false", value)),
                ("timeout_ms", _) => {
                    let ms = value.as_u64().ok_or_else(|| wrong(key, "a whole number of milliseconds", value))?;
                    definition.timeout = Some(Duration::from_millis(ms));
                }
                ("concurrency", _) => {
                    let n = value.as_u64().and_then(|n| usize::try_from(n).ok());
                    definition.concurrency = Some(n.ok_or_else(|| wrong(key, "a whole number", value))?);
                }
                ("place", _) => {
                    let place = value.as_str().and_then(Place::from_word);
                    definition.place = place.ok_or_else(|| wrong(key, "gateway, worker or service", value))?;
                }
                _ => {
                    unknown.insert(key.clone(), value.clone());
                }
            }
        }
        if !map.contains_key("name") {
            return Err(wrong("name", "text", &Value::Nil));
        }
        Ok((definition, unknown))
    }

    /// The entry of a catalog. What has its default and is ours is left out, so that an entry without our rules looks as
    /// the original's.
    pub(super) fn to_entry(&self) -> Map {
        let mut entry = Map::from([
            ("name", Value::from(self.name.as_str())),
            ("description", self.description.as_str().into()),
            ("parameters", self.parameters.clone().into()),
            ("no_background", self.no_background.into()),
            ("allow_repeat", self.allow_repeat.into()),
        ]);
        if let Some(timeout) = self.timeout {
            entry.insert("timeout_ms", millis(timeout));
        }
        if let Some(concurrency) = self.concurrency {
            entry.insert("concurrency", concurrency as u64);
        }
        if self.place != Place::default() {
            entry.insert("place", self.place.as_str());
        }
        entry.extend(self.rest.clone());
        entry
    }

    /// The definition as a plain map, with everything in it.
    pub fn to_map(&self) -> Map {
        let mut map = self.to_entry();
        map.insert("permissions", self.permissions.clone());
        map
    }

    /// As the `tools` of a chat model take it: `{"type": "function", "function": {name, description, parameters}}`.
    pub fn to_openai(&self) -> Map {
        let function = Map::from([
            ("name", Value::from(self.name.as_str())),
            ("description", self.description.as_str().into()),
            ("parameters", self.parameters.clone().into()),
        ]);
        Map::from([("type", Value::from("function")), ("function", function.into())])
    }

    /// Checks everything. `Invalid` naming the field.
    pub fn validate(&self) -> Result<()> {
        self.compile().map(drop)
    }

    /// Checks everything, and compiles the schema of the arguments.
    pub fn compile(&self) -> Result<Schema> {
        check_name(&self.name)?;
        let refused = |error: Error| error.with_context("tool", &self.name);
        if self.description.len() > Self::MOST_DESCRIPTION {
            let found = format!("{} bytes", self.description.len());
            return Err(refused(out_of_range("description", "at most 8192 bytes", &found)));
        }
        if self.timeout.is_some_and(|timeout| timeout < Duration::from_millis(1)) {
            return Err(refused(out_of_range("timeout", "at least 1 ms", "less")));
        }
        if let Some(n) = self.concurrency.filter(|n| !(1..=10_000).contains(n)) {
            return Err(refused(out_of_range("concurrency", "1 to 10,000", &n.to_string())));
        }
        for permission in &self.permissions {
            if permission.is_empty() || permission.len() > 128 || permission.chars().any(char::is_control) {
                let found = format!("{permission:?}");
                return Err(refused(out_of_range("permissions", "words of 1 to 128 bytes", &found)));
            }
        }
        Schema::compile(&self.parameters).map_err(refused)
    }
}

/// What a definition may say, in the order in which it is told.
const KEYS: [&str; 9] = [
    "name",
    "description",
    "parameters",
    "no_background",
    "allow_repeat",
    "permissions",
    "timeout_ms",
    "concurrency",
    "place",
];

/// `Invalid` for a name that no tool can have.
pub(super) fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if (1..=ToolDefinition::MOST_NAME).contains(&name.len()) && name.chars().all(fits) {
        return Ok(());
    }
    let shown: String = name.chars().take(ToolDefinition::MOST_NAME + 1).collect();
    Err(out_of_range("name", "1 to 64 of A-Z a-z 0-9 _ -", &format!("{shown:?}")))
}

fn no_parameters() -> Map {
    Map::from([
        ("type", Value::from("object")),
        ("properties", Map::new().into()),
        ("additionalProperties", false.into()),
    ])
}

/// Text, or a list of it.
pub(super) fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_list()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn wrong(field: &str, expected: &'static str, found: &Value) -> Error {
    let found = if found.is_nil() { "nothing".into() } else { found_in(found) };
    out_of_range(field, expected, &found)
}

fn found_in(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("text {:?}", text.chars().take(40).collect::<String>()),
        other => other.type_name().into(),
    }
}

fn out_of_range(field: &str, expected: &'static str, found: &str) -> Error {
    Error::invalid(format!("`{field}` of a tool must be {expected}, found {found}"))
        .with_context("field", field)
        .with_context("expected", expected)
        .with_context("found", found)
}
