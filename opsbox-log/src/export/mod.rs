//! Batches to other formats.

#[cfg(feature = "arrow")]
pub mod arrow;
