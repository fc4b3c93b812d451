//! Tables and batches.

use std::sync::Arc;

use arrow_array::RecordBatch;
use pyo3::{
    exceptions::{PyIndexError, PyKeyError, PyOverflowError, PyTypeError, PyValueError},
    prelude::*,
    types::{PyCapsule, PyDict, PyList, PySlice, PyString, PyTuple},
};

use crate::{
    column::Column,
    data::{ColumnInvalid, Data},
    export::{
        TableReader, array_capsules, arrow_error, cast_schema, requested, schema_capsule,
        stream_capsule,
    },
    limits::{SHOWN_CHARS, SHOWN_ROWS},
    record::{Record, Records},
    strings::{Strings, cast},
    unmatched::{UnmatchedLines, escape, signed_index},
    value::{type_name, value},
};

/// What tables and batches have in common: rows, columns, and the lines that do not fit.
#[pyclass(module = "opsbox", frozen, subclass, mapping)]
pub(crate) struct Rows {
    data: Arc<Data>,
}

/// The rows and the unmatched lines of one input.
///
/// It speaks the Arrow PyCapsule interface: polars.DataFrame(table), pyarrow.table(table) and
/// duckdb take it. Each column of text is a string view whose data buffer is the input itself; text that is
/// not UTF-8 has U+FFFD in place of the bad bytes.
///
/// >>> import opsbox
/// >>> table = opsbox.Parser("logfmt").parse(b"level=info n=3\nlevel=warn n=4\noops=\n=\n")
/// >>> len(table), table[0]["level"], table["n"].to_list(), table[1:3]["level"].to_list()
/// (3, 'info', ['3', '4', None], ['warn', None])
/// >>> [(line.line, line.reason) for line in table.unmatched]
/// [(4, 'not logfmt at byte 0: a value without a key')]
#[pyclass(module = "opsbox", frozen, extends = Rows)]
pub(crate) struct Table;

/// Some rows of an input that is read bit by bit.
///
/// As a table, but with the Arrow PyCapsule interface for one batch: pyarrow.record_batch(batch) takes it, and
/// polars.DataFrame(batch).
#[pyclass(module = "opsbox", frozen, extends = Rows)]
pub(crate) struct Batch;

/// Which of the two.
#[derive(Clone, Copy)]
enum Kind {
    Table,
    Batch,
}

