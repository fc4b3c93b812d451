//! The pairs of extensions as columns.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use super::{Extension, unescape_header, unescape_value};
use crate::{
    batch::{Batch, Column, ColumnBuilder, Span},
    error::Error,
    format::Field,
    limits::{MAX_COLUMNS, MAX_DISCOVERED_FIELDS, MAX_FIELD_NAME_BYTES},
};

/// The columns of the preset `cef` that have the escapes of a header.
const HEADER: [&str; 6] = [
    "device_vendor",
    "device_product",
    "device_version",
    "device_event_class_id",
    "name",
    "severity",
];

/// Makes columns of what the preset `cef` reads: one for each key of the [extensions](Extension), without escapes, and the
/// fields of the header without theirs. With the feature `pipeline` it is a stage.
///
/// ```
/// use opsbox_log::{Format, Parser, export::{cef::ExtensionColumns, ndjson::Ndjson}};
///
/// let log = concat!(
///     r"CEF:0|Vendor|Box|1.0|7|cut \| off|3|src=10.0.0.1 msg=a\=1 and more", "\n",
///     r"CEF:0|Vendor|Box|1.0|8|seen|1|src=10.0.0.2 name=x ", "\n",
/// );
/// let format = Format::preset("cef")?.select(["name", "extension"])?;
/// let mut batch = Parser::new(format).parse(log);
/// let report = ExtensionColumns::new().apply(&mut batch)?;
/// assert_eq!((report.pairs(), report.left_out()), (4, 0));
/// let mut out = Vec::new();
/// Ndjson::new().append(&batch, &mut out);
/// let expected = concat!(
///     r#"{"name":"cut | off","src":"10.0.0.1","msg":"a=1 and more"}"#, "\n",
///     r#"{"name":"seen","src":"10.0.0.2","name_":"x "}"#, "\n",
/// );
/// assert_eq!(String::from_utf8_lossy(&out), expected);
/// # Ok::<(), opsbox_log::Error>(())
/// ```
///
/// Of a key that comes twice in an extension the last value counts. A key that is the name of a column that there is gets
/// `_` behind it. Nothing is lost: a text that does not begin with a key, and pairs for which a batch has no room for a column
/// ([`MAX_DISCOVERED_FIELDS`], [`MAX_COLUMNS`], and keys longer than [`MAX_FIELD_NAME_BYTES`]), stay in the column
/// `extension`, which goes if nothing stays. Values are places in the input, but for those with escapes.
#[derive(Clone, Debug)]
pub struct ExtensionColumns {
    prefix: Box<str>,
    keep: bool,
}

/// What [`ExtensionColumns`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionReport {
    examined: u64,
    pairs: u64,
    left_out: u64,
    unread: u64,
}

impl ExtensionReport {
    /// Rows that have an extension.
    pub fn examined(&self) -> u64 {
        self.examined
    }

    /// Pairs whose values are in columns.
    pub fn pairs(&self) -> u64 {
        self.pairs
    }

    /// Pairs that stay in the column `extension`, since there is no room for one of their own.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Extensions that do not begin with a key, and stay as they are.
    pub fn unread(&self) -> u64 {
        self.unread
    }

    /// Adds the counts of another batch.
    pub fn merge(&mut self, other: &Self) {
        self.examined += other.examined;
        self.pairs += other.pairs;
        self.left_out += other.left_out;
        self.unread += other.unread;
    }
}

impl Default for ExtensionColumns {
    fn default() -> Self {
        Self::new()
    }
}

impl ExtensionColumns {
    /// Columns that are named as the keys are.
    pub fn new() -> Self {
        Self {
            prefix: "".into(),
            keep: false,
        }
    }

    /// What stands before the keys in the names of their columns.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Whether the column `extension` stays as it is; else it has only what has no column.
    #[must_use]
    pub fn keep_extension(mut self, keep: bool) -> Self {
        self.keep = keep;
        self
    }

    /// Makes the columns. A batch without a column `extension` has those of the header alone changed.
    ///
    /// # Errors
    ///
    /// None that a log can be the cause of; `InvalidColumn` where a batch refuses a column for another reason.
    pub fn apply<B: AsRef<[u8]>>(&self, batch: &mut Batch<B>) -> Result<ExtensionReport, Error> {
        let mut report = ExtensionReport::default();
        let mut columns = header(batch);
        if let Some(extension) = batch.column("extension") {
            let mut found = Found::new(self, batch.fields());
            let mut rest = ColumnBuilder::new();
            for row in 0..batch.len() {
                let (Some(text), Some(span)) = (extension.get(row), extension.span(row)) else {
                    continue;
                };
                report.examined += 1;
                let left = found.read(row, text, span, &mut report);
                match left {
                    _ if self.keep => {}
                    Left::Nothing => {}
                    Left::All => rest.push_value_of(row, &extension, row),
                    Left::Some(text) => rest.push_bytes(row, &text),
                }
            }
            let field = extension.field().clone();
            let is_empty = rest.is_empty();
            columns.extend(found.columns);
            if !self.keep && !is_empty {
                columns.push((field, rest));
            }
            batch.set_columns(columns)?;
            if !self.keep && is_empty {
                batch.drop_column("extension");
            }
            return Ok(report);
        }
        batch.set_columns(columns)?;
        Ok(report)
    }
}

