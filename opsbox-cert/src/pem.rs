//! PEM sections: where they are, what they are called, and the bytes of those called CERTIFICATE.
//!
//! The markers are found here; the armour of one section at a time is then decoded by
//! `rustls-pemfile`. So one damaged section cannot hide the next one, every section has a line and
//! an offset, and a section with any other label, a private key above all, is never decoded.
//!
//! `rustls-pemfile` is archived (RUSTSEC-2025-0134, unmaintained and not vulnerable) and is now a
//! thin shell around `rustls_pki_types::pem`. It is used in [`decode_any`] only; the move to
//! `rustls-pki-types` changes that one function, and the tests already compare with it.

#![warn(clippy::indexing_slicing)]

mod label;

use data_encoding::BASE64_NOPAD;

pub(crate) use self::label::Label;
use crate::error::{Place, Reason};

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
const BOM: &[u8] = b"\xef\xbb\xbf";
/// Characters of a line of base64, of all but the last of a section (RFC 7468, section 2).
const FULL_LINE: usize = 64;

/// One section: its place, its label, and its text from the BEGIN to the END line if it is whole.
///
/// It is not `Debug`, as the text may be a private key.
pub(crate) struct Section<'a> {
    pub(crate) place: Place,
    pub(crate) label: &'a [u8],
    pub(crate) armour: Result<&'a [u8], Reason>,
}

impl Section<'_> {
    pub(crate) fn kind(&self) -> Label {
        Label::of(self.label)
    }

    /// The label, if it is safe to print.
    pub(crate) fn label_text(&self) -> Option<&str> {
        label::shown(self.label)
    }
}

/// The sections of `input` in order.
pub(crate) fn sections(input: &[u8]) -> Sections<'_> {
    Sections {
        lines: Lines::new(input),
        index: 0,
        rest: None,
    }
}

pub(crate) struct Sections<'a> {
    lines: Lines<'a>,
    index: usize,
    /// The end of a line in which more sections may begin, where line breaks are missing.
    rest: Option<Line<'a>>,
}

impl<'a> Iterator for Sections<'a> {
    type Item = Section<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (begin, glued) = match self.rest.take().and_then(Line::skip_to_begin) {
            Some(begin) => (begin, true),
            None => self.begin_line()?,
        };
        let place = Place {
            index: self.index,
            line: begin.number,
            offset: begin.offset,
        };
        self.index += 1;
        let (label, fault) = label::read(begin.bytes);
        let armour = match fault {
            None if !glued => self.armour(begin.offset, label),
            fault => {
                self.rest = begin.after(BEGIN.len() + label.len());
                Err(fault.unwrap_or(Reason::LineBreaks))
            }
        };
        Some(Section {
            place,
            label,
            armour,
        })
    }
}

impl<'a> Sections<'a> {
    /// The next BEGIN that starts a line, or that is glued to the END that starts a line.
    fn begin_line(&mut self) -> Option<(Line<'a>, bool)> {
        self.lines.find_map(|line| {
            let glued = line.bytes.starts_with(END);
            let is_marker = glued || line.bytes.starts_with(BEGIN);
            let begin = line.skip_to_begin().filter(|_| is_marker)?;
            Some((begin, glued))
        })
    }

    fn armour(&mut self, start: usize, label: &[u8]) -> Result<&'a [u8], Reason> {
        let mut glued_end = false;
        self.lines.skip_full();
        loop {
            let before = self.lines.clone();
            let Some(line) = self.lines.next() else { break };
            if line.bytes.starts_with(BEGIN) {
                // The next section starts inside this one: leave its BEGIN line to it.
                self.lines = before;
                break;
            }
            self.rest = line.skip_to_begin();
            if let Some(rest) = line.bytes.strip_prefix(END) {
                let closes = rest
                    .strip_prefix(label)
                    .is_some_and(|rest| rest.starts_with(DASHES));
                if closes {
                    let end = line.offset + line.bytes.len();
                    return Ok(self.lines.input.get(start..end).unwrap_or_default());
                }
                return Err(end_fault(label, rest));
            }
            if self.rest.is_some() {
                return Err(Reason::LineBreaks);
            }
            glued_end |= find(line.bytes, END).is_some();
        }
        if glued_end {
            return Err(Reason::LineBreaks);
        }
        Err(Reason::NoEndLine {
            label: label::shown(label).unwrap_or("...").to_owned(),
        })
    }
}

