//! What becomes of the fields of documents.

use super::*;

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

#[test]
fn what_is_json_in_its_own_column_stays_json() {
    let log = concat!(
        r#"{"v":7,"w":1}"#,
        "\n",
        r#"{"v":"7","w":2}"#,
        "\n",
        r#"{"v":"\u001b[1m7","w":3}"#,
        "\n",
        r#"{"v":[1,"\u001b[1m"],"w":4}"#,
        "\n",
        r#"{"v":true,"w":5}"#,
        "\n",
        "{\"v\":[1,\r2],\"w\":6}\n",
    );
    let cleaners = [
        Cleaner::new("v").strip_ansi(true),
        Cleaner::new("v").control_bytes(ControlBytes::Remove),
        Cleaner::new("v").stack_trace("trace"),
        Cleaner::new("v").keep_document(false),
    ];
    for cleaner in cleaners {
        let parser = Parser::new(Format::preset("ndjson").unwrap());
        let mut batch = parser.parse(log);
        assert_eq!(batch.len(), 6);
        let before = batch.clone();
        cleaner.clean(&mut batch);
        let [old, new] = [&before, &batch].map(|batch| batch.column("v").unwrap());
        for row in 0..batch.len() {
            // A document that was taken out leaves a text, and what is cleaned is one still if it was one.
            let is_left = new.get(row).is_some_and(|it| !it.is_empty());
            assert_eq!(
                new.is_json(row),
                old.is_json(row) && is_left,
                "{row} {cleaner:?}"
            );
        }
    }
}
