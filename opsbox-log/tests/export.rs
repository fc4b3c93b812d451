//! What the writers write is what was in the batch: read again by serde_json and by our own parser.
#![cfg(feature = "json")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::{borrow::Cow, collections::BTreeMap, fmt::Write as _};

use opsbox_log::{
    Batch, Format, Kernel, Parser,
    export::{
        InvalidUtf8,
        cef::{Cef, Extension, Header, is_key, unescape_header, unescape_value},
        logfmt::Logfmt,
        ndjson::Ndjson,
    },
    types::Type,
};
use proptest::prelude::*;

fn kernels() -> impl Iterator<Item = Kernel> {
    Kernel::ALL.into_iter().filter(|it| it.is_available())
}

/// The rows as a batch: each byte an escape of logfmt, so that values may have any.
fn batch(rows: &[Vec<(String, Vec<u8>)>]) -> Batch<String> {
    let mut log = String::new();
    for row in rows {
        for (key, value) in row {
            write!(log, "{key}=\"").unwrap();
            for byte in value {
                write!(log, "\\x{byte:02x}").unwrap();
            }
            log += "\" ";
        }
        log += "\n";
    }
    let batch = Parser::new(Format::preset("logfmt").unwrap()).parse(log);
    assert_eq!(batch.len(), rows.len());
    batch
}

/// The values of each row that there are.
fn told<B: AsRef<[u8]>>(batch: &Batch<B>) -> Vec<BTreeMap<String, Vec<u8>>> {
    let row = |record: opsbox_log::Record<'_>| {
        let values = record.iter();
        let values =
            values.filter_map(|(field, value)| Some((field.name().to_owned(), value?.to_vec())));
        values.collect()
    };
    batch.records().map(row).collect()
}

fn parsed(preset: &str, bytes: &[u8]) -> Vec<BTreeMap<String, Vec<u8>>> {
    let batch = Parser::new(Format::preset(preset).unwrap()).parse(bytes);
    let unmatched: Vec<_> = batch.unmatched().map(|line| line.to_string()).collect();
    assert_eq!(unmatched, [""; 0]);
    told(&batch)
}

fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Bytes that mean something somewhere, text that is not ASCII, and any bytes.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[a-z0-9 ]{0,40}".prop_map(String::into_bytes),
        2 => prop::sample::select(vec![
            &b"\""[..], b"\\", b"\n", b"\r\n", b"\t", b"=", b"|", b"\\n", b" a=", b"\0", b"\x1b[0m", b"\x7f",
            b"\xff", b"\xe4\xbd", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc0\xaf", "\u{2028}\u{feff}".as_bytes(),
            "\u{4f60}\u{597d}".as_bytes(), "\u{1f600}".as_bytes(), b"-", b"{\"a\":1}", b"  ",
        ]).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..80),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn rows(key: &'static str) -> impl Strategy<Value = Vec<Vec<(String, Vec<u8>)>>> {
    let row = prop::collection::btree_map(key, value(), 1..5);
    let row = row.prop_map(|row| row.into_iter().collect());
    prop::collection::vec(row, 1..6)
}

