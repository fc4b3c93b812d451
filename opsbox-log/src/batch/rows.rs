//! The blocks of a batch as one sequence of rows.

use std::{
    collections::{HashMap, hash_map::Entry},
    ops::Range,
    sync::Arc,
};

use super::Room;
use super::block::{Block, Cell, Columns, NotNarrow, Spans, UnmatchedMark, Wide};
use super::changed::{Source, Spot};
#[cfg(feature = "arrow")]
use crate::scan::{self, Chosen, Kernel, Simd, TOGETHER, ViewColumn, Work};
use crate::{format::Field, limits::MAX_DISCOVERED_FIELDS};

/// Where the bytes of a value are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Span {
    /// A range of the batch's input.
    Input(Range<usize>),
    /// A range of the batch's arena, for a value whose bytes differ from the input's: a string with
    /// escapes, or what a later stage wrote.
    Arena(Range<usize>),
}

/// All rows of a batch, in the order of their lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    fields: Arc<[Field]>,
    /// If there may be many.
    index: Option<HashMap<Box<str>, u16>>,
    /// The tokenizer's columns, of which fixed ones have a cell in each row.
    parsed: usize,
    /// Where each column's values are, if not all are in the tokenizer's of the same index.
    pub(super) sources: Option<Vec<Source>>,
    parts: Vec<Part>,
    len: usize,
    unmatched: Vec<UnmatchedMark>,
    pub(super) arena: Vec<u8>,
    /// Rows that are longer than their text, and their bytes in the input.
    cut: Vec<(usize, u64)>,
    line_count: u64,
    spanning: bool,
    /// Whether the tokenizer's values are those of JSON: then strings are between quotes, and nothing else is behind one.
    json: bool,
}

/// The rows of one block.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    base: usize,
    /// Rows before it.
    first_row: usize,
    /// Bytes in the arena before its own.
    arena: usize,
    cells: Vec<Cell>,
    lines: Vec<u32>,
    wide: Vec<Wide>,
    keyed: Option<Keyed>,
    /// Lines before it.
    first_line: u64,
    spans: Option<Spans>,
}

/// Rows that have the cells of their own keys.
#[derive(Clone, Debug)]
struct Keyed {
    /// The column of each cell.
    ids: Vec<u16>,
    /// Where each row's cells begin.
    starts: Vec<usize>,
}

/// The blocks together have more columns than a batch may discover.
#[derive(Debug)]
pub(crate) struct TooManyColumns;

impl Rows {
    /// The rows of blocks that follow each other in the input, as one block of the whole would have
    /// them.
    ///
    /// Blocks that found their columns each for itself fail where a line may have met the limit of
    /// columns in one block of the whole, and did not in its own.
    pub(crate) fn join(blocks: Vec<Block>) -> Result<Self, TooManyColumns> {
        let mut fields = Arc::default();
        let mut found: Vec<Field> = Vec::new();
        let mut index = None;
        let mut parts = Vec::with_capacity(blocks.len());
        let (mut len, mut line_count) = (0, 0);
        let (mut unmatched, mut arena, mut cut) = (Vec::new(), Vec::new(), Vec::new());
        let mut spanning = false;
        for block in blocks {
            let (first_row, first_line) = (len, line_count);
            len += block.lines.len();
            line_count += block.line_count();
            spanning |= block.spans.is_some();
            let keyed = match block.columns {
                Columns::Fixed(columns) => {
                    fields = columns;
                    None
                }
                Columns::Discovered(columns) => {
                    let index = index.get_or_insert_with(HashMap::new);
                    let mut ids = columns.ids;
                    let global = add(index, &mut found, columns.fields)?;
                    if !parts.is_empty() && found.len() + block.attempted > MAX_DISCOVERED_FIELDS {
                        return Err(TooManyColumns);
                    }
                    for id in &mut ids {
                        *id = global.get(usize::from(*id)).copied().unwrap_or(*id);
                    }
                    Some(Keyed {
                        ids,
                        starts: columns.starts,
                    })
                }
            };
            parts.push(Part {
                base: block.base,
                first_row,
                arena: arena.len(),
                cells: block.cells,
                lines: block.lines,
                wide: block.wide,
                keyed,
                first_line,
                spans: block.spans,
            });
            cut.extend(
                block
                    .cut
                    .into_iter()
                    .map(|(row, len)| (first_row + row, len)),
            );
            append(&mut arena, block.arena);
            let marks = block.unmatched.into_iter().map(|mark| UnmatchedMark {
                index: first_line + mark.index,
                ..mark
            });
            match first_line {
                0 => unmatched = marks.collect(),
                _ => unmatched.extend(marks),
            }
        }
        if index.is_some() {
            fields = found.into();
        }
        Ok(Self {
            parsed: fields.len(),
            sources: None,
            fields,
            index,
            parts,
            len,
            unmatched,
            arena,
            cut,
            line_count,
            spanning,
            json: false,
        })
    }

