//! The levels of the core: a module may use what lies below it, and nothing beside or above.

use super::source::Source;

/// Modules of `core/src`, by level. A new module gets its place here, and in ARCHITECTURE.md.
const LEVELS: &[&[&str]] = &[
    &["error", "topology", "clock", "policy", "mutant"],
    &["transport", "envelope", "config"],
    &["trace", "redis", "engine", "store"],
    // A delivery carries a fenced publisher, so publishing stands below consuming.
    &["publish"],
    &["provision", "inspect", "consumer", "events", "dead_letter", "lock"],
    // A server of calls is a consumer of requests.
    &["rpc"],
    &["platform", "tools"],
    &["bus"],
    // Threads and queues for the bindings; nothing in the core knows of it.
    &["host"],
];

/// Only what connects knows which transports there are.
const TRANSPORTS: &[&str] = &["redis", "engine"];
const MAY_NAME_TRANSPORTS: &[&str] = &["bus"];

fn level(module: &str) -> Option<usize> {
    LEVELS.iter().position(|modules| modules.contains(&module))
}

/// Every use of a module that does not lie below the one that uses it.
pub(super) fn violations(sources: &[Source]) -> Vec<String> {
    let reexports = sources.iter().find(|source| source.path == "core/src/lib.rs").map(reexports).unwrap_or_default();
    let mut found = Vec::new();
    for source in sources {
        let Some(module) = module_of(&source.path) else { continue };
        let Some(own) = level(module) else {
            found.push(format!("{}: module {module} has no level", source.path));
            continue;
        };
        for (at, name) in paths(source) {
            let used = if name.starts_with(char::is_lowercase) && level(&name).is_some() {
                name.as_str()
            } else if let Some((_, home)) = reexports.iter().find(|(item, _)| *item == name) {
                home.as_str()
            } else if name == "VERSION" {
                continue;
            } else {
                found.push(format!("{at}: `{name}` stands in no module that has a level"));
                continue;
            };
            if used != module && level(used) >= Some(own) {
                found.push(format!("{at}: {module} (level {own}) uses {used} (level {})", level(used).unwrap_or(0)));
            }
            if used != module && TRANSPORTS.contains(&used) && !MAY_NAME_TRANSPORTS.contains(&module) {
                found.push(format!("{at}: {module} names the transport {used}; only {MAY_NAME_TRANSPORTS:?} may"));
            }
        }
    }
    found
}

/// The module of `core/src` that a file belongs to; none for `lib.rs`, which may use everything.
fn module_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("core/src/")?;
    let module = inside.split('/').next()?.trim_end_matches(".rs");
    (module != "lib").then_some(module)
}

/// How deep a file's module lies: 1 for `a.rs` and `a/mod.rs`, 2 for `a/b.rs`.
fn depth(path: &str) -> usize {
    let inside = path.strip_prefix("core/src/").unwrap_or(path);
    inside.split('/').count() - usize::from(inside.ends_with("/mod.rs"))
}

/// Names right below the crate's root that a file uses, with the place of each.
fn paths(source: &Source) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let climb = "super::".repeat(depth(&source.path));
    for root in ["crate::", climb.as_str()] {
        let mut from = 0;
        while let Some(at) = source.code[from..].find(root).map(|at| from + at) {
            from = at + root.len();
            // `mycrate::`, or one `super::` too many to be ours: the longer chain is no valid path.
            let before = source.code[..at].chars().last();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            for name in heads(&source.code[from..]) {
                found.push((source.at(at), name));
            }
        }
    }
    found
}

/// First names of a path: `a::b` → `a`; `{a::{b, c}, D}` → `a`, `D`.
fn heads(path: &str) -> Vec<String> {
    let word = |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let Some(group) = path.strip_prefix('{') else { return vec![word(path)] };
    let mut names = Vec::new();
    let mut depth = 0;
    let mut start = 0;
    for (at, c) in group.char_indices() {
        let ends = depth == 0 && (c == ',' || c == '}');
        if ends && !group[start..at].trim().is_empty() {
            names.push(word(group[start..at].trim()));
        }
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            _ => {}
        }
        if ends {
            start = at + 1;
        }
    }
    names
}

/// What `lib.rs` re-exports, `(item, module)`: a name at the root must not hide an arrow that points up.
fn reexports(lib: &Source) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for statement in lib.code.split(';') {
        let Some((_, path)) = statement.rsplit_once("pub use ") else { continue };
        let path = path.trim().trim_start_matches("crate::");
        let Some((module, items)) = path.split_once("::") else { continue };
        let words = items.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
        found.extend(words.map(|item| (item.to_owned(), module.to_owned())));
    }
    found
}

#[test]
fn the_map_shows_the_same_levels() {
    let map = std::fs::read_to_string(stargazer_tests::root().join("ARCHITECTURE.md")).unwrap();
    for (level, modules) in LEVELS.iter().enumerate() {
        let row = format!("| {level} | ");
        let row = map.lines().find_map(|line| line.strip_prefix(&row)).unwrap_or_default();
        let shown: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        assert_eq!(shown, *modules, "level {level} in ARCHITECTURE.md");
    }
}
