//! JSON in, JSON out: numbers keep their text, members their order.

use proptest::prelude::*;

use super::reader::NotJson;
use super::*;

fn parse(text: &str) -> Result<Json, NotJson> {
    Json::parse(text.as_bytes(), Numbers::AsWritten)
}

fn decimal(text: &str) -> Decimal {
    Number::parse(text).unwrap().to_decimal()
}

#[test]
fn what_is_read_is_written_as_it_was() {
    let table = [
        r#"{"b":1,"a":[true,false,null],"":{}}"#,
        r#"{"n":[0,-1,1.50,-0.25,12345678901234567890123456789012,0.000001]}"#,
        r#"["\"\\\b\f\n\r\t\u0001\u001F/é🎉"]"#,
        "[]",
        "\"\"",
        "1.2E+20",
    ];
    for text in table {
        assert_eq!(parse(text).unwrap().to_text(), text);
    }
}

#[test]
fn numbers_print_as_java_prints_them() {
    let table = [
        ("1e3", "1E+3"),
        ("1.5E2", "1.5E+2"),
        ("150E-1", "15.0"),
        ("0.0000001", "1E-7"),
        ("0.00000123", "0.00000123"),
        ("0.000000123", "1.23E-7"),
        ("-0", "0"),
        ("-0.0", "0.0"),
        ("12345678901234567890123456789012345", "1.234567890123456789012345678901234E+34"),
        ("9.9999999999999999999999999999999999999", "10.00000000000000000000000000000000"),
        ("1e-5000", "0"),
    ];
    for (text, expected) in table {
        assert_eq!(parse(text).unwrap().to_text(), expected, "{text}");
    }
    assert_eq!(Number::parse("10.0").unwrap().whole_as_int().to_string(), "10");
    assert_eq!(Number::parse("1e3").unwrap().whole_as_int().to_string(), "1000");
}

#[test]
fn doubles_print_as_java_prints_them() {
    let table = [
        (32.0, "32.0"),
        (0.0, "0.0"),
        (0.5, "0.5"),
        (100.0, "100.0"),
        (1e7, "1.0E+7"),
        (12_345_678.0, "12345678"),
        (1e-4, "0.00010"),
        (-0.142_546_543_074_277_8, "-0.1425465430742778"),
        (1e300, "1.0E+300"),
    ];
    for (value, expected) in table {
        assert_eq!(Decimal::from_double(value).unwrap().to_string(), expected);
    }
    assert!(Decimal::from_double(f64::NAN).is_none());
    assert!(Decimal::from_double(f64::INFINITY).is_none());
}

#[test]
fn decimals_count_with_34_digits() {
    let one_third = decimal("1.0").div(decimal("3")).unwrap();
    assert_eq!(one_third.to_string(), "0.3333333333333333333333333333333333");
    let table = [
        (decimal("0.1").add(decimal("0.20")), "0.30"),
        (decimal("1e40").add(decimal("1")), "1.000000000000000000000000000000000E+40"),
        (decimal("1e40").sub(decimal("1e-9")), "1.000000000000000000000000000000000E+40"),
        (decimal("2").sub(decimal("3.5")), "-1.5"),
        (decimal("-2").add(decimal("3.5")), "1.5"),
        (decimal("2.50").mul(decimal("2")), "5.00"),
        (
            decimal("1.111111111111111111111111111111111").mul(decimal("9.999999999999999999")),
            "11.11111111111111111000000000000000",
        ),
        (decimal("10").div(decimal("4")), "2.5"),
        (decimal("215.0").div(decimal("9")), "23.88888888888888888888888888888889"),
        (decimal("7.5").rem(decimal("2")), "1.5"),
        (decimal("-7.5").rem(decimal("2")), "-1.5"),
        (decimal("1e30").rem(decimal("7")), "1"),
        (decimal("1").rem(decimal("1e300")), "1"),
    ];
    for (value, expected) in table {
        assert_eq!(value.unwrap().to_string(), expected);
    }
    assert!(decimal("1").div(decimal("0.0")).is_none());
    assert!(decimal("9e999").add(decimal("9e999")).is_none());
    assert!(decimal("1e600").mul(decimal("1e600")).is_none());
}

#[test]
fn a_number_rounds_where_it_is_told_to() {
    let table = [
        ("1.2", "1", "2", "1"),
        ("-1.2", "-2", "-1", "-1"),
        ("1.5", "1", "2", "2"),
        ("-1.5", "-2", "-1", "-2"),
        ("2", "2", "2", "2"),
        ("0.4999999999999999999999999999999999", "0", "1", "0"),
    ];
    for (text, down, up, nearest) in table {
        let value = decimal(text);
        assert_eq!(value.rounded(Rounding::Down).to_string(), down, "{text} down");
        assert_eq!(value.rounded(Rounding::Up).to_string(), up, "{text} up");
        assert_eq!(value.rounded(Rounding::HalfUp).to_string(), nearest, "{text} to the nearest");
    }
}

