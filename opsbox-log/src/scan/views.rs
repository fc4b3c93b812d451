//! Arrow views that point into the bytes that they were made from.
//!
//! [`ViewColumn`] keeps what an array of views has to keep: each view is inside its buffer, and its
//! bytes are UTF-8. Arrow would check all of that again, view by view, at several times the cost of
//! making them.

use std::{cell::OnceCell, mem::MaybeUninit};

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
pub(crate) const TOGETHER: usize = 64;

/// Rows that a kernel takes at once: their views of a column are as many bytes as a line of the caches.
pub(super) const ROWS: usize = 4;

/// Columns that a kernel takes at once at most.
pub(super) const ACROSS: usize = 16;

/// Where the views of a column go.
pub(crate) type Room<'v> = &'v mut [[MaybeUninit<u128>; ROWS]];

/// Lines whose values are near their beginnings, in the first buffer.
#[derive(Clone, Copy)]
pub(crate) struct Near<'l> {
    /// Of each line the bytes from [`BEFORE`] it on.
    pub(super) lines: [&'l [u8; NEAR]; ROWS],
    /// Of each where the values are, and perhaps what is of other lines.
    pub(super) cells: [&'l [Cell; ACROSS]; ROWS],
    /// Where the lines are after a place in the buffer.
    pub(super) offsets: [u32; ROWS],
    pub(super) base: u32,
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
    /// Whether all of it is UTF-8, once that is asked for.
    is_utf8: OnceCell<bool>,
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
        let starts = (0..bytes.len().max(1)).step_by(STRIDE);
        let windows = starts.map(|start| {
            let len = (bytes.len() - start).min(BUFFER_BYTES);
            bytes.slice_with_length(start, len)
        });
        Self {
            windows: windows.collect(),
            bytes,
            block,
            is_utf8: OnceCell::new(),
        }
    }

    /// Whether the bytes from `start` to `end`, which are there, are UTF-8.
    #[inline]
    fn is_utf8(&self, start: usize, end: usize) -> bool {
        let starts_character = |at: usize| match self.bytes.get(at) {
            Some(byte) => !(0x80..0xc0).contains(byte),
            None => true,
        };
        if self.bytes[start..end].is_ascii() {
            return true;
        }
        let is_utf8 = || std::str::from_utf8(&self.bytes).is_ok();
        match self.is_utf8.get_or_init(is_utf8) {
            true => starts_character(start) && starts_character(end),
            false => std::str::from_utf8(&self.bytes[start..end]).is_ok(),
        }
    }
}

/// Columns of views in one piece of memory. Where `wanted` is false there is no array: such a column is filled like the
/// others, and written nowhere.
///
/// One piece, and not one for each column: an allocator has large pages for what is large, and one of 2 MiB costs the
/// system less than the 512 small ones that it is as long as.
pub(crate) struct ViewTable {
    texts: Texts,
    /// Has no length until the end: the views are in its spare capacity.
    views: Vec<u128>,
    /// Places of each wanted column.
    stride: usize,
    columns: Vec<Own>,
}

/// What a column has beside its views.
struct Own {
    is_wanted: bool,
    /// Views that are written. Of a column that is not wanted, where the next goes.
    rows: usize,
    nulls: NullBufferBuilder,
    /// Values that differ from what they were made from.
    repaired: Vec<u8>,
}

impl ViewTable {
    /// In the memory of another table, if there was one.
    pub(crate) fn new(texts: Texts, wanted: &[bool], memory: Vec<u128>) -> Self {
        let columns = wanted.iter().map(|&is_wanted| Own {
            is_wanted,
            rows: 0,
            nulls: NullBufferBuilder::new(0),
            repaired: Vec::new(),
        });
        let mut views = memory;
        views.clear();
        Self {
            texts,
            views,
            stride: 0,
            columns: columns.collect(),
        }
    }

    fn count(&self) -> usize {
        self.columns.iter().filter(|it| it.is_wanted).count()
    }

    /// Whether there is room for so many rows in all.
    pub(crate) fn has_room(&self, rows: usize) -> bool {
        rows <= self.stride && self.stride > 0
    }

    /// Makes room for so many rows in all.
    pub(crate) fn reserve(&mut self, rows: usize) {
        if self.has_room(rows) {
            return;
        }
        let (count, stride) = (self.count(), stride(rows));
        if self.stride == 0 {
            self.views.reserve_exact(count * stride);
        } else {
            let mut views = Vec::with_capacity(count * stride);
            let old = self.views.spare_capacity_mut().chunks_exact(self.stride);
            let new = views.spare_capacity_mut().chunks_exact_mut(stride);
            let written = self.columns.iter().filter(|it| it.is_wanted);
            for ((old, new), own) in old.zip(new).zip(written) {
                new[..own.rows].copy_from_slice(&old[..own.rows]);
            }
            self.views = views;
        }
        self.stride = stride;
    }

