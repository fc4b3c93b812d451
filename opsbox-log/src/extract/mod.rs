//! Values of documents by JMESPath, as columns.
//!
//! An [`Extractor`] works on a column of JSON, such as
//! [`Cleaner::json_column`](crate::clean::Cleaner::json_column) makes:
//!
//! ```
//! use opsbox_log::{Format, Parser, clean::Cleaner, extract::Extractor};
//!
//! let log = concat!(
//!     r#"2026-01-02 03:04:05 [INFO] got {"user":{"id":7},"items":[{"sku":"a","n":2},{"sku":"b","n":1}]}"#, "\n",
//!     r#"2026-01-02 03:04:06 [INFO] got {"user":{"id":8},"items":[]}"#, "\n",
//! );
//! let mut batch = Parser::new(Format::preset("app")?).parse(log);
//! Cleaner::new("message").json_column("doc").clean(&mut batch);
//! let extractor = Extractor::new("doc")
//!     .column("user", "user.id")?
//!     .column("skus", "items[?n > `1`].sku | [0]")?;
//! let report = extractor.extract(&mut batch);
//! assert_eq!(batch.record(0).unwrap().get("user"), Some(&b"7"[..]));
//! assert_eq!(batch.record(0).unwrap().get("skus"), Some(&b"a"[..]));
//! assert_eq!(batch.record(1).unwrap().get("skus"), None);
//! assert_eq!((report.examined(), report.found(), report.absent()), (2, 3, 1));
//!
//! let error = Extractor::new("doc").column("x", "items[").unwrap_err();
//! assert!(error.to_string().starts_with("JMESPath expression \"items[\", byte 6: "));
//! # Ok::<(), opsbox_log::Error>(())
//! ```
//!
//! Expressions that only name keys, as `a.b.c`, make no tree of a document: one walk through its text
//! finds the values of all of them, and they are places in it. If the document is no longer there because
//! it was flattened, they take the columns of the same names; other expressions fail then, since there is
//! no document to evaluate them on.

mod path;

use std::{fmt, sync::Arc};

use jmespath::{Context, DEFAULT_RUNTIME, Expression, Rcvar, Variable, ast::Ast, interpret};

use crate::{
    batch::{Batch, ColumnBuilder, Span},
    clean::Walker,
    error::Error,
    format::Field,
    limits::{MAX_EXPRESSION_BRANCHES, MAX_EXPRESSION_BYTES},
};
use path::{Paths, Place};

/// Expressions, compiled once, and the columns for what they find. Cheap to clone, and shared by threads.
///
/// A string is its text without escapes; `true` and `false` are their text; null is an absent value; an
/// array or object is JSON text. A number that an expression of keys alone finds is its text; one of another
/// expression, as `items[0].price`, was an integer or a float of 64 bits and is written anew, so that 12.50
/// is 12.5. Of keys that an object has twice the last counts.
#[derive(Clone, Debug)]
pub struct Extractor {
    source: Box<str>,
    rules: Vec<Rule>,
    paths: Paths,
}

#[derive(Clone)]
struct Rule {
    name: Box<str>,
    /// The keys with dots between them, of an expression that only has keys.
    path: Option<Box<str>>,
    expression: Arc<Expression<'static>>,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.name, self.expression)
    }
}

/// What an [`Extractor`] did, in counts. No value of the input is in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtractReport {
    examined: u64,
    found: u64,
    absent: u64,
    failed: u64,
    not_json: u64,
}

impl ExtractReport {
    /// Documents that were looked at. One that was flattened is a row with a value in one of its columns.
    pub fn examined(&self) -> u64 {
        self.examined
    }

    /// Values that were found: with [`absent`](Self::absent) and [`failed`](Self::failed), as many as
    /// documents that are JSON times expressions.
    pub fn found(&self) -> u64 {
        self.found
    }

    /// Expressions that gave null. Of a document that was flattened an object is null, too, unless it is
    /// empty: it has no column.
    pub fn absent(&self) -> u64 {
        self.absent
    }

    /// Expressions that could not be evaluated: a function was called with a value of another type, or the
    /// document was flattened and the expression has more than keys.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// Documents that are not JSON, or, if an expression needs a tree of them, that have a number no
    /// float is near to.
    pub fn not_json(&self) -> u64 {
        self.not_json
    }

