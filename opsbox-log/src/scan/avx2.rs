//! AVX2.

use std::arch::x86_64::*;

use super::{BLOCK, Simd, Work};

/// Made only by [`run`], which is called only where the instructions are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx2(());

/// Enters the code that is compiled for these instructions.
///
/// # Safety
///
/// The processor has the instructions of [`Kernel::Avx2`](super::Kernel::Avx2).
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,pclmulqdq")]
pub(super) unsafe fn run<W: Work>(work: W) -> W::Output {
    work.run(Avx2(()))
}

#[inline(always)]
fn load(block: &[u8; BLOCK]) -> [__m256i; 2] {
    // SAFETY: the reference is to 64 readable bytes; the loads need no alignment. An `Avx2` token is
    // at hand in every caller.
    unsafe {
        let bytes = block.as_ptr();
        [
            _mm256_loadu_si256(bytes.cast()),
            _mm256_loadu_si256(bytes.add(BLOCK / 2).cast()),
        ]
    }
}

/// The highest bits of the bytes of both halves.
#[inline(always)]
fn bits(halves: [__m256i; 2]) -> u64 {
    // SAFETY: as in `load`.
    let [low, high] = halves.map(|half| unsafe { _mm256_movemask_epi8(half) }.cast_unsigned());
    u64::from(low) | u64::from(high) << 32
}

impl Simd for Avx2 {
    #[inline(always)]
    fn equal(self, block: &[u8; BLOCK], byte: u8) -> u64 {
        // SAFETY: the token says that the instructions are there.
        bits(
            load(block).map(|half| unsafe {
                _mm256_cmpeq_epi8(half, _mm256_set1_epi8(byte.cast_signed()))
            }),
        )
    }

    #[inline(always)]
    fn prefix_xor(self, mask: u64) -> u64 {
        // SAFETY: as in `equal`.
        unsafe {
            let mask = _mm_set_epi64x(0, mask.cast_signed());
            let parity = _mm_clmulepi64_si128::<0>(mask, _mm_set1_epi8(-1));
            _mm_cvtsi128_si64(parity).cast_unsigned()
        }
    }

    #[inline(always)]
    fn positions(self, mut mask: u64, base: u16, out: &mut [u16; BLOCK]) -> usize {
        let count = mask.count_ones() as usize;
        // Eight at a time without a look at the count: a block rarely has more.
        for eight in out.chunks_exact_mut(8) {
            for slot in eight {
                *slot = base.wrapping_add(mask.trailing_zeros() as u16);
                mask &= mask.wrapping_sub(1);
            }
            if mask == 0 {
                break;
            }
        }
        count
    }
}
