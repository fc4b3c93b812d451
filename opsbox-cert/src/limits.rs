//! Every limit of the crate, each with its reason.
//!
//! A limit that is reached is always reported, as a problem or in the counts: nothing is dropped in
//! silence. Those of a scan can be changed on [`Scan`](crate::Scan).
//!
//! ```
//! use opsbox_cert::{Scan, limits};
//!
//! // A folder of one huge CA bundle: allow a bigger file, look less deep.
//! let scan = Scan::new()
//!     .max_file_bytes(4 * limits::MAX_FILE_BYTES)
//!     .max_depth(1);
//! # drop(scan);
//! ```

/// Largest file that is read: 16 MiB, some seventy times the bundle of all public CAs.
pub const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// How much of a file without a certificate extension is searched for a PEM marker: 64 KiB, which
/// covers a text dump or a comment block in front of the first certificate.
pub const SNIFF_BYTES: u64 = 64 * 1024;

/// Most PEM sections that are read from one input: 65,536. The rest is one problem.
pub const MAX_PEM_SECTIONS: usize = 65_536;

/// Longest label of a PEM section that is shown in a message, in bytes: 40. The longest one in use has
/// 30; a longer one is more likely a line of a body that may be secret.
pub const MAX_PEM_LABEL_BYTES: usize = 40;

/// Deepest sub folder a scan enters, the given folder being 0: 16. An explicit stack is used, so
/// the limit is there against surprises such as a scan of `/`, not to protect the call stack.
pub const MAX_DEPTH: usize = 16;

/// Most folder entries that a scan looks at: one million.
pub const MAX_FILES: usize = 1_000_000;

/// Longest value of a Prometheus label in bytes: 2,048. It is the longest one that Mimir and Cortex
/// accept by default, and a refused series is an alert that never fires. A longer text is cut between
/// two characters and ends in `...+N bytes`; a longer `san` is cut between two names and ends in
/// `,+N more`.
pub const MAX_LABEL_BYTES: usize = 2_048;

/// Most certificates of one subject that are tried as the issuer of another: 16. Real cross-signing
/// has two or three; without a limit a bundle of equal names would cost quadratic time.
pub const MAX_ISSUERS_PER_NAME: usize = 16;

/// Largest record of a store, all parts together: 512 KiB. A key, a chain of five certificates and
/// metadata are about 10 KiB; a Kubernetes Secret holds 1 MiB.
pub const MAX_RECORD_BYTES: usize = 512 * 1024;

/// Most parts of one record: 16. A certificate has three.
pub const MAX_RECORD_PARTS: usize = 16;

/// Longest name of a part in bytes: 64.
pub const MAX_PART_NAME_BYTES: usize = 64;

/// Longest name of a folder of a store in bytes: 32.
pub const MAX_FOLDER_BYTES: usize = 32;

/// Longest id of a record or a lock within its folder, in bytes: 255, as a DNS name with a wildcard has.
pub const MAX_ID_BYTES: usize = 255;

/// Longest text that names the owner of a lock, in bytes: 128.
pub const MAX_OWNER_BYTES: usize = 128;

/// Shortest time that a lock is held without renewal: 1 second, the finest step that every store has.
pub const MIN_LEASE: std::time::Duration = std::time::Duration::from_secs(1);

/// Longest time that a lock is held without renewal: 1 day, after which a dead owner is in the way of
/// no one.
pub const MAX_LEASE: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// How long one operation of a store may take before it fails as unavailable: 30 seconds. It can be
/// changed on each store.
pub const STORE_TIME_LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

/// Longest prefix of the objects of a store in Kubernetes, in bytes: 40, so that with the name's readable
/// part and its hash it stays well within the 253 of an object.
pub const MAX_KUBE_PREFIX_BYTES: usize = 40;

/// How long one watch of Kubernetes lasts before it is begun anew: 4 minutes. Load balancers end
/// silent connections after 5 minutes or more.
pub const KUBE_WATCH_TIME: std::time::Duration = std::time::Duration::from_secs(240);

/// Longest delay between two attempts to watch Kubernetes: 30 seconds.
pub const MAX_KUBE_WATCH_DELAY: std::time::Duration = std::time::Duration::from_secs(30);

/// Most requests that a store in Kubernetes makes at once to read many records: 16. API servers answer
/// some hundred at a time, of all their clients.
pub const MAX_KUBE_REQUESTS: usize = 16;
