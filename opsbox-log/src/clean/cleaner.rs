//! A stage that cleans one column.

use std::{collections::HashMap, ops::Range};

use super::{
    document::{LONG_BYTES, Outcome, Rules, Scratch, examine, too_long},
    fields::Fields,
    index::Index,
    report::{CleanReport, TextChange},
    sink::{Arena, Columns, Sink, Source, Whole, free_name},
    text::{ControlBytes, InvalidUtf8, TextRules, stack_trace},
    walk::Text,
};
use crate::{
    batch::{Batch, BatchMemory, Column, ColumnBuilder, Span},
    format::Field,
    limits::MAX_LINE_BYTES,
    scan::{self, Chosen, Kernel, Simd, Work},
    types::Type,
};

/// Bytes that are indexed together: what the nearest cache holds.
const WINDOW: usize = 16 << 10;

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
    trace: Option<Box<str>>,
    keep_document: bool,
    rules: Rules,
    text: TextRules,
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
        }
    }

    /// Whether JSON is looked for; it is unless told otherwise.
    #[must_use]
    pub fn json(mut self, json: bool) -> Self {
        self.rules.json = json;
        self
    }

    /// Whether XML is looked for; it is unless told otherwise.
    #[cfg(feature = "xml")]
    #[must_use]
    pub fn xml(mut self, xml: bool) -> Self {
        self.rules.xml = xml;
        self
    }

    /// Whether elements and attributes of XML keep the prefix of their namespace, as in `soap:Body`; they
    /// do not unless told otherwise. What the prefixes are bound to is not looked at.
    #[cfg(feature = "xml")]
    #[must_use]
    pub fn keep_prefixes(mut self, keep: bool) -> Self {
        self.rules.keep_prefixes = keep;
        self
    }

    /// Whether broken JSON is [repaired](super::Repair); it is unless told otherwise, and else refused.
    #[must_use]
    pub fn repair(mut self, repair: bool) -> Self {
        self.rules.repair = repair;
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
                let fields = Fields::new(&self.prefix, &self.schema, batch.fields(), arena, spare);
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
        let mut pass = Pass {
            cleaner: self,
            sink,
            report: CleanReport::default(),
            scratch: Scratch::default(),
            texts: Texts::default(),
            trace: ColumnBuilder::new(),
            rest: ColumnBuilder::new(),
        };
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
    fn changes_text(&self) -> bool {
        !self.text.is_empty() || self.trace.is_some() || !self.keep_document
    }
}

/// The rows of a column, and the batch's input and arena.
struct Rows<'r, 'c, S> {
    pass: &'r mut Pass<'c, S>,
    column: Column<'r>,
    texts: [&'r [u8]; 2],
}

impl<S: Sink> Work for Rows<'_, '_, S> {
    type Output = ();

    #[inline(always)]
    fn run<K: Simd>(self, simd: K) {
        let Self {
            pass,
            column,
            texts,
        } = self;
        let changes_text = pass.cleaner.changes_text();
        let mut windows = texts.map(Window::new);
        for row in 0..column.len() {
            let (mut range, mut in_arena) = match column.span(row) {
                Some(Span::Input(range)) => (range, false),
                Some(Span::Arena(range)) => (range, true),
                None => continue,
            };
            let [input, arena] = &mut windows;
            let window = if in_arena { arena } else { input };
            if changes_text {
                let value = window.text.get(range.clone()).unwrap_or_default();
                if let Some(start) = pass.clean_text(value) {
                    (range, in_arena) = (start..start + pass.texts.own.len(), true);
                }
                range.end = pass.split_trace(row, value, range.clone(), in_arena);
            }
            // Of a value that is too long only the beginning is looked at.
            let is_long = range.len() > pass.cleaner.rules.max_bytes;
            let end = match is_long {
                true => range.end.min(range.start + LONG_BYTES),
                false => range.end,
            };
            let (text, base) = match pass.texts.is_changed {
                false => {
                    window.reach(simd, range.start, end);
                    let text = Text {
                        bytes: window.text.get(window.start..).unwrap_or_default(),
                        index: &window.index,
                        end: end - window.start,
                    };
                    (text, window.start)
                }
                true => {
                    let Texts { own, index, .. } = &mut pass.texts;
                    let len = end - range.start;
                    index.read_by(simd, own.get(..len).unwrap_or(own));
                    let text = Text {
                        bytes: own,
                        index,
                        end: len,
                    };
                    (text, range.start)
                }
            };
            let source = match in_arena {
                false => Source::Input(base),
                true => Source::Arena(base),
            };
            let (first, rules) = (range.start - base, &pass.cleaner.rules);
            let outcome = match is_long {
                true => too_long(text, first, rules),
                false => {
                    let (scratch, sink) = (&mut pass.scratch, &mut pass.sink);
                    examine(text, first, source, rules, scratch, sink)
                }
            };
            let place = take(
                &mut pass.sink,
                &mut pass.report,
                row,
                outcome,
                base,
                in_arena,
            );
            if changes_text {
                let value = window.text.get(range.clone()).unwrap_or_default();
                pass.keep_rest(row, value, range, in_arena, place);
            }
        }
    }
}

/// A part of a text that is indexed.
struct Window<'t> {
    text: &'t [u8],
    start: usize,
    end: usize,
    index: Index,
}

