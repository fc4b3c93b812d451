//! Rows, the lines that are none, and where both are: what tables and batches hold.

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use bytes::Bytes;
use opsbox_log::{Batch, Reason, types::InvalidValues};
use pyo3::{prelude::*, sync::PyOnceLock, types::PyString};

use crate::{
    job::Done,
    strings::{Strings, compact},
};

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A line, or a record of several, that is no row.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    /// The line, counted from the beginning of the part.
    pub(crate) index: u64,
    /// Rows of the part that come before it.
    pub(crate) rows_before: usize,
    /// Its first byte in the part.
    pub(crate) start: u64,
    /// What is there of it, in the part's raw bytes.
    pub(crate) raw: Range<usize>,
    pub(crate) lines: u64,
    pub(crate) reason: Reason,
}

impl Mark {
    /// Those of a batch, before which there are some of the part.
    pub(crate) fn all<B: AsRef<[u8]>>(
        batch: &Batch<B>,
        places: &Places,
        line: u64,
        offset: u64,
        marks_before: usize,
    ) -> Vec<Self> {
        let unmatched = (marks_before..).zip(batch.unmatched());
        let marks = unmatched.map(|(before, it)| {
            let index = it.line_number() - line;
            let start = it.offset() - offset;
            let first = to_usize(start);
            Self {
                index,
                rows_before: match places {
                    // Each line is a row or a mark.
                    Places::Lines(_) => to_usize(index).saturating_sub(before),
                    Places::Records(rows) => rows.partition_point(|row| row.start < start),
                },
                start,
                raw: first..first.saturating_add(it.raw().len()),
                lines: it.line_count(),
                reason: it.reason(),
            }
        });
        marks.collect()
    }
}

/// Where the rows of a part are in its input.
pub(crate) enum Places {
    /// Each row is a line. Where the lines begin is looked for when somebody asks.
    Lines(OnceLock<Vec<u64>>),
    Records(Vec<RowPlace>),
}

/// A row of several lines.
#[derive(Clone, Copy)]
pub(crate) struct RowPlace {
    start: u64,
    bytes: u64,
    line: u64,
    lines: u64,
}

impl Places {
    pub(crate) fn lines() -> Self {
        Self::Lines(OnceLock::new())
    }

    pub(crate) fn records<B: AsRef<[u8]>>(batch: &Batch<B>, line: u64, offset: u64) -> Self {
        let places = batch.records().map(|record| RowPlace {
            start: record.offset() - offset,
            bytes: record.raw().len() as u64,
            line: record.line_number() - line,
            lines: record.line_count(),
        });
        Self::Records(places.collect())
    }
}

/// A part of an input, and where it is in the whole.
pub(crate) struct Part {
    /// Nothing once the columns are compact.
    input: Option<Bytes>,
    /// What the marks' raw bytes are in: the input, or a copy of those lines.
    raw: Bytes,
    first_line: u64,
    offset: u64,
    places: Places,
    marks: Vec<Mark>,
    lines: u64,
}

impl Part {
    /// The rows' lines begin here, counted from the beginning of the part.
    fn line_starts(&self) -> Option<&[u64]> {
        let Places::Lines(starts) = &self.places else {
            return None;
        };
        if let Some(starts) = starts.get() {
            return Some(starts);
        }
        let input = self.input.as_ref()?;
        Some(starts.get_or_init(|| {
            let first = match self.offset == 0 && input.starts_with(BOM) {
                true => BOM.len(),
                false => 0,
            };
            let rest = &input[first..];
            let ends = memchr::memchr_iter(b'\n', rest).map(|at| first + at + 1);
            let mut marks = self.marks.iter().map(|mark| mark.index).peekable();
            let lines = std::iter::once(first).chain(ends).zip(0_u64..);
            let mut starts: Vec<_> = lines
                .filter(|(_, index)| marks.next_if_eq(index).is_none())
                .map(|(start, _)| start as u64)
                .collect();
            // After the last line feed there may be nothing.
            starts.truncate(to_usize(self.lines).saturating_sub(self.marks.len()));
            starts
        }))
    }

    /// The line and the byte of a row, in the whole input.
    fn place(&self, row: usize) -> (u64, Option<u64>) {
        match &self.places {
            Places::Lines(_) => {
                let before = self.marks.partition_point(|mark| mark.rows_before <= row);
                let start = self.line_starts().and_then(|starts| starts.get(row));
                let line = self.first_line + (row + before) as u64;
                (line, start.map(|start| self.offset + start))
            }
            Places::Records(places) => match places.get(row) {
                Some(place) => (
                    self.first_line + place.line,
                    Some(self.offset + place.start),
                ),
                None => (self.first_line, None),
            },
        }
    }

