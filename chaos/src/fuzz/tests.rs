//! Every target over its corpus.

use std::path::PathBuf;

use super::TARGETS;

#[test]
fn every_target_holds_over_its_corpus() {
    for target in TARGETS {
        let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "fuzz", "corpus", target.name].iter().collect();
        let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!(files.len() >= 10, "the corpus of {} is nearly empty", target.name);
        let mut taken = 0;
        for file in &files {
            let input = std::fs::read(file).unwrap();
            let tried = std::panic::catch_unwind(|| (target.run)(&input));
            taken += usize::from(tried.unwrap_or_else(|_| panic!("{} fails over {}", target.name, file.display())));
        }
        assert!(taken * 4 >= files.len(), "{} took {taken} of {} inputs only", target.name, files.len());
    }
}

#[test]
fn every_target_has_its_program() {
    for target in TARGETS {
        let program = format!("{}/../fuzz/targets/{}.rs", env!("CARGO_MANIFEST_DIR"), target.name);
        let text = std::fs::read_to_string(&program).unwrap();
        assert!(text.contains(&format!("fuzz::{}(", target.name)), "{program} runs something else");
    }
}
