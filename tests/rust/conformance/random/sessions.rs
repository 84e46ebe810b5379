//! Sessions come and go, groups are made anew.

use std::time::Duration;

use stargazer_core::topology::{Name, channel_lock};
use stargazer_core::transport::{EntryId, Recreated, Session, Sign};

use super::command::Locking;
use super::side::{Seat, Side, in_words, said};

impl Side {
    pub(super) async fn join(&mut self, group: usize, conflicting: bool) -> String {
        self.joined += 1;
        let identity: Name = format!("c{}", self.joined).into();
        let mut of = self.groups[group].clone();
        if conflicting {
            of.order_unaddressed = !of.order_unaddressed;
        }
        match self.lab.transport.register(&of, &identity, "first").await {
            Ok(Ok(session)) => {
                let text = session.fence.0.to_string();
                // One that joined under another mode changes it for its group: it leaves at once.
                if conflicting {
                    return said(self.lab.transport.retire(&of, &session).await, |retired| format!("{retired:?}"));
                }
                self.seats.push(Seat::new(group, session));
                text
            }
            Ok(Err(refusal)) => format!("{refusal:?}"),
            Err(error) => in_words(&error),
        }
    }

    pub(super) async fn join_again(&mut self, seat: usize, other_suffix: bool) -> String {
        let Some(seat) = self.seat(seat).map(|seat| &self.seats[seat]) else { return String::new() };
        let suffix = if other_suffix { "second" } else { "first" };
        let group = &self.groups[seat.group];
        let again = self.lab.transport.register(group, &seat.session.identity, suffix).await;
        said(again, |session| format!("{session:?}"))
    }

    /// Those of the sessions that are in the group of the first.
    pub(super) fn together(&self, seats: &[usize]) -> Option<(usize, Vec<Session>)> {
        let seats: Vec<_> = seats.iter().filter_map(|place| self.seat(*place)).map(|n| &self.seats[n]).collect();
        let group = seats.first()?.group;
        Some((group, seats.iter().filter(|seat| seat.group == group).map(|seat| seat.session.clone()).collect()))
    }

    pub(super) async fn renew(&mut self, seats: &[usize]) -> String {
        let Some((group, sessions)) = self.together(seats) else { return String::new() };
        said(self.lab.transport.renew(&self.groups[group], &sessions).await, |beats| format!("{beats:?}"))
    }

    pub(super) async fn stop(&mut self, seats: &[usize]) -> String {
        let Some((group, sessions)) = self.together(seats) else { return String::new() };
        said(self.lab.transport.stop(&self.groups[group], &sessions).await, |()| "stopped".into())
    }

    pub(super) async fn signs(&mut self, group: usize) -> String {
        said(self.lab.transport.signs(&self.groups[group]).await, |mut signs| {
            signs.sort_by(|a, b| a.identity.cmp(&b.identity));
            format!("{signs:?}")
        })
    }

    pub(super) async fn adopt(&mut self, seat: usize, outdated: bool, repeat: bool) -> String {
        let Some(seat) = self.seat(seat) else { return String::new() };
        let (group, identity) = (self.seats[seat].group, self.seats[seat].session.identity.clone());
        let of = self.groups[group].clone();
        let signs = self.lab.transport.signs(&of).await.unwrap();
        let Some(mut seen) = signs.into_iter().find(|sign| sign.identity == identity) else { return "gone".into() };
        if outdated {
            seen = Sign { fence: self.seats[seat].session.fence.clone(), beat: seen.beat.saturating_sub(1), ..seen };
        }
        let suffix = format!("heir{}", self.seats.len());
        let mut text = String::new();
        for _ in 0..=usize::from(repeat) {
            let adopted = self.lab.transport.adopt(&of, &seen, &suffix).await;
            text = said(adopted, |adopted| {
                let text = format!("{adopted:?}");
                let known = |session: &Session| self.seats.iter().any(|seat| seat.session == *session);
                if let Some(session) = adopted.filter(|session| !known(session)) {
                    self.seats.push(Seat::new(group, session));
                }
                text
            });
        }
        text
    }

    pub(super) async fn lock(&mut self, key: usize, token: usize, what: Locking) -> String {
        let (key, token, ttl) = (channel_lock(&key.to_string()), token.to_string(), Duration::from_secs(3600));
        let held = match what {
            Locking::Take => self.lab.transport.lock(&key, &token, ttl).await,
            Locking::Renew => self.lab.transport.renew_lock(&key, &token, ttl).await,
            Locking::GiveUp => self.lab.transport.unlock(&key, &token).await,
        };
        said(held, |held| format!("{what:?}: {held}"))
    }

    pub(super) async fn recreate(&mut self, group: usize) -> String {
        match self.lab.transport.recreate(&self.groups[group]).await {
            Ok(Recreated::Existed) => "existed".into(),
            Ok(Recreated::Created { from, missing }) => {
                self.forget(None, Some(group));
                format!("created at the start: {}, missing {missing:?}", from == EntryId::ZERO)
            }
            Err(error) => in_words(&error),
        }
    }
}
