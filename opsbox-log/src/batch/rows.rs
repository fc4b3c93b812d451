//! What a batch stores: where each field is, never the bytes of it.

use std::{collections::HashMap, ops::Range, sync::Arc};

use crate::{
    format::Field,
    limits::{MAX_DISCOVERED_FIELDS, MAX_FIELD_NAME_BYTES},
    unmatched::Reason,
};

/// Where the bytes of a value are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Span {
    /// A range of the batch's input.
    Input(Range<usize>),
    /// A range of the batch's arena, for a value whose bytes differ from the input's: a string with
    /// escapes.
    Arena(Range<usize>),
}

/// A value's place, relative to its line: 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    start: u32,
    len: u32,
}

/// Marks a length as one in the arena. Lines are shorter than this, see `limits::MAX_LINE_BYTES`.
const IN_ARENA: u32 = 1 << 31;

impl Cell {
    /// The value is absent.
    pub(crate) const NULL: Self = Self {
        start: 0,
        len: u32::MAX,
    };

    /// A range of the line. Ranges that cannot be inside a line come out as null.
    pub(crate) fn line(range: Range<usize>) -> Self {
        match (u32::try_from(range.start), u32::try_from(range.len())) {
            (Ok(start), Ok(len)) if len < IN_ARENA => Self { start, len },
            _ => Self::NULL,
        }
    }

    /// Where the value is, if there is one.
    fn span(self, line: &LineMark) -> Option<Span> {
        if self.len == u32::MAX {
            return None;
        }
        let in_arena = self.len & IN_ARENA != 0;
        let base = if in_arena { line.arena } else { line.start };
        let start = base + self.start as usize;
        let range = start..start + (self.len & !IN_ARENA) as usize;
        Some(match in_arena {
            true => Span::Arena(range),
            false => Span::Input(range),
        })
    }
}

/// A matched line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineMark {
    /// Offset in the batch's input.
    pub(crate) start: usize,
    /// Start of this line's part of the arena.
    arena: usize,
    /// Line number, from 1, counted over the whole input.
    pub(crate) number: u64,
    pub(crate) len: u32,
}

/// An unmatched line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnmatchedMark {
    /// Offset in the batch's input.
    pub(crate) start: usize,
    pub(crate) number: u64,
    /// Bytes of the line; more than the input holds if a reader cut it.
    pub(crate) len: u64,
    pub(crate) reason: Reason,
}

/// The rows of a batch. One line is written at a time: cells first, then [`Rows::commit`] or
/// [`Rows::reject`].
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    columns: Columns,
    cells: Vec<Cell>,
    lines: Vec<LineMark>,
    unmatched: Vec<UnmatchedMark>,
    arena: Vec<u8>,
    /// What the line being written may fall back to.
    mark: Mark,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    cells: usize,
    arena: usize,
    fields: usize,
}

#[derive(Clone, Debug)]
enum Columns {
    /// Each row has a cell for each field.
    Fixed(Arc<[Field]>),
    /// Each row has the cells of its own keys.
    Discovered(Discovered),
}

#[derive(Clone, Debug, Default)]
struct Discovered {
    fields: Vec<Field>,
    index: HashMap<Box<str>, u16>,
    /// The field of each cell.
    ids: Vec<u16>,
    /// Where each row's cells begin.
    starts: Vec<usize>,
}

impl Rows {
    pub(crate) fn fixed(fields: Arc<[Field]>) -> Self {
        Self::new(Columns::Fixed(fields))
    }

    pub(crate) fn discovered() -> Self {
        Self::new(Columns::Discovered(Discovered::default()))
    }

    fn new(columns: Columns) -> Self {
        Self {
            columns,
            cells: Vec::new(),
            lines: Vec::new(),
            unmatched: Vec::new(),
            arena: Vec::new(),
            mark: Mark::default(),
        }
    }

    /// Adds the next field's cell of a fixed format.
    pub(crate) fn push(&mut self, cell: Cell) {
        self.cells.push(cell);
    }

    /// Adds the cells of a fixed format from their beginnings and ends, two places each.
    pub(crate) fn push_places(&mut self, places: &[u32]) {
        let cells = places.chunks_exact(2).map(|place| match *place {
            [start, end] if start != u32::MAX && end != u32::MAX => Cell {
                start,
                len: end.saturating_sub(start),
            },
            _ => Cell::NULL,
        });
        self.cells.extend(cells);
    }

    /// Adds a cell under a key of a format whose keys are in the line.
    pub(crate) fn push_named(&mut self, name: &str, cell: Cell) -> Result<(), Reason> {
        let position = self.cells.len() - self.mark.cells;
        let columns = match &mut self.columns {
            Columns::Discovered(columns) => columns,
            Columns::Fixed(fields) => {
                if let Some(at) = fields.iter().position(|field| field.name() == name) {
                    self.cells
                        .resize(self.mark.cells + fields.len(), Cell::NULL);
                    if let Some(slot) = self.cells.get_mut(self.mark.cells + at) {
                        *slot = cell;
                    }
                }
                return Ok(());
            }
        };
        let id = columns.id(name, position)?;
        columns.ids.push(id);
        self.cells.push(cell);
        Ok(())
    }

