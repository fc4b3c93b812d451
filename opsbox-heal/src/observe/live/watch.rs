//! The pods of a cluster, kept up to date.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream, SelectAll},
};
use kube::Client;
use tokio::time::Instant;

use super::{
    config::WatchConfig,
    decode::UnreadablePod,
    feed::{Feed, Signal},
    scope::PodScope,
    store::{Outcome, PodStore},
};
use crate::{error::Error, model::pod::PodState};

/// A [`PodStore`] that follows the cluster, and what changed in it.
///
/// Lists, then watches, for as long as it is asked for changes, and comes back from whatever happens
/// to the connection by itself:
///
/// * a list is streamed where the server can do that, else asked for by pages; either way one object
///   is in memory at a time;
/// * bookmarks keep the version fresh; if it has expired (410, as an answer or as an event), all is
///   listed anew, and what is gone by then is reported as deleted;
/// * a connection that says nothing for [`silence_limit`](WatchConfig::silence_limit) is taken for
///   dead;
/// * after a failure it waits, longer each time up to
///   [`MAX_RETRY_WAIT`](crate::limits::MAX_RETRY_WAIT), with a spread;
/// * events that come twice, or later than newer ones, change nothing.
///
/// What the caller must do: not act on what may be old. See [`WatchState::is_current`].
///
/// ```no_run
/// # async fn example(client: kube::Client) {
/// use opsbox_heal::observe::live::{PodChange, PodScope, PodWatch, RateLimit};
/// use std::time::Duration;
///
/// let client = RateLimit::default().apply(client);
/// let mut watch = PodWatch::new(client, PodScope::all());
/// loop {
///     match watch.next().await {
///         PodChange::Applied { old, new } if watch.state().is_current(Duration::from_secs(120)) => {
///             println!("{new} was {:?}", old.map(|pod| pod.phase().clone()));
///         }
///         PodChange::Interrupted { error, retry_in } => {
///             println!("{error}: trying again in {retry_in:?}");
///         }
///         _ => {}
///     }
/// }
/// # }
/// ```
pub struct PodWatch {
    store: PodStore,
    feeds: SelectAll<BoxStream<'static, (usize, Signal)>>,
    tracks: Vec<Track>,
    generation: u32,
    ready: std::collections::VecDeque<PodChange>,
    last_error: Option<Arc<Error>>,
    interruptions: u64,
}

/// What is known of one feed.
struct Track {
    namespace: Option<Box<str>>,
    generation: u32,
    synced: bool,
    heard: Instant,
    /// Since when it has failed, if the last thing heard of it was that.
    failing: Option<Instant>,
}

/// What has changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PodChange {
    /// A pod is new or has changed.
    Applied {
        /// What was known of it before; `None` if it is new, so that restarts can be compared.
        old: Option<Arc<PodState>>,
        /// What is known of it now.
        new: Arc<PodState>,
    },
    /// A pod is gone, or is no longer selected.
    Deleted {
        /// What was known of it last.
        last: Arc<PodState>,
    },
    /// A pod could not be read. It is no longer in the store.
    Unreadable(UnreadablePod),
    /// Everything was listed, for the first time or anew: the store is complete from here on, until
    /// the next interruption.
    Synced {
        /// How many pods there are.
        pods: usize,
    },
    /// A list or a watch failed. It is tried again by itself; meanwhile what is known grows old.
    Interrupted {
        /// What failed. Of kind [`Forbidden`](crate::ErrorKind::Forbidden) or
        /// [`Unauthorized`](crate::ErrorKind::Unauthorized) it needs a human.
        error: Arc<Error>,
        /// When it is tried again.
        retry_in: Duration,
    },
}

/// How far what is known can be trusted at this moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WatchState {
    /// Whether everything was listed and no listing is under way.
    pub synced: bool,
    /// How long ago the server last said anything, for the namespace that is worst off.
    pub silent_for: Duration,
    /// How long a list or a watch has been failing; `None` if none is.
    pub interrupted_for: Option<Duration>,
    /// The last failure, which may be over.
    pub last_error: Option<Arc<Error>>,
    /// How many failures there were so far, for a metric.
    pub interruptions: u64,
}

impl WatchState {
    /// Whether it is safe to act on what is known: everything was listed, nothing is failing, and
    /// the server said something within `max_silence`.
    ///
    /// A server says something at least once a minute (a bookmark), or at the end of
    /// [`watch_timeout`](WatchConfig::watch_timeout) if it has no bookmarks.
    pub fn is_current(&self, max_silence: Duration) -> bool {
        self.synced && self.interrupted_for.is_none() && self.silent_for <= max_silence
    }
}

impl PodWatch {
    /// A watch with the default [`WatchConfig`]. Nothing is sent before [`next`](Self::next).
    ///
    /// Needs the verbs `list` and `watch` on `pods`.
    pub fn new(client: Client, scope: PodScope) -> Self {
        Self::with_config(client, scope, WatchConfig::default())
    }

