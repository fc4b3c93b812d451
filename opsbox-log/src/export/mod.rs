//! Batches to other formats.

#[cfg(feature = "arrow")]
pub mod arrow;
pub mod cef;
pub mod logfmt;
mod names;
pub mod ndjson;
mod text;
#[cfg(feature = "arrow")]
mod typed;

use std::{io, ops::Range};

pub use text::{InvalidUtf8, Written};

/// The rows of a range that there are.
fn within(rows: Range<usize>, len: usize) -> Range<usize> {
    let end = rows.end.min(len);
    rows.start.min(end)..end
}

/// Writes `len` rows to a writer, some at a time.
fn write(
    len: usize,
    step: usize,
    writer: &mut impl io::Write,
    append: impl Fn(Range<usize>, &mut Vec<u8>) -> Written,
) -> io::Result<Written> {
    let mut written = Written::default();
    let mut bytes = Vec::new();
    for first in (0..len).step_by(step) {
        bytes.clear();
        written.merge(&append(first..len.min(first + step), &mut bytes));
        writer.write_all(&bytes)?;
    }
    Ok(written)
}
