//! The verdicts on all pods of a snapshot.

use std::fmt;

use super::{judge::diagnose_with, thresholds::Thresholds};
use crate::{
    model::{
        pod::PodState,
        verdict::{Condition, Verdict},
    },
    observe::{problem::Problem, snapshot::PodSnapshot},
    time::Timestamp,
};

/// The verdicts on many pods, counted and sorted.
///
/// ```
/// use opsbox_heal::{Condition, PodSnapshot, Report, Timestamp};
///
/// let snapshot = PodSnapshot::from_json(br#"{"kind": "List", "items": [
///     {"kind": "Pod", "metadata": {"name": "a"}, "status": {"phase": "Succeeded"}},
///     {"kind": "Pod", "metadata": {"name": "b"}, "status": {"phase": "Failed"}}
/// ]}"#)?;
/// let now: Timestamp = "2026-03-01T12:00:00Z".parse()?;
/// let report = Report::of_snapshot(&snapshot, now);
/// assert_eq!(report.count(Condition::Completed), 1);
/// assert_eq!(report.sick().next().unwrap().pod().name(), "b");
/// assert_eq!(report.to_string(), "2 pods: 1 Failed, 1 Completed");
/// # Ok::<(), opsbox_heal::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Report<'a> {
    entries: Vec<Diagnosis<'a>>,
    problems: &'a [Problem],
    problem_count: usize,
}

/// A pod with its verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis<'a> {
    pod: &'a PodState,
    verdict: Verdict,
}

impl<'a> Diagnosis<'a> {
    /// A verdict on this pod.
    pub fn new(pod: &'a PodState, verdict: Verdict) -> Self {
        Self { pod, verdict }
    }

    /// The pod.
    pub fn pod(&self) -> &'a PodState {
        self.pod
    }

    /// The verdict on it.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }
}

/// The pod and its verdict: `{}` is one line, `{:#}` adds the evidence.
impl fmt::Display for Diagnosis<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.pod)?;
        self.verdict.fmt(f)
    }
}

impl<'a> Report<'a> {
    /// Judges every pod, with the default [`Thresholds`]. Of a snapshot, use
    /// [`of_snapshot`](Self::of_snapshot), which does not lose what could not be read.
    pub fn new(pods: &'a [PodState], now: Timestamp) -> Self {
        Self::with_thresholds(pods, now, &Thresholds::default())
    }

    /// Judges every pod.
    pub fn with_thresholds(pods: &'a [PodState], now: Timestamp, thresholds: &Thresholds) -> Self {
        let mut entries: Vec<_> = pods
            .iter()
            .map(|pod| Diagnosis {
                pod,
                verdict: diagnose_with(pod, now, thresholds),
            })
            .collect();
        entries.sort_by(|a, b| key(a).cmp(&key(b)));
        Self {
            entries,
            problems: &[],
            problem_count: 0,
        }
    }

    /// Judges every pod of a snapshot, and keeps in sight what could not be read and so not be
    /// judged: see [`problems`](Self::problems).
    pub fn of_snapshot(snapshot: &'a PodSnapshot, now: Timestamp) -> Self {
        Self::of_snapshot_with(snapshot, now, &Thresholds::default())
    }

    /// As [`of_snapshot`](Self::of_snapshot), with thresholds of one's own.
    pub fn of_snapshot_with(
        snapshot: &'a PodSnapshot,
        now: Timestamp,
        thresholds: &Thresholds,
    ) -> Self {
        Self {
            problems: snapshot.problems(),
            problem_count: snapshot.problem_count(),
            ..Self::with_thresholds(snapshot.pods(), now, thresholds)
        }
    }

    /// Every pod: the worst severity first, then by condition, namespace and name.
    pub fn entries(&self) -> &[Diagnosis<'a>] {
        &self.entries
    }

    /// The pods that somebody or something should act on, in the same order.
    pub fn sick(&self) -> impl Iterator<Item = &Diagnosis<'a>> {
        self.entries
            .iter()
            .take_while(|entry| entry.verdict.is_sick())
    }

    /// The items without a verdict because they could not be read, as
    /// [`PodSnapshot::problems`] lists them. Empty unless the report is
    /// [of a snapshot](Self::of_snapshot).
    pub fn problems(&self) -> &'a [Problem] {
        self.problems
    }

    /// How many items have no verdict because they could not be read.
    pub fn problem_count(&self) -> usize {
        self.problem_count
    }

    /// How many pods there are.
    pub fn total(&self) -> usize {
        self.entries.len()
    }

    /// How many pods have this as their primary condition.
    pub fn count(&self, condition: Condition) -> usize {
        self.entries
            .iter()
            .filter(|entry| entry.verdict.condition() == condition)
            .count()
    }

    /// The conditions that occur, in order of precedence, each with its count. The counts add up
    /// to [`total`](Self::total).
    pub fn counts(&self) -> impl Iterator<Item = (Condition, usize)> {
        Condition::ALL
            .into_iter()
            .map(|condition| (condition, self.count(condition)))
            .filter(|(_, count)| *count > 0)
    }
}

fn key<'e>(entry: &'e Diagnosis<'_>) -> impl Ord + use<'e> {
    let verdict = &entry.verdict;
    let severity = std::cmp::Reverse(verdict.severity());
    (
        severity,
        verdict.condition(),
        entry.pod.namespace(),
        entry.pod.name(),
    )
}

/// One line: how many pods, of which condition, and how many items could not be read.
impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pods = if self.total() == 1 { "pod" } else { "pods" };
        write!(f, "{} {pods}", self.total())?;
        for (index, (condition, count)) in self.counts().enumerate() {
            let separator = if index == 0 { ": " } else { ", " };
            write!(f, "{separator}{count} {condition}")?;
        }
        match self.problem_count {
            0 => Ok(()),
            1 => f.write_str("; 1 item could not be read"),
            count => write!(f, "; {count} items could not be read"),
        }
    }
}
