//! The cases in Node: ours beside ioredis, node-redis, GLIDE and `BullMQ`.

use super::{Case, SKEWED, UNIFORM, UNORDERED, publish_group};
use crate::load::Spread;
use crate::peer::{Job, Peer};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for depth in [64, 256] {
        let group = publish_group(depth);
        let mut add = |peer, name, share| {
            cases.push(Case::peer(peer, &group, name, share, Job::publish("publish", depth)));
        };
        add(Peer::StargazerNode, "@stargazer/core", 1);
        add(Peer::Ioredis, "ioredis, auto-pipelining", 2);
        add(Peer::NodeRedis, "node-redis", 2);
        add(Peer::GlideNode, "GLIDE", 2);
        cases.push(Case::peer(Peer::BullMq, &group, "BullMQ, add", 5, Job::queue("publish", depth)));
    }
    for (group, spread) in [(UNIFORM, Spread::Uniform), (SKEWED, Spread::Skewed)] {
        let mut add = |peer, name, share, case| {
            cases.push(Case::peer(peer, group, name, share, Job::backlog(case, spread)));
        };
        add(Peer::StargazerNode, "@stargazer/core, lanes", 1, "lanes");
        add(Peer::StargazerNode, "@stargazer/core, exclusive", 1, "exclusive");
        add(Peer::Ioredis, "ioredis, a lock per channel", if spread == Spread::Skewed { 10 } else { 5 }, "lock");
        if spread == Spread::Uniform {
            let job = Job::own_queue("consume");
            cases.push(Case::peer(Peer::BullMq, group, "BullMQ, worker, concurrency 50, no order", 10, job));
        }
    }
    let mut add = |peer, name, case| {
        cases.push(Case::peer(peer, UNORDERED, name, 1, Job::backlog(case, Spread::Uniform)));
    };
    add(Peer::StargazerNode, "@stargazer/core, none, for await", "none");
    add(Peer::Ioredis, "ioredis, batches", "batches");
    cases
}
