//! Selected columns of NDJSON and logfmt: what is looked for gives what a full parse gives.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
#![cfg(feature = "json")]

use opsbox_log::{Batch, Format, Kernel, Multiline, Overlong, Parser, Span};
use proptest::{collection::vec, prelude::*, sample::select};

fn cases(at_least: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(at_least),
        ..default
    }
}

/// Keys that begin and end alike, short and long ones, ones that are paths or parts of paths.
const KEYS: [&str; 22] = [
    "",
    "a",
    "b",
    "ab",
    "ba",
    "a.b",
    "b.a",
    "a.b.a",
    ".a",
    "status",
    "http.status",
    "http",
    "exit_status",
    "request_status",
    "quest_status",
    "é",
    "a key that is longer than sixteen bytes",
    "b key that is longer than sixteen bytes",
    "key of 13 byt",
    "key of 14 byte",
    "a\"b",
    "a\\",
];

fn kernels() -> impl Iterator<Item = Kernel> {
    Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_available())
}

fn space() -> impl Strategy<Value = &'static str> {
    select(vec!["", "", "", "", " ", "  ", "\t", "\r", " \t "])
}

/// JSON text of a string: plain, with the escapes that it needs, or with needless ones.
fn quoted(text: &str, escape: u8) -> String {
    match escape {
        0 => {
            text.chars()
                .map(|char| format!("\\u{:04x}", char as u32))
                .fold("\"".to_owned(), |all, char| all + &char)
                + "\""
        }
        1 => serde_json::to_string(text).unwrap().replace('a', "\\u0061"),
        _ => serde_json::to_string(text).unwrap(),
    }
}

fn key() -> impl Strategy<Value = String> {
    (select(KEYS.to_vec()), 0_u8..40).prop_map(|(key, escape)| quoted(key, escape))
}

fn scalar() -> impl Strategy<Value = String> {
    let pieces = select(vec![
        "a",
        "é",
        "\"",
        "\\",
        "\n",
        "\u{1}",
        "\u{1f600}",
        ":",
        "{",
        "}",
        "[",
        "]",
        ",",
        " ",
        "\"a\":1",
        "{\"a\":",
        "and a text of more than sixteen bytes",
        "/",
        "\u{7f}",
    ]);
    let string = (vec(pieces, 0..6), 0_u8..12)
        .prop_map(|(pieces, escape)| quoted(&pieces.concat(), escape.max(1)));
    let long = (50_usize..200).prop_map(|len| format!("\"{}\"", "x".repeat(len)));
    let other = select(vec![
        "null",
        "true",
        "false",
        "0",
        "-1",
        "1.5e3",
        "12345678901234567890",
        "0.1234567890123456",
        "\"null\"",
        "\"\\ud83d\\ude00\"",
        "\"\\\\\\\"\\/\\b\\f\\n\\r\\t\"",
        "{}",
        "[]",
        "{ }",
        "[ ]",
    ]);
    prop_oneof![3 => string, 1 => long, 4 => other.prop_map(str::to_owned)]
}

fn value() -> impl Strategy<Value = String> {
    scalar().prop_recursive(5, 24, 5, |inner| {
        let array = (vec((space(), inner.clone(), space()), 0..4)).prop_map(|items| {
            let items: Vec<_> = items.iter().map(|(a, b, c)| format!("{a}{b}{c}")).collect();
            format!("[{}]", items.join(","))
        });
        prop_oneof![array, object(inner)]
    })
}

fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    // Space before a colon, which compact writers never have, sends a line to the full parse.
    let colon = prop_oneof![60 => Just(""), 1 => space()];
    let pair = ((space(), key(), colon), (space(), value, space()));
    (vec(pair, 0..6), any::<bool>()).prop_map(|(pairs, compact)| {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|((a, key, b), (c, value, d))| match compact {
                true => format!("{key}:{value}"),
                false => format!("{a}{key}{b}:{c}{value}{d}"),
            })
            .collect();
        format!("{{{}}}", pairs.join(","))
    })
}

/// Some columns, never none.
fn selection() -> impl Strategy<Value = Vec<&'static str>> {
    let paths: Vec<_> = KEYS
        .into_iter()
        .chain(["a.a", "b.b", "a.b.ab", "http.http.status", ".", "a.", "x"])
        .filter(|key| !key.is_empty())
        .collect();
    prop::sample::subsequence(paths.clone(), 1..=paths.len()).prop_shuffle()
}

