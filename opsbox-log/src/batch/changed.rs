//! Columns that stages after the tokenizer set, and the order of all.

use std::{collections::HashMap, ops::Range};

use super::{Column, Rows, Span, row_set::RowSet};
use crate::{
    error::Error,
    format::Field,
    limits::{MAX_COLUMNS, MAX_FIELD_NAME_BYTES},
};

/// The values of a column to be, for [`Batch::set_column`](crate::Batch::set_column).
///
/// Rows come in ascending order; those that are left out are null, and a column that has few values
/// takes memory for these only. A value is a place in the batch, of which nothing is copied, or bytes
/// of its own, which go to the batch's arena.
///
/// ```
/// use opsbox_log::{ColumnBuilder, Field, Format, Parser};
///
/// let mut batch = Parser::new(Format::preset("app")?).parse(
///     "2026-01-02 03:04:05 [INFO] a  \n2026-01-02 03:04:06 [INFO] b\n",
/// );
/// let message = batch.column("message").unwrap();
/// let mut values = ColumnBuilder::with_capacity(batch.len());
/// for (row, value) in message.iter().enumerate() {
///     match value.map(|value| (value, value.trim_ascii())) {
///         Some((value, trimmed)) if value != trimmed => values.push_bytes(row, trimmed),
///         _ => values.push_span(row, message.span(row).unwrap()),
///     }
/// }
/// batch.set_column(Field::new("message"), values)?;
/// assert_eq!(batch.record(0).unwrap().get("message"), Some(&b"a"[..]));
/// assert_eq!(batch.record(1).unwrap().get("message"), Some(&b"b"[..]));
/// assert_eq!(batch.arena(), b"a");
/// # Ok::<(), opsbox_log::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ColumnBuilder {
    values: SetColumn,
    arena: Vec<u8>,
}

/// A value that a [`ColumnBuilder`] keeps: see [`ColumnBuilder::keep`].
#[derive(Clone, Copy, Debug)]
pub struct KeptValue(Spot);

/// The places of the rows that have a value; if `same` is not 0, one for that many rows, the first ones.
#[derive(Clone, Debug, Default)]
pub(super) struct SetColumn {
    places: Vec<Spot>,
    rows: RowSet,
    same: usize,
}

/// Where a value is, or that there is none, and whether it is [JSON](crate::Column::is_json).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    start: usize,
    /// Of the length, above it [`ARENA`] for the batch's arena, [`OWN`] for the builder's, and [`JSON`].
    len: usize,
}

const ARENA: usize = 1 << (usize::BITS - 1);
const OWN: usize = 1 << (usize::BITS - 2);
const JSON: usize = 1 << (usize::BITS - 3);
const LEN: usize = JSON - 1;

impl Spot {
    pub(super) const NULL: Self = Self {
        start: usize::MAX,
        len: usize::MAX,
    };

    #[inline(always)]
    fn of(start: usize, end: usize, flags: usize) -> Self {
        let len = end.saturating_sub(start).min(LEN - 1);
        Self {
            start,
            len: len | flags,
        }
    }

    /// In the batch's input.
    #[inline(always)]
    pub(super) fn in_input(range: Range<usize>) -> Self {
        Self::of(range.start, range.end, 0)
    }

    #[inline(always)]
    pub(super) fn of_span(span: Span) -> Self {
        match span {
            Span::Input(range) => Self::of(range.start, range.end, 0),
            Span::Arena(range) => Self::of(range.start, range.end, ARENA),
        }
    }

    /// As the value of one whose place this is: JSON or not.
    #[inline(always)]
    pub(super) fn as_json(self, is_json: bool) -> Self {
        let json = if is_json && !self.is_null() { JSON } else { 0 };
        Self {
            len: self.len | json,
            ..self
        }
    }

    #[inline(always)]
    pub(crate) fn is_null(self) -> bool {
        self.len == usize::MAX
    }

    /// Whether it is a value of JSON that is no string. Of no value it says nothing.
    #[inline(always)]
    pub(crate) fn is_json(self) -> bool {
        self.len & JSON != 0
    }

    /// Whether it is in the arena, and where.
    #[inline(always)]
    pub(crate) fn place(self) -> (bool, Range<usize>) {
        let range = self.start..self.start.saturating_add(self.len & LEN);
        (self.len & ARENA != 0, range)
    }

