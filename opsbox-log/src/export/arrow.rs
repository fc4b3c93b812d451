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

pub use super::typed::{TypedBatch, typed_record_batch};
use crate::{
    batch::{Batch, Span},
    error::Error,
    limits::{ARROW_BYTES_ALLOWANCE, MAX_ARROW_BYTES_PER_INPUT_BYTE},
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
/// `TooSparse` if the arrays would take more than the
/// [limit](crate::limits::MAX_ARROW_BYTES_PER_INPUT_BYTE), which needs a batch with hundreds of
/// discovered columns that are mostly empty. `Arrow` if the arrays cannot be built; no input is known
/// that leads to it.
pub fn record_batch(batch: &Batch<Bytes>) -> Result<RecordBatch, Error> {
    check_size(batch)?;
    let input = Windows::new(Buffer::from(batch.owner().clone()));
    let arena = Windows::new(Buffer::from_vec(batch.arena().to_vec()));
    // All columns have the same buffers: the input's, then the arena's.
    let arena_block = u32::try_from(input.0.len()).unwrap_or(u32::MAX);
    let mut builders: Vec<_> = batch
        .fields()
        .iter()
        .map(|_| {
            let mut builder = StringViewBuilder::with_capacity(batch.len());
            for window in input.0.iter().chain(&arena.0) {
                builder.append_block(window.clone());
            }
            builder
        })
        .collect();

    let mut spans = vec![None; builders.len()];
    for record in batch.records() {
        record.spans(&mut spans);
        for (builder, span) in builders.iter_mut().zip(&mut spans) {
            let (block, range, bytes) = match span.take() {
                Some(Span::Input(range)) => (0, range, batch.input()),
                Some(Span::Arena(range)) => (arena_block, range, batch.arena()),
                None => {
                    builder.append_null();
                    continue;
                }
            };
            let (block, offset, len) = view(block, &range);
            if builder.try_append_view(block, offset, len).is_err() {
                let value = bytes.get(range).unwrap_or_default();
                builder.append_value(String::from_utf8_lossy(value));
            }
        }
    }

    let fields = batch.fields().iter();
    let fields = fields.map(|field| Field::new(field.name(), DataType::Utf8View, true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let arrays = builders
        .iter_mut()
        .map(|builder| Arc::new(builder.finish()) as ArrayRef)
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
    Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
}

fn check_size(batch: &Batch<Bytes>) -> Result<(), Error> {
    let (rows, columns) = (batch.len(), batch.fields().len());
    let input_bytes = batch.input().len();
    let bytes = rows
        .saturating_mul(columns)
        .saturating_mul(size_of::<u128>());
    let allowed = input_bytes
        .saturating_mul(MAX_ARROW_BYTES_PER_INPUT_BYTE)
        .saturating_add(ARROW_BYTES_ALLOWANCE);
    match bytes <= allowed {
        true => Ok(()),
        false => Err(Error::TooSparse {
            rows,
            columns,
            bytes,
            input_bytes,
        }),
    }
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
}

/// Block, offset and length of a range of windows whose first is `block`. What Arrow cannot address
/// comes out as an address that it refuses.
fn view(block: u32, range: &Range<usize>) -> (u32, u32, u32) {
    let int = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    (
        block.saturating_add(int(range.start / STRIDE)),
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
                let (block, offset, bytes) = view(0, &(start..end));
                let (window, size) = windows[block as usize];
                assert_eq!(window + offset as usize, start);
                assert!(offset as usize + bytes as usize <= size, "{len} {start}");
            }
        }
    }
}
