//! A stage that cleans one column.

use std::{collections::HashMap, ops::Range};

use super::{
    document::{Outcome, Rules, Scratch, examine},
    fields::Fields,
    index::Index,
    report::{CleanReport, TextChange},
    sink::{Arena, Sink, Source, Whole},
    text::{ControlBytes, InvalidUtf8, TextRules, stack_trace},
    walk::Text,
};
use crate::{
    batch::{Batch, ColumnBuilder, Span},
    format::Field,
    limits::MAX_LINE_BYTES,
    scan::{Chosen, Kernel},
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
    /// that is valid is as it was written; others, and XML, are without white space.
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
    /// [records of several lines](crate::Multiline) have such values.
    ///
    /// ```
    /// use opsbox_log::{Format, Multiline, Parser, clean::Cleaner};
    ///
    /// let log = "2026-01-02 03:04:05 [ERROR] failed\njava.io.IOException: no\n\tat a.B.c(B.java:7)\n";
    /// let parser = Parser::new(Format::preset("app")?).multiline(Multiline::matched());
    /// let mut batch = parser.parse(log);
    /// Cleaner::new("message").stack_trace("error.stack_trace").clean(&mut batch);
    /// let record = batch.record(0).unwrap();
    /// assert_eq!(record.get("message"), Some(&b"failed"[..]));
    /// let trace = b"java.io.IOException: no\n\tat a.B.c(B.java:7)";
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
        let arena = Arena::new(batch.arena().len());
        let done = match &self.json_column {
            Some(name) => self.run(batch, Whole::new(name, arena)),
            None => {
                let fields = Fields::new(&self.prefix, &self.schema, batch.fields(), arena);
                self.run(batch, fields)
            }
        };
        let Some((mut report, columns, arena)) = done else {
            return CleanReport::default();
        };
        batch.extend_arena(&arena.bytes);
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
    ) -> Option<(CleanReport, Vec<(Field, ColumnBuilder)>, Arena)> {
        let column = batch.column(&self.column)?;
        let changes_text = !self.text.is_empty() || self.trace.is_some() || !self.keep_document;
        let mut pass = Pass {
            cleaner: self,
            sink,
            report: CleanReport::default(),
            scratch: Scratch::default(),
            texts: Default::default(),
            own_index: Index::default(),
            trace: ColumnBuilder::new(),
            rest: ColumnBuilder::new(),
        };
        let mut windows = [Window::new(batch.input()), Window::new(batch.arena())];
        for row in 0..column.len() {
            let Some(span) = column.span(row) else {
                continue;
            };
            let (range, window, in_arena) = match (span, &mut windows) {
                (Span::Input(range), [window, _]) => (range, window, false),
                (Span::Arena(range), [_, window]) => (range, window, true),
            };
            match changes_text {
                false => {
                    pass.value(row, range, window, in_arena);
                }
                true => pass.changing(row, range, window, in_arena),
            }
        }
        let Pass {
            sink,
            report,
            trace,
            rest,
            ..
        } = pass;
        let (mut columns, arena) = sink.finish();
        if let Some(name) = &self.trace {
            columns.push((Field::new(name), trace));
        }
        if changes_text {
            columns.push((column.field().clone(), rest));
        }
        Some((report, columns, arena))
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
    fn reach(&mut self, start: usize, end: usize, kernel: Chosen) {
        if start < self.start || end > self.end {
            self.start = start;
            self.end = end.max(start + WINDOW).min(self.text.len());
            let text = self.text.get(self.start..self.end).unwrap_or_default();
            self.index.read(kernel, text);
        }
    }
}

/// A column that is being cleaned.
struct Pass<'c, S> {
    cleaner: &'c Cleaner,
    sink: S,
    report: CleanReport,
    scratch: Scratch,
    texts: [Vec<u8>; 2],
    own_index: Index,
    /// Stack traces.
    trace: ColumnBuilder,
    /// What stays of the column.
    rest: ColumnBuilder,
}

