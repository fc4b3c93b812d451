//! Columns that are set, dropped and renamed after the parse, against a model of plain maps.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;

use opsbox_log::{
    Batch, ColumnBuilder, ErrorKind, Field, Format, Parser, Span, limits, types::Type,
};
use proptest::prelude::*;

const APP: &str =
    "2026-01-02 03:04:05 [INFO] started\n2026-01-02 03:04:06 [ERROR] disk full\noops\n";
const NDJSON: &str =
    "{\"a\":\"1\",\"b\":\"x\\ny\"}\n{\"b\":\"2\",\"c\":\"3\"}\nno\n{\"c\":\"4\"}\n";

fn parse(format: &str, input: &str) -> Batch<Vec<u8>> {
    Parser::new(Format::preset(format).unwrap()).parse(input.as_bytes().to_vec())
}

/// Names and values as the public face gives them, by all its ways.
fn read(batch: &Batch<Vec<u8>>) -> Vec<(String, Vec<Option<Vec<u8>>>)> {
    let owned = |value: Option<&[u8]>| value.map(<[u8]>::to_vec);
    let columns = batch.columns().map(|column| {
        let values: Vec<_> = column.iter().map(owned).collect();
        for (row, value) in values.iter().enumerate() {
            let record = batch.record(row).unwrap();
            assert_eq!(record.get(column.field().name()), value.as_deref());
            let at = batch
                .fields()
                .iter()
                .position(|field| field == column.field());
            assert_eq!(record.get_at(at.unwrap()), value.as_deref());
            assert_eq!(record.span_at(at.unwrap()), column.span(row));
            let bytes = column.span(row).map(|span| match span {
                Span::Input(range) => &batch.input()[range],
                Span::Arena(range) => &batch.arena()[range],
                other => panic!("{other:?}"),
            });
            assert_eq!(bytes, value.as_deref());
        }
        (column.field().name().to_owned(), values)
    });
    columns.collect()
}

#[test]
fn a_column_takes_the_place_of_the_one_of_its_name() {
    let mut batch = parse("app", APP);
    let names = |batch: &Batch<Vec<u8>>| {
        let names = batch.fields().iter().map(|field| field.name().to_owned());
        names.collect::<Vec<_>>()
    };
    let before = names(&batch);
    let mut levels = ColumnBuilder::new();
    levels.push_bytes(1, b"3");
    let field = Field::new("level").with_type(Type::Integer);
    batch.set_column(field, levels).unwrap();
    assert_eq!(names(&batch), before);
    let level = batch.column("level").unwrap();
    assert_eq!(level.iter().collect::<Vec<_>>(), [None, Some(&b"3"[..])]);
    assert_eq!(level.typed().unwrap().as_i64(), Some(&[0, 3][..]));
    assert_eq!(
        batch.record(1).unwrap().get("message"),
        Some(&b"disk full"[..])
    );
    assert_eq!(
        batch.record(1).unwrap().raw(),
        b"2026-01-02 03:04:06 [ERROR] disk full"
    );
    assert_eq!(batch.unmatched().count(), 1);

    assert!(batch.drop_column("level"));
    assert!(!batch.drop_column("level"));
    assert!(batch.column("level").is_none());
    assert!(batch.rename_column("message", "body").unwrap());
    assert!(!batch.rename_column("message", "body").unwrap());
    assert_eq!(batch.record(0).unwrap().text("body").unwrap(), "started");
}

#[test]
fn what_cannot_be_set_leaves_the_batch_as_it_was() {
    let mut batch = parse("app", APP);
    let before = read(&batch);
    let mut long = ColumnBuilder::new();
    long.push_bytes(2, b"there are two rows");
    let cases = [
        (
            batch.set_column(Field::new("x"), long),
            "cannot set column \"x\": it has 3 rows, and the batch 2",
        ),
        (
            batch.set_column(Field::new(""), ColumnBuilder::new()),
            "cannot set column \"\": its name has 0 bytes, and must have 1 to 1024",
        ),
        (
            batch.rename_column("level", "message").map(|_| ()),
            "cannot set column \"level\": there is a column \"message\" already",
        ),
    ];
    for (result, message) in cases {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidColumn);
        assert_eq!(error.to_string(), message);
    }
    assert_eq!(read(&batch), before);
    assert!(batch.arena().is_empty());

    let wide = "é".repeat(limits::MAX_FIELD_NAME_BYTES);
    let error = batch.rename_column("level", &wide).unwrap_err();
    assert!(error.to_string().len() < 2 * limits::MAX_FIELD_NAME_BYTES);
    assert_eq!(read(&batch), before);

    let many =
        (0..limits::MAX_COLUMNS).map(|n| (Field::new(&format!("c{n}")), ColumnBuilder::new()));
    let error = batch.set_columns(many).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("a batch has at most 4096 columns"),
        "{error}"
    );
    assert_eq!(batch.fields().len(), limits::MAX_COLUMNS);
}

#[test]
fn a_column_keeps_the_name_that_the_log_gave_it() {
    let mut batch = parse("ndjson", "{\"\":\"a\",\"b\":\"secret\"}\n");
    let mut values = ColumnBuilder::new();
    values.push_bytes(0, b"c");
    batch.set_column(Field::new(""), values).unwrap();
    assert_eq!(batch.record(0).unwrap().get(""), Some(&b"c"[..]));
    let shown = format!("{batch:?}");
    assert!(
        shown.contains("rows: 1") && !shown.contains("secret"),
        "{shown}"
    );
}

