//! The parser.

use std::path::PathBuf;

use bytes::Bytes;
use opsbox_log::Format;
use pyo3::{buffer::PyBuffer, prelude::*, pybacked::PyBackedBytes, types::PyBytes};

use crate::{error::exception, table::Table};

/// Parses logs of one format: `Parser(format, *, max_line_bytes=None)`.
///
/// `format` is the name of a preset (see `opsbox.formats()`), or a regular expression with named
/// captures that fits the whole line. Lines longer than `max_line_bytes` (1 MiB unless given) are
/// unmatched. Raises FormatError.
///
/// >>> import opsbox
/// >>> opsbox.Parser(r"(?P<host>\S+) took (?P<millis>\d+) ms").columns
/// ['host', 'millis']
#[pyclass(module = "opsbox", frozen)]
pub(crate) struct Parser {
    inner: opsbox_log::Parser,
}

#[pymethods]
impl Parser {
    #[new]
    #[pyo3(signature = (format, *, max_line_bytes = None))]
    fn new(format: &str, max_line_bytes: Option<usize>) -> PyResult<Self> {
        let format: Format = format.parse().map_err(exception)?;
        let mut inner = opsbox_log::Parser::new(format);
        if let Some(bytes) = max_line_bytes {
            inner = inner.max_line_bytes(bytes);
        }
        Ok(Self { inner })
    }

    /// The name of the preset, or `pattern`.
    #[getter]
    fn format(&self) -> &str {
        self.inner.format().name()
    }

    /// The regular expression that defines the format, if one does.
    #[getter]
    fn regex(&self) -> Option<&str> {
        self.inner.format().regex()
    }

    /// The columns; empty for `ndjson` and `logfmt`, which find them in the input.
    #[getter]
    fn columns(&self) -> Vec<&str> {
        let fields = self.inner.format().fields().iter();
        fields.map(opsbox_log::Field::name).collect()
    }

    /// The longest line, in bytes, that is tokenized.
    #[getter]
    fn max_line_bytes(&self) -> usize {
        self.inner.line_limit()
    }

    /// Parses a log in memory.
    ///
    /// `bytes` are not copied, and stay alive as long as a column does. Other buffers are copied
    /// once, since their owner could change them below the table.
    ///
    /// >>> import opsbox
    /// >>> len(opsbox.Parser("logfmt").parse(b"a=1\na=2\n"))
    /// 2
    #[pyo3(signature = (buffer, /))]
    fn parse(&self, py: Python<'_>, buffer: &Bound<'_, PyAny>) -> PyResult<Table> {
        let input = input(buffer)?;
        Ok(py.detach(|| Table::new(self.inner.parse(input))))
    }

    /// Reads a whole file into memory and parses it. Raises OSError.
    #[pyo3(signature = (path, /))]
    fn parse_file(&self, py: Python<'_>, path: PathBuf) -> PyResult<Table> {
        py.detach(|| self.inner.parse_file(path))
            .map(|batch| Table::new(batch.into()))
            .map_err(exception)
    }

    fn __repr__(&self) -> String {
        match self.regex() {
            Some(regex) if self.format() == "pattern" => format!("opsbox.Parser({regex:?})"),
            _ => format!("opsbox.Parser({:?})", self.format()),
        }
    }
}

/// The bytes of a buffer: `bytes` are kept alive and not copied; any other buffer is copied, since
/// its owner could change it below the table.
pub(crate) fn input(buffer: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    if buffer.is_instance_of::<PyBytes>() {
        return Ok(Bytes::from_owner(buffer.extract::<PyBackedBytes>()?));
    }
    let copy = PyBuffer::<u8>::get(buffer)?.to_vec(buffer.py())?;
    Ok(Bytes::from(copy))
}
