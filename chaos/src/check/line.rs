//! A record as a line that a person can read.

use crate::history::{FaultKind, Figure, Kind, NO_MESSAGE, Record};

const OUTCOMES: [&str; 5] = ["ack", "retry", "reject", "release", "none"];
const CANCELS: [&str; 3] = ["lease lost", "time limit", "closing"];

/// The record as text; times count from `zero`.
pub(super) fn line(record: &Record, zero: u64) -> String {
    let Record { kind, detail, attempt, extra, token, .. } = *record;
    let word = |words: &[&str]| words.get(usize::from(detail)).map_or_else(|| detail.to_string(), ToString::to_string);
    #[allow(clippy::cast_precision_loss)] // for reading
    let seconds = record.time.saturating_sub(zero) as f64 / 1e9;
    let text = format!("{seconds:>12.6}s  actor {:<4} {kind:?}", record.actor);
    let what = match kind {
        Kind::FaultBegin => {
            let name = FaultKind::from_number(detail).map_or("unknown", FaultKind::name);
            return format!(
                "{text} {name} fault {token} on {}",
                if extra == 0 { "all".into() } else { extra.to_string() }
            );
        }
        Kind::FaultEnd => return format!("{text} fault {token}"),
        Kind::Measured => {
            let name = Figure::from_number(detail).map_or("unknown", Figure::name);
            return format!("{text} {name}: {} (base line {token})", record.message);
        }
        Kind::HandlerStart => {
            format!(" run {token} attempt {attempt}{}", if detail == 0 { "" } else { " redelivered" })
        }
        Kind::HandlerEnd | Kind::SettleOk | Kind::SettleStale => format!(" run {token} {}", word(&OUTCOMES)),
        Kind::HandlerCancel => format!(" run {token} {}", word(&CANCELS)),
        Kind::EffectOk | Kind::EffectStale | Kind::EffectFound | Kind::SettleSent => format!(" run {token}"),
        Kind::ActorKilled if detail != 0 => " by a message".into(),
        _ => String::new(),
    };
    let message = if record.message == NO_MESSAGE {
        String::new()
    } else {
        format!("  message {} lane {}", record.message, record.lane)
    };
    let entry =
        if record.entry == (0, 0) { String::new() } else { format!(" entry {}-{}", record.entry.0, record.entry.1) };
    format!("{text}{what}{message}{entry}")
}
