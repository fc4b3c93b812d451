//! Policies from files, and what is said of bad ones.
#![cfg(feature = "config")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "nobody reads a test's files while it writes"
)]

use std::time::Duration;

use opsbox_heal::config::{Format, parse_policy, read_policy};
use opsbox_heal::decide::{Action, Budget, Mode, Policy, Share};
use opsbox_heal::{Cause, Condition, Confidence, ErrorKind};

const TOML: &str = r#"
mode = "act"
cooldown = "90s"

[[responses]]
condition = "CrashLoopBackOff"
cause = "SteadyFailure"
steps = ["evict", "restart_owner", "escalate"]
after = "10m"
confidence = "high"

[budgets.workload]
max_count = 2
max_share = "20%"

[rate]
acts = 3
period = "1h 30m"

[protection]
namespaces = ["payments"]
labels = ["app.kubernetes.io/part-of=vault", "keep"]
allow_bare_pods = true

[[windows]]
effect = "deny"
days = ["mon", "fri"]
from = "08:00"
to = "18:00"
time_zone = "Europe/Berlin"
"#;

const YAML: &str = r#"
mode: act
cooldown: 90s
responses:
  - condition: CrashLoopBackOff
    cause: SteadyFailure
    steps: [evict, restart_owner, escalate]
    after: 10m
    confidence: high
budgets:
  workload: {max_count: 2, max_share: 20%}
rate: {acts: 3, period: 1h 30m}
protection:
  namespaces: [payments]
  labels: [app.kubernetes.io/part-of=vault, keep]
  allow_bare_pods: true
windows:
  - {effect: deny, days: [mon, fri], from: "08:00", to: "18:00", time_zone: Europe/Berlin}
"#;

#[test]
fn the_three_languages_say_the_same() {
    let toml = parse_policy("a.toml", TOML, Format::Toml).unwrap();
    let yaml = parse_policy("a.yaml", YAML, Format::Yaml).unwrap();
    let json = serde_json::to_string(&toml).unwrap();
    let json = parse_policy("a.json", &json, Format::Json).unwrap();
    assert_eq!(toml, yaml);
    assert_eq!(toml, json);
    assert_eq!(toml.mode, Mode::Act);
    assert_eq!(toml.budgets.workload, Budget::new(2, Share::percent(20)));
    assert_eq!(toml.budgets.cluster, Policy::default().budgets.cluster);
    assert_eq!(toml.rate.period, Duration::from_secs(5400));
    let response = toml.response(Condition::CrashLoopBackOff, Some(Cause::SteadyFailure));
    let response = response.unwrap();
    assert_eq!(response.steps[1], Action::RestartOwner);
    assert_eq!(response.confidence, Confidence::High);
}

#[test]
fn nothing_is_the_default() {
    for (text, format) in [
        ("", Format::Toml),
        ("\n", Format::Yaml),
        ("{}", Format::Json),
    ] {
        assert_eq!(parse_policy("a", text, format).unwrap(), Policy::default());
    }
}

/// What is said of a bad policy, after the name of its file.
#[track_caller]
fn said(text: &str, format: Format) -> String {
    let error = parse_policy("p", text, format).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Policy);
    let text = error.to_string();
    text.strip_prefix("cannot use policy p: ")
        .unwrap()
        .to_owned()
}