    fn raw_of(&self, row: usize) -> Option<Bytes> {
        let input = self.input.as_ref()?;
        let range = match &self.places {
            Places::Lines(_) => {
                let start = to_usize(*self.line_starts()?.get(row)?);
                let line = input.get(start..)?;
                let line = &line[..memchr::memchr(b'\n', line).unwrap_or(line.len())];
                start..start + line.strip_suffix(b"\r").unwrap_or(line).len()
            }
            Places::Records(places) => {
                let place = places.get(row)?;
                to_usize(place.start)..to_usize(place.start + place.bytes)
            }
        };
        (range.end <= input.len()).then(|| input.slice(range))
    }

    /// The part without its input.
    fn without_input(&self, marks: Range<usize>) -> Self {
        let kept = self.marks.get(marks).unwrap_or_default();
        let mut raw = Vec::new();
        let marks = kept.iter().map(|mark| {
            let start = raw.len();
            raw.extend_from_slice(self.raw.get(mark.raw.clone()).unwrap_or_default());
            Mark {
                raw: start..raw.len(),
                ..mark.clone()
            }
        });
        let marks = marks.collect();
        let places = match &self.places {
            Places::Records(places) => Places::Records(places.clone()),
            Places::Lines(_) => {
                let starts = self.line_starts().map(<[u64]>::to_vec);
                Places::Lines(starts.map_or_else(OnceLock::new, OnceLock::from))
            }
        };
        Self {
            input: None,
            raw: raw.into(),
            first_line: self.first_line,
            offset: self.offset,
            places,
            marks,
            lines: self.lines,
        }
    }
}

/// Some rows of a part.
#[derive(Clone)]
struct Piece {
    columns: RecordBatch,
    part: Arc<Part>,
    /// The first row, in the part.
    skip: usize,
    marks: Range<usize>,
}

/// The values of a column that do not fit its type.
#[derive(Clone, Debug)]
pub(crate) struct ColumnInvalid {
    pub(crate) column: String,
    pub(crate) reasons: Vec<(String, usize)>,
    pub(crate) examples: Vec<Example>,
}

/// A value that does not fit its column's type.
#[derive(Clone, Debug)]
pub(crate) struct Example {
    /// From 0.
    pub(crate) row: usize,
    /// From 1.
    pub(crate) line: u64,
    pub(crate) value: Vec<u8>,
    pub(crate) reason: String,
}

impl ColumnInvalid {
    /// With places counted from the beginning of the part, which is this line.
    pub(crate) fn new(column: &str, invalid: &InvalidValues<'_>, line: u64) -> Self {
        let reasons = invalid.by_reason();
        let examples = invalid.examples().iter();
        Self {
            column: column.to_owned(),
            reasons: reasons.map(|(it, count)| (it.to_string(), count)).collect(),
            examples: examples
                .map(|it| Example {
                    row: it.row(),
                    line: it.line_number() + 1 - line,
                    value: it.value().to_vec(),
                    reason: it.reason().to_string(),
                })
                .collect(),
        }
    }

    /// The number of values.
    pub(crate) fn count(&self) -> usize {
        self.reasons.iter().map(|(_, count)| count).sum()
    }

    /// Adds it to those of all columns. There are so many rows before its own.
    pub(crate) fn add_to(mut self, all: &mut Vec<Self>, rows_before: usize) {
        for example in &mut self.examples {
            example.row += rows_before;
        }
        match all.iter_mut().find(|it| it.column == self.column) {
            Some(known) => known.merge(self),
            None => all.push(self),
        }
    }

    fn merge(&mut self, other: Self) {
        for (reason, count) in other.reasons {
            match self.reasons.iter_mut().find(|(it, _)| *it == reason) {
                Some((_, sum)) => *sum += count,
                None => self.reasons.push((reason, count)),
            }
        }
        let room = opsbox_log::limits::MAX_INVALID_EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.into_iter().take(room));
    }
}

/// Rows, and the lines between them that are none.
pub(crate) struct Data {
    schema: SchemaRef,
    pieces: Vec<Piece>,
    /// The first row of each piece.
    firsts: Vec<usize>,
    rows: usize,
    invalid: Arc<Vec<ColumnInvalid>>,
    /// Whether lines that do not fit are shown.
    pub(crate) keeps: bool,
    names: PyOnceLock<Vec<Py<PyString>>>,
}

/// A mark with what it is of.
pub(crate) struct Unfit<'d> {
    part: &'d Part,
    pub(crate) mark: &'d Mark,
}

