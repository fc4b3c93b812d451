//! Text without what terminals and editors stumble over.

use memchr::{memchr, memmem};

use super::report::TextChange;

/// What becomes of control bytes: those below 0x20, but tab and line feed, and 0x7F.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ControlBytes {
    /// They stay.
    #[default]
    Keep,
    /// They are taken out.
    Remove,
    /// They are written as `\xNN`.
    Escape,
}

/// What becomes of bytes that are not UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidUtf8 {
    /// They stay.
    #[default]
    Keep,
    /// U+FFFD is in their place, as the Unicode Standard recommends: one for each maximal part.
    Replace,
    /// They are written as `\xNN`.
    Escape,
}

/// What is cleaned of a text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TextRules {
    pub(super) ansi: bool,
    pub(super) control: ControlBytes,
    pub(super) utf8: InvalidUtf8,
}

impl TextRules {
    pub(super) fn is_empty(self) -> bool {
        !self.ansi && self.control == ControlBytes::Keep && self.utf8 == InvalidUtf8::Keep
    }

    /// Writes the cleaned text to `out` if it differs, with `scratch` as a help; `note` is told of each
    /// change. Returns whether it does.
    pub(super) fn clean(
        self,
        text: &[u8],
        out: &mut Vec<u8>,
        scratch: &mut Vec<u8>,
        mut note: impl FnMut(TextChange),
    ) -> bool {
        let mut changed = false;
        let mut step = |out: &mut Vec<u8>, change, work: &dyn Fn(&[u8], &mut Vec<u8>) -> bool| {
            scratch.clear();
            let input = if changed { out.as_slice() } else { text };
            if work(input, scratch) {
                std::mem::swap(out, scratch);
                changed = true;
                note(change);
            }
        };
        if self.ansi {
            step(out, TextChange::Ansi, &strip_ansi);
        }
        if self.control != ControlBytes::Keep {
            let escape = self.control == ControlBytes::Escape;
            step(out, TextChange::ControlBytes, &|text, out| {
                control_bytes(text, escape, out)
            });
        }
        if self.utf8 != InvalidUtf8::Keep {
            let escape = self.utf8 == InvalidUtf8::Escape;
            step(out, TextChange::InvalidUtf8, &|text, out| {
                invalid_utf8(text, escape, out)
            });
        }
        changed
    }
}

const ESCAPE: u8 = 0x1b;

/// Appends the text without the control sequences of ECMA-48; nothing, and `false`, if it has none.
///
/// These are CSI sequences (section 5.4), control strings such as OSC up to their terminator (5.6; BEL
/// as well, as xterm has it), and the other escape sequences of two bytes or more (ECMA-35 section
/// 13.2). Of a control string without an end only what begins it goes, so that none hides the rest.
fn strip_ansi(text: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(mut escape) = memchr(ESCAPE, text) else {
        return false;
    };
    let mut at = 0;
    let mut open = Terminators {
        bell: Next::default(),
        end: Next::default(),
    };
    loop {
        out.extend_from_slice(text.get(at..escape).unwrap_or_default());
        at = escape + open.sequence_len(text, escape);
        let rest = text.get(at..).unwrap_or_default();
        match memchr(ESCAPE, rest) {
            Some(next) => escape = at + next,
            None => {
                out.extend_from_slice(rest);
                return true;
            }
        }
    }
}

/// Where the next BEL and the next string terminator are: each is looked for once.
struct Terminators {
    bell: Next,
    end: Next,
}

/// The next one of something: before this place there is none.
#[derive(Clone, Copy, Default)]
struct Next(usize);

impl Next {
    /// The next one at `at` or after it.
    fn from(
        &mut self,
        text: &[u8],
        at: usize,
        find: impl Fn(&[u8]) -> Option<usize>,
    ) -> Option<usize> {
        if self.0 < at || self.0 == 0 {
            let found = text.get(at..).and_then(find);
            self.0 = found.map_or(usize::MAX, |it| at + it);
        }
        (self.0 != usize::MAX).then_some(self.0)
    }
}

