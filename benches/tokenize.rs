//! How fast do lines become columns, and how far is that from what the memory allows?

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench, made by criterion's macros"
)]

use std::{cell::RefCell, time::Duration};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use opsbox_benches::{
    data, measuring,
    memory::{Counting, kept},
    newlines,
    onepass::{self, OnePass},
    ratio,
};
use opsbox_log::{
    BatchMemory, Format, Kernel, Parser,
    export::arrow::{record_batch, record_batch_in, recycle},
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The columns of `combined` that the log's format names; the other three are parts of the request.
const NINE: [&str; 9] = [
    "remote_addr",
    "ident",
    "remote_user",
    "time_local",
    "request",
    "status",
    "body_bytes_sent",
    "http_referer",
    "http_user_agent",
];

fn lines() -> usize {
    if measuring() { 20_000 } else { 500 }
}

fn parser(preset: &str) -> Parser {
    Parser::new(Format::preset(preset).expect("a preset"))
}

fn nine() -> Parser {
    let format = Format::preset("combined").expect("a preset");
    Parser::new(format.select(NINE).expect("its columns"))
}

fn app() -> Parser {
    let pattern = onepass::APP.trim_start_matches('^').trim_end_matches('$');
    Parser::new(Format::pattern(pattern).expect("a pattern"))
}

/// Parses into memory that is used again, as the limit and the peers that can do.
fn offsets<'l>(
    parser: &'l Parser,
    log: &'l [u8],
    memory: &'l RefCell<BatchMemory>,
) -> impl Fn() -> usize + Copy + 'l {
    move || {
        let memory = &mut *memory.borrow_mut();
        let batch = parser.parse_in(log, memory);
        let rows = batch.len();
        batch.recycle(memory);
        rows
    }
}

/// The same, and makes columns of views.
fn views<'l>(
    parser: &'l Parser,
    log: &'l Bytes,
    memory: &'l RefCell<BatchMemory>,
) -> impl Fn() -> usize + Copy + 'l {
    move || {
        let memory = &mut *memory.borrow_mut();
        let batch = parser.parse_in(log.clone(), memory);
        let table = record_batch_in(&batch, memory).expect("a dense batch");
        let rows = table.num_rows();
        batch.recycle(memory);
        recycle(table, memory);
        rows
    }
}

/// The least that any parser has to do.
fn limit(log: &[u8]) -> impl Fn() -> usize {
    let positions = RefCell::new(Vec::new());
    move || {
        let positions = &mut *positions.borrow_mut();
        newlines::index(log, positions);
        positions.len()
    }
}

const LIMIT: &str = "the newline index";

/// Absolute figures; the ratios below hold better.
fn speeds(criterion: &mut Criterion) {
    let memory = RefCell::default();
    let access = Bytes::from(data::access_log(lines()));
    let app_log = data::app_log(lines());
    let json = data::ndjson(lines());
    let mut group = criterion.benchmark_group("tokenize");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .throughput(Throughput::Bytes(access.len() as u64));
    for (columns, parser) in [("9", nine()), ("12", parser("combined"))] {
        group.bench_function(format!("combined/{columns} columns to offsets"), |bench| {
            bench.iter(offsets(&parser, &access, &memory));
        });
        group.bench_function(format!("combined/{columns} columns to views"), |bench| {
            bench.iter(views(&parser, &access, &memory));
        });
    }
    group.bench_function("combined/limit: newline index", |bench| {
        bench.iter(limit(&access));
    });
    group.throughput(Throughput::Bytes(app_log.len() as u64));
    let parsers = [("pattern", app()), ("preset", parser("app"))];
    for (name, parser) in &parsers {
        group.bench_function(format!("app/{name} to offsets"), |bench| {
            bench.iter(offsets(parser, app_log.as_bytes(), &memory));
        });
    }
    group.throughput(Throughput::Bytes(json.len() as u64));
    let ndjson = parser("ndjson");
    group.bench_function("ndjson to spans", |bench| {
        bench.iter(|| ndjson.parse(&json).len());
    });
    group.finish();
}

