use super::{block::Cell, changed::ColumnBuilder};

/// The memory of a [`Batch`](crate::Batch) that is done with, for the next one.
///
/// Memory that is fresh from the system costs time when it is touched first, which shows most in Arrow
/// views of many megabytes. Who parses many inputs one after the other gives each batch's memory
/// [back](crate::Batch::recycle) and lets the [next](crate::Parser::parse_in) have it. What is kept is
/// as much as the largest batch took; it is freed when this is dropped.
///
/// ```
/// use opsbox_log::{BatchMemory, Format, Parser};
///
/// let parser = Parser::new(Format::preset("app")?);
/// let mut memory = BatchMemory::default();
/// let mut rows = 0;
/// for chunk in ["2026-01-02 03:04:05 [INFO] a\n", "2026-01-02 03:04:06 [WARN] b\noops\n"] {
///     let batch = parser.parse_in(chunk, &mut memory);
///     rows += batch.len();
///     batch.recycle(&mut memory);
/// }
/// assert_eq!(rows, 2);
/// # Ok::<(), opsbox_log::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct BatchMemory {
    pub(crate) rooms: Vec<Room>,
    /// Columns that were set, without their values, the first one last.
    pub(crate) columns: Vec<ColumnBuilder>,
    pub(crate) arena: Vec<u8>,
    #[cfg(feature = "arrow")]
    pub(crate) views: Vec<u128>,
}

/// Where a block is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room {
    pub(super) cells: Vec<Cell>,
    pub(super) lines: Vec<u32>,
}
