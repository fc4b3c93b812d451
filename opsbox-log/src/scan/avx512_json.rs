//! JSON's bytes on AVX-512.

use std::{arch::x86_64::*, hint::black_box};

use super::{
    BLOCK, GROUP, GroupWindow, JsonMasks, KeyEnds, Window,
    avx512::{
        Avx512, DIAGONAL, REVERSED, Table, between, class, four_times, halves, load, planes_of,
    },
    json::{self, BRACKET, Class, STOPS, STRUCTURAL, back},
    window,
};

/// What JSON's bytes are found with, in registers through a loop. Made only of a token, which says that the
/// instructions are there.
#[derive(Clone, Copy, Debug)]
pub(super) struct JsonBytes {
    quote: __m512i,
    newline: __m512i,
    comma: __m512i,
    space: __m512i,
    bracket: __m512i,
    stops: __m512i,
    structural: __m512i,
    /// See [`KeyEnds::six`].
    keys: [__m512i; 2],
    /// See [`KeyEnds::classes`].
    classes: Table,
    /// See [`planes_of`].
    reversed: __m512i,
    diagonal: __m512i,
    /// See [`OF_TWO`].
    of_two: [__m512i; 2],
}

/// Where in the [planes](planes_of) of two blocks are those of even classes, and those of odd ones: a
/// class after the other, of each the first block and then the second.
const OF_TWO: [[u8; BLOCK]; 2] = {
    let mut of_two = [[0; BLOCK]; 2];
    let mut at = 0;
    while at < BLOCK {
        let (class, block, byte) = (at / 16 * 2, at / 8 % 2, at % 8);
        let plane = block * BLOCK + byte * 8 + class;
        of_two[0][at] = plane as u8;
        of_two[1][at] = (plane + 1) as u8;
        at += 1;
    }
    of_two
};

impl JsonBytes {
    /// See [`Simd::json_bytes`](super::Simd::json_bytes).
    #[inline(always)]
    pub(super) fn new(_: Avx512, keys: &KeyEnds) -> Self {
        // What the compiler knows it would load again for each block.
        // SAFETY: as in `load`.
        let all = |byte: u8| unsafe { _mm512_set1_epi8(black_box(byte).cast_signed()) };
        // SAFETY: as in `load`; tables are 16 readable bytes.
        let table = |table: &[u8; 16]| unsafe {
            _mm512_broadcast_i32x4(_mm_loadu_si128(black_box(table).as_ptr().cast()))
        };
        Self {
            quote: all(b'"'),
            newline: all(b'\n'),
            comma: all(b','),
            space: all(b' '),
            bracket: all(BRACKET),
            stops: table(&STOPS),
            structural: table(&STRUCTURAL),
            keys: keys.six.each_ref().map(load),
            classes: halves(&keys.classes),
            reversed: four_times(black_box(&REVERSED)),
            // SAFETY: as in `load`.
            diagonal: unsafe { _mm512_set1_epi64(black_box(DIAGONAL)) },
            of_two: black_box(&OF_TWO).each_ref().map(load),
        }
    }

    /// See [`Simd::json_group`](super::Simd::json_group).
    #[inline(always)]
    pub(super) fn group(
        &self,
        keys: &KeyEnds,
        group: &GroupWindow,
        inside: &mut u64,
        ends: &mut [[u8; 8]; GROUP],
        hits: &mut [u64; GROUP],
    ) -> bool {
        const ENDS: &[Class] = &[Class::Colon, Class::Bracket, Class::Newline, Class::End];
        let planes = self.planes(group);
        let classes = keys.classes_before(group);
        // SAFETY: as in `load`; both places to write to have 64 bytes.
        unsafe {
            let quote = of_class::<{ among(&[Class::Quote]) }>(planes);
            let newline = of_class::<{ among(&[Class::Newline]) }>(planes);
            let backslash = of_class::<{ among(&[Class::Backslash]) }>(planes);
            let (within, next) = between(quote, *inside);
            let broken = _mm512_and_si512(newline, within);
            let other = _mm512_or_si512(backslash, broken);
            if _mm512_test_epi64_mask(other, other) != 0 {
                return false;
            }
            *inside = next;
            let end = of_class::<{ among(ENDS) }>(planes);
            let end = _mm512_or_si512(quote, _mm512_andnot_si512(within, end));
            _mm512_storeu_si512(ends.as_mut_ptr().cast(), end);
            let [first, second] = [keys_end(planes, classes, 0), keys_end(planes, classes, 1)];
            let key = _mm512_or_si512(first, second);
            let was_quote = carried(classes, 0) & carried(classes, 1) & !carried(classes, 2);
            let behind = _mm512_shldi_epi64::<1>(quote, before(quote, was_quote));
            // A colon counts if it is behind such a key, or not behind a quote.
            let no_key = _mm512_andnot_si512(key, behind);
            let colon = of_class::<{ among(&[Class::Colon]) }>(planes);
            let colon = _mm512_andnot_si512(no_key, colon);
            let bracket = of_class::<{ among(&[Class::Bracket]) }>(planes);
            let hit = _mm512_or_si512(colon, bracket);
            let hit = _mm512_or_si512(newline, _mm512_andnot_si512(within, hit));
            _mm512_storeu_si512(hits.as_mut_ptr().cast(), hit);
        }
        true
    }

