use std::{borrow::Cow, fmt};

use super::{Span, View};
use crate::{format::Field, frame::Lines};

/// One field of all rows of a [`Batch`](crate::Batch).
#[derive(Clone, Copy)]
pub struct Column<'b> {
    view: View<'b>,
    index: usize,
    field: &'b Field,
}

impl<'b> Column<'b> {
    pub(super) fn new(view: View<'b>, (index, field): (usize, &'b Field)) -> Self {
        Self { view, index, field }
    }

    /// The field.
    pub fn field(&self) -> &'b Field {
        self.field
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.view.rows.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a row; `None` if it is absent (or the row does not exist).
    pub fn get(&self, row: usize) -> Option<&'b [u8]> {
        self.view.value(row, self.index)
    }

    /// Where the value of a row is.
    pub fn span(&self, row: usize) -> Option<Span> {
        self.view.rows.span(row, self.index)
    }

    /// The line number of a row in the input, from 1.
    pub fn line_number(&self, row: usize) -> Option<u64> {
        let rows = self.view.rows;
        (row < rows.len()).then(|| self.view.line_number(rows.line_index(row)))
    }

    /// The values of all rows.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&'b [u8]>> + use<'b> {
        let Self { view, index, .. } = *self;
        (0..self.len()).map(move |row| view.value(row, index))
    }
}

impl fmt::Debug for Column<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.iter().map(|value| value.map(String::from_utf8_lossy));
        f.debug_list().entries(values).finish()
    }
}

/// One row of a [`Batch`](crate::Batch), with its place in the input.
///
/// ```
/// use opsbox_log::{Format, Parser};
///
/// let batch = Parser::new(Format::preset("logfmt")?).parse("level=info msg=\"a \\\"quoted\\\" word\" n=3\n");
/// let record = batch.record(0).unwrap();
/// assert_eq!(record.text("msg").as_deref(), Some(r#"a "quoted" word"#));
/// assert_eq!(record.get("n"), Some(&b"3"[..]));
/// assert_eq!(record.get("absent"), None);
/// # Ok::<(), opsbox_log::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Record<'b> {
    view: View<'b>,
    row: usize,
    /// Where the line begins in the input.
    start: usize,
}

impl<'b> Record<'b> {
    pub(super) fn new(view: View<'b>, row: usize, start: usize) -> Self {
        Self { view, row, start }
    }

    /// The bytes of a field; `None` if it is absent, or no column has this name.
    pub fn get(&self, name: &str) -> Option<&'b [u8]> {
        self.get_at(self.view.rows.field_index(name)?)
    }

    /// The bytes of the field at an index of [`Batch::fields`](crate::Batch::fields).
    pub fn get_at(&self, index: usize) -> Option<&'b [u8]> {
        self.view.value(self.row, index)
    }

    /// A field as text. Bytes that are not UTF-8 come out as U+FFFD.
    pub fn text(&self, name: &str) -> Option<Cow<'b, str>> {
        self.get(name).map(String::from_utf8_lossy)
    }

    /// Where the field at an index is.
    pub fn span_at(&self, index: usize) -> Option<Span> {
        self.view.rows.span(self.row, index)
    }

    /// The spans of all fields, in one pass over the record; `out` has a place for each field.
    #[cfg(feature = "arrow")]
    pub(crate) fn spans(&self, out: &mut [Option<Span>]) {
        self.view.rows.spans(self.row, out);
    }

    /// All fields with their values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'b Field, Option<&'b [u8]>)> + use<'b> {
        let Self { view, row, .. } = *self;
        let fields = view.rows.fields().iter().enumerate();
        fields.map(move |(index, field)| (field, view.value(row, index)))
    }

    /// The line's number in the input, from 1.
    pub fn line_number(&self) -> u64 {
        self.view.line_number(self.view.rows.line_index(self.row))
    }

    /// The byte offset of the line's start in the input.
    pub fn offset(&self) -> u64 {
        self.view.offset(self.start)
    }

    /// The whole line without its ending.
    pub fn raw(&self) -> &'b [u8] {
        let line = Lines::new(self.view.input, self.start).next();
        line.and_then(|line| self.view.input.get(line))
            .unwrap_or_default()
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self
            .iter()
            .map(|(field, value)| (field.name(), value.map(String::from_utf8_lossy)));
        f.debug_map().entries(values).finish()
    }
}