    /// Says whether the lines are JSON.
    pub(crate) fn of_json(mut self, json: bool) -> Self {
        self.json = json;
        self
    }

    /// The memory of the rows.
    pub(crate) fn into_rooms(self) -> impl Iterator<Item = Room> {
        let parts = self.parts.into_iter();
        parts.map(|Part { cells, lines, .. }| Room { cells, lines })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub(crate) fn field_index(&self, name: &str) -> Option<usize> {
        match &self.index {
            None => self.fields.iter().position(|field| field.name() == name),
            Some(index) => index.get(name).map(|&id| usize::from(id)),
        }
    }

    /// Whether the tokenizer's values are those of JSON.
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether there are rows that have the cells of their own keys.
    pub(crate) fn is_keyed(&self) -> bool {
        self.parts.iter().any(|part| part.keyed.is_some())
    }

    /// Whether there are set columns that have a value in few rows.
    pub(super) fn is_sparse(&self) -> bool {
        let mut sources = self.sources.iter().flatten();
        sources.any(|source| matches!(source, Source::Set(column) if column.is_sparse()))
    }

    /// Takes on other columns.
    pub(super) fn put_columns(&mut self, fields: Vec<Field>, sources: Vec<Source>) {
        let index =
            |(at, field): (usize, &Field)| Some((field.name().into(), u16::try_from(at).ok()?));
        self.index = Some(fields.iter().enumerate().filter_map(index).collect());
        self.fields = fields.into();
        self.sources = Some(sources);
    }

    pub(crate) fn unmatched(&self) -> &[UnmatchedMark] {
        &self.unmatched
    }

    pub(crate) fn arena(&self) -> &[u8] {
        &self.arena
    }

    pub(crate) fn line_count(&self) -> u64 {
        self.line_count
    }

    /// The lines of the row or unmatched record that begins after `index` lines.
    pub(crate) fn lines_at(&self, index: u64) -> u64 {
        if !self.spanning {
            return 1;
        }
        let after = self.unmatched.partition_point(|mark| mark.index <= index);
        let unmatched = self.unmatched.get(after).map(|mark| mark.index);
        let part = self.parts.partition_point(|part| part.first_line <= index);
        let part = part.checked_sub(1).and_then(|at| self.parts.get(at..));
        let mut rows = part.unwrap_or_default().iter().filter_map(|part| {
            let lines = &part.spans.as_ref()?.lines;
            let at = lines.partition_point(|&line| part.first_line + u64::from(line) <= index);
            Some(part.first_line + u64::from(*lines.get(at)?))
        });
        let ends = [unmatched, rows.next(), Some(self.line_count)];
        ends.into_iter().flatten().min().unwrap_or(index) - index
    }

    /// Bytes of a row's text, if it may have several lines.
    pub(crate) fn text_len(&self, row: usize) -> Option<usize> {
        let (part, row) = self.part(row)?;
        Some(*part.spans.as_ref()?.lens.get(row)? as usize)
    }

    /// Bytes in the input of a row that is longer than its text.
    pub(crate) fn cut_len(&self, row: usize) -> Option<u64> {
        let at = self.cut.binary_search_by_key(&row, |&(row, _)| row).ok()?;
        self.cut.get(at).map(|&(_, len)| len)
    }

    /// Lines before a row's first.
    pub(crate) fn line_index(&self, row: usize) -> u64 {
        if self.spanning {
            let line = self.part(row).and_then(|(part, row)| {
                Some(part.first_line + u64::from(*part.spans.as_ref()?.lines.get(row)?))
            });
            return line.unwrap_or_default();
        }
        // Before the i-th unmatched line there are as many rows as lines that are not unmatched.
        let (mut low, mut high) = (0, self.unmatched.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.unmatched.get(middle) {
                Some(mark) if mark.index - middle as u64 <= row as u64 => low = middle + 1,
                _ => high = middle,
            }
        }
        (row + low) as u64
    }

    /// Where a row's line begins in the input, and its cells if there is one for each field.
    #[inline]
    pub(crate) fn line(&self, row: usize) -> Option<(usize, &[Cell])> {
        let (part, row) = self.part(row)?;
        let cells = match (&part.keyed, &self.sources) {
            (None, None) => part.row_cells(row, self.parsed)?,
            _ => 0..0,
        };
        Some((part.line_start(row)?, part.cells.get(cells)?))
    }

    /// [`line`](Self::line) with the cells of the tokenizer's columns, whatever became of them.
    #[inline]
    pub(super) fn parsed_line(&self, row: usize) -> Option<(usize, &[Cell])> {
        let (part, row) = self.part(row)?;
        let cells = match part.keyed {
            None => part.row_cells(row, self.parsed)?,
            Some(_) => 0..0,
        };
        Some((part.line_start(row)?, part.cells.get(cells)?))
    }

    /// Where a value is; `None` if it is absent.
    #[inline]
    pub(crate) fn span(&self, row: usize, field: usize) -> Option<Span> {
        match &self.sources {
            None => self.parsed_span(row, field),
            Some(sources) => match sources.get(field)? {
                Source::Parsed(parsed) => self.parsed_span(row, *parsed),
                Source::Set(column) => column.spot(row).span(),
            },
        }
    }

    /// Where a value is, and whether it is JSON.
    #[inline]
    pub(super) fn spot(&self, input: &[u8], row: usize, field: usize) -> Spot {
        let parsed = match &self.sources {
            None => Some(field),
            Some(sources) => match sources.get(field) {
                None => None,
                Some(Source::Parsed(parsed)) => Some(*parsed),
                Some(Source::Set(column)) => return column.spot(row),
            },
        };
        let span = parsed.and_then(|parsed| self.parsed_span(row, parsed));
        span.map_or(Spot::NULL, |span| self.parsed_spot(input, span))
    }

    /// Tells the rows that have a value in a column, and where it is.
    #[cfg(feature = "mask")]
    #[inline(always)]
    pub(super) fn each_spot(&self, input: &[u8], field: usize, mut each: impl FnMut(usize, Spot)) {
        let parsed = match &self.sources {
            None => field,
            Some(sources) => match sources.get(field) {
                None => return,
                Some(Source::Parsed(parsed)) => *parsed,
                Some(Source::Set(column)) => return column.each_in(0..usize::MAX, each),
            },
        };
        for part in &self.parts {
            for row in 0..part.lines.len() {
                let at = part.cell_at(row, parsed, self.parsed);
                if let Some(span) = at.and_then(|at| part.span(row, at)) {
                    each(part.first_row + row, self.parsed_spot(input, span));
                }
            }
        }
    }

    /// The value that all rows have in a column, if it is kept once.
    pub(super) fn same(&self, field: usize) -> Option<Spot> {
        match self.sources.as_ref()?.get(field)? {
            Source::Parsed(_) => None,
            Source::Set(column) => column.same(self.len),
        }
    }

    /// Whether there are columns that were set.
    #[cfg(feature = "mask")]
    pub(super) fn is_changed(&self) -> bool {
        self.sources.is_some()
    }

    /// The tokenizer's value of this place. Of JSON, only strings with escapes are in the arena.
    #[inline(always)]
    pub(super) fn parsed_spot(&self, input: &[u8], span: Span) -> Spot {
        let is_json = self.json
            && match &span {
                Span::Input(range) => {
                    let before = range.start.checked_sub(1);
                    before.and_then(|before| input.get(before)) != Some(&b'"')
                }
                Span::Arena(_) => false,
            };
        Spot::of_span(span).as_json(is_json)
    }

    #[inline]
    pub(super) fn parsed_span(&self, row: usize, field: usize) -> Option<Span> {
        let (part, row) = self.part(row)?;
        let at = part.cell_at(row, field, self.parsed)?;
        part.span(row, at)
    }

    /// The values of rows that have the cells of their own keys: the row, the tokenizer's column, and where the value is.
    pub(super) fn each_keyed(&self, rows: Range<usize>, mut each: impl FnMut(usize, usize, Span)) {
        for at_row in rows {
            let Some((part, row)) = self.part(at_row) else {
                continue;
            };
            let cells = part.row_cells(row, self.parsed).unwrap_or_default();
            for (at, field) in cells.zip(0..) {
                let ids = part.keyed.as_ref().map(|keyed| &keyed.ids);
                let field = ids
                    .and_then(|ids| ids.get(at))
                    .map_or(field, |&id| usize::from(id));
                if let Some(span) = part.span(row, at) {
                    each(at_row, field, span);
                }
            }
        }
    }

    /// Where the values of a row are; `out` has a place for each of the tokenizer's columns.
    #[cfg(feature = "arrow")]
    fn parsed_spans(&self, row: usize, out: &mut [Option<Span>]) {
        out.fill(None);
        let Some((part, row)) = self.part(row) else {
            return;
        };
        let cells = part.row_cells(row, self.parsed).unwrap_or_default();
        for (at, field) in cells.zip(0..) {
            let ids = part.keyed.as_ref().map(|keyed| &keyed.ids);
            let field = ids
                .and_then(|ids| ids.get(at))
                .map_or(field, |&id| usize::from(id));
            if let Some(out) = out.get_mut(field) {
                *out = part.span(row, at);
            }
        }
    }

    /// Adds all rows to columns of views, which keep what is in the arena if theirs is another.
    #[cfg(feature = "arrow")]
    pub(crate) fn push_views(&self, columns: &mut [ViewColumn<'_>], own: bool) {
        let arena = own.then_some(self.arena.as_slice());
        let Some(sources) = &self.sources else {
            let work = PushViews(self, columns, arena);
            return scan::run(Chosen::new(Kernel::best()), work);
        };
        for (column, source) in columns.iter_mut().zip(sources) {
            for row in 0..self.len {
                let span = match source {
                    Source::Parsed(parsed) => self.parsed_span(row, *parsed),
                    Source::Set(column) => column.spot(row).span(),
                };
                push(column, span, arena);
            }
        }
    }

    /// The bytes of a value.
    #[inline]
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

    /// The part that a row is in, and its place there.
    #[inline]
    fn part(&self, row: usize) -> Option<(&Part, usize)> {
        let after = match self.parts.as_slice() {
            [_] => 1,
            parts => parts.partition_point(|part| part.first_row <= row),
        };
        let part = self.parts.get(after.checked_sub(1)?)?;
        Some((part, row - part.first_row))
    }
}

impl Part {
    #[inline]
    fn line_start(&self, row: usize) -> Option<usize> {
        Some(self.base + *self.lines.get(row)? as usize)
    }

    #[inline]
    fn span(&self, row: usize, at: usize) -> Option<Span> {
        match self.cells.get(at)?.range() {
            Ok(range) => {
                let base = self.line_start(row)?;
                Some(Span::Input(base + range.start..base + range.end))
            }
            Err(NotNarrow::Null) => None,
            Err(NotNarrow::Wide) => self.wide_span(row, at),
        }
    }

    fn wide_span(&self, row: usize, at: usize) -> Option<Span> {
        let found = self.wide.binary_search_by_key(&at, |wide| wide.cell).ok()?;
        let wide = self.wide.get(found)?;
        let span = |base: usize| base + wide.start..base + wide.start + wide.len as usize;
        Some(match wide.in_arena {
            true => Span::Arena(span(self.arena)),
            false => Span::Input(span(self.line_start(row)?)),
        })
    }

    /// The cell of a field in a row.
    #[inline]
    fn cell_at(&self, row: usize, field: usize, fields: usize) -> Option<usize> {
        match &self.keyed {
            None => (field < fields).then_some(row * fields + field),
            Some(keyed) => self.keyed_cell_at(keyed, row, field),
        }
    }

    fn keyed_cell_at(&self, keyed: &Keyed, row: usize, field: usize) -> Option<usize> {
        let range = self.row_cells(row, 0)?;
        let id = u16::try_from(field).ok()?;
        // The last of two equal keys wins, as in JSON parsers.
        let ids = keyed.ids.get(range.clone())?;
        Some(range.start + ids.iter().rposition(|&it| it == id)?)
    }

    /// Which cells are a row's.
    fn row_cells(&self, row: usize, fields: usize) -> Option<Range<usize>> {
        match &self.keyed {
            None => Some(row * fields..(row + 1) * fields),
            Some(keyed) => {
                let next = keyed.starts.get(row + 1).copied();
                Some(*keyed.starts.get(row)?..next.unwrap_or(self.cells.len()))
            }
        }
    }
}

#[cfg(feature = "arrow")]
struct PushViews<'r, 'c, 't>(&'r Rows, &'c mut [ViewColumn<'t>], Option<&'r [u8]>);

#[cfg(feature = "arrow")]
impl Work for PushViews<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self(rows, columns, arena) = self;
        let mut spans = vec![None; columns.len()];
        for part in &rows.parts {
            if part.keyed.is_some() {
                for row in 0..part.lines.len() {
                    rows.parsed_spans(part.first_row + row, &mut spans);
                    for (column, span) in columns.iter_mut().zip(&mut spans) {
                        push(column, span.take(), arena);
                    }
                }
                continue;
            }
            let near = columns.first();
            let near = near.map_or(0, |it| it.near_lines(part.base, &part.lines));
            // The first line has no bytes before it.
            let unaligned = columns.iter().find_map(ViewColumn::unaligned);
            let unaligned = unaligned.unwrap_or_default().max(1);
            let (mut first, mut end) = (0, unaligned.min(part.lines.len()));
            // Some rows at a time, so that their lines are still near when the next columns come.
            while first < part.lines.len() {
                part.push_views(simd, first..end, columns, arena);
                let last = if end < near { near } else { part.lines.len() };
                (first, end) = (end, last.min(end + TOGETHER));
            }
        }
    }
}

