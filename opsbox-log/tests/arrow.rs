//! Columns of views say what the batch says, from any kind of text, in fresh memory and in used.
#![cfg(feature = "arrow")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use arrow_array::{Array, RecordBatch, cast::AsArray};
use bytes::Bytes;
use opsbox_log::{
    Batch, BatchMemory, Format, Parser,
    export::arrow::{record_batch, record_batch_in, recycle},
};
use proptest::prelude::*;

/// As many cases as asked for here, or by `PROPTEST_CASES` if that is more.
fn cases(at_least: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(at_least),
        failure_persistence: None,
        ..default
    }
}

fn assert_same(table: &RecordBatch, batch: &Batch<Bytes>) {
    assert_eq!(table.num_rows(), batch.len());
    for (at, (array, column)) in table.columns().iter().zip(batch.columns()).enumerate() {
        let array = array.as_string_view();
        for row in 0..batch.len() {
            let value = array.is_valid(row).then(|| array.value(row));
            let expected = column.get(row).map(String::from_utf8_lossy);
            assert_eq!(value, expected.as_deref(), "column {at}, row {row}");
        }
    }
}

/// Five words of which the last may be absent, with lengths around what a view holds itself and what
/// is near the beginning of a line.
fn line() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        12 => "[a-z0-9]{1,16}",
        1 => (4000_usize..9000).prop_map(|len| "x".repeat(len)),
    ];
    let last = proptest::option::weighted(0.9, "[A-Z]{1,14}");
    (proptest::collection::vec(word, 4), last).prop_map(|(words, last)| {
        let last = last.map(|it| format!(" {it}"));
        words.join(" ") + last.as_deref().unwrap_or_default()
    })
}

fn five_words() -> Format {
    Format::pattern(
        r"(?P<a>[^ ]+) (?P<b>[a-z0-9]+) (?P<c>[a-z0-9]+) (?P<d>[a-z0-9]+)(?: (?P<e>[A-Z]+))?",
    )
    .unwrap()
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn views_are_the_values(
        chunks in proptest::collection::vec(
            (proptest::collection::vec(line(), 0..150), 0_u8..4),
            1..4,
        ),
        threads in 1_usize..3,
    ) {
        let mut memory = BatchMemory::default();
        let parser = Parser::new(five_words()).threads(threads);
        for (lines, kind) in chunks {
            let mut text = lines.join("\n").into_bytes();
            match kind {
                0 => text.extend_from_slice("\né ab cd ef".as_bytes()),
                1 => text.extend_from_slice(b"\nab\xff cd ef gh"),
                _ => {}
            }
            let text = Bytes::from(text);
            let fresh = parser.parse(text.clone());
            let batch = parser.parse_in(text.clone(), &mut memory);
            prop_assert_eq!(batch.len(), fresh.len());
            assert_same(&record_batch(&fresh).unwrap(), &fresh);
            let table = record_batch_in(&batch, &mut memory).unwrap();
            assert_same(&table, &fresh);
            prop_assert_eq!(batch.recycle(&mut memory), text);
            recycle(table, &mut memory);
        }
    }
}

#[test]
fn a_column_that_somebody_has_is_left_to_them() {
    let parser = Parser::new(five_words());
    let mut memory = BatchMemory::default();
    let text = "one two three four FIVE\n".repeat(2000);
    let batch = parser.parse_in(Bytes::from(text), &mut memory);
    let table = record_batch_in(&batch, &mut memory).unwrap();
    let kept = table.column(1).clone();
    recycle(table, &mut memory);
    batch.recycle(&mut memory);

    let next = parser.parse_in(Bytes::from("a b c d\n".repeat(4000)), &mut memory);
    let table = record_batch_in(&next, &mut memory).unwrap();
    assert_same(&table, &next);
    assert!(kept.as_string_view().iter().all(|it| it == Some("two")));
}
