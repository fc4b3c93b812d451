//! What a tokenizer writes: where each field is, never the bytes of it.

use std::{collections::HashMap, ops::Range, sync::Arc};

use super::Room;
use crate::{
    format::Field,
    limits::{MAX_DISCOVERED_FIELDS, MAX_FIELD_NAME_BYTES},
    types::Type,
    unmatched::Reason,
};

/// A value's place: its beginning relative to the line, and its length, 16 bits each. What does not
/// fit is [`Cell::WIDE`] and has its place in the block's [wide](Block::wide) list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Cell(u32);

impl Cell {
    /// The value is absent.
    pub(crate) const NULL: Self = Self(u32::MAX);
    /// The value's place is in the wide list.
    const WIDE: Self = Self(0xffff_0000);

    /// A place that was packed as `start | len << 16`.
    #[inline(always)]
    pub(crate) const fn packed(place: u32) -> Self {
        Self(place)
    }

    fn narrow(range: &Range<usize>) -> Option<Self> {
        let start = u16::try_from(range.start).ok()?;
        let len = u16::try_from(range.len())
            .ok()
            .filter(|&len| len != u16::MAX)?;
        Some(Self(u32::from(start) | u32::from(len) << 16))
    }

    /// `start | len << 16`, or what stands for a value without a place of its own.
    #[cfg(feature = "arrow")]
    #[inline(always)]
    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    /// Beginning and length, if it has a place of its own.
    #[cfg(feature = "arrow")]
    #[inline(always)]
    pub(crate) const fn near(self) -> (u32, u32) {
        (self.0 & 0xffff, self.0 >> 16)
    }

    /// The range in the line.
    #[inline]
    pub(super) fn range(self) -> Result<Range<usize>, NotNarrow> {
        match self {
            Self::NULL => Err(NotNarrow::Null),
            Self::WIDE => Err(NotNarrow::Wide),
            Self(place) => {
                let start = (place & 0xffff) as usize;
                Ok(start..start + (place >> 16) as usize)
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotNarrow {
    Null,
    Wide,
}

/// A value's place that does not fit into a cell, or is not in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wide {
    /// The cell's index in the block.
    pub(super) cell: usize,
    /// Relative to the line, or to the block's arena.
    pub(super) start: usize,
    pub(super) len: u32,
    pub(super) in_arena: bool,
}

/// Rows that [`Block::open`] makes room for at once.
#[cfg(feature = "json")]
const ROWS_AHEAD: usize = 32;

/// Where a value is, as a tokenizer says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Null,
    /// A range of the line.
    Line(Range<usize>),
    /// A range of the block's arena.
    Arena(Range<usize>),
}

/// What the values under a key are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Columns are those that are found.
    Discovered,
    /// The fixed column of this index.
    Field(usize),
    /// No fixed column.
    No,
}

/// An unmatched line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnmatchedMark {
    /// Offset in the batch's input.
    pub(crate) start: usize,
    /// Lines before it.
    pub(crate) index: u64,
    /// Bytes of the line; more than the input holds if a reader cut it.
    pub(crate) len: u64,
    pub(crate) reason: Reason,
}

/// The rows of a part of an input that is shorter than 4 GiB. One line is written at a time: cells
/// first, then [`Block::commit`] or [`Block::reject`].
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// Where the part begins in the batch's input.
    pub(super) base: usize,
    pub(super) columns: Columns,
    pub(super) cells: Vec<Cell>,
    /// Where each row's line begins, relative to `base`.
    pub(super) lines: Vec<u32>,
    /// In the order of their cells.
    pub(super) wide: Vec<Wide>,
    pub(super) unmatched: Vec<UnmatchedMark>,
    pub(super) arena: Vec<u8>,
    /// Most columns that one line added before it was refused for another reason than their number,
    /// in a block that does not know the columns before it.
    pub(super) attempted: usize,
    /// The rows that are longer than their text: row, and bytes in the input.
    pub(super) cut: Vec<(usize, u64)>,
    /// Of rows and unmatched that may have several lines.
    pub(super) spans: Option<Spans>,
    /// Whether the columns are found from those of the blocks before it on.
    follows: bool,
    /// What the line being written may fall back to.
    mark: Mark,
}

