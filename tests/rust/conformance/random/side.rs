//! One transport that carries commands out, and its answers in words that do not depend on ids, clocks or order of
//! hashes.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use bytes::Bytes;
use stargazer_core::Error;
use stargazer_core::topology::{Name, body_key, field as names, message_id_key};
use stargazer_core::transport::{
    Append, Dedupe, EntryId, Fence, Fetch, Fetched, Fields, Group, Lane, Ordering, Record, Recreated, Refusal,
    Retention, Session, Settle, Sign, Verdict, field,
};

use super::super::lab::{ACKED, Lab, fields};
use super::command::{Command, GROUPS, Lane as LaneKind, Outcome, Pick, STREAMS};

/// An answer that is slower than this does not tell well enough when an entry was handed out.
const PROMPT: Duration = Duration::from_millis(5);

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
struct Seat {
    group: usize,
    session: Session,
    cursor: EntryId,
    handed: Vec<(EntryId, Option<Lane>, Option<Name>)>,
    /// It was refused: of no more use, but worth a try now and then.
    refused: bool,
}

impl Seat {
    fn new(group: usize, session: Session) -> Self {
        Self { group, session, cursor: EntryId::ZERO, handed: Vec::new(), refused: false }
    }
}

/// One transport under commands.
pub(super) struct Side {
    lab: Lab,
    groups: Vec<Group>,
    streams: Vec<Name>,
    seats: Vec<Seat>,
    published: usize,
    joined: usize,
    /// Ids of each stream by the order in which they were seen.
    seen: Vec<Vec<EntryId>>,
    places: Vec<HashMap<EntryId, usize>>,
    pauses: Vec<Instant>,
    /// Streams of which an entry was deleted: servers before 7.4 then count wrongly what is not read.
    tampered: Vec<bool>,
}

impl Side {
    /// Starts with nothing.
    pub(super) fn new(lab: Lab) -> Self {
        let streams: Vec<Name> = ["s0", "s1", "s2", "dead"].map(Name::from).into();
        let group = |stream: usize, name: &str, ordering, retention| {
            Group::new(streams[stream].clone(), name.into(), ordering, retention)
        };
        let groups = vec![
            group(0, "g", Ordering::Lanes, ACKED),
            group(1, "g", Ordering::Lanes, ACKED),
            Group { order_unaddressed: true, ..group(1, "h", Ordering::Lanes, ACKED) },
            group(2, "g", Ordering::None, Retention::Forever),
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
            pauses: Vec::new(),
            tampered: vec![false; STREAMS + 1],
        }
    }

    /// Gives the lab back, with nothing on its server.
    pub(super) fn finish(self) -> Lab {
        self.lab.flush();
        self.lab
    }

