//! Every target over its corpus, and over inputs of no form at all: `SG_FUZZ_INPUTS=100000` for more of them.

use std::path::PathBuf;

use super::TARGETS;
use crate::actor::Dice;

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

#[test]
#[allow(clippy::disallowed_methods, reason = "how long to look is asked of the test alone")]
fn every_target_holds_over_random_inputs() {
    let inputs = std::env::var("SG_FUZZ_INPUTS").map_or(150, |n| n.parse().unwrap());
    for target in TARGETS {
        for seed in 0..inputs {
            let mut dice = Dice(seed);
            let input: Vec<u8> = (0..dice.below(1500)).map(|_| dice.next().to_le_bytes()[3]).collect();
            let tried = std::panic::catch_unwind(|| (target.run)(&input));
            assert!(tried.is_ok(), "{} fails over the random input {seed}", target.name);
        }
    }
}
