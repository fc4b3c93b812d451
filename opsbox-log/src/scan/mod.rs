//! The vector kernels: the only module with `unsafe`.
//!
//! Engines are written once, in safe code, over the trait [`Simd`]. [`run`] calls them inside a
//! function that is compiled for the kernel's instructions, so that the operations inline. A kernel
//! is a token that exists only where the processor has its instructions: that is the argument behind
//! every `unsafe` block here.
//!
//! Loads come from references to arrays, so that no kernel can read past a slice.
//!
//! There are kernels for AVX-512 (with VBMI2 and GFNI, as Intel has since Ice Lake and AMD since Zen 4), AVX2,
//! and a portable twin in plain Rust, which other processors run and which is the oracle of the tests.

#![allow(
    clippy::indexing_slicing,
    reason = "arrays of one length, indexed below it"
)]
#![allow(
    clippy::cast_possible_truncation,
    reason = "places in blocks and lanes are small"
)]
#![allow(
    unsafe_code,
    reason = "vector instructions; each block has its argument"
)]

use std::str::Utf8Error;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(all(feature = "json", target_arch = "x86_64"))]
mod avx512_json;
#[cfg(feature = "json")]
mod json;
mod kernel;
mod lanes;
mod portable;
#[cfg(feature = "arrow")]
mod views;

#[cfg(feature = "json")]
pub(crate) use json::{BEFORE, GroupWindow, JsonMasks, KeyEnds, Window, window};
pub(crate) use kernel::Chosen;
pub use kernel::{Kernel, UnknownKernel};
#[cfg(feature = "mask")]
pub(crate) use lanes::Trigrams;
pub(crate) use lanes::{Classes, Found, LANES, Lanes, Ranges};
#[cfg(feature = "arrow")]
use views::{ACROSS, Near, ROWS};
#[cfg(feature = "arrow")]
pub(crate) use views::{TOGETHER, Texts, ViewColumn, ViewTable, push_near};

#[cfg(feature = "arrow")]
use crate::batch::Cell;
use crate::format::{
    pack::{WINDOWS, WindowLanes},
    signature::{CellLanes, Ending, Lengths},
};

/// Bytes that a kernel looks at together.
pub(crate) const BLOCK: usize = 64;

/// Bytes of one of the two halves that can make a block.
pub(crate) const HALF: usize = BLOCK / 2;

/// Bytes of most numbers, and more.
#[cfg(feature = "json")]
pub(crate) const NEAR: usize = 16;

/// Blocks whose masks a kernel looks at together.
pub(crate) const GROUP: usize = 8;

/// The operations of a kernel. Bit `i` of a mask stands for byte `i` of a block.
///
/// Methods are `#[inline(always)]`: they are compiled into the function that [`run`] enters.
pub(crate) trait Simd: Copy {
    /// Whether there are vector instructions, so that a block costs no more than a few bytes.
    const VECTOR: bool;

    /// Whether the masks of a group come out of registers together.
    const GROUPS: bool = false;

    /// Does work as a call of its own, still compiled for the kernel: what calls itself cannot be
    /// inlined.
    fn enter<W: Work>(self, work: W) -> W::Output;

    /// The bytes that are equal to `byte`.
    fn equal(self, block: &[u8; BLOCK], byte: u8) -> u64;

    /// The bytes above 127.
    fn not_ascii(self, block: &[u8; BLOCK]) -> u64;

    /// The bytes that a JSON string has escaped (below space, quote, backslash), and those above 127.
    fn escapes(self, block: &[u8; BLOCK]) -> u64;

    /// Whether no byte is above 127, of any bytes.
    #[inline(always)]
    fn is_ascii(self, bytes: &[u8]) -> bool {
        bytes.is_ascii()
    }

    /// For each bit the parity of the bits up to and with it.
    fn prefix_xor(self, mask: u64) -> u64;

    /// Writes the positions of the bits of `mask`, each added to `base`, and returns how many there
    /// are. What comes after them in `out` is undefined.
    #[cfg(feature = "json")]
    fn positions(self, mask: u64, base: u16, out: &mut [u16; BLOCK]) -> usize;

    /// Classes as they are in registers.
    type Table<'c>: Copy;

    /// Loads the classes, once for many blocks.
    fn table(self, classes: &Classes) -> Self::Table<'_>;

