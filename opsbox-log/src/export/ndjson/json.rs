//! Values that may stand in JSON as they are.

use crate::limits::MAX_JSON_DEPTH;

/// Digits of a number that is surely finite as a 64-bit float, its exponent aside.
const SURELY_FINITE_DIGITS: usize = 300;

/// Whether the text is a number as RFC 8259 section 6 has it, and within the range of a 64-bit float: readers refuse
/// the whole line otherwise.
pub(super) fn is_number(text: &[u8]) -> bool {
    number(text) == Some(text.len())
}

/// Whether the text is JSON that every parser reads: UTF-8, strings without lone surrogates, numbers that
/// are finite, not nested deeper than [`MAX_JSON_DEPTH`].
pub(super) fn is_json(text: &[u8]) -> bool {
    // Without a quote or a bracket it is a number or a word, which is ASCII.
    std::str::from_utf8(text).is_ok() && document(text).is_some()
}

/// Where the number ends that begins the text.
fn number(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit());
        from + count.count()
    };
    let start = usize::from(text.first() == Some(&b'-'));
    let mut end = digits(start);
    // No zeros in front.
    if end == start || text.get(start) == Some(&b'0') && end > start + 1 {
        return None;
    }
    if text.get(end) == Some(&b'.') {
        let fraction = end + 1;
        end = digits(fraction);
        if end == fraction {
            return None;
        }
    }
    let mut exponent = false;
    if let Some(b'e' | b'E') = text.get(end) {
        exponent = true;
        let sign = matches!(text.get(end + 1), Some(b'+' | b'-'));
        let first = end + 1 + usize::from(sign);
        end = digits(first);
        if end == first {
            return None;
        }
    }
    if exponent || end > SURELY_FINITE_DIGITS {
        let number = std::str::from_utf8(text.get(..end)?).ok()?;
        return number.parse::<f64>().ok()?.is_finite().then_some(end);
    }
    Some(end)
}

/// What is open: an object or an array, a bit each.
struct Open {
    objects: [u64; MAX_JSON_DEPTH.div_ceil(64)],
    depth: usize,
}

impl Open {
    fn push(&mut self, object: bool) -> Option<()> {
        if self.depth == MAX_JSON_DEPTH {
            return None;
        }
        let word = self.objects.get_mut(self.depth / 64)?;
        *word = *word & !(1 << (self.depth % 64)) | u64::from(object) << (self.depth % 64);
        self.depth += 1;
        Some(())
    }

    /// Whether the innermost is an object, if there is one.
    fn last(&self) -> Option<bool> {
        let last = self.depth.checked_sub(1)?;
        Some(self.objects.get(last / 64)? >> (last % 64) & 1 == 1)
    }
}

/// `None` if the text is not one JSON value with nothing but white space around it.
fn document(text: &[u8]) -> Option<()> {
    let mut open = Open {
        objects: [0; MAX_JSON_DEPTH.div_ceil(64)],
        depth: 0,
    };
    let mut at = space(text, 0);
    loop {
        // A value begins here.
        match text.get(at)? {
            bracket @ (b'{' | b'[') => {
                let object = *bracket == b'{';
                open.push(object)?;
                at = space(text, at + 1);
                match text.get(at)? {
                    b'}' if object => {}
                    b']' if !object => {}
                    _ if object => {
                        at = key(text, at)?;
                        continue;
                    }
                    _ => continue,
                }
                open.depth -= 1;
                at += 1;
            }
            b'"' => at = string(text, at)?,
            b't' => at = word(text, at, b"true")?,
            b'f' => at = word(text, at, b"false")?,
            b'n' => at = word(text, at, b"null")?,
            _ => at += number(text.get(at..)?)?,
        }
        // A value ended.
        loop {
            at = space(text, at);
            let Some(object) = open.last() else {
                return (at == text.len()).then_some(());
            };
            match (text.get(at)?, object) {
                (b',', true) => {
                    at = key(text, space(text, at + 1))?;
                    break;
                }
                (b',', false) => {
                    at = space(text, at + 1);
                    break;
                }
                (b'}', true) | (b']', false) => {
                    open.depth -= 1;
                    at += 1;
                }
                _ => return None,
            }
        }
    }
}