    /// Lets rows be added, as many as there is [room](Self::reserve) for.
    pub(crate) fn fill(&mut self, add: impl FnOnce(&mut [ViewColumn<'_>])) {
        let stride = self.stride.max(ROWS);
        let mut spare = vec![[MaybeUninit::uninit(); TOGETHER]; self.columns.len() - self.count()];
        let mut spare = spare.iter_mut();
        let mut rooms = self.views.spare_capacity_mut().chunks_exact_mut(stride);
        let texts = &self.texts;
        let columns = self.columns.iter_mut().map(|own| {
            let room = match own.is_wanted {
                true => rooms.next().unwrap_or_default(),
                false => spare.next().map_or(&mut [][..], |it| &mut it[..]),
            };
            ViewColumn { texts, room, own }
        });
        add(&mut columns.collect::<Vec<_>>());
    }

    /// The arrays of those that are wanted, a place for each column.
    pub(crate) fn finish(mut self) -> Vec<Option<StringViewArray>> {
        self.reserve(0);
        let (count, stride) = (self.count(), self.stride);
        let rooms = self.views.spare_capacity_mut().chunks_exact_mut(stride);
        for (room, own) in rooms.zip(self.columns.iter().filter(|it| it.is_wanted)) {
            room[own.rows..].fill(MaybeUninit::new(0));
        }
        // SAFETY: `reserve` has made room for `count` columns of `stride` views. The first `rows` of each are written:
        // `ViewColumn::next` counts only what those write that call it, and `reserve` takes them along. The rest was
        // written above.
        unsafe { self.views.set_len(count * stride) };
        let views = Buffer::from_vec(self.views);
        let mut places = (0..count).map(|at| at * stride * size_of::<u128>());
        let windows = self.texts.input.windows.iter();
        let buffers: Vec<_> = windows.chain(&self.texts.arena.windows).cloned().collect();
        let arrays = self.columns.into_iter().map(|mut own| {
            let place = own.is_wanted.then(|| places.next())??;
            let views = views.slice_with_length(place, own.rows * size_of::<u128>());
            let mut buffers = buffers.clone();
            if !own.repaired.is_empty() {
                buffers.push(Buffer::from_vec(own.repaired));
            }
            let (views, nulls) = (ScalarBuffer::from(views), own.nulls.finish());
            // SAFETY: `push`, `push_near` and `push_own` are the only ones that add views that are not
            // null. Each view was made by `view` or `Simd::views` from bytes that are in the buffer of its
            // number: window `i` of a text begins at `i * STRIDE` and is two strides long or reaches the end,
            // and a value is a stride long at most, so it is inside. A near value begins and ends less than
            // `NEAR` bytes after its line begins, and `push_near` sees to it that the text, which has one
            // window then, has as many after each line's beginning. The bytes are UTF-8: looked at by
            // themselves, or part of a text that is, between two places where characters begin, or ASCII.
            // There are as many validity bits as views, since each push adds one of both, and `push_near` as
            // many. A column's views and its other parts stay together: `fill` lends both as one.
            Some(unsafe { StringViewArray::new_unchecked(views, buffers.into(), nulls) })
        });
        arrays.collect()
    }
}

/// The distance between columns of so many rows: each begins where a line of the caches does, and no two of a few at the
/// same place of a page of 4 KiB, since what is at the same place of many pages shares few lines of a cache.
fn stride(rows: usize) -> usize {
    const PAGE: usize = 4096 / size_of::<u128>();
    const APART: usize = 9 * ROWS;
    let rows = rows.max(1).next_multiple_of(ROWS);
    match rows < 4 * PAGE {
        true => rows,
        false => rows.next_multiple_of(PAGE) + APART,
    }
}

/// A column in the making. Values that are not UTF-8 come out with U+FFFD in place of the bad bytes.
pub(crate) struct ViewColumn<'t> {
    texts: &'t Texts,
    /// Where the views are written.
    room: &'t mut [MaybeUninit<u128>],
    own: &'t mut Own,
}

impl<'t> ViewColumn<'t> {
    /// Where the next views go, which are counted as written: the caller writes all of them. A column that is not wanted
    /// has few places, and they are written again and again.
    #[inline(always)]
    fn next(&mut self, rows: usize) -> &mut [MaybeUninit<u128>] {
        if !self.own.is_wanted && self.room.len() - self.own.rows < rows {
            self.own.rows = 0;
        }
        let first = self.own.rows;
        let next = &mut self.room[first..first + rows];
        self.own.rows += rows;
        next
    }