/// What of an extension has no column.
enum Left {
    Nothing,
    All,
    Some(Vec<u8>),
}

/// The columns so far.
struct Found<'b> {
    options: &'b ExtensionColumns,
    /// Names of the batch's columns and of new ones.
    taken: HashSet<Cow<'b, str>>,
    room: usize,
    /// By key; none for those that there is no room for.
    index: HashMap<Box<str>, Option<usize>>,
    columns: Vec<(Field, ColumnBuilder)>,
}

impl<'b> Found<'b> {
    fn new(options: &'b ExtensionColumns, fields: &'b [Field]) -> Self {
        Self {
            options,
            taken: fields.iter().map(|it| it.name().into()).collect(),
            room: MAX_COLUMNS
                .saturating_sub(fields.len())
                .min(MAX_DISCOVERED_FIELDS),
            index: HashMap::new(),
            columns: Vec::new(),
        }
    }

    /// Gives the values of a row to their columns.
    fn read(&mut self, row: usize, text: &[u8], span: Span, report: &mut ExtensionReport) -> Left {
        let mut pairs = Extension::new(text);
        let mut left = Vec::new();
        let mut count = 0;
        while let Some((key, place)) = pairs.next_place() {
            let value = text.get(place.clone()).unwrap_or_default();
            count += 1;
            let Some((_, column)) = self.column(key).and_then(|at| self.columns.get_mut(at)) else {
                report.left_out += 1;
                if !left.is_empty() {
                    left.push(b' ');
                }
                left.extend_from_slice(key.as_bytes());
                left.push(b'=');
                left.extend_from_slice(value);
                continue;
            };
            report.pairs += 1;
            match unescape_value(value) {
                Cow::Owned(value) => column.push_bytes(row, &value),
                Cow::Borrowed(_) => {
                    let within = |base: usize| base + place.start..base + place.end;
                    column.push_span(
                        row,
                        match &span {
                            Span::Input(range) => Span::Input(within(range.start)),
                            Span::Arena(range) => Span::Arena(within(range.start)),
                        },
                    );
                }
            }
        }
        match (count, pairs.rest()) {
            (0, b"") => Left::Nothing,
            (0, _) => {
                report.unread += 1;
                Left::All
            }
            _ if left.is_empty() => Left::Nothing,
            _ => Left::Some(left),
        }
    }

    /// The column of a key.
    fn column(&mut self, key: &str) -> Option<usize> {
        if let Some(&column) = self.index.get(key) {
            return column;
        }
        let has_room = self.columns.len() < self.room;
        let name = match has_room {
            true => self.free_name(key),
            false => None,
        };
        let column = name.map(|name| {
            self.columns.push((Field::new(&name), ColumnBuilder::new()));
            self.taken.insert(name.into());
            self.columns.len() - 1
        });
        // Keys of a stranger's making take no memory without end.
        if column.is_some() || self.index.len() < 2 * MAX_DISCOVERED_FIELDS {
            self.index.insert(key.into(), column);
        }
        column
    }

    /// The name of the column of a new key, if it is not too long.
    fn free_name(&self, key: &str) -> Option<String> {
        let mut name = format!("{}{key}", self.options.prefix);
        while name.len() <= MAX_FIELD_NAME_BYTES {
            if !self.taken.contains(name.as_str()) {
                return Some(name);
            }
            name.push('_');
        }
        None
    }
}

/// The columns of the header that have escapes, without them.
fn header<B: AsRef<[u8]>>(batch: &Batch<B>) -> Vec<(Field, ColumnBuilder)> {
    let columns = HEADER.iter().filter_map(|name| batch.column(name));
    let escaped = columns.filter(|column| {
        let mut values = column.iter().flatten();
        values.any(|value| memchr::memchr(b'\\', value).is_some())
    });
    let unescaped = |column: Column<'_>| {
        let mut values = ColumnBuilder::with_capacity(column.len());
        for (row, value) in column.iter().enumerate() {
            match value.map(unescape_header) {
                Some(Cow::Owned(value)) => values.push_bytes(row, &value),
                Some(_) => values.push_value_of(row, &column, row),
                None => {}
            }
        }
        (column.field().clone(), values)
    };
    escaped.map(unescaped).collect()
}
