use std::{borrow::Cow, fmt, ops::Range};

use super::{Cell, Span, View, changed::Spot};
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

    /// Whether the value of a row came out of JSON and is no string there: a number, `true` or `false`, or what stays JSON
    /// text, an array or an object. [`Ndjson`](crate::export::ndjson::Ndjson) writes it as such.
    ///
    /// ```
    /// use opsbox_log::{Format, Parser};
    ///
    /// let log = "{\"code\":7,\"tags\":[1]}\n{\"code\":\"7\"}\n";
    /// let batch = Parser::new(Format::preset("ndjson")?).parse(log);
    /// let code = batch.column("code").unwrap();
    /// assert!(code.is_json(0) && !code.is_json(1));
    /// assert!(batch.column("tags").unwrap().is_json(0));
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    pub fn is_json(&self, row: usize) -> bool {
        let spot = self.spot(row);
        !spot.is_null() && spot.is_json()
    }

    /// Where the value of a row is, and whether it is JSON.
    #[inline]
    pub(crate) fn spot(&self, row: usize) -> Spot {
        self.view.rows.spot(self.view.input, row, self.index)
    }

    /// Tells the rows that have a value, and where it is.
    #[cfg(feature = "mask")]
    #[inline(always)]
    pub(crate) fn each_spot(&self, each: impl FnMut(usize, Spot)) {
        self.view.rows.each_spot(self.view.input, self.index, each);
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

/// One row of a [`Batch`](crate::Batch), with its place in the input: a line, or with
/// [`Parser::multiline`](crate::Parser::multiline) several.
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
    /// Those of the row, if there is one for each field.
    cells: &'b [Cell],
}

impl<'b> Record<'b> {
    #[inline]
    pub(super) fn new(view: View<'b>, row: usize) -> Self {
        // Each row has a line.
        let (start, cells) = view.rows.line(row).unwrap_or_default();
        Self {
            view,
            row,
            start,
            cells,
        }
    }

    /// The bytes of a field; `None` if it is absent, or no column has this name.
    pub fn get(&self, name: &str) -> Option<&'b [u8]> {
        self.get_at(self.view.rows.field_index(name)?)
    }

    /// The bytes of the field at an index of [`Batch::fields`](crate::Batch::fields).
    #[inline]
    pub fn get_at(&self, index: usize) -> Option<&'b [u8]> {
        match self.near(index) {
            Some(range) => self.view.input.get(range),
            None => self.view.value(self.row, index),
        }
    }

    /// Where the field at an index is, if its cell says so.
    #[inline]
    fn near(&self, index: usize) -> Option<Range<usize>> {
        let range = self.cells.get(index)?.range().ok()?;
        Some(self.start + range.start..self.start + range.end)
    }

    /// A field as text. Bytes that are not UTF-8 come out as U+FFFD.
    pub fn text(&self, name: &str) -> Option<Cow<'b, str>> {
        self.get(name).map(String::from_utf8_lossy)
    }

    /// Where the field at an index is.
    #[inline]
    pub fn span_at(&self, index: usize) -> Option<Span> {
        match self.near(index) {
            Some(range) => Some(Span::Input(range)),
            None => self.view.rows.span(self.row, index),
        }
    }

    /// All fields with their values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'b Field, Option<&'b [u8]>)> + use<'b> {
        let Self { view, row, .. } = *self;
        let fields = view.rows.fields().iter().enumerate();
        fields.map(move |(index, field)| (field, view.value(row, index)))
    }

    /// The line's number in the input, from 1; that of the first if there are several.
    pub fn line_number(&self) -> u64 {
        self.view.line_number(self.view.rows.line_index(self.row))
    }

    /// The number of lines: 1, but for a [record of several](crate::Multiline).
    pub fn line_count(&self) -> u64 {
        let index = self.view.rows.line_index(self.row);
        self.view.rows.lines_at(index)
    }

    /// The byte offset of the line's start in the input.
    pub fn offset(&self) -> u64 {
        self.view.offset(self.start)
    }

    /// The whole line without its ending, or all lines of the record without the last ending. Of a
    /// line that was [truncated](crate::Overlong::Truncate), the bytes that were parsed.
    pub fn raw(&self) -> &'b [u8] {
        let View {
            input,
            rows,
            line_limit,
            ..
        } = self.view;
        let end = match rows.text_len(self.row) {
            Some(len) => Some(self.start + len),
            None if self.is_truncated() => Some(self.start + line_limit),
            None => Lines::new(input, self.start).next().map(|line| line.end),
        };
        end.and_then(|end| input.get(self.start..end))
            .unwrap_or_default()
    }

    /// The lines of the record after its first, without the last ending; empty if there are none.
    ///
    /// ```
    /// use opsbox_log::{Format, Multiline, Parser};
    ///
    /// let format = Format::pattern(r"(?P<code>\d+) (?P<word>\w+);")?;
    /// let parser = Parser::new(format).multiline(Multiline::indented());
    /// let batch = parser.parse("1 one;\n  more\n  lines\n2 two;\n");
    /// assert_eq!(batch.record(0).unwrap().continuation(), b"  more\n  lines");
    /// assert_eq!(batch.record(1).unwrap().continuation(), b"");
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    pub fn continuation(&self) -> &'b [u8] {
        let raw = match self.view.rows.text_len(self.row) {
            Some(_) => self.raw(),
            None => &[],
        };
        memchr::memchr(b'\n', raw)
            .and_then(|at| raw.get(at + 1..))
            .unwrap_or_default()
    }

    /// Whether the parser left something of it out: the end of an
    /// [over-long line](crate::Overlong::Truncate), or lines beyond the limits of a
    /// [record](crate::Multiline), which are among the unmatched.
    pub fn is_truncated(&self) -> bool {
        self.view.rows.cut_len(self.row).is_some()
    }

    /// The bytes of the line in the input, without its ending: those of [`raw`](Self::raw), but for
    /// a truncated line, which has more.
    pub fn line_bytes(&self) -> u64 {
        let cut = self.view.rows.cut_len(self.row);
        cut.unwrap_or_else(|| self.raw().len() as u64)
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
