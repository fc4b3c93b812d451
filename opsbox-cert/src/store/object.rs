//! A store of objects: S3, and whatever else the crate `object_store` reaches with conditional writes.
//!
//! A record is one object, which such stores replace whole. Every write is conditional (`If-None-Match`,
//! `If-Match`) on the object that it was decided on, so no update is lost. Amazon S3, MinIO, R2, Azure
//! and Google can do that; a store that cannot answers with
//! [`Unsupported`](crate::ErrorKind::Unsupported) (`object_store`'s own folder is one: take
//! [`FsStore`](super::FsStore)).
//!
//! The lock is another object, so it cannot be checked in one step with the record. Each record keeps the
//! token of the lock under which it was written: a write is refused if the lock is no longer held, and if the
//! record has a greater token of that lock. What is left: a former owner, between its look at
//! the lock and its write, can still write a record that the new owner has not written yet. The new owner's
//! write, if it was decided on the record before, then fails as a conflict; it is never undone.
//!
//! A deleted record stays as an object of 72 bytes, since no such store has a conditional delete
//! for all; [`ObjectRecords::sweep`] removes old ones.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use object_store::path::Path;
use object_store::{
    Error as Backend, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload,
    UpdateVersion,
};
use zeroize::Zeroizing;

use super::fault::{self, conflict, corrupt, fenced};
use super::lease::{Acquired, Fence, Lease, LockState, Owner, Watch, since_epoch};
use super::name::Stem;
use super::objects::{LockObjects, Show, limited};
use super::{Condition, Folder, Name, Record, Store, Stored, Version, codec, random};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::STORE_TIME_LIMIT;

/// Keeps records as objects. Clones share the client.
///
/// ```
/// use std::sync::Arc;
/// use object_store::memory::InMemory;
/// use opsbox_cert::store::{Folder, ObjectRecords, Store as _};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> opsbox_cert::Result<()> {
/// // In earnest: object_store::aws::AmazonS3Builder, with its feature `aws` in your manifest.
/// let store = ObjectRecords::new(Arc::new(InMemory::new()), "tls/production");
/// assert!(store.list(&Folder::CERTIFICATES).await?.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ObjectRecords {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    clock: Arc<dyn Clock>,
    watch: Arc<Watch>,
    time_limit: Duration,
}

const EXTENSION: &str = ".pem";
const LOCKS: &str = ".locks";
/// What stands for a deleted record: this, the token of the write in 20 digits, and 32 random digits.
const DELETED: &str = "# opsbox-deleted 1";
const DELETED_BYTES: u64 = 72;

/// An object as it was read.
pub(super) struct Found {
    bytes: Zeroizing<Vec<u8>>,
    update: UpdateVersion,
}

impl Found {
    fn version(&self) -> Version {
        version(&self.update)
    }

    fn is_deleted(&self) -> bool {
        self.bytes.starts_with(DELETED.as_bytes())
    }

    /// The fence of the last write.
    fn fence_token(&self, lock: &Name) -> u64 {
        if self.is_deleted() {
            let token = self.bytes.get(DELETED.len() + 1..DELETED.len() + 21);
            return token
                .and_then(|token| std::str::from_utf8(token).ok()?.parse().ok())
                .unwrap_or(0);
        }
        let fence = codec::decode("", &self.bytes)
            .ok()
            .and_then(|decoded| decoded.fence);
        fence
            .filter(|fence| fence.lock == lock.as_str())
            .map_or(0, |fence| fence.token)
    }
}

fn version(update: &UpdateVersion) -> Version {
    let tag = update.e_tag.as_deref().unwrap_or_default();
    Version::new(match &update.version {
        Some(version) => format!("{tag} {version}"),
        None => tag.to_owned(),
    })
}