    /// As the batch has it: the builder's arena comes at `base` of the batch's.
    fn settled(self, base: usize) -> Self {
        match !self.is_null() && self.len & OWN != 0 {
            true => Self {
                start: self.start + base,
                len: self.len & !OWN | ARENA,
            },
            false => self,
        }
    }

    #[inline(always)]
    pub(super) fn span(self) -> Option<Span> {
        if self.is_null() {
            return None;
        }
        Some(match self.place() {
            (false, range) => Span::Input(range),
            (true, range) => Span::Arena(range),
        })
    }
}

/// Where the values of a column are.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// In the tokenizer's column of this index.
    Parsed(usize),
    Set(SetColumn),
}

impl SetColumn {
    #[inline]
    pub(super) fn spot(&self, row: usize) -> Spot {
        let at = match self.same {
            0 => self.rows.rank(row),
            same => (row < same).then_some(0),
        };
        let spot = at.and_then(|at| self.places.get(at));
        spot.copied().unwrap_or(Spot::NULL)
    }

    /// Whether only few rows have a value.
    pub(super) fn is_sparse(&self) -> bool {
        self.rows.is_sparse()
    }

    /// The value that all of so many rows have, if there is one and it is kept once.
    pub(super) fn same(&self, rows: usize) -> Option<Spot> {
        let first = self.places.first().copied();
        first.filter(|_| self.same > 0 && self.same == rows)
    }

    /// Gives so many rows the same value; the column must have none yet.
    #[cfg(feature = "enrich")]
    fn fill(&mut self, rows: usize, place: Spot) {
        if rows > 0 {
            self.places.push(place);
            self.same = rows;
        }
    }

    /// Makes a place for each row.
    #[cold]
    fn spread(&mut self) {
        if let Some(&place) = self.places.first() {
            self.places.resize(self.same, place);
        }
        for row in 0..self.same {
            self.rows.push(row);
        }
        self.same = 0;
    }

    /// Tells the rows of a range that have a value, and where it is.
    #[inline(always)]
    pub(super) fn each_in(&self, range: Range<usize>, mut each: impl FnMut(usize, Spot)) {
        if let Some(&place) = self.places.first().filter(|_| self.same > 0) {
            // There are none besides.
            if !place.is_null() {
                (range.start..range.end.min(self.same)).for_each(|row| each(row, place));
            }
            return;
        }
        let first = self.rows.count_before(range.start);
        let mut places = self.places.get(first..).unwrap_or_default().iter();
        self.rows.each_in(range, |row| {
            if let Some(place) = places.next().filter(|place| !place.is_null()) {
                each(row, *place);
            }
        });
    }

    #[inline(always)]
    fn push(&mut self, row: usize, place: Spot) {
        if self.same > 0 {
            self.spread();
        }
        match self.rows.push(row) {
            true => self.places.push(place),
            false => self.replace(row, place),
        }
    }

    /// The last value that is given to a row counts.
    #[cold]
    fn replace(&mut self, row: usize, place: Spot) {
        match self.rows.insert(row) {
            Ok(at) => {
                if let Some(slot) = self.places.get_mut(at) {
                    *slot = place;
                }
            }
            Err(at) => self.places.insert(at, place),
        }
    }
}

impl ColumnBuilder {
    /// A column without values.
    pub fn new() -> Self {
        Self::default()
    }

    /// A column without values, with room for as many.
    pub fn with_capacity(rows: usize) -> Self {
        let mut builder = Self::default();
        builder.values.places.reserve_exact(rows);
        builder
    }

    /// Gives a row the bytes of a place in the batch, as [`Column::span`](crate::Column::span) and
    /// [`Record::span_at`](crate::Record::span_at) say it. A place that is not in the batch is null.
    #[inline(always)]
    pub fn push_span(&mut self, row: usize, span: Span) {
        self.values.push(row, Spot::of_span(span));
    }

