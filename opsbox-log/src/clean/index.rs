//! Where in a text the bytes are that tell JSON's parts from each other, a bit for each byte.
//!
//! One pass of a kernel over many values at once; the walks over the documents in them look no byte of
//! a string at.

use std::sync::LazyLock;

use crate::scan::{self, BLOCK, Chosen, Classes, Simd, Work};

/// Quotes, backslashes and control bytes are structural everywhere, what ends a number or a literal
/// elsewhere.
static CLASSES: LazyLock<Classes> = LazyLock::new(|| {
    Classes::new(
        |byte| matches!(byte, 0..0x20 | b'"' | b'\\'),
        |byte| matches!(byte, b' ' | b',' | b':' | b'[' | b']' | b'{' | b'}'),
        false,
    )
});

/// The bits of a text. After its end is a byte that is a control byte, as far as the bits are concerned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// Quotes, backslashes, control bytes.
    stops: Vec<u64>,
    /// Those, and what may follow a number or literal.
    ends: Vec<u64>,
    /// `{`, `[`, `<`: where a document may begin.
    opens: Vec<u64>,
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
        next(&self.stops, at)
    }

    /// The next byte that ends a number or a literal, at `at` or after it.
    #[inline(always)]
    pub(crate) fn end(&self, at: usize) -> usize {
        next(&self.ends, at)
    }

    /// The next byte with which a document may begin, at `at` or after it.
    #[inline(always)]
    pub(crate) fn open(&self, at: usize) -> usize {
        next(&self.opens, at).min(self.len)
    }
}

/// The next bit, at `at` or after it; behind the last word, if there is none.
#[inline(always)]
fn next(bits: &[u64], at: usize) -> usize {
    let mut word = at / BLOCK;
    let mut here = match bits.get(word) {
        Some(bits) => bits & u64::MAX << (at % BLOCK),
        None => return at,
    };
    while here == 0 {
        word += 1;
        match bits.get(word) {
            Some(&bits) => here = bits,
            None => return word * BLOCK,
        }
    }
    word * BLOCK + here.trailing_zeros() as usize
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
        let table = simd.table(&CLASSES);
        let words = text.len() / BLOCK + 1;
        for bits in [&mut index.stops, &mut index.ends, &mut index.opens] {
            bits.resize(words, 0);
        }
        index.len = text.len();
        let (blocks, rest) = text.as_chunks::<BLOCK>();
        let mut last = [0; BLOCK];
        for (slot, byte) in last.iter_mut().zip(rest) {
            *slot = *byte;
        }
        let outs = index.stops.iter_mut().zip(&mut index.ends);
        let outs = outs.zip(&mut index.opens);
        let mut not_ascii = 0;
        for (block, ((stops, ends), opens)) in blocks.iter().chain([&last]).zip(outs) {
            let found = simd.classify(block, table);
            *stops = found.always;
            *ends = found.always | found.outside;
            *opens = simd.equal(block, b'{') | simd.equal(block, b'[') | simd.equal(block, b'<');
            not_ascii |= simd.not_ascii(block);
        }
        index.is_ascii = not_ascii == 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::Kernel;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_what_a_look_at_each_byte_finds(text in "[a-z\"\\\\{}<\\[\\]:, \\t\\n\u{e9}]{0,300}") {
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
                    prop_assert_eq!(index.open(at), find(at, &|byte| b"{[<".contains(&byte)));
                }
                prop_assert_eq!(index.is_ascii(), text.is_ascii());
            }
        }
    }
}
