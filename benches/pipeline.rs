//! What does a whole pipeline cost on one core: lines tokenized, the documents in their messages cleaned, personal data and
//! secrets masked, context added, and all written as NDJSON? Against a loop on serde_json that does less, and against the
//! newline index and a copy, which no pipeline can do without.

#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "a bench, made by criterion's macros"
)]

use std::{cell::RefCell, hint::black_box};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use opsbox_benches::{data, measuring, newlines, ratio_of_cpu};
use opsbox_log::{
    Format, Parser,
    clean::Cleaner,
    enrich::Enrich,
    export::ndjson::Ndjson,
    mask::{Masker, Policy},
    pipeline::{Pipeline, PipelineReport},
};
use serde_json::{Map, Value};

fn lines() -> usize {
    if measuring() { 50_000 } else { 500 }
}

/// What is known of a container's log.
const LABELS: [(&str, &str); 5] = [
    ("service.name", "checkout"),
    ("deployment.environment.name", "production"),
    ("host.name", "node-17.example.com"),
    ("k8s.namespace.name", "shop"),
    ("k8s.pod.name", "checkout-7d4b9c6f5-x2vqp"),
];

/// The stages up to one, which is the last that runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Tokenize,
    Clean,
    Mask,
    Enrich,
}

fn pipeline(last: Stage) -> Pipeline {
    let parser = Parser::new(Format::preset("app").expect("a preset"));
    let mut pipeline = Pipeline::new(parser).output(Ndjson::new());
    if last >= Stage::Clean {
        pipeline = pipeline.stage(Cleaner::new("message"));
    }
    if last >= Stage::Mask {
        pipeline = pipeline.stage(Masker::new(Policy::new(), None).expect("a policy"));
    }
    if last >= Stage::Enrich {
        let enrich = LABELS.iter();
        let enrich = enrich.fold(Enrich::new(), |it, (name, value)| it.label(name, value));
        pipeline = pipeline.stage(enrich);
    }
    pipeline
}

fn run(pipeline: &RefCell<Pipeline>, log: &str, out: &RefCell<Vec<u8>>) -> PipelineReport {
    let out = &mut *out.borrow_mut();
    out.clear();
    let report = pipeline.borrow_mut().run(log.as_bytes(), out);
    report.expect("a reader and a writer in memory")
}

/// What a program has that is written in an hour: the head split by hand, JSON that stands in the message read by
/// serde_json and flattened, the labels added, and the object written. It repairs nothing, knows no XML, and masks nothing.
fn with_serde_json(log: &str, out: &RefCell<Vec<u8>>) -> usize {
    let out = &mut *out.borrow_mut();
    out.clear();
    let mut rows = 0;
    for line in log.lines() {
        let Some((timestamp, rest)) = line.split_at_checked(19) else {
            continue;
        };
        let Some((level, message)) = rest.strip_prefix(" [").and_then(|it| it.split_once("] "))
        else {
            continue;
        };
        let mut row = Map::new();
        for (name, value) in [
            ("timestamp", timestamp),
            ("level", level),
            ("message", message),
        ] {
            row.insert(name.to_owned(), value.into());
        }
        let document = message.find('{').and_then(|at| message.get(at..));
        let mut documents = serde_json::Deserializer::from_str(document.unwrap_or_default())
            .into_iter::<Map<String, Value>>();
        if let Some(Ok(document)) = documents.next() {
            flatten("message", document, &mut row);
        }
        for (name, value) in LABELS {
            row.insert(name.to_owned(), value.into());
        }
        serde_json::to_writer(&mut *out, &row).expect("text");
        out.push(b'\n');
        rows += 1;
    }
    rows
}

fn flatten(path: &str, object: Map<String, Value>, row: &mut Map<String, Value>) {
    for (key, value) in object {
        let path = format!("{path}.{key}");
        match value {
            Value::Object(inner) => flatten(&path, inner, row),
            other => drop(row.insert(path, other)),
        }
    }
}

fn whole(criterion: &mut Criterion) {
    for (name, log) in [
        ("application lines", data::app_log(lines())),
        ("application lines with documents", data::documents(lines())),
    ] {
        let (out, theirs) = (RefCell::default(), RefCell::default());
        let mut group = criterion.benchmark_group(format!("pipeline/{name}"));
        group
            .throughput(Throughput::Bytes(log.len() as u64))
            .sample_size(10);
        for (stages, last) in [
            ("tokenize and NDJSON", Stage::Tokenize),
            ("and clean", Stage::Clean),
            ("and mask", Stage::Mask),
            ("and enrich", Stage::Enrich),
        ] {
            let pipeline = RefCell::new(pipeline(last));
            let report = run(&pipeline, &log, &out);
            assert!(report.adds_up() && report.rows() == lines() as u64);
            group.bench_function(stages, |bench| bench.iter(|| run(&pipeline, &log, &out)));
        }
        group.finish();

        assert_eq!(with_serde_json(&log, &theirs), lines());
        same_rows(&log, &theirs.borrow());
        let pipeline = RefCell::new(pipeline(Stage::Enrich));
        let ours = || run(&pipeline, &log, &out);
        ratio_of_cpu(
            &format!("{name}, all stages"),
            log.len(),
            "ours",
            ours,
            "a loop on serde_json without repair, XML and masking",
            || with_serde_json(&log, &theirs),
        );
        let written = out.borrow().clone();
        let places = RefCell::default();
        let least = || {
            newlines::index(log.as_bytes(), &mut places.borrow_mut());
            black_box(&written).clone()
        };
        ratio_of_cpu(
            &format!("{name}, all stages"),
            log.len(),
            "ours",
            ours,
            "the newline index and a copy of the output",
            least,
        );
    }
}

/// Without masking both say the same of each line in which nothing has to be repaired.
fn same_rows(log: &str, theirs: &[u8]) {
    let parser = Parser::new(Format::preset("app").expect("a preset"));
    let labels = LABELS.iter();
    let labels = labels.fold(Enrich::new(), |it, (name, value)| it.label(name, value));
    let mut out = Vec::new();
    let report = Pipeline::new(parser)
        .stage(Cleaner::new("message").repair(false).xml(false))
        .stage(labels)
        .run(log.as_bytes(), &mut out);
    assert!(report.is_ok_and(|report| report.adds_up()));
    let rows = |bytes: &[u8]| -> Vec<Value> {
        let rows = serde_json::Deserializer::from_slice(bytes).into_iter();
        rows.map(|row| row.expect("JSON")).collect()
    };
    assert!(rows(&out) == rows(theirs), "serde_json says something else");
}

criterion_group!(benches, whole);
criterion_main!(benches);
