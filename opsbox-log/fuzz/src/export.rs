//! Batches as NDJSON, logfmt and CEF: read again, they are what they were.

use std::{borrow::Cow, collections::BTreeMap, sync::OnceLock};

use opsbox_log::{
    Batch, Format, Kernel, Parser, Record,
    export::{
        InvalidUtf8,
        cef::{Cef, Extension, unescape_header, unescape_value},
        logfmt::Logfmt,
        ndjson::Ndjson,
    },
    types::Type,
};

use super::{input::Input, scan};

fn formats() -> &'static [Format] {
    static FORMATS: OnceLock<Vec<Format>> = OnceLock::new();
    FORMATS.get_or_init(|| {
        let typed =
            Format::pattern("(?P<n>[^|]*)(?:\\|(?P<b>[^|]*))?(?:\\|(?P<message>.*))?").unwrap();
        let typed = typed
            .with_type("n", Type::Float)
            .and_then(|it| it.with_type("b", Type::Boolean));
        let mut formats = vec![
            // Any bytes, cut at any place: inside a character too.
            Format::pattern(r"(?P<a>.{0,12}?)\|(?P<b>.{13})(?P<c>.*)|(?P<c[or]>[^|]*)").unwrap(),
            typed.unwrap(),
        ];
        formats.extend_from_slice(scan::formats());
        formats
    })
}

type Row = BTreeMap<String, Vec<u8>>;

fn row(record: &Record<'_>) -> Row {
    let values = record.iter();
    values
        .filter_map(|(field, value)| Some((field.name().to_owned(), value?.to_vec())))
        .collect()
}

fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn parsed<'o>(preset: &str, out: &'o [u8]) -> Batch<&'o [u8]> {
    Parser::new(Format::preset(preset).unwrap()).parse(out)
}

pub fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let (format, size) = input.one_of_and_size(formats());
    let options = input.byte();
    let log = input.log(scan::examples(), size);
    let batch = Parser::new(format.clone()).parse(log);
    let kernels: Vec<_> = Kernel::ALL
        .into_iter()
        .filter(|it| it.is_available())
        .collect();
    ndjson(&batch, options, &kernels);
    logfmt(&batch, &kernels);
    cef(&batch, &kernels);
}

/// What every kernel writes.
fn same(kernels: &[Kernel], write: impl Fn(Kernel, &mut Vec<u8>)) -> Vec<u8> {
    let outs: Vec<_> = kernels
        .iter()
        .map(|&kernel| {
            let mut out = Vec::new();
            write(kernel, &mut out);
            out
        })
        .collect();
    assert!(
        outs.windows(2).all(|pair| pair[0] == pair[1]),
        "kernels differ"
    );
    outs.into_iter().next().unwrap()
}

