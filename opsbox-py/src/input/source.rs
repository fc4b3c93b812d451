//! Paths and objects, opened.

use std::{
    fs::File,
    io::{Cursor, Read, Seek},
    path::{Path, PathBuf},
    sync::{
        Mutex,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
};

use bytes::Bytes;
use pyo3::{
    exceptions::{PyMemoryError, PyTypeError, PyValueError},
    prelude::*,
    types::PyBytes,
};

use super::{
    buffer::bytes_of,
    compressed::Compression,
    reader::{PyReader, Raised},
};
use crate::{
    error::{OpsboxError, file_error},
    limits::READ_BYTES,
    run::wait,
};

/// What is read bit by bit.
pub(crate) struct Source {
    pub(crate) reader: Box<dyn Read + Send>,
    /// What it raised, if it is an object.
    pub(crate) raised: Raised,
    /// What it is called.
    pub(crate) name: String,
    /// The bytes that there are, if that is known.
    pub(crate) bytes: Option<u64>,
}

/// A file that is open, and what its first bytes say.
pub(crate) struct OpenFile {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    pub(crate) compression: Compression,
    /// Its length, if it is a regular one.
    pub(crate) bytes: Option<u64>,
    /// What was read to look at it, and cannot be read again.
    start: Vec<u8>,
}

/// The path that an object is, if it is one: what `open` takes, but for numbers.
pub(crate) fn path_of(object: &Bound<'_, PyAny>) -> PyResult<Option<PathBuf>> {
    match object.hasattr("read")? {
        true => Ok(None),
        false => match object.extract::<PathBuf>() {
            Ok(path) if path.as_os_str().as_encoded_bytes().contains(&0) => {
                Err(PyValueError::new_err("embedded null byte in the path"))
            }
            Ok(path) => Ok(Some(path)),
            Err(_) if object.is_instance_of::<PyBytes>() => Err(PyTypeError::new_err(
                "a path is str or os.PathLike, not bytes: parse takes a log that is in memory",
            )),
            Err(error) => Err(error),
        },
    }
}

impl OpenFile {
    /// A pipe is waited for by a thread, so that signals are seen meanwhile.
    pub(crate) fn open(
        py: Python<'_>,
        path: &Path,
        compression: Option<Compression>,
    ) -> PyResult<Self> {
        let is_pipe = std::fs::metadata(path).is_ok_and(|it| !it.is_file() && !it.is_dir());
        let opened = match is_pipe {
            true => in_thread(py, path.to_owned(), compression)?,
            false => py.detach(|| Self::opened(path, compression)),
        };
        opened.map_err(|error| file_error(path, &error))
    }

    fn opened(path: &Path, compression: Option<Compression>) -> std::io::Result<Self> {
        let mut file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(std::io::ErrorKind::IsADirectory.into());
        }
        let mut start = Vec::new();
        let compression = match compression {
            Some(compression) => compression,
            None => {
                file.by_ref().take(4).read_to_end(&mut start)?;
                Compression::of(&start)
            }
        };
        // Of a pipe there is no way back.
        if about.is_file() {
            file.rewind()?;
            start.clear();
        }
        Ok(Self {
            bytes: about.is_file().then_some(about.len()),
            path: path.to_owned(),
            file,
            compression,
            start,
        })
    }

    pub(crate) fn into_source(self) -> Source {
        let Self {
            file,
            path,
            compression,
            bytes,
            start,
        } = self;
        let raw = Cursor::new(start).chain(file);
        Source {
            reader: compression.reader(raw),
            raised: Raised::default(),
            name: path.to_string_lossy().into_owned(),
            bytes: bytes.filter(|_| compression == Compression::None),
        }
    }

    /// Reads a regular file that is not compressed.
    pub(crate) fn read(self, py: Python<'_>) -> PyResult<Bytes> {
        let len = self.bytes.and_then(|bytes| usize::try_from(bytes).ok());
        let len = len.unwrap_or_default();
        let mut input = Vec::new();
        input
            .try_reserve_exact(len + 1)
            .map_err(|_| PyMemoryError::new_err("the file does not fit into memory: scan it"))?;
        loop {
            let part =
                py.detach(|| Read::take(&self.file, READ_BYTES as u64).read_to_end(&mut input));
            match part {
                Ok(0) => return Ok(input.into()),
                Ok(_) => py.check_signals()?,
                Err(error) => return Err(file_error(&self.path, &error)),
            }
        }
    }

    /// Maps the file by Python's own `mmap`.
    pub(crate) fn map(&self, py: Python<'_>) -> PyResult<Bytes> {
        if self.compression != Compression::None {
            let message = "a compressed file cannot be mapped: leave mmap=True out";
            return Err(PyValueError::new_err(message));
        }
        if self.bytes == Some(0) {
            return Ok(Bytes::new());
        }
        let mmap = py.import("mmap")?;
        let opened = py.import("io")?.call_method1("open", (&self.path, "rb"))?;
        let number = opened.call_method0("fileno")?;
        let access = mmap.getattr("ACCESS_READ")?;
        let arguments = pyo3::types::PyDict::new(py);
        arguments.set_item("access", access)?;
        let mapped = mmap.getattr("mmap")?.call((number, 0), Some(&arguments));
        opened.call_method0("close")?;
        bytes_of(&mapped?, Some(false))
    }
}

