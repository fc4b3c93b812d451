//! What is done with one batch.

use super::{Input, Output, PipelineReport, Stage, StageReport};
use crate::{
    batch::{Batch, ColumnBuilder},
    error::Error,
    export::Written,
    format::{Field, Format},
    limits::{EXPORT_ROWS, PIPELINE_PIECE_BYTES, PIPELINE_STEP_BYTES, PIPELINE_STEP_VALUES},
    parser::Parser,
    types::Type,
};

/// What is the same for all batches, of one thread.
pub(super) struct Worker {
    pub(super) stages: Vec<Box<dyn Stage>>,
    pub(super) output: Output,
    /// The column for unmatched lines, if they are kept.
    pub(super) unmatched: Option<Box<str>>,
    /// Memory of bytes that were written, for the next ones: fresh memory costs as much as the writing.
    pub(super) spare: Vec<u8>,
    /// Bytes that the next batch may become.
    pub(super) expected: usize,
}

/// Some output of a batch.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) bytes: Vec<u8>,
    /// What was done with the batch, if these are its last bytes.
    pub(super) report: Option<PipelineReport>,
}

/// Takes output and gives memory back; nothing if nobody wants more of it.
type Hand<'h> = &'h mut dyn FnMut(Done) -> Result<Option<Vec<u8>>, Error>;

impl Worker {
    pub(super) fn fork(&self) -> Self {
        Self {
            stages: self.stages.iter().map(|stage| stage.fork()).collect(),
            output: self.output.clone(),
            unmatched: self.unmatched.clone(),
            spare: Vec::new(),
            expected: 0,
        }
    }

    /// A report of nothing.
    pub(super) fn report(&self) -> PipelineReport {
        let stages = self.stages.iter();
        PipelineReport {
            stages: stages.map(|stage| StageReport::new(stage.name())).collect(),
            ..PipelineReport::default()
        }
    }

    /// Runs the stages and hands the written rows on, once all stages are done. Tells whether more is wanted.
    pub(super) fn work(
        &mut self,
        batch: &mut Batch<Input<'_>>,
        hand: Hand<'_>,
    ) -> Result<bool, Error> {
        let mut report = self.report();
        let of = PipelineReport::of(batch);
        let input_bytes = usize::try_from(of.input_bytes).unwrap_or(usize::MAX);
        let first_line = batch.first_line();
        #[cfg(feature = "tracing")]
        let _batch = tracing::debug_span!(
            target: super::TARGET, "batch", first_line, bytes = of.input_bytes, lines = of.lines,
            rows = of.rows, unmatched = of.unmatched_lines,
        )
        .entered();
        let mut unmatched = match &self.unmatched {
            Some(column) if of.unmatched_lines > 0 => Some(unmatched_rows(batch, column)?),
            _ => None,
        };
        report.merge(of);
        self.stages(batch, first_line, &mut report)?;
        if let Some(unmatched) = &mut unmatched {
            report.unmatched_written += unmatched.len() as u64;
            self.stages(unmatched, first_line, &mut report)?;
        }
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.clear();
        if bytes.capacity() == 0 {
            bytes.reserve(self.expected);
        }
        for batch in std::iter::once(&*batch).chain(&unmatched) {
            let step = step(batch, input_bytes);
            let mut next = 0;
            loop {
                next = self.export(batch, next, step, &mut report.written, &mut bytes);
                if next >= batch.len() {
                    break;
                }
                let piece = Done {
                    bytes,
                    report: None,
                };
                match hand(piece)? {
                    Some(memory) => bytes = memory,
                    None => return Ok(false),
                }
                bytes.clear();
            }
        }
        self.expected = bytes.len() + bytes.len() / 8;
        let last = Done {
            bytes,
            report: Some(report),
        };
        match hand(last)? {
            Some(memory) => self.spare = memory,
            None => return Ok(false),
        }
        Ok(true)
    }

    fn stages(
        &mut self,
        batch: &mut Batch<Input<'_>>,
        first_line: u64,
        report: &mut PipelineReport,
    ) -> Result<(), Error> {
        for (stage, report) in self.stages.iter_mut().zip(&mut report.stages) {
            #[cfg(feature = "tracing")]
            let span = tracing::debug_span!(
                target: super::TARGET, "stage", stage = stage.name(), rows = batch.len(),
                columns = batch.fields().len(), columns_after = tracing::field::Empty,
            )
            .entered();
            let counts = stage.apply(batch).map_err(|source| Error::Stage {
                stage: stage.name().to_owned(),
                line: first_line,
                source: Box::new(source),
            })?;
            report.add(batch.len() as u64, &counts);
            #[cfg(feature = "tracing")]
            span.record("columns_after", batch.fields().len());
        }
        Ok(())
    }

    /// Writes rows from one on, until they are a piece; tells the row that comes then.
    fn export(
        &self,
        batch: &Batch<Input<'_>>,
        first: usize,
        step: usize,
        written: &mut Written,
        bytes: &mut Vec<u8>,
    ) -> usize {
        #[cfg(feature = "tracing")]
        let span = tracing::debug_span!(
            target: super::TARGET, "export", format = self.output.name(), rows = tracing::field::Empty,
            bytes = tracing::field::Empty,
        )
        .entered();
        let (piece, next) =
            self.output
                .append_until(batch, first, step, PIPELINE_PIECE_BYTES, bytes);
        #[cfg(feature = "tracing")]
        span.record("rows", next - first)
            .record("bytes", piece.bytes());
        written.merge(&piece);
        next
    }
}

/// How many rows of a batch are written at once.
fn step(batch: &Batch<Input<'_>>, input_bytes: usize) -> usize {
    let rows = batch.len() / (input_bytes / PIPELINE_STEP_BYTES).max(1);
    let values = PIPELINE_STEP_VALUES / batch.fields().len().max(1);
    rows.min(values).clamp(1, EXPORT_ROWS)
}

/// The unmatched lines of a batch as rows of their own.
fn unmatched_rows(batch: &Batch<Input<'_>>, column: &str) -> Result<Batch<Input<'static>>, Error> {
    let lines = b"x\n".repeat(batch.unmatched().len());
    let format = Format::pattern("(?P<line>x)")?;
    let mut rows = Parser::new(format).parse(Input::Owned(lines));
    let mut raw = ColumnBuilder::with_capacity(rows.len());
    let mut numbers = ColumnBuilder::with_capacity(rows.len());
    let mut reasons = ColumnBuilder::with_capacity(rows.len());
    for (row, line) in batch.unmatched().enumerate() {
        raw.push_bytes(row, line.raw());
        numbers.push_bytes(row, line.line_number().to_string().as_bytes());
        reasons.push_bytes(row, line.reason().as_str().as_bytes());
    }
    rows.drop_column("line");
    // Of two columns of one name the later one would be in the place of the lines.
    let [number, reason] = ["line_number", "unmatched"].map(|name| match name == column {
        true => format!("{name}_"),
        false => name.to_owned(),
    });
    rows.set_columns([
        (Field::new(column), raw),
        (Field::new(&number).with_type(Type::Integer), numbers),
        (Field::new(&reason), reasons),
    ])?;
    Ok(rows)
}