#[cfg(feature = "arrow")]
impl Part {
    /// Adds the values of some rows with fixed columns.
    #[inline(always)]
    fn push_views<S: Simd>(
        &self,
        simd: S,
        rows: Range<usize>,
        columns: &mut [ViewColumn<'_>],
        arena: Option<&[u8]>,
    ) {
        let fields = columns.len();
        let cells = self.cells.get(rows.start * fields..);
        if let (Some(lines), Some(cells)) = (self.lines.get(rows.clone()), cells)
            && scan::push_near(simd, columns, self.base, lines, cells)
        {
            return;
        }
        for (at, column) in columns.iter_mut().enumerate() {
            for row in rows.clone() {
                push(column, self.span(row, row * fields + at), arena);
            }
        }
    }
}

#[cfg(feature = "arrow")]
fn push(column: &mut ViewColumn<'_>, span: Option<Span>, arena: Option<&[u8]>) {
    match span {
        Some(Span::Input(range)) => column.push_input(range.start, range.end),
        Some(Span::Arena(range)) => match arena {
            None => column.push_arena(range.start, range.end),
            Some(arena) => column.push_own(arena.get(range).unwrap_or_default()),
        },
        None => column.push_null(),
    }
}

/// Adds the columns that a block found; returns their ids in the batch.
fn add(
    index: &mut HashMap<Box<str>, u16>,
    found: &mut Vec<Field>,
    fields: Vec<Field>,
) -> Result<Vec<u16>, TooManyColumns> {
    let ids = fields
        .into_iter()
        .map(|field| match index.entry(field.name().into()) {
            Entry::Occupied(entry) => Ok(*entry.get()),
            Entry::Vacant(_) if found.len() >= MAX_DISCOVERED_FIELDS => Err(TooManyColumns),
            Entry::Vacant(entry) => {
                let id = u16::try_from(found.len()).map_err(|_| TooManyColumns)?;
                found.push(field);
                Ok(*entry.insert(id))
            }
        });
    ids.collect()
}

/// Appends, without a copy of the first.
fn append(all: &mut Vec<u8>, part: Vec<u8>) {
    match all.is_empty() {
        true => *all = part,
        false => all.extend_from_slice(&part),
    }
}
