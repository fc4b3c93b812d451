//! Batches as Arrow record batches (feature `arrow`).
//!
//! Each column becomes a `Utf8View` array (Arrow's variable-size binary view layout) whose data
//! buffer is the input itself. Nothing is copied but the 16 bytes of a view, the values in the
//! batch's arena, and values that are not UTF-8: those come out with U+FFFD in place of the bad
//! bytes, so that one bad byte changes neither the column's type nor other rows. The exact bytes
//! stay in the [`Batch`].
//!
//! Who sends such arrays to another process, by Arrow IPC or Flight, may send their buffers whole, and so all of
//! the input, also what is in no column any more because it was masked or dropped. Call `gc` on the
//! columns before (`StringViewArray::gc`), which copies what the views show.
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

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, StringViewArray, cast::AsArray};
use arrow_buffer::Buffer;
use arrow_schema::{DataType, Field, Schema};
use bytes::Bytes;

pub use super::table::{TableBuilder, TypedPart};
pub use super::typed::{TypedBatch, typed_record_batch, typed_record_batch_in};
use crate::{
    batch::{Batch, BatchMemory},
    error::Error,
    limits::{ARROW_BYTES_ALLOWANCE, MAX_ARROW_BYTES_PER_INPUT_BYTE},
    scan::{Texts, ViewTable},
};

/// The batch of a file, as [`record_batch`] takes it; the bytes stay where they are.
impl From<Batch<Vec<u8>>> for Batch<Bytes> {
    fn from(batch: Batch<Vec<u8>>) -> Self {
        batch.map_input(Bytes::from)
    }
}

/// The rows of a batch, without its unmatched lines.
///
/// # Errors
///
/// `TooSparse` if the arrays would take more than the
/// [limit](crate::limits::MAX_ARROW_BYTES_PER_INPUT_BYTE), which needs a batch with hundreds of
/// discovered columns that are mostly empty. `Arrow` if the arrays cannot be built; no input is known
/// that leads to it.
pub fn record_batch(batch: &Batch<Bytes>) -> Result<RecordBatch, Error> {
    record_batch_in(batch, &mut BatchMemory::default())
}

/// [`record_batch`], with the views in the [memory](BatchMemory) of a table before it.
///
/// ```
/// use bytes::Bytes;
/// use opsbox_log::{BatchMemory, Format, Parser, export::arrow::{record_batch_in, recycle}};
///
/// let parser = Parser::new(Format::preset("logfmt")?);
/// let mut memory = BatchMemory::default();
/// for chunk in ["level=info n=1\n", "level=warn n=2\n"] {
///     let batch = parser.parse_in(Bytes::from(chunk), &mut memory);
///     let table = record_batch_in(&batch, &mut memory)?;
///     assert_eq!(table.num_columns(), 2);
///     batch.recycle(&mut memory);
///     recycle(table, &mut memory);
/// }
/// # Ok::<(), opsbox_log::Error>(())
/// ```
///
/// # Errors
///
/// As [`record_batch`].
pub fn record_batch_in(
    batch: &Batch<Bytes>,
    memory: &mut BatchMemory,
) -> Result<RecordBatch, Error> {
    let arrays = view_arrays(batch, |_| true, memory)?;
    let arrays = arrays.into_iter().flatten();
    let arrays = arrays.map(|array| Arc::new(array) as ArrayRef);
    let fields = batch.fields().iter();
    let fields = fields.map(|field| Field::new(field.name(), DataType::Utf8View, true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
    Ok(RecordBatch::try_new_with_options(
        schema,
        arrays.collect(),
        &options,
    )?)
}

/// The columns that are wanted, as views.
pub(super) fn view_arrays(
    batch: &Batch<Bytes>,
    wanted: impl Fn(&crate::Field) -> bool,
    memory: &mut BatchMemory,
) -> Result<Vec<Option<StringViewArray>>, Error> {
    check_size(batch)?;
    let texts = Texts::new(
        Buffer::from(batch.owner().clone()),
        Buffer::from_vec(batch.arena().to_vec()),
    );
    let wanted: Vec<_> = batch.fields().iter().map(wanted).collect();
    let mut table = ViewTable::new(texts, &wanted, std::mem::take(&mut memory.views));
    table.reserve(batch.len());
    table.fill(|columns| batch.push_views(columns, false));
    Ok(table.finish())
}

/// Gives the memory of a table's views to `memory`, if nobody else has any of them.
pub fn recycle(table: RecordBatch, memory: &mut BatchMemory) {
    let (_, columns, _) = table.into_parts();
    let views = columns.into_iter().filter_map(|column| {
        let array = column.as_string_view_opt()?.clone();
        drop(column);
        Some(array.into_parts().0.into_inner())
    });
    // They are one piece of memory, which the first ones are at the beginning of.
    let first = views.reduce(|first, _| first);
    if let Some(Ok(views)) = first.map(Buffer::into_vec) {
        memory.views = views;
    }
}

fn check_size(batch: &Batch<Bytes>) -> Result<(), Error> {
    check_rows(batch.len(), batch.fields().len(), batch.input().len())
}

pub(super) fn check_rows(rows: usize, columns: usize, input_bytes: usize) -> Result<(), Error> {
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
