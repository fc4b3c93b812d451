//! What the fuzz targets check: each is a function of bytes that panics where a promise does not
//! hold. The test `corpus` of opsbox-log has these files as a module, and runs them on the committed
//! inputs.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a target fails by panicking, and has no readers but these files"
)]

pub mod arrow;
pub mod clean;
pub mod dissect;
pub mod export;
pub mod framing;
pub mod grok;
pub mod input;
pub mod json;
pub mod mask;
pub mod ndjson;
pub mod pattern;
pub mod rows;
pub mod scan;

/// A target's name and what it does.
pub type Target = (&'static str, fn(&[u8]));

pub const ALL: &[Target] = &[
    ("arrow", arrow::run),
    ("clean_find", clean::find),
    ("clean_repair", clean::repair),
    ("clean_xml", clean::xml),
    ("dissect", dissect::run),
    ("export", export::run),
    ("framing", framing::run),
    ("grok", grok::run),
    ("mask", mask::run),
    ("ndjson", ndjson::run),
    ("pattern", pattern::run),
    ("scan", scan::run),
];
