//! Arrow views that point into the bytes that they were made from.
//!
//! [`ViewColumn`] keeps what an array of views has to keep: each view is inside its buffer, and its
//! bytes are UTF-8. Arrow would check all of that again, view by view, at several times the cost of
//! making them.

use arrow_array::StringViewArray;
use arrow_buffer::{Buffer, NullBufferBuilder, ScalarBuffer};

use super::Simd;
use crate::batch::Cell;

/// The distance between the buffers of a large input: Arrow counts in 31 bits inside a buffer.
/// Buffers overlap, so that a value that begins in one ends in it.
pub(crate) const STRIDE: usize = 1 << 30;

/// Longest buffer: a value that begins in the first stride is at most a stride long itself.
const BUFFER_BYTES: usize = 2 * STRIDE - 1;

/// Longest value that is in its view.
const INLINE_BYTES: usize = 12;

/// Bytes that values of a line [near](NOT_NEAR) its beginning are in, and those [before](BEFORE) it.
pub(super) const NEAR: usize = 8192;

/// A cell, `start | len << 16`, with one of these bits does not begin and end near its line's
/// beginning, or has no value.
const NOT_NEAR: u32 = 0xf000_f000;

/// Bytes before a line that are looked at with it: as many as a view has before those of the value.
pub(super) const BEFORE: usize = 4;

/// Rows whose views are made together at most.
pub(crate) const TOGETHER: usize = 32;

/// Columns whose views of a row are made together at most.
pub(super) const ACROSS: usize = 16;

/// The views of a column that are made together. Made here and then moved to the columns, which are so
/// many and so far apart that they would drive each other out of the nearest cache.
pub(super) type Room = [u128; TOGETHER];

/// Room for the columns that are made together.
pub(crate) struct Rooms(Box<[Room; ACROSS]>);

impl Rooms {
    pub(crate) fn new() -> Self {
        Self(Box::new([[0; TOGETHER]; ACROSS]))
    }
}

/// A line whose values are near its beginning.
#[derive(Clone, Copy)]
pub(crate) struct Near<'l> {
    /// From [`BEFORE`] it on.
    pub(super) bytes: &'l [u8; NEAR],
    /// The buffer that it is in.
    pub(super) buffer: u32,
    /// Where in the buffer.
    pub(super) offset: u32,
}

/// The bytes that views point into, and what is known of them.
pub(crate) struct Texts {
    input: Text,
    arena: Text,
}

struct Text {
    bytes: Buffer,
    windows: Vec<Buffer>,
    /// The number of the first window.
    block: u32,
    known: Known,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Ascii,
    Utf8,
    Nothing,
}

impl Texts {
    pub(crate) fn new(input: Buffer, arena: Buffer) -> Self {
        let input = Text::new(input, 0);
        let block = u32::try_from(input.windows.len()).unwrap_or(u32::MAX);
        Self {
            arena: Text::new(arena, block),
            input,
        }
    }
}

impl Text {
    fn new(bytes: Buffer, block: u32) -> Self {
        let known = match bytes.is_ascii() {
            true => Known::Ascii,
            false if std::str::from_utf8(&bytes).is_ok() => Known::Utf8,
            false => Known::Nothing,
        };
        let starts = (0..bytes.len().max(1)).step_by(STRIDE);
        let windows = starts.map(|start| {
            let len = (bytes.len() - start).min(BUFFER_BYTES);
            bytes.slice_with_length(start, len)
        });
        Self {
            windows: windows.collect(),
            bytes,
            block,
            known,
        }
    }

    /// Whether the bytes from `start` to `end`, which are there, are UTF-8.
    #[inline(always)]
    fn is_utf8(&self, start: usize, end: usize) -> bool {
        let starts_character = |at: usize| match self.bytes.get(at) {
            Some(byte) => !(0x80..0xc0).contains(byte),
            None => true,
        };
        match self.known {
            Known::Ascii => true,
            Known::Utf8 => starts_character(start) && starts_character(end),
            Known::Nothing => std::str::from_utf8(&self.bytes[start..end]).is_ok(),
        }
    }
}

/// A column in the making. Values that are not UTF-8 come out with U+FFFD in place of the bad bytes.
pub(crate) struct ViewColumn<'t> {
    texts: &'t Texts,
    views: Vec<u128>,
    nulls: NullBufferBuilder,
    /// Values that differ from what they were made from.
    repaired: Vec<u8>,
}

impl<'t> ViewColumn<'t> {
    /// For so many rows, in the memory of another column if there is one.
    pub(crate) fn new(texts: &'t Texts, rows: usize, memory: Option<Vec<u128>>) -> Self {
        let mut views = memory.unwrap_or_default();
        views.clear();
        views.reserve_exact(rows);
        Self {
            texts,
            views,
            nulls: NullBufferBuilder::new(rows),
            repaired: Vec::new(),
        }
    }

    #[inline(always)]
    pub(crate) fn push_null(&mut self) {
        self.views.push(0);
        self.nulls.append_null();
    }

    /// A range of the input; null if it is not inside.
    #[inline(always)]
    pub(crate) fn push_input(&mut self, start: usize, end: usize) {
        self.push(&self.texts.input, start, end);
    }

