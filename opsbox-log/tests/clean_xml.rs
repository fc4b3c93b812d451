//! XML in columns.
#![cfg(feature = "xml")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use opsbox_log::{
    Format, Parser,
    clean::{self, Cleaner, DocumentKind, Refusal},
    limits::{
        MAX_DOCUMENT_DEPTH, MAX_DOCUMENT_FIELDS, MAX_FIELD_NAME_BYTES, MAX_XML_EXPANSION,
        XML_ALLOWANCE_BYTES,
    },
    types::Type,
};
use serde_json::{Map, Value};

#[track_caller]
fn fields(text: &str) -> Vec<(String, String)> {
    let document = clean::find(text.as_bytes()).unwrap().unwrap();
    assert_eq!(document.kind(), DocumentKind::Xml, "{text}");
    let object: Map<String, Value> = serde_json::from_slice(document.json()).unwrap();
    let fields = object.into_iter();
    fields
        .map(|(name, value)| (name, value.as_str().unwrap().to_owned()))
        .collect()
}

#[track_caller]
fn has(text: &str, wanted: &[(&str, &str)]) {
    let wanted = wanted
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()));
    let mut wanted: Vec<_> = wanted.collect();
    wanted.sort();
    assert_eq!(fields(text), wanted, "{text}");
}

#[test]
fn elements_and_attributes_are_paths() {
    has(
        r#"<order id="7"><customer tier='gold'>ann</customer><total>9.50</total></order>"#,
        &[
            ("order.@id", "7"),
            ("order.customer", "ann"),
            ("order.customer.@tier", "gold"),
            ("order.total", "9.50"),
        ],
    );
    has("<a/>", &[("a", "")]);
    has("<a></a>", &[("a", "")]);
    has("<a k=''/>", &[("a.@k", "")]);
    has(
        "<a><b>1</b><c/><b>2</b><b><d>3</d></b></a>",
        &[("a.b", "1"), ("a.b.2", "2"), ("a.b.3.d", "3"), ("a.c", "")],
    );
    // The same names under another parent count anew.
    has(
        "<a><b><c>1</c></b><b><c>2</c></b></a>",
        &[("a.b.c", "1"), ("a.b.2.c", "2")],
    );
}

#[test]
fn text_is_joined_and_references_are_read() {
    has(
        "<a> one <b>two</b> three </a>",
        &[("a", "one  three"), ("a.b", "two")],
    );
    has("<a>x<![CDATA[<y> & ]]>z</a>", &[("a", "x<y> & z")]);
    has(
        "<a k='&lt;&#65;&#x42;&quot;'>&amp;&gt;&apos;&#233;</a>",
        &[("a", "&>'\u{e9}"), ("a.@k", "<AB\"")],
    );
    has("<a><!-- no --><?pi no?>yes</a>", &[("a", "yes")]);
    has(
        "<?xml version=\"1.0\"?>\n<!-- c -->\n<a>\u{20ac}</a>",
        &[("a", "\u{20ac}")],
    );
}

#[test]
fn prefixes_go_or_stay() {
    let text = r#"<s:Body xmlns:s="urn:x" s:k="1"><s:a>2</s:a></s:Body>"#;
    has(text, &[("Body.@k", "1"), ("Body.a", "2")]);
    let log = format!("2026-01-02 03:04:05 [INFO] {text}\n");
    let mut batch = Parser::new(Format::preset("app").unwrap()).parse(log);
    let report = Cleaner::new("message")
        .keep_prefixes(true)
        .clean(&mut batch);
    assert_eq!(report.xml(), 1);
    let record = batch.record(0).unwrap();
    assert_eq!(record.get("message.s:Body.s:a"), Some(&b"2"[..]));
    assert_eq!(record.get("message.s:Body.@s:k"), Some(&b"1"[..]));
}

#[test]
fn what_is_before_and_after_stays() {
    let document = clean::find(b"got <a>1</a> ok <b/>").unwrap().unwrap();
    assert_eq!(document.place(), 4..12);
    // A word in angle brackets begins no document, if nothing is closed after it.
    assert_eq!(clean::find(b"a < b <c> user <none>").unwrap(), None);
    // Bytes that are not UTF-8 behind it are none of its business.
    let document = clean::find(b"<a>1</a>\xff").unwrap().unwrap();
    assert_eq!(document.place(), 0..8);
}

