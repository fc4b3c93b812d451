//! The parser.

use std::{
    sync::{Arc, Mutex, mpsc},
    thread,
};

use bytes::Bytes;
use opsbox_log::{
    BatchMemory,
    limits::{MAX_LINE_BYTES, MAX_THREADS},
};
use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyDict, PyString, PyTuple},
};

use crate::{
    batches::Batches,
    data::Data,
    error::{OpsboxError, ParseError, ReadError, Where, exception, with_place},
    export::arrow_error,
    feed::Feed,
    input::{
        buffer::bytes_of,
        compressed::Compression,
        source::{OpenFile, Source, path_of},
    },
    job::{Done, Job, OnError},
    limits::{COMPRESSED_BATCH_BYTES, MAX_BATCH_BYTES, STREAM_BATCH_BYTES},
    log,
    options::{Options, Types, count, number},
    progress::Progress,
    reading::{Maker, Reading},
    rows::table,
    run,
    union::unite,
    unmatched::{parse_error, with_details, with_value},
};

/// Parses logs of one format.
///
/// >>> import opsbox
/// >>> parser = opsbox.Parser(r"(?P<host>\S+) took (?P<millis>\d+) ms", types={"millis": "integer"})
/// >>> parser.columns
/// ['host', 'millis']
/// >>> parser.parse(b"db-1 took 12 ms\n")[0]["millis"]
/// 12
#[pyclass(module = "opsbox", frozen)]
pub(crate) struct Parser {
    job: Arc<Job>,
    options: Options,
}

#[pymethods]
impl Parser {
    #[new]
    #[pyo3(signature = (
        format, *, fields = None, types = None, on_error = "keep", threads = None, max_line_bytes = None,
        multiline = None, strings = "view", strict = false,
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn new(
        py: Python<'_>,
        format: String,
        fields: Option<&Bound<'_, PyAny>>,
        types: Option<&Bound<'_, PyAny>>,
        on_error: &str,
        threads: Option<i128>,
        max_line_bytes: Option<i128>,
        multiline: Option<String>,
        strings: &str,
        strict: bool,
    ) -> PyResult<Self> {
        let threads = threads.map(|it| count("threads", it, 0..=MAX_THREADS));
        let most = MAX_LINE_BYTES;
        let max_line_bytes = max_line_bytes.map(|it| count("max_line_bytes", it, 1..=most));
        let (threads, max_line_bytes) = (threads.transpose()?, max_line_bytes.transpose()?);
        let fields = fields.map(names_of).transpose()?;
        let options = Options {
            format,
            fields,
            types: Types::extract(types)?,
            on_error: on_error.to_owned(),
            threads,
            max_line_bytes,
            multiline,
            strings: strings.to_owned(),
            strict,
        };
        Ok(Self {
            job: Arc::new(options.job(py)?),
            options,
        })
    }

    /// The name of the preset, or `pattern`, `grok`, `dissect`.
    #[getter]
    fn format(&self) -> &str {
        self.job.parser.format().name()
    }

    /// The regular expression that defines the format, if one does.
    #[getter]
    fn regex(&self) -> Option<&str> {
        self.job.parser.format().regex()
    }

    /// The columns; empty for `ndjson` and `logfmt` without `fields`, which find them in the input.
    #[getter]
    fn columns(&self) -> Vec<&str> {
        let fields = self.job.parser.format().fields().iter();
        fields.map(opsbox_log::Field::name).collect()
    }

    /// The longest line, in bytes, that is tokenized.
    #[getter]
    fn max_line_bytes(&self) -> usize {
        self.job.parser.line_limit()
    }

    /// What finds the columns, in plain words: which engine, and what is in the way of a faster one.
    fn explain(&self) -> String {
        self.job.parser.format().explain()
    }

