//! Records of several lines.

use std::ops::Range;

use super::engine::Tokenizer;
use crate::{
    batch::Block,
    frame::Lines,
    multiline::{Before, Multiline},
    unmatched::Reason,
};

/// A record as it is put together from lines.
struct Record {
    /// Its first line.
    first: Range<usize>,
    /// Where its text ends: empty lines after that are left out.
    end: usize,
    lines: u32,
    /// A further line did not fit in.
    is_full: bool,
}

impl Tokenizer<'_> {
    /// Writes the records of whole lines from `from` on.
    pub(super) fn records(
        &mut self,
        rule: &Multiline,
        input: &[u8],
        from: usize,
        mut before: Before,
        block: &mut Block,
    ) -> Before {
        let limit = self.options.line_limit as u64;
        let mut open: Option<Record> = None;
        for line in Lines::new(input, from) {
            if self.begins(input, line.clone()) {
                if let Some(record) = open.take() {
                    self.record(rule, input, &record, block);
                }
                if self.len(&line) > limit {
                    self.overlong(input, line.start, self.len(&line), block);
                    block.end_record(self.options.line_limit, 1);
                    before = Before::Full;
                } else {
                    open = Some(Record {
                        end: line.end,
                        first: line,
                        lines: 1,
                        is_full: false,
                    });
                }
                continue;
            }
            if let Some(mut record) = open.take() {
                let len = (line.start - record.first.start) as u64 + self.len(&line);
                if record.lines < rule.line_limit() && len <= limit {
                    record.lines += 1;
                    if !line.is_empty() {
                        record.end = line.end;
                    }
                    open = Some(record);
                    continue;
                }
                record.is_full = true;
                self.record(rule, input, &record, block);
                before = Before::Full;
            }
            let reason = match before {
                // What is there of an over-long line may look empty.
                _ if self.len(&line) == 0 => Reason::Empty,
                Before::Nothing => Reason::NoRecord,
                Before::Full => Reason::RecordFull {
                    max_lines: rule.line_limit(),
                    max_bytes: self.options.line_limit,
                },
            };
            block.reject(line.start, self.len(&line), reason);
            block.end_record(0, 1);
        }
        if let Some(record) = open {
            self.record(rule, input, &record, block);
        }
        before
    }

    /// Writes a record that is within the limits.
    fn record(&mut self, rule: &Multiline, input: &[u8], record: &Record, block: &mut Block) {
        let Range { start, end } = record.first;
        let len = record.end - start;
        let spans_lines = record.end > end;
        let text = match rule.is_whole() {
            true => input.get(start..record.end),
            false => input.get(start..end),
        };
        let text = text.unwrap_or_default();
        match self.cells(text, spans_lines && rule.is_whole(), block) {
            Ok(()) => {
                if spans_lines && !rule.is_whole() && self.pattern().is_some() {
                    block.extend_last(end - start, len);
                }
                if record.is_full {
                    block.cut(len as u64);
                }
                block.commit(start);
            }
            Err(_) if len == 0 => block.reject(start, 0, Reason::Empty),
            Err(reason) => block.reject(start, len as u64, reason),
        }
        block.end_record(len, record.lines);
    }

    /// Whether a line begins a record. Of an over-long one the bytes within the limit decide.
    pub(super) fn begins(&mut self, input: &[u8], line: Range<usize>) -> bool {
        let Some(rule) = &self.options.multiline else {
            return true;
        };
        let len = self.len(&line).min(self.options.line_limit as u64);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let text = line.start..line.start.saturating_add(len);
        let limit = self.options.line_limit;
        rule.begins(input, self.from, text, limit, &mut self.starts)
    }
}
