//! Typed columns, against the standard library.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::{net::IpAddr, ops::Range};

use opsbox_log::{
    ErrorKind, Format, Parser, limits,
    types::{
        Invalid, TimeContext, TimestampFormat, Type, Values, parse_boolean, parse_float,
        parse_integer, parse_ip_addr, parse_timestamp,
    },
};
use proptest::{prelude::*, strategy::ValueTree, string::bytes_regex, test_runner::TestRunner};

fn cases(at_least: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(at_least),
        ..default
    }
}

fn part(text: &str, range: Range<usize>) -> &str {
    text.get(range).unwrap()
}

fn near_numbers() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<i64>().prop_map(|n| n.to_string()),
        2 => any::<i128>().prop_map(|n| n.to_string()),
        2 => (-70_000_i128..70_000).prop_map(|n| (n + i128::from(i64::MAX)).to_string()),
        2 => (-70_000_i128..70_000).prop_map(|n| (n + i128::from(i64::MIN)).to_string()),
        2 => (-70_000_i128..70_000).prop_map(|n| (n + i128::from(u64::MAX)).to_string()),
        8 => "[+-]?[0-9]{0,21}",
        4 => "[+-]?[0-9]{0,9}[0-9a-z/: .]?[0-9]{0,9}",
        2 => "[+-]?0{10,30}[0-9]{0,20}",
    ]
}

fn near_floats() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<f64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| format!("{n:e}")),
        "[+-]?[0-9]{0,9}\\.?[0-9]{0,9}",
        "[+-]?[0-9]{0,25}\\.?[0-9]{0,25}([eE][+-]?[0-9]{0,4})?",
        "[+-]?(inf|nan|infinity|0x1p3|1_000|1e|e1|\\.|1\\.\\.2|1-2)",
    ]
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn integers_are_those_of_the_standard_library(text in near_numbers()) {
        let expected: Option<i64> = text.parse().ok();
        let ours = parse_integer(text.as_bytes());
        prop_assert_eq!(ours.ok(), expected);
        // Only what is a number to its end can be out of range.
        let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
        let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        prop_assert_eq!(ours == Err(Invalid::OutOfRange), number && expected.is_none());
    }

    #[test]
    fn floats_are_those_of_the_standard_library(text in near_floats()) {
        let expected: Option<f64> = text.parse().ok();
        let finite = expected.filter(|number: &f64| number.is_finite());
        let ours = parse_float(text.as_bytes());
        prop_assert_eq!(ours.ok().map(f64::to_bits), finite.map(f64::to_bits));
        let letters = text.trim_start_matches(['+', '-']).starts_with(|c: char| c.is_alphabetic());
        prop_assert_eq!(
            ours == Err(Invalid::OutOfRange),
            expected.is_some() && finite.is_none() && !letters
        );
    }

    #[test]
    fn addresses_are_those_of_the_standard_library(text in prop_oneof![
        any::<IpAddr>().prop_map(|address| address.to_string()),
        "[0-9]{1,4}\\.[0-9]{1,4}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.?",
        "(0|1|25)[0-9]?\\.(0|25)[0-9]?\\.0\\.[0-2]{1,3}",
        "[0-9a-fA-F:.]{0,20}",
    ]) {
        prop_assert_eq!(parse_ip_addr(text.as_bytes()).ok(), text.parse().ok());
    }

    #[test]
    fn booleans_are_eight_words(text in "(?i)(true|false|yes|no|on|off|1|0|y|n|t|f|null|2|oui)") {
        let word = text.to_lowercase();
        let expected = match word.as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err(Invalid::Malformed),
        };
        prop_assert_eq!(parse_boolean(text.as_bytes()), expected);
    }

    #[test]
    fn categories_give_the_column_back(rows in prop::collection::vec("[ab]{0,3}|[a-z]{1,12}|-", 0..300)) {
        let log: String = rows.iter().map(|row| format!("x{row}\n")).collect();
        let batch = Parser::new(Format::pattern("x(?P<v>.*)").unwrap()).parse(&log);
        let column = batch.column("v").unwrap();
        let typed = column.typed_as(Type::Category).unwrap();
        let (codes, dictionary) = (typed.codes().unwrap(), typed.dictionary().unwrap());
        let back: Vec<_> = codes.iter().map(|code| Some(dictionary[*code as usize])).collect();
        prop_assert_eq!(back, column.iter().collect::<Vec<_>>());
        let mut distinct = dictionary.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        prop_assert_eq!(distinct.len(), dictionary.len());
        prop_assert_eq!(typed.null_count(), 0);
    }

    #[test]
    fn no_value_panics(value in prop::collection::vec(any::<u8>(), 0..40)) {
        let text = std::str::from_utf8(&value).ok();
        prop_assert_eq!(parse_integer(&value).ok(), text.and_then(|it| it.parse().ok()));
        prop_assert_eq!(parse_ip_addr(&value).ok(), text.and_then(|it| it.parse().ok()));
    }
}

