//! The server's time of day, which the run may step: a library that is loaded into the server before all others.
//!
//! It is `chaos/shim/clock.c`, built by the system's C compiler when a run begins. Only what the clock on the wall says
//! is moved, never the monotonic clock.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use stargazer_tests::root;

/// The hands of the server's clock.
#[derive(Debug)]
pub(super) struct Clock {
    library: PathBuf,
    step: PathBuf,
}

impl Clock {
    /// Builds the library in a folder; the clock is right to begin with.
    pub(super) fn build(folder: &Path) -> io::Result<Self> {
        let folder = folder.canonicalize()?;
        let clock = Self { library: folder.join("clock.so"), step: folder.join("clock.step") };
        let source = root().join("chaos/shim/clock.c");
        let built =
            Command::new("cc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(&clock.library).arg(source).output()?;
        if !built.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&built.stderr)));
        }
        fs::write(&clock.step, 0_i64.to_ne_bytes())?;
        Ok(clock)
    }

    /// What the server must find in its environment.
    pub(super) fn environment(&self) -> Vec<(String, PathBuf)> {
        vec![("LD_PRELOAD".to_owned(), self.library.clone()), ("SG_CLOCK".to_owned(), self.step.clone())]
    }

    /// From now on the server's clock is wrong by so many seconds.
    pub(super) fn set(&self, seconds: i64) -> io::Result<()> {
        use std::io::Write;

        // In place and at once: the server has the file mapped.
        fs::OpenOptions::new().write(true).open(&self.step)?.write_all(&seconds.to_ne_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use stargazer_core::clock::{Clock as _, SystemClock};
    use stargazer_tests::{Options, Server};

    use super::*;

    fn seconds_of(server: &Server) -> i64 {
        let text = server.command(&["INFO", "server"]).unwrap().text();
        let micros = text.lines().find_map(|line| line.strip_prefix("server_time_usec:")).unwrap();
        micros.trim().parse::<i64>().unwrap() / 1_000_000
    }

    #[test]
    fn the_server_tells_the_time_that_it_is_told() {
        let folder = std::env::temp_dir().join(format!("sg-clock-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (clock, ours) = (Clock::build(&folder).unwrap(), SystemClock::new());
        let server = Server::start_with(Options { environment: clock.environment(), ..Options::default() }).unwrap();
        for step in [0, 3600, -3600, 5, 0] {
            clock.set(step).unwrap();
            // The server reads its clock once in a turn of its loop.
            let limit = ours.now() + Duration::from_secs(5);
            loop {
                let now = (ours.wall_ms() / 1000).cast_signed();
                if (seconds_of(&server) - now - step).abs() <= 1 {
                    break;
                }
                assert!(ours.now() < limit, "the server's clock is not {step} s off");
            }
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