    /// [`push_span`](Self::push_span) for a value of JSON that is no string: see [`Column::is_json`].
    ///
    /// ```
    /// use opsbox_log::{ColumnBuilder, Field, Format, Parser, Span, export::ndjson::Ndjson};
    ///
    /// let mut batch = Parser::new(Format::pattern("took (?P<took>.*)")?).parse("took 12ms\n");
    /// let mut ms = ColumnBuilder::new();
    /// ms.push_json_span(0, Span::Input(5..7));
    /// batch.set_column(Field::new("ms"), ms)?;
    /// let mut out = Vec::new();
    /// Ndjson::new().append(&batch, &mut out);
    /// assert_eq!(out, b"{\"took\":\"12ms\",\"ms\":12}\n");
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    ///
    /// [`Column::is_json`]: crate::Column::is_json
    #[inline(always)]
    pub fn push_json_span(&mut self, row: usize, span: Span) {
        self.values.push(row, Spot::of_span(span).as_json(true));
    }

    /// Gives a row the value that a column of the batch has in some row, if there is one: where it is, and whether it is
    /// [JSON](crate::Column::is_json).
    #[inline]
    pub fn push_value_of(&mut self, row: usize, column: &Column<'_>, of: usize) {
        let spot = column.spot(of);
        if !spot.is_null() {
            self.values.push(row, spot);
        }
    }

    /// Gives a row a value of its own.
    #[inline]
    pub fn push_bytes(&mut self, row: usize, value: &[u8]) {
        self.push_with(row, |arena| arena.extend_from_slice(value));
    }

    /// [`push_bytes`](Self::push_bytes) for a value of JSON that is no string: see
    /// [`Column::is_json`](crate::Column::is_json).
    #[inline]
    pub fn push_json_bytes(&mut self, row: usize, value: &[u8]) {
        let start = self.arena.len();
        self.arena.extend_from_slice(value);
        let place = Spot::of(start, self.arena.len(), OWN | JSON);
        self.values.push(row, place);
    }

    /// Gives a row a value of its own that `write` appends.
    #[inline]
    pub fn push_with(&mut self, row: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.arena.len();
        write(&mut self.arena);
        let place = Spot::of(start, self.arena.len(), OWN);
        self.values.push(row, place);
    }

    /// Gives rows the same value, which is kept once.
    ///
    /// ```
    /// use opsbox_log::{ColumnBuilder, Field, Format, Parser};
    ///
    /// let mut batch = Parser::new(Format::preset("logfmt")?).parse("a=1\na=2\n");
    /// let mut host = ColumnBuilder::new();
    /// host.push_same(0..batch.len(), b"db-1");
    /// batch.set_column(Field::new("host.name"), host)?;
    /// assert_eq!(batch.record(1).unwrap().get("host.name"), Some(&b"db-1"[..]));
    /// assert_eq!(batch.arena(), b"db-1");
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    pub fn push_same(&mut self, rows: impl IntoIterator<Item = usize>, value: &[u8]) {
        let start = self.arena.len();
        self.arena.extend_from_slice(value);
        let place = Spot::of(start, self.arena.len(), OWN);
        for row in rows {
            self.values.push(row, place);
        }
    }

    /// Gives the first rows of a column without values the same one, which is kept once for all of them.
    #[cfg(feature = "enrich")]
    pub(crate) fn fill(&mut self, rows: usize, value: &[u8]) {
        let KeptValue(place) = self.keep(value);
        match self.is_empty() {
            true => self.values.fill(rows, place),
            false => (0..rows).for_each(|row| self.values.push(row, place)),
        }
    }

    /// Keeps a value for rows that are [given](Self::push_kept) it among others: once, whatever their number.
    ///
    /// ```
    /// use opsbox_log::ColumnBuilder;
    ///
    /// let mut values = ColumnBuilder::new();
    /// let unknown = values.keep(b"unknown");
    /// values.push_kept(0, unknown);
    /// values.push_bytes(1, b"db-1");
    /// values.push_kept(2, unknown);
    /// assert_eq!(values.rows(), 3);
    /// ```
    pub fn keep(&mut self, value: &[u8]) -> KeptValue {
        let start = self.arena.len();
        self.arena.extend_from_slice(value);
        KeptValue(Spot::of(start, self.arena.len(), OWN))
    }

    /// Gives a row a value that this builder [keeps](Self::keep). One of another builder gives other bytes, or none.
    #[inline]
    pub fn push_kept(&mut self, row: usize, value: KeptValue) {
        self.values.push(row, value.0);
    }

    /// The number of rows up to the last that was given a value.
    pub fn rows(&self) -> usize {
        self.values.rows.end().max(self.values.same)
    }

    /// Whether no row was given a value.
    pub fn is_empty(&self) -> bool {
        self.rows() == 0
    }
}

