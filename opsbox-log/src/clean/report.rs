//! What cleaning did, in counts.

use std::fmt;

/// What had to be done to a text to make it JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Repair {
    /// It was escaped as inside of a JSON string: `{\"a\":1}`, with or without the quotes around it.
    Escaped,
    /// The same twice over.
    EscapedTwice,
    /// A comma stood before a closing bracket.
    TrailingComma,
    /// Strings were in single quotes.
    SingleQuotes,
    /// Keys were not in quotes.
    UnquotedKey,
    /// The end was missing: what was open is closed, and a key without a value or half a literal is left
    /// out, as is a number that the text ends with, since more of its digits may be missing. Of a string
    /// that is cut stays what is there.
    Truncated,
    /// Control characters stood in strings as they are.
    ControlCharacter,
    /// Half of a surrogate pair was escaped: it is U+FFFD now.
    LoneSurrogate,
    /// `NaN` and `Infinity`, which JSON does not have: they are null now.
    NotFinite,
    /// A backslash stood before a character that JSON does not escape: it is a backslash now, or gone
    /// before a single quote.
    InvalidEscape,
    /// Bytes that are not UTF-8: they are U+FFFD now.
    InvalidUtf8,
    /// `None`, `True` and `False`, as Python writes them.
    PythonLiteral,
    /// A number was not written as JSON does: `+1`, `.5`, `5.` are numbers now, `007` a string.
    Number,
}

impl Repair {
    /// All, in the order of their counts.
    pub const ALL: [Self; 13] = [
        Self::Escaped,
        Self::EscapedTwice,
        Self::TrailingComma,
        Self::SingleQuotes,
        Self::UnquotedKey,
        Self::Truncated,
        Self::ControlCharacter,
        Self::LoneSurrogate,
        Self::NotFinite,
        Self::InvalidEscape,
        Self::InvalidUtf8,
        Self::PythonLiteral,
        Self::Number,
    ];

    /// A name for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Escaped => "escaped",
            Self::EscapedTwice => "escaped_twice",
            Self::TrailingComma => "trailing_comma",
            Self::SingleQuotes => "single_quotes",
            Self::UnquotedKey => "unquoted_key",
            Self::Truncated => "truncated",
            Self::ControlCharacter => "control_character",
            Self::LoneSurrogate => "lone_surrogate",
            Self::NotFinite => "not_finite",
            Self::InvalidEscape => "invalid_escape",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::PythonLiteral => "python_literal",
            Self::Number => "number",
        }
    }
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The repairs of one document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs(u16);

impl Repairs {
    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this one is among them.
    pub fn contains(self, repair: Repair) -> bool {
        self.0 & 1 << repair as u16 != 0
    }

    /// Each of them, once.
    pub fn iter(self) -> impl Iterator<Item = Repair> {
        Repair::ALL
            .into_iter()
            .filter(move |&repair| self.contains(repair))
    }

    #[inline]
    pub(super) fn note(&mut self, repair: Repair) {
        self.0 |= 1 << repair as u16;
    }
}

/// Why a document was left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Refusal {
    /// It is not JSON, and there is no repair for what is wrong; or repairs are switched off.
    JsonSyntax,
    /// The value is longer than the [limit](super::Cleaner::max_document_bytes).
    TooLong,
    /// Objects, arrays or elements are nested deeper than
    /// [`MAX_DOCUMENT_DEPTH`](crate::limits::MAX_DOCUMENT_DEPTH).
    TooDeep,
    /// It has more fields than [`MAX_DOCUMENT_FIELDS`](crate::limits::MAX_DOCUMENT_FIELDS).
    TooManyFields,
    /// The path to a field is longer than [`MAX_FIELD_NAME_BYTES`](crate::limits::MAX_FIELD_NAME_BYTES).
    NameTooLong,
    /// The XML is not well-formed.
    XmlSyntax,
    /// The XML has a document type declaration, which may define entities.
    XmlDoctype,
    /// The XML has a reference to an entity that is not one of the five predefined, or to a character
    /// that XML does not allow.
    XmlEntity,
    /// The XML would be more than `MAX_XML_EXPANSION` of [the limits](crate::limits) times as long as JSON,
    /// since long names stand above many fields.
    Expansion,
}

impl Refusal {
    /// All, in the order of their counts.
    pub const ALL: [Self; 9] = [
        Self::JsonSyntax,
        Self::TooLong,
        Self::TooDeep,
        Self::TooManyFields,
        Self::NameTooLong,
        Self::XmlSyntax,
        Self::XmlDoctype,
        Self::XmlEntity,
        Self::Expansion,
    ];

    /// A name for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JsonSyntax => "json_syntax",
            Self::TooLong => "too_long",
            Self::TooDeep => "too_deep",
            Self::TooManyFields => "too_many_fields",
            Self::NameTooLong => "name_too_long",
            Self::XmlSyntax => "xml_syntax",
            Self::XmlDoctype => "xml_doctype",
            Self::XmlEntity => "xml_entity",
            Self::Expansion => "expansion",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A document that was refused: why, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// Why.
    pub reason: Refusal,
    /// Byte offset in the value, or, of a text that was unescaped before, in that.
    pub offset: usize,
}

impl Refused {
    pub(super) fn new(reason: Refusal, offset: usize) -> Self {
        Self { reason, offset }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "document refused at byte {}: {}",
            self.offset, self.reason
        )
    }
}

/// What was cleaned of a value's text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TextChange {
    /// Colours and other terminal control sequences were taken out.
    Ansi,
    /// Control bytes were taken out or escaped.
    ControlBytes,
    /// Bytes that are not UTF-8 were replaced or escaped.
    InvalidUtf8,
    /// A stack trace was put into its own column.
    StackTrace,
}

