//! The Arrow PyCapsule interface.

use std::sync::Arc;

use arrow_array::{
    Array, RecordBatch, RecordBatchReader, StructArray,
    ffi::{FFI_ArrowArray, FFI_ArrowSchema},
    ffi_stream::FFI_ArrowArrayStream,
};
use arrow_schema::{ArrowError, Schema, SchemaRef};
use pyo3::{
    prelude::*,
    types::{PyCapsule, PyTuple},
};

use crate::{
    data::Data,
    error::ExportError,
    strings::{Strings, cast},
};

pub(crate) fn arrow_error(error: ArrowError) -> PyErr {
    ExportError::new_err(error.to_string())
}

/// How a consumer asks for text, by column. The schema's other wishes are passed over, as the protocol allows.
///
/// The structs behind the capsule are read by `opsbox._requested`.
pub(crate) fn requested(
    schema: &SchemaRef,
    capsule: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<Vec<Option<Strings>>>> {
    let Some(capsule) = capsule.filter(|it| !it.is_none()) else {
        return Ok(None);
    };
    let formats = capsule
        .py()
        .import("opsbox._requested")?
        .call_method1("column_formats", (capsule,))?;
    let formats: Vec<(String, String)> = formats.extract()?;
    let wanted = schema.fields().iter().map(|field| {
        let mut formats = formats.iter();
        let (_, format) = formats.find(|(name, _)| name == field.name())?;
        Strings::of_format(format).filter(|it| it.data_type() != *field.data_type())
    });
    let wanted: Vec<_> = wanted.collect();
    Ok(wanted.iter().any(Option::is_some).then_some(wanted))
}

/// The schema with its columns of text as asked for.
pub(crate) fn cast_schema(
    schema: &SchemaRef,
    wanted: Option<&[Option<Strings>]>,
) -> Result<SchemaRef, ArrowError> {
    match wanted {
        Some(wanted) => Ok(cast(&RecordBatch::new_empty(Arc::clone(schema)), wanted)?.schema()),
        None => Ok(Arc::clone(schema)),
    }
}

pub(crate) fn schema_capsule<'py>(
    py: Python<'py>,
    schema: &Schema,
) -> PyResult<Bound<'py, PyCapsule>> {
    let schema = FFI_ArrowSchema::try_from(schema).map_err(arrow_error)?;
    PyCapsule::new_with_value(py, schema, c"arrow_schema")
}

pub(crate) fn stream_capsule(
    py: Python<'_>,
    reader: impl RecordBatchReader + Send + 'static,
) -> PyResult<Bound<'_, PyCapsule>> {
    let stream = FFI_ArrowArrayStream::new(Box::new(reader));
    PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
}

/// A batch as a schema and an array.
pub(crate) fn array_capsules<'py>(
    py: Python<'py>,
    batch: RecordBatch,
) -> PyResult<Bound<'py, PyTuple>> {
    let schema = schema_capsule(py, batch.schema_ref())?;
    let array = FFI_ArrowArray::new(&StructArray::from(batch).to_data());
    let array = PyCapsule::new_with_value(py, array, c"arrow_array")?;
    PyTuple::new(py, [schema, array])
}

/// The batches of a table, as a stream; each is cast when it is asked for.
pub(crate) struct TableReader {
    data: Arc<Data>,
    schema: SchemaRef,
    wanted: Option<Vec<Option<Strings>>>,
    next: usize,
}

impl TableReader {
    pub(crate) fn new(
        data: &Arc<Data>,
        wanted: Option<Vec<Option<Strings>>>,
    ) -> Result<Self, ArrowError> {
        Ok(Self {
            data: Arc::clone(data),
            schema: cast_schema(data.schema(), wanted.as_deref())?,
            wanted,
            next: 0,
        })
    }
}

impl Iterator for TableReader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.data.piece(self.next)?;
        self.next += 1;
        Some(match &self.wanted {
            Some(wanted) => cast(batch, wanted),
            None => Ok(batch.clone()),
        })
    }
}

impl RecordBatchReader for TableReader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
