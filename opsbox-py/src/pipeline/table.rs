//! The columns of a pipeline, without writing them.
//!
//! They have nothing of the input: what was masked or dropped may not be there any more.

use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
};

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions,
    TimestampMicrosecondArray, builder::StringViewBuilder,
};
use arrow_schema::{ArrowError, Field, Schema};
use bytes::Bytes;
use opsbox_log::{
    Batch, Column, Error,
    pipeline::Pipeline,
    types::{Type, Values},
};
use pyo3::prelude::*;

use crate::{
    data::{ColumnInvalid, Data, Mark, Places},
    error::{OpsboxError, exception},
    export::arrow_error,
    job::Done,
    limits::INLINE_BYTES,
    run::wait,
    turns::Turn,
    union::unite,
    years::table_within,
};

/// An input with all stages done. A large one is worked on by a thread, so that signals are seen.
pub(super) fn parts(
    py: Python<'_>,
    pipeline: &Arc<Mutex<Pipeline>>,
    turn: Turn,
    input: Bytes,
) -> PyResult<Vec<Done>> {
    let input_is_small = input.len() <= INLINE_BYTES;
    let turn = match input_is_small {
        true => turn,
        false => turn.for_worker(),
    };
    let work = move |pipeline: &Mutex<Pipeline>| {
        let _turn = turn;
        let mut pipeline = pipeline.lock().unwrap_or_else(PoisonError::into_inner);
        part(&mut pipeline, &input)
    };
    let done = match input_is_small {
        true => py.detach(|| work(pipeline)),
        false => in_thread(py, Arc::clone(pipeline), work)?,
    };
    Ok(vec![done.map_err(|error| exception(py, error))?])
}

fn in_thread(
    py: Python<'_>,
    pipeline: Arc<Mutex<Pipeline>>,
    work: impl FnOnce(&Mutex<Pipeline>) -> Result<Done, Error> + Send + 'static,
) -> PyResult<Result<Done, Error>> {
    let (sender, receiver) = mpsc::channel();
    let receiver = Mutex::new(receiver);
    // Nobody may wait for it any more when it is done.
    thread::Builder::new()
        .name("opsbox-pipeline".into())
        .spawn(move || drop(sender.send(work(&pipeline))))
        .map_err(|error| OpsboxError::new_err(format!("cannot start a thread: {error}")))?;
    loop {
        match py.detach(|| wait(&receiver)) {
            Ok(done) => return Ok(done),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => {
                let message =
                    "a thread of the pipeline ended early; please report it with the configuration";
                return Err(OpsboxError::new_err(message));
            }
        }
    }
}

pub(super) fn data(mut parts: Vec<Done>) -> PyResult<Data> {
    let schema = unite(&mut parts).map_err(arrow_error)?;
    let schema = schema.unwrap_or_else(|| Arc::new(Schema::empty()));
    Ok(Data::new(parts, schema, true))
}

fn part(pipeline: &mut Pipeline, input: &[u8]) -> Result<Done, Error> {
    let mut batch = pipeline.parser().parse(Cow::Borrowed(input));
    pipeline.apply(&mut batch)?;
    let places = Places::records(&batch, 1, 0);
    let mut marks = Mark::all(&batch, &places, 1, 0, 0);
    // What the lines say was not masked.
    marks.iter_mut().for_each(|mark| mark.raw = 0..0);
    let (columns, invalid) = columns(&batch)?;
    Ok(Done {
        columns,
        input: None,
        bytes: input.len(),
        places,
        marks,
        lines: batch.line_count() as u64,
        at: None,
        invalid,
    })
}

fn columns(batch: &Batch<Cow<'_, [u8]>>) -> Result<(RecordBatch, Vec<ColumnInvalid>), Error> {
    let mut invalid = Vec::new();
    let mut arrays = Vec::new();
    let mut fields = Vec::new();
    for column in batch.columns() {
        let array = array(&column, &mut invalid)?;
        let name = column.field().name();
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
    let schema = Arc::new(Schema::new(fields));
    let columns = RecordBatch::try_new_with_options(schema, arrays, &options)?;
    let columns = table_within(columns, batch, 1, &mut invalid)?;
    Ok((columns, invalid))
}

fn array(column: &Column<'_>, invalid: &mut Vec<ColumnInvalid>) -> Result<ArrayRef, Error> {
    let data_type = column.field().data_type();
    if matches!(data_type, Type::Text | Type::Category | Type::IpAddr) {
        return Ok(texts(column)?);
    }
    let typed = column.typed()?;
    let array: ArrayRef = match typed.values() {
        Values::Integer(values) => Arc::new(typed.present(values).collect::<Int64Array>()),
        Values::Float(values) => Arc::new(typed.present(values).collect::<Float64Array>()),
        Values::Boolean(values) => Arc::new(typed.present(values).collect::<BooleanArray>()),
        Values::Timestamp(values) => {
            let times = typed.present(values);
            Arc::new(
                times
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            )
        }
        _ => texts(column)?,
    };
    if typed.invalid().count() > 0 {
        let name = column.field().name();
        invalid.push(ColumnInvalid::new(name, typed.invalid(), 1));
    }
    Ok(array)
}

fn texts(column: &Column<'_>) -> Result<ArrayRef, ArrowError> {
    let mut builder = StringViewBuilder::with_capacity(column.len());
    for value in column.iter() {
        match value {
            Some(value) => builder.try_append_value(String::from_utf8_lossy(value))?,
            None => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish()))
}
