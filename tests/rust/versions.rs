//! All packages share one version, written in three manifests.

use std::fs;

use stargazer_tests::root;

#[test]
fn every_manifest_names_the_same_version() {
    let pyproject = fs::read_to_string(root().join("pyproject.toml")).unwrap();
    let python =
        pyproject.lines().find_map(|line| line.strip_prefix("version = ")).map(|version| version.trim_matches('"'));
    assert_eq!(python, Some(stargazer_core::VERSION));

    let package = fs::read_to_string(root().join("bindings/node/package.json")).unwrap();
    let package: serde_json::Value = serde_json::from_str(&package).unwrap();
    assert_eq!(package["version"], stargazer_core::VERSION);
}
