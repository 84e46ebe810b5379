//! One transport that carries commands out, and its answers in words that do not depend on ids, clocks or order of
//! hashes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use stargazer_core::Error;
use stargazer_core::topology::Name;
use stargazer_core::transport::{EntryId, Group, Lane, Ordering, Retention, Session};

use super::super::lab::{ACKED, Lab};
use super::command::{Command, GROUPS, STREAMS};

/// Between two pauses everything counts as one moment.
const PAUSE: Duration = Duration::from_millis(15);

/// What a command answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// In words.
    pub(super) text: String,
    /// What groups have not read, where the server knows it.
    pub(super) lags: Vec<Option<u64>>,
}

/// A session and what it was handed.
pub(super) struct Seat {
    pub(super) group: usize,
    pub(super) session: Session,
    pub(super) cursor: EntryId,
    pub(super) handed: Vec<(EntryId, Option<Lane>, Option<Name>)>,
    /// It was refused: of no more use, but worth a try now and then.
    pub(super) refused: bool,
}

impl Seat {
    pub(super) fn new(group: usize, session: Session) -> Self {
        Self { group, session, cursor: EntryId::ZERO, handed: Vec::new(), refused: false }
    }
}

/// One transport under commands.
pub(super) struct Side {
    pub(super) lab: Lab,
    pub(super) groups: Vec<Group>,
    pub(super) streams: Vec<Name>,
    pub(super) seats: Vec<Seat>,
    pub(super) published: usize,
    pub(super) joined: usize,
    /// Ids of each stream by the order in which they were seen.
    pub(super) seen: Vec<Vec<EntryId>>,
    pub(super) places: Vec<HashMap<EntryId, usize>>,
    /// The stream to which a dead letter was put back.
    pub(super) replayed_to: HashMap<EntryId, usize>,
    pub(super) pauses: Vec<Instant>,
    /// Streams of which an entry was deleted: servers before 7.4 then count wrongly what is not read.
    pub(super) tampered: Vec<bool>,
    /// The key in whose place a text stands.
    usurped: Option<Name>,
}

impl Side {
    /// Starts with nothing.
    pub(super) fn new(lab: Lab) -> Self {
        let streams: Vec<Name> = ["s0", "s1", "s2", "s3", "s4", "dead"].map(Name::from).into();
        let group = |stream: usize, name: &str, ordering, retention| {
            Group::new(streams[stream].clone(), name.into(), ordering, retention)
        };
        let groups = vec![
            group(0, "g", Ordering::Lanes, ACKED),
            group(1, "g", Ordering::Lanes, ACKED),
            Group { order_unaddressed: true, ..group(1, "h", Ordering::Lanes, ACKED) },
            group(2, "g", Ordering::None, Retention::Forever),
            group(3, "g", Ordering::Exclusive, ACKED),
            group(4, "g", Ordering::Lock, ACKED),
        ];
        assert_eq!((groups.len(), streams.len()), (GROUPS, STREAMS + 1));
        Self {
            lab,
            groups,
            seats: Vec::new(),
            published: 0,
            joined: 0,
            seen: vec![Vec::new(); streams.len()],
            places: vec![HashMap::new(); streams.len()],
            streams,
            replayed_to: HashMap::new(),
            pauses: Vec::new(),
            tampered: vec![false; STREAMS + 1],
            usurped: None,
        }
    }

    /// Gives the lab back, with nothing on its server.
    pub(super) fn finish(self) -> Lab {
        self.lab.flush();
        self.lab
    }

    /// An id as its place.
    pub(super) fn tag(&mut self, stream: usize, id: EntryId) -> String {
        if id == EntryId::ZERO {
            return "0".into();
        }
        let (places, seen) = (&mut self.places[stream], &mut self.seen[stream]);
        let place = *places.entry(id).or_insert_with(|| {
            seen.push(id);
            seen.len()
        });
        format!("#{place}")
    }

