//! Where all values of a row are, for those who go through many rows.

use std::ops::Range;

use super::{
    Span, View,
    block::{Cell, NotNarrow},
    changed::{SetColumn, Source, Spot},
};

/// Rows whose values are listed together: of few columns so many that the list stays in the first cache, of many more,
/// since a look at a column without values costs something, too.
const TOGETHER: usize = 64;
const TOGETHER_WIDE: usize = 256;

/// Columns of which [`TOGETHER`] are listed.
const FEW_COLUMNS: usize = 64;

/// The values of a row in an order of columns. What it costs goes by the values that there are, not by the columns: a
/// batch can have thousands of them with few values each.
#[derive(Debug)]
pub(crate) struct RowPlaces<'b> {
    view: View<'b>,
    row: usize,
    /// Where the row's line begins, and its cells if there is one for each of the tokenizer's columns.
    start: usize,
    cells: &'b [Cell],
    /// The columns that are looked at.
    columns: Vec<Looked<'b>>,
    listed: Option<Listed>,
}

/// Where the values of a column are.
#[derive(Clone, Copy, Debug)]
enum Looked<'b> {
    /// In the tokenizer's column `cell`, which is this field now.
    Parsed {
        field: usize,
        cell: usize,
    },
    Set(&'b SetColumn),
}

/// The values of some rows, row by row.
#[derive(Debug, Default)]
struct Listed {
    first: usize,
    /// Where each row's values are among all.
    rows: Vec<Range<usize>>,
    values: Vec<(u32, Spot)>,
    /// As they come, column by column: the row, counted from the first one, the place of the column in the order, and
    /// where the value is.
    found: Vec<(u32, u32, Spot)>,
    /// Of keys that rows have of their own: the place of each of the tokenizer's columns in the order.
    ranks: Vec<u32>,
}

impl<'b> RowPlaces<'b> {
    pub(super) fn new(view: View<'b>, order: &[usize], all: bool) -> Self {
        let wide = view.rows.is_keyed() || view.rows.is_sparse();
        let sources = view.rows.sources.as_deref();
        let columns = order.iter().map(|&field| {
            let source = sources.and_then(|sources| sources.get(field));
            match source {
                None => Looked::Parsed { field, cell: field },
                Some(Source::Parsed(cell)) => Looked::Parsed { field, cell: *cell },
                Some(Source::Set(column)) => Looked::Set(column),
            }
        });
        let columns: Vec<_> = columns.collect();
        let listed = (wide && !all).then(|| Listed {
            ranks: match view.rows.is_keyed() {
                true => parsed_ranks(&columns),
                false => Vec::new(),
            },
            ..Listed::default()
        });
        Self {
            view,
            row: 0,
            start: 0,
            cells: &[],
            columns,
            listed,
        }
    }

    /// Looks at this row from now on.
    #[inline(always)]
    pub(crate) fn go_to(&mut self, row: usize) {
        self.row = row;
        (self.start, self.cells) = self.view.rows.parsed_line(row).unwrap_or_default();
        if let Some(listed) = &mut self.listed
            && !(listed.first..listed.first + listed.rows.len()).contains(&row)
        {
            listed.load(self.view, &self.columns, row);
        }
    }

    /// The values of the row, if they are listed: those that [`nth`](Self::nth) tells.
    #[inline(always)]
    pub(crate) fn listed(&self) -> Option<&[(u32, Spot)]> {
        let listed = self.listed.as_ref()?;
        let row = listed.rows.get(self.row - listed.first);
        Some(
            row.and_then(|row| listed.values.get(row.clone()))
                .unwrap_or_default(),
        )
    }

    /// The `at`th value, as the place of its column in the order, and where it is. Where [all](Self::new) are asked for,
    /// or it costs nothing to say so, absent ones are among them.
    #[inline(always)]
    pub(crate) fn nth(&self, at: usize) -> Option<(usize, Spot)> {
        #[cfg(test)]
        tests::step();
        if let Some(listed) = self.listed() {
            return listed.get(at).map(|(rank, spot)| (*rank as usize, *spot));
        }
        let spot = match *self.columns.get(at)? {
            Looked::Set(column) => column.spot(self.row),
            Looked::Parsed { field, cell } => match self.cells.get(cell).map(|it| it.range()) {
                Some(Ok(range)) => {
                    let range = self.start + range.start..self.start + range.end;
                    match self.view.rows.is_json() {
                        false => Spot::in_input(range),
                        true => self
                            .view
                            .rows
                            .parsed_spot(self.view.input, Span::Input(range)),
                    }
                }
                Some(Err(NotNarrow::Null)) => Spot::NULL,
                Some(Err(NotNarrow::Wide)) | None => self.spot(field),
            },
        };
        Some((at, spot))
    }

