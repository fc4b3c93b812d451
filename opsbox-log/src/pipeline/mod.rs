//! The stages as one: a reader in, clean lines out, and a report (feature `pipeline`).
//!
//! ```text
//! reader ──> Parser ──> Stage ──> Stage ──> ... ──> Output ──> writer
//!            batches    columns of a batch change   NDJSON, logfmt, CEF
//! ```
//!
//! ```
//! use opsbox_log::{Format, Parser, export::ndjson::Ndjson, pipeline::Pipeline};
//!
//! let log = "2026-01-02 03:04:05 [INFO] started\n2026-01-02 03:04:06 [ERROR] disk full\noops\n";
//! let mut out = Vec::new();
//! let report = Pipeline::new(Parser::new(Format::preset("app")?))
//!     .keep_unmatched("message")
//!     .output(Ndjson::new())
//!     .run(log.as_bytes(), &mut out)?;
//!
//! assert_eq!((report.lines(), report.rows(), report.unmatched_lines()), (3, 2, 1));
//! assert!(report.adds_up());
//! assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Guarantees
//!
//! - Rows are written in the order of their lines, whatever the number of threads; the output is the same byte by byte
//!   (but for stages that roll dice).
//! - Each record of the input is written once, or the run ends with an error that says where. Lines that do not fit the
//!   format are counted, and written if [asked for](Pipeline::keep_unmatched).
//! - Memory is bounded: by the parser's [batches](Parser::batch_bytes), of which each thread has
//!   [a few](crate::limits::PIPELINE_BATCHES_AHEAD). Output of more than 4 MiB is written before the batch is at its end,
//!   since names of keys that each row repeats can make much of little. Who reads slowly slows the reading.
//! - Neither a report nor an error has text of the log, but for names of fields that are found in it.
//!
//! # Spans
//!
//! With the feature `tracing`, under the target `opsbox_log::pipeline` and at the level debug:
//!
//! | span | fields |
//! |---|---|
//! | `batch` | `first_line` (from 1), `bytes`, `lines`, `rows`, `unmatched` (lines) |
//! | `stage`, in a batch | `stage` (its name), `rows`, `columns`, `columns_after` |
//! | `export`, in a batch | `format`, `rows`, `bytes` |

#[cfg(feature = "config")]
mod config;
mod output;
mod report;
mod stage;
#[cfg(feature = "tokio")]
mod stream;
mod threads;
mod work;

use std::{
    fmt,
    io::{Read, Write},
};

#[cfg(feature = "config")]
pub use self::config::PipelineConfig;
#[cfg(feature = "schema")]
pub use self::config::pipeline_schema;
pub use self::{
    output::Output,
    report::{PipelineError, PipelineReport, StageReport, UnmatchedExample},
    stage::{Counts, Input, Stage},
};
use self::{stage::StageFn, work::Worker};
use crate::{
    batch::Batch,
    error::Error,
    export::ndjson::Ndjson,
    limits::{MAX_THREADS, PIPELINE_BATCH_BYTES},
    parser::Parser,
};

/// The target of spans.
#[cfg(feature = "tracing")]
const TARGET: &str = "opsbox_log::pipeline";

/// A parser, stages and an output. See the [module](self).
pub struct Pipeline {
    parser: Parser,
    worker: Worker,
    threads: usize,
}

impl Pipeline {
    /// No stages, and NDJSON, on one thread. Where the parser was not told how many [bytes](Parser::batch_bytes) a batch has,
    /// it has [`PIPELINE_BATCH_BYTES`].
    pub fn new(parser: Parser) -> Self {
        Self {
            parser: parser.or_batch_bytes(PIPELINE_BATCH_BYTES),
            worker: Worker {
                stages: Vec::new(),
                output: Ndjson::new().into(),
                unmatched: None,
                spare: Vec::new(),
                expected: 0,
            },
            threads: 1,
        }
    }

    /// Adds a stage behind those before it. To mask after cleaning finds what was escaped before; to mask before
    /// enriching leaves labels alone.
    #[must_use]
    pub fn stage(self, stage: impl Stage + 'static) -> Self {
        self.boxed_stage(Box::new(stage))
    }

    /// [`stage`](Self::stage) for one that is in a box.
    #[must_use]
    pub fn boxed_stage(mut self, stage: Box<dyn Stage>) -> Self {
        self.worker.stages.push(stage);
        self
    }

