//! Where all values of a row are, for those who go through many rows.

use super::{
    Span, View,
    block::{Cell, NotNarrow},
    changed::{SetColumn, Source, Spot},
};

/// Rows whose values are listed together.
const TOGETHER: usize = 256;

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

/// The values of some rows.
#[derive(Debug)]
struct Listed {
    /// The place of each column in the order.
    ranks: Vec<u32>,
    first: usize,
    rows: Vec<Vec<(u32, Spot)>>,
}

impl<'b> RowPlaces<'b> {
    pub(super) fn new(view: View<'b>, order: &[usize], all: bool) -> Self {
        let wide = view.rows.is_keyed() || view.rows.is_sparse();
        let listed = (wide && !all).then(|| {
            let mut ranks = vec![u32::MAX; view.rows.fields().len()];
            for (rank, field) in (0..).zip(order) {
                if let Some(slot) = ranks.get_mut(*field) {
                    *slot = rank;
                }
            }
            Listed {
                ranks,
                first: 0,
                rows: Vec::new(),
            }
        });
        let sources = view.rows.sources.as_deref();
        let columns = order.iter().map(|&field| {
            let source = sources.and_then(|sources| sources.get(field));
            match source {
                None => Looked::Parsed { field, cell: field },
                Some(Source::Parsed(cell)) => Looked::Parsed { field, cell: *cell },
                Some(Source::Set(column)) => Looked::Set(column),
            }
        });
        Self {
            view,
            row: 0,
            start: 0,
            cells: &[],
            columns: columns.collect(),
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
            listed.load(self.view, row);
        }
    }

    /// The `at`th value, as the place of its column in the order, and where it is. Where [all](Self::new) are asked for,
    /// or it costs nothing to say so, absent ones are among them.
    #[inline(always)]
    pub(crate) fn nth(&self, at: usize) -> Option<(usize, Spot)> {
        if let Some(listed) = &self.listed {
            let row = listed.rows.get(self.row - listed.first)?;
            let (rank, spot) = row.get(at)?;
            return Some((*rank as usize, *spot));
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

impl Listed {
    #[inline(never)]
    fn load(&mut self, view: View<'_>, row: usize) {
        let end = view.rows.len().min(row + TOGETHER);
        self.first = row;
        self.rows.resize(end.saturating_sub(row), Vec::new());
        for list in &mut self.rows {
            list.clear();
        }
        view.rows
            .list(view.input, row..end, &self.ranks, &mut self.rows);
        for list in &mut self.rows {
            if !list.is_sorted_by(|(a, _), (b, _)| a < b) {
                list.sort_by_key(|(rank, _)| *rank);
                // Of two equal keys the last counts.
                list.dedup_by(|later, earlier| {
                    let same = later.0 == earlier.0;
                    if same {
                        earlier.1 = later.1;
                    }
                    same
                });
            }
            // Columns that are not looked at are behind all others.
            let known = list.partition_point(|(rank, _)| *rank != u32::MAX);
            list.truncate(known);
        }
    }
}
