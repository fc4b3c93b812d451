//! How fast is a saved pod list read, and how fast are pods judged?
//!
//! The peers are Python's `json` with the same walk (`python/read_pods.py`), on CPU seconds without
//! the start of the interpreter and without its garbage collector, which would take two thirds of
//! them, and `serde_json` into the types of `k8s-openapi`, which keep more.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench, made by criterion's macros"
)]

use std::{io::Write as _, process::Command};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use opsbox_benches::{
    measuring,
    memory::{Counting, kept},
    pods::pod_list,
    process::ratio_to_process,
    ratio_until_freed,
};
use opsbox_heal::{PodSnapshot, Timestamp, diagnose};
use serde::{Serialize as _, de::IgnoredAny};
use serde_json::{Serializer, Value, json, ser::PrettyFormatter};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PODS: usize = 2_000;

fn pods(criterion: &mut Criterion) {
    let list = pod_list(PODS);
    let read = || PodSnapshot::from_json(list.as_bytes()).expect("a pod list");
    let snapshot = read();
    let now: Timestamp = "2026-11-23T12:00:00Z".parse().expect("a time");
    let judge = || {
        let pods = snapshot.pods().iter();
        pods.filter(|pod| diagnose(pod, now).is_sick()).count()
    };
    let sick = judge();
    assert!(
        sick > PODS / 20 && sick < PODS / 5,
        "{sick} of {PODS} are sick"
    );

    let mut group = criterion.benchmark_group("pods/read");
    group
        .throughput(Throughput::Bytes(list.len() as u64))
        .sample_size(20);
    group.bench_function("PodSnapshot::from_json", |bench| bench.iter(read));
    group.bench_function("limit: skip the JSON", |bench| bench.iter(|| skip(&list)));
    group.finish();

    let mut group = criterion.benchmark_group("pods/diagnose");
    group
        .throughput(Throughput::Elements(PODS as u64))
        .sample_size(20);
    group.bench_function("one pod in ten sick", |bench| bench.iter(judge));
    group.finish();

    ratio_until_freed(
        "pod list",
        "ours",
        read,
        "skipping the same JSON (serde_json)",
        || skip(&list),
    );

    if measuring() {
        let seconds = fastest(&judge);
        println!(
            "figure  pods judged in a second, one in {} sick: {:.2} million",
            PODS / sick,
            thousands(PODS) / seconds / 1e3
        );
        let (snapshot, bytes) = kept(read);
        println!(
            "figure  memory a pod: {} bytes",
            bytes / snapshot.pods().len()
        );
    }

    let indented = as_kubectl_saves_it(&list);
    let read_indented = || PodSnapshot::from_json(indented.as_bytes()).expect("a pod list");
    assert_eq!(read_indented().pods(), read().pods());
    against_python("pod list", &list, || read().pods().len());
    against_python("indented pod list", &indented, || {
        read_indented().pods().len()
    });

    #[cfg(feature = "peers")]
    {
        use k8s_openapi::{List, api::core::v1::Pod};
        let typed = || serde_json::from_str::<List<Pod>>(&list).expect("a typed list");
        assert_eq!(typed().items.len(), PODS);
        ratio_until_freed(
            "pod list",
            "ours",
            read,
            "serde_json into k8s-openapi types",
            typed,
        );
        let typed = || serde_json::from_str::<List<Pod>>(&indented).expect("a typed list");
        ratio_until_freed(
            "indented pod list",
            "ours",
            read_indented,
            "serde_json into k8s-openapi types",
            typed,
        );
        let value = || serde_json::from_str::<Value>(&list).expect("JSON");
        ratio_until_freed("pod list", "ours", read, "serde_json::Value", value);
    }
}

fn against_python(job: &str, list: &str, work: impl Fn() -> usize) {
    let mut saved = tempfile::NamedTempFile::new().expect("a file");
    saved.write_all(list.as_bytes()).expect("a file");
    let other = "Python's json and the same walk, its garbage collector off";
    ratio_to_process(job, work, other, || {
        let mut python = Command::new("python3");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/read_pods.py");
        python.arg(script).arg(saved.path());
        python
    });
}

/// Seconds of the fastest of some runs: a shared machine slows runs down, and speeds up none.
fn fastest<T>(run: &impl Fn() -> T) -> f64 {
    let runs = (0..200).map(|_| {
        let start = std::time::Instant::now();
        std::hint::black_box(run());
        start.elapsed().as_secs_f64()
    });
    runs.fold(f64::INFINITY, f64::min)
}

fn thousands(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / 1e3
}

/// The list as `kubectl get pods -A -o json` saves it: without managed fields, with sorted keys and
/// indented, so that more than half of it is white space. Its kind stays PodList for the typed peer.
fn as_kubectl_saves_it(list: &str) -> String {
    let mut list: Value = serde_json::from_str(list).expect("JSON");
    for item in list["items"].as_array_mut().expect("items") {
        item["kind"] = json!("Pod");
        item["apiVersion"] = json!("v1");
        let meta = item["metadata"].as_object_mut().expect("metadata");
        meta.remove("managedFields");
    }
    let mut text = Vec::new();
    let format = PrettyFormatter::with_indent(b"    ");
    list.serialize(&mut Serializer::with_formatter(&mut text, format))
        .expect("JSON");
    String::from_utf8(text).expect("text")
}

fn skip(json: &str) -> IgnoredAny {
    serde_json::from_str(json).expect("JSON")
}

criterion_group!(benches, pods);
criterion_main!(benches);
