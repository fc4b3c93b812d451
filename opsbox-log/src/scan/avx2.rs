//! AVX2.

use std::arch::x86_64::*;
#[cfg(feature = "json")]
use std::hint::black_box;

use super::{
    AHEAD, BLOCK, Ending, HALF, LANES, Lengths, Simd, Work,
    lanes::{Classes, Found, Lanes, Ranges},
};
#[cfg(feature = "json")]
use super::{JsonMasks, KEY_ENDS, KeyEnds, json::STRUCTURAL};

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
    unsafe {
        let low = _mm256_movemask_epi8(halves[0]).cast_unsigned();
        let high = _mm256_movemask_epi8(halves[1]).cast_unsigned();
        u64::from(low) | u64::from(high) << 32
    }
}

/// The bytes that mean something in JSON, each in all places.
#[cfg(feature = "json")]
#[derive(Clone, Copy, Debug)]
pub(super) struct JsonBytes {
    quote: __m256i,
    backslash: __m256i,
    newline: __m256i,
    structural: __m256i,
    /// The bit that tells `[` from `{` and `]` from `}`.
    case: __m256i,
}

impl Simd for Avx2 {
    const VECTOR: bool = true;

    #[inline(always)]
    fn enter<W: Work>(self, work: W) -> W::Output {
        // SAFETY: the token says that the instructions are there.
        unsafe { run(work) }
    }

    #[inline(always)]
    fn prefetch(self, bytes: &[u8; AHEAD]) {
        for block in bytes.as_chunks::<BLOCK>().0 {
            // SAFETY: a hint, which reads nothing.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(block.as_ptr().cast()) };
        }
    }

    #[inline(always)]
    fn equal(self, block: &[u8; BLOCK], byte: u8) -> u64 {
        let [low, high] = load(block);
        // SAFETY: the token says that the instructions are there.
        unsafe {
            let byte = _mm256_set1_epi8(byte.cast_signed());
            bits([_mm256_cmpeq_epi8(low, byte), _mm256_cmpeq_epi8(high, byte)])
        }
    }

    #[inline(always)]
    fn not_ascii(self, block: &[u8; BLOCK]) -> u64 {
        bits(load(block))
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

    type Table<'c> = ([__m256i; 2], [__m256i; 3]);

    #[inline(always)]
    fn table(self, classes: &Classes) -> Self::Table<'_> {
        // SAFETY: as in `equal`; there are 16 rows.
        unsafe {
            // Row by the lower half of a byte, bit by the upper: none for what is not ASCII.
            let rows = _mm256_broadcastsi128_si256(_mm_loadu_si128(classes.low.as_ptr().cast()));
            let bits_of = _mm256_broadcastsi128_si256(_mm_set_epi64x(
                0,
                0x8040_2010_0804_0201_u64.cast_signed(),
            ));
            let [one, other] = classes.always;
            let always = [b'\n', one, other].map(|byte| _mm256_set1_epi8(byte.cast_signed()));
            ([rows, bits_of], always)
        }
    }

    #[inline(always)]
    fn classify(self, block: &[u8; BLOCK], table: Self::Table<'_>) -> Found {
        let ([rows, bits_of], always) = table;
        let [low, high] = load(block);
        let none = bits([no_class(low, rows, bits_of), no_class(high, rows, bits_of)]);
        Found {
            always: bits([is_one_of(low, always), is_one_of(high, always)]),
            outside: !none,
        }
    }

    #[inline(always)]
    fn gather(
        self,
        mut mask: u64,
        block: &[u8; BLOCK],
        base: u16,
        places: &mut [u16; BLOCK],
        bytes: &mut [u8; BLOCK],
    ) -> usize {
        let count = mask.count_ones() as usize;
        // Eight at a time without a look at the count: a block rarely has more.
        let eights = places.chunks_exact_mut(8).zip(bytes.chunks_exact_mut(8));
        for (places, bytes) in eights {
            for at in 0..8 {
                let bit = mask.trailing_zeros();
                places[at] = base.wrapping_add(bit as u16);
                bytes[at] = block[bit as usize % BLOCK];
                mask &= mask.wrapping_sub(1);
            }
            if mask == 0 {
                break;
            }
        }
        count
    }

