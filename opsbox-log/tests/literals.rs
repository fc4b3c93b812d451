//! What was a number, a boolean, an array or an object in JSON is one again in NDJSON, and what was a string is a string.
#![cfg(feature = "json")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use opsbox_log::{
    Batch, BatchMemory, Field, Format, Kernel, Parser, clean::Cleaner, export::ndjson::Ndjson,
    types::Type,
};
use proptest::{collection, prelude::*};
use serde_json::{Map, Value, json};

fn app(documents: &[String]) -> Batch<String> {
    let lines = documents
        .iter()
        .map(|document| format!("2026-01-02 03:04:05 [INFO] got {document} ok\n"));
    let log: String = lines.collect();
    let batch = Parser::new(Format::preset("app").unwrap()).parse(log);
    assert_eq!(batch.len(), documents.len());
    batch
}

fn written<B: AsRef<[u8]>>(options: &Ndjson, batch: &Batch<B>) -> String {
    let mut outs = Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_available())
        .map(|kernel| {
            let mut out = Vec::new();
            options.clone().kernel(kernel).append(batch, &mut out);
            String::from_utf8(out).unwrap()
        });
    let first = outs.next().unwrap();
    assert!(outs.all(|other| other == first));
    first
}

/// The fields of a document, cleaned and written.
fn cleaned(cleaner: &Cleaner, documents: &[String]) -> String {
    let mut batch = app(documents);
    cleaner.clean(&mut batch);
    for name in ["timestamp", "level", "message"] {
        batch.drop_column(name);
    }
    written(&Ndjson::new(), &batch)
}

fn values(out: &str) -> Vec<Value> {
    let lines = out.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// As a cleaner has the fields: paths of keys, without nulls.
fn flat(document: &Map<String, Value>) -> Map<String, Value> {
    fn add(path: &str, object: &Map<String, Value>, out: &mut Map<String, Value>) {
        for (key, value) in object {
            let path = match path {
                "" => key.clone(),
                path => format!("{path}.{key}"),
            };
            match value {
                Value::Null => {}
                Value::Object(inner) if !inner.is_empty() => add(&path, inner, out),
                other => {
                    out.insert(path, other.clone());
                }
            }
        }
    }
    let mut out = Map::new();
    add("", document, &mut out);
    out
}

/// Without nulls that are fields, which are absent.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let fields = object.iter().filter(|(_, value)| !value.is_null());
            let fields = fields.map(|(key, value)| (key.clone(), without_nulls(value)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

/// Whether no object has nothing but nulls: such a one is absent, too.
fn has_values(object: &Map<String, Value>) -> bool {
    let mut inner = object.values().filter_map(Value::as_object);
    (object.is_empty() || object.values().any(|value| !value.is_null())) && inner.all(has_values)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(|float: f64| json!(float)),
        // What looks like something else.
        prop::sample::select(vec![
            "7", "-1.5", "true", "null", "[1]", "{}", "", "-", "\"", "a\\b", "1\n"
        ])
        .prop_map(Value::from),
        "\\PC{0,80}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            object(inner).prop_map(Value::Object),
        ]
    })
}

/// As serde_json reads it again: it may round a float.
fn documents() -> impl Strategy<Value = Vec<Map<String, Value>>> {
    let again = |object: Map<String, Value>| -> Map<String, Value> {
        serde_json::from_str(&serde_json::to_string(&object).unwrap()).unwrap()
    };
    collection::vec(object(value()).prop_map(again), 1..6)
}

fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let fields = collection::btree_map("[a-z\"\u{e9}]{1,3}", inner, 0..5);
    fields.prop_map(|fields| fields.into_iter().collect())
}

