//! Which rows of a batch have a value, and the how manieth value that is.

use std::ops::Range;

/// Rows of which each mark tells.
const TOGETHER: usize = u64::BITS as usize;

/// Rows in ascending order. What they take goes by their number, not by that of the batch's rows.
#[derive(Clone, Debug, Default)]
pub(super) struct RowSet {
    form: Form,
    len: usize,
    /// The row after the last one.
    end: usize,
    marks: Vec<Mark>,
    list: Vec<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Form {
    /// All rows up to the last one.
    #[default]
    All,
    /// A bit for each.
    Marked,
    /// Few of many: a list.
    Listed,
}

/// A bit for each of some rows, and how many rows come before them.
#[derive(Clone, Copy, Debug)]
struct Mark {
    bits: u64,
    before: usize,
}

impl Mark {
    /// How many rows come before one of these.
    #[inline]
    fn rank(self, row: usize) -> usize {
        let below = self.bits & ((1 << (row % TOGETHER)) - 1);
        self.before + below.count_ones() as usize
    }

    #[inline]
    fn has(self, row: usize) -> bool {
        self.bits >> (row % TOGETHER) & 1 == 1
    }
}

impl RowSet {
    /// The row after the last one.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// Whether only few rows are in it: so few that to look at each row for each column would take far longer than
    /// to go through what there is.
    pub(super) fn is_sparse(&self) -> bool {
        self.end > 16 * self.len + TOGETHER
    }

    pub(super) fn clear(&mut self) {
        self.marks.clear();
        self.list.clear();
        (self.form, self.len, self.end) = (Form::All, 0, 0);
    }

    /// Adds a row, if it comes after all others.
    #[inline(always)]
    pub(super) fn push(&mut self, row: usize) -> bool {
        let is_next = match self.form {
            Form::Marked if row >= self.end => match self.marks.get_mut(row / TOGETHER) {
                Some(mark) => {
                    mark.bits |= 1 << (row % TOGETHER);
                    true
                }
                None => false,
            },
            Form::All => row == self.end,
            _ => false,
        };
        if !is_next && !self.push_apart(row) {
            return false;
        }
        self.len += 1;
        self.end = row + 1;
        true
    }

    /// The same for one that does not follow the last one.
    #[inline(never)]
    fn push_apart(&mut self, row: usize) -> bool {
        if row < self.end {
            return false;
        }
        if self.form == Form::All {
            self.form = Form::Marked;
            let marks = (0..self.end).step_by(TOGETHER).map(|first| {
                let rows = (self.end - first).min(TOGETHER);
                Mark {
                    bits: u64::MAX >> (TOGETHER - rows),
                    before: first,
                }
            });
            self.marks.extend(marks);
        }
        let marks = row / TOGETHER + 1;
        if self.form == Form::Marked && marks > 2 * self.len + TOGETHER {
            let mut list = std::mem::take(&mut self.list);
            list.extend(self.rows_in(0..self.end));
            (self.form, self.list) = (Form::Listed, list);
        }
        if self.form == Form::Listed {
            self.list.push(row);
            return true;
        }
        let before = self.len;
        self.marks.resize(marks, Mark { bits: 0, before });
        if let Some(mark) = self.marks.last_mut() {
            mark.bits |= 1 << (row % TOGETHER);
        }
        true
    }

    /// How many rows come before a row that is in it.
    #[inline]
    pub(super) fn rank(&self, row: usize) -> Option<usize> {
        match self.form {
            Form::All => (row < self.end).then_some(row),
            Form::Marked => {
                let mark = self.marks.get(row / TOGETHER)?;
                mark.has(row).then(|| mark.rank(row))
            }
            Form::Listed => self.list.binary_search(&row).ok(),
        }
    }

    /// How many rows come before any row.
    pub(super) fn count_before(&self, row: usize) -> usize {
        match self.form {
            Form::All => row.min(self.end),
            Form::Marked => {
                let mark = self.marks.get(row / TOGETHER);
                mark.map_or(self.len, |mark| mark.rank(row))
            }
            Form::Listed => self.list.partition_point(|&it| it < row),
        }
    }

    /// Adds a row before the last one. Its rank if it was there already, else the one it has now.
    #[cold]
    pub(super) fn insert(&mut self, row: usize) -> Result<usize, usize> {
        if let Some(rank) = self.rank(row) {
            return Ok(rank);
        }
        let rank = self.count_before(row);
        if self.form == Form::Listed {
            self.list.insert(rank, row);
        } else {
            let mut marks = self.marks.iter_mut().skip(row / TOGETHER);
            if let Some(mark) = marks.next() {
                mark.bits |= 1 << (row % TOGETHER);
            }
            marks.for_each(|mark| mark.before += 1);
        }
        self.len += 1;
        Err(rank)
    }