    #[cfg(feature = "json")]
    type JsonBytes = JsonBytes;

    #[cfg(feature = "json")]
    #[inline(always)]
    fn json_bytes(self) -> JsonBytes {
        // What the compiler knows it would load again for each block.
        // SAFETY: as in `equal`.
        let all = |byte: u8| unsafe { _mm256_set1_epi8(black_box(byte).cast_signed()) };
        JsonBytes {
            quote: all(b'"'),
            backslash: all(b'\\'),
            newline: all(b'\n'),
            // SAFETY: as in `equal`; the table is 16 readable bytes.
            structural: unsafe {
                let table = black_box(&STRUCTURAL).as_ptr();
                _mm256_broadcastsi128_si256(_mm_loadu_si128(table.cast()))
            },
            case: all(0x20),
        }
    }

    #[cfg(feature = "json")]
    #[inline(always)]
    fn json(self, with: JsonBytes, block: &[u8; BLOCK]) -> JsonMasks {
        let bytes = load(block);
        let equal = |halves: [__m256i; 2], to| {
            // SAFETY: as in `equal`.
            bits(halves.map(|half| unsafe { _mm256_cmpeq_epi8(half, to) }))
        };
        // Each structural byte has its own low half.
        // SAFETY: as in `equal`.
        let structural = bytes.map(|half| unsafe {
            let expected = _mm256_shuffle_epi8(with.structural, half);
            _mm256_cmpeq_epi8(_mm256_or_si256(half, with.case), expected)
        });
        JsonMasks {
            quote: equal(bytes, with.quote),
            backslash: equal(bytes, with.backslash),
            newline: equal(bytes, with.newline),
            structural: bits(structural),
        }
    }

    #[cfg(feature = "json")]
    #[inline(always)]
    fn key_ends(self, word: u32, ends: &KeyEnds) -> u64 {
        // SAFETY: as in `equal`; each half of an array is 32 readable bytes.
        unsafe {
            let word = _mm256_set1_epi32(word.cast_signed());
            let half = |at| {
                let value = _mm256_loadu_si256(ends.values.as_ptr().add(at).cast());
                let mask = _mm256_loadu_si256(ends.masks.as_ptr().add(at).cast());
                let equal = _mm256_cmpeq_epi32(_mm256_and_si256(word, mask), value);
                u64::from(_mm256_movemask_ps(_mm256_castsi256_ps(equal)).cast_unsigned())
            };
            half(0) | half(KEY_ENDS / 2) << (KEY_ENDS / 2)
        }
    }

