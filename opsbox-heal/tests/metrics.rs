//! The Prometheus text: what is there from the start, and that promtool finds nothing to complain about.
//!
//! Without promtool (`PROMTOOL` names it) its trial is ignored, with a line on stderr, never passed. With
//! `OPSBOX_REQUIRE_COUNTERPARTS=1` it fails.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/trials.rs"]
mod trials;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use opsbox_heal::act::{Outcome, Permission, Recovery};
use opsbox_heal::record::{Metrics, Operation};
use opsbox_heal::{Condition, Timestamp};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let promtool = std::env::var("PROMTOOL").unwrap_or_else(|_| "promtool".to_owned());
    let found = Command::new(&promtool)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let promtool = match found {
        Ok(_) => Ok(promtool),
        Err(error) => Err(format!(
            "`{promtool}` cannot be run ({error}); install it or set PROMTOOL"
        )),
    };
    let trials = vec![
        Trial::test("what_is_known_begins_at_zero", zero),
        Trial::test("each_call_counts_once", counted),
        trials::trial("promtool_accepts_the_metrics", promtool, |p| accepted(&p)),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// After one call of each.
fn used() -> Metrics {
    let metrics = Metrics::new();
    metrics.pods(Condition::CrashLoopBackOff, 3);
    metrics.decided("evict", "CrashLoopBackOff");
    metrics.decided("ignore", "ProtectedNamespace");
    metrics.acted("evict", &Outcome::Done, Duration::from_millis(20));
    let forbidden = Outcome::Forbidden(Permission::new("create", "", "pods/eviction"));
    metrics.acted("delete", &forbidden, Duration::from_secs(60));
    metrics.recovered(&Recovery::Recovered {
        after: Duration::from_secs(12),
        replacement: None,
    });
    let after = Duration::from_secs(60);
    metrics.recovered(&Recovery::NotReplaced { after });
    metrics.escalated("NotReplaced");
    metrics.breaker("image", true);
    metrics.observe_failed(Operation::Watch);
    let at: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    metrics.swept(at, Duration::from_millis(1_500));
    metrics.leads(true);
    metrics.event(&Outcome::Done);
    metrics.audit(false);
    metrics
}

fn zero() -> Result<(), Failed> {
    let text = Metrics::new().encode();
    for line in [
        "opsbox_heal_pods{condition=\"OOMKilled\"} 0",
        "opsbox_heal_acts_total{action=\"evict\",outcome=\"blocked\"} 0",
        "opsbox_heal_recoveries_total{result=\"not_ready\"} 0",
        "opsbox_heal_observe_errors_total{operation=\"list\"} 0",
        "opsbox_heal_records_total{record=\"audit\",result=\"failed\"} 0",
        "opsbox_heal_last_sweep_timestamp_seconds 0",
        "opsbox_heal_leader 0",
    ] {
        assert!(
            text.lines().any(|one| one == line),
            "{line} is not in {text}"
        );
    }
    let pods = text
        .lines()
        .filter(|line| line.starts_with("opsbox_heal_pods{"));
    assert_eq!(pods.count(), Condition::ALL.len());
    Ok(())
}

fn counted() -> Result<(), Failed> {
    let (before, text) = (Metrics::new().encode(), used().encode());
    let before: BTreeSet<&str> = before.lines().collect();
    // Buckets and sums are histograms' own business.
    let changed = text
        .lines()
        .filter(|line| !before.contains(line) && !line.starts_with('#'));
    let mut changed: Vec<&str> = changed
        .filter(|line| !line.contains("_duration_seconds_"))
        .collect();
    changed.sort_unstable();
    assert_eq!(
        changed,
        [
            "opsbox_heal_acts_total{action=\"delete\",outcome=\"forbidden\"} 1",
            "opsbox_heal_acts_total{action=\"evict\",outcome=\"done\"} 1",
            "opsbox_heal_breaker_open{cause=\"image\"} 1",
            "opsbox_heal_decisions_total{action=\"evict\",reason=\"CrashLoopBackOff\"} 1",
            "opsbox_heal_decisions_total{action=\"ignore\",reason=\"ProtectedNamespace\"} 1",
            "opsbox_heal_escalations_total{reason=\"NotReplaced\"} 1",
            "opsbox_heal_last_sweep_timestamp_seconds 1772366400",
            "opsbox_heal_leader 1",
            "opsbox_heal_observe_errors_total{operation=\"watch\"} 1",
            "opsbox_heal_pods{condition=\"CrashLoopBackOff\"} 3",
            "opsbox_heal_records_total{record=\"audit\",result=\"failed\"} 1",
            "opsbox_heal_records_total{record=\"event\",result=\"done\"} 1",
            "opsbox_heal_recoveries_total{result=\"not_replaced\"} 1",
            "opsbox_heal_recoveries_total{result=\"recovered\"} 1",
            "opsbox_heal_sweep_duration_seconds 1.5",
        ]
    );
    assert!(
        text.contains("opsbox_heal_recovery_duration_seconds_count 1\n"),
        "{text}"
    );
    assert!(
        text.contains("opsbox_heal_act_duration_seconds_sum{action=\"delete\"} 60.0\n"),
        "{text}"
    );
    Ok(())
}

/// The text as a Prometheus that does not ask for OpenMetrics would have it: counters are described by their whole
/// name, and there are neither units nor an end.
fn prometheus(text: &str) -> String {
    let counters = text.lines().filter_map(|line| {
        let name = line.strip_prefix("# TYPE ")?.strip_suffix(" counter")?;
        Some(name.to_owned())
    });
    let counters: BTreeSet<String> = counters.collect();
    let mut out = String::new();
    for line in text.lines() {
        let mut words: Vec<&str> = line.splitn(4, ' ').collect();
        if let ["#", "UNIT" | "EOF", ..] = words.as_slice() {
            continue;
        }
        let whole;
        if let ["#", _, name, _] = words.as_mut_slice()
            && counters.contains(*name)
        {
            whole = format!("{name}_total");
            *name = &whole;
        }
        out.push_str(&words.join(" "));
        out.push('\n');
    }
    out
}

fn accepted(promtool: &str) -> Result<(), Failed> {
    for text in [Metrics::new().encode(), used().encode()] {
        let text = prometheus(&text);
        let mut child = Command::new(promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        child.stdin.take().unwrap().write_all(text.as_bytes())?;
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() || !said.trim().is_empty() {
            return Err(format!("{}: {said}", output.status).into());
        }
    }
    Ok(())
}
