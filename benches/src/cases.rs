//! Which cases there are. Those of one group are set against its first, which is ours.

use stargazer_core::Ordering;

use crate::lab::{Lab, Sample};
use crate::load::Spread;
use crate::peer::Peer;
use crate::{Result, calls, consume, lock, publish, raw, request};

/// One row of the table.
pub(crate) struct Case {
    pub(crate) language: &'static str,
    pub(crate) group: String,
    pub(crate) name: String,
    /// Slow cases run this part of the messages.
    pub(crate) share: usize,
    run: Box<Runner>,
}

type Runner = dyn Fn(&Lab, usize) -> Result<Run>;

/// How a run ended.
pub(crate) enum Run {
    Done(Sample),
    /// A peer that is not installed, and why.
    Missing(String),
}

/// All runs of a case.
#[derive(Default)]
pub(crate) struct Measured {
    pub(crate) samples: Vec<Sample>,
    pub(crate) missing: Option<String>,
}

impl Case {
    pub(crate) fn title(&self) -> String {
        format!("{}, {}: {}", self.language, self.group, self.name)
    }

    pub(crate) fn sample(&self, lab: &Lab, messages: usize) -> Result<Run> {
        (self.run)(lab, messages)
    }

    fn rust(
        group: impl Into<String>,
        name: impl Into<String>,
        share: usize,
        run: impl Fn(&Lab, usize) -> Result<Sample> + 'static,
    ) -> Self {
        let run = Box::new(move |lab: &Lab, messages: usize| run(lab, messages).map(Run::Done));
        Self { language: "Rust", group: group.into(), name: name.into(), share, run }
    }

    fn peer(
        peer: Peer,
        group: &str,
        name: &str,
        share: usize,
        case: &'static str,
        spread: impl Into<Option<Spread>>,
    ) -> Self {
        let spread = spread.into();
        let run = Box::new(move |lab: &Lab, messages: usize| peer.sample(lab, case, messages, spread));
        Self { language: peer.name(), group: group.into(), name: name.into(), share, run }
    }
}

const UNIFORM: &str = "consume in order, uniform channels";
const SKEWED: &str = "consume in order, skewed channels";
const UNORDERED: &str = "consume in no order";
const CALLS: &str = "fetch and settle, 64 per call";
const PUBLISH: &str = "publish, 64 in flight";

/// Every case, in the order of the table.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = rust();
    cases.extend(python());
    cases.extend(node());
    cases
}

fn rust() -> Vec<Case> {
    let mut cases = Vec::new();
    for depth in [1, 64, 256] {
        let group = format!("publish, {depth} in flight");
        let share = if depth == 1 { 10 } else { 1 };
        cases.push(Case::rust(&group, "stargazer", share, move |lab, n| publish::ours(lab, n, depth)));
        let name =
            if depth == 1 { "redis crate, blocking".into() } else { format!("redis crate, pipelines of {depth}") };
        cases.push(Case::rust(&group, name, share, move |lab, n| publish::raw(lab, n, depth)));
        let name = format!("redis crate, {depth} task{} on one thread", if depth == 1 { "" } else { "s" });
        cases.push(Case::rust(&group, name, share, move |lab, n| publish::multiplexed(lab, n, depth)));
    }
    for (group, spread, share) in [(UNIFORM, Spread::Uniform, 5), (SKEWED, Spread::Skewed, 10)] {
        let ours = move |lab: &Lab, n| consume::ours(lab, n, spread, Ordering::Lanes);
        cases.push(Case::rust(group, "stargazer, lanes", 1, ours));
        let ours = move |lab: &Lab, n| consume::ours(lab, n, spread, Ordering::Exclusive);
        cases.push(Case::rust(group, "stargazer, exclusive", 1, ours));
        cases.push(Case::rust(group, "redis crate, batches, no order, not decoded", 1, raw::batches));
        cases.push(Case::rust(group, "redis crate, a lock per channel", share, move |lab, n| {
            lock::locks(lab, n, spread)
        }));
    }
    for depth in [1, 64] {
        let group = format!("request and reply, {depth} in flight");
        let share = if depth == 1 { 10 } else { 1 };
        cases.push(Case::rust(&group, "stargazer", share, move |lab, n| request::ours(lab, n, depth)));
        let name = if depth == 1 { "redis crate, blocking".into() } else { format!("redis crate, bursts of {depth}") };
        cases.push(Case::rust(&group, name, share, move |lab, n| request::raw(lab, n, depth)));
    }
    for ordering in Ordering::ALL {
        let run = move |lab: &Lab, n| calls::calls(lab, n, ordering);
        cases.push(Case::rust(CALLS, ordering.as_str(), 1, run));
    }
    let ours = |lab: &Lab, n| consume::ours(lab, n, Spread::Uniform, Ordering::None);
    cases.push(Case::rust(UNORDERED, "stargazer, none", 1, ours));
    cases.push(Case::rust(UNORDERED, "redis crate, batches, not decoded", 1, raw::batches));
    cases
}

