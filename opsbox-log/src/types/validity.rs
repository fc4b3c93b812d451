//! Which rows have a value.

/// Which rows of a column have a value: one bit a row.
///
/// ```
/// use opsbox_log::{Format, Parser, types::Type};
///
/// let batch = Parser::new(Format::pattern(r"(?P<n>\S*)")?).parse("1\n-\n3\n");
/// let column = batch.column("n").unwrap().typed_as(Type::Integer)?;
/// assert!(column.validity().is_valid(0));
/// assert_eq!(column.validity().words(), [0b101]);
/// assert_eq!(column.validity().null_count(), 1);
/// # Ok::<(), opsbox_log::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validity {
    words: Vec<u64>,
    len: usize,
    valid: usize,
}

impl Validity {
    /// `words` has the bits of `len` rows, and zeros after them.
    pub(super) fn new(words: Vec<u64>, len: usize) -> Self {
        let valid = words.iter().map(|word| word.count_ones() as usize).sum();
        Self { words, len, valid }
    }

    /// Whether a row has a value; false for a row that does not exist.
    pub fn is_valid(&self, row: usize) -> bool {
        let word = self.words.get(row / 64);
        word.is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of rows without a value.
    pub fn null_count(&self) -> usize {
        self.len - self.valid
    }

    /// The bits, 64 rows a word, the first row in the lowest bit; bits after the last row are 0.
    pub fn words(&self) -> &[u64] {
        &self.words
    }
}
