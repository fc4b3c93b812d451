//! Every limit of this crate, in one place.
//!
//! A limit is there so that input from outside can cost neither unbounded memory nor unbounded
//! time. Exceeding one is never silent: the line is kept as unmatched with its reason, or an
//! [`Error`](crate::Error) names the limit.
//!
//! ```
//! use opsbox_log::{Format, Parser, limits};
//!
//! let parser = Parser::new(Format::preset("combined")?);
//! assert_eq!(parser.line_limit(), limits::DEFAULT_MAX_LINE_BYTES);
//! # Ok::<(), opsbox_log::Error>(())
//! ```

#[cfg(feature = "mask-kms")]
use std::time::Duration;

/// Longest line, in bytes, that is tokenized unless [`Parser::max_line_bytes`] says otherwise: 1 MiB.
///
/// A longer line is unmatched with [`Reason::TooLong`].
///
/// [`Parser::max_line_bytes`]: crate::Parser::max_line_bytes
/// [`Reason::TooLong`]: crate::Reason::TooLong
pub const DEFAULT_MAX_LINE_BYTES: usize = 1 << 20;

/// Highest value that [`Parser::max_line_bytes`] takes: 1 GiB.
///
/// Positions inside a line are 32 bit, and a value must fit into one Arrow buffer.
///
/// [`Parser::max_line_bytes`]: crate::Parser::max_line_bytes
pub const MAX_LINE_BYTES: usize = 1 << 30;

/// Bytes of a [part](crate::Parser::parts) of an input, if its lines are not longer: 512 KiB. With its rows that stays in
/// the second cache of a core.
#[cfg(feature = "arrow")]
pub const PART_BYTES: usize = 512 << 10;

/// Bytes that [`Parser::read`] puts into one batch unless told otherwise: 4 MiB.
///
/// [`Parser::read`]: crate::Parser::read
pub const DEFAULT_BATCH_BYTES: usize = 4 << 20;

/// Most lines of one record unless [`Multiline::max_lines`] says otherwise: 1,000. Its bytes are limited
/// as those of a line are, by [`Parser::max_line_bytes`].
///
/// Further lines are unmatched with [`Reason::RecordFull`].
///
/// [`Multiline::max_lines`]: crate::Multiline::max_lines
/// [`Parser::max_line_bytes`]: crate::Parser::max_line_bytes
/// [`Reason::RecordFull`]: crate::Reason::RecordFull
pub const DEFAULT_MAX_RECORD_LINES: u32 = 1000;

/// Most threads that [`Parser::threads`] takes: 1,024.
///
/// [`Parser::threads`]: crate::Parser::threads
pub const MAX_THREADS: usize = 1024;

/// Longest pattern, in bytes, that [`Format::pattern`] compiles: 16 KiB.
///
/// [`Format::pattern`]: crate::Format::pattern
pub const MAX_PATTERN_BYTES: usize = 16 << 10;

/// Deepest nesting of groups and repetitions in a pattern: 100.
pub const MAX_PATTERN_NESTING: u32 = 100;

/// Memory, in bytes, that the automaton of one pattern may take when it is compiled: 2 MiB. Its plan,
/// if it has one, takes some hundred bytes more for each part of the pattern, whatever the counts.
pub const MAX_PATTERN_AUTOMATON_BYTES: usize = 2 << 20;

/// Most named captures in one pattern: 256.
pub const MAX_PATTERN_FIELDS: usize = 256;

/// Longest regular expression, in bytes, that a grok pattern may stand for: 64 KiB. Expanding stops
/// there, so definitions that multiply cost no more than this.
pub const MAX_GROK_EXPANDED_BYTES: usize = 64 << 10;

/// Deepest nesting of grok definitions: 32. Those of the library take up to eight.
pub const MAX_GROK_NESTING: usize = 32;

/// Most own definitions that [`Format::grok_with`] takes: 1,024, each as long as a pattern at most.
///
/// [`Format::grok_with`]: crate::Format::grok_with
pub const MAX_GROK_DEFINITIONS: usize = 1024;

/// Most columns that the formats with keys in the line (`ndjson`, `logfmt`) discover in one batch:
/// 1,024.
///
/// A line that would add one more is unmatched with [`Reason::TooManyFields`]. So lines with a
/// thousand keys of a stranger's making can keep later keys of the same batch out; the lines are
/// reported, and none is lost.
///
/// [`Reason::TooManyFields`]: crate::Reason::TooManyFields
pub const MAX_DISCOVERED_FIELDS: usize = 1024;

/// Most columns of a batch, those that later stages [set](crate::Batch::set_column) included: 4,096.
pub const MAX_COLUMNS: usize = 4096;

/// Bytes that the arrays of an Arrow batch may take for each byte of its input: 64. A view of 16
/// bytes for each of 1,024 columns, most of them empty, would take thousands.
pub const MAX_ARROW_BYTES_PER_INPUT_BYTE: usize = 64;

