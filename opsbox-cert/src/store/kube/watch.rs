//! What changes in a folder, told by the API server.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{PartialObjectMeta, WatchEvent};
use tokio::time::Instant;

use super::requests;
use super::source::Source;
use crate::error::{Error, Result};
use crate::limits::{KUBE_WATCH_TIME, MAX_KUBE_WATCH_DELAY};
#[cfg(feature = "watch")]
use crate::store::Stored;
use crate::store::fault::timed_out;
use crate::store::{Name, Version};

/// A change of what is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KubeChange {
    /// A record that was there at the start, or that was saved since.
    Saved {
        /// Its name.
        name: Name,
        /// Which write of it. By the time it is loaded it can be a later one.
        version: Version,
    },
    /// A record that was deleted.
    Deleted {
        /// Its name.
        name: Name,
    },
}

/// The status if a folder was not followed for so long that the server has forgotten what was.
const GONE: u16 = 410;

type Events =
    Pin<Box<dyn Stream<Item = Result<WatchEvent<PartialObjectMeta<Secret>>, kube::Error>> + Send>>;

/// Tells the changes of a folder, made by [`KubeStore::watch`](super::KubeStore::watch), or of Secrets that others
/// write, made by [`KubeSecrets::watch`](super::KubeSecrets::watch).
///
/// Only metadata is sent, so no key is in a message that nobody asked for: load the record of a change.
/// Several writes of one record can be told as one, but the last one always is told. What happens
/// while the API server is away is told when it is back. Changes that are not asked for wait at the API server
/// and not here.
///
/// ```no_run
/// # async fn example(store: opsbox_cert::store::KubeStore) {
/// use opsbox_cert::store::{Folder, KubeChange};
///
/// let mut watch = store.watch(&Folder::CERTIFICATES);
/// loop {
///     match watch.next().await {
///         Ok(KubeChange::Saved { name, .. }) => println!("load {name}"),
///         Ok(_) => {}
///         Err(error) => println!("{error}; what is in service stays"),
///     }
/// }
/// # }
/// ```
pub struct KubeWatch {
    source: Source,
    known: BTreeMap<Name, Version>,
    told: VecDeque<KubeChange>,
    /// Where it was followed to; `None` to list it anew.
    at: Option<String>,
    events: Option<Events>,
    /// Failures in a row.
    failures: u32,
    not_before: Option<Instant>,
}

impl KubeWatch {
    pub(super) fn of(source: Source) -> Self {
        Self {
            source,
            known: BTreeMap::new(),
            told: VecDeque::new(),
            at: None,
            events: None,
            failures: 0,
            not_before: None,
        }
    }

    /// The next change. It waits for ever if there is none. A future that is dropped loses nothing.
    ///
    /// # Errors
    ///
    /// As every operation of a store. The next call tries again, after a delay that grows to
    /// [`MAX_KUBE_WATCH_DELAY`].
    pub async fn next(&mut self) -> Result<KubeChange> {
        loop {
            if let Some(change) = self.told.pop_front() {
                return Ok(change);
            }
            if let Some(time) = self.not_before {
                tokio::time::sleep_until(time).await;
                self.not_before = None;
            }
            if let Err(error) = self.advance().await {
                return Err(self.failed(error));
            }
        }
    }

    /// All changes up to now, without a wait for more.
    #[cfg(feature = "watch")]
    pub(crate) async fn now(&mut self) -> Result<Vec<KubeChange>> {
        if self.at.is_none()
            && let Err(error) = self.advance().await
        {
            return Err(self.failed(error));
        }
        Ok(self.told.drain(..).collect())
    }

    /// Reads what was told of.
    #[cfg(feature = "watch")]
    pub(crate) async fn load_many(&mut self, names: &[Name]) -> Vec<Result<Option<Stored>>> {
        self.source.load_many(names).await
    }

    fn failed(&mut self, error: Error) -> Error {
        self.events = None;
        self.failures = self.failures.saturating_add(1);
        let delay = Duration::from_secs(1 << self.failures.min(16).saturating_sub(1));
        self.not_before = Some(Instant::now() + delay.min(MAX_KUBE_WATCH_DELAY));
        error
    }

