//! A walk through a JSON document that checks all of it: RFC 8259, without a tree.

use std::ops::Range;

use super::index::Index;
#[cfg(feature = "jmespath")]
use crate::scan::{Chosen, Kernel};
use crate::{limits::MAX_DOCUMENT_DEPTH, tokenize::unicode};

/// Who is told what a walk meets, with the text and the places in it.
pub(crate) trait Visit {
    /// An object begins at `at`.
    fn object(&mut self, at: usize);

    /// An array begins at `at`.
    fn array(&mut self, at: usize);

    /// The object or array that began last, and is not ended, ends before `end`.
    fn end(&mut self, text: &[u8], end: usize);

    /// The key of the value that comes next, without its quotes. `escaped`: it has escapes.
    fn key(&mut self, text: &[u8], place: Range<usize>, escaped: bool);

    /// A string without its quotes. `escaped`: it has escapes.
    fn string(&mut self, text: &[u8], place: Range<usize>, escaped: bool);

    /// A number, `true` or `false`.
    fn literal(&mut self, text: &[u8], place: Range<usize>);

    /// `null`.
    fn null(&mut self);
}

/// Where a walk got stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// This byte cannot be here, or the text ends here.
    Syntax(usize),
    /// The nesting is too deep.
    TooDeep(usize),
}

/// A text with its index; both may go on after `end`.
#[derive(Clone, Copy)]
pub(crate) struct Text<'t> {
    pub(crate) bytes: &'t [u8],
    pub(crate) index: &'t Index,
    pub(crate) end: usize,
}

impl Text<'_> {
    #[inline(always)]
    fn byte(self, at: usize) -> Result<u8, Fault> {
        match self.bytes.get(at) {
            Some(&byte) if at < self.end => Ok(byte),
            _ => Err(Fault::Syntax(at)),
        }
    }

    /// Behind white space.
    #[inline(always)]
    fn skip(self, mut at: usize) -> usize {
        while at < self.end
            && let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(at)
        {
            at += 1;
        }
        at
    }

    /// The end of the string whose first byte is at `at`, and whether it has escapes.
    #[inline(always)]
    fn string(self, at: usize) -> Result<(usize, bool), Fault> {
        let stop = self.index.stop(at);
        match self.byte(stop)? {
            b'"' => Ok((stop, false)),
            _ => self.escaped(stop),
        }
    }

    /// The same from the first backslash on.
    #[cold]
    fn escaped(self, mut at: usize) -> Result<(usize, bool), Fault> {
        loop {
            match self.byte(at)? {
                b'"' => return Ok((at, true)),
                b'\\' => {}
                _ => return Err(Fault::Syntax(at)),
            }
            let next = match self.byte(at + 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at + 2,
                b'u' => {
                    let inside = self.bytes.get(..self.end).unwrap_or(self.bytes);
                    let (_, end) = unicode(inside, at).ok_or(Fault::Syntax(at))?;
                    end
                }
                _ => return Err(Fault::Syntax(at)),
            };
            at = self.index.stop(next);
        }
    }
}

/// Walks through the document that begins at `start`, and returns where it ends. That its bytes are
/// UTF-8 is for the caller to check.
#[inline(always)]
pub(crate) fn walk(text: Text<'_>, start: usize, visit: &mut impl Visit) -> Result<usize, Fault> {
    // A bit for each level: whether it is an object.
    const { assert!(MAX_DOCUMENT_DEPTH < 128, "one bit each") };
    let (mut depth, mut objects) = (0, 0_u128);
    let mut at = start;
    loop {
        // A value begins at `at`.
        match text.byte(at)? {
            b'"' => {
                let (end, escaped) = text.string(at + 1)?;
                visit.string(text.bytes, at + 1..end, escaped);
                at = end + 1;
            }
            open @ (b'{' | b'[') => {
                if depth == MAX_DOCUMENT_DEPTH {
                    return Err(Fault::TooDeep(at));
                }
                depth += 1;
                objects = objects << 1 | u128::from(open == b'{');
                let close = match open {
                    b'{' => {
                        visit.object(at);
                        b'}'
                    }
                    _ => {
                        visit.array(at);
                        b']'
                    }
                };
                at = text.skip(at + 1);
                if text.byte(at)? != close {
                    if open == b'{' {
                        at = key(text, at, visit)?;
                    }
                    continue;
                }
                at += 1;
                depth -= 1;
                objects >>= 1;
                visit.end(text.bytes, at);
            }
            _ => at = literal(text, at, visit)?,
        }
        // A value ended before `at`.
        loop {
            if depth == 0 {
                return Ok(at);
            }
            at = text.skip(at);
            match (text.byte(at)?, objects & 1) {
                (b',', 1) => {
                    at = key(text, text.skip(at + 1), visit)?;
                    break;
                }
                (b',', _) => {
                    at = text.skip(at + 1);
                    break;
                }
                (b'}', 1) | (b']', 0) => {
                    at += 1;
                    depth -= 1;
                    objects >>= 1;
                    visit.end(text.bytes, at);
                }
                _ => return Err(Fault::Syntax(at)),
            }
        }
    }
}