impl Terminators {
    /// Bytes of the sequence that begins with the escape at `at`.
    fn sequence_len(&mut self, text: &[u8], at: usize) -> usize {
        let rest = text.get(at + 1..).unwrap_or_default();
        match rest {
            [b'[', rest @ ..] => {
                let count = |text: &[u8], is: fn(u8) -> bool| {
                    text.iter().take_while(|&&byte| is(byte)).count()
                };
                let parameters = count(rest, |byte| matches!(byte, 0x30..=0x3f));
                let between = rest.get(parameters..).unwrap_or_default();
                let len = parameters + count(between, |byte| matches!(byte, 0x20..=0x2f));
                let has_final = matches!(rest.get(len), Some(0x40..=0x7e));
                2 + len + usize::from(has_final)
            }
            [b']', ..] => 2 + self.string_len(text, at + 2, true),
            [b'P' | b'X' | b'^' | b'_', ..] => 2 + self.string_len(text, at + 2, false),
            [0x20..=0x2f, ..] => {
                let between = rest.iter().take_while(|byte| matches!(byte, 0x20..=0x2f));
                let len = between.count();
                let has_final = matches!(rest.get(len), Some(0x30..=0x7e));
                1 + len + usize::from(has_final)
            }
            [0x30..=0x7e, ..] => 2,
            _ => 1,
        }
    }

    /// Bytes of the control string that begins at `at`, with its terminator; 0 if it has none.
    fn string_len(&mut self, text: &[u8], at: usize, bell: bool) -> usize {
        let end = self
            .end
            .from(text, at, |rest| memmem::find(rest, b"\x1b\\"));
        let ring = match bell {
            true => self.bell.from(text, at, |rest| memchr(0x07, rest)),
            false => None,
        };
        let ends = [end.map(|end| end + 2), ring.map(|ring| ring + 1)];
        ends.into_iter().flatten().min().unwrap_or(at) - at
    }
}

fn is_control(byte: u8) -> bool {
    matches!(byte, 0..0x20 | 0x7f) && !matches!(byte, b'\t' | b'\n')
}

fn control_bytes(text: &[u8], escape: bool, out: &mut Vec<u8>) -> bool {
    if !text.iter().any(|&byte| is_control(byte)) {
        return false;
    }
    for &byte in text {
        match is_control(byte) {
            false => out.push(byte),
            true if escape => push_hex(byte, out),
            true => {}
        }
    }
    true
}

fn invalid_utf8(text: &[u8], escape: bool, out: &mut Vec<u8>) -> bool {
    if std::str::from_utf8(text).is_ok() {
        return false;
    }
    for chunk in text.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        let invalid = chunk.invalid();
        match escape {
            true => invalid.iter().for_each(|&byte| push_hex(byte, out)),
            false if !invalid.is_empty() => out.extend_from_slice("\u{fffd}".as_bytes()),
            false => {}
        }
    }
    true
}

fn push_hex(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |four: u8| DIGITS.get(usize::from(four)).copied().unwrap_or(b'0');
    out.extend_from_slice(&[b'\\', b'x', digit(byte >> 4), digit(byte & 15)]);
}

/// Where the lines after the first begin, if there is a stack trace among them.
pub(super) fn stack_trace(text: &[u8]) -> Option<usize> {
    let first = memchr(b'\n', text)?;
    let rest = text.get(first + 1..)?;
    let mut lines = rest.split(|&byte| byte == b'\n');
    lines.any(is_frame).then_some(first + 1)
}