impl ObjectRecords {
    /// Keeps records under `prefix` of a store, a bucket in most cases.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: &str) -> Self {
        Self {
            store,
            prefix: Path::from(prefix),
            clock: Arc::new(SystemClock),
            watch: Arc::default(),
            time_limit: STORE_TIME_LIMIT,
        }
    }

    /// The store at a URL, `s3://bucket/prefix`, with what the environment says of it (`AWS_REGION`,
    /// `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT`, ...; `GOOGLE_*`; `AZURE_*`). Which kinds of URL there are
    /// depends on the features of object_store that the program enables; `file:` and `memory:` always are.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if it is no URL, or no kind that is enabled.
    pub fn from_url(url: &str) -> Result<Self> {
        // A URL may have a password, so it is in no message.
        let object = "the URL of the object store";
        let parsed = url::Url::parse(url).map_err(|error| {
            fault::invalid(object, format!("it is no URL ({error}); correct it"))
        })?;
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?.to_ascii_lowercase();
            let known = ["aws_", "google_", "azure_"];
            let ours = known.iter().any(|prefix| name.starts_with(prefix));
            ours.then_some((name, value.into_string().ok()?))
        });
        let (store, prefix) = object_store::parse_url_opts(&parsed, environment).map_err(|error| {
            let reason = format!(
                "object_store does not take it with the features that are enabled; enable the one for `{}:`",
                parsed.scheme()
            );
            fault::invalid(object, reason).caused_by(error)
        })?;
        Ok(Self::new(Arc::from(store), prefix.as_ref()))
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

    /// The object of a record.
    pub fn path(&self, name: &Name) -> Path {
        self.prefix
            .clone()
            .join(name.folder())
            .join(name.file_stem() + EXTENSION)
    }

    /// Removes what is left of records of a folder that were deleted more than `age` ago, and says
    /// how many there were. A record that is made anew under such a name in that very moment can be lost:
    /// take a day or more, and names that do not come back, as those of challenges.
    ///
    /// # Errors
    ///
    /// As every operation of a store.
    pub async fn sweep(&self, folder: &Folder, age: Duration) -> Result<usize> {
        let before = since_epoch(self.clock.now()).saturating_sub(super::lease::millis(age));
        self.limited("sweep", folder, async {
            let mut swept = 0;
            for object in self.objects(folder).await? {
                let written = u64::try_from(object.last_modified.timestamp_millis()).unwrap_or(0);
                if object.size != DELETED_BYTES || written >= before {
                    continue;
                }
                if self
                    .get("sweep", folder, &object.location)
                    .await?
                    .is_some_and(|found| found.is_deleted())
                {
                    self.store
                        .delete(&object.location)
                        .await
                        .map_err(|error| backend("sweep", folder, error))?;
                    swept += 1;
                }
            }
            Ok(swept)
        })
        .await
    }

    fn lock_path(&self, lock: &Name) -> Path {
        self.prefix
            .clone()
            .join(LOCKS)
            .join(lock.folder())
            .join(lock.file_stem())
    }

    async fn limited<T>(
        &self,
        attempt: &'static str,
        object: &dyn Show,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        limited(self.time_limit, attempt, object, work).await
    }

    async fn get(
        &self,
        attempt: &'static str,
        object: &dyn Show,
        path: &Path,
    ) -> Result<Option<Found>> {
        let found = match self.store.get(path).await {
            Ok(found) => found,
            Err(Backend::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(backend(attempt, object, error)),
        };
        if found.meta.size > codec::MAX_BYTES as u64 {
            return Err(corrupt(object, "it is longer than a record can be"));
        }
        let update = UpdateVersion {
            e_tag: found.meta.e_tag.clone(),
            version: found.meta.version.clone(),
        };
        let bytes = found
            .bytes()
            .await
            .map_err(|error| backend(attempt, object, error))?;
        Ok(Some(Found {
            bytes: Zeroizing::new(bytes.to_vec()),
            update,
        }))
    }

    /// Writes if the object is still `found`; `None` if it is not.
    async fn put(
        &self,
        attempt: &'static str,
        object: &dyn Show,
        path: &Path,
        found: Option<&Found>,
        bytes: Vec<u8>,
    ) -> Result<Option<Version>> {
        let mode = found.map_or(PutMode::Create, |found| {
            PutMode::Update(found.update.clone())
        });
        let options = PutOptions {
            mode,
            ..PutOptions::default()
        };
        match self
            .store
            .put_opts(path, PutPayload::from(bytes), options)
            .await
        {
            Ok(put) => Ok(Some(version(&UpdateVersion {
                e_tag: put.e_tag,
                version: put.version,
            }))),
            Err(Backend::AlreadyExists { .. } | Backend::Precondition { .. }) => Ok(None),
            // An object to update that is gone: it was swept.
            Err(Backend::NotFound { .. }) if found.is_some() => Ok(None),
            Err(error) => Err(backend(attempt, object, error)),
        }
    }

    async fn write(
        &self,
        attempt: &'static str,
        name: &Name,
        condition: &Condition,
        lease: Option<&Lease>,
        bytes: Option<&[u8]>,
    ) -> Result<Option<Version>> {
        let path = self.path(name);
        loop {
            if let Some(lease) = lease
                && !self.is_held(attempt, lease).await?
            {
                return Err(fenced(attempt, name, lease.lock()));
            }
            let found = self.get(attempt, name, &path).await?;
            if let (Some(lease), Some(found)) = (lease, &found)
                && found.fence_token(lease.lock()) > lease.token()
            {
                return Err(fenced(attempt, name, lease.lock()));
            }
            let current = found
                .as_ref()
                .filter(|found| !found.is_deleted())
                .map(Found::version);
            if !condition.holds(current.as_ref()) {
                return Err(conflict(attempt, name));
            }
            let new = match bytes {
                Some(bytes) => bytes.to_vec(),
                None if current.is_none() => return Ok(None),
                None => {
                    let token = lease.map_or(0, Lease::token);
                    format!("{DELETED} {token:020} {}", random::id()?).into_bytes()
                }
            };
            if let Some(version) = self.put(attempt, name, &path, found.as_ref(), new).await? {
                return Ok(Some(version));
            }
            // Another was faster: look again, at the lock too. The time limit ends it.
            if *condition != Condition::Any {
                return Err(conflict(attempt, name));
            }
        }
    }

    async fn objects(&self, folder: &Folder) -> Result<Vec<object_store::ObjectMeta>> {
        let path = self.prefix.clone().join(folder.as_str());
        let mut stream = self.store.list(Some(&path));
        let mut out = Vec::new();
        while let Some(object) =
            std::future::poll_fn(|context| stream.as_mut().poll_next(context)).await
        {
            out.push(object.map_err(|error| backend("list", folder, error))?);
        }
        Ok(out)
    }
}

