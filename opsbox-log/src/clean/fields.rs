//! The fields of documents as columns.

use std::{collections::HashMap, ops::Range};

#[cfg(feature = "xml")]
use super::learn_xml::learn_xml;
use super::{
    fit::{Fit, fit},
    keys::{Keys, NONE, Node, ROOT, SHORT},
    learn::learn,
    report::CleanReport,
    shapes::{Mode, Shapes},
    shelf::Shelf,
    sink::{Arena, Columns, Sink, Source, free_name},
    walk::{Text, Visit},
};
use crate::{
    batch::{ColumnBuilder, Span},
    format::Field,
    limits::{
        MAX_COLUMNS, MAX_DISCOVERED_FIELDS, MAX_DOCUMENT_FIELDS, MAX_FIELD_NAME_BYTES,
        MAX_FLATTEN_DEPTH,
    },
    scan::Simd,
    tokenize::json_string,
    types::Type,
};

/// A value of the document at hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    pub(super) column: u16,
    pub(super) in_arena: bool,
    /// Whether it is no string.
    pub(super) is_json: bool,
    pub(super) len: u32,
    pub(super) start: usize,
}

/// Finds columns, and takes the values of all rows.
pub(super) struct Fields<'f> {
    prefix: &'f str,
    schema: &'f HashMap<Box<str>, Type>,
    /// Columns that the batch has already.
    taken: &'f [Field],
    pub(super) columns: Columns,
    /// Memory for columns.
    spare: Vec<ColumnBuilder>,
    names: HashMap<Box<str>, u16>,
    pub(super) keys: Keys,
    pub(super) arena: Arena,
    /// Of the document at hand.
    pub(super) values: Vec<Value>,
    counts: Counts,
    mark: usize,
    /// Bytes of its text, if that was put into the arena for it.
    own: usize,
    /// Where its text begins, and whether in the arena.
    pub(super) base: usize,
    pub(super) in_arena: bool,
    open: [u16; MAX_FLATTEN_DEPTH + 1],
    depth: usize,
    /// The node of the key that was read last.
    pub(super) at: u16,
    /// Levels inside of what stays JSON text, and where that begins.
    inside: usize,
    begin: usize,
    is_empty: bool,
    /// Whether the value at hand is no string.
    is_json: bool,
    pub(super) scratch: Vec<u8>,
    pub(super) shapes: Box<Shapes>,
    shelf: &'f Shelf,
    /// Values of edges whose columns are not known.
    pub(super) unlinked: Vec<(usize, u16)>,
    /// Whether the document at hand is to be learned.
    pub(super) is_new: bool,
}

/// What is counted of the values of a document.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    unfit: u64,
    coerced: u64,
    left_out: u64,
}

