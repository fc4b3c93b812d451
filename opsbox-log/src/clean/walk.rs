//! A walk through a JSON document that checks all of it: RFC 8259, without a tree.

use std::ops::Range;

use super::index::Index;
#[cfg(feature = "jmespath")]
use crate::scan::{Chosen, Kernel};
use crate::{
    limits::{MAX_DOCUMENT_DEPTH, MAX_FLATTEN_DEPTH},
    tokenize::unicode,
};

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

impl<'t> Text<'t> {
    /// The bytes from `at` on.
    #[inline(always)]
    pub(super) fn from(self, at: usize) -> &'t [u8] {
        self.bytes.get(at..).unwrap_or_default()
    }

    /// The byte at `at`, which may be behind the end.
    #[inline(always)]
    fn byte(self, at: usize) -> Result<u8, Fault> {
        self.bytes.get(at).copied().ok_or(Fault::Syntax(at))
    }

    /// Behind white space.
    #[inline(always)]
    pub(super) fn skip(self, mut at: usize) -> usize {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(at)
            && at < self.end
        {
            at += 1;
        }
        at
    }

    /// Whether a quote is at `at`.
    #[inline(always)]
    fn is_quote<Q: Quotes>(self, at: usize) -> bool {
        match Q::LEN {
            1 => self.bytes.get(at) == Some(&b'"'),
            _ => self.bytes.get(at..at + 2) == Some(b"\\\""),
        }
    }

    /// The end of the string whose first byte is at `at`, and whether it has escapes.
    #[inline(always)]
    fn string<Q: Quotes>(self, at: usize) -> Result<(usize, bool), Fault> {
        let stop = self.index.stop(at);
        if Q::LEN > 1 {
            let ends = self.is_quote::<Q>(stop);
            return ends.then_some((stop, false)).ok_or(Fault::Syntax(stop));
        }
        match self.byte(stop)? {
            b'"' => Ok((stop, false)),
            _ => self.escaped(stop),
        }
    }

    /// The same from the first backslash on.
    #[cold]
    pub(super) fn escaped(self, mut at: usize) -> Result<(usize, bool), Fault> {
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

/// How the quotes of a document are written.
pub(crate) trait Quotes {
    /// Bytes of one.
    const LEN: usize;
}

/// As JSON has them.
pub(crate) struct Plain;

impl Quotes for Plain {
    const LEN: usize = 1;
}

/// With a backslash, as inside of a string of JSON.
pub(crate) struct Escaped;

impl Quotes for Escaped {
    const LEN: usize = 2;
}

/// Walks through the document that begins at `start`, and returns where it ends. That its bytes are
/// UTF-8 is for the caller to check.
#[inline(always)]
pub(crate) fn walk(text: Text<'_>, start: usize, visit: &mut impl Visit) -> Result<usize, Fault> {
    walk_through::<Plain>(text, start, visit)
}

/// [`walk_through`] of an array inside of a document, with room for so many levels, by nobody.
#[cold]
pub(super) fn walk_within<Q: Quotes>(
    text: Text<'_>,
    start: usize,
    levels: usize,
) -> Result<usize, Fault> {
    let mut depth = Depth { now: 0, deepest: 0 };
    let end = walk_through::<Q>(text, start, &mut depth)?;
    match depth.deepest <= levels {
        true => Ok(end),
        false => Err(Fault::TooDeep(start)),
    }
}

/// How deep a document is.
struct Depth {
    now: usize,
    deepest: usize,
}

impl Depth {
    fn open(&mut self) {
        self.now += 1;
        self.deepest = self.deepest.max(self.now);
    }
}

impl Visit for Depth {
    fn object(&mut self, _: usize) {
        self.open();
    }
    fn array(&mut self, _: usize) {
        self.open();
    }
    fn end(&mut self, _: &[u8], _: usize) {
        self.now -= 1;
    }
    fn key(&mut self, _: &[u8], _: Range<usize>, _: bool) {}
    fn string(&mut self, _: &[u8], _: Range<usize>, _: bool) {}
    fn literal(&mut self, _: &[u8], _: Range<usize>) {}
    fn null(&mut self) {}
}

/// [`walk`] for other quotes. With [`Escaped`] ones strings have no escapes, and are only where the
/// values of fields are: what stays JSON text needs none of its bytes taken out then.
#[inline(always)]
pub(crate) fn walk_through<Q: Quotes>(
    text: Text<'_>,
    start: usize,
    visit: &mut impl Visit,
) -> Result<usize, Fault> {
    // A bit for each level: whether it is an object.
    const { assert!(MAX_DOCUMENT_DEPTH < 128, "one bit each") };
    let (mut depth, mut objects, mut in_object) = (0, 0_u128, false);
    let mut at = start;
    loop {
        // A value begins at `at`. What is behind the end is looked at, but nothing ends there.
        if at >= text.end {
            return Err(Fault::Syntax(at));
        }
        match text.byte(at)? {
            b'"' | b'\\' if text.is_quote::<Q>(at) => {
                if Q::LEN > 1 && !in_fields(objects, depth) {
                    return Err(Fault::Syntax(at));
                }
                let (end, escaped) = text.string::<Q>(at + Q::LEN)?;
                visit.string(text.bytes, at + Q::LEN..end, escaped);
                at = end + Q::LEN;
            }
            open @ (b'{' | b'[') => {
                if depth == MAX_DOCUMENT_DEPTH {
                    return Err(Fault::TooDeep(at));
                }
                depth += 1;
                in_object = open == b'{';
                objects = objects << 1 | u128::from(in_object);
                let close = match in_object {
                    true => {
                        visit.object(at);
                        b'}'
                    }
                    false => {
                        visit.array(at);
                        b']'
                    }
                };
                at = text.skip(at + 1);
                if text.byte(at)? != close {
                    if in_object {
                        at = key::<Q>(text, at, objects, depth, visit)?;
                    }
                    continue;
                }
                at += 1;
                depth -= 1;
                objects >>= 1;
                in_object = objects & 1 == 1;
                visit.end(text.bytes, at);
            }
            _ => at = literal(text, at, visit)?,
        }
        // A value ended before `at`.
        loop {
            if depth == 0 {
                let is_inside = at <= text.end;
                return is_inside.then_some(at).ok_or(Fault::Syntax(text.end));
            }
            // What nearly all documents go on with.
            if in_object && Q::LEN == 1 && text.bytes.get(at..at + 2) == Some(b",\"") {
                at = key::<Q>(text, at + 1, objects, depth, visit)?;
                break;
            }
            at = text.skip(at);
            match (text.byte(at)?, in_object) {
                (b',', true) => {
                    at = key::<Q>(text, text.skip(at + 1), objects, depth, visit)?;
                    break;
                }
                (b',', false) => {
                    at = text.skip(at + 1);
                    break;
                }
                (b'}', true) | (b']', false) => {
                    at += 1;
                    depth -= 1;
                    objects >>= 1;
                    in_object = objects & 1 == 1;
                    visit.end(text.bytes, at);
                }
                _ => return Err(Fault::Syntax(at)),
            }
        }
    }
}

/// Whether all that is open are objects that are flattened.
#[inline(always)]
fn in_fields(objects: u128, depth: usize) -> bool {
    depth <= MAX_FLATTEN_DEPTH && objects == (1 << depth) - 1
}

/// A key at `at` and its colon; returns where the value begins.
#[inline(always)]
fn key<Q: Quotes>(
    text: Text<'_>,
    at: usize,
    objects: u128,
    depth: usize,
    visit: &mut impl Visit,
) -> Result<usize, Fault> {
    if !text.is_quote::<Q>(at) || Q::LEN > 1 && !in_fields(objects, depth) {
        return Err(Fault::Syntax(at));
    }
    let (end, escaped) = text.string::<Q>(at + Q::LEN)?;
    visit.key(text.bytes, at + Q::LEN..end, escaped);
    let colon = text.skip(end + Q::LEN);
    if text.byte(colon)? != b':' {
        return Err(Fault::Syntax(colon));
    }
    Ok(text.skip(colon + 1))
}

/// A number, `true`, `false` or `null` at `at`; returns where it ends.
#[inline(always)]
fn literal(text: Text<'_>, at: usize, visit: &mut impl Visit) -> Result<usize, Fault> {
    let end = text.index.end(at).min(text.end);
    let near = text.bytes.get(at..).and_then(<[u8]>::first_chunk);
    let is_near = near.is_some_and(|near| is_near_number(u128::from_le_bytes(*near), end - at));
    let literal = text.bytes.get(at..end).unwrap_or_default();
    if is_near || is_number(literal) {
        visit.literal(text.bytes, at..end);
    } else {
        match literal {
            b"true" | b"false" => visit.literal(text.bytes, at..end),
            b"null" => visit.null(),
            _ => return Err(Fault::Syntax(at)),
        }
    }
    Ok(end)
}

/// Whether the first `len` of sixteen bytes are digits, with a point among them or none: no other numbers
/// are found so, and these without a loop.
#[inline(always)]
fn is_near_number(word: u128, len: usize) -> bool {
    const ONES: u128 = u128::MAX / 0xff;
    if len == 0 || len > 16 {
        return false;
    }
    let digits = word ^ (ONES * 0x30);
    // From ten on it carries into the high bit, or that is set.
    let others = (((digits & (ONES * 0x7f)) + ONES * 0x76) | digits) & (ONES * 0x80);
    let others = others & u128::MAX >> (128 - 8 * len);
    let zero = digits & 0xff == 0;
    if others == 0 {
        return !zero || len == 1;
    }
    let at = others.trailing_zeros() as usize / 8;
    let is_point = word >> (8 * at) & 0xff == u128::from(b'.');
    let alone = others & (others - 1) == 0;
    alone && is_point && at > 0 && at + 1 < len && (!zero || at == 1)
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_those_of_serde_json(text in "-?[0-9.eE+-]{0,20}") {
            // Of these bytes no other value can be made; as a value it would have to be in range, too.
            let wanted = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(is_number(text.as_bytes()), wanted);
            let mut word = [b'7'; 16];
            for (slot, byte) in word.iter_mut().zip(text.bytes()) {
                *slot = byte;
            }
            let near = is_near_number(u128::from_le_bytes(word), text.len());
            prop_assert!(!near || wanted);
            let simple = !text.is_empty() && text.len() <= 16
                && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            prop_assert!(near || !(simple && wanted));
        }
    }
}
