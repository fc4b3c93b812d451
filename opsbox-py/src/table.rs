//! Parsed lines, as Arrow.

use std::sync::OnceLock;

use arrow_array::{
    RecordBatch, RecordBatchIterator, ffi::FFI_ArrowSchema, ffi_stream::FFI_ArrowArrayStream,
};
use bytes::Bytes;
use opsbox_log::{Batch, export::arrow::record_batch};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyCapsule},
};

use crate::error::{OpsboxError, exception};

/// The rows and the unmatched lines of one input.
///
/// It speaks the Arrow PyCapsule interface: polars.DataFrame(table), pyarrow.table(table) and
/// duckdb take it. Each column is a string view whose data buffer is the input itself; text that is
/// not UTF-8 has U+FFFD in place of the bad bytes.
#[pyclass(module = "opsbox", frozen)]
pub(crate) struct Table {
    batch: Batch<Bytes>,
    /// Made when first asked for.
    arrow: OnceLock<RecordBatch>,
}

impl Table {
    pub(crate) fn new(batch: Batch<Bytes>) -> Self {
        Self {
            batch,
            arrow: OnceLock::new(),
        }
    }

    fn arrow(&self, py: Python<'_>) -> PyResult<&RecordBatch> {
        py.detach(|| {
            if self.arrow.get().is_none() {
                let made = record_batch(&self.batch)?;
                // Another thread may have been faster; its batch is the same.
                drop(self.arrow.set(made));
            }
            Ok(self.arrow.get())
        })
        .map_err(exception)?
        .ok_or_else(|| OpsboxError::new_err("the Arrow batch was not made"))
    }
}

#[pymethods]
impl Table {
    fn __len__(&self) -> usize {
        self.batch.len()
    }

    /// The names of the columns.
    #[getter]
    fn column_names(&self) -> Vec<&str> {
        let fields = self.batch.fields().iter();
        fields.map(opsbox_log::Field::name).collect()
    }

    /// The number of lines: rows and unmatched lines together.
    #[getter]
    fn line_count(&self) -> usize {
        self.batch.line_count()
    }

    /// The number of lines that do not fit the format.
    #[getter]
    fn unmatched_count(&self) -> usize {
        self.batch.unmatched().len()
    }

    /// The lines that do not fit the format, in their order.
    #[getter]
    fn unmatched(&self, py: Python<'_>) -> Vec<Unmatched> {
        let unmatched = self.batch.unmatched();
        unmatched.map(|line| Unmatched::new(py, line)).collect()
    }

    /// The columns as a stream of one batch. The schema that the consumer asks for is a wish that
    /// the protocol lets the producer pass over.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        drop(requested_schema);
        let batch = self.arrow(py)?.clone();
        let schema = batch.schema();
        let reader = RecordBatchIterator::new([Ok(batch)], schema);
        let stream = FFI_ArrowArrayStream::new(Box::new(reader));
        PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
    }

    /// The schema alone.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(self.arrow(py)?.schema().as_ref())
            .map_err(|error| OpsboxError::new_err(error.to_string()))?;
        PyCapsule::new_with_value(py, schema, c"arrow_schema")
    }

    fn __repr__(&self) -> String {
        format!(
            "<opsbox.Table: {} rows, {} unmatched lines, columns {}>",
            self.batch.len(),
            self.unmatched_count(),
            self.column_names().join(", ")
        )
    }
}

/// A line that does not fit the format.
#[pyclass(module = "opsbox", frozen, get_all)]
pub(crate) struct Unmatched {
    /// The line's number, from 1.
    line: u64,
    /// The byte offset of the line's start.
    offset: u64,
    /// Why it does not fit.
    reason: String,
    /// The line without its ending; of a line that is too long, the beginning.
    raw: Py<PyBytes>,
    /// All of it for people: what `str()` gives.
    text: String,
}

impl Unmatched {
    fn new(py: Python<'_>, line: opsbox_log::Unmatched<'_>) -> Self {
        Self {
            line: line.line_number(),
            offset: line.offset(),
            reason: line.reason().to_string(),
            raw: PyBytes::new(py, line.raw()).unbind(),
            text: line.to_string(),
        }
    }
}

#[pymethods]
impl Unmatched {
    fn __str__(&self) -> &str {
        &self.text
    }

    fn __repr__(&self) -> String {
        format!("<opsbox.Unmatched {}>", self.text)
    }
}
