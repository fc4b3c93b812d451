//! The pass over the rows of a column.

use std::ops::Range;

use super::{
    cleaner::Cleaner,
    document::{LONG_BYTES, Outcome, Scratch, examine_by, too_long},
    index::Index,
    report::{CleanReport, TextChange},
    sink::{Nobody, Sink, Source},
    text::stack_trace,
    walk::{Text, walk},
};
use crate::{
    batch::{Column, ColumnBuilder, Span},
    scan::{Simd, Work},
};

/// Bytes that are indexed together: what the nearest cache holds.
const WINDOW: usize = 16 << 10;

/// The rows of a column, and the batch's input and arena.
pub(super) struct Rows<'r, 'c, S> {
    pub(super) pass: &'r mut Pass<'c, S>,
    pub(super) column: Column<'r>,
    pub(super) texts: [&'r [u8]; 2],
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
            let spot = column.spot(row);
            if spot.is_null() {
                continue;
            }
            let (mut in_arena, mut range) = spot.place();
            let mut was_json = changes_text && spot.is_json();
            let [input, arena] = &mut windows;
            let window = if in_arena { arena } else { input };
            if changes_text {
                let value = window.text.get(range.clone()).unwrap_or_default();
                if let Some(start) = pass.clean_text(value) {
                    (range, in_arena) = (start..start + pass.texts.own.len(), true);
                }
                let end = pass.split_trace(row, value, range.clone(), in_arena);
                was_json &= end == range.end;
                range.end = end;
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
                    let sink = &mut pass.sink;
                    let help = (rules, &mut pass.scratch);
                    examine_by(simd, text, first, source, help, sink)
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
                let whole = Value {
                    text: value,
                    range,
                    in_arena,
                    was_json,
                };
                pass.keep_rest(row, whole, place);
            }
        }
    }
}

/// A value without its stack trace. If it was cleaned, its place is that of the cleaned text, and its bytes are not.
struct Value<'t> {
    text: &'t [u8],
    range: Range<usize>,
    in_arena: bool,
    /// Whether the batch had it as JSON.
    was_json: bool,
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
pub(super) struct Pass<'c, S> {
    cleaner: &'c Cleaner,
    pub(super) sink: S,
    pub(super) report: CleanReport,
    scratch: Scratch,
    texts: Texts,
    /// Stack traces.
    pub(super) trace: ColumnBuilder,
    /// What stays of the column.
    pub(super) rest: ColumnBuilder,
}

/// A value whose text was cleaned.
#[derive(Default)]
struct Texts {
    is_changed: bool,
    own: Vec<u8>,
    help: Vec<u8>,
    index: Index,
}

impl Texts {
    /// Whether the cleaned text is an object or an array, and nothing else: of what JSON has besides nothing is cleaned.
    #[cold]
    fn is_json(&self) -> bool {
        let text = Text {
            bytes: &self.own,
            index: &self.index,
            end: self.own.len(),
        };
        let begins = matches!(self.own.first(), Some(b'{' | b'['));
        begins && walk(text, 0, &mut Nobody).is_ok_and(|end| end == self.own.len())
    }
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

impl<'c, S: Sink> Pass<'c, S> {
    pub(super) fn new(cleaner: &'c Cleaner, sink: S) -> Self {
        Self {
            cleaner,
            sink,
            report: CleanReport::default(),
            scratch: Scratch::default(),
            texts: Texts::default(),
            trace: ColumnBuilder::new(),
            rest: ColumnBuilder::new(),
        }
    }

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

    /// Keeps what is left of a value. What was JSON stays so, as long as it is.
    fn keep_rest(&mut self, row: usize, value: Value<'_>, document: Option<Range<usize>>) {
        let Value {
            text: value,
            range,
            in_arena,
            was_json,
        } = value;
        let value = match self.texts.is_changed {
            true => &self.texts.own,
            false => value,
        };
        let Some(place) = document.filter(|_| !self.cleaner.keep_document) else {
            let is_json = was_json && (!self.texts.is_changed || self.texts.is_json());
            let span = span(range, in_arena);
            return match is_json {
                true => self.rest.push_json_span(row, span),
                false => self.rest.push_span(row, span),
            };
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
