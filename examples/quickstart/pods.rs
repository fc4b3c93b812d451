//! Pods, the sickest first.

use std::{error::Error, path::Path, time::SystemTime};

use comfy_table::Cell;
use opsbox_heal::{PodSnapshot, ProbeMatrix, Report, Thresholds};

use crate::show::{self, say};

/// Pods that are shown.
const SHOWN: usize = 30;

pub(crate) fn show(path: &Path, now: SystemTime) -> Result<(), Box<dyn Error>> {
    let snapshot = show::while_waiting(|| PodSnapshot::from_path(path))?;
    let report = Report::of_snapshot(&snapshot, now.into());
    show::heading("PODS", show::short(path));
    say!("  {report}");
    if snapshot.skipped_count() > 0 {
        say!(
            "  left out: {}",
            show::count(snapshot.skipped_count(), "item that is no pod")
        );
    }

    for problem in report.problems() {
        say!("  {problem}");
    }

    say!("");
    let rows = report.entries().iter().take(SHOWN).map(|entry| {
        let pod = entry.pod();
        let verdict = entry.verdict();
        let matrix = ProbeMatrix::of_pod(pod, now.into(), &Thresholds::default());
        let probes = [matrix.startup(), matrix.readiness(), matrix.liveness()];
        let probes: Vec<_> = probes.iter().map(ToString::to_string).collect();
        [
            Cell::new(verdict.condition()),
            Cell::new(show::cut(
                &show::printable(&format!("{}/{}", pod.namespace(), pod.name())),
                42,
            )),
            Cell::new(pod.phase()),
            Cell::new(probes.join("/")),
            Cell::new(show::cut(&show::printable(verdict.summary()), 90)),
        ]
    });
    show::table(
        ["verdict", "pod", "phase", "startup/ready/live", "why"],
        rows.collect(),
    );
    if let Some(more @ 1..) = report.total().checked_sub(SHOWN) {
        say!("  and {}", show::count(more, "more pod"));
    }
    Ok(())
}
