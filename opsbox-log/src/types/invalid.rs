//! Values that do not fit their type.

use std::fmt;

use super::Type;
use crate::{limits::MAX_INVALID_EXAMPLES, text::Escaped};

/// Why a value does not fit its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// The value is empty.
    #[error("empty")]
    Empty,
    /// The value is not written as the type is.
    #[error("malformed")]
    Malformed,
    /// The value is written as the type is, but there is no such date or time of day: 30 February,
    /// 24:00:00.
    #[error("no such date or time of day")]
    ImpossibleTime,
    /// A number that does not fit into the type's bits, a time outside the years 0000 to 9999 in
    /// UTC.
    #[error("out of range")]
    OutOfRange,
    /// A time without a year, and [`TimeContext`](super::TimeContext) has no reference to find it by.
    #[error("no year, and no reference time to find it by")]
    NoReference,
}

const REASONS: [Invalid; 5] = [
    Invalid::Empty,
    Invalid::Malformed,
    Invalid::ImpossibleTime,
    Invalid::OutOfRange,
    Invalid::NoReference,
];

/// The values of a column that do not fit its type: how many for which reason, and the first few.
///
/// ```
/// use opsbox_log::{Format, Parser, types::{Invalid, Type}};
///
/// let batch = Parser::new(Format::pattern(r"(?P<n>.+)")?).parse("12\nx\n-\n99999999999999999999\n");
/// let column = batch.column("n").unwrap().typed_as(Type::Integer)?;
/// let invalid = column.invalid();
/// assert_eq!(invalid.count(), 2);
/// let reasons: Vec<_> = invalid.by_reason().collect();
/// assert_eq!(reasons, [(Invalid::Malformed, 1), (Invalid::OutOfRange, 1)]);
/// let example = &invalid.examples()[0];
/// assert_eq!((example.row(), example.line_number(), example.value()), (1, 2, &b"x"[..]));
/// # Ok::<(), opsbox_log::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct InvalidValues<'b> {
    counts: [usize; REASONS.len()],
    examples: Vec<Example<'b>>,
}

impl<'b> InvalidValues<'b> {
    pub(crate) fn new() -> Self {
        Self {
            counts: [0; REASONS.len()],
            examples: Vec::new(),
        }
    }

    /// Counts a value; `example` is asked for the first few only.
    #[cold]
    pub(super) fn note(&mut self, reason: Invalid, example: impl FnOnce() -> Example<'b>) {
        for (count, known) in self.counts.iter_mut().zip(REASONS) {
            *count += usize::from(known == reason);
        }
        if self.examples.len() < MAX_INVALID_EXAMPLES {
            self.examples.push(example());
        }
    }

    /// The number of values that do not fit. They are null in the column.
    pub fn count(&self) -> usize {
        self.counts.iter().sum()
    }

    /// The reasons that occur, each with its number of values.
    pub fn by_reason(&self) -> impl Iterator<Item = (Invalid, usize)> {
        let counts = REASONS.into_iter().zip(self.counts);
        counts.filter(|(_, count)| *count > 0)
    }

    /// The first of them, at most
    /// [`MAX_INVALID_EXAMPLES`](crate::limits::MAX_INVALID_EXAMPLES), in the order of the rows.
    pub fn examples(&self) -> &[Example<'b>] {
        &self.examples
    }
}

/// A value that does not fit its type, with its place.
#[derive(Clone, Copy, Debug)]
pub struct Example<'b> {
    pub(super) row: usize,
    pub(super) line_number: u64,
    pub(super) value: &'b [u8],
    pub(super) data_type: Type,
    pub(super) reason: Invalid,
}

impl<'b> Example<'b> {
    /// The row in the batch, from 0.
    pub fn row(&self) -> usize {
        self.row
    }

    /// The line's number in the input, from 1.
    pub fn line_number(&self) -> u64 {
        self.line_number
    }

    /// The value as it is in the line.
    pub fn value(&self) -> &'b [u8] {
        self.value
    }

    /// Why it does not fit.
    pub fn reason(&self) -> Invalid {
        self.reason
    }
}

/// Bytes of the value that `Display` shows.
const SHOWN_BYTES: usize = 100;

impl fmt::Display for Example<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line_number,
            data_type,
            reason,
            value,
            ..
        } = self;
        write!(f, "line {line_number}, as {data_type}: {reason}")?;
        match value.get(..SHOWN_BYTES) {
            _ if value.is_empty() => Ok(()),
            Some(shown) if shown.len() < value.len() => write!(f, ": {}…", Escaped(shown)),
            _ => write!(f, ": {}", Escaped(value)),
        }
    }
}
