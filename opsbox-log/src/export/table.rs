//! A table from batches that are parts of one input.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, RecordBatch, RecordBatchOptions,
    builder::{BooleanBuilder, PrimitiveBuilder, StringViewBuilder},
    cast::AsArray,
    types::{ArrowPrimitiveType, Float64Type, Int64Type, TimestampMicrosecondType},
};
use arrow_buffer::Buffer;
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use bytes::Bytes;

use super::{arrow::check_rows, typed::array};
use crate::{
    batch::{Batch, BatchMemory},
    error::Error,
    limits::{ARROW_BYTES_ALLOWANCE, MAX_ARROW_BYTES_PER_INPUT_BYTE},
    scan::{Texts, ViewTable},
    types::{InvalidValues, TimeContext, Type},
};

/// One Arrow table of the [parts](crate::Parser::parts) of an input.
///
/// What is written for a part is small enough to stay in the processor's caches until its columns are made, so that only
/// these go to memory. The table is that of [`typed_record_batch`](super::arrow::typed_record_batch), but that values
/// whose bytes are not those of the input are copied to each column by itself.
///
/// ```
/// use arrow_array::cast::AsArray;
/// use bytes::Bytes;
/// use opsbox_log::{BatchMemory, Format, Parser, export::arrow::{TableBuilder, TypedPart}, types::TimeContext};
///
/// let log = Bytes::from("level=info msg=up n=1\nlevel=warn msg=down n=2\n");
/// let parser = Parser::new(Format::preset("logfmt")?.select(["level", "msg"])?);
/// let (mut parts, mut memory) = (parser.parts(log.clone()), BatchMemory::default());
/// let mut table = TableBuilder::new(parser.format(), log, &mut memory);
/// while let Some(batch) = parts.next_in(&mut memory) {
///     table.push(&batch, TypedPart::new(&batch, TimeContext::new())?)?;
///     batch.recycle(&mut memory);
/// }
/// let table = table.finish()?;
/// assert_eq!(table.column(1).as_string_view().value(1), "down");
/// # Ok::<(), opsbox_log::Error>(())
/// ```
pub struct TableBuilder {
    input_bytes: usize,
    fields: Vec<crate::Field>,
    views: ViewTable,
    /// Of each column that is no text the arrays of the parts.
    typed: Vec<Vec<ArrayRef>>,
    rows: usize,
}

/// The columns of a part that are no text, and what of them did not fit.
pub struct TypedPart<'b> {
    arrays: Vec<Option<ArrayRef>>,
    invalid: Vec<InvalidValues<'b>>,
}

impl<'b> TypedPart<'b> {
    /// Reads the values of those columns.
    ///
    /// # Errors
    ///
    /// As [`Column::typed`](crate::Column::typed).
    pub fn new(batch: &'b Batch<Bytes>, context: TimeContext) -> Result<Self, Error> {
        let mut part = Self {
            arrays: Vec::new(),
            invalid: Vec::new(),
        };
        for column in batch.columns() {
            let (array, invalid) = match column.field().data_type() {
                Type::Text => (None, InvalidValues::new()),
                _ => {
                    let (array, invalid) = array(&column, context)?;
                    (Some(array), invalid)
                }
            };
            part.arrays.push(array);
            part.invalid.push(invalid);
        }
        Ok(part)
    }

    /// A place for each column, nothing for those of text. What is put here instead has to have the same type and
    /// number of rows.
    pub fn arrays_mut(&mut self) -> &mut [Option<ArrayRef>] {
        &mut self.arrays
    }

    /// The values that are null because they do not fit their type, of each column in its order.
    pub fn invalid(&self) -> &[InvalidValues<'b>] {
        &self.invalid
    }
}

impl TableBuilder {
    /// A table of a format's columns, none of whose types is [`Category`](Type::Category), of batches of this input. Its
    /// views are written to the [memory](BatchMemory) of a table before it.
    pub fn new(format: &crate::Format, input: Bytes, memory: &mut BatchMemory) -> Self {
        let fields = format.fields().to_vec();
        let wanted = fields.iter().map(|it| it.data_type() == Type::Text);
        let wanted: Vec<_> = wanted.collect();
        let input_bytes = input.len();
        let texts = Texts::new(Buffer::from(input), Buffer::from_vec(Vec::<u8>::new()));
        let views = std::mem::take(&mut memory.views);
        Self {
            input_bytes,
            views: ViewTable::new(texts, &wanted, views),
            typed: vec![Vec::new(); fields.len()],
            fields,
            rows: 0,
        }
    }

