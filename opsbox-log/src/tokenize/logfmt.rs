//! logfmt: `key=value` pairs with spaces between them.
//!
//! There is no standard; this reads what kr/logfmt and go-logfmt write, and what real programs do:
//! - a key is bytes above space, without `=` and `"`;
//! - a value is bare (bytes above space; `=` and `"` inside are taken as they are) or quoted with
//!   the escapes of a JSON or a Go string;
//! - a key without `=` has the empty value, but a line needs one `=` at least;
//! - of two equal keys the last wins.

use std::ops::Range;

use super::escape;
use crate::{
    batch::{Block, Place, Wanted},
    unmatched::Reason,
};

pub(super) fn line(line: &[u8], rows: &mut Block) -> Result<(), Reason> {
    let mut at = 0;
    let mut pairs = 0;
    loop {
        at = skip(line, at, |byte| byte <= b' ');
        if at == line.len() {
            break;
        }
        let key = at..skip(line, at, |byte| byte > b' ' && byte != b'=' && byte != b'"');
        at = key.end;
        let invalid = |offset, problem| Err(Reason::InvalidLogfmt { offset, problem });
        let Some(name) = text(line, &key) else {
            return invalid(key.start, "the key is not UTF-8");
        };
        let wanted = rows.column(name);
        match line.get(at) {
            Some(b'"') => return invalid(at, "a quote inside a key"),
            Some(b'=') if key.is_empty() => return invalid(at, "a value without a key"),
            Some(b'=') => {
                pairs += 1;
                let arena = rows.arena_len();
                let (cell, end) = value(line, at + 1, rows)?;
                match wanted {
                    Wanted::Discovered => rows.push_named(name, cell)?,
                    Wanted::Field(field) => rows.set(field, cell),
                    // Its escapes were checked, but its text is not kept.
                    Wanted::No => rows.truncate_arena(arena),
                }
                at = end;
            }
            _ => match wanted {
                Wanted::Discovered => rows.push_named(name, Place::Line(at..at))?,
                Wanted::Field(field) => rows.set(field, Place::Line(at..at)),
                Wanted::No => {}
            },
        }
    }
    match pairs {
        0 => Err(Reason::InvalidLogfmt {
            offset: line.len(),
            problem: "there is no key=value pair",
        }),
        _ => Ok(()),
    }
}

/// The value that begins at `start`, and where it ends.
fn value(line: &[u8], start: usize, rows: &mut Block) -> Result<(Place, usize), Reason> {
    let invalid = |offset, problem| Reason::InvalidLogfmt { offset, problem };
    if line.get(start) != Some(&b'"') {
        let end = skip(line, start, |byte| byte > b' ');
        return Ok((Place::Line(start..end), end));
    }
    let open = start + 1;
    let mut at = open;
    let mut escaped = false;
    let close = loop {
        let rest = line.get(at..).unwrap_or_default();
        let Some(stop) = memchr::memchr2(b'"', b'\\', rest) else {
            return Err(invalid(start, "the quote is never closed"));
        };
        at += stop;
        if line.get(at) == Some(&b'"') {
            break at;
        }
        escaped = true;
        at += 2;
    };
    let end = close + 1;
    if line.get(end).is_some_and(|&byte| byte > b' ') {
        return Err(invalid(end, "no space after the closing quote"));
    }
    if !escaped {
        return Ok((Place::Line(open..close), end));
    }
    let raw = line.get(open..close).unwrap_or_default();
    let mut problem = None;
    let cell = rows.arena_place(|arena| problem = unescape(raw, arena).err());
    match problem {
        Some(at) => Err(invalid(open + at, "an unknown escape")),
        None => Ok((cell, end)),
    }
}

/// Appends `raw` without its escapes; fails with the offset of an escape that neither JSON nor Go has.
fn unescape(raw: &[u8], out: &mut Vec<u8>) -> Result<(), usize> {
    let mut at = 0;
    while let Some(backslash) = memchr::memchr(b'\\', raw.get(at..).unwrap_or_default()) {
        let backslash = at + backslash;
        out.extend_from_slice(raw.get(at..backslash).unwrap_or_default());
        let byte = match raw.get(backslash + 1) {
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(b'a') => 0x07,
            Some(b'b') => 0x08,
            Some(b'v') => 0x0b,
            Some(b'f') => 0x0c,
            Some(&byte @ (b'"' | b'\\' | b'/' | b'\'')) => byte,
            Some(b'x') => {
                let byte =
                    escape::hex(raw, backslash + 2, 2).and_then(|byte| u8::try_from(byte).ok());
                out.push(byte.ok_or(backslash)?);
                at = backslash + 4;
                continue;
            }
            Some(b'u' | b'U') => {
                let (char, end) = escape::unicode(raw, backslash).ok_or(backslash)?;
                out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                at = end;
                continue;
            }
            _ => return Err(backslash),
        };
        out.push(byte);
        at = backslash + 2;
    }
    out.extend_from_slice(raw.get(at..).unwrap_or_default());
    Ok(())
}

fn skip(line: &[u8], from: usize, while_it: impl Fn(u8) -> bool) -> usize {
    let rest = line.get(from..).unwrap_or_default();
    let len = rest.iter().position(|&byte| !while_it(byte));
    from + len.unwrap_or(rest.len())
}

fn text<'l>(line: &'l [u8], range: &Range<usize>) -> Option<&'l str> {
    std::str::from_utf8(line.get(range.clone())?).ok()
}
