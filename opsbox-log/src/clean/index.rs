//! Where in a text the bytes are that tell JSON's parts from each other, a bit for each byte.
//!
//! One pass of a kernel over many values at once; the walks over the documents in them look no byte of
//! a string at.

#![allow(
    clippy::indexing_slicing,
    reason = "arrays of one length, and rooms for as many words"
)]

use std::sync::LazyLock;

use crate::scan::{self, BLOCK, Chosen, Classes, GROUP, Simd, Work};

/// Quotes, backslashes and control bytes are structural everywhere, what ends a number or a literal
/// elsewhere.
static CLASSES: LazyLock<Classes> = LazyLock::new(|| {
    Classes::new(
        |byte| matches!(byte, 0..0x20 | b'"' | b'\\'),
        |byte| matches!(byte, b' ' | b',' | b':' | b'[' | b']' | b'{' | b'}'),
        false,
    )
});

/// `{`, `[` and `<` everywhere, and elsewhere what besides may end a value of XML.
static OPENS: LazyLock<Classes> = LazyLock::new(|| {
    Classes::new(
        |byte| matches!(byte, b'{' | b'[' | b'<'),
        |byte| matches!(byte, b'&' | b'\''),
        false,
    )
});

/// Which bits are looked at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bits {
    /// Quotes, backslashes, control bytes.
    Stops,
    /// Those, and what may follow a number or literal.
    Ends,
    /// What `Stops` has, and `'`, `<`, `&`, `{`, `[`: what may end a value of XML, and what is rare in one.
    #[cfg(feature = "xml")]
    Tags,
}

/// As many as there are.
const KINDS: usize = if cfg!(feature = "xml") { 3 } else { 2 };

/// The bits of a text. After its end is a byte that is a control byte, as far as the bits are concerned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// Those that end something, by [`Bits`].
    ends: [Vec<u8>; KINDS],
    /// `{`, `[`, `<`: where a document may begin.
    opens: Vec<u8>,
    len: usize,
    is_ascii: bool,
}

impl Index {
    /// Reads a text.
    pub(crate) fn read(&mut self, kernel: Chosen, text: &[u8]) {
        scan::run(kernel, Read { index: self, text });
    }

    /// [`read`](Self::read), where a kernel is at work already.
    #[inline(always)]
    pub(super) fn read_by<S: Simd>(&mut self, simd: S, text: &[u8]) {
        Read { index: self, text }.run(simd);
    }

    /// Whether the text is ASCII.
    #[inline(always)]
    pub(crate) fn is_ascii(&self) -> bool {
        self.is_ascii
    }

    /// The next quote, backslash or control byte, at `at` or after it; the text's end, if there is none.
    #[inline(always)]
    pub(crate) fn stop(&self, at: usize) -> usize {
        self.next_of(Bits::Stops, at)
    }

    /// The next byte that ends a number or a literal, at `at` or after it.
    #[inline(always)]
    pub(crate) fn end(&self, at: usize) -> usize {
        self.next_of(Bits::Ends, at)
    }

    /// The next of these bytes, at `at` or after it; the text's end, if there is none.
    #[inline(always)]
    pub(super) fn next_of(&self, bits: Bits, at: usize) -> usize {
        match self.ends.get(bits as usize) {
            Some(bits) => next(bits, at),
            None => at,
        }
    }

    /// The next byte with which a document may begin, at `at` or after it.
    #[inline(always)]
    pub(crate) fn open(&self, at: usize) -> usize {
        next(&self.opens, at).min(self.len)
    }
}

/// Bytes of a word of bits.
const WORD: usize = size_of::<u64>();

/// The next bit, at `at` or after it; behind the last word, if there is none.
#[inline(always)]
fn next(bits: &[u8], at: usize) -> usize {
    // A word that begins with the byte: nearly all that is looked for is in it, wherever it is.
    let mut byte = at / 8;
    let mut here = match word(bits, byte) {
        Some(bits) => bits >> (at % 8),
        None => return at,
    };
    if here != 0 {
        return at + here.trailing_zeros() as usize;
    }
    loop {
        byte += WORD;
        match word(bits, byte) {
            Some(bits) => here = bits,
            None => return bits.len() * 8,
        }
        if here != 0 {
            return byte * 8 + here.trailing_zeros() as usize;
        }
    }
}

