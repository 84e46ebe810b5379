//! What a message costs when there is much of everything.

use stargazer_core::Ordering;

use crate::Result;
use crate::calls::Reader;
use crate::lab::{Lab, Sample, Used, expect, runtime};
use crate::load::Spread;

/// Messages taken between two refills.
const TAKEN: usize = 1000;

/// Takes `messages` in lanes off a backlog that has `standing` of them before every thousand.
pub(crate) fn backlog(lab: &Lab, messages: usize, standing: usize) -> Result<Sample> {
    lab.fill(standing, Spread::Uniform)?;
    let rounds = messages.div_ceil(TAKEN);
    let mut added = standing;
    let mut all = Used::default();
    let runtime = runtime()?;
    let mut reader = runtime.block_on(Reader::open(lab, Ordering::Lanes))?;
    for _ in 0..rounds {
        expect("entries before a thousand", lab.length()?, standing)?;
        let meter = lab.meter()?;
        runtime.block_on(reader.take(TAKEN))?;
        all.add(&meter.stop()?);
        lab.add(added, TAKEN, Spread::Uniform)?;
        added += TAKEN;
    }
    runtime.block_on(reader.close());
    expect("entries left", lab.length()?, standing)?;
    Ok(all.over(rounds * TAKEN, 0))
}
