//! Metrics of the certificates in service, and the alerts on them, by the word of `promtool` and `amtool`.
//!
//! A program that is missing makes its trials ignored, with a line on stderr, never passed. With
//! `OPSBOX_REQUIRE_COUNTERPARTS=1` it makes them fail. `PROMTOOL` and `AMTOOL` name the programs if they are
//! not in the path. `OPSBOX_WRITE_ALERTS=1` writes the generated files anew.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, in its helpers too, and its files need no atomic write"
)]

mod common;
#[path = "common/issue.rs"]
mod issue;
#[path = "common/trials.rs"]
mod trials;

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use libtest_mimic::{Arguments, Failed};
use opsbox_cert::ManualClock;
use opsbox_cert::install::{Certificates, Policy};
use opsbox_cert::observe::{Metrics, ObservedStore, alerts};
use opsbox_cert::store::conformance::{self, Harness};
use opsbox_cert::store::{Acquired, Condition, FsStore, MemoryStore, Name, Owner, Record, Store};
use opsbox_cert::{Error, ErrorKind};

use common::{NOW, now, write};
use issue::{Ca, DAY, Order};
use trials::{program, trial};

type Check = fn(&str) -> Result<(), Failed>;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let promtool = program("PROMTOOL", "promtool", "--version");
    let amtool = program("AMTOOL", "amtool", "--version");
    let none = Ok(String::new());
    let trials = [
        ("events_are_counted", &none, counted as Check),
        ("failures_of_a_store_are_counted", &none, store_counted),
        ("rules_name_metrics_that_are_there", &none, metrics_exist),
        ("the_files_are_as_generated", &none, files_equal),
        ("promtool_accepts_the_metrics", &promtool, metrics_accepted),
        ("promtool_sees_the_alerts_fire", &promtool, alerts_fire),
        ("amtool_routes_the_alerts", &amtool, alerts_routed),
    ];
    let trials = trials
        .map(|(name, program, check)| trial(name, program.clone(), move |program| check(&program)));
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

/// Certificates that much has happened to.
fn eventful() -> (Certificates, Metrics) {
    let clock = Arc::new(ManualClock::new(now()));
    let all = Certificates::with_clock(clock.clone());
    let metrics = Metrics::new(&all);
    let ca = Ca::new();
    let install = |id: &str, days: u32| {
        let pair = ca.issue(&Order {
            begin: now(),
            ..Order::new(&["a.example"], now(), days)
        });
        drop(all.install(id, pair.candidate(), &Policy::new()));
    };
    install("a", 30);
    install("a", 40);
    install("b", 100);
    install("a", 39);
    install("c", 1);
    all.remove("c");
    clock.advance(DAY * 30);
    metrics.set_next_renewal(Some(now() + DAY * 31));
    (all, metrics)
}

fn counted(_: &str) -> Result<(), Failed> {
    let (all, metrics) = eventful();
    let text = metrics.encode();
    let has = |line: &str| {
        assert!(
            text.lines().any(|own| own == line),
            "{line} is not in\n{text}"
        );
    };
    has("tls_certificates_in_service 2");
    has(&format!(
        "tls_certificate_next_expiry_timestamp_seconds {}",
        NOW + 40 * 86_400
    ));
    has("tls_certificate_least_remaining_ratio 0.25");
    has(&format!(
        "tls_certificate_next_renewal_timestamp_seconds {}",
        NOW + 31 * 86_400
    ));
    has(r#"tls_certificate_swaps_total{outcome="new",reason=""} 3"#);
    has(r#"tls_certificate_swaps_total{outcome="replaced",reason=""} 1"#);
    has(r#"tls_certificate_swaps_total{outcome="refused",reason="ends_earlier"} 1"#);
    metrics.set_next_renewal(None);
    all.remove("a");
    all.remove("b");
    let text = metrics.encode();
    for unknown in ["next_renewal", "next_expiry", "least_remaining"] {
        assert!(
            !text.contains(&format!("tls_certificate_{unknown}")),
            "{text}"
        );
    }
    Ok(())
}

fn store_counted(_: &str) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let metrics = Metrics::new(&Certificates::new());
        let clock = Arc::new(ManualClock::new(now()));
        let store = ObservedStore::new(MemoryStore::with_clock(clock.clone()), metrics.clone());
        // It is a store like the one within it.
        let observed = Observed(store.clone(), clock);
        conformance::run(&observed).await.unwrap();
        assert!(
            !metrics.encode().contains("store_errors_total{"),
            "{}",
            metrics.encode()
        );

        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("store");
        let broken = ObservedStore::new(FsStore::open(&folder).await.unwrap(), metrics.clone());
        let name = Name::certificate("a.example").unwrap();
        let record = Record::new().with("x", "y").unwrap();
        broken
            .save(&name, &record, &Condition::Any, None)
            .await
            .unwrap();
        let error = broken
            .save(&name, &record, &Condition::Absent, None)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        fs::remove_dir_all(&folder).unwrap();
        write(dir.path(), "store", "no folder");
        let error: Error = broken
            .save(&name, &record, &Condition::Any, None)
            .await
            .unwrap_err();
        let text = metrics.encode();
        assert!(
            text.contains("tls_certificate_store_errors_total{operation=\"save\",kind=\""),
            "{error}: {text}"
        );
        assert!(!text.contains("conflict"), "{text}");
        let owner = Owner::random("test").unwrap();
        let lock = store.acquire(&name, &owner, DAY).await.unwrap();
        assert!(matches!(lock, Acquired::Granted(_)));
    });
    Ok(())
}

