//! Reading pods: bytes in, [`PodState`](crate::PodState)s out.
//!
//! ```text
//! bytes ── size, UTF-8, format ── top object ── items[i] ── slim fields ── PodState
//!          snapshot.rs            read.rs                   wire.rs        compact.rs
//! ```
//!
//! JSON as the API server and `kubectl` write it goes through a reader of its own (`fast.rs`), which
//! jumps over objects and lists that nobody wants, 64 bytes at a time (`scan.rs`). Of these only
//! strings and brackets are looked at. Anything else that is unusual, wrong or not, sends the whole
//! input to the reader for all JSON, which knows what to say about it.
//!
//! Each item becomes its compact form as soon as its closing brace is read; there is never a tree
//! of the whole document, and fields that no verdict needs (managed fields, resources, most
//! annotations) are skipped without being kept.
//!
//! If an item does not fit, the document is read once more, item by item (`careful.rs`): the
//! items that do not fit are listed as problems, the others are read. So a good list costs one
//! pass, and a list with bad items three.
//!
//! ```
//! use opsbox_heal::PodSnapshot;
//!
//! let list = br#"{"apiVersion": "v1", "kind": "List", "items": [
//!     {"kind": "Pod", "metadata": {"name": "web-1", "namespace": "shop"}},
//!     {"kind": "Service", "metadata": {"name": "web", "namespace": "shop"}}
//! ]}"#;
//! let snapshot = PodSnapshot::from_slice(list)?;
//! assert_eq!(snapshot.pods().len(), 1);
//! assert_eq!(snapshot.skipped()[0].kind(), "Service");
//! # Ok::<(), opsbox_heal::Error>(())
//! ```

mod careful;
mod compact;
mod fast;
#[cfg(feature = "yaml")]
mod fit;
mod json;
#[cfg(feature = "kube")]
pub mod live;
mod node;
mod pool;
pub(crate) mod problem;
mod read;
mod scan;
pub(crate) mod snapshot;
mod type_meta;
mod wire;
#[cfg(feature = "yaml")]
mod yaml;
