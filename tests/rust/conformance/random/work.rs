//! The work itself: publishing, fetching, settling.

use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use stargazer_core::topology::{Name, body_key, field as names, message_id_key};
use stargazer_core::transport::{
    Append, Dedupe, EntryId, Fence, Fetch, Fetched, Fields, Record, Refusal, Settle, Verdict, field,
};

use super::super::lab::fields;
use super::command::{Command, Lane as LaneKind, Outcome, Pick, STREAMS};
use super::side::{Side, in_words, said};

impl Side {
    pub(super) async fn publish(&mut self, command: &Command) -> String {
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

    pub(super) async fn burst(&mut self, stream: usize, lanes: usize, count: usize, size: usize) -> String {
        let entry = |n: usize| {
            let n = n % lanes;
            fields(&[("n", "burst"), (names::KEY, &format!("lane{n}")), (names::TS, &"1".repeat(size * n))])
        };
        let batch = (0..count).map(|n| Append::new(self.streams[stream].clone(), entry(n))).collect();
        let answers = self.lab.transport.append(batch).await;
        let ids: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().id).collect();
        self.tags(stream, ids)
    }

    pub(super) async fn fetch(&mut self, command: &Command) -> String {
        let Command::Fetch { seat, count, max_bytes, new, rewind, lost } = command else { return String::new() };
        let Some(place) = self.seat(*seat) else { return String::new() };
        let seat = &self.seats[place];
        let cursor = if *rewind { EntryId::ZERO } else { seat.cursor };
        let (count, max_bytes) = (*count, *max_bytes);
        let unweighed = max_bytes == 1 << 20 && count % 2 == 0;
        let request = Fetch { cursor, count, max_bytes, unweighed, new: *new, wary: *rewind };
        let group = seat.group;
        match self.lab.transport.fetch(&self.groups[group], &seat.session, &request).await {
            Ok(Ok(mut fetched)) => {
                if unweighed && !fetched.entries.is_empty() {
                    // What is read around the script says nothing of waiting.
                    fetched.hint = None;
                }
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

    pub(super) fn fetched(&mut self, group: usize, fetched: &Fetched) -> String {
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

    pub(super) fn receive(&mut self, place: usize, fetched: Fetched) {
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

    pub(super) async fn settle(&mut self, seat: usize, other: usize, picks: &[Pick]) -> String {
        let (Some(seat), Some(other)) = (self.seat(seat), self.seat(other)) else { return String::new() };
        let group = self.seats[seat].group;
        let same_group = group == self.seats[other].group;
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
                    deaths: u32::from(*starts > 2),
                    due_in: Duration::from_secs(if *later { 3600 } else { 0 }),
                    ..Record::default()
                }),
                Outcome::Dead => Verdict::Dead {
                    stream: self.streams[STREAMS].clone(),
                    fields: self.letter(group, *place, body.as_ref()),
                },
            };
            batch.push(Settle { id, lane, verdict, body });
        }
        if batch.is_empty() {
            return String::new();
        }
        let session = &self.seats[seat].session;
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

    pub(super) async fn begin(&mut self, seat: usize, picks: &[usize], starts: u32) -> String {
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
}