impl Rows {
    /// Puts a column in the place of the one of that name, or after all others.
    pub(super) fn set_columns(
        &mut self,
        columns: impl IntoIterator<Item = (Field, ColumnBuilder)>,
    ) -> Result<(), Error> {
        let (mut fields, mut sources) = self.take_columns();
        // They are not in the index yet.
        let mut added: HashMap<Box<str>, usize> = HashMap::new();
        let result = columns.into_iter().try_for_each(|(field, builder)| {
            let found = self.field_index(field.name());
            let found = found.or_else(|| added.get(field.name()).copied());
            check(&field, found.is_none(), fields.len())?;
            if builder.rows() > self.len() {
                let message = format!(
                    "it has {} rows, and the batch {}",
                    builder.rows(),
                    self.len()
                );
                return Err(refused(field.name(), message));
            }
            let base = self.arena.len();
            self.arena.extend_from_slice(&builder.arena);
            let mut values = builder.values;
            if !builder.arena.is_empty() {
                for place in &mut values.places {
                    *place = place.settled(base);
                }
            }
            match found {
                Some(at) => {
                    fields.splice(at..=at, [field]);
                    sources.splice(at..=at, [Source::Set(values)]);
                }
                None => {
                    added.insert(field.name().into(), fields.len());
                    fields.push(field);
                    sources.push(Source::Set(values));
                }
            }
            Ok(())
        });
        self.put_columns(fields, sources);
        result
    }

    pub(super) fn drop_column(&mut self, name: &str) -> bool {
        let Some(at) = self.field_index(name) else {
            return false;
        };
        let (mut fields, mut sources) = self.take_columns();
        fields.remove(at);
        sources.remove(at);
        self.put_columns(fields, sources);
        true
    }

    pub(super) fn rename_column(&mut self, from: &str, to: &str) -> Result<bool, Error> {
        let Some(at) = self.field_index(from) else {
            return Ok(false);
        };
        if from == to {
            return Ok(true);
        }
        if self.field_index(to).is_some() {
            let message = format!("there is a column {to:?} already");
            return Err(refused(from, message));
        }
        let (mut fields, sources) = self.take_columns();
        let renamed = fields
            .get(at)
            .map(|field| Field::new(to).with_type(field.data_type()));
        let result = renamed.map_or(Ok(()), |field| {
            check_name(to)?;
            fields.splice(at..=at, [field]);
            Ok(())
        });
        self.put_columns(fields, sources);
        result.map(|()| true)
    }

    /// The memory of the columns that were set, the first one last, and of the arena.
    pub(super) fn take_spare(&mut self) -> (impl Iterator<Item = ColumnBuilder>, Vec<u8>) {
        let sources = self.sources.take().unwrap_or_default();
        let columns = sources.into_iter().rev().filter_map(|source| match source {
            Source::Parsed(_) => None,
            Source::Set(mut values) => {
                values.places.clear();
                values.rows.clear();
                values.same = 0;
                Some(ColumnBuilder {
                    values,
                    arena: Vec::new(),
                })
            }
        });
        let mut arena = std::mem::take(&mut self.arena);
        arena.clear();
        (columns, arena)
    }

    fn take_columns(&mut self) -> (Vec<Field>, Vec<Source>) {
        let fields = self.fields().to_vec();
        let sources = self.sources.take();
        let sources = sources.unwrap_or_else(|| (0..fields.len()).map(Source::Parsed).collect());
        (fields, sources)
    }
}

/// Of a column that is there already, the name stays: a log may have an empty one.
fn check(field: &Field, is_new: bool, columns: usize) -> Result<(), Error> {
    if !is_new {
        return Ok(());
    }
    check_name(field.name())?;
    if columns >= MAX_COLUMNS {
        let message = format!("a batch has at most {MAX_COLUMNS} columns");
        return Err(refused(field.name(), message));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.len() > MAX_FIELD_NAME_BYTES {
        let message = format!(
            "its name has {} bytes, and must have 1 to {MAX_FIELD_NAME_BYTES}",
            name.len()
        );
        return Err(refused(name, message));
    }
    Ok(())
}

fn refused(name: &str, message: String) -> Error {
    let mut end = name.len().min(MAX_FIELD_NAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    Error::Column {
        column: name.get(..end).unwrap_or_default().to_owned(),
        message,
    }
}