    /// See [`Simd::json`](super::Simd::json).
    #[inline(always)]
    pub(super) fn block(&self, window: &Window) -> JsonMasks {
        // What gives a mask, and what moves one, is dear on Zen 4: bytes are put together first.
        // SAFETY: as in `load`.
        unsafe {
            const OR_WITH_XOR: i32 = 0b1111_0110;
            const OR_THEN_XOR: i32 = 0b0101_0110;
            const OR_WITH_AND: i32 = 0b1111_1000;
            let bytes = load(back(window, 0));
            let stops = _mm512_shuffle_epi8(self.stops, bytes);
            // Zero for brackets and colons: each has its own low half, and the bit of a space tells
            // `[` from `{`.
            let expected = _mm512_shuffle_epi8(self.structural, bytes);
            let other = _mm512_ternarylogic_epi32::<OR_THEN_XOR>(bytes, self.space, expected);
            let structural = _mm512_testn_epi8_mask(other, other);
            // And for all up to space, and commas.
            let above = _mm512_subs_epu8(bytes, self.space);
            let no_comma = _mm512_xor_si512(bytes, self.comma);
            let no_end = _mm512_min_epu8(_mm512_min_epu8(other, above), no_comma);
            // Not zero for what comes behind the end of a key, or not behind a quote, or is a bracket.
            // The look-up sees 6 bits.
            let [last, before] = self.keys;
            let last = _mm512_permutexvar_epi8(load(back(window, 2)), last);
            let before = _mm512_permutexvar_epi8(load(back(window, 3)), before);
            let key = _mm512_and_si512(last, before);
            let behind = load(back(window, 1));
            let key = _mm512_ternarylogic_epi32::<OR_WITH_XOR>(key, behind, self.quote);
            let hit = _mm512_ternarylogic_epi32::<OR_WITH_AND>(key, bytes, self.bracket);
            JsonMasks {
                quote: _mm512_cmpeq_epi8_mask(bytes, self.quote),
                stop: _mm512_cmpeq_epi8_mask(bytes, stops),
                newline: _mm512_cmpeq_epi8_mask(bytes, self.newline),
                end: _mm512_testn_epi8_mask(no_end, no_end),
                hit: _mm512_mask_test_epi8_mask(structural, hit, hit),
            }
        }
    }

    /// The bits of the classes of a group.
    #[inline(always)]
    fn planes(&self, group: &GroupWindow) -> [__m512i; GROUP] {
        // SAFETY: as in `load`.
        unsafe {
            let mut planes = [_mm512_setzero_si512(); GROUP];
            for (at, planes) in planes.iter_mut().enumerate() {
                let class = class(back(window(group, at), 0), self.classes);
                *planes = planes_of(class, self.reversed, self.diagonal);
            }
            let mut masks = [_mm512_setzero_si512(); GROUP];
            // The even classes, then the odd ones.
            for odd in 0..2 {
                let of_two = self.of_two[odd];
                let a = _mm512_permutex2var_epi8(planes[0], of_two, planes[1]);
                let b = _mm512_permutex2var_epi8(planes[2], of_two, planes[3]);
                let c = _mm512_permutex2var_epi8(planes[4], of_two, planes[5]);
                let d = _mm512_permutex2var_epi8(planes[6], of_two, planes[7]);
                let [ab, cd] = [
                    _mm512_shuffle_i64x2::<0b0100_0100>(a, b),
                    _mm512_shuffle_i64x2::<0b0100_0100>(c, d),
                ];
                masks[odd] = _mm512_shuffle_i64x2::<0b1000_1000>(ab, cd);
                masks[2 + odd] = _mm512_shuffle_i64x2::<0b1101_1101>(ab, cd);
                let [ab, cd] = [
                    _mm512_shuffle_i64x2::<0b1110_1110>(a, b),
                    _mm512_shuffle_i64x2::<0b1110_1110>(c, d),
                ];
                masks[4 + odd] = _mm512_shuffle_i64x2::<0b1000_1000>(ab, cd);
                masks[6 + odd] = _mm512_shuffle_i64x2::<0b1101_1101>(ab, cd);
            }
            masks
        }
    }
}

/// Of a group the masks of the block before each; `first` is that before the first one.
#[inline(always)]
fn before(masks: __m512i, first: u64) -> __m512i {
    // SAFETY: as in `load`.
    unsafe { _mm512_alignr_epi64::<7>(masks, _mm512_set1_epi64(first.cast_signed())) }
}

/// Which bits a byte before the group has, at the end of a mask.
#[inline(always)]
fn carried(classes: u32, bit: usize) -> u64 {
    // SAFETY: as in `load`.
    let bits = unsafe { _pext_u32(classes, 0x0001_0101 << bit) };
    u64::from(bits) << (BLOCK - json::BEFORE)
}

/// The places behind what may be a key of one half, and a quote.
#[inline(always)]
fn keys_end(planes: [__m512i; GROUP], classes: u32, half: usize) -> __m512i {
    let (last, key) = (json::LAST[half], json::BEFORE_LAST[half]);
    // SAFETY: as in `load`.
    unsafe {
        let lasts = before(planes[last], carried(classes, last));
        let lasts = _mm512_shldi_epi64::<2>(planes[last], lasts);
        let keys = before(planes[key], carried(classes, key));
        let keys = _mm512_shldi_epi64::<3>(planes[key], keys);
        _mm512_and_si512(lasts, keys)
    }
}

/// The places of some classes, whose numbers the first three planes have.
#[inline(always)]
fn of_class<const AMONG: i32>(planes: [__m512i; GROUP]) -> __m512i {
    // SAFETY: as in `load`.
    unsafe { _mm512_ternarylogic_epi64::<AMONG>(planes[2], planes[1], planes[0]) }
}

/// The operation on three bits that tells whether their number is one of these classes.
const fn among(classes: &[Class]) -> i32 {
    let (mut among, mut at) = (0, 0);
    while at < classes.len() {
        among |= 1 << classes[at] as i32;
        at += 1;
    }
    among
}
