//! Broken JSON to JSON.

use super::{
    json::push_control,
    report::{Refusal, Refused, Repair, Repairs},
    unescape::is_lone,
    walk::is_number,
};
use crate::{limits::MAX_DOCUMENT_DEPTH, tokenize::unicode};

/// Appends the document that `text` begins with as JSON without white space, and says what was repaired
/// and where the document ends.
///
/// One pass from the first byte to the last: the time is linear in the text.
pub(super) fn repair(text: &[u8], out: &mut Vec<u8>) -> Result<(Repairs, usize), Refused> {
    let start = out.len();
    let mut writer = Writer {
        text,
        at: 0,
        out,
        repairs: Repairs::default(),
        objects: 0,
        depth: 0,
        comma: false,
        item: start,
    };
    match writer.document() {
        Ok(()) => {}
        Err(Stop::Refused(refused)) => {
            out.truncate(start);
            return Err(refused);
        }
        Err(Stop::Truncated) => writer.close_all(),
    }
    let (repairs, end) = (writer.repairs, writer.at);
    Ok((repairs, end))
}

enum Stop {
    /// The text is at its end before the document is.
    Truncated,
    Refused(Refused),
}

struct Writer<'w> {
    text: &'w [u8],
    at: usize,
    out: &'w mut Vec<u8>,
    repairs: Repairs,
    /// A bit for each level: whether it is an object.
    objects: u128,
    depth: usize,
    /// A comma was read, and is written when something comes after it.
    comma: bool,
    /// Where in `out` the member or item that is being written begins, its comma included.
    item: usize,
}

