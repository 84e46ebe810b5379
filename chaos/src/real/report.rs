//! What came of a run: the checker's verdict, what the driver found, and the matrix of faults and phases.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::options::RunOptions;
use crate::check::Report;
use crate::history::{FaultKind, Phase};

/// The result of a run, as it stands in its file.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    version: &'static str,
    server: String,
    seed: u64,
    messages: u64,
    ordering: String,
    subject: String,
    seconds: u64,
    pub(super) passed: bool,
    faults: u64,
    kinds: usize,
    /// Deaths of processes by their own messages.
    crashes: u64,
    findings: Vec<String>,
    /// By kind: how often it hit in each phase.
    matrix: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    verdict: Report,
}

impl Outcome {
    pub(super) fn new(
        options: &RunOptions,
        server: String,
        took: Duration,
        crashes: u64,
        findings: Vec<String>,
        faults: &HashMap<(FaultKind, Option<Phase>), u64>,
        verdict: Report,
    ) -> Self {
        let mut matrix: BTreeMap<&'static str, BTreeMap<&'static str, u64>> = BTreeMap::new();
        for ((kind, phase), times) in faults {
            let phase = phase.map_or("any", Phase::name);
            *matrix.entry(kind.name()).or_default().entry(phase).or_default() += times;
        }
        Self {
            version: stargazer_core::VERSION,
            server,
            seed: options.seed,
            messages: verdict.figures.get("stored").copied().unwrap_or(0),
            ordering: options.ordering.clone(),
            subject: format!("{:?}", options.subject).to_lowercase(),
            seconds: took.as_secs(),
            passed: findings.is_empty() && verdict.is_good(),
            faults: faults.values().sum(),
            kinds: matrix.len(),
            crashes,
            findings,
            matrix,
            verdict,
        }
    }

    /// For the screen.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n", self.verdict);
        let phases = Phase::ALL.map(Phase::name);
        let _ = write!(text, "\n{:<20}", "fault × phase");
        for phase in phases.iter().chain(&["any"]) {
            let _ = write!(text, " {phase:>14}");
        }
        for (kind, row) in &self.matrix {
            let _ = write!(text, "\n{kind:<20}");
            for phase in phases.iter().chain(&["any"]) {
                let _ = write!(text, " {:>14}", row.get(phase).copied().unwrap_or(0));
            }
        }
        let _ = write!(text, "\n\n{} faults of {} kinds in {} s", self.faults, self.kinds, self.seconds);
        let _ = write!(text, ", {} processes ended by their messages", self.crashes);
        for finding in &self.findings {
            let _ = write!(text, "\nFOUND: {finding}");
        }
        let _ = write!(text, "\nseed {}: {}", self.seed, if self.passed { "the promises held" } else { "FAILED" });
        text
    }
}