#[test]
fn nulls_are_counted_by_reason() {
    let log = format!(
        "7\n-\n\nx\n99999999999999999999\n{}1\n",
        "bad\n".repeat(100)
    );
    let batch = Parser::new(Format::pattern("(?P<n>.*)|").unwrap()).parse(&log);
    let typed = batch.column("n").unwrap().typed_as(Type::Integer).unwrap();
    assert_eq!((typed.len(), typed.null_count()), (106, 104));
    let reasons: Vec<_> = typed.invalid().by_reason().collect();
    let expected = [
        (Invalid::Empty, 1),
        (Invalid::Malformed, 101),
        (Invalid::OutOfRange, 1),
    ];
    assert_eq!(reasons, expected);
    let examples = typed.invalid().examples();
    assert_eq!(examples.len(), limits::MAX_INVALID_EXAMPLES);
    let lines: Vec<_> = examples[..3].iter().map(ToString::to_string).collect();
    let expected = [
        "line 3, as integer: empty",
        "line 4, as integer: malformed: x",
        "line 5, as integer: out of range: 99999999999999999999",
    ];
    assert_eq!(lines, expected);
    assert_eq!(typed.as_i64().unwrap()[105], 1);
    assert_eq!(typed.validity().words(), [1, 1 << (105 - 64)]);
}

#[test]
fn an_example_cannot_drive_a_terminal() {
    let log = format!("\x1b[2J{}\n", "a".repeat(1000));
    let batch = Parser::new(Format::pattern("(?P<n>.*)").unwrap()).parse(&log);
    let typed = batch.column("n").unwrap().typed_as(Type::Float).unwrap();
    let shown = typed.invalid().examples()[0].to_string();
    assert!(
        shown.starts_with("line 1, as float: malformed: \\u{1b}[2Jaaa"),
        "{shown}"
    );
    assert!(shown.len() < 200 && shown.ends_with("a…"), "{shown}");
}

#[test]
fn too_many_categories_are_an_error() {
    let log: String = (0..=limits::MAX_CATEGORIES)
        .map(|n| format!("{n:x}\n"))
        .collect();
    let batch = Parser::new(Format::pattern("(?P<id>.*)").unwrap()).parse(&log);
    let column = batch.column("id").unwrap();
    let error = column.typed_as(Type::Category).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooManyCategories);
    let expected = "column \"id\" has more than 262144 distinct values in one batch; read it as \
                    text, or parse fewer lines at once";
    assert_eq!(error.to_string(), expected);
    let last = log.trim_end().rfind('\n').unwrap() + 1;
    let batch = Parser::new(Format::pattern("(?P<id>.*)").unwrap()).parse(part(&log, 0..last));
    let typed = batch
        .column("id")
        .unwrap()
        .typed_as(Type::Category)
        .unwrap();
    assert_eq!(typed.dictionary().unwrap().len(), limits::MAX_CATEGORIES);
}