/// Where the value begins whose key is here.
fn key(text: &[u8], at: usize) -> Option<usize> {
    let at = space(text, string(text, at)?);
    (text.get(at) == Some(&b':')).then(|| space(text, at + 1))
}

fn space(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    let count = rest
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    from + count.count()
}

fn word(text: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    text.get(at..)?.starts_with(word).then(|| at + word.len())
}

/// Where the string ends that begins here.
fn string(text: &[u8], at: usize) -> Option<usize> {
    if text.get(at) != Some(&b'"') {
        return None;
    }
    let mut at = at + 1;
    loop {
        match *text.get(at)? {
            b'"' => return Some(at + 1),
            ..b' ' => return None,
            b'\\' => match text.get(at + 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                b'u' => {
                    let unit = hex(text, at + 2)?;
                    at += 6;
                    match unit {
                        0xd800..0xdc00 => {
                            let pair = text.get(at..at + 2)? == br"\u";
                            if !pair || !(0xdc00..0xe000).contains(&hex(text, at + 2)?) {
                                return None;
                            }
                            at += 6;
                        }
                        0xdc00..0xe000 => return None,
                        _ => {}
                    }
                }
                _ => return None,
            },
            _ => at += 1,
        }
    }
}

fn hex(text: &[u8], at: usize) -> Option<u32> {
    let digits = text.get(at..at + 4)?.iter();
    digits.copied().try_fold(0, |value, digit| {
        Some(value << 4 | char::from(digit).to_digit(16)?)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What serde_json says.
    fn read(text: &[u8]) -> bool {
        let mut reader = serde_json::Deserializer::from_slice(text);
        let value = <serde_json::Value as serde::Deserialize>::deserialize(&mut reader);
        value.is_ok() && reader.end().is_ok()
    }

    #[test]
    fn edges() {
        let deep = |depth| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(is_json(&deep(MAX_JSON_DEPTH)));
        assert!(!is_json(&deep(MAX_JSON_DEPTH + 1)));
        for text in [
            "",
            " ",
            "{",
            "}",
            "[1,]",
            "{\"a\"}",
            "{\"a\":}",
            "{,}",
            "[,1]",
            "1 2",
            "01",
            "1.",
            ".5",
            "+1",
            "-",
            "1e",
            "1e999",
            "-1e400",
            "nul",
            "truee",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\"a\nb\"",
            "\"\\x41\"",
            "{\"a\":1,}",
            "[1}",
            "{]",
            "'a'",
            "NaN",
            "\u{feff}1",
        ] {
            assert!(!is_json(text.as_bytes()), "{text}");
            assert!(!read(text.as_bytes()), "{text}");
        }
        for text in [
            "0",
            "-0",
            "1e300",
            "0.5e-999",
            "\"\\ud83d\\ude00\"",
            " {\"a\" : [ ] , \"b\":{}}\n",
            "[[],[{}]]",
            "null",
            "123456789012345678901234567890",
        ] {
            assert!(is_json(text.as_bytes()), "{text}");
            assert!(read(text.as_bytes()), "{text}");
        }
        let long = "9".repeat(400);
        assert!(!is_number(long.as_bytes()) && !read(long.as_bytes()));
        assert!(!is_number(b"1 ") && !is_number(b"0x1") && is_number(b"-1.50"));
    }

    proptest! {
        #[test]
        fn as_serde_json(text in r#"[{}\[\],:"\\ue0-9trufalsn. \n-]{0,24}"#) {
            prop_assert_eq!(is_json(text.as_bytes()), read(text.as_bytes()));
        }

        #[test]
        fn as_serde_json_nearly(
            mut text in prop::sample::select(vec![
                r#"{"a":[1,2.5e3,{"b":null}],"c":"x\u00e9\ud83d\ude00\n","d":{"e":[true,false,[]]}}"#.to_owned(),
                "[[1,[2,[3]]],\"\\\\\",-0.0,{}]".to_owned(),
            ]).prop_map(String::into_bytes),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            remove in any::<bool>(),
        ) {
            let at = at.index(text.len());
            if remove { text.remove(at); } else { text[at] = byte; }
            prop_assert_eq!(is_json(&text), read(&text));
        }
    }
}
