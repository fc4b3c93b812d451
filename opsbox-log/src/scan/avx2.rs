//! AVX2.

use std::arch::x86_64::*;
#[cfg(feature = "json")]
use std::hint::black_box;

use super::{
    BLOCK, CellLanes, Ending, GROUP, HALF, LANES, Lengths, Simd, WINDOWS, WindowLanes, Work,
    lanes::{Classes, Found, Lanes, Ranges},
};
#[cfg(feature = "json")]
use super::{
    JsonMasks, KeyEnds, NEAR, Window,
    json::{STOPS, STRUCTURAL, back},
};

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
    newline: __m256i,
    comma: __m256i,
    space: __m256i,
    low_half: __m256i,
    stops: __m256i,
    structural: __m256i,
    /// See [`KeyEnds::four`].
    keys: [__m256i; 2],
}

impl Simd for Avx2 {
    const VECTOR: bool = true;

    #[inline(always)]
    fn enter<W: Work>(self, work: W) -> W::Output {
        // SAFETY: the token says that the instructions are there.
        unsafe { run(work) }
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
    fn escapes(self, block: &[u8; BLOCK]) -> u64 {
        // SAFETY: as in `equal`.
        let halves = load(block).map(|it| unsafe {
            // With its sign a byte above 127 is below the space, too.
            let below = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), it);
            let quote = _mm256_cmpeq_epi8(it, _mm256_set1_epi8(b'"'.cast_signed()));
            let backslash = _mm256_cmpeq_epi8(it, _mm256_set1_epi8(b'\\'.cast_signed()));
            _mm256_or_si256(below, _mm256_or_si256(quote, backslash))
        });
        bits(halves)
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

    #[cfg(feature = "json")]
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

    /// Of each byte the rows by its lower half, one for each class, and the bit by the upper.
    type Table<'c> = [__m256i; 3];