/// Bytes that the arrays of an Arrow batch may take whatever its input: 64 MiB.
pub const ARROW_BYTES_ALLOWANCE: usize = 64 << 20;

/// Longest name, in bytes, of a discovered column: 1 KiB, dots of the path included.
pub const MAX_FIELD_NAME_BYTES: usize = 1 << 10;

/// Objects nested deeper than this in a JSON line stay one column of JSON text: 32.
pub const MAX_FLATTEN_DEPTH: usize = 32;

/// Deepest nesting of objects and arrays that a JSON line may have: 1,024.
pub const MAX_JSON_DEPTH: usize = 1024;

/// Bytes of a sample that [`Format::detect`] looks at: 256 KiB.
///
/// [`Format::detect`]: crate::Format::detect
pub const DETECT_SAMPLE_BYTES: usize = 256 << 10;

/// Lines of a sample that [`Format::detect`] looks at: 1,000.
///
/// [`Format::detect`]: crate::Format::detect
pub const DETECT_SAMPLE_LINES: usize = 1000;

/// Most distinct values of one column of a batch that is read as [`Type::Category`]: 262,144.
///
/// One more is the error `TooManyCategories`: such a column is better off as text, and its memory and
/// that of those who merge dictionaries stays bounded.
///
/// [`Type::Category`]: crate::types::Type::Category
pub const MAX_CATEGORIES: usize = 1 << 18;

/// Values that do not fit their type and are kept as examples, of each column: 8. All are counted.
pub const MAX_INVALID_EXAMPLES: usize = 8;

/// Rows that the writers of [`export`](crate::export) hand to an `io::Write` at once: 1,024.
pub const EXPORT_ROWS: usize = 1024;

/// Longest name, in bytes, of a machine that the system is asked for: 253, as in the DNS (RFC 1035 section 2.3.4).
pub const MAX_HOST_NAME_BYTES: usize = 253;
// Masking.

/// Longest name, in bytes, of a tag: 64.
pub const MAX_TAG_BYTES: usize = 64;

/// Most patterns of one's own that a scanner takes: 64, each as long as [`MAX_PATTERN_BYTES`].
pub const MAX_MASK_PATTERNS: usize = 64;

/// Longest match, in bytes, of a pattern of one's own: 4 KiB; of a longer one the beginning is found, and
/// the search goes on behind it. A pattern that requires something at its end, as `<.*>` does, matches no
/// beginning: of a match that is much longer nothing is found. Without a bound some patterns take time
/// quadratic in the value.
pub const MAX_PATTERN_MATCH_BYTES: usize = 4 << 10;

/// Longest local part of a mail address, in bytes: 64 (RFC 5321, section 4.5.3.1.1).
pub const MAX_EMAIL_LOCAL_BYTES: usize = 64;

/// Longest domain of a mail address, in bytes: 255 (RFC 5321, section 4.5.3.1.2).
pub const MAX_EMAIL_DOMAIN_BYTES: usize = 255;

/// Longest user information of a URL, its scheme included, in bytes: 256. A password in a longer one is not found as such.
pub const MAX_USERINFO_BYTES: usize = 256;

/// Longest private key in PEM, in bytes: 64 KiB; of a longer one the first so many are found.
pub const MAX_PEM_BYTES: usize = 64 << 10;

/// Most rules of one kind in a policy: 1,024.
pub const MAX_POLICY_RULES: usize = 1024;

/// Largest file of keys, in bytes: 1 MiB.
pub const MAX_KEY_FILE_BYTES: u64 = 1 << 20;

/// Most versions of a tenant's data keys: 1,000. All are unwrapped when a program starts.
pub const MAX_KEY_VERSIONS: usize = 1000;

/// Longest name of a tenant, in bytes: 256.
pub const MAX_TENANT_BYTES: usize = 256;

/// Values that one process encrypts with one data key before
/// [`Keys::is_rotation_due`](crate::mask::Keys::is_rotation_due) says so: 2^28. With random nonces of 96 bits the
/// chance that two are equal is below 2^-40 then (NIST SP 800-38D, section 8.3, allows 2^32 messages and 2^-32).
pub const ROTATE_AFTER_MESSAGES: u64 = 1 << 28;

/// Values that one process encrypts with one data key at most: 2^31. Further ones are redacted, and counted as
/// `key_exhausted`.
pub const MAX_MESSAGES_PER_KEY: u64 = 1 << 31;

/// Time for one request to a key management service, its answer included: 10 s.
#[cfg(feature = "mask-kms")]
pub const KMS_REQUEST_TIME_LIMIT: Duration = Duration::from_secs(10);

/// Time for a connection to it: 4 s.
#[cfg(feature = "mask-kms")]
pub const KMS_CONNECT_TIME_LIMIT: Duration = Duration::from_secs(4);

/// Attempts at one request: 4, with waits of about 0.2, 0.4 and 0.8 s between.
#[cfg(feature = "mask-kms")]
pub const KMS_ATTEMPTS: u32 = 4;

