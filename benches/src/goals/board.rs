//! What was measured, by the ids of cases, and the comparisons that goals are made of. Each gives a value for every round.

use crate::cases::{Case, Measured};
use crate::lab::Sample;

/// Values of the rounds; `None` where a case was not run.
pub(crate) type Rounds = Option<Vec<f64>>;

pub(crate) struct Board<'a> {
    pub(crate) cases: &'a [Case],
    pub(crate) measured: &'a [Measured],
}

impl Board<'_> {
    fn find(&self, id: &str) -> Option<&Measured> {
        let at = self.cases.iter().position(|case| case.id == id)?;
        self.measured.get(at).filter(|measured| measured.missing.is_none())
    }

    fn each(&self, id: &str, pick: impl Fn(&Sample) -> Option<f64>) -> Rounds {
        let samples = &self.find(id)?.samples;
        samples.iter().map(pick).collect::<Option<Vec<_>>>().filter(|rounds| !rounds.is_empty())
    }

    /// Messages/s of ours over those of a rival.
    pub(crate) fn speed(&self, ours: &str, rival: &str) -> Rounds {
        self.speed_of_best(ours, &[rival])
    }

    /// Messages/s of ours over those of the fastest rival of the round; of those that were run.
    pub(crate) fn speed_of_best(&self, ours: &str, rivals: &[&str]) -> Rounds {
        let mut ratios = self.each(ours, |sample| Some(sample.rate))?;
        let rivals: Vec<_> = rivals.iter().filter_map(|rival| self.each(rival, |sample| Some(sample.rate))).collect();
        if rivals.is_empty() {
            return None;
        }
        for (round, ratio) in ratios.iter_mut().enumerate() {
            *ratio /= rivals.iter().filter_map(|rates| rates.get(round)).fold(f64::MIN, |best, rate| best.max(*rate));
        }
        Some(ratios)
    }

    /// Latency of ours over that of a rival.
    pub(crate) fn latency(&self, ours: &str, rival: &str) -> Rounds {
        Some(over(self.each(ours, |sample| sample.p50)?, &self.each(rival, |sample| sample.p50)?))
    }

    /// CPU of the server over several cases of ours over that of a rival's.
    pub(crate) fn server(&self, ours: &[&str], rival: &[&str]) -> Rounds {
        let sum = |ids: &[&str]| self.sum(ids, |sample| sample.server);
        Some(over(sum(ours)?, &sum(rival)?))
    }

    /// CPU of client and server of one case over that of another.
    pub(crate) fn cost(&self, large: &str, small: &str) -> Rounds {
        let cost = |id| self.each(id, |sample| Some(sample.client + sample.server));
        Some(over(cost(large)?, &cost(small)?))
    }

    fn sum(&self, ids: &[&str], pick: impl Fn(&Sample) -> f64) -> Rounds {
        let mut sums: Vec<f64> = Vec::new();
        for id in ids {
            let values = self.each(id, |sample| Some(pick(sample)))?;
            sums.resize(values.len(), 0.0);
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += value;
            }
        }
        Some(sums)
    }

    /// The highest share of messages out of order of all these cases, by round.
    pub(crate) fn disorder(&self, ids: &[&str]) -> Rounds {
        let all: Vec<_> = ids.iter().filter_map(|id| self.each(id, |sample| Some(sample.disorder))).collect();
        let rounds = all.first()?.len();
        Some((0..rounds).map(|round| all.iter().map(|values| values[round]).fold(0.0, f64::max)).collect())
    }

    /// What was weighed.
    pub(crate) fn weight(&self, id: &str, of: impl Fn(&crate::cases::Weights) -> Option<f64>) -> Rounds {
        let weights = &self.find(id)?.weights;
        weights.iter().map(of).collect::<Option<Vec<_>>>().filter(|rounds| !rounds.is_empty())
    }
}

fn over(ours: Vec<f64>, rival: &[f64]) -> Vec<f64> {
    ours.into_iter().zip(rival).map(|(ours, rival)| ours / rival).collect()
}