    /// A watch that is kept as `config` says.
    pub fn with_config(client: Client, scope: PodScope, config: WatchConfig) -> Self {
        let store = PodStore::default();
        let namespaces: Vec<Option<Box<str>>> = match scope.selected_namespaces() {
            Some(names) => names.map(|name| Some(name.into())).collect(),
            None => vec![None],
        };
        let scope = Arc::new(scope);
        let mut feeds = SelectAll::new();
        let mut tracks = Vec::new();
        for (index, namespace) in namespaces.into_iter().enumerate() {
            tracks.push(Track {
                namespace: namespace.clone(),
                generation: 0,
                synced: false,
                heard: Instant::now(),
                failing: None,
            });
            let seed = config
                .seed
                .map(|seed| seed.wrapping_add(u64::try_from(index).unwrap_or_default()));
            let feed = Feed::new(
                client.clone(),
                Arc::clone(&scope),
                namespace,
                config.clone(),
                store.pool(),
                seed,
            );
            let signals = stream::unfold(feed, move |mut feed| async move {
                let signal = feed.next().await;
                Some(((index, signal), feed))
            });
            feeds.push(signals.boxed());
        }
        Self {
            store,
            feeds,
            tracks,
            generation: 0,
            ready: std::collections::VecDeque::new(),
            last_error: None,
            interruptions: 0,
        }
    }

    /// What is known of all pods, with every change that [`next`](Self::next) has returned, and
    /// perhaps some that it is about to return.
    pub fn store(&self) -> &PodStore {
        &self.store
    }

    /// How far that can be trusted.
    pub fn state(&self) -> WatchState {
        let failing = self.tracks.iter().filter_map(|track| track.failing);
        WatchState {
            synced: self.tracks.iter().all(|track| track.synced),
            silent_for: self
                .tracks
                .iter()
                .map(|track| track.heard.elapsed())
                .max()
                .unwrap_or_default(),
            interrupted_for: failing.min().map(|since| since.elapsed()),
            last_error: self.last_error.clone(),
            interruptions: self.interruptions,
        }
    }

    /// Waits for the next change.
    ///
    /// It may be dropped at any moment, as `tokio::select!` does, without a change being lost. If
    /// the scope has no namespace it waits for ever.
    pub async fn next(&mut self) -> PodChange {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return change;
            }
            match self.feeds.next().await {
                Some((index, signal)) => self.take_in(index, signal),
                None => std::future::pending().await,
            }
        }
    }

    fn take_in(&mut self, index: usize, signal: Signal) {
        let Some(track) = self.tracks.get_mut(index) else {
            return;
        };
        if !matches!(signal, Signal::Failed(..) | Signal::ListBegins) {
            track.heard = Instant::now();
            track.failing = None;
        }
        match signal {
            Signal::Heard => {}
            Signal::ListBegins => {
                self.generation = self.generation.wrapping_add(1);
                track.generation = self.generation;
                track.synced = false;
            }
            Signal::Pod(pod) => match self.store.apply(pod, track.generation) {
                Outcome::Nothing => {}
                Outcome::Applied { old, new } => {
                    self.ready.push_back(PodChange::Applied { old, new });
                }
                Outcome::Replaced { old, new } => {
                    self.ready.push_back(PodChange::Deleted { last: old });
                    self.ready.push_back(PodChange::Applied { old: None, new });
                }
            },
            Signal::Gone(pod) => {
                if let Some(last) = self.store.delete(&pod) {
                    self.ready.push_back(PodChange::Deleted { last });
                }
            }
            Signal::Unreadable(pod) => {
                tracing::warn!(%pod, "a pod could not be read");
                self.store.forget(pod.namespace(), pod.name());
                self.ready.push_back(PodChange::Unreadable(pod));
            }
            Signal::ListEnds => {
                track.synced = true;
                let gone = self
                    .store
                    .keep_only(track.namespace.as_deref(), track.generation);
                let deleted = gone.into_iter().map(|last| PodChange::Deleted { last });
                self.ready.extend(deleted);
                if self.tracks.iter().all(|track| track.synced) {
                    let pods = self.store.len();
                    tracing::info!(pods, "all pods are known");
                    self.ready.push_back(PodChange::Synced { pods });
                }
            }
            Signal::Failed(error, retry_in) => {
                tracing::warn!(%error, ?retry_in, "the watch of pods is interrupted");
                track.failing.get_or_insert_with(Instant::now);
                self.interruptions += 1;
                let error = Arc::new(error);
                self.last_error = Some(Arc::clone(&error));
                self.ready
                    .push_back(PodChange::Interrupted { error, retry_in });
            }
        }
    }
}

impl fmt::Debug for PodWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PodWatch")
            .field("pods", &self.store.len())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
