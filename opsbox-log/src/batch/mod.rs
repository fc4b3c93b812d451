mod block;
mod changed;
mod memory;
mod places;
mod record;
mod row_set;
mod rows;

use std::{fmt, str::Utf8Error};

pub(crate) use block::{Block, Cell, Place, Wanted};
pub(crate) use changed::Spot;
pub use changed::{ColumnBuilder, KeptValue};
pub use memory::BatchMemory;
pub(crate) use memory::Room;
pub(crate) use places::RowPlaces;
pub use record::{Column, Record};
pub(crate) use rows::Rows;
pub use rows::Span;

#[cfg(feature = "arrow")]
use crate::scan::ViewColumn;
use crate::{error::Error, format::Field, scan, unmatched::Unmatched};

/// Parsed lines as columns of spans: rows for the lines (or [records](crate::Multiline)) that fit the format, and the
/// [unmatched](Self::unmatched) ones.
///
/// A [`Batch`] keeps the input it was made from, owned or borrowed as the caller gave it, and for
/// each value where it is in there. No field's bytes are copied, except strings with escapes in
/// `ndjson` and `logfmt`, whose unescaped form goes to the batch's arena.
///
/// ```
/// use opsbox_log::{Format, Parser};
///
/// let log = "2026-01-02 03:04:05 [INFO] started\n2026-01-02 03:04:06 [ERROR] disk full\noops\n";
/// let batch = Parser::new(Format::preset("app")?).parse(log);
///
/// // By column ...
/// let level = batch.column("level").unwrap();
/// assert_eq!(level.iter().flatten().collect::<Vec<_>>(), [&b"INFO"[..], b"ERROR"]);
///
/// // ... or by record, and the lines that did not fit are there too.
/// let error = batch.records().nth(1).unwrap();
/// assert_eq!(error.get("message"), Some(&b"disk full"[..]));
/// assert_eq!((batch.len(), batch.unmatched().len(), batch.line_count()), (2, 1, 3));
/// # Ok::<(), opsbox_log::Error>(())
/// ```
///
/// `B` is the input: a slice, a `Vec<u8>`, `Bytes`, a mapped file, anything that is `AsRef<[u8]>`
/// and gives the same bytes each time.
#[derive(Clone)]
pub struct Batch<B> {
    input: B,
    rows: Rows,
    origin: Origin,
    line_limit: usize,
}

/// Names and numbers, and nothing of what the lines say: that may have been masked since.
impl<B: AsRef<[u8]>> fmt::Debug for Batch<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.fields().iter().map(Field::name);
        f.debug_struct("Batch")
            .field("fields", &names.collect::<Vec<_>>())
            .field("rows", &self.len())
            .field("unmatched", &self.unmatched().len())
            .field("lines", &self.line_count())
            .field("input_bytes", &self.input().len())
            .field("arena_bytes", &self.arena().len())
            .finish()
    }
}

/// Where in the whole input a batch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) offset: u64,
    pub(crate) line: u64,
}

impl Origin {
    pub(crate) const START: Self = Self { offset: 0, line: 1 };
}

impl<B: AsRef<[u8]>> Batch<B> {
    pub(crate) fn new(input: B, rows: Rows, origin: Origin, line_limit: usize) -> Self {
        Self {
            input,
            rows,
            origin,
            line_limit,
        }
    }

    /// The number of rows: lines that fit the format.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows. There may be unmatched lines.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of lines of the input: rows and unmatched lines together. Where records may have
    /// [several lines](crate::Parser::multiline) it is the sum of the
    /// [lines of the records](Record::line_count) and of the
    /// [unmatched](crate::Unmatched::line_count).
    pub fn line_count(&self) -> usize {
        usize::try_from(self.rows.line_count()).unwrap_or(usize::MAX)
    }

    /// The columns: the format's, or for formats whose keys are in the line (`ndjson`, `logfmt`)
    /// those found, in the order in which they were first seen; then those that were
    /// [set](Self::set_column).
    pub fn fields(&self) -> &[Field] {
        self.rows.fields()
    }