#[async_trait]
impl LockObjects for ObjectRecords {
    type Found = Found;

    fn watch(&self) -> (&dyn Clock, &Watch, Duration) {
        (&*self.clock, &self.watch, self.time_limit)
    }

    async fn lock_state(
        &self,
        attempt: &'static str,
        lock: &Name,
    ) -> Result<(Option<Found>, Option<LockState>)> {
        let found = self
            .get(attempt, &fault::lock(lock), &self.lock_path(lock))
            .await?;
        let state = found
            .as_ref()
            .and_then(|found| serde_json::from_slice::<LockState>(&found.bytes).ok());
        Ok((found, state.filter(|state| state.lock == lock.as_str())))
    }

    async fn put_lock(
        &self,
        attempt: &'static str,
        lock: &Name,
        found: Option<Found>,
        state: &LockState,
    ) -> Result<bool> {
        let object = fault::lock(lock);
        let bytes = serde_json::to_vec(state).map_err(|error| {
            Error::store(
                ErrorKind::Invalid,
                attempt,
                &object,
                "it is no JSON; see the cause",
            )
            .caused_by(error)
        })?;
        let put = self
            .put(
                attempt,
                &object,
                &self.lock_path(lock),
                found.as_ref(),
                bytes,
            )
            .await?;
        Ok(put.is_some())
    }
}

fn backend(attempt: &'static str, object: impl fmt::Display, error: Backend) -> Error {
    let (kind, reason) = match &error {
        Backend::PermissionDenied { .. } | Backend::Unauthenticated { .. } => (
            ErrorKind::Denied,
            "the store does not let us in; check the credentials, and that they allow to get, put, list and delete",
        ),
        Backend::NotImplemented { .. } | Backend::NotSupported { .. } => (
            ErrorKind::Unsupported,
            "the store has no conditional writes, without which two instances undo each other's work; turn them on for it, or take another store",
        ),
        Backend::InvalidPath { .. } | Backend::UnknownConfigurationKey { .. } => (
            ErrorKind::Invalid,
            "the store refuses the name or the settings; see the cause",
        ),
        Backend::NotFound { .. } => (
            ErrorKind::Io,
            "there is no such bucket; make it, or correct its name",
        ),
        _ => (
            ErrorKind::Unavailable,
            "the store does not answer as it should, so a write may have been done or not; see the cause, and try again",
        ),
    };
    Error::store(kind, attempt, object, reason).caused_by(error)
}

impl fmt::Debug for ObjectRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectRecords")
            .field("prefix", &self.prefix.as_ref())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for ObjectRecords {
    async fn load(&self, name: &Name) -> Result<Option<Stored>> {
        self.limited("load", name, async {
            let found = self.get("load", name, &self.path(name)).await?;
            let Some(found) = found.filter(|found| !found.is_deleted()) else {
                return Ok(None);
            };
            let decoded = codec::decode_as(name, &found.bytes)?;
            Ok(Some(Stored::new(decoded.record, found.version())))
        })
        .await
    }

    async fn save(
        &self,
        name: &Name,
        record: &Record,
        condition: &Condition,
        lease: Option<&Lease>,
    ) -> Result<Version> {
        // Random, so that equal records are not equal objects with one tag.
        let unique = Version::new(random::id()?);
        let bytes = codec::encode(name, record, &unique, lease.map(Fence::of).as_ref())?;
        let saved = self
            .limited(
                "save",
                name,
                self.write("save", name, condition, lease, Some(&bytes)),
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
        self.limited("list", folder, async {
            let mut names = Vec::new();
            for object in self.objects(folder).await? {
                let file = unescape(object.location.filename().unwrap_or_default());
                let Some(stem) = file
                    .strip_suffix(EXTENSION)
                    .filter(|_| object.size != DELETED_BYTES)
                else {
                    continue;
                };
                match Name::from_file_stem(folder, stem) {
                    Stem::Name(name) => names.push(name),
                    Stem::Hashed => {
                        if let Some(found) = self.get("list", folder, &object.location).await? {
                            names.push(codec::decode(folder, &found.bytes)?.name);
                        }
                    }
                    Stem::Foreign => {}
                }
            }
            names.sort_unstable();
            Ok(names)
        })
        .await
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

/// Paths of `object_store` escape some characters, `%` among them.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let escaped = (byte == b'%')
            .then(|| after.split_first_chunk::<2>())
            .flatten();
        match escaped.and_then(|(digits, after)| {
            Some((
                data_encoding::HEXUPPER_PERMISSIVE.decode(digits).ok()?,
                after,
            ))
        }) {
            Some((decoded, after)) => {
                out.extend(decoded);
                rest = after;
            }
            None => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
