//! Passwords in URLs (RFC 3986, section 3.2.1).

use memchr::memmem;

use super::{Sink, pair::is_token, span_before, span_of};
use crate::{limits::MAX_USERINFO_BYTES, mask::Detector};

/// Whether the at sign is that of a URL's user information; its password, if there is one, goes to the
/// findings. A password with an at sign of its own ends at the last one before the host.
pub(super) fn look(text: &[u8], at: usize, sink: &mut Sink<'_>) -> bool {
    let is_part = |it: u8| it > b' ' && !matches!(it, b'"' | b'\'' | b'<' | b'>' | b'`' | 0x7f);
    let near = text
        .get(at.saturating_sub(MAX_USERINFO_BYTES)..at)
        .unwrap_or_default();
    let len = span_before(near, near.len(), is_part);
    let near = near.get(near.len() - len..).unwrap_or_default();
    let Some(slashes) = memmem::rfind(near, b"://") else {
        return false;
    };
    let start = at - near.len() + slashes + 3;
    let user_info = text.get(start..at).unwrap_or_default();
    // Behind these is no host any more.
    if slashes == 0 || user_info.iter().any(|it| matches!(it, b'/' | b'?' | b'#')) {
        return false;
    }
    let ends_authority =
        |it: u8| !is_part(it) || matches!(it, b'/' | b'?' | b'#' | b',' | b')' | b']' | b'}');
    let near = text
        .get(..text.len().min(at + MAX_USERINFO_BYTES))
        .unwrap_or_default();
    let len = span_of(near, start, |it| !ends_authority(it));
    let authority = near.get(start..start + len).unwrap_or_default();
    let end = start + memchr::memrchr(b'@', authority).unwrap_or(at - start);
    let user_info = text.get(start..end.max(at)).unwrap_or_default();
    if let Some(colon) = memchr::memchr(b':', user_info)
        && let Some(password) = user_info.get(colon + 1..)
        && !password.is_empty()
        && !is_token(password)
        && sink.wants(Detector::UrlPassword)
    {
        sink.push(
            Detector::UrlPassword,
            start + colon + 1..start + user_info.len(),
        );
    }
    true
}
