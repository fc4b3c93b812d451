//! Bytes to lines.
//!
//! A line ends at LF; one CR before it belongs to the ending. A last line without an ending counts,
//! nothing after the last LF does not. NUL and bytes that are not UTF-8 are ordinary bytes.

use std::ops::Range;

/// UTF-8 byte order mark, skipped at the very start of an input.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

/// What becomes of a line that is longer than [`Parser::max_line_bytes`](crate::Parser::max_line_bytes).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overlong {
    /// It is unmatched with [`Reason::TooLong`](crate::Reason::TooLong).
    #[default]
    Unmatched,
    /// Its first `max_line_bytes` bytes are parsed as if they were the line, and the record
    /// [says so](crate::Record::is_truncated). If they do not fit the format, the line is unmatched
    /// with `TooLong`.
    Truncate,
}

/// The lines of a slice, as ranges without their endings.
pub(crate) struct Lines<'i> {
    input: &'i [u8],
    ends: memchr::Memchr<'i>,
    /// Where the slice that `ends` searches begins in `input`.
    base: usize,
    start: usize,
}

impl<'i> Lines<'i> {
    /// Lines of `input` from byte `from` on.
    pub(crate) fn new(input: &'i [u8], from: usize) -> Self {
        let from = from.min(input.len());
        let rest = input.get(from..).unwrap_or_default();
        Self {
            input,
            ends: memchr::memchr_iter(b'\n', rest),
            base: from,
            start: from,
        }
    }
}

impl Iterator for Lines<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let start = self.start;
        let (end, next) = match self.ends.next() {
            Some(at) => (self.base + at, self.base + at + 1),
            None if start < self.input.len() => (self.input.len(), self.input.len()),
            None => return None,
        };
        self.start = next;
        Some(trim(self.input, start..end))
    }
}

/// A line without the CR of its ending.
pub(crate) fn trim(input: &[u8], line: Range<usize>) -> Range<usize> {
    match input.get(line.clone()) {
        Some([.., b'\r']) => line.start..line.end - 1,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8]) -> Vec<&[u8]> {
        Lines::new(input, 0).map(|range| &input[range]).collect()
    }

    #[test]
    fn endings() {
        assert_eq!(lines(b""), Vec::<&[u8]>::new());
        assert_eq!(lines(b"\n"), vec![b""]);
        assert_eq!(lines(b"a"), vec![b"a"]);
        assert_eq!(lines(b"a\n"), vec![b"a"]);
        assert_eq!(lines(b"a\n\nb"), vec![&b"a"[..], b"", b"b"]);
        assert_eq!(lines(b"a\r\nb\r\r\nc\r"), vec![&b"a"[..], b"b\r", b"c"]);
        assert_eq!(lines(b"\r\n"), vec![b""]);
        assert_eq!(lines(b"\0\xff\n"), vec![b"\0\xff"]);
    }

    #[test]
    fn starts_where_it_is_told_to() {
        assert_eq!(Lines::new(b"abc\nd", 2).collect::<Vec<_>>(), [2..3, 4..5]);
        assert_eq!(Lines::new(b"abc", 9).count(), 0);
    }
}
