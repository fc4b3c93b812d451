//! Dissect against a search that never goes back, and its errors.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::ops::Range;

use opsbox_log::{ErrorKind, Format, Parser, Span, limits, types::Type};
use proptest::prelude::*;

fn parse(format: &Format, line: &[u8]) -> Option<Vec<Range<usize>>> {
    let parser = Parser::new(format.clone());
    // Without its end an empty line would be none.
    let line = [line, b"\n"].concat();
    let spans = |parser: Parser| {
        let batch = parser.parse(&line);
        let record = batch.record(0)?;
        let span = |index| match record.span_at(index) {
            Some(Span::Input(range)) => range,
            other => panic!("{other:?}"),
        };
        Some((0..format.fields().len()).map(span).collect())
    };
    let found = spans(parser.clone());
    assert_eq!(found, spans(parser.regex_only(true)));
    found
}

#[track_caller]
fn fits(pattern: &str, line: &str, values: &[&str]) {
    let format = Format::dissect(pattern).unwrap_or_else(|error| panic!("{error}"));
    let found = parse(&format, line.as_bytes()).unwrap_or_else(|| panic!("{pattern}: {line}"));
    let found: Vec<_> = found
        .into_iter()
        .map(|range| line.get(range).unwrap())
        .collect();
    assert_eq!(found, values, "{pattern}: {line}");
}

#[track_caller]
fn refuses(pattern: &str, line: &str) {
    let format = Format::dissect(pattern).unwrap();
    assert_eq!(parse(&format, line.as_bytes()), None, "{pattern}: {line}");
}

fn error(pattern: &str) -> String {
    let error = Format::dissect(pattern).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidPattern);
    error.to_string()
}

/// A key, whether its delimiter may be repeated, and the delimiter.
type Key = (bool, String);

/// The fields by the plain rule: each up to the first delimiter, padding as far as it goes, the last
/// one up to the end or what ends the line. Never goes back.
fn oracle(lead: &str, keys: &[Key], line: &[u8]) -> Option<Vec<Range<usize>>> {
    let mut at = line.starts_with(lead.as_bytes()).then_some(lead.len())?;
    let mut fields = Vec::new();
    for (number, (padded, delimiter)) in keys.iter().enumerate() {
        let delimiter = delimiter.as_bytes();
        let start = at;
        if number + 1 == keys.len() {
            let mut end = line.len() - delimiter.len().min(line.len());
            (end >= start && line.ends_with(delimiter)).then_some(())?;
            while *padded && line[start..end].ends_with(delimiter) {
                end -= delimiter.len();
            }
            fields.push(start..end);
        } else {
            let mut places = line[start..].windows(delimiter.len());
            let end = start + places.position(|place| place == delimiter)?;
            at = end + delimiter.len();
            while *padded && line[at..].starts_with(delimiter) {
                at += delimiter.len();
            }
            fields.push(start..end);
        }
    }
    Some(fields)
}

fn patterns() -> impl Strategy<Value = (String, Vec<Key>)> {
    let delimiter = || {
        prop::sample::select(vec![
            " ", "a", "ab", "aa", "aba", "]", "] ", "^", "é", "\\", "-", " - ",
        ])
    };
    let key = (any::<bool>(), delimiter().prop_map(str::to_owned));
    let lead = prop_oneof![Just(""), delimiter()];
    let last = prop_oneof![2 => Just(None), 1 => (any::<bool>(), delimiter()).prop_map(Some)];
    (lead, prop::collection::vec(key, 0..4), last).prop_map(|(lead, mut keys, last)| {
        keys.push(match last {
            Some((padded, delimiter)) => (padded, delimiter.to_owned()),
            None => (false, String::new()),
        });
        (lead.to_owned(), keys)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(5000), ..Default::default() })]

    #[test]
    fn fields_end_at_the_first_delimiter(
        (lead, keys) in patterns(),
        made in prop::collection::vec("[ab \\]é^-]{0,3}", 4),
        times in prop::collection::vec(1_usize..4, 4),
        noise in "[ab \\]é^\\\\-]{0,20}",
        take_noise in prop::bool::weighted(0.2),
    ) {
        let mut pattern = lead.clone();
        let mut line = lead.clone();
        for (number, (padded, delimiter)) in keys.iter().enumerate() {
            pattern += &format!("%{{k{number}{}}}{delimiter}", if *padded { "->" } else { "" });
            line += &made[number % 4];
            line += &delimiter.repeat(if *padded { times[number % 4] } else { 1 });
        }
        let line = if take_noise { noise } else { line };
        let format = Format::dissect(&pattern).unwrap();
        prop_assert!(format.explain().contains("a plan of "), "{}", pattern);
        let found = parse(&format, line.as_bytes());
        match oracle(&lead, &keys, line.as_bytes()) {
            Some(fields) => prop_assert_eq!(found, Some(fields), "{}: {}", pattern, line),
            // Only padding can be given back.
            None if keys.iter().any(|(padded, _)| *padded) => {}
            None => prop_assert_eq!(found, None, "{}: {}", pattern, line),
        }
    }

    #[test]
    fn no_pattern_panics(
        parts in prop::collection::vec(
            prop::sample::select(vec!["%{", "}", "a", "+", "?", "&", "->", "|", "integer", " ", "é", "[", "]", "%"]),
            0..14,
        ),
        line in "[ -~]{0,30}",
    ) {
        match Format::dissect(&parts.concat()) {
            Ok(format) => prop_assert_eq!(Parser::new(format).parse(&line).line_count(), usize::from(!line.is_empty())),
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::InvalidPattern),
        }
    }
}

