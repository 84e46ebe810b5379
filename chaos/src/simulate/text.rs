//! A schedule as a short text, to be read by people and kept as a regression test.
//!
//! Lines of words and values; what is left out is as in [`quiet`]. A line that starts with `at` is a fault, `#` starts a
//! comment.

use std::fmt;
use std::str::FromStr;

use stargazer_core::policy::{Ordering, Retention};

use super::plan::{Fault, NO_CAP, Plan, What, Work};

/// A plan and the seed that fills what it leaves open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Seed.
    pub seed: u64,
    /// Plan.
    pub plan: Plan,
}

/// Ten messages in one lane for one consumer, with nothing that goes wrong.
pub fn quiet() -> Plan {
    Plan {
        messages: 10,
        every_us: 2000,
        lanes: 1,
        loose: 0,
        old: 0,
        malformed: 0,
        groups: 1,
        consumers: 1,
        concurrency: 1,
        prefetch: 1,
        strict: false,
        ordering: Ordering::Lanes,
        retention: Retention::Acked { cap: NO_CAP },
        strict_cap: false,
        give_up_ms: 0,
        max_attempts: 3,
        work: Work { ms: 2, long: 0, endless: 0, retry: 0, reject: 0, release: 0, effect: 0 },
        faults: Vec::new(),
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { messages, every_us, lanes, loose, old, malformed, groups, consumers, .. } = &self.plan;
        let Plan { concurrency, prefetch, strict, ordering, retention, max_attempts, work, faults, .. } = &self.plan;
        writeln!(f, "seed {}", self.seed)?;
        writeln!(
            f,
            "messages {messages} every_us {every_us} lanes {lanes} loose {loose} old {old} malformed {malformed}"
        )?;
        writeln!(f, "groups {groups} consumers {consumers} concurrency {concurrency} prefetch {prefetch}")?;
        let order = ordering.as_str();
        let kept = match retention {
            Retention::Capped { max_len } => format!("capped {max_len}"),
            Retention::Acked { cap } if *cap < NO_CAP => format!("acked {cap}"),
            other => other.as_str().to_owned(),
        };
        writeln!(f, "strict {} order {order} attempts {max_attempts} retention {kept}", u8::from(*strict))?;
        let (strict_cap, give_up_ms) = (u8::from(self.plan.strict_cap), self.plan.give_up_ms);
        writeln!(f, "strict_cap {strict_cap} give_up_ms {give_up_ms}")?;
        let Work { ms, long, endless, retry, reject, release, effect } = work;
        writeln!(
            f,
            "ms {ms} long {long} endless {endless} retry {retry} reject {reject} release {release} effect {effect}"
        )?;
        for Fault { at_ms, for_ms, what } in faults {
            writeln!(f, "at {at_ms} for {for_ms} {what}")?;
        }
        Ok(())
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill { seat } => write!(f, "kill {seat}"),
            Self::Freeze { seat } => write!(f, "freeze {seat}"),
            Self::Stop { seat } => write!(f, "stop {seat}"),
            Self::Poison { message } => write!(f, "poison {message}"),
            Self::Lossy { seat: Some(seat), permille } => write!(f, "lossy {permille} seat {seat}"),
            Self::Lossy { seat: None, permille } => write!(f, "lossy {permille}"),
            Self::Slow { ms } => write!(f, "slow {ms}"),
            Self::Pause => f.write_str("pause"),
            Self::Restart { lose_ms } => write!(f, "restart {lose_ms}"),
            Self::DestroyGroup { group } => write!(f, "destroy {group}"),
            Self::DropStream => f.write_str("drop"),
            Self::Flush => f.write_str("flush"),
            Self::Delete { count } => write!(f, "delete {count}"),
            Self::DeleteConsumer { seat } => write!(f, "delconsumer {seat}"),
            Self::Deny => f.write_str("deny"),
            Self::FullMemory => f.write_str("full"),
            Self::Usurp { group: None } => f.write_str("usurp stream"),
            Self::Usurp { group: Some(group) } => write!(f, "usurp {group}"),
            Self::Foreign { group, deletes, dies } => {
                write!(f, "foreign {group} deletes {} dies {}", u8::from(*deletes), u8::from(*dies))
            }
            Self::Clock { ms } => write!(f, "clock {ms}"),
        }
    }
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut schedule = Self { seed: 0, plan: quiet() };
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = Words(line.split_whitespace());
            let fine = match words.0.clone().next() {
                Some("at") => words.fault().map(|fault| schedule.plan.faults.push(fault)),
                _ => words.settings(&mut schedule),
            };
            fine.ok_or_else(|| format!("this line of a schedule cannot be read: {line}"))?;
        }
        Ok(schedule)
    }
}

struct Words<'a>(std::str::SplitWhitespace<'a>);