impl TextChange {
    /// All, in the order of their counts.
    pub const ALL: [Self; 4] = [
        Self::Ansi,
        Self::ControlBytes,
        Self::InvalidUtf8,
        Self::StackTrace,
    ];

    /// A name for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ansi => "ansi",
            Self::ControlBytes => "control_bytes",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::StackTrace => "stack_trace",
        }
    }
}

/// What a [`Cleaner`](super::Cleaner) did, in counts that add up. No value of the input is in it.
///
/// ```
/// use opsbox_log::{Format, Parser, clean::Cleaner};
///
/// let log = concat!(
///     "2026-01-02 03:04:05 [INFO] {\"a\":1}\n",
///     "2026-01-02 03:04:06 [INFO] {'a':1,}\n",
///     "2026-01-02 03:04:07 [INFO] {\"a\":}\n",
///     "2026-01-02 03:04:08 [INFO] nothing in here\n",
/// );
/// let mut batch = Parser::new(Format::preset("app")?).parse(log);
/// let report = Cleaner::new("message").clean(&mut batch);
/// assert_eq!((report.json(), report.repaired(), report.refused(), report.plain()), (1, 1, 1, 1));
/// assert_eq!(report.examined(), 4);
/// # Ok::<(), opsbox_log::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CleanReport {
    pub(super) json: u64,
    pub(super) repaired: u64,
    pub(super) xml: u64,
    pub(super) plain: u64,
    pub(super) repairs: [u64; Repair::ALL.len()],
    pub(super) refusals: [u64; Refusal::ALL.len()],
    pub(super) changes: [u64; TextChange::ALL.len()],
    pub(super) unfit: u64,
    pub(super) coerced: u64,
    pub(super) left_out: u64,
    pub(super) columns_refused: u64,
}

impl CleanReport {
    /// The values that were looked at: [`json`](Self::json) + [`repaired`](Self::repaired) +
    /// [`xml`](Self::xml) + [`refused`](Self::refused) + [`plain`](Self::plain).
    pub fn examined(&self) -> u64 {
        self.json + self.repaired + self.xml + self.refused() + self.plain
    }

    /// Values with a JSON document that needed no repair.
    pub fn json(&self) -> u64 {
        self.json
    }

    /// Values with a JSON document that was repaired.
    pub fn repaired(&self) -> u64 {
        self.repaired
    }

    /// Values with an XML document.
    pub fn xml(&self) -> u64 {
        self.xml
    }

    /// Values with no document in them.
    pub fn plain(&self) -> u64 {
        self.plain
    }

    /// Values with a document that was refused, and is left as it is.
    pub fn refused(&self) -> u64 {
        self.refusals.iter().sum()
    }

    /// The repairs that were made, each with the number of documents. A document may need several: the
    /// sum is [`repaired`](Self::repaired) or more.
    pub fn repairs(&self) -> impl Iterator<Item = (Repair, u64)> {
        let counts = Repair::ALL.into_iter().zip(self.repairs);
        counts.filter(|&(_, count)| count > 0)
    }

    /// The reasons for refusals, each with the number of documents. The sum is
    /// [`refused`](Self::refused).
    pub fn refusals(&self) -> impl Iterator<Item = (Refusal, u64)> {
        let counts = Refusal::ALL.into_iter().zip(self.refusals);
        counts.filter(|&(_, count)| count > 0)
    }

    /// What was changed in the text of values, each with the number of values.
    pub fn changes(&self) -> impl Iterator<Item = (TextChange, u64)> {
        let counts = TextChange::ALL.into_iter().zip(self.changes);
        counts.filter(|&(_, count)| count > 0)
    }

    /// Values of documents that do not fit the type that the [schema](super::Cleaner::field) has for
    /// them. They are null.
    pub fn unfit(&self) -> u64 {
        self.unfit
    }

    /// Values of documents that were written anew to fit their type: `42.0` for an integer.
    pub fn coerced(&self) -> u64 {
        self.coerced
    }

    /// Values of documents that have no column, since a batch has
    /// [`MAX_DISCOVERED_FIELDS`](crate::limits::MAX_DISCOVERED_FIELDS) at most, or a name longer than
    /// [`MAX_FIELD_NAME_BYTES`](crate::limits::MAX_FIELD_NAME_BYTES). They are still in the document.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Columns that the batch did not take.
    pub fn columns_refused(&self) -> u64 {
        self.columns_refused
    }

    /// Adds the counts of another batch.
    pub fn merge(&mut self, other: &Self) {
        fn add<const N: usize>(all: &mut [u64; N], more: &[u64; N]) {
            for (count, more) in all.iter_mut().zip(more) {
                *count += more;
            }
        }
        self.json += other.json;
        self.repaired += other.repaired;
        self.xml += other.xml;
        self.plain += other.plain;
        add(&mut self.repairs, &other.repairs);
        add(&mut self.refusals, &other.refusals);
        add(&mut self.changes, &other.changes);
        self.unfit += other.unfit;
        self.coerced += other.coerced;
        self.left_out += other.left_out;
        self.columns_refused += other.columns_refused;
    }

    #[cold]
    pub(super) fn note_repairs(&mut self, repairs: Repairs) {
        self.repaired += 1;
        for repair in repairs.iter() {
            if let Some(count) = self.repairs.get_mut(repair as usize) {
                *count += 1;
            }
        }
    }

    #[cold]
    pub(super) fn note_refusal(&mut self, reason: Refusal) {
        if let Some(count) = self.refusals.get_mut(reason as usize) {
            *count += 1;
        }
    }

    #[cold]
    pub(super) fn note_change(&mut self, change: TextChange) {
        if let Some(count) = self.changes.get_mut(change as usize) {
            *count += 1;
        }
    }
}