    pub(super) fn tags(&mut self, stream: usize, ids: impl IntoIterator<Item = EntryId>) -> String {
        ids.into_iter().map(|id| self.tag(stream, id)).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn stream_of(&self, group: usize) -> usize {
        self.streams.iter().position(|name| *name == self.groups[group].stream).unwrap()
    }

    /// Mostly one of those that are in force, counted from the last.
    pub(super) fn seat(&self, place: usize) -> Option<usize> {
        let in_force: Vec<_> = (0..self.seats.len()).rev().filter(|n| !self.seats[*n].refused).collect();
        if in_force.is_empty() || place % 10 == 9 {
            return Some(self.seats.len().checked_sub(1)? - place / 10 % self.seats.len());
        }
        Some(in_force[place / 10 % in_force.len()])
    }

    /// A new life of a stream, or of one group: nothing of the earlier one is settled any more.
    pub(super) fn forget(&mut self, stream: Option<usize>, group: Option<usize>) {
        for place in 0..self.streams.len() {
            if stream.is_none_or(|stream| stream == place) && group.is_none() {
                self.tampered[place] = false;
                self.seen[place].clear();
                self.places[place].clear();
            }
        }
        let of = |seat: &Seat, side: &[Group], streams: &[Name]| {
            group.is_none_or(|group| group == seat.group)
                && stream.is_none_or(|stream| side[seat.group].stream == streams[stream])
        };
        for seat in &mut self.seats {
            if of(seat, &self.groups, &self.streams) {
                seat.handed.clear();
            }
        }
    }

    /// Carries a command out.
    #[allow(clippy::too_many_lines)] // one arm for each command
    pub(super) async fn run(&mut self, command: &Command) -> Answer {
        let mut lags = Vec::new();
        if !command.is_asked() {
            self.give_back();
        }
        let text = match command {
            Command::Usurp { registrations } => {
                self.give_back();
                let group = self.groups[0].clone();
                let key = if *registrations { &group.keys.consumers } else { &group.stream }.clone();
                self.lab.usurp(&key);
                self.usurped = Some(key);
                if !registrations {
                    self.forget(Some(0), None);
                    self.next_millisecond().await;
                }
                String::new()
            }
            Command::GiveBack => self.give_back().to_string(),
            Command::Publish { .. } => self.publish(command).await,
            Command::Burst { stream, lanes, count, size } => self.burst(*stream, *lanes, *count, *size).await,
            Command::Join { group, conflicting } => self.join(*group, *conflicting).await,
            Command::JoinAgain { seat, other_suffix } => self.join_again(*seat, *other_suffix).await,
            Command::Fetch { .. } => self.fetch(command).await,
            Command::Settle { seat, other, picks } => self.settle(*seat, *other, picks).await,
            Command::Begin { seat, picks, starts } => self.begin(*seat, picks, *starts).await,
            Command::Renew { seats } => self.renew(seats).await,
            Command::Signs { group } => self.signs(*group).await,
            Command::Adopt { seat, outdated, repeat } => self.adopt(*seat, *outdated, *repeat).await,
            Command::Retire { seat } => match self.seat(*seat).map(|seat| &self.seats[seat]) {
                Some(seat) => {
                    said(self.lab.transport.retire(&self.groups[seat.group], &seat.session).await, |retired| {
                        format!("{retired:?}")
                    })
                }
                None => String::new(),
            },
            Command::Stop { seats } => self.stop(seats).await,
            Command::Recreate { group } => self.recreate(*group).await,
            Command::Held { seat, count } => self.held(*seat, *count).await,
            Command::Lock { key, token, what } => self.lock(*key, *token, *what).await,
            Command::Sweep { group } => self.sweep(*group).await,
            Command::Read { stream, picks } => self.read(*stream, picks).await,
            Command::Range { stream, count, back } => self.range(*stream, *count, *back).await,
            Command::Replay { .. } => self.replay(command).await,
            Command::Discard { picks } => self.discard(picks).await,
            Command::Info { stream } => self.info(*stream, &mut lags).await,
            Command::Pending { group } => self.pending(*group).await,
            Command::Inspect { group } => self.inspect(*group),
            Command::Delete { stream, pick } => match self.seen[*stream].iter().rev().nth(*pick).copied() {
                Some(id) => {
                    self.tampered[*stream] = true;
                    self.lab.delete(&self.streams[*stream], id).to_string()
                }
                None => String::new(),
            },
            Command::ReadAs { group, name, count } => self.read_as(*group, *name, *count),
            Command::DeleteConsumer { seat } => match self.seat(*seat).map(|seat| &self.seats[seat]) {
                Some(seat) => {
                    self.lab.delete_consumer(&self.groups[seat.group], &seat.session.identity);
                    "deleted".into()
                }
                None => String::new(),
            },
            Command::ForgetRegistrations { group } => {
                self.lab.forget_registrations(&self.groups[*group]);
                String::new()
            }
            Command::Gather { seat, old } => self.gather(*seat, *old).await,
            Command::Survey { group } => {
                said(self.lab.transport.survey(&self.groups[*group]).await, |names| format!("strange {names:?}"))
            }
            Command::Refresh { seat } => match self.seat(*seat).map(|seat| &self.seats[seat]) {
                Some(seat) => {
                    let group = &self.groups[seat.group];
                    let answer = self.lab.transport.refresh(group, &seat.session, EntryId::ZERO).await;
                    said(answer, |next| format!("refreshed {next:?}"))
                }
                None => String::new(),
            },
            Command::Destroy => self.lab.destroy(&self.groups[0]).to_string(),
            Command::DropStream => {
                let was = self.lab.drop_stream(&self.streams[0]);
                self.forget(Some(0), None);
                self.next_millisecond().await;
                was.to_string()
            }
            Command::DeleteStream { stream } => {
                let answer = self.lab.transport.delete_stream(&self.streams[*stream]).await;
                self.forget(Some(*stream), None);
                self.next_millisecond().await;
                said(answer, |()| "deleted".into())
            }
            Command::Flush => {
                self.lab.flush();
                self.forget(None, None);
                self.next_millisecond().await;
                String::new()
            }
            Command::Pause => {
                tokio::time::sleep(PAUSE).await;
                self.pauses.push(Instant::now());
                tokio::time::sleep(PAUSE).await;
                String::new()
            }
        };
        Answer { text, lags }
    }

    /// Whether a text was removed that stood in the place of a key.
    fn give_back(&mut self) -> bool {
        self.usurped.take().is_some_and(|key| self.lab.give_back(&key))
    }

    /// An id of an earlier life does not come again.
    async fn next_millisecond(&self) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// An answer in words.
pub(super) fn said<T>(answer: Result<T, Error>, words: impl FnOnce(T) -> String) -> String {
    match answer {
        Ok(answer) => words(answer),
        Err(error) => in_words(&error),
    }
}

/// A failure in words.
pub(super) fn in_words(error: &Error) -> String {
    let stored = error.context().iter().find(|(key, _)| *key == "stored");
    format!("{} {stored:?}", error.code())
}
