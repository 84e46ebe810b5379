//! C5: in a lane, first starts come in the order of the entries, and an entry starts when everything before it is done
//! (ack, or reject, by the newest of its runs). After a crash a suffix of the lane may run again: then each entry of it
//! is open again until it has ended again, and going back needs a reason of its own.
//!
//! An entry may be passed over when it is in the dead letters, was deleted, or was lost by a server that forgets and
//! never came back. Ids that go back (a clock that steps on a server that forgot) are told from overtaking by when
//! the message was published. What a foreign consumer of the group was handed has no place in the order until it is
//! brought back. Who held something when a server forgot may go on with it beside whoever is given it now,
//! until it learns of that: at most one lease (the same window as in C7).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::explained::work_moved;
use super::facts::{At, Facts, NEVER};
use super::faults::Fault;
use super::lost::forgotten_entry;
use super::messages::{Entry, Message};
use super::report::{Check, Findings, name};
use super::runs::{Outcome, Run};

pub(super) fn check(facts: &Facts<'_>, findings: &mut Findings<'_>) {
    if !facts.rules.ordering.keeps_order() {
        return;
    }
    let mut entries: HashMap<u32, BTreeMap<Entry, &Message>> = HashMap::new();
    for message in &facts.messages.all {
        for (entry, _) in &message.entries {
            entries.entry(message.lane).or_default().insert(*entry, message);
        }
    }
    for (number, runs) in &facts.lanes {
        if let Some(entries) = entries.get(number) {
            Lane::new(facts, entries).walk(runs, findings);
        }
    }
}

/// One lane while it is walked through.
struct Lane<'a> {
    facts: &'a Facts<'a>,
    entries: &'a BTreeMap<Entry, &'a Message>,
    /// Not done yet.
    open: BTreeSet<Entry>,
    newest: HashMap<Entry, u32>,
    /// When the run started that finished it last.
    done: HashMap<Entry, At>,
}

/// What happens in a lane: starts, and ends.
type Step = (At, bool, u32);

impl<'a> Lane<'a> {
    fn new(facts: &'a Facts<'a>, entries: &'a BTreeMap<Entry, &'a Message>) -> Self {
        // What no handler ever saw went to the dead letters, or nowhere.
        let never_ran = |message: &Message| message.runs.is_empty() && !message.letters.is_empty();
        let open = entries.iter().filter(|(_, message)| !never_ran(message)).map(|(entry, _)| *entry).collect();
        Self { facts, entries, open, newest: HashMap::new(), done: HashMap::new() }
    }

    fn walk(mut self, runs: &[u32], findings: &mut Findings<'_>) {
        let mut steps: Vec<Step> = Vec::with_capacity(runs.len() * 2);
        for run in runs {
            let Run { start, closed, .. } = self.facts.run(*run);
            steps.push((*start, true, *run));
            steps.push((*closed, false, *run));
        }
        steps.sort_unstable();
        let mut before: Option<&Run> = None;
        for (at, is_start, number) in steps {
            let run = self.facts.run(number);
            if !is_start {
                self.end(number, run);
                continue;
            }
            findings.judged(Check::C5);
            if let Some(passed) = self.passed_over(run, at) {
                let text = format!("entry {} started before {} was done", name(run.entry), name(passed));
                findings.found(Check::C5, at, text);
            } else if let Some(before) = before.filter(|before| run.entry < before.entry)
                && self.newest.contains_key(&run.entry)
                && !work_moved(self.facts, before, at)
                && self.entries.get(&run.entry).is_none_or(|message| !self.was_elsewhere(message, run.entry, at))
            {
                let text = format!("entry {} started again after {}", name(run.entry), name(before.entry));
                findings.found(Check::C5, at, text);
            }
            self.newest.insert(run.entry, number);
            let done = self.done.get(&run.entry).copied();
            if !self.forgot(at).any(|begin| done.is_some_and(|done| begin < done)) {
                self.open.insert(run.entry);
            }
            before = Some(run);
        }
    }

    fn end(&mut self, number: u32, run: &Run) {
        let newest = self.newest.get(&run.entry).copied();
        // Who held it before the server forgot may start it once more, beside whom it was given to since.
        let beside = || newest.is_some_and(|newest| self.forgot(self.facts.run(newest).start).any(|at| at < run.start));
        if newest != Some(number) && !beside() {
            return;
        }
        let message = self.entries.get(&run.entry);
        let last = message.is_some_and(|message| !message.letters.is_empty() && message.runs.last() == Some(&number))
            || message.is_some_and(|message| self.letter_was_forgotten(message, run));
        if last || run.outcome.is_some_and(Outcome::finishes) {
            self.open.remove(&run.entry);
            self.done.insert(run.entry, run.start);
        }
    }

