//! JSON, written.

use memchr::memchr;

/// Appends a string of JSON with its quotes. The text is UTF-8.
#[cfg(feature = "xml")]
pub(super) fn push_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest
        .iter()
        .position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\'))
    {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        match rest.get(at) {
            Some(&byte @ (b'"' | b'\\')) => out.extend_from_slice(&[b'\\', byte]),
            Some(&byte) => push_control(byte, out),
            None => {}
        }
        rest = rest.get(at + 1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Appends the escape of a control byte.
pub(super) fn push_control(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let short = memchr(byte, b"\x08\t\n\x0c\r").and_then(|at| b"btnfr".get(at));
    match short {
        Some(&short) => out.extend_from_slice(&[b'\\', short]),
        None => {
            let digit = |four: u8| DIGITS.get(usize::from(four)).copied().unwrap_or(b'0');
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
    }
}
