//! What does it cost to write a batch as NDJSON, logfmt or CEF, against the copy of as many bytes?

#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "a bench, made by criterion's macros"
)]

use std::{cell::RefCell, hint::black_box};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use opsbox_benches::{data, ratio};
use opsbox_log::{
    Batch, Column, Format, Kernel, Parser, Record,
    export::{cef::Cef, logfmt::Logfmt, ndjson::Ndjson},
    types::Type,
};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

const LINES: usize = 20_000;

/// A row as those write it who have a serializer.
struct Row<'b> {
    record: Record<'b>,
    row: usize,
    columns: &'b [Column<'b>],
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for ((field, value), column) in self.record.iter().zip(self.columns) {
            let Some(value) = value else { continue };
            let text = std::str::from_utf8(value).expect("generated text");
            if column.is_json(self.row) {
                // Digit by digit, as it was.
                let literal: &RawValue = serde_json::from_str(text).expect("JSON");
                map.serialize_entry(field.name(), literal)?;
                continue;
            }
            let number = match field.data_type() {
                Type::Integer => text.parse::<i64>().ok(),
                _ => None,
            };
            match number {
                Some(number) => map.serialize_entry(field.name(), &number)?,
                None => map.serialize_entry(field.name(), text)?,
            }
        }
        map.end()
    }
}

fn columns<'b>(batch: &'b Batch<&str>) -> Vec<Column<'b>> {
    let fields = batch.fields().iter();
    let columns = fields.map(|field| batch.column(field.name()).expect("a column"));
    columns.collect()
}

/// Writes each row as a line.
fn with(batch: &Batch<&str>, out: &mut Vec<u8>, write: impl Fn(&mut Vec<u8>, &Row<'_>)) {
    out.clear();
    let columns = columns(batch);
    for (row, record) in batch.records().enumerate() {
        let columns = &columns;
        let row = Row {
            record,
            row,
            columns,
        };
        write(out, &row);
        out.push(b'\n');
    }
}

fn with_serde_json(batch: &Batch<&str>, out: &mut Vec<u8>) {
    with(batch, out, |out, row| {
        serde_json::to_writer(out, row).expect("text");
    });
}

#[cfg(feature = "peers")]
fn with_sonic(batch: &Batch<&str>, out: &mut Vec<u8>) {
    with(batch, out, |out, row| {
        sonic_rs::to_writer(out, row).expect("text");
    });
}

fn export(criterion: &mut Criterion) {
    let access = data::access_log(LINES);
    let app = data::app_log(LINES);
    let requests = data::requests(LINES);
    for (name, log) in [("combined", &access), ("app", &app), ("ndjson", &requests)] {
        let format = Format::preset(name).expect("a preset");
        let batch = Parser::new(format).parse(log.as_str());
        let out = RefCell::new(Vec::new());
        let ours = |ndjson: &Ndjson| {
            let out = &mut *out.borrow_mut();
            out.clear();
            ndjson.append(&batch, out).bytes()
        };
        let ndjson = Ndjson::new();
        let bytes = ours(&ndjson);
        let mut group = criterion.benchmark_group(format!("export/{name}"));
        group.throughput(Throughput::Bytes(bytes)).sample_size(10);
        for kernel in Kernel::ALL.into_iter().filter(|it| it.is_available()) {
            let ndjson = ndjson.clone().kernel(kernel);
            group.bench_function(format!("NDJSON, {kernel}"), |bench| {
                bench.iter(|| ours(&ndjson));
            });
        }
        let nested = ndjson.clone().nested(true);
        group.bench_function("NDJSON, nested", |bench| bench.iter(|| ours(&nested)));
        let written = out.borrow().clone();
        group.bench_function("limit: a copy", |bench| {
            bench.iter(|| black_box(&written).clone());
        });
        let mut lines = Vec::new();
        let bytes = Logfmt::new().append(&batch, &mut lines).bytes();
        group.throughput(Throughput::Bytes(bytes));
        group.bench_function("logfmt", |bench| {
            bench.iter(|| {
                lines.clear();
                Logfmt::new().append(&batch, &mut lines)
            });
        });
        lines.clear();
        let cef = Cef::new("Example", "shop", "1.0");
        let bytes = cef.append(&batch, &mut lines).bytes();
        group.throughput(Throughput::Bytes(bytes));
        group.bench_function("CEF", |bench| {
            bench.iter(|| {
                lines.clear();
                cef.append(&batch, &mut lines)
            });
        });
        group.finish();

        let theirs = RefCell::new(Vec::new());
        with_serde_json(&batch, &mut theirs.borrow_mut());
        ours(&ndjson);
        assert!(
            *theirs.borrow() == *out.borrow(),
            "serde_json writes {name} otherwise"
        );
        let job = format!("{name} to NDJSON");
        ratio(
            &job,
            "ours",
            || ours(&ndjson),
            "serde_json",
            || with_serde_json(&batch, &mut theirs.borrow_mut()),
        );
        // It does not know serde_json's literals, which these lines have.
        #[cfg(feature = "peers")]
        if name != "ndjson" {
            ratio(
                &job,
                "ours",
                || ours(&ndjson),
                "sonic-rs",
                || with_sonic(&batch, &mut theirs.borrow_mut()),
            );
        }
    }
}

criterion_group!(benches, export);
criterion_main!(benches);
