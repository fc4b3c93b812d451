//! One odd item costs the others nothing, and is never lost.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod common;

use common::now;
use opsbox_heal::{Condition, ErrorKind, PodSnapshot, Report, limits};
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};

fn good(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"},
        "status": {"phase": "Failed"}})
}

fn odd(change: &str) -> Value {
    let meta = json!({"name": "odd", "namespace": "shop"});
    let mut item = json!({"kind": "Pod", "metadata": meta, "status": {"phase": "Running"}});
    match change {
        "month" => item["metadata"]["creationTimestamp"] = json!("2026-13-01T00:00:00Z"),
        "nameless" => item["metadata"] = json!({"namespace": "shop"}),
        "many" => item["spec"] = json!({"containers": vec![json!({}); limits::MAX_CONTAINERS + 1]}),
        "count" => item["status"]["containerStatuses"] = json!([{"restartCount": "many"}]),
        "ready" => item["status"]["containerStatuses"] = json!([{"ready": {"x": [1]}}]),
        "spec" => item["spec"] = json!([3]),
        "name" => item["metadata"]["name"] = json!(["odd"]),
        "metadata" => item["metadata"] = json!(7),
        "kind" => item["kind"] = json!({"a": 1}),
        "no object" => item = json!([{"kind": "Pod"}]),
        "number" => item = json!(3),
        "null" => item = Value::Null,
        other => panic!("{other}"),
    }
    item
}

const CHANGES: [&str; 12] = [
    "month",
    "nameless",
    "many",
    "count",
    "ready",
    "spec",
    "name",
    "metadata",
    "kind",
    "no object",
    "number",
    "null",
];

fn list(items: &[Value]) -> Vec<u8> {
    serde_json::to_vec(&json!({"apiVersion": "v1", "items": items, "kind": "List"})).unwrap()
}

type Read = fn(&[u8]) -> Result<PodSnapshot, opsbox_heal::Error>;

/// The readers of JSON; JSON is YAML, too.
fn readers() -> Vec<Read> {
    match cfg!(feature = "yaml") {
        true => vec![PodSnapshot::from_json, PodSnapshot::from_yaml],
        false => vec![PodSnapshot::from_json],
    }
}

#[test]
fn the_others_are_judged_whatever_is_odd_in_one() {
    for read in readers() {
        for change in CHANGES {
            let snapshot = read(&list(&[good("a"), odd(change), good("b")])).unwrap();
            let names: Vec<&str> = snapshot.pods().iter().map(|p| p.name()).collect();
            assert_eq!(names, ["a", "b"], "{change}");
            assert_eq!(snapshot.problem_count(), 1, "{change}");
            assert_eq!(snapshot.item_count(), 3, "{change}");
            let problem = &snapshot.problems()[0];
            assert_eq!(problem.index(), 1, "{change}");
            assert!(
                problem.line().is_some() && problem.column().is_some(),
                "{problem}"
            );
            let is_known = ![
                "nameless",
                "name",
                "metadata",
                "no object",
                "number",
                "null",
            ]
            .contains(&change);
            assert_eq!(problem.name(), is_known.then_some("odd"), "{change}");
        }
    }
}

#[test]
fn a_problem_says_what_where_and_of_which_pod() {
    let text = "{\"kind\": \"List\", \"items\": [\n  {\"metadata\": {\"name\": \"a\"}},\n  \
                {\"metadata\": {\"name\": \"b\", \"namespace\": \"shop\",\n   \
                \"creationTimestamp\": \"2026-13-01T00:00:00Z\"}}]}";
    let snapshot = PodSnapshot::from_json(text.as_bytes()).unwrap();
    let problem = &snapshot.problems()[0];
    assert_eq!(problem.namespace(), Some("shop"));
    assert_eq!(
        problem.to_string(),
        "items[1] (shop/b): line 4 column 46: \"2026-13-01T00:00:00Z\" is not a time as in \
         2026-01-02T03:04:05Z"
    );
}

#[test]
fn a_report_does_not_pass_over_what_could_not_be_read() {
    let healthy =
        json!({"kind": "Pod", "metadata": {"name": "a"}, "status": {"phase": "Succeeded"}});
    let snapshot = PodSnapshot::from_json(&list(&[healthy, odd("month")])).unwrap();
    let report = Report::of_snapshot(&snapshot, now());
    assert_eq!(
        report.to_string(),
        "1 pod: 1 Completed; 1 item could not be read"
    );
    assert_eq!(report.problem_count(), 1);
    assert_eq!(report.problems(), snapshot.problems());
    assert_eq!(report.count(Condition::Healthy), 0);
}

#[test]
fn without_a_single_pod_the_first_problem_is_the_error() {
    for read in readers() {
        let service = json!({"kind": "Service", "metadata": {"name": "s"}});
        let error = read(&list(&[service, odd("month"), odd("spec")])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidField, "{error}");
        assert_eq!((error.item_index(), error.name()), (Some(1), Some("odd")));
        assert!(error.line().is_some(), "{error}");
    }
}