    #[inline(always)]
    fn add(&mut self, view: u128) {
        self.next(1)[0].write(view);
    }

    #[inline(always)]
    pub(crate) fn push_null(&mut self) {
        self.add(0);
        self.own.nulls.append_null();
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
        self.add(view(value, (end - start) as u32, block, offset));
        self.own.nulls.append_non_null();
    }

    #[cold]
    fn push_repaired(&mut self, value: &[u8]) {
        self.push_own(value);
    }

    /// A value that is in no text, which the column keeps.
    pub(crate) fn push_own(&mut self, value: &[u8]) {
        let value = String::from_utf8_lossy(value);
        let repaired = &mut self.own.repaired;
        let start = repaired.len();
        if start + value.len() > BUFFER_BYTES {
            // Two gigabytes of such text in one column: no view can point at more.
            return self.push_null();
        }
        let arena = &self.texts.arena;
        let block = arena.block + arena.windows.len() as u32;
        let mut spare = [0; 16];
        let first = sixteen(value.as_bytes(), 0, &mut spare);
        let view = view(first, value.len() as u32, block, start as u32);
        if value.len() > INLINE_BYTES {
            repaired.extend_from_slice(value.as_bytes());
        }
        self.add(view);
        self.own.nulls.append_non_null();
    }

    /// How many of these lines, which are in their order, have enough of the input after them to be
    /// [near](push_near).
    pub(crate) fn near_lines(&self, base: usize, lines: &[u32]) -> usize {
        let bytes = self.texts.input.bytes.len();
        lines.partition_point(|&line| base + line as usize + NEAR <= bytes)
    }