fn python() -> Vec<Case> {
    let peer = Peer::Python;
    vec![
        Case::peer(peer, PUBLISH, "stargazer_core", 2, "publish-ours", None),
        Case::peer(peer, PUBLISH, "redis-py, 64 tasks", 10, "publish-tasks", None),
        Case::peer(peer, PUBLISH, "redis-py, pipelines of 64", 5, "publish-pipeline", None),
        Case::peer(peer, UNIFORM, "stargazer_core, lanes", 2, "lanes-ours", Spread::Uniform),
        Case::peer(peer, UNIFORM, "stargazer_core, exclusive", 2, "exclusive-ours", Spread::Uniform),
        Case::peer(peer, UNIFORM, "redis-py, a lock per channel", 25, "lanes-lock", Spread::Uniform),
        Case::peer(peer, SKEWED, "stargazer_core, lanes", 2, "lanes-ours", Spread::Skewed),
        Case::peer(peer, SKEWED, "stargazer_core, exclusive", 2, "exclusive-ours", Spread::Skewed),
        Case::peer(peer, SKEWED, "redis-py, a lock per channel", 25, "lanes-lock", Spread::Skewed),
        Case::peer(peer, UNORDERED, "stargazer_core, none, async for", 2, "none-ours", Spread::Uniform),
        Case::peer(peer, UNORDERED, "redis-py, batches", 2, "none-batches", Spread::Uniform),
    ]
}

fn node() -> Vec<Case> {
    let peer = Peer::Node;
    vec![
        Case::peer(peer, PUBLISH, "@stargazer/core", 2, "publish-ours", None),
        Case::peer(peer, PUBLISH, "ioredis, auto-pipelining", 5, "publish-tasks", None),
        Case::peer(peer, UNIFORM, "@stargazer/core, lanes", 2, "lanes-ours", Spread::Uniform),
        Case::peer(peer, UNIFORM, "@stargazer/core, exclusive", 2, "exclusive-ours", Spread::Uniform),
        Case::peer(peer, UNIFORM, "ioredis, a lock per channel", 10, "lanes-lock", Spread::Uniform),
        Case::peer(peer, SKEWED, "@stargazer/core, lanes", 2, "lanes-ours", Spread::Skewed),
        Case::peer(peer, SKEWED, "@stargazer/core, exclusive", 2, "exclusive-ours", Spread::Skewed),
        Case::peer(peer, SKEWED, "ioredis, a lock per channel", 20, "lanes-lock", Spread::Skewed),
        Case::peer(peer, UNORDERED, "@stargazer/core, none, for await", 2, "none-ours", Spread::Uniform),
        Case::peer(peer, UNORDERED, "ioredis, batches", 2, "none-batches", Spread::Uniform),
    ]
}