    /// The column of a name.
    pub fn column(&self, name: &str) -> Option<Column<'_>> {
        self.column_at(self.rows.field_index(name)?)
    }

    /// The column at an index of [`fields`](Self::fields).
    pub fn column_at(&self, index: usize) -> Option<Column<'_>> {
        let field = self.fields().get(index)?;
        Some(Column::new(self.view(), (index, field)))
    }

    /// Puts a column in the place of the one of that name, or after all others if there is none.
    ///
    /// The input stays as it is, and so do [`Record::raw`] and the [unmatched](Self::unmatched)
    /// lines: only the columns change. See [`ColumnBuilder`] for an example.
    ///
    /// # Errors
    ///
    /// `Column` if a new name is empty or longer than [`MAX_FIELD_NAME_BYTES`], if the column has more
    /// rows than the batch, or if that would be more than [`MAX_COLUMNS`] columns. Then the batch is
    /// as before.
    ///
    /// [`MAX_FIELD_NAME_BYTES`]: crate::limits::MAX_FIELD_NAME_BYTES
    /// [`MAX_COLUMNS`]: crate::limits::MAX_COLUMNS
    pub fn set_column(&mut self, field: Field, values: ColumnBuilder) -> Result<(), Error> {
        self.set_columns([(field, values)])
    }

    /// Sets several columns, which costs less than one after the other.
    ///
    /// # Errors
    ///
    /// As [`set_column`](Self::set_column), for the first that is refused; those before it are set.
    pub fn set_columns(
        &mut self,
        columns: impl IntoIterator<Item = (Field, ColumnBuilder)>,
    ) -> Result<(), Error> {
        self.rows.set_columns(columns)
    }

    /// Appends to the arena, for columns that will have places there.
    #[cfg(feature = "json")]
    pub(crate) fn extend_arena(&mut self, bytes: Vec<u8>) {
        match self.rows.arena.is_empty() {
            true => self.rows.arena = bytes,
            false => self.rows.arena.extend_from_slice(&bytes),
        }
    }

    /// Drops a column; tells whether there was one of that name.
    pub fn drop_column(&mut self, name: &str) -> bool {
        self.rows.drop_column(name)
    }

    /// Renames a column; tells whether there was one of that name.
    ///
    /// # Errors
    ///
    /// `Column` if there is another column of the new name, or the new name is empty or too long.
    pub fn rename_column(&mut self, from: &str, to: &str) -> Result<bool, Error> {
        self.rows.rename_column(from, to)
    }

    /// All columns.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = Column<'_>> {
        let view = self.view();
        let fields = self.fields().iter().enumerate();
        fields.map(move |field| Column::new(view, field))
    }

    /// The record of a row, counted from 0.
    pub fn record(&self, row: usize) -> Option<Record<'_>> {
        (row < self.len()).then(|| Record::new(self.view(), row))
    }

    /// All records, in the order of their lines.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> + DoubleEndedIterator {
        let view = self.view();
        (0..self.len()).map(move |row| Record::new(view, row))
    }

    /// The lines that do not fit the format, in their order.
    pub fn unmatched(&self) -> impl ExactSizeIterator<Item = Unmatched<'_>> + DoubleEndedIterator {
        let view = self.view();
        self.rows.unmatched().iter().map(move |mark| {
            let len = usize::try_from(mark.len).unwrap_or(usize::MAX);
            let end = mark.start.saturating_add(len.min(self.line_limit));
            Unmatched {
                line_number: view.line_number(mark.index),
                offset: view.offset(mark.start),
                len: mark.len,
                lines: view.rows.lines_at(mark.index),
                reason: mark.reason,
                raw: view.input.get(mark.start..end).unwrap_or_default(),
            }
        })
    }

    /// The bytes that [`Span::Input`] counts in: the batch's whole input.
    pub fn input(&self) -> &[u8] {
        self.input.as_ref()
    }

    /// The [input](Self::input) as text, in which a [`Span::Input`] then counts. All of it is checked each
    /// time this is called; of plain ASCII several bytes at once, so that it costs far less than
    /// to check value by value.
    ///
    /// ```
    /// use opsbox_log::{Format, Parser, Span};
    ///
    /// let format = Format::preset("ndjson")?.select(["user"])?;
    /// let batch = Parser::new(format).parse("{\"user\":\"zoe\"}\n{\"user\":\"max\"}\n");
    /// let input = batch.input_str().unwrap();
    /// let users = batch.records().map(|record| match record.span_at(0)? {
    ///     Span::Input(range) => input.get(range),
    ///     _ => None,
    /// });
    /// assert_eq!(users.collect::<Vec<_>>(), [Some("zoe"), Some("max")]);
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// That of [`std::str::from_utf8`], with the place, if some byte of the input is not UTF-8.
    pub fn input_str(&self) -> Result<&str, Utf8Error> {
        scan::text(self.input())
    }

    /// The [arena](Self::arena) as text, in which a [`Span::Arena`] then counts.
    ///
    /// # Errors
    ///
    /// As [`input_str`](Self::input_str).
    pub fn arena_str(&self) -> Result<&str, Utf8Error> {
        scan::text(self.arena())
    }

    /// The bytes that [`Span::Arena`] counts in: values that differ from the input's bytes.
    pub fn arena(&self) -> &[u8] {
        self.rows.arena()
    }

    /// Gives the input back.
    pub fn into_input(self) -> B {
        self.input
    }

    /// Gives the input back, and the memory that the rows were in to `memory`, for
    /// [`Parser::parse_in`](crate::Parser::parse_in).
    pub fn recycle(mut self, memory: &mut BatchMemory) -> B {
        let (columns, arena) = self.rows.take_spare();
        memory.columns.clear();
        memory.columns.extend(columns);
        memory.arena = arena;
        memory.rooms.clear();
        memory.rooms.extend(self.rows.into_rooms());
        self.input
    }

    /// Where the values of its rows are, for those who look at columns in this order. With `all` the absent ones are
    /// told, too.
    pub(crate) fn places(&self, order: &[usize], all: bool) -> RowPlaces<'_> {
        RowPlaces::new(self.view(), order, all)
    }

    /// The value that all rows have in a column, if it is kept once.
    pub(crate) fn same(&self, field: usize) -> Option<Spot> {
        self.rows.same(field)
    }

    /// Whether columns were set since it was parsed.
    #[cfg(feature = "mask")]
    pub(crate) fn is_changed(&self) -> bool {
        self.rows.is_changed()
    }

    fn view(&self) -> View<'_> {
        View {
            input: self.input.as_ref(),
            rows: &self.rows,
            origin: self.origin,
            line_limit: self.line_limit,
        }
    }

    #[cfg(feature = "arrow")]
    pub(crate) fn push_views(&self, columns: &mut [ViewColumn<'_>], own: bool) {
        self.rows.push_views(columns, own);
    }

    /// Where its lines end in the input.
    #[cfg(feature = "arrow")]
    pub(crate) fn end(&self) -> usize {
        let last = self
            .len()
            .checked_sub(1)
            .and_then(|row| self.rows.line(row));
        let unmatched = self.rows.unmatched().last().map(|mark| mark.start);
        last.map(|(start, _)| start).max(unmatched).unwrap_or(0)
    }

    #[cfg(feature = "arrow")]
    pub(crate) fn owner(&self) -> &B {
        &self.input
    }

    /// The number of its first line in the whole input, from 1.
    #[cfg(feature = "pipeline")]
    pub(crate) fn first_line(&self) -> u64 {
        self.origin.line
    }

    /// The batch over the same bytes in another container.
    #[cfg(any(feature = "arrow", feature = "pipeline"))]
    pub(crate) fn map_input<C>(self, map: impl FnOnce(B) -> C) -> Batch<C> {
        Batch {
            input: map(self.input),
            rows: self.rows,
            origin: self.origin,
            line_limit: self.line_limit,
        }
    }
}

/// A batch without the type of its input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'b> {
    pub(crate) input: &'b [u8],
    pub(crate) rows: &'b Rows,
    origin: Origin,
    /// Longest text of a row.
    line_limit: usize,
}

impl<'b> View<'b> {
    #[inline]
    pub(crate) fn value(self, row: usize, field: usize) -> Option<&'b [u8]> {
        self.rows.value(self.input, row, field)
    }

    pub(crate) fn line_number(self, index: u64) -> u64 {
        self.origin.line + index
    }

    pub(crate) fn offset(self, start: usize) -> u64 {
        self.origin.offset + start as u64
    }
}
