//! Documents in columns: what is found, what is repaired, what becomes of its values.
#![cfg(feature = "json")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "common/linear.rs"]
mod linear;

use opsbox_log::{
    Batch, Field, Format, Kernel, Parser,
    clean::{
        self, CleanReport, Cleaner, ControlBytes, DocumentKind, InvalidUtf8, Refusal, Repair,
        TextChange,
    },
    limits::{MAX_DOCUMENT_DEPTH, MAX_DOCUMENT_FIELDS, MAX_FIELD_NAME_BYTES, MAX_REPAIR_EXPANSION},
    types::{TimestampFormat, Type},
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

const HEAD: &str = "2026-01-02 03:04:05 [INFO] ";

/// The messages as a batch, one a line.
fn batch<'m>(messages: impl IntoIterator<Item = &'m [u8]>) -> Batch<Vec<u8>> {
    let mut log = Vec::new();
    for message in messages {
        log.extend_from_slice(HEAD.as_bytes());
        log.extend_from_slice(message);
        log.push(b'\n');
    }
    Parser::new(Format::preset("app").unwrap()).parse(log)
}

fn cleaned(cleaner: &Cleaner, messages: &[&str]) -> (Batch<Vec<u8>>, CleanReport) {
    let mut batch = batch(messages.iter().map(|message| message.as_bytes()));
    assert_eq!(batch.len(), messages.len());
    let report = cleaner.clean(&mut batch);
    assert_eq!(report.examined(), messages.len() as u64);
    (batch, report)
}

/// The columns of documents that have a value in the first row.
fn row(batch: &Batch<Vec<u8>>) -> Vec<(String, String)> {
    let record = batch.record(0).unwrap();
    let values = record.iter().skip(3).filter_map(|(field, value)| {
        let name = field
            .name()
            .strip_prefix("message.")
            .unwrap_or_else(|| field.name());
        Some((
            name.to_owned(),
            String::from_utf8_lossy(value?).into_owned(),
        ))
    });
    values.collect()
}

fn flat(message: &str) -> Vec<(String, String)> {
    row(&cleaned(&Cleaner::new("message"), &[message]).0)
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs
        .map(|(name, value)| (name.into(), value.into()))
        .into()
}

