//! What do seven keys of NDJSON lines cost, against a parse of the lines and against a look at their
//! newlines?

#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "a bench, made by criterion's macros"
)]

use std::{cell::RefCell, hint::black_box};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use opsbox_benches::{data, ratio};
use opsbox_log::{
    Batch, BatchMemory, Format, Kernel, Parser, Span,
    types::{parse_float, parse_integer},
};
use simd_json::{Buffers, Tape, fill_tape};

const LINES: usize = 50_000;

const KEYS: [&str; 7] = [
    "time",
    "level",
    "service",
    "message",
    "duration_ms",
    "http.method",
    "http.status",
];

fn parser() -> Parser {
    let format = Format::preset("ndjson").and_then(|format| format.select(KEYS));
    Parser::new(format.expect("a preset and keys"))
}

/// Where the nodes of each line are, with all memory kept from line to line.
fn tapes(log: &str) -> usize {
    let mut copy = Vec::new();
    let mut buffers = Buffers::new(1024);
    let mut tape = Tape(Vec::new());
    let mut nodes = 0;
    for line in log.lines() {
        copy.clear();
        copy.extend_from_slice(line.as_bytes());
        let mut used = tape.reset();
        fill_tape(&mut copy, &mut buffers, &mut used).expect("JSON");
        nodes += used.0.len();
        tape = used.reset();
    }
    nodes
}

/// Parses into memory that is used again, as the tapes do.
fn spans(parser: &Parser, log: &str, memory: &RefCell<BatchMemory>) -> usize {
    let memory = &mut *memory.borrow_mut();
    let batch = parser.parse_in(log, memory);
    let rows = batch.len();
    batch.recycle(memory);
    rows
}

/// Bytes of a batch whose values are used before the next one is parsed: so much is still near then.
const PART: usize = 512 << 10;

/// Reads the values of some lines at a time, as those that parse line by line do.
fn values(parser: &Parser, log: &str, memory: &RefCell<BatchMemory>) -> usize {
    let memory = &mut *memory.borrow_mut();
    let (mut rest, mut count) = (log.as_bytes(), 0);
    while !rest.is_empty() {
        let near = rest.get(..PART).unwrap_or(rest);
        let end = memchr::memrchr(b'\n', near).map_or(rest.len(), |end| end + 1);
        let (lines, next) = rest.split_at(end);
        let batch = parser.parse_in(lines, memory);
        count += requests(&batch);
        batch.recycle(memory);
        rest = next;
    }
    count
}

fn newlines(log: &str) -> Vec<usize> {
    memchr::memchr_iter(b'\n', log.as_bytes()).collect()
}

/// The values as a program has them: checked text and numbers.
#[derive(Default)]
struct Request<'b> {
    time: Option<&'b str>,
    level: Option<&'b str>,
    service: Option<&'b str>,
    message: Option<&'b str>,
    duration_ms: Option<f64>,
    method: Option<&'b str>,
    status: Option<u16>,
}

/// Passes each request on, and counts them.
fn requests<B: AsRef<[u8]>>(batch: &Batch<B>) -> usize {
    // Both are checked once, not value by value.
    let input = batch.input_str().expect("generated text");
    let arena = batch.arena_str().expect("generated text");
    let requests = batch.records().map(|record| {
        let text = |field| match record.span_at(field)? {
            Span::Input(range) => input.get(range),
            Span::Arena(range) => arena.get(range),
            _ => None,
        };
        let bytes = |field| record.get_at(field);
        Request {
            time: text(0),
            level: text(1),
            service: text(2),
            message: text(3),
            duration_ms: bytes(4).and_then(|value| parse_float(value).ok()),
            method: text(5),
            status: bytes(6).and_then(|value| parse_integer(value).ok()?.try_into().ok()),
        }
    });
    requests
        .filter(|request| {
            let request = black_box(request);
            let texts = [
                request.time,
                request.level,
                request.service,
                request.message,
                request.method,
            ];
            texts.iter().all(Option::is_some)
                && request.duration_ms.is_some()
                && request.status.is_some()
        })
        .count()
}

fn ndjson(criterion: &mut Criterion) {
    let log = data::requests(LINES);
    let parser = parser();
    let memory = RefCell::default();
    assert_eq!(values(&parser, &log, &memory), LINES);

    let mut group = criterion.benchmark_group("ndjson/seven keys");
    group
        .throughput(Throughput::Bytes(log.len() as u64))
        .sample_size(10);
    for kernel in Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_available())
    {
        let parser = parser.clone().kernel(kernel);
        group.bench_function(format!("spans, {kernel}"), |bench| {
            bench.iter(|| spans(&parser, &log, &memory));
        });
    }
    group.bench_function("typed", |bench| {
        bench.iter(|| values(&parser, &log, &memory));
    });
    let strict = parser.clone().strict(true);
    group.bench_function("spans, strict", |bench| {
        bench.iter(|| spans(&strict, &log, &memory));
    });
    group.bench_function("simd-json's tapes", |bench| bench.iter(|| tapes(&log)));
    group.bench_function("limit: newline index", |bench| {
        bench.iter(|| newlines(&log));
    });
    group.finish();

    let spans = || spans(&parser, &log, &memory);
    let typed = || values(&parser, &log, &memory);
    let tapes = || tapes(&log);
    ratio(
        "seven keys to spans",
        "ours",
        spans,
        "simd-json's tape",
        tapes,
    );
    ratio(
        "seven keys to values",
        "ours",
        typed,
        "simd-json's tape",
        tapes,
    );
    ratio(
        "seven keys to spans",
        "ours",
        spans,
        "the newline index",
        || newlines(&log),
    );
    #[cfg(feature = "peers")]
    {
        use opsbox_benches::peers::sonic_requests;

        assert_eq!(sonic_requests(&log), LINES);
        let job = "seven keys to values";
        ratio(job, "ours", typed, "sonic-rs, borrowed struct", || {
            sonic_requests(&log)
        });
    }
}

criterion_group!(benches, ndjson);
criterion_main!(benches);
