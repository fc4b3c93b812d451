//! Which pods are looked at.

use std::collections::BTreeSet;

use super::call::Call;

/// Which pods a [`PodWatch`](super::PodWatch) or a [`Sweep`](super::Sweep) looks at.
///
/// ```
/// use opsbox_heal::observe::live::PodScope;
///
/// let two = PodScope::namespaces(["shop", "search"]).labels("tier in (web, api)");
/// assert_eq!(two.selected_namespaces().unwrap().count(), 2);
/// assert!(PodScope::all().selected_namespaces().is_none());
/// ```
///
/// # Selectors of fields
///
/// The API server knows few fields of a pod: `metadata.name`, `metadata.namespace`, `spec.nodeName`,
/// `spec.restartPolicy`, `spec.schedulerName`, `spec.serviceAccountName`, `status.phase`,
/// `status.podIP` and `status.nominatedNodeName`; others are refused with 400. Parts that are joined
/// by a comma must *all* hold:
///
/// | selector | what it selects |
/// |---|---|
/// | `status.phase=Failed,status.phase=Unknown` | nothing, ever: no pod has two phases |
/// | `status.phase!=Running,status.phase!=Succeeded,status.phase!=Pending` | the phases `Failed` and `Unknown` |
/// | `status.phase in (Failed,Unknown)` | refused: fields have no sets |
///
/// And a phase tells little: a pod in `CrashLoopBackOff` is in phase `Running`, one in
/// `ImagePullBackOff` in phase `Pending`. So this crate selects by fields only what the caller asks
/// for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodScope {
    namespaces: Option<BTreeSet<Box<str>>>,
    labels: Option<Box<str>>,
    fields: Option<Box<str>>,
}

impl PodScope {
    /// The pods of all namespaces. Needs a `ClusterRole`.
    pub fn all() -> Self {
        Self::default()
    }

    /// The pods of one namespace. A `Role` in it is enough.
    pub fn namespace(name: &str) -> Self {
        Self::namespaces([name])
    }

    /// The pods of these namespaces, each once. A `Role` in each is enough.
    pub fn namespaces<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            namespaces: Some(names.into_iter().map(Into::into).collect()),
            ..Self::default()
        }
    }

    /// Only the pods that this label selector selects, as `kubectl -l` takes it.
    #[must_use]
    pub fn labels(mut self, selector: &str) -> Self {
        self.labels = Some(selector.into());
        self
    }

    /// Only the pods that this field selector selects, as `kubectl --field-selector` takes it.
    #[must_use]
    pub fn fields(mut self, selector: &str) -> Self {
        self.fields = Some(selector.into());
        self
    }

    /// The namespaces, in order; `None` if all are looked at.
    pub fn selected_namespaces(&self) -> Option<impl Iterator<Item = &str>> {
        let names = self.namespaces.as_ref()?;
        Some(names.iter().map(AsRef::as_ref))
    }

    /// The selectors, in the query of a call.
    pub(super) fn select(&self, mut call: Call) -> Call {
        if let Some(labels) = &self.labels {
            call = call.query("labelSelector", labels);
        }
        if let Some(fields) = &self.fields {
            call = call.query("fieldSelector", fields);
        }
        call
    }
}
