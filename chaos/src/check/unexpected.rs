//! C2: nothing is handled or dead-lettered that nobody published before, that came with another body or lane than it
//! was published with, or that every publish of was refused as *not stored*. A run that ends without having started
//! or ends twice, and an end of a fault that never began, are mistakes of a history and are found here, too.

use super::facts::Facts;
use super::messages::Message;
use super::report::{Check, Findings};
use crate::history::{Kind, Record};

pub(super) fn check(facts: &Facts<'_>, findings: &mut Findings<'_>) {
    for kind in [Kind::HandlerStart, Kind::DeadLetter] {
        for (at, record) in facts.of_kind(kind) {
            findings.judged(Check::C2);
            let message = facts.messages.get(record.message);
            if let Some(text) = message.and_then(|message| wrong(message, at, record)) {
                findings.found(Check::C2, at, format!("message {} {text}", record.message));
            }
        }
    }
    for at in &facts.strays {
        findings.found(Check::C2, *at, "a record that belongs to nothing");
    }
    if facts.history.unknown > 0 {
        findings.found_somewhere(Check::C2, format!("{} records of unknown kinds", facts.history.unknown));
    }
}

fn wrong(message: &Message, at: u32, record: &Record) -> Option<&'static str> {
    let start = record.kind == Kind::HandlerStart;
    match message.called {
        None => return Some("was never published"),
        Some(called) if called > at => return Some("was handled before anybody published it"),
        Some(_) => {}
    }
    if start && record.lane != message.lane {
        return Some("came in another lane than it was published in");
    }
    // Not every actor sees the bytes: 0 is unknown.
    if start && record.hash != 0 && message.hash != 0 && record.hash != message.hash {
        return Some("came with another body than it was published with");
    }
    let refused = message.stored.is_none() && message.open_calls == 0 && message.refused.is_some();
    refused.then_some("was handled although every publish of it was answered with `not stored`")
}
