//! A store in Kubernetes: a Secret for each record, a Lease for each lock.
//!
//! | Object | Name | Holds |
//! |---|---|---|
//! | `v1` Secret | `{prefix}-{readable}-{hash}` | a record, each part as a key of `data` |
//! | `coordination.k8s.io/v1` Lease | the same | a lock: `holderIdentity`, `renewTime`, the token as an annotation |
//!
//! Records of the folder `certificates` are of the type `kubernetes.io/tls`, so that an Ingress, a Gateway
//! or a Pod can take them as they are; all others are `Opaque`. The real name is in the annotation
//! `opsbox-cert/name`. Labels, annotations and owners that others put on an object stay when it is written.
//!
//! A write is conditional on the `resourceVersion` that was read before the lock was looked at. So a former
//! owner's write is refused once the new owner has written or the former one has looked at the lock. What
//! is left: a write that was under way in the very moment the lock changed hands can land before the new
//! owner's first one, or make a record anew that the new owner made and deleted within that moment.
//!
//! # Permissions
//!
//! A Role with `get`, `list`, `create`, `update` and `delete` on `secrets`, `watch` too for
//! [`KubeStore::watch`], and `get`, `create` and `update` on `leases` of `coordination.k8s.io`. Give the
//! store a namespace of its own: Kubernetes has no permission by prefix. Keys are only as safe as the
//! Secrets of that namespace; [`Encrypted`](super::Encrypted) over this store keeps them from all who can
//! read Secrets, and from Ingresses too.
//!
//! # Limits
//!
//! Leases stay when they are released, for their tokens, one for each name that was ever locked; a record
//! has at most [`MAX_RECORD_BYTES`](crate::limits::MAX_RECORD_BYTES), half of what a Secret can hold. Copies
//! of keys in the buffers of the HTTP client are not wiped.

mod lock;
mod object;
mod requests;
mod source;
mod watch;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::Api;
use tokio::task::JoinSet;

use self::requests::Requests;
pub use self::source::KubeSecrets;
use self::source::Source;
pub use self::watch::{KubeChange, KubeWatch};
use super::fault::{conflict, fenced, invalid};
use super::lease::{Acquired, Lease, Owner, Watch};
use super::objects::{LockObjects as _, Show, limited};
use super::{Condition, Folder, Name, Record, Store, Stored, Version};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{MAX_KUBE_PREFIX_BYTES, MAX_KUBE_REQUESTS, STORE_TIME_LIMIT};

/// Names of one answer to a list.
const PAGE: u32 = 500;

/// Keeps records as Secrets of a namespace. Clones share the client.
///
/// Which TLS the client has, and for which version of Kubernetes `k8s-openapi` is built, the program
/// chooses by features of the crates `kube` and `k8s-openapi` in its own manifest.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use opsbox_cert::store::{Folder, KubeStore, Store as _};
///
/// let client = kube::Client::try_default().await?;
/// let store = KubeStore::new(client, "certificates", "web")?;
/// for name in store.list(&Folder::CERTIFICATES).await? {
///     println!("{name} is the Secret {}", store.object_name(&name));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct KubeStore {
    client: Client,
    namespace: Arc<str>,
    prefix: Arc<str>,
    clock: Arc<dyn Clock>,
    watch: Arc<Watch>,
    time_limit: Duration,
}

impl KubeStore {
    /// Keeps records in a namespace, under names that begin with `prefix`. Stores of different prefixes
    /// do not see each other.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if the prefix is not 1 to [`MAX_KUBE_PREFIX_BYTES`]
    /// lower-case letters, digits and dashes, with a letter first and no dash last, or the namespace is no
    /// DNS label.
    pub fn new(client: Client, namespace: &str, prefix: &str) -> Result<Self> {
        if !is_label(prefix, MAX_KUBE_PREFIX_BYTES)
            || !prefix.starts_with(|c: char| c.is_ascii_lowercase())
        {
            let reason = format!(
                "a prefix has 1 to {MAX_KUBE_PREFIX_BYTES} lower-case letters, digits and dashes, a letter first and no dash last; choose such a prefix"
            );
            return Err(invalid("the prefix of the Kubernetes store", reason));
        }
        if !is_label(namespace, 63) {
            let reason = "a namespace has 1 to 63 lower-case letters, digits and dashes; give the name of one that is there";
            return Err(invalid("the namespace of the Kubernetes store", reason));
        }
        Ok(Self {
            client,
            namespace: namespace.into(),
            prefix: prefix.into(),
            clock: Arc::new(SystemClock),
            watch: Arc::default(),
            time_limit: STORE_TIME_LIMIT,
        })
    }

    /// The clock by which locks expire.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How long an operation may take.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// The name of the Secret of a record, which is that of the Lease of a lock of this name too.
    pub fn object_name(&self, name: &Name) -> String {
        object::name(&self.prefix, name)
    }

