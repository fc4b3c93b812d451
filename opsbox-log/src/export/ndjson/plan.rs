//! What stands before each value, made once for a batch.

use std::{collections::HashMap, ops::Range};

use super::{Ndjson, Value, push};
use crate::{
    batch::Batch,
    export::text::{Json, Out, Written},
    format::Field,
    limits::MAX_FLATTEN_DEPTH,
    scan::{BLOCK, Simd, Work, on_portable},
    types::{PLACEHOLDER, Type},
};

/// How a column's values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// What is a JSON number, as such.
    Number,
    Boolean,
    /// Text whose placeholder for no value is null.
    Typed,
    Json,
    /// What is a number or a boolean, as such.
    Inferred,
}

#[derive(Debug)]
pub(super) struct Column {
    /// The field's index.
    pub(super) field: usize,
    pub(super) kind: Kind,
    /// `,"name":` in the texts; for text with the quote of the value.
    key: Range<usize>,
    /// The objects that the value is in.
    pub(super) path: Vec<usize>,
}

impl Column {
    /// Whether the value says that there is none: where text is what it is, it says nothing.
    #[inline(always)]
    pub(super) fn is_placeholder(&self, value: &Value<'_>) -> bool {
        !matches!(self.kind, Kind::Text | Kind::Json | Kind::Inferred)
            && value.bytes() == PLACEHOLDER
    }
}

/// The columns in the order in which they are written.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) columns: Vec<Column>,
    /// `,"name":` of each object.
    objects: Vec<Range<usize>>,
    texts: Vec<u8>,
    /// What all rows end with: keys and values of the last columns, if these have one value each.
    tail: Range<usize>,
    pub(super) nested: bool,
}

impl Plan {
    pub(super) fn new<B: AsRef<[u8]>>(options: &Ndjson, batch: &Batch<B>) -> Self {
        let fields = batch.fields();
        let mut plan = Self {
            nested: options.nested,
            ..Self::default()
        };
        let names = fields.iter().map(Field::name).zip(0..);
        let names: HashMap<&str, usize> = names.filter(|_| options.nested).collect();
        // The first column under each prefix, and the object of it.
        let mut prefixes: HashMap<&str, (usize, usize)> = HashMap::new();
        let mut order = Vec::with_capacity(fields.len());
        for (index, field) in fields.iter().enumerate() {
            let name = field.name();
            let mut place = Vec::new();
            let mut path = Vec::new();
            let mut last = name;
            if options.nested && nests(name, &names) {
                let mut start = 0;
                for (dot, _) in name.match_indices('.') {
                    let prefix = name.get(..dot).unwrap_or_default();
                    let part = name.get(start..dot).unwrap_or_default();
                    let objects = &mut plan.objects;
                    let texts = &mut plan.texts;
                    let &mut (first, object) = prefixes.entry(prefix).or_insert_with(|| {
                        objects.push(key(texts, part, b""));
                        (index, objects.len() - 1)
                    });
                    place.push(first);
                    path.push(object);
                    start = dot + 1;
                }
                last = name.get(start..).unwrap_or_default();
            }
            place.push(index);
            let kind = kind(options, field);
            let quote: &[u8] = if kind == Kind::Text { b"\"" } else { b"" };
            order.push(place);
            plan.columns.push(Column {
                field: index,
                kind,
                key: key(&mut plan.texts, last, quote),
                path,
            });
        }
        if !options.nested {
            plan.take_tail(options, batch);
        }
        plan.texts.extend_from_slice(&[0; BLOCK]);
        if options.nested {
            // The columns of an object one after the other, where its first one is.
            let mut columns: Vec<_> = plan.columns.drain(..).zip(order).collect();
            columns.sort_by(|(_, a), (_, b)| a.cmp(b));
            plan.columns = columns.into_iter().map(|(column, _)| column).collect();
        }
        plan
    }

    /// Takes out the last columns as long as all rows have the same value: that is written here, once.
    fn take_tail<B: AsRef<[u8]>>(&mut self, options: &Ndjson, batch: &Batch<B>) {
        let mut tails: Vec<Vec<u8>> = Vec::new();
        while let Some(column) = self.columns.last() {
            let spot = batch.same(column.field);
            let Some(spot) = spot.filter(|spot| !spot.is_null()) else {
                break;
            };
            let value = Value::of(spot, batch.input(), batch.arena());
            let value = value.filter(|value| !column.is_placeholder(value));
            let mut bytes = Vec::new();
            let written = on_portable(Constant {
                out: Out::new(&mut bytes),
                key: self.key(column),
                options,
                kind: column.kind,
                value,
                is_json: spot.is_json(),
            });
            // What is counted has to be for each row.
            if value.is_none() || written.replaced > 0 || written.not_json > 0 {
                break;
            }
            tails.push(bytes);
            self.columns.pop();
        }
        let start = self.texts.len();
        for tail in tails.into_iter().rev() {
            self.texts.extend_from_slice(&tail);
        }
        self.tail = start..self.texts.len();
    }

    #[inline(always)]
    pub(super) fn tail(&self) -> Value<'_> {
        Value::new(&self.texts, self.tail.clone())
    }

    #[inline(always)]
    pub(super) fn key(&self, column: &Column) -> Value<'_> {
        Value::new(&self.texts, column.key.clone())
    }

    pub(super) fn object(&self, object: usize) -> Value<'_> {
        let range = self.objects.get(object).cloned();
        Value::new(&self.texts, range.unwrap_or_default())
    }
}

/// Whether a name with dots becomes an object: each part has a name, and no part before the last is a value.
fn nests(name: &str, names: &HashMap<&str, usize>) -> bool {
    let mut prefixes = name.match_indices('.');
    name.split('.').all(|part| !part.is_empty())
        && name.split('.').count() <= MAX_FLATTEN_DEPTH
        && prefixes.all(|(dot, _)| !name.get(..dot).is_some_and(|it| names.contains_key(it)))
}

fn kind(options: &Ndjson, field: &Field) -> Kind {
    if options.json_columns.iter().any(|it| **it == *field.name()) {
        return Kind::Json;
    }
    match field.data_type() {
        Type::Integer | Type::Float => Kind::Number,
        Type::Boolean => Kind::Boolean,
        Type::Text if options.infer => Kind::Inferred,
        Type::Text | Type::Category => Kind::Text,
        _ => Kind::Typed,
    }
}

/// Writes `,"name":` and what follows it.
fn key(texts: &mut Vec<u8>, name: &str, after: &[u8]) -> Range<usize> {
    let start = texts.len();
    texts.extend_from_slice(b",\"");
    let name = Value::new(name.as_bytes(), 0..name.len());
    on_portable(Escape(texts, name));
    texts.extend_from_slice(b"\":");
    texts.extend_from_slice(after);
    start..texts.len()
}

/// A key and its value.
struct Constant<'a> {
    out: Out<'a>,
    key: Value<'a>,
    options: &'a Ndjson,
    kind: Kind,
    value: Option<Value<'a>>,
    is_json: bool,
}

impl Work for Constant<'_> {
    type Output = Written;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Written {
        let Self { mut out, key, .. } = self;
        out.push_value(key);
        push(
            simd,
            self.options,
            self.kind,
            self.value,
            self.is_json,
            &mut out,
        );
        out.finish(1)
    }
}

struct Escape<'a>(&'a mut Vec<u8>, Value<'a>);

impl Work for Escape<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let mut out = Out::new(self.0);
        out.push_text(simd, Json, self.1, None);
        out.finish(0);
    }
}
