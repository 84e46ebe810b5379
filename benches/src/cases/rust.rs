//! The cases in Rust: ours beside the redis crate and fred; and what grows.

use stargazer_core::Ordering;

use super::{CALLS, Case, GROWTH, MEMORY, Run, SKEWED, UNIFORM, UNORDERED, publish_group, request_group};
use crate::args::Args;
use crate::consume::Way;
use crate::lab::Lab;
use crate::load::Spread;
use crate::lock::locks;
use crate::peer::{Job, Peer};
use crate::publish::Tasks;
use crate::{calls, consume, growth, memory, publish, raw, request};

pub(super) fn cases(args: &Args) -> Vec<Case> {
    let mut cases = Vec::new();
    for depth in [1, 64, 256] {
        publishing(&mut cases, depth);
    }
    ordered(&mut cases, UNIFORM, Spread::Uniform);
    ordered(&mut cases, SKEWED, Spread::Skewed);
    unordered(&mut cases);
    for depth in [1, 64, 1000, 4000] {
        requests(&mut cases, depth);
    }
    growing(&mut cases, args.growth);
    weighing(&mut cases);
    cases
}

fn publishing(cases: &mut Vec<Case>, depth: usize) {
    let group = publish_group(depth);
    let share = if depth == 1 { 10 } else { 1 };
    let id = |who: &str| format!("rust publish {depth} {who}");
    cases.push(Case::rust(id("ours"), &group, "stargazer", share, move |lab, n| publish::ours(lab, n, depth)));
    let name = if depth == 1 { "redis crate, blocking".into() } else { format!("redis crate, pipelines of {depth}") };
    cases.push(Case::rust(id("raw"), &group, name, share, move |lab, n| publish::raw(lab, n, depth)));
    let tasks = |on| move |lab: &Lab, n| publish::multiplexed(lab, n, depth, on);
    cases.push(Case::rust(id("tasks"), &group, "redis crate, tasks on one thread", share, tasks(Tasks::OneThread)));
    if depth > 1 {
        let name = "redis crate, tasks, default runtime";
        cases.push(Case::rust(id("default"), &group, name, share, tasks(Tasks::DefaultRuntime)));
        cases.push(Case::peer(
            Peer::Fred,
            &group,
            "fred, tasks, default runtime",
            share,
            Job::publish("publish", depth),
        ));
    }
}

fn ordered(cases: &mut Vec<Case>, group: &str, spread: Spread) {
    let what = if spread == Spread::Skewed { "skewed" } else { "uniform" };
    let id = |who: &str| format!("rust {who} {what}");
    for (who, name, ordering, consumers) in [
        ("lanes 1", "stargazer, lanes", Ordering::Lanes, 1),
        ("lanes 3", "stargazer, lanes, 3 consumers", Ordering::Lanes, 3),
        ("exclusive", "stargazer, exclusive", Ordering::Exclusive, 1),
    ] {
        let way = Way { spread, ordering, consumers, opened: false };
        cases.push(Case::rust(id(who), group, name, 1, move |lab, n| consume::ours(lab, n, way)));
    }
    cases.push(Case::rust(id("batches"), group, "redis crate, batches, no order, not decoded", 1, raw::batches));
    let share = if spread == Spread::Skewed { 10 } else { 5 };
    for (who, name, workers) in [
        ("lock 1", "redis crate, a lock per channel", 1),
        ("lock 3", "redis crate, a lock per channel, 3 consumers", 3),
    ] {
        cases.push(Case::rust(id(who), group, name, share, move |lab, n| locks(lab, n, spread, workers)));
    }
}

fn unordered(cases: &mut Vec<Case>) {
    for ordering in Ordering::ALL {
        let run = move |lab: &Lab, n| calls::calls(lab, n, ordering);
        cases.push(Case::rust(format!("rust calls {}", ordering.as_str()), CALLS, ordering.as_str(), 2, run));
    }
    let way = Way { spread: Spread::Uniform, ordering: Ordering::None, consumers: 1, opened: false };
    let ours = move |lab: &Lab, n| consume::ours(lab, n, way);
    cases.push(Case::rust("rust none", UNORDERED, "stargazer, none", 1, ours));
    cases.push(Case::rust("rust batches", UNORDERED, "redis crate, batches, not decoded", 1, raw::batches));
}

fn requests(cases: &mut Vec<Case>, depth: usize) {
    let group = request_group(depth);
    let share = if depth == 1 { 20 } else { 2 };
    let id = |who: &str| format!("rust request {depth} {who}");
    cases.push(Case::rust(id("ours"), &group, "stargazer", share, move |lab, n| request::ours(lab, n, depth)));
    if depth <= 64 {
        let name = if depth == 1 { "redis crate, blocking".into() } else { format!("redis crate, bursts of {depth}") };
        cases.push(Case::rust(id("raw"), &group, name, share, move |lab, n| request::raw(lab, n, depth)));
    }
}

fn growing(cases: &mut Vec<Case>, most: usize) {
    for (id, standing) in [("small", 1000), ("large", most)] {
        let run = move |lab: &Lab, n| growth::backlog(lab, n, standing);
        cases.push(Case::rust(format!("backlog {id}"), GROWTH, format!("backlog of {standing}"), 2, run));
    }
    for (id, lanes) in [("small", 100), ("large", most / 10)] {
        let way = Way { spread: Spread::Even(lanes), ordering: Ordering::Lanes, consumers: 1, opened: true };
        let run = move |lab: &Lab, n: usize| consume::ours(lab, n.max(most / 10), way);
        cases.push(Case::rust(format!("channels {id}"), GROWTH, format!("{lanes} lanes"), 1, run));
    }
    for (id, consumers) in [("small", 1), ("large", 100)] {
        let way = Way { spread: Spread::Uniform, ordering: Ordering::Lanes, consumers, opened: true };
        let plural = if consumers == 1 { "" } else { "s" };
        let run = move |lab: &Lab, n| consume::ours(lab, n, way);
        cases.push(Case::rust(format!("consumers {id}"), GROWTH, format!("{consumers} consumer{plural}"), 1, run));
    }
}

fn weighing(cases: &mut Vec<Case>) {
    let mut weigh = |id, name, run: fn(&Lab, usize) -> crate::Result<Run>| {
        cases.push(Case::new(id, "All", MEMORY, name, 2, run));
    };
    weigh("memory dev", "`stargazer dev`, idle", |_, _| memory::dev());
    weigh("memory python", "a Python worker, idle, and with 1000 in hand", |lab, _| memory::python(lab));
    weigh("memory server", "the server, a message", |lab, n| memory::server(lab, n).map(Run::Weighed));
}
