//! The table of errors: every kind has its row, every row its classes.

use stargazer_core::ErrorKind;
use stargazer_core::envelope::Value;

use super::file::rows;

const FILE: &str = "errors.json";

#[test]
fn every_kind_of_error_has_its_row() {
    let rows = rows(FILE, "errors");
    let listed: Vec<_> = rows.iter().map(|row| row.text("code")).collect();
    assert_eq!(listed, ErrorKind::ALL.map(ErrorKind::code), "one row for each kind, in their order");
    for (row, kind) in rows.iter().zip(ErrorKind::ALL) {
        assert_eq!(row.get("retryable").and_then(Value::as_bool), Some(kind.retryable()), "{kind}");
        let class: String = kind.code().split('_').map(capitalised).collect::<String>() + "Error";
        assert_eq!((row.text("python"), row.text("node")), (&*class, &*class), "{kind}");
        assert!(row.get("scenario").is_some(), "{kind}: say which scenario provokes it, or leave the text empty");
    }
}

#[test]
fn every_trouble_has_a_known_code_and_a_scenario() {
    let codes = ErrorKind::ALL.map(ErrorKind::code);
    let mut scenarios = Vec::new();
    for row in rows(FILE, "troubles") {
        assert!(codes.contains(&row.text("code")), "{row:?}");
        assert!(!row.text("says").is_empty(), "{row:?}");
        scenarios.push(row.text("scenario").to_owned());
    }
    let count = scenarios.len();
    scenarios.sort_unstable();
    scenarios.dedup();
    assert_eq!(scenarios.len(), count, "a scenario provokes one trouble");
    for row in rows(FILE, "errors").iter().filter(|row| !row.text("scenario").is_empty()) {
        assert!(scenarios.binary_search(&row.text("scenario").to_owned()).is_ok(), "{row:?} names no trouble");
    }
}

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_uppercase() + rest
}
