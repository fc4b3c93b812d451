//! Private keys in PEM (RFC 7468), whole or cut short, on lines or with escaped line ends.

use memchr::memmem;

use super::{Sink, span_before, span_of};
use crate::{limits::MAX_PEM_BYTES, mask::Detector};

const BEGIN: &[u8] = b"-----BEGIN ";
const PRIVATE: &[u8] = b"PRIVATE KEY";
const DASHES: &[u8] = b"-----";

/// From the first hyphen of the begin line to the last of the end line. If that is missing, as where a
/// line was cut, to the last byte that can belong to the key.
pub(super) fn look(text: &[u8], at: usize, sink: &mut Sink<'_>) {
    let Some(start) = at.checked_sub(5) else {
        return;
    };
    let rest = text
        .get(start..text.len().min(start + MAX_PEM_BYTES))
        .unwrap_or_default();
    if !rest.starts_with(BEGIN) {
        return;
    }
    let label_len = span_of(rest, BEGIN.len(), |it| {
        it.is_ascii_uppercase() || it.is_ascii_digit() || it == b' '
    });
    let label = rest
        .get(BEGIN.len()..BEGIN.len() + label_len)
        .unwrap_or_default();
    let body = BEGIN.len() + label_len + DASHES.len();
    if memmem::find(label, PRIVATE).is_none()
        || !rest.get(..body).is_some_and(|it| it.ends_with(DASHES))
    {
        return;
    }
    let after = rest.get(body..).unwrap_or_default();
    let closed = memmem::find(after, b"-----END ").and_then(|end| {
        let behind = after.get(end + 9..)?;
        Some(end + 9 + memmem::find(behind, DASHES)? + DASHES.len())
    });
    let len = closed.unwrap_or_else(|| {
        // Base64, headers of old forms, and line ends, escaped or not.
        let is_part = |it: u8| {
            it.is_ascii_alphanumeric()
                || matches!(
                    it,
                    b'+' | b'/' | b'=' | b'\n' | b'\r' | b'\\' | b' ' | b'\t' | b':' | b',' | b'-'
                )
        };
        let len = span_of(after, 0, is_part);
        len - span_before(after, len, |it| it.is_ascii_whitespace())
    });
    sink.push(Detector::PrivateKey, start..start + body + len);
}
