//! A stage that cleans one column.

use std::collections::HashMap;

use super::{
    document::Rules,
    fields::Fields,
    pass::{Pass, Rows},
    report::CleanReport,
    shelf::Shelf,
    sink::{Arena, Columns, Sink, Whole, free_name},
    text::{ControlBytes, InvalidUtf8, TextRules},
};
use crate::{
    batch::{Batch, BatchMemory},
    format::Field,
    limits::MAX_LINE_BYTES,
    scan::{self, Chosen, Kernel},
    types::Type,
};

/// Cleans one column of batches: see [the module](super).
///
/// ```
/// use opsbox_log::{Format, Parser, clean::Cleaner};
///
/// let log = "2026-01-02 03:04:05 [INFO] \x1b[32mok\x1b[0m payload={\"a\":1} sent\n";
/// let mut batch = Parser::new(Format::preset("app")?).parse(log);
/// let cleaner = Cleaner::new("message").strip_ansi(true).json_column("payload").keep_document(false);
/// cleaner.clean(&mut batch);
/// let record = batch.record(0).unwrap();
/// assert_eq!(record.get("payload"), Some(&br#"{"a":1}"#[..]));
/// assert_eq!(record.get("message"), Some(&b"ok payload= sent"[..]));
/// # Ok::<(), opsbox_log::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cleaner {
    column: Box<str>,
    prefix: Box<str>,
    schema: HashMap<Box<str>, Type>,
    json_column: Option<Box<str>>,
    pub(super) trace: Option<Box<str>>,
    pub(super) keep_document: bool,
    pub(super) rules: Rules,
    pub(super) text: TextRules,
    pub(super) shelf: Shelf,
}

impl Cleaner {
    /// A cleaner of the column of this name: documents are found, repaired, and flattened to columns with
    /// the name and a dot before theirs.
    pub fn new(column: &str) -> Self {
        Self {
            column: column.into(),
            prefix: format!("{column}.").into(),
            schema: HashMap::new(),
            json_column: None,
            trace: None,
            keep_document: true,
            rules: Rules::default(),
            text: TextRules::default(),
            shelf: Shelf::default(),
        }
    }

    /// Whether JSON is looked for; it is unless told otherwise.
    #[must_use]
    pub fn json(mut self, json: bool) -> Self {
        self.rules.json = json;
        self.shelf = Shelf::default();
        self
    }

    /// Whether XML is looked for; it is unless told otherwise.
    #[cfg(feature = "xml")]
    #[must_use]
    pub fn xml(mut self, xml: bool) -> Self {
        self.rules.xml = xml;
        self.shelf = Shelf::default();
        self
    }

    /// Whether elements and attributes of XML keep the prefix of their namespace, as in `soap:Body`; they
    /// do not unless told otherwise. What the prefixes are bound to is not looked at.
    #[cfg(feature = "xml")]
    #[must_use]
    pub fn keep_prefixes(mut self, keep: bool) -> Self {
        self.rules.keep_prefixes = keep;
        self.shelf = Shelf::default();
        self
    }

    /// Whether broken JSON is [repaired](super::Repair); it is unless told otherwise, and else refused.
    #[must_use]
    pub fn repair(mut self, repair: bool) -> Self {
        self.rules.repair = repair;
        self.shelf = Shelf::default();
        self
    }

    /// Longest value in which a document is read, in bytes:
    /// [`DEFAULT_MAX_DOCUMENT_BYTES`](crate::limits::DEFAULT_MAX_DOCUMENT_BYTES) unless told otherwise, and at most
    /// [`MAX_LINE_BYTES`].
    #[must_use]
    pub fn max_document_bytes(mut self, bytes: usize) -> Self {
        self.rules.max_bytes = bytes.min(MAX_LINE_BYTES);
        self
    }

    /// What stands before the names of the fields of documents instead of the column's name and a dot.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Gives a field of documents, named by its keys with dots between them, a type. A value that does
    /// not fit is null and [counted](CleanReport::unfit); white space around it is taken off, and a whole
    /// number that is written as a float, as `42.0`, is written as an integer.
    #[must_use]
    pub fn field(mut self, path: &str, data_type: Type) -> Self {
        self.schema.insert(path.into(), data_type);
        self
    }

    /// Keeps documents in one column of JSON text with this name instead of flattening them. A document
    /// that is valid is as it was written; others, and XML, are without white space. If the batch has a
    /// column of this name already, the new one gets `_` behind its name.
    #[must_use]
    pub fn json_column(mut self, name: &str) -> Self {
        self.json_column = Some(name.into());
        self
    }

    /// Whether the document stays in its column; it does unless told otherwise. Else what is before and
    /// after it stays; a document that was refused stays in any case.
    #[must_use]
    pub fn keep_document(mut self, keep: bool) -> Self {
        self.keep_document = keep;
        self
    }