impl Source {
    /// A path, a file object or an iterable of chunks.
    pub(crate) fn open(
        object: &Bound<'_, PyAny>,
        compression: Option<Compression>,
    ) -> PyResult<Self> {
        match path_of(object)? {
            Some(path) => Ok(OpenFile::open(object.py(), &path, compression)?.into_source()),
            None => Self::object(object, compression),
        }
    }

    /// A file object or an iterable of chunks.
    pub(crate) fn object(
        object: &Bound<'_, PyAny>,
        compression: Option<Compression>,
    ) -> PyResult<Self> {
        let reader = PyReader::new(object)?;
        let raised = reader.raised();
        let name = match object.getattr("name") {
            Ok(name) => name.str()?.to_string(),
            Err(_) => object.get_type().name()?.to_string(),
        };
        let reader: Box<dyn Read + Send> = match compression {
            Some(compression) => compression.reader(reader),
            None => Box::new(Sniffed::Unknown(reader)),
        };
        Ok(Self {
            reader,
            raised,
            name,
            bytes: None,
        })
    }
}

fn in_thread(
    py: Python<'_>,
    path: PathBuf,
    compression: Option<Compression>,
) -> PyResult<std::io::Result<OpenFile>> {
    let (sender, receiver) = mpsc::channel();
    let receiver = Mutex::new(receiver);
    // After a signal it waits on, with nobody to send to.
    thread::Builder::new()
        .name("opsbox-open".into())
        .spawn(move || drop(sender.send(OpenFile::opened(&path, compression))))
        .map_err(|error| OpsboxError::new_err(format!("cannot start a thread: {error}")))?;
    loop {
        match py.detach(|| wait(&receiver)) {
            Ok(opened) => return Ok(opened),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(OpsboxError::new_err(
                    "a thread that opens a file ended early",
                ));
            }
        }
    }
}

/// A reader that is asked how it begins when it is read first.
enum Sniffed {
    Unknown(PyReader),
    Known(Box<dyn Read + Send>),
    Gone,
}

impl Read for Sniffed {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if let Self::Unknown(_) = self {
            let Self::Unknown(mut reader) = std::mem::replace(self, Self::Gone) else {
                return Ok(0);
            };
            let mut start = Vec::new();
            reader.by_ref().take(4).read_to_end(&mut start)?;
            let compression = Compression::of(&start);
            *self = Self::Known(compression.reader(Cursor::new(start).chain(reader)));
        }
        match self {
            Self::Known(reader) => reader.read(out),
            _ => Err(std::io::Error::other("reading failed before")),
        }
    }
}
