//! Text with escapes, written a block at a time.

use std::{borrow::Cow, ops::Range};

use crate::{
    batch::Spot,
    scan::{BLOCK, Simd},
};

/// What becomes of bytes that are not UTF-8 in a format that is text.
///
/// ```
/// use opsbox_log::{Format, Parser, export::{InvalidUtf8, ndjson::Ndjson}};
///
/// // `é` as a program with the Latin-1 encoding writes it.
/// let batch = Parser::new(Format::preset("logfmt")?).parse(&b"city=Orl\xe9ans\n"[..]);
/// let mut out = Vec::new();
/// Ndjson::new().append(&batch, &mut out);
/// Ndjson::new().invalid_utf8(InvalidUtf8::Latin1).append(&batch, &mut out);
/// assert_eq!(out, "{\"city\":\"Orl\u{fffd}ans\"}\n{\"city\":\"Orl\\u00e9ans\"}\n".as_bytes());
/// # Ok::<(), opsbox_log::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidUtf8 {
    /// U+FFFD for each sequence that is broken, as [`String::from_utf8_lossy`] does it.
    #[default]
    Replace,
    /// Each byte as the character of its number, U+0080 to U+00FF: what it is in Latin-1. Where text is
    /// written with `\u` escapes, as `\u00ff`. Nothing is lost, but a reader cannot tell such a character from one
    /// that was there.
    Latin1,
}

/// What was written; counts of several batches [merge](Self::merge).
///
/// ```
/// use opsbox_log::{Format, Parser, export::ndjson::Ndjson};
///
/// let batch = Parser::new(Format::preset("logfmt")?).parse("a=1\nb=2\n");
/// let mut out = Vec::new();
/// let written = Ndjson::new().append(&batch, &mut out);
/// assert_eq!((written.rows(), written.bytes()), (2, out.len() as u64));
/// assert_eq!(written.replaced(), 0);
/// # Ok::<(), opsbox_log::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    rows: u64,
    bytes: u64,
    pub(super) replaced: u64,
    pub(super) not_json: u64,
}

impl Written {
    /// Rows, one a line.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes, line feeds included.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Sequences that were not UTF-8, and were [written otherwise](InvalidUtf8).
    pub fn replaced(&self) -> u64 {
        self.replaced
    }

    /// Values of a [JSON column](super::ndjson::Ndjson::json_columns) that are not JSON, and were written as strings.
    pub fn not_json(&self) -> u64 {
        self.not_json
    }

    /// Adds the counts of another batch.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.bytes += other.bytes;
        self.replaced += other.replaced;
        self.not_json += other.not_json;
    }
}

/// A value with what is around it, so that it can be looked at in whole blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'b> {
    source: &'b [u8],
    start: usize,
    end: usize,
}

impl<'b> Value<'b> {
    /// A range of a source; what is not in it is left out.
    #[inline(always)]
    pub(super) fn new(source: &'b [u8], range: Range<usize>) -> Self {
        let end = range.end.min(source.len());
        Self {
            source,
            start: range.start.min(end),
            end,
        }
    }

    /// The value of a place in a batch's input or arena.
    #[inline(always)]
    pub(super) fn of(spot: Spot, input: &'b [u8], arena: &'b [u8]) -> Option<Self> {
        if spot.is_null() {
            return None;
        }
        let (in_arena, range) = spot.place();
        Some(Self::new(if in_arena { arena } else { input }, range))
    }

    #[inline(always)]
    pub(super) fn bytes(&self) -> &'b [u8] {
        self.source.get(self.start..self.end).unwrap_or_default()
    }

    /// The block that begins at a place of the value. What comes after the value is undefined.
    #[inline(always)]
    fn block<'r>(&self, at: usize, room: &'r mut [u8; BLOCK]) -> &'r [u8; BLOCK]
    where
        'b: 'r,
    {
        let rest = self.source.get(at..).unwrap_or_default();
        match rest.first_chunk() {
            Some(block) => block,
            None => {
                let len = rest.len().min(self.end - at);
                if let (Some(room), Some(rest)) = (room.get_mut(..len), rest.get(..len)) {
                    room.copy_from_slice(rest);
                }
                room
            }
        }
    }

    /// The bytes that begin at a place of the value, if there are as many. What comes after the value is undefined.
    #[inline(always)]
    fn near(&self, at: usize) -> Option<&[u8; NEAR]> {
        self.source.get(at..)?.first_chunk()
    }

    /// Whether a byte of the value is in the mask.
    #[inline(always)]
    pub(super) fn any(&self, mask: impl Fn(&[u8; BLOCK]) -> u64) -> bool {
        let mut at = self.start;
        while at < self.end {
            let mut room = [0; BLOCK];
            let block = self.block(at, &mut room);
            if mask(block) & lowest(self.end - at) != 0 {
                return true;
            }
            at += BLOCK;
        }
        false
    }
}

