//! AVX-512 with VBMI2.

use std::{arch::x86_64::*, hint::black_box};

use super::{BLOCK, JsonMasks, Lanes, STRUCTURAL, Simd, Work};

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

/// The bytes that mean something in JSON, each in all places.
#[derive(Clone, Copy, Debug)]
pub(super) struct JsonBytes {
    quote: __m512i,
    backslash: __m512i,
    newline: __m512i,
    structural: __m512i,
    /// The bit that tells `[` from `{` and `]` from `}`.
    case: __m512i,
}

impl Simd for Avx512 {
    type JsonBytes = JsonBytes;

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
            let count = mask.count_ones() as usize;
            // A block rarely has more than sixteen, and narrow stores cross fewer cache lines.
            let few = _mm256_cvtepu8_epi16(_mm512_castsi512_si128(bytes));
            let few = _mm256_add_epi16(few, _mm256_set1_epi16(base.cast_signed()));
            _mm256_storeu_si256(out.as_mut_ptr().cast(), few);
            if count > 16 {
                let base = _mm512_set1_epi16(base.cast_signed());
                let low = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(bytes));
                _mm512_storeu_si512(out.as_mut_ptr().cast(), _mm512_add_epi16(low, base));
                let high = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64::<1>(bytes));
                let out = out.as_mut_ptr().add(BLOCK / 2);
                _mm512_storeu_si512(out.cast(), _mm512_add_epi16(high, base));
            }
            count
        }
    }

    #[inline(always)]
    fn json_bytes(self) -> JsonBytes {
        // What the compiler knows it would load again for each block.
        // SAFETY: as in `equal`.
        let all = |byte: u8| unsafe { _mm512_set1_epi8(black_box(byte).cast_signed()) };
        JsonBytes {
            quote: all(b'"'),
            backslash: all(b'\\'),
            newline: all(b'\n'),
            // SAFETY: as in `equal`; the table is 16 readable bytes.
            structural: unsafe {
                let table = black_box(&STRUCTURAL).as_ptr();
                _mm512_broadcast_i32x4(_mm_loadu_si128(table.cast()))
            },
            case: all(0x20),
        }
    }

    #[inline(always)]
    fn json(self, with: JsonBytes, block: &[u8; BLOCK]) -> JsonMasks {
        // SAFETY: as in `equal`.
        unsafe {
            let bytes = load(block);
            // Each structural byte has its own low half.
            let expected = _mm512_shuffle_epi8(with.structural, bytes);
            let braces = _mm512_or_si512(bytes, with.case);
            JsonMasks {
                quote: _mm512_cmpeq_epi8_mask(bytes, with.quote),
                backslash: _mm512_cmpeq_epi8_mask(bytes, with.backslash),
                newline: _mm512_cmpeq_epi8_mask(bytes, with.newline),
                structural: _mm512_cmpeq_epi8_mask(braces, expected),
            }
        }
    }

    #[inline(always)]
    fn lanes(self, word: u32, lanes: &Lanes) -> u64 {
        // SAFETY: as in `equal`; both arrays are 64 readable bytes.
        unsafe {
            let values = _mm512_loadu_si512(lanes.values.as_ptr().cast());
            let masks = _mm512_loadu_si512(lanes.masks.as_ptr().cast());
            let word = _mm512_and_si512(_mm512_set1_epi32(word.cast_signed()), masks);
            u64::from(_mm512_cmpeq_epi32_mask(word, values))
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
