//! What is found, repaired and refused.

use super::*;

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
fn what_was_escaped_before_changes_nothing() {
    let messages = [
        r#"body="{\"a\":[1],\"b\":1}""#,
        r#"body="{\"a\":["x"],\"b\":1}""#,
        r#"body="{\"a\":[\"x\"],\"b\":1}""#,
    ];
    let cleaner = Cleaner::new("message");
    cleaned(&cleaner, &messages[..1]);
    for message in messages {
        let (before, report) = cleaned(&cleaner, &[message]);
        let (fresh, wanted) = cleaned(&Cleaner::new("message"), &[message]);
        assert_eq!(row(&before), row(&fresh), "{message}");
        assert_eq!(format!("{report:?}"), format!("{wanted:?}"), "{message}");
    }
}
