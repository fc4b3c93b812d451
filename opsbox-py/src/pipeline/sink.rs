//! Where the output goes.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use pyo3::{prelude::*, types::PyBytes};

use crate::{error::file_error, input::reader::Raised, limits::SIGNAL_PERIOD, progress::Progress};

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
            match written.is_none() {
                true => Ok(bytes.len()),
                false => written.extract(),
            }
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

/// A file that is there when all of it is: written beside its place, and moved there.
pub(crate) struct FileSink {
    path: PathBuf,
    beside: PathBuf,
    file: File,
}

impl FileSink {
    pub(crate) fn create(path: &Path) -> PyResult<Self> {
        let inner = || {
            if path.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
            let mut hidden = std::ffi::OsString::from(".");
            hidden.push(name);
            hidden.push(format!(".{}.tmp", std::process::id()));
            let beside = path.with_file_name(hidden);
            let file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&beside)?;
            Ok(Self {
                path: path.to_owned(),
                beside,
                file,
            })
        };
        inner().map_err(|error: io::Error| file_error(path, &error))
    }

    pub(crate) fn writer(&self) -> &File {
        &self.file
    }

    pub(crate) fn keep(self) -> PyResult<()> {
        let kept = || {
            self.file.sync_all()?;
            fs::rename(&self.beside, &self.path)?;
            let folder = match self.path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            File::open(folder)?.sync_all()
        };
        kept().map_err(|error: io::Error| file_error(&self.path, &error))
    }
}

impl Drop for FileSink {
    fn drop(&mut self) {
        // After `keep` it is not there any more.
        drop(fs::remove_file(&self.beside));
    }
}

impl Sink for &File {}

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
