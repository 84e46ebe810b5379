//! The goals, and how far each is met by what was measured.
//!
//! A goal compares cases of the same round. What it must reach counts as met when every round reaches it, as missed when none
//! does, and as open when the bound lies within the spread.

mod board;
mod list;

use serde_json::{Value, json};

use crate::spread::Spread;

pub(crate) use board::Board;

/// One line of the table of goals.
pub(crate) struct Goal {
    pub(crate) id: &'static str,
    pub(crate) what: String,
    bound: Bound,
    must: f64,
    aim: f64,
    unit: &'static str,
    /// `None` where a case of it was not run.
    measured: Option<Spread>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    AtLeast,
    AtMost,
}

/// How a measured figure stands to a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    Missed,
    /// Some rounds meet it and some do not.
    Open,
    NotMeasured,
}

impl Verdict {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "missed",
            Self::Open => "within the spread",
            Self::NotMeasured => "not measured",
        }
    }
}

impl Goal {
    fn stands(&self, bound: f64) -> Verdict {
        let Some(measured) = self.measured else { return Verdict::NotMeasured };
        let (worst, best) = match self.bound {
            Bound::AtLeast => (measured.low, measured.high),
            Bound::AtMost => (-measured.high, -measured.low),
        };
        let bound = if self.bound == Bound::AtLeast { bound } else { -bound };
        match (worst >= bound, best >= bound) {
            (true, _) => Verdict::Met,
            (false, false) => Verdict::Missed,
            (false, true) => Verdict::Open,
        }
    }

    fn bound(&self, value: f64) -> String {
        let sign = if self.bound == Bound::AtLeast { "≥" } else { "≤" };
        format!("{sign} {}{}", trimmed(value), self.unit)
    }

    fn json(&self) -> Value {
        let measured = self.measured.map(|m| json!({"median": m.median, "low": m.low, "high": m.high}));
        json!({
            "id": self.id, "what": self.what, "must": self.bound(self.must), "aim": self.bound(self.aim),
            "measured": measured, "must_is": self.stands(self.must).word(), "aim_is": self.stands(self.aim).word(),
        })
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The table of goals, for people.
pub(crate) fn table(board: &Board<'_>) -> String {
    let head = ["goal", "what", "must", "aim", "measured", "must is", "aim is"].map(str::to_owned);
    let rows = list::goals(board).into_iter().map(|goal| {
        let measured = goal.measured.map_or_else(|| "–".to_owned(), |measured| measured.to_string());
        let [must, aim] = [goal.must, goal.aim].map(|bound| goal.bound(bound));
        let [must_is, aim_is] = [goal.must, goal.aim].map(|bound| goal.stands(bound).word().to_owned());
        [goal.id.to_owned(), goal.what, must, aim, measured, must_is, aim_is]
    });
    let line = |[id, what, must, aim, measured, must_is, aim_is]: [String; 7]| {
        format!("{id:<4} {what:<86} {must:>10} {aim:>10} {measured:>24}  {must_is:<18} {aim_is}\n")
    };
    std::iter::once(head).chain(rows).map(line).collect()
}

/// The same for programs.
pub(crate) fn json(board: &Board<'_>) -> Value {
    list::goals(board).iter().map(Goal::json).collect()
}
