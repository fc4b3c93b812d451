//! The twin of the vector kernels in plain Rust.

use super::{BLOCK, JsonMasks, Lanes, Simd};

#[derive(Clone, Copy, Debug)]
pub(super) struct Portable;

/// The bits of the bytes for which `is` holds.
#[inline(always)]
fn mask(block: &[u8; BLOCK], is: impl Fn(u8) -> bool) -> u64 {
    let bits = block.iter().zip(0..);
    bits.fold(0, |mask, (&byte, bit)| mask | u64::from(is(byte)) << bit)
}

impl Simd for Portable {
    type JsonBytes = ();

    #[inline(always)]
    fn equal(self, block: &[u8; BLOCK], byte: u8) -> u64 {
        mask(block, |it| it == byte)
    }

    #[inline(always)]
    fn prefix_xor(self, mut mask: u64) -> u64 {
        for shift in [1, 2, 4, 8, 16, 32] {
            mask ^= mask << shift;
        }
        mask
    }

    #[inline(always)]
    fn positions(self, mut mask: u64, base: u16, out: &mut [u16; BLOCK]) -> usize {
        let count = mask.count_ones() as usize;
        for slot in out.iter_mut().take(count) {
            // Below 64.
            *slot = base.wrapping_add(mask.trailing_zeros() as u16);
            mask &= mask - 1;
        }
        count
    }

    #[inline(always)]
    fn json_bytes(self) {}

    #[inline(always)]
    fn json(self, (): (), block: &[u8; BLOCK]) -> JsonMasks {
        JsonMasks {
            quote: self.equal(block, b'"'),
            backslash: self.equal(block, b'\\'),
            newline: self.equal(block, b'\n'),
            structural: mask(block, |byte| matches!(byte | 0x20, b'{' | b'}' | b':')),
        }
    }

    #[inline(always)]
    fn lanes(self, word: u32, lanes: &Lanes) -> u64 {
        let each = lanes.values.iter().zip(&lanes.masks).zip(0..);
        each.fold(0, |found, ((&value, &mask), lane)| {
            found | u64::from(word & mask == value) << lane
        })
    }

    #[inline(always)]
    fn literal_ends(self, bytes: &[u8; 16]) -> u32 {
        let each = bytes.iter().zip(0..);
        each.fold(0, |ends, (&byte, bit)| {
            let end = matches!(byte, b',' | b'}' | b']' | ..=b' ');
            ends | u32::from(end) << bit
        })
    }
}
