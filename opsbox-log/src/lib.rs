//! Logs to columns, without copying a field.
//!
//! ```text
//! source ──> frame ──> tokenize ──> Batch ──> clean ──> extract ──> export
//! bytes      lines     spans        columns   values    fields      Arrow
//!                                   + unmatched lines
//! ```
//!
//! A [`Format`] says what a line looks like: a preset, a regular expression with named captures, or a
//! pattern of [grok](Format::grok) or [dissect](Format::dissect). A [`Parser`] applies it to a slice,
//! a file or a reader. The [`Batch`] that comes out holds, for each value, where it is in the input.
//!
//! ```
//! use opsbox_log::{Format, Parser};
//!
//! let log = concat!(
//!     r#"192.0.2.7 - - [17/May/2026:10:05:03 +0000] "GET /a HTTP/1.1" 200 512 "-" "curl/8.5""#, "\n",
//!     r#"192.0.2.9 - - [17/May/2026:10:05:04 +0000] "GET /b HTTP/1.1" 404 9 "-" "curl/8.5""#, "\n",
//!     "not an access log line\n",
//! );
//! let format = Format::detect(log.as_bytes())?.format().clone();
//! let batch = Parser::new(format).parse(log);
//!
//! for record in batch.records().filter(|record| record.get("status") == Some(b"404")) {
//!     println!("{}: {:?}", record.line_number(), record.text("request_uri"));
//! }
//! for line in batch.unmatched() {
//!     println!("{line}");
//! }
//! assert_eq!(batch.len() + batch.unmatched().len(), batch.line_count());
//! # Ok::<(), opsbox_log::Error>(())
//! ```
//!
//! # Guarantees
//!
//! - A field's bytes are never copied, but for strings with escapes in `ndjson` and `logfmt`.
//! - Every line is accounted for: it is a row, or of one ([`Multiline`]), or unmatched with line
//!   number, offset and reason.
//! - However an input comes, in pieces or shared by threads, the rows are the same.
//! - No input panics, and each pattern matches in time linear in the line.
//! - A value that does not fit its column's [type](types) is null and counted, never a wrong number.
//! - Bytes are bytes: NUL and invalid UTF-8 are parsed like any others.
//!
//! # Limits
//!
//! All in [`limits`]. The two that users meet: a line is tokenized up to
//! [1 MiB](limits::DEFAULT_MAX_LINE_BYTES) unless the parser is told otherwise, and `ndjson` and
//! `logfmt` discover [1,024](limits::MAX_DISCOVERED_FIELDS) columns a batch.
//!
//! # Features
//!
//! | feature | default | what it adds | what it costs |
//! |---|---|---|---|
//! | `json` | yes | the preset `ndjson`, and [`clean`]: JSON inside of columns | simd-json |
//! | `xml` | no | XML inside of columns | quick-xml, `json` |
//! | `jmespath` | no | `extract`: JMESPath expressions over columns of JSON | jmespath, serde_json, `json` |
//! | `arrow` | no | [`export::arrow`]: batches as Arrow record batches over the same bytes | arrow-array, arrow-buffer, arrow-schema, bytes |
//! | `mask` | no | [`mask`]: what is sensitive is found and masked, with keys in a file | aes-gcm, hmac, sha2, data-encoding, getrandom, zeroize: pure Rust |
//! | `mask-kms` | no | keys of the AWS KMS API; turns `mask` on | hyper, hyper-rustls, rustls with ring, tokio, serde_json |
//! | `config` | no | [`config`]: policies and pipelines in TOML or JSON | config, serde, toml, serde_json |
//! | `yaml` | no | the same in YAML | serde-saphyr, `config` |
//! | `schema` | no | JSON Schemas of policies and pipelines | schemars, `config` |
//! | `enrich` | no | [`enrich`]: labels, host, Kubernetes, trace, tenant and CI context as columns | getrandom, for generated trace ids |
//! | `pipeline` | no | [`pipeline`]: parser, stages and output as one, on threads, with a report | nothing |
//! | `tracing` | no | spans of a pipeline | tracing, `pipeline` |
//! | `tokio` | no | `Parser::stream`: batches of an asynchronous reader | tokio's `io-util` (no runtime), futures-core |

// Only `scan` may allow it.
#![deny(unsafe_code)]
#![warn(clippy::indexing_slicing)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod batch;
mod chunks;
#[cfg(feature = "json")]
pub mod clean;
#[cfg(feature = "config")]
pub mod config;
#[cfg(feature = "enrich")]
pub mod enrich;
mod error;
pub mod export;
#[cfg(feature = "jmespath")]
pub mod extract;
mod file;
mod format;
mod frame;
pub mod limits;
#[cfg(feature = "mask")]
pub mod mask;
mod multiline;
mod parser;
#[cfg(feature = "arrow")]
mod parts;
#[cfg(feature = "pipeline")]
pub mod pipeline;
mod read;
mod scan;
#[cfg(feature = "tokio")]
mod stream;
mod text;
mod tokenize;
pub mod types;
mod unmatched;

pub use batch::{Batch, BatchMemory, Column, ColumnBuilder, KeptValue, Record, Span};
#[cfg(feature = "mask")]
pub use error::Place;
pub use error::{Error, ErrorKind};
pub use format::{Candidate, Detection, Field, Format, Preset};
pub use frame::Overlong;
pub use multiline::Multiline;
pub use parser::Parser;
#[cfg(feature = "arrow")]
pub use parts::Parts;
pub use read::Batches;
pub use scan::{Kernel, UnknownKernel};
#[cfg(feature = "tokio")]
pub use stream::BatchStream;
pub use unmatched::{Reason, Unmatched};
