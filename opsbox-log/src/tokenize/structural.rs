//! The structural bytes of a chunk, as a stream of their places and of the bytes themselves.

#![allow(
    clippy::indexing_slicing,
    reason = "arrays of one length, and places that the scan has written"
)]
#![allow(
    clippy::cast_possible_truncation,
    reason = "a chunk is shorter than 16 bits count"
)]

use super::chunk::{Ahead, CHUNK, Chunk, Stream, all_from, here, here_mut};
use crate::{
    format::signature::Place,
    scan::{BLOCK, Classes, GROUP, LANES, Simd},
};

/// What stands after the stream: no structural byte is so.
const NONE: u8 = 0xff;

/// Blocks of a chunk.
const BLOCKS: usize = CHUNK / BLOCK;

/// The stream: the line feed before the chunk, then the structural bytes in it.
#[repr(C)]
pub(super) struct Structural {
    /// The masks of the blocks.
    masks: Masks,
    bytes: Stream<u8>,
    places: Stream<u16>,
    /// The masks of what is structural everywhere, where they are not kept in registers.
    always: Masks,
    /// How many there are.
    len: usize,
}

/// The groups' masks, each where a kernel writes it at once.
#[repr(align(64))]
struct Masks([[u64; GROUP]; BLOCKS / GROUP]);

/// A line in the stream.
#[derive(Clone, Copy)]
pub(super) struct Line<'s> {
    /// The places, from that of the line feed before it on.
    pub(super) places: &'s [u16; LANES],
    /// Those without the first.
    pub(super) next: &'s [u16; LANES],
    /// The bytes there.
    pub(super) bytes: &'s [u8; LANES],
}

impl<'s> Line<'s> {
    #[inline(always)]
    pub(super) fn at(places: &'s Stream<u16>, bytes: &'s Stream<u8>, at: usize) -> Self {
        let (places, bytes): (&[_; BLOCK], &[_; BLOCK]) = (here(places, at), here(bytes, at));
        match (
            places.first_chunk(),
            places[1..].first_chunk(),
            bytes[1..].first_chunk(),
        ) {
            (Some(places), Some(next), Some(bytes)) => Self {
                places,
                next,
                bytes,
            },
            _ => unreachable!("a block has more lanes"),
        }
    }

    /// Where it begins in the chunk.
    #[inline(always)]
    pub(super) fn start(self) -> usize {
        usize::from(self.places[0].wrapping_add(1))
    }

    /// Where a place of it is in the chunk.
    #[inline(always)]
    pub(super) fn place(self, place: Place) -> usize {
        usize::from(self.places[place.lane % LANES].wrapping_add(place.add))
    }
}

impl Default for Structural {
    fn default() -> Self {
        Self {
            masks: Masks([[0; GROUP]; BLOCKS / GROUP]),
            bytes: Stream::default(),
            places: Stream::default(),
            always: Masks([[0; GROUP]; BLOCKS / GROUP]),
            len: 0,
        }
    }
}

impl Structural {
    /// The places and their bytes.
    #[inline(always)]
    pub(super) fn streams(&self) -> (&Stream<u16>, &Stream<u8>) {
        (&self.places, &self.bytes)
    }

