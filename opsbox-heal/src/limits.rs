//! Every limit of the crate, in one place.
//!
//! A limit is there so that a wrong or hostile file ends in an error that names it, never in a
//! machine without memory. Honest input of the largest clusters stays far below each of them.
//!
//! ```
//! use opsbox_heal::limits;
//!
//! // 150,000 pods of 9 kB, the size of a 5,000-node cluster, fit.
//! assert!(150_000 * 9_000 < limits::MAX_INPUT_BYTES);
//! ```

use std::time::Duration;

/// Largest file that [`PodSnapshot::from_path`](crate::PodSnapshot::from_path) reads: 4 GiB.
///
/// The file is held in memory while it is read; the model that is left is about a twentieth of it.
pub const MAX_INPUT_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// Largest YAML document stream: 512 MiB, about 40,000 pods. JSON is the format for more.
pub const MAX_YAML_BYTES: usize = 512 * 1024 * 1024;

/// Deepest nesting of objects and arrays; a real pod with its managed fields needs about 20.
///
/// Holds for YAML. Of JSON only skipped fields can nest without end, which takes no stack.
pub const MAX_DEPTH: usize = 128;

/// Most documents (`---`) in one YAML stream.
pub const MAX_YAML_DOCUMENTS: usize = 100_000;

/// Most YAML aliases (`*name`) in one document. `kubectl` writes none.
pub const MAX_YAML_ALIASES: usize = 1_000;

/// Most nodes that all aliases of a YAML stream may expand to: what refuses an alias bomb.
///
/// The documents of a stream share it evenly, and each may use
/// [one more](YAML_BYTES_PER_ALIAS_NODE) per few bytes of its own, but none more than this. So the
/// work that aliases make is linear in the size of the input, however it is cut into documents.
pub const MAX_YAML_ALIAS_NODES: usize = 100_000;

/// For so many bytes of a YAML document its aliases may expand to one node more.
pub const YAML_BYTES_PER_ALIAS_NODE: usize = 4;

/// Most containers of one kind (regular, init, ephemeral) in one pod.
pub const MAX_CONTAINERS: usize = 1_024;

/// Most bytes kept of a message of the kubelet or the scheduler; the rest is cut at a character.
pub const MAX_MESSAGE_BYTES: usize = 1_024;

/// Most characters of such a message in the one-line summary of a finding; the evidence has all
/// that is kept.
pub const MAX_SUMMARY_MESSAGE_CHARS: usize = 160;

/// Most unreadable items that [`PodSnapshot::problems`](crate::PodSnapshot::problems) lists.
/// All of them are counted.
pub const MAX_PROBLEMS_LISTED: usize = 100;

/// Most skipped objects that [`PodSnapshot::skipped`](crate::PodSnapshot::skipped) lists.
/// All of them are counted.
pub const MAX_SKIPPED_LISTED: usize = 100;

/// Largest policy file: 1 MiB.
pub const MAX_POLICY_BYTES: usize = 1024 * 1024;
/// How long one request of an act may take if nothing else is asked for. The API server is told.
pub const ACT_TIME_LIMIT: Duration = Duration::from_secs(10);

/// The least time that must be left of a leadership for an act to be begun.
pub const MIN_ACT_TIME: Duration = Duration::from_millis(500);

/// Largest answer that is read of an act; more than any object that etcd keeps.
pub const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Most bytes kept of a message of the API server.
pub const MAX_ANSWER_MESSAGE_BYTES: usize = 512;

/// By how much the clock of the API server may be behind the one of the controller, when it is asked whether a pod was
/// made after an act.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// How long others wait for the leader, from when its Lease was seen to change.
pub const LEASE_DURATION: Duration = Duration::from_secs(15);

/// How long the leader relies on a renewal, from before it was sent.
pub const LEASE_RENEW_DEADLINE: Duration = Duration::from_secs(10);

/// How often the leader renews its Lease, and the others look at it.
pub const LEASE_RETRY_PERIOD: Duration = Duration::from_secs(2);
/// Calls a second to the API server unless the caller says otherwise: that of client-go.
#[cfg(feature = "kube")]
pub const DEFAULT_API_CALLS_PER_SECOND: f64 = 5.0;

/// Calls that may go at once after a pause unless the caller says otherwise: that of client-go.
#[cfg(feature = "kube")]
pub const DEFAULT_API_BURST: u32 = 10;

/// Fewest calls a second that a [`RateLimit`](crate::observe::live::RateLimit) allows: one in a
/// quarter of an hour.
#[cfg(feature = "kube")]
pub const MIN_API_CALLS_PER_SECOND: f64 = 0.001;

/// Most calls a second that a [`RateLimit`](crate::observe::live::RateLimit) allows; no API server
/// answers more.
#[cfg(feature = "kube")]
pub const MAX_API_CALLS_PER_SECOND: f64 = 100_000.0;

