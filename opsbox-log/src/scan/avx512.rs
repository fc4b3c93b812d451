//! AVX-512 with VBMI2 and GFNI.

use std::arch::x86_64::*;

#[cfg(feature = "arrow")]
use super::{ACROSS, Cell, Near, ROWS, views};
use super::{
    BLOCK, CellLanes, Ending, GROUP, HALF, LANES, Lengths, Simd, WINDOWS, WindowLanes, Work,
    lanes::{ALWAYS, Classes, Found, Lanes, OUTSIDE, Ranges},
};
#[cfg(feature = "json")]
use super::{GroupWindow, JsonMasks, KeyEnds, NEAR, Window, avx2, avx512_json::JsonBytes};

/// Made only by [`run`], which is called only where the instructions are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx512(());

/// Enters the code that is compiled for these instructions.
///
/// # Safety
///
/// The processor has the instructions of [`Kernel::Avx512`](super::Kernel::Avx512).
#[target_feature(
    enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,gfni,vpclmulqdq,avx2,bmi1,bmi2,lzcnt,popcnt,pclmulqdq"
)]
pub(super) unsafe fn run<W: Work>(work: W) -> W::Output {
    work.run(Avx512(()))
}

/// Classes of bytes in registers.
pub(super) type Table = [__m512i; 2];

/// Blocks whose classes fit into a byte for each place.
const SHARING: usize = 4;

/// The same classes, for each block that shares a byte with others in bits of its own: from bit 0 those
/// that are always structural, from bit [`SHARING`] those that are outside of quotes.
type GroupTable = [Table; SHARING];

#[inline(always)]
pub(super) fn load(block: &[u8; BLOCK]) -> __m512i {
    // SAFETY: the reference is to 64 readable bytes; the load needs no alignment. An `Avx512` token
    // is at hand in every caller.
    unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
}

impl Simd for Avx512 {
    const VECTOR: bool = true;
    const GROUPS: bool = true;

    #[inline(always)]
    fn enter<W: Work>(self, work: W) -> W::Output {
        // SAFETY: the token says that the instructions are there.
        unsafe { run(work) }
    }

    #[inline(always)]
    fn equal(self, block: &[u8; BLOCK], byte: u8) -> u64 {
        // SAFETY: the token says that the instructions are there.
        unsafe { _mm512_cmpeq_epi8_mask(load(block), splat(byte)) }
    }

    #[inline(always)]
    fn not_ascii(self, block: &[u8; BLOCK]) -> u64 {
        // SAFETY: as in `equal`.
        unsafe { _mm512_movepi8_mask(load(block)) }
    }

    #[inline(always)]
    fn escapes(self, block: &[u8; BLOCK]) -> u64 {
        let bytes = load(block);
        // SAFETY: as in `equal`.
        unsafe {
            // With its sign a byte above 127 is below the space, too.
            _mm512_cmplt_epi8_mask(bytes, splat(0x20))
                | _mm512_cmpeq_epi8_mask(bytes, splat(b'"'))
                | _mm512_cmpeq_epi8_mask(bytes, splat(b'\\'))
        }
    }

