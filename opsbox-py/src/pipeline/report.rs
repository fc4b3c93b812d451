//! What a run did.

use pyo3::{prelude::*, types::PyDict};

/// What a run did, in numbers that add up. `str()` of it is made for people.
#[pyclass(module = "opsbox", frozen)]
pub(crate) struct PipelineReport(opsbox_log::pipeline::PipelineReport);

impl PipelineReport {
    pub(crate) fn new(report: opsbox_log::pipeline::PipelineReport) -> Self {
        Self(report)
    }
}

#[pymethods]
impl PipelineReport {
    /// Lines of the input.
    #[getter]
    fn lines(&self) -> u64 {
        self.0.lines()
    }

    /// Bytes of the input.
    #[getter]
    fn input_bytes(&self) -> u64 {
        self.0.input_bytes()
    }

    /// Records that fit the format.
    #[getter]
    fn rows(&self) -> u64 {
        self.0.rows()
    }

    /// Lines that do not fit.
    #[getter]
    fn unmatched_lines(&self) -> u64 {
        self.0.unmatched_lines()
    }

    /// How many lines do not fit for each reason.
    #[getter]
    fn unmatched<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let unmatched = PyDict::new(py);
        for (reason, count) in self.0.unmatched() {
            unmatched.set_item(reason, count)?;
        }
        Ok(unmatched)
    }

    /// The first lines that do not fit: line, offset, reason. Not what they say, since that is not masked.
    #[getter]
    fn unmatched_examples(&self) -> Vec<(u64, u64, String)> {
        let examples = self.0.unmatched_examples().iter();
        examples
            .map(|it| (it.line_number, it.offset, it.reason.to_string()))
            .collect()
    }

    /// Rows that were written.
    #[getter]
    fn written_rows(&self) -> u64 {
        self.0.written().rows()
    }

    /// Bytes that were written.
    #[getter]
    fn written_bytes(&self) -> u64 {
        self.0.written().bytes()
    }

    /// What each stage did.
    #[getter]
    fn stages(&self) -> Vec<StageReport> {
        let stages = self.0.stages().iter();
        stages.map(|stage| StageReport(stage.clone())).collect()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!(
            "<opsbox.PipelineReport: {} lines, {} rows, {} lines unmatched, {} rows written>",
            self.0.lines(),
            self.0.rows(),
            self.0.unmatched_lines(),
            self.0.written().rows()
        )
    }
}

/// What one stage did.
#[pyclass(module = "opsbox", frozen)]
pub(crate) struct StageReport(opsbox_log::pipeline::StageReport);

#[pymethods]
impl StageReport {
    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        self.0.name()
    }

    /// Rows that it worked on.
    #[getter]
    fn rows(&self) -> u64 {
        self.0.rows()
    }

    /// What it counted.
    #[getter]
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = PyDict::new(py);
        for (name, count) in self.0.counts().iter() {
            counts.set_item(name, count)?;
        }
        Ok(counts)
    }

    fn __repr__(&self) -> String {
        format!(
            "<opsbox.StageReport {:?}: {} rows>",
            self.name(),
            self.rows()
        )
    }
}
