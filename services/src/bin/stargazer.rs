//! The program `stargazer`: reads the command line, builds what it names, runs it.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words == ["--version"] {
        return match writeln!(std::io::stdout(), "stargazer {}", stargazer_services::VERSION) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    // Nothing is left to tell when even the error stream is closed; the exit code says it failed.
    let _ = writeln!(std::io::stderr(), "usage: stargazer --version");
    ExitCode::from(2)
}