proptest! {
    #[test]
    fn documents_of_messages_keep_their_values(
        documents in documents(), escapes in 0_usize..3, pretty: bool,
    ) {
        let texts: Vec<_> = documents.iter().map(|document| {
            let text = match pretty && escapes == 0 {
                true => serde_json::to_string_pretty(document).unwrap().replace('\n', "\t"),
                false => serde_json::to_string(document).unwrap(),
            };
            (0..escapes).fold(text, |text, _| serde_json::to_string(&text).unwrap())
        }).collect();
        let expected: Vec<_> = documents.iter().map(|document| Value::Object(flat(document))).collect();
        let out = cleaned(&Cleaner::new("message").prefix(""), &texts);
        prop_assert_eq!(values(&out), expected, "{:?}", texts);
    }

    #[test]
    fn lines_of_json_keep_their_values(documents in documents()) {
        let lines = documents.iter().map(|document| serde_json::to_string(document).unwrap() + "\n");
        let log: String = lines.collect();
        let batch = Parser::new(Format::preset("ndjson").unwrap()).parse(&log);
        let expected: Vec<_> = documents.iter().map(|document| Value::Object(flat(document))).collect();
        prop_assert_eq!(values(&written(&Ndjson::new(), &batch)), expected);
        // As objects in each other they are the documents again.
        if documents.iter().all(has_values) {
            let expected: Vec<_> = documents.iter().map(|it| without_nulls(&Value::Object(it.clone()))).collect();
            let nested = values(&written(&Ndjson::new().nested(true), &batch));
            let is_plain = |it: &Value| !it.as_object().unwrap().values().any(Value::is_object);
            for (nested, expected) in nested.iter().zip(&expected) {
                // A value of one row and an object of another cannot both be under a key.
                if documents.len() == 1 || is_plain(expected) {
                    prop_assert_eq!(nested, expected);
                }
            }
        }
    }
}

