//! Publishes messages in their order, as fast as the stream is emptied, each under its own message id until it has a
//! receipt. A later life of a producer begins with the first message that has none: what was stored already is then
//! not stored again.

use std::time::Duration;

use stargazer_core::{Bus, Error, ErrorKind, Outgoing, PublishOptions, Receipt, Target};
use tokio::time::Instant;

use super::Failure;
use super::options::ProducerOptions;
use super::pen::{Pen, fnv1a};
use super::plan::{Plan, message_id};
use super::serve::{Diary, connect, pair};
use crate::history::{Kind, Record};

/// Most messages of one call.
const BATCH: u64 = 50;
/// How often the producer looks whether there is room.
const LOOK: Duration = Duration::from_millis(25);

pub(super) async fn play(options: ProducerOptions) -> Result<(), Failure> {
    let diary = Diary::begin(&options.actor)?;
    let bus = connect(&options.actor.url).await?;
    let stream = bus.topology().inbound_stream.clone();
    let start = Instant::now();
    let (mut next, end) = (options.first, options.first + options.messages);
    while next < end {
        let waiting = match bus.stream_info(&stream).await {
            Ok(info) => info.length,
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(_) => options.window,
        };
        let allowed = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX) * options.rate / 1000;
        let due = allowed.saturating_sub(next - options.first);
        let n = options.window.saturating_sub(waiting).min(due).min(BATCH).min(end - next);
        if n == 0 {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let plans: Vec<Plan> = (next..next + n).map(|n| Plan::ordinary(options.seed, n, options.lanes)).collect();
        publish(&bus, &diary.pen, plans).await?;
        next += n;
    }
    bus.close().await?;
    Ok(diary.end()?)
}

/// Publishes until every message has a receipt.
pub(crate) async fn publish(bus: &Bus, pen: &Pen, mut plans: Vec<Plan>) -> Result<(), Failure> {
    while !plans.is_empty() {
        let mut batch = Vec::with_capacity(plans.len());
        for plan in &plans {
            let data = plan.body()?;
            pen.write(&Record {
                hash: fnv1a(&data),
                extra: plan.nature() as u32,
                ..about(pen, Kind::PublishCall, plan)
            })?;
            let options = PublishOptions { message_id: Some(message_id(plan.number)), ..PublishOptions::default() };
            batch.push(Outgoing { target: Target::Inbound, data, options });
        }
        let answers = bus.publish_encoded(batch).await;
        let mut again = Vec::new();
        for (plan, answer) in plans.into_iter().zip(answers) {
            pen.write(&told(pen, &plan, &answer)?)?;
            match answer {
                Ok(_) => {}
                Err(error) if super::serve::passes(&error) => again.push(plan),
                Err(error) => return Err(error.into()),
            }
        }
        if !again.is_empty() {
            tokio::time::sleep(LOOK).await;
        }
        plans = again;
    }
    Ok(())
}

fn about(pen: &Pen, kind: Kind, plan: &Plan) -> Record {
    Record { message: plan.number, lane: plan.lane, ..pen.record(kind) }
}

fn told(pen: &Pen, plan: &Plan, answer: &Result<Receipt, Error>) -> Result<Record, Failure> {
    let hash = fnv1a(&plan.body()?);
    Ok(match answer {
        Ok(receipt) => {
            let extra = u32::from(receipt.duplicate);
            Record { detail: 1, extra, entry: pair(receipt.id), hash, ..about(pen, Kind::PublishOk, plan) }
        }
        Err(error) => {
            let refused = error.context().iter().any(|(key, value)| *key == "stored" && value == "no");
            let kind = if refused { Kind::PublishRefused } else { Kind::PublishUnknown };
            Record { hash, ..about(pen, kind, plan) }
        }
    })
}
