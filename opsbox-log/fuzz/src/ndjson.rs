//! JSON lines, all columns or some, against serde_json.

use std::{collections::HashMap, sync::OnceLock};

use opsbox_log::{Batch, Format, Parser, Reason, Span, limits::MAX_FLATTEN_DEPTH};

use super::{input::Input, json::Json, rows::parse_everywhere};

/// Columns to select: keys and paths that end alike, that are parts of one another, and that need an
/// escape or are longer than a vector.
const SELECTIONS: &[&[&str]] = &[
    &["a"],
    &["a", "b", "ab", "ba"],
    &["a.b", "b.a", "a.b.a", "c"],
    &["a", "a.b"],
    &["level", "http.status", "time", "msg"],
    &["status", "http", "exit_status", "é"],
    &[
        "a key that is longer than sixteen bytes",
        "b key that is longer than sixteen bytes",
    ],
    &["a\"b", "a\\", ".a", "a.", "."],
    &["log", "stream", "time"],
];

const EXAMPLES: &[&[u8]] = &[
    br#"{"time":"2026-01-02T03:04:05Z","level":"info","http":{"status":200},"msg":"a \"b\" \u00e9"}"#,
    br#"{"log":"Log line is here\n","stream":"stdout","time":"2019-01-01T11:11:11.111111111Z"}"#,
    br#"{"a":{"b":1,"a":[1,{"a":2}]},"a":{"b":{"a":null}},"c":[]}"#,
    br#"{"\u0061":1,"a\"b":"\ud83d\ude00","a\\":-0.5e-3,"":{}}"#,
    br#"{"a key that is longer than sixteen bytes":true}"#,
];

/// The formats, and whether their columns were selected.
fn formats() -> &'static [(Format, bool)] {
    static FORMATS: OnceLock<Vec<(Format, bool)>> = OnceLock::new();
    FORMATS.get_or_init(|| {
        let all = Format::preset("ndjson").unwrap();
        let mut formats = vec![
            (all.clone(), false),
            (Format::preset("docker-json").unwrap(), true),
        ];
        for names in SELECTIONS {
            formats.push((all.select(*names).unwrap(), true));
        }
        formats
    })
}

pub fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let ((format, is_selected), size) = input.one_of_and_size(formats());
    let log = input.log(EXAMPLES, size);
    let parser = Parser::new(format.clone());
    let batch = parse_everywhere(&parser, &log);
    check(&batch, *is_selected);
    let strict = parse_everywhere(&parser.strict(true), &log);
    check(&strict, *is_selected);
    for record in strict.records() {
        // What serde_json has no room for simd-json may have.
        let raw = record.raw();
        let is_deep = raw
            .iter()
            .filter(|&&byte| matches!(byte, b'{' | b'['))
            .count()
            > 127;
        assert!(is_deep || Json::parse(raw).is_some(), "{record:?}");
    }
    check_strict(&batch, &strict);
}

/// What a strict parse takes is taken with the same values; where both refuse a line, they have the
/// same reason.
fn check_strict(batch: &Batch<&[u8]>, strict: &Batch<&[u8]>) {
    let mut records = batch.records().peekable();
    for expected in strict.records() {
        while records
            .next_if(|record| record.line_number() < expected.line_number())
            .is_some()
        {}
        let record = records.next().unwrap();
        assert_eq!(record.line_number(), expected.line_number());
        assert!(record.iter().eq(expected.iter()), "{record:?} {expected:?}");
        for field in 0..batch.fields().len() {
            match (record.span_at(field), expected.span_at(field)) {
                (Some(Span::Input(span)), other) => assert_eq!(Some(Span::Input(span)), other),
                // Arenas hold the values of other lines as well.
                (Some(Span::Arena(_)), Some(Span::Arena(_))) | (None, None) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    let mut refused = strict.unmatched();
    for line in batch.unmatched() {
        let same = refused.find(|it| it.line_number() == line.line_number());
        assert_eq!(same.map(|it| it.reason()), Some(line.reason()), "{line}");
    }
}

/// Every line that is an object by serde_json is a row with its values. Of other lines it is only
/// asked that every kernel says the same of them.
fn check(batch: &Batch<&[u8]>, is_selected: bool) {
    for line in batch.unmatched() {
        let json = Json::parse(line.raw());
        match line.reason() {
            Reason::InvalidJson { .. } | Reason::Empty => {
                assert_eq!(json, None, "{line}");
            }
            Reason::NotAnObject => assert!(!matches!(json, Some(Json::Object(_))), "{line}"),
            Reason::TooManyFields { .. } | Reason::FieldNameTooLong { .. } => {
                assert!(!is_selected, "{line}");
            }
            reason => panic!("{reason}"),
        }
    }
    for record in batch.records() {
        let Some(json) = Json::parse(record.raw()) else {
            continue;
        };
        let Json::Object(pairs) = &json else {
            panic!("{record:?} of {json:?}");
        };
        let selected =
            |path: &str| is_selected && batch.fields().iter().any(|it| it.name() == path);
        let mut expected = HashMap::new();
        flatten(pairs, "", 0, &selected, &mut expected);
        for (field, value) in record.iter() {
            let same = match (expected.remove(field.name()), value) {
                (None | Some(Json::Null), None) => true,
                (Some(Json::String(text)), Some(value)) => text.as_bytes() == value,
                (Some(json), Some(value)) => Json::parse(value).as_ref() == Some(json),
                _ => false,
            };
            assert!(same, "{field:?} is {value:?} in {json:?}");
        }
        if !is_selected {
            expected.retain(|_, json| **json != Json::Null);
            assert!(
                expected.is_empty(),
                "{expected:?} are missing in {record:?}"
            );
        }
    }
}

/// The columns of an object: of two equal paths the last. Objects that are selected are columns beside
/// those of their keys.
fn flatten<'j>(
    pairs: &'j [(String, Json)],
    parent: &str,
    depth: usize,
    selected: &impl Fn(&str) -> bool,
    out: &mut HashMap<String, &'j Json>,
) {
    for (key, value) in pairs {
        let path = match depth {
            0 => key.clone(),
            _ => format!("{parent}.{key}"),
        };
        match value {
            Json::Object(pairs) if !pairs.is_empty() && depth < MAX_FLATTEN_DEPTH => {
                flatten(pairs, &path, depth + 1, selected, out);
                if selected(&path) {
                    out.insert(path, value);
                }
            }
            _ => drop(out.insert(path, value)),
        }
    }
}
