//! What the engines for whole chunks have in common.

#![allow(
    clippy::indexing_slicing,
    reason = "arrays of one length, and places that the scan has written"
)]
#![allow(
    clippy::cast_possible_truncation,
    reason = "a chunk is shorter than 16 bits count, a block than 32"
)]

use std::ops::{Deref, DerefMut};

use crate::{
    batch::{Block, Cell},
    format::signature::CellLanes,
    scan::{BLOCK, LANES, Simd},
};

/// Most bytes that are scanned before their lines are looked at, if one of them is as long. Places in a
/// chunk are 16 bits.
pub(super) const CHUNK: usize = 16 << 10;

/// Bytes that are scanned in most cases: with what comes after them and with what is made of them, they
/// are to be in the nearest cache, which has 32 KiB.
pub(super) const NEAR: usize = 4 << 10;

/// A chunk, and what comes after it, so that a block can be looked at from each of its places.
pub(super) type Chunk = [u8; CHUNK + BLOCK];

/// A copy of what is looked at of a chunk that the input ends too near to.
#[derive(Default)]
pub(super) struct Copied(Option<Box<Chunk>>);

impl Copied {
    /// The chunk that `rest` begins with, of which `len` bytes are looked at. What is more than a block
    /// after those means nothing.
    #[inline(always)]
    pub(super) fn chunk<'c>(&'c mut self, rest: &'c [u8], len: usize) -> &'c Chunk {
        match rest.first_chunk() {
            Some(chunk) => chunk,
            None => self.copy(rest, len),
        }
    }

    #[cold]
    fn copy(&mut self, rest: &[u8], len: usize) -> &Chunk {
        let chunk = self.0.get_or_insert_with(|| {
            let chunk = vec![0; CHUNK + BLOCK].into_boxed_slice();
            chunk
                .try_into()
                .unwrap_or_else(|_| Box::new([0; CHUNK + BLOCK]))
        });
        let rest = rest.get(..len + BLOCK).unwrap_or(rest);
        let (copied, after) = chunk.split_at_mut(rest.len());
        copied.copy_from_slice(rest);
        let near = BLOCK.min(after.len());
        after[..near].fill(0);
        chunk
    }
}

/// What comes after a chunk: asked for bit by bit while the chunk is worked on, it comes from memory
/// meanwhile. Much at once would be waited for.
pub(super) struct Ahead<'i>(&'i [u8]);

impl<'i> Ahead<'i> {
    #[inline(always)]
    pub(super) fn new(input: &'i [u8]) -> Self {
        Self::of(input, NEAR)
    }

    /// So many bytes at most.
    #[inline(always)]
    pub(super) fn of(input: &'i [u8], most: usize) -> Self {
        Self(&input[..most.min(input.len())])
    }

    /// Asks for the next block.
    #[inline(always)]
    pub(super) fn ask<S: Simd>(&mut self, simd: S) {
        if let Some((block, rest)) = self.0.split_first_chunk::<BLOCK>() {
            simd.prefetch(block);
            self.0 = rest;
        }
    }

    /// Asks for the next two blocks.
    #[inline(always)]
    pub(super) fn ask_two<S: Simd>(&mut self, simd: S) {
        if let Some((blocks, rest)) = self.0.split_first_chunk::<{ 2 * BLOCK }>() {
            simd.prefetch(blocks);
            self.0 = rest;
        }
    }
}

/// Bytes of a chunk from `at` on, which is in it.
#[inline(always)]
pub(super) fn bytes_at<const N: usize>(chunk: &Chunk, at: usize) -> &[u8; N] {
    const { assert!(N <= BLOCK) };
    match chunk[at % CHUNK..].first_chunk() {
        Some(bytes) => bytes,
        None => unreachable!("a block is after each place"),
    }
}

/// A chunk's structural bytes, or what is known of each: before them the line feed before the chunk,
/// after them room for a block. That the size is known spares the loops their looks at it.
///
/// It begins where a line of the caches does, and is in one piece of memory with what else an engine
/// works in: pieces here and there made some processes a third slower than others.
#[repr(align(64))]
pub(super) struct Stream<T>([T; STREAM]);

const STREAM: usize = CHUNK + 2 * BLOCK;

impl<T: Copy + Default> Default for Stream<T> {
    fn default() -> Self {
        Self([T::default(); STREAM])
    }
}

