//! Tables that the kernels look things up in.

use super::BLOCK;

/// Structural bytes, or columns, of a line that the kernels take at once.
pub(crate) const LANES: usize = 32;

/// Which bytes are structural: everywhere, or outside of quotes. All are ASCII.
#[derive(Clone, Debug)]
pub(crate) struct Classes {
    /// By byte.
    pub(super) of: [u8; 128],
    /// For each lower half of a byte the upper halves with which it is structural outside of quotes,
    /// a bit each; and those with which it is everywhere.
    pub(super) low: [[u8; 16]; 2],
    /// Whether text between quotes is passed over.
    pub(crate) quoting: bool,
}

/// The bit that is a byte's sign, which is moved into a mask at once.
pub(super) const ALWAYS: u8 = 0x80;
pub(super) const OUTSIDE: u8 = 1;

impl Classes {
    /// The byte (DEL) that has no class, or only one that what is not ASCII may have, too: kernels
    /// look that up in its place.
    pub(crate) const NO_CLASS: u8 = 0x7f;

    pub(crate) fn new(
        always: impl Fn(u8) -> bool,
        outside: impl Fn(u8) -> bool,
        quoting: bool,
    ) -> Self {
        let mut classes = Self {
            of: [0; 128],
            low: [[0; 16]; 2],
            quoting,
        };
        for (byte, class) in (0..).zip(&mut classes.of) {
            let always = always(byte);
            // Of those everywhere only the line feed is in both, which is how it is told from them.
            let outside = byte == b'\n' && always || outside(byte) && !always;
            *class = if always { ALWAYS } else { 0 } | if outside { OUTSIDE } else { 0 };
            for (rows, is) in classes.low.iter_mut().zip([outside, always]) {
                if let Some(row) = rows.get_mut(usize::from(byte & 15)) {
                    *row |= u8::from(is) << (byte >> 4);
                }
            }
        }
        classes
    }
}

/// For each byte of a block up to two ranges, as their beginnings and lengths, in which it may be.
#[derive(Clone, Debug)]
pub(crate) struct Lanes {
    pub(crate) first: Ranges,
    pub(crate) second: Ranges,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Ranges {
    pub(crate) low: [u8; BLOCK],
    pub(crate) span: [u8; BLOCK],
}

/// What a kernel finds in a block: the bytes that are structural everywhere, and those that are outside of
/// quotes. The line feed is both, which tells it from the others that are everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) always: u64,
    pub(crate) outside: u64,
}

impl Found {
    #[inline(always)]
    pub(super) fn line_feeds(self) -> u64 {
        self.always & self.outside
    }

    /// The quotes, and the escapes: a line with one of those is not looked at further, and what is taken
    /// to be between quotes ends with it.
    #[inline(always)]
    pub(super) fn quotes(self) -> u64 {
        self.always & !self.outside
    }
}

/// Kinds of trigrams, eight at most, with a bit each: the bytes that may be the first, the second and the third of one.
#[cfg(feature = "mask")]
#[derive(Clone, Debug)]
pub(crate) struct Trigrams {
    /// By the last seven bits of a byte: those of the third, the second, and the first.
    pub(super) of: [[u8; 128]; 3],
    /// The same by the lower and by the upper half of a byte, which are to have a bit in common.
    pub(super) halves: [[[u8; 16]; 2]; 3],
}

#[cfg(feature = "mask")]
impl Trigrams {
    /// The bytes of each kind, letters in either case; any byte where there are none.
    pub(crate) fn new<'k>(kinds: impl IntoIterator<Item = [&'k [u8]; 3]>) -> Self {
        let mut trigrams = Self {
            of: [[0; 128]; 3],
            halves: [[[0; 16]; 2]; 3],
        };
        for (kind, bytes) in kinds.into_iter().take(8).enumerate() {
            let places = trigrams.of.iter_mut().zip(&mut trigrams.halves).rev();
            for (bytes, (of, [low, high])) in bytes.into_iter().zip(places) {
                if bytes.is_empty() {
                    let all = of.iter_mut().chain(low).chain(high);
                    all.for_each(|slot| *slot |= 1 << kind);
                    continue;
                }
                let cases = |byte: &u8| [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()];
                for byte in bytes.iter().flat_map(cases) {
                    of[usize::from(byte & 0x7f)] |= 1 << kind;
                    low[usize::from(byte & 15)] |= 1 << kind;
                    high[usize::from(byte >> 4)] |= 1 << kind;
                }
            }
        }
        trigrams
    }
}
