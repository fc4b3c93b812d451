//! What the kernels look for in JSON.

/// The bytes of a block that mean something in JSON, inside strings or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JsonMasks {
    pub(crate) quote: u64,
    pub(crate) backslash: u64,
    pub(crate) newline: u64,
    /// `{`, `}`, `[`, `]`, colon, and 0x1A, which is as good as a colon to those who look no closer.
    pub(crate) structural: u64,
}

/// At the low half of each structural byte of JSON that byte, with the bit set that tells `[` from `{`;
/// elsewhere a byte without that bit.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
pub(super) const STRUCTURAL: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, b':', b'{', 0, b'}', 0, 0];

/// Words in [`KeyEnds`].
pub(crate) const KEY_ENDS: usize = 16;

/// Ends of keys to look for at once, a word of four bytes each: what the mask of an end leaves of a
/// word is compared with its value.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct KeyEnds {
    pub(super) values: [u32; KEY_ENDS],
    pub(super) masks: [u32; KEY_ENDS],
}

impl KeyEnds {
    /// Ends that no word fits.
    pub(crate) const NONE: Self = Self {
        values: [1; KEY_ENDS],
        masks: [0; KEY_ENDS],
    };

    /// Sets an end: the words that have the value under the mask. Nothing happens beyond the last one.
    pub(crate) fn set(&mut self, at: usize, value: u32, mask: u32) {
        if let (Some(to), Some(under)) = (self.values.get_mut(at), self.masks.get_mut(at)) {
            (*to, *under) = (value & mask, mask);
        }
    }
}