impl<S: Sink> Pass<'_, S> {
    /// A value that is in the batch. Returns where its document is, if it has one.
    #[inline(always)]
    fn value(
        &mut self,
        row: usize,
        range: Range<usize>,
        window: &mut Window<'_>,
        in_arena: bool,
    ) -> Option<Range<usize>> {
        let rules = &self.cleaner.rules;
        window.reach(range.start, range.end, rules.kernel);
        let base = window.start;
        let text = Text {
            bytes: window.text.get(base..).unwrap_or_default(),
            index: &window.index,
            end: range.end - base,
        };
        let source = match in_arena {
            false => Source::Input(base),
            true => Source::Arena(base),
        };
        let first = range.start - base;
        let outcome = examine(
            text,
            first,
            source,
            rules,
            &mut self.scratch,
            &mut self.sink,
        );
        let place = self.take(row, outcome, base, in_arena)?;
        Some(place.start + base..place.end + base)
    }

    /// Counts an outcome and gives what it is to its row.
    #[inline(always)]
    fn take(
        &mut self,
        row: usize,
        outcome: Outcome,
        base: usize,
        in_arena: bool,
    ) -> Option<Range<usize>> {
        let Self { sink, report, .. } = self;
        match outcome {
            Outcome::Plain => {
                report.plain += 1;
                None
            }
            Outcome::Json(place) => {
                report.json += 1;
                let range = base + place.start..base + place.end;
                let span = match in_arena {
                    false => Span::Input(range),
                    true => Span::Arena(range),
                };
                sink.commit(row, Some(span), report);
                Some(place)
            }
            Outcome::Repaired(place, repairs) => {
                report.note_repairs(repairs);
                sink.commit(row, None, report);
                Some(place)
            }
            Outcome::Xml(place) => {
                report.xml += 1;
                sink.commit(row, None, report);
                Some(place)
            }
            Outcome::Refused(refused) => {
                report.note_refusal(refused.reason);
                None
            }
        }
    }

    /// A value that may change itself.
    fn changing(
        &mut self,
        row: usize,
        range: Range<usize>,
        window: &mut Window<'_>,
        in_arena: bool,
    ) {
        let value = window.text.get(range.clone()).unwrap_or_default();
        let [out, help] = &mut self.texts;
        let report = &mut self.report;
        let note = |change| report.note_change(change);
        let changed = self.cleaner.text.clean(value, out, help, note);
        let out = std::mem::take(out);
        let value = if changed { out.as_slice() } else { value };
        let trace = match self.cleaner.trace {
            Some(_) => stack_trace(value),
            None => None,
        };
        // The line without its ending.
        let len = trace.map_or(value.len(), |at| {
            let line = value.get(..at - 1).unwrap_or_default();
            line.len() - usize::from(line.ends_with(b"\r"))
        });
        let (start, in_arena) = match changed {
            true => (self.sink.arena().append(value), true),
            false => (range.start, in_arena),
        };
        if let Some(at) = trace {
            self.report.note_change(TextChange::StackTrace);
            self.trace
                .push_span(row, span(start + at..start + value.len(), in_arena));
        }
        let document = match changed {
            false => self.value(row, start..start + len, window, in_arena),
            true => self.own(row, value.get(..len).unwrap_or(value), start),
        };
        let document = document.filter(|_| !self.cleaner.keep_document);
        match document {
            None => self.rest.push_span(row, span(start..start + len, in_arena)),
            Some(place) => {
                let (before, after) = (start..place.start, place.end..start + len);
                match (before.is_empty(), after.is_empty()) {
                    (_, true) => self.rest.push_span(row, span(before, in_arena)),
                    (true, _) => self.rest.push_span(row, span(after, in_arena)),
                    _ => self.rest.push_with(row, |arena| {
                        for part in [before, after] {
                            let part = part.start - start..part.end - start;
                            arena.extend_from_slice(value.get(part).unwrap_or_default());
                        }
                    }),
                }
            }
        }
        let [slot, _] = &mut self.texts;
        *slot = out;
    }

    /// A value that was changed, and will be at `start` of the arena.
    fn own(&mut self, row: usize, value: &[u8], start: usize) -> Option<Range<usize>> {
        let rules = &self.cleaner.rules;
        self.own_index.read(rules.kernel, value);
        let text = Text {
            bytes: value,
            index: &self.own_index,
            end: value.len(),
        };
        let source = Source::Arena(start);
        let outcome = examine(text, 0, source, rules, &mut self.scratch, &mut self.sink);
        let place = self.take(row, outcome, start, true)?;
        Some(place.start + start..place.end + start)
    }
}

fn span(range: Range<usize>, in_arena: bool) -> Span {
    match in_arena {
        false => Span::Input(range),
        true => Span::Arena(range),
    }
}
