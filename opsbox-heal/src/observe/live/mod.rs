//! Pods of a live cluster: a watch that follows them, and a sweep that looks once.
//!
//! ```text
//!              ┌ streaming list, else pages ┐
//! PodWatch ────┤                            ├── objects, one at a time ── PodState ── PodStore
//!              └ watch, bookmarks, 410 ─────┘   split.rs                  decode.rs   + PodChange
//!
//! Sweep ─────── table made by the server ─────── suspicious rows ── GET ── PodState
//! ```
//!
//! | | [`PodWatch`] | [`Sweep`] |
//! |---|---|---|
//! | what it costs the API server | one list, then what changes | a table a round, and the suspects |
//! | what it costs here | 0.5 kB a pod | a page, and the suspects |
//! | how soon a sick pod is seen | at once | at the next round |
//! | knows what a pod was before | yes | no |
//! | fits | one cluster, for ever | big clusters, scripts, cron |
//!
//! The types that are read and the compact form are those of the offline reader: a pod is judged the
//! same wherever it comes from. Every call goes through the [`kube::Client`] that the caller gives;
//! [`RateLimit::apply`] slows it down.
//!
//! kube's own `watcher` is not used: it holds a page of a list three times over in memory, ends for
//! ever on one object that does not fit, does not relist on a 410 that comes as an answer, and has no
//! way back from a server without streaming lists.
//!
//! ```no_run
//! # async fn example(client: kube::Client) {
//! use opsbox_heal::observe::live::{PodChange, PodScope, PodWatch};
//!
//! let mut watch = PodWatch::new(client, PodScope::namespace("shop"));
//! while !matches!(watch.next().await, PodChange::Synced { .. }) {}
//! println!("{} pods in {} bytes", watch.store().len(), watch.store().heap_bytes());
//! # }
//! ```

mod backoff;
mod call;
mod config;
mod decode;
mod feed;
mod memory;
mod names;
mod rate;
mod scope;
mod split;
mod stats;
mod store;
mod suspect;
mod sweep;
mod table;
mod watch;

pub use config::WatchConfig;
pub use decode::UnreadablePod;
pub use rate::RateLimit;
pub use scope::PodScope;
pub use stats::{PodCount, SweepStats};
pub use store::PodStore;
pub use sweep::{Sweep, Swept};
pub use watch::{PodChange, PodWatch, WatchState};