    /// Adds the counts of another batch.
    pub fn merge(&mut self, other: &Self) {
        self.examined += other.examined;
        self.found += other.found;
        self.absent += other.absent;
        self.failed += other.failed;
        self.not_json += other.not_json;
    }
}

impl Extractor {
    /// An extractor for the documents in the column of this name, without expressions.
    pub fn new(source: &str) -> Self {
        Self {
            source: source.into(),
            rules: Vec::new(),
            paths: Paths::default(),
        }
    }

    /// Adds an expression, and the column for its values, which replaces one of that name. The language
    /// is that of <https://jmespath.org/specification.html> with its functions.
    ///
    /// # Errors
    ///
    /// `InvalidExpression` with the expression and the byte offset: it does not parse, or is longer than
    /// [`MAX_EXPRESSION_BYTES`], or has more brackets than [`MAX_EXPRESSION_BRANCHES`].
    pub fn column(mut self, name: &str, expression: &str) -> Result<Self, Error> {
        let refuse = |offset, message: String| Error::Expression {
            expression: crate::text::Escaped(shown(expression).as_bytes()).to_string(),
            offset,
            message,
        };
        if expression.len() > MAX_EXPRESSION_BYTES {
            let message = format!("it is longer than {MAX_EXPRESSION_BYTES} bytes; shorten it");
            return Err(refuse(MAX_EXPRESSION_BYTES, message));
        }
        // The parser calls itself for each.
        let branches = expression.char_indices();
        let mut branches = branches.filter(|(_, char)| "([{!&".contains(*char));
        if let Some((offset, _)) = branches.nth(MAX_EXPRESSION_BRANCHES) {
            let message = format!(
                "it has more than {MAX_EXPRESSION_BRANCHES} brackets and operators of one side; \
                 split it"
            );
            return Err(refuse(offset, message));
        }
        let compiled = jmespath::compile(expression).map_err(|error| {
            let message = match error.reason {
                jmespath::ErrorReason::Parse(message) => message,
                other => other.to_string(),
            };
            let message = message.trim_end_matches('.').trim();
            refuse(error.offset.min(expression.len()), message.to_owned())
        })?;
        let keys = keys(compiled.as_ast());
        if let Some(keys) = &keys {
            self.paths.add(keys, self.rules.len());
        }
        self.rules.push(Rule {
            name: name.into(),
            path: keys.map(|keys| keys.join(".").into()),
            expression: Arc::new(compiled),
        });
        Ok(self)
    }

    /// Looks for the values. A batch that has neither the column nor one of a flattened document is left
    /// as it is.
    pub fn extract<B: AsRef<[u8]>>(&self, batch: &mut Batch<B>) -> ExtractReport {
        let mut report = ExtractReport::default();
        let columns = match batch.column(&self.source) {
            Some(_) => self.documents(batch, &mut report),
            None => self.flattened(batch, &mut report),
        };
        // Names are the user's; one that the batch does not take has no column.
        for (name, values) in columns {
            if let Err(error) = batch.set_column(Field::new(&name), values) {
                debug_assert!(name.is_empty() || batch.fields().len() > 1, "{error}");
            }
        }
        report
    }