    /// [`rows_in`](Self::rows_in), for those who look at all of them.
    #[inline(always)]
    pub(super) fn each_in(&self, range: Range<usize>, mut each: impl FnMut(usize)) {
        let end = range.end.min(self.end);
        match self.form {
            Form::All => (range.start..end).for_each(each),
            Form::Listed => {
                let first = self.count_before(range.start);
                let rows = self.list.get(first..).unwrap_or_default().iter().copied();
                rows.take_while(|row| *row < end).for_each(each);
            }
            Form::Marked => {
                let mut first = range.start;
                while first < end {
                    let word = first / TOGETHER;
                    let next = (word + 1) * TOGETHER;
                    let Some(mark) = self.marks.get(word) else {
                        return;
                    };
                    let mut bits = mark.bits & u64::MAX << (first % TOGETHER);
                    if end < next {
                        bits &= (1 << (end % TOGETHER)) - 1;
                    }
                    while bits != 0 {
                        each(word * TOGETHER + bits.trailing_zeros() as usize);
                        bits &= bits - 1;
                    }
                    first = next;
                }
            }
        }
    }

    /// The rows of a range that are in it.
    pub(super) fn rows_in(&self, range: Range<usize>) -> impl Iterator<Item = usize> + use<'_> {
        let mut row = range.start;
        let mut rank = self.count_before(row);
        let end = range.end.min(self.end);
        std::iter::from_fn(move || {
            if self.form == Form::Listed {
                row = *self.list.get(rank)?;
                rank += 1;
            } else if self.form == Form::Marked {
                let mut bits = self.marks.get(row / TOGETHER)?.bits & u64::MAX << (row % TOGETHER);
                while bits == 0 {
                    row = (row / TOGETHER + 1) * TOGETHER;
                    bits = self.marks.get(row / TOGETHER)?.bits;
                }
                row = row / TOGETHER * TOGETHER + bits.trailing_zeros() as usize;
            }
            let found = row;
            row += 1;
            (found < end).then_some(found)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    /// Rows that are near, or far from each other, mostly in ascending order.
    fn rows() -> impl Strategy<Value = Vec<usize>> {
        let step = prop_oneof![
            6 => Just(1_usize), 4 => 1..9_usize, 2 => 1..200_usize, 1 => 5000..90_000_usize,
        ];
        let back = prop_oneof![9 => Just(0_usize), 1 => 0..300_usize];
        prop::collection::vec((step, back), 0..300).prop_map(|steps| {
            let mut last = 0;
            let rows = steps.into_iter().map(|(step, back)| {
                let row = last;
                last += step;
                row.saturating_sub(back)
            });
            rows.collect()
        })
    }

    proptest! {
        #[test]
        fn it_is_a_set(rows in rows(), range in (0_usize..9000, 0_usize..9000)) {
            let (mut set, mut wanted) = (RowSet::default(), BTreeSet::new());
            for row in rows {
                let is_last = wanted.last().is_none_or(|&last| last < row);
                prop_assert_eq!(set.push(row), is_last);
                if !is_last {
                    let rank = wanted.range(..row).count();
                    let is_new = !wanted.contains(&row);
                    prop_assert_eq!(set.insert(row), if is_new { Err(rank) } else { Ok(rank) });
                }
                wanted.insert(row);
            }
            prop_assert_eq!(set.end(), wanted.last().map_or(0, |last| last + 1));
            let all: Vec<_> = set.rows_in(0..usize::MAX).collect();
            prop_assert_eq!(&all, &wanted.iter().copied().collect::<Vec<_>>());
            for (rank, &row) in wanted.iter().enumerate() {
                prop_assert_eq!(set.rank(row), Some(rank));
                prop_assert_eq!(set.rank(row + 1).is_some(), wanted.contains(&(row + 1)));
                prop_assert_eq!(set.count_before(row + 1), rank + 1);
            }
            let (start, len) = range;
            let some: Vec<_> = set.rows_in(start..start + len).collect();
            let mut each = Vec::new();
            set.each_in(start..start + len, |row| each.push(row));
            prop_assert_eq!(&each, &some);
            prop_assert_eq!(some, wanted.range(start..start + len).copied().collect::<Vec<_>>());
            prop_assert!(set.marks.len() <= 2 * set.len + 2 * TOGETHER);
        }
    }
}
