//! Presets and detection.

use opsbox_log::Format;
use pyo3::prelude::*;

use crate::{error::exception, input::buffer::bytes_of};

/// A named format.
#[pyclass(module = "opsbox", frozen, get_all)]
pub(crate) struct Preset {
    /// What `Parser` takes.
    name: &'static str,
    /// What writes it.
    summary: &'static str,
    /// A line that fits, or the lines of a record.
    example: &'static str,
    /// The regular expression that defines it, if one does.
    regex: Option<String>,
}

#[pymethods]
impl Preset {
    fn __repr__(&self) -> String {
        format!("<opsbox.Preset {:?}: {}>", self.name, self.summary)
    }
}

/// All presets.
///
/// >>> import opsbox
/// >>> "combined" in [preset.name for preset in opsbox.formats()]
/// True
#[pyfunction]
pub(crate) fn formats(py: Python<'_>) -> PyResult<Vec<Preset>> {
    Format::presets()
        .iter()
        .map(|preset| {
            let format = preset.format().map_err(|error| exception(py, error))?;
            Ok(Preset {
                name: preset.name(),
                summary: preset.summary(),
                example: preset.example(),
                regex: format.regex().map(str::to_owned),
            })
        })
        .collect()
}

/// What `detect` found.
#[pyclass(module = "opsbox", frozen, get_all)]
pub(crate) struct Detection {
    /// The preset that fits best.
    format: String,
    /// From 0 to 1: m / (n + 1), where m of n lines of the sample fit.
    confidence: f64,
    /// The lines that were looked at, empty ones left out.
    lines: usize,
    /// The presets that fit at least one line, best first, and how many.
    candidates: Vec<(&'static str, usize)>,
}

#[pymethods]
impl Detection {
    fn __repr__(&self) -> String {
        format!(
            "<opsbox.Detection {:?}, confidence {:.3} from {} lines>",
            self.format, self.confidence, self.lines
        )
    }
}

/// The preset that fits a sample: the beginning of a log, some tens of lines or more.
///
/// Raises DetectionError if none fits half of the lines.
///
/// >>> import opsbox
/// >>> opsbox.detect(b"level=info n=1\nlevel=warn n=2\n" * 10)
/// <opsbox.Detection "logfmt", confidence 0.952 from 20 lines>
#[pyfunction]
#[pyo3(signature = (sample, /))]
pub(crate) fn detect(py: Python<'_>, sample: &Bound<'_, PyAny>) -> PyResult<Detection> {
    let sample = bytes_of(sample, None)?;
    let detection = py
        .detach(|| Format::detect(&sample))
        .map_err(|error| exception(py, error))?;
    let candidates = detection.candidates().iter();
    Ok(Detection {
        format: detection.format().name().to_owned(),
        confidence: detection.confidence(),
        lines: detection.lines(),
        candidates: candidates.map(|it| (it.preset(), it.matched())).collect(),
    })
}
