//! JSON and XML inside of columns: found, checked, repaired, and turned into columns; and text without
//! what terminals and editors stumble over.
//!
//! A [`Cleaner`] works on one column of a [`Batch`](crate::Batch):
//!
//! ```
//! use opsbox_log::{Format, Parser, clean::Cleaner, types::Type};
//!
//! let log = concat!(
//!     r#"2026-01-02 03:04:05 [INFO] order={"id":7,"user":{"name":"ann"},"total":"12.50"} done"#, "\n",
//!     r#"2026-01-02 03:04:06 [WARN] {\"id\":8,\"total\":9}"#, "\n",
//!     r#"2026-01-02 03:04:07 [WARN] {'id': 9, 'total': 'free', 'user': {'name': 'bo"#, "\n",
//!     "2026-01-02 03:04:08 [INFO] nothing in here\n",
//! );
//! let mut batch = Parser::new(Format::preset("app")?).parse(log);
//! let cleaner = Cleaner::new("message").field("id", Type::Integer).field("total", Type::Float);
//! let report = cleaner.clean(&mut batch);
//!
//! let names: Vec<_> = batch.fields().iter().map(|field| field.name()).collect();
//! assert_eq!(names[3..], ["message.id", "message.user.name", "message.total"]);
//! let total = batch.column("message.total").unwrap().typed()?;
//! assert_eq!(total.floats().collect::<Vec<_>>(), [Some(12.5), Some(9.0), None, None]);
//! assert_eq!(batch.record(2).unwrap().get("message.user.name"), Some(&b"bo"[..]));
//!
//! assert_eq!((report.json(), report.repaired(), report.plain(), report.unfit()), (1, 2, 1, 1));
//! let repairs: Vec<_> = report.repairs().map(|(repair, count)| (repair.as_str(), count)).collect();
//! assert_eq!(repairs, [("escaped", 1), ("single_quotes", 1), ("truncated", 1)]);
//! # Ok::<(), opsbox_log::Error>(())
//! ```
//!
//! # Where a document is looked for
//!
//! The first document of a value counts, but of an empty object and another document after it the other
//! one, since `{}` is a placeholder that nobody filled more often. What comes before and after is left as
//! it is. JSON begins with `{` and a key or `}`, or with `[` and a string, an object or an array; an array
//! of numbers is one only if nothing is before it, since `[12]` is a thread's name more often. Quotes that
//! are escaped once or twice over begin JSON that was put into a string. With the feature `xml`, XML begins
//! with an element, a declaration or a document type.
//!
//! # Columns
//!
//! The fields of a document get columns with the [prefix](Cleaner::prefix) and the keys with dots between
//! them, as those of the preset `ndjson`: a string is its text without escapes; a number, `true` and
//! `false` are their text, so that none is rounded; null is an absent value; arrays, empty objects, and
//! objects nested deeper than [`MAX_FLATTEN_DEPTH`](crate::limits::MAX_FLATTEN_DEPTH) stay JSON text.
//! Of equal names the last counts, if it is null or does not fit its type, too; but what is in two objects
//! of equal names is joined, and of a value and an object both stay. A document that is an array is the
//! column `value`. If the batch has a column of a name already, the new one gets `_` behind its name, that
//! of [`Cleaner::stack_trace`] too. [`Cleaner::json_column`] keeps the document in one column instead, of
//! which the same holds.
//!
//! An element of XML is a column of its path with its text, an attribute one of the path, `@` and its name:
//! `<a k="1"><b>x</b><b>y</b></a>` has `a.@k`, `a.b` and `a.b.2`. Comments and processing instructions
//! go, CDATA is text, and of mixed content the text between children is joined. Document types and other
//! than the five predefined entities are refused, and what is far longer as a flat object: nothing expands.
//!
//! # What it costs
//!
//! Values that are valid JSON stay where they are: their columns hold places in the input. What differs
//! from the input's bytes, strings with escapes and repaired documents, is written to the batch's arena.
//! All is linear in the input, and bounded by the [limits](crate::limits).
//!
//! A cleaner remembers what stands between the values of documents, for as long as it lives and in bounded
//! memory: of a document with the same keys in the same order as one before it only the values are looked at,
//! which takes two thirds of the time or, of XML, an eighth. What is found is the same. So one cleaner for many
//! batches is faster than one for each; each of its copies remembers by itself.

mod cleaner;
mod document;
mod fields;
mod find;
mod fit;
mod follow;
mod index;
mod json;
mod keys;
mod learn;
#[cfg(feature = "xml")]
mod learn_xml;
mod one;
mod pass;
mod repair;
mod report;
mod shapes;
mod shelf;
mod sink;
mod text;
mod unescape;
mod walk;
#[cfg(feature = "xml")]
mod xml;

pub use cleaner::Cleaner;
pub use one::{Document, DocumentKind, find};
pub use report::{CleanReport, Refusal, Refused, Repair, Repairs, TextChange};
pub use text::{ControlBytes, InvalidUtf8};
#[cfg(feature = "jmespath")]
pub(crate) use walk::{Visit, Walker};