    /// A range of the arena; null if it is not inside.
    pub(crate) fn push_arena(&mut self, start: usize, end: usize) {
        self.push(&self.texts.arena, start, end);
    }

    #[inline(always)]
    fn push(&mut self, text: &'t Text, start: usize, end: usize) {
        if start > end || end > text.bytes.len() || end - start > STRIDE {
            return self.push_null();
        }
        if !text.is_utf8(start, end) {
            return self.push_repaired(&text.bytes[start..end]);
        }
        let block = text.block + (start / STRIDE) as u32;
        let mut spare = [0; 16];
        let value = sixteen(&text.bytes, start, &mut spare);
        let offset = (start % STRIDE) as u32;
        self.views
            .push(view(value, (end - start) as u32, block, offset));
        self.nulls.append_non_null();
    }

    #[cold]
    fn push_repaired(&mut self, value: &[u8]) {
        let value = String::from_utf8_lossy(value);
        let start = self.repaired.len();
        if start + value.len() > BUFFER_BYTES {
            // Two gigabytes of broken text in one column: no view can point at more.
            return self.push_null();
        }
        self.repaired.extend_from_slice(value.as_bytes());
        let arena = &self.texts.arena;
        let block = arena.block + arena.windows.len() as u32;
        let mut spare = [0; 16];
        let first = sixteen(&self.repaired, start, &mut spare);
        let view = view(first, value.len() as u32, block, start as u32);
        self.views.push(view);
        self.nulls.append_non_null();
    }

    pub(crate) fn finish(mut self) -> StringViewArray {
        let windows = self.texts.input.windows.iter();
        let mut buffers: Vec<_> = windows.chain(&self.texts.arena.windows).cloned().collect();
        if !self.repaired.is_empty() {
            buffers.push(Buffer::from_vec(self.repaired));
        }
        let views = ScalarBuffer::from(self.views);
        // SAFETY: `push`, `push_near` and `push_repaired` are the only ones that add views that are not
        // null. Each view was made by `view` or `Simd::views` from bytes that are in the buffer of its
        // number: window `i` of a text begins at `i * STRIDE` and is two strides long or reaches the end,
        // and a value is a stride long at most, so it is inside. A near value begins and ends less than
        // `NEAR` bytes after its line begins, and `push_near` sees to it that the text, which has one
        // window then, has as many after each line's beginning. The bytes are UTF-8: looked at by
        // themselves, or part of a text that is, between two places where characters begin. There are as
        // many validity bits as views, since each push adds one of both, and `push_near` as many.
        unsafe { StringViewArray::new_unchecked(views, buffers.into(), self.nulls.finish()) }
    }
}

/// Adds the values of rows, whose lines begin `lines` after `base`, to all columns; `cells` begins with
/// as many for each. All of that, or nothing and `false`, if not all cells are near their lines' beginnings or
/// the text is not a simple one.
#[inline(always)]
pub(crate) fn push_near<S: Simd>(
    simd: S,
    columns: &mut [ViewColumn<'_>],
    base: usize,
    lines: &[u32],
    cells: &[Cell],
    rooms: &mut Rooms,
) -> bool {
    let (rows, fields) = (lines.len(), columns.len());
    let Some(texts) = columns.first().map(|column| column.texts) else {
        return false;
    };
    let text = &texts.input;
    let bytes = text.bytes.as_slice();
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else {
        return true;
    };
    let is_there = (base + *first as usize >= BEFORE)
        & (base + *last as usize + NEAR <= bytes.len())
        & lines.is_sorted();
    let is_one_text = columns.iter().all(|it| std::ptr::eq(it.texts, texts));
    if text.known != Known::Ascii
        || bytes.len() > STRIDE
        || rows > TOGETHER
        || cells.len() < rows * fields
        || !is_there
        || !is_one_text
    {
        return false;
    }
    let mut any = 0;
    for cell in &cells[..rows * fields] {
        any |= cell.bits();
    }
    if any & NOT_NEAR != 0 {
        return false;
    }
    for (group, from) in columns.chunks_mut(ACROSS).zip((0..).step_by(ACROSS)) {
        let across = group.len();
        let rooms = &mut rooms.0[..across];
        for (row, line) in lines.iter().enumerate() {
            let cells = &cells[row * fields + from..];
            let line = base + *line as usize;
            let near = bytes.get(line - BEFORE..).and_then(|it| it.first_chunk());
            let Some(near) = near else {
                unreachable!("the bytes after the last line are there");
            };
            let near = Near {
                bytes: near,
                buffer: text.block,
                offset: line as u32,
            };
            let mut spare = [Cell::NULL; ACROSS];
            let cells = match cells.first_chunk() {
                Some(cells) => cells,
                None => {
                    spare[..across].copy_from_slice(&cells[..across]);
                    &spare
                }
            };
            simd.views(near, cells, row, rooms);
        }
        for (column, room) in group.iter_mut().zip(rooms) {
            column.views.extend_from_slice(&room[..rows]);
            column.nulls.append_n_non_nulls(rows);
        }
    }
    true
}

/// The first 16 bytes of a value, or more than it has.
#[inline(always)]
fn sixteen<'b>(bytes: &'b [u8], start: usize, spare: &'b mut [u8; 16]) -> &'b [u8; 16] {
    let rest = &bytes[start..];
    match rest.first_chunk() {
        Some(sixteen) => sixteen,
        None => {
            spare[..rest.len()].copy_from_slice(rest);
            spare
        }
    }
}

impl<'l> Near<'l> {
    /// The first 16 bytes of the value that begins at `start` of the line, which is near.
    #[inline(always)]
    pub(super) fn value(self, start: u32) -> &'l [u8; 16] {
        self.sixteen(start, BEFORE)
    }

    /// The 12 bytes of that, and those [before](BEFORE) them.
    #[inline(always)]
    pub(super) fn around(self, start: u32) -> &'l [u8; 16] {
        self.sixteen(start, 0)
    }

    #[inline(always)]
    fn sixteen(self, start: u32, after: usize) -> &'l [u8; 16] {
        match self.bytes[start as usize % (NEAR / 2) + after..].first_chunk() {
            Some(bytes) => bytes,
            None => unreachable!("half of the bytes are after it"),
        }
    }
}

