//! Random commands on the engine and on a real server at once: every answer must be the same.
//!
//! `SG_RANDOM_COMMANDS` (10,000) says how many in all, `SG_RANDOM_SEED` (1) where they start. A difference is
//! reported with the shortest sequence of commands found that shows it.

mod command;
mod letters;
mod look;
mod sessions;
mod side;
mod strays;
mod work;

use std::fmt::Write;

use self::command::{Command, sequence};
use self::side::{Answer, Side};
use super::lab::{Lab, on_both};

/// Commands that run on one life of the two servers.
const LENGTH: usize = 500;

/// Attempts to shorten a sequence.
const ATTEMPTS: usize = 300;

/// Words that the answers of 10,000 commands must hold: a sequence that is refused everywhere proves nothing.
const REACHED: [&str; 27] = [
    "invalid",
    "took #",
    "strange [\"f",
    "refreshed Ok",
    "back as #",
    "Gone",
    "duplicate true",
    "full",
    "stale",
    "conflict",
    "history true",
    "history false",
    "true None None", // deleted while it was pending
    "(3, \"c\", true)",
    "wait true",
    "results: [Done, Stale",
    "lanes: [(b\"lane",
    "Err(GroupLost)",
    "Err(Forgotten)",
    "Ok(true)",
    "Ok(false)",
    "created at the start: true",
    "2 times, last in 3",
    ":left",
    "holder: true",
    "Take: false",
    "GiveUp: true",
];

/// Where two transports differ.
struct Difference {
    at: usize,
    engine: Answer,
    server: Answer,
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect(name))
}

#[test]
fn the_engine_answers_as_the_server_does() {
    let total = usize::try_from(setting("SG_RANDOM_COMMANDS", 10_000)).unwrap();
    let first = setting("SG_RANDOM_SEED", 1);
    on_both(async |mut engine: Lab, mut server: Lab| {
        let mut missing = REACHED.to_vec();
        for seed in first..first + total.div_ceil(LENGTH) as u64 {
            let commands = sequence(seed, LENGTH);
            let found;
            (engine, server, found) = compare(engine, server, &commands, |answer| {
                missing.retain(|word| !answer.text.contains(word));
            })
            .await;
            if let Some(found) = found {
                let text = explain(engine, server, commands, found).await;
                panic!("seed {seed}: {text}");
            }
        }
        assert!(missing.is_empty() || total < 10_000, "no answer held {missing:?}");
    });
}

/// Runs commands on both, up to the first difference.
async fn compare(
    engine: Lab,
    server: Lab,
    commands: &[Command],
    mut seen: impl FnMut(&Answer),
) -> (Lab, Lab, Option<Difference>) {
    let (mut engine, mut server) = (Side::new(engine), Side::new(server));
    let mut found = None;
    for (at, command) in commands.iter().enumerate() {
        let (ours, theirs) = tokio::join!(engine.run(command), server.run(command));
        if !agree(&ours, &theirs) {
            found = Some(Difference { at, engine: ours, server: theirs });
            break;
        }
        seen(&ours);
    }
    (engine.finish(), server.finish(), found)
}

/// A server may say that it does not know a lag, never a wrong one.
fn agree(engine: &Answer, server: &Answer) -> bool {
    let lag = |(ours, theirs): (&Option<u64>, &Option<u64>)| theirs.is_none() || ours == theirs;
    engine.text == server.text && engine.lags.iter().zip(&server.lags).all(lag)
}

/// Takes commands out as long as a difference remains.
async fn explain(mut engine: Lab, mut server: Lab, mut commands: Vec<Command>, mut found: Difference) -> String {
    commands.truncate(found.at + 1);
    let (mut size, mut attempts) = (commands.len() / 2, 0);
    while size > 0 {
        let mut from = 0;
        while from + size < commands.len() && attempts < ATTEMPTS {
            attempts += 1;
            let mut shorter = commands.clone();
            shorter.drain(from..from + size);
            let difference;
            (engine, server, difference) = compare(engine, server, &shorter, |_| ()).await;
            match difference {
                Some(difference) => {
                    shorter.truncate(difference.at + 1);
                    (commands, found) = (shorter, difference);
                }
                None => from += size,
            }
        }
        size /= 2;
    }
    let mut text = String::from("the shortest sequence found\n");
    for command in &commands {
        writeln!(text, "{command:?}").unwrap();
    }
    write!(
        text,
        "engine: {:?}\n{}\n\nserver: {:?}\n{}",
        found.engine.lags, found.engine.text, found.server.lags, found.server.text
    )
    .unwrap();
    text
}
