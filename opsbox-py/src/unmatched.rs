//! Lines that do not fit the format, for Python.

use std::sync::Arc;

use pyo3::{
    exceptions::PyIndexError,
    prelude::*,
    types::{PyBytes, PyList, PySlice},
};

use crate::{
    data::{Data, Unfit},
    error::{ParseError, Where, with_place},
    limits::SHOWN_BYTES,
};

/// A line that does not fit the format.
#[pyclass(module = "opsbox", frozen, get_all)]
pub(crate) struct Unmatched {
    /// The line's number, from 1.
    line: u64,
    /// The byte offset of the line's start.
    offset: u64,
    /// Why it does not fit.
    reason: String,
    /// The same in a word, without places: for counts.
    kind: &'static str,
    /// The line without its ending; of a line that is too long, the beginning.
    raw: Py<PyBytes>,
}

impl Unmatched {
    pub(crate) fn new(py: Python<'_>, unfit: &Unfit<'_>) -> Self {
        Self {
            line: unfit.line(),
            offset: unfit.offset(),
            reason: unfit.mark.reason.to_string(),
            kind: unfit.mark.reason.as_str(),
            raw: PyBytes::new(py, unfit.raw()).unbind(),
        }
    }
}

#[pymethods]
impl Unmatched {
    /// All of it for people.
    #[getter]
    fn text(&self, py: Python<'_>) -> String {
        told(self.line, self.offset, &self.reason, self.raw.as_bytes(py))
    }

    fn __str__(&self, py: Python<'_>) -> String {
        self.text(py)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("<opsbox.Unmatched {}>", self.text(py))
    }
}

/// The exception for a line that does not fit.
pub(crate) fn parse_error(py: Python<'_>, unfit: &Unfit<'_>) -> PyErr {
    let (line, offset) = (unfit.line(), unfit.offset());
    let reason = unfit.mark.reason.to_string();
    let error = ParseError::new_err(told(line, offset, &reason, unfit.raw()));
    let place = Where {
        line: Some(line),
        offset: Some(offset),
        field: None,
    };
    with_details(py, with_place(py, error, place), &reason, unfit.raw())
}

pub(crate) fn with_details(py: Python<'_>, error: PyErr, reason: &str, raw: &[u8]) -> PyErr {
    let value = error.value(py);
    let set = value
        .setattr("reason", reason)
        .and_then(|()| value.setattr("raw", PyBytes::new(py, raw)));
    match set {
        Ok(()) => error,
        Err(other) => other,
    }
}

fn told(line: u64, offset: u64, reason: &str, raw: &[u8]) -> String {
    with_value(format!("line {line} (byte {offset}): {reason}"), raw)
}

/// A text with the bytes that it is about.
pub(crate) fn with_value(mut text: String, raw: &[u8]) -> String {
    if !raw.is_empty() {
        text.push_str(": ");
        escape(raw, SHOWN_BYTES, &mut text);
    }
    text
}

/// Bytes as text that moves no cursor and hides nothing.
pub(crate) fn escape(bytes: &[u8], limit: usize, out: &mut String) {
    let shown = bytes.get(..limit).unwrap_or(bytes);
    for character in String::from_utf8_lossy(shown).chars() {
        match is_unprintable(character) {
            true => out.extend(character.escape_unicode()),
            false => out.push(character),
        }
    }
    if shown.len() < bytes.len() {
        out.push('…');
    }
}

/// Control characters, line separators, and the marks that reorder or hide text around them.
fn is_unprintable(character: char) -> bool {
    let hides = matches!(character, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{feff}');
    hides || character.is_control()
}

/// The lines of a table that do not fit, as a sequence; each is made when it is asked for.
#[pyclass(module = "opsbox", frozen, sequence)]
pub(crate) struct UnmatchedLines {
    data: Arc<Data>,
    first: usize,
    len: usize,
}

impl UnmatchedLines {
    pub(crate) fn new(data: &Arc<Data>) -> Self {
        Self {
            data: Arc::clone(data),
            first: 0,
            len: if data.keeps {
                data.unmatched_count()
            } else {
                0
            },
        }
    }

    fn at(&self, py: Python<'_>, index: usize) -> PyResult<Unmatched> {
        let unfit = (index < self.len)
            .then(|| self.data.unmatched(self.first + index))
            .flatten();
        let unfit = unfit.ok_or_else(|| PyIndexError::new_err("unmatched line out of range"))?;
        Ok(Unmatched::new(py, &unfit))
    }
}

#[pymethods]
impl UnmatchedLines {
    fn __len__(&self) -> usize {
        self.len
    }

    fn __getitem__<'py>(&self, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = index.py();
        if let Ok(slice) = index.cast::<PySlice>() {
            let indices = slice.indices(self.len.cast_signed())?;
            let lines = PyList::empty(py);
            let mut at = indices.start;
            for _ in 0..indices.slicelength {
                lines.append(self.at(py, at.unsigned_abs())?)?;
                at += indices.step;
            }
            return Ok(lines.into_any());
        }
        let index = signed_index(index.extract()?, self.len)
            .ok_or_else(|| PyIndexError::new_err("unmatched line out of range"))?;
        Ok(Bound::new(py, self.at(py, index)?)?.into_any())
    }

    fn __iter__(&self) -> UnmatchedIterator {
        UnmatchedIterator {
            lines: Self {
                data: Arc::clone(&self.data),
                ..*self
            },
            next: 0,
        }
    }

    fn __repr__(&self) -> String {
        format!("<opsbox.UnmatchedLines: {}>", self.len)
    }
}

/// Unmatched lines, one after the other.
#[pyclass(module = "opsbox")]
pub(crate) struct UnmatchedIterator {
    lines: UnmatchedLines,
    next: usize,
}

#[pymethods]
impl UnmatchedIterator {
    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__(&mut self, py: Python<'_>) -> PyResult<Option<Unmatched>> {
        if self.next >= self.lines.len {
            return Ok(None);
        }
        self.next += 1;
        self.lines.at(py, self.next - 1).map(Some)
    }
}

/// An index as Python counts, from the end if it is negative.
pub(crate) fn signed_index(index: isize, len: usize) -> Option<usize> {
    let index = match index < 0 {
        true => len.checked_sub(index.unsigned_abs())?,
        false => index.unsigned_abs(),
    };
    (index < len).then_some(index)
}
