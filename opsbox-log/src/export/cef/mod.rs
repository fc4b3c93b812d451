//! Batches as CEF, the ArcSight Common Event Format: a header of seven fields and an extension of pairs, one row a
//! line; and [what is in the lines](Extension) that the preset `cef` reads, as [columns](ExtensionColumns).
//!
//! ```
//! use opsbox_log::{Format, Parser, export::cef::{Cef, Header}};
//!
//! let batch = Parser::new(Format::preset("logfmt")?)
//!     .parse("level=warn msg=\"a | in the path\" client=10.0.0.1 query=\"a=1\\nb=2\"\n");
//! let cef = Cef::new("Example", "shop", "1.0")
//!     .column(Header::Severity, "level")
//!     .column(Header::Name, "msg")
//!     .key("client", "src")?;
//! let mut out = Vec::new();
//! cef.append(&batch, &mut out);
//! let expected = concat!(
//!     r"CEF:0|Example|shop|1.0|log|a \| in the path|6|src=10.0.0.1 query=a\=1\nb\=2", "\n",
//! );
//! assert_eq!(String::from_utf8_lossy(&out), expected);
//! # Ok::<(), opsbox_log::Error>(())
//! ```
//!
//! # Escaping
//!
//! As in "ArcSight Common Event Format (CEF) Implementation Standard", the section on character encoding:
//!
//! - in the header `|` and `\` have a backslash before them. It is of one line, so a line feed or a carriage return
//!   becomes a space;
//! - in a value of the extension `=` and `\` have one, and a line feed and a carriage return are `\n` and `\r`. Since no
//!   bare `=` comes from a value, none can begin a key;
//! - a key has [letters, digits and some marks](is_key). Others become `_`; what would then be the key of another
//!   column has a number at its end.
//!
//! Other control characters are written as they are, since CEF has no escape for them.

mod columns;
mod read;

use std::ops::Range;

pub use self::{
    columns::{ExtensionColumns, ExtensionReport},
    read::{Extension, is_key, unescape_header, unescape_value},
};
use super::{
    Rows,
    names::keys,
    text::{Escapes, InvalidUtf8, Out, Value, Written, padded},
};
use crate::{
    batch::Batch,
    error::Error,
    format::Field,
    scan::{BLOCK, Chosen, Kernel, Simd, Work},
};

/// A field of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Header {
    /// The version of the format. Up to three digits; `0` for anything else.
    Version,
    /// Who made the device that sends events.
    DeviceVendor,
    /// What the device is.
    DeviceProduct,
    /// Its version.
    DeviceVersion,
    /// What tells one kind of event from another.
    EventClassId,
    /// What happened, for people.
    Name,
    /// How bad it is: see [`Cef::severity`].
    Severity,
}

impl Header {
    const ALL: [Self; 7] = [
        Self::Version,
        Self::DeviceVendor,
        Self::DeviceProduct,
        Self::DeviceVersion,
        Self::EventClassId,
        Self::Name,
        Self::Severity,
    ];
}

/// Where a field of the header comes from.
#[derive(Clone, Debug)]
struct Source {
    column: Option<Box<str>>,
    text: Box<str>,
}

/// How rows become lines of CEF. See the [module](self).
#[derive(Clone, Debug)]
pub struct Cef {
    /// One for each [`Header`].
    header: Vec<Source>,
    keys: Vec<(Box<str>, Box<str>)>,
    severities: Vec<(Box<str>, u8)>,
    /// `None` to keep the bytes.
    invalid_utf8: Option<InvalidUtf8>,
    kernel: Chosen,
}

/// What common words for severities are: [`Cef::severity`] adds to them.
const SEVERITIES: [(&str, u8); 17] = [
    ("trace", 0),
    ("debug", 1),
    ("info", 3),
    ("information", 3),
    ("informational", 3),
    ("notice", 4),
    ("warn", 6),
    ("warning", 6),
    ("err", 8),
    ("error", 8),
    ("severe", 8),
    ("crit", 9),
    ("critical", 9),
    ("fatal", 10),
    ("alert", 10),
    ("emerg", 10),
    ("panic", 10),
];

/// The severities that are words in the standard.
const WORDS: [&[u8]; 5] = [b"Unknown", b"Low", b"Medium", b"High", b"Very-High"];

impl Cef {
    /// Lines of this device. Each field of the header is the value of the column that has the name which the preset
    /// `cef` gives it (`device_vendor`, `device_product`, `device_version`, `device_event_class_id`, `name`,
    /// `severity`), and where there is none, or an empty one, the text: those given here, `log` for the class and
    /// the name, `Unknown` for the severity, 0 for the version.
    pub fn new(
        vendor: impl Into<Box<str>>,
        product: impl Into<Box<str>>,
        version: impl Into<Box<str>>,
    ) -> Self {
        let source = |column: Option<&str>, text| Source {
            column: column.map(Into::into),
            text,
        };
        Self {
            header: vec![
                source(None, "0".into()),
                source(Some("device_vendor"), vendor.into()),
                source(Some("device_product"), product.into()),
                source(Some("device_version"), version.into()),
                source(Some("device_event_class_id"), "log".into()),
                source(Some("name"), "log".into()),
                source(Some("severity"), "Unknown".into()),
            ],
            keys: Vec::new(),
            severities: Vec::new(),
            invalid_utf8: Some(InvalidUtf8::Replace),
            kernel: Chosen::new(Kernel::best()),
        }
    }

