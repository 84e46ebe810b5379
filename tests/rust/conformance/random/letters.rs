//! Dead letters: made with or without a big body, put back, thrown away.

use std::time::Duration;

use bytes::Bytes;
use stargazer_core::topology::{Name, body_key, field as names, is_body_key, message_id_key, replayed_key};
use stargazer_core::transport::{Append, Dedupe, Discard, EntryId, Fields, Replay, Replayed, field};

use super::command::{Command, STREAMS};
use super::side::{Side, in_words, said};

const WINDOW: Duration = Duration::from_secs(3600);

impl Side {
    /// The fields of a dead letter; a big body is to stand beside it under another name.
    pub(super) fn letter(&self, group: usize, place: usize, body: Option<&Name>) -> Fields {
        let mut fields: Fields = vec![(Bytes::from_static(b"n"), Bytes::from(format!("dead {place}")))];
        if let Some(body) = body {
            let heir = body_key(&self.streams[STREAMS], &format!("{group}:{body}"));
            fields.push((Bytes::from_static(names::REF.as_bytes()), Bytes::from(heir.to_string())));
        }
        fields
    }

    /// A letter that was seen, with the key of its big body.
    async fn pick(&mut self, pick: usize) -> Option<(EntryId, Option<Name>)> {
        let letters = self.streams[STREAMS].clone();
        let all = self.lab.transport.range(&letters, EntryId::ZERO, EntryId::MAX, 1000).await.unwrap();
        for entry in &all {
            self.tag(STREAMS, entry.id);
        }
        let id = self.seen[STREAMS].iter().rev().nth(pick).copied()?;
        let entry = all.iter().find(|entry| entry.id == id);
        let body = entry.and_then(|entry| field(&entry.fields, names::REF));
        let body = body.and_then(|key| std::str::from_utf8(key).ok()).filter(|key| is_body_key(&letters, key));
        Some((id, body.map(Name::from)))
    }

    pub(super) async fn replay(&mut self, command: &Command) -> String {
        let Command::Replay { stream, pick, dedupe, full, repeat } = command else { return String::new() };
        let Some((id, body)) = self.pick(*pick).await else { return String::new() };
        // A letter goes back to one stream: its receipt answers an id of that one, whatever a repeated call names.
        let stream = *self.replayed_to.entry(id).or_insert(*stream);
        let (letters, name) = (self.streams[STREAMS].clone(), self.streams[stream].clone());
        self.published += 1;
        let new_body = body_key(&name, &format!("b{}", self.published));
        let n = format!("again {}", self.published);
        let mut fields: Fields = vec![(Bytes::from_static(b"n"), Bytes::from(n))];
        fields.push((Bytes::from_static(names::KEY.as_bytes()), Bytes::from_static(b"lane1")));
        if body.is_some() {
            fields.push((Bytes::from_static(names::REF.as_bytes()), Bytes::from(new_body.to_string())));
        }
        let mut entry = Append::new(name.clone(), fields);
        entry.strict_cap = full.then_some(3);
        entry.dedupe = dedupe.map(|n| Dedupe { key: message_id_key(&name, &format!("m{n}")), window: WINDOW });
        let receipt = Dedupe { key: replayed_key(&letters, &id.to_string()), window: WINDOW };
        let replay = Replay { letters, id, entry, receipt, body: body.map(|body| (body, new_body)) };
        let mut words = Vec::new();
        for _ in 0..=usize::from(*repeat) {
            let answer = self.lab.transport.replay(&replay).await;
            words.push(match answer {
                Ok(Replayed::Stored(new)) => format!("back as {}", self.tag(stream, new)),
                Ok(other) => format!("{other:?}"),
                Err(error) => in_words(&error),
            });
        }
        words.join(", ")
    }

    pub(super) async fn discard(&mut self, picks: &[usize]) -> String {
        let mut batch: Vec<Discard> = Vec::new();
        for pick in picks {
            if let Some((id, body)) = self.pick(*pick).await {
                batch.push(Discard { id, body });
            }
        }
        let letters = self.streams[STREAMS].clone();
        said(self.lab.transport.discard(&letters, &batch).await, |removed| format!("{removed:?}"))
    }
}
