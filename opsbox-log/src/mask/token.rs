//! What masked values look like: `[enc1:TAG:VERSION:PAYLOAD]` and `[pid1:TAG:VERSION:PAYLOAD]`, the
//! payload in base64url without padding. Brackets say where it ends, whatever stands next to it.

use std::str;

use data_encoding::BASE64URL_NOPAD;

use super::Tag;
use crate::limits::MAX_TAG_BYTES;

/// Nonce of 12 bytes, ciphertext, tag of 16 bytes.
pub(super) const ENCRYPTED: &str = "[enc1:";
/// The first 16 bytes of an HMAC-SHA-256.
pub(super) const PSEUDONYM: &str = "[pid1:";

pub(super) fn write(kind: &str, tag: &Tag, version: u32, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(tag.as_str().as_bytes());
    out.push(b':');
    out.extend_from_slice(version.to_string().as_bytes());
    out.push(b':');
    let start = out.len();
    out.resize(start + BASE64URL_NOPAD.encode_len(payload.len()), 0);
    BASE64URL_NOPAD.encode_mut(payload, out.get_mut(start..).unwrap_or_default());
    out.push(b']');
}

/// A token of an encrypted value.
pub(super) struct Parsed<'t> {
    pub(super) tag: Tag,
    pub(super) version: u32,
    payload: &'t [u8],
}

impl Parsed<'_> {
    pub(super) fn payload(&self) -> Option<Vec<u8>> {
        BASE64URL_NOPAD.decode(self.payload).ok()
    }
}

/// The token that a text begins with, and its length.
pub(super) fn read(text: &[u8]) -> Option<(Parsed<'_>, usize)> {
    let rest = text.strip_prefix(ENCRYPTED.as_bytes())?;
    let near = rest.get(..rest.len().min(MAX_TAG_BYTES + 1))?;
    let (tag, rest) = rest.split_at(memchr::memchr(b':', near)?);
    let rest = rest.get(1..)?;
    let near = rest.get(..rest.len().min(11))?;
    let (version, rest) = rest.split_at(memchr::memchr(b':', near)?);
    let rest = rest.get(1..)?;
    let is_part = |it: &u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_');
    let end = rest.iter().position(|it| !is_part(it))?;
    let payload = rest.get(..end)?;
    let len = text.len() - rest.len() + end + 1;
    let parsed = Parsed {
        tag: str::from_utf8(tag).ok()?.parse().ok()?,
        version: str::from_utf8(version).ok()?.parse().ok()?,
        payload,
    };
    (rest.get(end) == Some(&b']')).then_some((parsed, len))
}
