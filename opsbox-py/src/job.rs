//! What a parser does to a part of an input, without Python.

use std::sync::{Arc, Mutex};

use arrow_array::{BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use bytes::Bytes;
use opsbox_log::{
    Batch, BatchMemory, Error,
    export::arrow::{TableBuilder, TypedPart, record_batch_in, recycle, typed_record_batch_in},
    types::{InvalidValues, TimeContext, Type},
};

use crate::{
    data::{ColumnInvalid, Mark, Places},
    limits::SPARE_BYTES,
    strings::{Strings, with_strings},
    years::{table_within, within},
};

/// What becomes of lines that do not fit the format, and of values that do not fit their type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnError {
    /// They are kept beside the table.
    Keep,
    /// They are counted.
    Skip,
    /// The first one is an error.
    Raise,
}

/// A parser and what its batches are made to.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) parser: opsbox_log::Parser,
    pub(crate) strings: Strings,
    pub(crate) on_error: OnError,
    pub(crate) threads: usize,
    /// Whether columns are added that say which texts were no strings in JSON.
    pub(crate) literals: bool,
    /// Whether a row may be more than one line.
    pub(crate) multiline: bool,
    /// Of small inputs that were parsed before.
    pub(crate) spare: Arc<Mutex<Option<BatchMemory>>>,
}

/// A part of an input, parsed. Lines and bytes count from its beginning.
pub(crate) struct Done {
    pub(crate) columns: RecordBatch,
    /// Nothing if the columns have all.
    pub(crate) input: Option<Bytes>,
    pub(crate) bytes: usize,
    pub(crate) places: Places,
    pub(crate) marks: Vec<Mark>,
    pub(crate) lines: u64,
    /// The first line and the first byte in the whole, if that is known.
    pub(crate) at: Option<(u64, u64)>,
    pub(crate) invalid: Vec<ColumnInvalid>,
}

impl Job {
    /// Parses a small input, in the memory of one before it.
    pub(crate) fn small(&self, input: Bytes) -> Result<Done, Error> {
        let keep = input.len() <= SPARE_BYTES;
        let spare = self
            .spare
            .try_lock()
            .ok()
            .and_then(|mut spare| spare.take());
        let mut memory = spare.unwrap_or_default();
        let done = self.window(input, &mut memory);
        if keep && let Ok(mut spare) = self.spare.try_lock() {
            *spare = Some(memory);
        }
        done
    }

    /// Parses a part of an input whose lines are whole.
    pub(crate) fn window(&self, input: Bytes, memory: &mut BatchMemory) -> Result<Done, Error> {
        if !self.is_in_parts() {
            let batch = self.parser.parse_in(input, memory);
            return self.finish(batch, 1, 0, memory);
        }
        let mut parts = self.parser.parts(input.clone());
        let mut table = TableBuilder::new(self.parser.format(), input.clone(), memory);
        let places = Places::lines();
        let (mut marks, mut invalid, mut lines) = (Vec::new(), Vec::new(), 0);
        while let Some(batch) = parts.next_in(memory) {
            let mut part = TypedPart::new(&batch, TimeContext::new())?;
            note(&batch, part.invalid(), 1, table.rows(), &mut invalid);
            within(part.arrays_mut(), &batch, 1, table.rows(), &mut invalid);
            table.push(&batch, part)?;
            marks.extend(Mark::all(&batch, &places, 1, 0, marks.len()));
            lines += batch.line_count() as u64;
            batch.recycle(memory);
        }
        Ok(Done {
            columns: self.written(table.finish()?, memory)?,
            places,
            marks,
            lines,
            at: None,
            invalid,
            bytes: input.len(),
            input: Some(input),
        })
    }

    /// Whether columns are made part by part. Categories are numbered as they come, and need all rows at once, as do
    /// columns that are found.
    fn is_in_parts(&self) -> bool {
        let fields = self.parser.format().fields();
        let has_categories = fields.iter().any(|it| it.data_type() == Type::Category);
        !(self.literals || self.multiline || fields.is_empty() || has_categories)
    }

    /// The columns with their text as it is wanted.
    fn written(
        &self,
        columns: RecordBatch,
        memory: &mut BatchMemory,
    ) -> Result<RecordBatch, Error> {
        Ok(match self.strings {
            Strings::View => columns,
            strings => {
                let made = with_strings(&columns, strings)?;
                recycle(columns, memory);
                made
            }
        })
    }

    /// Makes the columns of a batch that begins with this line and byte.
    pub(crate) fn finish(
        &self,
        batch: Batch<Bytes>,
        line: u64,
        offset: u64,
        memory: &mut BatchMemory,
    ) -> Result<Done, Error> {
        let mut invalid = Vec::new();
        let is_typed = batch.fields().iter().any(|it| it.data_type() != Type::Text);
        let columns = match is_typed {
            true => {
                let typed = typed_record_batch_in(&batch, TimeContext::new(), memory)?;
                note(&batch, typed.invalid(), line, 0, &mut invalid);
                table_within(typed.into_table(), &batch, line, &mut invalid)?
            }
            false => record_batch_in(&batch, memory)?,
        };
        let columns = match self.literals {
            true => with_literals(&columns, &batch)?,
            false => columns,
        };
        let columns = self.written(columns, memory)?;
        let places = match self.multiline {
            true => Places::records(&batch, line, offset),
            false => Places::lines(),
        };
        let marks = Mark::all(&batch, &places, line, offset, 0);
        let lines = batch.line_count() as u64;
        let input = batch.recycle(memory);
        Ok(Done {
            columns,
            places,
            marks,
            lines,
            at: None,
            invalid,
            bytes: input.len(),
            input: Some(input),
        })
    }
}

/// Adds the values that do not fit of a batch before which there are so many rows.
fn note(
    batch: &Batch<Bytes>,
    invalid: &[InvalidValues<'_>],
    line: u64,
    rows_before: usize,
    all: &mut Vec<ColumnInvalid>,
) {
    for (invalid, field) in invalid.iter().zip(batch.fields()) {
        if invalid.count() > 0 {
            let noted = ColumnInvalid::new(field.name(), invalid, line);
            noted.add_to(all, rows_before);
        }
    }
}

/// The columns, and behind them one for each of text that has values that were no strings in JSON: named as it is, behind
/// a NUL.
fn with_literals(columns: &RecordBatch, batch: &Batch<Bytes>) -> Result<RecordBatch, ArrowError> {
    let mut fields = columns.schema().fields().to_vec();
    let mut arrays = columns.columns().to_vec();
    for column in batch.columns() {
        if column.field().data_type() != Type::Text {
            continue;
        }
        let literals: Vec<bool> = (0..column.len()).map(|row| column.is_json(row)).collect();
        if literals.contains(&true) {
            let name = format!("\0{}", column.field().name());
            fields.push(Arc::new(Field::new(name, DataType::Boolean, true)));
            arrays.push(Arc::new(BooleanArray::from(literals)));
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(columns.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
}
