//! The twin of the vector kernels in plain Rust.

use super::{BLOCK, JsonMasks, Lanes, Simd};

#[derive(Clone, Copy, Debug)]
pub(super) struct Portable;

/// The bytes that are equal to `byte` when the bits of `or` are set in them.
#[inline(always)]
fn equal(block: &[u8; BLOCK], or: u8, byte: u8) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let all = |byte: u8| u64::from_ne_bytes([byte; 8]);
    let (words, _) = block.as_chunks();
    words.iter().rev().fold(0, |mask, word| {
        let differs = (u64::from_le_bytes(*word) | all(or)) ^ all(byte);
        // The highest bit of each byte that is zero, and no other bit.
        let zeros = !(((differs & LOW) + LOW) | differs | LOW);
        // The product brings the eight bits together in its highest byte, in their order.
        (mask << 8) | ((zeros >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56)
    })
}

impl Simd for Portable {
    type JsonBytes = ();

    #[inline(always)]
    fn equal(self, block: &[u8; BLOCK], byte: u8) -> u64 {
        equal(block, 0, byte)
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
            structural: [b':', b'{', b'}']
                .into_iter()
                .fold(0, |mask, byte| mask | equal(block, 0x20, byte)),
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
