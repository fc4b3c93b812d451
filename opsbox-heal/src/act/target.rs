//! What is acted on.

use std::{fmt, str::FromStr};

use crate::{error::Error, error::ErrorKind, model::pod::PodState, text::Escaped};

/// One pod, as it was when it was judged.
///
/// The uid is always a precondition of an act, so that a pod that was replaced under the same name is never
/// hit. The resource version is one where [`ActOptions::unchanged`](super::ActOptions::unchanged) asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Target {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`; nothing is done to a pod without one.
    pub uid: String,
    /// `metadata.resourceVersion` of the state that was judged; empty if it is not known.
    pub resource_version: String,
}

impl Target {
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
            resource_version: String::new(),
        }
    }

    /// With the version that was judged.
    pub fn resource_version(mut self, version: impl Into<String>) -> Self {
        self.resource_version = version.into();
        self
    }
}

/// Without the resource version.
impl From<&PodState> for Target {
    fn from(pod: &PodState) -> Self {
        Self::new(pod.namespace(), pod.name(), pod.uid())
    }
}

/// `namespace/name`; unprintable characters are escaped.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Escaped(&self.namespace), Escaped(&self.name))
    }
}

/// A kind of owner that a rollout restart can be asked of: those of `kubectl rollout restart`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum OwnerKind {
    /// A Deployment.
    Deployment,
    /// A StatefulSet.
    StatefulSet,
    /// A DaemonSet.
    DaemonSet,
}

impl OwnerKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Deployment, Self::StatefulSet, Self::DaemonSet];

    /// The kind, such as `Deployment`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }

    /// The resource of the API group `apps`, such as `deployments`.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Deployment => "deployments",
            Self::StatefulSet => "statefulsets",
            Self::DaemonSet => "daemonsets",
        }
    }
}

impl fmt::Display for OwnerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// From a kind, such as `Deployment`.
///
/// ```
/// use opsbox_heal::act::OwnerKind;
///
/// assert_eq!("StatefulSet".parse::<OwnerKind>()?, OwnerKind::StatefulSet);
/// let error = "ReplicaSet".parse::<OwnerKind>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "a ReplicaSet cannot be restarted; give its Deployment, or a StatefulSet or DaemonSet"
/// );
/// # Ok::<(), opsbox_heal::Error>(())
/// ```
impl FromStr for OwnerKind {
    type Err = Error;

    fn from_str(kind: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|known| known.as_str() == kind);
        known.ok_or_else(|| {
            let advice = match kind {
                "ReplicaSet" => "give its Deployment, or a StatefulSet or DaemonSet",
                "Job" | "CronJob" => "a Job makes its pods anew by itself, up to its backoffLimit",
                _ => "only a Deployment, a StatefulSet or a DaemonSet can",
            };
            let shown: String = kind.chars().take(80).collect();
            Error::new(
                ErrorKind::WrongKind,
                format!("a {shown} cannot be restarted; {advice}"),
            )
        })
    }
}

/// The owner of pods that is restarted as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct OwnerTarget {
    /// What it is.
    pub kind: OwnerKind,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid` if it is known, as it is of a StatefulSet or DaemonSet from the pod's owner reference;
    /// another owner of the same name is then left alone.
    pub uid: Option<String>,
}

impl OwnerTarget {
    /// An owner by its names.
    pub fn new(kind: OwnerKind, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            kind,
            namespace: namespace.into(),
            name: name.into(),
            uid: None,
        }
    }

    /// Only if it is the one with this uid.
    pub fn uid(mut self, uid: impl Into<String>) -> Self {
        self.uid = Some(uid.into());
        self
    }
}

/// `Kind namespace/name`; unprintable characters are escaped.
impl fmt::Display for OwnerTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (namespace, name) = (Escaped(&self.namespace), Escaped(&self.name));
        write!(f, "{} {namespace}/{name}", self.kind)
    }
}
