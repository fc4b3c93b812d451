//! Pipelines that a file describes: clean, extract, mask, enrich, write.

mod report;
mod sink;
mod table;

use std::{
    collections::BTreeMap,
    io::{Cursor, Read, Write},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use opsbox_log::{Format, config::Language, pipeline::PipelineConfig};
use pyo3::{exceptions::PyValueError, prelude::*, types::PyBytes};

pub(crate) use self::report::{PipelineReport, StageReport};
use self::sink::{PySink, Sink, Watched};
use crate::{
    error::{ConfigError, PipelineError, exception, of_same_place},
    input::{buffer::bytes_of, compressed::Compression, reader::Raised, source::Source},
    progress::Progress,
    rows,
    turns::Turns,
};

/// Stages as one, as a file in TOML or JSON says: what is read, cleaned, extracted, masked, enriched and written.
///
/// >>> import opsbox
/// >>> pipeline = opsbox.Pipeline.from_text('''
/// ... [input]
/// ... preset = "logfmt"
/// ... [mask]
/// ... ''')
/// >>> pipeline.process(b"user=ada@example.com n=1\n")
/// b'{"user":"[REDACTED:PII_EMAIL]","n":"1"}\n'
#[pyclass(module = "opsbox", frozen)]
pub(crate) struct Pipeline {
    inner: Arc<Mutex<opsbox_log::pipeline::Pipeline>>,
    turns: Turns,
    format: String,
    stages: Vec<String>,
}

/// Where the bytes of a run come from.
struct Input {
    reader: Box<dyn Read + Send>,
    raised: Raised,
    bytes: Option<u64>,
}

#[pymethods]
impl Pipeline {
    /// The pipeline that a file describes.
    #[staticmethod]
    #[pyo3(signature = (path, /, *, format = None, variables = None))]
    fn from_file(
        py: Python<'_>,
        path: PathBuf,
        format: Option<&str>,
        variables: Option<BTreeMap<String, String>>,
    ) -> PyResult<Self> {
        let variables = variables_of(py, variables)?;
        let config = py.detach(|| PipelineConfig::read(&path, &variables));
        Self::build(py, config.map_err(|error| exception(py, error))?, format)
    }

    /// The pipeline that a text describes.
    #[staticmethod]
    #[pyo3(signature = (text, /, *, language = "toml", path = None, format = None, variables = None))]
    fn from_text(
        py: Python<'_>,
        text: &str,
        language: &str,
        path: Option<PathBuf>,
        format: Option<&str>,
        variables: Option<BTreeMap<String, String>>,
    ) -> PyResult<Self> {
        let language = match language {
            "toml" => Language::Toml,
            "json" => Language::Json,
            other => {
                return Err(PyValueError::new_err(format!(
                    "language is 'toml' or 'json', not {other:?}"
                )));
            }
        };
        let variables = variables_of(py, variables)?;
        let path = path.unwrap_or_else(|| "(text)".into());
        let config = PipelineConfig::parse(path, text, language, &variables);
        Self::build(py, config.map_err(|error| exception(py, error))?, format)
    }

    /// The format of the input: the name of a preset, or `pattern`, `grok`, `dissect`.
    #[getter]
    fn format(&self) -> &str {
        &self.format
    }

    /// The names of the stages, in their order.
    #[getter]
    fn stages(&self) -> Vec<String> {
        self.stages.clone()
    }

    /// Reads all, writes all.
    #[pyo3(
        signature = (source, sink, /, *, compression = Some("infer"), progress = None),
        text_signature = "($self, source, sink, /, *, compression='infer', progress=None)"
    )]
    fn run<'py>(
        &self,
        source: &Bound<'py, PyAny>,
        sink: &Bound<'py, PyAny>,
        compression: Option<&str>,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<PipelineReport> {
        let py = source.py();
        let input = input_of(source, Compression::named(compression)?)?;
        let progress = Progress::new(py, progress, input.bytes)?;
        if sink.hasattr("write")? {
            return self.run_to(py, input, progress, PySink::new(sink));
        }
        let path = py.import("os")?.call_method1("fsdecode", (sink,))?;
        let output = py
            .import("opsbox._output")?
            .call_method1("Output", (path,))?;
        let report = self.run_to(py, input, progress, PySink::new(&output.getattr("file")?));
        let (kind, error) = match &report {
            Ok(_) => (None, None),
            Err(error) => (Some(error.get_type(py)), Some(error.value(py))),
        };
        output.call_method1("__exit__", (kind, error, py.None()))?;
        report
    }

    /// Runs on bytes in memory, and gives what was written.
    #[pyo3(
        signature = (source, /, *, compression = Some("infer")),
        text_signature = "($self, source, /, *, compression='infer')"
    )]
    fn process<'py>(
        &self,
        source: &Bound<'py, PyAny>,
        compression: Option<&str>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let py = source.py();
        let input = input_of(source, Compression::named(compression)?)?;
        let progress = Progress::new(py, None, None)?;
        let written = Arc::new(Mutex::new(Vec::new()));
        self.run_to(py, input, progress, Memory(Arc::clone(&written)))?;
        let written = written.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(PyBytes::new(py, &written))
    }

    /// Runs the stages on bytes in memory, and gives the columns instead of writing them.
    #[pyo3(signature = (buffer, /))]
    fn parse<'py>(&self, buffer: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = buffer.py();
        let input = bytes_of(buffer, None)?;
        let turn = self.turns.take(py, "the pipeline")?;
        let parts = table::parts(py, &self.inner, turn, input)?;
        rows::table(py, table::data(parts)?)
    }

    fn __repr__(&self) -> String {
        let stages = self.stages.join(", ");
        format!(
            "<opsbox.Pipeline of {:?}: {}>",
            self.format,
            match self.stages.is_empty() {
                true => "no stages",
                false => &stages,
            }
        )
    }
}

