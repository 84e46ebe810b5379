//! The scripts: one file each in `scripts/`, run by hash, loaded when a connection is made and again when the
//! server has forgotten them.

use std::sync::LazyLock;

/// A script and its hash.
#[derive(Debug)]
pub(super) struct Script {
    /// Name of its file, without the ending.
    pub(super) name: &'static str,
    /// Text as the server gets it: what it builds on, then itself.
    pub(super) text: String,
    /// SHA-1 of the text, in hex.
    pub(super) hash: String,
}

impl Script {
    fn new(name: &'static str, parts: &[&str]) -> Self {
        let text = parts.join("\n");
        let hash = ::redis::Script::new(&text).get_hash().to_owned();
        Self { name, text, hash }
    }
}

/// All scripts.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) append: Script,
    pub(super) register: Script,
    pub(super) fetch: Script,
    pub(super) plain: Script,
    pub(super) settle: Script,
    pub(super) begin: Script,
    pub(super) renew: Script,
    pub(super) adopt: Script,
    pub(super) retire: Script,
    pub(super) stop: Script,
    pub(super) recreate: Script,
    pub(super) sweep: Script,
    pub(super) gather: Script,
    pub(super) survey: Script,
    pub(super) refresh: Script,
    pub(super) lock: Script,
    pub(super) renew_lock: Script,
    pub(super) unlock: Script,
    pub(super) trace: Script,
    pub(super) replay: Script,
    pub(super) discard: Script,
    pub(super) apply: Script,
}

const NAMES: &str = include_str!("scripts/names.lua");
const LIB: &str = include_str!("scripts/lib.lua");
const IDS: &str = include_str!("scripts/ids.lua");
const TORN: &str = include_str!("scripts/torn.lua");
const BELL: &str = include_str!("scripts/bell.lua");
const LANE: &str = include_str!("scripts/lane.lua");

/// The scripts, hashed once per process.
pub(super) static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| Scripts {
    append: Script::new("append", &[NAMES, LIB, include_str!("scripts/append.lua")]),
    register: Script::new("register", &[NAMES, LIB, IDS, include_str!("scripts/register.lua")]),
    fetch: Script::new("fetch", &[NAMES, LIB, IDS, TORN, BELL, LANE, include_str!("scripts/fetch.lua")]),
    plain: Script::new("plain", &[NAMES, include_str!("scripts/plain.lua")]),
    settle: Script::new("settle", &[NAMES, LIB, IDS, TORN, include_str!("scripts/settle.lua")]),
    begin: Script::new("begin", &[NAMES, LIB, include_str!("scripts/begin.lua")]),
    renew: Script::new("renew", &[NAMES, LIB, include_str!("scripts/renew.lua")]),
    adopt: Script::new("adopt", &[NAMES, LIB, include_str!("scripts/adopt.lua")]),
    retire: Script::new("retire", &[NAMES, LIB, TORN, BELL, include_str!("scripts/retire.lua")]),
    stop: Script::new("stop", &[NAMES, LIB, BELL, include_str!("scripts/stop.lua")]),
    recreate: Script::new("recreate", &[NAMES, LIB, IDS, include_str!("scripts/recreate.lua")]),
    sweep: Script::new("sweep", &[NAMES, LIB, IDS, TORN, include_str!("scripts/sweep.lua")]),
    gather: Script::new("gather", &[NAMES, LIB, IDS, TORN, LANE, include_str!("scripts/gather.lua")]),
    survey: Script::new("survey", &[NAMES, LIB, IDS, include_str!("scripts/survey.lua")]),
    refresh: Script::new("refresh", &[NAMES, LIB, include_str!("scripts/refresh.lua")]),
    lock: Script::new("lock", &[NAMES, LIB, include_str!("scripts/lock.lua")]),
    renew_lock: Script::new("renew_lock", &[NAMES, LIB, include_str!("scripts/renew_lock.lua")]),
    unlock: Script::new("unlock", &[NAMES, LIB, include_str!("scripts/unlock.lua")]),
    trace: Script::new("trace", &[NAMES, LIB, include_str!("scripts/trace.lua")]),
    replay: Script::new("replay", &[NAMES, LIB, include_str!("scripts/replay.lua")]),
    discard: Script::new("discard", &[NAMES, LIB, include_str!("scripts/discard.lua")]),
    apply: Script::new("apply", &[NAMES, LIB, include_str!("scripts/apply.lua")]),
});

impl Scripts {
    /// Every script.
    pub(super) fn all(&self) -> [&Script; 22] {
        [
            &self.append,
            &self.register,
            &self.fetch,
            &self.plain,
            &self.settle,
            &self.begin,
            &self.renew,
            &self.adopt,
            &self.retire,
            &self.stop,
            &self.recreate,
            &self.sweep,
            &self.gather,
            &self.survey,
            &self.refresh,
            &self.lock,
            &self.renew_lock,
            &self.unlock,
            &self.trace,
            &self.replay,
            &self.discard,
            &self.apply,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places in KEYS or ARGV that a script's header names: `1 stream, 2 consumers, 3.. bodies`.
    fn declared(text: &str, array: &str) -> Vec<usize> {
        let start = text.find(&format!("-- {array}: ")).unwrap_or_else(|| panic!("no header for {array}"));
        let header: String = text[start..]
            .lines()
            .enumerate()
            .take_while(|(n, line)| *n == 0 || line.starts_with("--   "))
            .map(|(_, line)| line)
            .collect();
        header.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
    }

    #[test]
    fn every_script_declares_its_keys_and_uses_no_other() {
        for script in SCRIPTS.all() {
            let own = &script.text[script.text.find("-- KEYS: ").expect(script.name)..];
            let keys = declared(own, "KEYS");
            assert!(!declared(own, "ARGV").is_empty(), "{}", script.name);
            for part in own.split("KEYS[").skip(1) {
                let place = &part[..part.find(']').unwrap()];
                // Places that are calculated stand in ARGV, which the header says.
                if let Ok(place) = place.parse::<usize>() {
                    assert!(keys.contains(&place), "{} uses KEYS[{place}] undeclared", script.name);
                }
            }
        }
    }

    #[test]
    fn scripts_name_no_key_themselves() {
        for script in SCRIPTS.all() {
            assert!(!script.text.contains("sg:"), "{} spells a key name", script.name);
        }
    }
}
