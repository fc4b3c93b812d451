//! Where in a value a document may begin.

use super::{repair::name_len, walk::Text};

/// What begins at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    /// JSON with its quotes escaped, this many times.
    Escaped(u8),
    Xml,
}

/// A place where a document may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) at: usize,
    pub(super) kind: Kind,
    /// Whether it is one, if only a broken one. Else what turns out not to be one is plain text.
    pub(super) sure: bool,
}

/// White space that is looked over behind a bracket.
const MAX_SPACE: usize = 64;

/// Longest name that is looked over, in bytes.
const MAX_NAME: usize = 64;

/// The next place, at `at` or after it, where a document may begin. `first`: where the value begins.
#[inline(always)]
pub(super) fn candidate(text: Text<'_>, first: usize, mut at: usize) -> Option<Candidate> {
    loop {
        at = text.index.open(at);
        if at >= text.end {
            return None;
        }
        // What nearly all of them begin with.
        let found = match text.bytes.get(at..at + 2) {
            Some(b"{\"") => Some((Kind::Json, true)),
            _ => look(text, first, at),
        };
        if let Some((kind, sure)) = found {
            return Some(Candidate { at, kind, sure });
        }
        at += 1;
    }
}

/// What begins with the bracket at `at`.
fn look(text: Text<'_>, first: usize, at: usize) -> Option<(Kind, bool)> {
    let rest = text.bytes.get(at..text.end)?;
    match rest {
        [b'{', rest @ ..] => object(rest),
        [b'[', rest @ ..] => {
            let is_whole = is_space(text.bytes.get(first..at)?);
            array(rest, is_whole)
        }
        [b'<', rest @ ..] if cfg!(feature = "xml") => xml(rest),
        _ => None,
    }
}

fn is_space(text: &[u8]) -> bool {
    text.len() <= MAX_SPACE && text.iter().all(u8::is_ascii_whitespace)
}

/// Behind white space.
fn trim(text: &[u8]) -> &[u8] {
    let space = text.iter().take(MAX_SPACE);
    let len = space.take_while(|byte| byte.is_ascii_whitespace()).count();
    text.get(len..).unwrap_or_default()
}

/// Quotes in front, with as many backslashes as they are escaped times over.
fn quote(text: &[u8]) -> Option<Kind> {
    let text = match text {
        // White space that is escaped itself.
        [b'\\', b'n' | b'r' | b't', rest @ ..] => trim(rest),
        _ => text,
    };
    match text {
        [b'"', ..] => Some(Kind::Json),
        [b'\\', b'"', ..] | [b'\\', b'u', b'0', b'0', b'2', b'2', ..] => Some(Kind::Escaped(1)),
        [b'\\', b'\\', b'\\', b'"', ..] => Some(Kind::Escaped(2)),
        _ => None,
    }
}

/// What follows the brace of an object.
fn object(rest: &[u8]) -> Option<(Kind, bool)> {
    let rest = trim(rest);
    match rest {
        [b'}', ..] => Some((Kind::Json, true)),
        [b'\'', ..] => Some((Kind::Json, true)),
        _ => match quote(rest) {
            Some(kind) => Some((kind, true)),
            None => {
                let near = rest.get(..MAX_NAME).unwrap_or(rest);
                let len = name_len(near);
                let after = trim(rest.get(len..)?);
                let named = len > 0 && matches!(after, [b':', next, ..] if *next != b':');
                named.then_some((Kind::Json, false))
            }
        },
    }
}

/// What follows the bracket of an array. `is_whole`: nothing is before it.
fn array(rest: &[u8], is_whole: bool) -> Option<(Kind, bool)> {
    let rest = trim(rest);
    match rest {
        [b'{', rest @ ..] => object(rest),
        [b'[', ..] => Some((Kind::Json, false)),
        [b'-' | b'0'..=b'9' | b't' | b'f' | b'n' | b']' | b'\'', ..] if is_whole => {
            Some((Kind::Json, false))
        }
        _ => quote(rest).map(|kind| (kind, false)),
    }
}

/// What follows the `<` of an element, a declaration or a comment.
fn xml(rest: &[u8]) -> Option<(Kind, bool)> {
    let sure = rest.starts_with(b"?xml ") || rest.starts_with(b"!DOCTYPE ");
    let begins = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_' || *byte >= 0x80;
    let goes_on =
        |byte: &u8| begins(byte) || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b':');
    let near = rest.get(..4 * MAX_NAME).unwrap_or(rest);
    let len = near.iter().take_while(|byte| goes_on(byte)).count();
    let ends = matches!(
        rest.get(len),
        Some(b'>' | b'/' | b' ' | b'\t' | b'\n' | b'\r')
    );
    let named = rest.first().is_some_and(begins) && ends;
    (sure || named).then_some((Kind::Xml, sure))
}