    /// Its starts were used up, so that it was on its way to the dead letters, and then a server forgot.
    fn letter_was_forgotten(&self, message: &Message, run: &Run) -> bool {
        let attempt = self.facts.record(run.start).map_or(0, |record| u32::from(record.attempt));
        let later = |other: &&Run| other.entry == run.entry && other.start > run.start;
        let again = self.facts.runs_of(message).find(later).map_or(NEVER, |other| other.start);
        let forgot = |fault: &Fault| run.closed < fault.begin && fault.begin < again;
        let died = run.end.is_none() && self.facts.actors.death(run.actor) < NEVER;
        (died || run.ended(Outcome::Retry))
            && attempt >= self.facts.rules.max_attempts
            && self.facts.faults.forgetting().any(forgot)
    }

    /// An entry before this one that is not done and may not be passed over.
    fn passed_over(&self, run: &Run, at: At) -> Option<Entry> {
        if self.entries.get(&run.entry).is_some_and(|message| self.unlearned(message, at)) {
            return None;
        }
        let next = self.facts.faults.forgetting().map(|fault| fault.begin).find(|begin| *begin > at).unwrap_or(NEVER);
        self.open.range(..run.entry).copied().find(|entry| {
            let Some(message) = self.entries.get(entry) else { return false };
            // Ids go back where a server that forgot has its clock set back: who waited for room may be stored before.
            let seen = message.entries.iter().find(|(known, _)| known == entry).map_or(NEVER, |(_, seen)| *seen);
            let published_later = message.called.is_none_or(|called| called > at) || seen > next;
            let gone = !message.deleted.is_empty() || !message.vanished.is_empty();
            // A server that forgets may bring back later what was deleted by then.
            let gone_by_then = message.deleted.iter().any(|deleted| *deleted < at);
            // Under another entry it was stored again, and is another matter.
            let comes = |other: &Run| {
                let (same, start) = (other.entry == *entry, other.start);
                // So it may with what was forgotten: what it brings back then was not there now.
                same && start > at && start < next && !self.unlearned(message, start)
            };
            let again = self.facts.runs_of(message).any(comes);
            let lost = !again && forgotten_entry(self.facts, message, *entry, at).is_some();
            let elsewhere = self.was_elsewhere(message, *entry, at);
            let done = self.is_done_again(message, *entry, at);
            !(published_later || gone_by_then || (gone && !again) || lost || elsewhere || done)
        })
    }

    /// Whether a foreign consumer was handed it since it started last: it comes when it is brought back, or never.
    fn was_elsewhere(&self, message: &Message, entry: Entry, at: At) -> bool {
        let started = self.newest.get(&entry).map_or(0, |newest| self.facts.run(*newest).start);
        message.foreign.iter().any(|held| held.entry == entry && started <= held.read && held.read < at)
    }

    /// Whether it had been finished before it came again, and a server has since gone back to when it was: then it has no
    /// more to do.
    fn is_done_again(&self, message: &Message, entry: Entry, at: At) -> bool {
        let Some(newest) = self.newest.get(&entry).map(|newest| self.facts.run(*newest)) else { return false };
        let finished = |run: &Run| run.entry == entry && run.settled.is_some_and(|settled| settled < newest.start);
        let goes_back = |fault: &Fault| {
            newest.start < fault.begin && fault.begin < at && fault.undoes(self.facts.time(newest.start))
        };
        self.facts.runs_of(message).any(finished) && self.facts.faults.forgetting().any(goes_back)
    }

    /// Whether the message was there when a server forgot, and who held it then may not have learned of that yet.
    fn unlearned(&self, message: &Message, at: At) -> bool {
        let called = message.called.unwrap_or(NEVER);
        self.forgot(at).any(|begin| called < begin)
    }

    /// When a server forgot so shortly before that whoever held something may not have learned of it.
    fn forgot(&self, at: At) -> impl Iterator<Item = At> {
        let grace = self.facts.rules.lease().saturating_add(self.facts.rules.wake());
        let now = self.facts.time(at);
        let recent = move |fault: &&Fault| fault.begin < at && now <= fault.until.saturating_add(grace);
        self.facts.faults.forgetting().filter(recent).map(|fault| fault.begin)
    }
}
