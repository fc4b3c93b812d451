//! What is wrong with a pod, and how one can tell.

use std::{borrow::Cow, fmt};

use super::cause::Cause;
use crate::{
    text::{Escaped, escaped},
    time::Timestamp,
};

/// What a pod suffers from, or that it does not.
///
/// The order of the variants is the order of precedence: of several conditions found in a pod the
/// first is the primary one. Causes come before their effects, and what forbids a judgement comes
/// before every judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Condition {
    /// A phase or state that this crate does not know: for a human, never guessed.
    Unrecognized,
    /// Still there long after it was due to be gone.
    StuckTerminating,
    /// Being deleted, within its grace period.
    Terminating,
    /// The node cannot be asked, so every other field may be stale.
    Unknown,
    /// The node got rid of the pod, for want of memory or disk or because it was to be drained.
    Evicted,
    /// A container ended for want of memory.
    OomKilled,
    /// An image cannot be pulled.
    ImagePullBackOff,
    /// The container runtime cannot make or start a container as its spec asks.
    ContainerConfigError,
    /// A container ends again and again.
    CrashLoopBackOff,
    /// A container is killed again and again, as the kubelet does if its liveness probe fails.
    LivenessFailing,
    /// The pod or one of its containers ended in failure and is not restarted.
    Failed,
    /// The scheduler finds no node.
    Unschedulable,
    /// Running, but not ready to serve.
    NotReady,
    /// An init container runs for so long that it may never end.
    InitStuck,
    /// Coming up, but for longer than is normal.
    StuckStarting,
    /// Coming up.
    Starting,
    /// Ended well long ago, and nothing will ever clear it away.
    CompletedLeftover,
    /// Ended well.
    Completed,
    /// Does what it should.
    Healthy,
}

impl Condition {
    /// All of them, in order of precedence.
    pub const ALL: [Self; 19] = [
        Self::Unrecognized,
        Self::StuckTerminating,
        Self::Terminating,
        Self::Unknown,
        Self::Evicted,
        Self::OomKilled,
        Self::ImagePullBackOff,
        Self::ContainerConfigError,
        Self::CrashLoopBackOff,
        Self::LivenessFailing,
        Self::Failed,
        Self::Unschedulable,
        Self::NotReady,
        Self::InitStuck,
        Self::StuckStarting,
        Self::Starting,
        Self::CompletedLeftover,
        Self::Completed,
        Self::Healthy,
    ];

    /// Its name, as `kubectl` spells it where `kubectl` has one.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unrecognized => "Unrecognized",
            Self::StuckTerminating => "StuckTerminating",
            Self::Terminating => "Terminating",
            Self::Unknown => "Unknown",
            Self::Evicted => "Evicted",
            Self::OomKilled => "OOMKilled",
            Self::ImagePullBackOff => "ImagePullBackOff",
            Self::ContainerConfigError => "ContainerConfigError",
            Self::CrashLoopBackOff => "CrashLoopBackOff",
            Self::LivenessFailing => "LivenessFailing",
            Self::Failed => "Failed",
            Self::Unschedulable => "Unschedulable",
            Self::NotReady => "NotReady",
            Self::InitStuck => "InitStuck",
            Self::StuckStarting => "StuckStarting",
            Self::Starting => "Starting",
            Self::CompletedLeftover => "CompletedLeftover",
            Self::Completed => "Completed",
            Self::Healthy => "Healthy",
        }
    }

    /// How bad it is for the work of the pod.
    pub fn severity(self) -> Severity {
        match self {
            Self::Healthy | Self::Completed => Severity::Fine,
            Self::Starting | Self::Terminating => Severity::Passing,
            Self::StuckTerminating
            | Self::Evicted
            | Self::LivenessFailing
            | Self::Failed
            | Self::NotReady
            | Self::InitStuck
            | Self::StuckStarting
            | Self::CompletedLeftover => Severity::Warning,
            Self::Unrecognized
            | Self::Unknown
            | Self::OomKilled
            | Self::ImagePullBackOff
            | Self::ContainerConfigError
            | Self::CrashLoopBackOff
            | Self::Unschedulable => Severity::Critical,
        }
    }

    /// Whether somebody or something should act: a severity of `Warning` or worse.
    pub fn is_sick(self) -> bool {
        self.severity() >= Severity::Warning
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How bad a condition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// Nothing to do.
    Fine,
    /// Not serving, but for a normal reason that passes by itself.
    Passing,
    /// Not as it should be: it may recover, or its owner has made up for it.
    Warning,
    /// The pod does not do its work and will not without help.
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fine => "fine",
            Self::Passing => "passing",
            Self::Warning => "warning",
            Self::Critical => "critical",
        })
    }
}

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Confidence {
    /// A trace that may have another explanation, or history.
    Low,
    /// Inferred from several fields or from time that has passed.
    Medium,
    /// A field of the API says so.
    High,
}