/// The wait after the first failure of a list or a watch. It doubles with each further one.
#[cfg(feature = "kube")]
pub const MIN_RETRY_WAIT: Duration = Duration::from_secs(1);

/// The longest wait after a failure, whatever the API server asks for.
#[cfg(feature = "kube")]
pub const MAX_RETRY_WAIT: Duration = Duration::from_secs(30);

/// Most bytes that are read of an answer that is an error; a real one has a few hundred.
#[cfg(feature = "kube")]
pub const MAX_STATUS_BYTES: usize = 64 * 1024;

/// Largest object that is read of a live cluster: 8 MiB. etcd keeps none above 1.5 MiB unless told to.
#[cfg(feature = "kube")]
pub const MAX_OBJECT_BYTES: usize = 8 * 1024 * 1024;

/// Pods in a page of a list unless the caller says otherwise: that of client-go.
#[cfg(feature = "kube")]
pub const DEFAULT_PAGE_SIZE: u32 = 500;

/// Most pods in a page of a list: the server makes the whole page before it sends any of it.
#[cfg(feature = "kube")]
pub const MAX_PAGE_SIZE: u32 = 10_000;

/// How long the API server may take to begin an answer.
#[cfg(feature = "kube")]
pub const LIST_ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// How long the API server may say nothing within a list.
#[cfg(feature = "kube")]
pub const LIST_SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// How long a watch may say nothing unless the caller says otherwise: one and a half times what is
/// between two bookmarks.
#[cfg(feature = "kube")]
pub const DEFAULT_WATCH_SILENCE: Duration = Duration::from_secs(90);

/// How long the API server is asked to keep a watch open unless the caller says otherwise.
#[cfg(feature = "kube")]
pub const DEFAULT_WATCH_TIMEOUT: Duration = Duration::from_secs(300);

/// How many pods that have gone a [`PodStore`](crate::observe::live::PodStore) remembers, so that a
/// late event does not bring one back.
#[cfg(feature = "kube")]
pub const MAX_TOMBSTONES: usize = 4_096;

/// How many shared values a [`PodStore`](crate::observe::live::PodStore) may keep that no pod has any
/// more, beside as many as are in use.
#[cfg(feature = "kube")]
pub const POOL_SLACK: usize = 1_024;

/// How often a [`Sweep`](crate::observe::live::Sweep) tries the same call before it gives a namespace
/// up.
#[cfg(feature = "kube")]
pub const MAX_SWEEP_TRIES: u32 = 5;

/// How often the controller judges all pods when nothing changes.
pub const PASS_INTERVAL: Duration = Duration::from_secs(10);

/// How many times as long as a pass takes the controller waits before the next one. A pass takes what
/// the fastest of the last four took.
pub const PASS_PAUSE_FACTOR: u32 = 9;

/// Most bytes of one free text in an audit entry; the rest is cut at a character.
pub const MAX_AUDIT_TEXT_BYTES: usize = 4 * 1024;

/// Longest line of an audit stream that is read.
pub const MAX_AUDIT_LINE_BYTES: usize = 256 * 1024;

/// Most bytes of the note of a Kubernetes Event; the API refuses more.
pub const MAX_EVENT_NOTE_BYTES: usize = 1_024;

/// Most bytes of the action and the reason of a Kubernetes Event, each; the API refuses more.
pub const MAX_EVENT_WORD_BYTES: usize = 128;

/// How many different Events are remembered, so that a repeat is counted on the one that is there.
pub const MAX_EVENT_SERIES: usize = 4_096;

/// After so long a repeat is an Event of its own. The API server forgets an Event after an hour.
pub const EVENT_SERIES_GAP: Duration = Duration::from_secs(30 * 60);

/// For how long an Event is tried again that could not be recorded: a next leader learns from it.
pub const EVENT_RETRY_LIMIT: Duration = Duration::from_secs(10);

/// Attempts for a workload that are refused one after the other until a human is told: 5, which takes half
/// an hour by the policy that is the default.
pub const REFUSALS_UNTIL_TOLD: u32 = 5;

/// How long the controller waits before it asks again for the Events of the process before.
pub const RECALL_RETRY_WAIT: Duration = Duration::from_secs(5);

/// How long after the begin of its leadership the controller asks for these Events once more. Those of
/// the last acts of a leader that was cut off are there by then: a request takes some seconds at most,
/// and its Event is tried for [`EVENT_RETRY_LIMIT`].
pub const LATE_RECALL_WAIT: Duration = Duration::from_secs(15);

/// How long the controller waits for the Events of the process before.
pub const RECALL_TIME_LIMIT: Duration = Duration::from_secs(30);