    /// Parses a log in memory: bytes, or any object with the buffer protocol. What could be written to is copied once,
    /// unless copy=False: then you promise that nobody changes the bytes while anything made of them is there.
    ///
    /// >>> import opsbox
    /// >>> table = opsbox.Parser("app").parse(b"2026-01-02 03:04:05 [INFO] up\noops\n")
    /// >>> table[0]["level"], table.unmatched[0].raw
    /// ('INFO', b'oops')
    #[pyo3(signature = (buffer, /, *, copy = None, progress = None, first_line = 1, first_offset = 0))]
    fn parse<'py>(
        &self,
        buffer: &Bound<'py, PyAny>,
        copy: Option<bool>,
        progress: Option<&Bound<'py, PyAny>>,
        first_line: i128,
        first_offset: i128,
    ) -> PyResult<Bound<'py, PyAny>> {
        // Of an input in memory the last line and byte are less than this away.
        const LAST: u64 = u64::MAX >> 1;
        let first_line = number("first_line", first_line, 1..=LAST)?;
        let first_offset = number("first_offset", first_offset, 0..=LAST)?;
        let py = buffer.py();
        let input = bytes_of(buffer, copy)?;
        if let Some(name) = Compression::of(&input).name() {
            return Err(ReadError::new_err(format!(
                "the buffer holds compressed bytes ({name}), and no lines: give parse_file an io.BytesIO of it"
            )));
        }
        let mut progress = Progress::new(py, progress, Some(input.len() as u64))?;
        let mut parts = run::parse(py, &self.job, input, &mut progress)?;
        progress.finish(py)?;
        if let Some(first) = parts.first_mut() {
            first.at = Some((first_line, first_offset));
        }
        self.table(py, parts, "buffer")
    }

    /// Parses a whole file, or file object, also one that gzip or zstd wrote. mmap=True is only for files that nobody
    /// makes shorter.
    ///
    /// >>> import opsbox, tempfile
    /// >>> with tempfile.NamedTemporaryFile(suffix=".log") as file:
    /// ...     _ = file.write(b"n=1\nn=2\n")
    /// ...     file.flush()
    /// ...     opsbox.Parser("logfmt").parse_file(file.name)["n"].to_list()
    /// ['1', '2']
    #[pyo3(
        signature = (path, /, *, mmap = false, compression = Some("infer"), progress = None),
        text_signature = "($self, path, /, *, mmap=False, compression='infer', progress=None)"
    )]
    fn parse_file<'py>(
        &self,
        path: &Bound<'py, PyAny>,
        mmap: bool,
        compression: Option<&str>,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = path.py();
        let compression = Compression::named(compression)?;
        let Some(path_buf) = path_of(path)? else {
            if mmap {
                let message =
                    "a file object cannot be mapped: give its path, or parse an mmap of it";
                return Err(PyTypeError::new_err(message));
            }
            let source = Source::object(path, compression)?;
            let mut progress = Progress::new(py, progress, None)?;
            let name = source.name;
            let mut reading = Reading::new(
                Maker::new(&self.job, None),
                source.reader,
                source.raised,
                COMPRESSED_BATCH_BYTES,
            );
            // An object is read in the thread that it was given in.
            let mut parts = Vec::new();
            while let Some(part) = py.detach(|| reading.part()) {
                let part = part.map_err(|error| {
                    let raised = reading.raised().take();
                    raised.unwrap_or_else(|| exception(py, error))
                });
                parts.push(part?);
                progress.set(py, reading.bytes_read())?;
                py.check_signals()?;
            }
            progress.finish(py)?;
            return self.table(py, parts, &name);
        };
        let file = OpenFile::open(py, &path_buf, compression)?;
        let name = path_buf.to_string_lossy().into_owned();
        let is_plain = file.compression == Compression::None;
        let mut progress = Progress::new(py, progress, file.bytes.filter(|_| is_plain))?;
        let parts = if mmap {
            let input = file.map(py)?;
            run::parse(py, &self.job, input, &mut progress)?
        } else if is_plain && file.bytes.is_some() {
            let input = file.read(py)?;
            run::parse(py, &self.job, input, &mut progress)?
        } else {
            let source = file.into_source();
            let maker = Maker::new(&self.job, None);
            let bytes = COMPRESSED_BATCH_BYTES;
            let reading = Reading::new(maker, source.reader, source.raised, bytes);
            parts_of(py, reading, &mut progress)?
        };
        progress.finish(py)?;
        self.table(py, parts, &name)
    }

    /// Reads a file, or file object, bit by bit: an iterator of batches, in some MiB whatever the size.
    ///
    /// >>> import io, opsbox
    /// >>> batches = opsbox.Parser("logfmt").scan(io.BytesIO(b"n=1\nn=2\nn=3\n"), batch_rows=2)
    /// >>> [batch["n"].to_list() for batch in batches]
    /// [['1', '2'], ['3']]
    #[pyo3(
        signature = (path, /, *, batch_rows = None, compression = Some("infer"), progress = None),
        text_signature = "($self, path, /, *, batch_rows=None, compression='infer', progress=None)"
    )]
    fn scan(
        &self,
        path: &Bound<'_, PyAny>,
        batch_rows: Option<i128>,
        compression: Option<&str>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Batches> {
        let source = Source::open(path, Compression::named(compression)?)?;
        let batch_rows = rows_of_batch(batch_rows)?;
        self.batches(path.py(), source, batch_rows, STREAM_BATCH_BYTES, progress)
    }

    /// Reads chunks of bytes, cut anywhere, or a file object: an iterator of batches, in bounded memory.
    ///
    /// >>> import opsbox
    /// >>> [batch["n"].to_list() for batch in opsbox.Parser("logfmt").stream([b"n=1\nn", b"=2"])]
    /// [['1', '2']]
    #[pyo3(signature = (
        chunks, /, *, batch_rows = None, batch_bytes = 1_048_576, compression = None, progress = None,
    ))]
    fn stream(
        &self,
        chunks: &Bound<'_, PyAny>,
        batch_rows: Option<i128>,
        batch_bytes: i128,
        compression: Option<&str>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Batches> {
        let batch_rows = rows_of_batch(batch_rows)?;
        let batch_bytes = bytes_of_batch(batch_bytes)?;
        let source = Source::object(chunks, Compression::named(compression)?)?;
        self.batches(chunks.py(), source, batch_rows, batch_bytes, progress)
    }

    /// As `stream` for chunks that come asynchronously.
    ///
    /// >>> import asyncio, opsbox
    /// >>> async def chunks():
    /// ...     yield b"n=1\nn"
    /// ...     yield b"=2"
    /// >>> async def main():
    /// ...     parser = opsbox.Parser("logfmt")
    /// ...     return [batch["n"].to_list() async for batch in parser.astream(chunks())]
    /// >>> asyncio.run(main())
    /// [['1', '2']]
    #[pyo3(signature = (
        chunks, /, *, batch_rows = None, batch_bytes = 1_048_576, flush_seconds = None,
    ))]
    fn astream<'py>(
        this: &Bound<'py, Self>,
        chunks: &Bound<'py, PyAny>,
        batch_rows: Option<i128>,
        batch_bytes: i128,
        flush_seconds: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let feed = this.get().feed(batch_rows, batch_bytes)?;
        let module = this.py().import("opsbox._stream")?;
        module.call_method1("astream", (feed, chunks, batch_bytes, flush_seconds))
    }

    /// A parser that is handed chunks as they come.
    #[pyo3(signature = (*, batch_rows = None, batch_bytes = 1_048_576))]
    fn feed(&self, batch_rows: Option<i128>, batch_bytes: i128) -> PyResult<Feed> {
        let batch_bytes = bytes_of_batch(batch_bytes)?;
        Ok(Feed::new(
            &self.job,
            rows_of_batch(batch_rows)?,
            batch_bytes,
        ))
    }

    /// For the command, which writes JSON as it was: the same parser, whose columns of text have others beside them, named
    /// as they are behind a NUL, that say which values were no strings.
    fn _with_literals(&self) -> Self {
        let job = Job {
            literals: true,
            ..(*self.job).clone()
        };
        Self {
            job: Arc::new(job),
            options: self.options.clone(),
        }
    }

    /// Whether a record may be several lines, so that complete lines may be half of one.
    #[getter]
    fn _is_multiline(&self) -> bool {
        self.job.multiline
    }

    fn __getnewargs_ex__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
        let positional = PyTuple::new(py, [&self.options.format])?;
        Ok((positional, self.options.arguments(py)?))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let mut text = format!("opsbox.Parser({:?}", self.options.format);
        for (name, value) in self.options.arguments(py)? {
            text.push_str(&format!(", {name}={}", value.repr()?));
        }
        text.push(')');
        Ok(text)
    }
}

