//! The end of a run: everything is healed, and everything must be done within a limit. Then the system is measured.

use std::time::Duration;

use rustix::process::Signal;
use stargazer_tests::Reply;
use tokio::time::Instant;

use super::Failure;
use super::cast::Part;
use super::stage::Stage;
use crate::history::{Figure, Kind, Record};

/// Within this time everything that was published must be done.
const LIMIT: Duration = Duration::from_secs(90);
/// Streams that are empty for so long stay so.
const EMPTY: Duration = Duration::from_secs(5);
/// A process that was told to end has so long.
const ENDING: Duration = Duration::from_secs(6);

/// Figures of the system, with the actor they are about.
pub(super) type Figures = Vec<(Figure, u32, u64)>;

/// Waits until nothing is in flight.
pub(super) async fn drain(stage: &mut Stage) -> Result<(), Failure> {
    for n in 0..stage.players.len() {
        if stage.players[n].pid().is_none() && !matches!(stage.players[n].part, Part::Producer { .. }) {
            stage.bring_back(n)?;
        }
    }
    // Streams that stay empty are drained; whether what was in flight is done, the checker sees.
    let mut empty_since = None;
    let done = |stage: &mut Stage| {
        if !stage.all_published() || left(stage) > 0 {
            empty_since = None;
            return false;
        }
        let since = *empty_since.get_or_insert(Instant::now());
        (stage.watch.in_flight() == 0 && stage.watch.answers() == 0) || since.elapsed() > EMPTY
    };
    if !stage.until(LIMIT, done).await? {
        let (inbound, outbound) = (stage.names.inbound.clone(), stage.names.outbound.clone());
        let text = format!(
            "not drained within {LIMIT:?}: {} messages and {} answers in flight, {} and {} entries in the streams, all published: {}",
            stage.watch.in_flight(),
            stage.watch.answers(),
            stage.count(&["XLEN", &inbound]),
            stage.count(&["XLEN", &outbound]),
            stage.all_published()
        );
        stage.findings.push(text);
    }
    for publishing in std::mem::take(&mut stage.publishing) {
        publishing.await??;
    }
    Ok(())
}

fn left(stage: &Stage) -> u64 {
    stage.count(&["XLEN", &stage.names.inbound]) + stage.count(&["XLEN", &stage.names.outbound])
}

/// The system as it is now.
pub(super) fn measure(stage: &Stage) -> Result<Figures, Failure> {
    let names = &stage.names;
    let mut figures = Vec::new();
    let groups =
        [(&names.inbound, &names.workers, &names.worker_keys), (&names.outbound, &names.gateways, &names.gateway_keys)];
    let (mut entries, mut pending, mut consumers, mut lanes, mut tries) = (0, 0, 0, 0, 0);
    for (stream, group, keys) in groups {
        entries += stage.count(&["XLEN", stream]);
        if let Ok(Reply::List(summary)) = stage.ask(&["XPENDING", stream, group])
            && let Some(Reply::Int(n)) = summary.first()
        {
            pending += u64::try_from(*n)?;
        }
        if let Ok(Reply::List(all)) = stage.ask(&["XINFO", "CONSUMERS", stream, group]) {
            consumers += all.len() as u64;
        }
        lanes += stage.count(&["HLEN", &keys.lanes]);
        tries += stage.count(&["HLEN", &keys.tries]);
    }
    // Markers of message ids go by themselves when the dedupe window is over; here they go at once.
    forget_markers(stage)?;
    let Reply::List(keys) = stage.ask(&["KEYS", "*"])? else { return Err("KEYS gave no list".into()) };
    let letters = stage.letters.keys(&stage.server)?;
    let mut keys: Vec<String> = keys.iter().map(Reply::text).filter(|key| !letters.contains(key)).collect();
    if stage.orphaned {
        // Who deletes a stream or its entries by hand leaves what stands beside them.
        let bodies = stargazer_core::topology::body_key(&stage.names.inbound, "");
        keys.retain(|key| !key.starts_with(&*bodies));
    }
    keys.sort();
    std::fs::write(stage.options.folder.join("keys.txt"), keys.join("\n"))?;
    std::fs::write(stage.options.folder.join("clients.txt"), stage.ask(&["CLIENT", "LIST"])?.text())?;
    let info = stage.ask(&["INFO"])?.text();
    let number = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    };
    figures.push((Figure::Keys, 0, keys.len() as u64));
    figures.push((Figure::Entries, 0, entries));
    figures.push((Figure::Pending, 0, pending));
    figures.push((Figure::Consumers, 0, consumers));
    figures.push((Figure::Lanes, 0, lanes));
    figures.push((Figure::Tries, 0, tries));
    figures.push((Figure::Connections, 0, number("connected_clients")));
    figures.push((Figure::ServerMemory, 0, number("used_memory")));
    for (n, player) in stage.players.iter().enumerate() {
        if let Some(pid) = player.pid().filter(|_| !matches!(player.part, Part::Producer { .. })) {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
            let number = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                line.and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
            };
            let files = std::fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64;
            let player = u32::try_from(n)?;
            figures.push((Figure::Memory, player, number("VmRSS:") << 10));
            figures.push((Figure::Tasks, player, number("Threads:")));
            figures.push((Figure::Files, player, files));
        }
    }
    Ok(figures)
}

fn forget_markers(stage: &Stage) -> Result<(), Failure> {
    for stream in [&stage.names.inbound, &stage.names.outbound] {
        let pattern = format!("{}*", stargazer_core::topology::message_id_key(stream, ""));
        let Reply::List(keys) = stage.ask(&["KEYS", &pattern])? else { continue };
        let keys: Vec<String> = keys.iter().map(Reply::text).collect();
        for page in keys.chunks(1000) {
            let mut words = vec!["UNLINK"];
            words.extend(page.iter().map(String::as_str));
            stage.ask(&words)?;
        }
    }
    Ok(())
}

/// Puts the figures into the history, beside those of the beginning.
pub(super) fn compare(stage: &Stage, before: &Figures, after: &Figures) -> Result<(), Failure> {
    for (figure, about, value) in after {
        let base = before.iter().find(|(other, whom, _)| (other, whom) == (figure, about)).map_or(0, |(_, _, n)| *n);
        let actor =
            if *figure as u8 >= Figure::Memory as u8 && !matches!(figure, Figure::Connections | Figure::ServerMemory) {
                stage.players[*about as usize].actor
            } else {
                0
            };
        let record =
            Record { actor, detail: *figure as u8, token: base, message: *value, ..stage.pen.record(Kind::Measured) };
        stage.pen.write(&record)?;
    }
    Ok(())
}

/// Tells everybody to end, and sees that they do.
pub(super) async fn dismiss(stage: &mut Stage) -> Result<(), Failure> {
    for player in 0..stage.players.len() {
        if stage.players[player].is_up() {
            stage.signal(player, Signal::TERM)?;
        }
    }
    let deadline = Instant::now() + ENDING;
    for player in 0..stage.players.len() {
        loop {
            let (pid, actor) = (stage.players[player].pid(), stage.players[player].actor);
            if pid.is_none() {
                break;
            }
            match stage.players[player].ended()? {
                Some(super::cast::End::Fine) => break,
                Some(how) => stage.findings.push(format!("actor {actor} was told to end, and {how:?}")),
                None if Instant::now() > deadline => {
                    stage.findings.push(format!("actor {actor} was told to end and did not"));
                    stage.kill(player)?;
                }
                None => tokio::time::sleep(super::stage::LOOK).await,
            }
        }
    }
    Ok(())
}
