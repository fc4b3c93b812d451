//! What a parser is told, and the formats that are compiled already.

use std::{
    collections::{BTreeMap, HashMap},
    ops::RangeInclusive,
    sync::{Arc, LazyLock, Mutex},
};

use opsbox_log::{
    Error, Format, Multiline,
    types::{EpochUnit, TimestampFormat, Type},
};
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::{PyDict, PyString},
};

use crate::{
    error::{FormatError, Where, exception, with_place},
    job::{Job, OnError},
    limits::CACHED_FORMATS,
    strings::Strings,
};

/// The arguments of `Parser`, which make it again.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) format: String,
    pub(crate) fields: Option<Vec<String>>,
    pub(crate) types: Types,
    pub(crate) on_error: String,
    pub(crate) threads: Option<usize>,
    pub(crate) max_line_bytes: Option<usize>,
    pub(crate) multiline: Option<String>,
    pub(crate) strings: String,
    pub(crate) strict: bool,
}

/// The types of columns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Types {
    /// As the format says, but for these.
    Of(BTreeMap<String, String>),
    /// All are text.
    Text,
}

impl Types {
    pub(crate) fn extract(types: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let Some(types) = types.filter(|it| !it.is_none()) else {
            return Ok(Self::Of(BTreeMap::new()));
        };
        if let Ok(word) = types.cast::<PyString>() {
            return match word.to_str()? {
                "text" => Ok(Self::Text),
                other => Err(PyValueError::new_err(format!(
                    "types is a mapping of columns to types, or 'text' for all, not {other:?}"
                ))),
            };
        }
        let types = types.py().get_type::<PyDict>().call1((types,));
        let types = types.and_then(|types| types.extract());
        types.map(Self::Of).map_err(|_| {
            PyTypeError::new_err("types is a mapping of columns to types, or 'text' for all")
        })
    }

    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(match self {
            Self::Text => Some(PyString::new(py, "text").into_any()),
            Self::Of(types) if types.is_empty() => None,
            Self::Of(types) => Some(types.into_pyobject(py)?.into_any()),
        })
    }
}

impl Options {
    pub(crate) fn job(&self, py: Python<'_>) -> PyResult<Job> {
        let on_error = match self.on_error.as_str() {
            "keep" => OnError::Keep,
            "skip" => OnError::Skip,
            "raise" => OnError::Raise,
            other => {
                return Err(PyValueError::new_err(format!(
                    "on_error is 'keep', 'skip' or 'raise', not {other:?}"
                )));
            }
        };
        let mut parser = opsbox_log::Parser::new(self.compiled(py)?).strict(self.strict);
        if let Some(bytes) = self.max_line_bytes {
            parser = parser.max_line_bytes(bytes);
        }
        let mut has_records = parser.format().multiline().is_some();
        match self.multiline.as_deref() {
            None => {}
            Some("indented") => {
                parser = parser.multiline(Multiline::indented());
                has_records = true;
            }
            Some("stack_traces") => {
                parser = parser.multiline(Multiline::stack_traces());
                has_records = true;
            }
            Some(other) => {
                return Err(PyValueError::new_err(format!(
                    "multiline is 'indented', 'stack_traces' or None, not {other:?}"
                )));
            }
        }
        let threads = match self.threads {
            None => 1,
            Some(0) => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            Some(threads) => threads.min(opsbox_log::limits::MAX_THREADS),
        };
        if has_records {
            // Windows cannot be shared out; the lines of one can.
            parser = parser.threads(threads);
        }
        Ok(Job {
            parser,
            strings: Strings::named(&self.strings)?,
            on_error,
            threads,
            literals: false,
            multiline: has_records,
            spare: Arc::default(),
        })
    }

    fn compiled(&self, py: Python<'_>) -> PyResult<Format> {
        type Key = (String, Option<Vec<String>>, Types);
        static CACHE: LazyLock<Mutex<HashMap<Key, Format>>> = LazyLock::new(Mutex::default);

        let key = (self.format.clone(), self.fields.clone(), self.types.clone());
        // In a child of a process whose thread held it at that moment, the cache stays locked: then it is not used.
        if let Ok(cache) = CACHE.try_lock()
            && let Some(format) = cache.get(&key)
        {
            return Ok(format.clone());
        }
        let format = py.detach(|| self.compile())?;
        if let Ok(mut cache) = CACHE.try_lock() {
            if cache.len() >= CACHED_FORMATS {
                cache.clear();
            }
            cache.insert(key, format.clone());
        }
        Ok(format)
    }