impl<'a> Words<'a> {
    fn word(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    fn number<T: FromStr>(&mut self) -> Option<T> {
        self.word()?.parse().ok()
    }

    fn settings(&mut self, schedule: &mut Schedule) -> Option<()> {
        let plan = &mut schedule.plan;
        while let Some(name) = self.word() {
            match name {
                "seed" => schedule.seed = self.number()?,
                "messages" => plan.messages = self.number()?,
                "every_us" => plan.every_us = self.number()?,
                "lanes" => plan.lanes = self.number()?,
                "loose" => plan.loose = self.number()?,
                "old" => plan.old = self.number()?,
                "malformed" => plan.malformed = self.number()?,
                "groups" => plan.groups = self.number()?,
                "consumers" => plan.consumers = self.number()?,
                "concurrency" => plan.concurrency = self.number()?,
                "prefetch" => plan.prefetch = self.number()?,
                "strict" => plan.strict = self.number::<u8>()? == 1,
                "order" => plan.ordering = ordering(self.word()?)?,
                "attempts" => plan.max_attempts = self.number()?,
                "retention" => plan.retention = self.retention()?,
                "strict_cap" => plan.strict_cap = self.number::<u8>()? == 1,
                "give_up_ms" => plan.give_up_ms = self.number()?,
                "ms" => plan.work.ms = self.number()?,
                "long" => plan.work.long = self.number()?,
                "endless" => plan.work.endless = self.number()?,
                "retry" => plan.work.retry = self.number()?,
                "reject" => plan.work.reject = self.number()?,
                "release" => plan.work.release = self.number()?,
                "effect" => plan.work.effect = self.number()?,
                _ => return None,
            }
        }
        Some(())
    }

    fn retention(&mut self) -> Option<Retention> {
        match self.word()? {
            "acked" => {
                let cap = self.0.clone().next().and_then(|word| word.parse().ok());
                cap.is_some().then(|| self.word());
                Some(Retention::Acked { cap: cap.unwrap_or(NO_CAP) })
            }
            "capped" => Some(Retention::Capped { max_len: self.number()? }),
            "forever" => Some(Retention::Forever),
            _ => None,
        }
    }

    fn fault(&mut self) -> Option<Fault> {
        let ("at", at_ms, "for", for_ms) = (self.word()?, self.number()?, self.word()?, self.number()?) else {
            return None;
        };
        let what = match self.word()? {
            "kill" => What::Kill { seat: self.number()? },
            "freeze" => What::Freeze { seat: self.number()? },
            "stop" => What::Stop { seat: self.number()? },
            "poison" => What::Poison { message: self.number()? },
            "lossy" => {
                let permille = self.number()?;
                let seat = if self.word() == Some("seat") { Some(self.number()?) } else { None };
                What::Lossy { seat, permille }
            }
            "slow" => What::Slow { ms: self.number()? },
            "pause" => What::Pause,
            "restart" => What::Restart { lose_ms: self.number()? },
            "destroy" => What::DestroyGroup { group: self.number()? },
            "drop" => What::DropStream,
            "flush" => What::Flush,
            "delete" => What::Delete { count: self.number()? },
            "delconsumer" => What::DeleteConsumer { seat: self.number()? },
            "deny" => What::Deny,
            "full" => What::FullMemory,
            "usurp" => match self.word()? {
                "stream" => What::Usurp { group: None },
                group => What::Usurp { group: Some(group.parse().ok()?) },
            },
            "foreign" => {
                let group = self.number()?;
                let ("deletes", deletes) = (self.word()?, self.number::<u8>()? == 1) else { return None };
                let ("dies", dies) = (self.word()?, self.number::<u8>()? == 1) else { return None };
                What::Foreign { group, deletes, dies }
            }
            "clock" => What::Clock { ms: self.number()? },
            _ => return None,
        };
        self.word().is_none().then_some(Fault { at_ms, for_ms, what })
    }
}

fn ordering(word: &str) -> Option<Ordering> {
    [Ordering::Lanes, Ordering::Exclusive, Ordering::Lock, Ordering::None]
        .into_iter()
        .find(|ordering| ordering.as_str() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_survives_its_text() {
        for seed in 0..500 {
            let schedule = Schedule { seed, plan: Plan::draw(seed, 100) };
            let text = schedule.to_string();
            assert_eq!(text.parse(), Ok(schedule), "{text}");
        }
    }

    #[test]
    fn what_is_left_out_is_quiet() {
        let schedule: Schedule = "seed 3 # of many\nlanes 2\n\nat 5 for 7 lossy 100 seat 1\n".parse().unwrap();
        let what = What::Lossy { seat: Some(1), permille: 100 };
        let plan = Plan { lanes: 2, faults: vec![Fault { at_ms: 5, for_ms: 7, what }], ..quiet() };
        assert_eq!(schedule, Schedule { seed: 3, plan });
        assert!("at 5 for 7 nothing".parse::<Schedule>().is_err());
        assert!("colour blue".parse::<Schedule>().is_err());
    }
}
