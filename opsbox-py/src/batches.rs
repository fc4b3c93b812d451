//! Batches of what is read bit by bit, for Python.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, SchemaRef};
use bytes::Bytes;
use opsbox_log::{BatchMemory, Error};
use pyo3::{prelude::*, types::PyCapsule};

use crate::{
    data::Data,
    error::{FormatError, OpsboxError, exception},
    export::{arrow_error, cast_schema, requested, schema_capsule, stream_capsule},
    job::{Job, OnError},
    log::{self, Counts},
    progress::Progress,
    reading::Reading,
    rows::batch,
    strings::{Strings, cast},
    turns::{Reentered, Turns},
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
    shared: Arc<Shared>,
    name: String,
    progress: Mutex<Progress>,
}

struct Shared {
    turns: Turns,
    state: Mutex<State>,
    bytes_read: AtomicU64,
    /// Whether a stream of Arrow was made of it.
    is_streamed: AtomicBool,
}

struct State {
    /// Nothing once it is closed.
    reading: Option<Reading>,
    counts: Counts,
}

impl State {
    fn next(&mut self, bytes_read: &AtomicU64) -> Option<Result<Data, Error>> {
        let reading = self.reading.as_mut()?;
        let data = reading.batch();
        bytes_read.store(reading.bytes_read(), Ordering::Relaxed);
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
            counts: Counts::default(),
        };
        Self {
            job: Arc::clone(job),
            shared: Arc::new(Shared {
                turns: Turns::default(),
                state: Mutex::new(state),
                bytes_read: AtomicU64::new(0),
                is_streamed: AtomicBool::new(false),
            }),
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

    /// The same as a consumer wants it, and what it wants of each column.
    fn schema_as(
        &self,
        py: Python<'_>,
        wanted: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<(SchemaRef, Option<Vec<Option<Strings>>>)> {
        let schema = self.schema(py)?;
        let wanted = requested(&schema, wanted)?;
        let schema = cast_schema(&schema, wanted.as_deref()).map_err(arrow_error)?;
        Ok((schema, wanted))
    }
}

const BATCHES: &str = "the iterator of batches";

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[pymethods]
impl Batches {
    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let turn = self.shared.turns.take(py, BATCHES)?;
        let (next, raised, ended) = py.detach(|| {
            let mut state = locked(&self.shared.state);
            let next = state.next(&self.shared.bytes_read);
            let raised = match &next {
                Some(Err(_)) => state.raised(),
                _ => None,
            };
            let ended = next.is_none().then(|| state.counts.take()).flatten();
            (next, raised, ended)
        });
        drop(turn);
        let bytes_read = self.shared.bytes_read.load(Ordering::Relaxed);
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
    fn bytes_read(&self) -> u64 {
        self.shared.bytes_read.load(Ordering::Relaxed)
    }

    /// Closes the file. There are no batches after that.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let turn = self.shared.turns.take(py, BATCHES)?;
        let reading = py.detach(|| locked(&self.shared.state).reading.take());
        drop(turn);
        drop(reading);
        Ok(())
    }

    fn __enter__(this: Py<Self>) -> Py<Self> {
        this
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(
        &self,
        py: Python<'_>,
        _exception: &Bound<'_, pyo3::types::PyTuple>,
    ) -> PyResult<()> {
        self.close(py)
    }

    /// The columns as a stream that can be read once. It takes a format that says its columns.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let (schema, wanted) = self.schema_as(py, requested_schema.as_ref())?;
        if self.shared.is_streamed.swap(true, Ordering::Relaxed) {
            let message = "an Arrow stream was made of these batches already, and they come once: make them again";
            return Err(OpsboxError::new_err(message));
        }
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
        let (schema, _) = self.schema_as(py, requested_schema.as_ref())?;
        schema_capsule(py, &schema)
    }

    fn __repr__(&self) -> String {
        format!("<opsbox.Batches of {:?}>", self.name)
    }
}

/// Batches for a consumer of Arrow, which may ask in any thread.
struct StreamReader {
    job: Arc<Job>,
    shared: Arc<Shared>,
    schema: SchemaRef,
    wanted: Option<Vec<Option<Strings>>>,
}

impl Iterator for StreamReader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let data = match self.shared.turns.take_detached() {
            Ok(_turn) => {
                let mut state = locked(&self.shared.state);
                let next = state.next(&self.shared.bytes_read)?;
                next.map_err(|error| match state.raised() {
                    // Of what Python raised, Arrow takes the text.
                    Some(raised) => ArrowError::ExternalError(raised.to_string().into()),
                    None => ArrowError::ExternalError(Box::new(error)),
                })
            }
            Err(Reentered) => {
                let message =
                    format!("{BATCHES} is at work in this thread already: its source reads it");
                Err(ArrowError::ExternalError(message.into()))
            }
        };
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
