//! A figure of several rounds: the middle one, the lowest and the highest.

#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// `None` without a round.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (low, high) = (*values.first()?, *values.last()?);
        let median = f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Self { low, median, high })
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = match self.median.abs() {
            size if size < 10.0 => 2,
            size if size < 1000.0 => 1,
            _ => 0,
        };
        let Self { low, median, high } = self;
        f.pad(&format!("{median:.digits$} ({low:.digits$} to {high:.digits$})"))
    }
}