#[test]
fn what_is_not_well_formed_or_could_expand_is_refused() {
    let laughs = concat!(
        "<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol1 \"&lol;&lol;&lol;&lol;\">",
        "<!ENTITY lol2 \"&lol1;&lol1;&lol1;&lol1;\">]><lolz>&lol2;</lolz>"
    );
    let deep = |count: usize| format!("{}{}", "<a>".repeat(count), "</a>".repeat(count));
    let many = |count: usize| format!("<a>{}</a>", "<b/>".repeat(count));
    for (text, reason) in [
        (laughs.to_owned(), Refusal::XmlDoctype),
        (
            format!("<?xml version=\"1.0\"?>{laughs}"),
            Refusal::XmlDoctype,
        ),
        ("<!DOCTYPE html><a/>".into(), Refusal::XmlDoctype),
        ("<a>&lol;</a>".into(), Refusal::XmlEntity),
        ("<a k='&lol;'/>".into(), Refusal::XmlEntity),
        ("<a>&#0;</a>".into(), Refusal::XmlEntity),
        ("<a>&#xd800;</a>".into(), Refusal::XmlEntity),
        ("<a><b></a></b>".into(), Refusal::XmlSyntax),
        ("<a><b>1</b>".into(), Refusal::XmlSyntax),
        ("<?xml version=\"1.0\"?>".into(), Refusal::XmlSyntax),
        (deep(MAX_DOCUMENT_DEPTH + 1), Refusal::TooDeep),
        (many(MAX_DOCUMENT_FIELDS + 1), Refusal::TooManyFields),
    ] {
        let shown: String = text.chars().take(60).collect();
        let refused = clean::find(text.as_bytes()).unwrap_err();
        assert_eq!(refused.reason, reason, "{shown}");
    }
    assert!(
        clean::find(deep(MAX_DOCUMENT_DEPTH).as_bytes())
            .unwrap()
            .is_some()
    );
    assert!(
        clean::find(many(MAX_DOCUMENT_FIELDS - 1).as_bytes())
            .unwrap()
            .is_some()
    );
    // Paths that are too long together.
    let path = (0..20)
        .map(|_| format!("<{}>", "p".repeat(100)))
        .collect::<String>();
    assert!(path.len() > MAX_FIELD_NAME_BYTES);
    let refused = clean::find(path.as_bytes()).unwrap_err();
    assert_eq!(refused.reason, Refusal::NameTooLong);
}

#[test]
fn a_billion_laughs_in_a_log_are_counted() {
    let line = concat!(
        "2026-01-02 03:04:05 [INFO] <!DOCTYPE lolz [<!ENTITY lol \"lol\">",
        "<!ENTITY lol1 \"&lol;&lol;\">]><lolz>&lol1;</lolz>\n"
    );
    let log = line.repeat(1000);
    let mut batch = Parser::new(Format::preset("app").unwrap()).parse(log);
    let report = Cleaner::new("message").clean(&mut batch);
    assert_eq!(
        report.refusals().collect::<Vec<_>>(),
        [(Refusal::XmlDoctype, 1000)]
    );
    assert_eq!(batch.arena().len(), 0);
    // Nothing is lost.
    let message = batch.record(0).unwrap().get("message").unwrap();
    assert!(message.ends_with(b"</lolz>"));
}

#[test]
fn long_names_above_many_elements_do_not_expand() {
    let long = "L".repeat(1000);
    let text = |count: usize| format!("<a><{long}>{}</{long}></a>", "<b/>".repeat(count));
    let hostile = text(MAX_DOCUMENT_FIELDS - 1);
    let refused = clean::find(hostile.as_bytes()).unwrap_err();
    assert_eq!(refused.reason, Refusal::Expansion);
    let log = format!("2026-01-02 03:04:05 [INFO] {hostile}\n").repeat(10);
    let mut batch = Parser::new(Format::preset("app").unwrap()).parse(log);
    let report = Cleaner::new("message").clean(&mut batch);
    assert_eq!(
        report.refusals().collect::<Vec<_>>(),
        [(Refusal::Expansion, 10)]
    );
    assert_eq!(batch.arena().len(), 0);
    // Few of them are fine, and their text is within the limit.
    let few = text(64);
    let document = clean::find(few.as_bytes()).unwrap().unwrap();
    assert!(document.json().len() > 64 * 1000);
    assert!(document.json().len() <= MAX_XML_EXPANSION * few.len() + XML_ALLOWANCE_BYTES + 1);
}

#[test]
fn the_arena_has_values_and_no_keys() {
    let text = r#"<order id="7"><note>a"b</note><note/><total>4.2e1</total><n> x </n></order>"#;
    let log = format!("2026-01-02 03:04:05 [INFO] {text}\n").repeat(2);
    let mut batch = Parser::new(Format::preset("app").unwrap()).parse(log);
    let cleaner = Cleaner::new("message").field("order.total", Type::Integer);
    assert_eq!(cleaner.clean(&mut batch).xml(), 2);
    for record in batch.records() {
        for (name, value) in [
            ("order.@id", "7"),
            ("order.note", "a\"b"),
            ("order.note.2", ""),
            ("order.total", "42"),
            ("order.n", "x"),
        ] {
            let value = Some(value.as_bytes());
            assert_eq!(record.get(&format!("message.{name}")), value, "{name}");
        }
    }
    // In the order of the text what is there as it is, then what was written.
    assert_eq!(batch.arena(), "7xa\"b42".repeat(2).as_bytes());
}
