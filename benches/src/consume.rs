//! Our consumer with a handler that decodes the envelope and does nothing, until everything is settled.

use std::sync::{Arc, Mutex, PoisonError};

use stargazer_core::envelope::Inbound;
use stargazer_core::{Bus, Consumer, Delivery, Error, Ordering};
use tokio::task::JoinSet;

use crate::Result;
use crate::lab::{Lab, Sample, expect, runtime};
use crate::load::Spread;
use crate::witness::Witness;

/// How it is consumed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    pub(crate) spread: Spread,
    pub(crate) ordering: Ordering,
    /// Consumers of one process, with a bus each.
    pub(crate) consumers: usize,
    /// Opening them is not measured.
    pub(crate) opened: bool,
}

pub(crate) fn ours(lab: &Lab, messages: usize, way: Way) -> Result<Sample> {
    lab.fill(messages, way.spread)?;
    let witness = Arc::new(Mutex::new(Witness::new(messages, way.spread)));
    let used = runtime()?.block_on(async {
        let mut buses = Vec::new();
        for _ in 0..way.consumers {
            buses.push(Bus::connect(lab.url()).await?);
        }
        let mut meter = lab.meter()?;
        let mut opened = Vec::new();
        for bus in &buses {
            opened.push(bus.consume_inbound().ordering(way.ordering).open().await?);
        }
        if way.opened {
            meter = lab.meter()?;
        }
        let mut runs = JoinSet::new();
        for consumer in opened {
            runs.spawn(drain(consumer, witness.clone()));
        }
        let mut done = Vec::new();
        while let Some(consumer) = runs.join_next().await {
            done.push(consumer??);
        }
        let used = meter.stop()?;
        for consumer in done {
            consumer.close().await?;
        }
        for bus in buses {
            bus.close().await?;
        }
        Ok::<_, Box<dyn std::error::Error>>(used)
    })?;
    let disorder = witness.lock().unwrap_or_else(PoisonError::into_inner).disorder()?;
    if way.ordering.keeps_order() {
        expect("messages out of order in lanes", disorder, 0)?;
    }
    // Ours are removed once they are settled.
    expect("entries left", lab.length()?, 0)?;
    expect("entries pending", lab.pending()?, 0)?;
    Ok(used.over(messages, disorder))
}

async fn drain(
    consumer: Consumer<Inbound>,
    witness: Arc<Mutex<Witness>>,
) -> std::result::Result<Consumer<Inbound>, Error> {
    let handler = move |delivery: Delivery<Inbound>| {
        let witness = witness.clone();
        async move {
            let message = delivery.data()?;
            let mut witness = witness.lock().unwrap_or_else(PoisonError::into_inner);
            witness.note(&message.channel_id, &message.message_id);
            Ok(())
        }
    };
    consumer.run_until_idle(handler).await?;
    Ok(consumer)
}