pub(crate) fn table(py: Python<'_>, data: Data) -> PyResult<Bound<'_, PyAny>> {
    rows(py, Kind::Table, data)
}

pub(crate) fn batch(py: Python<'_>, data: Data) -> PyResult<Bound<'_, PyAny>> {
    rows(py, Kind::Batch, data)
}

fn rows(py: Python<'_>, kind: Kind, data: Data) -> PyResult<Bound<'_, PyAny>> {
    let rows = Rows {
        data: Arc::new(data),
    };
    let rows = PyClassInitializer::from(rows);
    Ok(match kind {
        Kind::Table => Bound::new(py, rows.add_subclass(Table))?.into_any(),
        Kind::Batch => Bound::new(py, rows.add_subclass(Batch))?.into_any(),
    })
}

fn kind_of(this: &Bound<'_, Rows>) -> Kind {
    match this.is_instance_of::<Batch>() {
        true => Kind::Batch,
        false => Kind::Table,
    }
}

impl Rows {
    fn column(&self, name: &Bound<'_, PyString>) -> PyResult<usize> {
        self.data.column_index(name).ok_or_else(|| {
            let names: Vec<_> = self.data.column_names().collect();
            PyKeyError::new_err(format!(
                "there is no column {name:?}; the columns are {}",
                names.join(", ")
            ))
        })
    }

    fn with_columns<'py>(
        this: &Bound<'py, Self>,
        columns: &[usize],
    ) -> PyResult<Bound<'py, PyAny>> {
        let data = this.get().data.project(columns).map_err(arrow_error)?;
        rows(this.py(), kind_of(this), data)
    }
}

#[pymethods]
impl Rows {
    fn __len__(&self) -> usize {
        self.data.rows()
    }

    /// A column by its name, a row by its number, some rows by a slice, some columns by a list of names.
    fn __getitem__<'py>(
        this: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, rows_of) = (this.py(), this.get());
        if let Ok(name) = key.cast::<PyString>() {
            let column = rows_of.column(name)?;
            let data = rows_of.data.project(&[column]).map_err(arrow_error)?;
            return Ok(Bound::new(py, Column::new(data))?.into_any());
        }
        if let Ok(slice) = key.cast::<PySlice>() {
            let indices = slice.indices(rows_of.data.rows().cast_signed())?;
            if indices.step != 1 {
                let message = "a slice of rows has no step; take every n-th row of a DataFrame";
                return Err(PyValueError::new_err(message));
            }
            let start = indices.start.unsigned_abs();
            let data = rows_of.data.slice(start..start + indices.slicelength);
            return rows(py, kind_of(this), data);
        }
        if let Ok(names) = key.cast::<PyList>() {
            let columns = names.iter().map(|name| {
                let name = name.cast_into::<PyString>().map_err(PyErr::from)?;
                rows_of.column(&name)
            });
            return Self::with_columns(this, &columns.collect::<PyResult<Vec<_>>>()?);
        }
        if let Err(error) = key.extract::<isize>()
            && error.is_instance_of::<PyOverflowError>(py)
        {
            let len = rows_of.data.rows();
            return Err(PyIndexError::new_err(format!(
                "there is no row {key} of {len}"
            )));
        }
        let Ok(row) = key.extract::<isize>() else {
            return Err(PyTypeError::new_err(format!(
                "a table is indexed by the name of a column, a list of names, a number of a row or a slice, not {}",
                key.get_type().name()?
            )));
        };
        let len = rows_of.data.rows();
        let located = signed_index(row, len).and_then(|row| rows_of.data.locate(row));
        let (piece, row) = located
            .ok_or_else(|| PyIndexError::new_err(format!("there is no row {row} of {len}")))?;
        Ok(Bound::new(py, Record::new(&rows_of.data, piece, row))?.into_any())
    }

    fn __contains__(&self, name: &Bound<'_, PyAny>) -> bool {
        let name = name.cast::<PyString>().ok();
        name.is_some_and(|name| self.data.column_index(name).is_some())
    }

    fn __iter__(&self) -> Records {
        Records::new(&self.data)
    }

    /// The rows one by one, as mappings that are made when they are asked for.
    fn records(&self) -> Records {
        Records::new(&self.data)
    }

    /// The names of the columns.
    #[getter]
    fn column_names<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.data.names(py).iter().map(|name| name.bind(py)))
    }

    /// The columns with their types: text, integer, float, boolean, timestamp or category.
    #[getter]
    fn schema<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let schema = PyDict::new(py);
        let fields = self.data.schema().fields().iter();
        for (name, field) in self.data.names(py).iter().zip(fields) {
            schema.set_item(name, type_name(field.data_type()))?;
        }
        Ok(schema)
    }

    /// Rows and columns.
    #[getter]
    fn shape(&self) -> (usize, usize) {
        (self.data.rows(), self.data.schema().fields().len())
    }

    /// The number of lines: rows and unmatched lines together.
    #[getter]
    fn line_count(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.data.line_count())
    }

    /// The number of lines that do not fit the format.
    #[getter]
    fn unmatched_count(&self) -> usize {
        self.data.unmatched_count()
    }

    /// The lines that do not fit the format, in their order. None of them with on_error="skip", which counts them.
    #[getter]
    fn unmatched(&self) -> UnmatchedLines {
        UnmatchedLines::new(&self.data)
    }

    /// The values that are null because they do not fit their column's type, of each column that has some.
    #[getter]
    fn invalid(&self) -> Vec<InvalidValues> {
        let invalid = self.data.invalid().iter();
        invalid.map(|it| InvalidValues(it.clone())).collect()
    }

    /// The same rows with text of their own, so that the input is free: for who keeps some rows of many, or sends them
    /// to another process.
    ///
    /// >>> import opsbox
    /// >>> table = opsbox.Parser("logfmt").parse(b"n=1\nn=2\n" * 1000)
    /// >>> few = table[:1].compact()
    /// >>> few[0]["n"], few[0].line, few[0].raw
    /// ('1', 1, None)
    #[pyo3(signature = (*, strings = "view"))]
    fn compact<'py>(this: &Bound<'py, Self>, strings: &str) -> PyResult<Bound<'py, PyAny>> {
        let strings = Strings::named(strings)?;
        let data = &this.get().data;
        let data = this.py().detach(|| data.compact(strings));
        rows(this.py(), kind_of(this), data.map_err(arrow_error)?)
    }

    /// A polars.DataFrame over the same bytes.
    fn to_polars<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        this.py()
            .import("polars")?
            .call_method1("DataFrame", (this,))
    }

    /// A pyarrow.Table: over the same bytes with strings="view", which few of pyarrow's functions take; copied to
    /// strings that all of them take with "utf8" or "large_utf8".
    #[pyo3(signature = (*, strings = "view"))]
    fn to_arrow<'py>(this: &Bound<'py, Self>, strings: &str) -> PyResult<Bound<'py, PyAny>> {
        let py = this.py();
        let pyarrow = py.import("pyarrow")?;
        let from: Bound<'py, PyAny> = match Strings::named(strings)? {
            Strings::View => this.clone().into_any(),
            _ => Self::compact(this, strings)?,
        };
        match kind_of(this) {
            Kind::Table => pyarrow.call_method1("table", (from,)),
            Kind::Batch => {
                let batch = pyarrow.call_method1("record_batch", (from,))?;
                let batches = PyList::new(py, [batch])?;
                pyarrow
                    .getattr("Table")?
                    .call_method1("from_batches", (batches,))
            }
        }
    }

    /// A pandas.DataFrame with columns of pyarrow's types. Text is copied: pandas works on few views.
    fn to_pandas<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = this.py();
        let types = py.import("pandas")?.getattr("ArrowDtype")?;
        let options = PyDict::new(py);
        options.set_item("types_mapper", types)?;
        Self::to_arrow(this, "large_utf8")?.call_method("to_pandas", (), Some(&options))
    }

    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_schema__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let wanted = requested(self.data.schema(), requested_schema.as_ref())?;
        let schema = cast_schema(self.data.schema(), wanted.as_deref()).map_err(arrow_error)?;
        schema_capsule(py, &schema)
    }

    fn __repr__(this: &Bound<'_, Self>) -> String {
        let data = &this.get().data;
        let names: Vec<_> = data.column_names().collect();
        let kind = match kind_of(this) {
            Kind::Table => "Table",
            Kind::Batch => "Batch",
        };
        format!(
            "<opsbox.{kind}: {} rows, {} unmatched lines, columns {}>",
            data.rows(),
            data.unmatched_count(),
            names.join(", ")
        )
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        let mut html = String::from("<table><thead><tr>");
        for name in self.data.column_names() {
            html.push_str("<th>");
            push_html(name.as_bytes(), &mut html);
            html.push_str("</th>");
        }
        html.push_str("</tr></thead><tbody>");
        for row in 0..self.data.rows().min(SHOWN_ROWS) {
            html.push_str("<tr>");
            let located = self.data.locate(row);
            let found = located.and_then(|(piece, row)| Some((self.data.piece(piece)?, row)));
            let Some((batch, row)) = found else { continue };
            for column in batch.columns() {
                html.push_str("<td>");
                let value = value(py, column, row)?;
                if !value.is_none() {
                    push_html(value.str()?.to_str()?.as_bytes(), &mut html);
                }
                html.push_str("</td>");
            }
            html.push_str("</tr>");
        }
        html.push_str(&format!(
            "</tbody></table><p>{} rows, {} unmatched lines</p>",
            self.data.rows(),
            self.data.unmatched_count()
        ));
        Ok(html)
    }
}