    /// Takes a field of the header from this column, where it has a value. The column is then not in the extension,
    /// unless it has a [key](Self::key).
    #[must_use]
    pub fn column(mut self, header: Header, column: impl Into<Box<str>>) -> Self {
        if let Some(source) = self.header.get_mut(header as usize) {
            source.column = Some(column.into());
        }
        self
    }

    /// What a field of the header is where its column has no value.
    #[must_use]
    pub fn text(mut self, header: Header, text: impl Into<Box<str>>) -> Self {
        if let Some(source) = self.header.get_mut(header as usize) {
            source.text = text.into();
        }
        self
    }

    /// Writes a column under this key of the extension, such as `src` of the CEF dictionary, and not under its name.
    ///
    /// # Errors
    ///
    /// `UnknownField` if the [key](is_key) is none that CEF can have, or was given to another column.
    pub fn key(
        mut self,
        column: impl Into<Box<str>>,
        key: impl Into<Box<str>>,
    ) -> Result<Self, Error> {
        let (column, key) = (column.into(), key.into());
        let message = match is_key(&key) {
            false => {
                "a key of CEF has ASCII letters, digits and \"_.-[]\", one at least; choose another"
            }
            true if self
                .keys
                .iter()
                .any(|(other, it)| *it == key && *other != column) =>
            {
                "another column has this key; choose another"
            }
            true => {
                self.keys.retain(|(other, _)| *other != column);
                self.keys.push((column, key));
                return Ok(self);
            }
        };
        Err(Error::Field {
            format: "cef".to_owned(),
            name: key.into(),
            message: message.to_owned(),
        })
    }

    /// How bad events are whose severity is this word (in upper or lower case), from 0 to 10; more is brought to 10.
    ///
    /// Without it, `trace` is 0, `debug` 1, `info` 3, `notice` 4, `warn` 6, `error` 8, `critical` 9, `fatal`, `alert`,
    /// `emerg` and `panic` 10, with their other spellings; whole numbers from 0 to 10, and `Unknown`, `Low`, `Medium`,
    /// `High` and `Very-High`, are what they are; anything else is what the [text](Self::text) says.
    #[must_use]
    pub fn severity(mut self, word: impl Into<Box<str>>, severity: u8) -> Self {
        self.severities.push((word.into(), severity.min(10)));
        self
    }

    /// What becomes of bytes that are not UTF-8.
    #[must_use]
    pub fn invalid_utf8(mut self, invalid: InvalidUtf8) -> Self {
        self.invalid_utf8 = Some(invalid);
        self
    }

    /// Writes bytes that are not UTF-8 as they are. The preset `cef` reads them again; the standard asks for UTF-8.
    #[must_use]
    pub fn keep_bytes(mut self) -> Self {
        self.invalid_utf8 = None;
        self
    }

    /// What the header says of a severity; `None` if it is none that is known.
    fn severity_of(&self, value: &[u8]) -> Option<Severity<'_>> {
        let is = |word: &str| word.as_bytes().eq_ignore_ascii_case(value);
        let own = self.severities.iter().rev();
        if let Some((_, severity)) = own.clone().find(|(word, _)| is(word)) {
            return Some(Severity::Number(*severity));
        }
        if let Some(word) = WORDS.iter().find(|word| **word == value) {
            return Some(Severity::Word(word));
        }
        let number = match value {
            [digit @ b'0'..=b'9'] => Some(digit - b'0'),
            b"10" => Some(10),
            _ => None,
        };
        let known = SEVERITIES.iter().find(|(word, _)| is(word));
        let number = number.or_else(|| known.map(|(_, severity)| *severity));
        number.map(Severity::Number)
    }
}

enum Severity<'w> {
    Word(&'w [u8]),
    Number(u8),
}

/// What of a batch is written where.
struct Plan {
    /// The column of each field of the header.
    header: Vec<Option<usize>>,
    /// The columns of the extension, and `key=` of each in the texts.
    pairs: Vec<(usize, Range<usize>)>,
    texts: Vec<u8>,
}

