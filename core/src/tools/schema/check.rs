//! Values against a compiled schema.
//!
//! The first pass only asks whether a value fits; faults are collected where it does not, and of alternatives only
//! those of the one that was probably meant.

use std::collections::HashSet;

use super::super::hash::sorted;
use super::fault::{self, Fault, MISSING, Path};
use super::number::{equal, is_multiple};
use super::{Bound, Id, Node, Schema};
use crate::envelope::{Limits, Map, Value, codec};

/// Schemas that are looked at during one check, beside [`STEPS_PER_VALUE`].
const MOST_STEPS: usize = 100_000;

/// And for every value of the arguments.
const STEPS_PER_VALUE: usize = 50;

/// Schemas inside each other during one check, so that the stack never ends.
const DEEPEST: usize = 256;

pub(super) fn faults(schema: &Schema, arguments: &Map) -> Vec<Fault> {
    // The value is borrowed as it is everywhere below, so the map has to stand in one.
    let value = Value::Map(arguments.clone());
    let most_steps = MOST_STEPS + STEPS_PER_VALUE * size(&value);
    let mut check = Check { schema, steps: 0, most_steps, depth: 0, endless: false };
    let mut found = Vec::new();
    check.node(0, &value, &Path::Root, &mut Some(&mut found));
    if check.endless {
        let why = "less work to check: the schema refers to itself without end, or has too many alternatives";
        return vec![Fault::new(&Path::Root, why, "no end")];
    }
    found.truncate(Fault::MOST);
    found
}

/// Values inside a value, itself included.
fn size(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Map(map) => 1 + map.iter().map(|(_, value)| size(value)).sum::<usize>(),
        _ => 1,
    }
}

struct Check<'s> {
    schema: &'s Schema,
    steps: usize,
    most_steps: usize,
    depth: usize,
    endless: bool,
}

/// Where faults go; `None` when only the answer counts.
type Sink<'a> = Option<&'a mut Vec<Fault>>;

fn tell(sink: &mut Sink<'_>, fault: impl FnOnce() -> Fault) -> bool {
    if let Some(found) = sink
        && found.len() < Fault::MOST
    {
        found.push(fault());
    }
    false
}

impl<'s> Check<'s> {
    /// Whether the value fits; what does not goes to the sink.
    fn node(&mut self, id: Id, value: &Value, path: &Path<'_>, sink: &mut Sink<'_>) -> bool {
        self.steps += 1;
        if self.depth >= DEEPEST || self.steps > self.most_steps {
            self.endless = true;
        }
        if self.endless {
            return false;
        }
        self.depth += 1;
        let node = &self.schema.nodes[id];
        let fits = self.own(node, value, path, sink) && self.combined(node, value, path, sink);
        self.depth -= 1;
        fits
    }

    fn quietly(&mut self, id: Id, value: &Value) -> bool {
        self.node(id, value, &Path::Root, &mut None)
    }

    /// What the schema itself says.
    fn own(&mut self, node: &'s Node, value: &Value, path: &Path<'_>, sink: &mut Sink<'_>) -> bool {
        if node.never {
            return tell(sink, || Fault::new(path, "left out", fault::shown(value)));
        }
        if let Some(types) = node.types
            && !types.take(value, node.takes_bytes)
        {
            return tell(sink, || Fault::new(path, expected(self.schema, node), fault::shown(value)));
        }
        if let Some(constant) = &node.constant
            && !equal(constant, value)
        {
            return tell(sink, || Fault::new(path, fault::short(constant), fault::shown(value)));
        }
        if let Some(choices) = &node.choices
            && !choices.iter().any(|choice| equal(choice, value))
        {
            return tell(sink, || Fault::new(path, one_of(choices), fault::shown(value)));
        }
        match value {
            Value::Int(_) | Value::UInt(_) | Value::Float(_) => number(node, value, path, sink),
            Value::Text(text) => self::text(node, text, path, sink),
            Value::List(items) => self.list(node, items, path, sink),
            Value::Map(map) => self.map(node, map, path, sink),
            _ => true,
        }
    }

    fn list(&mut self, node: &'s Node, items: &[Value], path: &Path<'_>, sink: &mut Sink<'_>) -> bool {
        let mut fits = within(items.len(), node.min_items, node.max_items, "item", "a list of", path, sink);
        for (n, item) in items.iter().enumerate() {
            if let Some(id) = node.prefix.get(n).copied().or(node.items) {
                fits &= self.node(id, item, &Path::Item(path, n), sink);
            }
            if self.endless {
                return false;
            }
        }
        if node.unique {
            let mut seen = HashSet::new();
            // Values that are equal as JSON are equal bytes.
            let twice = items
                .iter()
                .position(|item| codec::encode(&sorted(item), &Limits::WIDEST).is_ok_and(|bytes| !seen.insert(bytes)));
            if let Some(n) = twice {
                let place = Path::Item(path, n);
                fits &= tell(sink, || Fault::new(&place, "different from all others", "the same once more"));
            }
        }
        if let Some((id, least, most)) = node.contains {
            let hits = items.iter().filter(|item| self.quietly(id, item)).count() as u64;
            if hits < least || most.is_some_and(|most| hits > most) {
                let schema = self.schema;
                fits &= tell(sink, || {
                    let of = expected(schema, &schema.nodes[id]);
                    let most = most.map(|most| format!(" and at most {most}")).unwrap_or_default();
                    Fault::new(path, format!("a list with at least {least}{most} of {of}"), format!("{hits}"))
                });
            }
        }
        fits
    }

