//! What is printed: what was measured on what, and a row for each case.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::args::Args;
use crate::cases::{Case, Measured};
use crate::lab::{Lab, Sample};
use crate::peer::Peer;
use crate::spread::Spread;
use crate::{Result, load};

/// Versions, machine and settings.
pub(crate) fn head(lab: &Lab, args: &Args) -> Result<String> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let setting = |name: &str| -> Result<String> {
        match lab.command(&["CONFIG", "GET", name])? {
            stargazer_tests::Reply::List(pair) => Ok(pair.get(1).map(stargazer_tests::Reply::text).unwrap_or_default()),
            other => Err(format!("CONFIG GET answered {other:?}").into()),
        }
    };
    let mut text = format!("stargazer {} beside its rivals\n", stargazer_core::VERSION);
    writeln!(
        text,
        "server       {}, save {:?}, appendonly {}",
        lab.program(),
        setting("save")?,
        setting("appendonly")?
    )?;
    let (os, processor) = (std::env::consts::OS, std::env::consts::ARCH);
    writeln!(text, "machine      {os} {processor}, {cores} cores{}, loopback TCP", busy())?;
    for peer in Peer::ALL {
        writeln!(text, "  {:<18} {}", peer.folder(), peer.versions().unwrap_or_else(|| "not installed".into()))?;
    }
    writeln!(
        text,
        "samples      {} messages (slow cases a part of it), {} rounds, one more to warm up",
        args.messages, args.rounds
    )?;
    writeln!(text, "envelopes    {} different ones, {} bytes on average", load::DIFFERENT, lab.load.mean_size()?)?;
    Ok(text)
}

/// How busy the machine was at the start, where it says so.
fn busy() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").ok();
    load.and_then(|text| Some(format!(", load {} at the start", text.split(' ').next()?))).unwrap_or_default()
}

/// One table for each group.
pub(crate) fn tables(cases: &[Case], measured: &[Measured]) -> Result<String> {
    let mut text = String::from(
        "µs: CPU a message, of the client's processes and of the server. \"ours ×\": how many times as fast ours is; by CPU, how many \
         times less its client needs.\nMedians of the rounds (lowest to highest); ratios are taken within a round.\n",
    );
    let mut first = 0;
    while first < cases.len() {
        let of_group = |case: &Case| case.language == cases[first].language && case.group == cases[first].group;
        let size = cases[first..].iter().take_while(|case| of_group(case)).count();
        let title = format!("{}: {}", cases[first].language, cases[first].group);
        if measured[first..first + size].iter().any(|own| !own.weights.is_empty()) {
            writeln!(text, "\n{title}")?;
            for (case, own) in cases[first..first + size].iter().zip(&measured[first..first + size]) {
                writeln!(text, "  {}: {}", case.name, row(own, None))?;
            }
            first += size;
            continue;
        }
        writeln!(
            text,
            "\n{title:<48} {:>27} {:>9} {:>9} {:>8} {:>22} {:>7} {:>9}",
            "messages/s", "client µs", "server µs", "p50 µs", "ours ×", "by CPU", "disorder"
        )?;
        let ours = &measured[first];
        for (case, own) in cases[first..first + size].iter().zip(&measured[first..first + size]) {
            let ours = if std::ptr::eq(own, ours) { None } else { Some(ours) };
            writeln!(text, "  {:<46} {}", case.name, row(own, ours))?;
        }
        first += size;
    }
    Ok(text)
}

fn row(own: &Measured, ours: Option<&Measured>) -> String {
    if let Some(why) = &own.missing {
        return format!("not run: {why}");
    }
    if let Some(weights) = own.weights.first() {
        let weight = |name: &&str| own.weights.iter().filter_map(|weights| weights.get(*name).copied()).collect();
        let bytes = |name| Some(format!("{name} {} bytes", Spread::of(weight(name))?));
        return weights.keys().filter_map(bytes).collect::<Vec<_>>().join("; ");
    }
    let all = |pick: fn(&Sample) -> f64| Spread::of(own.samples.iter().map(pick).collect());
    let median = |pick| all(pick).map_or(f64::NAN, |spread| spread.median);
    let rates = all(|sample| sample.rate).map(|rate| rate.to_string()).unwrap_or_default();
    let p50 = Spread::of(own.samples.iter().filter_map(|sample| sample.p50).collect());
    let p50 = p50.map(|p50| format!("{:.0}", p50.median)).unwrap_or_default();
    let pairs =
        || ours.iter().filter(|ours| ours.missing.is_none()).flat_map(|ours| ours.samples.iter().zip(&own.samples));
    let speed = Spread::of(pairs().map(|(ours, own)| ours.rate / own.rate).collect());
    let cpu = Spread::of(pairs().map(|(ours, own)| own.client / ours.client).collect());
    format!(
        "{rates:>27} {:>9.2} {:>9.2} {p50:>8} {:>22} {:>7} {:>8.1}%",
        median(|sample| sample.client),
        median(|sample| sample.server),
        speed.map(|speed| speed.to_string()).unwrap_or_default(),
        cpu.map(|cpu| format!("{:.2}", cpu.median)).unwrap_or_default(),
        median(|sample| sample.disorder)
    )
}

/// Every sample of every case, for programs.
pub(crate) fn json(cases: &[Case], measured: &[Measured]) -> Value {
    let row = |(case, own): (&Case, &Measured)| {
        let sample = |sample: &Sample| {
            json!({
                "rate": sample.rate, "client_us": sample.client, "server_us": sample.server,
                "p50_us": sample.p50, "disorder_percent": sample.disorder,
            })
        };
        json!({
            "id": case.id, "language": case.language, "group": case.group, "name": case.name, "not_run": own.missing,
            "samples": own.samples.iter().map(sample).collect::<Value>(), "bytes": own.weights,
        })
    };
    cases.iter().zip(measured).map(row).collect()
}