/// A view, from the first bytes of the value: see [`Simd::views`].
#[inline(always)]
pub(super) fn view(value: &[u8; 16], len: u32, block: u32, offset: u32) -> u128 {
    let value = u128::from_le_bytes(*value);
    // Lengths go up and down without a rule: what depends on them must not be a branch.
    let [low, high] = KEPT[(len as usize).min(INLINE_BYTES + 1)];
    let far = u64::from(len as usize > INLINE_BYTES).wrapping_neg();
    let (first, second) = (value as u64, (value >> 64) as u64);
    let low = u64::from(len) | (first & low) << 32;
    let high =
        (first >> 32 | second << 32) & high | (u64::from(block) | u64::from(offset) << 32) & far;
    u128::from(low) | u128::from(high) << 64
}

/// Which of the first four bytes of a value, and which of the eight after them, are in its view.
const KEPT: [[u64; 2]; INLINE_BYTES + 2] = {
    let mut kept = [[0; 2]; INLINE_BYTES + 2];
    let mut len = 0;
    while len <= INLINE_BYTES {
        let first = if len < 4 { len } else { 4 };
        kept[len] = [
            (1 << (8 * first)) - 1,
            ((1_u128 << (8 * (len - first))) - 1) as u64,
        ];
        len += 1;
    }
    // Of a longer one, the prefix.
    kept[INLINE_BYTES + 1] = [0xffff_ffff, 0];
    kept
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::{Chosen, Kernel, Work, on_portable, run};

    struct Views<'l>(&'l [u8; NEAR], [Cell; ACROSS], u32, u32);

    impl Work for &Views<'_> {
        type Output = Vec<u128>;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Vec<u128> {
            let Views(bytes, cells, buffer, offset) = *self;
            let near = Near {
                bytes,
                buffer,
                offset,
            };
            let mut out = Vec::new();
            for columns in 1..=ACROSS {
                let mut rooms = [[7; TOGETHER]; ACROSS];
                simd.views(near, &cells, columns, &mut rooms[..columns]);
                out.extend(rooms[..columns].iter().map(|room| room[columns]));
            }
            out
        }
    }

    /// A view as Arrow's format describes it.
    fn expected(line: &[u8], cell: u32, block: u32, offset: u32) -> u128 {
        let (start, len) = ((cell & 0xffff) as usize, (cell >> 16) as usize);
        let mut view = [0; 16];
        view[..4].copy_from_slice(&(len as u32).to_le_bytes());
        if len <= INLINE_BYTES {
            view[4..4 + len].copy_from_slice(&line[start..start + len]);
        } else {
            view[4..8].copy_from_slice(&line[start..start + 4]);
            view[8..12].copy_from_slice(&block.to_le_bytes());
            view[12..].copy_from_slice(&(offset + start as u32).to_le_bytes());
        }
        u128::from_le_bytes(view)
    }

    #[test]
    fn kernels_make_the_views_of_the_format() {
        let mut state = 7_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 8
        };
        let bytes: [u8; NEAR] = std::array::from_fn(|_| next() as u8);
        for _ in 0..2000 {
            let longest = [4, 13, 20, 4095][next() as usize % 4];
            let cells = [(); ACROSS].map(|()| (next() % 4096) | ((next() % (longest + 1)) << 16));
            let (buffer, offset) = (next() % 3, next());
            let line = &bytes[BEFORE..];
            let views = cells.map(|cell| expected(line, cell, buffer, offset));
            let wanted: Vec<_> = (1..=ACROSS).flat_map(|len| views[..len].to_vec()).collect();
            let work = Views(&bytes, cells.map(Cell::packed), buffer, offset);
            assert_eq!(on_portable(&work), wanted);
            for kernel in Kernel::ALL {
                let made = run(Chosen::new(kernel), &work);
                assert_eq!(made, wanted, "{kernel} {cells:x?}");
            }
        }
    }
}