    /// Rows until the views are where a line of the caches begins; nothing of a column that is not wanted.
    pub(crate) fn unaligned(&self) -> Option<usize> {
        if !self.own.is_wanted {
            return None;
        }
        let next = self.room[self.own.rows..].as_ptr();
        Some(next.align_offset(ROWS * size_of::<u128>()) % ROWS)
    }
}

/// Adds the values of rows, whose lines begin `lines` after `base`, to all columns; `cells` begins with
/// as many for each. All of that, or nothing and `false`, if not all cells are near their lines'
/// beginnings, or the text is not ASCII there or is not a simple one.
#[inline(always)]
pub(crate) fn push_near<S: Simd>(
    simd: S,
    columns: &mut [ViewColumn<'_>],
    base: usize,
    lines: &[u32],
    cells: &[Cell],
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
    if bytes.len() > STRIDE
        || text.block != 0
        || rows > TOGETHER
        || cells.len() < rows * fields
        || !is_there
        || !is_one_text
    {
        return false;
    }
    let (mut any, mut end) = (0, 0);
    for cell in &cells[..rows * fields] {
        any |= cell.bits();
        end = end.max((cell.bits() & 0xffff) + (cell.bits() >> 16));
    }
    let values = base + *first as usize..base + *last as usize + end as usize;
    if any & NOT_NEAR != 0 || !simd.is_ascii(&bytes[values]) {
        return false;
    }
    for (group, from) in columns.chunks_mut(ACROSS).zip((0..).step_by(ACROSS)) {
        let across = group.len();
        let mut rooms: [Room<'_>; ACROSS] = Default::default();
        let mut rests: [&mut [MaybeUninit<u128>]; ACROSS] = Default::default();
        for ((room, rest), column) in rooms.iter_mut().zip(&mut rests).zip(&mut *group) {
            let spare = column.next(rows);
            // The last rows of all may not have as many cells after them as a kernel looks at.
            let fours = rows.min((cells.len() - from).saturating_sub(ACROSS) / fields) / ROWS;
            let (fours, after) = spare.split_at_mut(fours * ROWS);
            (*room, *rest) = (fours.as_chunks_mut().0, after);
        }
        let (rooms, rests) = (&mut rooms[..across], &mut rests[..across]);
        let fours = rooms[0].len();
        for four in 0..fours {
            let row = four * ROWS;
            let [a, b, c, d] = [row, row + 1, row + 2, row + 3];
            let near = Near {
                lines: [
                    near(bytes, base, lines[a]),
                    near(bytes, base, lines[b]),
                    near(bytes, base, lines[c]),
                    near(bytes, base, lines[d]),
                ],
                cells: [
                    across_of(cells, a * fields + from),
                    across_of(cells, b * fields + from),
                    across_of(cells, c * fields + from),
                    across_of(cells, d * fields + from),
                ],
                offsets: [lines[a], lines[b], lines[c], lines[d]],
                base: base as u32,
            };
            simd.views(&near, four, rooms);
        }
        for (at, rest) in rests.iter_mut().enumerate() {
            for (slot, row) in rest.iter_mut().zip(fours * ROWS..) {
                let (start, len) = cells[row * fields + from + at].near();
                let start = base as u32 + lines[row] + start;
                let mut spare = [0; 16];
                let value = sixteen(bytes, start as usize, &mut spare);
                slot.write(view(value, len, 0, start));
            }
        }
        for column in group {
            column.own.nulls.append_n_non_nulls(rows);
        }
    }
    true
}

/// The bytes of a line from [`BEFORE`] it on.
#[inline(always)]
fn near(bytes: &[u8], base: usize, line: u32) -> &[u8; NEAR] {
    let rest = bytes.get(base + line as usize - BEFORE..);
    match rest.and_then(|rest| rest.first_chunk()) {
        Some(near) => near,
        None => unreachable!("the bytes after the last line are there"),
    }
}

/// The cells of a row, and those after them.
#[inline(always)]
fn across_of(cells: &[Cell], at: usize) -> &[Cell; ACROSS] {
    match cells.get(at..).and_then(|cells| cells.first_chunk()) {
        Some(cells) => cells,
        None => unreachable!("the rows that have fewer are left out"),
    }
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
    /// The first 16 bytes of the value that begins at `start` of a line, which is near.
    #[inline(always)]
    pub(super) fn value(&self, line: usize, start: u32) -> &'l [u8; 16] {
        self.sixteen(line, start, BEFORE)
    }

    /// The 12 bytes of that, and those [before](BEFORE) them.
    #[inline(always)]
    pub(super) fn around(&self, line: usize, start: u32) -> &'l [u8; 16] {
        self.sixteen(line, start, 0)
    }

    #[inline(always)]
    fn sixteen(&self, line: usize, start: u32, after: usize) -> &'l [u8; 16] {
        match self.lines[line][start as usize % (NEAR / 2) + after..].first_chunk() {
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

    struct Views<'l>(Near<'l>);

    impl Work for &Views<'_> {
        type Output = Vec<u128>;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Vec<u128> {
            let Views(near) = self;
            let mut out = Vec::new();
            for columns in 1..=ACROSS {
                let mut rooms = [[[MaybeUninit::new(7); ROWS]; 3]; ACROSS];
                let mut slices: [Room<'_>; ACROSS] = rooms.each_mut().map(|room| &mut room[..]);
                simd.views(near, 1, &mut slices[..columns]);
                let views = rooms.iter().flatten().flatten();
                // SAFETY: all were written above.
                out.extend(views.map(|it| unsafe { it.assume_init() }));
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
        let bytes: [[u8; NEAR]; ROWS] = [(); ROWS].map(|()| std::array::from_fn(|_| next() as u8));
        for _ in 0..2000 {
            let longest = [4, 13, 20, 4095][next() as usize % 4];
            let places = [[(); ACROSS]; ROWS]
                .map(|row| row.map(|()| (next() % 4096) | ((next() % (longest + 1)) << 16)));
            let cells = places.map(|row| row.map(Cell::packed));
            let near = Near {
                lines: bytes.each_ref(),
                cells: cells.each_ref(),
                offsets: [next(), next(), next(), next()],
                base: next(),
            };
            let mut wanted = Vec::new();
            for columns in 1..=ACROSS {
                let mut rooms = [[7; 3 * ROWS]; ACROSS];
                for (column, room) in rooms[..columns].iter_mut().enumerate() {
                    for row in 0..ROWS {
                        let (line, offset) = (&bytes[row][BEFORE..], near.base + near.offsets[row]);
                        let place = places[row][column];
                        room[ROWS + row] = expected(line, place, 0, offset);
                    }
                }
                wanted.extend(rooms.into_iter().flatten());
            }
            let work = Views(near);
            assert_eq!(on_portable(&work), wanted);
            for kernel in Kernel::ALL {
                let made = run(Chosen::new(kernel), &work);
                assert_eq!(made, wanted, "{kernel} {places:x?}");
            }
        }
    }
}
