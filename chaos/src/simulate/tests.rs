use super::*;

/// Seeds of every `make test`; `make simulate` runs many more, and larger ones.
const SEEDS: u64 = 500;

#[test]
fn many_seeds_keep_every_promise() {
    let sum = many(1..1 + SEEDS, 100, 1);
    let failed: Vec<_> = sum.failed.iter().map(|(schedule, findings)| format!("{schedule}\n{findings:#?}")).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!(sum.seeds, SEEDS);
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in 0..10 {
        let plan = Plan::draw(seed, 60);
        let (one, two) = (run(seed, &plan), run(seed, &plan));
        assert_eq!(one.events, two.events, "seed {seed}");
        assert_eq!(one.history, two.history, "seed {seed}");
    }
}

/// Every schedule that has failed once, in a file of its own that says what went wrong.
#[test]
fn what_has_failed_once_does_not_fail_again() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/simulate/regressions");
    let mut files = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let schedule: Schedule = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let outcome = run(schedule.seed, &schedule.plan);
        assert!(outcome.findings.is_empty(), "{}: {:#?}", path.display(), outcome.findings);
        files += 1;
    }
    assert!(files > 0);
}