impl Unfit<'_> {
    pub(crate) fn line(&self) -> u64 {
        self.part.first_line + self.mark.index
    }

    pub(crate) fn offset(&self) -> u64 {
        self.part.offset + self.mark.start
    }

    pub(crate) fn raw(&self) -> &[u8] {
        self.part.raw.get(self.mark.raw.clone()).unwrap_or_default()
    }
}

impl Data {
    /// Puts parts together, one after the other.
    pub(crate) fn new(parts: Vec<Done>, schema: SchemaRef, keeps: bool) -> Self {
        let (mut line, mut offset) = (1, 0);
        let mut invalid: Vec<ColumnInvalid> = Vec::new();
        let mut pieces = Vec::with_capacity(parts.len());
        let mut rows = 0;
        for done in parts {
            if let Some(at) = done.at {
                (line, offset) = at;
            }
            for mut column in done.invalid {
                for example in &mut column.examples {
                    example.line += line - 1;
                }
                column.add_to(&mut invalid, rows);
            }
            let bytes = done.bytes as u64;
            let marks = 0..done.marks.len();
            let part = Part {
                raw: done.input.clone().unwrap_or_default(),
                input: done.input,
                first_line: line,
                offset,
                places: done.places,
                marks: done.marks,
                lines: done.lines,
            };
            line += part.lines;
            offset += bytes;
            rows += done.columns.num_rows();
            pieces.push(Piece {
                columns: done.columns,
                part: Arc::new(part),
                skip: 0,
                marks,
            });
        }
        Self::of(schema, pieces, Arc::new(invalid), keeps)
    }

    fn of(
        schema: SchemaRef,
        pieces: Vec<Piece>,
        invalid: Arc<Vec<ColumnInvalid>>,
        keeps: bool,
    ) -> Self {
        let mut rows = 0;
        let firsts = pieces.iter().map(|piece| {
            let first = rows;
            rows += piece.columns.num_rows();
            first
        });
        let firsts = firsts.collect();
        Self {
            schema,
            pieces,
            firsts,
            rows,
            invalid,
            keeps,
            names: PyOnceLock::new(),
        }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn invalid(&self) -> &[ColumnInvalid] {
        &self.invalid
    }

    pub(crate) fn batches(&self) -> impl ExactSizeIterator<Item = &RecordBatch> {
        self.pieces.iter().map(|piece| &piece.columns)
    }

    pub(crate) fn column_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.schema.fields().iter().map(|field| &**field.name())
    }

    /// The names as Python has them, interned.
    pub(crate) fn names(&self, py: Python<'_>) -> &[Py<PyString>] {
        self.names.get_or_init(py, || {
            let names = self.column_names();
            names
                .map(|name| PyString::intern(py, name).unbind())
                .collect()
        })
    }

    /// The column of a name. A name that is written in the program is the very object that is here.
    #[inline]
    pub(crate) fn column_index(&self, name: &Bound<'_, PyString>) -> Option<usize> {
        let names = self.names(name.py());
        let found = names.iter().position(|known| known.is(name));
        found.or_else(|| {
            let name = name.to_str().ok()?;
            self.column_names().position(|known| known == name)
        })
    }

    /// The piece that a row is in, and its row there.
    #[inline]
    pub(crate) fn locate(&self, row: usize) -> Option<(usize, usize)> {
        let piece = match self.firsts.as_slice() {
            [_] => 0,
            firsts => firsts
                .partition_point(|&first| first <= row)
                .checked_sub(1)?,
        };
        let row = row - self.firsts.get(piece)?;
        (row < self.pieces.get(piece)?.columns.num_rows()).then_some((piece, row))
    }

    #[inline]
    pub(crate) fn piece(&self, piece: usize) -> Option<&RecordBatch> {
        self.pieces.get(piece).map(|piece| &piece.columns)
    }

    /// The line and the byte of a row.
    pub(crate) fn place(&self, piece: usize, row: usize) -> Option<(u64, Option<u64>)> {
        let piece = self.pieces.get(piece)?;
        Some(piece.part.place(piece.skip + row))
    }

    /// The line of a row without its ending; nothing if the input is not there any more.
    pub(crate) fn raw(&self, piece: usize, row: usize) -> Option<Bytes> {
        let piece = self.pieces.get(piece)?;
        piece.part.raw_of(piece.skip + row)
    }

    /// The number of lines, or records, that are no rows.
    pub(crate) fn unmatched_count(&self) -> usize {
        self.pieces.iter().map(|piece| piece.marks.len()).sum()
    }

