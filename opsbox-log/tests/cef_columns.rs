//! The pairs of CEF extensions as columns: what was written comes back, and nothing is lost.
#![cfg(feature = "json")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "common/linear.rs"]
mod linear;

use std::{collections::BTreeMap, fmt::Write as _};

use opsbox_log::{
    Batch, Format, Parser,
    export::cef::{Cef, ExtensionColumns, Header},
    limits::MAX_DISCOVERED_FIELDS,
};
use proptest::prelude::*;

type Row = BTreeMap<String, Vec<u8>>;

/// The rows as a batch: each byte an escape of logfmt, so that values may have any.
fn batch(rows: &[Row]) -> Batch<String> {
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
    Parser::new(Format::preset("logfmt").unwrap()).parse(log)
}

fn told<B: AsRef<[u8]>>(batch: &Batch<B>) -> Vec<Row> {
    let rows = batch.records().map(|record| {
        let values = record.iter();
        let values =
            values.filter_map(|(field, value)| Some((field.name().to_owned(), value?.to_vec())));
        values.collect()
    });
    rows.collect()
}

fn read(lines: &[u8]) -> Batch<Vec<u8>> {
    let batch = Parser::new(Format::preset("cef").unwrap()).parse(lines.to_vec());
    assert_eq!(batch.unmatched().len(), 0);
    batch
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => "[a-z0-9 ]{0,12}".prop_map(String::into_bytes),
        2 => prop::sample::select(vec![
            &b"="[..], b"\\", b"|", b"\n", b"\r", b" a=", b"\\=", b"\\n", b"\xff", b"  ", "\u{e9}".as_bytes(),
            b"CEF:0|", b"\0",
        ]).prop_map(<[u8]>::to_vec),
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_was_written_comes_back(
        rows in prop::collection::vec(prop::collection::btree_map("[a-z.0-9_\\[\\]-]{1,8}", value(), 1..6), 1..6),
        header in value(),
        prefixed: bool,
    ) {
        let written = batch(&rows);
        prop_assume!(written.len() == rows.len());
        let mut out = Vec::new();
        let cef = Cef::new("v|v\\", "p", "1").text(Header::Name, String::from_utf8_lossy(&header));
        cef.keep_bytes().append(&written, &mut out);
        let mut again = read(&out);
        let taken: Vec<_> = again.fields().iter().map(|field| field.name().to_owned()).collect();
        let prefix = if prefixed { "x." } else { "" };
        let report = ExtensionColumns::new().prefix(prefix).apply(&mut again).unwrap();
        let pairs: usize = rows.iter().map(BTreeMap::len).sum();
        prop_assert_eq!((report.pairs(), report.left_out(), report.unread()), (pairs as u64, 0, 0));
        let header = String::from_utf8_lossy(&header).replace(['\n', '\r'], " ");
        for (mut found, row) in told(&again).into_iter().zip(told(&written)) {
            prop_assert_eq!(found.remove("device_vendor"), Some(b"v|v\\".to_vec()));
            prop_assert_eq!(found.remove("name"), Some(header.clone().into_bytes()));
            for name in &taken {
                found.remove(name);
            }
            let expected: Row = row.into_iter().map(|(key, value)| {
                let mut name = format!("{prefix}{key}");
                while taken.contains(&name) {
                    name.push('_');
                }
                (name, value)
            }).collect();
            prop_assert_eq!(found, expected, "{}", String::from_utf8_lossy(&out));
        }
    }

    #[test]
    fn any_extension_is_somewhere(text in "([a-z]{0,2}[ =\\\\|n]){0,12}") {
        let line = format!("CEF:0|v|p|1|c|n|3|{text}");
        let mut batch = read(line.as_bytes());
        let before = told(&batch);
        let report = ExtensionColumns::new().keep_extension(true).apply(&mut batch).unwrap();
        prop_assert_eq!(batch.column("extension").unwrap().get(0), before[0].get("extension").map(Vec::as_slice));
        let mut batch = read(line.as_bytes());
        let again = ExtensionColumns::new().apply(&mut batch).unwrap();
        prop_assert_eq!(report, again);
        let rest = batch.column("extension").and_then(|column| column.get(0));
        prop_assert_eq!(rest.is_some(), report.unread() > 0, "{:?}", batch.column("extension"));
    }
}