fn combined(_: &mut Criterion) {
    let memory = RefCell::default();
    let log = Bytes::from(data::access_log(lines()));
    let one_pass = OnePass::new(onepass::COMBINED).expect("one-pass");
    for (columns, parser) in [("9", nine()), ("12", parser("combined"))] {
        assert_eq!(one_pass.count(&log), parser.parse(&log).len());
        let ours = offsets(&parser, &log, &memory);
        let job = format!("combined, {columns} columns to offsets");
        ratio(&job, "ours", ours, LIMIT, limit(&log));
        let by_regex = || one_pass.count(&log);
        ratio(&job, "ours", ours, "one-pass captures of 9", by_regex);

        let job = format!("combined, {columns} columns to views");
        let to_views = views(&parser, &log, &memory);
        ratio(&job, "ours", to_views, LIMIT, limit(&log));
        ratio(&job, "ours", to_views, "one-pass captures of 9", by_regex);

        let best = Kernel::best();
        for kernel in Kernel::ALL
            .into_iter()
            .filter(|kernel| kernel.is_available())
        {
            let lower = parser.clone().kernel(kernel);
            assert_eq!(lower.parse(&log).len(), parser.parse(&log).len());
            if kernel != best {
                let job = format!("combined, {columns} columns to offsets");
                let lower = offsets(&lower, &log, &memory);
                ratio(&job, kernel.name(), lower, best.name(), ours);
                ratio(&job, kernel.name(), lower, LIMIT, limit(&log));
            }
        }
    }
    #[cfg(feature = "peers")]
    combined_peers(&log);
}

fn application(_: &mut Criterion) {
    let memory = RefCell::default();
    let log = data::app_log(lines());
    let log = log.as_bytes();
    let one_pass = OnePass::new(onepass::APP).expect("one-pass");
    for (name, parser) in [("pattern", app()), ("preset app", parser("app"))] {
        assert_eq!(one_pass.count(log), parser.parse(log).len());
        let job = format!("app lines, {name}, to offsets");
        let ours = offsets(&parser, log, &memory);
        ratio(&job, "ours", ours, LIMIT, limit(log));
        ratio(&job, "ours", ours, "one-pass captures", || {
            one_pass.count(log)
        });
    }
}

fn broken(_: &mut Criterion) {
    let clean = data::access_log(lines());
    let parser = nine();
    for (share, one_in) in [("1 %", 100), ("10 %", 10)] {
        let broken = data::broken(&clean, one_in);
        // As many bytes of both, so that times compare.
        let clean = data::head(clean.as_bytes(), broken.len());
        let broken = data::head(&broken, clean.len());
        assert!(parser.parse(broken).unmatched().len() > parser.parse(clean).unmatched().len());
        ratio(
            "combined, 9 columns to offsets",
            &format!("a log with {share} of the lines broken"),
            || parser.parse(broken).len(),
            "a clean one",
            || parser.parse(clean).len(),
        );
    }
}

/// More than the caches hold.
fn large(_: &mut Criterion) {
    let mib = if measuring() { 64 } else { 1 };
    let log = data::access_log((mib << 20) / 230);
    let log = Bytes::copy_from_slice(data::head(log.as_bytes(), mib << 20));
    let one = nine();
    let memory = RefCell::default();
    let job = format!("combined, 9 columns of {mib} MiB to offsets");
    let ours = offsets(&one, &log, &memory);
    ratio(&job, "ours", ours, LIMIT, limit(&log));
    let job = format!("combined, 9 columns of {mib} MiB to views");
    ratio(&job, "ours", views(&one, &log, &memory), LIMIT, limit(&log));
    let app_log = data::app_log((mib << 20) / 200);
    let app_log = data::head(app_log.as_bytes(), mib << 20);
    let pattern = app();
    let ours = offsets(&pattern, app_log, &memory);
    let job = format!("app lines of {mib} MiB, pattern, to offsets");
    ratio(&job, "ours", ours, LIMIT, limit(app_log));

    let two = one.clone().threads(2);
    assert_eq!(two.parse(&log).len(), one.parse(&log).len());
    ratio(
        &format!("combined, 9 columns of {mib} MiB to offsets"),
        "two threads",
        || two.parse(&log).len(),
        "one",
        || one.parse(&log).len(),
    );
}

