//! The checker notices every rule that is broken on purpose, and no shipped build can break one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use stargazer_chaos::mutants::{TABLE, prove};
use stargazer_core::mutant::Mutant;

// One test: which rule is broken is a matter of the whole process.
#[test]
fn every_mutant_is_caught_by_the_check_that_was_named() {
    let failed: Vec<_> = TABLE
        .iter()
        .filter_map(|subject| prove(subject).err().map(|why| format!("{:?}: {why}", subject.mutant)))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let in_table: BTreeSet<_> = TABLE.iter().map(|subject| subject.mutant as u8).collect();
    let all: BTreeSet<_> = Mutant::ALL.iter().map(|mutant| *mutant as u8).collect();
    assert_eq!(in_table, all);
}

#[test]
fn nothing_but_the_proofs_can_break_a_rule() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut manifests = Vec::new();
    find(root, 0, &mut manifests);
    assert!(manifests.len() > 6, "{manifests:?}");
    for manifest in manifests {
        let text = fs::read_to_string(&manifest).expect("a manifest can be read");
        let place = manifest.strip_prefix(root).expect("below the root").to_owned();
        let lines = text.lines().filter(|line| line.contains("proving") && !line.trim_start().starts_with('#'));
        let lines: Vec<_> = lines.map(str::trim).collect();
        match place.to_str().expect("a name") {
            // Declared, not on by default, and it brings nothing along.
            "core/Cargo.toml" => assert_eq!(lines, ["proving = []"]),
            "chaos/Cargo.toml" => assert!(text.contains("publish = false") && lines.len() == 1, "{lines:?}"),
            _ => assert!(lines.is_empty(), "{}: {lines:?}", place.display()),
        }
        // The fuzz targets are a workspace of their own, and ship nothing either.
        let depends = !place.starts_with("fuzz") && text.lines().any(|line| line.starts_with("stargazer-chaos"));
        assert!(!depends, "{} would bring the feature along", place.display());
    }
}

#[allow(clippy::expect_used)] // part of a test
fn find(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    for item in fs::read_dir(folder).expect("a folder can be read").flatten() {
        let (path, name) = (item.path(), item.file_name());
        let hidden =
            name.to_str().is_none_or(|name| name.starts_with('.') || name == "target" || name == "node_modules");
        if path.is_dir() && !hidden && depth < 3 {
            find(&path, depth + 1, found);
        } else if name == "Cargo.toml" {
            found.push(path);
        }
    }
}