/// The first of these waits, at most.
#[cfg(feature = "mask-kms")]
pub const KMS_FIRST_WAIT: Duration = Duration::from_millis(200);

/// Largest answer of a key management service, in bytes: 64 KiB; a wrapped key takes some hundred.
#[cfg(feature = "mask-kms")]
pub const MAX_KMS_ANSWER_BYTES: usize = 64 << 10;

// Rules as data.

/// Largest file of rules, in bytes: 1 MiB.
pub const MAX_CONFIG_BYTES: usize = 1 << 20;

/// Deepest nesting in a file of rules in YAML: 32.
pub const MAX_CONFIG_DEPTH: usize = 32;
/// Longest value in which [`Cleaner`](crate::clean::Cleaner) reads a document, in bytes, unless it is
/// told otherwise: 1 MiB. Longer ones with the beginning of a document in their first 16 KiB are refused, the
/// others text, and all stay as they are.
#[cfg(feature = "json")]
pub const DEFAULT_MAX_DOCUMENT_BYTES: usize = 1 << 20;

/// Deepest nesting of a document inside a value: 100. Readers of JSON commonly stop at 128, and what is
/// repaired is for them.
#[cfg(feature = "json")]
pub const MAX_DOCUMENT_DEPTH: usize = 100;

/// Most fields of one document that are flattened, elements that are repeated included: 1,024. A document
/// with more is refused.
#[cfg(feature = "json")]
pub const MAX_DOCUMENT_FIELDS: usize = 1024;

/// How many bytes a repair makes of one, at most: 6, of a control byte. The closing of what is open
/// comes to it, no more than [`MAX_DOCUMENT_DEPTH`] and a few bytes.
#[cfg(feature = "json")]
pub const MAX_REPAIR_EXPANSION: usize = 6;

/// How many bytes of JSON text XML makes of one of its bytes, at most: 16, and [`XML_ALLOWANCE_BYTES`]
/// besides. Each field has its whole path in that text, so that long names above many short elements would
/// make hundreds.
#[cfg(feature = "xml")]
pub const MAX_XML_EXPANSION: usize = 16;

/// Bytes of JSON text that any XML may make besides [`MAX_XML_EXPANSION`] times its own: 64 KiB, so that
/// small documents with long paths are read.
#[cfg(feature = "xml")]
pub const XML_ALLOWANCE_BYTES: usize = 64 << 10;

/// Places in one value at which a document that turns out to be none is looked for: 8. So the time for a
/// value is linear in its length.
#[cfg(feature = "json")]
pub const MAX_DOCUMENT_CANDIDATES: usize = 8;

/// Longest JMESPath expression, in bytes, that [`Extractor`](crate::extract::Extractor) compiles: 1 KiB.
/// Evaluation calls itself for each operator.
#[cfg(feature = "jmespath")]
pub const MAX_EXPRESSION_BYTES: usize = 1 << 10;

/// Most brackets, negations and references of one JMESPath expression: 100. Its parser calls itself for
/// each.
#[cfg(feature = "jmespath")]
pub const MAX_EXPRESSION_BRANCHES: usize = 100;

/// Batches that wait for each thread of a [`Pipeline`](crate::pipeline::Pipeline), and of it: 1 either way, besides
/// the one that it works on.
#[cfg(feature = "pipeline")]
pub const PIPELINE_BATCHES_AHEAD: usize = 1;

/// Bytes of input in one batch of a [`Pipeline`](crate::pipeline::Pipeline), unless its parser is
/// [told otherwise](crate::Parser::batch_bytes): 256 KiB. Each stage goes through the batch, which with its columns is to be
/// in the second cache still when the next stage comes.
#[cfg(feature = "pipeline")]
pub const PIPELINE_BATCH_BYTES: usize = 256 << 10;

/// Bytes of output that a [`Pipeline`](crate::pipeline::Pipeline) hands on before a batch is at its end: 4 MiB. Names of keys,
/// which each row repeats, can make a hundred times a batch of it.
#[cfg(feature = "pipeline")]
pub const PIPELINE_PIECE_BYTES: usize = 4 << 20;

/// Bytes of input whose rows a [`Pipeline`](crate::pipeline::Pipeline) writes before it looks at
/// [that](PIPELINE_PIECE_BYTES) again: 64 KiB.
#[cfg(feature = "pipeline")]
pub const PIPELINE_STEP_BYTES: usize = 64 << 10;

/// Values of columns, absent ones included, that a [`Pipeline`](crate::pipeline::Pipeline) writes before it looks at
/// [that](PIPELINE_PIECE_BYTES) again: 16,384.
#[cfg(feature = "pipeline")]
pub const PIPELINE_STEP_VALUES: usize = 16 << 10;

/// Unmatched lines that the report of a [`Pipeline`](crate::pipeline::Pipeline) has as examples: 8. All are counted.
#[cfg(feature = "pipeline")]
pub const MAX_UNMATCHED_EXAMPLES: usize = 8;