impl Parser {
    fn table<'py>(
        &self,
        py: Python<'py>,
        mut parts: Vec<Done>,
        name: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        if parts.is_empty() {
            let nothing = self.job.window(Bytes::new(), &mut BatchMemory::default());
            parts.push(nothing.map_err(|error| exception(py, error))?);
        }
        let data = py.detach(|| {
            unite(&mut parts)?;
            Ok(self.job.data(parts))
        });
        let data = data.map_err(arrow_error)?;
        self.job.check(py, &data)?;
        log::parsed_data(py, &self.job, name, &data)?;
        table(py, data)
    }

    fn batches(
        &self,
        py: Python<'_>,
        source: Source,
        batch_rows: Option<usize>,
        batch_bytes: usize,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Batches> {
        let progress = Progress::new(py, progress, source.bytes)?;
        let maker = Maker::new(&self.job, batch_rows);
        let reading = Reading::new(maker, source.reader, source.raised, batch_bytes);
        Ok(Batches::new(&self.job, reading, source.name, progress))
    }
}

fn names_of(fields: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    if fields.is_instance_of::<PyString>() {
        let message = format!("fields is a list of names: fields=[{}]", fields.repr()?);
        return Err(PyTypeError::new_err(message));
    }
    let names = fields.try_iter()?;
    names.map(|name| name?.extract()).collect()
}

