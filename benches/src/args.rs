//! What the benchmark can be told.

use clap::Parser;

/// Our figures beside those of raw clients, as a table.
#[derive(Debug, Parser)]
#[command(name = "stargazer-bench", version)]
pub(crate) struct Args {
    /// Counted rounds; one more warms up.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// Messages of a sample; slow cases take a part of it.
    #[arg(long, default_value_t = 50_000, value_parser = in_range)]
    pub(crate) messages: usize,
    /// Only cases whose title has all of these words, such as `rust lanes`.
    #[arg(long = "only", value_name = "WORDS", num_args = 1..)]
    pub(crate) only: Vec<String>,
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
