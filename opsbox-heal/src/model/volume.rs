//! What a pod takes from outside, as far as it matters for a judgement or an act.

use std::{fmt, sync::Arc};

use crate::text::Escaped;

/// A volume of a pod, or a ConfigMap or Secret that its environment is made of.
///
/// Kept is what decides whether a pod may be moved (local data) and what several sick pods may
/// have in common (a claim, a ConfigMap, a Secret). Tokens of service accounts, which every pod
/// has, and volumes of other kinds are dropped.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Volume {
    pub(crate) kind: VolumeKind,
    pub(crate) source: Arc<str>,
}

impl Volume {
    /// What kind of volume it is.
    pub fn kind(&self) -> VolumeKind {
        self.kind
    }

    /// Where its content comes from: the name of the claim, the ConfigMap or the Secret, or the
    /// path on the host. Of an `EmptyDir`, `EmptyDirMemory` and `Ephemeral` it is the name of the
    /// volume itself; the claim of an ephemeral volume is called `<pod>-<volume>`.
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// `kind source`; unprintable characters are escaped.
impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, Escaped(&self.source))
    }
}

/// The kind of a [`Volume`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum VolumeKind {
    /// A folder on the node's disk that is gone with the pod.
    EmptyDir,
    /// The same in memory (medium `Memory` or `HugePages`).
    EmptyDirMemory,
    /// A path of the node.
    HostPath,
    /// A claim that outlives the pod.
    PersistentVolumeClaim,
    /// A claim that is made for the pod and deleted with it (`ephemeral`).
    Ephemeral,
    /// A ConfigMap, mounted or in the environment.
    ConfigMap,
    /// A Secret, mounted or in the environment.
    Secret,
}

impl VolumeKind {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EmptyDir => "EmptyDir",
            Self::EmptyDirMemory => "EmptyDirMemory",
            Self::HostPath => "HostPath",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
            Self::Ephemeral => "Ephemeral",
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }

    /// Whether what is in it is lost, or left behind, when the pod goes to another node.
    pub fn is_local(self) -> bool {
        matches!(self, Self::EmptyDir | Self::HostPath)
    }
}

impl fmt::Display for VolumeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
