//! JMESPath over columns of JSON.
#![cfg(feature = "jmespath")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use opsbox_log::{
    Batch, ErrorKind, Format, Parser, Span,
    clean::Cleaner,
    extract::{ExtractReport, Extractor},
    limits::{MAX_EXPRESSION_BRANCHES, MAX_EXPRESSION_BYTES},
};
use proptest::{collection::vec, prelude::*};
use serde_json::Value;

/// A batch whose column `doc` has these texts.
fn documents(texts: &[&str]) -> Batch<Vec<u8>> {
    let log = texts.join("\n").into_bytes();
    Parser::new(Format::pattern("(?P<doc>.*)").unwrap()).parse(log)
}

fn extracted(texts: &[&str], expression: &str) -> (Vec<Option<String>>, ExtractReport) {
    let mut batch = documents(texts);
    let extractor = Extractor::new("doc").column("out", expression).unwrap();
    let report = extractor.extract(&mut batch);
    let column = batch.column("out").unwrap();
    let values = column
        .iter()
        .map(|value| Some(String::from_utf8_lossy(value?).into_owned()));
    (values.collect(), report)
}

fn one(text: &str, expression: &str) -> Option<String> {
    extracted(&[text], expression).0.remove(0)
}

#[test]
fn paths_find_values_of_every_kind() {
    let text = r#"{"a":{"b":{"c":"x"},"n":-1.50,"t":true,"z":null,"l":[1, "b"],"e":{}},"a b":"q\"\u00e9"}"#;
    let some = |text: &str| Some(text.to_owned());
    for (path, wanted) in [
        ("a.b.c", some("x")),
        ("a.n", some("-1.50")),
        ("a.t", some("true")),
        ("a.z", None),
        ("a.l", some(r#"[1, "b"]"#)),
        ("a.e", some("{}")),
        ("a.b", some(r#"{"c":"x"}"#)),
        ("\"a b\"", some("q\"\u{e9}")),
        ("b", None),
        ("a.l.b", None),
        ("a.n.x", None),
    ] {
        assert_eq!(one(text, path), wanted, "{path}");
    }
    // The last of equal keys counts.
    assert_eq!(one(r#"{"a":{"b":1},"a":2}"#, "a.b"), None);
    assert_eq!(one(r#"{"a":1,"\u0061":2}"#, "a"), some("2"));
    assert_eq!(one(r#"[{"a":1}]"#, "a"), None);
}

#[test]
fn other_expressions_are_evaluated() {
    let text = r#"{"items":[{"n":1,"s":"a"},{"n":5,"s":"b"}],"m":{"k":"v"}}"#;
    let some = |text: &str| Some(text.to_owned());
    for (expression, wanted) in [
        ("items[0].s", some("a")),
        ("items[?n > `2`].s | [0]", some("b")),
        ("items[*].n", some("[1,5]")),
        ("length(items)", some("2")),
        ("keys(m)", some(r#"["k"]"#)),
        ("sum(items[].n)", some("6")),
        ("{x: m.k}", some(r#"{"x":"v"}"#)),
        ("items[9]", None),
        ("m.k == 'v'", some("true")),
    ] {
        let found = one(text, expression).map(|it| it.trim_end_matches(".0").to_owned());
        assert_eq!(found, wanted, "{expression}");
    }
}

#[test]
fn a_value_of_a_path_is_a_place_in_its_document() {
    let mut batch = documents(&[r#"{"a":{"b":"x"}}"#]);
    let extractor = Extractor::new("doc").column("out", "a.b").unwrap();
    extractor.extract(&mut batch);
    assert_eq!(
        batch.column("out").unwrap().span(0),
        Some(Span::Input(11..12))
    );
    assert_eq!(batch.arena().len(), 0);
}

#[test]
fn what_goes_wrong_is_counted() {
    let texts = [
        r#"{"a":"x"}"#,
        r#"{"a":1}"#,
        "{}",
        "no JSON",
        r#"{"a":1} x"#,
        r#"{"a":"#,
    ];
    let (values, report) = extracted(&texts, "length(a)");
    assert_eq!(
        values[0].as_deref().map(|it| it.trim_end_matches(".0")),
        Some("1")
    );
    assert_eq!(values[1..], [None, None, None, None, None]);
    assert_eq!(
        (report.examined(), report.found(), report.not_json()),
        (6, 1, 3)
    );
    assert_eq!(report.failed() + report.absent(), 2);
    let mut all = report;
    all.merge(&report);
    assert_eq!((all.examined(), all.not_json()), (12, 6));
    // A number that no float is near to: only those that need a tree mind.
    assert_eq!(
        extracted(&[r#"{"a":1e999}"#], "a").0,
        [Some("1e999".to_owned())]
    );
    assert_eq!(extracted(&[r#"{"a":1e999}"#], "[a]").1.not_json(), 1);
}

#[test]
fn flattened_documents_are_found_by_their_columns() {
    let log = "2026-01-02 03:04:05 [INFO] {\"user\":{\"id\":7}}\n";
    let mut batch = Parser::new(Format::preset("app").unwrap()).parse(log);
    let cleaner = Cleaner::new("message").prefix("doc.");
    cleaner.clean(&mut batch);
    let extractor = Extractor::new("doc").column("user", "user.id").unwrap();
    assert_eq!(extractor.extract(&mut batch).found(), 1);
    assert_eq!(batch.record(0).unwrap().get("user"), Some(&b"7"[..]));
    // Neither the one nor the other.
    let extractor = Extractor::new("nowhere").column("x", "user.id").unwrap();
    assert_eq!(extractor.extract(&mut batch), ExtractReport::default());
}

#[test]
fn of_flattened_documents_everything_is_counted() {
    let log = concat!(
        "2026-01-02 03:04:05 [INFO] {\"user\":{\"id\":7},\"items\":[1]}\n",
        "2026-01-02 03:04:06 [INFO] {\"items\":[2]}\n",
        "2026-01-02 03:04:07 [INFO] no document\n",
    );
    let mut batch = Parser::new(Format::preset("app").unwrap()).parse(log);
    Cleaner::new("message").prefix("doc.").clean(&mut batch);
    let extractor = Extractor::new("doc")
        .column("user", "user.id")
        .unwrap()
        .column("none", "user.name")
        .unwrap()
        .column("first", "items[0]")
        .unwrap();
    let report = extractor.extract(&mut batch);
    assert_eq!(report.examined(), 2);
    assert_eq!(
        (report.found(), report.absent(), report.failed()),
        (1, 3, 2)
    );
    // None that is not flattened is taken for one that is.
    let extractor = Extractor::new("do").column("x", "items[0]").unwrap();
    assert_eq!(extractor.extract(&mut batch), ExtractReport::default());
}

#[test]
fn a_number_is_its_text_where_no_tree_is_needed() {
    let text = r#"{"total":12.50,"items":[{"price":12.50}]}"#;
    assert_eq!(one(text, "total"), Some("12.50".to_owned()));
    assert_eq!(one(text, "items[0].price"), Some("12.5".to_owned()));
}

#[test]
fn errors_say_where() {
    let error = |expression: &str| {
        let error = Extractor::new("doc").column("x", expression).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidExpression);
        assert!(!error.is_retryable());
        error.to_string()
    };
    assert!(
        error("a.[").starts_with("JMESPath expression \"a.[\", byte 3: "),
        "{}",
        error("a.[")
    );
    assert!(error("a b").starts_with("JMESPath expression \"a b\", byte "));
    assert!(error("").starts_with("JMESPath expression \"\", byte 0: "));
    for deep in ["(", "!", "[", "{a:", "&"] {
        let text = error(&deep.repeat(MAX_EXPRESSION_BRANCHES + 1));
        assert!(text.contains("has more than 100"), "{text}");
    }
    let long = "a".repeat(MAX_EXPRESSION_BYTES + 1);
    assert!(error(&long).contains("is longer than 1024 bytes"));
    // As deep as allowed.
    let chain = vec!["a"; MAX_EXPRESSION_BYTES / 2].join(".");
    Extractor::new("doc").column("x", &chain).unwrap();
    let piped = format!("{}a", "a|".repeat(MAX_EXPRESSION_BYTES / 2 - 1));
    let extractor = Extractor::new("doc").column("x", &piped).unwrap();
    extractor.extract(&mut documents(&[r#"{"a":{}}"#]));
    let nested = format!("{}a{}", "(".repeat(100), ")".repeat(100));
    assert_eq!(one(r#"{"a":1}"#, &nested), Some("1".to_owned()));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-c\"\\\\\u{e9}]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec(("[a-c]", inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    /// The walk finds what JMESPath finds in the tree.
    #[test]
    fn paths_are_what_jmespath_evaluates(
        object in vec(("[a-c]", value()), 0..4),
        path in vec("[a-c]", 1..4),
    ) {
        let object = Value::Object(object.into_iter().collect());
        let path = path.join(".");
        // The same with something that is no key.
        let tree = one(&object.to_string(), &format!("{path} | @"));
        prop_assert_eq!(one(&object.to_string(), &path), tree);
    }
}