    #[inline(always)]
    fn table(self, classes: &Classes) -> Self::Table<'_> {
        // No bit for what is not ASCII.
        const BITS_OF: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0];
        let [outside, always] = &classes.low;
        [twice(outside), twice(always), twice(&BITS_OF)]
    }

    #[inline(always)]
    fn classify(self, block: &[u8; BLOCK], table: Self::Table<'_>) -> Found {
        let [low, high] = load(block);
        let ([low_out, low_all], [high_out, high_all]) =
            (no_class(low, table), no_class(high, table));
        Found {
            always: !bits([low_all, high_all]),
            outside: !bits([low_out, high_out]),
        }
    }

    #[cfg(feature = "mask")]
    type TrigramTable<'t> = [[__m256i; 2]; 3];

    #[cfg(feature = "mask")]
    #[inline(always)]
    fn trigram_table(self, trigrams: &super::Trigrams) -> [[__m256i; 2]; 3] {
        let [third, second, first] = &trigrams.halves;
        [first, second, third].map(|[low, high]| [twice(low), twice(high)])
    }

    #[cfg(feature = "mask")]
    #[inline(always)]
    fn trigrams(self, blocks: [&[u8; BLOCK]; 3], tables: [[__m256i; 2]; 3]) -> u64 {
        // SAFETY: as in `equal`.
        unsafe {
            let nibble = _mm256_set1_epi8(15);
            let mut all = [_mm256_set1_epi8(-1); 2];
            for (block, [low, high]) in blocks.into_iter().zip(tables) {
                for (all, bytes) in all.iter_mut().zip(load(block)) {
                    let lower = _mm256_and_si256(bytes, nibble);
                    let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble);
                    let lower = _mm256_shuffle_epi8(low, lower);
                    let upper = _mm256_shuffle_epi8(high, upper);
                    *all = _mm256_and_si256(*all, _mm256_and_si256(lower, upper));
                }
            }
            let zero = _mm256_setzero_si256();
            let [low, high] = all;
            !bits([_mm256_cmpeq_epi8(low, zero), _mm256_cmpeq_epi8(high, zero)])
        }
    }

    type GroupTable<'c> = Self::Table<'c>;

    #[inline(always)]
    fn group_table(self, classes: &Classes) -> Self::GroupTable<'_> {
        self.table(classes)
    }

    #[inline(always)]
    fn classify_group(
        self,
        group: &[[u8; BLOCK]; GROUP],
        table: Self::GroupTable<'_>,
        always: &mut [u64; GROUP],
        outside: &mut [u64; GROUP],
    ) {
        for (at, block) in group.iter().enumerate() {
            let found = self.classify(block, table);
            (always[at], outside[at]) = (found.always, found.outside);
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
    #[inline(always)]
    fn words(self, words: &[u8; BLOCK]) -> u32 {
        let [low, high] = load(words);
        // SAFETY: as in `equal`.
        unsafe {
            let zero = |half| _mm256_cmpeq_epi64(half, _mm256_setzero_si256());
            let low = _mm256_movemask_pd(_mm256_castsi256_pd(zero(low)));
            let high = _mm256_movemask_pd(_mm256_castsi256_pd(zero(high)));
            !(low | high << 4).cast_unsigned() & 0xff
        }
    }

    #[inline(always)]
    fn prefetch(self, bytes: &[u8]) {
        for line in bytes.chunks(BLOCK) {
            // SAFETY: as in `equal`; it is a hint, and changes nothing.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) }
        }
    }

    #[cfg(feature = "json")]
    type JsonBytes = JsonBytes;

    #[cfg(feature = "json")]
    #[inline(always)]
    fn json_bytes(self, keys: &KeyEnds) -> JsonBytes {
        // What the compiler knows it would load again for each block.
        // SAFETY: as in `equal`.
        let all = |byte: u8| unsafe { _mm256_set1_epi8(black_box(byte).cast_signed()) };
        // SAFETY: as in `equal`; tables are 16 readable bytes.
        let table = |table: &[u8; 16]| unsafe {
            _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast()))
        };
        JsonBytes {
            quote: all(b'"'),
            newline: all(b'\n'),
            comma: all(b','),
            space: all(b' '),
            low_half: all(0x0f),
            stops: table(black_box(&STOPS)),
            structural: table(black_box(&STRUCTURAL)),
            keys: [table(&keys.four[0]), table(&keys.four[1])],
        }
    }

    #[cfg(feature = "json")]
    #[inline(always)]
    fn json(self, with: &JsonBytes, window: &Window) -> JsonMasks {
        let [first, second] = load(back(window, 0));
        let behind = load(back(window, 1));
        let last = load(back(window, 2));
        let before = load(back(window, 3));
        let first = json_half(with, first, behind[0], last[0], before[0]);
        let second = json_half(with, second, behind[1], last[1], before[1]);
        JsonMasks {
            quote: bits([first.quote, second.quote]),
            stop: bits([first.stop, second.stop]),
            newline: bits([first.newline, second.newline]),
            end: bits([first.end, second.end]),
            hit: bits([first.hit, second.hit]),
        }
    }

    #[inline(always)]
    fn in_lanes(self, block: &[u8; BLOCK], lanes: &Lanes) -> u64 {
        let block = load(block);
        in_ranges(block, &lanes.first) | in_ranges(block, &lanes.second)
    }

    #[cfg(feature = "json")]
    #[inline(always)]
    fn no_digits(self, bytes: &[u8; NEAR]) -> (u32, u32) {
        no_digits(bytes)
    }

    #[cfg(feature = "json")]
    #[inline(always)]
    fn begins_with(self, bytes: &[u8; HALF], text: &[u8; HALF], mask: &[u8; HALF]) -> bool {
        begins_with(bytes, text, mask)
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
    fn windows(self, places: &[u16; LANES], lanes: &WindowLanes, out: &mut [u32; WINDOWS]) {
        let (which, adds) = (&lanes.lanes, &lanes.adds);
        let (outs, _) = out.as_chunks_mut::<8>();
        // SAFETY: as in `equal`; each of the outs has 32 bytes.
        unsafe {
            for (at, out) in outs.iter_mut().enumerate() {
                // Beginning and end side by side; then the end without the beginning.
                let both = _mm256_add_epi16(permuted(places, half(which, at)), half(adds, at));
                let windows = _mm256_sub_epi16(both, _mm256_slli_epi32::<16>(both));
                _mm256_storeu_si256(out.as_mut_ptr().cast(), windows);
            }
        }
    }

    #[inline(always)]
    fn cells(self, places: &[u16; LANES], lanes: &CellLanes, out: &mut [u32; LANES]) {
        let (which, _) = lanes.lanes.as_chunks::<16>();
        let (adds, _) = lanes.adds.as_chunks::<16>();
        let (absent, _) = lanes.absent.as_chunks::<8>();
        let (outs, _) = out.as_chunks_mut::<8>();
        // SAFETY: as in `equal`; each of them has 32 bytes.
        unsafe {
            let line = _mm256_set1_epi32(i32::from(places[0].wrapping_add(1)));
            for (at, out) in outs.iter_mut().enumerate().take(lanes.columns.div_ceil(8)) {
                let both = permuted(places, _mm256_loadu_si256(which[at].as_ptr().cast()));
                let adds = _mm256_loadu_si256(adds[at].as_ptr().cast());
                let both = _mm256_add_epi16(both, adds);
                // What they count from: the line's beginning, and the column's.
                let from = _mm256_or_si256(_mm256_slli_epi32::<16>(both), line);
                let absent = _mm256_loadu_si256(absent[at].as_ptr().cast());
                let cells = _mm256_or_si256(_mm256_sub_epi16(both, from), absent);
                _mm256_storeu_si256(out.as_mut_ptr().cast(), cells);
            }
        }
    }

    #[inline(always)]
    fn halves_outside(self, halves: [&[u8; HALF]; 2], lanes: &Lanes) -> u64 {
        // SAFETY: as in `equal`; each reference is to as many bytes as are loaded.
        let block = unsafe {
            let [low, high] = halves;
            [
                _mm256_loadu_si256(low.as_ptr().cast()),
                _mm256_loadu_si256(high.as_ptr().cast()),
            ]
        };
        !(in_ranges(block, &lanes.first) | in_ranges(block, &lanes.second))
    }
}

