//! Text of the input must not command the terminal or forge a line of a log.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod common;

use common::{ago, now, read};
use opsbox_heal::{Diagnosis, PodSnapshot, Report, diagnose};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What no displayed text may have: controls, line separators, and marks of direction.
fn is_hostile(c: char) -> bool {
    let direction = ['\u{61c}', '\u{200e}', '\u{200f}'];
    c.is_control()
        || direction.contains(&c)
        || ('\u{202a}'..='\u{202e}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c)
        || matches!(c, '\u{2028}' | '\u{2029}')
}

#[track_caller]
fn is_one_line(shown: &str) {
    assert!(!shown.contains(is_hostile), "{shown:?}");
}

fn refused(value: &Value) -> String {
    PodSnapshot::from_json(&serde_json::to_vec(value).unwrap())
        .unwrap_err()
        .to_string()
}

#[test]
fn a_kind_cannot_colour_the_terminal_or_add_a_line() {
    let shown = refused(&json!({"kind": "\u{1b}[31mEvil\nforged: all good"}));
    assert_eq!(
        shown,
        "expected a PodList, a List or a Pod but found a \\u{1b}[31mEvil\\u{a}forged: all good: \
         save one with `kubectl get pods -A -o json`"
    );
    is_one_line(&refused(
        &json!({"kind": "List", "items": [{"kind": "\u{202e}\u{9b}x\r"}]}),
    ));
    is_one_line(&refused(
        &json!({"kind": "Status", "message": "\u{2028}\u{7f}"}),
    ));
}

#[test]
fn a_name_in_an_error_is_escaped_and_its_accessor_is_not() {
    let name = "a\u{1b}]0;x\u{7}\n";
    let json = format!(
        r#"{{"kind":"List","items":[{{"metadata":{{"name":{}}},"#,
        json!(name)
    );
    let error = PodSnapshot::from_json(json.as_bytes()).unwrap_err();
    assert_eq!(error.name(), Some(name));
    is_one_line(&error.to_string());
    let missing = PodSnapshot::from_path("/nowhere/\u{1b}[2J\n.json").unwrap_err();
    is_one_line(&missing.to_string());
}

#[test]
fn a_message_of_the_kubelet_stays_one_line() {
    let pod = read(
        &json!({"kind": "Pod", "metadata": {"name": "a\nb"}, "status": {
        "phase": "Failed", "reason": "Evicted", "message": "low\n\u{1b}[32mHealthy\u{1b}[0m"}}),
    );
    let verdict = diagnose(&pod, now());
    assert_eq!(
        verdict.summary(),
        "evicted by the kubelet: low\\u{a}\\u{1b}[32mHealthy\\u{1b}[0m"
    );
    assert_eq!(pod.to_string(), "a\\u{a}b");
    assert_eq!(pod.name(), "a\nb");
    assert_eq!(pod.message(), Some("low\n\u{1b}[32mHealthy\u{1b}[0m"));
    let raw = verdict
        .primary()
        .evidence()
        .any(|e| e.value().contains('\n'));
    assert!(raw, "{verdict:#}");
}

/// Any text, often with what a terminal acts on, often of a known word.
fn text() -> impl Strategy<Value = String> {
    let hostile = "[\\x00-\\x1f\\x7f-\\x{9f}\\x{61c}\\x{200e}\\x{200f}\\x{2028}-\\x{202e}\
                   \\x{2066}-\\x{2069}a: ]{0,8}";
    prop_oneof![4 => hostile, 2 => any::<String>(), 1 => Just("Failed".to_owned())]
}

/// Containers in every state, with these texts for all that is text.
fn hostile_pod(texts: &[String]) -> Value {
    let text = |at: usize| texts[at % texts.len()].clone();
    let ended = |at: usize| {
        json!({"terminated": {"exitCode": 1, "reason": text(at), "message": text(at + 1),
            "startedAt": ago(20), "finishedAt": ago(10)}})
    };
    let waiting =
        |reason: &str, at: usize| json!({"waiting": {"reason": reason, "message": text(at)}});
    let states = [
        waiting(&text(1), 2),
        waiting("ImagePullBackOff", 3),
        waiting("CreateContainerConfigError", 4),
        waiting("CrashLoopBackOff", 5),
        json!({text(6): {}}),
        ended(7),
    ];
    let statuses: Vec<Value> = states
        .into_iter()
        .enumerate()
        .map(|(at, state)| {
            json!({"name": format!("{at}{}", text(at)), "image": text(at + 1), "state": state,
                "restartCount": 9, "lastState": ended(at)})
        })
        .collect();
    json!({
        "kind": "Pod",
        "metadata": {"name": format!("p{}", text(0)), "namespace": text(1), "uid": text(2),
            "finalizers": [text(3)],
            "ownerReferences": [{"kind": text(4), "name": text(5), "controller": true}]},
        "spec": {"nodeName": text(6)},
        "status": {"phase": text(7), "reason": text(8), "message": text(9),
            "conditions": [
                {"type": text(10), "status": "False", "reason": text(11), "message": text(12)},
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                    "message": text(13)}],
            "containerStatuses": statuses}
    })
}