#[test]
fn of_equal_keys_the_last_counts_and_names_that_are_taken_get_a_mark() {
    let lines = concat!(
        "CEF:0|v|p|1|c|n|3|a=1 name=x a=2 extension=e name_=y\n",
        "CEF:0|v|p|1|c|n\\|m|3|no pairs here\n",
        "CEF:0|v|p|1|c|n|3|\n",
    );
    let mut batch = read(lines.as_bytes());
    let report = ExtensionColumns::new().apply(&mut batch).unwrap();
    assert_eq!(
        (report.examined(), report.pairs(), report.unread()),
        (3, 5, 1)
    );
    let rows = told(&batch);
    let of = |row: usize, name: &str| rows[row].get(name).map(|it| String::from_utf8_lossy(it));
    assert_eq!(of(0, "a").as_deref(), Some("2"));
    assert_eq!(of(0, "name").as_deref(), Some("n"));
    assert_eq!(of(0, "name_").as_deref(), Some("x"));
    assert_eq!(of(0, "name__").as_deref(), Some("y"));
    assert_eq!(of(0, "extension_").as_deref(), Some("e"));
    assert_eq!(of(0, "extension"), None);
    assert_eq!(of(1, "name").as_deref(), Some("n|m"));
    assert_eq!(of(1, "extension").as_deref(), Some("no pairs here"));
    // Nothing else than a batch of CEF is changed.
    let mut other = Parser::new(Format::preset("logfmt").unwrap()).parse("a=1\n");
    assert_eq!(
        ExtensionColumns::new()
            .apply(&mut other)
            .unwrap()
            .examined(),
        0
    );
    assert_eq!(other.fields().len(), 1);
}

#[test]
fn pairs_without_room_for_a_column_stay() {
    let pairs: Vec<_> = (0..MAX_DISCOVERED_FIELDS + 2)
        .map(|at| format!("k{at}=v\\={at}"))
        .collect();
    let line = format!(
        "CEF:0|v|p|1|c|n|3|{} {}=long",
        pairs.join(" "),
        "k".repeat(2000)
    );
    let mut batch = read(line.as_bytes());
    let report = ExtensionColumns::new().apply(&mut batch).unwrap();
    assert_eq!(
        (report.pairs(), report.left_out()),
        (MAX_DISCOVERED_FIELDS as u64, 3)
    );
    let rest = batch.column("extension").unwrap().get(0).unwrap();
    let expected = format!(
        "{} {}=long",
        pairs[MAX_DISCOVERED_FIELDS..].join(" "),
        "k".repeat(2000)
    );
    assert_eq!(String::from_utf8_lossy(rest), expected);
}

#[cfg(all(feature = "pipeline", feature = "config"))]
#[test]
fn a_pipeline_file_names_it() {
    use opsbox_log::{config::Language, pipeline::PipelineConfig};

    let file = "[input]\npreset = \"cef\"\n[cef]\nprefix = \"x.\"\n";
    let config = PipelineConfig::parse("p.toml", file, Language::Toml, &BTreeMap::new()).unwrap();
    let mut out = Vec::new();
    let log = &b"CEF:0|v|p|1|c|n|3|src=10.0.0.1 msg=a\\=b\n"[..];
    let report = config.build(None).unwrap().run(log, &mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    assert!(
        out.contains(r#""x.src":"10.0.0.1","x.msg":"a=b"}"#),
        "{out}"
    );
    assert_eq!(report.stages()[0].counts().get("pairs"), 2);
}

/// A new key is not compared with each column that there is.
#[test]
fn many_keys_take_time_in_proportion() {
    let log = |keys: usize| {
        let mut log = String::from("CEF:0|Vendor|Box|1.0|7|seen|3|");
        for key in 0..keys {
            write!(log, "k{key:04}=x ").unwrap();
        }
        log
    };
    let columns = |log: &str| {
        let mut batch = Parser::new(Format::preset("cef").unwrap()).parse(log);
        ExtensionColumns::new().apply(&mut batch).unwrap()
    };
    let (few, many) = (log(120), log(960));
    assert_eq!(columns(&many).pairs(), 960);
    linear::assert_linear(
        "keys",
        || assert_eq!(columns(&few).pairs(), 120),
        || assert_eq!(columns(&many).pairs(), 960),
    );
}
