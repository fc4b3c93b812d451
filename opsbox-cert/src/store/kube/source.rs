//! What is followed and read: a folder of the store, or Secrets that others write.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::api::{Api, ListParams, WatchParams};

use super::requests::Requests;
use super::{KubeStore, KubeWatch, PAGE, is_label, object, requests};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::STORE_TIME_LIMIT;
#[cfg(feature = "watch")]
use crate::store::Store as _;
use crate::store::fault::{invalid, timed_out};
use crate::store::{Folder, Name, Record, Stored, Version};

/// Secrets of the type `kubernetes.io/tls` that somebody else writes, such as cert-manager: they are read
/// and followed, and never written.
///
/// Of each, `tls.crt` and `tls.key` are read, and nothing else. Its name is the id of the certificate.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use opsbox_cert::store::KubeSecrets;
///
/// let client = kube::Client::try_default().await?;
/// // The one that a Certificate of cert-manager names as its `secretName`.
/// let secret = KubeSecrets::named(client.clone(), "shop", "shop-tls")?;
/// // All that a team has.
/// let secrets = KubeSecrets::labelled(client, "shop", "team=edge")?;
/// # drop((secret, secrets));
/// # Ok(())
/// # }
/// ```
///
/// # Permissions
///
/// A Role with `get`, `list` and `watch` on `secrets`. For a named one `resourceNames` may say which: no other
/// is asked for.
#[derive(Clone)]
pub struct KubeSecrets {
    client: Client,
    namespace: Arc<str>,
    selection: Selection,
    time_limit: Duration,
}

#[derive(Clone)]
enum Selection {
    Named(Arc<str>),
    Labelled(Arc<str>),
}

impl KubeSecrets {
    /// The Secret of this name.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if the namespace or the name is none of Kubernetes.
    pub fn named(client: Client, namespace: &str, name: &str) -> Result<Self> {
        let is_name = name.len() <= 253 && name.split('.').all(|label| is_label(label, 253));
        if !is_name {
            let reason = "the name of a Secret has 1 to 253 lower-case letters, digits, dashes and dots; give that of one";
            return Err(invalid(format_args!("the Secret {name:?}"), reason));
        }
        Self::new(client, namespace, Selection::Named(name.into()))
    }

    /// All Secrets of the type `kubernetes.io/tls` with these labels, as `kubectl get -l` takes them; an empty
    /// text for all of the namespace.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if the namespace is none of Kubernetes. Wrong labels are told by
    /// the API server.
    pub fn labelled(client: Client, namespace: &str, labels: &str) -> Result<Self> {
        Self::new(client, namespace, Selection::Labelled(labels.into()))
    }

    fn new(client: Client, namespace: &str, selection: Selection) -> Result<Self> {
        if !is_label(namespace, 63) {
            let reason = "a namespace has 1 to 63 lower-case letters, digits and dashes; give the name of one that is there";
            return Err(invalid("the namespace of the Secrets", reason));
        }
        Ok(Self {
            client,
            namespace: namespace.into(),
            selection,
            time_limit: STORE_TIME_LIMIT,
        })
    }

    /// How long an operation may take.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Tells which are written and deleted from now on, after all that are there already. Each has the name
    /// `certificates/NAME`.
    pub fn watch(&self) -> KubeWatch {
        KubeWatch::of(Source::Secrets(self.clone()))
    }

    /// Reads the key and the chain of a Secret; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) if it has no key or no chain, and those of every
    /// [store](crate::store#errors).
    pub async fn load(&self, name: &Name) -> Result<Option<Stored>> {
        let secrets: Requests<'_, Secret> = Requests::new(&self.client, &self.namespace);
        let found = secrets.get("load", name, name.id());
        let found = match tokio::time::timeout(self.time_limit, found).await {
            Ok(found) => found?,
            Err(_) => return Err(timed_out("load", name, self.time_limit)),
        };
        let Some(mut secret) = found else {
            return Ok(None);
        };
        let pair = self.pair(&mut secret);
        let version = object::version(&secret);
        object::wipe(&mut secret);
        Ok(Some(Stored::new(pair?, version)))
    }

    fn pair(&self, secret: &mut Secret) -> Result<Record> {
        let mut record = Record::new();
        for part in object::TLS_KEYS {
            let data = secret.data.as_mut().and_then(|data| data.get_mut(part));
            let bytes = data.map(|bytes| std::mem::take(&mut bytes.0));
            let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) else {
                let name = secret.metadata.name.as_deref().unwrap_or_default();
                let object = format!("the Secret {}/{name}", self.namespace);
                let reason = format!(
                    "it has no `{part}`; wait until its writer is done, or give a Secret of the type kubernetes.io/tls"
                );
                return Err(Error::store(ErrorKind::Corrupt, "read", object, reason));
            };
            record.insert(part, bytes)?;
        }
        Ok(record)
    }
}

