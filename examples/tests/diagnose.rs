//! The diagnosis of a saved list as a user and a script run it.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{
    env,
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

/// The moment to which the samples belong.
const NOW: [&str; 2] = ["--now", "2026-10-23T12:00:00Z"];

/// Runs the example, which cargo builds together with this test: its exit code and what it prints.
fn diagnose(args: &[&str], input: &str) -> (i32, String, String) {
    let profile = env::current_exe().unwrap();
    let profile = profile.ancestors().nth(2).unwrap();
    let program = format!("diagnose{}", env::consts::EXE_SUFFIX);
    let mut child = Command::new(profile.join("examples").join(program))
        .args(args)
        .args(NOW)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read its input may be gone by now.
    let _gone = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn list(items: &[Value]) -> String {
    json!({"kind": "List", "items": items}).to_string()
}

fn pod(name: &str, phase: &str) -> Value {
    json!({"kind": "Pod", "metadata": {"name": name, "namespace": "shop"},
        "status": {"phase": phase}})
}

#[test]
fn the_worst_stands_first_with_where_to_look() {
    let (code, shown, errors) = diagnose(&[], "");
    assert_eq!((code, errors.as_str()), (1, ""), "{shown}");
    let place = |text: &str| {
        shown
            .find(text)
            .unwrap_or_else(|| panic!("{text}\n{shown}"))
    };
    assert!(
        shown.starts_with("15 pods: 1 StuckTerminating, "),
        "{shown}"
    );
    let critical = place("CrashLoopBackOff  ");
    assert!(critical < place("NotReady  "), "{shown}");
    place("SteadyFailure");
    place("-> kubectl logs -n shop cart-7d9f5c6b8d-x2lqp -c cart --previous");
    place("-> the image in Deployment/recommend");
    assert!(!shown.contains("storefront-6f9c8d7b54-4kz2m"), "{shown}");
    let (_, all, _) = diagnose(&["--all"], "");
    assert!(all.contains("storefront-6f9c8d7b54-4kz2m"), "{all}");
}

#[test]
fn the_exit_code_is_for_scripts() {
    let code = |args: &[&str], items: &[Value]| diagnose(args, &list(items)).0;
    let warning = [pod("a", "Failed"), pod("b", "Succeeded")];
    let critical = [pod("a", "Unknown")];
    assert_eq!(code(&["-"], &[pod("b", "Succeeded")]), 0);
    assert_eq!(code(&["-"], &[]), 0);
    assert_eq!(code(&["-"], &warning), 1);
    assert_eq!(code(&["-", "--fail-on", "critical"], &warning), 0);
    assert_eq!(code(&["-", "--fail-on", "critical"], &critical), 1);
    // The pod that was asked for decides.
    assert_eq!(code(&["-", "--explain", "shop/b"], &warning), 0);
    assert_eq!(code(&["-", "--explain", "a"], &warning), 1);
}

#[test]
fn what_cannot_be_read_is_said() {
    let odd = json!({"kind": "Pod", "metadata": {"name": "odd", "labels": 7}});
    let (code, _, errors) = diagnose(&["-"], &list(&[pod("b", "Succeeded"), odd.clone()]));
    assert_eq!(code, 2, "no pod is sick, but one cannot be judged");
    assert!(errors.contains("items[1] (odd)"), "{errors}");
    assert_eq!(diagnose(&["-"], &list(&[pod("a", "Failed"), odd])).0, 1);
    for (args, input, part) in [
        (&["-"][..], "{\"items\": [", "cut"),
        (&["-"], "", "it is empty"),
        (&["/nowhere/pods.json"], "", "no such file"),
        (&["--fail-on", "often"], "", "give warning or critical"),
        (&["--now", "soon"], "", "is not a time"),
        (&["--explain", "shop/nobody"], "", "no pod \"shop/nobody\""),
        (&["a.json", "b.json"], "", "b.json"),
    ] {
        let (code, shown, errors) = diagnose(args, input);
        assert_eq!((code, shown.as_str()), (2, ""), "{args:?}");
        assert!(errors.starts_with("diagnose: "), "{errors}");
        assert!(errors.contains(part), "{errors}");
    }
}

#[test]
fn one_pod_is_explained() {
    let (code, shown, _) = diagnose(&["--explain", "shop/cart-7d9f5c6b8d-x2lqp"], "");
    assert_eq!(code, 1);
    for part in [
        "CrashLoopBackOff, SteadyFailure (high confidence)",
        "status.containerStatuses[0].restartCount = 38",
        "workload  Deployment/cart",
        "cart: startup -, readiness unknown, liveness unknown: Stopped, 38 restarts",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    let elsewhere = diagnose(&["--explain", "x/cart-7d9f5c6b8d-x2lqp"], "").2;
    assert!(
        elsewhere.contains("but there is shop/cart-7d9f5c6b8d-x2lqp"),
        "{elsewhere}"
    );
    let mut other = pod("a", "Failed");
    other["metadata"]["namespace"] = json!("till");
    let both = list(&[pod("a", "Failed"), other]);
    let (code, _, errors) = diagnose(&["-", "--explain", "a"], &both);
    assert_eq!(code, 2);
    assert!(
        errors.contains("\"a\" is one of shop/a, till/a"),
        "{errors}"
    );
}

#[test]
fn json_is_for_programs() {
    let (code, shown, _) = diagnose(&["--json"], "");
    assert_eq!(code, 1);
    let whole: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(whole["total"], 15);
    assert_eq!(whole["counts"]["Healthy"], 4);
    let pods = whole["pods"].as_array().unwrap();
    let cart = pods
        .iter()
        .find(|pod| pod["name"] == "cart-7d9f5c6b8d-x2lqp")
        .unwrap();
    assert_eq!(cart["severity"], "critical");
    let primary = &cart["findings"][0];
    assert_eq!(primary["condition"], "CrashLoopBackOff");
    assert_eq!(primary["cause"], "SteadyFailure");
    assert_eq!(primary["evidence"][1]["value"], "38");
    assert!(pods.iter().all(|pod| pod["severity"] != "fine"));
}

#[test]
fn text_of_a_pod_does_not_reach_the_terminal_as_it_is() {
    let mut bad = pod("a\u{1b}[2Jb", "Failed");
    bad["status"]["message"] = json!("x\u{1b}[31m\nfake: Healthy");
    bad["spec"] = json!({"nodeName": "n\u{1b}[0m", "containers": [{"name": "c\u{7}"}]});
    bad["status"]["containerStatuses"] = json!([{"name": "c\u{7}",
        "state": {"terminated": {"exitCode": 1}}}]);
    let input = list(&[bad]);
    for args in [&["-"][..], &["-", "--explain", "shop/a\u{1b}[2Jb"]] {
        let (code, shown, errors) = diagnose(args, &input);
        assert_eq!(code, 1, "{errors}");
        let forged = |text: &str| text.chars().any(|c| c.is_control() && c != '\n');
        assert!(!forged(&shown) && !forged(&errors), "{shown:?} {errors:?}");
        assert!(!shown.contains("\nfake"), "{shown}");
    }
}