#[test]
fn a_bad_policy_is_explained() {
    let cases = [
        (
            "[[responses]]\ncondition = \"CrashLoop\"\nsteps = [\"evict\"]",
            "line 2 column 13 (byte 26): responses[0].condition: there is no condition \
             `CrashLoop`; did you mean `CrashLoopBackOff`?",
        ),
        (
            "cooldwn = \"1m\"",
            "line 1 column 1 (byte 0): cooldwn: there is no field `cooldwn`; did you mean \
             `cooldown`?",
        ),
        (
            "mode = \"active\"",
            "line 1 column 8 (byte 7): mode: there is no variant `active`; did you mean `act`?",
        ),
        (
            "cooldown = \"soon\"",
            "line 1 column 12 (byte 11): cooldown: \"soon\" is no length of time; write as in \
             \"90s\", \"5m\" or \"1h 30m\"",
        ),
        (
            "[budgets.node]\nmax_count = 1\nmax_share = \"120%\"",
            "line 3 column 13 (byte 41): budgets.node.max_share: \"120%\" is no share; write \
             whole percent from \"0%\" to \"100%\"",
        ),
        (
            "[[responses]]\ncondition = \"Failed\"\nsteps = []",
            "responses[0].steps: there is no step; give at least one, such as \"ignore\"",
        ),
        (
            "[[responses]]\ncondition = \"Failed\"\nsteps = [\"wait\", \"evict\"]",
            "responses[0].steps[0]: nothing can follow wait; make it the last step",
        ),
        (
            "[[responses]]\ncondition = \"Failed\"\ncause = \"Flapping\"\nsteps = [\"wait\"]",
            "responses[0].cause: Flapping is a cause of CrashLoopBackOff, not of Failed",
        ),
        (
            "[protection]\nunprotected_namespaces = [\"shop\"]",
            "protection.unprotected_namespaces[0]: \"shop\" is not protected by itself; leave it \
             out",
        ),
        (
            "[backoff]\ninitial = \"1h\"\nmax = \"1m\"",
            "backoff.max: it is shorter than backoff.initial",
        ),
        (
            "[[windows]]\neffect = \"deny\"\nfrom = \"8:00\"\nto = \"18:00\"",
            "line 3 column 8 (byte 35): windows[0].from: \"8:00\" is no time of day; write as in \
             \"22:00\"",
        ),
        (
            "mode = ",
            "line 1 column 8 (byte 7): string values must be quoted, expected literal string",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(said(text, Format::Toml), expected, "{text}");
    }
    assert_eq!(
        said("rate:\n  acts: many\n", Format::Yaml),
        "line 2 column 9 (byte 14): rate.acts: it must be a whole number, not less than 0"
    );
    assert_eq!(
        said("{\"rate\": {\"acts\": -1}}", Format::Json),
        "line 1 column 20 (byte 19): rate.acts: it must be a whole number, not less than 0"
    );
    assert_eq!(
        said("{\"mode\": \"act\"", Format::Json),
        "line 1 column 14 (byte 13): EOF while parsing an object"
    );
}

#[test]
fn a_file_is_read_by_its_ending() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("p.yml"), YAML).unwrap();
    assert_eq!(read_policy(path("p.yml")).unwrap().mode, Mode::Act);
    std::fs::write(path("p.conf"), YAML).unwrap();
    let error = read_policy(path("p.conf")).unwrap_err().to_string();
    assert!(
        error.ends_with("end it in .toml, .yaml or .json"),
        "{error}"
    );
    let error = read_policy(path("none.toml")).unwrap_err().to_string();
    assert!(error.contains("No such file"), "{error}");
    std::fs::write(path("big.json"), " ".repeat(2 << 20)).unwrap();
    let error = read_policy(path("big.json")).unwrap_err().to_string();
    assert!(error.contains("larger than the limit"), "{error}");
}

#[cfg(feature = "schema")]
mod schema {
    use super::*;
    use opsbox_heal::config::policy_schema;

    /// To write it anew: `OPSBOX_WRITE_SCHEMA=1 cargo test -p opsbox-heal --all-features --test config`.
    #[test]
    fn the_committed_schema_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/policy.schema.json");
        if std::env::var_os("OPSBOX_WRITE_SCHEMA").is_some() {
            std::fs::write(path, policy_schema()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap();
        assert_eq!(
            committed,
            policy_schema(),
            "write it anew, as the comment says"
        );
    }

    /// Every field of the schema is one that a policy is written with, and the other way round.
    #[test]
    fn the_schema_has_every_field() {
        let schema: serde_json::Value = serde_json::from_str(&policy_schema()).unwrap();
        let policy = parse_policy("a.toml", TOML, Format::Toml).unwrap();
        let policy = serde_json::to_value(policy).unwrap();
        let fields = |value: &serde_json::Value| {
            let object = value.as_object().unwrap();
            object
                .keys()
                .cloned()
                .collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(fields(&schema["properties"]), fields(&policy));
        assert_eq!(schema["additionalProperties"], false);
        let conditions = schema["$defs"]["Condition"]["enum"].as_array().unwrap();
        assert_eq!(conditions.len(), Condition::ALL.len());
    }
}