/// Largest arena that is copied to have bytes behind its end.
const PADDED: usize = 16 << 10;

/// The arena with a block behind its end, if it is small: values at the end of a source cost more to look at, and those
/// that are the same in all rows are all of them there.
pub(super) fn padded(arena: &[u8]) -> Cow<'_, [u8]> {
    match arena.len() {
        0 | PADDED.. => Cow::Borrowed(arena),
        _ => Cow::Owned([arena, &[0; BLOCK]].concat()),
    }
}

/// Bytes between two escapes, more often than not: a quarter of a block takes a quarter of the time to write.
const NEAR: usize = BLOCK / 4;

/// A mask of the first `count` bytes of a block.
#[inline(always)]
fn lowest(count: usize) -> u64 {
    match count {
        0..BLOCK => (1 << count) - 1,
        _ => u64::MAX,
    }
}

/// Which bytes a text has escaped, and how.
pub(super) trait Escapes: Copy {
    /// The bytes that are escaped, and those above 127.
    fn find<S: Simd>(self, simd: S, block: &[u8; BLOCK]) -> u64;

    /// Writes what stands for such a byte of ASCII.
    fn write(self, byte: u8, out: &mut Out<'_>);

    /// Writes what stands for a byte that is read as Latin-1.
    fn write_latin1(self, byte: u8, out: &mut Out<'_>) {
        let mut utf8 = [0; 4];
        out.push_bytes(char::from(byte).encode_utf8(&mut utf8).as_bytes());
    }
}

/// Those of a JSON string, RFC 8259 section 7.
#[derive(Clone, Copy, Debug)]
pub(super) struct Json;

impl Escapes for Json {
    #[inline(always)]
    fn find<S: Simd>(self, simd: S, block: &[u8; BLOCK]) -> u64 {
        simd.escapes(block)
    }

    #[inline(always)]
    fn write(self, byte: u8, out: &mut Out<'_>) {
        let short = match byte {
            b'"' | b'\\' => byte,
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            _ => return self.write_latin1(byte, out),
        };
        out.push_array([b'\\', short]);
    }

    fn write_latin1(self, byte: u8, out: &mut Out<'_>) {
        let digit = |half: u8| b"0123456789abcdef".get(usize::from(half)).copied();
        let [high, low] = [byte >> 4, byte & 15].map(|half| digit(half).unwrap_or(b'0'));
        out.push_array([b'\\', b'u', b'0', b'0', high, low]);
    }
}

/// A text being written. What is at its end is zeros until [finished](Self::finish), so that a block can be written
/// whatever of it counts.
#[derive(Debug)]
pub(super) struct Out<'o> {
    bytes: &'o mut Vec<u8>,
    len: usize,
    start: usize,
    pub(super) counts: Written,
}

/// Zeros are written this many at a time: those that the first cache keeps.
const STEP: usize = 8 << 10;

impl<'o> Out<'o> {
    /// Writes behind what is there.
    pub(super) fn new(bytes: &'o mut Vec<u8>) -> Self {
        let len = bytes.len();
        Self {
            bytes,
            len,
            start: len,
            counts: Written::default(),
        }
    }