    /// Tells what is saved and deleted in a folder from now on, after all that is there already.
    pub fn watch(&self, folder: &Folder) -> KubeWatch {
        KubeWatch::of(Source::Folder(self.clone(), folder.clone()))
    }

    fn secrets(&self) -> Requests<'_, Secret> {
        Requests::new(&self.client, &self.namespace)
    }

    fn metadata(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn selector(&self, folder: &Folder) -> String {
        object::selector(&self.prefix, folder)
    }

    async fn limited<T>(
        &self,
        attempt: &'static str,
        object: &dyn Show,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        limited(self.time_limit, attempt, object, work).await
    }

    /// Checks the condition and the lease; `None` to write if another was faster.
    async fn write(
        &self,
        attempt: &'static str,
        name: &Name,
        condition: &Condition,
        lease: Option<&Lease>,
        record: Option<&Record>,
    ) -> Result<Option<Version>> {
        let secrets = self.secrets();
        let object_name = self.object_name(name);
        loop {
            let found = secrets.get(attempt, name, &object_name).await?;
            // After the record was read: so whoever has the lock next writes to another version of it.
            if let Some(lease) = lease
                && !self.is_held(attempt, lease).await?
            {
                return Err(fenced(attempt, name, lease.lock()));
            }
            let current = found.as_ref().map(object::version);
            if !condition.holds(current.as_ref()) {
                return Err(conflict(attempt, name));
            }
            let done = match (record, found) {
                (Some(record), found) => {
                    let secret = object::secret(&self.prefix, name, record, found)?;
                    secrets.put(attempt, name, &object_name, secret).await?
                }
                (None, None) => return Ok(None),
                (None, Some(found)) => {
                    let deleted = secrets.delete(attempt, name, &object_name, &found).await?;
                    deleted.then(|| object::version(&found))
                }
            };
            if done.is_some() {
                return Ok(done);
            }
            // Another was faster: look again, at the lock too. The time limit ends it.
            if *condition != Condition::Any {
                return Err(conflict(attempt, name));
            }
        }
    }
}

/// A label of RFC 1123 in lower case.
fn is_label(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

impl fmt::Debug for KubeStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubeStore")
            .field("namespace", &self.namespace)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for KubeStore {
    async fn load(&self, name: &Name) -> Result<Option<Stored>> {
        self.limited("load", name, async {
            let object_name = self.object_name(name);
            let found = self.secrets().get("load", name, &object_name).await?;
            found.map(|secret| object::stored(name, secret)).transpose()
        })
        .await
    }

    async fn load_many(&self, names: &[Name]) -> Vec<Result<Option<Stored>>> {
        let mut loaded: Vec<_> = names.iter().map(|_| None).collect();
        let mut waiting = names.iter().cloned().enumerate();
        let mut tasks = JoinSet::new();
        loop {
            while tasks.len() < MAX_KUBE_REQUESTS
                && let Some((at, name)) = waiting.next()
            {
                let store = self.clone();
                tasks.spawn(async move { (at, store.load(&name).await) });
            }
            match tasks.join_next().await {
                Some(Ok((at, result))) => {
                    if let Some(slot) = loaded.get_mut(at) {
                        *slot = Some(result);
                    }
                }
                Some(Err(_)) => {}
                None => break,
            }
        }
        let stopped = |name| {
            let reason = "the runtime stopped its task; try again";
            Error::store(ErrorKind::Unavailable, "load", name, reason)
        };
        let loaded = loaded.into_iter().zip(names);
        loaded
            .map(|(result, name)| result.unwrap_or_else(|| Err(stopped(name))))
            .collect()
    }

    async fn save(
        &self,
        name: &Name,
        record: &Record,
        condition: &Condition,
        lease: Option<&Lease>,
    ) -> Result<Version> {
        let saved = self
            .limited(
                "save",
                name,
                self.write("save", name, condition, lease, Some(record)),
            )
            .await?;
        saved.ok_or_else(|| conflict("save", name))
    }

    async fn delete(
        &self,
        name: &Name,
        condition: &Condition,
        lease: Option<&Lease>,
    ) -> Result<bool> {
        let deleted = self
            .limited(
                "delete",
                name,
                self.write("delete", name, condition, lease, None),
            )
            .await?;
        Ok(deleted.is_some())
    }

    async fn list(&self, folder: &Folder) -> Result<Vec<Name>> {
        let source = Source::Folder(self.clone(), folder.clone());
        let names = self.limited("list", folder, source.list("list"));
        let (names, _) = names.await?;
        Ok(names.into_iter().map(|(name, _)| name).collect())
    }

    async fn acquire(&self, lock: &Name, owner: &Owner, ttl: Duration) -> Result<Acquired> {
        self.acquire_object(lock, owner, ttl).await
    }

    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        self.renew_object(lease).await
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        self.release_object(lease).await
    }
}
