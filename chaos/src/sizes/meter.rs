//! What a call costs the server: the longest of its commands by the server's slow log, and the processor time that the
//! server's main thread spent on the whole call, reading it and answering included.
//!
//! On a machine that does other things, too, the slow log counts the time in which the server was not running; the
//! processor time does not. A call holds when either of the two does.

use std::fmt::Write;
use std::future::Future;

use serde_json::{Value, json};
use stargazer_core::{Error, Result};
use stargazer_tests::{Reply, Server};

use super::Options;

/// No call may hold the server longer than this many microseconds.
const ALLOWED: i64 = 5_000;

/// Commands below this many microseconds are not logged; logging every command of a script would be most of its time.
const LOGGED: &str = "200";

/// One call, in microseconds.
#[derive(Debug)]
struct Row {
    call: String,
    times: usize,
    longest: i64,
    processor: i64,
    /// Not ours to bound, or not bounded on purpose; why.
    excused: Option<&'static str>,
}

/// All calls.
#[derive(Debug, Default)]
pub(super) struct Report {
    server: String,
    rows: Vec<Row>,
}

/// Measures calls on one server.
pub(super) struct Meter<'a> {
    pub(super) server: &'a Server,
    report: &'a mut Report,
}

impl<'a> Meter<'a> {
    pub(super) fn new(server: &'a Server, report: &'a mut Report) -> Result<Self> {
        let program = server.program();
        report.server = format!("{} {}", program.name, program.version);
        let meter = Self { server, report };
        for (name, value) in [("slowlog-max-len", "10000"), ("slowlog-log-slower-than", LOGGED)] {
            meter.ask(&["CONFIG", "SET", name, value])?;
        }
        Ok(meter)
    }

    /// Asks the server, past the transport.
    pub(super) fn ask(&self, words: &[&str]) -> Result<Reply> {
        match self.server.command(words).map_err(|error| Error::unavailable(error.to_string()))? {
            Reply::Error(why) => Err(Error::internal(why)),
            reply => Ok(reply),
        }
    }

    /// Runs a call and notes how long its commands held the server.
    pub(super) async fn call<T>(&mut self, name: &str, call: impl Future<Output = T>) -> Result<T> {
        self.timed(name, None, call).await
    }

    /// As [`Meter::call`], for a figure that is shown and not judged.
    pub(super) async fn shown<T>(&mut self, name: &str, why: &'static str, call: impl Future<Output = T>) -> Result<T> {
        self.timed(name, Some(why), call).await
    }

    /// Either of the two.
    pub(super) async fn timed<T>(
        &mut self,
        name: &str,
        excused: Option<&'static str>,
        call: impl Future<Output = T>,
    ) -> Result<T> {
        self.ask(&["SLOWLOG", "RESET"])?;
        // What the asking itself costs.
        let own = -self.processor()? + self.processor()?;
        let before = self.processor()?;
        let answer = call.await;
        let processor = (self.processor()? - before - own).max(0);
        let Reply::List(log) = self.ask(&["SLOWLOG", "GET", "10000"])? else {
            return Err(Error::internal("the slow log is no list"));
        };
        let longest = log.iter().filter_map(time).max().unwrap_or_default();
        self.note(Row { call: name.into(), times: 1, longest, processor, excused });
        Ok(answer)
    }

    /// Microseconds that the server's main thread has run so far.
    fn processor(&self) -> Result<i64> {
        let info = self.ask(&["INFO", "cpu"])?.text();
        let seconds = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        let (user, system) = (seconds("used_cpu_user_main_thread:"), seconds("used_cpu_sys_main_thread:"));
        let both = user.zip(system).map(|(user, system)| (user + system) * 1e6);
        #[allow(clippy::cast_possible_truncation)]
        both.map(|time| time as i64).ok_or_else(|| Error::internal("the server does not tell its processor time"))
    }

    /// Keeps the slowest of the calls of one name.
    fn note(&mut self, row: Row) {
        match self.report.rows.iter_mut().find(|other| other.call == row.call) {
            Some(other) => {
                let times = other.times + 1;
                if row.held() > other.held() {
                    *other = row;
                }
                other.times = times;
            }
            None => self.report.rows.push(row),
        }
    }
}

/// The time of a command in the slow log.
fn time(entry: &Reply) -> Option<i64> {
    let Reply::List(entry) = entry else { return None };
    let [_, _, Reply::Int(time), Reply::List(words), ..] = entry.as_slice() else { return None };
    let ours = words.first().is_some_and(|word| word.text() != "INFO" && word.text() != "SLOWLOG");
    ours.then_some(*time)
}

impl Row {
    /// How long the call held the server.
    fn held(&self) -> i64 {
        self.longest.min(self.processor)
    }
}

impl Report {
    /// Whether no call held the server too long.
    pub(super) fn holds(&self) -> bool {
        self.rows.iter().all(|row| row.excused.is_some() || row.held() <= ALLOWED)
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let mut text = format!("{}; in microseconds, at most {ALLOWED}\n", self.server);
        let _ = writeln!(text, "  {:<58} {:>5} {:>9} {:>9}", "call", "times", "longest", "processor");
        for row in &self.rows {
            let mark = match row.excused {
                Some(_) => "*",
                None if row.held() > ALLOWED => "!",
                None => " ",
            };
            let _ = writeln!(text, "{mark} {:<58} {:>5} {:>9} {:>9}", row.call, row.times, row.longest, row.processor);
        }
        for why in self.rows.iter().filter_map(|row| row.excused.map(|why| format!("* {}: {why}", row.call))) {
            let _ = writeln!(text, "{why}");
        }
        text
    }

    /// For the record.
    pub(super) fn json(&self, options: &Options) -> Value {
        let row = |row: &Row| {
            json!({
                "call": row.call, "times": row.times, "longest_command_us": row.longest, "processor_us": row.processor,
                "excused": row.excused,
            })
        };
        json!({
            "server": self.server, "allowed_us": ALLOWED, "entries": options.entries, "lanes": options.lanes,
            "files": options.files, "file_bytes": options.file_bytes, "holds": self.holds(),
            "calls": self.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }
}