impl Pipeline {
    fn build(py: Python<'_>, config: PipelineConfig, format: Option<&str>) -> PyResult<Self> {
        let built = py.detach(|| {
            let format: Option<Format> = format.map(str::parse).transpose()?;
            config.build(format.as_ref())
        });
        let mut built = built.map_err(|error| exception(py, error))?;
        // A run on nothing says what the stages are called.
        let report = built.run(std::io::empty(), std::io::sink());
        let report = report.map_err(|error| ConfigError::new_err(error.to_string()))?;
        let stages = report.stages().iter().map(|stage| stage.name().to_owned());
        Ok(Self {
            format: built.parser().format().name().to_owned(),
            stages: stages.collect(),
            inner: Arc::new(Mutex::new(built)),
            turns: Turns::default(),
        })
    }

    fn run_to(
        &self,
        py: Python<'_>,
        input: Input,
        progress: Progress,
        writer: impl Sink + Send,
    ) -> PyResult<PipelineReport> {
        let done = Arc::new(AtomicU64::new(0));
        let reader = Counted(input.reader, Arc::clone(&done));
        let raised = input.raised;
        let mut writer = Watched::new(writer, progress, Arc::clone(&done), raised.clone());
        let turn = self.turns.take(py, "the pipeline")?;
        let result = py.detach(|| {
            let mut pipeline = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            pipeline.run(reader, &mut writer)
        });
        drop(turn);
        match result {
            Ok(report) => {
                writer.finish(py)?;
                Ok(PipelineReport::new(report))
            }
            Err(error) => {
                if let Some(raised) = raised.take() {
                    return Err(raised);
                }
                let report = PipelineReport::new(error.report().clone());
                let raised = PipelineError::new_err(error.to_string());
                let raised = of_same_place(py, raised, error.error());
                raised.value(py).setattr("report", report)?;
                Err(raised)
            }
        }
    }
}

/// What a run reads: a path, a file object, a buffer, or chunks.
fn input_of(source: &Bound<'_, PyAny>, compression: Option<Compression>) -> PyResult<Input> {
    let is_buffer = !source.hasattr("read")? && pyo3::types::PyMemoryView::from(source).is_ok();
    if is_buffer {
        let bytes = bytes_of(source, None)?;
        let compression = compression.unwrap_or_else(|| Compression::of(&bytes));
        return Ok(Input {
            bytes: Some(bytes.len() as u64).filter(|_| compression == Compression::None),
            reader: compression.reader(Cursor::new(bytes)),
            raised: Raised::default(),
        });
    }
    let is_chunks = !source.hasattr("read")?
        && !source.hasattr("__fspath__")?
        && !source.is_instance_of::<pyo3::types::PyString>()
        && source.hasattr("__iter__")?;
    let Source {
        reader,
        raised,
        bytes,
        ..
    } = match is_chunks {
        true => Source::object(source, compression)?,
        false => Source::open(source, compression)?,
    };
    Ok(Input {
        reader,
        raised,
        bytes,
    })
}

fn variables_of(
    py: Python<'_>,
    variables: Option<BTreeMap<String, String>>,
) -> PyResult<BTreeMap<String, String>> {
    match variables {
        Some(variables) => Ok(variables),
        None => {
            let variables = py.import("os")?.getattr("environ")?;
            py.get_type::<pyo3::types::PyDict>()
                .call1((variables,))?
                .extract()
        }
    }
}

/// Counts what is read.
struct Counted(Box<dyn Read + Send>, Arc<AtomicU64>);

impl Read for Counted {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let read = self.0.read(out)?;
        self.1.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Sink for Memory {}

/// Keeps what is written.
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
