//! The program `stargazer`: reads the command line, builds what it names, runs it.

use std::process::ExitCode;

fn main() -> ExitCode {
    stargazer_services::cli::main()
}