    /// Where the value of a field is.
    pub(crate) fn spot(&self, field: usize) -> Spot {
        self.view.rows.spot(self.view.input, self.row, field)
    }
}

/// The place in the order of each of the tokenizer's columns; `u32::MAX` of those that are not in it.
fn parsed_ranks(columns: &[Looked<'_>]) -> Vec<u32> {
    let mut ranks = Vec::new();
    for (rank, column) in (0..).zip(columns) {
        if let Looked::Parsed { cell, .. } = *column {
            if ranks.len() <= cell {
                ranks.resize(cell + 1, u32::MAX);
            }
            if let Some(slot) = ranks.get_mut(cell) {
                *slot = rank;
            }
        }
    }
    ranks
}

impl Listed {
    #[inline(never)]
    fn load(&mut self, view: View<'_>, columns: &[Looked<'_>], first: usize) {
        let is_few = columns.len() <= FEW_COLUMNS;
        let together = if is_few { TOGETHER } else { TOGETHER_WIDE };
        let rows = first..view.rows.len().min(first + together);
        self.first = first;
        self.rows.clear();
        let is_keyed = view.rows.is_keyed();
        if is_few && !is_keyed {
            // Each row has room for all columns.
            let starts = (0..rows.len()).map(|row| row * columns.len());
            self.rows.extend(starts.map(|start| start..start));
            let (lists, values) = (&mut self.rows, &mut self.values);
            let room = rows.len() * columns.len();
            if values.len() < room {
                values.resize(room, (u32::MAX, Spot::NULL));
            }
            return find(view, columns, rows, |row, rank, spot| {
                if let Some(list) = lists.get_mut(row as usize)
                    && let Some(slot) = values.get_mut(list.end)
                {
                    *slot = (rank, spot);
                    list.end += 1;
                }
            });
        }
        let Self { found, ranks, .. } = self;
        found.clear();
        if is_keyed {
            view.rows.each_keyed(rows.clone(), |row, column, span| {
                #[cfg(test)]
                tests::step();
                let rank = ranks.get(column).copied().unwrap_or(u32::MAX);
                if rank != u32::MAX {
                    let spot = view.rows.parsed_spot(view.input, span);
                    found.push((number(row - rows.start), rank, spot));
                }
            });
        }
        find(view, columns, rows.clone(), |row, rank, spot| {
            found.push((row, rank, spot));
        });
        self.deal(rows.len());
        if is_keyed {
            self.sort();
        }
    }

    /// Puts what was found where its row's values are, in the order of the columns.
    fn deal(&mut self, rows: usize) {
        self.rows.resize(rows, 0..0);
        for (row, ..) in &self.found {
            if let Some(row) = self.rows.get_mut(*row as usize) {
                row.end += 1;
            }
        }
        let mut next = 0;
        for row in &mut self.rows {
            let count = row.end;
            *row = next..next;
            next += count;
        }
        self.values.resize(self.found.len(), (u32::MAX, Spot::NULL));
        for (row, rank, spot) in &self.found {
            if let Some(row) = self.rows.get_mut(*row as usize)
                && let Some(slot) = self.values.get_mut(row.end)
            {
                *slot = (*rank, *spot);
                row.end += 1;
            }
        }
    }

    /// Puts keys that rows have of their own in the order of the columns. Of two equal ones the last counts.
    fn sort(&mut self) {
        for row in &mut self.rows {
            let Some(values) = self.values.get_mut(row.clone()) else {
                continue;
            };
            if values.is_sorted_by(|(a, _), (b, _)| a < b) {
                continue;
            }
            values.sort_by_key(|(rank, _)| *rank);
            let mut kept = 0;
            for at in 0..values.len() {
                let is_last = values.get(at).map(|it| it.0) != values.get(at + 1).map(|it| it.0);
                if is_last {
                    values.swap(kept, at);
                    kept += 1;
                }
            }
            row.end = row.start + kept;
        }
    }
}

