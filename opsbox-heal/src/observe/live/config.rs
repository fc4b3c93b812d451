//! How a watch is kept.

use std::time::Duration;

use crate::limits::{
    DEFAULT_PAGE_SIZE, DEFAULT_WATCH_SILENCE, DEFAULT_WATCH_TIMEOUT, MAX_PAGE_SIZE,
};

/// How a [`PodWatch`](super::PodWatch) lists and watches. The defaults are for a cluster of any size.
///
/// ```
/// use opsbox_heal::observe::live::WatchConfig;
/// use std::time::Duration;
///
/// let config = WatchConfig::default().resync_after(Duration::from_secs(6 * 3600));
/// ```
#[derive(Clone, Debug)]
pub struct WatchConfig {
    pub(super) streaming_lists: bool,
    pub(super) page_size: u32,
    pub(super) watch_timeout: Duration,
    pub(super) silence_limit: Duration,
    pub(super) resync_after: Option<Duration>,
    pub(super) seed: Option<u64>,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self {
            streaming_lists: true,
            page_size: DEFAULT_PAGE_SIZE,
            watch_timeout: DEFAULT_WATCH_TIMEOUT,
            silence_limit: DEFAULT_WATCH_SILENCE,
            resync_after: None,
            seed: None,
        }
    }
}

impl WatchConfig {
    /// Whether to ask for a streaming list first (Kubernetes 1.27 and later): the server then sends
    /// the pods one by one and needs no memory for the whole. On by default; a server that has none
    /// is asked for pages instead.
    #[must_use]
    pub fn streaming_lists(mut self, on: bool) -> Self {
        self.streaming_lists = on;
        self
    }

    /// How many pods to ask for at once in a paged list: 1 to [`MAX_PAGE_SIZE`].
    #[must_use]
    pub fn page_size(mut self, pods: u32) -> Self {
        self.page_size = pods.clamp(1, MAX_PAGE_SIZE);
        self
    }

    /// How long the server should keep a watch open before it is opened again, in whole seconds.
    /// Each lasts between three quarters of it and all of it.
    #[must_use]
    pub fn watch_timeout(mut self, limit: Duration) -> Self {
        self.watch_timeout = limit.max(Duration::from_secs(1));
        self
    }

    /// How long a watch may say nothing before the connection is taken for dead and opened anew.
    ///
    /// Servers send a bookmark about once a minute, so this should be more; on a server that sends
    /// none, a quiet watch is opened anew each time, which does no harm.
    #[must_use]
    pub fn silence_limit(mut self, limit: Duration) -> Self {
        self.silence_limit = limit.max(Duration::from_secs(1));
        self
    }

    /// List all pods anew so long after the last list, in case that an event was lost. Off by default:
    /// the API server promises that none is.
    #[must_use]
    pub fn resync_after(mut self, period: Duration) -> Self {
        self.resync_after = Some(period.max(Duration::from_secs(1)));
        self
    }

    /// Decides how waits are spread, so that a simulation can be run again. At random by default.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }
}