    /// The rows so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Adds the rows of a batch of the same format and input.
    ///
    /// # Errors
    ///
    /// `TooSparse` as [`record_batch`](super::arrow::record_batch); `Arrow` if the batch has other columns.
    pub fn push(&mut self, batch: &Batch<Bytes>, part: TypedPart<'_>) -> Result<(), Error> {
        let is_same = batch.fields() == self.fields && batch.input().len() == self.input_bytes;
        if !is_same || part.arrays.len() != self.fields.len() {
            let message = "the batch is of another format or input than the table";
            return Err(ArrowError::SchemaError(message.into()).into());
        }
        let rows = self.rows + batch.len();
        check_rows(rows, self.fields.len(), self.input_bytes)?;
        // What is expected goes up and down a little; each move would copy all views.
        if !self.views.has_room(rows) {
            self.views.reserve(self.expected(batch, rows));
        }
        self.views.fill(|columns| batch.push_views(columns, true));
        for (typed, array) in self.typed.iter_mut().zip(part.arrays) {
            typed.extend(array);
        }
        self.rows = rows;
        Ok(())
    }

    /// How many rows there will be, as it looks after this batch: a twentieth more than are there for as many bytes, and
    /// not more than there may be.
    fn expected(&self, batch: &Batch<Bytes>, rows: usize) -> usize {
        let read = batch.end().max(1) as u64;
        let all = rows as u64 * 21 / 20 * (self.input_bytes as u64 / 1024 + 1) / (read / 1024 + 1);
        let most = self
            .input_bytes
            .saturating_mul(MAX_ARROW_BYTES_PER_INPUT_BYTE)
            .saturating_add(ARROW_BYTES_ALLOWANCE)
            / (self.fields.len().max(1) * size_of::<u128>());
        usize::try_from(all)
            .unwrap_or(usize::MAX)
            .min(most)
            .max(rows)
    }

    /// The table.
    ///
    /// # Errors
    ///
    /// `Arrow` for a column of the type `Category` of several parts, whose codes do not mean the same.
    pub fn finish(self) -> Result<RecordBatch, Error> {
        let mut fields = Vec::with_capacity(self.fields.len());
        let mut arrays = Vec::with_capacity(self.fields.len());
        let typed = self.typed.into_iter().zip(&self.fields);
        for ((parts, field), text) in typed.zip(self.views.finish()) {
            let array = match text {
                Some(text) => Arc::new(text) as ArrayRef,
                None => joined(parts, self.rows)?,
            };
            fields.push(Field::new(field.name(), array.data_type().clone(), true));
            arrays.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let schema = Arc::new(Schema::new(fields));
        Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
    }
}

/// Arrays of one type, one after the other.
fn joined(mut parts: Vec<ArrayRef>, rows: usize) -> Result<ArrayRef, ArrowError> {
    if parts.len() == 1
        && let Some(only) = parts.pop()
    {
        return Ok(only);
    }
    let first = parts.first().map(|it| it.data_type().clone());
    Ok(match first {
        Some(DataType::Int64) => Arc::new(primitive::<Int64Type>(&parts, rows)) as ArrayRef,
        Some(DataType::Float64) => Arc::new(primitive::<Float64Type>(&parts, rows)),
        Some(data_type @ DataType::Timestamp(TimeUnit::Microsecond, _)) => {
            let times = primitive::<TimestampMicrosecondType>(&parts, rows);
            Arc::new(times.with_data_type(data_type))
        }
        Some(DataType::Boolean) => {
            let mut builder = BooleanBuilder::with_capacity(rows);
            for part in &parts {
                builder.append_array(part.as_boolean());
            }
            Arc::new(builder.finish())
        }
        Some(DataType::Utf8View) => {
            let mut builder = StringViewBuilder::with_capacity(rows);
            for part in &parts {
                builder.append_array(part.as_string_view());
            }
            Arc::new(builder.finish())
        }
        _ => {
            let message = "a column of categories cannot be put together of parts";
            return Err(ArrowError::NotYetImplemented(message.into()));
        }
    })
}

fn primitive<T: ArrowPrimitiveType>(
    parts: &[ArrayRef],
    rows: usize,
) -> arrow_array::PrimitiveArray<T> {
    let mut builder = PrimitiveBuilder::<T>::with_capacity(rows);
    if let Some(first) = parts.first() {
        builder = builder.with_data_type(first.data_type().clone());
    }
    for part in parts {
        builder.append_array(part.as_primitive());
    }
    builder.finish()
}
