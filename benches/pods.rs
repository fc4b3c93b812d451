//! How fast is a saved pod list read, and how fast are pods judged?

#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "a bench, made by criterion's macros"
)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use opsbox_benches::{data, ratio};
use opsbox_heal::{PodSnapshot, Timestamp, diagnose};
use serde::de::IgnoredAny;

const PODS: usize = 2_000;

fn pods(criterion: &mut Criterion) {
    let list = data::pod_list(PODS);
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

    ratio(
        "pod list",
        "ours",
        read,
        "skipping the same JSON (serde_json)",
        || skip(&list),
    );

    #[cfg(feature = "peers")]
    {
        use k8s_openapi::{List, api::core::v1::Pod};
        // The API's own list type wants its own kind; the items are the same.
        let pod_list = list.replace("\"kind\":\"List\"", "\"kind\":\"PodList\"");
        let typed = || serde_json::from_str::<List<Pod>>(&pod_list).expect("a typed list");
        assert_eq!(typed().items.len(), PODS);
        ratio(
            "pod list",
            "ours",
            read,
            "serde_json into k8s-openapi types",
            typed,
        );
        let value = || serde_json::from_str::<serde_json::Value>(&list).expect("JSON");
        ratio("pod list", "ours", read, "serde_json::Value", value);
    }
}

fn skip(json: &str) -> IgnoredAny {
    serde_json::from_str(json).expect("JSON")
}

criterion_group!(benches, pods);
criterion_main!(benches);