fn end_fault(begin: &[u8], end: &[u8]) -> Reason {
    let end = end.split_at(find(end, b"--").unwrap_or(end.len())).0;
    if begin == end {
        return Reason::BadEndLine;
    }
    Reason::EndMismatch {
        begin: label::quoted(begin),
        end: label::quoted(end),
    }
}

/// Decodes the armour of one CERTIFICATE section.
pub(crate) fn decode(armour: &[u8], place: Place) -> Result<Vec<u8>, Reason> {
    decode_plain(armour).map_or_else(|| decode_any(armour, place), Ok)
}

/// Decodes what most tools write: lines of 64 characters but for the last one, each ended by LF, and strict
/// base64. Other forms are left to [`decode_any`], which would find the same bytes here.
fn decode_plain(armour: &[u8]) -> Option<Vec<u8>> {
    let mut rest = armour.strip_prefix(b"-----BEGIN CERTIFICATE-----\n")?;
    let mut text = Vec::with_capacity(rest.len());
    while let Some((line, [b'\n', after @ ..])) = rest.split_first_chunk::<FULL_LINE>() {
        text.extend_from_slice(line);
        rest = after;
    }
    if !rest.starts_with(END) {
        let (last, after) = rest.split_at(rest.iter().position(|&b| b == b'\n')?);
        text.extend_from_slice(last);
        rest = after.get(1..)?;
    }
    // Padding is at the end only: `BASE64` would take it after each group of four.
    let padding = text.iter().rev().take_while(|&&b| b == b'=').count();
    if text.len() % 4 != 0 || padding > 2 || !rest.starts_with(END) {
        return None;
    }
    let der = BASE64_NOPAD
        .decode(text.get(..text.len() - padding)?)
        .ok()?;
    (!der.is_empty()).then_some(der)
}

fn decode_any(armour: &[u8], place: Place) -> Result<Vec<u8>, Reason> {
    match rustls_pemfile::read_one_from_slice(armour) {
        Ok(Some((rustls_pemfile::Item::X509Certificate(der), _))) if der.is_empty() => {
            Err(Reason::EmptySection)
        }
        Ok(Some((rustls_pemfile::Item::X509Certificate(der), _))) => Ok(der.to_vec()),
        Ok(_) | Err(_) => Err(Reason::Base64 {
            detail: base64_fault(armour, place),
        }),
    }
}

/// The line of the first BEGIN marker that does not start its line, as in an indented YAML block.
pub(crate) fn misplaced_begin(input: &[u8]) -> Option<usize> {
    Lines::new(input)
        .find(|line| find(line.bytes, BEGIN).is_some())
        .map(|line| line.number)
}

fn base64_fault(armour: &[u8], place: Place) -> String {
    let body = Lines::new(armour)
        .skip(1)
        .take_while(|line| !line.bytes.starts_with(END));
    for line in body {
        let odd = line.bytes.iter().find(|b| {
            !(b.is_ascii_alphanumeric() || b.is_ascii_whitespace() || b"+/=".contains(b))
        });
        if let Some(&odd) = odd {
            let number = place.line + line.number - 1;
            let shown = char::from(odd).escape_default();
            return match odd {
                b' '..=b'~' => format!("character `{shown}` at line {number}"),
                _ => format!("byte 0x{odd:02x} at line {number}"),
            };
        }
    }
    "its length or padding is wrong, characters are missing or too many".into()
}

#[derive(Clone, Copy)]
struct Line<'a> {
    bytes: &'a [u8],
    number: usize,
    offset: usize,
}

impl<'a> Line<'a> {
    /// The line without its first `count` bytes.
    fn after(self, count: usize) -> Option<Self> {
        Some(Self {
            bytes: self.bytes.get(count..)?,
            offset: self.offset + count,
            ..self
        })
    }

    /// The line from the first BEGIN marker in it.
    fn skip_to_begin(self) -> Option<Self> {
        self.after(find(self.bytes, BEGIN)?)
    }
}

/// Where `dashed`, which starts with a dash, is first found.
fn find(bytes: &[u8], dashed: &[u8]) -> Option<usize> {
    // No line of base64 has a dash, and looking for one byte is many times faster.
    if !bytes.contains(&b'-') {
        return None;
    }
    bytes
        .windows(dashed.len())
        .position(|window| window == dashed)
}

/// Lines ended by LF, CRLF or a lone CR, with number and offset; a byte order mark is passed over.
#[derive(Clone)]
struct Lines<'a> {
    input: &'a [u8],
    offset: usize,
    number: usize,
}