impl<'f> Fields<'f> {
    pub(super) fn new(
        (prefix, schema, taken): (&'f str, &'f HashMap<Box<str>, Type>, &'f [Field]),
        arena: Arena,
        spare: Vec<ColumnBuilder>,
        shelf: &'f Shelf,
    ) -> Self {
        Self {
            prefix,
            schema,
            taken,
            columns: Vec::new(),
            spare,
            names: HashMap::new(),
            keys: Keys::new(prefix.len()),
            arena,
            values: Vec::new(),
            counts: Counts::default(),
            mark: 0,
            own: 0,
            base: 0,
            in_arena: false,
            open: [NONE; _],
            depth: 0,
            at: ROOT,
            inside: 0,
            begin: 0,
            is_empty: false,
            is_json: false,
            scratch: Vec::new(),
            shapes: shelf.take(),
            shelf,
            unlinked: Vec::new(),
            is_new: false,
        }
    }

    /// The object whose keys come next.
    #[inline(always)]
    fn parent(&self) -> u16 {
        self.open.get(self.depth).copied().unwrap_or(NONE)
    }

    /// The column of the key that was read last.
    #[inline(always)]
    pub(super) fn column(&mut self) -> u16 {
        match self.keys.get(self.at) {
            Some(Node {
                column: Some(column),
                ..
            }) => *column,
            Some(_) => self.add_column(),
            None => NONE,
        }
    }

    /// The column of a node, if there is one: that of another of the same path, too.
    pub(super) fn known_column(&self, node: u16) -> Option<u16> {
        let node = self.keys.get(node)?;
        node.column.or_else(|| self.names.get(&node.path).copied())
    }

    #[cold]
    fn add_column(&mut self) -> u16 {
        let Some(node) = self.keys.get_mut(self.at) else {
            return NONE;
        };
        let path: &str = if self.at == ROOT { "value" } else { &node.path };
        let column = match self.names.get(path) {
            Some(&column) => column,
            None => {
                let count = self.columns.len();
                let is_full =
                    count >= MAX_DISCOVERED_FIELDS || count + self.taken.len() >= MAX_COLUMNS;
                let name = free_name(format!("{}{path}", self.prefix), |name| {
                    self.taken.iter().any(|field| field.name() == name)
                        || self.columns.iter().any(|(field, _)| field.name() == name)
                });
                match u16::try_from(count) {
                    Ok(column)
                        if !is_full && !name.is_empty() && name.len() <= MAX_FIELD_NAME_BYTES =>
                    {
                        let data_type = self.schema.get(path).copied().unwrap_or_default();
                        let field = Field::new(&name).with_type(data_type);
                        self.columns
                            .push((field, self.spare.pop().unwrap_or_default()));
                        self.names.insert(path.into(), column);
                        column
                    }
                    _ => NONE,
                }
            }
        };
        node.column = Some(column);
        let field = self.columns.get(usize::from(column));
        node.is_text = field.is_some_and(|(field, _)| field.data_type() == Type::Text);
        column
    }

    /// Takes a value of the key that was read last, which is in the text.
    #[inline(always)]
    fn push(&mut self, text: &[u8], place: Range<usize>) {
        match self.keys.get(self.at) {
            Some(&Node {
                column: Some(column),
                is_text: true,
                ..
            }) => self.push_place(column, self.in_arena, self.base + place.start, place.len()),
            _ => self.push_checked(text, place),
        }
    }

    /// The same for a column that is new, or has a type.
    fn push_checked(&mut self, text: &[u8], place: Range<usize>) {
        let column = self.column();
        match self.columns.get(usize::from(column)) {
            None => self.counts.left_out += 1,
            Some((field, _)) if field.data_type() == Type::Text => {
                self.push_place(column, self.in_arena, self.base + place.start, place.len());
            }
            Some(_) => self.push_typed(column, text, place),
        }
    }

    /// [`push`](Self::push) for what is no string.
    #[inline(always)]
    fn push_json(&mut self, text: &[u8], place: Range<usize>) {
        self.is_json = true;
        self.push(text, place);
        self.is_json = false;
    }

    /// Takes a value of a column with a type.
    fn push_typed(&mut self, column: u16, text: &[u8], place: Range<usize>) {
        let Some((field, _)) = self.columns.get(usize::from(column)) else {
            return;
        };
        let value = text.get(place.clone()).unwrap_or_default();
        let data_type = field.data_type();
        let written = self.arena.end();
        match fit(value, data_type, &mut self.arena.bytes) {
            Fit::Fits => {
                self.push_place(column, self.in_arena, self.base + place.start, place.len());
            }
            Fit::Trimmed(inner) => {
                self.counts.coerced += 1;
                let start = self.base + place.start + inner.start;
                self.push_place(column, self.in_arena, start, inner.len());
            }
            Fit::Written => {
                self.counts.coerced += 1;
                self.push_place(column, true, written, self.arena.end() - written);
            }
            Fit::No => {
                self.counts.unfit += 1;
                self.drop_earlier(column);
            }
        }
    }

    /// Takes back the values that the column has from the document at hand: of equal names the last counts,
    /// if that is null, too.
    fn drop_earlier(&mut self, column: u16) {
        // A document with more is refused, and a look at each for each would take long.
        if self.values.len() <= MAX_DOCUMENT_FIELDS
            && self.values.iter().any(|value| value.column == column)
        {
            self.values.retain(|value| value.column != column);
        }
    }

    #[inline(always)]
    fn push_place(&mut self, column: u16, in_arena: bool, start: usize, len: usize) {
        self.values.push(Value {
            column,
            in_arena,
            is_json: self.is_json,
            len: u32::try_from(len).unwrap_or(u32::MAX),
            start,
        });
    }

    /// Leaves the values alone of a document whose text is in the arena: of XML the keys are most of it.
    #[cold]
    fn pack(&mut self) {
        let first = self.arena.end() - self.arena.bytes.len();
        let text_end = self.base + self.own;
        let mut end = self.mark;
        // Those in the text first, then what was written behind it: in the order of their places, so
        // that none is written over before it is moved.
        for in_text in [true, false] {
            for value in &mut self.values {
                if !value.in_arena || (value.start < text_end) != in_text {
                    continue;
                }
                let (start, len) = (value.start - first, value.len as usize);
                self.arena.bytes.copy_within(start..start + len, end);
                value.start = first + end;
                end += len;
            }
        }
        self.arena.bytes.truncate(end);
    }

    /// Takes a string with escapes.
    #[cold]
    fn push_escaped(&mut self, text: &[u8], place: Range<usize>) {
        // Up to the closing quote, which is there.
        let string = text.get(place.start..=place.end).unwrap_or_default();
        let mut own = std::mem::take(&mut self.scratch);
        own.clear();
        if json_string(string, &mut own).is_some() {
            let before = (self.base, self.in_arena);
            (self.base, self.in_arena) = (self.arena.append(&own), true);
            self.push(&own, 0..own.len());
            (self.base, self.in_arena) = before;
        }
        self.scratch = own;
    }

    /// The node of a key with escapes. Without them it may be in the table.
    #[cold]
    fn escaped_node(&mut self, text: &[u8], place: Range<usize>) -> u16 {
        let string = text.get(place.start..=place.end).unwrap_or_default();
        let mut key = Vec::new();
        if json_string(string, &mut key).is_none() {
            return NONE;
        }
        let len = key.len();
        key.resize(len + SHORT, 0);
        self.keys.node(&key, 0..len, self.parent())
    }
}

impl Visit for Fields<'_> {
    #[inline(always)]
    fn object(&mut self, at: usize) {
        if self.inside > 0 {
            self.inside += 1;
        } else if self.depth < MAX_FLATTEN_DEPTH {
            self.depth += 1;
            if let Some(slot) = self.open.get_mut(self.depth) {
                *slot = self.at;
            }
            (self.is_empty, self.begin) = (true, at);
        } else {
            (self.inside, self.begin) = (1, at);
        }
    }

