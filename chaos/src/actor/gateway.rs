//! Receives what workers answer, as a platform's gateway does.

use std::time::Duration;

use stargazer_core::Outcome;

use super::Failure;
use super::options::ActorOptions;
use super::plan::{PLATFORM, parse_answer};
use super::serve::{Diary, connect, serve};
use crate::history::{Kind, Record};

/// How long sending to a platform takes.
const SENDING: Duration = Duration::from_millis(2);

pub(super) async fn play(options: ActorOptions) -> Result<(), Failure> {
    let diary = Diary::begin(&options)?;
    let bus = connect(&options.url).await?;
    let builder = options.apply(bus.consume_outbound(PLATFORM))?;
    let keeper = diary.clone();
    serve(builder, bus, diary, move |delivery| {
        let diary = keeper.clone();
        async move {
            let answer = delivery.data()?;
            let Some((number, lane, token)) = parse_answer(&answer.text) else {
                return Ok(Outcome::reject("this is no answer of the run"));
            };
            // The bytes differ by the run that gave the answer: they are not compared.
            let run = diary.run(&delivery, number, lane, 0)?;
            run.write(&Record { token, ..run.record(Kind::EffectFound) })?;
            tokio::time::sleep(SENDING).await;
            run.end(Outcome::Ack)
        }
    })
    .await
}
