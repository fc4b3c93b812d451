//! The typed columns of a batch as Arrow arrays.

use std::{fmt::Write as _, net::IpAddr, sync::Arc};

use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch,
    RecordBatchOptions, StringArray, StringViewArray, TimestampMicrosecondArray,
    builder::StringViewBuilder, types::Int32Type,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow_schema::{ArrowError, Field, Schema};
use bytes::Bytes;

use super::arrow::view_arrays;
use crate::{
    batch::{Batch, BatchMemory, Column},
    error::Error,
    types::{InvalidValues, TimeContext, Type, Validity, Values},
};

/// The rows of a batch with typed columns, and what did not fit.
///
/// See [`typed_record_batch`].
#[derive(Clone, Debug)]
pub struct TypedBatch<'b> {
    table: RecordBatch,
    invalid: Vec<InvalidValues<'b>>,
}

impl<'b> TypedBatch<'b> {
    /// The Arrow record batch.
    pub fn table(&self) -> &RecordBatch {
        &self.table
    }

    /// The Arrow record batch, without what did not fit.
    pub fn into_table(self) -> RecordBatch {
        self.table
    }

    /// The values that are null because they do not fit their type, of each column in its order.
    pub fn invalid(&self) -> &[InvalidValues<'b>] {
        &self.invalid
    }
}

/// The rows of a batch as [`record_batch`](super::arrow::record_batch) gives them, but each column with the
/// [type](crate::Field::data_type) of its field:
///
/// | type | Arrow |
/// |---|---|
/// | `Text` | `Utf8View` into the input |
/// | `Integer`, `Float`, `Boolean` | `Int64`, `Float64`, `Boolean` |
/// | `Timestamp` | `Timestamp(Microsecond, "UTC")` |
/// | `IpAddr` | `Utf8View`, the canonical text (RFC 5952 for IPv6) |
/// | `Category` | `Dictionary(Int32, Utf8)`, which pandas, polars and DuckDB all read |
///
/// Two distinct values that are not UTF-8 may become equal texts in a dictionary.
///
/// ```
/// use arrow_array::{Array, cast::AsArray, types::{Int64Type, TimestampMicrosecondType}};
/// use bytes::Bytes;
/// use opsbox_log::{Format, Parser, export::arrow::typed_record_batch, types::TimeContext};
///
/// let log = Bytes::from(concat!(
///     r#"192.0.2.7 - - [01/Jan/1970:00:00:01 +0000] "GET / HTTP/1.1" 200 - "-" "curl""#, "\n",
///     r#"192.0.2.7 - - [31/Feb/1970:00:00:01 +0000] "GET / HTTP/1.1" 200 5 "-" "curl""#, "\n",
/// ));
/// let batch = Parser::new(Format::preset("combined")?).parse(log);
/// let typed = typed_record_batch(&batch, TimeContext::new())?;
/// let time = typed.table().column_by_name("time_local").unwrap();
/// let time = time.as_primitive::<TimestampMicrosecondType>();
/// assert_eq!((time.value(0), time.is_null(1)), (1_000_000, true));
/// let status = typed.table().column_by_name("status").unwrap();
/// assert_eq!(status.as_primitive::<Int64Type>().value(0), 200);
/// // 31 February is counted; `-`, the way to write that there is no value, is not.
/// let invalid: usize = typed.invalid().iter().map(|column| column.count()).sum();
/// assert_eq!(invalid, 1);
/// # Ok::<(), opsbox_log::Error>(())
/// ```
///
/// # Errors
///
/// As [`record_batch`](super::arrow::record_batch), and `TooManyCategories` as [`Column::typed`](crate::Column::typed).
pub fn typed_record_batch(
    batch: &Batch<Bytes>,
    context: TimeContext,
) -> Result<TypedBatch<'_>, Error> {
    typed_record_batch_in(batch, context, &mut BatchMemory::default())
}

