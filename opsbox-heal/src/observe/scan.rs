//! Finds the end of a JSON value that nobody wants, 64 bytes at a time.
//!
//! Half of a pod is managed fields, and most of the other half is of no use to a diagnosis either.
//! Of such an object or list only its strings and brackets are looked at, which tells where it
//! ends. A block becomes a word with a bit a byte for each kind of byte that matters; what lies
//! between quotes follows from a prefix sum of the quotes.

/// A block of the input.
const BLOCK: usize = 64;

/// The bit that tells `{` from `[` and `}` from `]`.
const CURLY: u8 = 0x20;

/// Offset of the byte after the object or list whose opening bracket is just before `start`; `None`
/// if it does not end.
pub(super) fn end_of_container(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = bytes.get(start..)?;
    let mut state = State {
        depth: 1,
        in_string: 0,
        escaped: 0,
    };
    let (blocks, tail) = rest.as_chunks::<BLOCK>();
    for (index, block) in blocks.iter().enumerate() {
        if let Some(end) = state.end_in(block) {
            return Some(start + index * BLOCK + end);
        }
    }
    let mut last = [b' '; BLOCK];
    last.get_mut(..tail.len())?.copy_from_slice(tail);
    let end = state.end_in(&last)?;
    Some(start + blocks.len() * BLOCK + end)
}

struct State {
    /// How many brackets are open.
    depth: u64,
    /// All ones if the block before ended within a string, else zero.
    in_string: u64,
    /// One if the block before ended with a backslash that escapes the next byte, else zero.
    escaped: u64,
}

impl State {
    /// Where in the block the last open bracket is closed, if it is: the offset after it.
    fn end_in(&mut self, block: &[u8; BLOCK]) -> Option<usize> {
        let backslashes = mask(block, b'\\', 0);
        let mut quotes = mask(block, b'"', 0);
        if backslashes | self.escaped != 0 {
            quotes &= !self.escaped_bytes(backslashes);
        }
        let strings = prefix_xor(quotes) ^ self.in_string;
        // All ones if the last bit is one.
        self.in_string = 0_u64.wrapping_sub(strings >> 63);
        let opening = mask(block, b'{', CURLY) & !strings;
        let closing = mask(block, b'}', CURLY) & !strings;
        // Managed fields are full of `{}`, which neither deepen nor end anything.
        let empty = opening & closing >> 1;
        let (opening, closing) = (opening ^ empty, closing ^ empty << 1);
        let closed = u64::from(closing.count_ones());
        if closed < self.depth {
            self.depth = self.depth + u64::from(opening.count_ones()) - closed;
            return None;
        }
        let mut brackets = opening | closing;
        while brackets != 0 {
            let at = brackets.trailing_zeros();
            if opening >> at & 1 == 1 {
                self.depth += 1;
            } else {
                self.depth -= 1;
                if self.depth == 0 {
                    return usize::try_from(at + 1).ok();
                }
            }
            brackets &= brackets - 1;
        }
        None
    }

    /// The bytes that follow a backslash which is not itself escaped.
    fn escaped_bytes(&mut self, backslashes: u64) -> u64 {
        const EVEN: u64 = 0x5555_5555_5555_5555;
        let backslashes = backslashes & !self.escaped;
        let follows = backslashes << 1 | self.escaped;
        // Of a run of backslashes every second one escapes. Adding a run to its first bit carries
        // to the bit after the run, whose parity tells where the run began.
        let odd_starts = backslashes & !EVEN & !follows;
        let (sequences, carried) = odd_starts.overflowing_add(backslashes);
        self.escaped = u64::from(carried);
        (EVEN ^ sequences << 1) & follows
    }
}

/// A bit for each byte that is `byte` once the bits of `or` are set in it.
#[inline]
fn mask(block: &[u8; BLOCK], byte: u8, or: u8) -> u64 {
    // The compiler makes vector instructions of these two loops.
    let mut is = [0_u8; BLOCK];
    for ((is, b), row) in is.iter_mut().zip(block).zip(&ROWS) {
        *is = if b | or == byte { *row } else { 0 };
    }
    let (rows, _) = is.as_chunks::<8>();
    let columns = rows
        .iter()
        .fold(0, |all, row| all | u64::from_le_bytes(*row));
    transposed(columns)
}

/// The bit of each byte: those of the first eight bytes are the lowest, and so on.
#[allow(
    clippy::indexing_slicing,
    reason = "in a constant, where it fails to compile rather than at run time"
)]
const ROWS: [u8; BLOCK] = {
    let mut rows = [0; BLOCK];
    let mut at = 0;
    while at < BLOCK {
        rows[at] = 1 << (at / 8);
        at += 1;
    }
    rows
};

