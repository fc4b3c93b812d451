//! Batches as logfmt: `key=value` pairs with a space between them, one row a line.
//!
//! ```
//! use opsbox_log::{Format, Parser, export::logfmt::Logfmt};
//!
//! let batch = Parser::new(Format::preset("app")?)
//!     .parse("2026-01-02 03:04:05 [INFO] said \"hello\"\n");
//! let mut out = Vec::new();
//! Logfmt::new().append(&batch, &mut out);
//! let expected = "timestamp=\"2026-01-02 03:04:05\" level=INFO message=\"said \\\"hello\\\"\"\n";
//! assert_eq!(String::from_utf8_lossy(&out), expected);
//! # Ok::<(), opsbox_log::Error>(())
//! ```
//!
//! There is no standard. What is written is what Go's `go-logfmt/logfmt`, kr/logfmt and the preset
//! `logfmt` read:
//!
//! - a value of ASCII without spaces, quotes, backslashes, `=` and control characters is bare, an empty one too;
//!   any other is in quotes, with the escapes of a JSON string, so that no value ends its line or begins a key;
//! - of a key, white space, control characters, `=`, `"`, U+FEFF and U+FFFD become `_`; what would then be the key
//!   of another column has a number at its end;
//! - an absent value is left out. A row without values is an empty line.

use std::ops::Range;

use super::{
    Rows,
    names::keys,
    text::{InvalidUtf8, Json, Out, Value, Written, padded},
};
use crate::{
    batch::Batch,
    format::Field,
    scan::{BLOCK, Chosen, Kernel, Simd, Work},
};

/// How rows become lines of logfmt. See the [module](self).
#[derive(Clone, Debug)]
pub struct Logfmt {
    /// `None` to keep the bytes.
    invalid_utf8: Option<InvalidUtf8>,
    kernel: Chosen,
}

impl Default for Logfmt {
    fn default() -> Self {
        Self::new()
    }
}

impl Logfmt {
    /// With U+FFFD for bytes that are not UTF-8.
    pub fn new() -> Self {
        Self {
            invalid_utf8: Some(InvalidUtf8::Replace),
            kernel: Chosen::new(Kernel::best()),
        }
    }

    /// What becomes of bytes that are not UTF-8.
    #[must_use]
    pub fn invalid_utf8(mut self, invalid: InvalidUtf8) -> Self {
        self.invalid_utf8 = Some(invalid);
        self
    }

    /// Writes bytes that are not UTF-8 as they are. The preset `logfmt` reads them again; other readers may
    /// refuse the file.
    #[must_use]
    pub fn keep_bytes(mut self) -> Self {
        self.invalid_utf8 = None;
        self
    }
}

super::row_writer!(Logfmt, Keys);

/// `key=` of each column.
struct Keys {
    texts: Vec<u8>,
    ranges: Vec<Range<usize>>,
}

impl Keys {
    fn new<B: AsRef<[u8]>>(_: &Logfmt, batch: &Batch<B>) -> Self {
        let fields = batch.fields();
        let (mut texts, mut ranges) = (Vec::new(), Vec::with_capacity(fields.len()));
        for key in keys(fields.iter().map(Field::name), may_have) {
            let start = texts.len();
            texts.extend_from_slice(key.as_bytes());
            texts.push(b'=');
            ranges.push(start..texts.len());
        }
        texts.extend_from_slice(&[0; BLOCK]);
        Self { texts, ranges }
    }
}

/// Whether a key may have the character.
fn may_have(char: char) -> bool {
    let not = char.is_whitespace() || char.is_control();
    !not && !matches!(char, '=' | '"' | '\u{feff}' | '\u{fffd}')
}

impl<B: AsRef<[u8]>> Work for Rows<'_, Logfmt, Keys, B> {
    type Output = Written;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Written {
        let Self {
            options,
            plan: keys,
            batch,
            ..
        } = self;
        let arena = padded(batch.arena());
        let (input, arena) = (batch.input(), &*arena);
        let mut out = Out::new(self.out);
        let count = self.rows.len();
        let mut row = batch.places(&(0..keys.ranges.len()).collect::<Vec<_>>(), false);
        for at in self.rows {
            row.go_to(at);
            let start = out.place();
            let mut nth = 0;
            while let Some((field, spot)) = row.nth(nth) {
                nth += 1;
                let value = Value::of(spot, input, arena);
                let (Some(value), Some(key)) = (value, keys.ranges.get(field)) else {
                    continue;
                };
                out.push_value(Value::new(&keys.texts, key.clone()));
                let quoted = value.any(|block| {
                    let blank = simd.equal(block, b' ') | simd.equal(block, 0x7f);
                    simd.escapes(block) | simd.equal(block, b'=') | blank
                });
                if quoted {
                    out.push(b'"');
                    out.push_text(simd, Json, value, options.invalid_utf8);
                    out.push_array(*b"\" ");
                } else {
                    out.push_value(value);
                    out.push(b' ');
                }
            }
            // The space after the last value becomes the line feed.
            match out.place() == start {
                true => out.push(b'\n'),
                false => out.set(out.place() - 1, b'\n'),
            }
        }
        out.finish(count)
    }
}
