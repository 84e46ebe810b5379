//! C11: after the drain the server holds what it held before: no entries, nothing pending, no lanes or records of starts,
//! no keys but those of the base line.

use super::facts::Facts;
use super::report::{Check, Findings};
use crate::history::{Figure, Kind};

pub(super) fn check(facts: &Facts<'_>, findings: &mut Findings<'_>) {
    let mut measured = false;
    for (at, record) in facts.of_kind(Kind::Measured) {
        let Some(figure) = Figure::from_number(record.detail).filter(|figure| figure.is_kept()) else { continue };
        measured = true;
        findings.judged(Check::C11);
        if record.message > record.token {
            let text = format!("{} {} are left, {} were there before", record.message, figure.name(), record.token);
            findings.found(Check::C11, at, text);
        }
    }
    if facts.rules.measured && !measured {
        findings.found_somewhere(Check::C11, "nobody looked at what is left in the server");
    }
}
