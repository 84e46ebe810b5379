//! What the manifests and lock files of the three languages have to agree on.

use std::fs;

use serde_json::Value;
use stargazer_tests::root;

fn json(path: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(root().join(path)).unwrap()).unwrap()
}

#[test]
fn every_manifest_names_the_same_version() {
    let pyproject = fs::read_to_string(root().join("pyproject.toml")).unwrap();
    let python =
        pyproject.lines().find_map(|line| line.strip_prefix("version = ")).map(|version| version.trim_matches('"'));
    assert_eq!(python, Some(stargazer_core::VERSION));
    assert_eq!(json("bindings/node/package.json")["version"], stargazer_core::VERSION);
}

#[test]
fn the_lock_file_of_npm_is_of_its_manifests() {
    let lock = json("package-lock.json");
    for (place, manifest) in [("", "package.json"), ("bindings/node", "bindings/node/package.json")] {
        let (locked, manifest) = (&lock["packages"][place], json(manifest));
        for part in ["version", "dependencies", "devDependencies", "optionalDependencies", "workspaces"] {
            assert_eq!(locked[part], manifest[part], "{part} of {place:?}: run npm install");
        }
    }
}

/// Every lock file of npm: ours, that of the documentation's tool, and one for each rival that is measured.
fn locks_of_npm() -> Vec<String> {
    let rivals = fs::read_dir(root().join("benches/peers")).unwrap().map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        format!("benches/peers/{name}/package-lock.json")
    });
    let own = ["package-lock.json", "tools/typedoc/package-lock.json"].map(str::to_owned);
    own.into_iter().chain(rivals.filter(|path| root().join(path).exists())).collect()
}

#[test]
fn the_lock_files_of_npm_name_no_registry() {
    let paths = locks_of_npm();
    assert!(paths.len() > 2, "the rivals are elsewhere: {paths:?}");
    for path in paths {
        let lock = json(&path);
        for (name, package) in lock["packages"].as_object().unwrap() {
            let address = package["resolved"].as_str().unwrap_or_default();
            assert!(!address.contains("://"), "{path}: {name} is locked to {address}: npm has to read .npmrc");
        }
    }
}
