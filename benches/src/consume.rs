//! Our consumer with a handler that decodes the envelope and does nothing, until everything is settled.

use std::sync::{Arc, Mutex, PoisonError};

use stargazer_core::{Bus, Ordering};

use crate::Result;
use crate::lab::{Lab, Sample, expect, runtime};
use crate::load::Spread;
use crate::witness::Witness;

pub(crate) fn ours(lab: &Lab, messages: usize, spread: Spread, ordering: Ordering) -> Result<Sample> {
    lab.fill(messages, spread)?;
    let witness = Arc::new(Mutex::new(Witness::new(messages)));
    let handler = {
        let witness = witness.clone();
        move |delivery: stargazer_core::Delivery<stargazer_core::envelope::Inbound>| {
            let witness = witness.clone();
            async move {
                let message = delivery.data()?;
                let mut witness = witness.lock().unwrap_or_else(PoisonError::into_inner);
                witness.note(&message.channel_id, &message.message_id);
                Ok(())
            }
        }
    };
    let used = runtime()?.block_on(async {
        let bus = Bus::connect(lab.url()).await?;
        let meter = lab.meter()?;
        let inbox = bus.consume_inbound().ordering(ordering).open().await?;
        inbox.run_until_idle(handler).await?;
        let used = meter.stop()?;
        inbox.close().await?;
        bus.close().await?;
        Ok::<_, Box<dyn std::error::Error>>(used)
    })?;
    let disorder = witness.lock().unwrap_or_else(PoisonError::into_inner).disorder()?;
    if ordering.keeps_order() {
        expect("messages out of order in lanes", disorder, 0)?;
    }
    // Ours are removed once they are settled.
    expect("entries left", lab.length()?, 0)?;
    expect("entries pending", lab.pending()?, 0)?;
    Ok(used.over(messages, disorder))
}
