//! The twin of the vector kernels in plain Rust.

use super::{
    BLOCK, Simd,
    lanes::{ALWAYS, Classes, Found, OUTSIDE},
};

#[derive(Clone, Copy, Debug)]
pub(super) struct Portable;

/// The bits of the bytes for which `is` holds.
#[inline(always)]
fn mask(block: &[u8; BLOCK], is: impl Fn(u8) -> bool) -> u64 {
    let bits = block.iter().zip(0..);
    bits.fold(0, |mask, (&byte, bit)| mask | u64::from(is(byte)) << bit)
}

impl Simd for Portable {
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
    fn classify(self, block: &[u8; BLOCK], classes: &Classes) -> Found {
        let class = |byte: u8| match byte {
            0..128 => classes.of[usize::from(byte)],
            _ => 0,
        };
        Found {
            always: mask(block, |byte| class(byte) & ALWAYS != 0),
            outside: mask(block, |byte| class(byte) & OUTSIDE != 0),
            quotes: classes.quote.map_or(0, |quote| self.equal(block, quote)),
            line_feeds: self.equal(block, b'\n'),
        }
    }

    #[inline(always)]
    fn bytes(self, mut mask: u64, block: &[u8; BLOCK], out: &mut [u8; BLOCK]) {
        for slot in out.iter_mut().take(mask.count_ones() as usize) {
            *slot = block[mask.trailing_zeros() as usize % BLOCK];
            mask &= mask - 1;
        }
    }
}
