use std::fmt;

use crate::text::Escaped;

/// Why a line is unmatched.
///
/// Offsets count bytes from the start of the line, or of the record of several lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The line is empty.
    Empty,
    /// The line does not fit the pattern.
    #[non_exhaustive]
    NoMatch {
        /// The first byte after which nothing can make it fit. With a Unicode word boundary in the
        /// pattern it may be an earlier byte that is not ASCII.
        offset: usize,
    },
    /// The line fits as far as it goes, but the pattern asks for more.
    EndsEarly,
    /// The line is longer than [`Parser::max_line_bytes`](crate::Parser::max_line_bytes).
    #[non_exhaustive]
    TooLong {
        /// The limit in force, in bytes.
        limit: usize,
    },
    /// The line is not one JSON document (RFC 8259), or has what simd-json refuses besides: a number
    /// beyond the range of a 64-bit float, or half a surrogate pair.
    #[non_exhaustive]
    InvalidJson {
        /// Where the parser stopped, if it says so.
        offset: Option<usize>,
    },
    /// The line is valid JSON, but not an object.
    NotAnObject,
    /// The line is not logfmt.
    #[non_exhaustive]
    InvalidLogfmt {
        /// Where it stops being logfmt.
        offset: usize,
        /// What is wrong there.
        problem: &'static str,
    },
    /// The line would add a column beyond
    /// [`MAX_DISCOVERED_FIELDS`](crate::limits::MAX_DISCOVERED_FIELDS).
    #[non_exhaustive]
    TooManyFields {
        /// The limit.
        limit: usize,
    },
    /// A key, with the path to it, is longer than
    /// [`MAX_FIELD_NAME_BYTES`](crate::limits::MAX_FIELD_NAME_BYTES).
    #[non_exhaustive]
    FieldNameTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The line continues a record, by the parser's [`Multiline`](crate::Multiline), and no record
    /// has begun.
    NoRecord,
    /// The line continues a record that takes no more lines.
    #[non_exhaustive]
    RecordFull {
        /// Most lines of a record.
        max_lines: u32,
        /// Most bytes of a record.
        max_bytes: usize,
    },
}

impl Reason {
    /// The name in metrics, without offsets and limits.
    ///
    /// ```
    /// assert_eq!(opsbox_log::Reason::EndsEarly.as_str(), "ends_early");
    /// ```
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NoMatch { .. } => "no_match",
            Self::EndsEarly => "ends_early",
            Self::TooLong { .. } => "too_long",
            Self::InvalidJson { .. } => "invalid_json",
            Self::NotAnObject => "not_an_object",
            Self::InvalidLogfmt { .. } => "invalid_logfmt",
            Self::TooManyFields { .. } => "too_many_fields",
            Self::FieldNameTooLong { .. } => "field_name_too_long",
            Self::NoRecord => "no_record",
            Self::RecordFull { .. } => "record_full",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the line is empty"),
            Self::NoMatch { offset } => write!(f, "does not fit the pattern from byte {offset} on"),
            Self::EndsEarly => f.write_str("ends before the pattern does"),
            Self::TooLong { limit } => write!(f, "longer than the limit of {limit} bytes"),
            Self::InvalidJson { offset: None } => f.write_str("not valid JSON"),
            Self::InvalidJson {
                offset: Some(offset),
            } => {
                write!(f, "not valid JSON at byte {offset}")
            }
            Self::NotAnObject => f.write_str("valid JSON, but not an object"),
            Self::InvalidLogfmt { offset, problem } => {
                write!(f, "not logfmt at byte {offset}: {problem}")
            }
            Self::TooManyFields { limit } => {
                write!(f, "has a new key, and there are {limit} columns already")
            }
            Self::FieldNameTooLong { limit } => {
                write!(f, "has a key longer than the limit of {limit} bytes")
            }
            Self::NoRecord => f.write_str("continues a record, and none has begun"),
            Self::RecordFull {
                max_lines,
                max_bytes,
            } => write!(
                f,
                "continues a record that is at its limit of {max_lines} lines or {max_bytes} bytes"
            ),
        }
    }
}

/// A line that does not fit the format, kept with all that is needed to find it again. With
/// [`Parser::multiline`](crate::Parser::multiline) it is a record of one or more lines, or a line of no
/// record.
///
/// ```
/// use opsbox_log::{Format, Parser};
///
/// let batch = Parser::new(Format::preset("app")?).parse("2026-01-02 03:04:05 INFO no brackets\n");
/// let unmatched = batch.unmatched().next().unwrap();
/// assert_eq!(unmatched.line_number(), 1);
/// assert_eq!(
///     unmatched.to_string(),
///     "line 1 (byte 0): does not fit the pattern from byte 20 on: \
///      2026-01-02 03:04:05 INFO no brackets"
/// );
/// # Ok::<(), opsbox_log::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Unmatched<'b> {
    pub(crate) line_number: u64,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) lines: u64,
    pub(crate) reason: Reason,
    pub(crate) raw: &'b [u8],
}

/// Bytes of the line that `Display` shows.
const SHOWN_BYTES: usize = 200;

impl<'b> Unmatched<'b> {
    /// The number of lines: 1, but for a [record of several](crate::Multiline).
    pub fn line_count(&self) -> u64 {
        self.lines
    }

    /// The line's number in the input, from 1; a record's is that of its first line.
    pub fn line_number(&self) -> u64 {
        self.line_number
    }

    /// The byte offset of the line's start in the input.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The length of the line in bytes, without its ending.
    pub fn line_bytes(&self) -> u64 {
        self.len
    }

    /// Why the line is unmatched.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The line without its ending. Of a line that is [too long](Reason::TooLong), the first
    /// [`Parser::max_line_bytes`](crate::Parser::max_line_bytes) bytes.
    pub fn raw(&self) -> &'b [u8] {
        self.raw
    }
}

impl fmt::Display for Unmatched<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line_number,
            offset,
            reason,
            ..
        } = self;
        write!(f, "line {line_number} (byte {offset}): {reason}")?;
        if self.raw.is_empty() {
            return Ok(());
        }
        let shown = self.raw.get(..SHOWN_BYTES).unwrap_or(self.raw);
        let text = Escaped(shown);
        let rest = if shown.len() < self.raw.len() {
            "…"
        } else {
            ""
        };
        write!(f, ": {text}{rest}")
    }
}