    /// One step: a list, the begin of a watch, or an event.
    async fn advance(&mut self) -> Result<()> {
        let Some(at) = self.at.clone() else {
            let (names, at) = limited(&self.source, self.source.list("watch")).await?;
            self.compare(names);
            self.at = Some(at);
            return Ok(());
        };
        let Some(events) = &mut self.events else {
            let seconds = u32::try_from(KUBE_WATCH_TIME.as_secs()).unwrap_or(u32::MAX);
            let parameters = self.source.watched().timeout(seconds);
            let api = self.source.api();
            let begin = async { Ok(api.watch_metadata(&parameters, &at).await) };
            let begun = limited(&self.source, begin).await;
            // If it fails, a list tells whether the server is there, and where to start.
            self.at = None;
            match begun? {
                Ok(events) => {
                    self.at = Some(at);
                    self.events = Some(Box::pin(events));
                    self.failures = 0;
                }
                Err(kube::Error::Api(status)) if status.code == GONE => self.rest(),
                Err(error) => return Err(requests::fault("watch", &self.source, error)),
            }
            return Ok(());
        };
        // The server ends a watch after its time: one that does not is dead.
        let silence = KUBE_WATCH_TIME + self.source.time_limit();
        let next = poll_fn(|context| events.as_mut().poll_next(context));
        let event = tokio::time::timeout(silence, next)
            .await
            .map_err(|_| timed_out("watch", &self.source, silence))?;
        match event {
            None => {
                self.events = None;
                self.rest();
            }
            Some(Ok(event)) => self.take(event)?,
            Some(Err(error)) => return Err(requests::fault("watch", &self.source, error)),
        }
        Ok(())
    }

    /// So that a server that ends each watch at once is not asked without a pause.
    fn rest(&mut self) {
        self.not_before = Some(Instant::now() + Duration::from_secs(1));
    }

    /// Tells what differs between what is known and a whole list.
    fn compare(&mut self, names: Vec<(Name, Version)>) {
        let before = std::mem::take(&mut self.known);
        for (name, version) in names {
            if before.get(&name) != Some(&version) {
                self.told.push_back(KubeChange::Saved {
                    name: name.clone(),
                    version: version.clone(),
                });
            }
            self.known.insert(name, version);
        }
        for name in before
            .into_keys()
            .filter(|name| !self.known.contains_key(name))
        {
            self.told.push_back(KubeChange::Deleted { name });
        }
    }

    fn take(&mut self, event: WatchEvent<PartialObjectMeta<Secret>>) -> Result<()> {
        self.failures = 0;
        let (metadata, gone) = match event {
            WatchEvent::Added(item) | WatchEvent::Modified(item) => (item.metadata, false),
            WatchEvent::Deleted(item) => (item.metadata, true),
            WatchEvent::Bookmark(bookmark) => {
                self.at = Some(bookmark.metadata.resource_version);
                return Ok(());
            }
            WatchEvent::Error(status) => {
                self.at = None;
                self.events = None;
                if status.code == GONE {
                    self.rest();
                    return Ok(());
                }
                return Err(requests::fault(
                    "watch",
                    &self.source,
                    kube::Error::Api(status),
                ));
            }
        };
        self.at.clone_from(&metadata.resource_version);
        let Some((name, version)) = self.source.read(&metadata) else {
            return Ok(());
        };
        if gone {
            if self.known.remove(&name).is_some() {
                self.told.push_back(KubeChange::Deleted { name });
            }
        } else if self.known.get(&name) != Some(&version) {
            self.known.insert(name.clone(), version.clone());
            self.told.push_back(KubeChange::Saved { name, version });
        }
        Ok(())
    }
}

async fn limited<T>(source: &Source, work: impl Future<Output = Result<T>>) -> Result<T> {
    let limit = source.time_limit();
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(timed_out("watch", source, limit)),
    }
}

impl fmt::Debug for KubeWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubeWatch")
            .field("follows", &format_args!("{}", self.source))
            .finish_non_exhaustive()
    }
}