/// [`JsonMasks`] of half a block, a byte each, of which the highest bit counts.
#[cfg(feature = "json")]
struct JsonHalf {
    quote: __m256i,
    stop: __m256i,
    newline: __m256i,
    end: __m256i,
    hit: __m256i,
}

#[cfg(feature = "json")]
#[inline(always)]
fn json_half(
    with: &JsonBytes,
    bytes: __m256i,
    behind: __m256i,
    last: __m256i,
    before: __m256i,
) -> JsonHalf {
    // SAFETY: as in `load`.
    unsafe {
        // Brackets and colons: each has its own low half, and the bit of a space tells `[` from `{`.
        let expected = _mm256_shuffle_epi8(with.structural, bytes);
        let structural = _mm256_cmpeq_epi8(_mm256_or_si256(bytes, with.space), expected);
        let low = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, with.space), bytes);
        let comma = _mm256_cmpeq_epi8(bytes, with.comma);
        // A row for each low half: those of bytes above 127, too.
        let last = _mm256_shuffle_epi8(with.keys[0], _mm256_and_si256(last, with.low_half));
        let before = _mm256_shuffle_epi8(with.keys[1], _mm256_and_si256(before, with.low_half));
        let key = _mm256_and_si256(last, before);
        let no_key = _mm256_cmpeq_epi8(key, _mm256_setzero_si256());
        let quoted = _mm256_cmpeq_epi8(behind, with.quote);
        // The bit of brackets, moved to the highest one, is not set in a colon.
        let bracket = _mm256_add_epi8(bytes, bytes);
        let no_hit = _mm256_andnot_si256(bracket, _mm256_and_si256(no_key, quoted));
        JsonHalf {
            quote: _mm256_cmpeq_epi8(bytes, with.quote),
            stop: _mm256_cmpeq_epi8(bytes, _mm256_shuffle_epi8(with.stops, bytes)),
            newline: _mm256_cmpeq_epi8(bytes, with.newline),
            end: _mm256_or_si256(structural, _mm256_or_si256(low, comma)),
            hit: _mm256_andnot_si256(no_hit, structural),
        }
    }
}

/// The first half, or the second.
#[inline(always)]
fn half(words: &[u16; LANES], at: usize) -> __m256i {
    let (halves, _) = words.as_chunks::<{ LANES / 2 }>();
    // SAFETY: as in `load`; the half is 32 readable bytes.
    unsafe { _mm256_loadu_si256(halves[at].as_ptr().cast()) }
}