    /// Makes room for some blocks.
    #[inline(always)]
    fn room(&mut self) {
        if self.bytes.len() - self.len < 2 * BLOCK {
            self.grow();
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        self.bytes.resize(self.len + STEP, 0);
    }

    /// Writes a block, of which `count` bytes count.
    #[inline(always)]
    fn push_block(&mut self, block: &[u8; BLOCK], count: usize) {
        self.room();
        if let Some(room) = self.bytes.get_mut(self.len..self.len + BLOCK) {
            room.copy_from_slice(block);
        }
        self.len += count;
    }

    /// Writes fewer bytes than a block has, of which `count` count.
    #[inline(always)]
    fn push_near(&mut self, near: &[u8; NEAR], count: usize) {
        self.room();
        if let Some(room) = self.bytes.get_mut(self.len..self.len + NEAR) {
            room.copy_from_slice(near);
        }
        self.len += count;
    }

    /// Writes some bytes, fewer than a block.
    #[inline(always)]
    pub(super) fn push_array<const N: usize>(&mut self, bytes: [u8; N]) {
        const { assert!(N <= BLOCK, "there is room for so many") };
        self.room();
        if let Some(room) = self.bytes.get_mut(self.len..self.len + N) {
            room.copy_from_slice(&bytes);
        }
        self.len += N;
    }

    #[inline(always)]
    pub(super) fn push(&mut self, byte: u8) {
        self.push_array([byte]);
    }

    pub(super) fn push_bytes(&mut self, bytes: &[u8]) {
        self.push_value(Value::new(bytes, 0..bytes.len()));
    }

    /// Writes a value as it is.
    #[inline(always)]
    pub(super) fn push_value(&mut self, value: Value<'_>) {
        let mut at = value.start;
        while at < value.end {
            let mut room = [0; BLOCK];
            let block = value.block(at, &mut room);
            self.push_block(block, (value.end - at).min(BLOCK));
            at += BLOCK;
        }
    }

    /// Where the next byte goes.
    #[inline(always)]
    pub(super) fn place(&self) -> usize {
        self.len
    }

    /// Takes back the last bytes.
    pub(super) fn back(&mut self, count: usize) {
        self.len = self.len.saturating_sub(count).max(self.start);
    }

    /// Writes a byte in place of others, from a place on.
    pub(super) fn replace_from(&mut self, place: usize, is: impl Fn(u8) -> bool, byte: u8) {
        let written = self.bytes.get_mut(place..self.len).unwrap_or_default();
        for slot in written.iter_mut().filter(|slot| is(**slot)) {
            *slot = byte;
        }
    }

    /// Sets a byte that was written.
    #[inline(always)]
    pub(super) fn set(&mut self, place: usize, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(place) {
            *slot = byte;
        }
    }

    /// Writes a text with escapes. With `None` bytes that are not UTF-8 are written as they are.
    #[inline(always)]
    pub(super) fn push_text<S: Simd, E: Escapes>(
        &mut self,
        simd: S,
        escapes: E,
        value: Value<'_>,
        invalid: Option<InvalidUtf8>,
    ) {
        let Value { end, .. } = value;
        let mut at = value.start;
        // What is before it is text, or taken as such.
        let mut text_to = if invalid.is_some() { at } else { end };
        while at < end {
            let mut room = [0; BLOCK];
            let block = value.block(at, &mut room);
            let left = (end - at).min(BLOCK);
            let mut found = escapes.find(simd, block) & lowest(left);
            if text_to > at && found != 0 {
                found &= !(simd.not_ascii(block) & lowest(text_to - at));
            }
            let block_at = at;
            let upto = |found: u64| block_at + left.min(found.trailing_zeros() as usize);
            at = upto(found);
            self.push_block(block, at - block_at);
            // All that the mask has, without a look at the bytes between them again.
            while found != 0 {
                match value.source.get(at).copied() {
                    Some(byte @ ..0x80) => {
                        escapes.write(byte, self);
                        found &= found - 1;
                        let (from, to) = (at + 1, upto(found));
                        match value.near(from).filter(|_| to - from <= NEAR) {
                            Some(near) => self.push_near(near, to - from),
                            None => {
                                let mut room = [0; BLOCK];
                                self.push_block(value.block(from, &mut room), to - from);
                            }
                        }
                        at = to;
                    }
                    Some(_) => {
                        (at, text_to) = self.not_ascii(escapes, value, at, invalid);
                        break;
                    }
                    None => return,
                }
            }
        }
    }

    /// Finds how far the text goes that begins with a byte above 127, or writes what stands for bytes that are none.
    /// Returns where to go on, and where the text ends.
    #[inline(never)]
    fn not_ascii<E: Escapes>(
        &mut self,
        escapes: E,
        value: Value<'_>,
        at: usize,
        invalid: Option<InvalidUtf8>,
    ) -> (usize, usize) {
        let rest = value.source.get(at..value.end).unwrap_or_default();
        let error = match std::str::from_utf8(rest) {
            Ok(_) => return (at, value.end),
            Err(error) if error.valid_up_to() > 0 => return (at, at + error.valid_up_to()),
            Err(error) => error,
        };
        self.counts.replaced += 1;
        let len = error.error_len().unwrap_or(rest.len()).max(1);
        match invalid {
            Some(InvalidUtf8::Latin1) => {
                for &byte in rest.iter().take(len) {
                    escapes.write_latin1(byte, self);
                }
            }
            Some(InvalidUtf8::Replace) | None => self.push_array([0xef, 0xbf, 0xbd]),
        }
        (at + len, at + len)
    }

    /// Takes back the zeros at the end, and says what was written.
    pub(super) fn finish(self, rows: usize) -> Written {
        self.bytes.truncate(self.len);
        Written {
            rows: rows as u64,
            bytes: (self.len - self.start) as u64,
            ..self.counts
        }
    }
}
