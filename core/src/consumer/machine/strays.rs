//! Strays: what foreign and forgotten consumers left, and what is pending for nobody, is brought back; while foreign
//! consumers are about, they are told that we still work on what we hold.

use std::collections::HashSet;
use std::time::Duration;

use super::notice::Notice;
use super::trouble::Call;
use super::types::{Action, Answer, Now, SessionKey};
use super::{Machine, Phase};
use crate::error::Error;
use crate::topology::Name;
use crate::transport::{EntryId, Gather, Gathered, StrayPage};

/// How often the group's consumers are looked at.
const SURVEY: Duration = Duration::from_secs(60);

/// Between two pages of one walk.
const NEXT_PAGE: Duration = Duration::from_millis(50);

/// Names that are remembered as told.
const MOST_TOLD: usize = 1000;

/// What is known of strays.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // one per request that may be under way, independent of each other
pub(super) struct Strays {
    gather_at: Duration,
    gathering: bool,
    page: Option<StrayPage>,
    /// Nothing is handed out before what is pending for nobody was gathered.
    first: bool,
    survey_at: Duration,
    surveying: bool,
    /// Somebody who is not registered was seen at the last survey.
    foreign: bool,
    refreshing: bool,
    told: HashSet<Name>,
}

impl Strays {
    pub(super) fn new(first: Duration) -> Self {
        Self {
            gather_at: first,
            gathering: false,
            page: None,
            first: false,
            survey_at: first,
            surveying: false,
            foreign: false,
            refreshing: false,
            told: HashSet::new(),
        }
    }
}

impl Machine {
    pub(super) fn pump_strays(&mut self, now: Now) {
        let Some((key, held)) = self.primary.and_then(|key| Some((key, self.sessions.get(&key)?))) else { return };
        if self.phase != Phase::Working {
            return;
        }
        let strays = &mut self.strays;
        if !strays.surveying && now.mono >= strays.survey_at {
            strays.surveying = true;
            self.out.push(Action::Survey);
        }
        if now.mono < strays.gather_at || !self.may_gather(key) {
            return;
        }
        let (strays, session) = (&mut self.strays, held.session.clone());
        strays.gathering = true;
        let nobodys = strays.first.then_some(StrayPage { of: None, after: EntryId::ZERO });
        let page = nobodys.or_else(|| strays.page.clone());
        let request = Gather { page, min_idle: self.policy.autoclaim_min_idle };
        self.out.push(Action::Gather { key, session, request });
    }

    /// Whether the walk may go on once its time has come: not without a lease. Whoever has more to do than it can do leaves
    /// strays to others, unless everybody waits for them.
    fn may_gather(&self, key: SessionKey) -> bool {
        let busy = self.busy >= self.policy.concurrency && !self.strays.first;
        let leased = self.sessions.get(&key).is_some_and(|held| !held.expired);
        leased && !busy && !self.strays.gathering
    }

    pub(super) fn stray_deadlines(&self, earliest: &mut impl FnMut(Duration)) {
        let Some(key) = self.primary.filter(|_| self.phase == Phase::Working) else { return };
        if !self.strays.surveying {
            earliest(self.strays.survey_at);
        }
        if self.may_gather(key) {
            earliest(self.strays.gather_at);
        }
    }

    /// A fetch was refused since somebody deleted a consumer: the walk that puts everything back goes first.
    pub(super) fn gather_first(&mut self, key: SessionKey, now: Now) {
        if !self.strays.gathering && !self.strays.first {
            self.strays.first = true;
            self.strays.gather_at = now.mono;
        }
        self.quiet &= self.primary != Some(key);
        if let Some(held) = self.sessions.get_mut(&key) {
            held.fetch_again = true;
            held.fetch_at = now.mono + NEXT_PAGE;
        }
    }

    pub(super) fn gathered(&mut self, key: SessionKey, answer: Answer<Gathered>, now: Now) {
        self.strays.gathering = false;
        self.strays.gather_at = now.mono + self.policy.sweep;
        let walk = std::mem::take(&mut self.strays.first);
        if !self.sessions.contains_key(&key) {
            self.strays.page = None;
            return;
        }
        let Some(found) = self.answered(Call::Sweep, key, answer, now, |_, _| ()) else { return };
        for id in found.vanished {
            self.out.push(Action::Tell(Notice::Vanished { id }));
        }
        if let Some(lowest) = found.taken.iter().min().copied() {
            self.out.push(Action::Tell(Notice::Gathered { entries: found.taken.len() as u64 }));
            if let Some(held) = self.sessions.get_mut(&key) {
                held.rewind_to(lowest);
            }
        }
        if walk {
            // Everybody waits for its end, and the server knows how far it is.
            self.strays.first = found.next.is_some();
            if self.strays.first {
                self.strays.gather_at = now.mono;
            }
            return;
        }
        if found.next.is_some() {
            self.strays.gather_at = now.mono + NEXT_PAGE;
        }
        self.strays.page = found.next;
    }

    pub(super) fn surveyed(&mut self, answer: Result<Vec<Name>, Error>, now: Now) {
        self.strays.surveying = false;
        let names = match answer {
            Ok(names) => names,
            Err(error) => {
                self.strays.survey_at = self.failed(Call::Survey, error, now) + self.policy.sweep;
                return;
            }
        };
        self.succeeded(Call::Survey);
        self.strays.survey_at = now.mono + SURVEY.min(self.policy.autoclaim_min_idle.max(self.policy.sweep));
        self.strays.foreign = !names.is_empty();
        for consumer in names {
            if self.strays.told.len() < MOST_TOLD && self.strays.told.insert(consumer.clone()) {
                self.out.push(Action::Tell(Notice::ForeignConsumer { consumer }));
            }
        }
    }

    /// With every renewal, while somebody is about who takes what has been idle for long.
    pub(super) fn refresh(&mut self) {
        if self.strays.foreign && !self.strays.refreshing {
            self.strays.refreshing = true;
            let sessions = self.sessions.values().map(|held| held.session.clone()).collect();
            self.out.push(Action::Refresh { sessions });
        }
    }

    pub(super) fn refreshed(&mut self, answer: Result<(), Error>, now: Now) {
        self.strays.refreshing = false;
        if let Err(error) = answer {
            // The next renewal does it again.
            let _ = self.failed(Call::Renew, error, now);
        }
    }
}