/// Eight rows of eight bits, turned to columns.
#[inline]
fn transposed(mut bits: u64) -> u64 {
    for (shift, swapped) in [
        (7, 0x00aa_00aa_00aa_00aa),
        (14, 0x0000_cccc_0000_cccc),
        (28, 0x0000_0000_f0f0_f0f0),
    ] {
        let differ = (bits ^ bits >> shift) & swapped;
        bits ^= differ ^ differ << shift;
    }
    bits
}

/// Each bit is the parity of the bits up to and including it.
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

/// Offset of the first byte from `start` on that is a quote, a backslash or a control character.
#[inline]
pub(super) fn end_of_plain_text(bytes: &[u8], start: usize) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let rest = bytes.get(start..)?;
    let (words, tail) = rest.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let below = |word: u64, limit: u64| word.wrapping_sub(LOW * limit) & !word;
        let quote = below(word ^ (LOW * u64::from(b'"')), 1);
        let backslash = below(word ^ (LOW * u64::from(b'\\')), 1);
        // A borrow makes bytes wrong only above one that is right.
        let found = (quote | backslash | below(word, 0x20)) & HIGH;
        if found != 0 {
            let within = usize::try_from(found.trailing_zeros() / 8).ok()?;
            return Some(start + index * 8 + within);
        }
    }
    let within = tail
        .iter()
        .position(|b| matches!(b, b'"' | b'\\' | 0..0x20))?;
    Some(start + words.len() * 8 + within)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The end of a container, byte by byte.
    fn naive(bytes: &[u8], start: usize) -> Option<usize> {
        let (mut depth, mut in_string, mut escaped) = (1, false, false);
        for (at, byte) in bytes.iter().enumerate().skip(start) {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => depth += 1,
                b'}' | b']' if !in_string => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }

    #[test]
    fn the_end_is_where_a_look_at_each_byte_finds_it() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut found = 0;
        for _ in 0..40_000 {
            let mut text = " ".repeat(rng.usize(0..70));
            let start = rng.usize(0..=text.len());
            // Of some texts few brackets close, so that they also end late or never.
            let close = ["]", "}", ",", "[1, 2]"];
            let close = &close[rng.usize(0..3)..];
            for _ in 0..rng.usize(0..80) {
                match rng.u8(0..6) {
                    0 => text.push_str(["{", "[", ":", "x\u{e9}", "null"][rng.usize(0..5)]),
                    1 | 2 => text.push_str(close[rng.usize(0..close.len())]),
                    _ => {
                        text.push('"');
                        for _ in 0..rng.usize(0..9) {
                            let parts =
                                ["\\\\", "\\\"", "{", "}", "]", "[", "f:a", "\u{20ac}", " "];
                            text.push_str(parts[rng.usize(0..parts.len())]);
                        }
                        text.push('"');
                    }
                }
            }
            let bytes = &text.as_bytes()[..text.len() - rng.usize(0..3).min(text.len() - start)];
            let expected = naive(bytes, start);
            found += usize::from(expected.is_some());
            assert_eq!(end_of_container(bytes, start), expected, "{text}");
        }
        assert!((10_000..35_000).contains(&found), "{found}");
    }

    #[test]
    fn runs_of_backslashes_over_the_border_of_a_block() {
        for before in 50..70 {
            for run in 0..10 {
                let text = format!("{}\"{}\" ] \" ] \"]", " ".repeat(before), "\\".repeat(run));
                let bytes = text.as_bytes();
                assert_eq!(end_of_container(bytes, 0), naive(bytes, 0), "{text}");
            }
        }
    }

    #[test]
    fn plain_text_ends_where_a_look_at_each_byte_finds_it() {
        let mut rng = fastrand::Rng::with_seed(8);
        let alphabet = b"aaaaaaaaaaaaaaaaaaa!#[]~\x7f\x80\xa2\xdc\xff\"\\\x1f\0\x20\n";
        for _ in 0..60_000 {
            let length = rng.usize(0..60);
            let bytes: Vec<u8> = (0..length)
                .map(|_| alphabet[rng.usize(0..alphabet.len())])
                .collect();
            let start = rng.usize(0..=length);
            let expected = bytes[start..]
                .iter()
                .position(|b| *b == b'"' || *b == b'\\' || *b < 0x20)
                .map(|at| start + at);
            assert_eq!(end_of_plain_text(&bytes, start), expected, "{bytes:?}");
        }
    }
}
