//! Chunks as they come.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::{Buf, Bytes};
use futures_core::Stream;
use opsbox_log::{BatchStream, Error};
use pyo3::{exceptions::PyValueError, prelude::*};
use tokio::io::{AsyncRead, ReadBuf};

use crate::{
    data::Data, error::exception, input::buffer::bytes_of, job::Job, reading::Maker, rows::batch,
};

/// Takes chunks, cut anywhere, and gives batches. The rows are those of the whole.
///
/// >>> import opsbox
/// >>> feed = opsbox.Parser("logfmt").feed()
/// >>> feed.push(b"n=1\nn"), [len(batch) for batch in feed.flush()]
/// ([], [1])
/// >>> feed.push(b"=2"), [batch["n"].to_list() for batch in feed.close()]
/// ([], [['2']])
#[pyclass(module = "opsbox", frozen)]
pub(crate) struct Feed {
    job: Arc<Job>,
    state: Mutex<State>,
}

struct State {
    stream: BatchStream<Queue>,
    maker: Maker,
    chunks: Arc<Mutex<Chunks>>,
}

#[derive(Default)]
struct Chunks {
    queue: VecDeque<Bytes>,
    has_ended: bool,
}

/// The chunks as a reader that is pending when there are none.
struct Queue(Arc<Mutex<Chunks>>);

impl AsyncRead for Queue {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let mut chunks = locked(&self.0);
        while let Some(first) = chunks.queue.front_mut() {
            let len = first.len().min(out.remaining());
            out.put_slice(&first[..len]);
            first.advance(len);
            if !first.is_empty() {
                return Poll::Ready(Ok(()));
            }
            chunks.queue.pop_front();
        }
        match chunks.has_ended || !out.filled().is_empty() {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    }
}

impl State {
    /// Batches that are full.
    fn full(&mut self) -> Result<Vec<Data>, Error> {
        let mut batches = Vec::new();
        loop {
            let before = self.stream.bytes_read();
            let mut context = Context::from_waker(Waker::noop());
            match Pin::new(&mut self.stream).poll_next(&mut context) {
                Poll::Ready(Some(batch)) => {
                    let part = self.maker.part(batch?, before)?;
                    batches.extend(self.maker.batches(part));
                }
                Poll::Ready(None) | Poll::Pending => return Ok(batches),
            }
        }
    }

    fn flush(&mut self) -> Result<Vec<Data>, Error> {
        let before = self.stream.bytes_read();
        match self.stream.flush() {
            Some(batch) => {
                let part = self.maker.part(batch, before)?;
                Ok(self.maker.batches(part))
            }
            None => Ok(Vec::new()),
        }
    }
}

impl Feed {
    pub(crate) fn new(job: &Arc<Job>, batch_rows: Option<usize>, batch_bytes: usize) -> Self {
        let chunks = Arc::default();
        let parser = job.parser.clone().batch_bytes(batch_bytes);
        let state = State {
            stream: parser.stream(Queue(Arc::clone(&chunks))),
            maker: Maker::new(job, batch_rows),
            chunks,
        };
        Self {
            job: Arc::clone(job),
            state: Mutex::new(state),
        }
    }

    fn batches<'py>(
        &self,
        py: Python<'py>,
        made: Result<Vec<Data>, Error>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let made = made.map_err(|error| exception(py, error))?;
        let made = made.into_iter().map(|data| {
            self.job.check(py, &data)?;
            batch(py, data)
        });
        made.collect()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[pymethods]
impl Feed {
    /// Takes a chunk; the batches that are full by it.
    #[pyo3(signature = (chunk, /))]
    fn push<'py>(&self, chunk: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let py = chunk.py();
        let chunk = bytes_of(chunk, None)?;
        let made = py.detach(|| {
            let mut state = locked(&self.state);
            {
                let mut chunks = locked(&state.chunks);
                if chunks.has_ended {
                    return None;
                }
                if !chunk.is_empty() {
                    chunks.queue.push_back(chunk);
                }
            }
            Some(state.full())
        });
        let made = made.ok_or_else(|| PyValueError::new_err("the feed is closed"))?;
        self.batches(py, made)
    }

    /// The lines that are complete although the batch is not full.
    fn flush<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let made = py.detach(|| locked(&self.state).flush());
        self.batches(py, made)
    }

    /// What is left. There are no chunks after that.
    fn close<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let made = py.detach(|| {
            let mut state = locked(&self.state);
            locked(&state.chunks).has_ended = true;
            state.full()
        });
        self.batches(py, made)
    }

    /// The number of bytes of the input in the batches so far.
    #[getter]
    fn bytes_read(&self, py: Python<'_>) -> u64 {
        py.detach(|| locked(&self.state).stream.bytes_read())
    }
}
