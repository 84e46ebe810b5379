//! What is printed: what was measured on what, and a row for each case.

use crate::args::Args;
use crate::cases::{Case, Measured};
use crate::lab::{Lab, Sample};
use crate::peer::Peer;
use crate::{Result, load};

/// Versions, machine and settings.
pub(crate) fn head(lab: &Lab, args: &Args) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let setting = |name: &str| -> Result<String> {
        match lab.command(&["CONFIG", "GET", name])? {
            stargazer_tests::Reply::List(pair) => Ok(pair.get(1).map(stargazer_tests::Reply::text).unwrap_or_default()),
            other => Err(format!("CONFIG GET answered {other:?}").into()),
        }
    };
    println!("stargazer {} against raw clients", stargazer_core::VERSION);
    println!("server       {}, save {:?}, appendonly {}", lab.program(), setting("save")?, setting("appendonly")?);
    println!("machine      {} {}, {cores} cores, loopback TCP", std::env::consts::OS, std::env::consts::ARCH);
    for peer in [Peer::Python, Peer::Node] {
        println!("{:<13}{}", peer.name(), peer.versions().unwrap_or_else(|| "not installed".into()));
    }
    println!(
        "samples      {} messages (slow cases a part of it), {} rounds, one more to warm up",
        args.messages, args.rounds
    );
    println!("envelopes    {} different ones, {} bytes on average\n", load::DIFFERENT, lab.load.mean_size()?);
    Ok(())
}

/// One table for each group.
pub(crate) fn print(cases: &[Case], measured: &[Measured]) {
    println!(
        "µs: CPU a message. \"ours ×\": how many times as fast ours is; by CPU, how many times less its client needs."
    );
    println!("Medians of the rounds (lowest to highest); ratios are taken within a round.");
    let mut first = 0;
    while first < cases.len() {
        let of_group = |case: &Case| case.language == cases[first].language && case.group == cases[first].group;
        let size = cases[first..].iter().take_while(|case| of_group(case)).count();
        println!(
            "\n{:<46} {:>27} {:>9} {:>9} {:>20} {:>7} {:>9}",
            format!("{}: {}", cases[first].language, cases[first].group),
            "messages/s",
            "client µs",
            "server µs",
            "ours ×",
            "by CPU",
            "disorder"
        );
        let ours = &measured[first];
        for (case, own) in cases[first..first + size].iter().zip(&measured[first..first + size]) {
            println!("  {:<44} {}", case.name, row(own, if std::ptr::eq(own, ours) { None } else { Some(ours) }));
        }
        first += size;
    }
}

fn row(own: &Measured, ours: Option<&Measured>) -> String {
    if let Some(why) = &own.missing {
        return format!("not run: {why}");
    }
    let all = |pick: fn(&Sample) -> f64| own.samples.iter().map(pick).collect::<Vec<_>>();
    let rate = Spread::of(all(|sample| sample.rate));
    let rates = format!("{:.0} ({:.0} to {:.0})", rate.median, rate.low, rate.high);
    let (client, server) = (Spread::of(all(|sample| sample.client)), Spread::of(all(|sample| sample.server)));
    let disorder = Spread::of(all(|sample| sample.disorder));
    let ratios = ours.filter(|ours| ours.missing.is_none()).map_or_else(Default::default, |ours| {
        let pairs = || ours.samples.iter().zip(&own.samples);
        let speed = Spread::of(pairs().map(|(ours, own)| ours.rate / own.rate).collect());
        let cpu = Spread::of(pairs().map(|(ours, own)| own.client / ours.client).collect());
        (format!("{:.2} ({:.2} to {:.2})", speed.median, speed.low, speed.high), format!("{:.2}", cpu.median))
    });
    let row = format!(
        "{rates:>27} {:>9.2} {:>9.2} {:>20} {:>7} {:>8.1}%",
        client.median, server.median, ratios.0, ratios.1, disorder.median
    );
    row
}

struct Spread {
    low: f64,
    median: f64,
    high: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
        let middle = f64::midpoint(at((values.len().saturating_sub(1)) / 2), at(values.len() / 2));
        Self { low: at(0), median: middle, high: at(values.len().saturating_sub(1)) }
    }
}