    fn map(&mut self, node: &'s Node, map: &Map, path: &Path<'_>, sink: &mut Sink<'_>) -> bool {
        let mut fits = within(map.len(), node.min_properties, node.max_properties, "key", "a map of", path, sink);
        for key in node.required.iter().filter(|key| !map.contains_key(key)) {
            fits &= self.missing(node, key, "", path, sink);
        }
        for (key, others) in node.requires.iter().filter(|(key, _)| map.contains_key(key)) {
            for other in others.iter().filter(|other| !map.contains_key(other)) {
                fits &= self.missing(node, other, &format!(" (`{key}` is there)"), path, sink);
            }
        }
        for (key, value) in map {
            let place = Path::Key(path, key);
            let mut known = false;
            if let Some((_, id)) = node.properties.iter().find(|(name, _)| name == key) {
                known = true;
                fits &= self.node(*id, value, &place, sink);
            }
            for (pattern, id) in &node.matching {
                if pattern.is_match(key) {
                    known = true;
                    fits &= self.node(*id, value, &place, sink);
                }
            }
            if let Some(id) = node.additional.filter(|_| !known) {
                fits &= if self.schema.nodes[id].never {
                    tell(sink, || unknown(node, key, &place, value))
                } else {
                    self.node(id, value, &place, sink)
                };
            }
            if let Some(id) = node.names
                && !self.quietly(id, &Value::Text(key.clone()))
            {
                let schema = self.schema;
                fits &= tell(sink, || {
                    let name = expected(schema, &schema.nodes[id]);
                    Fault::new(&place, format!("called by a name that is {name}"), "this name")
                });
            }
            if self.endless {
                return false;
            }
        }
        if !node.implies.is_empty() {
            let whole = Value::Map(map.clone());
            for (_, id) in node.implies.iter().filter(|(key, _)| map.contains_key(key)) {
                fits &= self.node(*id, &whole, path, sink);
            }
        }
        fits
    }

    fn missing(&self, node: &Node, key: &str, why: &str, path: &Path<'_>, sink: &mut Sink<'_>) -> bool {
        let of = node.properties.iter().find(|(name, _)| name == key).map(|(_, id)| &self.schema.nodes[*id]);
        tell(sink, || {
            let expected = of.map_or_else(|| "there".into(), |of| expected(self.schema, of));
            Fault::new(&Path::Key(path, key), format!("{expected}{why}"), MISSING)
        })
    }

    /// What other schemas say that this one is made of.
    fn combined(&mut self, node: &'s Node, value: &Value, path: &Path<'_>, sink: &mut Sink<'_>) -> bool {
        let mut fits = true;
        for id in node.reference.iter().chain(&node.all) {
            fits &= self.node(*id, value, path, sink);
        }
        if let Some(ids) = &node.any
            && !ids.iter().any(|id| self.quietly(*id, value))
        {
            fits = self.no_alternative(ids, value, path, sink);
        }
        if let Some(ids) = &node.one {
            match ids.iter().filter(|id| self.quietly(**id, value)).count() {
                0 => fits = self.no_alternative(ids, value, path, sink),
                1 => {}
                n => {
                    let found = format!("what fits {n} of them");
                    fits = tell(sink, || Fault::new(path, "exactly one of its alternatives", found));
                }
            }
        }
        if let Some(id) = node.not
            && self.quietly(id, value)
            && !self.endless
        {
            let schema = self.schema;
            fits = tell(sink, || {
                let not = expected(schema, &schema.nodes[id]);
                Fault::new(path, format!("anything but {not}"), fault::shown(value))
            });
        }
        if let Some((condition, then, otherwise)) = node.condition {
            let branch = if self.quietly(condition, value) { then } else { otherwise };
            if let Some(id) = branch {
                fits &= self.node(id, value, path, sink);
            }
        }
        fits && !self.endless
    }

