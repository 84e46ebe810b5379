use super::*;
use crate::envelope::Map;
use crate::error::ErrorKind;

fn read(text: &str) -> Value {
    decode(text.as_bytes(), &Limits::default()).unwrap()
}

#[test]
fn floats_are_written_as_python_does() {
    let cases = [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (0.1, "0.1"),
        (1e15, "1000000000000000.0"),
        (1e16, "1e+16"),
        (1.5e300, "1.5e+300"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (1.234e-7, "1.234e-07"),
        (5e-324, "5e-324"),
        (123_456_789.125, "123456789.125"),
        (-1.5, "-1.5"),
        (-2.5e-7, "-2.5e-07"),
        (100.0, "100.0"),
        (0.001_25, "0.00125"),
        // Two numbers of as many digits are equally near: the even one.
        (940_097_477_645_821.2, "940097477645821.2"),
        (5e-324, "5e-324"),
        (9_007_199_254_740_992.0, "9007199254740992.0"),
        // Powers of two: the numbers below lie half as far apart as those above.
        (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        (9.536_743_164_062_5e-7, "9.5367431640625e-07"),
        (9_007_199_254_740_993.0, "9007199254740992.0"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
    ];
    for (x, text) in cases {
        assert_eq!(encode(&Value::Float(x)), text);
        let back = read(text).as_f64().unwrap();
        assert!(back.to_bits() == x.to_bits() || x.is_nan() && back.is_nan(), "{text}");
    }
}

#[test]
fn everything_outside_ascii_is_escaped() {
    let text = "a\"\\/\n\r\t\u{8}\u{c}\u{1}\u{7f}é€👍🏽";
    let json = r#""a\"\\/\n\r\t\b\f\u0001\u007f\u00e9\u20ac\ud83d\udc4d\ud83c\udffd""#;
    assert_eq!(encode(&text.into()), json);
    assert_eq!(read(json), text.into());
}

#[test]
fn what_json_cannot_hold_becomes_text() {
    assert_eq!(encode(&Value::Bytes(b"a'\\\n\x00\xff".as_slice().into())), r#""b\"a'\\\\\\n\\x00\\xff\"""#);
    assert_eq!(encode(&Value::Ext(5, b"x".as_slice().into())), r#"[5, "b'x'"]"#);
}

#[test]
fn numbers_keep_their_kind() {
    assert_eq!(read("-9223372036854775808"), Value::Int(i64::MIN));
    assert_eq!(read("18446744073709551615"), Value::UInt(u64::MAX));
    assert_eq!(read("1.0"), Value::Float(1.0));
    assert_eq!(read("1e2"), Value::Float(100.0));
    assert_eq!(read(" [ 1 , {\"a\" : null} ] "), Value::List(vec![1.into(), Map::from([("a", Value::Nil)]).into()]));
}

#[test]
fn what_is_not_json_is_malformed() {
    let bad = [
        "",
        "{",
        "[",
        "[1",
        "[1,]",
        "{\"a\"}",
        "{\"a\":1,}",
        "{a:1}",
        "'a'",
        "\"a",
        "\"\u{1}\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "01",
        "1.",
        "1e",
        "-",
        "+1",
        "nul",
        "1 2",
        "18446744073709551616",
        "\u{feff}1",
    ];
    for text in bad {
        let error = decode(text.as_bytes(), &Limits::default()).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Malformed, "{text}");
        assert!(error.context().iter().any(|(key, _)| *key == "at"), "{text}");
    }
    assert_eq!(decode(b"\"\xff\"", &Limits::default()).unwrap_err().kind(), ErrorKind::Malformed);
}

#[test]
fn nesting_is_refused_before_it_hurts() {
    let deep = "[".repeat(1_000_000);
    assert_eq!(decode(deep.as_bytes(), &Limits::default()).unwrap_err().kind(), ErrorKind::TooLarge);
    let fits = format!("{}{}", "[".repeat(64), "]".repeat(64));
    assert!(decode(fits.as_bytes(), &Limits::default()).is_ok());
}
