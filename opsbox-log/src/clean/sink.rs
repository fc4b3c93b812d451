//! Who takes what is in documents: as fields, as a whole, or not at all.

use std::ops::Range;

use super::{
    report::CleanReport,
    shapes::Mode,
    walk::{Text, Visit},
};
use crate::{
    batch::{ColumnBuilder, Span},
    format::Field,
    scan::Simd,
};

/// Columns that a batch is to have.
pub(super) type Columns = Vec<(Field, ColumnBuilder)>;

/// The name of a new column: with `_` behind it, once or more, if there is one of that name.
pub(super) fn free_name(mut name: String, is_taken: impl Fn(&str) -> bool) -> String {
    while is_taken(&name) {
        name.push('_');
    }
    name
}

/// Where the text of a document is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'t> {
    /// In the batch's input, from this byte on.
    Input(usize),
    /// In the batch's arena, from this byte on.
    Arena(usize),
    /// Only here.
    Text(&'t [u8]),
}

/// What comes after the batch's arena: bytes that differ from the input's.
#[derive(Clone, Debug)]
pub(super) struct Arena {
    /// Bytes of the batch's arena.
    base: usize,
    pub(super) bytes: Vec<u8>,
}

impl Arena {
    /// One that begins after so many bytes, in this memory.
    pub(super) fn new(base: usize, bytes: Vec<u8>) -> Self {
        Self { base, bytes }
    }

    /// Where the next byte will be in the batch's arena.
    pub(super) fn end(&self) -> usize {
        self.base + self.bytes.len()
    }

    /// Appends a text, and returns where it will be in the batch's arena.
    pub(super) fn append(&mut self, text: &[u8]) -> usize {
        let start = self.end();
        self.bytes.extend_from_slice(text);
        start
    }
}

/// Who takes the values of documents, and can give back those of one that turns out not to be one.
pub(super) trait Sink: Visit {
    /// Whether it takes values alone, and not the document.
    const IS_FLAT: bool;

    /// A document begins.
    fn begin(&mut self, source: Source<'_>);

    /// Takes back what came since a document began.
    fn take_back(&mut self);

    /// Whether the document has more fields than one may have.
    fn is_full(&self) -> bool;

    /// Gives what came since the document began to a row. `place`: that of the document, if it is in
    /// the batch.
    fn commit(&mut self, row: usize, place: Option<Span>, report: &mut CleanReport);

    fn arena(&mut self) -> &mut Arena;

    /// Takes the values of the document at `at`, if it is one as those before it, and returns where it ends.
    #[inline(always)]
    fn follow<K: Simd>(
        &mut self,
        _simd: K,
        _text: Text<'_>,
        _at: usize,
        _source: Source<'_>,
    ) -> Option<(Mode, usize)> {
        None
    }

    /// Learns what the document at `at` is like, which was not as those before it.
    #[inline(always)]
    fn learn(&mut self, _text: Text<'_>, _at: usize, _mode: Mode) {}

    /// The same of XML, of which the slow way made this JSON.
    #[cfg(feature = "xml")]
    #[inline(always)]
    fn learn_xml(&mut self, _document: &[u8], _json: &[u8], _keep_prefixes: bool) {}

    /// The columns, and what comes after the batch's arena.
    fn finish(self) -> (Columns, Arena);
}

/// Listens to nothing.
pub(super) struct Nobody;

impl Visit for Nobody {
    fn object(&mut self, _: usize) {}
    fn array(&mut self, _: usize) {}
    fn end(&mut self, _: &[u8], _: usize) {}
    fn key(&mut self, _: &[u8], _: Range<usize>, _: bool) {}
    fn string(&mut self, _: &[u8], _: Range<usize>, _: bool) {}
    fn literal(&mut self, _: &[u8], _: Range<usize>) {}
    fn null(&mut self) {}
}

/// Documents as they are, in one column.
pub(super) struct Whole {
    field: Field,
    column: ColumnBuilder,
    arena: Arena,
    /// Of a document that is not in the batch.
    text: Range<usize>,
}

impl Whole {
    pub(super) fn new(name: &str, arena: Arena) -> Self {
        Self {
            field: Field::new(name),
            column: ColumnBuilder::new(),
            text: 0..0,
            arena,
        }
    }
}

impl Visit for Whole {
    fn object(&mut self, _: usize) {}
    fn array(&mut self, _: usize) {}
    fn end(&mut self, _: &[u8], end: usize) {
        // That of the document itself is the last one.
        self.text.end = self.text.start + end;
    }
    fn key(&mut self, _: &[u8], _: Range<usize>, _: bool) {}
    fn string(&mut self, _: &[u8], _: Range<usize>, _: bool) {}
    fn literal(&mut self, _: &[u8], _: Range<usize>) {}
    fn null(&mut self) {}
}

impl Sink for Whole {
    const IS_FLAT: bool = false;

    fn begin(&mut self, source: Source<'_>) {
        let start = self.arena.end();
        self.text = start..start;
        if let Source::Text(text) = source {
            self.arena.append(text);
        }
    }

    fn take_back(&mut self) {
        let len = self.text.start - self.arena.base;
        self.arena.bytes.truncate(len);
    }

    fn is_full(&self) -> bool {
        false
    }

    fn commit(&mut self, row: usize, place: Option<Span>, _: &mut CleanReport) {
        let place = place.unwrap_or_else(|| Span::Arena(self.text.clone()));
        self.column.push_span(row, place);
    }

    fn arena(&mut self) -> &mut Arena {
        &mut self.arena
    }

    fn finish(self) -> (Columns, Arena) {
        (vec![(self.field, self.column)], self.arena)
    }
}