proptest! {
    #[test]
    fn ndjson_is_what_serde_json_would_write(rows in rows("[a-z.\u{e9}'\\\\]{1,12}")) {
        let batch = batch(&rows);
        let mut expected = String::new();
        for record in batch.records() {
            let values = record.iter().filter_map(|(field, value)| {
                let key = serde_json::to_string(field.name()).unwrap();
                Some(format!("{key}:{}", serde_json::to_string(&lossy(value?)).unwrap()))
            });
            let values: Vec<_> = values.collect();
            writeln!(expected, "{{{}}}", values.join(",")).unwrap();
        }
        for kernel in kernels() {
            let mut out = b"before".to_vec();
            let written = Ndjson::new().kernel(kernel).append(&batch, &mut out);
            prop_assert_eq!(lossy(&out), format!("before{expected}"), "{}", kernel);
            prop_assert_eq!(written.rows(), rows.len() as u64);
            prop_assert_eq!(written.bytes(), expected.len() as u64);
            let broken = told(&batch);
            let broken = broken.iter().flat_map(BTreeMap::values);
            let chunks = broken.flat_map(|value| value.utf8_chunks());
            let broken = chunks.filter(|chunk| !chunk.invalid().is_empty()).count();
            prop_assert_eq!(written.replaced(), broken as u64);
        }
    }

    #[test]
    fn ndjson_is_read_again(
        rows in prop::collection::vec(prop::collection::btree_map("(a|b|\\.){1,5}|\\PC{1,6}", "\\PC{0,90}", 1..6), 1..5),
    ) {
        let mut log = String::new();
        for row in &rows {
            log += &serde_json::to_string(row).unwrap();
            log += "\n";
        }
        let parser = Parser::new(Format::preset("ndjson").unwrap());
        let batch = parser.parse(&log);
        prop_assert_eq!(batch.len(), rows.len());
        for nested in [false, true] {
            let mut out = Vec::new();
            Ndjson::new().nested(nested).append(&batch, &mut out);
            for line in out.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
                let object: serde_json::Value = serde_json::from_slice(line).unwrap();
                prop_assert!(object.is_object());
            }
            // Its paths are the names, whatever of them became objects.
            prop_assert_eq!(parsed("ndjson", &out), told(&batch), "{}", lossy(&out));
            let mut nulls = Vec::new();
            Ndjson::new().nested(nested).nulls(true).append(&batch, &mut nulls);
            prop_assert_eq!(parsed("ndjson", &nulls), told(&batch), "{}", lossy(&nulls));
        }
    }

    #[test]
    fn latin1_loses_nothing(value in value()) {
        let batch = batch(&[vec![("a".to_owned(), value.clone())]]);
        let mut out = Vec::new();
        Ndjson::new().invalid_utf8(InvalidUtf8::Latin1).append(&batch, &mut out);
        let object: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let mut expected = String::new();
        for chunk in value.utf8_chunks() {
            expected += chunk.valid();
            expected.extend(chunk.invalid().iter().map(|&byte| char::from(byte)));
        }
        prop_assert_eq!(object["a"].as_str(), Some(&*expected));
    }

    #[test]
    fn logfmt_is_read_again(rows in rows("[a-z.\u{e9}'\\\\]{1,12}")) {
        let batch = batch(&rows);
        let mut texts = told(&batch);
        for kernel in kernels() {
            let mut out = Vec::new();
            Logfmt::new().kernel(kernel).keep_bytes().append(&batch, &mut out);
            prop_assert_eq!(parsed("logfmt", &out), told(&batch), "{}", lossy(&out));
            out.clear();
            Logfmt::new().kernel(kernel).append(&batch, &mut out);
            prop_assert!(std::str::from_utf8(&out).is_ok());
            for value in texts.iter_mut().flat_map(BTreeMap::values_mut) {
                *value = lossy(value).into_owned().into_bytes();
            }
            prop_assert_eq!(parsed("logfmt", &out), texts.clone(), "{}", lossy(&out));
        }
    }

    #[test]
    fn cef_is_read_again(rows in rows("[a-z.0-9_\\[\\]-]{1,12}"), header in value()) {
        let batch = batch(&rows);
        let header_text = lossy(&header).replace(['\n', '\r'], " ");
        for kernel in kernels() {
            let cef = Cef::new(lossy(&header), "p", "1").text(Header::Name, lossy(&header));
            let cef = cef.kernel(kernel).keep_bytes();
            let mut out = Vec::new();
            cef.append(&batch, &mut out);
            let lines = Parser::new(Format::preset("cef").unwrap()).parse(&out);
            prop_assert_eq!(lines.len(), rows.len(), "{}", lossy(&out));
            for (line, row) in lines.records().zip(told(&batch)) {
                for column in ["device_vendor", "name"] {
                    let text = unescape_header(line.get(column).unwrap());
                    let expected = if header.is_empty() { "" } else { &*header_text };
                    prop_assert_eq!(lossy(&text), expected);
                }
                let mut pairs = Extension::new(line.get("extension").unwrap());
                let found: BTreeMap<_, _> = pairs
                    .by_ref()
                    .map(|(key, value)| (key.to_owned(), unescape_value(value).into_owned()))
                    .collect();
                prop_assert_eq!(pairs.rest(), b"");
                prop_assert_eq!(&found, &row, "{}", lossy(&out));
            }
        }
    }

    #[test]
    fn an_extension_is_not_lost(text in "([a-z]{0,2}[ =\\\\|n]){0,12}") {
        let mut pairs = Extension::new(text.as_bytes());
        let mut joined = Vec::new();
        for (key, value) in pairs.by_ref() {
            prop_assert!(is_key(key));
            if !joined.is_empty() {
                joined.push(b' ');
            }
            joined.extend_from_slice(key.as_bytes());
            joined.push(b'=');
            joined.extend_from_slice(value);
        }
        joined.extend_from_slice(pairs.rest());
        prop_assert_eq!(lossy(&joined), text.trim_start_matches(' '));
    }

    #[test]
    fn any_names_are_keys_of_their_own(names in prop::collection::btree_set("[ab_=|\"\u{e9} 2]{1,4}", 1..9)) {
        let row: BTreeMap<_, _> = names.iter().map(|name| (name, "v")).collect();
        let log = serde_json::to_string(&row).unwrap();
        let batch = Parser::new(Format::preset("ndjson").unwrap()).parse(log);
        let mut out = Vec::new();
        Logfmt::new().append(&batch, &mut out);
        prop_assert_eq!(parsed("logfmt", &out)[0].len(), names.len(), "{}", lossy(&out));
        out.clear();
        Cef::new("v", "p", "1").append(&batch, &mut out);
        let line = Parser::new(Format::preset("cef").unwrap()).parse(&out);
        let keys: BTreeMap<_, _> = Extension::new(line.record(0).unwrap().get("extension").unwrap()).collect();
        prop_assert_eq!(keys.len(), names.len(), "{}", lossy(&out));
    }
}

