//! What the kernels look for in JSON.

use super::{BLOCK, GROUP};

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

/// What a byte is, as a number of three bits.
#[derive(Clone, Copy)]
pub(super) enum Class {
    Colon = 1,
    Bracket,
    Quote,
    Backslash,
    Newline,
    /// It ends a value, and is none of the others.
    End,
}

/// The bits above those, two for each half of the keys: whether it is the last byte of one, and whether it
/// is the one before that.
pub(super) const LAST: [usize; 2] = [3, 5];
pub(super) const BEFORE_LAST: [usize; 2] = [4, 6];

/// What ASCII bytes are, without any keys.
const CLASSES: [u8; 128] = {
    let mut classes = [0; 128];
    let mut byte = 0;
    while byte < 128 {
        classes[byte as usize] = match byte {
            // 0x1A is what it is on the kernels that take it for a colon.
            b':' | 0x1a => Class::Colon as u8,
            b'{' | b'}' | b'[' | b']' => Class::Bracket as u8,
            b'"' => Class::Quote as u8,
            b'\\' => Class::Backslash as u8,
            b'\n' => Class::Newline as u8,
            ..=b' ' | b',' => Class::End as u8,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

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

/// A group of blocks with the bytes before it.
pub(crate) type GroupWindow = [u8; BEFORE + GROUP * BLOCK];

/// One of the blocks of a group with the bytes before it.
#[inline(always)]
pub(crate) fn window(group: &GroupWindow, at: usize) -> &Window {
    match group[at % GROUP * BLOCK..].first_chunk() {
        Some(window) => window,
        None => unreachable!("a block is after it"),
    }
}

/// The last two bytes of keys, as a sieve: each key has one of eight bits, which is set at both its
/// bytes. Some pairs that are none of a key pass it, and the same on no two kernels.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct KeyEnds {
    /// Of the last byte and the one before it, by their six low bits.
    pub(super) six: [[u8; 64]; 2],
    /// By their four low bits.
    pub(super) four: [[u8; 16]; 2],
    /// The classes of ASCII bytes, with those of the ends of keys, a bit for each class. Bytes that
    /// are not ASCII have the classes of the last one that is.
    pub(super) classes: [u8; 128],
}

impl KeyEnds {
    /// The sieve that nothing passes.
    pub(crate) const NONE: Self = Self {
        six: [[0; 64]; 2],
        four: [[0; 16]; 2],
        classes: CLASSES,
    };

    /// Lets a pair of bytes pass: the last of a key, and the one before it, or any if the key ends in
    /// front of it. `at` counts the keys.
    pub(crate) fn add(&mut self, at: usize, last: u8, before: Option<u8>) {
        let bit = 1 << (at % 8);
        let half = self.half(last, before);
        for (low, class) in (0..).zip(&mut self.classes) {
            let is_before = before.is_none_or(|before| before.min(127) == low);
            *class |= u8::from(last.min(127) == low) << LAST[half];
            *class |= u8::from(is_before) << BEFORE_LAST[half];
        }
        for (side, byte) in [Some(last), before].into_iter().enumerate() {
            for (low, bits) in (0..).zip(&mut self.six[side]) {
                if byte.is_none_or(|byte| byte % 64 == low) {
                    *bits |= bit;
                    self.four[side][usize::from(low % 16)] |= bit;
                }
            }
        }
    }

    /// The half of the keys in which a pair lets the fewest others pass: each last byte passes with each
    /// byte before one.
    fn half(&self, last: u8, before: Option<u8>) -> usize {
        let mut more = [0; 2];
        for (half, more) in more.iter_mut().enumerate() {
            let [mut lasts, mut befores] = [[0; 2]; 2];
            for (low, class) in (0..).zip(&self.classes) {
                let is_last = class >> LAST[half] & 1 == 1;
                let is_before = class >> BEFORE_LAST[half] & 1 == 1;
                let joins_before = before.is_none_or(|before| before.min(127) == low);
                lasts[0] += usize::from(is_last);
                lasts[1] += usize::from(is_last || last.min(127) == low);
                befores[0] += usize::from(is_before);
                befores[1] += usize::from(is_before || joins_before);
            }
            *more = lasts[1] * befores[1] - lasts[0] * befores[0];
        }
        usize::from(more[1] < more[0])
    }

    /// The classes of the bytes before a group, the last one highest.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(super) fn classes_before(&self, group: &GroupWindow) -> u32 {
        let mut classes = [0; 4];
        for (class, &byte) in classes.iter_mut().zip(group).take(BEFORE) {
            *class = self.classes[usize::from(byte.min(127))];
        }
        u32::from_le_bytes(classes)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::{Chosen, Kernel, Simd, Work, run};

    struct Group<'g> {
        keys: &'g KeyEnds,
        group: &'g GroupWindow,
        inside: u64,
    }

    /// What ends a value, what is hit, and whether the next group begins in a string.
    type Told = ([u64; GROUP], [u64; GROUP], u64);

    impl Work for &Group<'_> {
        type Output = Option<Told>;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Option<Told> {
            let bytes = simd.json_bytes(self.keys);
            let (mut ends, mut hits) = ([[0; 8]; GROUP], [0; GROUP]);
            let mut inside = self.inside;
            simd.json_group(
                &bytes,
                self.keys,
                self.group,
                &mut inside,
                &mut ends,
                &mut hits,
            )
            .then_some((ends.map(u64::from_le_bytes), hits, inside))
        }
    }

    impl Group<'_> {
        /// Byte by byte: what ends a value, what has to be hit, what more may be, each in its order, and
        /// whether the next group begins in a string.
        fn naive(&self, keys: &[(u8, u8)]) -> Option<([Vec<bool>; 3], bool)> {
            let (mut ends, mut must, mut may) = (Vec::new(), Vec::new(), Vec::new());
            let mut inside = self.inside != 0;
            for at in BEFORE..self.group.len() {
                let [byte, behind, last, before] = [0, 1, 2, 3].map(|back| self.group[at - back]);
                inside ^= byte == b'"';
                if byte == b'\\' || inside && byte == b'\n' {
                    return None;
                }
                let colon = matches!(byte, b':' | 0x1a) && !inside;
                let bracket = matches!(byte, b'{' | b'}' | b'[' | b']') && !inside;
                let key = keys.contains(&(last, before)) || behind != b'"';
                ends.push(
                    byte == b'"' || !inside && (bracket || colon || byte <= b' ' || byte == b','),
                );
                must.push(bracket || byte == b'\n' || colon && key);
                may.push(colon);
            }
            Some(([ends, must, may], inside))
        }
    }

    #[test]
    fn groups_are_what_they_are_byte_by_byte() {
        const BYTES: &[u8] = b"\"\"\"\"\"::::{}[],, \t\x1a\x7f\x00eeellmmtdd\xc3\xa9";
        let mut state = 7_u32;
        let mut next = |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % below
        };
        let pairs = [
            (b'e', b'm'),
            (b'l', b'e'),
            (b'd', b't'),
            (0xa9, 0xc3),
            (b'm', b'"'),
        ];
        let (mut decided, mut left) = (0, 0);
        for round in 0..4000 {
            let (mut keys, mut known) = (KeyEnds::NONE, Vec::new());
            for (at, &(last, before)) in pairs.iter().take(round % 6).enumerate() {
                keys.add(at, last, Some(before));
                known.push((last, before));
            }
            let mut group = [b' '; BEFORE + GROUP * BLOCK];
            for byte in &mut group {
                *byte = BYTES[next(BYTES.len())];
            }
            for rare in [b'\n', b'\\'] {
                for _ in 0..next(3) {
                    group[next(BEFORE + GROUP * BLOCK)] = rare;
                }
            }
            let inside = if next(2) == 0 { 0 } else { u64::MAX };
            let work = Group {
                keys: &keys,
                group: &group,
                inside,
            };
            for kernel in Kernel::ALL
                .into_iter()
                .filter(|kernel| kernel.is_available())
            {
                let found = run(Chosen::new(kernel), &work);
                let (Some((ends, hits, inside)), naive) = (found, work.naive(&known)) else {
                    left += 1;
                    // A kernel with groups leaves nothing else.
                    assert!(kernel != Kernel::Avx512 || work.naive(&known).is_none());
                    continue;
                };
                decided += 1;
                let ([expected, must, may], next_inside) = naive.unwrap();
                assert_eq!(inside, u64::from(next_inside).wrapping_neg());
                for at in 0..GROUP * BLOCK {
                    let bit = |masks: &[u64; GROUP]| masks[at / BLOCK] >> (at % BLOCK) & 1 == 1;
                    assert_eq!(bit(&ends), expected[at], "{at}: {group:?}");
                    assert!(bit(&hits) || !must[at], "{at}: {group:?}");
                    assert!(!bit(&hits) || must[at] || may[at], "{at}: {group:?}");
                }
            }
        }
        assert!(left > 0);
        assert!(decided > 0 || !Kernel::Avx512.is_available());
    }
}