/// What a result holds beside the input.
fn memory(_: &mut Criterion) {
    let log = Bytes::from(data::access_log(lines()));
    let print = |job: &str, bytes: usize| {
        if measuring() {
            let share = bytes as f64 / log.len() as f64;
            println!("memory  {job}: {share:.3} bytes beside each byte of input");
        }
    };
    for (columns, parser) in [("9", nine()), ("12", parser("combined"))] {
        let (batch, bytes) = kept(|| parser.parse(log.clone()));
        assert!(bytes > 0, "the counting allocator is in place");
        print(&format!("combined, {columns} columns, offsets"), bytes);
        let (table, bytes) = kept(|| record_batch(&batch));
        assert_eq!(table.map(|table| table.num_rows()).ok(), Some(batch.len()));
        print(&format!("combined, {columns} columns, views"), bytes);
    }
}

fn ndjson(_: &mut Criterion) {
    let log = data::ndjson(lines());
    let parser = parser("ndjson");
    let ours = || parser.parse(&log).len();
    let buffers = RefCell::new((simd_json::Buffers::new(1024), Vec::new()));
    let tapes = || {
        let (buffers, copy) = &mut *buffers.borrow_mut();
        let lines = log.lines().filter(|line| {
            // The tape wants bytes that it may change.
            copy.clear();
            copy.extend_from_slice(line.as_bytes());
            simd_json::to_tape_with_buffers(copy, buffers).is_ok()
        });
        lines.count()
    };
    assert_eq!(tapes(), ours());
    let job = "ndjson, all columns to spans";
    ratio(job, "ours", ours, LIMIT, limit(log.as_bytes()));
    ratio(job, "ours", ours, "simd-json's tape", tapes);
    #[cfg(feature = "peers")]
    ndjson_peers(&log, ours);
}

#[cfg(feature = "peers")]
fn combined_peers(log: &Bytes) {
    use opsbox_benches::peers::{self, Vrl};

    let memory = RefCell::default();
    let text = std::str::from_utf8(log).expect("generated text");
    let parser = parser("combined");
    let pattern = parser.format().regex().expect("a pattern");
    let by_regex = peers::regex(pattern).expect("the same syntax");
    assert_eq!(by_regex(text), parser.parse(log).len());
    let job = "combined, 12 columns to offsets";
    let ours = offsets(&parser, log, &memory);
    ratio(job, "ours", ours, "regex, same pattern", || by_regex(text));

    let parser = nine();
    let job = "combined, 9 columns to offsets";
    let ours = offsets(&parser, log, &memory);
    let to_views = views(&parser, log, &memory);
    let grok = peers::grok(peers::GROK).expect("a pattern");
    assert_eq!(grok(text), ours());
    ratio(job, "ours", ours, "grok", || grok(text));
    for (name, vrl) in [
        ("VRL parse_regex", Vrl::regex(onepass::COMBINED)),
        ("VRL parse_grok", Vrl::grok(peers::GROK)),
        ("VRL parse_nginx_log", Vrl::nginx()),
    ] {
        let vrl = vrl.expect("a program");
        assert_eq!(vrl.count(log), ours(), "{name}");
        ratio(job, "ours", ours, name, || vrl.count(log));
        let views_job = "combined, 9 columns to views";
        ratio(views_job, "ours", to_views, name, || vrl.count(log));
    }
}

#[cfg(feature = "peers")]
fn ndjson_peers(log: &str, ours: impl Fn() -> usize) {
    use opsbox_benches::peers;

    let job = "ndjson, all columns to spans";
    assert_eq!(peers::serde_values(log), ours());
    ratio(job, "ours", &ours, "serde_json::Value", || {
        peers::serde_values(log)
    });
    assert_eq!(peers::sonic_struct(log), ours());
    ratio(job, "ours", &ours, "sonic-rs, borrowed struct", || {
        peers::sonic_struct(log)
    });
    let keys = peers::sonic_keys();
    assert_eq!(keys(log), ours());
    ratio(job, "ours", &ours, "sonic-rs get_many", || keys(log));

    let selected = Format::preset("ndjson").expect("a preset");
    let selected = Parser::new(selected.select(peers::KEYS).expect("keys"));
    let job = "ndjson, 9 selected keys to spans";
    let ours = || selected.parse(log).len();
    ratio(job, "ours", ours, "sonic-rs, borrowed struct", || {
        peers::sonic_struct(log)
    });
    ratio(job, "ours", ours, "sonic-rs get_many", || keys(log));
}

criterion_group!(
    benches,
    speeds,
    combined,
    application,
    broken,
    large,
    memory,
    ndjson
);
criterion_main!(benches);
