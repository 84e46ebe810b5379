//! Handles messages: does what their plan says, and answers through the delivery before it acknowledges.

use std::hint::black_box;
use std::time::Duration;

use stargazer_core::envelope::Inbound;
use stargazer_core::{Delivery, ErrorKind, HandlerResult, Outcome, Outgoing, PublishOptions, Target};

use super::Failure;
use super::options::ActorOptions;
use super::pen::fnv1a;
use super::plan::{Deed, PLATFORM, Plan, effect_lane, effect_number};
use super::serve::{Diary, Run, connect, pair, serve};
use crate::history::{Kind, Record};

pub(super) async fn play(options: ActorOptions) -> Result<(), Failure> {
    let diary = Diary::begin(&options)?;
    let bus = connect(&options.url).await?;
    let builder = options.apply(bus.consume_inbound())?;
    let keeper = diary.clone();
    serve(builder, bus, diary, move |delivery| {
        let diary = keeper.clone();
        async move {
            let message = delivery.data()?;
            let plan = Plan::parse(&message.content).ok_or("this is no message of the run")?;
            let run = diary.run(&delivery, plan.number, plan.lane, fnv1a(&delivery.raw()))?;
            handle(&plan, &delivery, run).await
        }
    })
    .await
}

async fn handle(plan: &Plan, delivery: &Delivery<Inbound>, run: Run) -> HandlerResult<Outcome> {
    let takes = Duration::from_millis(plan.millis);
    match plan.deed_at(delivery.attempt(), delivery.redelivered()) {
        Deed::Hold => std::thread::sleep(takes),
        _ => tokio::time::sleep(takes).await,
    }
    match plan.deed_at(delivery.attempt(), delivery.redelivered()) {
        Deed::Ack | Deed::Hold => {
            let outcome = answer(plan, delivery, &run).await?;
            run.end(outcome)
        }
        Deed::Retry => run.end(Outcome::retry()),
        Deed::Reject => run.end(Outcome::reject("its plan says so")),
        Deed::Release => run.end(Outcome::Release),
        Deed::Panic => {
            run.panics()?;
            std::panic::panic_any("the plan says so")
        }
        Deed::Hang => std::future::pending().await,
        Deed::Overflow => {
            let depth = overflow(black_box(1));
            Err(format!("a stack without end, {depth} deep").into())
        }
        Deed::Memory => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                // Not written to: a process that fills memory for seconds would stand still before it dies.
                hoard.push(black_box(Vec::with_capacity(64 << 20)));
            }
        }
    }
}

/// Publishes the answer under the delivery's fence, always under the same message id.
async fn answer(plan: &Plan, delivery: &Delivery<Inbound>, run: &Run) -> HandlerResult<Outcome> {
    let data = plan.answer(run.token())?;
    let outbound = |kind| Record {
        message: effect_number(plan.number),
        lane: effect_lane(plan.lane),
        hash: 0,
        attempt: 0,
        detail: 0,
        extra: 0,
        entry: (0, 0),
        ..run.record(kind)
    };
    run.write(&outbound(Kind::PublishCall))?;
    let target = Target::Outbound { platform: PLATFORM.into() };
    let options = PublishOptions { message_id: Some(format!("e{}", plan.number)), ..PublishOptions::default() };
    match delivery.bus().publish_one(Outgoing { target, data, options }).await {
        Ok(receipt) => {
            let entry = pair(receipt.id);
            run.write(&Record { detail: 1, extra: u32::from(receipt.duplicate), entry, ..outbound(Kind::PublishOk) })?;
            run.write(&Record { detail: u8::from(receipt.duplicate), ..run.record(Kind::EffectOk) })?;
            Ok(Outcome::Ack)
        }
        Err(error) => {
            let refused = error.context().iter().any(|(key, value)| *key == "stored" && value == "no");
            let kind = if refused { Kind::PublishRefused } else { Kind::PublishUnknown };
            run.write(&outbound(kind))?;
            if error.kind() == ErrorKind::Stale {
                run.write(&run.record(Kind::EffectStale))?;
            }
            // The server's trouble is not the message's: the attempt does not count.
            Ok(Outcome::Release)
        }
    }
}

#[allow(unconditional_recursion, reason = "running out of stack is what is wanted")]
fn overflow(depth: u64) -> u64 {
    let filling = black_box([depth; 256]);
    overflow(depth + 1) + filling[usize::try_from(depth % 256).unwrap_or(0)]
}