    #[inline(always)]
    fn is_ascii(self, bytes: &[u8]) -> bool {
        const OR: i32 = 0b1111_1110;
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        let (fours, blocks) = blocks.as_chunks::<4>();
        // SAFETY: as in `equal`.
        let any = unsafe {
            let (mut any, mut other) = (_mm512_setzero_si512(), _mm512_setzero_si512());
            for [a, b, c, d] in fours {
                any = _mm512_ternarylogic_epi64::<OR>(any, load(a), load(b));
                other = _mm512_ternarylogic_epi64::<OR>(other, load(c), load(d));
            }
            for block in blocks {
                any = _mm512_or_si512(any, load(block));
            }
            _mm512_movepi8_mask(_mm512_or_si512(any, other))
        };
        any == 0 && rest.is_ascii()
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
    fn positions(self, mask: u64, base: u16, out: &mut [u16; BLOCK]) -> usize {
        // SAFETY: as in `equal`.
        let places = unsafe { _mm512_maskz_compress_epi8(mask, iota()) };
        let count = mask.count_ones() as usize;
        widened(places, count, base, out);
        count
    }

    type Table<'c> = Table;

    #[inline(always)]
    fn table(self, classes: &Classes) -> Table {
        halves(&classes.of)
    }

    #[inline(always)]
    fn classify(self, block: &[u8; BLOCK], table: Table) -> Found {
        // SAFETY: as in `equal`.
        unsafe {
            let class = class(block, table);
            Found {
                always: _mm512_test_epi8_mask(class, splat(ALWAYS)),
                outside: _mm512_test_epi8_mask(class, splat(OUTSIDE)),
            }
        }
    }

    /// Texts are short: to keep the tables in registers costs more than to load them for each block.
    #[cfg(feature = "mask")]
    type TrigramTable<'t> = &'t super::Trigrams;

    #[cfg(feature = "mask")]
    #[inline(always)]
    fn trigram_table(self, trigrams: &super::Trigrams) -> &super::Trigrams {
        trigrams
    }

    #[cfg(feature = "mask")]
    #[inline(always)]
    fn trigrams(self, blocks: [&[u8; BLOCK]; 3], table: &super::Trigrams) -> u64 {
        let [third, second, first] = &table.of;
        let (first, second, third) = (halves(first), halves(second), halves(third));
        // SAFETY: as in `equal`. The look-up sees 7 bits, as the tables are made for.
        unsafe {
            let first = _mm512_permutex2var_epi8(first[0], load(blocks[0]), first[1]);
            let second = _mm512_permutex2var_epi8(second[0], load(blocks[1]), second[1]);
            let third = _mm512_permutex2var_epi8(third[0], load(blocks[2]), third[1]);
            _mm512_test_epi8_mask(_mm512_and_si512(first, second), third)
        }
    }

    type GroupTable<'c> = GroupTable;

    #[inline(always)]
    fn group_table(self, classes: &Classes) -> GroupTable {
        let table = self.table(classes);
        // SAFETY: as in `equal`.
        unsafe {
            let [zero, one] = [_mm512_setzero_si512(), splat(1)];
            let mut tables = [[zero; 2]; SHARING];
            for half in 0..2 {
                let always = _mm512_and_si512(_mm512_srli_epi16::<7>(table[half]), one);
                let outside = _mm512_and_si512(table[half], one);
                let mut both = _mm512_or_si512(always, _mm512_slli_epi16::<4>(outside));
                for table in &mut tables {
                    table[half] = both;
                    both = _mm512_add_epi8(both, both);
                }
            }
            tables
        }
    }

    #[inline(always)]
    fn classify_group(
        self,
        group: &[[u8; BLOCK]; GROUP],
        tables: GroupTable,
        always: &mut [u64; GROUP],
        outside: &mut [u64; GROUP],
    ) {
        let (fours, _) = group.as_chunks::<SHARING>();
        let planes = [planes(&fours[0], tables), planes(&fours[1], tables)];
        // SAFETY: as in `equal`; all references are to 64 bytes. Masks that come out of comparisons
        // would be twice as dear.
        unsafe {
            let [of_always, of_outside] = [load(&MASKS[0]), load(&MASKS[1])];
            let masks = _mm512_permutex2var_epi8(planes[0], of_always, planes[1]);
            _mm512_storeu_si512(always.as_mut_ptr().cast(), masks);
            let masks = _mm512_permutex2var_epi8(planes[0], of_outside, planes[1]);
            _mm512_storeu_si512(outside.as_mut_ptr().cast(), masks);
        }
    }

    #[inline(always)]
    fn unquote(self, always: &[u64; GROUP], outside: &mut [u64; GROUP], quoted: &mut u64) -> bool {
        // SAFETY: as in `equal`; all references are to 64 bytes.
        unsafe {
            let always = _mm512_loadu_si512(always.as_ptr().cast());
            let all = _mm512_loadu_si512(outside.as_ptr().cast());
            let quotes = _mm512_andnot_si512(all, always);
            let (inside, next) = between(quotes, *quoted);
            if _mm512_test_epi64_mask(_mm512_and_si512(always, all), inside) != 0 {
                return false;
            }
            *quoted = next;
            let structural = _mm512_or_si512(always, _mm512_andnot_si512(inside, all));
            _mm512_storeu_si512(outside.as_mut_ptr().cast(), structural);
            true
        }
    }

    #[inline(always)]
    fn gather(
        self,
        mask: u64,
        block: &[u8; BLOCK],
        base: u16,
        places: &mut [u16; BLOCK],
        bytes: &mut [u8; BLOCK],
    ) -> usize {
        // SAFETY: as in `equal`; `bytes` has room for 64 bytes. Compressing straight to memory is
        // slow on Zen 4.
        unsafe {
            let which = _mm512_maskz_compress_epi8(mask, iota());
            let compressed = _mm512_maskz_compress_epi8(mask, load(block));
            let count = mask.count_ones() as usize;
            let out = bytes.as_mut_ptr();
            match count {
                0..=FEW => _mm_storeu_si128(out.cast(), _mm512_castsi512_si128(compressed)),
                _ => _mm512_storeu_si512(out.cast(), compressed),
            }
            widened(which, count, base, places);
            count
        }
    }

    #[cfg(feature = "json")]
    #[inline(always)]
    fn words(self, words: &[u8; BLOCK]) -> u32 {
        let words = load(words);
        // SAFETY: as in `equal`.
        unsafe { u32::from(_mm512_test_epi64_mask(words, words)) }
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
        JsonBytes::new(self, keys)
    }

    #[cfg(feature = "json")]
    #[inline(always)]
    fn json_group(
        self,
        with: &JsonBytes,
        keys: &KeyEnds,
        group: &GroupWindow,
        inside: &mut u64,
        ends: &mut [[u8; 8]; GROUP],
        hits: &mut [u64; GROUP],
    ) -> bool {
        with.group(keys, group, inside, ends, hits)
    }

    #[cfg(feature = "json")]
    #[inline(always)]
    fn json(self, with: &JsonBytes, window: &Window) -> JsonMasks {
        with.block(window)
    }

    #[cfg(feature = "arrow")]
    #[inline(always)]
    fn views(self, near: &Near<'_>, four: usize, rooms: &mut [views::Room<'_>]) {
        // SAFETY: as in `equal`; all references are to as many bytes as are loaded or stored.
        unsafe {
            let offsets = _mm_loadu_si128(near.offsets.as_ptr().cast());
            let offsets = _mm_add_epi32(offsets, _mm_set1_epi32(near.base.cast_signed()));
            let offsets = _mm512_broadcast_i32x4(offsets);
            // Of each four columns the cells side by side, a column after the other.
            let [a, b, c, d] = near.cells;
            let [a, b, c, d] = [row_of(a), row_of(b), row_of(c), row_of(d)];
            let (ab, cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
            let mut columns = Columns::NONE;
            columns.put(0, _mm512_unpacklo_epi64(ab, cd), offsets);
            columns.put(1, _mm512_unpackhi_epi64(ab, cd), offsets);
            if rooms.len() > 8 {
                let (ab, cd) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
                columns.put(2, _mm512_unpacklo_epi64(ab, cd), offsets);
                columns.put(3, _mm512_unpackhi_epi64(ab, cd), offsets);
            }
            for (column, room) in rooms.iter_mut().enumerate() {
                let column = column % ACROSS;
                let bytes = joined([
                    near.around(0, near.cells[0][column].near().0),
                    near.around(1, near.cells[1][column].near().0),
                    near.around(2, near.cells[2][column].near().0),
                    near.around(3, near.cells[3][column].near().0),
                ]);
                let lens = four_of(&columns.lens, column);
                let places = four_of(&columns.places, column);
                let views = _mm512_permutex2var_epi8(lens, load(&PARTS), places);
                let kept = _mm512_permutexvar_epi8(load(&KEPT), lens);
                let kept = _mm512_cmpgt_epu8_mask(kept, load_parts(&OF_VALUE));
                let views = _mm512_mask_mov_epi8(views, kept, bytes);
                _mm512_storeu_si512(room[four].as_mut_ptr().cast(), views);
            }
        }
    }

    #[inline(always)]
    fn in_lanes(self, block: &[u8; BLOCK], lanes: &Lanes) -> u64 {
        let block = load(block);
        in_ranges(block, &lanes.first) | in_ranges(block, &lanes.second)
    }

    #[inline(always)]
    fn in_first(self, block: &[u8; BLOCK], lanes: &Lanes) -> u64 {
        in_ranges(load(block), &lanes.first)
    }

    #[inline(always)]
    fn halves_outside(self, [low, high]: [&[u8; HALF]; 2], lanes: &Lanes) -> u64 {
        // SAFETY: as in `equal`; each reference is to as many bytes as are loaded.
        unsafe {
            let low = _mm512_castsi256_si512(_mm256_loadu_si256(low.as_ptr().cast()));
            let block = _mm512_inserti64x4::<1>(low, _mm256_loadu_si256(high.as_ptr().cast()));
            let above = _mm512_sub_epi8(block, load(&lanes.first.low));
            let outside = _mm512_cmpgt_epu8_mask(above, load(&lanes.first.span));
            let above = _mm512_sub_epi8(block, load(&lanes.second.low));
            _mm512_mask_cmpgt_epu8_mask(outside, above, load(&lanes.second.span))
        }
    }

    #[inline(always)]
    fn windows(self, places: &[u16; LANES], lanes: &WindowLanes, out: &mut [u32; WINDOWS]) {
        // SAFETY: as in `equal`; `out` has 64 bytes.
        unsafe {
            // Beginning and end side by side; then the end without the beginning.
            let both = _mm512_permutexvar_epi16(words(&lanes.lanes), words(places));
            let both = _mm512_add_epi16(both, words(&lanes.adds));
            let windows = _mm512_sub_epi16(both, _mm512_slli_epi32::<16>(both));
            _mm512_storeu_si512(out.as_mut_ptr().cast(), windows);
        }
    }

    #[cfg(feature = "json")]
    #[inline(always)]
    fn no_digits(self, bytes: &[u8; NEAR]) -> (u32, u32) {
        avx2::no_digits(bytes)
    }

    #[cfg(feature = "json")]
    #[inline(always)]
    fn begins_with(self, bytes: &[u8; HALF], text: &[u8; HALF], mask: &[u8; HALF]) -> bool {
        avx2::begins_with(bytes, text, mask)
    }

    #[inline(always)]
    fn same(self, bytes: &[u8; LANES], ending: &Ending) -> bool {
        different(bytes, ending) == 0
    }

    #[inline(always)]
    fn lengths_fit(
        self,
        places: &[u16; LANES],
        next: &[u16; LANES],
        lengths: &Lengths,
        ending: &Ending,
    ) -> bool {
        misfits(places, next, lengths, ending) == 0
    }

    #[inline(always)]
    fn fits(
        self,
        bytes: &[u8; LANES],
        places: &[u16; LANES],
        next: &[u16; LANES],
        lengths: &Lengths,
        ending: &Ending,
    ) -> bool {
        different(bytes, ending) | misfits(places, next, lengths, ending) == 0
    }

    #[inline(always)]
    fn cells(self, places: &[u16; LANES], lanes: &CellLanes, out: &mut [u32; LANES]) {
        // SAFETY: as in `equal`; `out` has room for two stores of 16, and so have the lanes.
        unsafe {
            let line = _mm512_set1_epi32(i32::from(places[0].wrapping_add(1)));
            let places = words(places);
            if lanes.columns <= FEW_CELLS {
                let line = _mm512_castsi512_si128(line);
                let both = _mm512_permutexvar_epi16(half(&lanes.lanes, 0), places);
                let adds = _mm512_castsi512_si128(half(&lanes.adds, 0));
                let both = _mm_add_epi16(_mm512_castsi512_si128(both), adds);
                let from = _mm_or_si128(_mm_slli_epi32::<16>(both), line);
                let absent = _mm_loadu_si128(lanes.absent.as_ptr().cast());
                let cells = _mm_or_si128(_mm_sub_epi16(both, from), absent);
                _mm_storeu_si128(out.as_mut_ptr().cast(), cells);
                return;
            }
            for at in 0..2 {
                // Beginning and end of a column, side by side.
                let both = _mm512_permutexvar_epi16(half(&lanes.lanes, at), places);
                let both = _mm512_add_epi16(both, half(&lanes.adds, at));
                // What they count from: the line's beginning, and the column's.
                let from = _mm512_or_si512(_mm512_slli_epi32::<16>(both), line);
                let absent = lanes.absent.as_ptr().add(at * LANES / 2);
                let absent = _mm512_loadu_si512(absent.cast());
                let cells = _mm512_or_si512(_mm512_sub_epi16(both, from), absent);
                _mm512_storeu_si512(out.as_mut_ptr().add(at * LANES / 2).cast(), cells);
                if lanes.columns <= LANES / 2 {
                    break;
                }
            }
        }
    }
}

/// Where in the [`planes`] of two times four blocks the masks of all eight are: those of what is always
/// structural, and of what is outside of quotes.
const MASKS: [[u8; BLOCK]; 2] = {
    let mut masks = [[0; BLOCK]; 2];
    let mut at = 0;
    while at < BLOCK {
        let (block, byte) = (at / 8, at % 8);
        let plane = block / SHARING * BLOCK + byte * 8 + block % SHARING;
        masks[0][at] = plane as u8;
        masks[1][at] = (plane + SHARING) as u8;
        at += 1;
    }
    masks
};

/// What is between the quotes of a group of blocks, the first of them included, and whether the next group
/// begins there; `quoted` is all ones if this one does.
#[inline(always)]
pub(super) fn between(quotes: __m512i, quoted: u64) -> (__m512i, u64) {
    // SAFETY: as in `words`.
    unsafe {
        // The product without carries has the parity of the bits up to and with each.
        let ones = _mm512_set1_epi8(-1);
        let even = _mm512_clmulepi64_epi128::<0>(quotes, ones);
        let odd = _mm512_clmulepi64_epi128::<1>(quotes, ones);
        let inside = _mm512_unpacklo_epi64(even, odd);
        // Of each block whether it has an odd number of quotes, then whether it and those before it
        // have.
        let mut odd = _mm512_movepi64_mask(inside);
        odd ^= odd << 1;
        odd ^= odd << 2;
        odd ^= odd << 4;
        let before = quoted as u8;
        let begins_inside = odd << 1 ^ before;
        let inside = _mm512_xor_si512(inside, _mm512_maskz_set1_epi64(begins_inside, -1));
        (inside, u64::from(odd >> 7 ^ before & 1).wrapping_neg())
    }
}

/// Both halves of a table of classes.
#[inline(always)]
pub(super) fn halves(classes: &[u8; 128]) -> Table {
    let (halves, _) = classes.as_chunks();
    [load(&halves[0]), load(&halves[1])]
}

/// The class of each byte.
#[inline(always)]
pub(super) fn class(block: &[u8; BLOCK], [low, high]: Table) -> __m512i {
    // SAFETY: as in `words`.
    unsafe {
        // The look-up sees 7 bits: what is not ASCII becomes the last one that is.
        let ascii = _mm512_min_epu8(load(block), splat(Classes::NO_CLASS));
        _mm512_permutex2var_epi8(low, ascii, high)
    }
}

/// The bits of the classes of four blocks, each with those of its neighbours: byte `8 * i + bit` has
/// that bit of the places from `8 * i` on.
#[inline(always)]
fn planes(blocks: &[[u8; BLOCK]; SHARING], tables: GroupTable) -> __m512i {
    const OR: i32 = 0b1111_1110;
    // SAFETY: as in `words`.
    unsafe {
        let [a, b, c, d] = tables;
        let all = _mm512_ternarylogic_epi64::<OR>(
            class(&blocks[0], a),
            class(&blocks[1], b),
            class(&blocks[2], c),
        );
        let all = _mm512_or_si512(all, class(&blocks[3], d));
        planes_of(all, four_times(&REVERSED), _mm512_set1_epi64(DIAGONAL))
    }
}

/// The bits of the bytes, each with those of its neighbours: byte `8 * i + bit` has that bit of the places
/// from `8 * i` on. The product of a matrix of bits with the diagonal has its rows as columns, the last
/// first.
#[inline(always)]
pub(super) fn planes_of(bytes: __m512i, reversed: __m512i, diagonal: __m512i) -> __m512i {
    // SAFETY: as in `words`.
    unsafe {
        let bytes = _mm512_shuffle_epi8(bytes, reversed);
        _mm512_gf2p8affine_epi64_epi8::<0>(diagonal, bytes)
    }
}

/// Row `i` has bit `i`.
pub(super) const DIAGONAL: i64 = 0x8040_2010_0804_0201_u64.cast_signed();

/// The places of each eight bytes, the last first.
pub(super) const REVERSED: [u8; 16] = [7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8];

/// A table for each sixteen bytes.
#[inline(always)]
pub(super) fn four_times(table: &[u8; 16]) -> __m512i {
    // SAFETY: as in `words`; the reference is to 16 bytes.
    unsafe { _mm512_broadcast_i32x4(_mm_loadu_si128(table.as_ptr().cast())) }
}

/// The lanes of the ending whose bytes are not those of the signature.
#[inline(always)]
fn different(bytes: &[u8; LANES], ending: &Ending) -> u32 {
    // SAFETY: as in `words`; both are 32 bytes long.
    unsafe {
        let bytes = _mm256_loadu_si256(bytes.as_ptr().cast());
        let signature = _mm256_loadu_si256(ending.bytes.as_ptr().cast());
        _mm256_mask_cmpneq_epi8_mask(ending.lanes, bytes, signature)
    }
}

/// Those whose distances are not in their ranges.
#[inline(always)]
fn misfits(places: &[u16; LANES], next: &[u16; LANES], lengths: &Lengths, ending: &Ending) -> u32 {
    // SAFETY: as in `words`; half of them is half as long.
    unsafe {
        if ending.len <= LANES / 2 {
            let distance = _mm256_sub_epi16(few(next), few(places));
            let above = _mm256_sub_epi16(distance, few(&lengths.least));
            let misfits = _mm256_cmpgt_epu16_mask(above, few(&lengths.more));
            return ending.lanes & u32::from(misfits);
        }
        let distance = _mm512_sub_epi16(words(next), words(places));
        let above = _mm512_sub_epi16(distance, words(&lengths.least));
        _mm512_mask_cmpgt_epu16_mask(ending.lanes, above, words(&lengths.more))
    }
}

/// The first half of the words.
#[inline(always)]
fn few(words: &[u16; LANES]) -> __m256i {
    // SAFETY: as in `words`.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

/// Columns for which a quarter of a register is enough: the wider a store, the slower.
const FEW_CELLS: usize = 4;

/// As many as most blocks have: the stores of a whole block are slow.
const FEW: usize = 16;

/// Writes so many places of bytes in a block, each added to `base`.
#[inline(always)]
fn widened(places: __m512i, count: usize, base: u16, out: &mut [u16; BLOCK]) {
    // SAFETY: as in `words`; `out` has room for two stores of 32 places.
    unsafe {
        if count <= FEW {
            let base = _mm256_set1_epi16(base.cast_signed());
            let low = _mm256_cvtepu8_epi16(_mm512_castsi512_si128(places));
            _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm256_add_epi16(low, base));
            return;
        }
        let base = _mm512_set1_epi16(base.cast_signed());
        let low = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(places));
        _mm512_storeu_si512(out.as_mut_ptr().cast(), _mm512_add_epi16(low, base));
        let high = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64::<1>(places));
        let out = out.as_mut_ptr().add(BLOCK / 2);
        _mm512_storeu_si512(out.cast(), _mm512_add_epi16(high, base));
    }
}