impl<'t> Window<'t> {
    fn new(text: &'t [u8]) -> Self {
        Self {
            text,
            start: 0,
            end: 0,
            index: Index::default(),
        }
    }

    /// Makes the window one that a value is in.
    #[inline(always)]
    fn reach<K: Simd>(&mut self, simd: K, start: usize, end: usize) {
        if start < self.start || end > self.end {
            self.start = start;
            self.end = end.max(start + WINDOW).min(self.text.len());
            let text = self.text.get(self.start..self.end).unwrap_or_default();
            self.index.read_by(simd, text);
        }
    }
}

/// A column that is being cleaned.
struct Pass<'c, S> {
    cleaner: &'c Cleaner,
    sink: S,
    report: CleanReport,
    scratch: Scratch,
    texts: Texts,
    /// Stack traces.
    trace: ColumnBuilder,
    /// What stays of the column.
    rest: ColumnBuilder,
}

/// A value whose text was cleaned.
#[derive(Default)]
struct Texts {
    is_changed: bool,
    own: Vec<u8>,
    help: Vec<u8>,
    index: Index,
}

/// Counts an outcome and gives what it is to its row. Returns where its document is.
#[inline(always)]
fn take(
    sink: &mut impl Sink,
    report: &mut CleanReport,
    row: usize,
    outcome: Outcome,
    base: usize,
    in_arena: bool,
) -> Option<Range<usize>> {
    let (place, own) = match outcome {
        Outcome::Plain => {
            report.plain += 1;
            return None;
        }
        Outcome::Json(place) => {
            report.json += 1;
            (place, false)
        }
        Outcome::Repaired(place, repairs) => {
            report.note_repairs(repairs);
            (place, true)
        }
        #[cfg(feature = "xml")]
        Outcome::Xml(place) => {
            report.xml += 1;
            (place, true)
        }
        Outcome::Refused(refused) => {
            report.note_refusal(refused.reason);
            return None;
        }
    };
    let place = base + place.start..base + place.end;
    let whole = (!own).then(|| span(place.clone(), in_arena));
    sink.commit(row, whole, report);
    Some(place)
}

impl<S: Sink> Pass<'_, S> {
    /// Cleans the text of a value; if it changed, returns where in the arena it will be.
    fn clean_text(&mut self, value: &[u8]) -> Option<usize> {
        let Texts {
            is_changed,
            own,
            help,
            ..
        } = &mut self.texts;
        let report = &mut self.report;
        let rules = self.cleaner.text;
        *is_changed = rules.clean(value, own, help, |change| report.note_change(change));
        let own = is_changed.then_some(own)?;
        Some(self.sink.arena().append(own))
    }

    /// Puts the stack trace of a value, if there is one, into its column. Returns where what is left of
    /// the value ends.
    fn split_trace(
        &mut self,
        row: usize,
        value: &[u8],
        range: Range<usize>,
        in_arena: bool,
    ) -> usize {
        let value = match self.texts.is_changed {
            true => &self.texts.own,
            false => value,
        };
        let found = match self.cleaner.trace {
            Some(_) => stack_trace(value),
            None => None,
        };
        let Some(at) = found else {
            return range.end;
        };
        self.report.note_change(TextChange::StackTrace);
        let trace = range.start + at..range.end;
        self.trace.push_span(row, span(trace, in_arena));
        // The line without its ending.
        let line = value.get(..at - 1).unwrap_or_default();
        range.start + line.len() - usize::from(line.ends_with(b"\r"))
    }

    /// Keeps what is left of a value.
    fn keep_rest(
        &mut self,
        row: usize,
        value: &[u8],
        range: Range<usize>,
        in_arena: bool,
        document: Option<Range<usize>>,
    ) {
        let Some(place) = document.filter(|_| !self.cleaner.keep_document) else {
            return self.rest.push_span(row, span(range, in_arena));
        };
        let value = match self.texts.is_changed {
            true => &self.texts.own,
            false => value,
        };
        let (before, after) = (range.start..place.start, place.end..range.end);
        match (before.is_empty(), after.is_empty()) {
            (_, true) => self.rest.push_span(row, span(before, in_arena)),
            (true, _) => self.rest.push_span(row, span(after, in_arena)),
            _ => self.rest.push_with(row, |arena| {
                for part in [before, after] {
                    let part = part.start - range.start..part.end - range.start;
                    arena.extend_from_slice(value.get(part).unwrap_or_default());
                }
            }),
        }
    }
}

fn span(range: Range<usize>, in_arena: bool) -> Span {
    match in_arena {
        false => Span::Input(range),
        true => Span::Arena(range),
    }
}
