//! Pairs of files, and the loop that follows them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use rustls::crypto::CryptoProvider;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use super::folder;
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::file::read_regular;
use crate::install::{Candidate, Certificates, Policy, Refusal};
use crate::limits::{FILE_POLL, MAX_RECORD_BYTES, SETTLE_TIME};
use crate::observe::Event;

/// Follows files and folders. See the [module](super) for an example and the promises.
pub struct FileWatcher {
    state: Arc<Mutex<State>>,
    wake: Arc<Notify>,
    settle: Duration,
    poll: Duration,
}

struct State {
    certificates: Certificates,
    provider: Arc<CryptoProvider>,
    policy: Policy,
    settle: Duration,
    clock: Arc<dyn Clock>,
    notices: Option<Notices>,
    folders: Vec<Folder>,
    pairs: BTreeMap<Arc<str>, Pair>,
}

struct Folder {
    path: PathBuf,
    failed: bool,
}

struct Pair {
    chain: PathBuf,
    key: PathBuf,
    seen: Option<Seen>,
    /// What was read last, and how that ended.
    done: Option<(Found, Option<&'static str>)>,
}

/// What is there, and since when on the monotonic clock.
struct Seen {
    found: Found,
    since: Duration,
}

/// The two files as they stand, or why one of them does not.
type Found = std::result::Result<(Identity, Identity), io::ErrorKind>;

#[derive(Clone, PartialEq, Eq)]
struct Identity {
    target: PathBuf,
    modified: Option<SystemTime>,
    len: u64,
    /// Device, inode and the time of its last change.
    inode: (u64, u64, i64, i64),
}

impl Identity {
    fn of(path: &Path) -> io::Result<Self> {
        let target = fs::canonicalize(path)?;
        let metadata = fs::metadata(&target)?;
        #[cfg(unix)]
        let inode = {
            use std::os::unix::fs::MetadataExt as _;
            (
                metadata.dev(),
                metadata.ino(),
                metadata.ctime(),
                metadata.ctime_nsec(),
            )
        };
        #[cfg(not(unix))]
        let inode = (0, 0, 0, 0);
        Ok(Self {
            target,
            modified: metadata.modified().ok(),
            len: metadata.len(),
            inode,
        })
    }

    /// Whether nobody has touched it for that time, by the time of day. A file of the future is not.
    fn rested(&self, now: SystemTime, time: Duration) -> bool {
        let changed = u64::try_from(self.inode.2).map_or(SystemTime::UNIX_EPOCH, |seconds| {
            // The next whole second, since the rest is not looked at.
            SystemTime::UNIX_EPOCH
                .checked_add(Duration::from_secs(seconds.saturating_add(1)))
                .unwrap_or(now)
        });
        let last = self
            .modified
            .map_or(changed, |modified| modified.max(changed));
        now.duration_since(last).is_ok_and(|rest| rest >= time)
    }
}

impl FileWatcher {
    /// Follows nothing yet.
    pub fn new(certificates: Certificates, provider: Arc<CryptoProvider>) -> Self {
        let wake = Arc::new(Notify::new());
        Self {
            state: Arc::new(Mutex::new(State {
                certificates,
                provider,
                policy: Policy::new(),
                settle: SETTLE_TIME,
                clock: Arc::new(SystemClock),
                notices: Some(Notices::new(wake.clone())),
                folders: Vec::new(),
                pairs: BTreeMap::new(),
            })),
            wake,
            settle: SETTLE_TIME,
            poll: FILE_POLL,
        }
    }

    /// A chain and its key, in PEM, as the certificate `id`. They may be one file.
    #[must_use]
    pub fn pair(self, id: &str, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        let pair = Pair::new(chain.into(), key.into());
        lock(&self.state).pairs.insert(id.into(), pair);
        self
    }

    /// Every sub folder with `tls.crt` and `tls.key`, as Kubernetes mounts a Secret, or with
    /// `fullchain.pem` and `privkey.pem`, as certbot leaves them. The name of the sub folder is the id.
    /// New ones are found; hidden ones are not looked at.
    #[must_use]
    pub fn folder(self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        lock(&self.state).folders.push(Folder {
            path,
            failed: false,
        });
        self
    }

