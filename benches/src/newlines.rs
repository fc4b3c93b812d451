//! The newline index: where the lines end, as `u32` positions. No parser of lines can do less, so this
//! is the limit that the parsers are measured against.
//!
//! On x86-64 with AVX-512 or AVX2 it makes one mask of 64 bytes, and stores the mask's first position
//! in any case: the store is kept by moving on, or written over. The loop has one branch a block,
//! for a second newline within 64 bytes, which lines of a log hardly ever have. Elsewhere it is
//! `memchr`.

#![allow(unsafe_code, reason = "vector instructions and unchecked stores")]
#![allow(
    clippy::cast_possible_truncation,
    reason = "`index` sees to it that all positions fit"
)]

/// Bytes that one mask covers.
const BLOCK: usize = 64;
/// Blocks between two looks at the room in the output.
const STRIDE: usize = 64;

/// Writes the positions of all line feeds to `out`, in place of what is in there. `out` is the caller's
/// so that its memory is got only once.
///
/// # Panics
///
/// If `log` is longer than 4 GiB.
pub fn index(log: &[u8], out: &mut Vec<u32>) {
    assert!(u32::try_from(log.len()).is_ok(), "positions are u32");
    out.clear();
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("bmi2") {
            // SAFETY: the processor has the instructions.
            return unsafe { x86::avx512(log, out) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2") {
            // SAFETY: as above.
            return unsafe { x86::avx2(log, out) };
        }
    }
    by_memchr(log, 0, out);
}

/// The positions from `base` on, with the crate memchr.
fn by_memchr(log: &[u8], base: usize, out: &mut Vec<u32>) {
    let rest = log.get(base..).unwrap_or_default();
    out.extend(memchr::memchr_iter(b'\n', rest).map(|at| (base + at) as u32));
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{BLOCK, STRIDE, by_memchr};

    #[target_feature(enable = "avx512f,avx512bw,avx2,bmi1,bmi2,lzcnt,popcnt")]
    pub(super) fn avx512(log: &[u8], out: &mut Vec<u32>) {
        let line_feed = _mm512_set1_epi8(b'\n'.cast_signed());
        index(log, out, |block| {
            // SAFETY: the reference is to 64 readable bytes.
            let block = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
            _mm512_cmpeq_epi8_mask(block, line_feed)
        });
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    pub(super) fn avx2(log: &[u8], out: &mut Vec<u32>) {
        let line_feed = _mm256_set1_epi8(b'\n'.cast_signed());
        index(log, out, |block| {
            let half = |at: usize| {
                // SAFETY: `at` is 0 or 32, and the reference is to 64 readable bytes.
                let half = unsafe { _mm256_loadu_si256(block.as_ptr().add(at).cast()) };
                _mm256_movemask_epi8(_mm256_cmpeq_epi8(half, line_feed)).cast_unsigned()
            };
            u64::from(half(0)) | u64::from(half(BLOCK / 2)) << 32
        });
    }

    /// `mask` has a bit for each line feed of a block.
    #[inline(always)]
    fn index(log: &[u8], out: &mut Vec<u32>, mask: impl Fn(&[u8; BLOCK]) -> u64) {
        let (blocks, _) = log.as_chunks::<BLOCK>();
        let mut base = 0;
        for blocks in blocks.chunks(STRIDE) {
            // One more, for the store that is not kept.
            out.reserve(STRIDE * BLOCK + 1);
            let mut len = out.len();
            let start = out.as_mut_ptr();
            for block in blocks {
                let mut mask = mask(block);
                // SAFETY: a block adds at most `BLOCK` positions, and there is room for those of
                // `STRIDE` blocks and one more.
                unsafe { start.add(len).write(base + mask.trailing_zeros()) };
                len += usize::from(mask != 0);
                mask &= mask.wrapping_sub(1);
                while mask != 0 {
                    // SAFETY: as above.
                    unsafe { start.add(len).write(base + mask.trailing_zeros()) };
                    len += 1;
                    mask &= mask - 1;
                }
                base += BLOCK as u32;
            }
            // SAFETY: all places up to there are written.
            unsafe { out.set_len(len) };
        }
        by_memchr(log, base as usize, out);
    }
}

#[cfg(test)]
mod tests {
    use super::{by_memchr, index};

    #[test]
    fn positions_are_those_of_memchr() {
        let mut rng = fastrand::Rng::with_seed(7);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for len in (0..300).chain([4096, 5000, 20_000]) {
            for gap in [1, 2, 70, 1000] {
                let byte = |_| if rng.usize(..gap) == 0 { b'\n' } else { b'x' };
                let log: Vec<u8> = (0..len).map(byte).collect();
                index(&log, &mut ours);
                theirs.clear();
                by_memchr(&log, 0, &mut theirs);
                assert_eq!(ours, theirs);
            }
        }
    }
}
