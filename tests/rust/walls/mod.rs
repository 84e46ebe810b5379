//! The walls of the house, read from the sources: who may name which crate, who may use which module, who may read the
//! environment, who may spell the name of a stream or key. Tests are excepted, and so are the benchmarks and examples that
//! bring a raw client along as a witness.

mod levels;
mod rules;
mod source;

use std::fs;
use std::path::Path;

use source::{Language, Source};
use stargazer_tests::root;

/// Folders whose sources end in what we ship.
const SHIPPED: &[&str] = &[
    "core/src",
    "services/src",
    "bindings/python/src",
    "bindings/python/python",
    "bindings/node/src",
    "bindings/node/build.rs",
    "bindings/node/ts",
];

#[test]
fn the_walls_stand() {
    let mut sources = Vec::new();
    for folder in SHIPPED {
        collect(&root(), &root().join(folder), &mut sources);
    }
    assert!(sources.len() > 10, "the sources are not where they were: {} found", sources.len());
    let found = violations(&sources);
    assert!(found.is_empty(), "{} walls are broken:\n{}", found.len(), found.join("\n"));
}

#[test]
fn dependencies_stand_in_the_manifests_that_may_have_them() {
    let has = |manifest: &str, name: &str| {
        let text = fs::read_to_string(root().join(manifest)).unwrap();
        text.lines().any(|line| line.split(['.', ' ', '=']).next() == Some(name))
    };
    // The core speaks to the server; the benchmarks bring the raw client along as a witness. Nobody else does either.
    for manifest in members() {
        let may = ["core/Cargo.toml", "benches/Cargo.toml"].contains(&manifest.as_str());
        assert_eq!(has(&manifest, "redis"), may, "{manifest} and redis");
    }
    for manifest in ["core/Cargo.toml", "services/Cargo.toml", "tests/Cargo.toml", "benches/Cargo.toml"] {
        for name in ["pyo3", "napi", "napi-derive"] {
            assert!(!has(manifest, name), "{manifest} depends on {name}");
        }
    }
}

/// The manifests of the workspace's packages.
fn members() -> Vec<String> {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let list = workspace.lines().find_map(|line| line.strip_prefix("members = ")).expect("members stand in one line");
    let members: Vec<String> = list.split('"').skip(1).step_by(2).map(|path| format!("{path}/Cargo.toml")).collect();
    assert!(members.len() > 5, "{members:?}");
    members
}

fn violations(sources: &[Source]) -> Vec<String> {
    let rules = [rules::crates, rules::environment, rules::names, rules::clients, rules::keys];
    let mut found: Vec<String> = sources.iter().flat_map(|source| rules.iter().flat_map(|rule| rule(source))).collect();
    found.extend(levels::violations(sources));
    found
}

fn collect(root: &Path, path: &Path, into: &mut Vec<Source>) {
    if path.is_dir() {
        let mut entries: Vec<_> = path.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for entry in &entries {
            collect(root, entry, into);
        }
        return;
    }
    let name = path.strip_prefix(root).unwrap().to_str().expect("names of files are text").replace('\\', "/");
    let tests = name.split(['/', '.']).any(|part| part == "tests");
    if path.is_file() && !tests && Language::of(&name).is_some() {
        into.push(Source::new(&name, &fs::read_to_string(path).unwrap()));
    }
}

/// Asserts that a made-up file breaks a wall, and that the sentence says what is wrong.
fn breaks(path: &str, text: &str, said: &str) {
    let found = violations(&[Source::new(path, text)]);
    assert!(found.iter().any(|sentence| sentence.contains(said)), "{path} {text:?}: {said:?} is not in {found:?}");
}

fn holds(path: &str, text: &str) {
    assert_eq!(violations(&[Source::new(path, text)]), Vec::<String>::new(), "{path} {text:?}");
}

#[test]
fn a_foreign_crate_outside_its_home_is_found() {
    let said = "redis is named outside core/src/redis/";
    breaks("core/src/bus/mod.rs", "use redis::Client;", said);
    breaks("core/src/bus/mod.rs", "fn a() -> ::redis::Value { todo!() }", said);
    breaks("services/src/lib.rs", "extern crate redis;", said);
    breaks("services/src/lib.rs", "let a = redis :: cmd(\"GET\");", said);
    breaks("bindings/node/src/bus.rs", "use pyo3::prelude::*;", "pyo3 is named outside bindings/python/");
    breaks("core/src/host/mod.rs", "#[napi_derive::napi] fn a() {}", "napi_derive is named outside");
    holds("core/src/redis/streams.rs", "use redis::Client;");
    holds(
        "core/src/bus/connect.rs",
        "use crate::redis::RedisTransport; // not redis::Client\nlet redis = \"redis::x\";",
    );
    holds("core/src/bus/connect.rs", "#[cfg(test)]\nmod tests { use redis::Client; }");
    holds("core/src/lib.rs", "mod redis; pub use redis::Thing;");
}

