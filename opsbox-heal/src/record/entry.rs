//! One line of the audit stream.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    act::{Outcome, Recovery, Target},
    model::verdict::Verdict,
    time::Timestamp,
};

/// The version of the schema that this crate writes and reads.
///
/// New fields may come without a new version, and a reader skips those that it does not know. A field that changes its
/// meaning or goes is a new version.
pub const SCHEMA: u32 = 1;

/// What an [`Entry`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EntryKind {
    /// What is to be done about a pod, be it nothing, and why.
    Decision,
    /// What the API server said to an act.
    Outcome,
    /// Whether an act helped.
    Recovery,
    /// A person was asked to look.
    Escalation,
    /// Something about the controller itself: it began, leads, stopped acting because of a common cause.
    Notice,
    /// One that a newer version of this crate writes.
    #[serde(other)]
    Other,
}

/// One line of the audit stream: plain data, which any reader of JSON understands.
///
/// | field | type | when | what |
/// |---|---|---|---|
/// | `schema` | number | always | [`SCHEMA`] |
/// | `sequence` | number | always | 1, 2, 3, ... in one run of one `controller`: a gap is a lost line |
/// | `time` | RFC 3339, UTC, seconds | always | the moment of the decision or answer |
/// | `kind` | `decision`, `outcome`, `recovery`, `escalation`, `notice` | always | [`EntryKind`] |
/// | `cluster` | text | if it is set | which cluster, as its operator calls it |
/// | `controller` | text | if it is set | which process wrote it |
/// | `act` | text | if there is one | the same in all lines about one act |
/// | `target` | object | of a pod | `namespace`, `name`, `uid`, and where known `resource_version`, `workload` (`Kind/name`), `node` |
/// | `condition` | text | of a judged pod | the name of its [`Condition`](crate::Condition), such as `CrashLoopBackOff` |
/// | `cause` | text | where known | the name of its cause, such as `ImageNotFound` |
/// | `severity` | `fine`, `passing`, `warning`, `critical` | of a judged pod | how bad it is |
/// | `confidence` | `low`, `medium`, `high` | of a judged pod | how sure it is |
/// | `summary` | text | of a judged pod | the verdict in one line |
/// | `action` | text | always | `evict`, `delete`, `restart_owner`, `wait`, `escalate`, `ignore`, ... |
/// | `reason` | text in CamelCase | always | why, for a program |
/// | `message` | text | if there is one | why, for a person |
/// | `rule` | text | where one applied | the rule of the policy |
/// | `dry_run` | boolean | always | whether nothing was to be written |
/// | `outcome` | object | of an act | `result` (a word of [`Outcome::as_str`]), `message`, and `retry_after_seconds` where known |
/// | `recovery` | object | of a verified act | `result` (a word of [`Recovery::as_str`]), `after_seconds`, and `replacement` where there is one |
///
/// A field that has nothing to say is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// The version of the schema.
    pub schema: u32,
    /// Which line of this run it is; [`AuditLog`](super::AuditLog) sets it.
    #[serde(default)]
    pub sequence: u64,
    /// When it was.
    #[serde(with = "rfc3339")]
    pub time: Timestamp,
    /// What it tells.
    pub kind: EntryKind,
    /// Which cluster; [`AuditLog`](super::AuditLog) sets it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// Which process; [`AuditLog`](super::AuditLog) sets it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub controller: String,
    /// What the lines about one act have in common.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<String>,
    /// The pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<EntryTarget>,
    /// What it suffers from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// By what cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// How bad it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// How sure it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<String>,
    /// The verdict in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// What is done, be it nothing.
    pub action: String,
    /// Why, for a program.
    pub reason: String,
    /// Why, for a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// By which rule of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Whether nothing was to be written.
    #[serde(default)]
    pub dry_run: bool,
    /// What the API server said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<EntryOutcome>,
    /// Whether it helped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<EntryRecovery>,
}

/// The pod of an [`Entry`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EntryTarget {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion` of the state that was judged.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// Who makes it, as `Kind/name`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub workload: String,
    /// `spec.nodeName`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub node: String,
}

/// The outcome of an [`Entry`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EntryOutcome {
    /// A word of [`Outcome::as_str`].
    pub result: String,
    /// The same for a person.
    pub message: String,
    /// When to ask again, if the API server said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
}

