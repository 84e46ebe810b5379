//! What the program prints: the one place that writes to standard output and standard error.
//!
//! A closed output is no failure of ours (`stargazer … | head`): what cannot be written is dropped, and the exit code
//! still tells how the command ended.

use std::io::{IsTerminal, Write};

/// A line for the one who asked.
pub(super) fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Text without an end of line, shown at once.
pub(super) fn prompt(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}

/// A line beside the answer.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Why the command failed.
pub(super) fn error(text: &str) {
    note(&format!("stargazer: {text}"));
}

/// Whether a person types and reads here.
pub(super) fn is_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Whether a person reads standard output.
pub(super) fn output_is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Whether a person reads standard error.
pub(super) fn errors_are_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// A bar on standard error: drawn over itself on a terminal, a line for every third elsewhere.
#[derive(Debug)]
pub(super) struct Progress {
    total: usize,
    done: usize,
    drawn: bool,
}

/// Characters of the bar.
const WIDTH: usize = 30;

impl Progress {
    pub(super) fn new(total: usize) -> Self {
        let progress = Self { total, done: 0, drawn: errors_are_terminal() };
        progress.draw();
        progress
    }

    /// One more is done.
    pub(super) fn step(&mut self) {
        self.done += 1;
        self.draw();
    }

    fn draw(&self) {
        let text = bar(self.done, self.total);
        if self.drawn {
            let end = if self.done == self.total { "\n" } else { "" };
            let mut out = std::io::stderr().lock();
            let _ = write!(out, "\r{text}{end}").and_then(|()| out.flush());
        } else if self.done > 0 && (self.done == self.total || self.done.is_multiple_of(self.total.div_ceil(3))) {
            note(&text);
        }
    }
}

fn bar(done: usize, total: usize) -> String {
    let full = WIDTH * done / total.max(1);
    format!("[{}{}] {done}/{total}", "#".repeat(full), ".".repeat(WIDTH - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills_up() {
        assert_eq!(bar(0, 30), format!("[{}] 0/30", ".".repeat(30)));
        assert_eq!(bar(15, 30), format!("[{}{}] 15/30", "#".repeat(15), ".".repeat(15)));
        assert_eq!(bar(30, 30), format!("[{}] 30/30", "#".repeat(30)));
    }
}
