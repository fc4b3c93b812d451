//! Which pods are never touched.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::reason::Reason;
use crate::model::pod::PodState;

/// Namespaces that are protected unless they are named in
/// [`Protection::unprotected_namespaces`].
pub const PROTECTED_NAMESPACES: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// Pods with this label are left alone whatever the policy says; its value is not looked at.
pub const PROTECTING_LABEL: &str = "opsbox.dev/do-not-heal";

/// From this priority on a pod is critical to the cluster: that of `system-cluster-critical`.
pub const CRITICAL_PRIORITY: i32 = 2_000_000_000;

/// Which pods are never touched, however sick.
///
/// The default protects all that does not come back by itself. Each protection is lifted by a
/// field of its own; lists add to what is built in, so that an empty one lifts nothing. Static and
/// mirror pods, the pod that this code runs in, pods that are being deleted, and pods with the
/// label [`PROTECTING_LABEL`] are always left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Protection {
    /// Protected beside [`PROTECTED_NAMESPACES`].
    pub namespaces: Vec<String>,
    /// Those of [`PROTECTED_NAMESPACES`] that are not protected after all.
    pub unprotected_namespaces: Vec<String>,
    /// Pods with one of these labels are protected: `key` or `key=value`.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))]
    pub labels: Vec<LabelMatch>,
    /// Touch pods without a controller, which nobody makes again.
    pub allow_bare_pods: bool,
    /// Touch pods of a DaemonSet, which come back on the same node.
    pub allow_daemon_set_pods: bool,
    /// Touch pods of a Job, whose work begins anew and whose failures the Job counts.
    pub allow_job_pods: bool,
    /// Touch pods with an `emptyDir` on disk or a `hostPath`, whose data may be lost.
    pub allow_local_data: bool,
    /// Touch pods of [`CRITICAL_PRIORITY`] and above.
    pub allow_critical_priority: bool,
    /// Touch pods whose annotations `cluster-autoscaler.kubernetes.io/safe-to-evict: "false"` or
    /// `karpenter.sh/do-not-disrupt: "true"` ask to leave them alone.
    pub allow_annotated: bool,
}

impl Protection {
    /// Why a pod must not be touched, if it must not; `own_pod` is namespace and name of the pod
    /// that this code runs in.
    pub fn protects(&self, pod: &PodState, own_pod: Option<(&str, &str)>) -> Option<Reason> {
        let label = |key: &str| pod.label(key).is_some();
        let owner = pod.owner().map(|owner| owner.kind());
        if own_pod == Some((pod.namespace(), pod.name())) {
            return Some(Reason::OwnPod);
        }
        if pod.is_static() {
            return Some(Reason::StaticPod);
        }
        if label(PROTECTING_LABEL) {
            return Some(Reason::ProtectedLabel {
                label: PROTECTING_LABEL.to_owned(),
            });
        }
        if self.is_protected_namespace(pod.namespace()) {
            return Some(Reason::ProtectedNamespace);
        }
        if let Some(found) = self.labels.iter().find(|label| label.matches(pod)) {
            return Some(Reason::ProtectedLabel {
                label: found.to_string(),
            });
        }
        if !self.allow_annotated {
            if pod.safe_to_evict() == Some(false) {
                return Some(Reason::ProtectedAnnotation {
                    annotation: "cluster-autoscaler.kubernetes.io/safe-to-evict".to_owned(),
                });
            }
            if pod.do_not_disrupt() {
                return Some(Reason::ProtectedAnnotation {
                    annotation: "karpenter.sh/do-not-disrupt".to_owned(),
                });
            }
        }
        if !self.allow_critical_priority && pod.priority() >= Some(CRITICAL_PRIORITY) {
            return Some(Reason::CriticalPriority);
        }
        if !self.allow_bare_pods && !pod.owner().is_some_and(|owner| owner.is_controller()) {
            return Some(Reason::BarePod);
        }
        if !self.allow_daemon_set_pods && owner == Some("DaemonSet") {
            return Some(Reason::DaemonSetPod);
        }
        if !self.allow_job_pods && owner == Some("Job") {
            return Some(Reason::JobPod);
        }
        // What has ended has no more use for its data.
        if !self.allow_local_data && pod.has_local_data() && !pod.phase().is_terminal() {
            return Some(Reason::LocalData);
        }
        None
    }

    fn is_protected_namespace(&self, namespace: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|name| name == namespace);
        named(&self.namespaces)
            || PROTECTED_NAMESPACES.contains(&namespace) && !named(&self.unprotected_namespaces)
    }
}

/// A label that pods may have: `key` with any value, or `key=value`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LabelMatch {
    key: String,
    value: Option<String>,
}

impl LabelMatch {
    /// Whether a pod has it.
    pub fn matches(&self, pod: &PodState) -> bool {
        match (pod.label(&self.key), &self.value) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(has), Some(wanted)) => has == wanted,
        }
    }
}

impl fmt::Display for LabelMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        match &self.value {
            None => Ok(()),
            Some(value) => write!(f, "={value}"),
        }
    }
}

impl From<LabelMatch> for String {
    fn from(label: LabelMatch) -> Self {
        label.to_string()
    }
}

impl TryFrom<String> for LabelMatch {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (key, value) = match text.split_once('=') {
            None => (text.as_str(), None),
            Some((key, value)) => (key, Some(value)),
        };
        let fits = |part: &str| {
            part.chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        };
        if key.is_empty() || !fits(key) || !value.is_none_or(fits) {
            return Err(format!(
                "{text:?} is no label; write \"key\" or \"key=value\""
            ));
        }
        Ok(Self {
            key: key.to_owned(),
            value: value.map(ToOwned::to_owned),
        })
    }
}