#[test]
fn another_kind_with_odd_fields_is_no_problem_in_any_order_of_keys() {
    for read in readers() {
        let items = br#"{"items": [
            {"spec": {"containers": 3}, "status": [], "metadata": {"name": "x"}, "kind": "Widget"},
            {"spec": [], "metadata": {"name": "y", "creationTimestamp": "noon"}, "kind": "Gadget"},
            {"metadata": {"name": "a"}, "kind": "Pod"}], "kind": "List"}"#;
        let snapshot = read(items).unwrap();
        assert_eq!((snapshot.pods().len(), snapshot.problem_count()), (1, 0));
        let skipped: Vec<_> = snapshot
            .skipped()
            .iter()
            .map(|s| (s.kind(), s.name()))
            .collect();
        assert_eq!(skipped, [("Widget", "x"), ("Gadget", "y")]);
    }
}

#[test]
fn many_problems_are_counted_and_the_first_listed() {
    let count = limits::MAX_PROBLEMS_LISTED + 5;
    let mut items = vec![odd("count"); count];
    items.push(good("a"));
    for read in readers() {
        let snapshot = read(&list(&items)).unwrap();
        assert_eq!(snapshot.problem_count(), count);
        assert_eq!(snapshot.problems().len(), limits::MAX_PROBLEMS_LISTED);
        assert_eq!(snapshot.item_count(), count + 1);
        let report = Report::of_snapshot(&snapshot, now());
        assert_eq!(
            report.to_string(),
            format!("1 pod: 1 Failed; {count} items could not be read")
        );
    }
}

#[test]
fn what_only_json_can_have() {
    let text = br#"{"kind": "List", "items": [{"metadata": {"name": "a"}},
        {"metadata": {"name": "b"}, "status": {"phase": "\ud800"}},
        {"metadata": {"name": "c"}, "spec": {"priority": 1e999}},
        {"metadata": {"name": "d"}, "status": {"phase": "x", "phase": "y"}}]}"#;
    let snapshot = PodSnapshot::from_json(text).unwrap();
    let names: Vec<_> = snapshot.problems().iter().map(|p| p.name()).collect();
    assert_eq!(names, [Some("b"), Some("c"), Some("d")]);
    assert_eq!(snapshot.pods().len(), 1);
}

#[test]
fn a_broken_document_is_refused_even_after_an_odd_item() {
    let whole = String::from_utf8(list(&[good("a"), odd("month"), good("b")])).unwrap();
    for end in whole.find("2026").unwrap()..whole.len() {
        let error = PodSnapshot::from_json(&whole.as_bytes()[..end]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Truncated, "{error}");
    }
    let broken = whole.replace("\"b\"", "oops");
    let error = PodSnapshot::from_json(broken.as_bytes()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Syntax, "{error}");
    assert_eq!(error.item_index(), Some(2), "{error}");
}

#[cfg(feature = "yaml")]
#[test]
fn a_problem_of_a_yaml_list_names_the_field() {
    let yaml = "kind: List\nitems:\n- metadata:\n    name: a\n- metadata:\n    name: 007\n  \
                status:\n    containerStatuses:\n    - restartCount: many\n- metadata:\n    \
                name: c\n";
    let snapshot = PodSnapshot::from_yaml(yaml.as_bytes()).unwrap();
    assert_eq!(snapshot.pods().len(), 2);
    let shown = snapshot.problems()[0].to_string();
    assert!(shown.starts_with("items[1]"), "{shown}");
    assert!(
        shown.contains("line 5 column 3: status.containerStatuses[0].restartCount: invalid type"),
        "{shown}"
    );
}

#[cfg(feature = "yaml")]
#[test]
fn an_odd_document_of_a_yaml_stream_is_a_problem_or_skipped() {
    let yaml = "kind: Pod\nmetadata: {name: a}\n---\nspec: {containers: 3}\nkind: Widget\n---\n\
                kind: Pod\nmetadata: {name: b, namespace: shop}\nstatus: 3\n---\nkind: List\n\
                items:\n- metadata: {name: c}\n- metadata: {name: d}\n  spec: 3\n";
    let snapshot = PodSnapshot::from_yaml(yaml.as_bytes()).unwrap();
    assert_eq!(snapshot.pods().len(), 2);
    assert_eq!(snapshot.skipped()[0].kind(), "Widget");
    let problems: Vec<_> = snapshot
        .problems()
        .iter()
        .map(|p| (p.index(), p.name()))
        .collect();
    assert_eq!(problems, [(2, Some("b")), (1, Some("d"))]);
    assert_eq!(snapshot.item_count(), 5);
}

proptest! {
    #[test]
    fn counts_add_up(picks in prop::collection::vec((0..3_usize, select(CHANGES.to_vec())), 1..12)) {
        let items: Vec<Value> = picks.iter().map(|(pick, change)| match pick {
            0 => good("a"),
            1 => json!({"kind": "Service", "metadata": {"name": "s"}}),
            _ => odd(change),
        }).collect();
        let of = |kind| picks.iter().filter(|(pick, _)| *pick == kind).count();
        for read in readers() {
            match read(&list(&items)) {
                Ok(snapshot) => {
                    prop_assert_eq!(snapshot.pods().len(), of(0));
                    prop_assert_eq!(snapshot.skipped_count(), of(1));
                    prop_assert_eq!(snapshot.problem_count(), of(2));
                    prop_assert_eq!(snapshot.item_count(), items.len());
                }
                Err(error) => prop_assert_eq!(of(0), 0, "{}", error),
            }
        }
    }
}