/// What a test does to a batch.
#[derive(Clone, Debug)]
enum Step {
    /// Values of their own for these rows, in this order.
    Set(usize, Vec<(usize, Vec<u8>)>),
    /// The places of another column.
    Copy(usize, usize),
    Same(usize, Vec<u8>),
    Drop(usize),
    Rename(usize, usize),
}

const NAMES: [&str; 7] = ["a", "b", "c", "level", "message", "new", "n.e.w"];
const ROWS: usize = 300;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = || 0..NAMES.len();
    let value = || proptest::collection::vec(any::<u8>(), 0..20);
    let values = proptest::collection::vec((0..ROWS, value()), 0..20);
    let step = prop_oneof![
        (name(), values).prop_map(|(name, values)| Step::Set(name, values)),
        (name(), name()).prop_map(|(from, to)| Step::Copy(from, to)),
        (name(), value()).prop_map(|(name, value)| Step::Same(name, value)),
        name().prop_map(Step::Drop),
        (name(), name()).prop_map(|(from, to)| Step::Rename(from, to)),
    ];
    proptest::collection::vec(step, 0..12)
}

proptest! {
    #[test]
    fn columns_are_as_they_were_set(
        steps in steps(),
        format in prop_oneof![Just(("app", APP)), Just(("ndjson", NDJSON))],
    ) {
        let input = format.1.repeat(ROWS / 2);
        let mut batch = parse(format.0, &input);
        let rows = batch.len();
        let mut model = read(&batch);
        for step in steps {
            let at = |model: &[(String, Vec<_>)], name: &str| model.iter().position(|it| it.0 == name);
            let put = |model: &mut Vec<(String, Vec<_>)>, name: &str, values| match at(model, name) {
                Some(at) => model[at].1 = values,
                None => model.push((name.to_owned(), values)),
            };
            match step {
                Step::Set(name, values) => {
                    let mut builder = ColumnBuilder::new();
                    let mut expected = BTreeMap::new();
                    for (row, value) in values.into_iter().filter(|it| it.0 < rows) {
                        builder.push_bytes(row, &value);
                        expected.insert(row, value);
                    }
                    batch.set_column(Field::new(NAMES[name]), builder).unwrap();
                    put(&mut model, NAMES[name], (0..rows).map(|row| expected.get(&row).cloned()).collect());
                }
                Step::Copy(from, to) => {
                    let Some(column) = batch.column(NAMES[from]) else { continue };
                    let mut builder = ColumnBuilder::with_capacity(rows);
                    for row in 0..rows {
                        if let Some(span) = column.span(row) {
                            builder.push_span(row, span);
                        }
                    }
                    batch.set_column(Field::new(NAMES[to]), builder).unwrap();
                    let values = model[at(&model, NAMES[from]).unwrap()].1.clone();
                    put(&mut model, NAMES[to], values);
                }
                Step::Same(name, value) => {
                    let mut builder = ColumnBuilder::new();
                    builder.push_same(0..rows, &value);
                    batch.set_column(Field::new(NAMES[name]), builder).unwrap();
                    put(&mut model, NAMES[name], vec![Some(value); rows]);
                }
                Step::Drop(name) => {
                    let found = at(&model, NAMES[name]);
                    prop_assert_eq!(batch.drop_column(NAMES[name]), found.is_some());
                    if let Some(at) = found {
                        model.remove(at);
                    }
                }
                Step::Rename(from, to) => {
                    let result = batch.rename_column(NAMES[from], NAMES[to]);
                    match (at(&model, NAMES[from]), at(&model, NAMES[to])) {
                        (None, _) => prop_assert!(!result.unwrap()),
                        (Some(from), Some(to)) if from != to => prop_assert!(result.is_err()),
                        (Some(from), _) => {
                            prop_assert!(result.unwrap());
                            model[from].0 = NAMES[to].to_owned();
                        }
                    }
                }
            }
        }
        prop_assert_eq!(read(&batch), model);
    }
}

#[cfg(feature = "arrow")]
#[test]
fn arrow_has_the_columns_as_they_are_now() {
    use arrow_array::{Array, cast::AsArray};

    let mut batch = parse("ndjson", NDJSON);
    let b = batch.column("b").unwrap();
    let mut copy = ColumnBuilder::new();
    for row in 0..batch.len() {
        if let Some(span) = b.span(row) {
            copy.push_span(row, span);
        }
    }
    let mut own = ColumnBuilder::new();
    own.push_bytes(2, b"longer than the twelve bytes of a view");
    batch
        .set_columns([(Field::new("copy"), copy), (Field::new("c"), own)])
        .unwrap();
    batch.drop_column("b");
    let expected = read(&batch);
    let table = opsbox_log::export::arrow::record_batch(&batch.into()).unwrap();
    let schema = table.schema();
    let columns = schema
        .fields()
        .iter()
        .zip(table.columns())
        .map(|(field, column)| {
            let values = column.as_string_view().iter();
            let values = values.map(|value| value.map(|value| value.as_bytes().to_vec()));
            (field.name().clone(), values.collect::<Vec<_>>())
        });
    assert_eq!(columns.collect::<Vec<_>>(), expected);
    assert_eq!(table.column_by_name("c").unwrap().null_count(), 2);
}
