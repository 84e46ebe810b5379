//! Publishing: ours, the redis crate with a task for each message in flight, and its pipeline written by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use redis::Value;
use stargazer_core::{Bus, Error};
use tokio::task::JoinSet;

use crate::Result;
use crate::lab::{Lab, Sample, expect, p50, runtime};
use crate::load::DIFFERENT;

/// `Bus::publish_inbound` from `depth` tasks on one thread.
pub(crate) fn ours(lab: &Lab, messages: usize, depth: usize) -> Result<Sample> {
    lab.clear()?;
    let envelopes = Arc::new(lab.load.envelopes.clone());
    let (used, p50) = runtime()?.block_on(async {
        let bus = Bus::connect(lab.url()).await?;
        let next = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        let meter = lab.meter()?;
        for _ in 0..depth {
            let (bus, next, envelopes) = (bus.clone(), next.clone(), envelopes.clone());
            tasks.spawn(async move {
                let (mut last, mut latencies) = (None, Vec::new());
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= messages {
                        return Ok(latencies);
                    }
                    let began = (depth == 1).then(Instant::now);
                    let receipt = bus.publish_inbound(&envelopes[n % DIFFERENT]).await?;
                    latencies.extend(began.map(|began| began.elapsed()));
                    if last.replace(receipt.id).is_some_and(|last| last >= receipt.id) {
                        return Err(Error::internal("entries of one task are stored out of order"));
                    }
                }
            });
        }
        let mut latencies = Vec::new();
        while let Some(task) = tasks.join_next().await {
            latencies.extend(task??);
        }
        let used = meter.stop()?;
        bus.close().await?;
        Ok::<_, Box<dyn std::error::Error>>((used, p50(latencies)))
    })?;
    expect("entries stored", lab.length()?, messages)?;
    Ok(Sample { p50, ..used.over(messages, 0) })
}

/// Where tasks run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tasks {
    OneThread,
    /// What `#[tokio::main]` makes.
    DefaultRuntime,
}

/// `XADD` of bodies that are encoded already, from `depth` tasks over one multiplexed connection.
pub(crate) fn multiplexed(lab: &Lab, messages: usize, depth: usize, on: Tasks) -> Result<Sample> {
    lab.clear()?;
    let bodies = Arc::new(lab.load.encoded()?);
    let stream: Arc<str> = lab.stream().into();
    let runtime = match on {
        Tasks::OneThread => runtime()?,
        Tasks::DefaultRuntime => tokio::runtime::Runtime::new()?,
    };
    let used = runtime.block_on(async {
        let connection = redis::Client::open(lab.url())?.get_multiplexed_async_connection().await?;
        let next = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        let meter = lab.meter()?;
        for _ in 0..depth {
            let (mut connection, next) = (connection.clone(), next.clone());
            let (bodies, stream) = (bodies.clone(), stream.clone());
            tasks.spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= messages {
                        return Ok::<_, redis::RedisError>(());
                    }
                    let mut add = redis::cmd("XADD");
                    add.arg(&*stream).arg("*").arg("data").arg(&bodies[n % DIFFERENT][..]);
                    add.query_async::<String>(&mut connection).await?;
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task??;
        }
        meter.stop()
    })?;
    expect("entries stored", lab.length()?, messages)?;
    Ok(used.over(messages, 0))
}

/// `XADD` of bodies that are encoded already, `depth` at a time in one write, then their answers.
pub(crate) fn raw(lab: &Lab, messages: usize, depth: usize) -> Result<Sample> {
    lab.clear()?;
    let bodies = lab.load.encoded()?;
    let mut connection = redis::Client::open(lab.url())?.get_connection()?;
    let meter = lab.meter()?;
    let (mut sent, mut latencies) = (0, Vec::new());
    while sent < messages {
        let began = Instant::now();
        let until = messages.min(sent + depth);
        let mut burst = redis::Pipeline::with_capacity(depth);
        for n in sent..until {
            burst.cmd("XADD").arg(lab.stream()).arg("*").arg("data").arg(&bodies[n % DIFFERENT][..]);
        }
        let ids: Vec<Value> = burst.query(&mut connection)?;
        expect("answers to a burst", ids.len(), until - sent)?;
        sent = until;
        latencies.push(began.elapsed());
    }
    let used = meter.stop()?;
    expect("entries stored", lab.length()?, messages)?;
    let p50 = if depth == 1 { p50(latencies) } else { None };
    Ok(Sample { p50, ..used.over(messages, 0) })
}