#[test]
fn columns_and_what_is_between() {
    fits(
        "%{ts} [%{level}] %{msg}",
        "now [warn] a ] b",
        &["now", "warn", "a ] b"],
    );
    fits("%{a}, %{b}", "1,2, 3, 4", &["1,2", "3, 4"]);
    fits("<%{a}>", "<1>2>", &["1>2"]);
    fits("%{a}|%{b}|", "||", &["", ""]);
    fits("%{} %{a} %{?b} %{c}", "1 2 3 4 5", &["2", "4 5"]);
    fits("%{a.b} %{@c} %{[d][e]}", "1 2 3", &["1", "2", "3"]);
    refuses("%{ts} [%{level}] %{msg}", "now warn");
    refuses("x%{a}", "ax1");
    refuses("%{a}]", "1] ");
    let format = Format::dissect("%{a}=%{b}").unwrap();
    assert_eq!(parse(&format, b"\xff\0=\xfe"), Some(vec![0..2, 3..4]));
    let found = format.select(["b"]).unwrap();
    assert_eq!(parse(&found, b"1=2").unwrap()[0], 2..3);
}

#[test]
fn padding() {
    fits("%{a->} %{b}", "x    y z", &["x", "y z"]);
    fits("%{a->} %{b}", "x y", &["x", "y"]);
    fits("%{->}, %{b}", "x, , , y", &["y"]);
    fits("%{a->} ", "x y   ", &["x y"]);
    // Nothing is left for b unless padding is given back.
    fits("%{a->} %{b} %{c}", "x   y", &["x", "", "y"]);
    fits(
        "%{a->|integer} %{b|float->} %{c}",
        "1  2  3",
        &["1", "2", "3"],
    );
}

#[test]
fn appended_parts() {
    fits(
        "%{ts} %{+ts} %{+ts} %{host}",
        "Oct 11 22:14:15 db",
        &["Oct 11 22:14:15", "db"],
    );
    fits("%{ts->} %{+ts} %{host}", "Oct   1 db", &["Oct   1", "db"]);
    fits("%{+a}-%{+a} %{b}", "1-2 3", &["1-2", "3"]);
    assert!(error("%{ts} %{host} %{+ts}").starts_with(
        "pattern, byte 14, at \"%{+ts}\": the parts of this column do not follow one another"
    ));
    assert!(error("%{ts} %{} %{+ts}").contains("do not follow one another"));
    assert!(error("%{ts} %{+ts|integer}").contains("the first part of a column has its type"));
    assert!(error("%{+ts/2} %{+ts/1}").contains("leave out the slash"));
}

#[test]
fn types() {
    let format = Format::dissect("%{a|integer} %{b|float} %{c|int} %{d}").unwrap();
    let types: Vec<_> = format.fields().iter().map(|it| it.data_type()).collect();
    assert_eq!(
        types,
        [Type::Integer, Type::Float, Type::Integer, Type::Text]
    );
    assert_eq!(format.name(), "dissect");
}

#[test]
fn errors_name_the_part() {
    assert_eq!(
        error("%{a} %{b}%{c}"),
        "pattern, byte 9, at \"%{c}\": nothing is between this key and the one before, so nothing says \
         where one ends; write the text that is between, or make them one"
    );
    assert_eq!(
        error("%{a} %{&b}"),
        "pattern, byte 5, at \"%{&b}\": keys whose names are in the line are refused, since the columns \
         of a format are fixed; name both, as in %{key}=%{value}, or take the preset logfmt for pairs"
    );
    assert!(error("%{*a}=%{&a}").starts_with("pattern, byte 0, at \"%{*a}\": keys whose names"));
    assert!(error("%{a} %{a}").contains("there is a column of this name already"));
    assert!(error("%{a} %{b->}").contains("-> says that the text after the key is repeated"));
    assert!(error("%{a").contains("the key is not closed"));
    assert!(error("%{a b}").contains("\"a b\" is no name of a column"));
    assert!(error("%{a|date}").contains("there is no type \"date\""));
    assert!(error("%{} %{?a}").contains("there is no column"));
    assert!(error("text").contains("there is no column"));
    assert!(error("%{|integer} %{a}").contains("and %{} has none"));
    assert!(error("%{a}\n%{b}").starts_with("pattern, byte 4"));
    let many: String = (0..300).map(|at| format!("%{{c{at}}} ")).collect();
    assert!(error(&many).contains("300 named captures, the limit is 256"));
    assert!(error(&"x".repeat(limits::MAX_PATTERN_BYTES + 1)).contains("the limit is 16384"));
}

#[test]
fn what_a_user_types() {
    let name = |text: &str| match text.parse::<Format>() {
        Ok(format) => format.name().to_owned(),
        Err(error) => error.to_string(),
    };
    assert_eq!(name("combined"), "combined");
    assert_eq!(name(r"(?P<a>\d+)"), "pattern");
    assert_eq!(name(r"(?P<a>x)%{2}"), "pattern");
    assert_eq!(name("%{IP:a}"), "grok");
    assert_eq!(name("(?<a>x) %{SPACE}(y)"), "grok");
    assert_eq!(name("%{a}"), "dissect");
    assert_eq!(name("[%{ts}] (%{+ts}) %{} %{?X}%"), "dissect");
    assert!(name("%{Level} %{TS}").starts_with(
        "pattern, byte 0, at \"%{Level}\": this is a key of dissect, and at byte 9 is a name of grok"
    ));
    assert!(name("%{TS} %{MESSAGE}").contains("call Format::dissect if this is a key of dissect"));
}