    /// What each certificate has to be to be put in service.
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        lock(&self.state).policy = policy;
        self
    }

    /// Another time than [`SETTLE_TIME`].
    #[must_use]
    pub fn settle(mut self, time: Duration) -> Self {
        self.settle = time;
        lock(&self.state).settle = time;
        self
    }

    /// Another time than [`FILE_POLL`].
    #[must_use]
    pub fn poll(mut self, time: Duration) -> Self {
        self.poll = time;
        self
    }

    /// Polls alone, without notices of the operating system.
    #[must_use]
    pub fn without_notices(self) -> Self {
        lock(&self.state).notices = None;
        self
    }

    /// Another clock.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        lock(&self.state).clock = clock;
        self
    }

    /// Puts in service what is there now. It waits for files that were written just before to settle, for
    /// ten times the settle time at most.
    pub async fn first(&mut self) {
        const TRIES: usize = 10;
        for _ in 0..TRIES {
            if self.pass(true).await {
                return;
            }
            tokio::time::sleep(self.settle).await;
        }
    }

    /// Follows until the future is dropped.
    pub async fn run(self) {
        let mut polled = true;
        loop {
            polled = if self.pass(polled).await {
                tokio::time::timeout(self.poll, self.wake.notified())
                    .await
                    .is_err()
            } else {
                tokio::time::sleep(self.settle).await;
                false
            };
        }
    }

    /// One look at all of it, off the threads of the runtime. Whether everything is at rest.
    async fn pass(&self, polled: bool) -> bool {
        let state = self.state.clone();
        let looked = tokio::task::spawn_blocking(move || lock(&state).look(polled));
        // It fails only when the runtime ends.
        looked.await.unwrap_or(true)
    }
}

impl fmt::Debug for FileWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileWatcher")
            .field("settle", &self.settle)
            .field("poll", &self.poll)
            .finish_non_exhaustive()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn look(&mut self, polled: bool) -> bool {
        #[cfg(feature = "tracing")]
        let _span = tracing::debug_span!(
            target: "opsbox_cert",
            "watch_files",
            certificates = self.pairs.len()
        )
        .entered();
        let events = self.certificates.events().clone();
        if let Some(notices) = &mut self.notices {
            let folders = self.folders.iter().map(|folder| &*folder.path);
            let files = self.pairs.values().flat_map(Pair::folders);
            if let Some(error) = notices.follow(folders.chain(files), polled) {
                events.tell(Event::SourceFailed { error });
            }
        }
        let mut at_rest = true;
        for folder in &mut self.folders {
            match folder::pairs(&folder.path) {
                Ok(found) => {
                    folder.failed = false;
                    for (id, chain, key) in found {
                        self.pairs.entry(id).or_insert_with(|| {
                            // It has to be followed from the next look on.
                            at_rest = false;
                            Pair::new(chain, key)
                        });
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut folder.failed, true) {
                        events.tell(Event::SourceFailed { error });
                    }
                }
            }
        }
        let now = (self.clock.now(), self.clock.monotonic());
        for (id, pair) in &mut self.pairs {
            let Some(found) = pair.at_rest(now, self.settle) else {
                at_rest = false;
                continue;
            };
            let before = pair.done.take();
            let changed = before.as_ref().is_none_or(|(done, _)| *done != found);
            if !changed
                && before
                    .as_ref()
                    .is_some_and(|(_, refused)| refused.is_none())
            {
                pair.done = before;
                continue;
            }
            let put = match pair.read(&found, &self.provider) {
                Ok(None) => {
                    // Somebody writes after all.
                    pair.done = before;
                    pair.seen = None;
                    at_rest = false;
                    continue;
                }
                Ok(Some(candidate)) => self.certificates.put(id, candidate, &self.policy),
                Err(error) => Err(Refusal::from(error)),
            };
            let refused = put.as_ref().err().map(Refusal::label);
            if put.is_ok() || changed || before.is_none_or(|(_, was)| was != refused) {
                match put {
                    Err(_) if found.is_err() && self.certificates.in_service(id).is_some() => {
                        events.tell(Event::Gone { id: id.clone() });
                    }
                    put => self.certificates.tell(id, put.as_ref()),
                }
            }
            pair.done = Some((found, refused));
        }
        at_rest
    }
}

