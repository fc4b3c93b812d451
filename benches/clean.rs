//! What do documents inside of messages cost: their heads parsed, the JSON and XML found, checked,
//! repaired, and their values put into columns with types?

#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "a bench, made by criterion's macros"
)]

use std::{cell::RefCell, hint::black_box};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use opsbox_benches::{data, measuring, ratio};
use opsbox_log::{
    BatchMemory, Format, Kernel, Parser,
    clean::{CleanReport, Cleaner},
    types::Type,
};
use simd_json::{Buffers, Tape, fill_tape};

fn lines() -> usize {
    if measuring() { 50_000 } else { 500 }
}

/// Bytes of a batch.
const PART: usize = 512 << 10;

fn cleaner() -> Cleaner {
    Cleaner::new("message")
        .field("user.id", Type::Integer)
        .field("amount", Type::Float)
        .field("items", Type::Integer)
        .field("status", Type::Integer)
        .field("duration_ms", Type::Float)
        .field("before", Type::Integer)
        .field("after", Type::Integer)
        .field("warehouse.open", Type::Boolean)
        .field("retry", Type::Integer)
}

/// Parses and cleans batch by batch, as a reader's batches come.
fn clean(
    parser: &Parser,
    cleaner: Option<&Cleaner>,
    log: &str,
    memory: &RefCell<BatchMemory>,
) -> CleanReport {
    let memory = &mut *memory.borrow_mut();
    let mut rest = log.as_bytes();
    let mut report = CleanReport::default();
    while !rest.is_empty() {
        let near = rest.get(..PART).unwrap_or(rest);
        let end = memchr::memrchr(b'\n', near).map_or(rest.len(), |end| end + 1);
        let (lines, next) = rest.split_at(end);
        let mut batch = parser.parse_in(lines, memory);
        if let Some(cleaner) = cleaner {
            report.merge(&cleaner.clean_in(&mut batch, memory));
        }
        black_box(&batch);
        batch.recycle(memory);
        rest = next;
    }
    report
}

/// What simd-json's tape costs on the JSON alone, with nothing found, unescaped or put anywhere.
fn tapes(documents: &[&str]) -> usize {
    let mut copy = Vec::new();
    let mut buffers = Buffers::new(1024);
    let mut tape = Tape(Vec::new());
    let mut nodes = 0;
    for document in documents {
        copy.clear();
        copy.extend_from_slice(document.as_bytes());
        let mut used = tape.reset();
        fill_tape(&mut copy, &mut buffers, &mut used).expect("JSON");
        nodes += used.0.len();
        tape = used.reset();
    }
    nodes
}

fn documents(criterion: &mut Criterion) {
    let log = data::documents(lines());
    let parser = Parser::new(Format::preset("app").expect("a preset"));
    let cleaner = cleaner();
    let memory = RefCell::default();
    let report = clean(&parser, Some(&cleaner), &log, &memory);
    let lines = lines() as u64;
    assert_eq!(report.examined(), lines);
    assert_eq!(
        (report.refused(), report.unfit(), report.left_out()),
        (0, 0, 0)
    );
    let share = |count: u64| (count * 100).div_ceil(lines);
    assert!((33..=37).contains(&share(report.json())), "{report:?}");
    assert!((10..=14).contains(&share(report.repaired())), "{report:?}");
    assert!((3..=6).contains(&share(report.xml())), "{report:?}");

    let mut group = criterion.benchmark_group("clean/documents");
    group
        .throughput(Throughput::Bytes(log.len() as u64))
        .sample_size(10);
    for kernel in Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_available())
    {
        let (parser, cleaner) = (
            parser.clone().kernel(kernel),
            cleaner.clone().kernel(kernel),
        );
        group.bench_function(format!("head and columns, {kernel}"), |bench| {
            bench.iter(|| clean(&parser, Some(&cleaner), &log, &memory));
        });
    }
    group.bench_function("head alone", |bench| {
        bench.iter(|| clean(&parser, None, &log, &memory));
    });
    let raw: Vec<_> = log
        .lines()
        .filter_map(|line| Some(line.split_once("payload=")?.1))
        .collect();
    group.bench_function("simd-json's tapes of the raw JSON alone", |bench| {
        bench.iter(|| tapes(&raw));
    });
    group.finish();

    let ours = || clean(&parser, Some(&cleaner), &log, &memory);
    ratio(
        "documents to columns",
        "head, repair and columns",
        ours,
        "simd-json's tapes of the raw JSON alone",
        || tapes(&raw),
    );
    #[cfg(feature = "peers")]
    {
        use bytes::Bytes;
        use opsbox_benches::peers::Vrl;

        let vrl = Vrl::documents().expect("a program");
        let log = Bytes::from(log.clone());
        let found = vrl.objects(&log) as u64;
        assert_eq!(
            found,
            report.json() + report.repaired(),
            "the same documents"
        );
        ratio(
            "documents to columns",
            "head, repair and columns",
            ours,
            "VRL's parse_regex and parse_json",
            || vrl.count(&log),
        );
    }
}

criterion_group!(benches, documents);
criterion_main!(benches);