fn rows_of_batch(given: Option<i128>) -> PyResult<Option<usize>> {
    let rows = given.map(|it| count("batch_rows", it, 1..=usize::MAX >> 1));
    rows.transpose()
}

fn bytes_of_batch(given: i128) -> PyResult<usize> {
    count("batch_bytes", given, 1..=MAX_BATCH_BYTES)
}

impl Job {
    /// Puts parts together.
    pub(crate) fn data(&self, parts: Vec<Done>) -> Data {
        let schema = parts.first().map(|part| part.columns.schema());
        let keeps = self.on_error != OnError::Skip;
        Data::new(
            parts,
            schema.unwrap_or_else(|| Arc::new(arrow_schema::Schema::empty())),
            keeps,
        )
    }

    /// With `on_error="raise"` the first line or value that does not fit is an exception.
    pub(crate) fn check(&self, py: Python<'_>, data: &Data) -> PyResult<()> {
        if self.on_error != OnError::Raise {
            return Ok(());
        }
        let line = data.unmatched(0);
        let value = data.invalid().iter();
        let value = value.filter_map(|column| Some((column, column.examples.first()?)));
        let value = value.min_by_key(|(_, example)| example.row);
        match (line, value) {
            (Some(line), Some((_, example))) if line.line() < example.line => {
                Err(parse_error(py, &line))
            }
            (_, Some((column, example))) => {
                let message = format!(
                    "line {}, column {:?}: {}",
                    example.line, column.column, example.reason
                );
                let message = with_value(message, &example.value);
                let located = data.locate(example.row);
                let place = located.and_then(|(piece, row)| data.place(piece, row)?.1);
                let place = Where {
                    line: Some(example.line),
                    offset: place,
                    field: Some(&column.column),
                };
                let error = with_place(py, ParseError::new_err(message), place);
                Err(with_details(py, error, &example.reason, &example.value))
            }
            (Some(line), None) => Err(parse_error(py, &line)),
            (None, None) => Ok(()),
        }
    }
}

/// All parts of what is read, with an eye on signals: by a thread, so that they are seen also while reading waits.
fn parts_of(py: Python<'_>, mut reading: Reading, progress: &mut Progress) -> PyResult<Vec<Done>> {
    let mut parts = Vec::new();
    // One part ahead: who stops taking them stops the thread.
    let (sender, receiver) = mpsc::sync_channel(1);
    let receiver = Mutex::new(receiver);
    thread::Builder::new()
        .name("opsbox-read".into())
        .spawn(move || {
            while let Some(part) = reading.part() {
                if sender.send((part, reading.bytes_read())).is_err() {
                    return;
                }
            }
        })
        .map_err(|error| OpsboxError::new_err(format!("cannot start a thread: {error}")))?;
    loop {
        match py.detach(|| run::wait(&receiver)) {
            Ok((part, bytes)) => {
                parts.push(part.map_err(|error| exception(py, error))?);
                progress.set(py, bytes)?;
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(parts),
        }
        py.check_signals()?;
    }
}