/// Whether a line is of a stack trace as Java, .NET, JavaScript, Python, Go or Rust write them.
fn is_frame(line: &[u8]) -> bool {
    let text = line.trim_ascii();
    let indented = line.len() > text.len() && line.first().is_some_and(u8::is_ascii_whitespace);
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let starts = |prefix: &[u8]| text.starts_with(prefix);
    let more = || {
        let count = text.get(4..).unwrap_or_default();
        let len = digits(count);
        len > 0
            && count
                .get(len..)
                .is_some_and(|rest| rest.starts_with(b" more"))
    };
    let goroutine = || {
        let number = text.get(10..).unwrap_or_default();
        let len = digits(number);
        len > 0
            && number
                .get(len..)
                .is_some_and(|rest| rest.starts_with(b" ["))
    };
    (indented && starts(b"at "))
        || starts(b"Caused by: ")
        || (starts(b"... ") && more())
        || starts(b"Traceback (most recent call last):")
        || (indented && starts(b"File \"") && memmem::find(text, b"\", line ").is_some())
        || (starts(b"goroutine ") && goroutine())
        || starts(b"stack backtrace:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(rules: TextRules, text: &[u8]) -> Vec<u8> {
        let (mut out, mut scratch) = (Vec::new(), Vec::new());
        match rules.clean(text, &mut out, &mut scratch, |_| {}) {
            true => out,
            false => text.to_vec(),
        }
    }

    #[test]
    fn control_sequences_go() {
        let rules = TextRules {
            ansi: true,
            ..TextRules::default()
        };
        for (text, wanted) in [
            (&b"\x1b[31mred\x1b[0m text"[..], &b"red text"[..]),
            (b"\x1b[38;2;1;2;3mx\x1b[m", b"x"),
            (
                b"\x1b]8;;https://example.com\x1b\\link\x1b]8;;\x1b\\",
                b"link",
            ),
            (b"\x1b]0;title\x07text", b"text"),
            (b"\x1b]0;never ends", b"0;never ends"),
            (b"\x1bP1$r0m\x1b\\a\x1b(Bb\x1bMc", b"abc"),
            (b"cut \x1b[12", b"cut "),
            (b"cut \x1b", b"cut "),
            (b"none", b"none"),
        ] {
            assert_eq!(cleaned(rules, text), wanted, "{text:?}");
        }
        // Each looks for its end, and only the first one in vain.
        let many = b"\x1b]".repeat(1 << 20);
        assert_eq!(cleaned(rules, &many), b"");
    }

    #[test]
    fn control_bytes_and_broken_text_go_or_are_escaped() {
        let rules = |control, utf8| TextRules {
            ansi: false,
            control,
            utf8,
        };
        let text = b"a\tb\x00c\x7f\r\n\xff\xe2\x82d\xe2\x82\xac";
        let removed = rules(ControlBytes::Remove, InvalidUtf8::Replace);
        assert_eq!(
            cleaned(removed, text),
            "a\tbc\n\u{fffd}\u{fffd}d\u{20ac}".as_bytes()
        );
        let escaped = rules(ControlBytes::Escape, InvalidUtf8::Escape);
        let wanted = "a\tb\\x00c\\x7f\\x0d\n\\xff\\xe2\\x82d\u{20ac}";
        assert_eq!(cleaned(escaped, text), wanted.as_bytes());
    }

    #[test]
    fn traces_are_told_from_other_lines() {
        for trace in [
            "failed\njava.lang.IllegalStateException: x\n\tat com.example.A.b(A.java:1)\n\t... 3 more",
            "failed\nCaused by: java.io.IOException: no",
            "failed\nTraceback (most recent call last):\n  File \"a.py\", line 1, in <module>",
            "panic: oh\n\ngoroutine 1 [running]:\nmain.main()\n\t/tmp/a.go:4 +0x1",
            "TypeError: x is not a function\n    at f (a.js:1:2)",
            "thread 'main' panicked at a.rs:1:2:\nstack backtrace:\n   0: a",
        ] {
            let first = trace.find('\n').unwrap() + 1;
            assert_eq!(stack_trace(trace.as_bytes()), Some(first), "{trace}");
        }
        for other in [
            "one line",
            "two\nlines",
            "list:\nat home\n  attic",
            "goroutine\ngoroutine x [",
        ] {
            assert_eq!(stack_trace(other.as_bytes()), None, "{other}");
        }
    }
}
