//! Arrow arrays: the text of each value, and what Arrow itself asks of an array.

use std::sync::OnceLock;

use arrow_array::{Array, cast::AsArray};
use bytes::Bytes;
use opsbox_log::{
    Batch, Format, Kernel, Parser,
    export::arrow::{record_batch, typed_record_batch},
    types::TimeContext,
};

use super::{input::Input, rows::rows, scan};

fn formats() -> &'static [Format] {
    static FORMATS: OnceLock<Vec<Format>> = OnceLock::new();
    FORMATS.get_or_init(|| {
        let mut formats = vec![
            // Any bytes, cut at any place: inside a character too.
            Format::pattern(r"(?P<a>.{0,12}?)\|(?P<b>.{13})(?P<c>.*)|(?P<c[or]>[^|]*)").unwrap(),
            Format::pattern(r"(?P<a>[^|]*)(?:\|(?P<b>[^|]*))?(?:\|(?P<c>.*))?").unwrap(),
            Format::pattern(r"(?P<a>.)(?P<b>.?)(?P<c>.*)").unwrap(),
        ];
        formats.extend_from_slice(scan::formats());
        formats
    })
}

pub fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let (format, size) = input.one_of_and_size(formats());
    let kernels: Vec<_> = Kernel::ALL
        .into_iter()
        .filter(|it| it.is_available())
        .collect();
    let kernel = *input.one_of(&kernels);
    // Views count from the batch's bytes, which may be a part of others.
    let skipped = usize::from(input.byte() % 4);
    let log = Bytes::from(input.log(scan::examples(), size));
    let log = log.slice(skipped.min(log.len())..);
    let batch = Parser::new(format.clone()).kernel(kernel).parse(log);
    rows(&batch);
    check(&batch);
}

fn check(batch: &Batch<Bytes>) {
    let Ok(table) = record_batch(batch) else {
        panic!("{} rows are refused", batch.len());
    };
    assert_eq!(table.num_rows(), batch.len());
    assert_eq!(table.num_columns(), batch.fields().len());
    for (column, array) in batch.columns().zip(table.columns()) {
        array.to_data().validate_full().unwrap();
        let views = array.as_string_view();
        for (row, value) in column.iter().enumerate() {
            let view = (!views.is_null(row)).then(|| views.value(row));
            let text = value.map(String::from_utf8_lossy);
            assert_eq!(view, text.as_deref(), "{:?}, row {row}", column.field());
        }
    }
    let typed = typed_record_batch(batch, TimeContext::new()).unwrap();
    assert_eq!(typed.table().num_rows(), batch.len());
    for array in typed.table().columns() {
        array.to_data().validate_full().unwrap();
    }
}