    fn compile(&self) -> Result<Format, Failure> {
        let mut format: Format = self.format.parse()?;
        if let Some(fields) = &self.fields {
            format = format.select(fields)?;
        }
        match &self.types {
            Types::Of(types) => {
                for (column, name) in types {
                    let Some(data_type) = type_named(name) else {
                        return Err(Failure::Type(column.clone(), name.clone()));
                    };
                    format = format.with_type(column, data_type)?;
                }
            }
            Types::Text => {
                let fields = format.fields().to_vec();
                for field in fields.iter().filter(|it| it.data_type() != Type::Text) {
                    format = format.with_type(field.name(), Type::Text)?;
                }
            }
        }
        Ok(format)
    }

    /// What `Parser` is called with to have the same.
    pub(crate) fn arguments<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let arguments = PyDict::new(py);
        let Self {
            format: _,
            fields,
            types,
            on_error,
            threads,
            max_line_bytes,
            multiline,
            strings,
            strict,
        } = self;
        if let Some(fields) = fields {
            arguments.set_item("fields", fields)?;
        }
        if let Some(types) = types.to_python(py)? {
            arguments.set_item("types", types)?;
        }
        if on_error != "keep" {
            arguments.set_item("on_error", on_error)?;
        }
        if let Some(threads) = threads {
            arguments.set_item("threads", threads)?;
        }
        if let Some(bytes) = max_line_bytes {
            arguments.set_item("max_line_bytes", bytes)?;
        }
        if let Some(multiline) = multiline {
            arguments.set_item("multiline", multiline)?;
        }
        if strings != "view" {
            arguments.set_item("strings", strings)?;
        }
        if *strict {
            arguments.set_item("strict", strict)?;
        }
        Ok(arguments)
    }
}

enum Failure {
    Log(Box<Error>),
    /// The column, and what is no type.
    Type(String, String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Log(Box::new(error))
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        Python::attach(|py| match failure {
            Failure::Log(error) => exception(py, *error),
            Failure::Type(column, name) => {
                let names: Vec<_> = TYPES.iter().map(|(name, _)| *name).collect();
                let message = format!(
                    "column {column:?}: there is no type {name:?}; the types are {}",
                    names.join(", ")
                );
                let place = Where {
                    field: Some(&column),
                    ..Where::default()
                };
                with_place(py, FormatError::new_err(message), place)
            }
        })
    }
}

/// A number that was given by this name, if it is one of these.
pub(crate) fn number(name: &str, given: i128, allowed: RangeInclusive<u64>) -> PyResult<u64> {
    let number = u64::try_from(given).ok().filter(|it| allowed.contains(it));
    number.ok_or_else(|| {
        let (first, last) = (*allowed.start(), *allowed.end());
        PyValueError::new_err(match given < i128::from(first) {
            true => format!("{name} is {first} or more, not {given}"),
            false => format!("{name} is {last} or less, not {given}"),
        })
    })
}

/// As `number`, for what counts things in memory.
pub(crate) fn count(name: &str, given: i128, allowed: RangeInclusive<usize>) -> PyResult<usize> {
    let wide = *allowed.start() as u64..=*allowed.end() as u64;
    number(name, given, wide).map(|it| usize::try_from(it).unwrap_or_else(|_| *allowed.end()))
}

fn type_named(name: &str) -> Option<Type> {
    let found = TYPES.iter().find(|(known, _)| *known == name);
    found.map(|(_, data_type)| *data_type)
}

/// The types by name.
pub(crate) const TYPES: [(&str, Type); 13] = [
    ("text", Type::Text),
    ("integer", Type::Integer),
    ("float", Type::Float),
    ("boolean", Type::Boolean),
    ("ip", Type::IpAddr),
    ("category", Type::Category),
    ("rfc3339", Type::Timestamp(TimestampFormat::Rfc3339)),
    ("clf", Type::Timestamp(TimestampFormat::Clf)),
    ("syslog", Type::Timestamp(TimestampFormat::Syslog)),
    (
        "epoch_s",
        Type::Timestamp(TimestampFormat::Epoch(EpochUnit::Seconds)),
    ),
    (
        "epoch_ms",
        Type::Timestamp(TimestampFormat::Epoch(EpochUnit::Millis)),
    ),
    (
        "epoch_us",
        Type::Timestamp(TimestampFormat::Epoch(EpochUnit::Micros)),
    ),
    (
        "epoch_ns",
        Type::Timestamp(TimestampFormat::Epoch(EpochUnit::Nanos)),
    ),
];
