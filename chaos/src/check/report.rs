//! The verdict: named findings with the records around them, and the figures of the run; as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::Serialize;

use super::facts::{At, Facts};
use super::line::line;
use super::messages::Entry;
use crate::history::NO_MESSAGE;

macro_rules! checks {
    ($($(#[$doc:meta])+ $check:ident = $title:literal;)+) => {
        /// A check. Its name is used everywhere: in reports, in the table of mutants, in the docs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        pub enum Check { $($(#[$doc])+ $check),+ }

        impl Check {
            /// Every check.
            pub const ALL: &[Self] = &[$(Self::$check),+];

            /// What it looks for.
            pub const fn title(self) -> &'static str { match self { $(Self::$check => $title),+ } }
        }
    };
}

checks! {
    /// What was stored was handled, or is in the dead letters.
    C1 = "lost";
    /// Nothing was handled that nobody published, or that was refused.
    C2 = "unexpected";
    /// A message id is stored once in its window.
    C3 = "stored twice";
    /// Every further start of an entry has a reason.
    C4 = "unexplained duplicates";
    /// Entries of a lane start in order, each when the one before is done.
    C5 = "out of order";
    /// Nobody commits what has become somebody else's.
    C6 = "stale effects";
    /// Handlers of a lane do not run at the same time.
    C7 = "overlap";
    /// A poison kills few processes, and takes no innocents along.
    C8 = "poison";
    /// A dead letter is what was published.
    C9 = "dead letters changed";
    /// Work of whoever failed goes on in time.
    C10 = "recovery";
    /// Nothing is left in the server.
    C11 = "left over";
    /// Processes return to their base line.
    C12 = "base line";
    /// The faults hit where it matters.
    C13 = "coverage";
}

/// Findings of one check kept with their surroundings; further ones are counted.
const KEPT: usize = 20;

/// Something that must not be.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// Which promise.
    pub check: Check,
    /// What happened.
    pub text: String,
    /// The message, where it is about one.
    pub message: Option<u64>,
    /// Its lane.
    pub lane: Option<u32>,
    /// Its entry.
    pub entry: Option<String>,
    /// Records around it.
    pub around: Vec<String>,
}

/// What one check did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CheckReport {
    /// Things looked at: none means that the check says nothing.
    pub judged: u64,
    /// Findings, also those that are not kept.
    pub found: u64,
    /// What was excused, and why: name → how many.
    pub excused: BTreeMap<String, u64>,
}

/// Recovery times of one kind of fault, in milliseconds.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Recovery {
    /// How many were measured with no other fault beside them.
    pub samples: u64,
    /// Further ones, disturbed by other faults; not judged.
    pub disturbed: u64,
    /// Half were faster.
    pub p50: f64,
    /// 99 of 100 were faster.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
    /// What is promised, if anything is.
    pub limit: Option<u64>,
}

/// The verdict on a history.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What must not be; empty: the promises held.
    pub findings: Vec<Finding>,
    /// By check.
    pub checks: BTreeMap<Check, CheckReport>,
    /// Figures of the run by name.
    pub figures: BTreeMap<String, u64>,
    /// By kind of fault.
    pub recovery: BTreeMap<String, Recovery>,
    /// By kind of fault: messages hit in each phase, by name of the phase.
    pub coverage: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Report {
    /// Whether nothing was found.
    pub fn is_good(&self) -> bool {
        self.checks.values().all(|check| check.found == 0)
    }

    /// Whether this check found something.
    pub fn found(&self, check: Check) -> bool {
        self.checks.get(&check).is_some_and(|check| check.found > 0)
    }

    /// The checks that found something.
    pub fn caught_by(&self) -> Vec<Check> {
        self.checks.iter().filter(|(_, check)| check.found > 0).map(|(name, _)| *name).collect()
    }

    /// As JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.figures {
            writeln!(f, "{value:>12}  {name}")?;
        }
        writeln!(f)?;
        for check in Check::ALL {
            let CheckReport { judged, found, excused } = self.checks.get(check).cloned().unwrap_or_default();
            let verdict = match (judged, found) {
                (0, 0) => "nothing to judge".into(),
                (_, 0) => "ok".into(),
                _ => format!("{found} FOUND"),
            };
            let mut because = String::new();
            for (why, times) in excused {
                write!(because, "{}{times} {why}", if because.is_empty() { "; " } else { ", " })?;
            }
            writeln!(f, "{:<4} {:<24} {judged:>10} judged, {verdict}{because}", format!("{check:?}"), check.title())?;
        }
        if !self.recovery.is_empty() {
            writeln!(f, "\nrecovery after            times  disturbed     p50 ms     p99 ms     max ms  limit")?;
        }
        for (kind, times) in &self.recovery {
            let Recovery { samples, disturbed, p50, p99, max, limit } = times;
            let limit = limit.map_or_else(|| "-".into(), |limit| limit.to_string());
            writeln!(f, "  {kind:<20} {samples:>8} {disturbed:>10} {p50:>10.0} {p99:>10.0} {max:>10.0}  {limit}")?;
        }
        if !self.coverage.is_empty() {
            writeln!(f, "\nmessages hit, by fault and phase")?;
        }
        for (kind, phases) in &self.coverage {
            let cells: Vec<_> = phases.iter().map(|(phase, hit)| format!("{phase}: {hit}")).collect();
            writeln!(f, "  {kind:<20} {}", cells.join(", "))?;
        }
        for finding in &self.findings {
            writeln!(f, "\n{:?} {}: {}", finding.check, finding.check.title(), finding.text)?;
            for line in &finding.around {
                writeln!(f, "    {line}")?;
            }
        }
        Ok(())
    }
}