#[test]
fn types_stay_with_the_format() {
    let format = Format::preset("combined").unwrap();
    let types = |format: &Format| -> Vec<_> {
        let fields = format.fields().iter();
        fields
            .map(|it| (it.name().to_owned(), it.data_type()))
            .collect()
    };
    let selected = format.select(["status", "remote_addr"]).unwrap();
    let expected = [
        ("status".to_owned(), Type::Integer),
        ("remote_addr".to_owned(), Type::Text),
    ];
    assert_eq!(types(&selected), expected);
    let typed = selected.with_type("remote_addr", Type::IpAddr).unwrap();
    let typed = typed.select(["remote_addr"]).unwrap();
    assert_eq!(types(&typed), [("remote_addr".to_owned(), Type::IpAddr)]);
    // The format that was given is as it was.
    assert_eq!(types(&selected), expected);

    let error = selected.with_type("stat", Type::Integer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownField);
    let expected = "column \"stat\" of format \"combined\": there is none; the columns are status, \
                    remote_addr";
    assert_eq!(error.to_string(), expected);
    let error = Format::preset("logfmt")
        .unwrap()
        .with_type("n", Type::Integer)
        .unwrap_err();
    let expected = "column \"n\" of format \"logfmt\": the columns of this format are in its lines; \
                    select them first";
    assert_eq!(error.to_string(), expected);
}

/// The type of a preset's column must not lose what its pattern lets in.
#[test]
fn presets_read_their_own_examples() {
    for preset in Format::presets() {
        let Ok(format) = preset.format() else {
            continue;
        };
        let batch = Parser::new(format).parse(preset.example());
        assert_eq!(batch.len(), 1, "{}", preset.name());
        for column in batch.columns() {
            let typed = column.typed().unwrap();
            let is_text = typed.data_type() == Type::Text;
            let absent = column.get(0).is_none_or(|it| !is_text && it == b"-");
            let name = column.field().name();
            assert_eq!(
                typed.null_count(),
                usize::from(absent),
                "{}.{name}",
                preset.name()
            );
            if let Values::Text(values) = typed.values() {
                assert_eq!(values[0], column.get(0).unwrap_or_default());
            }
        }
    }
}

/// Lines made from the presets' own expressions: a type refuses only what no writer means, dates and
/// months that do not exist and numbers beyond 64 bits.
#[test]
fn presets_types_fit_their_patterns() {
    let mut runner = TestRunner::deterministic();
    for preset in Format::presets() {
        let format = preset.format().ok();
        let Some((format, regex)) = format.as_ref().and_then(|it| Some((it, it.regex()?))) else {
            continue;
        };
        let columns = format.fields().iter();
        if columns.clone().all(|it| it.data_type() == Type::Text) {
            continue;
        }
        // The generator knows no anchors; a line that ends there is made without.
        let regex = regex.replace("|$)", ")");
        let lines = bytes_regex(&format!("(?s-u){regex}")).unwrap();
        let mut log = Vec::new();
        for _ in 0..100 {
            log.extend(lines.new_tree(&mut runner).unwrap().current());
            log.push(b'\n');
        }
        let batch = Parser::new(format.clone()).parse(log);
        assert!(
            batch.len() >= 20,
            "{}: {} of {}",
            preset.name(),
            batch.len(),
            batch.line_count()
        );
        for field in columns.filter(|it| it.data_type() != Type::Text) {
            let column = batch.column(field.name()).unwrap();
            let typed = column.typed().unwrap();
            for (row, value) in column.iter().enumerate() {
                let Some(value) = value.filter(|it| *it != b"-") else {
                    assert!(!typed.validity().is_valid(row));
                    continue;
                };
                let reason = match field.data_type() {
                    Type::Integer => parse_integer(value).err(),
                    Type::Float => parse_float(value).err(),
                    Type::Timestamp(format) => {
                        parse_timestamp(value, format, TimeContext::new()).err()
                    }
                    other => panic!("{other} needs an arm here"),
                };
                assert_eq!(typed.validity().is_valid(row), reason.is_none());
                let month = value.get(3..6).unwrap_or_default();
                let month = [
                    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov",
                    "Dec",
                ]
                .iter()
                .any(|it| it.as_bytes() == month);
                let clf = field.data_type() == Type::Timestamp(TimestampFormat::Clf);
                let fits = match reason {
                    None | Some(Invalid::ImpossibleTime) => true,
                    Some(Invalid::OutOfRange) => value.len() > 18,
                    Some(Invalid::Malformed) => clf && !month,
                    _ => false,
                };
                let text = String::from_utf8_lossy(value);
                assert!(
                    fits,
                    "{}.{}: {reason:?}: {text}",
                    preset.name(),
                    field.name()
                );
            }
        }
    }
}
