//! PEM sections: where they are, what they are called, and the bytes of those called CERTIFICATE.
//!
//! The markers are found here; the armour of one section at a time is then decoded by
//! `rustls-pemfile`. So one damaged section cannot hide the next one, every section has a line and
//! an offset, and a section with any other label, a private key above all, is never decoded.
//!
//! `rustls-pemfile` is archived (RUSTSEC-2025-0134, unmaintained and not vulnerable) and is now a
//! thin shell around `rustls_pki_types::pem`. It is used in [`decode`] only; the move to
//! `rustls-pki-types` changes that one function, and the tests already compare with it.

#![warn(clippy::indexing_slicing)]

use crate::error::{Place, Reason};
use crate::text::Escaped;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
const BOM: &[u8] = b"\xef\xbb\xbf";

/// One section: its place, its label, and its text from the BEGIN to the END line if it is whole.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    pub(crate) place: Place,
    pub(crate) label: &'a [u8],
    pub(crate) armour: Result<&'a [u8], Reason>,
}

/// What a label promises.
#[derive(Debug)]
pub(crate) enum Label {
    Certificate,
    PrivateKey { encrypted: bool },
    Unsupported(Reason),
    Other,
}

impl Section<'_> {
    pub(crate) fn kind(&self) -> Label {
        match self.label {
            b"CERTIFICATE" => Label::Certificate,
            b"ENCRYPTED PRIVATE KEY" => Label::PrivateKey { encrypted: true },
            label if label.ends_with(b"PRIVATE KEY") => Label::PrivateKey { encrypted: false },
            b"X509 CERTIFICATE" | b"X.509 CERTIFICATE" => Label::Unsupported(Reason::Unsupported {
                what: "the label `X509 CERTIFICATE` is an old form that TLS servers refuse",
                advice: "write `CERTIFICATE` in the BEGIN and END lines",
            }),
            b"TRUSTED CERTIFICATE" => Label::Unsupported(Reason::Unsupported {
                what: "a `TRUSTED CERTIFICATE` is OpenSSL's own form with trust settings",
                advice: "convert it with `openssl x509 -in FILE -out cert.pem`",
            }),
            b"PKCS7" | b"CMS" | b"PKCS #7 SIGNED DATA" => Label::Unsupported(Reason::Unsupported {
                what: "it is a PKCS#7 bundle",
                advice: "convert it with `openssl pkcs7 -in FILE -print_certs -out certs.pem`",
            }),
            _ => Label::Other,
        }
    }

    /// The label, safe to print and of bounded length.
    pub(crate) fn label_text(&self) -> String {
        printable(self.label)
    }
}

/// The sections of `input` in order.
pub(crate) fn sections(input: &[u8]) -> Sections<'_> {
    Sections {
        lines: Lines::new(input),
        index: 0,
    }
}

pub(crate) struct Sections<'a> {
    lines: Lines<'a>,
    index: usize,
}

impl<'a> Iterator for Sections<'a> {
    type Item = Section<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let begin = self.lines.find(|line| line.bytes.starts_with(BEGIN))?;
        let place = Place {
            index: self.index,
            line: begin.number,
            offset: begin.offset,
        };
        self.index += 1;
        let Some(label) = begin_label(begin.bytes) else {
            return Some(Section {
                place,
                label: begin.bytes.strip_prefix(BEGIN).unwrap_or_default(),
                armour: Err(Reason::BadBeginLine),
            });
        };
        Some(Section {
            place,
            label,
            armour: self.armour(begin.offset, label),
        })
    }
}

impl<'a> Sections<'a> {
    fn armour(&mut self, start: usize, label: &[u8]) -> Result<&'a [u8], Reason> {
        loop {
            let before = self.lines.clone();
            let Some(line) = self.lines.next() else { break };
            if line.bytes.starts_with(BEGIN) {
                // The next section starts inside this one: leave its BEGIN line to it.
                self.lines = before;
                break;
            }
            if let Some(rest) = line.bytes.strip_prefix(END) {
                let closes = rest
                    .strip_prefix(label)
                    .is_some_and(|rest| rest.starts_with(DASHES));
                if closes {
                    let end = line.offset + line.bytes.len();
                    return Ok(self.lines.input.get(start..end).unwrap_or_default());
                }
                return Err(Reason::EndMismatch {
                    begin: printable(label),
                    end: printable(rest.split(|&b| b == b'-').next().unwrap_or_default()),
                });
            }
        }
        Err(Reason::NoEndLine {
            label: printable(label),
        })
    }
}

/// Decodes the armour of one CERTIFICATE section.
pub(crate) fn decode(armour: &[u8], place: Place) -> Result<impl AsRef<[u8]> + use<>, Reason> {
    match rustls_pemfile::read_one_from_slice(armour) {
        Ok(Some((rustls_pemfile::Item::X509Certificate(der), _))) if der.is_empty() => {
            Err(Reason::EmptySection)
        }
        Ok(Some((rustls_pemfile::Item::X509Certificate(der), _))) => Ok(der),
        Ok(_) | Err(_) => Err(Reason::Base64 {
            detail: base64_fault(armour, place),
        }),
    }
}

/// The line of the first BEGIN marker that does not start its line, as in an indented YAML block.
pub(crate) fn misplaced_begin(input: &[u8]) -> Option<usize> {
    Lines::new(input)
        .find(|line| {
            line.bytes
                .windows(BEGIN.len())
                .any(|window| window == BEGIN)
        })
        .map(|line| line.number)
}

/// The label of a BEGIN line, which ends in five dashes; blanks among them are let pass, as rustls does.
fn begin_label(line: &[u8]) -> Option<&[u8]> {
    let (mut dashes, mut end) = (0, line.len());
    for (position, byte) in line.iter().enumerate().rev() {
        match byte {
            b'-' => (dashes, end) = (dashes + 1, position),
            b' ' => {}
            _ => break,
        }
    }
    line.get(BEGIN.len()..end)
        .filter(|_| dashes == DASHES.len())
}

fn printable(label: &[u8]) -> String {
    const LONGEST: usize = 64;
    let text = String::from_utf8_lossy(label.get(..LONGEST).unwrap_or(label));
    Escaped(&text).to_string()
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
                (index, line, offset, s.label_text(), s.armour.is_ok())
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
            matches!(&found[0], Err(Reason::EndMismatch { begin, end }) if begin == "A" && end == "B")
        );
        assert!(found[1].is_ok());
    }

    #[test]
    fn dashes_are_counted_and_trailing_blanks_are_not() {
        assert_eq!(begin_label(b"-----BEGIN A-----  "), Some(&b"A"[..]));
        assert_eq!(begin_label(b"-----BEGIN A----"), None);
        assert_eq!(begin_label(b"-----BEGIN A------"), None);
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
    fn labels_cannot_carry_terminal_escapes() {
        let text = b"-----BEGIN \x1b[31m-----\n-----END \x1b[31m-----\n";
        assert_eq!(summary(text)[0].3, "\\u{1b}[31m");
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