/// A key at `at` and its colon; returns where the value begins.
#[inline(always)]
fn key(text: Text<'_>, at: usize, visit: &mut impl Visit) -> Result<usize, Fault> {
    if text.byte(at)? != b'"' {
        return Err(Fault::Syntax(at));
    }
    let (end, escaped) = text.string(at + 1)?;
    visit.key(text.bytes, at + 1..end, escaped);
    let colon = text.skip(end + 1);
    if text.byte(colon)? != b':' {
        return Err(Fault::Syntax(colon));
    }
    Ok(text.skip(colon + 1))
}

/// A number, `true`, `false` or `null` at `at`; returns where it ends.
#[inline(always)]
fn literal(text: Text<'_>, at: usize, visit: &mut impl Visit) -> Result<usize, Fault> {
    let end = text.index.end(at).min(text.end);
    let literal = text.bytes.get(at..end).unwrap_or_default();
    match literal {
        b"null" => visit.null(),
        b"true" | b"false" => visit.literal(text.bytes, at..end),
        _ if is_number(literal) => visit.literal(text.bytes, at..end),
        _ => return Err(Fault::Syntax(at)),
    }
    Ok(end)
}

/// RFC 8259 section 6.
#[inline(always)]
pub(crate) fn is_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let count = count_digits(digits);
    match digits {
        [b'0', _, ..] if count > 1 => false,
        [] => false,
        _ if count == digits.len() => true,
        _ if count == 0 => false,
        _ => fraction(digits.get(count..).unwrap_or_default()),
    }
}

/// What may follow the digits of a number.
fn fraction(text: &[u8]) -> bool {
    let mut rest = text;
    if let [b'.', after @ ..] = rest {
        let count = count_digits(after);
        if count == 0 {
            return false;
        }
        rest = after.get(count..).unwrap_or_default();
    }
    match rest {
        [] => true,
        [b'e' | b'E', b'+' | b'-', digits @ ..] | [b'e' | b'E', digits @ ..] => {
            !digits.is_empty() && count_digits(digits) == digits.len()
        }
        _ => false,
    }
}

#[inline(always)]
fn count_digits(text: &[u8]) -> usize {
    let end = text.iter().position(|byte| !byte.is_ascii_digit());
    end.unwrap_or(text.len())
}

/// Walks through documents that are texts of their own, with memory that is kept.
#[cfg(feature = "jmespath")]
#[derive(Debug)]
pub(crate) struct Walker {
    index: Index,
    kernel: Chosen,
}

#[cfg(feature = "jmespath")]
impl Default for Walker {
    fn default() -> Self {
        Self {
            index: Index::default(),
            kernel: Chosen::new(Kernel::best()),
        }
    }
}

#[cfg(feature = "jmespath")]
impl Walker {
    /// Whether the text is a document with nothing but white space around it.
    pub(crate) fn walk(&mut self, bytes: &[u8], visit: &mut impl Visit) -> bool {
        self.index.read(self.kernel, bytes);
        let text = Text {
            bytes,
            index: &self.index,
            end: bytes.len(),
        };
        let end = walk(text, text.skip(0), visit);
        let is_whole = end.is_ok_and(|end| text.skip(end) == bytes.len());
        is_whole && (self.index.is_ascii() || std::str::from_utf8(bytes).is_ok())
    }
}