/// Collects while checks run.
pub(super) struct Findings<'a> {
    facts: &'a Facts<'a>,
    report: Report,
}

impl<'a> Findings<'a> {
    pub(super) fn new(facts: &'a Facts<'a>) -> Self {
        let checks = Check::ALL.iter().map(|check| (*check, CheckReport::default())).collect();
        let report = Report {
            findings: Vec::new(),
            checks,
            figures: BTreeMap::new(),
            recovery: BTreeMap::new(),
            coverage: BTreeMap::new(),
        };
        Self { facts, report }
    }

    /// One more thing was looked at.
    pub(super) fn judged(&mut self, check: Check) {
        self.report.checks.entry(check).or_default().judged += 1;
    }

    /// Something would be wrong, were it not for this.
    pub(super) fn excuse(&mut self, check: Check, why: impl Into<String>) {
        *self.report.checks.entry(check).or_default().excused.entry(why.into()).or_default() += 1;
    }

    /// Something is wrong, seen at this record.
    pub(super) fn found(&mut self, check: Check, at: At, text: impl Into<String>) {
        let Some(record) = self.facts.record(at) else { return self.found_somewhere(check, text) };
        if !self.keep(check) {
            return;
        }
        let zero = self.facts.time(0);
        let entry = (record.entry != (0, 0)).then(|| name(record.entry));
        let around = self.facts.around(at);
        let show = |other: &At| {
            let mark = if *other == at { "→" } else { " " };
            self.facts.record(*other).map(|record| format!("{mark}{}", line(record, zero)))
        };
        self.report.findings.push(Finding {
            check,
            text: text.into(),
            message: (record.message != NO_MESSAGE).then_some(record.message),
            lane: (record.message != NO_MESSAGE).then_some(record.lane),
            entry,
            around: around.iter().filter_map(show).collect(),
        });
    }

    /// Something is wrong with the run as a whole.
    pub(super) fn found_somewhere(&mut self, check: Check, text: impl Into<String>) {
        if self.keep(check) {
            let text = text.into();
            self.report.findings.push(Finding { check, text, message: None, lane: None, entry: None, around: vec![] });
        }
    }

    /// Counts a finding; whether it is to be kept, too.
    fn keep(&mut self, check: Check) -> bool {
        let report = self.report.checks.entry(check).or_default();
        report.found += 1;
        report.found <= KEPT as u64
    }

    pub(super) fn recovery(&mut self, kind: &str, times: Recovery) {
        self.report.recovery.insert(kind.into(), times);
    }

    pub(super) fn coverage(&mut self, kind: &str, phase: &str, hit: u64) {
        *self.report.coverage.entry(kind.into()).or_default().entry(phase.into()).or_default() += hit;
    }

    pub(super) fn finish(mut self) -> Report {
        let facts = self.facts;
        let count = |n: usize| n as u64;
        let mut figures = BTreeMap::new();
        figures.insert("messages".into(), count(facts.messages.all.len()));
        figures.insert("stored".into(), count(facts.messages.all.iter().filter(|m| m.stored.is_some()).count()));
        figures
            .insert("dead letters".into(), count(facts.messages.all.iter().filter(|m| !m.letters.is_empty()).count()));
        figures.insert("handler runs".into(), count(facts.runs.all.len()));
        figures.insert("faults".into(), count(facts.faults.all.len()));
        let kinds: std::collections::BTreeSet<_> = facts.faults.all.iter().map(|fault| fault.kind).collect();
        figures.insert("kinds of fault".into(), count(kinds.len()));
        figures.insert("records".into(), count(facts.history.records.len()));
        figures.insert("torn records".into(), facts.history.torn);
        self.report.figures = figures;
        self.report
    }
}

/// An entry id as text.
pub(super) fn name(entry: Entry) -> String {
    format!("{}-{}", entry.0, entry.1)
}
