//! Escapes in strings.

/// Appends a JSON string, given from behind its opening quote, without its escapes. Returns where its
/// closing quote is; none if it has no end on the line, or an escape that JSON does not have.
#[cfg(feature = "json")]
pub(crate) fn json_string(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        let stop = memchr::memchr3(b'"', b'\\', b'\n', rest)?;
        out.extend_from_slice(rest.get(..stop)?);
        at += stop;
        match text.get(at) {
            Some(b'"') => return Some(at),
            Some(b'\\') => {}
            _ => return None,
        }
        let byte = match text.get(at + 1)? {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 0x08,
            b'f' => 0x0c,
            &byte @ (b'"' | b'\\' | b'/') => byte,
            b'u' => {
                let (char, end) = unicode(text, at)?;
                out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                at = end;
                continue;
            }
            _ => return None,
        };
        out.push(byte);
        at += 2;
    }
}

/// The character of the `\u` and four digits, or `\U` and eight, at `at`, or of a surrogate pair of
/// the former, and where it ends.
pub(crate) fn unicode(raw: &[u8], at: usize) -> Option<(char, usize)> {
    if raw.get(at + 1) == Some(&b'U') {
        return Some((char::from_u32(hex(raw, at + 2, 8)?)?, at + 10));
    }
    let unit = |at: usize| {
        raw.get(at..)?.strip_prefix(b"\\u")?;
        hex(raw, at + 2, 4)
    };
    let first = unit(at)?;
    if let Some(char) = char::from_u32(first) {
        return Some((char, at + 6));
    }
    let (0xd800..0xdc00, second @ 0xdc00..0xe000) = (first, unit(at + 6)?) else {
        return None;
    };
    let char = char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))?;
    Some((char, at + 12))
}

pub(super) fn hex(raw: &[u8], at: usize, digits: usize) -> Option<u32> {
    let digits = raw.get(at..at + digits)?.iter();
    digits.copied().try_fold(0_u32, |value, digit| {
        let digit = char::from(digit).to_digit(16)?;
        value.checked_mul(16)?.checked_add(digit)
    })
}