impl Confidence {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One field of the pod that a finding rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    field: Cow<'static, str>,
    value: Cow<'static, str>,
    since: Option<Timestamp>,
}

impl Evidence {
    pub(crate) fn new(
        field: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
        since: Option<Timestamp>,
    ) -> Self {
        Self {
            field: field.into(),
            value: value.into(),
            since,
        }
    }

    /// Path of the field, such as `status.containerStatuses[0].state.waiting.reason`. Conditions
    /// are named by type, as in `status.conditions[?(@.type=="Ready")].status`: JSONPath, as
    /// `kubectl -o jsonpath` takes it.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Its value as text; `<absent>` if the field is missing. It is the text of the input as it is,
    /// which `Display` escapes.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Since when it has had this value, if the object says so.
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }
}

/// One line; unprintable characters are escaped.
impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", Escaped(&self.field), Escaped(&self.value))?;
        match self.since {
            Some(since) => write!(f, " (since {since})"),
            None => Ok(()),
        }
    }
}

/// One condition found in a pod, with at least one piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    condition: Condition,
    confidence: Confidence,
    history: bool,
    cause: Option<Cause>,
    summary: Cow<'static, str>,
    /// Kept apart from the rest: most pods are healthy by one field, which then costs no heap.
    first: Evidence,
    rest: Vec<Evidence>,
}

impl Finding {
    pub(crate) fn new(
        condition: Condition,
        confidence: Confidence,
        summary: impl Into<Cow<'static, str>>,
        first: Evidence,
    ) -> Self {
        // Names and messages of the input are in it, and it is promised to be one line.
        let summary = escaped(summary.into());
        Self {
            condition,
            confidence,
            history: false,
            cause: None,
            summary,
            first,
            rest: Vec::new(),
        }
    }

    pub(crate) fn and(mut self, more: Evidence) -> Self {
        self.rest.push(more);
        self
    }

    pub(crate) fn caused_by(mut self, cause: Option<Cause>) -> Self {
        self.cause = cause;
        self
    }

    pub(crate) fn into_history(mut self) -> Self {
        self.history = true;
        self
    }

    /// What was found.
    pub fn condition(&self) -> Condition {
        self.condition
    }

    /// Why it is so, if the condition has several causes and the object tells which.
    pub fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// How sure it is.
    pub fn confidence(&self) -> Confidence {
        self.confidence
    }

    /// Whether it is over: worth knowing, but no reason to call the pod sick.
    pub fn is_history(&self) -> bool {
        self.history
    }

    /// One line for a person; unprintable characters of the input are escaped.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// The fields that it rests on, the telling one first.
    pub fn evidence(&self) -> impl Iterator<Item = &Evidence> {
        std::iter::once(&self.first).chain(&self.rest)
    }
}

/// `{}` is one line; `{:#}` adds a line of evidence each.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.condition.as_str())?;
        if let Some(cause) = self.cause {
            write!(f, ", {cause}")?;
        }
        write!(f, " ({} confidence", self.confidence)?;
        if self.history {
            f.write_str(", history")?;
        }
        write!(f, "): {}", self.summary)?;
        if f.alternate() {
            for evidence in self.evidence() {
                write!(f, "\n  {evidence}")?;
            }
        }
        Ok(())
    }
}

/// The verdict on a pod: its primary finding and all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    primary: Finding,
    others: Vec<Finding>,
}

impl Verdict {
    pub(crate) fn new(primary: Finding, others: Vec<Finding>) -> Self {
        Self { primary, others }
    }

    /// The condition of the primary finding.
    pub fn condition(&self) -> Condition {
        self.primary.condition
    }

    /// Why it is so: the [`cause`](Finding::cause) of the primary finding.
    pub fn cause(&self) -> Option<Cause> {
        self.primary.cause
    }

    /// How bad that is.
    pub fn severity(&self) -> Severity {
        self.primary.condition.severity()
    }

    /// Whether somebody or something should act.
    pub fn is_sick(&self) -> bool {
        self.primary.condition.is_sick()
    }

    /// How sure the primary finding is.
    pub fn confidence(&self) -> Confidence {
        self.primary.confidence
    }

    /// One line for a person; unprintable characters of the input are escaped.
    pub fn summary(&self) -> &str {
        &self.primary.summary
    }

    /// The first finding by precedence that is not history.
    pub fn primary(&self) -> &Finding {
        &self.primary
    }

    /// All findings, the primary one first, the others by precedence.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        std::iter::once(&self.primary).chain(&self.others)
    }

    /// The finding of this condition, if there is one, be it history.
    pub fn finding(&self, condition: Condition) -> Option<&Finding> {
        self.findings()
            .find(|finding| finding.condition == condition)
    }
}

/// `{}` is one line; `{:#}` adds the evidence and the other findings.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.primary.fmt(f)?;
        if f.alternate() {
            for other in &self.others {
                write!(f, "\nalso {other:#}")?;
            }
        }
        Ok(())
    }
}