struct Observed(ObservedStore<MemoryStore>, Arc<ManualClock>);

#[async_trait]
impl Harness for Observed {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }

    async fn wait(&self, time: Duration) {
        self.1.advance(time);
    }
}

fn metrics_exist(_: &str) -> Result<(), Failed> {
    let (_, metrics) = eventful();
    metrics.store_failed("load", &Error::store(ErrorKind::Full, "load", "x", "y"));
    let text = metrics.encode();
    let mut found = 0;
    for rest in alerts::rules().split("tls_certificate").skip(1) {
        let end = rest
            .find(|c: char| !c.is_ascii_lowercase() && c != '_')
            .unwrap();
        let name = format!("tls_certificate{}", rest.get(..end).unwrap());
        let known = name.strip_suffix("_total").unwrap_or(&name);
        assert!(
            text.contains(&format!("# TYPE {known} ")),
            "{name} is not in\n{text}"
        );
        found += 1;
    }
    assert_eq!(found, 8);
    Ok(())
}

const ROUTE: (&str, &str) = ("http://localhost:9095/pager", "http://localhost:9095/chat");

fn files_equal(_: &str) -> Result<(), Failed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("alerts");
    let route = alerts::route(ROUTE.0, ROUTE.1);
    for (name, text) in [("rules.yml", alerts::rules()), ("alertmanager.yml", route)] {
        let path = folder.join(name);
        if env::var_os("OPSBOX_WRITE_ALERTS").is_some_and(|v| v == "1") {
            fs::write(&path, &text).unwrap();
        }
        let own = fs::read_to_string(&path).unwrap();
        assert_eq!(
            own, text,
            "run this test with OPSBOX_WRITE_ALERTS=1 to write {name} anew"
        );
    }
    Ok(())
}

fn said(command: &mut Command, input: &str) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{text}");
    text
}

fn metrics_accepted(promtool: &str) -> Result<(), Failed> {
    let (_, metrics) = eventful();
    metrics.store_failed(
        "load",
        &Error::store(ErrorKind::KeyMismatch, "load", "x", "y"),
    );
    let text = metrics.encode();
    assert!(text.contains("kind=\"key_mismatch\""), "{text}");
    // OpenMetrics names a counter without `_total` where it describes it; promtool reads the older form.
    let described = ["swaps", "sources_gone", "source_failures", "store_errors"];
    let text = described.iter().fold(text, |text, name| {
        ["HELP", "TYPE"].iter().fold(text, |text, what| {
            let line = format!("# {what} tls_certificate_{name}");
            text.replace(&format!("{line} "), &format!("{line}_total "))
        })
    });
    let said = said(Command::new(promtool).args(["check", "metrics"]), &text);
    assert!(said.trim().is_empty(), "{said}\n{text}");
    Ok(())
}

