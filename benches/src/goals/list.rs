//! Every goal: what is compared with what, what it must reach, and what it aims at.

use super::board::Rounds;
use super::{Board, Bound, Goal};
use crate::spread::Spread;

struct List<'a> {
    board: &'a Board<'a>,
    goals: Vec<Goal>,
}

/// What a goal must reach, and what it aims at.
type Marks = (f64, f64);

impl List<'_> {
    fn push(&mut self, id: &'static str, what: String, bound: (Bound, f64, f64), unit: &'static str, rounds: Rounds) {
        let (bound, must, aim) = bound;
        let measured = rounds.and_then(Spread::of);
        self.goals.push(Goal { id, what, bound, must, aim, unit, measured });
    }

    /// At least so many times as fast.
    fn times(&mut self, id: &'static str, what: impl Into<String>, must: f64, aim: f64, rounds: Rounds) {
        self.push(id, what.into(), (Bound::AtLeast, must, aim), " ×", rounds);
    }

    /// At most so much of it.
    fn part(&mut self, id: &'static str, what: impl Into<String>, must: f64, aim: f64, rounds: Rounds) {
        self.push(id, what.into(), (Bound::AtMost, must, aim), " ×", rounds);
    }

    /// Messages/s of ours, so many times those of a rival.
    fn speed(&mut self, id: &'static str, what: impl Into<String>, (must, aim): Marks, ours: &str, rival: &str) {
        self.times(id, what, must, aim, self.board.speed(ours, rival));
    }

    /// Latency of ours, so much of that of a rival.
    fn latency(&mut self, id: &'static str, what: impl Into<String>, (must, aim): Marks, ours: &str, rival: &str) {
        self.part(id, what, must, aim, self.board.latency(ours, rival));
    }

    fn most(&mut self, id: &'static str, what: &str, must: f64, aim: f64, unit: &'static str, rounds: Rounds) {
        self.push(id, what.to_owned(), (Bound::AtMost, must, aim), unit, rounds);
    }
}

pub(super) fn goals(board: &Board<'_>) -> Vec<Goal> {
    let mut list = List { board, goals: Vec::new() };
    rust(&mut list);
    python(&mut list);
    node(&mut list);
    server(&mut list, board);
    memory(&mut list, board);
    growth(&mut list, board);
    list.goals
}

fn rust(list: &mut List<'_>) {
    for depth in [64, 256] {
        let ours = format!("rust publish {depth} ours");
        for (id, rival, case, marks) in [
            ("R1", "raw pipelines of the same depth", format!("rust publish {depth} raw"), (0.85, 0.95)),
            ("R2", "the redis crate on its default runtime", format!("rust publish {depth} default"), (1.5, 1.9)),
            ("R2", "fred", format!("fred publish {depth}"), (1.8, 2.5)),
        ] {
            list.speed(id, format!("Rust publish, {depth} in flight, against {rival}"), marks, &ours, &case);
        }
    }
    let what = "Rust consume, exclusive, decoded, against raw batches, not decoded";
    list.speed("R3", what, (0.55, 0.75), "rust exclusive uniform", "rust batches uniform");
    for consumers in [1, 3] {
        for (spread, marks) in [("uniform", (1.8, 3.0)), ("skewed", (5.0, 10.0))] {
            let [ours, lock] = ["lanes", "lock"].map(|who| format!("rust {who} {consumers} {spread}"));
            let plural = if consumers == 1 { "" } else { "s" };
            let what =
                format!("Rust consume, lanes, {consumers} consumer{plural}, {spread}, against a lock per channel");
            list.speed("R4", what, marks, &ours, &lock);
        }
    }
    let what = "Rust request and reply, p50 at 1, against raw blocking";
    list.latency("R5", what, (1.4, 1.15), "rust request 1 ours", "rust request 1 raw");
    let what = "Rust request and reply, calls/s at 64, against redis-py";
    list.speed("R5", what, (6.0, 8.0), "rust request 64 ours", "redis-py request 64");
}

fn python(list: &mut List<'_>) {
    for depth in [64, 256] {
        let ours = format!("stargazer-python publish {depth}");
        for (id, rival, case, marks) in [
            ("P1", "redis-py, tasks", format!("redis-py publish {depth}"), (8.0, 13.0)),
            ("P2", "redis-py, pipelines of 256", "redis-py pipeline 256".to_owned(), (2.0, 3.5)),
            ("P2", "GLIDE", format!("glide-python publish {depth}"), (5.0, 8.0)),
        ] {
            list.speed(id, format!("Python publish, {depth} in flight, against {rival}"), marks, &ours, &case);
        }
    }
    let what = "Python publish, p50 at 1, against redis-py";
    list.latency("P3", what, (1.0, 0.8), "stargazer-python publish 1", "redis-py publish 1");
    for (ordering, bounds) in [("lanes", [(10.0, 15.0), (15.0, 22.0)]), ("exclusive", [(20.0, 35.0), (30.0, 50.0)])] {
        for (spread, marks) in ["uniform", "skewed"].into_iter().zip(bounds) {
            let what = format!("Python consume, {ordering}, {spread}, against redis-py with a lock per channel");
            let (ours, lock) = (format!("stargazer-python {ordering} {spread}"), format!("redis-py lock {spread}"));
            list.speed("P4", what, marks, &ours, &lock);
        }
    }
    for (who, rival, marks) in [
        ("FastStream", "faststream consume 1", (30.0, 50.0)),
        ("taskiq", "taskiq consume 1", (40.0, 60.0)),
        ("a redis-py batch loop", "redis-py batches uniform", (1.3, 1.9)),
    ] {
        let what = format!("Python consume, none, async for, against {who}");
        list.speed("P5", what, marks, "stargazer-python none uniform", rival);
    }
    let what = "Python request and reply, p50 at 1, against redis-py";
    list.latency("P6", what, (0.75, 0.55), "stargazer-python request 1", "redis-py request 1");
    let what = "Python request and reply, calls/s at 64, against redis-py";
    list.speed("P6", what, (3.0, 5.0), "stargazer-python request 64", "redis-py request 64");
}