fn parser(selection: &[&str]) -> Parser {
    let format = Format::preset("ndjson").unwrap();
    Parser::new(format.select(selection).unwrap())
}

/// The values of each line, or why it has none, and where they are in the line.
type Outcome = Result<Vec<Option<(Vec<u8>, Option<usize>)>>, String>;

fn outcomes<B: AsRef<[u8]>>(batch: &Batch<B>) -> Vec<Outcome> {
    let mut all: Vec<(u64, Outcome)> = Vec::new();
    for record in batch.records() {
        // A batch of a reader has only its own part of the input.
        let begin = record.raw().as_ptr().addr() - batch.input().as_ptr().addr();
        let line = begin..begin + record.raw().len();
        let values = (0..batch.fields().len()).map(|field| {
            let value = record.get_at(field)?.to_vec();
            let at = match record.span_at(field)? {
                Span::Input(span) => {
                    assert!(line.start <= span.start && span.end <= line.end);
                    Some(span.start - line.start)
                }
                _ => None,
            };
            Some((value, at))
        });
        all.push((record.line_number(), Ok(values.collect())));
    }
    for line in batch.unmatched() {
        all.push((line.line_number(), Err(line.reason().to_string())));
    }
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, outcome)| outcome).collect()
}

/// A line changed at some places, or cut.
fn broken(line: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<u8>> {
    let bytes = select(b"\"\\{}[]:, \ranu1\xff\0\x0c\x1a".to_vec());
    let changes = vec((any::<prop::sample::Index>(), bytes, 0_u8..4), 1..4);
    (line, changes).prop_map(|(line, changes)| {
        let mut line = line.into_bytes();
        for (at, byte, how) in changes {
            let at = at.index(line.len() + 1);
            match how {
                0 => line.insert(at, byte),
                1 => drop(line.drain(at..)),
                2 if at < line.len() => drop(line.remove(at)),
                _ if at < line.len() => line[at] = byte,
                _ => {}
            }
        }
        line
    })
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn valid_lines_have_the_values_of_the_full_parse(
        lines in vec((space(), object(value()), space()), 1..8),
        selection in selection(),
        end in select(vec!["\n", "\r\n", ""]),
    ) {
        let lines: Vec<_> = lines.iter().map(|(a, b, c)| format!("{a}{b}{c}")).collect();
        let log = lines.join("\n") + end;
        let strict = outcomes(&parser(&selection).strict(true).parse(&log));
        prop_assert!(strict.iter().all(Result::is_ok), "{log}\n{strict:?}");
        for kernel in kernels() {
            let found = outcomes(&parser(&selection).kernel(kernel).parse(&log));
            prop_assert_eq!(&found, &strict, "{} {:?}\n{}", kernel, selection, log);
        }
        // A path whose value is an object has columns below it where all keys are taken.
        let whole = Parser::new(Format::preset("ndjson").unwrap()).parse(&log);
        for (record, values) in whole.records().zip(&strict) {
            for (path, value) in selection.iter().zip(values.as_ref().unwrap()) {
                let value = value.as_ref().map(|(value, _)| value.as_slice());
                if !value.is_some_and(|value| value.starts_with(b"{")) {
                    prop_assert_eq!(record.get(path), value, "{} of {}", path, log);
                }
            }
        }
    }

    #[test]
    fn broken_lines_are_told_alike_and_leave_their_neighbours_alone(
        lines in vec(
            prop_oneof![object(value()).prop_map(String::into_bytes), broken(object(value()))],
            1..10,
        ),
        selection in selection(),
        shift in 0_usize..70,
    ) {
        // Where the lines begin in their blocks must not matter.
        let mut log = vec![b'x'; shift];
        let mut alone = outcomes(&parser(&selection).strict(true).parse(&log));
        if shift > 0 {
            log.push(b'\n');
        }
        for line in &lines {
            let line = match line.is_empty() {
                true => b"\n",
                false => line.as_slice(),
            };
            let found = outcomes(&parser(&selection).kernel(Kernel::Portable).parse(line));
            let strict = outcomes(&parser(&selection).strict(true).parse(line));
            for (found, strict) in found.iter().zip(&strict) {
                // Lines that the full parse takes, it decides, and where it refuses one that
                // is refused here as well the reason is its.
                prop_assert!(found == strict || strict.is_err() && found.is_ok());
            }
            if let [strict] = strict.as_slice() {
                let json = serde_json::from_slice::<serde_json::Map<_, serde_json::Value>>(line);
                prop_assert_eq!(strict.is_ok(), json.is_ok(), "{}", line.escape_ascii());
            }
            log.extend_from_slice(line);
            if line != b"\n" {
                log.push(b'\n');
            }
            alone.extend(found);
        }
        for kernel in kernels() {
            let found = outcomes(&parser(&selection).kernel(kernel).parse(&log));
            prop_assert_eq!(&found, &alone, "{} {:?}\n{}", kernel, selection, log.escape_ascii());
        }
    }

    #[test]
    fn lines_that_look_alike_are_told_from_those_that_nearly_do(
        (line_text, changed) in object(value())
            .prop_flat_map(|line| (Just(line.clone()), vec(broken(Just(line)), 3))),
        others in vec(
            prop_oneof![object(value()).prop_map(String::into_bytes), broken(object(value()))],
            2..5,
        ),
        order in vec(0_usize..20, 1..120),
        selection in selection(),
    ) {
        let mut log = Vec::new();
        for at in order {
            let line = changed.iter().chain(&others).nth(at);
            let line = line.map_or(line_text.as_bytes(), Vec::as_slice);
            log.extend_from_slice(line);
            log.push(b'\n');
        }
        let parser = parser(&selection);
        let lines = log.split_inclusive(|&byte| byte == b'\n');
        let alone: Vec<_> = lines.flat_map(|line| outcomes(&parser.parse(line))).collect();
        for kernel in kernels() {
            let found = outcomes(&parser.clone().kernel(kernel).parse(&log));
            prop_assert_eq!(&found, &alone, "{} {:?}\n{}", kernel, selection, log.escape_ascii());
        }
        // However the input is cut: a batch of a few lines, a stream of them, and several threads.
        let batches = parser.clone().batch_bytes(1000).read(log.as_slice());
        let cut: Vec<_> = batches.flat_map(|batch| outcomes(&batch.unwrap())).collect();
        prop_assert_eq!(&cut, &alone);
    }

    #[test]
    fn logfmt_has_the_values_of_all_columns(
        pairs in vec((select(vec!["a", "b", "ab", "ts", "a.b"]), logfmt_value()), 1..8),
        names in prop::sample::subsequence(vec!["a", "b", "a.b", "ts", "x"], 1..=5).prop_shuffle(),
    ) {
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| format!("{key}{value}")).collect();
        let line = pairs.join(" ");
        let format = Format::preset("logfmt").unwrap();
        let all = Parser::new(format.clone()).parse(&line);
        let some = Parser::new(format.select(&names).unwrap()).parse(&line);
        prop_assert_eq!(all.len(), some.len(), "{}", line);
        for (all, some) in all.records().zip(some.records()) {
            for (index, name) in names.iter().enumerate() {
                prop_assert_eq!(all.get(name), some.get_at(index), "{} of {}", name, line);
            }
        }
        let reason = |batch: &Batch<&String>| {
            batch.unmatched().next().map(|line| line.reason())
        };
        prop_assert_eq!(reason(&all), reason(&some));
    }
}