impl<'a> Lines<'a> {
    fn new(input: &'a [u8]) -> Self {
        Self {
            input,
            offset: if input.starts_with(BOM) { BOM.len() } else { 0 },
            number: 0,
        }
    }

    /// Passes over lines of [`FULL_LINE`] characters that end in LF and have no dash and no CR: they are no
    /// markers and no two lines. Looking at a whole line at once is many times faster.
    fn skip_full(&mut self) {
        let mut rest = self.input.get(self.offset..).unwrap_or_default();
        while let Some((line, [b'\n', after @ ..])) = rest.split_first_chunk::<FULL_LINE>() {
            // In bytes and without a branch, so that the compiler makes vectors of it.
            let special = |b: u8| u8::from((b == b'\n') | (b == b'\r') | (b == b'-'));
            if line.iter().fold(0, |found, &b| found | special(b)) != 0 {
                break;
            }
            self.offset += FULL_LINE + 1;
            self.number += 1;
            rest = after;
        }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let offset = self.offset;
        let rest = self.input.get(offset..).filter(|rest| !rest.is_empty())?;
        let end = rest.iter().position(|&b| b == b'\n' || b == b'\r');
        let (bytes, after) = rest.split_at(end.unwrap_or(rest.len()));
        let ending = match after {
            [b'\r', b'\n', ..] => 2,
            [_, ..] => 1,
            [] => 0,
        };
        self.offset += bytes.len() + ending;
        self.number += 1;
        Some(Line {
            bytes,
            number: self.number,
            offset,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(input: &[u8]) -> Vec<(usize, usize, usize, String, bool)> {
        sections(input)
            .map(|s| {
                let Place {
                    index,
                    line,
                    offset,
                } = s.place;
                (
                    index,
                    line,
                    offset,
                    s.label_text().unwrap_or("?").to_owned(),
                    s.armour.is_ok(),
                )
            })
            .collect()
    }

    #[test]
    fn sections_have_index_line_and_offset_whatever_ends_the_lines() {
        for newline in ["\n", "\r\n", "\r"] {
            let text = [
                "\u{feff}some text",
                "-----BEGIN A-----",
                "eHg=",
                "-----END A-----",
            ]
            .join(newline);
            let offset = 3 + "some text".len() + newline.len();
            let found = summary(text.as_bytes());
            assert_eq!(found, [(0, 2, offset, "A".to_owned(), true)], "{newline:?}");
        }
    }

    #[test]
    fn a_section_without_end_does_not_hide_the_next() {
        let text = b"-----BEGIN A-----\nxx\n-----BEGIN B-----\nyy\n-----END B-----\n";
        let found: Vec<bool> = sections(text).map(|s| s.armour.is_ok()).collect();
        assert_eq!(found, [false, true]);
        let reason = sections(text).next().unwrap().armour.unwrap_err();
        assert!(matches!(reason, Reason::NoEndLine { label } if label == "A"));
    }

    #[test]
    fn a_wrong_end_closes_the_section() {
        let text = b"-----BEGIN A-----\nxx\n-----END B-----\n-----BEGIN B-----\n-----END B-----";
        let found: Vec<_> = sections(text).map(|s| s.armour).collect();
        assert!(
            matches!(&found[0], Err(Reason::EndMismatch { begin, end }) if begin == "\"A\"" && end == "\"B\"")
        );
        assert!(found[1].is_ok());
    }

    #[test]
    fn a_bad_character_is_named_with_its_line() {
        let text =
            b"first line\n-----BEGIN CERTIFICATE-----\nAAAA\nAA:A\n-----END CERTIFICATE-----\n";
        let section = sections(text).next().unwrap();
        let reason = decode(section.armour.unwrap(), section.place)
            .err()
            .unwrap();
        assert!(
            reason.to_string().contains("character `:` at line 4"),
            "{reason}"
        );
    }

    #[test]
    fn every_section_of_a_line_without_breaks_is_found() {
        let text = b"x\n-----BEGIN A-----eHg=-----END A----------BEGIN B-----eHg=-----END B-----";
        let found = summary(text);
        let expected = [
            (0, 2, 2, "A".to_owned(), false),
            (1, 2, 38, "B".to_owned(), false),
        ];
        assert_eq!(found, expected);
        assert!(sections(text).all(|s| matches!(s.armour, Err(Reason::LineBreaks))));
    }

    #[test]
    fn a_section_that_begins_behind_another_is_not_lost() {
        for (text, whole) in [
            (
                &b"-----BEGIN A-----\n-----END A----------BEGIN B-----\n-----END B-----"[..],
                true,
            ),
            (
                b"-----BEGIN A-----\n-----END X----------BEGIN B-----\n-----END B-----",
                false,
            ),
            (
                b"-----BEGIN A-----\neHg=-----END A----------BEGIN B-----\n-----END B-----",
                false,
            ),
            (
                b"-----BEGIN A-----eHg=\n-----END A----------BEGIN B-----\n-----END B-----",
                false,
            ),
        ] {
            let found: Vec<_> = summary(text).into_iter().map(|s| (s.1, s.3, s.4)).collect();
            let lines = text.iter().filter(|&&byte| byte == b'\n').count();
            let expected = [(1, "A".to_owned(), whole), (lines, "B".to_owned(), false)];
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn an_end_line_is_shown_only_if_it_is_one() {
        let reason = |end: &str| {
            let text = format!("-----BEGIN A-----\n-----END {end}\n");
            let armour = sections(text.as_bytes()).next().unwrap().armour;
            armour.unwrap_err().to_string()
        };
        assert!(reason("A----").starts_with("the END line does not end in exactly five dashes"));
        assert!(reason("B-----").starts_with("the section starts as \"A\" but ends as \"B\""));
        assert!(reason("MC4CAQAwBQ").contains("but ends as something that is no label"));
    }

    #[test]
    fn full_lines_are_passed_over_as_one_by_one() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut passed = 0;
        for _ in 0..2_000 {
            let mut text = Vec::new();
            for _ in 0..rng.usize(..6) {
                let length = if rng.u8(..8) == 0 {
                    rng.usize(60..68)
                } else {
                    FULL_LINE
                };
                text.extend((0..length).map(|_| rng.alphanumeric() as u8));
                if rng.u8(..6) == 0 {
                    let at = rng.usize(..text.len());
                    text[at] = *rng.choice(b"-\r\n+/=").unwrap();
                }
                text.extend_from_slice(if rng.u8(..8) == 0 { b"\r\n" } else { b"\n" });
            }
            let (mut lines, mut one_by_one) = (Lines::new(&text), Lines::new(&text));
            lines.skip_full();
            while one_by_one.offset < lines.offset {
                let line = one_by_one.next().unwrap();
                assert_eq!(line.bytes.len(), FULL_LINE);
                assert!(!line.bytes.contains(&b'-'));
                passed += 1;
            }
            let place = |lines: &Lines<'_>| (lines.offset, lines.number);
            assert_eq!(place(&lines), place(&one_by_one));
        }
        assert!(passed > 1_000, "{passed}");
    }

    #[test]
    fn what_is_decoded_quickly_is_decoded_as_rustls_does() {
        let mut rng = fastrand::Rng::with_seed(2);
        let mut plain = 0;
        for _ in 0..4_000 {
            let der: Vec<u8> = (0..rng.usize(..300)).map(|_| rng.u8(..)).collect();
            let base64 = data_encoding::BASE64.encode(&der);
            let width = if rng.u8(..8) == 0 {
                rng.usize(1..80)
            } else {
                FULL_LINE
            };
            let newline = if rng.u8(..8) == 0 { "\r\n" } else { "\n" };
            let mut text = b"-----BEGIN CERTIFICATE-----".to_vec();
            for line in base64.as_bytes().chunks(width) {
                text.extend_from_slice(newline.as_bytes());
                text.extend_from_slice(line);
            }
            text.extend_from_slice(newline.as_bytes());
            text.extend_from_slice(b"-----END CERTIFICATE-----");
            if rng.bool() {
                let at = rng.usize(..text.len());
                text[at] = *rng.choice(b"A/+=- \r\n:").unwrap();
            }
            let Some(section) = sections(&text).next() else {
                continue;
            };
            let (Ok(armour), Label::Certificate) = (&section.armour, section.kind()) else {
                continue;
            };
            if let Some(der) = decode_plain(armour) {
                plain += 1;
                assert_eq!(decode_any(armour, section.place).unwrap(), der);
            }
        }
        assert!(plain > 1_500, "{plain}");
    }

    #[test]
    fn an_indented_marker_is_found_for_the_message() {
        assert_eq!(
            misplaced_begin(b"a:\n  -----BEGIN CERTIFICATE-----\n"),
            Some(2)
        );
        assert_eq!(misplaced_begin(b"nothing here"), None);
    }
}