/// The recovery of an [`Entry`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EntryRecovery {
    /// A word of [`Recovery::as_str`].
    pub result: String,
    /// From the act until then.
    pub after_seconds: u64,
    /// Name of the new pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
}

impl Entry {
    /// An entry of this kind and moment: this is done, for this reason.
    pub fn new(
        kind: EntryKind,
        time: Timestamp,
        action: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            schema: SCHEMA,
            sequence: 0,
            time,
            kind,
            cluster: String::new(),
            controller: String::new(),
            act: None,
            target: None,
            condition: None,
            cause: None,
            severity: None,
            confidence: None,
            summary: None,
            action: action.into(),
            reason: reason.into(),
            message: String::new(),
            rule: None,
            dry_run: false,
            outcome: None,
            recovery: None,
        }
    }

    /// With the condition of the pod, if the whole verdict is not at hand.
    pub fn condition(mut self, condition: crate::Condition) -> Self {
        self.condition = Some(condition.to_string());
        self
    }

    /// With what all lines about this act have in common.
    pub fn act(mut self, id: impl Into<String>) -> Self {
        self.act = Some(id.into());
        self
    }

    /// With the pod.
    pub fn target(mut self, target: impl Into<EntryTarget>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// With condition, severity, confidence and summary of the verdict.
    pub fn verdict(mut self, verdict: &Verdict) -> Self {
        self.condition = Some(verdict.condition().to_string());
        self.severity = Some(verdict.severity().to_string());
        self.confidence = Some(verdict.confidence().to_string());
        self.summary = Some(verdict.summary().to_owned());
        self
    }

    /// With the cause of the condition.
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// With the reason for a person.
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// With the rule of the policy.
    pub fn rule(mut self, rule: impl Into<String>) -> Self {
        self.rule = Some(rule.into());
        self
    }

    /// Whether nothing was to be written.
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// With what the API server said.
    pub fn outcome(mut self, outcome: &Outcome) -> Self {
        self.outcome = Some(EntryOutcome {
            result: outcome.as_str().to_owned(),
            message: outcome.to_string(),
            retry_after_seconds: outcome.retry_after().map(|after| after.as_secs()),
        });
        self
    }

    /// With whether it helped.
    pub fn recovery(mut self, recovery: &Recovery) -> Self {
        let replacement = match recovery {
            Recovery::Recovered { replacement, .. } => replacement.clone(),
            Recovery::NotReady { replacement, .. } => Some(replacement.clone()),
            _ => None,
        };
        self.recovery = Some(EntryRecovery {
            result: recovery.as_str().to_owned(),
            after_seconds: recovery.after().as_secs(),
            replacement,
        });
        self
    }

    /// The texts that anyone may have written.
    pub(super) fn free_texts(&mut self) -> impl Iterator<Item = &mut String> {
        let outcome = self.outcome.iter_mut().map(|outcome| &mut outcome.message);
        let own = [&mut self.message, &mut self.action, &mut self.reason];
        let optional = [&mut self.summary, &mut self.rule, &mut self.cause];
        let optional = optional.into_iter().flatten();
        own.into_iter().chain(optional).chain(outcome)
    }
}

impl EntryTarget {
    /// A pod by its names.
    pub fn new(
        namespace: impl Into<String>,
        name: impl Into<String>,
        uid: impl Into<String>,
    ) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            uid: uid.into(),
            ..Self::default()
        }
    }

    /// With who makes it, as `Kind/name`.
    pub fn workload(mut self, workload: impl Into<String>) -> Self {
        self.workload = workload.into();
        self
    }

    /// With the node.
    pub fn node(mut self, node: impl Into<String>) -> Self {
        self.node = node.into();
        self
    }
}

impl From<&Target> for EntryTarget {
    fn from(target: &Target) -> Self {
        Self {
            resource_version: target.resource_version.clone(),
            ..Self::new(&target.namespace, &target.name, &target.uid)
        }
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Decision => "decision",
            Self::Outcome => "outcome",
            Self::Recovery => "recovery",
            Self::Escalation => "escalation",
            Self::Notice => "notice",
            Self::Other => "other",
        })
    }
}

mod rfc3339 {
    use std::borrow::Cow;

    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    use crate::time::Timestamp;

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}
