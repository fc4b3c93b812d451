//! The same for a program.

use std::io::{self, Write};

use opsbox_heal::{Diagnosis, Finding, Report};
use serde_json::{Map, Value, json};

use crate::look;

pub(crate) fn write(
    out: &mut impl Write,
    report: &Report<'_>,
    chosen: &[&Diagnosis<'_>],
) -> io::Result<()> {
    let counts: Map<String, Value> = report
        .counts()
        .map(|(condition, count)| (condition.as_str().to_owned(), json!(count)))
        .collect();
    let problems: Vec<_> = report.problems().iter().map(ToString::to_string).collect();
    let whole = json!({
        "total": report.total(),
        "counts": counts,
        "pods": chosen.iter().map(|entry| pod(entry)).collect::<Vec<_>>(),
        "unreadable": {"total": report.problem_count(), "first": problems},
    });
    serde_json::to_writer_pretty(&mut *out, &whole)?;
    writeln!(out)
}

fn pod(entry: &Diagnosis<'_>) -> Value {
    let (pod, verdict) = (entry.pod(), entry.verdict());
    json!({
        "namespace": pod.namespace(),
        "name": pod.name(),
        "uid": pod.uid(),
        "node": pod.node(),
        "workload": {"kind": pod.workload().kind(), "name": pod.workload().name()},
        "severity": verdict.severity().to_string(),
        "lookAt": look::next(entry),
        "findings": verdict.findings().map(finding).collect::<Vec<_>>(),
    })
}

fn finding(finding: &Finding) -> Value {
    let evidence: Vec<_> = finding
        .evidence()
        .map(|evidence| {
            json!({
                "field": evidence.field(),
                "value": evidence.value(),
                "since": evidence.since().map(|since| since.to_string()),
            })
        })
        .collect();
    json!({
        "condition": finding.condition().as_str(),
        "cause": finding.cause().map(opsbox_heal::Cause::as_str),
        "confidence": finding.confidence().to_string(),
        "history": finding.is_history(),
        "summary": finding.summary(),
        "evidence": evidence,
    })
}
