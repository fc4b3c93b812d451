//! What a path of the API names.

use std::fmt;

/// A path of the API, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Route {
    /// Empty for the core group.
    pub(super) group: String,
    pub(super) version: String,
    pub(super) namespace: Option<String>,
    /// The plural, as `pods`.
    pub(super) resource: String,
    pub(super) name: Option<String>,
    /// As `eviction` or `status`.
    pub(super) subresource: Option<String>,
}

impl Route {
    /// Takes `/api/v1/...` or `/apis/group/version/...` apart.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let mut parts = path.trim_matches('/').split('/').map(decode);
        let group = match parts.next()?.as_str() {
            "api" => String::new(),
            "apis" => parts.next()?,
            _ => return None,
        };
        let version = parts.next()?;
        let mut first = parts.next()?;
        let mut rest: Vec<String> = parts.collect();
        // `namespaces/x` is the namespace itself; `namespaces/x/pods` is what is in it.
        let mut namespace = None;
        if first == "namespaces" && rest.len() >= 2 && !is_part_of_namespace(rest.get(1)) {
            namespace = Some(rest.remove(0));
            first = rest.remove(0);
        }
        let mut rest = rest.into_iter();
        let route = Self {
            group,
            version,
            namespace,
            resource: first,
            name: rest.next(),
            subresource: rest.next(),
        };
        rest.next().is_none().then_some(route)
    }

    /// `v1`, or `group/version`.
    pub(super) fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    pub(super) fn kind(&self) -> String {
        kind(&self.resource)
    }
}

fn is_part_of_namespace(part: Option<&String>) -> bool {
    part.is_some_and(|part| matches!(part.as_str(), "status" | "finalize"))
}

/// `group/resource`, as RBAC and error messages write it.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource)?;
        match self.group.as_str() {
            "" => Ok(()),
            group => write!(f, ".{group}"),
        }
    }
}

/// The resources that are known, with their kinds.
const KINDS: [(&str, &str); 15] = [
    ("pods", "Pod"),
    ("nodes", "Node"),
    ("namespaces", "Namespace"),
    ("configmaps", "ConfigMap"),
    ("secrets", "Secret"),
    ("persistentvolumeclaims", "PersistentVolumeClaim"),
    ("services", "Service"),
    ("deployments", "Deployment"),
    ("replicasets", "ReplicaSet"),
    ("statefulsets", "StatefulSet"),
    ("daemonsets", "DaemonSet"),
    ("jobs", "Job"),
    ("events", "Event"),
    ("leases", "Lease"),
    ("poddisruptionbudgets", "PodDisruptionBudget"),
];

/// `Pod` of `pods`.
pub(super) fn kind(resource: &str) -> String {
    let known = KINDS.iter().find(|(plural, _)| *plural == resource);
    known.map_or_else(|| resource.to_owned(), |(_, kind)| (*kind).to_owned())
}

/// `pods` of `Pod`.
pub(super) fn resource(kind: &str) -> String {
    let known = KINDS.iter().find(|(_, known)| *known == kind);
    known.map_or_else(
        || format!("{}s", kind.to_ascii_lowercase()),
        |(plural, _)| (*plural).to_owned(),
    )
}

/// Percent-decodes; what is no valid escape stays as it is.
pub(super) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escape = match (first, after.get(..2)) {
            (b'%', Some(digits)) => str::from_utf8(digits)
                .ok()
                .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
            _ => None,
        };
        match escape {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(if first == b'+' { b' ' } else { first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The parameters of a query.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(query: &str) -> Self {
        let pairs = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(key), decode(value))
            });
        Self(pairs.collect())
    }

    /// The value, if the parameter is there and not empty.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == key);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    pub(super) fn is_true(&self, key: &str) -> bool {
        matches!(self.get(key), Some("true" | "1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        let route = Route::parse("/api/v1/namespaces/shop/pods/web-1/eviction").unwrap();
        assert_eq!(route.namespace.as_deref(), Some("shop"));
        assert_eq!(route.resource, "pods");
        assert_eq!(route.name.as_deref(), Some("web-1"));
        assert_eq!(route.subresource.as_deref(), Some("eviction"));
        let route = Route::parse("/apis/coordination.k8s.io/v1/namespaces/a/leases").unwrap();
        assert_eq!(route.api_version(), "coordination.k8s.io/v1");
        assert_eq!((route.kind().as_str(), route.name), ("Lease", None));
        let route = Route::parse("/api/v1/namespaces/shop").unwrap();
        assert_eq!(
            (route.resource.as_str(), route.name.as_deref()),
            ("namespaces", Some("shop"))
        );
        assert_eq!(Route::parse("/api/v1/pods").unwrap().namespace, None);
        for odd in [
            "",
            "/",
            "/healthz",
            "/api",
            "/api/v1/namespaces/a/pods/b/c/d",
        ] {
            assert_eq!(Route::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn queries_are_decoded() {
        let query = Query::parse("labelSelector=app%20in%20%28a%2Cb%29&limit=5&watch=true&x");
        assert_eq!(query.get("labelSelector"), Some("app in (a,b)"));
        assert!(query.is_true("watch") && !query.is_true("x"));
        assert_eq!(decode("50%"), "50%");
    }
}
