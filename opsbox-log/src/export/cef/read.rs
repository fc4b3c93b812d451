//! The parts of a CEF line as text, without their escapes.

use std::{borrow::Cow, ops::Range};

/// Whether an extension may have the key: ASCII letters, digits, `_`, `.`, `-`, `[` and `]`, one at least.
///
/// ```
/// use opsbox_log::export::cef::is_key;
///
/// assert!(is_key("ad.items[0]") && !is_key("a b") && !is_key(""));
/// ```
pub fn is_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(is_key_byte)
}

pub(super) fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'[' | b']')
}

/// A header field of the preset `cef` without its escapes `\\` and `\|`. A backslash before anything else stays.
///
/// ```
/// use opsbox_log::export::cef::unescape_header;
///
/// assert_eq!(&*unescape_header(br"detected a \| in \\temp"), br"detected a | in \temp");
/// ```
pub fn unescape_header(text: &[u8]) -> Cow<'_, [u8]> {
    unescape(text, |byte| matches!(byte, b'\\' | b'|').then_some(byte))
}

/// A value of an extension without its escapes: `\\`, `\=`, `\n`, `\r`, and `\|`, which the specification does not ask
/// for here but programs write. A backslash before anything else stays, as in the paths of those who forget to escape
/// it.
///
/// ```
/// use opsbox_log::export::cef::unescape_value;
///
/// assert_eq!(&*unescape_value(br"a\=b\nC:\Users"), b"a=b\nC:\\Users");
/// ```
pub fn unescape_value(text: &[u8]) -> Cow<'_, [u8]> {
    unescape(text, escaped_in_value)
}

/// What the escape of this byte stands for.
fn escaped_in_value(byte: u8) -> Option<u8> {
    match byte {
        b'\\' | b'=' | b'|' => Some(byte),
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        _ => None,
    }
}

fn unescape(text: &[u8], escaped: impl Fn(u8) -> Option<u8>) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let found = match (byte, after.first()) {
            (b'\\', Some(&next)) => escaped(next),
            _ => None,
        };
        out.push(found.unwrap_or(byte));
        rest = after
            .get(usize::from(found.is_some())..)
            .unwrap_or_default();
    }
    Cow::Owned(out)
}

/// The pairs of an extension, in their order: the key, and the value with its [escapes](unescape_value).
///
/// A key begins the text or comes after a space, and an `=` that is not escaped ends it. So values may have spaces; of
/// several before a key, all but the last belong to the value. An `=` that no [key](is_key) is before is part of the
/// value, as of programs that do not escape it.
///
/// ```
/// use opsbox_log::{Format, Parser, export::cef::Extension};
///
/// let line = r"CEF:0|Vendor|Box|1.0|7|cut off|3|src=10.0.0.1 msg=a\=1 and more act=";
/// let batch = Parser::new(Format::preset("cef")?).parse(line);
/// let text = batch.record(0).unwrap().get("extension").unwrap();
/// let pairs: Vec<_> = Extension::new(text).collect();
/// assert_eq!(pairs[0], ("src", &b"10.0.0.1"[..]));
/// assert_eq!(pairs[1], ("msg", &br"a\=1 and more"[..]));
/// assert_eq!(pairs[2], ("act", &b""[..]));
/// # Ok::<(), opsbox_log::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Extension<'t> {
    text: &'t [u8],
    /// Where the next key begins.
    at: usize,
}

impl<'t> Extension<'t> {
    /// The pairs of the column `extension` of the preset `cef`.
    pub fn new(text: &'t [u8]) -> Self {
        let at = text.iter().take_while(|&&byte| byte == b' ').count();
        Self { text, at }
    }

    /// What was not read yet. After the last pair it is empty, unless the text does not begin with a key.
    pub fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }
}

impl<'t> Extension<'t> {
    /// The next pair: the key, and where the value is.
    pub(super) fn next_place(&mut self) -> Option<(&'t str, Range<usize>)> {
        let rest = self.rest();
        let end = memchr::memchr(b'=', rest)?;
        let key = std::str::from_utf8(rest.get(..end)?).ok()?;
        if !is_key(key) {
            return None;
        }
        let from = self.at + end + 1;
        let value = self.text.get(from..)?;
        // Where a key may begin: after the last space, if nothing came since that no key has.
        let mut word = None;
        let mut at = 0;
        while let Some(&byte) = value.get(at) {
            match byte {
                b' ' => word = Some(at + 1),
                b'=' => match word {
                    Some(start) if start < at => {
                        self.at = from + start;
                        return Some((key, from..from + start - 1));
                    }
                    _ => word = None,
                },
                b'\\' => {
                    word = None;
                    let next = value.get(at + 1).copied();
                    at += usize::from(next.and_then(escaped_in_value).is_some());
                }
                _ if !is_key_byte(byte) => word = None,
                _ => {}
            }
            at += 1;
        }
        self.at = self.text.len();
        Some((key, from..self.at))
    }
}

impl<'t> Iterator for Extension<'t> {
    type Item = (&'t str, &'t [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, place) = self.next_place()?;
        Some((key, self.text.get(place)?))
    }
}