fn ndjson(options: &Ndjson, batch: &Batch<&str>) -> String {
    let mut out = Vec::new();
    options.append(batch, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn types_are_written_as_what_they_are() {
    let format =
        Format::pattern(r"(?P<n>\S*) (?P<f>\S*) (?P<b>\S*) (?P<ip>\S*) (?P<t>\S*)").unwrap();
    let format = format
        .with_type("n", Type::Integer)
        .and_then(|it| it.with_type("f", Type::Float))
        .and_then(|it| it.with_type("b", Type::Boolean))
        .and_then(|it| it.with_type("ip", Type::IpAddr))
        .unwrap();
    let batch = Parser::new(format).parse("12 -0.5e3 true ::1 -\n007 1e999 True - x\n- - - - -\n");
    let flat = ndjson(&Ndjson::new(), &batch);
    let expected = concat!(
        r#"{"n":12,"f":-0.5e3,"b":true,"ip":"::1","t":"-"}"#,
        "\n",
        r#"{"n":"007","f":"1e999","b":"True","t":"x"}"#,
        "\n",
        r#"{"t":"-"}"#,
        "\n",
    );
    assert_eq!(flat, expected);
    let nulls = ndjson(&Ndjson::new().nulls(true), &batch);
    assert_eq!(
        nulls.lines().last(),
        Some(r#"{"n":null,"f":null,"b":null,"ip":null,"t":"-"}"#)
    );
}

#[test]
fn empty_rows_and_names() {
    let parser = Parser::new(Format::preset("ndjson").unwrap());
    let batch = parser.parse("{}\n{\"\":\"\"}\n{\"a\":null}\n");
    assert_eq!(ndjson(&Ndjson::new(), &batch), "{}\n{\"\":\"\"}\n{}\n");
    let nulls = ndjson(&Ndjson::new().nulls(true), &batch);
    assert_eq!(nulls.lines().next(), Some(r#"{"":null,"a":null}"#));
    let mut out = Vec::new();
    Logfmt::new().append(&batch, &mut out);
    assert_eq!(out, b"\n_=\n\n");
}

#[test]
fn objects_are_opened_once_and_never_empty() {
    let log = concat!(
        r#"{"a":{"x":"1","b":{"y":"2"}},"c":"3","d.e":"4"}"#,
        "\n",
        r#"{"c":"5","a":{"b":{"z":"6"}}}"#,
        "\n",
        r#"{"d":"7"}"#,
        "\n",
    );
    let batch = Parser::new(Format::preset("ndjson").unwrap()).parse(log);
    let expected = concat!(
        r#"{"a":{"x":"1","b":{"y":"2"}},"c":"3","d.e":"4"}"#,
        "\n",
        r#"{"a":{"b":{"z":"6"}},"c":"5"}"#,
        "\n",
        r#"{"d":"7"}"#,
        "\n",
    );
    assert_eq!(ndjson(&Ndjson::new().nested(true), &batch), expected);
}

#[test]
fn json_columns_are_checked() {
    let log = concat!(
        "{\"a\":[1, {\"b\":\"\\ud83d\\ude00\"}],\"s\":\"[1,\"}\n",
        "{\"a\":\"12\",\"s\":\"[1,\\n2]\"}\n",
    );
    let batch = Parser::new(Format::preset("ndjson").unwrap()).parse(log);
    let mut out = Vec::new();
    let written = Ndjson::new()
        .json_columns(["a", "s"])
        .append(&batch, &mut out);
    let expected = concat!(
        r#"{"a":[1, {"b":"\ud83d\ude00"}],"s":"[1,"}"#,
        "\n",
        r#"{"a":12,"s":[1, 2]}"#,
        "\n",
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    assert_eq!(written.not_json(), 1);
}

#[test]
fn rows_that_there_are_not_are_left_out() {
    let batch = Parser::new(Format::preset("logfmt").unwrap()).parse("a=1\na=2\na=3\n");
    let mut out = Vec::new();
    assert_eq!(Ndjson::new().append_rows(&batch, 1..9, &mut out).rows(), 2);
    assert_eq!(Ndjson::new().append_rows(&batch, 7..9, &mut out).rows(), 0);
    assert_eq!(out, b"{\"a\":\"2\"}\n{\"a\":\"3\"}\n");
    // A writer gets the same, in parts.
    let log = "a=1 b=\"x y\"\n".repeat(2500);
    let batch = Parser::new(Format::preset("logfmt").unwrap()).parse(&log);
    let mut whole = Vec::new();
    Logfmt::new().append(&batch, &mut whole);
    assert_eq!(whole, log.as_bytes());
    let mut parts = Vec::new();
    let written = Logfmt::new().write(&batch, &mut parts).unwrap();
    assert_eq!((parts, written.rows()), (whole, 2500));
}

#[test]
fn cef_of_the_standard() {
    // The examples of the standard's section on character encoding.
    let log = concat!(
        r#"{"name":"detected a | in message","act":"blocked a | ","src":"10.0.0.1","severity":"10"}"#,
        "\n",
        r#"{"name":"detected a \\ in packet","act":"blocked a \\","severity":"High"}"#,
        "\n",
        r#"{"name":"detected a = in message","act":"blocked a =","severity":"eleven"}"#,
        "\n",
        r#"{"name":"Detected a threat. No action needed.","msg":"Detected a threat.\n No action needed.","severity":"ERROR"}"#,
        "\n",
    );
    let batch = Parser::new(Format::preset("ndjson").unwrap()).parse(log);
    let cef = Cef::new("security", "threatmanager", "1.0").text(Header::EventClassId, "100");
    let mut out = Vec::new();
    cef.append(&batch, &mut out);
    let expected = concat!(
        r"CEF:0|security|threatmanager|1.0|100|detected a \| in message|10|act=blocked a |  src=10.0.0.1",
        "\n",
        r"CEF:0|security|threatmanager|1.0|100|detected a \\ in packet|High|act=blocked a \\",
        "\n",
        r"CEF:0|security|threatmanager|1.0|100|detected a = in message|Unknown|act=blocked a \=",
        "\n",
        r"CEF:0|security|threatmanager|1.0|100|Detected a threat. No action needed.|8|msg=Detected a threat.\n No action needed.",
        "\n",
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn no_value_forges_a_key_or_a_line() {
    let log =
        r#"{"user":"x src=6.6.6.6\nCEF:0|a|b|c|d|e|10|","e b":"1","e_b":"2","src":"10.0.0.1"}"#;
    let batch = Parser::new(Format::preset("ndjson").unwrap()).parse(log);
    let mut out = Vec::new();
    Cef::new("v", "p", "1")
        .key("user", "suser")
        .unwrap()
        .append(&batch, &mut out);
    let line = Parser::new(Format::preset("cef").unwrap()).parse(&out);
    assert_eq!(line.line_count(), 1);
    let record = line.record(0).unwrap();
    let keys: Vec<_> = Extension::new(record.get("extension").unwrap())
        .map(|(key, _)| key)
        .collect();
    assert_eq!(keys, ["suser", "e_b_2", "e_b", "src"]);
}

#[test]
fn keys_are_refused_with_a_reason() {
    let cef = Cef::new("v", "p", "1");
    let error = cef.clone().key("a", "b c").unwrap_err().to_string();
    assert!(error.contains("\"b c\""), "{error}");
    let error = cef
        .key("a", "src")
        .and_then(|it| it.key("b", "src"))
        .unwrap_err();
    assert!(
        error.to_string().contains("another column has this key"),
        "{error}"
    );
}

#[test]
fn columns_that_were_set_are_written_in_their_place() {
    use opsbox_log::{ColumnBuilder, Field};

    // Of fixed and of found columns: dense, sparse, renamed and dropped ones.
    let log: String = (0..2_000)
        .map(|at| format!("a={at} b=x c={}\n", at % 3))
        .collect();
    let format = Format::pattern(r"a=(?P<a>\d+) b=(?P<b>\w) c=(?P<c>\d)").unwrap();
    for format in [format, Format::preset("logfmt").unwrap()] {
        for sparse in [false, true] {
            let mut batch = Parser::new(format.clone()).parse(&log);
            let mut dense = ColumnBuilder::new();
            dense.push_same(0..2_000, b"same \" value");
            let mut few = ColumnBuilder::new();
            few.push_bytes(if sparse { 1_500 } else { 10 }, b"few");
            few.push_bytes(1_999, b"last");
            let mut replaced = ColumnBuilder::new();
            replaced.push_bytes(1, b"new");
            batch
                .set_columns([
                    (Field::new("dense"), dense),
                    (Field::new("few"), few),
                    (Field::new("b"), replaced),
                ])
                .unwrap();
            batch.drop_column("c");
            batch.rename_column("a", "z").unwrap();
            let mut expected = String::new();
            for record in batch.records() {
                let values = record.iter().filter_map(|(field, value)| {
                    Some(format!(
                        "\"{}\":{}",
                        field.name(),
                        serde_json::to_string(&lossy(value?)).unwrap()
                    ))
                });
                let values: Vec<_> = values.collect();
                writeln!(expected, "{{{}}}", values.join(",")).unwrap();
            }
            assert!(expected.contains("\"few\":\"last\"") && expected.contains("\"b\":\"new\""));
            let mut out = Vec::new();
            Ndjson::new().append(&batch, &mut out);
            assert!(lossy(&out) == expected, "{}", lossy(&out));
            let mut nulls = Vec::new();
            Ndjson::new().nulls(true).append(&batch, &mut nulls);
            let without = lossy(&nulls)
                .replace(",\"b\":null", "")
                .replace(",\"few\":null", "");
            assert!(without == expected, "{without}");
            let mut text = Vec::new();
            Logfmt::new().append(&batch, &mut text);
            assert_eq!(parsed("logfmt", &text), told(&batch));
            // Some rows from the middle, and again from the beginning.
            let mut part = Vec::new();
            Ndjson::new().append_rows(&batch, 700..1_300, &mut part);
            let lines: Vec<_> = expected.lines().collect();
            assert_eq!(lossy(&part), lines[700..1_300].join("\n") + "\n");
        }
    }
}
