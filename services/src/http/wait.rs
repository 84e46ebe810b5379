//! How long a caller wants to wait for the turn.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};

use super::problem::Problem;

/// The wait of `?wait=true` without `timeout`.
const DEFAULT: Duration = Duration::from_secs(30);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(120);

/// What the caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait {
    /// How long; nothing for not at all.
    pub limit: Duration,
    /// Whether the header `Prefer` said so, which the answer repeats.
    pub preferred: bool,
}

impl Wait {
    /// From the query (`wait=true`, `timeout=SECONDS`), which counts over the header `Prefer: wait=SECONDS`. A query
    /// that makes no sense is an error; a preference that makes none is none.
    pub(super) fn of(query: &HashMap<String, String>, headers: &HeaderMap) -> Result<Self, Problem> {
        for name in query.keys() {
            if name != "wait" && name != "timeout" {
                return Err(wrong(name, "there is no such parameter; there are wait and timeout"));
            }
        }
        let timeout = query.get("timeout").map(|text| seconds(text)).transpose()?;
        let asked = match query.get("wait").map(String::as_str) {
            Some("true" | "1" | "") => Some(timeout.unwrap_or(DEFAULT)),
            Some("false" | "0") => Some(Duration::ZERO),
            Some(_) => return Err(wrong("wait", "it must be true or false")),
            None => None,
        };
        if let Some(limit) = asked {
            return Ok(Self { limit, preferred: false });
        }
        let limit = preference(headers).map(|limit| timeout.unwrap_or(limit));
        Ok(Self { limit: limit.unwrap_or_default().min(LONGEST), preferred: limit.is_some() })
    }
}

fn seconds(text: &str) -> Result<Duration, Problem> {
    let number = text.strip_suffix('s').unwrap_or(text).parse::<f64>().ok();
    let duration = number.and_then(|number| Duration::try_from_secs_f64(number).ok());
    duration
        .filter(|duration| !duration.is_zero() && *duration <= LONGEST)
        .ok_or_else(|| wrong("timeout", &format!("it must be seconds, above 0 and at most {}", LONGEST.as_secs())))
}

fn wrong(parameter: &str, detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid-parameter", format!("{parameter}: {detail}"))
        .with("parameter", parameter)
}

/// The `wait` of `Prefer: respond-async, wait=10`.
fn preference(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
    let mut items = values.flat_map(|value| value.split([',', ';']));
    items.find_map(|item| {
        let (name, seconds) = item.split_once('=')?;
        let seconds = seconds.trim().trim_matches('"').parse().ok()?;
        name.trim().eq_ignore_ascii_case("wait").then(|| Duration::from_secs(seconds))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(query: &[(&str, &str)], prefer: Option<&str>) -> Result<Wait, Problem> {
        let query = query.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let headers = prefer.map(|text| ("prefer".parse().unwrap(), text.parse().unwrap())).into_iter().collect();
        Wait::of(&query, &headers)
    }

    fn limit(seconds: f64, preferred: bool) -> Wait {
        Wait { limit: Duration::from_secs_f64(seconds), preferred }
    }

    #[test]
    fn the_query_counts_over_the_preference() {
        assert_eq!(wait(&[], None).unwrap(), limit(0.0, false));
        assert_eq!(wait(&[("wait", "true")], None).unwrap(), limit(30.0, false));
        let query = [("wait", "true"), ("timeout", "2.5s")];
        assert_eq!(wait(&query, Some("wait=9")).unwrap(), limit(2.5, false));
        assert_eq!(wait(&[("wait", "false")], Some("wait=9")).unwrap(), limit(0.0, false));
    }

    #[test]
    fn a_preference_is_found_among_others_and_capped() {
        assert_eq!(wait(&[], Some("respond-async, Wait=10")).unwrap(), limit(10.0, true));
        assert_eq!(wait(&[], Some("wait=100000")).unwrap(), limit(120.0, true));
        assert_eq!(wait(&[], Some("wait=soon")).unwrap(), limit(0.0, false));
    }

    #[test]
    fn a_wrong_query_is_refused() {
        for query in [("wait", "maybe"), ("timeout", "0"), ("timeout", "121"), ("timeout", "NaN"), ("wate", "true")] {
            assert!(wait(&[query], None).is_err(), "{query:?}");
        }
    }
}
