//! AVX-512 with VBMI2.

use std::arch::x86_64::*;

use super::{BLOCK, JsonMasks, Lanes, Simd, Work};

/// Made only by [`run`], which is called only where the instructions are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx512(());

/// Enters the code that is compiled for these instructions.
///
/// # Safety
///
/// The processor has the instructions of [`Kernel::Avx512`](super::Kernel::Avx512).
#[target_feature(
    enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt,pclmulqdq"
)]
pub(super) unsafe fn run<W: Work>(work: W) -> W::Output {
    work.run(Avx512(()))
}

#[inline(always)]
fn load(block: &[u8; BLOCK]) -> __m512i {
    // SAFETY: the reference is to 64 readable bytes; the load needs no alignment. An `Avx512` token
    // is at hand in every caller.
    unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
}

impl Simd for Avx512 {
    #[inline(always)]
    fn equal(self, block: &[u8; BLOCK], byte: u8) -> u64 {
        // SAFETY: the token says that the instructions are there.
        unsafe { _mm512_cmpeq_epi8_mask(load(block), _mm512_set1_epi8(byte.cast_signed())) }
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
    fn positions(self, mask: u64, base: u16, out: &mut [u16; BLOCK]) -> usize {
        // SAFETY: as in `equal`; `out` has room for two stores of 32 places.
        unsafe {
            let bytes = _mm512_maskz_compress_epi8(mask, iota());
            let base = _mm512_set1_epi16(base.cast_signed());
            let low = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(bytes));
            _mm512_storeu_si512(out.as_mut_ptr().cast(), _mm512_add_epi16(low, base));
            let count = mask.count_ones() as usize;
            if count > BLOCK / 2 {
                let high = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64::<1>(bytes));
                let out = out.as_mut_ptr().add(BLOCK / 2);
                _mm512_storeu_si512(out.cast(), _mm512_add_epi16(high, base));
            }
            count
        }
    }

    #[inline(always)]
    fn json(self, block: &[u8; BLOCK]) -> JsonMasks {
        // SAFETY: as in `equal`.
        unsafe {
            let bytes = load(block);
            let equal = |bytes, byte: u8| {
                _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte.cast_signed()))
            };
            // This bit tells `[` from `{` and `]` from `}`.
            let braces = _mm512_or_si512(bytes, _mm512_set1_epi8(0x20));
            JsonMasks {
                quote: equal(bytes, b'"'),
                backslash: equal(bytes, b'\\'),
                newline: equal(bytes, b'\n'),
                colon: equal(bytes, b':'),
                bracket: equal(braces, b'{') | equal(braces, b'}'),
            }
        }
    }

    #[inline(always)]
    fn lanes(self, word: u64, lanes: &Lanes) -> u64 {
        // SAFETY: as in `equal`; both arrays are 64 readable bytes.
        unsafe {
            let values = _mm512_loadu_si512(lanes.values.as_ptr().cast());
            let masks = _mm512_loadu_si512(lanes.masks.as_ptr().cast());
            let word = _mm512_and_si512(_mm512_set1_epi64(word.cast_signed()), masks);
            u64::from(_mm512_cmpeq_epi64_mask(word, values))
        }
    }

    #[inline(always)]
    fn literal_ends(self, bytes: &[u8; 16]) -> u32 {
        // SAFETY: as in `equal`; the reference is to 16 readable bytes.
        unsafe {
            let bytes = _mm_loadu_si128(bytes.as_ptr().cast());
            let low = _mm_cmple_epu8_mask(bytes, _mm_set1_epi8(b' '.cast_signed()));
            let comma = _mm_cmpeq_epi8_mask(bytes, _mm_set1_epi8(b','.cast_signed()));
            let braces = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
            let close = _mm_cmpeq_epi8_mask(braces, _mm_set1_epi8(b'}'.cast_signed()));
            u32::from(low | comma | close)
        }
    }
}

/// 0, 1, 2, ... 63.
#[inline(always)]
fn iota() -> __m512i {
    const IOTA: [u8; BLOCK] = {
        let mut bytes = [0; BLOCK];
        let mut at = 0;
        while at < BLOCK {
            bytes[at] = at as u8;
            at += 1;
        }
        bytes
    };
    load(&IOTA)
}