/// Finds the values of rows, column by column, but for those of keys that rows have of their own.
#[inline(always)]
fn find(
    view: View<'_>,
    columns: &[Looked<'_>],
    rows: Range<usize>,
    mut put: impl FnMut(u32, u32, Spot),
) {
    let is_keyed = view.rows.is_keyed();
    let mut rest = columns;
    while let Some(column) = rest.first() {
        #[cfg(test)]
        tests::step();
        let rank = columns.len() - rest.len();
        let mut run = 1;
        match column {
            Looked::Set(column) => {
                let rank = number(rank);
                column.each_in(rows.clone(), |row, spot| {
                    #[cfg(test)]
                    tests::step();
                    put(number(row - rows.start), rank, spot);
                });
            }
            Looked::Parsed { .. } => {
                let is_parsed = |it: &&Looked<'_>| matches!(it, Looked::Parsed { .. });
                run = rest.iter().take_while(is_parsed).count();
                if !is_keyed {
                    let these = rest.get(..run).unwrap_or_default();
                    find_parsed(view, these, rank, rows.clone(), &mut put);
                }
            }
        }
        rest = rest.get(run..).unwrap_or_default();
    }
}

/// The same of columns that are the tokenizer's and follow each other in the order, from `rank` on.
fn find_parsed(
    view: View<'_>,
    columns: &[Looked<'_>],
    rank: usize,
    rows: Range<usize>,
    put: &mut impl FnMut(u32, u32, Spot),
) {
    for row in rows.clone() {
        let Some((start, cells)) = view.rows.parsed_line(row) else {
            continue;
        };
        for (column, rank) in columns.iter().zip(rank..) {
            let Looked::Parsed { cell, .. } = *column else {
                continue;
            };
            let span = match cells.get(cell).map(|it| it.range()) {
                Some(Ok(range)) => Some(Span::Input(start + range.start..start + range.end)),
                Some(Err(NotNarrow::Wide)) => view.rows.parsed_span(row, cell),
                Some(Err(NotNarrow::Null)) | None => None,
            };
            if let Some(span) = span {
                let spot = view.rows.parsed_spot(view.input, span);
                put(number(row - rows.start), number(rank), spot);
            }
        }
    }
}

/// Rows and columns of a list are fewer than that.
#[inline(always)]
fn number(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use crate::{ColumnBuilder, Field, Format, Parser, export::ndjson::Ndjson};

    thread_local! {
        static STEPS: Cell<usize> = const { Cell::new(0) };
    }

    /// A look at a value, or at a column.
    pub(super) fn step() {
        STEPS.set(STEPS.get() + 1);
    }

    /// What rows with two keys of a thousand each cost goes by the values, whoever found the columns: to look at each
    /// column of each row would be twenty million steps.
    #[test]
    fn many_columns_with_few_values_take_few_steps() {
        const ROWS: usize = 20_000;
        let log: String = (0..ROWS)
            .map(|at| format!("k{}=1 k{}=2\n", at % 1000, (at + 1) % 1000))
            .collect();
        let found = Parser::new(Format::preset("logfmt").unwrap()).parse(&log);
        let mut set = Parser::new(Format::pattern("(?P<line>.*)").unwrap()).parse(&log);
        let columns = found.columns().map(|column| {
            let mut values = ColumnBuilder::new();
            for row in 0..column.len() {
                values.push_value_of(row, &column, row);
            }
            (Field::new(column.field().name()), values)
        });
        set.set_columns(columns).unwrap();
        set.drop_column("line");
        let mut written = [Vec::new(), Vec::new()];
        for (batch, out) in [found, set].iter().zip(&mut written) {
            assert_eq!(batch.fields().len(), 1000);
            STEPS.set(0);
            let rows = Ndjson::new().append(batch, out).rows();
            assert_eq!(rows, ROWS as u64);
            // A look at each value when it is found, and one at each column for some hundred rows.
            let steps = STEPS.get();
            assert!((2 * ROWS..12 * ROWS).contains(&steps), "{steps}");
        }
        let [found, set] = written;
        assert!(found == set && found.starts_with(b"{\"k0\":\"1\",\"k1\":\"2\"}\n"));
    }
}