#[inline(always)]
fn words(words: &[u16; LANES]) -> __m512i {
    // SAFETY: the reference is to 64 readable bytes; an `Avx512` token is at hand in every caller.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

/// The first half, or the second.
#[inline(always)]
fn half(words: &[u16; 2 * LANES], at: usize) -> __m512i {
    let (halves, _) = words.as_chunks();
    self::words(&halves[at])
}

/// Of each column what its views of four rows are made of.
#[cfg(feature = "arrow")]
#[repr(C, align(64))]
struct Columns {
    /// The length, and in the third byte how many bytes of the value are in the view.
    lens: [[u32; ROWS]; ACROSS],
    /// Where a longer value is in the buffer.
    places: [[u32; ROWS]; ACROSS],
}

#[cfg(feature = "arrow")]
impl Columns {
    const NONE: Self = Self {
        lens: [[0; ROWS]; ACROSS],
        places: [[0; ROWS]; ACROSS],
    };

    /// The cells of four columns, of lines that are at these offsets in the buffer.
    #[inline(always)]
    fn put(&mut self, at: usize, cells: __m512i, offsets: __m512i) {
        let (lens, _) = self.lens.as_chunks_mut::<4>();
        let (places, _) = self.places.as_chunks_mut::<4>();
        // SAFETY: as in `words`; four columns are 64 bytes.
        unsafe {
            let len = _mm512_srli_epi32::<16>(cells);
            let start = _mm512_and_si512(cells, _mm512_set1_epi32(0xffff));
            let far = _mm512_cmpgt_epi32_mask(len, _mm512_set1_epi32(12));
            let kept = _mm512_mask_mov_epi32(len, far, _mm512_set1_epi32(4));
            let len = _mm512_or_si512(len, _mm512_slli_epi32::<16>(kept));
            let place = _mm512_maskz_add_epi32(far, start, offsets);
            _mm512_storeu_si512(lens[at].as_mut_ptr().cast(), len);
            _mm512_storeu_si512(places[at].as_mut_ptr().cast(), place);
        }
    }
}

/// The numbers of a column.
#[cfg(feature = "arrow")]
#[inline(always)]
fn four_of(columns: &[[u32; ROWS]; ACROSS], column: usize) -> __m512i {
    // SAFETY: as in `words`; there are 16 bytes.
    unsafe { _mm512_castsi128_si512(_mm_loadu_si128(columns[column].as_ptr().cast())) }
}

/// For each byte of four views the one of the column's numbers that it is: of `lens` the length, which is
/// below the third byte, of `places`, from 64 on, the place; else a fourth byte of `lens`, which is zero.
#[cfg(feature = "arrow")]
const PARTS: [u8; BLOCK] = {
    let mut parts = [0; BLOCK];
    let mut at = 0;
    while at < BLOCK {
        let number = at / 16 * 4;
        parts[at] = match at % 16 {
            byte @ 0..2 => number + byte,
            byte @ 12.. => BLOCK + number + byte - 12,
            _ => number + 3,
        } as u8;
        at += 1;
    }
    parts
};

/// The third byte of `lens`, in all bytes of a view.
#[cfg(feature = "arrow")]
const KEPT: [u8; BLOCK] = {
    let mut kept = [0; BLOCK];
    let mut at = 0;
    while at < BLOCK {
        kept[at] = (at / 16 * 4 + 2) as u8;
        at += 1;
    }
    kept
};

/// The byte of the value that is in each byte of a view; none in the first four.
#[cfg(feature = "arrow")]
const OF_VALUE: [i32; 4] = [-1, 0x0302_0100, 0x0706_0504, 0x0b0a_0908];

/// The cells of a row, in the order in which the columns of four rows come out one after the other.
#[cfg(feature = "arrow")]
#[inline(always)]
fn row_of(cells: &[Cell; ACROSS]) -> __m512i {
    const ORDER: [u32; ACROSS] = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15];
    // SAFETY: as in `words`; a cell is a number of 32 bits.
    unsafe {
        let order = _mm512_loadu_si512(ORDER.as_ptr().cast());
        _mm512_permutexvar_epi32(order, _mm512_loadu_si512(cells.as_ptr().cast()))
    }
}

