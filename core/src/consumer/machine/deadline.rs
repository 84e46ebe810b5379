//! When the machine wants to be woken. A deadline is named only while something may be done then: one that has passed and
//! that nothing can be done about would wake the driver without end.

use std::time::Duration;

use super::setup::Setup;
use super::types::Now;
use super::{Machine, Phase};

impl Machine {
    /// When the machine wants its next `Tick` if nothing else happens.
    pub fn next_deadline(&self, now: Now) -> Option<Duration> {
        let mut next: Option<Duration> = None;
        let mut earliest = |at: Duration| next = Some(next.map_or(at, |n| n.min(at)));
        if self.phase == Phase::Ended {
            return None;
        }
        if let Setup::Register { at } | Setup::Recreate { at } = self.setup
            && self.phase == Phase::Working
        {
            earliest(at);
        }
        self.lease_deadlines(&mut earliest);
        self.lock_deadlines(&mut earliest);
        self.room_deadlines(now, &mut earliest);
        if let Some((at, _, _)) = self.waiting.first() {
            earliest(*at);
        }
        if let Some((at, _)) = self.limits.first() {
            earliest(*at);
        }
        if let Some(at) = self.alone_deadline() {
            earliest(at);
        }
        if let Phase::Draining { deadline } = self.phase
            && deadline > now.mono
        {
            earliest(deadline);
        }
        if self.phase != Phase::Working {
            earliest(self.give_up_at);
            if self.stop_at > now.mono {
                earliest(self.stop_at);
            }
        }
        for held in self.sessions.values() {
            for at in [held.settle_at, held.begin_at, held.fetch_at, held.read_at, held.retire_at, held.compare_at] {
                if at > now.mono {
                    earliest(at);
                }
            }
        }
        self.stray_deadlines(&mut earliest);
        // While a sweep is under way there is no time for the next.
        if self.sweep_at > now.mono && self.sweep_at < Duration::MAX {
            earliest(self.sweep_at);
        }
        // What could be done was done in this step: a deadline that has passed must not make the driver spin.
        next.map(|at| at.max(now.mono + Duration::from_millis(1)))
    }
}