/// [`typed_record_batch`], with the views in the [memory](BatchMemory) of a table before it.
///
/// ```
/// use bytes::Bytes;
/// use opsbox_log::{BatchMemory, Format, Parser, export::arrow::typed_record_batch_in, types::TimeContext};
///
/// let parser = Parser::new(Format::preset("app")?);
/// let mut memory = BatchMemory::default();
/// for chunk in ["2026-01-02 03:04:05 [INFO] a\n", "2026-01-02 03:04:06 [WARN] b\n"] {
///     let batch = parser.parse_in(Bytes::from(chunk), &mut memory);
///     let typed = typed_record_batch_in(&batch, TimeContext::new(), &mut memory)?;
///     assert_eq!(typed.table().num_rows(), 1);
///     drop(typed);
///     batch.recycle(&mut memory);
/// }
/// # Ok::<(), opsbox_log::Error>(())
/// ```
///
/// # Errors
///
/// As [`typed_record_batch`].
pub fn typed_record_batch_in<'b>(
    batch: &'b Batch<Bytes>,
    context: TimeContext,
    memory: &mut BatchMemory,
) -> Result<TypedBatch<'b>, Error> {
    let is_text = |field: &crate::Field| field.data_type() == Type::Text;
    let texts = view_arrays(batch, is_text, memory)?;
    let mut fields = Vec::with_capacity(texts.len());
    let mut arrays = Vec::with_capacity(texts.len());
    let mut invalid = Vec::with_capacity(texts.len());
    for (column, text) in batch.columns().zip(texts) {
        let (array, column_invalid) = match text {
            Some(text) => (Arc::new(text) as ArrayRef, InvalidValues::new()),
            None => array(&column, context)?,
        };
        let name = column.field().name();
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
        invalid.push(column_invalid);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
    let schema = Arc::new(Schema::new(fields));
    let table = RecordBatch::try_new_with_options(schema, arrays, &options)?;
    Ok(TypedBatch { table, invalid })
}

pub(super) fn array<'b>(
    column: &Column<'b>,
    context: TimeContext,
) -> Result<(ArrayRef, InvalidValues<'b>), Error> {
    let typed = column.typed_in(column.field().data_type(), context)?;
    let (values, validity, invalid) = typed.into_parts();
    let nulls = null_buffer(&validity);
    let array: ArrayRef = match values {
        Values::Text(values) => {
            let rows = values.iter().enumerate();
            let text = |(row, value): (usize, &&'b [u8])| {
                let value = validity.is_valid(row).then_some(*value);
                value.map(String::from_utf8_lossy)
            };
            Arc::new(rows.map(text).collect::<StringViewArray>())
        }
        Values::Integer(values) => Arc::new(Int64Array::try_new(values.into(), nulls)?),
        Values::Float(values) => Arc::new(Float64Array::try_new(values.into(), nulls)?),
        Values::Boolean(values) => {
            let bits = values.into_iter().collect::<BooleanBuffer>();
            Arc::new(BooleanArray::new(bits, nulls))
        }
        Values::Timestamp(values) => {
            let array = TimestampMicrosecondArray::try_new(values.into(), nulls)?;
            Arc::new(array.with_timezone("UTC"))
        }
        Values::IpAddr(values) => Arc::new(addresses(&values, &validity)?),
        Values::Category { codes, dictionary } => {
            // Codes are below `MAX_CATEGORIES`, and so positive.
            let codes: Vec<_> = codes.into_iter().map(u32::cast_signed).collect();
            let codes = Int32Array::try_new(codes.into(), nulls)?;
            let values = texts(&dictionary)?;
            Arc::new(DictionaryArray::<Int32Type>::try_new(
                codes,
                Arc::new(values),
            )?)
        }
    };
    Ok((array, invalid))
}

fn null_buffer(validity: &Validity) -> Option<NullBuffer> {
    if validity.null_count() == 0 {
        return None;
    }
    // Arrow counts bits from the lowest of the first byte on.
    let words: Vec<_> = validity.words().iter().map(|word| word.to_le()).collect();
    let bits = BooleanBuffer::new(Buffer::from_vec(words), 0, validity.len());
    Some(NullBuffer::new(bits))
}

/// The texts of a dictionary. Its offsets have 31 bits.
fn texts(dictionary: &[&[u8]]) -> Result<StringArray, ArrowError> {
    // A byte that is not UTF-8 becomes the three of U+FFFD.
    let bytes: usize = dictionary.iter().map(|value| 3 * value.len()).sum();
    if i32::try_from(bytes).is_err() {
        let message = "a dictionary is larger than Arrow's offsets reach; read the column as text";
        return Err(ArrowError::InvalidArgumentError(message.into()));
    }
    let texts = dictionary
        .iter()
        .map(|value| String::from_utf8_lossy(value));
    Ok(StringArray::from_iter_values(texts))
}

fn addresses(values: &[IpAddr], validity: &Validity) -> Result<StringViewArray, ArrowError> {
    let mut builder = StringViewBuilder::with_capacity(values.len());
    let mut text = String::new();
    for (row, address) in values.iter().enumerate() {
        if !validity.is_valid(row) {
            builder.append_null();
            continue;
        }
        text.clear();
        write!(text, "{address}").map_err(|error| ArrowError::ExternalError(error.into()))?;
        builder.try_append_value(&text)?;
    }
    Ok(builder.finish())
}