impl<T> Deref for Stream<T> {
    type Target = [T; STREAM];

    #[inline(always)]
    fn deref(&self) -> &[T; STREAM] {
        &self.0
    }
}

impl<T> DerefMut for Stream<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T; STREAM] {
        &mut self.0
    }
}

/// What is at `at` of a stream and after it.
#[inline(always)]
pub(super) fn here<T, const N: usize>(stream: &Stream<T>, at: usize) -> &[T; N] {
    const { assert!(N <= BLOCK) };
    // No chunk has more.
    let at = at.min(STREAM - BLOCK);
    match stream[at..].first_chunk() {
        Some(here) => here,
        None => unreachable!("a block is after it"),
    }
}

/// [`here`], to be written.
#[inline(always)]
pub(super) fn here_mut<T>(stream: &mut Stream<T>, at: usize) -> &mut [T; BLOCK] {
    let at = at.min(STREAM - BLOCK);
    match stream[at..].first_chunk_mut() {
        Some(here) => here,
        None => unreachable!("a block is after it"),
    }
}

/// Lines of a chunk that are looked at together; more begin a new chunk.
pub(super) const CHUNK_LINES: usize = CHUNK / 8;

/// Rows that are not in the block yet.
#[derive(Default)]
pub(super) struct RowBuffer {
    lines: Vec<u32>,
    cells: Vec<u32>,
    columns: usize,
    rows: usize,
}

impl RowBuffer {
    /// Makes room for so many rows of so many columns.
    pub(super) fn begin(&mut self, rows: usize, columns: usize) {
        (self.columns, self.rows) = (columns, 0);
        self.lines.resize(rows, 0);
        self.cells.resize(rows * columns + LANES, 0);
    }

    /// Room for the cells of rows and for the beginnings of their lines, after those that are there.
    #[inline(always)]
    pub(super) fn room(&mut self) -> (&mut [u32], &mut [u32]) {
        (
            &mut self.cells[self.rows * self.columns..],
            &mut self.lines[self.rows..],
        )
    }

    /// Writes the next row, of a line that begins at `line` of the block; [`accept`](Self::accept)
    /// makes it count.
    #[inline(always)]
    pub(super) fn write<S: Simd>(
        &mut self,
        simd: S,
        places: &[u16; LANES],
        lanes: &CellLanes,
        line: usize,
    ) -> bool {
        let room = self.cells.get_mut(self.rows * self.columns..);
        let room = room.and_then(|room| room.first_chunk_mut());
        let (Some(room), Some(slot)) = (room, self.lines.get_mut(self.rows)) else {
            return false;
        };
        simd.cells(places, lanes, room);
        // Blocks are shorter than 4 GiB.
        *slot = line as u32;
        true
    }

    /// Moves the rows to the block, and leaves out the one after them, of whose followers `left` are
    /// written.
    pub(super) fn leave_out(&mut self, block: &mut Block, left: usize) {
        let next = self.rows + 1;
        self.flush(block);
        self.lines.copy_within(next..next + left, 0);
        let cells = next * self.columns..(next + left) * self.columns;
        self.cells.copy_within(cells, 0);
    }

    /// The cells of the next row.
    pub(super) fn next(&mut self) -> &mut [u32] {
        let at = self.rows * self.columns;
        &mut self.cells[at..at + self.columns]
    }

    #[inline(always)]
    pub(super) fn accept(&mut self, rows: usize) {
        self.rows += rows;
    }

    /// Moves the rows to the block.
    #[inline(always)]
    pub(super) fn flush(&mut self, block: &mut Block) {
        let rows = std::mem::take(&mut self.rows);
        let cells = &self.cells[..rows * self.columns];
        block.extend_rows(
            &self.lines[..rows],
            cells.iter().map(|&it| Cell::packed(it)),
        );
    }
}

/// Where a line that is longer than its chunk ends, from the chunk's end on: at the next line feed, or
/// at the end of what is given.
#[cold]
pub(super) fn long_line_end(input: &[u8], chunk_end: usize, end: usize) -> usize {
    let rest = input.get(chunk_end..end).unwrap_or_default();
    memchr::memchr(b'\n', rest).map_or(end, |feed| chunk_end + feed)
}

/// Bits from `len` on.
#[inline(always)]
pub(super) fn all_from(len: usize) -> u64 {
    u64::MAX.checked_shl(len as u32).unwrap_or(0)
}