fn alerts_fire(promtool: &str) -> Result<(), Failed> {
    let dir = tempfile::tempdir().unwrap();
    let rules = write(dir.path(), "rules.yml", alerts::rules());
    said(
        Command::new(promtool).args(["check", "rules"]).arg(&rules),
        "",
    );
    let case = |series: &str, values: &str, at: &str, firing: &[(&str, &str, &str)]| {
        let mut test = format!(
            "  - interval: 1m
    input_series:
      - series: '{series}'
        values: '{values}'
    promql_expr_test:
      - expr: 'ALERTS{{alertstate=\"firing\"}}'
        eval_time: {at}
        exp_samples:{}
",
            if firing.is_empty() { " []" } else { "" }
        );
        for (alert, severity, more) in firing {
            test += &format!(
                "          - labels: 'ALERTS{{alertname=\"{alert}\",alertstate=\"firing\",component=\"tls\",severity=\"{severity}\"{more}}}'\n            value: 1\n"
            );
        }
        test
    };
    let one = ",instance=\"i\",job=\"j\"";
    let all = r#"{instance="i",job="j"}"#;
    let (critical, warning) = ("critical", "warning");
    let metric = |name: &str| format!("{name}{all}");
    let refused =
        r#"tls_certificate_swaps_total{instance="i",job="j",outcome="refused",reason="expired"}"#;
    let replaced =
        r#"tls_certificate_swaps_total{instance="i",job="j",outcome="replaced",reason=""}"#;
    let failed =
        r#"tls_certificate_store_errors_total{instance="i",job="j",operation="save",kind="full"}"#;
    let source = metric("tls_certificate_source_failures_total");
    let mut tests = String::from("rule_files: [rules.yml]\nevaluation_interval: 1m\ntests:\n");
    let expiry = metric("tls_certificate_next_expiry_timestamp_seconds");
    let ratio = metric("tls_certificate_least_remaining_ratio");
    let renewal = metric("tls_certificate_next_renewal_timestamp_seconds");
    let gone = metric("tls_certificate_sources_gone_total");
    for case in [
        case(&expiry, "600x60", "9m", &[]),
        case(
            &expiry,
            "600x60",
            "11m",
            &[("TlsCertificateExpired", critical, one)],
        ),
        case(&ratio, "0.3x60", "50m", &[]),
        case(&ratio, "0.2x60", "10m", &[]),
        case(
            &ratio,
            "0.2x60",
            "20m",
            &[("TlsCertificateNotRenewed", warning, one)],
        ),
        case(
            &ratio,
            "0.05x60",
            "20m",
            &[
                ("TlsCertificateAboutToExpire", critical, one),
                ("TlsCertificateNotRenewed", warning, one),
            ],
        ),
        case(&renewal, "0x200", "59m", &[]),
        case(
            &renewal,
            "0x200",
            "80m",
            &[("TlsCertificateRenewalOverdue", warning, one)],
        ),
        case(
            refused,
            "0x10 1x10",
            "20m",
            &[(
                "TlsCertificateRefused",
                warning,
                ",instance=\"i\",job=\"j\",reason=\"expired\"",
            )],
        ),
        case(replaced, "0x10 1x10", "20m", &[]),
        case(
            &gone,
            "0x10 1x10",
            "20m",
            &[("TlsCertificateSourceGone", warning, one)],
        ),
        case(
            &source,
            "0x10 1x10",
            "20m",
            &[("TlsCertificateSourceFails", warning, one)],
        ),
        case(failed, "0+1x100", "20m", &[]),
        case(
            failed,
            "0+1x100",
            "60m",
            &[(
                "TlsCertificateStoreFails",
                warning,
                ",instance=\"i\",job=\"j\",kind=\"full\",operation=\"save\"",
            )],
        ),
    ] {
        tests += &case;
    }
    let tests = write(dir.path(), "tests.yml", tests);
    said(
        Command::new(promtool).args(["test", "rules"]).arg(tests),
        "",
    );
    Ok(())
}

fn alerts_routed(amtool: &str) -> Result<(), Failed> {
    let dir = tempfile::tempdir().unwrap();
    let text = alerts::route("https://pager.example/it's", ROUTE.1);
    let config = write(dir.path(), "alertmanager.yml", text);
    let checked = said(Command::new(amtool).arg("check-config").arg(&config), "");
    assert!(checked.contains("SUCCESS"), "{checked}");
    for (labels, receiver) in [
        (&["component=tls", "severity=critical"][..], "pager"),
        (&["component=tls", "severity=warning"], "chat"),
        (&["component=disk", "severity=critical"], "chat"),
    ] {
        let mut command = Command::new(amtool);
        command
            .args(["config", "routes", "test"])
            .arg(format!("--config.file={}", config.display()));
        let routed = said(command.args(labels), "");
        assert_eq!(routed.lines().next(), Some(receiver), "{labels:?}");
    }
    Ok(())
}