    /// Whether a fixed format has this column.
    #[cfg(feature = "json")]
    pub(crate) fn is_column(&self, name: &str) -> bool {
        match &self.columns {
            Columns::Fixed(fields) => fields.iter().any(|field| field.name() == name),
            Columns::Discovered(_) => false,
        }
    }

    /// Writes a value into the arena, through `write`, and returns its cell.
    pub(crate) fn arena_cell(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Cell {
        let start = self.arena.len();
        write(&mut self.arena);
        match Cell::line(start - self.mark.arena..self.arena.len() - self.mark.arena) {
            Cell::NULL => Cell::NULL,
            Cell { start, len } => Cell {
                start,
                len: len | IN_ARENA,
            },
        }
    }

    /// Ends the line as a row.
    pub(crate) fn commit(&mut self, number: u64, line: Range<usize>) {
        if let Columns::Fixed(fields) = &self.columns {
            // Keys that the line does not have.
            let full = self.mark.cells + fields.len();
            self.cells.resize(full, Cell::NULL);
        }
        let len = u32::try_from(line.len()).unwrap_or(u32::MAX);
        self.lines.push(LineMark {
            start: line.start,
            arena: self.mark.arena,
            number,
            len,
        });
        if let Columns::Discovered(columns) = &mut self.columns {
            columns.starts.push(self.mark.cells);
        }
        self.begin();
    }

    /// Ends the line as unmatched; what was written of it is taken back.
    pub(crate) fn reject(&mut self, number: u64, start: usize, len: u64, reason: Reason) {
        self.cells.truncate(self.mark.cells);
        self.arena.truncate(self.mark.arena);
        if let Columns::Discovered(columns) = &mut self.columns {
            columns.ids.truncate(self.mark.cells);
            for field in columns.fields.drain(self.mark.fields..) {
                columns.index.remove(field.name());
            }
        }
        self.unmatched.push(UnmatchedMark {
            start,
            number,
            len,
            reason,
        });
        self.begin();
    }

    fn begin(&mut self) {
        self.mark = Mark {
            cells: self.cells.len(),
            arena: self.arena.len(),
            fields: self.fields().len(),
        };
    }

    pub(crate) fn fields(&self) -> &[Field] {
        match &self.columns {
            Columns::Fixed(fields) => fields,
            Columns::Discovered(columns) => &columns.fields,
        }
    }

    pub(crate) fn field_index(&self, name: &str) -> Option<usize> {
        match &self.columns {
            Columns::Fixed(fields) => fields.iter().position(|field| field.name() == name),
            Columns::Discovered(columns) => columns.index.get(name).map(|&id| usize::from(id)),
        }
    }

    pub(crate) fn lines(&self) -> &[LineMark] {
        &self.lines
    }

    pub(crate) fn unmatched(&self) -> &[UnmatchedMark] {
        &self.unmatched
    }

    pub(crate) fn arena(&self) -> &[u8] {
        &self.arena
    }

    /// Where a value is; `None` if it is absent.
    pub(crate) fn span(&self, row: usize, field: usize) -> Option<Span> {
        let line = self.lines.get(row)?;
        self.cell(row, field)?.span(line)
    }

    /// Where the values of a row are; `out` has a place for each field.
    #[cfg(feature = "arrow")]
    pub(crate) fn spans(&self, row: usize, out: &mut [Option<Span>]) {
        out.fill(None);
        let (Some(line), Some(range)) = (self.lines.get(row), self.row_cells(row)) else {
            return;
        };
        let cells = self.cells.get(range.clone()).unwrap_or_default();
        let spans = cells.iter().map(|cell| cell.span(line));
        match &self.columns {
            Columns::Fixed(_) => out
                .iter_mut()
                .zip(spans)
                .for_each(|(out, span)| *out = span),
            Columns::Discovered(columns) => {
                let ids = columns.ids.get(range).unwrap_or_default();
                for (&id, span) in ids.iter().zip(spans) {
                    if let Some(out) = out.get_mut(usize::from(id)) {
                        *out = span;
                    }
                }
            }
        }
    }

    /// The bytes of a value.
    pub(crate) fn value<'b>(
        &'b self,
        input: &'b [u8],
        row: usize,
        field: usize,
    ) -> Option<&'b [u8]> {
        match self.span(row, field)? {
            Span::Input(range) => input.get(range),
            Span::Arena(range) => self.arena.get(range),
        }
    }

    fn cell(&self, row: usize, field: usize) -> Option<Cell> {
        let range = self.row_cells(row)?;
        let at = match &self.columns {
            Columns::Fixed(_) => field,
            Columns::Discovered(columns) => {
                let id = u16::try_from(field).ok()?;
                // The last of two equal keys wins, as in JSON parsers.
                let ids = columns.ids.get(range.clone())?;
                ids.iter().rposition(|&it| it == id)?
            }
        };
        self.cells.get(range)?.get(at).copied()
    }

    /// Which cells are a row's.
    fn row_cells(&self, row: usize) -> Option<Range<usize>> {
        match &self.columns {
            Columns::Fixed(fields) => {
                let first = row * fields.len();
                Some(first..first + fields.len())
            }
            Columns::Discovered(columns) => {
                let next = columns.starts.get(row + 1).copied();
                Some(*columns.starts.get(row)?..next.unwrap_or(self.cells.len()))
            }
        }
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