#[test]
fn reading_the_environment_elsewhere_is_found() {
    let said = "reads the environment";
    breaks("core/src/bus/mod.rs", "let a = std::env::var(\"A\");", said);
    breaks("core/src/bus/mod.rs", "use std::env::{self, var_os};", said);
    breaks("services/src/cli/mod.rs", "fn a() { env::vars().count(); }", said);
    breaks("services/src/cli/mod.rs", "struct A { #[arg(long, env = \"A\")] a: String }", said);
    breaks("bindings/python/python/stargazer_core/bus.py", "import os\nA = os.environ['A']", ":2: reads");
    breaks("bindings/python/python/stargazer_core/bus.py", "from os import getenv", said);
    breaks("bindings/node/ts/bus.ts", "const a = process.env.A;", said);
    holds("core/src/config.rs", "let a = std::env::var(\"A\");");
    holds("services/src/settings.rs", "let a = std::env::var(\"A\");");
    holds("services/src/bin/stargazer.rs", "let a = std::env::args(); let b = env!(\"A\");");
    holds("bindings/node/ts/bus.ts", "process.on('exit', () => {}); // process.env");
}

#[test]
fn a_spelled_name_is_found() {
    breaks("core/src/bus/mod.rs", "let a = \"sg:stream:inbound\";", "spells a name with \"sg:\"");
    breaks("core/src/bus/mod.rs", "let a = format!(\"sg:{platform}\");", "spells a name");
    breaks("core/src/bus/mod.rs", "let a =\n    r\"x sg:lock\";", "mod.rs:2: spells a name");
    breaks("services/src/gateway.rs", "let a = \"redis_platform:users\";", "\"redis_platform:\"");
    breaks("bindings/python/python/stargazer_core/bus.py", "a = f'maf:{b}'", "\"maf:\"");
    breaks("bindings/node/ts/bus.ts", "const a = `sg:${b}`;", "spells a name");
    breaks("core/src/redis/scripts/a.lua", "redis.call('GET', 'sg:' .. ARGV[1])", "spells a name");
    holds("core/src/topology.rs", "const A: &str = \"sg:stream:inbound\";");
    holds(
        "core/src/bus/mod.rs",
        "/// Reads `\"sg:stream:inbound\"`.\nfn a() {}\n#[cfg(test)] mod tests { const A: &str = \"sg:a\"; }",
    );
    holds("services/src/cli/mod.rs", "say(\"stargazer: no such role\"); say(\"msg:x\");");
    holds("bindings/python/python/stargazer_core/bus.py", "\"\"\"Reads ``sg:stream:inbound``.\"\"\"\na = 1  # sg:a");
}

#[test]
fn a_client_of_redis_in_a_package_is_found() {
    let package = "bindings/python/python/stargazer_core/bus.py";
    breaks(package, "import redis.asyncio", "imports redis");
    breaks(package, "if True:\n    from valkey import Valkey", ":2: imports valkey");
    breaks(package, "import os, aioredis as a", "imports aioredis");
    breaks("bindings/node/ts/bus.ts", "import Redis from 'ioredis';", "imports ioredis");
    breaks("bindings/node/ts/bus.ts", "const a = require(\"@redis/client\");", "imports @redis/client");
    holds(package, "from stargazer_core import redis_url\nfrom . import redis\n\"import redis\"");
}

#[test]
fn a_script_that_hides_its_keys_is_found() {
    let path = "core/src/redis/scripts/a.lua";
    breaks(path, "return redis.call('GET', KEYS[1])", "without a line");
    breaks(path, "local a = 1\n-- KEYS: 1 stream\nreturn KEYS[1]", "without a line");
    breaks(
        path,
        "-- Takes.\n-- KEYS: 1 stream, 2 lanes\nreturn KEYS[1] .. KEYS[3]",
        "a.lua:3: KEYS[3] is not declared",
    );
    holds(path, "-- Takes.\n-- KEYS: 1 stream, 2 lanes\nreturn KEYS[1] .. KEYS[2]");
    holds(path, "-- Shared by scripts; KEYS are theirs.\nlocal function a() end");
}

#[test]
fn an_arrow_that_points_up_or_sideways_is_found() {
    breaks("core/src/envelope/mod.rs", "use crate::bus::Bus;", "envelope (level 1) uses bus (level 7)");
    breaks("core/src/consumer/mod.rs", "use crate::{error::Result, rpc::{Call, self}};", "consumer (level 4) uses rpc");
    breaks("core/src/consumer/read.rs", "use super::super::events::Kind;", "uses events");
    breaks("core/src/error.rs", "fn a() -> super::config::BusConfig { todo!() }", "error (level 0) uses config");
    breaks("core/src/engine/mod.rs", "use crate::redis::Redis;", "engine (level 2) uses redis");
    breaks("core/src/consumer/mod.rs", "use crate::engine::Engine;", "names the transport engine");
    breaks("core/src/novel.rs", "", "module novel has no level");
    breaks("core/src/bus/mod.rs", "use crate::novel::A;", "`novel` stands in no module");
    holds("core/src/consumer/mod.rs", "use crate::{error::Result, transport::{self, Transport}}; use super::clock;");
    holds("core/src/consumer/read.rs", "use super::retry::Retry; use crate::consumer::Delivery; use crate::VERSION;");
    holds("core/src/bus/mod.rs", "use crate::engine::Engine; use crate::redis::Redis;");
    holds("core/src/lib.rs", "pub mod bus; use crate::bus::Bus;");
}

#[test]
fn a_name_at_the_root_does_not_hide_an_arrow() {
    let lib =
        Source::new("core/src/lib.rs", "pub mod bus;\npub use bus::{Bus, connect as open};\npub use error::Error;");
    let low = Source::new("core/src/envelope/mod.rs", "use crate::{Bus, Error};");
    assert_eq!(violations(&[lib, low]), ["core/src/envelope/mod.rs:1: envelope (level 1) uses bus (level 7)"],);
}
