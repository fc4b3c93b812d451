//! Batches of what is read bit by bit, for Python.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, SchemaRef};
use bytes::Bytes;
use opsbox_log::{BatchMemory, Error};
use pyo3::{prelude::*, types::PyCapsule};

use crate::{
    data::Data,
    error::{FormatError, exception},
    export::{arrow_error, cast_schema, requested, schema_capsule, stream_capsule},
    job::{Job, OnError},
    log::{self, Counts},
    progress::Progress,
    reading::Reading,
    rows::batch,
    strings::{Strings, cast},
};

/// The batches of a file or a stream, in bounded memory: an iterator, a context manager, and for who takes it an Arrow
/// stream that can be read once.
///
/// >>> import io, opsbox
/// >>> with opsbox.Parser("logfmt").stream(io.BytesIO(b"n=1\nn=2\n")) as batches:
/// ...     [len(batch) for batch in batches]
/// [2]
#[pyclass(module = "opsbox", frozen)]
pub(crate) struct Batches {
    job: Arc<Job>,
    shared: Shared,
    name: String,
    progress: Mutex<Progress>,
}

/// Nothing once it is closed.
type Shared = Arc<Mutex<State>>;

struct State {
    reading: Option<Reading>,
    bytes_read: u64,
    counts: Counts,
}

impl State {
    fn next(&mut self) -> Option<Result<Data, Error>> {
        let reading = self.reading.as_mut()?;
        let data = reading.batch();
        self.bytes_read = reading.bytes_read();
        if let Some(Ok(data)) = &data {
            self.counts.add(data);
        }
        data
    }

    fn raised(&self) -> Option<PyErr> {
        self.reading.as_ref()?.raised().take()
    }
}

impl Batches {
    pub(crate) fn new(job: &Arc<Job>, reading: Reading, name: String, progress: Progress) -> Self {
        let state = State {
            reading: Some(reading),
            bytes_read: 0,
            counts: Counts::default(),
        };
        Self {
            job: Arc::clone(job),
            shared: Arc::new(Mutex::new(state)),
            name,
            progress: Mutex::new(progress),
        }
    }

    /// The columns, which a stream says before it has seen a line.
    fn schema(&self, py: Python<'_>) -> PyResult<SchemaRef> {
        if self.job.parser.format().fields().is_empty() {
            let message = "the columns of this format are in its lines, and an Arrow stream names them before: \
                           name them with fields=";
            return Err(FormatError::new_err(message));
        }
        let nothing = self.job.window(Bytes::new(), &mut BatchMemory::default());
        let nothing = nothing.map_err(|error| exception(py, error))?;
        Ok(nothing.columns.schema())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[pymethods]
impl Batches {
    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (next, raised, bytes_read, ended) = py.detach(|| {
            let mut state = locked(&self.shared);
            let next = state.next();
            let raised = match &next {
                Some(Err(_)) => state.raised(),
                _ => None,
            };
            let ended = next.is_none().then(|| state.counts.take()).flatten();
            (next, raised, state.bytes_read, ended)
        });
        if let Some(counts) = ended {
            log::parsed(py, &self.job, &self.name, &counts)?;
        }
        let data = match (next, raised) {
            (_, Some(raised)) => return Err(raised),
            (Some(Err(error)), None) => return Err(exception(py, error)),
            (None, None) => {
                if let Ok(mut progress) = self.progress.try_lock() {
                    progress.finish(py)?;
                }
                return Ok(None);
            }
            (Some(Ok(data)), None) => data,
        };
        // Nothing of ours waits for this lock and the interpreter both: it is held by the thread that has it.
        if let Ok(mut progress) = self.progress.try_lock() {
            progress.set(py, bytes_read)?;
        }
        self.job.check(py, &data)?;
        batch(py, data).map(Some)
    }

    /// The number of bytes of the input in the batches so far.
    #[getter]
    fn bytes_read(&self, py: Python<'_>) -> u64 {
        py.detach(|| locked(&self.shared).bytes_read)
    }

    /// Closes the file. There are no batches after that.
    fn close(&self, py: Python<'_>) {
        let reading = py.detach(|| locked(&self.shared).reading.take());
        drop(reading);
    }

    fn __enter__(this: Py<Self>) -> Py<Self> {
        this
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, pyo3::types::PyTuple>) {
        self.close(py);
    }

    /// The columns as a stream that can be read once. It takes a format that says its columns.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = self.schema(py)?;
        let wanted = requested(&schema, requested_schema.as_ref())?;
        let schema = cast_schema(&schema, wanted.as_deref()).map_err(arrow_error)?;
        let reader = StreamReader {
            job: Arc::clone(&self.job),
            shared: Arc::clone(&self.shared),
            schema,
            wanted,
        };
        stream_capsule(py, reader)
    }

    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_schema__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = self.schema(py)?;
        let wanted = requested(&schema, requested_schema.as_ref())?;
        let schema = cast_schema(&schema, wanted.as_deref()).map_err(arrow_error)?;
        schema_capsule(py, &schema)
    }

    fn __repr__(&self) -> String {
        format!("<opsbox.Batches of {:?}>", self.name)
    }
}

/// Batches for a consumer of Arrow, which may ask in any thread.
struct StreamReader {
    job: Arc<Job>,
    shared: Shared,
    schema: SchemaRef,
    wanted: Option<Vec<Option<Strings>>>,
}

impl Iterator for StreamReader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = locked(&self.shared).next()?;
        let data = next.map_err(|error| ArrowError::ExternalError(Box::new(error)));
        Some(data.and_then(|data| {
            if self.job.on_error == OnError::Raise
                && let Some(problem) = data.problem()
            {
                return Err(ArrowError::ExternalError(problem.into()));
            }
            match (data.piece(0), &self.wanted) {
                (Some(columns), Some(wanted)) => cast(columns, wanted),
                (Some(columns), None) => Ok(columns.clone()),
                (None, _) => Ok(RecordBatch::new_empty(Arc::clone(&self.schema))),
            }
        }))
    }
}

impl RecordBatchReader for StreamReader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