#[test]
fn fields_are_named_by_their_path() {
    assert_eq!(
        flat(
            r#"got {"a":1,"b":{"c":"x","d":{"e":true}},"f":[1,{"g":2}],"h":{},"i":null,"j":"q\"\u00e9"} ok"#
        ),
        pairs([
            ("a", "1"),
            ("b.c", "x"),
            ("b.d.e", "true"),
            ("f", r#"[1,{"g":2}]"#),
            ("h", "{}"),
            ("j", "q\"\u{e9}"),
        ])
    );
    assert_eq!(flat(r#"{"a":1,"a":2,"\u0061":3}"#), pairs([("a", "3")]));
    assert_eq!(
        flat(r#"{"a":1,"b":"\u0032","a":null,"c":{"d":3,"d":null},"c":{"e":4}}"#),
        pairs([("b", "2"), ("c.e", "4")])
    );
    let cleaner = Cleaner::new("message").field("a", Type::Integer);
    let (batch, report) = cleaned(&cleaner, &[r#"{"a":1,"b":2,"a":"x"}"#]);
    assert_eq!(row(&batch), pairs([("b", "2")]));
    assert_eq!(report.unfit(), 1);
    assert_eq!(
        flat(r#"{"a.b":1,"a":{"c":2}}"#),
        pairs([("a.b", "1"), ("a.c", "2")])
    );
    assert_eq!(flat("[1, 2]"), pairs([("value", "[1, 2]")]));
    assert_eq!(flat(r#"ids ["a"]"#), pairs([("value", r#"["a"]"#)]));
    assert_eq!(flat("[12] started"), pairs([("value", "[12]")]));
    assert_eq!(flat("worker [12] started"), pairs([]));
    // A key longer than the table takes, and one without letters.
    let long = "k".repeat(40);
    assert_eq!(
        flat(&format!(r#"{{"{long}":1,"":2,"x":{{"{long}":3}}}}"#)),
        [
            (long.clone(), "1".to_owned()),
            (String::new(), "2".to_owned()),
            (format!("x.{long}"), "3".to_owned())
        ]
    );
}

#[test]
fn valid_documents_are_places_in_the_input() {
    let (batch, report) = cleaned(&Cleaner::new("message"), &[r#"x {"a":"b","c":1}"#]);
    assert_eq!((report.json(), batch.arena().len()), (1, 0));
    let place = batch.column("message.a").unwrap().span(0).unwrap();
    let opsbox_log::Span::Input(place) = place else {
        panic!("{place:?}");
    };
    assert_eq!(&batch.input()[place], b"b");
}

#[track_caller]
fn mends(text: &str, wanted: &str, repairs: &[Repair]) {
    let document = clean::find(text.as_bytes()).unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(document.json()), wanted, "{text}");
    assert_eq!(
        document.repairs().iter().collect::<Vec<_>>(),
        repairs,
        "{text}"
    );
    serde_json::from_slice::<Value>(document.json()).unwrap();
}

#[test]
fn what_can_be_repaired_is() {
    use Repair::*;
    mends(r#"{\"a\":\"x\\\"y\"}"#, r#"{"a":"x\"y"}"#, &[Escaped]);
    mends(r#"m="{\"a\":1}" n"#, r#"{"a":1}"#, &[Escaped]);
    mends(
        r#""{\\\"a\\\":{\\\"b\\\":1}}""#,
        r#"{"a":{"b":1}}"#,
        &[Escaped, EscapedTwice],
    );
    mends(r#"{\u0022a\u0022:1}"#, r#"{"a":1}"#, &[Escaped]);
    mends(
        r#"{\"a\":'b',}"#,
        r#"{"a":"b"}"#,
        &[Escaped, TrailingComma, SingleQuotes],
    );
    mends(r#"{\n  \"a\": 1\n}"#, "{\n  \"a\": 1\n}", &[Escaped]);
    mends(r#"{"a":[1,2,],}"#, r#"{"a":[1,2]}"#, &[TrailingComma]);
    mends(
        r#"{'a':'it\'s "x"'}"#,
        r#"{"a":"it's \"x\""}"#,
        &[SingleQuotes, InvalidEscape],
    );
    mends(
        "{a:1,$b_c-d:{e.f:2}}",
        r#"{"a":1,"$b_c-d":{"e.f":2}}"#,
        &[UnquotedKey],
    );
    mends(
        r#"{"a":{"b":[1,"tex"#,
        r#"{"a":{"b":[1,"tex"]}}"#,
        &[Truncated],
    );
    for (cut, left) in [
        (r#"{"a":1,"#, r#"{"a":1}"#),
        (r#"{"a":1,"b"#, r#"{"a":1}"#),
        (r#"{"a":1,"b""#, r#"{"a":1}"#),
        (r#"{"a":1,"b":"#, r#"{"a":1}"#),
        (r#"{"a":1,"b":tr"#, r#"{"a":1}"#),
        (r#"{"a":1,"b":-"#, r#"{"a":1}"#),
        (r#"{"a":1,"b":1e"#, r#"{"a":1}"#),
        (r#"{"a":[1,"#, r#"{"a":[1]}"#),
        (r#"{"a":[1,nul"#, r#"{"a":[1]}"#),
        (r#"{"a":"x\"#, r#"{"a":"x"}"#),
        (r#"{"a":"x\u00"#, r#"{"a":"x"}"#),
        // A number that the text ends with may be cut: no value is better than a wrong one.
        (r#"{"a":1"#, "{}"),
        (r#"{"total":12"#, "{}"),
        (r#"{"a":1,"b":-1.5"#, r#"{"a":1}"#),
        (r#"{"a":1,"b":1.5e3"#, r#"{"a":1}"#),
        (r#"{"a":1,"b":.5"#, r#"{"a":1}"#),
        (r#"{"a":1,"b":5."#, r#"{"a":1}"#),
        (r#"{"a":1,"b":007"#, r#"{"a":1}"#),
        (r#"{"a":[1,2"#, r#"{"a":[1]}"#),
        // What is after it says that it is whole; a word is.
        (r#"{"a":1 "#, r#"{"a":1}"#),
        (r#"{"a":[1,2]"#, r#"{"a":[1,2]}"#),
        (r#"{"a":true"#, r#"{"a":true}"#),
    ] {
        mends(cut, left, &[Truncated]);
    }
    mends(
        "{\"a\":\"x\ty\x01\n\"}",
        r#"{"a":"x\ty\u0001\n"}"#,
        &[ControlCharacter],
    );
    mends(
        r#"{"a":"\ud800 \udc00\ud83d\ude00"}"#,
        "{\"a\":\"\u{fffd} \u{fffd}\\ud83d\\ude00\"}",
        &[LoneSurrogate],
    );
    mends(
        r#"{"a":NaN,"b":-Infinity}"#,
        r#"{"a":null,"b":null}"#,
        &[NotFinite],
    );
    mends(
        r#"{"a":"C:\dir\x"}"#,
        r#"{"a":"C:\\dir\\x"}"#,
        &[InvalidEscape],
    );
    mends(
        "{'a': None, 'b': True, 'c': False}",
        r#"{"a":null,"b":true,"c":false}"#,
        &[SingleQuotes, PythonLiteral],
    );
    mends(
        r#"{"a":+1,"b":.5,"c":5.,"d":007,"e":-.5}"#,
        r#"{"a":1,"b":0.5,"c":5.0,"d":"007","e":-0.5}"#,
        &[Number],
    );
    let document = clean::find(b"{\"a\":\"x\xff\"}").unwrap().unwrap();
    assert_eq!(document.json(), "{\"a\":\"x\u{fffd}\"}".as_bytes());
    assert_eq!(document.repairs().iter().collect::<Vec<_>>(), [InvalidUtf8]);
}

#[test]
fn what_cannot_be_repaired_is_refused_and_what_is_no_document_is_text() {
    let deep = |count: usize| format!("{}1{}", "[".repeat(count), "]".repeat(count));
    let many = |count: usize| {
        let fields: Vec<_> = (0..count).map(|at| format!("\"k{at}\":{at}")).collect();
        format!("{{{}}}", fields.join(","))
    };
    for (text, reason) in [
        (r#"{"a" 1}"#.to_owned(), Refusal::JsonSyntax),
        (r#"{"a":1 "b":2}"#.into(), Refusal::JsonSyntax),
        (r#"{"a":[1}"#.into(), Refusal::JsonSyntax),
        (r#"{"a":1,,"b":2}"#.into(), Refusal::JsonSyntax),
        (r#"{'a':'it's'}"#.into(), Refusal::JsonSyntax),
        (deep(MAX_DOCUMENT_DEPTH + 1), Refusal::TooDeep),
        ("[".repeat(1 << 20), Refusal::TooDeep),
        (r#"{"a":"#.repeat(1 << 16), Refusal::TooDeep),
    ] {
        let refused = clean::find(text.as_bytes()).unwrap_err();
        assert_eq!(
            refused.reason,
            reason,
            "{}",
            text.chars().take(40).collect::<String>()
        );
    }
    let (_, report) = cleaned(
        &Cleaner::new("message"),
        &[&many(MAX_DOCUMENT_FIELDS + 1), &many(MAX_DOCUMENT_FIELDS)],
    );
    assert_eq!(
        report.refusals().collect::<Vec<_>>(),
        [(Refusal::TooManyFields, 1)]
    );
    assert_eq!(report.json(), 1);
    assert!(
        clean::find(deep(MAX_DOCUMENT_DEPTH).as_bytes())
            .unwrap()
            .is_some()
    );
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(100));
    let cleaner = Cleaner::new("message").max_document_bytes(100);
    let (_, report) = cleaned(&cleaner, &[&long]);
    assert_eq!(
        report.refusals().collect::<Vec<_>>(),
        [(Refusal::TooLong, 1)]
    );

    for text in [
        "",
        "{",
        "a {placeholder} and {another}",
        "std::vec<int> {}x",
        "if (a < b) { return; }",
        "Foo{Name:bob Age:7}",
        "[main] [worker-1] text",
        "{a::b}",
        "${var}",
        "<none>",
        "<user@host>",
        "a [[main]] b",
        "\"text\"",
        "12",
        "true",
        "{user: bob}",
    ] {
        match clean::find(text.as_bytes()) {
            Ok(None) => {}
            Ok(Some(document)) if document.json() == b"{}" => {}
            other => panic!("{text}: {other:?}"),
        }
    }
    // What comes after a place that is none still counts.
    let document = clean::find(br#"{user: bob} [[x]] then {"a":1}"#)
        .unwrap()
        .unwrap();
    assert_eq!(document.place(), 23..30);
}

#[test]
fn an_empty_object_is_a_document_if_no_other_comes() {
    let place = |text: &str| {
        let document = clean::find(text.as_bytes()).unwrap();
        document.map(|document| text.get(document.place()).unwrap().to_owned())
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(place("{}"), some("{}"));
    assert_eq!(place("x { } y {z} w"), some("{ }"));
    assert_eq!(place(r#"sent {} of {"a":1}"#), some(r#"{"a":1}"#));
    assert_eq!(place(r#"{}{ } {'a':1} {"b":2}"#), some("{'a':1}"));
    assert_eq!(place(r#"{} [{"a":1}]"#), some(r#"[{"a":1}]"#));
    // However many there are.
    let many = format!(r#"{}{{"a":1}}"#, "{} ".repeat(20));
    assert_eq!(place(&many), some(r#"{"a":1}"#));
    let (batch, report) = cleaned(
        &Cleaner::new("message").keep_document(false),
        &[r#"sent {} of {"a":1}"#, "{} only"],
    );
    assert_eq!((report.json(), batch.arena().len()), (2, 0));
    assert_eq!(row(&batch), pairs([("a", "1")]));
    let message = batch.column("message").unwrap();
    let message: Vec<_> = message.iter().flatten().collect();
    assert_eq!(message, [&b"sent {} of "[..], b" only"]);
}

#[cfg(feature = "xml")]
#[test]
fn what_is_not_looked_for_hides_nothing() {
    let json = format!(r#"{}{{"a":1}}"#, "<b>".repeat(20));
    let (batch, report) = cleaned(&Cleaner::new("message").xml(false), &[&json]);
    assert_eq!(report.json(), 1);
    assert_eq!(row(&batch), pairs([("a", "1")]));
    let xml = format!("{}<a>1</a>", r#"{"a":1}"#.repeat(20));
    let (batch, report) = cleaned(&Cleaner::new("message").json(false), &[&xml]);
    assert_eq!(report.xml(), 1);
    assert_eq!(row(&batch), pairs([("a", "1")]));
}

#[test]
fn repairs_can_be_switched_off() {
    let cleaner = Cleaner::new("message").repair(false);
    let (batch, report) = cleaned(&cleaner, &[r#"{"a":1,}"#, r#"{\"a\":1}"#, r#"{"a":1}"#]);
    assert_eq!(
        report.refusals().collect::<Vec<_>>(),
        [(Refusal::JsonSyntax, 2)]
    );
    assert_eq!(
        batch.column("message.a").unwrap().iter().flatten().count(),
        1
    );
}

#[test]
fn a_schema_checks_and_coerces() {
    let rfc3339 = Type::Timestamp(TimestampFormat::Rfc3339);
    let cleaner = Cleaner::new("message")
        .prefix("")
        .field("n", Type::Integer)
        .field("x.f", Type::Float)
        .field("b", Type::Boolean)
        .field("t", rfc3339);
    let (batch, report) = cleaned(
        &cleaner,
        &[
            r#"{"n":1,"x":{"f":1},"b":true,"t":"2026-01-02T03:04:05Z"}"#,
            r#"{"n":"7","x":{"f":" 2.5 "},"b":"no","t":"yesterday"}"#,
            r#"{"n":42.0,"x":{"f":"fast"},"b":"maybe","t":null}"#,
            r#"{"n":1e999,"x":{"f":1e999}}"#,
            r#"{"n":"\u0034\u0032"}"#,
        ],
    );
    let n = batch.column("n").unwrap();
    assert_eq!(n.field(), &Field::new("n").with_type(Type::Integer));
    assert_eq!(
        n.typed().unwrap().integers().collect::<Vec<_>>(),
        [Some(1), Some(7), Some(42), None, Some(42)]
    );
    let f = batch.column("x.f").unwrap().typed().unwrap();
    assert_eq!(
        f.floats().collect::<Vec<_>>(),
        [Some(1.0), Some(2.5), None, None, None]
    );
    assert_eq!(batch.column("t").unwrap().iter().flatten().count(), 1);
    assert_eq!((report.unfit(), report.coerced()), (5, 2));
}

#[test]
fn huge_numbers_stay_text() {
    let digits = "9".repeat(400);
    let text = format!(r#"{{"a":1e999,"b":{digits},"c":-0.{digits}e-{digits}}}"#);
    let values = flat(&text);
    assert_eq!(values[0].1, "1e999");
    assert_eq!(values[1].1, digits);
}

#[test]
fn names_that_the_batch_has_are_not_taken() {
    let cleaner = Cleaner::new("message").prefix("");
    let (batch, _) = cleaned(&cleaner, &[r#"{"level":"x","message":"y"}"#]);
    let record = batch.record(0).unwrap();
    assert_eq!(record.get("level"), Some(&b"INFO"[..]));
    assert_eq!(record.get("level_"), Some(&b"x"[..]));
    assert_eq!(record.get("message_"), Some(&b"y"[..]));
}

#[test]
fn columns_of_documents_and_traces_replace_none_that_the_batch_has() {
    let lines = concat!(
        r#"{"log":"{\"a\":1}","doc":"own","trace":"one"}"#,
        "\n",
        r#"{"log":"java.io.IOException: no\n\tat a.B.c(B.java:7)"}"#,
        "\n",
        r#"{"log":"-","doc":"mine","trace":"two"}"#,
    );
    let mut batch = Parser::new(Format::preset("ndjson").unwrap()).parse(lines);
    let cleaner = Cleaner::new("log").json_column("doc").stack_trace("trace");
    let report = cleaner.clean(&mut batch);
    assert_eq!((report.json(), report.columns_refused()), (1, 0));
    let column = |name| -> Vec<Option<String>> {
        let values = batch.column(name).unwrap().iter();
        values
            .map(|it| Some(String::from_utf8_lossy(it?).into_owned()))
            .collect()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(column("doc"), [some("own"), None, some("mine")]);
    assert_eq!(column("doc_"), [some(r#"{"a":1}"#), None, None]);
    assert_eq!(column("trace"), [some("one"), None, some("two")]);
    assert_eq!(column("trace_"), [None, some("\tat a.B.c(B.java:7)"), None]);
    // Nor does one replace the other.
    let line = r#"{"log":"{\"a\":1}\n\tat a.B.c(B.java:7)"}"#;
    let mut batch = Parser::new(Format::preset("ndjson").unwrap()).parse(line);
    let cleaner = Cleaner::new("log").json_column("x").stack_trace("x");
    cleaner.clean(&mut batch);
    let record = batch.record(0).unwrap();
    assert_eq!(record.get("x"), Some(&br#"{"a":1}"#[..]));
    assert_eq!(record.get("x_"), Some(&b"\tat a.B.c(B.java:7)"[..]));
}

#[test]
fn documents_are_kept_whole_or_taken_out() {
    let messages = [
        r#"a {"b": 1} c"#,
        r#"{"b":2,} c"#,
        "plain",
        r#"a "{\"b\":3}""#,
    ];
    let cleaner = Cleaner::new("message")
        .json_column("doc")
        .keep_document(false);
    let (batch, report) = cleaned(&cleaner, &messages);
    let column = |name| -> Vec<Option<String>> {
        let values = batch.column(name).unwrap();
        values
            .iter()
            .map(|it| Some(String::from_utf8_lossy(it?).into_owned()))
            .collect()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        column("doc"),
        [
            some(r#"{"b": 1}"#),
            some(r#"{"b":2}"#),
            None,
            some(r#"{"b":3}"#)
        ]
    );
    assert_eq!(
        column("message"),
        [some("a  c"), some(" c"), some("plain"), some("a ")]
    );
    assert_eq!(
        (report.json(), report.repaired(), report.plain()),
        (1, 2, 1)
    );
}

#[test]
fn text_is_cleaned_before_documents_are_looked_for() {
    let cleaner = Cleaner::new("message")
        .strip_ansi(true)
        .control_bytes(ControlBytes::Remove)
        .invalid_utf8(InvalidUtf8::Replace);
    let message: &[u8] = b"\x1b[1m{\"a\":\x1b[31m\"b\x00\xff\"}\x1b[0m";
    let mut batch = batch([message, b"clean"]);
    let report = cleaner.clean(&mut batch);
    let record = batch.record(0).unwrap();
    assert_eq!(
        record.get("message"),
        Some("{\"a\":\"b\u{fffd}\"}".as_bytes())
    );
    assert_eq!(record.get("message.a"), Some("b\u{fffd}".as_bytes()));
    let changes: Vec<_> = report.changes().collect();
    assert_eq!(
        changes,
        [
            (TextChange::Ansi, 1),
            (TextChange::ControlBytes, 1),
            (TextChange::InvalidUtf8, 1)
        ]
    );
    // What did not change is where it was.
    let place = batch.column("message").unwrap().span(1).unwrap();
    assert!(matches!(place, opsbox_log::Span::Input(_)));
}

#[test]
fn reports_add_up_over_batches() {
    let cleaner = Cleaner::new("message");
    let (_, mut all) = cleaned(&cleaner, &[r#"{"a":1}"#, "x"]);
    let (_, other) = cleaned(&cleaner, &[r#"{"a":1,}"#, r#"{"a"}"#]);
    all.merge(&other);
    assert_eq!(
        (
            all.examined(),
            all.json(),
            all.repaired(),
            all.refused(),
            all.plain()
        ),
        (4, 1, 1, 1, 1)
    );
    let mut none = batch([&b"x"[..]]);
    assert_eq!(
        Cleaner::new("nowhere").clean(&mut none),
        CleanReport::default()
    );
}

#[test]
fn a_value_in_the_arena_is_cleaned_there() {
    let line = r#"{"level":"info","log":"{\"a\":\"x\",\"b\":2}"}"#;
    let mut batch = Parser::new(Format::preset("ndjson").unwrap()).parse(line);
    let report = Cleaner::new("log").clean(&mut batch);
    assert_eq!(report.json(), 1);
    assert_eq!(batch.record(0).unwrap().get("log.a"), Some(&b"x"[..]));
    assert_eq!(batch.record(0).unwrap().get("level"), Some(&b"info"[..]));
}

/// A test's value of JSON with objects on the outside.
fn object() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[a-z ]{0,12}",
        "[\\PC\u{0}-\u{1f}\"\\\\/]{0,20}",
        Just("{\"a\":1}".to_owned())
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|it| Value::from(f64::from(it) / 64.0)),
        text.prop_map(Value::from),
    ];
    let key = prop_oneof!["[a-e]", "[a-z_]{1,20}", "[\\PC\"\\\\\u{1}]{0,6}"];
    let value = leaf.prop_recursive(4, 32, 6, {
        let key = key.clone();
        move |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::from),
                vec((key.clone(), inner), 0..5)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        }
    });
    vec((key, value), 0..6).prop_map(|pairs| Value::Object(pairs.into_iter().collect()))
}

/// What flattening gives: the slow and obvious way.
fn oracle(value: &Value, path: &str, depth: usize, out: &mut Vec<(String, String)>) {
    let Value::Object(object) = value else {
        panic!()
    };
    for (key, value) in object {
        let path = match depth {
            0 => key.clone(),
            _ => format!("{path}.{key}"),
        };
        let text = match value {
            Value::Null => continue,
            Value::Object(inner) if !inner.is_empty() => {
                oracle(value, &path, depth + 1, out);
                continue;
            }
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        out.retain(|(name, _)| *name != path);
        out.push((path, text));
    }
}

fn sorted(mut pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    pairs.sort();
    pairs
}

/// White space around what is structural, from a seed.
fn spaced(text: &str, mut seed: u64) -> String {
    let (mut out, mut inside, mut escaped) = (String::new(), false, false);
    for char in text.chars() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let space = ["", "", " ", "  ", "\t"][(seed >> 33) as usize % 5];
        let structural = !inside && "{}[]:,".contains(char);
        let first = out.is_empty();
        if structural && !first {
            out.push_str(space);
        }
        out.push(char);
        if structural {
            out.push_str(space);
        }
        match char {
            '"' if !escaped => inside = !inside,
            _ => {}
        }
        escaped = inside && char == '\\' && !escaped;
    }
    out
}

proptest! {
    #[test]
    fn valid_json_has_the_values_of_serde_json(
        object in object(), before in "[a-z =\u{e9}]{0,80}", after in "[a-z }\"]{0,20}", seed: u64,
    ) {
        let text = spaced(&object.to_string(), seed);
        let message = format!("{before}{text}{after}");
        let document = clean::find(message.as_bytes()).unwrap().unwrap();
        prop_assert_eq!(document.kind(), DocumentKind::Json);
        prop_assert_eq!(document.place(), before.len()..before.len() + text.trim_end().len());
        let mut wanted = Vec::new();
        oracle(&object, "", 0, &mut wanted);
        for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_available()) {
            let cleaner = Cleaner::new("message").kernel(kernel);
            let (batch, report) = cleaned(&cleaner, &[&message]);
            prop_assert_eq!((report.json(), report.left_out()), (1, 0), "{:?} {:?}", message, batch.record(0));
            let got = sorted(row(&batch));
            // Spaces are left in what stays text.
            let same = |(a, b): (&(String, String), &(String, String))| {
                let json = |text: &str| serde_json::from_str::<Value>(text).ok();
                a.0 == b.0 && (a.1 == b.1 || json(&a.1).is_some() && json(&a.1) == json(&b.1))
            };
            let wanted = sorted(wanted.clone());
            prop_assert!(
                got.len() == wanted.len() && got.iter().zip(&wanted).all(same),
                "{:?}\n{:?}", got, wanted
            );
        }
    }

    #[test]
    fn escaped_json_is_the_json_it_was(object in object(), levels in 1_usize..=2, quotes: bool) {
        // An empty object has no quotes that could be escaped.
        prop_assume!(object != json!({}));
        let mut text = object.to_string();
        for _ in 0..levels {
            let escaped = Value::from(text).to_string();
            let inner = escaped.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
            text = inner.unwrap().to_owned();
        }
        let message = if quotes { format!("m=\"{text}\" x") } else { text.clone() };
        let document = clean::find(message.as_bytes()).unwrap().unwrap();
        prop_assert!(document.repairs().contains(Repair::Escaped));
        prop_assert_eq!(document.repairs().contains(Repair::EscapedTwice), levels == 2);
        prop_assert_eq!(serde_json::from_slice::<Value>(document.json()).unwrap(), object.clone());
        let len = text.len() + 2 * usize::from(quotes);
        prop_assert_eq!(document.place().len(), len);
        let (escaped, plain) = (flat(&message), flat(&object.to_string()));
        prop_assert_eq!(escaped, plain);
    }

    #[test]
    fn cut_json_is_repaired(object in object(), cut: prop::sample::Index) {
        let text = object.to_string();
        let mut at = cut.index(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        prop_assume!(at >= 2);
        let document = clean::find(&text.as_bytes()[..at]).unwrap().unwrap();
        let left = serde_json::from_slice::<Value>(document.json()).unwrap();
        prop_assert!(is_left_of(&left, &object), "{left} of {object}");
    }

    #[test]
    fn no_bytes_panic_and_what_is_repaired_is_json(
        messages in vec(prop_oneof![
            vec(any::<u8>(), 0..60),
            "[{}\\[\\]\"'\\\\:, a1\\.eE+<>/-]{0,60}".prop_map(String::into_bytes),
            (object(), vec((any::<prop::sample::Index>(), "[{}\\[\\]\"'\\\\:,a1 \u{1}]{0,3}", 0_usize..4), 0..4))
                .prop_map(|(object, edits)| broken(&object.to_string(), &edits)),
            (1..MAX_FIELD_NAME_BYTES, 0..MAX_DOCUMENT_FIELDS, "<[a-c]( k='[a-c]')?/>").prop_map(
                |(len, count, child)| {
                    let name = "n".repeat(len);
                    let children = child.repeat(count);
                    format!("<a><{name}>{children}</{name}></a>").into_bytes()
                }
            ),
        ], 1..6),
    ) {
        for message in &messages {
            if let Ok(Some(document)) = clean::find(message) {
                let json = document.json();
                let most = most_json(document.kind(), message.len());
                prop_assert!(json.len() <= most, "{} of {}", json.len(), message.len());
                prop_assert!(is_json(json), "{:?} of {:?}",
                    String::from_utf8_lossy(json), String::from_utf8_lossy(message));
                prop_assert!(document.place().end <= message.len());
            }
        }
        let messages: Vec<_> = messages.iter().filter(|it| !it.contains(&b'\n')).collect();
        let mut batch = batch(messages.iter().map(|message| message.as_slice()));
        let values = batch.column("message").unwrap().iter().flatten().count();
        for cleaner in [
            Cleaner::new("message"),
            Cleaner::new("message").json_column("json").keep_document(false).strip_ansi(true),
            Cleaner::new("message").field("a", Type::Integer).control_bytes(ControlBytes::Escape),
        ] {
            let report = cleaner.clean(&mut batch);
            prop_assert_eq!(report.examined(), values as u64);
            for record in batch.records() {
                prop_assert_eq!(record.iter().count(), batch.fields().len());
            }
        }
    }
}

/// The longest JSON that a document of these bytes may give.
fn most_json(kind: DocumentKind, len: usize) -> usize {
    match kind {
        #[cfg(feature = "xml")]
        DocumentKind::Xml => {
            use opsbox_log::limits::{MAX_XML_EXPANSION, XML_ALLOWANCE_BYTES};
            MAX_XML_EXPANSION * len + XML_ALLOWANCE_BYTES + 1
        }
        _ => MAX_REPAIR_EXPANSION * len + 128,
    }
}

/// Whether a value is what may be left of another that was cut: all but strings are whole.
fn is_left_of(left: &Value, whole: &Value) -> bool {
    match (left, whole) {
        (Value::Object(left), Value::Object(whole)) => left.iter().all(|(key, left)| {
            let whole = whole.get(key);
            whole.is_some_and(|whole| is_left_of(left, whole))
        }),
        (Value::Array(left), Value::Array(whole)) => {
            left.len() <= whole.len()
                && left
                    .iter()
                    .zip(whole)
                    .all(|(left, whole)| is_left_of(left, whole))
        }
        (Value::String(left), Value::String(whole)) => whole.starts_with(left.as_str()),
        _ => left == whole,
    }
}

/// Documents of a few programs: nearly the same keys in the same order, and any values.
fn documents() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let value = prop_oneof![
        8 => prop::sample::select(vec![
            "1", "0", "12", "12.5", "0.5", "123456789012345678", "-1", "1e5", "01", "1.", ".5", "00", "0.", "+1",
            "true", "false", "null", "tru", "[1,{\"x\":[]}]", "[]", "{}", "{ }", "{\"x\":1}", "NaN", "1 ", "",
        ]).prop_map(str::to_owned),
        6 => "[a-z0-9 ./&<{\u{e9}-]{0,40}".prop_map(|text| format!("\"{text}\"")),
        2 => prop::sample::select(vec![
            r#""12""#, r#""12.5""#, r#""true""#, r#"" 7""#, r#""2026-01-02T03:04:05Z""#, r#""a\nb""#, r#""\u00e9""#,
            r#""\q""#, "\"\t\"", r#""{\"a\":1}""#, r#""a long text of more than sixty-four bytes, which is one more word""#,
        ]).prop_map(str::to_owned),
    ];
    let keys: [&[&str]; 5] = [
        &["a", "b", "c"],
        &["id", "user:name", "user:id", "total", "ok"],
        &[
            "at",
            "a",
            "a",
            "a key that is longer than thirty-two bytes are",
            "b",
        ],
        &["b", "a.b", "a:b", "a:c"],
        &["x:y:z", "x:y:w", "x:v", "id"],
    ];
    let row = (
        prop::sample::select(keys.to_vec()),
        vec(value, 5),
        prop_oneof![4 => Just(usize::MAX), 1 => 0..5_usize],
        prop_oneof![3 => Just(0_u8), 1 => Just(1_u8), 2 => Just(2_u8), 2 => Just(3_u8)],
        prop_oneof![
            6 => Just(Vec::new()),
            1 => vec((any::<prop::sample::Index>(), "[\"\\\\{}:,<> \u{e9}]?", 0..3_usize), 1..3),
        ],
        prop::sample::select(vec!["payload=", "", "[x] ", "body=\"", "a {b} <c "]),
    );
    let row = row.prop_map(|(keys, values, left_out, style, edits, before)| {
        let pairs = keys.iter().zip(&values).enumerate();
        let pairs: Vec<_> = pairs
            .filter(|(at, _)| *at != left_out)
            .map(|(_, it)| it)
            .collect();
        let mut text = String::new();
        match style {
            3 => {
                text += "<order n=\"1\">";
                for (key, value) in pairs {
                    let (key, value) =
                        (key.replace([' ', ':'], "_"), value.replace(['"', '<'], ""));
                    text += &match key.len() {
                        1 => format!("<{key}>{value}</{key}>"),
                        _ => format!("<v {key}='{value}' k=\"{value}\"/>"),
                    };
                }
                text += "</order>";
            }
            _ => {
                let mut open: Vec<&str> = Vec::new();
                let separator = if style == 1 { " , " } else { "," };
                text.push('{');
                for (at, (key, value)) in pairs.into_iter().enumerate() {
                    let mut path: Vec<_> = key.split(':').collect();
                    let name = path.pop().unwrap();
                    let same = open.iter().zip(&path).take_while(|(a, b)| a == b).count();
                    text += &"}".repeat(open.len() - same);
                    text += if at > 0 { separator } else { "" };
                    for object in path.get(same..).unwrap() {
                        text += &format!("\"{object}\":{{");
                    }
                    text += &format!("\"{name}\":{value}");
                    open = path;
                }
                text += &"}".repeat(open.len() + 1);
            }
        }
        if style == 2 {
            text = text.replace('\\', "\\\\").replace('"', "\\\"");
        }
        let mut message = before.as_bytes().to_vec();
        message.extend(broken(&text, &edits));
        message.extend_from_slice(b"\" end");
        message
    });
    vec(row, 1..60)
}

proptest! {
    /// A document is what it is, whatever came before it.
    #[test]
    fn documents_before_change_nothing(messages in documents(), kernel in 0..3_usize) {
        let kernel = Kernel::ALL[kernel];
        let fresh = || Cleaner::new("message")
            .kernel(kernel)
            .field("id", Type::Integer)
            .field("a", Type::Float)
            .field("ok", Type::Boolean)
            .field("at", Type::Timestamp(TimestampFormat::Rfc3339))
            .field("user.id", Type::Integer)
            .field("order.@n", Type::Integer)
            .field("order.b", Type::Integer);
        let learned = fresh();
        let mut wanted = CleanReport::default();
        let alone = messages.iter().map(|message| {
            let mut batch = batch([message.as_slice()]);
            wanted.merge(&fresh().clean(&mut batch));
            sorted(row(&batch))
        });
        let alone: Vec<_> = alone.collect();
        let mut before = None;
        for _ in 0..3 {
            let mut batch = batch(messages.iter().map(Vec::as_slice));
            let report = learned.clean(&mut batch);
            prop_assert_eq!(format!("{report:?}"), format!("{wanted:?}"));
            let names: Vec<_> = batch.fields().iter().map(|it| it.name().to_owned()).collect();
            prop_assert_eq!(before.get_or_insert_with(|| names.clone()), &names);
            for (at, (wanted, message)) in alone.iter().zip(&messages).enumerate() {
                let record = batch.record(at).unwrap();
                let values = record.iter().skip(3).filter_map(|(field, value)| {
                    let name = field.name().strip_prefix("message.").unwrap();
                    Some((name.to_owned(), String::from_utf8_lossy(value?).into_owned()))
                });
                prop_assert_eq!(&sorted(values.collect()), wanted, "{}", String::from_utf8_lossy(message));
            }
        }
    }
}

/// The text with some bytes replaced.
fn broken(text: &str, edits: &[(prop::sample::Index, String, usize)]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (index, insert, remove) in edits {
        let at = index.index(bytes.len() + 1);
        let end = (at + remove).min(bytes.len());
        bytes.splice(at..end, insert.bytes());
    }
    bytes
}

/// Whether serde_json reads it; numbers of any size are JSON.
fn is_json(text: &[u8]) -> bool {
    match serde_json::from_slice::<Value>(text) {
        Ok(_) => true,
        // What is wrong behind the number is not told then.
        Err(error) => {
            let is_large = error.to_string().contains("number out of range");
            is_large && serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
        }
    }
}

/// A GiB in one line takes no memory to speak of besides itself: a value that is too long is not indexed.
#[test]
#[ignore = "takes 2 GiB of memory: .ci/deep runs it"]
fn a_gib_in_one_line_is_refused() {
    for part in ["[", "{\"a\":", "<a>", "9"] {
        let mut log = HEAD.as_bytes().to_vec();
        let size = (1 << 30) - 100;
        log.extend_from_slice(part.repeat(size / part.len()).as_bytes());
        let parser = Parser::new(Format::preset("app").unwrap()).max_line_bytes(1 << 30);
        let mut batch = parser.parse(log);
        let report = Cleaner::new("message").clean(&mut batch);
        let is_document = part != "9" && !(part == "<a>" && cfg!(not(feature = "xml")));
        assert_eq!(report.refused(), u64::from(is_document), "{part}");
        assert_eq!(report.examined(), 1);
        assert_eq!(batch.arena().len(), 0);
    }
}

/// Inputs that would take hours if anything were quadratic in them.
#[test]
fn hostile_values_take_linear_time() {
    let parts = [
        "{",
        "[",
        "{\"",
        "{\"a\":",
        "{'",
        "{a:",
        "{\\\"",
        "\\",
        "\"",
        "<",
        "<a>",
        "<a ",
        "</a>",
        "&a;",
        "{}",
        "{a:1} ",
        "[[",
        "{\"a\":1,",
        "\u{1}",
        "\x1b]",
        "\x1b[",
        "{ ",
        "{\\u",
        "{\"\\ud800",
    ];
    let begun = [
        ("{\"a\":\"", "x"),
        ("{\"a\":", "9"),
        ("{\\\"a\\\":\\\"", "\\\\"),
        ("{\"a\":\"", "\u{1}"),
    ];
    let cleaner = Cleaner::new("message")
        .strip_ansi(true)
        .max_document_bytes(1 << 30);
    let clean = |text: &str| {
        let log = format!("{HEAD}{text}\n");
        let parser = Parser::new(Format::preset("app").unwrap()).max_line_bytes(4 << 20);
        let mut batch = parser.parse(log);
        let report = cleaner.clean(&mut batch);
        assert_eq!(report.examined(), 1);
        assert!(
            batch.arena().len() <= 16 * text.len() + (1 << 16),
            "{:.20}",
            text
        );
    };
    for (front, part) in parts.map(|part| ("", part)).into_iter().chain(begun) {
        let text = |size: usize| format!("{front}{}", part.repeat(size / part.len()));
        let (small, large) = (text(128 << 10), text(1 << 20));
        linear::assert_linear(
            &format!("{front}{part}"),
            || clean(&small),
            || clean(&large),
        );
    }
}
