//! How fast do lines become columns, and how far is that from what the memory allows?

#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "a bench, made by criterion's macros"
)]

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use opsbox_benches::{data, ratio};
use opsbox_log::{Format, Parser, export::arrow::record_batch};

const LINES: usize = 20_000;

fn parser(preset: &str) -> Parser {
    Parser::new(Format::preset(preset).expect("a preset"))
}

/// The least that any parser has to do: find the lines.
fn newlines(log: &[u8]) -> Vec<usize> {
    memchr::memchr_iter(b'\n', log).collect()
}

fn tokenize(criterion: &mut Criterion) {
    let access = data::access_log(LINES);
    let json = data::ndjson(LINES);
    let combined = parser("combined");
    let ndjson = parser("ndjson");

    let mut group = criterion.benchmark_group("tokenize/combined");
    group
        .throughput(Throughput::Bytes(access.len() as u64))
        .sample_size(10);
    group.bench_function("spans", |bench| {
        bench.iter(|| combined.parse(&access).len());
    });
    let shared = Bytes::from(access.clone().into_bytes());
    group.bench_function("arrow views", |bench| {
        bench.iter(|| record_batch(&combined.parse(shared.clone())).map(|batch| batch.num_rows()));
    });
    group.bench_function("limit: newline index", |bench| {
        bench.iter(|| newlines(access.as_bytes()));
    });
    group.finish();

    let mut group = criterion.benchmark_group("tokenize/ndjson");
    group
        .throughput(Throughput::Bytes(json.len() as u64))
        .sample_size(10);
    group.bench_function("spans", |bench| bench.iter(|| ndjson.parse(&json).len()));
    group.finish();

    let ours = || combined.parse(&access).len();
    ratio(
        "combined log to spans",
        "ours",
        ours,
        "the newline index",
        || newlines(access.as_bytes()),
    );

    #[cfg(feature = "peers")]
    peers(&access, &json);
}

#[cfg(feature = "peers")]
fn peers(access: &str, json: &str) {
    let combined = parser("combined");
    let pattern = combined.format().regex().expect("a pattern");
    let regex =
        regex::bytes::Regex::new(&format!("(?-u)^(?:{pattern})$")).expect("the same syntax");
    let by_regex = || {
        let mut captures = regex.capture_locations();
        let lines = access.lines().filter(|line| {
            regex
                .captures_read(&mut captures, line.as_bytes())
                .is_some()
        });
        lines.count()
    };
    assert_eq!(by_regex(), combined.parse(access).len());
    ratio(
        "combined log",
        "ours",
        || combined.parse(access).len(),
        "the crate regex",
        by_regex,
    );

    let ndjson = parser("ndjson");
    let by_serde = || {
        json.lines()
            .filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
            .count()
    };
    assert_eq!(by_serde(), ndjson.parse(json).len());
    ratio(
        "ndjson",
        "ours",
        || ndjson.parse(json).len(),
        "serde_json::Value",
        by_serde,
    );
}

criterion_group!(benches, tokenize);
criterion_main!(benches);
