//! What the benchmark can be told.

use std::path::PathBuf;

use clap::Parser;

/// Our figures beside those of raw clients and of what people would otherwise use, and the table of goals.
#[derive(Debug, Parser)]
#[command(name = "stargazer-bench", version)]
pub(crate) struct Args {
    /// Counted rounds; one more warms up.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// Messages of a sample; slow cases take a part of it.
    #[arg(long, default_value_t = 50_000, value_parser = in_range)]
    pub(crate) messages: usize,
    /// The largest backlog that growth is measured at; a tenth of it is the number of lanes.
    #[arg(long, default_value_t = 1_000_000, value_parser = backlog)]
    pub(crate) growth: usize,
    /// Only cases whose title has all of these words, such as `rust lanes`.
    #[arg(long = "only", value_name = "WORDS", num_args = 1..)]
    pub(crate) only: Vec<String>,
    /// Writes the tables to this file, too, after each round; as JSON with every sample where its name ends in `.json`.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

impl Args {
    pub(crate) fn wants(&self, title: &str) -> bool {
        let title = title.to_lowercase();
        self.only.iter().flat_map(|words| words.split_whitespace()).all(|word| title.contains(&word.to_lowercase()))
    }
}

fn in_range(text: &str) -> Result<usize, String> {
    let number = text.parse().map_err(|_| "not a number".to_owned())?;
    // Above, the stream would reach its cap and publishing would wait.
    if (1000..=500_000).contains(&number) { Ok(number) } else { Err("1000 to 500,000".to_owned()) }
}

fn backlog(text: &str) -> Result<usize, String> {
    let number = text.parse().map_err(|_| "not a number".to_owned())?;
    if (10_000..=2_000_000).contains(&number) { Ok(number) } else { Err("10,000 to 2,000,000".to_owned()) }
}
