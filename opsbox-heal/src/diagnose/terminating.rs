//! `Terminating` and `StuckTerminating`: deletion has been asked for.

use super::case::{Case, with};
use crate::{
    model::{
        pod::Deletion,
        verdict::{Condition, Confidence, Evidence, Finding},
    },
    time::Age,
};

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    let deletion = case.pod.deletion()?;
    let overdue = case.now.since(deletion.due());
    let field = Evidence::new(
        "metadata.deletionTimestamp",
        deletion.due().to_string(),
        None,
    );
    if overdue <= case.thresholds.terminating_margin {
        let summary = "being deleted, within its grace period";
        return Some(Finding::new(
            Condition::Terminating,
            Confidence::High,
            summary,
            field,
        ));
    }
    let finalizers = joined(deletion);
    let held = if finalizers.is_empty() {
        let node = case.pod.node().unwrap_or("none");
        format!("no finalizer holds it, so the kubelet has not confirmed (node {node})")
    } else {
        format!("held by finalizer {finalizers}")
    };
    let summary = format!("should have been gone {} ago: {held}", Age(overdue));
    let finding = Finding::new(
        Condition::StuckTerminating,
        Confidence::High,
        summary,
        field,
    );
    let finalizers =
        (!finalizers.is_empty()).then(|| Evidence::new("metadata.finalizers", finalizers, None));
    let grace = deletion.grace_period_seconds().map(|seconds| {
        Evidence::new(
            "metadata.deletionGracePeriodSeconds",
            seconds.to_string(),
            None,
        )
    });
    Some(with(with(finding, finalizers), grace))
}

fn joined(deletion: &Deletion) -> String {
    let names: Vec<&str> = deletion.finalizers().collect();
    names.join(", ")
}