fn ndjson(batch: &Batch<Vec<u8>>, options: u8, kernels: &[Kernel]) {
    let on = |bit: u8| options & 1 << bit != 0;
    let latin1 = on(3);
    let ndjson = Ndjson::new().nested(on(0)).nulls(on(1)).infer(on(2));
    let ndjson = match latin1 {
        true => ndjson.invalid_utf8(InvalidUtf8::Latin1),
        false => ndjson,
    };
    let ndjson = match on(4) {
        true => ndjson.json_columns(batch.fields().iter().map(|field| field.name())),
        false => ndjson,
    };
    let out = same(kernels, |kernel, out| {
        let written = ndjson.clone().kernel(kernel).append(batch, out);
        assert_eq!(
            (written.rows(), written.bytes()),
            (batch.len() as u64, out.len() as u64)
        );
    });
    let lines: Vec<_> = out.split_inclusive(|&byte| byte == b'\n').collect();
    assert_eq!(lines.len(), batch.len());
    for line in &lines {
        assert!(line.ends_with(b"}\n"));
        let object: serde_json::Value = serde_json::from_slice(line).unwrap();
        assert!(object.is_object());
    }
    // As JSON a value may be what has paths of its own, and as Latin-1 it is another text. Objects that are too deep for
    // columns have paths again at another depth, and line endings between the parts of an array become spaces.
    let mut columns = batch.columns();
    let changes = columns.any(|column| {
        let mut values = column.iter().enumerate();
        values.any(|(row, value)| {
            let value = value.unwrap_or_default();
            let is_deep = value.starts_with(b"{") && value.contains(&b':');
            column.is_json(row) && (is_deep || value.contains(&b'\r') || value.contains(&b'\n'))
        })
    });
    if on(4) || latin1 || changes {
        return;
    }
    let again = parsed("ndjson", &out);
    assert_eq!(again.len(), batch.len(), "{}", lossy(&out));
    for (record, again) in batch.records().zip(again.records()) {
        let expected = record.iter().filter_map(|(field, value)| {
            let value = value?;
            let text = matches!(field.data_type(), Type::Text | Type::Category);
            let is_null = value == b"-" && !text;
            (!is_null).then(|| {
                (
                    field.name().to_owned(),
                    lossy(value).into_owned().into_bytes(),
                )
            })
        });
        assert_eq!(row(&again), expected.collect::<Row>(), "{}", lossy(&out));
    }
}

fn sorted(mut values: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    values.sort_unstable();
    values
}

fn logfmt(batch: &Batch<Vec<u8>>, kernels: &[Kernel]) {
    let out = same(kernels, |kernel, out| {
        Logfmt::new().kernel(kernel).keep_bytes().append(batch, out);
    });
    let again = parsed("logfmt", &out);
    assert_eq!(again.line_count(), batch.len());
    // A row without values is an empty line, which is no logfmt.
    let rows = batch
        .records()
        .map(|record| row(&record))
        .filter(|row| !row.is_empty());
    let mut records = again.records();
    for expected in rows {
        let found = row(&records.next().unwrap());
        assert_eq!(
            sorted(found.into_values().collect()),
            sorted(expected.into_values().collect()),
            "{}",
            lossy(&out)
        );
    }
    assert!(records.next().is_none());
}

fn cef(batch: &Batch<Vec<u8>>, kernels: &[Kernel]) {
    let cef = Cef::new("a|b", "c\\d", "\n");
    let out = same(kernels, |kernel, out| {
        cef.clone().kernel(kernel).keep_bytes().append(batch, out);
    });
    let again = parsed("cef", &out);
    assert_eq!(again.len(), batch.len(), "{}", lossy(&out));
    let header = [
        "device_vendor",
        "device_product",
        "device_version",
        "device_event_class_id",
        "name",
        "severity",
    ];
    for (record, again) in batch.records().zip(again.records()) {
        let in_header = |column: &str, text: &[u8]| {
            let own = record.get(column).filter(|value| !value.is_empty());
            let expected: Vec<u8> = own
                .unwrap_or(text)
                .iter()
                .map(|byte| match byte {
                    b'\n' | b'\r' => b' ',
                    byte => *byte,
                })
                .collect();
            let found = unescape_header(again.get(column).unwrap()).into_owned();
            assert_eq!(lossy(&found), lossy(&expected), "{column}");
        };
        in_header("device_vendor", b"a|b");
        in_header("device_product", b"c\\d");
        in_header("device_version", b" ");
        in_header("name", b"log");
        let expected = row(&record)
            .into_iter()
            .filter(|(name, _)| !header.contains(&&**name));
        let mut pairs = Extension::new(again.get("extension").unwrap());
        let found: Vec<_> = pairs
            .by_ref()
            .map(|(_, value)| unescape_value(value).into_owned())
            .collect();
        assert_eq!(pairs.rest(), b"");
        assert_eq!(
            sorted(found),
            sorted(expected.map(|(_, value)| value).collect()),
            "{}",
            lossy(&out)
        );
    }
}
