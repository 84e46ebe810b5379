//! The cases in Python: ours beside redis-py, `FastStream`, taskiq and GLIDE.

use super::{Case, SKEWED, UNIFORM, UNORDERED, publish_group, request_group};
use crate::load::Spread;
use crate::peer::{Job, Peer};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for depth in [1, 64, 256] {
        publishing(&mut cases, depth);
    }
    for (group, spread) in [(UNIFORM, Spread::Uniform), (SKEWED, Spread::Skewed)] {
        let mut add = |peer, name, share, case| {
            cases.push(Case::peer(peer, group, name, share, Job::backlog(case, spread)));
        };
        add(Peer::StargazerPython, "stargazer_core, lanes", 2, "lanes");
        add(Peer::StargazerPython, "stargazer_core, exclusive", 2, "exclusive");
        add(Peer::RedisPy, "redis-py, a lock per channel", 20, "lock");
    }
    let mut add = |peer, name, share, job| cases.push(Case::peer(peer, UNORDERED, name, share, job));
    let backlog = |case| Job::backlog(case, Spread::Uniform);
    add(Peer::StargazerPython, "stargazer_core, none, async for", 2, backlog("none"));
    add(Peer::RedisPy, "redis-py, batches", 2, backlog("batches"));
    add(Peer::FastStream, "FastStream, a message at a time", 20, Job::own("consume"));
    add(Peer::FastStream, "FastStream, batches", 5, Job::own("batches"));
    add(Peer::Taskiq, "taskiq", 25, Job::own("consume"));
    for (depth, [ours, theirs]) in [(1, [50, 50]), (64, [4, 10])] {
        let group = request_group(depth);
        let mut add = |peer, name, share| {
            cases.push(Case::peer(peer, &group, name, share, Job::calls("request", depth)));
        };
        add(Peer::StargazerPython, "stargazer_core", ours);
        add(Peer::RedisPy, "redis-py", theirs);
        add(Peer::FastStream, "FastStream RPC", 50);
    }
    for depth in [1000, 4000] {
        let job = Job::calls("request", depth);
        cases.push(Case::peer(Peer::StargazerPython, &request_group(depth), "stargazer_core", 4, job));
    }
    cases
}

fn publishing(cases: &mut Vec<Case>, depth: usize) {
    let group = publish_group(depth);
    let mut add = |peer, name: &str, share: usize, case| {
        let share = if depth == 1 { 25 } else { share };
        cases.push(Case::peer(peer, &group, name, share, Job::publish(case, depth)));
    };
    add(Peer::StargazerPython, "stargazer_core", 1, "publish");
    add(Peer::RedisPy, "redis-py, tasks", 5, "publish");
    if depth > 1 {
        let name = format!("redis-py, pipelines of {depth}");
        add(Peer::RedisPy, &name, 2, "pipeline");
    }
    add(Peer::GlidePython, "GLIDE, tasks", 5, "publish");
    if depth == 64 {
        add(Peer::FastStream, "FastStream, tasks", 10, "publish");
        add(Peer::Taskiq, "taskiq, tasks", 25, "publish");
    }
}
