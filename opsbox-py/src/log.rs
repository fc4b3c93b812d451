//! What is said to Python's `logging`: numbers and places, and nothing of what the lines say.

use pyo3::{intern, prelude::*, sync::PyOnceLock};

use crate::{
    data::Data,
    job::{Job, OnError},
};

/// What was parsed.
#[derive(Clone, Default)]
pub(crate) struct Counts {
    rows: u64,
    lines: u64,
    unmatched: u64,
    /// The first unmatched line: its number, its byte, why.
    first: Option<(u64, u64, String)>,
    is_said: bool,
}

impl Counts {
    pub(crate) fn add(&mut self, data: &Data) {
        self.rows += data.rows() as u64;
        self.lines += data.line_count();
        self.unmatched += data.unmatched_count() as u64;
        if self.first.is_none() {
            let first = data.unmatched(0);
            self.first = first.map(|it| (it.line(), it.offset(), it.mark.reason.to_string()));
        }
    }

    /// All of it, once.
    pub(crate) fn take(&mut self) -> Option<Self> {
        let said = std::mem::replace(&mut self.is_said, true);
        (!said).then(|| self.clone())
    }
}

const DEBUG: u8 = 10;
const WARNING: u8 = 30;

/// At the level debug what was parsed; a warning where lines were skipped that nobody else would hear of.
pub(crate) fn parsed(py: Python<'_>, job: &Job, name: &str, counts: &Counts) -> PyResult<()> {
    let skipped = job.on_error == OnError::Skip && counts.unmatched > 0;
    // Who has not imported it does not listen.
    let Some(logger) = logger(py, skipped)? else {
        return Ok(());
    };
    if skipped && let Some((line, offset, reason)) = &counts.first {
        let text =
            "%s: %d of %d lines do not fit %s and were skipped; the first is line %d (byte %d): %s";
        let format = job.parser.format().name();
        let arguments = (
            WARNING,
            text,
            name,
            counts.unmatched,
            counts.lines,
            format,
            line,
            offset,
            reason,
        );
        logger.call_method1(intern!(py, "log"), arguments)?;
    }
    let is_enabled = logger.call_method1(intern!(py, "isEnabledFor"), (DEBUG,))?;
    if is_enabled.is_truthy()? {
        let text = "%s: %d rows of %d lines, %d unmatched";
        let arguments = (
            DEBUG,
            text,
            name,
            counts.rows,
            counts.lines,
            counts.unmatched,
        );
        logger.call_method1(intern!(py, "log"), arguments)?;
    }
    Ok(())
}

/// As [`parsed`], of a whole table, whose lines are counted only for who listens.
pub(crate) fn parsed_data(py: Python<'_>, job: &Job, name: &str, data: &Data) -> PyResult<()> {
    let skipped = job.on_error == OnError::Skip && data.unmatched_count() > 0;
    let Some(logger) = logger(py, skipped)? else {
        return Ok(());
    };
    let listens = logger.call_method1(intern!(py, "isEnabledFor"), (DEBUG,))?;
    if !skipped && !listens.is_truthy()? {
        return Ok(());
    }
    let mut counts = Counts::default();
    counts.add(data);
    parsed(py, job, name, &counts)
}

/// The logger `opsbox`; nothing if the program has no logging and it is not `wanted` anyway.
fn logger(py: Python<'_>, wanted: bool) -> PyResult<Option<&Bound<'_, PyAny>>> {
    static LOGGER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if let Some(logger) = LOGGER.get(py) {
        return Ok(Some(logger.bind(py)));
    }
    static MODULES: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let modules = MODULES.get_or_try_init(py, || {
        py.import("sys")?.getattr("modules").map(Bound::unbind)
    })?;
    if !wanted && !modules.bind(py).contains(intern!(py, "logging"))? {
        return Ok(None);
    }
    let logger = LOGGER.get_or_try_init(py, || {
        let logging = py.import("logging")?;
        logging
            .call_method1("getLogger", ("opsbox",))
            .map(Bound::unbind)
    })?;
    Ok(Some(logger.bind(py)))
}
