//! What the kernels look for in JSON.

use super::BLOCK;

/// The bytes of a block that mean something in JSON, inside strings or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JsonMasks {
    pub(crate) quote: u64,
    /// Quotes and backslashes.
    pub(crate) stop: u64,
    pub(crate) newline: u64,
    /// What ends a value outside of strings: brackets, colon, comma, all up to space, and 0x1A, which
    /// is as good as a colon to those who look no closer.
    pub(crate) end: u64,
    /// Brackets, colons that may end a wanted key, and those that are not behind a quote; 0x1A as well.
    pub(crate) hit: u64,
}

/// At the low half of each bracket and colon that byte, with the bit set that tells `[` from `{`;
/// elsewhere a byte without that bit.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
pub(super) const STRUCTURAL: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, b':', b'{', 0, b'}', 0, 0];

/// At the low halves of quote and backslash these bytes; elsewhere one with another low half.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
pub(super) const STOPS: [u8; 16] = [1, 0, b'"', 0, 0, 0, 0, 0, 0, 0, 0, 0, b'\\', 0, 0, 0];

/// The bit that brackets have, and a colon does not.
#[cfg(target_arch = "x86_64")]
pub(super) const BRACKET: u8 = 0x40;

/// Bytes that come before a block, for what ends in it.
pub(crate) const BEFORE: usize = 3;

/// A block with the bytes before it.
pub(crate) type Window = [u8; BEFORE + BLOCK];

/// The last two bytes of keys, as a sieve: each key has one of eight bits, which is set at both its
/// bytes. Some pairs that are none of a key pass it, and the same on no two kernels.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct KeyEnds {
    /// Of the last byte and the one before it, by their six low bits.
    pub(super) six: [[u8; 64]; 2],
    /// By their four low bits.
    pub(super) four: [[u8; 16]; 2],
}

impl KeyEnds {
    /// The sieve that nothing passes.
    pub(crate) const NONE: Self = Self {
        six: [[0; 64]; 2],
        four: [[0; 16]; 2],
    };

    /// Lets a pair of bytes pass: the last of a key, and the one before it, or any if the key ends in
    /// front of it. `at` counts the keys.
    pub(crate) fn add(&mut self, at: usize, last: u8, before: Option<u8>) {
        let bit = 1 << (at % 8);
        for (side, byte) in [Some(last), before].into_iter().enumerate() {
            for (low, bits) in (0..).zip(&mut self.six[side]) {
                if byte.is_none_or(|byte| byte % 64 == low) {
                    *bits |= bit;
                    self.four[side][usize::from(low % 16)] |= bit;
                }
            }
        }
    }
}

/// The bytes before each byte of the block, by as many places.
#[inline(always)]
pub(super) fn back(window: &Window, places: usize) -> &[u8; BLOCK] {
    match window[BEFORE - places.min(BEFORE)..].first_chunk() {
        Some(block) => block,
        None => unreachable!("a block is after it"),
    }
}
