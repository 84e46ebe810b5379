//! Losing a session: everything that was counted, queued, running or on its way for it goes with it.

use super::Machine;
use super::lane::LaneState;
use super::notice::Notice;
use super::setup::Setup;
use super::types::{Action, CancelReason, Now, SessionKey};
use crate::transport::Refusal;

impl Machine {
    /// The server refused a session: what it held is somebody else's, or forgotten.
    pub(super) fn lose(&mut self, key: SessionKey, refusal: Refusal, now: Now) {
        let Some(held) = self.sessions.remove(&key) else { return };
        self.out.push(Action::Tell(Notice::SessionLost { identity: held.session.identity.clone(), refusal }));
        self.out.extend(self.trouble.session_gone().map(Action::Tell));
        // Outcomes on their way are refused with the session.
        for settle in
            held.batch.iter().flat_map(|batch| batch.iter()).chain(held.outbox.iter().map(|(settle, _)| settle))
        {
            self.out.push(Action::Tell(Notice::StaleOutcome { id: settle.id }));
        }
        for lane in held.lanes.values() {
            for item in lane.queue.iter().filter(|item| item.counted) {
                self.bodies -= 1;
                self.bytes -= item.bytes;
            }
            if matches!(lane.state, LaneState::Beginning | LaneState::Locking) {
                self.busy -= 1;
            }
        }
        for ticket in held.tickets {
            if let Some(running) = self.tickets.get_mut(&ticket) {
                running.orphan = true;
                if !std::mem::replace(&mut running.cancelled, true) {
                    self.out.push(Action::Cancel { ticket, reason: CancelReason::LeaseLost });
                }
            }
        }
        self.runnable.retain(|(owner, _)| *owner != key);
        self.room.forget(key);
        self.alone.forget(key);
        let gone: Vec<_> = self.waiting.iter().filter(|(_, owner, _)| *owner == key).copied().collect();
        for wait in gone {
            self.waiting.remove(&wait);
            self.waiting_slots.remove(&wait.2);
        }
        if self.primary == Some(key) {
            self.primary = None;
            self.setup = Setup::Register { at: now.mono };
        }
        if refusal == Refusal::GroupLost {
            let others: Vec<_> = self.sessions.keys().copied().collect();
            for other in others {
                self.lose(other, Refusal::GroupLost, now);
            }
            self.setup = Setup::Recreate { at: now.mono };
        }
    }
}