/// Which lines and bytes the rows take, where that does not follow from their number.
#[derive(Clone, Debug, Default)]
pub(super) struct Spans {
    /// Lines of the block before each row.
    pub(super) lines: Vec<u32>,
    /// Bytes of each row's text.
    pub(super) lens: Vec<u32>,
    /// All lines of the block.
    pub(super) line_count: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    cells: usize,
    wide: usize,
    arena: usize,
    fields: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Columns {
    /// Each row has a cell for each field.
    Fixed(Arc<[Field]>),
    /// Each row has the cells of its own keys.
    Discovered(Discovered),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Discovered {
    pub(super) fields: Vec<Field>,
    pub(super) index: HashMap<Box<str>, u16>,
    /// The field of each cell.
    pub(super) ids: Vec<u16>,
    /// Where each row's cells begin.
    pub(super) starts: Vec<usize>,
}

impl Block {
    /// A block with these columns; if there are none, with those that are found.
    pub(crate) fn new(fields: Arc<[Field]>, base: usize) -> Self {
        let columns = match fields.is_empty() {
            true => Columns::Discovered(Discovered::default()),
            false => Columns::Fixed(fields),
        };
        Self {
            base,
            columns,
            cells: Vec::new(),
            lines: Vec::new(),
            wide: Vec::new(),
            unmatched: Vec::new(),
            arena: Vec::new(),
            attempted: 0,
            cut: Vec::new(),
            spans: None,
            follows: false,
            mark: Mark::default(),
        }
    }

    /// A block with the columns that the one before it ended with, found ones included.
    pub(crate) fn after(previous: &Self, base: usize) -> Self {
        let columns = match &previous.columns {
            Columns::Fixed(fields) => Columns::Fixed(Arc::clone(fields)),
            Columns::Discovered(columns) => Columns::Discovered(Discovered {
                fields: columns.fields.clone(),
                index: columns.index.clone(),
                ..Discovered::default()
            }),
        };
        let mut block = Self {
            columns,
            follows: true,
            spans: previous.spans.as_ref().map(|_| Spans::default()),
            ..Self::new(Arc::default(), base)
        };
        block.begin();
        block
    }

    /// Writes to this memory.
    pub(crate) fn within(mut self, room: Room) -> Self {
        (self.cells, self.lines) = (room.cells, room.lines);
        self.cells.clear();
        self.lines.clear();
        self
    }

    /// Lets rows have several lines, each told to [`end_record`](Self::end_record).
    pub(crate) fn spanning(mut self) -> Self {
        self.spans = Some(Spans::default());
        self
    }

    /// The lines so far.
    pub(crate) fn line_count(&self) -> u64 {
        match &self.spans {
            None => (self.lines.len() + self.unmatched.len()) as u64,
            Some(spans) => spans.line_count,
        }
    }

    /// Adds the next field's place of fixed columns.
    pub(crate) fn push(&mut self, place: Place) {
        let at = self.cells.len();
        let cell = self.cell(at, place);
        self.cells.push(cell);
    }

    /// Adds the cells of fixed columns from their beginnings and ends, two places each.
    pub(crate) fn push_places(&mut self, places: &[u32]) {
        for place in places.chunks_exact(2) {
            match *place {
                [start, end] if start != u32::MAX && end != u32::MAX => {
                    let range = start as usize..(end as usize).max(start as usize);
                    match Cell::narrow(&range) {
                        Some(cell) => self.cells.push(cell),
                        None => self.push(Place::Line(range)),
                    }
                }
                _ => self.cells.push(Cell::NULL),
            }
        }
    }

    /// Adds whole rows of fixed columns: where their lines begin, relative to the block, and as many
    /// cells for each as there are columns.
    pub(crate) fn extend_rows(&mut self, lines: &[u32], cells: impl Iterator<Item = Cell>) {
        self.lines.extend_from_slice(lines);
        self.cells.extend(cells);
        self.mark.cells = self.cells.len();
    }

    /// Makes room for the rows of `all` bytes, of which `read` gave the rows so far. Growing by
    /// doubling would copy them, and touch twice the memory.
    pub(crate) fn reserve_for(&mut self, read: usize, all: usize) {
        let missing = all.saturating_sub(read) as u64;
        // In parts of 1,024, so that nothing overflows; a twentieth more than the rows so far say.
        let share = |len: usize| {
            let more = len as u64 * 21 / 20 * (missing / 1024 + 1) / (read as u64 / 1024 + 1);
            usize::try_from(more).unwrap_or(0)
        };
        if self.lines.capacity() - self.lines.len() < self.lines.len() / 16 + 64 {
            self.lines.reserve_exact(share(self.lines.len()) + 64);
            self.cells.reserve_exact(share(self.cells.len()) + 1024);
        }
    }

    /// Where the block's lines count from.
    pub(crate) fn base(&self) -> usize {
        self.base
    }

    /// Begins a row of fixed columns without values. Until [taken back](Self::take_back), there are
    /// cells of some rows more: one call for many rows costs less than one for each.
    #[inline(always)]
    #[cfg(feature = "json")]
    pub(crate) fn open(&mut self) {
        let fields = self.field_count();
        if self.cells.len() < self.mark.cells + fields {
            let rows = self.mark.cells + ROWS_AHEAD * fields;
            self.cells.resize(rows, Cell::NULL);
        }
    }

    #[cfg(feature = "json")]
    fn field_count(&self) -> usize {
        match &self.columns {
            Columns::Fixed(fields) => fields.len(),
            Columns::Discovered(_) => 0,
        }
    }

    /// The cells of the row that was [begun](Self::open).
    #[inline(always)]
    #[cfg(feature = "json")]
    pub(crate) fn row(&mut self) -> &mut [Cell] {
        let end = self.mark.cells + self.field_count();
        let row = self.cells.get_mut(self.mark.cells..end);
        row.unwrap_or_default()
    }

    /// Ends a row that was [begun](Self::open), of the line that begins at `start`.
    #[inline(always)]
    #[cfg(feature = "json")]
    pub(crate) fn close(&mut self, start: usize) {
        if self.wide.len() > self.mark.wide {
            self.sort_wide();
            self.mark.wide = self.wide.len();
            self.mark.arena = self.arena.len();
        }
        // Blocks are shorter than 4 GiB.
        let start = u32::try_from(start - self.base).unwrap_or(u32::MAX);
        self.lines.push(start);
        self.mark.cells += self.field_count();
    }

    #[cold]
    fn sort_wide(&mut self) {
        let written = self.wide.get_mut(self.mark.wide..).unwrap_or_default();
        written.sort_unstable_by_key(|wide| wide.cell);
    }

    /// What values under a key are for.
    pub(crate) fn column(&self, name: &str) -> Wanted {
        match &self.columns {
            Columns::Discovered(_) => Wanted::Discovered,
            Columns::Fixed(fields) => {
                let found = fields.iter().position(|field| field.name() == name);
                found.map_or(Wanted::No, Wanted::Field)
            }
        }
    }

    pub(crate) fn arena_len(&self) -> usize {
        self.arena.len()
    }

    /// Takes back what the line being written put into the arena from here on.
    pub(crate) fn truncate_arena(&mut self, len: usize) {
        self.arena.truncate(len.max(self.mark.arena));
    }

    /// Adds a place under a key as a column that is found. Fixed columns are [set](Self::set).
    pub(crate) fn push_named(&mut self, name: &str, place: Place) -> Result<(), Reason> {
        let position = self.cells.len() - self.mark.cells;
        if let Columns::Discovered(columns) = &mut self.columns {
            let id = columns.id(name, position)?;
            columns.ids.push(id);
            self.push(place);
        }
        Ok(())
    }

    /// Sets the place of a field of the line being written; the last one given counts.
    pub(crate) fn set(&mut self, field: usize, place: Place) {
        let Columns::Fixed(fields) = &self.columns else {
            return;
        };
        let end = self.mark.cells + fields.len();
        if self.cells.len() < end {
            self.cells.resize(end, Cell::NULL);
        }
        let at = self.mark.cells + field;
        let written = self.wide.get(self.mark.wide..).unwrap_or_default();
        if written.iter().any(|wide| wide.cell == at) {
            let written = self.wide.split_off(self.mark.wide);
            self.wide
                .extend(written.into_iter().filter(|wide| wide.cell != at));
        }
        let cell = self.cell(at, place);
        if let Some(slot) = self.cells.get_mut(at) {
            *slot = cell;
        }
    }

    /// The cell of a place, for the index `at`.
    fn cell(&mut self, at: usize, place: Place) -> Cell {
        let (range, in_arena) = match place {
            Place::Null => return Cell::NULL,
            Place::Line(range) => match Cell::narrow(&range) {
                Some(cell) => return cell,
                None => (range, false),
            },
            Place::Arena(range) => (range, true),
        };
        self.wide.push(Wide {
            cell: at,
            start: range.start,
            len: u32::try_from(range.len()).unwrap_or(u32::MAX),
            in_arena,
        });
        Cell::WIDE
    }

    /// Writes a value into the arena, through `write`, and returns its place.
    pub(crate) fn arena_place(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Place {
        let start = self.arena.len();
        write(&mut self.arena);
        Place::Arena(start..self.arena.len())
    }

    /// Says that the row being written has `len` bytes in the input, more than its text.
    pub(crate) fn cut(&mut self, len: u64) {
        self.cut.push((self.lines.len(), len));
    }

    /// Lets the value that ends where the row's first line does, at `from`, go on to `to`: of several
    /// the one that begins last. Only text can go on.
    pub(crate) fn extend_last(&mut self, from: usize, to: usize) {
        let Columns::Fixed(fields) = &self.columns else {
            return;
        };
        let written = self.cells.get(self.mark.cells..).unwrap_or_default();
        let starts = fields
            .iter()
            .zip(written)
            .enumerate()
            .zip(self.mark.cells..);
        let starts = starts.filter_map(|((index, (field, cell)), at)| {
            let range = match cell.range() {
                Ok(range) => range,
                Err(NotNarrow::Null) => return None,
                Err(NotNarrow::Wide) => {
                    let mut wide = self.wide.iter().rev();
                    let wide = wide.find(|wide| wide.cell == at && !wide.in_arena)?;
                    wide.start..wide.start + wide.len as usize
                }
            };
            let fits = range.end == from && field.data_type() == Type::Text;
            fits.then_some((range.start, index))
        });
        if let Some((start, index)) = starts.max() {
            self.set(index, Place::Line(start..to));
        }
    }

    /// Adds the lines of the row or unmatched record that was ended last. `len`: bytes of a row's text.
    pub(crate) fn end_record(&mut self, len: usize, lines: u32) {
        if let Some(spans) = &mut self.spans {
            // The block's rows that have no lines yet: one, or none if it was refused.
            if spans.lines.len() < self.lines.len() {
                // Only the first row of a block can begin after as many lines.
                let before = u32::try_from(spans.line_count).unwrap_or(u32::MAX);
                spans.lines.push(before);
                spans.lens.push(u32::try_from(len).unwrap_or(u32::MAX));
            }
            spans.line_count += u64::from(lines);
        }
    }

    /// Ends the line, which begins at `start` of the input, as a row.
    pub(crate) fn commit(&mut self, start: usize) {
        match &mut self.columns {
            // Keys that the line does not have.
            Columns::Fixed(fields) => self
                .cells
                .resize(self.mark.cells + fields.len(), Cell::NULL),
            Columns::Discovered(columns) => columns.starts.push(self.mark.cells),
        }
        if self.wide.len() > self.mark.wide {
            self.sort_wide();
        }
        // Blocks are shorter than 4 GiB.
        self.lines
            .push(u32::try_from(start - self.base).unwrap_or(u32::MAX));
        self.begin();
    }

    /// Ends the line as unmatched; what was written of it is taken back.
    pub(crate) fn reject(&mut self, start: usize, len: u64, reason: Reason) {
        self.take_back();
        if let Columns::Discovered(columns) = &mut self.columns {
            columns.ids.truncate(self.mark.cells);
            if !self.follows && !matches!(reason, Reason::TooManyFields { .. }) {
                let added = columns.fields.len().saturating_sub(self.mark.fields);
                self.attempted = self.attempted.max(added);
            }
            for field in columns.fields.drain(self.mark.fields..) {
                columns.index.remove(field.name());
            }
        }
        self.unmatched.push(UnmatchedMark {
            start,
            index: self.line_count(),
            len,
            reason,
        });
        self.begin();
    }

    /// Takes back the values of the line.
    pub(crate) fn take_back(&mut self) {
        self.cells.truncate(self.mark.cells);
        self.wide.truncate(self.mark.wide);
        self.arena.truncate(self.mark.arena);
    }

    fn begin(&mut self) {
        self.mark = Mark {
            cells: self.cells.len(),
            wide: self.wide.len(),
            arena: self.arena.len(),
            fields: match &self.columns {
                Columns::Fixed(_) => 0,
                Columns::Discovered(columns) => columns.fields.len(),
            },
        };
    }
}

impl Discovered {
    /// The id of a key, new keys included. `position` is the cell's place in its row: rows with the
    /// keys of the row before, in its order, need no look-up.
    fn id(&mut self, name: &str, position: usize) -> Result<u16, Reason> {
        let expected = self
            .starts
            .last()
            .and_then(|&start| self.ids.get(start + position).copied());
        if let Some(id) = expected {
            let known = self.fields.get(usize::from(id));
            if known.is_some_and(|field| field.name() == name) {
                return Ok(id);
            }
        }
        if let Some(&id) = self.index.get(name) {
            return Ok(id);
        }
        self.add(name)
    }

    pub(super) fn add(&mut self, name: &str) -> Result<u16, Reason> {
        if name.len() > MAX_FIELD_NAME_BYTES {
            return Err(Reason::FieldNameTooLong {
                limit: MAX_FIELD_NAME_BYTES,
            });
        }
        match u16::try_from(self.fields.len()) {
            Ok(id) if usize::from(id) < MAX_DISCOVERED_FIELDS => {
                self.fields.push(Field::new(name));
                self.index.insert(name.into(), id);
                Ok(id)
            }
            _ => Err(Reason::TooManyFields {
                limit: MAX_DISCOVERED_FIELDS,
            }),
        }
    }
}