    /// An id as its place.
    fn tag(&mut self, stream: usize, id: EntryId) -> String {
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

    fn tags(&mut self, stream: usize, ids: impl IntoIterator<Item = EntryId>) -> String {
        ids.into_iter().map(|id| self.tag(stream, id)).collect::<Vec<_>>().join(" ")
    }

    fn stream_of(&self, group: usize) -> usize {
        self.streams.iter().position(|name| *name == self.groups[group].stream).unwrap()
    }

    /// Mostly one of those that are in force, counted from the last.
    fn seat(&self, place: usize) -> Option<usize> {
        let in_force: Vec<_> = (0..self.seats.len()).rev().filter(|n| !self.seats[*n].refused).collect();
        if in_force.is_empty() || place % 10 == 9 {
            return Some(self.seats.len().checked_sub(1)? - place / 10 % self.seats.len());
        }
        Some(in_force[place / 10 % in_force.len()])
    }

    /// A new life of a stream, or of one group: nothing of the earlier one is settled any more.
    fn forget(&mut self, stream: Option<usize>, group: Option<usize>) {
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
    pub(super) async fn run(&mut self, command: &Command) -> Answer {
        let mut lags = Vec::new();
        let text = match command {
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
            Command::Sweep { group } => self.sweep(*group).await,
            Command::Read { stream, picks } => self.read(*stream, picks).await,
            Command::Range { stream, count } => self.range(*stream, *count).await,
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

    /// An id of an earlier life does not come again.
    async fn next_millisecond(&self) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }

    async fn publish(&mut self, command: &Command) -> String {
        let Command::Publish { stream, lane, dedupe, full, fence, body } = command else { return String::new() };
        self.published += 1;
        let name = self.streams[*stream].clone();
        let text = |text: String| Bytes::from(text);
        let mut fields: Fields = vec![(text("n".into()), text(self.published.to_string()))];
        match lane {
            LaneKind::Key(n) => fields.push((text(names::KEY.into()), text(format!("lane{n}")))),
            LaneKind::Unaddressed(n) => {
                fields.push((text(names::KEY.into()), text(format!("lane{n}"))));
                fields.push((text(names::UNADDRESSED.into()), text("1".into())));
            }
            LaneKind::Envelope(n) => {
                let lane = format!("lane{n}");
                let envelope = [b"\x81\xaachannel_id\xa5", lane.as_bytes()].concat();
                fields.push((text(names::DATA.into()), envelope.into()));
            }
            LaneKind::None => {}
        }
        let key = body_key(&name, &format!("b{}", self.published));
        if *body {
            fields.push((text(names::REF.into()), text(key.to_string())));
        }
        let mut entry = Append::new(name.clone(), fields);
        entry.body = body.then(|| (key, text(format!("body {}", self.published))));
        entry.dedupe =
            dedupe.map(|n| Dedupe { key: message_id_key(&name, &format!("m{n}")), window: Duration::from_secs(3600) });
        entry.strict_cap = full.then_some(3);
        entry.measure = self.published.is_multiple_of(3);
        entry.fence = fence.and_then(|place| self.seat(place)).map(|seat| {
            let seat = &self.seats[seat];
            let consumers = self.groups[seat.group].keys.consumers.clone();
            Fence { consumers, session: seat.session.clone() }.into()
        });
        match self.lab.transport.append(vec![entry]).await.remove(0) {
            Ok(stored) => {
                format!("{} duplicate {} of {:?}", self.tag(*stream, stored.id), stored.duplicate, stored.len)
            }
            Err(error) => in_words(&error),
        }
    }

    async fn burst(&mut self, stream: usize, lanes: usize, count: usize, size: usize) -> String {
        let entry = |n: usize| {
            let n = n % lanes;
            fields(&[("n", "burst"), (names::KEY, &format!("lane{n}")), (names::TS, &"1".repeat(size * n))])
        };
        let batch = (0..count).map(|n| Append::new(self.streams[stream].clone(), entry(n))).collect();
        let answers = self.lab.transport.append(batch).await;
        let ids: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().id).collect();
        self.tags(stream, ids)
    }

    async fn join(&mut self, group: usize, conflicting: bool) -> String {
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

    async fn join_again(&mut self, seat: usize, other_suffix: bool) -> String {
        let Some(seat) = self.seat(seat).map(|seat| &self.seats[seat]) else { return String::new() };
        let suffix = if other_suffix { "second" } else { "first" };
        let group = &self.groups[seat.group];
        let again = self.lab.transport.register(group, &seat.session.identity, suffix).await;
        said(again, |session| format!("{session:?}"))
    }

    async fn fetch(&mut self, command: &Command) -> String {
        let Command::Fetch { seat, count, max_bytes, new, rewind, lost } = command else { return String::new() };
        let Some(place) = self.seat(*seat) else { return String::new() };
        let seat = &self.seats[place];
        let cursor = if *rewind { EntryId::ZERO } else { seat.cursor };
        let request = Fetch { cursor, count: *count, max_bytes: *max_bytes, new: *new };
        let group = seat.group;
        match self.lab.transport.fetch(&self.groups[group], &seat.session, &request).await {
            Ok(Ok(fetched)) => {
                let text = self.fetched(group, &fetched);
                if !lost {
                    self.receive(place, fetched);
                }
                text
            }
            Ok(Err(refusal)) => {
                self.seats[place].refused = refusal != Refusal::GroupLost;
                format!("{refusal:?}")
            }
            Err(error) => in_words(&error),
        }
    }

    fn fetched(&mut self, group: usize, fetched: &Fetched) -> String {
        let mut text = format!("wait {}", fetched.hint.is_some());
        let stream = self.stream_of(group);
        for entry in &fetched.entries {
            let tag = self.tag(stream, entry.id);
            let record = entry.record.map(|r| (r.starts, r.flags(), r.due_in > Duration::ZERO));
            write!(text, "\n  {tag} {:?} history {} {record:?}", entry.lane, entry.history).unwrap();
            write!(text, " {:?}", entry.fields.as_ref().map(|fields| field(fields, "n"))).unwrap();
        }
        text
    }

    fn receive(&mut self, place: usize, fetched: Fetched) {
        let seat = &mut self.seats[place];
        for entry in fetched.entries {
            seat.cursor = seat.cursor.max(entry.id);
            if seat.handed.iter().all(|(id, ..)| *id != entry.id) {
                let body = entry.fields.as_ref().and_then(|fields| field(fields, names::REF));
                let body = body.map(|key| Name::from(std::str::from_utf8(key).unwrap()));
                seat.handed.push((entry.id, entry.lane, body));
            }
        }
    }

    async fn settle(&mut self, seat: usize, other: usize, picks: &[Pick]) -> String {
        let (Some(seat), Some(other)) = (self.seat(seat), self.seat(other)) else { return String::new() };
        let same_group = self.seats[seat].group == self.seats[other].group;
        let mut batch: Vec<Settle> = Vec::new();
        for Pick { place, of_other, outcome } in picks {
            let handed = &self.seats[if *of_other && same_group { other } else { seat }].handed;
            let Some((id, lane, body)) = handed.get(place % handed.len().max(1)).cloned() else { continue };
            if batch.iter().any(|other| other.id == id) {
                continue;
            }
            let verdict = match outcome {
                Outcome::Ack => Verdict::Ack,
                Outcome::Retry { starts, later } => Verdict::Retry(Record {
                    starts: *starts,
                    crashed: *starts > 2,
                    due_in: Duration::from_secs(if *later { 3600 } else { 0 }),
                    ..Record::default()
                }),
                Outcome::Dead => Verdict::Dead {
                    stream: self.streams[STREAMS].clone(),
                    fields: vec![(Bytes::from_static(b"n"), Bytes::from(format!("dead {place}")))],
                },
            };
            batch.push(Settle { id, lane, verdict, body });
        }
        if batch.is_empty() {
            return String::new();
        }
        let (group, session) = (self.seats[seat].group, &self.seats[seat].session);
        let answer = self.lab.transport.settle(&self.groups[group], session, &batch).await;
        // Half of what is done stays in the list, to be settled again.
        let done = |id: &EntryId| batch.iter().any(|o| o.id == *id && !matches!(o.verdict, Verdict::Retry(_)));
        let mut keep = false;
        self.seats[seat].handed.retain(|(id, ..)| {
            keep = !keep;
            keep || !done(id)
        });
        said(answer, |settled| match settled {
            Ok(mut settled) => {
                settled.lanes.sort();
                format!("{settled:?}")
            }
            Err(refusal) => format!("{refusal:?}"),
        })
    }

    async fn begin(&mut self, seat: usize, picks: &[usize], starts: u32) -> String {
        let Some(seat) = self.seat(seat).map(|seat| &self.seats[seat]) else { return String::new() };
        let record = Record { starts, running: true, alone: starts > 2, ..Record::default() };
        let starts: Vec<_> = picks
            .iter()
            .filter_map(|pick| seat.handed.get(pick % seat.handed.len().max(1)))
            .map(|(id, ..)| (*id, record))
            .collect();
        if starts.is_empty() {
            return String::new();
        }
        let begun = self.lab.transport.begin(&self.groups[seat.group], &seat.session, &starts).await;
        said(begun, |begun| format!("{begun:?}"))
    }

    /// Those of the sessions that are in the group of the first.
    fn together(&self, seats: &[usize]) -> Option<(usize, Vec<Session>)> {
        let seats: Vec<_> = seats.iter().filter_map(|place| self.seat(*place)).map(|n| &self.seats[n]).collect();
        let group = seats.first()?.group;
        Some((group, seats.iter().filter(|seat| seat.group == group).map(|seat| seat.session.clone()).collect()))
    }

    async fn renew(&mut self, seats: &[usize]) -> String {
        let Some((group, sessions)) = self.together(seats) else { return String::new() };
        said(self.lab.transport.renew(&self.groups[group], &sessions).await, |beats| format!("{beats:?}"))
    }

    async fn stop(&mut self, seats: &[usize]) -> String {
        let Some((group, sessions)) = self.together(seats) else { return String::new() };
        said(self.lab.transport.stop(&self.groups[group], &sessions).await, |()| "stopped".into())
    }

    async fn signs(&mut self, group: usize) -> String {
        said(self.lab.transport.signs(&self.groups[group]).await, |mut signs| {
            signs.sort_by(|a, b| a.identity.cmp(&b.identity));
            format!("{signs:?}")
        })
    }

    async fn adopt(&mut self, seat: usize, outdated: bool, repeat: bool) -> String {
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

    async fn recreate(&mut self, group: usize) -> String {
        match self.lab.transport.recreate(&self.groups[group]).await {
            Ok(Recreated::Existed) => "existed".into(),
            Ok(Recreated::Created { from }) => {
                self.forget(None, Some(group));
                format!("created at the start: {}", from == EntryId::ZERO)
            }
            Err(error) => in_words(&error),
        }
    }

    async fn held(&mut self, seat: usize, count: usize) -> String {
        let Some(seat) = self.seat(seat).map(|seat| &self.seats[seat]) else { return String::new() };
        let (group, after) = (seat.group, seat.handed.first().map_or(EntryId::ZERO, |(id, ..)| *id));
        let held = self.lab.transport.held(&self.groups[group], &seat.session.identity, after, count).await;
        let stream = self.stream_of(group);
        said(held, |held| self.tags(stream, held))
    }

    async fn sweep(&mut self, group: usize) -> String {
        let mut cursor = Some(0);
        while let Some(at) = cursor {
            match self.lab.transport.sweep(&self.groups[group], at).await {
                Ok(next) => cursor = next,
                Err(error) => return in_words(&error),
            }
        }
        "swept".into()
    }

    async fn read(&mut self, stream: usize, picks: &[usize]) -> String {
        let ids: Vec<_> = picks.iter().filter_map(|pick| self.seen[stream].iter().rev().nth(*pick).copied()).collect();
        let entries = said(self.lab.transport.read(&self.streams[stream], &ids).await, |entries| {
            let fields: Vec<_> = entries.into_iter().map(|entry| entry.map(|entry| entry.fields)).collect();
            format!("{fields:?}")
        });
        let keys: Vec<_> = (1..=self.published).map(|n| body_key(&self.streams[stream], &format!("b{n}"))).collect();
        let keys: Vec<_> = keys.iter().rev().take(40).cloned().collect();
        let bodies = said(self.lab.transport.bodies(&keys).await, |bodies| format!("{bodies:?}"));
        format!("{entries}\n  {bodies}")
    }

    async fn range(&mut self, stream: usize, count: usize) -> String {
        let range = self.lab.transport.range(&self.streams[stream], EntryId::ZERO, EntryId::MAX, count).await;
        said(range, |entries| {
            let entries: Vec<_> = entries.into_iter().map(|e| (self.tag(stream, e.id), e.fields)).collect();
            format!("{entries:?}")
        })
    }

    async fn info(&mut self, stream: usize, lags: &mut Vec<Option<u64>>) -> String {
        let info = self.lab.transport.stream_info(&self.streams[stream]).await;
        said(info, |info| {
            let ends = self.tags(stream, [info.last_id, info.first_entry.unwrap_or_default()]);
            let mut text = format!("{} entries, last and first {ends}", info.length);
            for group in info.groups {
                lags.push(group.lag.filter(|_| !self.tampered[stream]));
                let last = self.tag(stream, group.last_delivered);
                write!(text, "\n  {} {} {} {last}", group.name, group.consumers, group.pending).unwrap();
            }
            text
        })
    }

    async fn pending(&mut self, group: usize) -> String {
        let stream = self.stream_of(group);
        let of = &self.groups[group];
        said(self.lab.transport.pending(&of.stream, &of.name).await, |pending| {
            let ends = self.tags(stream, pending.oldest.into_iter().chain(pending.newest));
            format!("{} {ends} {:?}", pending.count, pending.consumers)
        })
    }

    /// The pending list with hand-outs, and between which pauses each entry was handed out last.
    fn inspect(&mut self, group: usize) -> String {
        let stream = self.stream_of(group);
        let (pending, now) = loop {
            let before = Instant::now();
            let pending = self.lab.pending(&self.groups[group]);
            if before.elapsed() < PROMPT {
                break (pending, before);
            }
        };
        let (lanes, records) = self.lab.kept(&self.groups[group]);
        let mut text = format!("{lanes} lanes and {records} records");
        for entry in pending {
            let at = now.checked_sub(entry.idle).unwrap();
            let moment = self.pauses.iter().filter(|pause| **pause <= at).count();
            let tag = self.tag(stream, entry.id);
            write!(text, "\n  {tag} {} {} times, last in {moment}", entry.consumer, entry.deliveries).unwrap();
        }
        text
    }
}

/// An answer in words.
fn said<T>(answer: Result<T, Error>, words: impl FnOnce(T) -> String) -> String {
    match answer {
        Ok(answer) => words(answer),
        Err(error) => in_words(&error),
    }
}

fn in_words(error: &Error) -> String {
    let stored = error.context().iter().find(|(key, _)| *key == "stored");
    format!("{} {stored:?}", error.code())
}
