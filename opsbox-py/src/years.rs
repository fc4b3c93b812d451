//! Times that Python cannot show.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray, cast::AsArray,
    types::TimestampMicrosecondType,
};
use arrow_schema::ArrowError;
use opsbox_log::{Batch, limits::MAX_INVALID_EXAMPLES, types::Invalid};

use crate::data::{ColumnInvalid, Example};

/// 0001-01-01T00:00:00Z, the first `datetime`, in microseconds since the epoch. The library's last time is Python's.
const FIRST: i64 = -62_135_596_800_000_000;

/// The columns of a batch with null for times of the year 0.
pub(crate) fn table_within<B: AsRef<[u8]>>(
    columns: RecordBatch,
    batch: &Batch<B>,
    line: u64,
    invalid: &mut Vec<ColumnInvalid>,
) -> Result<RecordBatch, ArrowError> {
    let (schema, arrays, rows) = columns.into_parts();
    let mut arrays: Vec<_> = arrays.into_iter().map(Some).collect();
    within(&mut arrays, batch, line, 0, invalid);
    let arrays = arrays.into_iter().flatten().collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema, arrays, &options)
}

/// Puts null for times of the year 0, which are noted: one of them would make its column unreadable.
pub(crate) fn within<B: AsRef<[u8]>>(
    columns: &mut [Option<ArrayRef>],
    batch: &Batch<B>,
    line: u64,
    rows_before: usize,
    invalid: &mut Vec<ColumnInvalid>,
) {
    for (index, column) in columns.iter_mut().enumerate() {
        let times = column
            .as_ref()
            .and_then(|it| it.as_primitive_opt::<TimestampMicrosecondType>());
        let Some(times) = times.filter(|it| it.values().iter().any(|it| *it < FIRST)) else {
            continue;
        };
        let rows: Vec<_> = (0..times.len())
            .filter(|row| times.is_valid(*row) && times.value(*row) < FIRST)
            .collect();
        if let Some(texts) = batch.columns().nth(index).filter(|_| !rows.is_empty()) {
            let examples = rows.iter().take(MAX_INVALID_EXAMPLES).map(|&row| Example {
                row,
                line: texts.line_number(row).unwrap_or(line) + 1 - line,
                value: texts.get(row).unwrap_or_default().to_vec(),
                reason: Invalid::OutOfRange.to_string(),
            });
            let noted = ColumnInvalid {
                column: texts.field().name().to_owned(),
                reasons: vec![(Invalid::OutOfRange.to_string(), rows.len())],
                examples: examples.collect(),
            };
            noted.add_to(invalid, rows_before);
        }
        let kept = times.iter().map(|it| it.filter(|it| *it >= FIRST));
        let kept: TimestampMicrosecondArray = kept.collect();
        *column = Some(Arc::new(kept.with_data_type(times.data_type().clone())));
    }
}
