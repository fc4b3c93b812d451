//! What a tokenizer writes: where each field is, never the bytes of it.

use std::{collections::HashMap, ops::Range, sync::Arc};

use crate::{
    format::Field,
    limits::{MAX_DISCOVERED_FIELDS, MAX_FIELD_NAME_BYTES},
    unmatched::Reason,
};

/// A value's place: its beginning relative to the line, and its length, 16 bits each. What does not
/// fit is [`Cell::WIDE`] and has its place in the block's [wide](Block::wide) list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Cell(u32);

/// Longest value, and line, whose places are all narrow.
pub(crate) const NARROW_BYTES: usize = 0xfffe;

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

    /// The range in the line.
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
    /// What the line being written may fall back to.
    mark: Mark,
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
            mark: Mark::default(),
        }
    }

    /// The lines so far.
    pub(crate) fn line_count(&self) -> u64 {
        (self.lines.len() + self.unmatched.len()) as u64
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

    /// Writes whole rows of fixed columns at once: `rows` adds to the lines' beginnings, relative to
    /// the block, and to the cells, as many for each line as there are columns.
    #[inline(always)]
    pub(crate) fn extend_rows(&mut self, rows: impl FnOnce(&mut Vec<u32>, &mut Vec<Cell>)) {
        rows(&mut self.lines, &mut self.cells);
        self.mark.cells = self.cells.len();
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

    /// Takes back the values of the row that was [begun](Self::open), which stays begun.
    #[cold]
    #[cfg(feature = "json")]
    pub(crate) fn clear(&mut self) {
        let end = self.mark.cells + self.field_count();
        let row = self.cells.get_mut(self.mark.cells..end);
        row.unwrap_or_default().fill(Cell::NULL);
        self.wide.truncate(self.mark.wide);
        self.arena.truncate(self.mark.arena);
    }

    #[cfg(feature = "json")]
    fn field_count(&self) -> usize {
        match &self.columns {
            Columns::Fixed(fields) => fields.len(),
            Columns::Discovered(_) => 0,
        }
    }

    /// Sets the cell of a field of the row that was [begun](Self::open), in place of what was there.
    #[inline(always)]
    #[cfg(feature = "json")]
    pub(crate) fn put(&mut self, field: usize, cell: Cell) {
        if let Some(slot) = self.cells.get_mut(self.mark.cells + field) {
            *slot = cell;
        }
    }

    /// Makes room for the rows of `left` bytes of lines like those so far, of `seen` bytes.
    #[cfg(feature = "json")]
    pub(crate) fn expect_rows(&mut self, seen: usize, left: usize) {
        let times = (left / seen.max(1)).saturating_add(1);
        let room = |len: usize| len.saturating_mul(times).min(left);
        // A hint: where there is not so much memory, or more is needed, the vectors grow by themselves.
        let lines = self.lines.try_reserve(room(self.lines.len()));
        let cells = self.cells.try_reserve(room(self.cells.len()));
        lines.and(cells).unwrap_or_default();
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
        self.unmatched.push(UnmatchedMark {
            start,
            index: self.line_count(),
            len,
            reason,
        });
        self.begin();
    }

    /// Takes back what was written of the line.
    pub(crate) fn take_back(&mut self) {
        self.cells.truncate(self.mark.cells);
        self.wide.truncate(self.mark.wide);
        self.arena.truncate(self.mark.arena);
        if let Columns::Discovered(columns) = &mut self.columns {
            columns.ids.truncate(self.mark.cells);
            for field in columns.fields.drain(self.mark.fields..) {
                columns.index.remove(field.name());
            }
        }
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