    /// None of the alternatives fits: the faults of the only one that is meant for this type of value, or what they
    /// ask for together.
    fn no_alternative(&mut self, ids: &[Id], value: &Value, path: &Path<'_>, sink: &mut Sink<'_>) -> bool {
        if sink.is_none() || self.endless {
            return false;
        }
        let schema = self.schema;
        let meant: Vec<Id> = ids.iter().copied().filter(|id| self.is_meant(*id, value)).collect();
        if let [only] = meant[..] {
            self.node(only, value, path, sink);
            return false;
        }
        tell(sink, || {
            let all = fault::either(ids.iter().map(|id| expected(schema, &schema.nodes[*id])));
            Fault::new(path, all, fault::shown(value))
        })
    }

    /// Whether a value is of the type of an alternative and has its constants.
    fn is_meant(&self, id: Id, value: &Value) -> bool {
        let node = &self.schema.nodes[id];
        if let Some(id) = node.reference.filter(|other| *other != id && node.types.is_none()) {
            return self.schema.nodes[id].reference.is_none() && self.is_meant(id, value);
        }
        let typed = !node.never && node.types.is_none_or(|types| types.take(value, node.takes_bytes));
        let constants =
            node.properties.iter().all(|(key, id)| match (&self.schema.nodes[*id].constant, value.get(key)) {
                (Some(constant), Some(value)) => equal(constant, value),
                _ => true,
            });
        typed && constants
    }
}

fn number(node: &Node, value: &Value, path: &Path<'_>, sink: &mut Sink<'_>) -> bool {
    let mut fits = true;
    for (bound, limit) in &node.bounds {
        if !fault::keeps(*bound, limit, value) {
            fits &= tell(sink, || {
                let word = match bound {
                    Bound::AtLeast => "at least",
                    Bound::MoreThan => "more than",
                    Bound::AtMost => "at most",
                    Bound::LessThan => "less than",
                };
                Fault::new(path, format!("{word} {}", fault::short(limit)), fault::shown(value))
            });
        }
    }
    if let Some(of) = &node.multiple_of
        && !is_multiple(of, value)
    {
        fits &= tell(sink, || Fault::new(path, format!("a multiple of {}", fault::short(of)), fault::shown(value)));
    }
    fits
}

fn text(node: &Node, text: &str, path: &Path<'_>, sink: &mut Sink<'_>) -> bool {
    let mut fits = true;
    if node.min_length.is_some() || node.max_length.is_some() {
        let length = text.chars().count();
        fits &= within(length, node.min_length, node.max_length, "character", "text of", path, sink);
    }
    if let Some((source, pattern)) = &node.pattern
        && !pattern.is_match(text)
    {
        fits &=
            tell(sink, || Fault::new(path, format!("text that matches {source}"), fault::shown(&Value::from(text))));
    }
    fits
}

/// Whether a number of things is within its bounds.
fn within(
    n: usize,
    least: Option<u64>,
    most: Option<u64>,
    one: &str,
    what: &str,
    path: &Path<'_>,
    sink: &mut Sink<'_>,
) -> bool {
    let n = n as u64;
    if least.is_none_or(|least| n >= least) && most.is_none_or(|most| n <= most) {
        return true;
    }
    tell(sink, || {
        let range = match (least, most) {
            (Some(least), Some(most)) if least == most => fault::count(least, one),
            (Some(least), Some(most)) => format!("{least} to {}", fault::count(most, one)),
            (Some(least), None) => format!("at least {}", fault::count(least, one)),
            (None, most) => format!("at most {}", fault::count(most.unwrap_or_default(), one)),
        };
        Fault::new(path, format!("{what} {range}"), fault::count(n, one))
    })
}

fn unknown(node: &Node, key: &str, place: &Path<'_>, value: &Value) -> Fault {
    let mut fault = Fault::new(place, "left out: there is no such argument", fault::shown(value));
    fault.meant = fault::likely(key, node.properties.iter().map(|(name, _)| name.as_str()));
    fault
}

fn one_of(choices: &[Value]) -> String {
    const MOST: usize = 12;
    let mut words: Vec<String> = choices.iter().take(MOST).map(fault::short).collect();
    if choices.len() > MOST {
        words.push(format!("one of {} more", choices.len() - MOST));
    }
    fault::either(words)
}

/// What a schema asks for, in a phrase.
fn expected(schema: &Schema, node: &Node) -> String {
    phrase(schema, node, 4)
}

fn phrase(schema: &Schema, node: &Node, levels: usize) -> String {
    if let Some(constant) = &node.constant {
        return fault::short(constant);
    }
    if let Some(choices) = &node.choices {
        return one_of(choices);
    }
    if let Some(types) = node.types {
        return types.phrase();
    }
    if levels > 0 {
        let alternatives = node.any.as_ref().or(node.one.as_ref());
        if let Some(ids) = alternatives {
            return fault::either(ids.iter().map(|id| phrase(schema, &schema.nodes[*id], levels - 1)));
        }
        if let Some(id) = node.reference.or(node.all.first().copied()) {
            return phrase(schema, &schema.nodes[id], levels - 1);
        }
    }
    "a value".into()
}