impl fmt::Display for KubeSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = &self.namespace;
        match &self.selection {
            Selection::Named(name) => write!(f, "the Secret {namespace}/{name}"),
            Selection::Labelled(labels) => {
                let labels = crate::text::Escaped(labels);
                write!(f, "the Secrets of {namespace} with the labels `{labels}`")
            }
        }
    }
}

impl fmt::Debug for KubeSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KubeSecrets({self})")
    }
}

/// What a [`KubeWatch`] follows.
#[derive(Clone)]
pub(super) enum Source {
    Folder(KubeStore, Folder),
    Secrets(KubeSecrets),
}

impl Source {
    pub(super) fn api(&self) -> Api<Secret> {
        match self {
            Self::Folder(store, _) => store.metadata(),
            Self::Secrets(secrets) => Api::namespaced(secrets.client.clone(), &secrets.namespace),
        }
    }

    /// By labels and by fields.
    fn selectors(&self) -> (String, String) {
        match self {
            Self::Folder(store, folder) => (store.selector(folder), String::new()),
            Self::Secrets(secrets) => match &secrets.selection {
                // The one selection that a Role with `resourceNames` lets through.
                Selection::Named(name) => (String::new(), format!("metadata.name={name}")),
                Selection::Labelled(labels) => {
                    (labels.to_string(), "type=kubernetes.io/tls".to_owned())
                }
            },
        }
    }

    pub(super) fn watched(&self) -> WatchParams {
        let (labels, fields) = self.selectors();
        WatchParams {
            label_selector: Some(labels).filter(|text| !text.is_empty()),
            field_selector: Some(fields).filter(|text| !text.is_empty()),
            ..WatchParams::default()
        }
    }

    /// The names and versions of all there are, and the version of the whole.
    pub(super) async fn list(
        &self,
        attempt: &'static str,
    ) -> Result<(Vec<(Name, Version)>, String)> {
        let api = self.api();
        let mut names = Vec::new();
        let (labels, fields) = self.selectors();
        let mut page = ListParams {
            label_selector: Some(labels).filter(|text| !text.is_empty()),
            field_selector: Some(fields).filter(|text| !text.is_empty()),
            limit: Some(PAGE),
            ..ListParams::default()
        };
        loop {
            let list = match api.list_metadata(&page).await {
                Ok(list) => list,
                // It took so long that the rest of it is forgotten.
                Err(kube::Error::Api(status))
                    if status.code == 410 && page.continue_token.is_some() =>
                {
                    names.clear();
                    page.continue_token = None;
                    continue;
                }
                Err(error) => return Err(requests::fault(attempt, self, error)),
            };
            names.extend(
                list.items
                    .iter()
                    .filter_map(|item| self.read(&item.metadata)),
            );
            page.continue_token = list.metadata.continue_.filter(|token| !token.is_empty());
            if page.continue_token.is_none() {
                names.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
                return Ok((names, list.metadata.resource_version.unwrap_or_default()));
            }
        }
    }

    /// The name and version of one of them; `None` for what is none of these.
    pub(super) fn read(&self, metadata: &ObjectMeta) -> Option<(Name, Version)> {
        match self {
            Self::Folder(store, folder) => object::listed(&store.prefix, folder, metadata),
            Self::Secrets(_) => {
                let name = Name::certificate(metadata.name.as_deref()?).ok()?;
                Some((name, object::version_of(metadata)))
            }
        }
    }

    pub(super) fn time_limit(&self) -> Duration {
        match self {
            Self::Folder(store, _) => store.time_limit,
            Self::Secrets(secrets) => secrets.time_limit,
        }
    }

    /// Reads many, in the order of the names.
    #[cfg(feature = "watch")]
    pub(super) async fn load_many(&self, names: &[Name]) -> Vec<Result<Option<Stored>>> {
        match self {
            Self::Folder(store, _) => store.load_many(names).await,
            Self::Secrets(secrets) => {
                let mut loaded = Vec::with_capacity(names.len());
                for name in names {
                    loaded.push(secrets.load(name).await);
                }
                loaded
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(_, folder) => folder.fmt(f),
            Self::Secrets(secrets) => secrets.fmt(f),
        }
    }
}