    pub(crate) fn unmatched(&self, index: usize) -> Option<Unfit<'_>> {
        let mut index = index;
        for piece in &self.pieces {
            if let Some(at) = (index < piece.marks.len()).then(|| piece.marks.start + index) {
                let part = &*piece.part;
                return Some(Unfit {
                    part,
                    mark: part.marks.get(at)?,
                });
            }
            index -= piece.marks.len();
        }
        None
    }

    /// What is wrong with the first line or value that does not fit.
    pub(crate) fn problem(&self) -> Option<String> {
        if let Some(unfit) = self.unmatched(0) {
            let (line, offset) = (unfit.line(), unfit.offset());
            return Some(format!(
                "line {line} (byte {offset}): {}",
                unfit.mark.reason
            ));
        }
        let column = self.invalid.first()?;
        let example = column.examples.first()?;
        let (line, name) = (example.line, &column.column);
        Some(format!("line {line}, column {name:?}: {}", example.reason))
    }

    /// The number of lines.
    pub(crate) fn line_count(&self) -> u64 {
        let lines = self.pieces.iter().map(|piece| {
            let rows = piece.skip..piece.skip + piece.columns.num_rows();
            let marks = piece.part.marks.get(piece.marks.clone());
            let unmatched: u64 = marks.unwrap_or_default().iter().map(|it| it.lines).sum();
            unmatched
                + match &piece.part.places {
                    Places::Lines(_) => rows.len() as u64,
                    Places::Records(places) => {
                        let places = places.get(rows).unwrap_or_default();
                        places.iter().map(|place| place.lines).sum()
                    }
                }
        });
        lines.sum()
    }

    /// Some rows, with the unmatched lines that come before each of them; with the last row those after it, too.
    pub(crate) fn slice(&self, rows: Range<usize>) -> Self {
        let is_beyond = rows.start >= self.rows && self.rows > 0;
        let reaches_end = rows.end >= self.rows;
        let pieces = self.pieces.iter().zip(&self.firsts);
        let pieces = pieces.filter_map(|(piece, &first)| {
            let len = piece.columns.num_rows();
            let local = |row: usize| row.saturating_sub(first).min(len + 1);
            let (start, end) = (local(rows.start), local(rows.end));
            let all = piece.part.marks.get(piece.marks.clone())?;
            let before = |row: usize| {
                let row = piece.skip + row;
                piece.marks.start + all.partition_point(|mark| mark.rows_before < row)
            };
            let marks = match (is_beyond, reaches_end) {
                (true, _) => 0..0,
                (false, true) => before(start)..piece.marks.end,
                (false, false) => before(start)..before(end),
            };
            let (start, end) = (start.min(len), end.min(len));
            (start < end || !marks.is_empty()).then(|| Piece {
                columns: piece.columns.slice(start, end.saturating_sub(start)),
                part: Arc::clone(&piece.part),
                skip: piece.skip + start,
                marks,
            })
        });
        let pieces = pieces.collect();
        Self::of(
            Arc::clone(&self.schema),
            pieces,
            Arc::clone(&self.invalid),
            self.keeps,
        )
    }

    /// Each part by itself. What is known of invalid values stays with the whole.
    pub(crate) fn split(&self) -> Vec<Self> {
        let pieces = self.pieces.iter().map(|piece| {
            let schema = Arc::clone(&self.schema);
            Self::of(schema, vec![piece.clone()], Arc::default(), self.keeps)
        });
        pieces.collect()
    }

    /// Some columns.
    pub(crate) fn project(&self, columns: &[usize]) -> Result<Self, ArrowError> {
        let schema = Arc::new(self.schema.project(columns)?);
        let pieces = self.pieces.iter().map(|piece| {
            Ok(Piece {
                columns: piece.columns.project(columns)?,
                ..piece.clone()
            })
        });
        let pieces = pieces.collect::<Result<_, ArrowError>>()?;
        Ok(Self::of(
            schema,
            pieces,
            Arc::clone(&self.invalid),
            self.keeps,
        ))
    }

    /// The same with nothing of the input but what is shown.
    pub(crate) fn compact(&self, strings: Strings) -> Result<Self, ArrowError> {
        let pieces = self.pieces.iter().map(|piece| {
            let part = piece.part.without_input(piece.marks.clone());
            Ok(Piece {
                columns: compact(&piece.columns, strings)?,
                marks: 0..part.marks.len(),
                part: Arc::new(part),
                skip: piece.skip,
            })
        });
        let pieces: Vec<_> = pieces.collect::<Result<_, ArrowError>>()?;
        let schema = pieces.first().map(|piece| piece.columns.schema());
        let schema = match schema {
            Some(schema) => schema,
            None => Arc::clone(&self.schema),
        };
        Ok(Self::of(
            schema,
            pieces,
            Arc::clone(&self.invalid),
            self.keeps,
        ))
    }
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