/// A number for each part of four views.
#[cfg(feature = "arrow")]
#[inline(always)]
fn load_parts(parts: &[i32; 4]) -> __m512i {
    // SAFETY: as in `words`; the reference is to 16 bytes.
    unsafe { _mm512_broadcast_i32x4(_mm_loadu_si128(parts.as_ptr().cast())) }
}

/// Four pieces as one block.
#[cfg(feature = "arrow")]
#[inline(always)]
fn joined([a, b, c, d]: [&[u8; 16]; 4]) -> __m512i {
    // SAFETY: as in `words`; each reference is to as many bytes as are loaded.
    unsafe {
        let block = _mm512_castsi128_si512(_mm_loadu_si128(a.as_ptr().cast()));
        let block = _mm512_inserti32x4::<1>(block, _mm_loadu_si128(b.as_ptr().cast()));
        let block = _mm512_inserti32x4::<2>(block, _mm_loadu_si128(c.as_ptr().cast()));
        _mm512_inserti32x4::<3>(block, _mm_loadu_si128(d.as_ptr().cast()))
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

#[inline(always)]
fn splat(byte: u8) -> __m512i {
    // SAFETY: as in `words`.
    unsafe { _mm512_set1_epi8(byte.cast_signed()) }
}

#[inline(always)]
fn in_ranges(block: __m512i, ranges: &Ranges) -> u64 {
    // SAFETY: as in `words`.
    unsafe {
        let above = _mm512_sub_epi8(block, load(&ranges.low));
        _mm512_cmple_epu8_mask(above, load(&ranges.span))
    }
}
