//! Arrow views that point into the bytes that they were made from.
//!
//! [`ViewColumn`] keeps what an array of views has to keep: each view is inside its buffer, and its
//! bytes are UTF-8. Arrow would check all of that again, view by view, at several times the cost of
//! making them.

use arrow_array::StringViewArray;
use arrow_buffer::{Buffer, NullBufferBuilder, ScalarBuffer};

use super::Simd;

/// The distance between the buffers of a large input: Arrow counts in 31 bits inside a buffer.
/// Buffers overlap, so that a value that begins in one ends in it.
pub(crate) const STRIDE: usize = 1 << 30;

/// Longest buffer: a value that begins in the first stride is at most a stride long itself.
const BUFFER_BYTES: usize = 2 * STRIDE - 1;

/// Longest value that is in its view.
const INLINE_BYTES: usize = 12;

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
    pub(crate) fn new(texts: &'t Texts, rows: usize) -> Self {
        Self {
            texts,
            views: Vec::with_capacity(rows),
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

    /// Four ranges of the input, as their beginnings and lengths; `false` if that cannot be done at
    /// once.
    #[inline(always)]
    pub(crate) fn push_inputs<S: Simd>(
        &mut self,
        simd: S,
        starts: [usize; 4],
        lens: [u32; 4],
    ) -> bool {
        let text = &self.texts.input;
        let bytes = text.bytes.len();
        let fits = |at: usize| starts[at] + lens[at] as usize <= bytes;
        if text.known != Known::Ascii
            || bytes > STRIDE
            || !(fits(0) && fits(1) && fits(2) && fits(3))
        {
            return false;
        }
        let [mut a, mut b, mut c, mut d] = [[0; 16]; 4];
        let values = [
            sixteen(&text.bytes, starts[0], &mut a),
            sixteen(&text.bytes, starts[1], &mut b),
            sixteen(&text.bytes, starts[2], &mut c),
            sixteen(&text.bytes, starts[3], &mut d),
        ];
        let [a, b, c, d] = starts;
        let offsets = [a as u32, b as u32, c as u32, d as u32];
        let views = simd.views(values, lens, text.block, offsets);
        self.views.extend_from_slice(&views);
        self.nulls.append_n_non_nulls(4);
        true
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
        // SAFETY: `push`, `push_inputs` and `push_repaired` are the only ones that add views that are not null. Each
        // view was made by `view` from bytes that are in the buffer of its number: window `i` of a
        // text begins at `i * STRIDE` and is two strides long or reaches the end, and a value is a
        // stride long at most, so it is inside. The bytes are UTF-8: looked at by themselves, or part
        // of a text that is, between two places where characters begin. There are as many validity
        // bits as views, since each push adds one of both.
        unsafe { StringViewArray::new_unchecked(views, buffers.into(), self.nulls.finish()) }
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

/// See [`Simd::views`].
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
