use std::path::Path;

/// The container that wrote a log, as the kubelet and container runtimes name its file.
///
/// ```
/// use opsbox_log::enrich::Kubernetes;
///
/// let path = "/var/log/pods/shop_cart-7d4b9_0b5f6e0e-6f2b-4c4e-9f57-6a2c8f0d3b11/app/2.log";
/// let container = Kubernetes::from_path(path).unwrap();
/// assert_eq!((container.namespace(), container.pod()), ("shop", "cart-7d4b9"));
/// assert_eq!(container.container(), "app");
/// assert_eq!(container.restart_count(), Some(2));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kubernetes {
    namespace: Box<str>,
    pod: Box<str>,
    container: Box<str>,
    uid: Option<Box<str>>,
    id: Option<Box<str>>,
    restart_count: Option<u32>,
}

impl Kubernetes {
    /// From the path of a log, whatever folders come before:
    ///
    /// - `/var/log/pods/NAMESPACE_POD_UID/CONTAINER/N.log`, where kubelets since 1.14 have them, rotated ones
    ///   (`N.log.20260517-100503`, `.gz`) too;
    /// - `/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log`, the links that log agents follow.
    ///
    /// The UID of a static pod is that of its file, not that of the API's mirror of it.
    pub fn from_path(path: impl AsRef<Path>) -> Option<Self> {
        let path = path.as_ref();
        let file = path.file_name()?.to_str()?;
        Self::from_link(file).or_else(|| {
            let folder = path.parent()?;
            let pod = folder.parent()?.file_name()?.to_str()?;
            Self::from_pods(pod, folder.file_name()?.to_str()?, file)
        })
    }

    /// From the name that Docker and cri-dockerd give a container: `k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT`.
    ///
    /// ```
    /// use opsbox_log::enrich::Kubernetes;
    ///
    /// let name = "k8s_app_cart-7d4b9_shop_0b5f6e0e-6f2b-4c4e-9f57-6a2c8f0d3b11_0";
    /// assert_eq!(Kubernetes::from_cri_name(name).unwrap().pod(), "cart-7d4b9");
    /// ```
    pub fn from_cri_name(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix('/').unwrap_or(name).split('_');
        let mut part = || parts.next();
        let (Some("k8s"), container, pod, namespace, uid, attempt) =
            (part(), part()?, part()?, part()?, part()?, part()?)
        else {
            return None;
        };
        let attempt = attempt.parse().ok()?;
        let found = Self::new(namespace, pod, container)?.with_uid(uid)?;
        parts.next().is_none().then_some(Self {
            restart_count: Some(attempt),
            ..found
        })
    }

    fn from_link(file: &str) -> Option<Self> {
        let name = file.strip_suffix(".log")?;
        let (pod, rest) = name.split_once('_')?;
        let (namespace, rest) = rest.split_once('_')?;
        let (container, id) = rest.rsplit_once('-')?;
        let is_id = id.len() == 64 && id.bytes().all(is_hex);
        is_id.then_some(Self {
            id: Some(id.into()),
            ..Self::new(namespace, pod, container)?
        })
    }

    fn from_pods(folder: &str, container: &str, file: &str) -> Option<Self> {
        let mut parts = folder.split('_');
        let (namespace, pod, uid) = (parts.next()?, parts.next()?, parts.next()?);
        let (count, rest) = file.split_once(".log")?;
        let is_log = rest.is_empty() || rest.starts_with('.');
        if parts.next().is_some() || !is_log {
            return None;
        }
        Some(Self {
            restart_count: Some(count.parse().ok()?),
            ..Self::new(namespace, pod, container)?.with_uid(uid)?
        })
    }

    fn new(namespace: &str, pod: &str, container: &str) -> Option<Self> {
        let fits = is_label(namespace) && is_subdomain(pod) && is_label(container);
        fits.then(|| Self {
            namespace: namespace.into(),
            pod: pod.into(),
            container: container.into(),
            uid: None,
            id: None,
            restart_count: None,
        })
    }

    /// A UUID, or for a static pod a hash.
    fn with_uid(self, uid: &str) -> Option<Self> {
        let fits = (1..=64).contains(&uid.len()) && uid.bytes().all(|it| is_hex(it) || it == b'-');
        fits.then(|| Self {
            uid: Some(uid.into()),
            ..self
        })
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name of the pod.
    pub fn pod(&self) -> &str {
        &self.pod
    }

    /// The name of the container in the pod.
    pub fn container(&self) -> &str {
        &self.container
    }

    /// The UID of the pod, if it was there.
    pub fn pod_uid(&self) -> Option<&str> {
        self.uid.as_deref()
    }

    /// The id that the runtime gave the container, if it was there.
    pub fn container_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// How often the container was started before, if it was there.
    pub fn restart_count(&self) -> Option<u32> {
        self.restart_count
    }

    /// The fields by their OpenTelemetry names.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&'static str, String)> {
        let count = self.restart_count.map(|count| count.to_string());
        let fields = [
            ("k8s.namespace.name", Some(self.namespace.to_string())),
            ("k8s.pod.name", Some(self.pod.to_string())),
            ("k8s.pod.uid", self.uid.as_deref().map(str::to_owned)),
            ("k8s.container.name", Some(self.container.to_string())),
            ("k8s.container.restart_count", count),
            ("container.id", self.id.as_deref().map(str::to_owned)),
        ];
        fields
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
    }
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// A DNS label of RFC 1123 in lower case.
fn is_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// A DNS subdomain of RFC 1123 in lower case, as names of pods are.
fn is_subdomain(name: &str) -> bool {
    let outer = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let parts = name.split('.');
    name.len() <= 253
        && parts.into_iter().all(|part| {
            let ends = [part.bytes().next(), part.bytes().last()];
            ends.into_iter().all(|end| end.is_some_and(outer))
                && part.bytes().all(|byte| outer(byte) || byte == b'-')
        })
}
