//! Columns of text as views, or as Arrow's older strings for those who do not take views.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, LargeStringArray, RecordBatch, RecordBatchOptions, StringArray,
    StringViewArray,
    builder::{GenericStringBuilder, StringViewBuilder},
    cast::AsArray,
    types::Int32Type,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use pyo3::{exceptions::PyValueError, prelude::*};

/// How text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strings {
    /// Views, into the input where they can be.
    View,
    /// Offsets of 32 bits, and the bytes one after the other.
    Utf8,
    /// The same with offsets of 64 bits.
    LargeUtf8,
}

impl Strings {
    pub(crate) fn named(name: &str) -> PyResult<Self> {
        match name {
            "view" => Ok(Self::View),
            "utf8" => Ok(Self::Utf8),
            "large_utf8" => Ok(Self::LargeUtf8),
            other => Err(PyValueError::new_err(format!(
                "strings is 'view', 'utf8' or 'large_utf8', not {other:?}"
            ))),
        }
    }

    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::View => DataType::Utf8View,
            Self::Utf8 => DataType::Utf8,
            Self::LargeUtf8 => DataType::LargeUtf8,
        }
    }

    /// What a format string of the C data interface asks for, if it is one of text.
    pub(crate) fn of_format(format: &str) -> Option<Self> {
        match format {
            "vu" => Some(Self::View),
            "u" => Some(Self::Utf8),
            "U" => Some(Self::LargeUtf8),
            _ => None,
        }
    }
}

/// The batch with all columns of text written so. Dictionaries stay.
pub(crate) fn with_strings(
    batch: &RecordBatch,
    strings: Strings,
) -> Result<RecordBatch, ArrowError> {
    let wanted = vec![Some(strings); batch.num_columns()];
    cast(batch, &wanted)
}

/// The batch with its columns of text written as asked for, a place for each column. A dictionary is written out
/// where it is asked for as text.
pub(crate) fn cast(
    batch: &RecordBatch,
    wanted: &[Option<Strings>],
) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(wanted);
    let columns = columns.map(|(column, wanted)| cast_column(column, *wanted));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let schema = cast_schema(batch.schema_ref(), &columns);
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema, columns, &options)
}

fn cast_schema(schema: &SchemaRef, columns: &[ArrayRef]) -> SchemaRef {
    let fields = schema.fields().iter().zip(columns);
    let fields = fields.map(
        |(field, column)| match field.data_type() == column.data_type() {
            true => Arc::clone(field),
            false => Arc::new(Field::new(field.name(), column.data_type().clone(), true)),
        },
    );
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn cast_column(column: &ArrayRef, wanted: Option<Strings>) -> Result<ArrayRef, ArrowError> {
    let Some(wanted) = wanted else {
        return Ok(Arc::clone(column));
    };
    if *column.data_type() == wanted.data_type() || !is_text(column.data_type()) {
        return Ok(Arc::clone(column));
    }
    write(column, wanted)
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8View | DataType::Utf8 | DataType::LargeUtf8 | DataType::Dictionary(..)
    )
}

fn write(column: &ArrayRef, wanted: Strings) -> Result<ArrayRef, ArrowError> {
    Ok(match wanted {
        Strings::View => {
            let mut builder = StringViewBuilder::with_capacity(column.len());
            for value in texts(column) {
                match value {
                    Some(value) => builder.try_append_value(value)?,
                    None => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        Strings::Utf8 => {
            let bytes: usize = texts(column).flatten().map(str::len).sum();
            if i32::try_from(bytes).is_err() {
                let message =
                    "a column has more than 2 GiB of text in one batch; ask for large_utf8";
                return Err(ArrowError::InvalidArgumentError(message.into()));
            }
            let mut builder = GenericStringBuilder::<i32>::with_capacity(column.len(), bytes);
            texts(column).for_each(|value| builder.append_option(value));
            Arc::new(builder.finish())
        }
        Strings::LargeUtf8 => {
            let bytes = texts(column).flatten().map(str::len).sum();
            let mut builder = GenericStringBuilder::<i64>::with_capacity(column.len(), bytes);
            texts(column).for_each(|value| builder.append_option(value));
            Arc::new(builder.finish())
        }
    })
}

/// The values of a column of text.
fn texts(column: &ArrayRef) -> Box<dyn Iterator<Item = Option<&str>> + '_> {
    if let Some(column) = column.as_any().downcast_ref::<StringViewArray>() {
        return Box::new(column.iter());
    }
    if let Some(column) = column.as_any().downcast_ref::<StringArray>() {
        return Box::new(column.iter());
    }
    if let Some(column) = column.as_any().downcast_ref::<LargeStringArray>() {
        return Box::new(column.iter());
    }
    let dictionary = column.as_dictionary_opt::<Int32Type>();
    let Some((dictionary, words)) =
        dictionary.and_then(|it| Some((it, it.values().as_string_opt::<i32>()?)))
    else {
        return Box::new(std::iter::repeat_n(None, column.len()));
    };
    let keys = dictionary.keys().iter();
    Box::new(keys.map(|key| {
        let key = usize::try_from(key?).ok()?;
        (key < words.len()).then(|| words.value(key))
    }))
}

/// The batch with nothing of the input in it but what its columns show.
pub(crate) fn compact(batch: &RecordBatch, strings: Strings) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter();
    let columns = columns.map(|column| match column.as_string_view_opt() {
        Some(views) if strings == Strings::View => Ok(Arc::new(views.gc()) as ArrayRef),
        Some(_) => write(column, strings),
        None => cast_column(
            column,
            Some(strings).filter(|_| !column.data_type().is_dictionary()),
        ),
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let schema = cast_schema(batch.schema_ref(), &columns);
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema, columns, &options)
}

trait IsDictionary {
    fn is_dictionary(&self) -> bool;
}

impl IsDictionary for DataType {
    fn is_dictionary(&self) -> bool {
        matches!(self, Self::Dictionary(..))
    }
}