    /// The structural bytes of a block.
    fn classify(self, block: &[u8; BLOCK], table: Self::Table<'_>) -> Found;

    /// Trigrams as they are in registers.
    #[cfg(feature = "mask")]
    type TrigramTable<'t>: Copy;

    /// Loads the trigrams, once for many blocks.
    #[cfg(feature = "mask")]
    fn trigram_table(self, trigrams: &Trigrams) -> Self::TrigramTable<'_>;

    /// The bytes of the last block that end one of the trigrams, and maybe some that do not. The blocks before it begin two
    /// bytes and one byte before it.
    #[cfg(feature = "mask")]
    fn trigrams(self, blocks: [&[u8; BLOCK]; 3], table: Self::TrigramTable<'_>) -> u64;

    /// Classes as they are in registers for the blocks of a group.
    type GroupTable<'c>: Copy;

    /// Loads the classes, once for many groups.
    fn group_table(self, classes: &Classes) -> Self::GroupTable<'_>;

    /// The structural bytes of the blocks of a group, as the masks of a [`Found`] each.
    fn classify_group(
        self,
        group: &[[u8; BLOCK]; GROUP],
        table: Self::GroupTable<'_>,
        always: &mut [u64; GROUP],
        outside: &mut [u64; GROUP],
    );

    /// Leaves of the blocks of a group, whose [`Found`] they are, in `outside` those that are structural
    /// where they are: the quotes, which with the line feed and the escape are the bytes of `always`,
    /// tell what is between quotes. `quoted` is all ones if the group begins there, and then whether
    /// the next one does. If a line ends between quotes nothing is changed, and `false` returned.
    #[inline(always)]
    fn unquote(self, always: &[u64; GROUP], outside: &mut [u64; GROUP], quoted: &mut u64) -> bool {
        let mut structural = [0; GROUP];
        let (mut open, mut before) = (0, *quoted);
        for (at, structural) in structural.iter_mut().enumerate() {
            let it = Found {
                always: always[at],
                outside: outside[at],
            };
            let inside = self.prefix_xor(it.quotes()) ^ before;
            before = (inside.cast_signed() >> 63).cast_unsigned();
            open |= inside & it.line_feeds();
            *structural = it.always | it.outside & !inside;
        }
        if open != 0 {
            return false;
        }
        (*outside, *quoted) = (structural, before);
        true
    }

    /// Writes the places of the bits of `mask`, each added to `base`, and the bytes there; returns how
    /// many there are. What comes after them is undefined.
    fn gather(
        self,
        mask: u64,
        block: &[u8; BLOCK],
        base: u16,
        places: &mut [u16; BLOCK],
        bytes: &mut [u8; BLOCK],
    ) -> usize;

    /// Writes the Arrow views of the values of lines that are near: the length, and the bytes if there
    /// are 12 or fewer, else the first four of them, the number of the buffer, 0, and the offset in it.
    /// Each of the `rooms` gets those of its cell of each line, as its `four`th four.
    #[cfg(feature = "arrow")]
    #[inline(always)]
    fn views(self, near: &Near<'_>, four: usize, rooms: &mut [views::Room<'_>]) {
        for (column, room) in rooms.iter_mut().enumerate() {
            for (line, slot) in room[four].iter_mut().enumerate() {
                let (start, len) = near.cells[line][column].near();
                let offset = near.base.wrapping_add(near.offsets[line]);
                let value = near.value(line, start);
                slot.write(views::view(value, len, 0, offset.wrapping_add(start)));
            }
        }
    }

    /// The bytes that are in the ranges of their lane.
    fn in_lanes(self, block: &[u8; BLOCK], lanes: &Lanes) -> u64;

    /// The same where the second range of each lane is the first one.
    #[inline(always)]
    fn in_first(self, block: &[u8; BLOCK], lanes: &Lanes) -> u64 {
        self.in_lanes(block, lanes)
    }

    /// The bytes of a block of two halves that are not in the ranges of their lane.
    #[inline(always)]
    fn halves_outside(self, halves: [&[u8; HALF]; 2], lanes: &Lanes) -> u64 {
        let mut block = [0; BLOCK];
        for (slot, half) in block.chunks_exact_mut(HALF).zip(halves) {
            slot.copy_from_slice(half);
        }
        !self.in_lanes(&block, lanes)
    }

    /// The bytes that are no digits, and those that are points: a bit each.
    #[cfg(feature = "json")]
    #[inline(always)]
    fn no_digits(self, bytes: &[u8; NEAR]) -> (u32, u32) {
        let (mut others, mut points) = (0, 0);
        for (at, byte) in bytes.iter().enumerate() {
            others |= u32::from(!byte.is_ascii_digit()) << at;
            points |= u32::from(*byte == b'.') << at;
        }
        (others, points)
    }

    /// Whether the bytes are those of a text where its mask has ones.
    #[cfg(feature = "json")]
    #[inline(always)]
    fn begins_with(self, bytes: &[u8; HALF], text: &[u8; HALF], mask: &[u8; HALF]) -> bool {
        let mut different = 0;
        for at in 0..HALF {
            different |= (bytes[at] ^ text[at]) & mask[at];
        }
        different == 0
    }

    /// Beginnings and lengths of the windows of a line, `start | len << 16`. No place is so near to the end
    /// of what 16 bits count that what is added would go beyond it.
    #[inline(always)]
    fn windows(self, places: &[u16; LANES], lanes: &WindowLanes, out: &mut [u32; WINDOWS]) {
        for (at, window) in out.iter_mut().enumerate() {
            let lane = |at: usize| {
                let lane = usize::from(lanes.lanes[at]) % LANES;
                places[lane].wrapping_add(lanes.adds[at])
            };
            let (start, end) = (lane(2 * at), lane(2 * at + 1));
            *window = u32::from(start) | u32::from(end.wrapping_sub(start)) << 16;
        }
    }

    /// Which words of eight bytes are not zero, a bit each.
    #[cfg(feature = "json")]
    fn words(self, words: &[u8; BLOCK]) -> u32;

    /// Asks for bytes that will soon be read to be near then.
    #[inline(always)]
    fn prefetch(self, _: &[u8]) {}

    /// What [`json`](Self::json) compares with, kept in registers through a loop.
    #[cfg(feature = "json")]
    type JsonBytes: Copy;

    /// Makes ready for [`json`](Self::json) with keys that end like these.
    #[cfg(feature = "json")]
    fn json_bytes(self, keys: &KeyEnds) -> Self::JsonBytes;

    /// The bytes of the window's block that mean something in JSON.
    #[cfg(feature = "json")]
    fn json(self, bytes: &Self::JsonBytes, window: &Window) -> JsonMasks;

    /// For the blocks of a group at once, what is [hit](JsonMasks::hit) outside of strings, with line
    /// feeds, and what ends a value, strings included. `inside` is all ones if the group begins in a
    /// string, and then whether the next one does. Where there is a backslash, or a line ends in a
    /// string, nothing is written and `false` returned, and so by kernels that look at no
    /// [groups](Self::GROUPS).
    #[cfg(feature = "json")]
    #[inline(always)]
    fn json_group(
        self,
        _bytes: &Self::JsonBytes,
        _keys: &KeyEnds,
        _group: &GroupWindow,
        _inside: &mut u64,
        _ends: &mut [[u8; 8]; GROUP],
        _hits: &mut [u64; GROUP],
    ) -> bool {
        false
    }

    /// Whether the bytes of a line are those of the signature with this ending.
    #[inline(always)]
    fn same(self, bytes: &[u8; LANES], ending: &Ending) -> bool {
        let mut different = 0;
        for (a, b) in bytes.iter().zip(&ending.bytes).take(ending.len) {
            different |= a ^ b;
        }
        different == 0
    }

    /// Whether the distances between the places of such a line are in their ranges.
    #[inline(always)]
    fn lengths_fit(
        self,
        places: &[u16; LANES],
        next: &[u16; LANES],
        lengths: &Lengths,
        ending: &Ending,
    ) -> bool {
        let mut outside = 0;
        for at in 0..ending.len.min(LANES) {
            let distance = next[at].wrapping_sub(places[at]);
            outside |= u16::from(distance.wrapping_sub(lengths.least[at]) > lengths.more[at]);
        }
        outside == 0
    }

    /// Both [`same`](Self::same) and [`lengths_fit`](Self::lengths_fit).
    #[inline(always)]
    fn fits(
        self,
        bytes: &[u8; LANES],
        places: &[u16; LANES],
        next: &[u16; LANES],
        lengths: &Lengths,
        ending: &Ending,
    ) -> bool {
        self.same(bytes, ending) && self.lengths_fit(places, next, lengths, ending)
    }

    /// Beginnings and lengths of the columns of a line: `start | len << 16`. What comes after them in
    /// `out` is undefined.
    #[inline(always)]
    fn cells(self, places: &[u16; LANES], lanes: &CellLanes, out: &mut [u32; LANES]) {
        let line = places[0].wrapping_add(1);
        let place = |at: usize| {
            let lane = usize::from(lanes.lanes[at]) % LANES;
            places[lane].wrapping_add(lanes.adds[at])
        };
        for (at, cell) in out.iter_mut().enumerate().take(lanes.columns) {
            let (start, end) = (place(2 * at), place(2 * at + 1));
            *cell = u32::from(start.wrapping_sub(line))
                | u32::from(end.wrapping_sub(start)) << 16
                | lanes.absent[at];
        }
    }
}

/// The bytes as text, if they are UTF-8.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Utf8Error> {
    match run(Chosen::new(Kernel::best()), IsAscii(bytes)) {
        // SAFETY: no byte of these is above 127, and what is ASCII is UTF-8.
        true => Ok(unsafe { std::str::from_utf8_unchecked(bytes) }),
        false => std::str::from_utf8(bytes),
    }
}

struct IsAscii<'b>(&'b [u8]);

impl Work for IsAscii<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> bool {
        simd.is_ascii(self.0)
    }
}

/// Work that is compiled for each kernel.
pub(crate) trait Work {
    /// What comes out.
    type Output;

    /// Does the work. To be marked `#[inline(always)]`, and so what it calls in its hot loops.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Runs `work` on a kernel.
pub(crate) fn run<W: Work>(kernel: Chosen, work: W) -> W::Output {
    match kernel.kernel() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `Chosen` is a kernel whose instructions were found on this processor.
        Kernel::Avx512 => unsafe { avx512::run(work) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Kernel::Avx2 => unsafe { avx2::run(work) },
        _ => work.run(portable::Portable),
    }
}

/// Runs `work` in plain Rust, for a line alone.
pub(crate) fn on_portable<W: Work>(work: W) -> W::Output {
    work.run(portable::Portable)
}
