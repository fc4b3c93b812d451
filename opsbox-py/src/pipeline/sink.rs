//! Where the output goes.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use pyo3::{exceptions::PyValueError, prelude::*, types::PyBytes};

use crate::{input::reader::Raised, limits::SIGNAL_PERIOD, progress::Progress};

/// A file object.
pub(crate) struct PySink {
    object: Py<PyAny>,
    raised: Option<PyErr>,
}

impl PySink {
    pub(crate) fn new(object: &Bound<'_, PyAny>) -> Self {
        Self {
            object: object.clone().unbind(),
            raised: None,
        }
    }

    fn attached(
        &mut self,
        call: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<usize>,
    ) -> io::Result<usize> {
        let done = Python::try_attach(|py| call(self.object.bind(py)));
        match done {
            Some(Ok(done)) => Ok(done),
            Some(Err(error)) => {
                self.raised = Some(error);
                Err(io::Error::other("the Python object raised"))
            }
            None => Err(io::Error::other("the interpreter has ended")),
        }
    }
}

/// A writer that may have raised.
pub(crate) trait Sink: Write {
    /// What it raised.
    fn raised(&mut self) -> Option<PyErr> {
        None
    }
}

impl Write for PySink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attached(|object| {
            let chunk = PyBytes::new(object.py(), bytes);
            let written = object.call_method1("write", (chunk,))?;
            // Some objects say nothing, and mean all.
            if written.is_none() {
                return Ok(bytes.len());
            }
            let count: i128 = written.extract()?;
            usize::try_from(count)
                .ok()
                .filter(|it| *it <= bytes.len())
                .ok_or_else(|| {
                    let len = bytes.len();
                    PyValueError::new_err(format!(
                        "write() of the sink says that it wrote {count} of {len} bytes"
                    ))
                })
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attached(|object| {
            if object.hasattr("flush")? {
                object.call_method0("flush")?;
            }
            Ok(0)
        })?;
        Ok(())
    }
}

impl Sink for PySink {
    fn raised(&mut self) -> Option<PyErr> {
        self.raised.take()
    }
}

/// Looks at signals from time to time, and says how far the run is.
pub(crate) struct Watched<W> {
    writer: W,
    progress: Progress,
    done: Arc<AtomicU64>,
    raised: Raised,
    looked: Instant,
}

impl<W: Sink> Watched<W> {
    pub(crate) fn new(writer: W, progress: Progress, done: Arc<AtomicU64>, raised: Raised) -> Self {
        Self {
            writer,
            progress,
            done,
            raised,
            looked: Instant::now(),
        }
    }

    /// The last word on the progress.
    pub(crate) fn finish(&mut self, py: Python<'_>) -> PyResult<()> {
        self.progress.set(py, self.done.load(Ordering::Relaxed))?;
        self.progress.finish(py)
    }

    fn look(&mut self) -> io::Result<()> {
        if self.looked.elapsed() < SIGNAL_PERIOD {
            return Ok(());
        }
        self.looked = Instant::now();
        let done = self.done.load(Ordering::Relaxed);
        let looked = Python::try_attach(|py| {
            py.check_signals()?;
            self.progress.set(py, done)
        });
        match looked {
            Some(Err(error)) => {
                self.raised.put(error);
                Err(io::Error::other("the run was interrupted"))
            }
            _ => Ok(()),
        }
    }

    fn noted<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if result.is_err()
            && let Some(error) = self.writer.raised()
        {
            self.raised.put(error);
        }
        result
    }
}

impl<W: Sink> Write for Watched<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.look()?;
        let written = self.writer.write(bytes);
        self.noted(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.writer.flush();
        self.noted(flushed)
    }
}
