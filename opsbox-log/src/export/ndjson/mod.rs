//! Batches as NDJSON: one JSON object (RFC 8259) a row, one row a line.
//!
//! ```
//! use opsbox_log::{Format, Parser, export::ndjson::Ndjson};
//!
//! let log = r#"192.0.2.7 - - [17/May/2026:10:05:03 +0000] "GET /a HTTP/1.1" 200 - "-" "curl""#;
//! let format = Format::preset("combined")?.select(["remote_addr", "status", "request_uri"])?;
//! let batch = Parser::new(format).parse(log);
//! let mut out = Vec::new();
//! Ndjson::new().append(&batch, &mut out);
//! assert_eq!(
//!     String::from_utf8_lossy(&out),
//!     "{\"remote_addr\":\"192.0.2.7\",\"status\":200,\"request_uri\":\"/a\"}\n"
//! );
//! # Ok::<(), opsbox_log::Error>(())
//! ```
//!
//! # Values
//!
//! | value | is written as |
//! |---|---|
//! | that [came out of JSON](crate::Column::is_json) and was no string there, if every parser reads it (finite numbers, no lone surrogates) | what it was, as it was written: a number, a boolean, an array, an object |
//! | of a text or category column | a string (but see [`infer`](Ndjson::infer)); `"`, `\` and control characters escaped, all else as it is |
//! | of an integer or float column, if it is a JSON number that a 64-bit float reaches | a number, digit by digit as it is in the log |
//! | of a boolean column, if it is `true` or `false` | a boolean |
//! | of a [JSON column](Ndjson::json_columns), if it is JSON | itself |
//! | of these, if it is not | a string |
//! | of any other type, such as times | a string as it is in the log |
//! | absent, or the placeholder `-` in a column of any type but text and category | left out, or [null](Ndjson::nulls) |
//! | bytes that are not UTF-8 | U+FFFD, or [as Latin-1](Ndjson::invalid_utf8) |
//!
//! So the documents of an `ndjson` log, or of messages that a cleaner flattened, keep the types of their values: `7` stays
//! a number, digit by digit, and `"7"` a string. What masking changed is a string.
//!
//! No line feed comes from a value, so that a line is a row whatever it holds: between the parts of an array or object it
//! becomes a space.

mod json;
mod plan;

use self::{
    json::is_number,
    plan::{Column, Kind, Plan},
};
use super::{
    Rows,
    text::{InvalidUtf8, Json, Out, Value, Written, padded},
};
use crate::scan::{Chosen, Kernel, Simd, Work};

/// How rows become lines of JSON. See the [module](self).
///
/// ```
/// use opsbox_log::{Format, Parser, export::ndjson::Ndjson};
///
/// let batch = Parser::new(Format::preset("ndjson")?)
///     .parse("{\"http\":{\"method\":\"GET\",\"tags\":[1, 2]},\"ms\":null}\n");
/// let mut out = Vec::new();
/// let ndjson = Ndjson::new().nested(true).nulls(true);
/// ndjson.write(&batch, &mut out).unwrap();
/// let expected = "{\"http\":{\"method\":\"GET\",\"tags\":[1, 2]},\"ms\":null}\n";
/// assert_eq!(String::from_utf8_lossy(&out), expected);
/// # Ok::<(), opsbox_log::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ndjson {
    nulls: bool,
    nested: bool,
    infer: bool,
    invalid_utf8: InvalidUtf8,
    json_columns: Vec<Box<str>>,
    kernel: Chosen,
}

impl Default for Ndjson {
    fn default() -> Self {
        Self::new()
    }
}

impl Ndjson {
    /// Flat objects without nulls.
    pub fn new() -> Self {
        Self {
            nulls: false,
            nested: false,
            infer: false,
            invalid_utf8: InvalidUtf8::Replace,
            json_columns: Vec::new(),
            kernel: Chosen::new(Kernel::best()),
        }
    }

    /// Whether absent values are written as `null`; otherwise they are left out.
    #[must_use]
    pub fn nulls(mut self, nulls: bool) -> Self {
        self.nulls = nulls;
        self
    }

    /// Whether names with dots become objects in each other. A name stays as it is if a part of it is empty, if it
    /// has more than [`MAX_FLATTEN_DEPTH`](crate::limits::MAX_FLATTEN_DEPTH) parts, or if a column has the name of what
    /// would be an object: of `a` and `a.b` both are written at the top.
    #[must_use]
    pub fn nested(mut self, nested: bool) -> Self {
        self.nested = nested;
        self
    }

    /// Whether values of text columns that look like a JSON number, `true` or `false` are written as such: those of
    /// formats that have no types, as `logfmt`. Of values that came out of JSON it makes no difference to what was a number
    /// or a boolean, which is one in any case; but the string `"7"` becomes a number, too.
    ///
    /// ```
    /// use opsbox_log::{Format, Parser, export::ndjson::Ndjson};
    ///
    /// let batch = Parser::new(Format::preset("logfmt")?).parse("ms=12.5 ok=true zip=01234 id=a7\n");
    /// let mut out = Vec::new();
    /// Ndjson::new().infer(true).append(&batch, &mut out);
    /// assert_eq!(out, b"{\"ms\":12.5,\"ok\":true,\"zip\":\"01234\",\"id\":\"a7\"}\n");
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    #[must_use]
    pub fn infer(mut self, infer: bool) -> Self {
        self.infer = infer;
        self
    }