#[test]
fn what_is_not_json_says_where() {
    let table = [
        ("", "a value is missing at byte 0"),
        ("{temperature: 50}", "a member's name is missing at byte 1"),
        ("[1,]", "not a value at byte 3"),
        ("[1 2]", "a comma is missing at byte 3"),
        ("{\"a\" 1}", "a colon is missing at byte 5"),
        ("1 2", "more than one value at byte 2"),
        ("01", "a number starts with a zero at byte 0"),
        ("1.", "not a number at byte 0"),
        ("1e1000", "not a number at byte 0"),
        ("\"a", "a string does not end at byte 2"),
        ("\"a\\", "not an escape at byte 3"),
        ("\"a\nb\"", "a control character in a string at byte 2"),
        ("\"\\ud800\"", "half a surrogate pair at byte 7"),
        ("\"\\u12é\"", "four hex digits are wanted at byte 3"),
        ("nul", "not a value at byte 0"),
    ];
    for (text, expected) in table {
        assert_eq!(parse(text).unwrap_err().to_string(), expected, "{text}");
    }
    assert_eq!(
        Json::parse(&[b'"', 0xff, b'"'], Numbers::AsWritten).unwrap_err().to_string(),
        "not UTF-8 at byte 1"
    );
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(parse(&nested(129)).is_ok());
    assert!(parse(&nested(130)).is_err());
    assert!(parse(&"[".repeat(1_000_000)).is_err());
    assert!(parse(&"{\"a\":".repeat(100_000)).is_err());
}

#[test]
fn the_last_of_two_like_named_members_wins_in_the_first_ones_place() {
    assert_eq!(parse(r#"{"a":1,"b":2,"a":3}"#).unwrap().to_text(), r#"{"a":3,"b":2}"#);
    let many: Object = (0..100).map(|n| (format!("m{}", n % 50), Json::from(n))).collect();
    assert_eq!(many.len(), 50);
    assert_eq!(many.get("m7"), Some(&Json::from(57)));
    assert_eq!(many.get("m99"), None);
}

#[test]
fn a_text_that_grows_too_long_is_given_up() {
    let long = Json::array(vec![Json::from("x".repeat(50)); 100]);
    assert_eq!(long.to_text_within(1000), None);
    assert!(long.to_text_within(10_000).is_some());
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_filter_map("finite", |value| {
            Decimal::from_double(value).map(|value| Json::Number(Number::Decimal(value)))
        }),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Json::array),
            prop::collection::vec((any::<String>(), inner), 0..24)
                .prop_map(|members| Json::object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_value_reads_back_as_it_was(value in any_json()) {
        let text = value.to_text();
        let read = parse(&text).unwrap();
        prop_assert_eq!(&read, &value);
        prop_assert_eq!(read.to_text(), text);
    }

    #[test]
    fn serde_json_reads_what_we_write(value in any_json()) {
        prop_assert!(serde_json::from_str::<serde_json::Value>(&value.to_text()).is_ok());
    }

    #[test]
    fn no_bytes_bring_the_reader_down(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _read = Json::parse(&bytes, Numbers::WholeAsInt);
    }

    #[test]
    fn we_read_no_less_than_serde_json(text in r#"[\[\]{}",:0-9.eE+\-tfn\\u a]{0,24}"#) {
        if let Ok(theirs) = serde_json::from_str::<serde_json::Value>(&text) {
            let ours = parse(&text);
            prop_assert!(ours.is_ok(), "{} is {}", text, theirs);
        }
    }

    #[test]
    fn arithmetic_agrees_with_whole_numbers(a in -1_000_000i64..1_000_000, b in -1000i64..1000) {
        let (x, y) = (Decimal::from_int(a.into()), Decimal::from_int(b.into()));
        prop_assert_eq!(x.add(y).unwrap().to_int(), Some(i128::from(a + b)));
        prop_assert_eq!(x.sub(y).unwrap().to_int(), Some(i128::from(a - b)));
        prop_assert_eq!(x.mul(y).unwrap().to_int(), Some(i128::from(a * b)));
        prop_assert_eq!(x.compare(y), a.cmp(&b));
        if b != 0 {
            prop_assert_eq!(x.rem(y).unwrap().to_int(), Some(i128::from(a % b)));
            let quotient = x.div(y).unwrap();
            prop_assert_eq!(quotient.truncated(0).to_int(), Some(i128::from(a / b)));
        }
    }

    #[test]
    fn no_decimals_bring_the_arithmetic_down(
        a in r"-?[0-9]{1,40}(\.[0-9]{1,40})?(e-?[0-9]{1,4})?",
        b in r"-?[0-9]{1,40}(\.[0-9]{1,40})?(e-?[0-9]{1,4})?",
    ) {
        let (Some(a), Some(b)) = (Number::parse(&a), Number::parse(&b)) else { return Ok(()) };
        let (a, b) = (a.to_decimal(), b.to_decimal());
        for value in [a.add(b), a.sub(b), a.mul(b), a.div(b), a.rem(b)].into_iter().flatten() {
            let text = value.to_string();
            prop_assert_eq!(Number::parse(&text).unwrap().to_decimal(), value);
            let _rounded = (value.truncated(3), value.rounded(Rounding::HalfUp), value.to_double());
        }
        prop_assert_eq!(a.compare(b), b.compare(a).reverse());
    }
}