    #[cfg(feature = "json")]
    #[inline(always)]
    fn literal_ends(self, bytes: &[u8; 16]) -> u32 {
        // SAFETY: as in `equal`; the reference is to 16 readable bytes.
        unsafe {
            let bytes = _mm_loadu_si128(bytes.as_ptr().cast());
            let space = _mm_set1_epi8(b' '.cast_signed());
            let low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, space), bytes);
            let comma = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b','.cast_signed()));
            let braces = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
            let close = _mm_cmpeq_epi8(braces, _mm_set1_epi8(b'}'.cast_signed()));
            let ends = _mm_or_si128(_mm_or_si128(low, comma), close);
            _mm_movemask_epi8(ends).cast_unsigned()
        }
    }

    #[inline(always)]
    fn in_lanes(self, block: &[u8; BLOCK], lanes: &Lanes) -> u64 {
        let block = load(block);
        in_ranges(block, &lanes.first) | in_ranges(block, &lanes.second)
    }

    #[inline(always)]
    fn same(self, bytes: &[u8; LANES], ending: &Ending) -> bool {
        // SAFETY: as in `equal`; both are 32 bytes long.
        unsafe {
            let bytes = _mm256_loadu_si256(bytes.as_ptr().cast());
            let signature = _mm256_loadu_si256(ending.bytes.as_ptr().cast());
            let same = _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, signature));
            !same.cast_unsigned() & ending.lanes == 0
        }
    }

    #[inline(always)]
    fn lengths_fit(
        self,
        places: &[u16; LANES],
        next: &[u16; LANES],
        lengths: &Lengths,
        ending: &Ending,
    ) -> bool {
        let mut fit = [0; 2];
        for (at, fit) in fit.iter_mut().enumerate() {
            // SAFETY: as in `equal`.
            *fit = unsafe {
                let distance = _mm256_sub_epi16(half(next, at), half(places, at));
                let above = _mm256_sub_epi16(distance, half(&lengths.least, at));
                let more = half(&lengths.more, at);
                let fit = _mm256_cmpeq_epi16(_mm256_max_epu16(above, more), more);
                _mm256_movemask_epi8(fit).cast_unsigned()
            };
        }
        // Two bits for each lane.
        let [low, high] = fit.map(|fit| u64::from(!fit));
        let lanes = ending.len.min(LANES);
        (low | high << 32) << (BLOCK - 2 * lanes) == 0
    }

    #[inline(always)]
    fn halves_in_lanes(self, halves: [&[u8; HALF]; 2], lanes: &Lanes) -> u64 {
        // SAFETY: as in `equal`; each reference is to as many bytes as are loaded.
        let block = unsafe {
            let [low, high] = halves;
            [
                _mm256_loadu_si256(low.as_ptr().cast()),
                _mm256_loadu_si256(high.as_ptr().cast()),
            ]
        };
        in_ranges(block, &lanes.first) | in_ranges(block, &lanes.second)
    }
}

/// The first half, or the second.
#[inline(always)]
fn half(words: &[u16; LANES], at: usize) -> __m256i {
    let (halves, _) = words.as_chunks::<{ LANES / 2 }>();
    // SAFETY: as in `load`; the half is 32 readable bytes.
    unsafe { _mm256_loadu_si256(halves[at].as_ptr().cast()) }
}

/// All ones for the bytes that are one of three.
#[inline(always)]
fn is_one_of(bytes: __m256i, [a, b, c]: [__m256i; 3]) -> __m256i {
    // SAFETY: as in `load`.
    unsafe {
        let (a, b) = (_mm256_cmpeq_epi8(bytes, a), _mm256_cmpeq_epi8(bytes, b));
        _mm256_or_si256(_mm256_or_si256(a, b), _mm256_cmpeq_epi8(bytes, c))
    }
}

/// All ones for the bytes that are in no class; see `lanes::Classes::low`.
#[inline(always)]
fn no_class(bytes: __m256i, rows: __m256i, bits_of: __m256i) -> __m256i {
    // SAFETY: as in `load`.
    unsafe {
        let nibble = _mm256_set1_epi8(15);
        let row = _mm256_shuffle_epi8(rows, _mm256_and_si256(bytes, nibble));
        let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble);
        let bit = _mm256_shuffle_epi8(bits_of, upper);
        _mm256_cmpeq_epi8(_mm256_and_si256(row, bit), _mm256_setzero_si256())
    }
}

#[inline(always)]
fn in_ranges(block: [__m256i; 2], ranges: &Ranges) -> u64 {
    let (low, span) = (load(&ranges.low), load(&ranges.span));
    bits([
        in_half(block[0], low[0], span[0]),
        in_half(block[1], low[1], span[1]),
    ])
}

#[inline(always)]
fn in_half(bytes: __m256i, low: __m256i, span: __m256i) -> __m256i {
    // SAFETY: as in `load`.
    unsafe {
        let above = _mm256_sub_epi8(bytes, low);
        // In the range if the greater of both is the span.
        _mm256_cmpeq_epi8(_mm256_max_epu8(above, span), span)
    }
}
