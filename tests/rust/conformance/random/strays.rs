//! Strays: foreign consumers read, and sessions bring back what nobody of ours holds.

use std::time::Duration;

use stargazer_core::transport::{EntryId, Gather, StrayPage};

use super::side::{Side, in_words};

/// Consumers that know nothing of registrations.
const FOREIGN: [&str; 2] = ["f0", "f1"];

impl Side {
    pub(super) fn read_as(&mut self, group: usize, name: usize, count: usize) -> String {
        let ids = self.lab.read_as(&self.groups[group], FOREIGN[name], count);
        if ids.is_empty() {
            // Servers differ in whether a consumer that found nothing exists.
            self.lab.delete_consumer(&self.groups[group], FOREIGN[name]);
        }
        let stream = self.stream_of(group);
        self.tags(stream, ids)
    }

    /// A whole walk. Where entries were deleted behind its back a server may not know what is unread, and then looks at
    /// more than the sums call for: only what foreign consumers hold is gathered there.
    pub(super) async fn gather(&mut self, seat: usize, old: bool) -> String {
        let Some(seat) = self.seat(seat) else { return String::new() };
        let (group, session) = (self.seats[seat].group, self.seats[seat].session.clone());
        let (of, stream) = (self.groups[group].clone(), self.stream_of(group));
        let min_idle = Duration::from_secs(if old { 3600 } else { 0 });
        let first = |name: &str| Some(StrayPage { of: Some(name.into()), after: EntryId::ZERO });
        let starts = if self.tampered[stream] { FOREIGN.map(first).into() } else { vec![None] };
        let (mut taken, mut deleted) = (Vec::new(), Vec::new());
        for start in starts {
            let mut page = start;
            loop {
                match self.lab.transport.gather(&of, &session, &Gather { page, min_idle }).await {
                    Ok(Ok(found)) => {
                        taken.extend(found.taken);
                        deleted.extend(found.vanished);
                        page = found.next.filter(|next| !self.tampered[stream] || next.of.is_some());
                        if page.is_none() {
                            break;
                        }
                    }
                    Ok(Err(refusal)) => return format!("{refusal:?}"),
                    Err(error) => return in_words(&error),
                }
            }
        }
        // A server that does not know what is unread looks at more pages.
        format!("took {}, deleted {}", self.tags(stream, taken), self.tags(stream, deleted))
    }
}