    /// From `at` of the stream on.
    #[inline(always)]
    pub(super) fn line(&self, at: usize) -> Line<'_> {
        Line::at(&self.places, &self.bytes, at)
    }

    /// Where in the chunk the structural byte at `at` is.
    #[inline(always)]
    pub(super) fn place(&self, at: usize) -> u16 {
        let [it] = *here(&self.places, at);
        it
    }

    /// The next line feed after `at`.
    pub(super) fn line_feed_after(&self, at: usize) -> Option<usize> {
        let rest = self.bytes.get(at + 1..self.len).unwrap_or_default();
        memchr::memchr(b'\n', rest).map(|feed| at + feed + 1)
    }

    /// Reads the first `len` bytes of a chunk, after which there is the input's end if it `is_last`, or
    /// what is `ahead`.
    #[inline(always)]
    pub(super) fn read<S: Simd>(
        &mut self,
        simd: S,
        classes: &Classes,
        chunk: &Chunk,
        len: usize,
        is_last: bool,
        ahead: &mut Ahead<'_>,
    ) {
        let blocks = len.div_ceil(BLOCK).min(BLOCKS);
        let (chunks, _) = chunk.as_chunks::<BLOCK>();
        self.masks(simd, classes, chunks, blocks, ahead);
        let masks = &mut self.masks.0.as_flattened_mut()[..blocks];
        if let Some(last) = masks.last_mut() {
            *last &= !all_from(len - (blocks - 1) * BLOCK);
        }
        let (places, bytes) = (&mut self.places, &mut self.bytes);
        (places[0], bytes[0]) = (u16::MAX, b'\n');
        let (mut found, mut base) = (1, 0);
        for (mask, block) in masks.iter().zip(chunks) {
            let (places, bytes) = (here_mut(places, found), here_mut(bytes, found));
            found += simd.gather(*mask, block, base, places, bytes);
            base += BLOCK as u16;
        }
        self.len = found;
        if is_last && len > 0 && chunk[len - 1] != b'\n' {
            // A last line without an ending.
            (self.places[self.len], self.bytes[self.len]) = (len as u16, b'\n');
            self.len += 1;
        }
        here_mut(&mut self.bytes, self.len).fill(NONE);
    }

    /// The masks of the blocks, or of a few more.
    #[inline(always)]
    fn masks<S: Simd>(
        &mut self,
        simd: S,
        classes: &Classes,
        chunks: &[[u8; BLOCK]],
        blocks: usize,
        ahead: &mut Ahead<'_>,
    ) {
        let table = simd.group_table(classes);
        let mut quoted = 0;
        let (groups, _) = chunks.as_chunks::<GROUP>();
        let groups = groups.iter().take(blocks.div_ceil(GROUP));
        for (at, (group, masks)) in groups.clone().zip(&mut self.masks.0).enumerate() {
            // Half of it; the rest while the lines are looked at.
            ahead.ask_two(simd);
            ahead.ask_two(simd);
            if !S::GROUPS {
                simd.classify_group(group, table, &mut self.always.0[at], masks);
                continue;
            }
            // Kept in registers: nothing but what comes out is written to memory.
            let (mut always, mut outside) = ([0; GROUP], [0; GROUP]);
            simd.classify_group(group, table, &mut always, &mut outside);
            (*masks, quoted) = structural(simd, classes, always, outside, quoted);
        }
        if !S::GROUPS {
            for (always, masks) in self
                .always
                .0
                .iter()
                .zip(&mut self.masks.0)
                .take(groups.len())
            {
                (*masks, quoted) = structural(simd, classes, *always, *masks, quoted);
            }
        }
    }
}

/// The masks of a group's structural bytes, and whether the next group begins between quotes.
#[inline(always)]
fn structural<S: Simd>(
    simd: S,
    classes: &Classes,
    always: [u64; GROUP],
    mut outside: [u64; GROUP],
    mut quoted: u64,
) -> ([u64; GROUP], u64) {
    if !classes.quoting {
        for at in 0..GROUP {
            outside[at] |= always[at];
        }
    } else if !simd.unquote(&always, &mut outside, &mut quoted) {
        return line_by_line(always, outside, quoted);
    }
    (outside, quoted)
}

/// The same as [`Simd::unquote`] where a line ends between quotes: it is broken, and the next one
/// begins outside of them.
#[cold]
#[inline(never)]
fn line_by_line(
    always: [u64; GROUP],
    mut outside: [u64; GROUP],
    mut quoted: u64,
) -> ([u64; GROUP], u64) {
    for (always, outside) in always.iter().zip(&mut outside) {
        let (line_feeds, mut inside) = (always & *outside, always & !*outside);
        for shift in [1, 2, 4, 8, 16, 32] {
            inside ^= inside << shift;
        }
        inside ^= quoted;
        let mut open = inside & line_feeds;
        while open != 0 {
            inside ^= u64::MAX << open.trailing_zeros();
            open = inside & line_feeds;
        }
        quoted = (inside.cast_signed() >> 63).cast_unsigned();
        *outside = always | *outside & !inside;
    }
    (outside, quoted)
}

const _: () = assert!(BLOCKS.is_multiple_of(GROUP), "a chunk is whole groups");
