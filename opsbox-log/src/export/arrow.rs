//! Batches as Arrow record batches (feature `arrow`).
//!
//! Each column becomes a `Utf8View` array (Arrow's variable-size binary view layout) whose data
//! buffer is the input itself. Nothing is copied but the 16 bytes of a view, the values in the
//! batch's arena, and values that are not UTF-8: those come out with U+FFFD in place of the bad
//! bytes, so that one bad byte changes neither the column's type nor other rows. The exact bytes
//! stay in the [`Batch`].
//!
//! ```
//! use arrow_array::{Array, cast::AsArray};
//! use bytes::Bytes;
//! use opsbox_log::{Format, Parser, export::arrow::record_batch};
//!
//! let log = Bytes::from("level=info msg=\"a value longer than twelve bytes\"\n");
//! let batch = Parser::new(Format::preset("logfmt")?).parse(log.clone());
//! let table = record_batch(&batch)?;
//!
//! let messages = table.column_by_name("msg").unwrap().as_string_view();
//! assert_eq!(messages.value(0), "a value longer than twelve bytes");
//! // The same memory: not a copy of it.
//! assert_eq!(messages.data_buffers()[0].as_ptr(), log.as_ptr());
//! # Ok::<(), opsbox_log::Error>(())
//! ```

use std::{ops::Range, sync::Arc};

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, builder::StringViewBuilder};
use arrow_buffer::Buffer;
use arrow_schema::{DataType, Field, Schema};
use bytes::Bytes;

use crate::{
    batch::{Batch, Span},
    error::Error,
};

/// The batch of a file, as [`record_batch`] takes it; the bytes stay where they are.
impl From<Batch<Vec<u8>>> for Batch<Bytes> {
    fn from(batch: Batch<Vec<u8>>) -> Self {
        batch.map_input(Bytes::from)
    }
}

/// The distance between the buffers of a large input: Arrow counts in 31 bits inside a buffer.
/// Buffers overlap, so that a value that begins in one ends in it.
const STRIDE: usize = 1 << 30;

/// Longest buffer: a value that begins in the first stride is at most a stride long itself.
const BUFFER_BYTES: usize = 2 * STRIDE - 1;

/// The rows of a batch, without its unmatched lines.
///
/// # Errors
///
/// `Arrow`, if the arrays cannot be built. No input is known that leads to it.
pub fn record_batch(batch: &Batch<Bytes>) -> Result<RecordBatch, Error> {
    let input = Windows::new(Buffer::from(batch.owner().clone()));
    let arena = Windows::new(Buffer::from_vec(batch.arena().to_vec()));
    let mut fields = Vec::with_capacity(batch.fields().len());
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(batch.fields().len());
    for column in batch.columns() {
        let mut builder = StringViewBuilder::with_capacity(batch.len());
        let input_block = input.append_to(&mut builder);
        let arena_block = arena.append_to(&mut builder);
        for row in 0..batch.len() {
            let Some(value) = column.get(row) else {
                builder.append_null();
                continue;
            };
            let place = match column.span(row) {
                Some(Span::Input(range)) => (input_block, range),
                Some(Span::Arena(range)) => (arena_block, range),
                None => (input_block, 0..0),
            };
            let (block, offset, len) = view(place);
            if builder.try_append_view(block, offset, len).is_err() {
                builder.append_value(String::from_utf8_lossy(value));
            }
        }
        fields.push(Field::new(column.field().name(), DataType::Utf8View, true));
        arrays.push(Arc::new(builder.finish()));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
    let schema = Arc::new(Schema::new(fields));
    Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
}

/// A buffer as Arrow can count in it.
struct Windows(Vec<Buffer>);

impl Windows {
    fn new(buffer: Buffer) -> Self {
        let starts = (0..buffer.len().max(1)).step_by(STRIDE);
        let windows = starts.map(|start| {
            let len = (buffer.len() - start).min(BUFFER_BYTES);
            buffer.slice_with_length(start, len)
        });
        Self(windows.collect())
    }

    /// Adds the windows as data buffers, and returns the index of the first.
    fn append_to(&self, builder: &mut StringViewBuilder) -> u32 {
        let mut blocks = self
            .0
            .iter()
            .map(|window| builder.append_block(window.clone()));
        let first = blocks.next().unwrap_or_default();
        blocks.for_each(drop);
        first
    }
}

/// Block, offset and length of a range of windows whose first is `block`. What Arrow cannot address
/// comes out as an address that it refuses.
fn view((block, range): (u32, Range<usize>)) -> (u32, u32, u32) {
    let int = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    (
        block + int(range.start / STRIDE),
        int(range.start % STRIDE),
        int(range.len()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_every_value() {
        // Address space that is never touched: only the arithmetic is under test.
        let windows = |len: usize| -> Vec<(usize, usize)> {
            (0..len.max(1))
                .step_by(STRIDE)
                .map(|start| (start, (len - start).min(BUFFER_BYTES)))
                .collect()
        };
        for len in [0, 1, STRIDE - 1, STRIDE, 3 * STRIDE + 5] {
            let windows = windows(len);
            for start in [0, len / 2, STRIDE - 1, STRIDE, 2 * STRIDE + 7] {
                let end = (start + STRIDE).min(len);
                if start >= end {
                    continue;
                }
                let (block, offset, bytes) = view((0, start..end));
                let (window, size) = windows[block as usize];
                assert_eq!(window + offset as usize, start);
                assert!(offset as usize + bytes as usize <= size, "{len} {start}");
            }
        }
    }
}