fn logfmt_value() -> impl Strategy<Value = String> {
    let text = vec(
        select(vec!["x", "\\n", "\\\"", "é", " ", "=", "\\u00e9", "\\q"]),
        0..5,
    );
    let quoted = text.prop_map(|text| format!("=\"{}\"", text.concat()));
    let bare = select(vec!["", "=", "=1", "=a=b", "=\"open", "=x\"y"]);
    prop_oneof![3 => quoted, 2 => bare.prop_map(str::to_owned)]
}

/// The values of one line, `-` for none; or that it is no row.
fn values(selection: &[&str], line: &str) -> String {
    let found = kernels().map(|kernel| {
        let batch = parser(selection).kernel(kernel).parse(line);
        let Some(record) = batch.record(0) else {
            return "no row".to_owned();
        };
        let values = record.iter().map(|(_, value)| {
            value.map_or_else(
                || "-".to_owned(),
                |value| String::from_utf8_lossy(value).into_owned(),
            )
        });
        values.collect::<Vec<_>>().join("|")
    });
    let mut found: Vec<_> = found.collect();
    found.dedup();
    assert_eq!(found.len(), 1, "{line}");
    found.pop().unwrap()
}

#[test]
fn values_are_as_documented() {
    let selection = ["a", "b.c"];
    for (line, expected) in [
        (r#"{"a":"x","b":{"c":1}}"#, "x|1"),
        (r#"{"b":{"c":1.5e3},"a":true}"#, "true|1.5e3"),
        (r#"{"b.c":"dotted"}"#, "-|dotted"),
        (r#"{"a":null,"b":{"d":{"c":1}}}"#, "-|-"),
        (r#"{"a":1,"a":2}"#, "2|-"),
        (r#"{"a":1,"a":null}"#, "-|-"),
        (r#"{"b":{"c":1},"b.c":2}"#, "-|2"),
        (
            r#"{"a":{"b":[1, {"a":2}]},"b":[{"c":1}]}"#,
            r#"{"b":[1, {"a":2}]}|-"#,
        ),
        (r#"{"\u0061":1,"b":{"\u0063":2}}"#, "1|2"),
        (
            r#"{"x":"\"a\":1","a":"\"b\":{\"c\":2}"}"#,
            r#""b":{"c":2}|-"#,
        ),
        (r#" { "a" : 1 , "b" : { "c" : [ ] } } "#, "1|[ ]"),
        (r#"{"a": "x", "b": {"c": 2}}"#, "x|2"),
        (r#"{"ba":1,"aa":2,"":3,"bb.c":4,"b.cc":5}"#, "-|-"),
        (r#"{"a":"","b":{"c":""}}"#, "|"),
        ("{}", "-|-"),
        // Not JSON, but not where it is looked at.
        (r#"{"a":"x","z":tru,"b":{"c":1x}}"#, "x|1x"),
        (r#"{"z" "a":1}"#, "1|-"),
        // Not JSON, and seen to be so.
        (r#"{"a":1"#, "no row"),
        (r#"{"a":1}}"#, "no row"),
        (r#"{"a":1]"#, "no row"),
        (r#"{"a":[1}"#, "no row"),
        (r#"{"a":1}{"a":2}"#, "no row"),
        (r#"{"a":"x}"#, "no row"),
        (r#"{"a":}"#, "no row"),
        (r#"{"a":"\x"}"#, "no row"),
        (r#"{"a":"\ud800"}"#, "no row"),
        (r#"{a:1}"#, "no row"),
        (r#"{"z":\"a"}"#, "no row"),
        ("[1]", "no row"),
        ("", "no row"),
    ] {
        assert_eq!(values(&selection, line), expected, "{line}");
        assert_eq!(
            values(&selection, &format!("{line}\r\n")),
            expected,
            "{line}"
        );
    }
}

/// Enough lines, good and bad, that threads share them.
#[test]
fn threads_and_overlong_lines_and_records_of_several() {
    let mut log = String::new();
    for line in 0..30_000 {
        let text = match line % 7 {
            0 => format!("{{\"a\":\"n\\u00e9 {line}\",\"b\":{{\"c\":[{line}]}}}}\n"),
            1 => format!("{{\"b\":{{\"c\":{line}}},\"x\":1x,\"a\":null}}\n"),
            2 => format!("{{\"a\":{line}\n"),
            3 => format!("{{\"a\":\"{}\"}}\r\n", "y".repeat(line % 400)),
            _ => format!("{{\"b\":{{\"d\":true,\"c\":\"z\"}},\"a\":{line}}}\n"),
        };
        log.push_str(&text);
    }
    let parser = parser(&["a", "b.c", "b"]).max_line_bytes(300);
    for parser in [parser.clone().strict(true), parser.clone()] {
        let expected = outcomes(&parser.parse(&log));
        assert_eq!(expected.len(), 30_000);
        let truncated = parser.clone().overlong(Overlong::Truncate);
        for kernel in kernels() {
            let parser = parser.clone().kernel(kernel);
            assert!(outcomes(&parser.clone().threads(3).parse(&log)) == expected);
            let read = parser.batch_bytes(70_000).read(log.as_bytes());
            let read: Vec<_> = read.flat_map(|batch| outcomes(&batch.unwrap())).collect();
            assert!(read == expected);
            // A part of an object is none.
            let cut = truncated.clone().kernel(kernel).parse(&log);
            assert!(outcomes(&cut) == expected);
        }
    }
    // Records are parsed in full.
    let rule = Multiline::start("\\{").unwrap();
    let records = parser.clone().multiline(rule).parse(&log);
    let strict = parser.strict(true).parse(&log);
    assert!(outcomes(&records) == outcomes(&strict));
}

#[test]
fn long_lines_and_many_of_them() {
    // Around the sizes of chunks, of places that take 16 bits, and of the longest line.
    for pad in [
        16_320, 32_700, 32_768, 65_400, 65_440, 65_470, 65_536, 70_000, 200_000,
    ] {
        for more in (0..40).step_by(3) {
            let text = "x".repeat(pad + more);
            let line = format!("{{\"a\":\"{text}\",\"b\":{{\"c\":{more}}}}}");
            let log = format!("{{\"a\":1}}\n{line}\n{{\"a\":2}}\n{line}");
            let batch = parser(&["a", "b.c"]).parse(&log);
            let values: Vec<_> = batch.records().map(|record| record.get_at(0)).collect();
            let text = Some(text.as_bytes());
            assert_eq!(values, [Some(&b"1"[..]), text, Some(b"2"), text]);
            let last = batch.record(3).unwrap();
            assert_eq!(last.get("b.c"), Some(more.to_string().as_bytes()));
        }
    }
    let parser = parser(&["a"]).max_line_bytes(7);
    let batch = parser.parse("{\"a\":1}\r\n{\"a\":22}\n{\"a\":3}");
    assert_eq!((batch.len(), batch.unmatched().len()), (2, 1));
}

#[test]
fn more_paths_than_can_be_looked_for() {
    let paths: Vec<_> = (0..1500)
        .map(|path| format!("key{path}.in{path}"))
        .collect();
    let pairs: Vec<_> = (0..1500)
        .map(|path| format!("\"key{path}\":{{\"in{path}\":{path}}}"))
        .collect();
    let line = format!("{{{}}}", pairs.join(","));
    // With as many as end alike, more than there are slots, and more than are looked for.
    for count in [1, 5, 20, 85, 86, 200, 1365, 1366, 1500] {
        let paths: Vec<_> = paths.iter().take(count).map(String::as_str).collect();
        let batch = parser(&paths).parse(&line);
        let record = batch.record(0).unwrap();
        for (path, (_, value)) in record.iter().enumerate() {
            assert_eq!(value, Some(path.to_string().as_bytes()));
        }
    }
}

#[test]
fn lines_with_the_hits_of_those_before_but_another_meaning() {
    let before = r#"{"b":{"c":1},"a":2}"#;
    for (line, expected) in [
        (before, Some([Some("2"), Some("1")])),
        // `b` is no object, and the object is not that of `b`.
        (r#"{"b":1,"x":{"c":1},"a":2}"#, Some([Some("2"), None])),
        (r#"{"b":{"x":1},"a":2}"#, Some([Some("2"), None])),
        (r#"{"b":{"c":3},"ba":4}"#, Some([None, Some("3")])),
        (r#"{"b":["c",1],"a":2}"#, Some([Some("2"), None])),
        (r#"{"b":["c":1],"a":2}"#, Some([Some("2"), None])),
        (r#"{"b":{"c":1],"a":2}"#, None),
        (r#"{"b":{"c":1{,"a":2}"#, None),
        (r#"{"b":{"c":1},"a":{}"#, None),
        (r#"{"b":{"c":1},"a":}"#, None),
    ] {
        let log = format!("{}{line}\n{before}\n", format!("{before}\n").repeat(20));
        for kernel in kernels() {
            let batch = parser(&["a", "b.c"]).kernel(kernel).parse(&log);
            let record = batch.record(20).filter(|record| record.line_number() == 21);
            let values = record.map(|record| [record.get_at(0), record.get_at(1)]);
            let expected = expected.map(|values| values.map(|value| value.map(str::as_bytes)));
            assert_eq!(values, expected, "{line}");
            let last = batch.records().next_back().unwrap();
            assert_eq!((last.line_number(), last.get("b.c")), (22, Some(&b"1"[..])));
        }
    }
}
