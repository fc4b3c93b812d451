//! The vector kernels: the only module with `unsafe`.
//!
//! Engines are written once, in safe code, over the trait [`Simd`]. [`run`] calls them inside a
//! function that is compiled for the kernel's instructions, so that the operations inline. A kernel
//! is a token that exists only where the processor has its instructions: that is the argument behind
//! every `unsafe` block here.
//!
//! Loads come from references to arrays, so that no kernel can read past a slice.
//!
//! There are kernels for AVX-512 (with VBMI2, as Intel has since Ice Lake and AMD since Zen 4), AVX2,
//! and a portable twin in plain Rust, which other processors run and which is the oracle of the tests.

#![allow(
    unsafe_code,
    reason = "vector instructions; each block has its argument"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod kernel;
mod portable;

pub(crate) use kernel::Chosen;
pub use kernel::{Kernel, UnknownKernel};

/// Bytes that a kernel looks at together.
pub(crate) const BLOCK: usize = 64;

/// The operations of a kernel. Bit `i` of a mask stands for byte `i` of a block.
///
/// Methods are `#[inline(always)]`: they are compiled into the function that [`run`] enters.
pub(crate) trait Simd: Copy {
    /// What [`json`](Self::json) compares with, kept in registers through a loop.
    #[cfg_attr(not(feature = "json"), allow(dead_code, reason = "for JSON"))]
    type JsonBytes: Copy;

    /// The bytes that are equal to `byte`.
    fn equal(self, block: &[u8; BLOCK], byte: u8) -> u64;

    /// For each bit the parity of the bits up to and with it.
    fn prefix_xor(self, mask: u64) -> u64;

    /// Writes the positions of the bits of `mask`, each added to `base`, and returns how many there
    /// are. What comes after them in `out` is undefined.
    fn positions(self, mask: u64, base: u16, out: &mut [u16; BLOCK]) -> usize;

    /// Makes ready for [`json`](Self::json).
    #[cfg_attr(not(feature = "json"), allow(dead_code, reason = "for JSON"))]
    fn json_bytes(self) -> Self::JsonBytes;

    /// The bytes that mean something in JSON.
    #[cfg_attr(not(feature = "json"), allow(dead_code, reason = "for JSON"))]
    fn json(self, bytes: Self::JsonBytes, block: &[u8; BLOCK]) -> JsonMasks;

    /// The lanes that `word` fits.
    #[cfg_attr(not(feature = "json"), allow(dead_code, reason = "for JSON"))]
    fn lanes(self, word: u32, lanes: &Lanes) -> u64;

    /// The bytes that end a number or a literal in JSON: comma, a closing bracket, and all up to
    /// space.
    #[cfg_attr(not(feature = "json"), allow(dead_code, reason = "for JSON"))]
    fn literal_ends(self, bytes: &[u8; 16]) -> u32;
}

/// The bytes of a block that mean something in JSON, inside strings or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "json"), allow(dead_code, reason = "for JSON"))]
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
#[cfg_attr(not(feature = "json"), allow(dead_code, reason = "for JSON"))]
const STRUCTURAL: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, b':', b'{', 0, b'}', 0, 0];

/// Sixteen words to look for at once: what a lane's mask leaves of a word is compared with its value.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
#[cfg_attr(not(feature = "json"), allow(dead_code, reason = "for JSON"))]
pub(crate) struct Lanes {
    values: [u32; LANES],
    masks: [u32; LANES],
}

/// Words in [`Lanes`].
#[cfg_attr(not(feature = "json"), allow(dead_code, reason = "for JSON"))]
pub(crate) const LANES: usize = 16;

#[cfg_attr(not(feature = "json"), allow(dead_code, reason = "for JSON"))]
impl Lanes {
    /// Lanes that no word fits.
    pub(crate) const NONE: Self = Self {
        values: [1; LANES],
        masks: [0; LANES],
    };

    /// Takes a lane for the words that have the value under the mask. Nothing happens beyond the last
    /// lane.
    pub(crate) fn set(&mut self, lane: usize, value: u32, mask: u32) {
        if let (Some(to), Some(under)) = (self.values.get_mut(lane), self.masks.get_mut(lane)) {
            (*to, *under) = (value & mask, mask);
        }
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
