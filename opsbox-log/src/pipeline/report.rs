use std::{collections::BTreeMap, fmt};

use super::Counts;
use crate::{batch::Batch, export::Written, unmatched::Reason};

/// What a run did. The counts add up: [`lines`](Self::lines) = [`row_lines`](Self::row_lines) +
/// [`unmatched_lines`](Self::unmatched_lines), and each row is [written](Self::written) once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PipelineReport {
    pub(super) batches: u64,
    pub(super) input_bytes: u64,
    pub(super) lines: u64,
    pub(super) rows: u64,
    pub(super) row_lines: u64,
    pub(super) unmatched_lines: u64,
    pub(super) unmatched: BTreeMap<&'static str, u64>,
    pub(super) examples: Vec<UnmatchedExample>,
    pub(super) stages: Vec<StageReport>,
    pub(super) written: Written,
    pub(super) unmatched_written: u64,
}

/// Where an unmatched line is, and why it is one; not what it says, since that is not masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnmatchedExample {
    /// Its number, from 1.
    pub line_number: u64,
    /// Its place, in bytes from the beginning.
    pub offset: u64,
    /// Why.
    pub reason: Reason,
}

/// What one stage did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageReport {
    name: Box<str>,
    batches: u64,
    rows: u64,
    counts: Counts,
}

impl StageReport {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, rows: u64, counts: &Counts) {
        self.batches += 1;
        self.rows += rows;
        self.counts.merge(counts);
    }

    /// The stage.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Batches that it worked on.
    pub fn batches(&self) -> u64 {
        self.batches
    }

    /// Rows of these.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// What it counted.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

/// Unmatched lines that a report has as examples.
const EXAMPLES: usize = crate::limits::MAX_UNMATCHED_EXAMPLES;

impl PipelineReport {
    /// What is to be said of a batch whose stages did not run yet.
    pub(super) fn of<B: AsRef<[u8]>>(batch: &Batch<B>) -> Self {
        let mut report = Self {
            batches: 1,
            input_bytes: batch.input().len() as u64,
            lines: batch.line_count() as u64,
            rows: batch.len() as u64,
            row_lines: batch.len() as u64,
            ..Self::default()
        };
        for line in batch.unmatched() {
            report.unmatched_lines += line.line_count();
            *report.unmatched.entry(line.reason().as_str()).or_default() += 1;
            if report.examples.len() < EXAMPLES {
                report.examples.push(UnmatchedExample {
                    line_number: line.line_number(),
                    offset: line.offset(),
                    reason: line.reason(),
                });
            }
        }
        if report.row_lines + report.unmatched_lines != report.lines {
            // Some rows have several lines.
            report.row_lines = batch.records().map(|record| record.line_count()).sum();
        }
        report
    }

    /// Batches that were read.
    pub fn batches(&self) -> u64 {
        self.batches
    }

    /// Bytes of the input.
    pub fn input_bytes(&self) -> u64 {
        self.input_bytes
    }

    /// Lines of the input.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Records that fit the format.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Lines of these: as many, unless records have several.
    pub fn row_lines(&self) -> u64 {
        self.row_lines
    }

    /// Lines that do not fit the format.
    pub fn unmatched_lines(&self) -> u64 {
        self.unmatched_lines
    }

    /// How many lines, or records of several, are unmatched for each [reason](Reason::as_str).
    pub fn unmatched(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.unmatched
            .iter()
            .map(|(reason, count)| (*reason, *count))
    }

    /// The first unmatched lines.
    pub fn unmatched_examples(&self) -> &[UnmatchedExample] {
        &self.examples
    }

    /// The stages, in their order.
    pub fn stages(&self) -> &[StageReport] {
        &self.stages
    }

    /// What was handed to the writer: rows, and unmatched lines where they are
    /// [kept](super::Pipeline::keep_unmatched).
    pub fn written(&self) -> &Written {
        &self.written
    }

    /// Unmatched lines, or records of several, among the [written](Self::written).
    pub fn unmatched_written(&self) -> u64 {
        self.unmatched_written
    }

    /// Whether the counts add up. They always do, as the tests say; a program that must be sure can ask.
    pub fn adds_up(&self) -> bool {
        let stages = self
            .stages
            .iter()
            .all(|stage| stage.rows == self.written.rows());
        self.lines == self.row_lines + self.unmatched_lines
            && self.written.rows() == self.rows + self.unmatched_written
            && stages
    }

    /// Adds another part of the same run, which comes after this one.
    pub(super) fn merge(&mut self, other: Self) {
        self.batches += other.batches;
        self.input_bytes += other.input_bytes;
        self.lines += other.lines;
        self.rows += other.rows;
        self.row_lines += other.row_lines;
        self.unmatched_lines += other.unmatched_lines;
        for (reason, count) in other.unmatched {
            *self.unmatched.entry(reason).or_default() += count;
        }
        let room = EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.into_iter().take(room));
        for (stage, other) in self.stages.iter_mut().zip(&other.stages) {
            stage.batches += other.batches;
            stage.rows += other.rows;
            stage.counts.merge(&other.counts);
        }
        self.written.merge(&other.written);
        self.unmatched_written += other.unmatched_written;
    }
}

/// Several lines: what was read, what did not fit, what each stage did, what was written.
impl fmt::Display for PipelineReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "read {} lines, {} bytes: {} records, {} lines unmatched",
            self.lines, self.input_bytes, self.rows, self.unmatched_lines
        )?;
        for (reason, count) in self.unmatched() {
            writeln!(f, "  unmatched {reason}: {count}")?;
        }
        for stage in &self.stages {
            write!(f, "{}:", stage.name)?;
            for (at, (name, count)) in stage.counts.iter().enumerate() {
                let comma = if at == 0 { "" } else { "," };
                write!(f, "{comma} {name} {count}")?;
            }
            writeln!(f)?;
        }
        write!(
            f,
            "wrote {} lines, {} bytes",
            self.written.rows(),
            self.written.bytes()
        )
    }
}

/// Why a run ended before the input did, and what it did until then.
#[derive(Debug, thiserror::Error)]
#[error("after {} lines, of which {} were written: {source}", .report.lines, .report.written.rows())]
pub struct PipelineError {
    pub(super) source: Box<crate::error::Error>,
    pub(super) report: Box<PipelineReport>,
}

impl PipelineError {
    /// What went wrong, and where.
    pub fn error(&self) -> &crate::error::Error {
        &self.source
    }

    /// What was done before. All that it says is written was handed to the writer, but for a
    /// [`Write`](crate::Error::Write) error, after which the last part may be missing.
    pub fn report(&self) -> &PipelineReport {
        &self.report
    }
}

impl From<PipelineError> for crate::error::Error {
    fn from(error: PipelineError) -> Self {
        *error.source
    }
}