impl Plan {
    fn new<B: AsRef<[u8]>>(options: &Cef, batch: &Batch<B>) -> Self {
        let fields = batch.fields();
        let header = options.header.iter().map(|source| {
            let column = source.column.as_deref()?;
            fields.iter().position(|field| field.name() == column)
        });
        let header: Vec<_> = header.collect();
        let given = |field: &Field| {
            let mut given = options.keys.iter();
            let key = given.find(|(column, _)| **column == *field.name());
            key.map(|(_, key)| &**key)
        };
        let columns = fields.iter().enumerate();
        let columns = columns
            .filter(|(index, field)| !header.contains(&Some(*index)) || given(field).is_some());
        // Those that are given first, so that no other column has their key.
        let (first, then): (Vec<_>, Vec<_>) =
            columns.partition(|(_, field)| given(field).is_some());
        let all = first.iter().chain(&then);
        let names = all
            .clone()
            .map(|(_, field)| given(field).unwrap_or_else(|| field.name()));
        let may_have = |char: char| u8::try_from(char).is_ok_and(read::is_key_byte);
        let mut pairs = Vec::new();
        let mut texts = Vec::new();
        for ((index, _), key) in all.zip(keys(names, may_have)) {
            let start = texts.len();
            texts.extend_from_slice(key.as_bytes());
            texts.push(b'=');
            pairs.push((*index, start..texts.len()));
        }
        texts.extend_from_slice(&[0; BLOCK]);
        pairs.sort_unstable_by_key(|(index, _)| *index);
        Self {
            header,
            pairs,
            texts,
        }
    }
}

#[derive(Clone, Copy)]
struct HeaderText;

impl Escapes for HeaderText {
    #[inline(always)]
    fn find<S: Simd>(self, simd: S, block: &[u8; BLOCK]) -> u64 {
        let lines = simd.equal(block, b'\n') | simd.equal(block, b'\r');
        simd.equal(block, b'|') | simd.equal(block, b'\\') | lines | simd.not_ascii(block)
    }

    #[inline(always)]
    fn write(self, byte: u8, out: &mut Out<'_>) {
        match byte {
            b'\n' | b'\r' => out.push(b' '),
            _ => out.push_array([b'\\', byte]),
        }
    }
}

#[derive(Clone, Copy)]
struct ValueText;

impl Escapes for ValueText {
    #[inline(always)]
    fn find<S: Simd>(self, simd: S, block: &[u8; BLOCK]) -> u64 {
        let lines = simd.equal(block, b'\n') | simd.equal(block, b'\r');
        simd.equal(block, b'=') | simd.equal(block, b'\\') | lines | simd.not_ascii(block)
    }

    #[inline(always)]
    fn write(self, byte: u8, out: &mut Out<'_>) {
        let byte = match byte {
            b'\n' => b'n',
            b'\r' => b'r',
            _ => byte,
        };
        out.push_array([b'\\', byte]);
    }
}

super::row_writer!(Cef, Plan);

impl<B: AsRef<[u8]>> Work for Rows<'_, Cef, Plan, B> {
    type Output = Written;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Written {
        let Self {
            options,
            plan,
            batch,
            ..
        } = self;
        let arena = padded(batch.arena());
        let (input, arena) = (batch.input(), &*arena);
        let mut out = Out::new(self.out);
        let count = self.rows.len();
        let order = plan.pairs.iter().map(|(column, _)| *column);
        let mut row = batch.places(&order.collect::<Vec<_>>(), false);
        for at in self.rows {
            row.go_to(at);
            out.push_array(*b"CEF:");
            let sources = options.header.iter().zip(&plan.header);
            for (header, (source, column)) in Header::ALL.into_iter().zip(sources) {
                let value = column.and_then(|column| Value::of(row.spot(column), input, arena));
                let value = value.filter(|value| !value.bytes().is_empty());
                let text = Value::new(source.text.as_bytes(), 0..source.text.len());
                match header {
                    Header::Severity => push_severity(simd, options, value, text, &mut out),
                    Header::Version => {
                        let is = |value: &Value<'_>| {
                            let bytes = value.bytes();
                            bytes.len() <= 3 && bytes.iter().all(u8::is_ascii_digit)
                        };
                        let text = Some(text).filter(|text| !text.bytes().is_empty());
                        match value.filter(is).or_else(|| text.filter(is)) {
                            Some(value) => out.push_value(value),
                            None => out.push(b'0'),
                        }
                    }
                    _ => {
                        let value = value.unwrap_or(text);
                        out.push_text(simd, HeaderText, value, options.invalid_utf8);
                    }
                }
                out.push(b'|');
            }
            let start = out.place();
            let mut nth = 0;
            while let Some((rank, spot)) = row.nth(nth) {
                nth += 1;
                let value = Value::of(spot, input, arena);
                let (Some(value), Some((_, key))) = (value, plan.pairs.get(rank)) else {
                    continue;
                };
                if out.place() > start {
                    out.push(b' ');
                }
                out.push_value(Value::new(&plan.texts, key.clone()));
                out.push_text(simd, ValueText, value, options.invalid_utf8);
            }
            out.push(b'\n');
        }
        out.finish(count)
    }
}

#[inline(always)]
fn push_severity<S: Simd>(
    simd: S,
    options: &Cef,
    value: Option<Value<'_>>,
    text: Value<'_>,
    out: &mut Out<'_>,
) {
    match value.and_then(|value| options.severity_of(value.bytes())) {
        Some(Severity::Word(word)) => out.push_bytes(word),
        Some(Severity::Number(10)) => out.push_array(*b"10"),
        Some(Severity::Number(number)) => out.push(b'0' + number),
        None => out.push_text(simd, HeaderText, text, options.invalid_utf8),
    }
}
