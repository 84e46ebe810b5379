//! Which cases there are. Those of one group are set against its first, which is ours.

mod node;
mod python;
mod rust;

use std::collections::BTreeMap;

use crate::Result;
use crate::args::Args;
use crate::lab::{Lab, Sample};
use crate::peer::{Job, Peer, Work};

/// One row of a table.
pub(crate) struct Case {
    /// What the goals call it.
    pub(crate) id: String,
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
    /// What was weighed, in bytes, by name.
    Weighed(Weights),
    /// A peer that is not installed, and why.
    Missing(String),
}

pub(crate) type Weights = BTreeMap<&'static str, f64>;

/// All runs of a case.
#[derive(Default)]
pub(crate) struct Measured {
    pub(crate) samples: Vec<Sample>,
    pub(crate) weights: Vec<Weights>,
    pub(crate) missing: Option<String>,
}

impl Case {
    pub(crate) fn title(&self) -> String {
        format!("{}, {}: {}", self.language, self.group, self.name)
    }

    pub(crate) fn sample(&self, lab: &Lab, messages: usize) -> Result<Run> {
        (self.run)(lab, messages)
    }

    fn new(
        id: impl Into<String>,
        language: &'static str,
        group: &str,
        name: impl Into<String>,
        share: usize,
        run: impl Fn(&Lab, usize) -> Result<Run> + 'static,
    ) -> Self {
        Self { id: id.into(), language, group: group.to_owned(), name: name.into(), share, run: Box::new(run) }
    }

    fn rust(
        id: impl Into<String>,
        group: &str,
        name: impl Into<String>,
        share: usize,
        run: impl Fn(&Lab, usize) -> Result<Sample> + 'static,
    ) -> Self {
        Self::new(id, "Rust", group, name, share, move |lab, n| run(lab, n).map(Run::Done))
    }

    /// A case that a program measures. Its id is made of the case's name, the depth or the spread, and the program's.
    fn peer(peer: Peer, group: &str, name: &str, share: usize, job: Job) -> Self {
        let what = match job.work {
            Work::Backlog(spread) => format!("{spread:?}").to_lowercase(),
            _ => job.depth.to_string(),
        };
        let id = format!("{} {} {what}", peer.folder(), job.case);
        Self::new(id, peer.language(), group, name, share, move |lab, n| peer.sample(lab, job, n))
    }
}

const UNIFORM: &str = "consume in order, uniform channels";
const SKEWED: &str = "consume in order, skewed channels";
const UNORDERED: &str = "consume in no order";
const CALLS: &str = "fetch and settle, 64 per call";
const GROWTH: &str = "growth";
const MEMORY: &str = "memory";

fn publish_group(depth: usize) -> String {
    format!("publish, {depth} in flight")
}

fn request_group(depth: usize) -> String {
    format!("request and reply, {depth} in flight")
}

/// Every case, in the order of the tables.
pub(crate) fn all(args: &Args) -> Vec<Case> {
    let mut cases = rust::cases(args);
    cases.extend(python::cases());
    cases.extend(node::cases());
    cases
}