/// The places of 16 lanes.
#[inline(always)]
fn permuted(places: &[u16; LANES], lanes: __m256i) -> __m256i {
    let (eights, _) = places.as_chunks::<8>();
    // SAFETY: as in `load`; there are 16 bytes in each of the eights.
    unsafe {
        // The two bytes of a place, counted from the first.
        let bytes = _mm256_or_si256(_mm256_slli_epi16::<1>(lanes), _mm256_slli_epi16::<9>(lanes));
        let bytes = _mm256_or_si256(bytes, _mm256_set1_epi16(0x0100));
        let all = _mm256_or_si256(among(&eights[0], bytes, 0), among(&eights[1], bytes, 16));
        if _mm256_testz_si256(lanes, _mm256_set1_epi16(0x10)) == 1 {
            return all;
        }
        let more = _mm256_or_si256(among(&eights[2], bytes, 32), among(&eights[3], bytes, 48));
        _mm256_or_si256(all, more)
    }
}

/// Those of the bytes that are in eight places, which begin with the byte `first`; zeros for others.
#[inline(always)]
fn among(places: &[u16; 8], bytes: __m256i, first: i8) -> __m256i {
    // SAFETY: as in `load`; there are 16 bytes.
    unsafe {
        let places = _mm256_broadcastsi128_si256(_mm_loadu_si128(places.as_ptr().cast()));
        let bytes = _mm256_sub_epi8(bytes, _mm256_set1_epi8(first));
        // What is not below 16 gets the highest bit, which makes a zero.
        _mm256_shuffle_epi8(places, _mm256_adds_epu8(bytes, _mm256_set1_epi8(0x70)))
    }
}

/// 16 bytes in both halves.
#[inline(always)]
fn twice(bytes: &[u8; 16]) -> __m256i {
    // SAFETY: as in `load`; there are 16 bytes.
    unsafe { _mm256_broadcastsi128_si256(_mm_loadu_si128(bytes.as_ptr().cast())) }
}

/// All ones for the bytes that are in no class, for each of the two; see `lanes::Classes::low`.
#[inline(always)]
fn no_class(bytes: __m256i, [outside, always, bits_of]: [__m256i; 3]) -> [__m256i; 2] {
    // SAFETY: as in `load`.
    unsafe {
        let nibble = _mm256_set1_epi8(15);
        let lower = _mm256_and_si256(bytes, nibble);
        let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble);
        let bit = _mm256_shuffle_epi8(bits_of, upper);
        let outside = _mm256_and_si256(_mm256_shuffle_epi8(outside, lower), bit);
        let always = _mm256_and_si256(_mm256_shuffle_epi8(always, lower), bit);
        let none = _mm256_setzero_si256();
        [
            _mm256_cmpeq_epi8(outside, none),
            _mm256_cmpeq_epi8(always, none),
        ]
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

/// [`Simd::no_digits`], for the kernels that have these instructions.
#[cfg(feature = "json")]
#[inline(always)]
pub(super) fn no_digits(bytes: &[u8; NEAR]) -> (u32, u32) {
    // SAFETY: the reference is to 16 readable bytes, and the load needs no alignment. An `Avx2` or `Avx512` token is at
    // hand in every caller.
    unsafe {
        let bytes = _mm_loadu_si128(bytes.as_ptr().cast());
        let digits = _mm_sub_epi8(bytes, _mm_set1_epi8(0x30));
        let others = _mm_cmpeq_epi8(_mm_max_epu8(digits, _mm_set1_epi8(10)), digits);
        let points = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x2e));
        let [others, points] = [_mm_movemask_epi8(others), _mm_movemask_epi8(points)];
        (others.cast_unsigned(), points.cast_unsigned())
    }
}

/// [`Simd::begins_with`], for the same.
#[cfg(feature = "json")]
#[inline(always)]
pub(super) fn begins_with(bytes: &[u8; HALF], text: &[u8; HALF], mask: &[u8; HALF]) -> bool {
    // SAFETY: as in `no_digits`; all three are 32 bytes long.
    unsafe {
        let bytes = _mm256_loadu_si256(bytes.as_ptr().cast());
        let text = _mm256_loadu_si256(text.as_ptr().cast());
        let mask = _mm256_loadu_si256(mask.as_ptr().cast());
        _mm256_testz_si256(_mm256_xor_si256(bytes, text), mask) == 1
    }
}
