use std::collections::BTreeMap;

use super::trace::TraceparentProblem;

/// What [`Enrich::apply`](super::Enrich::apply) did, in counts. Those of several batches [merge](Self::merge).
///
/// For each field, the rows that it was [filled](Filled::filled) in, that had a value of their [own](Filled::kept), and
/// that there was [nothing](Filled::absent) for, add up to [`rows`](Self::rows). A field that a batch
/// [did not take](Self::columns_refused) is not among them for that batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnrichReport {
    pub(super) rows: u64,
    pub(super) fields: BTreeMap<Box<str>, Filled>,
    pub(super) refused: BTreeMap<TraceparentProblem, u64>,
    pub(super) columns_refused: u64,
}

/// The rows of one field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    pub(super) filled: u64,
    pub(super) kept: u64,
    pub(super) absent: u64,
}

impl Filled {
    /// Rows that got a value.
    pub fn filled(&self) -> u64 {
        self.filled
    }

    /// Rows that kept the value they had.
    pub fn kept(&self) -> u64 {
        self.kept
    }

    /// Rows that there was no value for: without a valid `traceparent`, or without a tenant.
    pub fn absent(&self) -> u64 {
        self.absent
    }
}

impl EnrichReport {
    /// Rows that were looked at.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The fields, in the order of their names.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Filled)> {
        self.fields.iter().map(|(name, filled)| (&**name, *filled))
    }

    /// Values of the field for a `traceparent` that are none, by what is wrong with them.
    pub fn refused(&self) -> impl Iterator<Item = (TraceparentProblem, u64)> {
        self.refused
            .iter()
            .map(|(problem, count)| (*problem, *count))
    }

    /// Fields that a batch did not take, since it has [`MAX_COLUMNS`](crate::limits::MAX_COLUMNS) without them.
    pub fn columns_refused(&self) -> u64 {
        self.columns_refused
    }

    /// Adds the counts of another batch.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        for (name, filled) in &other.fields {
            let sum = self.fields.entry(name.clone()).or_default();
            sum.filled += filled.filled;
            sum.kept += filled.kept;
            sum.absent += filled.absent;
        }
        for (problem, count) in &other.refused {
            *self.refused.entry(*problem).or_default() += count;
        }
        self.columns_refused += other.columns_refused;
    }
}