/// Text of a log in a page: as text, whatever it says.
fn push_html(text: &[u8], html: &mut String) {
    let mut shown = String::new();
    escape(text, SHOWN_CHARS, &mut shown);
    for character in shown.chars() {
        match character {
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '&' => html.push_str("&amp;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
}

#[pymethods]
impl Table {
    /// The columns as a stream of batches. Text is written as the requested schema has it.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        this: &Bound<'py, Self>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let data = &this.as_super().get().data;
        let wanted = requested(data.schema(), requested_schema.as_ref())?;
        let reader = TableReader::new(data, wanted).map_err(arrow_error)?;
        stream_capsule(this.py(), reader)
    }

    /// The parts that the table is made of, as batches.
    fn to_batches<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyList>> {
        let py = this.py();
        let batches = this.as_super().get().data.split();
        let batches = batches.into_iter().map(|data| batch(py, data));
        PyList::new(py, batches.collect::<PyResult<Vec<_>>>()?)
    }
}

#[pymethods]
impl Batch {
    /// The columns as one array of structs. Text is written as the requested schema has it.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        this: &Bound<'py, Self>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let data = &this.as_super().get().data;
        let wanted = requested(data.schema(), requested_schema.as_ref())?;
        let columns = match data.piece(0) {
            Some(columns) => columns.clone(),
            None => RecordBatch::new_empty(Arc::clone(data.schema())),
        };
        let columns = match wanted {
            Some(wanted) => this
                .py()
                .detach(|| cast(&columns, &wanted))
                .map_err(arrow_error)?,
            None => columns,
        };
        array_capsules(this.py(), columns)
    }
}

/// Values of a column that do not fit its type. They are null in the table.
#[pyclass(module = "opsbox", frozen)]
pub(crate) struct InvalidValues(ColumnInvalid);

#[pymethods]
impl InvalidValues {
    /// The column.
    #[getter]
    fn column(&self) -> &str {
        &self.0.column
    }

    /// How many there are.
    #[getter]
    fn count(&self) -> usize {
        self.0.count()
    }

    /// How many there are for each reason.
    #[getter]
    fn reasons<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let reasons = PyDict::new(py);
        for (reason, count) in &self.0.reasons {
            reasons.set_item(reason, count)?;
        }
        Ok(reasons)
    }

    /// The first of them: line, value, reason.
    #[getter]
    fn examples(&self) -> Vec<(u64, std::borrow::Cow<'_, [u8]>, &str)> {
        let examples = self.0.examples.iter();
        examples
            .map(|it| (it.line, it.value.as_slice().into(), it.reason.as_str()))
            .collect()
    }

    fn __repr__(&self) -> String {
        format!(
            "<opsbox.InvalidValues {:?}: {} values>",
            self.0.column,
            self.0.count()
        )
    }
}
