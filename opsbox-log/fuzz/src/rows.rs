//! Everything that can be asked of a batch, and what holds for each.

use opsbox_log::{Batch, Kernel, Parser, Reason, Span};

/// A record or an unmatched line.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<'b> {
    pub line_number: u64,
    pub line_count: u64,
    pub offset: u64,
    pub line_bytes: u64,
    pub is_truncated: bool,
    pub raw: &'b [u8],
    pub outcome: Result<Vec<Option<Span>>, Reason>,
}

/// The rows in the order of their lines, once it is sure that each line is in one of them and each
/// value in its line or the arena.
pub fn rows<B: AsRef<[u8]>>(batch: &Batch<B>) -> Vec<Row<'_>> {
    let records = batch.records().map(|record| Row {
        line_number: record.line_number(),
        line_count: record.line_count(),
        offset: record.offset(),
        line_bytes: record.line_bytes(),
        is_truncated: record.is_truncated(),
        raw: record.raw(),
        outcome: Ok((0..batch.fields().len())
            .map(|field| record.span_at(field))
            .collect()),
    });
    let unmatched = batch.unmatched().map(|line| Row {
        line_number: line.line_number(),
        line_count: line.line_count(),
        offset: line.offset(),
        line_bytes: line.line_bytes(),
        is_truncated: false,
        raw: line.raw(),
        outcome: Err(line.reason()),
    });
    let mut rows: Vec<_> = records.chain(unmatched).collect();
    rows.sort_by_key(|row| row.line_number);
    let lines: u64 = rows.iter().map(|row| row.line_count).sum();
    assert_eq!(lines, batch.line_count() as u64, "lines are lost");
    let numbers = rows.windows(2).all(|pair| {
        pair[0].line_number + pair[0].line_count == pair[1].line_number
            && pair[0].offset + pair[0].line_bytes < pair[1].offset
    });
    assert!(numbers, "lines are twice there");
    // A batch of a reader begins elsewhere: what its spans count from is seen from the lines.
    let input = batch.input();
    for record in batch.records() {
        let line = record.raw().as_ptr_range();
        for (index, (field, value)) in record.iter().enumerate() {
            match (value, record.span_at(index)) {
                (None, None) => {}
                (Some(value), Some(Span::Input(range))) => {
                    let at = input[range.clone()].as_ptr_range();
                    assert!(line.start <= at.start && at.end <= line.end, "{field:?}");
                    assert_eq!(value, &input[range], "{field:?}");
                }
                (Some(value), Some(Span::Arena(range))) => {
                    assert_eq!(value, &batch.arena()[range], "{field:?}");
                    assert!(record.raw().contains(&b'\\'), "{field:?} was copied");
                }
                other => panic!("{field:?}: {other:?}"),
            }
        }
    }
    rows
}

/// Asserts that two batches of one input are the same, to the place of each value.
#[track_caller]
pub fn assert_same<B: AsRef<[u8]>>(batch: &Batch<B>, other: &Batch<B>, what: &str) {
    assert_eq!(batch.fields(), other.fields(), "{what}");
    for (row, other) in rows(batch).iter().zip(&rows(other)) {
        assert_eq!(row, other, "{what}");
    }
    assert_eq!(batch.line_count(), other.line_count(), "{what}");
    assert_eq!(batch.arena(), other.arena(), "{what}");
}

/// Parses on every kernel and by the regular expression alone, which all have to say the same.
pub fn parse_everywhere<'l>(parser: &Parser, log: &'l [u8]) -> Batch<&'l [u8]> {
    let by_regex = parser.clone().regex_only(true).parse(log);
    for kernel in Kernel::ALL.into_iter().filter(|it| it.is_available()) {
        let batch = parser.clone().kernel(kernel).parse(log);
        assert_same(&batch, &by_regex, kernel.name());
    }
    by_regex
}
