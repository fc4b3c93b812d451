//! Parts with columns of their own, as one.

use std::{collections::HashMap, sync::Arc};

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{ArrowError, FieldRef, Schema, SchemaRef};

use crate::{
    job::Done,
    limits::{MAX_UNION_BYTES_PER_INPUT_BYTE, UNION_BYTES_ALLOWANCE},
};

/// Gives all parts the columns of all, in the order in which they first come; those that a part has not are null there.
pub(crate) fn unite(parts: &mut [Done]) -> Result<Option<SchemaRef>, ArrowError> {
    let Some(first) = parts.first() else {
        return Ok(None);
    };
    let first = first.columns.schema();
    if parts.iter().all(|part| *part.columns.schema_ref() == first) {
        return Ok(Some(first));
    }
    let mut fields: Vec<FieldRef> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for part in &*parts {
        for field in part.columns.schema_ref().fields() {
            known.entry(field.name().clone()).or_insert_with(|| {
                fields.push(Arc::clone(field));
                fields.len() - 1
            });
        }
    }
    let input: usize = parts.iter().map(|part| part.bytes).sum();
    let absent = parts.iter().map(|part| {
        let absent = fields.len() - part.columns.num_columns();
        part.columns
            .num_rows()
            .saturating_mul(absent)
            .saturating_mul(16)
    });
    let absent: usize = absent.fold(0, usize::saturating_add);
    let allowed = input
        .saturating_mul(MAX_UNION_BYTES_PER_INPUT_BYTE)
        .saturating_add(UNION_BYTES_ALLOWANCE);
    if absent > allowed {
        return Err(ArrowError::InvalidArgumentError(format!(
            "{} columns, most of them empty, would take {absent} bytes for an input of {input}; name \
             the columns with fields=, or use scan",
            fields.len()
        )));
    }
    let schema = Arc::new(Schema::new(fields));
    for part in parts {
        let columns = schema.fields().iter().map(|field| -> ArrayRef {
            match part.columns.column_by_name(field.name()) {
                Some(column) => Arc::clone(column),
                None => new_null_array(field.data_type(), part.columns.num_rows()),
            }
        });
        let columns: Vec<_> = columns.collect();
        let options = RecordBatchOptions::new().with_row_count(Some(part.columns.num_rows()));
        part.columns = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options)?;
    }
    Ok(Some(schema))
}