    /// Whether colours and other control sequences of terminals (ECMA-48) are taken out.
    #[must_use]
    pub fn strip_ansi(mut self, strip: bool) -> Self {
        self.text.ansi = strip;
        self
    }

    /// What becomes of control bytes.
    #[must_use]
    pub fn control_bytes(mut self, control: ControlBytes) -> Self {
        self.text.control = control;
        self
    }

    /// What becomes of bytes that are not UTF-8.
    #[must_use]
    pub fn invalid_utf8(mut self, utf8: InvalidUtf8) -> Self {
        self.text.utf8 = utf8;
        self
    }

    /// Puts stack traces (of Java, .NET, Python, Go, JavaScript and Rust) into a column of this name. If
    /// there is a line of a trace after the value's first, the first stays and the others go there;
    /// [records of several lines](crate::Multiline) have such values. If there is a column of this name
    /// already, the new one gets `_` behind its name.
    ///
    /// ```
    /// use opsbox_log::{Format, Multiline, Parser, clean::Cleaner};
    ///
    /// let log = "2026-01-02 03:04:05 [ERROR] java.io.IOException: no\n\tat a.B.c(B.java:7)\n";
    /// let parser = Parser::new(Format::preset("app")?).multiline(Multiline::stack_traces());
    /// let mut batch = parser.parse(log);
    /// Cleaner::new("message").stack_trace("error.stack_trace").clean(&mut batch);
    /// let record = batch.record(0).unwrap();
    /// assert_eq!(record.get("message"), Some(&b"java.io.IOException: no"[..]));
    /// let trace = b"\tat a.B.c(B.java:7)";
    /// assert_eq!(record.get("error.stack_trace"), Some(&trace[..]));
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    #[must_use]
    pub fn stack_trace(mut self, column: &str) -> Self {
        self.trace = Some(column.into());
        self
    }

    /// Runs on this kernel instead of the [best](Kernel::best) one; on the best if the processor does
    /// not have it. The result is the same.
    #[must_use]
    pub fn kernel(mut self, kernel: Kernel) -> Self {
        self.rules.kernel = Chosen::new(kernel);
        self
    }

    /// Cleans the column. A batch without it is left as it is.
    pub fn clean<B: AsRef<[u8]>>(&self, batch: &mut Batch<B>) -> CleanReport {
        self.clean_in(batch, &mut BatchMemory::default())
    }

    /// [`clean`](Self::clean), with the columns in the [memory](BatchMemory) of a batch before it, as
    /// [`Parser::parse_in`](crate::Parser::parse_in) puts the rows.
    pub fn clean_in<B: AsRef<[u8]>>(
        &self,
        batch: &mut Batch<B>,
        memory: &mut BatchMemory,
    ) -> CleanReport {
        let spare = std::mem::take(&mut memory.columns);
        let arena = Arena::new(batch.arena().len(), std::mem::take(&mut memory.arena));
        let done = match &self.json_column {
            Some(name) => {
                let taken = batch.fields();
                let name = free_name(name.to_string(), |name| {
                    taken.iter().any(|field| field.name() == name)
                });
                self.run(batch, Whole::new(&name, arena))
            }
            None => {
                let names = (&*self.prefix, &self.schema, batch.fields());
                let fields = Fields::new(names, arena, spare, &self.shelf);
                self.run(batch, fields)
            }
        };
        let Some((mut report, columns, arena)) = done else {
            return CleanReport::default();
        };
        batch.extend_arena(arena.bytes);
        let values = columns.into_iter().filter(|(_, values)| !values.is_empty());
        // Those of fields are as many as the batch has room for.
        if batch.set_columns(values).is_err() {
            report.columns_refused += 1;
        }
        report
    }

    fn run<B: AsRef<[u8]>, S: Sink>(
        &self,
        batch: &Batch<B>,
        sink: S,
    ) -> Option<(CleanReport, Columns, Arena)> {
        let column = batch.column(&self.column)?;
        let mut pass = Pass::new(self, sink);
        let texts = [batch.input(), batch.arena()];
        let rows = Rows {
            pass: &mut pass,
            column,
            texts,
        };
        scan::run(self.rules.kernel, rows);
        let Pass {
            sink,
            report,
            trace,
            rest,
            ..
        } = pass;
        let (mut columns, arena) = sink.finish();
        if let Some(name) = &self.trace {
            let name = free_name(name.to_string(), |name| {
                batch.fields().iter().any(|field| field.name() == name)
                    || columns.iter().any(|(field, _)| field.name() == name)
            });
            columns.push((Field::new(&name), trace));
        }
        if self.changes_text() {
            columns.push((column.field().clone(), rest));
        }
        Some((report, columns, arena))
    }

    /// Whether the column itself may change.
    pub(super) fn changes_text(&self) -> bool {
        !self.text.is_empty() || self.trace.is_some() || !self.keep_document
    }
}