#[inline(always)]
fn word(bits: &[u8], byte: usize) -> Option<u64> {
    let word = bits.get(byte..).and_then(<[u8]>::first_chunk);
    word.map(|word| u64::from_le_bytes(*word))
}

struct Read<'r> {
    index: &'r mut Index,
    text: &'r [u8],
}

impl Work for Read<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { index, text } = self;
        let words = text.len() / BLOCK + 1;
        index.len = text.len();
        #[cfg(feature = "xml")]
        let [stops, ends, tags] = index.ends.each_mut().map(|bits| room(bits, words));
        #[cfg(not(feature = "xml"))]
        let [stops, ends] = index.ends.each_mut().map(|bits| room(bits, words));
        let opens = room(&mut index.opens, words);
        let tables = [simd.group_table(&CLASSES), simd.group_table(&OPENS)];
        let (groups, rest) = text.as_chunks::<{ GROUP * BLOCK }>();
        let mut last = [0; GROUP * BLOCK];
        for (slot, byte) in last.iter_mut().zip(rest) {
            *slot = *byte;
        }
        for (at, group) in groups.iter().chain([&last]).enumerate() {
            let (blocks, _) = group.as_chunks();
            let Some(blocks) = blocks.first_chunk() else {
                break;
            };
            let [mut always, mut outside, mut open, mut tag] = [[0; GROUP]; 4];
            simd.classify_group(blocks, tables[0], &mut always, &mut outside);
            simd.classify_group(blocks, tables[1], &mut open, &mut tag);
            let first = at * GROUP;
            for block in 0..GROUP.min(words - first.min(words)) {
                stops[first + block] = always[block].to_le_bytes();
                ends[first + block] = (always[block] | outside[block]).to_le_bytes();
                opens[first + block] = open[block].to_le_bytes();
                #[cfg(feature = "xml")]
                {
                    let all = always[block] | open[block] | tag[block];
                    tags[first + block] = all.to_le_bytes();
                }
            }
        }
        index.is_ascii = simd.is_ascii(text);
    }
}

/// Room for so many words, after which there is one in which all bits are set.
#[inline(always)]
fn room(bits: &mut Vec<u8>, words: usize) -> &mut [[u8; WORD]] {
    bits.resize((words + 1) * WORD, 0);
    let (all, _) = bits.as_chunks_mut();
    match all.split_last_mut() {
        Some((after, room)) => {
            *after = [0xff; WORD];
            room
        }
        None => &mut [],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::Kernel;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_what_a_look_at_each_byte_finds(text in "[a-z\"'&\\\\{}<\\[\\]:, \\t\\n\u{e9}]{0,1300}") {
            let text = text.as_bytes();
            for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_available()) {
                let mut index = Index::default();
                index.read(Chosen::new(kernel), text);
                let find = |at: usize, is: &dyn Fn(u8) -> bool| {
                    text[at..].iter().position(|&byte| is(byte)).map_or(text.len(), |it| at + it)
                };
                let stop = |byte| matches!(byte, 0..0x20 | b'"' | b'\\');
                for at in 0..=text.len() {
                    prop_assert_eq!(index.stop(at), find(at, &stop));
                    prop_assert_eq!(index.end(at), find(at, &|byte| {
                        stop(byte) || b" ,:[]{}".contains(&byte)
                    }));
                    #[cfg(feature = "xml")]
                    prop_assert_eq!(index.next_of(Bits::Tags, at), find(at, &|byte| {
                        stop(byte) || b"'<&{[".contains(&byte)
                    }));
                    prop_assert_eq!(index.open(at), find(at, &|byte| b"{[<".contains(&byte)));
                }
                prop_assert_eq!(index.is_ascii(), text.is_ascii());
            }
        }
    }
}
