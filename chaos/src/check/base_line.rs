//! C12: memory, connections, tasks and files of the processes return to their base line, within a share of growth.

use super::facts::Facts;
use super::report::{Check, Findings};
use crate::history::{Figure, Kind};

/// So much more is no growth where the base line is small.
const SLACK: u64 = 8;
const MEMORY_SLACK: u64 = 8 << 20;

pub(super) fn check(facts: &Facts<'_>, findings: &mut Findings<'_>) {
    let mut measured = false;
    for (at, record) in facts.of_kind(Kind::Measured) {
        let Some(figure) = Figure::from_number(record.detail).filter(|figure| !figure.is_kept()) else { continue };
        measured = true;
        findings.judged(Check::C12);
        let slack = if matches!(figure, Figure::Memory | Figure::ServerMemory) { MEMORY_SLACK } else { SLACK };
        let most = record.token + slack.max(record.token / 100 * facts.rules.growth_percent);
        if record.message > most {
            let text = format!(
                "{} of actor {}: {}, the base line is {}",
                figure.name(),
                record.actor,
                record.message,
                record.token
            );
            findings.found(Check::C12, at, text);
        }
    }
    if facts.rules.measured && !measured {
        findings.found_somewhere(Check::C12, "nobody measured the processes");
    }
}