#[test]
fn numbers_are_written_digit_by_digit() {
    let document = concat!(
        r#"{"big":123456789012345678901234567890,"price":12.50,"e":1E+5,"z":-0.0,"s":"12.50","#,
        r#""u":"\u0037","t":true,"f":false,"a":[1, 2.0,{"b":null}],"o":{},"inf":1e999}"#,
    );
    let expected = concat!(
        r#"{"big":123456789012345678901234567890,"price":12.50,"e":1E+5,"z":-0.0,"s":"12.50","#,
        r#""u":"7","t":true,"f":false,"a":[1, 2.0,{"b":null}],"o":{},"inf":"1e999"}"#,
        "\n",
    );
    let cleaner = Cleaner::new("message").prefix("");
    assert_eq!(cleaned(&cleaner, &[document.to_owned()]), expected);
    let batch = Parser::new(Format::preset("ndjson").unwrap()).parse(document);
    // What is beyond a float no reader takes, this one not either.
    assert_eq!(batch.len(), 0);
    let finite = document.replace(r#","inf":1e999"#, "");
    let batch = Parser::new(Format::preset("ndjson").unwrap()).parse(finite.as_str());
    let expected = expected.replace(r#","inf":"1e999""#, "");
    assert_eq!(written(&Ndjson::new(), &batch), expected);
}

#[test]
fn what_was_repaired_keeps_its_types() {
    let documents = [
        r#"{'a': 1, 'b': '2', c: true,}"#,
        r#"{\"a\":1,\"b\":\"2\",\"c\":true}"#,
        r#"{"a":1,"b":"2","c":true,"d":"cut"#,
    ];
    let documents = documents.map(str::to_owned);
    let cleaner = Cleaner::new("message").prefix("");
    let expected = concat!(
        "{\"a\":1,\"b\":\"2\",\"c\":true}\n",
        "{\"a\":1,\"b\":\"2\",\"c\":true}\n",
    );
    let out = cleaned(&cleaner, &documents);
    assert!(out.starts_with(expected), "{out}");
    let last = out.lines().last().unwrap();
    assert!(last.starts_with(r#"{"a":1,"b":"2","c":true"#), "{last}");
}

#[cfg(feature = "xml")]
#[test]
fn xml_has_texts_alone() {
    let out = cleaned(
        &Cleaner::new("message").prefix(""),
        &["<a n=\"1\"><b>2</b><c>true</c></a>".to_owned()],
    );
    assert_eq!(out, "{\"a.@n\":\"1\",\"a.b\":\"2\",\"a.c\":\"true\"}\n");
}

#[test]
fn a_schema_goes_before_what_the_document_says() {
    let cleaner = Cleaner::new("message")
        .prefix("")
        .field("n", Type::Integer)
        .field("b", Type::Boolean)
        .field(
            "t",
            Type::Timestamp(opsbox_log::types::TimestampFormat::Rfc3339),
        )
        .field("c", Type::Category);
    let documents = [
        r#"{"n":"7","b":"true","t":"2026-01-02T03:04:05Z","c":"200"}"#,
        r#"{"n":7.0,"b":true,"c":200}"#,
    ];
    let out = cleaned(&cleaner, &documents.map(str::to_owned));
    let expected = concat!(
        r#"{"n":7,"b":true,"t":"2026-01-02T03:04:05Z","c":"200"}"#,
        "\n",
        r#"{"n":7,"b":true,"c":200}"#,
        "\n",
    );
    assert_eq!(out, expected);
}

#[test]
fn text_that_is_no_json_stays_text() {
    let log = "2026-01-02 03:04:05 [INFO] 42\n2026-01-02 03:04:05 [INFO] [1]\n";
    let batch = Parser::new(Format::preset("app").unwrap()).parse(log);
    let out = written(&Ndjson::new(), &batch);
    assert!(
        out.contains(r#""message":"42""#) && out.contains(r#""message":"[1]""#),
        "{out}"
    );
    assert!(!batch.column("message").unwrap().is_json(0));
    let batch = Parser::new(Format::preset("logfmt").unwrap()).parse("a=1 b=\"2\"\n");
    assert_eq!(
        written(&Ndjson::new(), &batch),
        "{\"a\":\"1\",\"b\":\"2\"}\n"
    );
}

#[test]
fn selected_keys_are_checked_when_they_are_written() {
    let format = Format::preset("ndjson").unwrap();
    let format = format.select(["a", "b", "o"]).unwrap();
    // Of what is selected without a look at the rest not all is JSON.
    let log = concat!(
        "{\"x\":[1],\"a\":12,\"b\":\"12\",\"o\":{\"k\":[true]}}\n",
        "{\"a\":1x,\"b\":tru,\"o\":{\"k\":1x}}\n",
    );
    let batch = Parser::new(format).parse(log);
    let out = written(&Ndjson::new(), &batch);
    let expected = concat!(
        r#"{"a":12,"b":"12","o":{"k":[true]}}"#,
        "\n",
        r#"{"a":"1x","b":"tru","o":"{\"k\":1x}"}"#,
        "\n",
    );
    assert_eq!(out, expected);
}

#[test]
fn a_column_of_documents_stays_text_unless_it_is_named() {
    let mut batch = app(&[r#"{"a":1}"#.to_owned()]);
    Cleaner::new("message").json_column("doc").clean(&mut batch);
    let out = written(&Ndjson::new(), &batch);
    assert!(out.contains(r#""doc":"{\"a\":1}""#), "{out}");
    let out = written(&Ndjson::new().json_columns(["doc"]), &batch);
    assert!(out.contains(r#""doc":{"a":1}"#), "{out}");
}

#[test]
fn columns_are_copied_renamed_and_used_again_with_what_they_are() {
    let parser = Parser::new(Format::preset("app").unwrap());
    let cleaner = Cleaner::new("message").prefix("");
    let mut memory = BatchMemory::default();
    for round in 0..3 {
        let log = "2026-01-02 03:04:05 [INFO] {\"a\":1,\"b\":\"1\",\"c\":\"\\u0031\"}\n";
        let mut batch = parser.parse_in(log, &mut memory);
        cleaner.clean_in(&mut batch, &mut memory);
        for (from, to) in [("a", "x"), ("b", "y"), ("c", "z")] {
            let mut copy = opsbox_log::ColumnBuilder::new();
            let column = batch.column(from).unwrap();
            copy.push_value_of(0, &column, 0);
            // What there is not is no value.
            copy.push_value_of(0, &column, 9);
            batch.set_column(Field::new(to), copy).unwrap();
            batch.rename_column(from, &format!("{from}{from}")).unwrap();
        }
        let mut own = opsbox_log::ColumnBuilder::new();
        own.push_json_bytes(0, b"[2]");
        batch.set_column(Field::new("own"), own).unwrap();
        for name in ["timestamp", "level", "message"] {
            batch.drop_column(name);
        }
        let expected = r#"{"aa":1,"bb":"1","cc":"1","x":1,"y":"1","z":"1","own":[2]}"#;
        assert_eq!(
            written(&Ndjson::new(), &batch),
            format!("{expected}\n"),
            "{round}"
        );
        batch.recycle(&mut memory);
    }
}

#[cfg(feature = "mask")]
#[test]
fn masking_leaves_what_it_does_not_change() {
    use opsbox_log::mask::{Masker, Policy};

    let documents = [
        r#"{"n":1,"p":"a@example.com","l":[1,"b@example.com"]}"#,
        r#"{"n":13812345678,"p":2,"l":[3]}"#,
        r#"{"n":true,"p":3.50,"l":[]}"#,
    ];
    let mut batch = app(&documents.map(str::to_owned));
    Cleaner::new("message").prefix("").clean(&mut batch);
    Masker::new(Policy::new(), None).unwrap().mask(&mut batch);
    for name in ["timestamp", "level", "message"] {
        batch.drop_column(name);
    }
    let expected = concat!(
        r#"{"n":1,"p":"[REDACTED:PII_EMAIL]","l":"[1,\"[REDACTED:PII_EMAIL]\"]"}"#,
        "\n",
        r#"{"n":"[REDACTED:PII_PHONE]","p":2,"l":[3]}"#,
        "\n",
        r#"{"n":true,"p":3.50,"l":[]}"#,
        "\n",
    );
    assert_eq!(written(&Ndjson::new(), &batch), expected);
    // The same of a log whose lines are JSON, where the columns were not set before.
    let log = documents.join("\n");
    let mut batch = Parser::new(Format::preset("ndjson").unwrap()).parse(&log);
    Masker::new(Policy::new(), None).unwrap().mask(&mut batch);
    assert_eq!(written(&Ndjson::new(), &batch), expected);
}

#[cfg(feature = "enrich")]
#[test]
fn enriching_leaves_what_a_record_says() {
    use opsbox_log::enrich::Enrich;

    let log = "{\"code\":1,\"org\":7}\n{\"code\":\"2\",\"org\":\"8\"}\n{\"x\":1}\n";
    let mut batch = Parser::new(Format::preset("ndjson").unwrap()).parse(log);
    let enrich = Enrich::new().label("code", "3").tenant("org", Some("9"));
    enrich.apply(&mut batch).unwrap();
    let expected = concat!(
        r#"{"code":1,"org":7,"tenant":7}"#,
        "\n",
        r#"{"code":"2","org":"8","tenant":"8"}"#,
        "\n",
        r#"{"code":"3","x":1,"tenant":"9"}"#,
        "\n",
    );
    assert_eq!(written(&Ndjson::new(), &batch), expected);
}

#[cfg(feature = "jmespath")]
#[test]
fn what_is_extracted_is_what_it_was() {
    use opsbox_log::extract::Extractor;

    let documents = [r#"{"a":{"n":1,"s":"1","l":[2],"e":"\u0031"},"i":[{"p":3}]}"#.to_owned()];
    let expected = r#"{"n":1,"s":"1","l":[2],"e":"1","o":{"n":1,"s":"1","l":[2],"e":"\u0031"}"#;
    let extractor = Extractor::new("doc");
    let columns = [
        ("n", "a.n"),
        ("s", "a.s"),
        ("l", "a.l"),
        ("e", "a.e"),
        ("o", "a"),
    ];
    let extractor = columns
        .into_iter()
        .fold(extractor, |it, (name, path)| it.column(name, path).unwrap());
    for (extractor, more) in [
        (extractor.clone(), ""),
        (extractor.column("p", "i[0].p").unwrap(), ",\"p\":3"),
    ] {
        let mut batch = app(&documents);
        Cleaner::new("message").json_column("doc").clean(&mut batch);
        extractor.extract(&mut batch);
        for name in ["timestamp", "level", "message", "doc"] {
            batch.drop_column(name);
        }
        assert_eq!(
            written(&Ndjson::new(), &batch),
            format!("{expected}{more}}}\n")
        );
    }
}