    #[inline(always)]
    fn array(&mut self, at: usize) {
        if self.inside == 0 {
            self.begin = at;
        }
        self.inside += 1;
    }

    #[inline(always)]
    fn end(&mut self, text: &[u8], end: usize) {
        if self.inside > 0 {
            self.inside -= 1;
            if self.inside == 0 {
                self.push_json(text, self.begin..end);
            }
            return;
        }
        if let Some(&node) = self.open.get(self.depth) {
            self.at = node;
        }
        self.depth = self.depth.saturating_sub(1);
        if std::mem::take(&mut self.is_empty) && self.depth > 0 {
            self.push_json(text, self.begin..end);
        }
    }

    #[inline(always)]
    fn key(&mut self, text: &[u8], place: Range<usize>, escaped: bool) {
        if self.inside > 0 {
            return;
        }
        self.is_empty = false;
        self.at = match escaped {
            false => self.keys.node(text, place, self.parent()),
            true => self.escaped_node(text, place),
        };
    }

    #[inline(always)]
    fn string(&mut self, text: &[u8], place: Range<usize>, escaped: bool) {
        match (self.inside > 0, escaped) {
            (true, _) => {}
            (false, false) => self.push(text, place),
            (false, true) => self.push_escaped(text, place),
        }
    }

    #[inline(always)]
    fn literal(&mut self, text: &[u8], place: Range<usize>) {
        if self.inside == 0 {
            self.push_json(text, place);
        }
    }

    #[inline(always)]
    fn null(&mut self) {
        if self.inside == 0
            && let Some(column) = self.known_column(self.at)
        {
            self.drop_earlier(column);
        }
    }
}

impl Sink for Fields<'_> {
    const IS_FLAT: bool = true;

    #[inline(always)]
    fn begin(&mut self, source: Source<'_>) {
        (self.depth, self.inside, self.at, self.is_empty) = (0, 0, ROOT, false);
        self.mark = self.arena.bytes.len();
        (self.base, self.in_arena, self.own) = match source {
            Source::Input(base) => (base, false, 0),
            Source::Arena(base) => (base, true, 0),
            Source::Text(text) => (self.arena.append(text), true, text.len()),
        };
    }

    #[cold]
    fn take_back(&mut self) {
        self.values.clear();
        self.counts = Counts::default();
        self.arena.bytes.truncate(self.mark);
    }

    fn is_full(&self) -> bool {
        let fields = self.values.len() as u64 + self.counts.left_out + self.counts.unfit;
        fields > MAX_DOCUMENT_FIELDS as u64
    }

    #[inline(always)]
    fn commit(&mut self, row: usize, _: Option<Span>, report: &mut CleanReport) {
        if self.own > 0 {
            self.pack();
        }
        for value in self.values.drain(..) {
            let range = value.start..value.start + value.len as usize;
            let span = match value.in_arena {
                false => Span::Input(range),
                true => Span::Arena(range),
            };
            if let Some((_, column)) = self.columns.get_mut(usize::from(value.column)) {
                match value.is_json {
                    true => column.push_json_span(row, span),
                    false => column.push_span(row, span),
                }
            }
        }
        report.unfit += self.counts.unfit;
        report.coerced += self.counts.coerced;
        report.left_out += self.counts.left_out;
        self.counts = Counts::default();
    }

    fn arena(&mut self) -> &mut Arena {
        &mut self.arena
    }

    #[inline(always)]
    fn follow<K: Simd>(
        &mut self,
        simd: K,
        text: Text<'_>,
        at: usize,
        source: Source<'_>,
    ) -> Option<(Mode, usize)> {
        self.follow_edges(simd, text, at, source)
    }

    fn learn(&mut self, text: Text<'_>, at: usize, mode: Mode) {
        if std::mem::take(&mut self.is_new) && self.shapes.wants() {
            learn(&mut self.shapes, text, at, mode);
        }
    }

    #[cfg(feature = "xml")]
    fn learn_xml(&mut self, document: &[u8], json: &[u8], keep_prefixes: bool) {
        if std::mem::take(&mut self.is_new) && self.shapes.wants() {
            learn_xml(&mut self.shapes, document, json, keep_prefixes);
        }
    }

    fn finish(self) -> (Columns, Arena) {
        self.shelf.give_back(self.shapes);
        (self.columns, self.arena)
    }
}
