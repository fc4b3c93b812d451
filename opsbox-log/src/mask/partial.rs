//! What is left of a value that is masked in part. Every shape is checked: a value that is not what its
//! tag says keeps nothing.

use std::{net::Ipv6Addr, str};

use super::{Detector, Tag, detect::country_code_len};

/// Of a value that nothing is left of; as long for each.
const NOTHING: &[u8] = b"****";

pub(super) fn write(tag: &Tag, detector: Option<Detector>, value: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let written = if *tag == Tag::EMAIL {
        email(value, out)
    } else if *tag == Tag::PHONE {
        phone(value, out)
    } else if *tag == Tag::ID_CARD {
        matches!(value.len(), 15 | 18) && number(value, 15..=18, (3, 4), out)
    } else if *tag == Tag::CARD {
        number(value, 13..=19, (0, 4), out)
    } else if *tag == Tag::IBAN {
        number(value, 15..=34, (2, 4), out)
    } else if *tag == Tag::IP {
        ip(value, out)
    } else if tag.as_str().starts_with("SECRET_") || detector.is_some() {
        false
    } else {
        other(value, out)
    };
    if !written {
        out.truncate(start);
        out.extend_from_slice(NOTHING);
    }
}

/// The last characters, at most half of them.
pub(super) fn keep_last(chars: usize, value: &[u8], out: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(value);
    let count = text.chars().count();
    let hidden = count - chars.min(count / 2);
    out.resize(out.len() + hidden, b'*');
    let kept = text.char_indices().nth(hidden).map(|(at, _)| at);
    let kept = kept.and_then(|at| text.get(at..)).unwrap_or_default();
    out.extend_from_slice(kept.as_bytes());
}

/// `a***@example.com`
fn email(value: &[u8], out: &mut Vec<u8>) -> bool {
    let Ok(text) = str::from_utf8(value) else {
        return false;
    };
    let sign = if text.contains('@') { "@" } else { "%40" };
    let Some((local, domain)) = text.rsplit_once(sign) else {
        return false;
    };
    let domain_is_one = domain.contains('.')
        && domain
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'-'));
    let first = local
        .chars()
        .next()
        .filter(|_| domain_is_one && local.chars().count() > 1);
    let mut buffer = [0; 4];
    match first {
        Some(first) => out.extend_from_slice(first.encode_utf8(&mut buffer).as_bytes()),
        // A single character is all of it.
        None if domain_is_one && !local.is_empty() => {}
        None => return false,
    }
    out.extend_from_slice(b"***");
    out.extend_from_slice(sign.as_bytes());
    out.extend_from_slice(domain.as_bytes());
    true
}

/// `138****5678`, `+86 138****5678`, `+1 41****2671`: of the national number the first three digits and the
/// last four, of a shorter one fewer of the first, so that four at least are hidden.
fn phone(value: &[u8], out: &mut Vec<u8>) -> bool {
    let is_part =
        |it: &u8| it.is_ascii_digit() || matches!(it, b' ' | b'-' | b'.' | b'(' | b')' | b'+');
    let digits: Vec<u8> = value.iter().copied().filter(u8::is_ascii_digit).collect();
    if !value.iter().all(is_part) || !(7..=19).contains(&digits.len()) {
        return false;
    }
    let code = match digits.as_slice() {
        _ if value.starts_with(b"+") => country_code_len(&digits),
        [b'0', b'0', rest @ ..] if digits.len() > 11 => 2 + country_code_len(rest),
        [b'8', b'6', ..] if digits.len() == 13 => 2,
        _ => 0,
    };
    let national = digits.len() - code;
    let last = if national < 8 { 2 } else { 4 };
    let first = 3.min(national.saturating_sub(last + 4));
    hide(value, code + first..digits.len() - last, out);
    true
}

/// A number of so many digits and letters, of which the first and the last few are left.
fn number(
    value: &[u8],
    lengths: std::ops::RangeInclusive<usize>,
    (first, last): (usize, usize),
    out: &mut Vec<u8>,
) -> bool {
    let is_part = |it: &u8| it.is_ascii_alphanumeric() || matches!(it, b' ' | b'-');
    let count = value.iter().filter(|it| it.is_ascii_alphanumeric()).count();
    let fits = value.iter().all(is_part) && lengths.contains(&count);
    if fits {
        hide(value, first..count - last, out);
    }
    fits
}

/// Writes the value with the letters and digits of these places as stars; what stands between is left.
fn hide(value: &[u8], places: std::ops::Range<usize>, out: &mut Vec<u8>) {
    let mut place = 0;
    for &byte in value {
        let counts = byte.is_ascii_alphanumeric();
        out.push(if counts && places.contains(&place) {
            b'*'
        } else {
            byte
        });
        place += usize::from(counts);
    }
}

/// `192.0.*.*`, `2001:db8:*`
fn ip(value: &[u8], out: &mut Vec<u8>) -> bool {
    let Ok(text) = str::from_utf8(value) else {
        return false;
    };
    if let Ok(address) = text.parse::<std::net::Ipv4Addr>() {
        let [first, second, ..] = address.octets();
        out.extend_from_slice(format!("{first}.{second}.*.*").as_bytes());
        return true;
    }
    let Ok(address) = text.parse::<Ipv6Addr>() else {
        return false;
    };
    let [first, second, ..] = address.segments();
    out.extend_from_slice(format!("{first:x}:{second:x}:*").as_bytes());
    true
}

/// The first and the last character of ten or more.
fn other(value: &[u8], out: &mut Vec<u8>) -> bool {
    let Ok(text) = str::from_utf8(value) else {
        return false;
    };
    let mut chars = text.chars();
    let (Some(first), Some(last)) = (chars.next(), chars.next_back()) else {
        return false;
    };
    let hidden = chars.count();
    if hidden < 8 {
        return false;
    }
    let mut buffer = [0; 4];
    out.extend_from_slice(first.encode_utf8(&mut buffer).as_bytes());
    out.resize(out.len() + hidden, b'*');
    out.extend_from_slice(last.encode_utf8(&mut buffer).as_bytes());
    true
}