impl Pair {
    fn new(chain: PathBuf, key: PathBuf) -> Self {
        Self {
            chain,
            key,
            seen: None,
            done: None,
        }
    }

    fn folders(&self) -> impl Iterator<Item = &Path> {
        [&self.chain, &self.key]
            .into_iter()
            .filter_map(|path| path.parent())
    }

    fn find(&self) -> Found {
        match (Identity::of(&self.chain), Identity::of(&self.key)) {
            (Ok(chain), Ok(key)) => Ok((chain, key)),
            (Err(error), _) | (_, Err(error)) => Err(error.kind()),
        }
    }

    /// What is there, if it has been so for the settle time.
    fn at_rest(&mut self, now: (SystemTime, Duration), settle: Duration) -> Option<Found> {
        let found = self.find();
        let since = match &self.seen {
            Some(seen) if seen.found == found => seen.since,
            _ => now.1,
        };
        let rested = now.1.saturating_sub(since) >= settle
            || found
                .as_ref()
                .is_ok_and(|(chain, key)| chain.rested(now.0, settle) && key.rested(now.0, settle));
        self.seen = Some(Seen {
            found: found.clone(),
            since,
        });
        rested.then_some(found)
    }

    /// Both files, `None` if they are no longer those that were found.
    fn read(&self, found: &Found, provider: &CryptoProvider) -> Result<Option<Candidate>> {
        let limit = MAX_RECORD_BYTES as u64;
        let read = |path: &Path| read_regular(path, limit).map_err(|error| error.with_path(path));
        let chain = read(&self.chain);
        let key = read(&self.key).map(Zeroizing::new);
        if self.find() != *found {
            return Ok(None);
        }
        let candidate = Candidate::from_pem(&chain?, &key?, provider);
        let of_files = |error: Error| {
            error
                .with_path(&self.chain)
                .about("use", self.chain.display())
        };
        candidate.map(Some).map_err(of_files)
    }
}

/// What the operating system says of changes.
struct Notices {
    wake: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
    followed: BTreeSet<PathBuf>,
    failed: bool,
}

impl Notices {
    fn new(wake: Arc<Notify>) -> Self {
        Self {
            wake,
            watcher: None,
            followed: BTreeSet::new(),
            failed: false,
        }
    }

    /// Follows these folders too. After a poll all of them anew, since a folder may be another one under
    /// the same name. The first error is returned, once until all is well.
    fn follow<'a>(&mut self, folders: impl Iterator<Item = &'a Path>, anew: bool) -> Option<Error> {
        if anew {
            self.followed.clear();
        }
        let mut failed = None;
        for folder in folders {
            let folder = if folder.as_os_str().is_empty() {
                Path::new(".")
            } else {
                folder
            };
            if self.followed.contains(folder) {
                continue;
            }
            match self.watch(folder) {
                Ok(()) => {
                    self.followed.insert(folder.to_path_buf());
                }
                // The look says so itself.
                Err(_) if !folder.exists() => {}
                Err(error) => {
                    let reason = "the system gives no notice of changes there, so they are found by polling; see the cause, such as too few inotify watches";
                    let error =
                        Error::store(ErrorKind::Unavailable, "watch", folder.display(), reason)
                            .caused_by(error);
                    failed.get_or_insert(error);
                }
            }
        }
        let first = !std::mem::replace(&mut self.failed, failed.is_some());
        failed.filter(|_| first)
    }

    fn watch(&mut self, folder: &Path) -> notify::Result<()> {
        let watcher = match &mut self.watcher {
            Some(watcher) => watcher,
            none => {
                let wake = self.wake.clone();
                let watcher =
                    notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                        // Our own reading is an access.
                        if !event.is_ok_and(|event| event.kind.is_access()) {
                            wake.notify_one();
                        }
                    })?;
                none.insert(watcher)
            }
        };
        watcher.watch(folder, RecursiveMode::NonRecursive)
    }
}
