//! Follows files, folders, stores and Secrets of Kubernetes, and puts what is new there in service.
//!
//! ```text
//!   notice of the system ─┐
//!                         ├──▶ changed? ──▶ at rest? ──▶ read both, unchanged still? ──▶ Certificates
//!   every so often ───────┘                                                               and its events
//! ```
//!
//! ```no_run
//! use std::sync::Arc;
//! use opsbox_cert::install::Certificates;
//! use opsbox_cert::watch::FileWatcher;
//!
//! # async fn run() {
//! let provider = Arc::new(rustls::crypto::ring::default_provider());
//! let certificates = Certificates::new();
//! certificates.events().hook(|event| eprintln!("{event}"));
//! let mut watcher = FileWatcher::new(certificates, provider)
//!     .pair("example.com", "/etc/tls/tls.crt", "/etc/tls/tls.key")
//!     .folder("/etc/letsencrypt/live");
//! watcher.first().await; // what is there already is in service now
//! tokio::spawn(watcher.run());
//! # }
//! ```
//!
//! # What is promised
//!
//! - Key and chain are those of one moment: both files are the same before and after they are read, by
//!   target of their links, inode, size and times.
//! - A file that is being written is not read before it has been at rest for the
//!   [settle time](crate::limits::SETTLE_TIME). A writer that pauses for longer between two certificates of
//!   a chain is taken for done; write beside the file and rename, as all do who can.
//! - What is refused, or gone, leaves what is in service, and is an [event](crate::observe::Event) once.
//! - Secrets of Kubernetes (`SecretWatcher`, with the feature `store-kube`) are told by the API server, without
//!   polling; what changed while it was away is told when it is back.
//! - Where notices do not come, as with network file systems, polling finds the change.

mod files;
mod folder;
mod records;
#[cfg(feature = "store-kube")]
mod secrets;
mod store;

pub use self::files::FileWatcher;
#[cfg(feature = "store-kube")]
pub use self::secrets::SecretWatcher;
pub use self::store::StoreWatcher;