fn shown_as_one_line(diagnosis: &Diagnosis<'_>) {
    let (pod, verdict) = (diagnosis.pod(), diagnosis.verdict());
    is_one_line(&diagnosis.to_string());
    is_one_line(&pod.to_string());
    is_one_line(&pod.phase().to_string());
    is_one_line(&format!("{:>20}", pod.phase()));
    is_one_line(&pod.owner().unwrap().to_string());
    is_one_line(&verdict.to_string());
    is_one_line(verdict.summary());
    for finding in verdict.findings() {
        is_one_line(&finding.to_string());
        is_one_line(finding.summary());
        for evidence in finding.evidence() {
            is_one_line(&evidence.to_string());
        }
    }
    // The newlines of the long form are this crate's own.
    let long = format!("{diagnosis:#}");
    for line in long.split('\n') {
        is_one_line(line);
    }
    let evidence: usize = verdict.findings().map(|f| f.evidence().count()).sum();
    let lines = evidence + verdict.findings().count();
    assert_eq!(long.split('\n').count(), lines, "{long}");
}

proptest! {
    #[test]
    fn whatever_the_texts_are_they_are_shown_in_one_line(
        texts in prop::collection::vec(text(), 14),
        phase in prop::sample::select(vec!["Pending", "Running", "Failed", "", "Unknown"]),
        deleted in any::<bool>(),
    ) {
        for phase in [phase, &texts[7]] {
            let mut pod = hostile_pod(&texts);
            pod["status"]["phase"] = json!(phase);
            if deleted {
                pod["metadata"]["deletionTimestamp"] = json!(ago(9_000));
            }
            let list = json!({"kind": "List", "items": [pod]});
            let snapshot = PodSnapshot::from_json(&serde_json::to_vec(&list).unwrap()).unwrap();
            let report = Report::new(snapshot.pods(), now());
            is_one_line(&report.to_string());
            shown_as_one_line(&report.entries()[0]);
        }
    }

    #[test]
    fn whatever_the_texts_are_an_error_is_one_line(kind in text(), text in text()) {
        if !["Pod", "PodList", "List"].contains(&&*kind) {
            is_one_line(&refused(&json!({"kind": kind})));
        }
        let item = |field: Value| json!({"kind": "List", "items": [field]});
        is_one_line(&refused(&item(json!({"metadata": {"name": text, "creationTimestamp": text}}))));
        is_one_line(&refused(&item(json!({"spec": {"containers": text}}))));
        is_one_line(&refused(&item(json!({"kind": format!("x{kind}")}))));
        let odd = json!({"metadata": {"name": text, "namespace": kind}, "status": {"phase": [text],
            "containerStatuses": [{"restartCount": text}]}, "spec": {"containers": text}});
        let list = json!({"kind": "List", "items": [{"metadata": {"name": "a"}}, odd]});
        let snapshot = PodSnapshot::from_json(&serde_json::to_vec(&list).unwrap()).unwrap();
        is_one_line(&snapshot.problems()[0].to_string());
    }
}