impl Writer<'_> {
    fn document(&mut self) -> Result<(), Stop> {
        loop {
            self.skip();
            // A value begins.
            self.begin_item();
            match self.next()? {
                open @ (b'{' | b'[') => {
                    if self.depth == MAX_DOCUMENT_DEPTH {
                        return Err(self.refuse(Refusal::TooDeep));
                    }
                    self.depth += 1;
                    self.objects = self.objects << 1 | u128::from(open == b'{');
                    self.out.push(open);
                    self.at += 1;
                    self.comma = false;
                    self.item = self.out.len();
                }
                quote @ (b'"' | b'\'') => {
                    self.at += 1;
                    self.string(quote)?;
                }
                _ => self.literal()?,
            }
            // What comes after it, or is first in what it opened.
            loop {
                if self.depth == 0 {
                    return Ok(());
                }
                self.skip();
                let (byte, object) = (self.next()?, self.objects & 1 == 1);
                let is_first = matches!(self.out.last(), Some(b'{' | b'['));
                match (byte, object) {
                    (b'}', true) | (b']', false) => {
                        if self.comma {
                            self.repairs.note(Repair::TrailingComma);
                            self.comma = false;
                        }
                        self.close();
                        self.at += 1;
                    }
                    (b',', _) if !self.comma && !is_first => {
                        self.comma = true;
                        self.at += 1;
                    }
                    _ if !self.comma && !is_first => {
                        return Err(self.refuse(Refusal::JsonSyntax));
                    }
                    (_, true) => {
                        self.begin_item();
                        self.key()?;
                        break;
                    }
                    (_, false) => break,
                }
            }
        }
    }

    /// Writes the comma before a member or item. Not before the value of a key.
    fn begin_item(&mut self) {
        if self.out.last() == Some(&b':') {
            return;
        }
        self.item = self.out.len();
        if std::mem::take(&mut self.comma) {
            self.out.push(b',');
        }
    }

    fn close(&mut self) {
        self.out
            .push(if self.objects & 1 == 1 { b'}' } else { b']' });
        self.objects >>= 1;
        self.depth -= 1;
    }

    /// Ends what is open at the end of the text.
    fn close_all(&mut self) {
        self.repairs.note(Repair::Truncated);
        self.at = self.text.len();
        while self.depth > 0 {
            self.close();
        }
    }

    /// Takes back the member or item that is being written, at the end of the text.
    fn take_back(&mut self) -> Stop {
        self.out.truncate(self.item);
        Stop::Truncated
    }

    fn key(&mut self) -> Result<(), Stop> {
        match self.next()? {
            quote @ (b'"' | b'\'') => {
                self.at += 1;
                self.string(quote).map_err(|stop| match stop {
                    Stop::Truncated => self.take_back(),
                    refused @ Stop::Refused(_) => refused,
                })?;
            }
            _ => {
                let rest = self.text.get(self.at..).unwrap_or_default();
                let len = name_len(rest);
                if len == 0 {
                    return Err(self.refuse(Refusal::JsonSyntax));
                }
                self.repairs.note(Repair::UnquotedKey);
                self.out.push(b'"');
                self.out.extend_from_slice(rest.get(..len).unwrap_or(rest));
                self.out.push(b'"');
                self.at += len;
            }
        }
        self.skip();
        match self.text.get(self.at) {
            Some(b':') => self.at += 1,
            Some(_) => return Err(self.refuse(Refusal::JsonSyntax)),
            None => return Err(self.take_back()),
        }
        self.out.push(b':');
        self.skip();
        match self.text.get(self.at) {
            Some(_) => Ok(()),
            None => Err(self.take_back()),
        }
    }

    /// A string from behind its opening quote on.
    fn string(&mut self, quote: u8) -> Result<(), Stop> {
        if quote == b'\'' {
            self.repairs.note(Repair::SingleQuotes);
        }
        self.out.push(b'"');
        let start = self.out.len();
        let ended = self.content(quote);
        self.make_utf8(start);
        self.out.push(b'"');
        match ended {
            true => Ok(()),
            false => Err(Stop::Truncated),
        }
    }

    /// What is in a string. Whether it has an end.
    fn content(&mut self, quote: u8) -> bool {
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let special = |&byte: &u8| matches!(byte, 0..0x20 | b'"' | b'\\') || byte == quote;
            let run = rest.iter().position(special).unwrap_or(rest.len());
            self.out.extend_from_slice(rest.get(..run).unwrap_or(rest));
            self.at += run;
            match self.text.get(self.at) {
                None => return false,
                Some(&byte) if byte == quote => {
                    self.at += 1;
                    return true;
                }
                // In single quotes.
                Some(b'"') => {
                    self.out.extend_from_slice(b"\\\"");
                    self.at += 1;
                }
                Some(b'\\') => {
                    if !self.escape() {
                        self.at = self.text.len();
                        return false;
                    }
                }
                Some(&control) => {
                    self.repairs.note(Repair::ControlCharacter);
                    push_control(control, self.out);
                    self.at += 1;
                }
            }
        }
    }

    /// An escape. Whether it has an end.
    fn escape(&mut self) -> bool {
        let Some(&next) = self.text.get(self.at + 1) else {
            return false;
        };
        let rest = self.text.get(self.at..).unwrap_or_default();
        let len = match next {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
            b'u' => match unicode(self.text, self.at) {
                Some((_, end)) => end - self.at,
                None if is_lone(self.text, self.at) => {
                    self.repairs.note(Repair::LoneSurrogate);
                    self.out.extend_from_slice("\u{fffd}".as_bytes());
                    self.at += 6;
                    return true;
                }
                // Cut in its digits.
                None if rest.len() < 6 && rest.iter().skip(2).all(u8::is_ascii_hexdigit) => {
                    return false;
                }
                None => 0,
            },
            b'\'' => {
                self.repairs.note(Repair::InvalidEscape);
                self.out.push(b'\'');
                self.at += 2;
                return true;
            }
            _ => 0,
        };
        match rest.get(..len) {
            Some(escape) if len > 0 => self.out.extend_from_slice(escape),
            _ => {
                self.repairs.note(Repair::InvalidEscape);
                self.out.extend_from_slice(b"\\\\");
                self.at += 1;
                return true;
            }
        }
        self.at += len;
        true
    }

    /// Replaces what is not UTF-8 in the string that was written from `start` on.
    fn make_utf8(&mut self, start: usize) {
        let written = self.out.get(start..).unwrap_or_default();
        if std::str::from_utf8(written).is_ok() {
            return;
        }
        self.repairs.note(Repair::InvalidUtf8);
        let text = String::from_utf8_lossy(written).into_owned();
        self.out.truncate(start);
        self.out.extend_from_slice(text.as_bytes());
    }

    /// A number or a word.
    fn literal(&mut self) -> Result<(), Stop> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let ends = |byte: &u8| {
            matches!(
                byte,
                0..=b' ' | b',' | b':' | b'[' | b']' | b'{' | b'}' | b'"' | b'\''
            )
        };
        let len = rest.iter().position(ends).unwrap_or(rest.len());
        let word = rest.get(..len).unwrap_or(rest);
        let is_last = len == rest.len();
        let written: &[u8] = match word {
            b"null" | b"true" | b"false" => word,
            b"NaN" | b"nan" | b"Infinity" | b"-Infinity" | b"+Infinity" | b"inf" | b"-inf"
            | b"Inf" | b"-Inf" | b"+Inf" => {
                self.repairs.note(Repair::NotFinite);
                b"null"
            }
            b"None" => self.python(b"null"),
            b"True" => self.python(b"true"),
            b"False" => self.python(b"false"),
            // What is cut in the middle, or may be: of the digits of a number nobody knows.
            _ if is_last && (is_number(word) || is_part(word)) => return Err(self.take_back()),
            _ if is_number(word) => word,
            _ => {
                let before = self.repairs;
                return match self.number(word) {
                    true if is_last => {
                        self.repairs = before;
                        Err(self.take_back())
                    }
                    true => {
                        self.at += len;
                        Ok(())
                    }
                    false => Err(self.refuse(Refusal::JsonSyntax)),
                };
            }
        };
        self.out.extend_from_slice(written);
        self.at += len;
        Ok(())
    }

    fn python(&mut self, literal: &'static [u8]) -> &'static [u8] {
        self.repairs.note(Repair::PythonLiteral);
        literal
    }

    /// A number that JSON writes in another way.
    fn number(&mut self, word: &[u8]) -> bool {
        let start = self.out.len();
        let (sign, digits): (&[u8], _) = match word {
            [b'-', digits @ ..] => (b"-", digits),
            [b'+', digits @ ..] => (b"", digits),
            _ => (b"", word),
        };
        let (quote, zero, end): (&[u8], &[u8], &[u8]) = match digits {
            // The zeros may mean something: an octal number, a code.
            [b'0', b'0'..=b'9', ..] if digits.iter().all(u8::is_ascii_digit) => (b"\"", b"", b"\""),
            [b'.', ..] => (b"", b"0", b""),
            [.., b'.'] => (b"", b"", b"0"),
            _ => (b"", b"", b""),
        };
        for part in [quote, sign, zero, digits, end] {
            self.out.extend_from_slice(part);
        }
        let written = self.out.get(start..).unwrap_or_default();
        let fits = !quote.is_empty() || is_number(written);
        if fits {
            self.repairs.note(Repair::Number);
        } else {
            self.out.truncate(start);
        }
        fits
    }

    fn skip(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    fn next(&self) -> Result<u8, Stop> {
        self.text.get(self.at).copied().ok_or(Stop::Truncated)
    }

    fn refuse(&self, reason: Refusal) -> Stop {
        Stop::Refused(Refused::new(reason, self.at))
    }
}

/// Bytes of the name of JavaScript that a text begins with, as far as it is ASCII, with dashes and dots
/// in it.
pub(super) fn name_len(text: &[u8]) -> usize {
    let begins = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'$' | b'@');
    let goes_on = |byte: &u8| begins(byte) || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    match text.first() {
        Some(first) if begins(first) => {
            let end = text.iter().position(|byte| !goes_on(byte));
            end.unwrap_or(text.len())
        }
        _ => 0,
    }
}

/// Whether a word is the beginning of a literal or a number.
fn is_part(word: &[u8]) -> bool {
    const WORDS: [&[u8]; 8] = [
        b"null",
        b"true",
        b"false",
        b"NaN",
        b"Infinity",
        b"None",
        b"True",
        b"False",
    ];
    let number = match word {
        [b'-'] => true,
        [before @ .., b'e' | b'E'] | [before @ .., b'e' | b'E', b'+' | b'-'] => is_number(before),
        _ => false,
    };
    number || WORDS.iter().any(|it| it.starts_with(word))
}