fn node(list: &mut List<'_>) {
    for depth in [64, 256] {
        let ours = format!("stargazer-node publish {depth}");
        let rivals = ["ioredis", "node-redis", "glide-node"].map(|who| format!("{who} publish {depth}"));
        let best = list.board.speed_of_best(&ours, &rivals.each_ref().map(String::as_str));
        let what = |who: &str| format!("Node publish, {depth} in flight, against {who}");
        list.times("N1", what("the best of ioredis, node-redis, GLIDE"), 2.5, 3.5, best);
        list.speed("N2", what("BullMQ add"), (4.0, 6.0), &ours, &format!("bullmq publish {depth}"));
    }
    for (spread, marks) in [("uniform", (2.5, 4.0)), ("skewed", (8.0, 12.0))] {
        let what = format!("Node consume, lanes, {spread}, against ioredis with a lock per channel");
        let (ours, lock) = (format!("stargazer-node lanes {spread}"), format!("ioredis lock {spread}"));
        list.speed("N3", what, marks, &ours, &lock);
    }
    let what = "Node consume, lanes, uniform, against a BullMQ worker of 50";
    list.speed("N3", what, (3.5, 5.0), "stargazer-node lanes uniform", "bullmq consume 1");
    let what = "Node consume, none, for await, against an ioredis batch loop";
    list.speed("N4", what, (1.6, 2.0), "stargazer-node none uniform", "ioredis batches uniform");
}

fn server(list: &mut List<'_>, board: &Board<'_>) {
    let original = ["redis-py publish 64", "redis-py lock uniform"];
    for (ordering, case, must, aim) in [
        ("none", "stargazer-python none uniform", 8.0, 11.0),
        ("exclusive", "stargazer-python exclusive uniform", 8.0, 11.0),
        ("lanes", "stargazer-python lanes uniform", 3.0, 5.0),
    ] {
        let what = format!("server CPU a message, publish and consume, {ordering}, against the original's way");
        let share = board.server(&["stargazer-python publish 64", case], &original);
        list.part("S1", what, 1.0 / must, 1.0 / aim, share);
    }
    let mut ordered = Vec::new();
    for spread in ["uniform", "skewed"] {
        ordered.extend(["rust lanes 1", "rust lanes 3", "rust exclusive"].map(|who| format!("{who} {spread}")));
        for language in ["python", "node"] {
            ordered.extend(["lanes", "exclusive"].map(|mode| format!("stargazer-{language} {mode} {spread}")));
        }
    }
    let ordered: Vec<_> = ordered.iter().map(String::as_str).collect();
    let what = "messages out of order, lanes and exclusive, all languages (with kill -9: make chaos)";
    list.most("S2", what, 0.0, 0.0, " %", board.disorder(&ordered));
}

fn memory(list: &mut List<'_>, board: &Board<'_>) {
    let megabytes = |id: &str, of: &'static str| board.weight(id, |weights| Some(weights.get(of)? / 1e6));
    list.most("M1", "`stargazer dev`, idle", 80.0, 40.0, " MB", megabytes("memory dev", "resident"));
    let python = |of| megabytes("memory python", of);
    list.most("M1", "Python worker, idle, over its bare interpreter", 15.0, 7.5, " MB", python("idle, over bare"));
    list.most("M1", "Python worker, 1000 in hand, over idle", 40.0, 20.0, " MB", python("1000 in hand, over idle"));
    let server = board.weight("memory server", |weights| Some(weights.get("queued")? / weights.get("bare XADD")?));
    list.part("M2", "server bytes of a queued message against a bare XADD of the same body", 1.15, 1.05, server);
    let left = board.weight("memory server", |weights| Some(weights.get("finished")?.max(0.0).round()));
    list.most("M2", "server bytes of a message after it is finished", 0.0, 0.0, " B", left);
}

fn growth(list: &mut List<'_>, board: &Board<'_>) {
    for id in ["backlog", "channels", "consumers"] {
        let [large, small] = ["large", "small"].map(|size| format!("{id} {size}"));
        let name = |id: &str| board.cases.iter().find(|case| case.id == id).map_or("?", |case| case.name.as_str());
        let text = format!("CPU a message, {} against {}", name(&large), name(&small));
        list.part("G1", text, 1.3, 1.1, board.cost(&large, &small));
    }
}
