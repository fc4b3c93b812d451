//! One column.

use std::sync::Arc;

use arrow_array::Array;
use pyo3::{
    exceptions::PyIndexError,
    prelude::*,
    types::{PyList, PySlice},
};

use crate::{
    data::Data,
    unmatched::signed_index,
    value::{type_name, value},
};

/// A column of a table: a sequence of its values, which are made when they are asked for.
///
/// >>> import opsbox
/// >>> table = opsbox.Parser("logfmt", fields=["n"], types={"n": "integer"}).parse(b"n=1\nn=2\n")
/// >>> table["n"].to_list(), sum(table["n"])
/// ([1, 2], 3)
#[pyclass(module = "opsbox", frozen, sequence)]
pub(crate) struct Column {
    /// With this column alone.
    data: Arc<Data>,
}

impl Column {
    /// Of data that has one column.
    pub(crate) fn new(data: Data) -> Self {
        Self {
            data: Arc::new(data),
        }
    }

    fn at<'py>(&self, py: Python<'py>, row: usize) -> PyResult<Bound<'py, PyAny>> {
        let located = self.data.locate(row);
        let found = located.and_then(|(piece, row)| Some((self.data.piece(piece)?, row)));
        match found {
            Some((batch, row)) => value(py, batch.column(0), row),
            None => Err(PyIndexError::new_err("row out of range")),
        }
    }
}

#[pymethods]
impl Column {
    /// The name.
    #[getter]
    fn name(&self) -> &str {
        self.data.column_names().next().unwrap_or_default()
    }

    /// The type: text, integer, float, boolean, timestamp or category.
    #[getter]
    fn r#type(&self) -> &'static str {
        let fields = self.data.schema().fields();
        fields
            .first()
            .map_or("text", |it| type_name(it.data_type()))
    }

    /// The number of rows without a value.
    #[getter]
    fn null_count(&self) -> usize {
        let batches = self.data.batches();
        batches.map(|batch| batch.column(0).null_count()).sum()
    }

    fn __len__(&self) -> usize {
        self.data.rows()
    }

    fn __getitem__<'py>(&self, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = index.py();
        if let Ok(slice) = index.cast::<PySlice>() {
            let indices = slice.indices(self.data.rows().cast_signed())?;
            if indices.step == 1 {
                let start = indices.start.unsigned_abs();
                let data = self.data.slice(start..start + indices.slicelength);
                return Ok(Bound::new(py, Self::new(data))?.into_any());
            }
            let values = PyList::empty(py);
            let mut at = indices.start;
            for _ in 0..indices.slicelength {
                values.append(self.at(py, at.unsigned_abs())?)?;
                at += indices.step;
            }
            return Ok(values.into_any());
        }
        let row = signed_index(index.extract()?, self.data.rows())
            .ok_or_else(|| PyIndexError::new_err("row out of range"))?;
        self.at(py, row)
    }

    fn __iter__(&self) -> Values {
        Values {
            data: Arc::clone(&self.data),
            piece: 0,
            row: 0,
        }
    }

    /// The values as a list.
    fn to_list<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for batch in self.data.batches() {
            for row in 0..batch.num_rows() {
                list.append(value(py, batch.column(0), row)?)?;
            }
        }
        Ok(list)
    }

    fn __repr__(&self) -> String {
        format!(
            "<opsbox.Column {:?}: {} rows of {}>",
            self.name(),
            self.data.rows(),
            self.r#type()
        )
    }
}

/// The values of a column, one after the other.
#[pyclass(module = "opsbox")]
pub(crate) struct Values {
    data: Arc<Data>,
    piece: usize,
    row: usize,
}

#[pymethods]
impl Values {
    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        loop {
            let Some(batch) = self.data.piece(self.piece) else {
                return Ok(None);
            };
            if self.row < batch.num_rows() {
                let value = value(py, batch.column(0), self.row)?;
                self.row += 1;
                return Ok(Some(value));
            }
            self.piece += 1;
            self.row = 0;
        }
    }
}