    fn documents<B: AsRef<[u8]>>(
        &self,
        batch: &Batch<B>,
        report: &mut ExtractReport,
    ) -> Vec<(Box<str>, ColumnBuilder)> {
        let rules = self.rules.iter();
        let mut columns: Vec<_> = rules
            .map(|rule| (rule.name.clone(), ColumnBuilder::new()))
            .collect();
        let Some(column) = batch.column(&self.source) else {
            return columns;
        };
        let needs_tree = self.rules.iter().any(|rule| rule.path.is_none());
        let mut walker = Walker::default();
        let mut finder = self.paths.finder(self.rules.len());
        for row in 0..column.len() {
            let (Some(span), Some(text)) = (column.span(row), column.get(row)) else {
                continue;
            };
            report.examined += 1;
            let base = match &span {
                Span::Input(range) | Span::Arena(range) => range.start,
            };
            finder.begin();
            let is_json = walker.walk(text, &mut finder);
            let tree = match is_json && needs_tree {
                true => tree(text),
                false => None,
            };
            if !is_json || needs_tree && tree.is_none() {
                report.not_json += 1;
                continue;
            }
            for (at, (rule, (_, values))) in self.rules.iter().zip(&mut columns).enumerate() {
                if rule.path.is_some() {
                    match finder.found(at) {
                        None => report.absent += 1,
                        Some(Place::Text(place)) => {
                            report.found += 1;
                            let before = place.start.checked_sub(1);
                            let is_string = before.and_then(|at| text.get(at)) == Some(&b'"');
                            let place = base + place.start..base + place.end;
                            let place = match span {
                                Span::Input(_) => Span::Input(place),
                                Span::Arena(_) => Span::Arena(place),
                            };
                            match is_string {
                                true => values.push_span(row, place),
                                false => values.push_json_span(row, place),
                            }
                        }
                        Some(Place::Own(value)) => {
                            report.found += 1;
                            values.push_bytes(row, &value);
                        }
                    }
                } else if let Some(tree) = &tree {
                    evaluate(&rule.expression, tree, row, values, report);
                }
            }
        }
        columns
    }

    /// Columns of a document that was flattened.
    fn flattened<B: AsRef<[u8]>>(
        &self,
        batch: &Batch<B>,
        report: &mut ExtractReport,
    ) -> Vec<(Box<str>, ColumnBuilder)> {
        let documents = self.count_flattened(batch);
        report.examined += documents;
        let mut columns = Vec::new();
        for rule in &self.rules {
            let Some(path) = &rule.path else {
                report.failed += documents;
                continue;
            };
            let name = format!("{}.{path}", self.source);
            let Some(column) = batch.column(&name) else {
                report.absent += documents;
                continue;
            };
            let (mut values, mut found) = (ColumnBuilder::new(), 0);
            for row in 0..column.len() {
                if column.span(row).is_some() {
                    found += 1;
                    values.push_value_of(row, &column, row);
                }
            }
            report.found += found;
            report.absent += documents - found;
            columns.push((rule.name.clone(), values));
        }
        columns
    }

    /// Rows with a value in one of the columns of a document that was flattened.
    fn count_flattened<B: AsRef<[u8]>>(&self, batch: &Batch<B>) -> u64 {
        let mut has_value = vec![false; batch.len()];
        for column in batch.columns() {
            let inside = column.field().name().strip_prefix(&*self.source);
            if !inside.is_some_and(|name| name.starts_with('.')) {
                continue;
            }
            for (row, has_value) in has_value.iter_mut().enumerate() {
                *has_value |= column.span(row).is_some();
            }
        }
        has_value.into_iter().map(u64::from).sum()
    }
}

/// A document as JMESPath looks at it.
fn tree(text: &[u8]) -> Option<Rcvar> {
    let text = std::str::from_utf8(text).ok()?;
    Variable::from_json(text).ok().map(Rcvar::new)
}

fn evaluate(
    expression: &Expression<'static>,
    tree: &Rcvar,
    row: usize,
    values: &mut ColumnBuilder,
    report: &mut ExtractReport,
) {
    let mut context = Context::new(expression.as_str(), &DEFAULT_RUNTIME);
    match interpret(tree, expression.as_ast(), &mut context).as_deref() {
        Ok(Variable::Null | Variable::Expref(_)) => report.absent += 1,
        Ok(Variable::String(text)) => {
            report.found += 1;
            values.push_bytes(row, text.as_bytes());
        }
        Ok(value) => {
            report.found += 1;
            values.push_json_bytes(row, value.to_string().as_bytes());
        }
        Err(_) => report.failed += 1,
    }
}

/// The keys of an expression that has nothing else.
fn keys(ast: &Ast) -> Option<Vec<String>> {
    match ast {
        Ast::Field { name, .. } => Some(vec![name.clone()]),
        Ast::Subexpr { lhs, rhs, .. } => {
            let mut keys = keys(lhs)?;
            keys.append(&mut self::keys(rhs)?);
            Some(keys)
        }
        _ => None,
    }
}

/// The beginning of an expression, for an error.
fn shown(expression: &str) -> &str {
    let mut end = expression.len().min(100);
    while !expression.is_char_boundary(end) {
        end -= 1;
    }
    expression.get(..end).unwrap_or_default()
}