    /// Adds a function as a stage of this name. Each thread has a clone.
    ///
    /// ```
    /// use opsbox_log::{Format, Parser, pipeline::{Counts, Pipeline}};
    ///
    /// let pipeline = Pipeline::new(Parser::new(Format::preset("logfmt")?))
    ///     .stage_fn("rename", |batch| {
    ///         let renamed = batch.rename_column("lvl", "level")?;
    ///         Ok(Counts::new().with("renamed", u64::from(renamed)))
    ///     });
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    #[must_use]
    pub fn stage_fn<F>(self, name: &str, apply: F) -> Self
    where
        F: FnMut(&mut Batch<Input<'_>>) -> Result<Counts, Error> + Clone + Send + 'static,
    {
        self.stage(StageFn {
            name: name.into(),
            apply,
        })
    }

    /// The format of the output.
    #[must_use]
    pub fn output(mut self, output: impl Into<Output>) -> Self {
        self.worker.output = output.into();
        self
    }

    /// Writes lines that do not fit the format, too: as rows with the line in this column, `line_number`, and the
    /// [reason](crate::Reason::as_str) as `unmatched`; if the column has one of these names, what else would have it ends
    /// in `_`. They go through all stages, a masker among them, and come behind the rows of their batch.
    #[must_use]
    pub fn keep_unmatched(mut self, column: impl Into<Box<str>>) -> Self {
        self.worker.unmatched = Some(column.into());
        self
    }

    /// Runs the stages on this many threads; 0 means as many as the system has room for, and at most
    /// [`MAX_THREADS`] are taken. Besides them one thread reads and tokenizes, and the calling one writes.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads.min(MAX_THREADS),
        };
        self
    }

    /// The parser.
    pub fn parser(&self) -> &Parser {
        &self.parser
    }

    /// Runs the stages on a batch that is there, without writing it.
    ///
    /// ```
    /// use std::borrow::Cow;
    /// use opsbox_log::{Format, Parser, pipeline::{Counts, Pipeline}};
    ///
    /// let mut pipeline = Pipeline::new(Parser::new(Format::preset("logfmt")?))
    ///     .stage_fn("drop", |batch| {
    ///         batch.drop_column("secret");
    ///         Ok(Counts::new())
    ///     });
    /// let mut batch = pipeline.parser().parse(Cow::Borrowed(&b"a=1 secret=2\n"[..]));
    /// pipeline.apply(&mut batch)?;
    /// assert_eq!(batch.fields().len(), 1);
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `Stage` with the stage that failed.
    pub fn apply(&mut self, batch: &mut Batch<Input<'_>>) -> Result<(), Error> {
        let line = batch.first_line();
        for stage in &mut self.worker.stages {
            stage.apply(batch).map_err(|source| Error::Stage {
                stage: stage.name().to_owned(),
                line,
                source: Box::new(source),
            })?;
        }
        Ok(())
    }

    /// Reads all, writes all, flushes the writer, and says what was done. A slice is a reader.
    ///
    /// # Errors
    ///
    /// If a stage or the writer fails while another thread waits for the reader, this returns when that has something.
    ///
    /// [`PipelineError`] with what was done before: `Io` if the reader or the writer fails, what a stage says if it
    /// does. All batches before the one that failed are written.
    pub fn run<R: Read + Send, W: Write>(
        &mut self,
        reader: R,
        mut writer: W,
    ) -> Result<PipelineReport, PipelineError> {
        let mut report = self.worker.report();
        let result = match self.threads {
            1 => threads::one(
                &self.parser,
                &mut self.worker,
                reader,
                &mut writer,
                &mut report,
            ),
            threads => {
                let workers = (0..threads).map(|_| self.worker.fork()).collect();
                threads::several(&self.parser, workers, reader, &mut writer, &mut report)
            }
        };
        let flushed = |()| {
            writer.flush().map_err(|source| Error::Write {
                offset: report.written.bytes(),
                source,
            })
        };
        match result.and_then(flushed) {
            Ok(()) => Ok(report),
            Err(source) => Err(PipelineError {
                source: Box::new(source),
                report: Box::new(report),
            }),
        }
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stages = self.worker.stages.iter().map(|stage| stage.name());
        f.debug_struct("Pipeline")
            .field("format", &self.parser.format().name())
            .field("stages", &stages.collect::<Vec<_>>())
            .field("output", &self.worker.output)
            .field("unmatched", &self.worker.unmatched)
            .field("threads", &self.threads)
            .finish()
    }
}