    /// What becomes of bytes that are not UTF-8.
    #[must_use]
    pub fn invalid_utf8(mut self, invalid: InvalidUtf8) -> Self {
        self.invalid_utf8 = invalid;
        self
    }

    /// Columns whose values are JSON and are written as such, not as strings: documents that a cleaner kept in a column of
    /// their own, for instance. Each value is checked; one that is not JSON is written as a
    /// string and [counted](Written::not_json). Instead of those named before.
    #[must_use]
    pub fn json_columns<N: Into<Box<str>>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.json_columns = names.into_iter().map(Into::into).collect();
        self
    }
}

super::row_writer!(Ndjson, Plan);

impl<B: AsRef<[u8]>> Work for Rows<'_, Ndjson, Plan, B> {
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
        let mut open = Vec::new();
        let count = self.rows.len();
        let order = plan.columns.iter().map(|column| column.field);
        let mut row = batch.places(&order.collect::<Vec<_>>(), options.nulls);
        for at in self.rows {
            row.go_to(at);
            // The comma before the first value becomes the bracket.
            let start = out.place();
            let mut nth = 0;
            let listed = row.listed();
            loop {
                let next = match listed {
                    Some(listed) => listed.get(nth).map(|(rank, spot)| (*rank as usize, *spot)),
                    None => row.nth(nth),
                };
                let Some((rank, spot)) = next else {
                    break;
                };
                nth += 1;
                let Some(column) = plan.columns.get(rank) else {
                    continue;
                };
                let value = Value::of(spot, input, arena);
                let value = value.filter(|value| !column.is_placeholder(value));
                if value.is_none() && !options.nulls {
                    continue;
                }
                let opened = plan.nested && enter(plan, column, &mut open, &mut out);
                let before = out.place();
                out.push_value(plan.key(column));
                if opened {
                    out.set(before, b'{');
                }
                push(simd, options, column.kind, value, spot.is_json(), &mut out);
            }
            for _ in open.drain(..) {
                out.push(b'}');
            }
            out.push_value(plan.tail());
            if out.place() == start {
                out.push(b'{');
            }
            out.set(start, b'{');
            out.push_array(*b"}\n");
        }
        out.finish(count)
    }
}

/// Writes a value behind its key, or null. `is_json`: it was no string in the JSON that it came from.
#[inline(always)]
fn push<S: Simd>(
    simd: S,
    options: &Ndjson,
    kind: Kind,
    value: Option<Value<'_>>,
    is_json: bool,
    out: &mut Out<'_>,
) {
    match value {
        Some(value) if kind == Kind::Text && !is_json => {
            out.push_text(simd, Json, value, Some(options.invalid_utf8));
            out.push(b'"');
        }
        value => push_other(simd, options, kind, value, is_json, out),
    }
}

/// [`push`] of a value that is not text, or null.
#[inline(always)]
fn push_other<S: Simd>(
    simd: S,
    options: &Ndjson,
    kind: Kind,
    value: Option<Value<'_>>,
    is_json: bool,
    out: &mut Out<'_>,
) {
    // The key of text has the quote of the value at its end.
    let is_quoted = kind == Kind::Text;
    let Some(value) = value else {
        out.back(usize::from(is_quoted));
        out.push_array(*b"null");
        return;
    };
    let bare = match kind {
        Kind::Number if !is_json => is_number(value.bytes()),
        Kind::Boolean if !is_json => matches!(value.bytes(), b"true" | b"false"),
        Kind::Json => json::is_json(value.bytes()),
        Kind::Inferred if !is_json => is_literal(value.bytes()),
        _ => is_json && may_stand(value.bytes()),
    };
    if !bare {
        out.counts.not_json += u64::from(kind == Kind::Json);
        if !is_quoted {
            out.push(b'"');
        }
        out.push_text(simd, Json, value, Some(options.invalid_utf8));
        out.push(b'"');
        return;
    }
    out.back(usize::from(is_quoted));
    let start = out.place();
    out.push_value(value);
    if kind == Kind::Json || is_json && matches!(value.bytes(), [b'{' | b'[', ..]) {
        // Line feeds in JSON are white space: in strings they are escaped.
        out.replace_from(start, |byte| matches!(byte, b'\n' | b'\r'), b' ');
    }
}

/// Whether the text is a number, or `true` or `false`, as JSON has them.
#[inline(always)]
fn is_literal(text: &[u8]) -> bool {
    match text {
        b"true" | b"false" => true,
        [b'-' | b'0'..=b'9', ..] => is_number(text),
        _ => false,
    }
}

/// Whether what was JSON may stand in what every parser reads: of selected keys nothing was checked, and a number may
/// be beyond what a float of 64 bits reaches.
#[inline(always)]
fn may_stand(text: &[u8]) -> bool {
    match text {
        [b'{' | b'[', ..] => json::is_json(text),
        text => is_literal(text),
    }
}

/// Closes and opens objects, so that those are open that the column is in. Returns whether one was opened: the comma
/// that comes next is to be its bracket.
fn enter(plan: &Plan, column: &Column, open: &mut Vec<usize>, out: &mut Out<'_>) -> bool {
    let same = column.path.iter().zip(open.iter());
    let same = same.take_while(|(a, b)| a == b).count();
    for _ in open.drain(same..) {
        out.push(b'}');
    }
    let mut opened = false;
    for &object in column.path.iter().skip(same) {
        let before = out.place();
        out.push_value(plan.object(object));
        if opened {
            out.set(before, b'{');
        }
        opened = true;
        open.push(object);
    }
    opened
}
