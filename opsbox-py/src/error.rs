//! Errors of the library as Python exceptions, which `python/opsbox/_errors.py` defines.

use opsbox_log::{Error, ErrorKind};
use pyo3::{exceptions::PyOSError, prelude::*};

mod python {
    #![allow(missing_docs, reason = "the macro writes them")]
    pyo3::import_exception!(opsbox._errors, ConfigError);
    pyo3::import_exception!(opsbox._errors, DetectionError);
    pyo3::import_exception!(opsbox._errors, ExportError);
    pyo3::import_exception!(opsbox._errors, FormatError);
    pyo3::import_exception!(opsbox._errors, MaskError);
    pyo3::import_exception!(opsbox._errors, OpsboxError);
    pyo3::import_exception!(opsbox._errors, ParseError);
    pyo3::import_exception!(opsbox._errors, PipelineError);
    pyo3::import_exception!(opsbox._errors, ReadError);
}
pub(crate) use python::*;

/// The exception that says what `error` says, with what it knows of the place.
pub(crate) fn exception(py: Python<'_>, error: Error) -> PyErr {
    let message = error.to_string();
    let raised = match error.kind() {
        ErrorKind::UnknownPreset
        | ErrorKind::FeatureDisabled
        | ErrorKind::UnknownField
        | ErrorKind::InvalidExpression
        | ErrorKind::InvalidPattern => FormatError::new_err(message),
        ErrorKind::Undetected => DetectionError::new_err(message),
        ErrorKind::InvalidConfig => ConfigError::new_err(message),
        ErrorKind::MaskRule | ErrorKind::Key | ErrorKind::Decrypt => MaskError::new_err(message),
        ErrorKind::Arrow | ErrorKind::TooSparse | ErrorKind::TooManyCategories => {
            ExportError::new_err(message)
        }
        ErrorKind::Io => return io_error(py, error),
        _ => OpsboxError::new_err(message),
    };
    let raised = of_same_place(py, raised, &error);
    match config_place(py, &raised, &error) {
        Ok(()) => raised,
        Err(other) => other,
    }
}

/// An exception with what an error knows of its place.
pub(crate) fn of_same_place(py: Python<'_>, raised: PyErr, error: &Error) -> PyErr {
    with_place(py, raised, place(error))
}

/// Where in which file something is.
fn config_place(py: Python<'_>, raised: &PyErr, error: &Error) -> PyResult<()> {
    let (path, column) = match error {
        Error::Config {
            path,
            line_and_column,
            ..
        } => (path.as_ref(), line_and_column.map(|(_, column)| column)),
        Error::MaskRule {
            place: Some(place), ..
        } => (
            Some(&place.path),
            place.line_and_column.map(|(_, column)| column),
        ),
        _ => return Ok(()),
    };
    let value = raised.value(py);
    value.setattr("path", path.map(|path| path.to_string_lossy()))?;
    value.setattr("column", column)
}

/// What an error says of its place.
#[derive(Clone, Copy, Default)]
pub(crate) struct Where<'e> {
    pub(crate) line: Option<u64>,
    pub(crate) offset: Option<u64>,
    pub(crate) field: Option<&'e str>,
}

fn place(error: &Error) -> Where<'_> {
    match error {
        Error::Pattern { offset, .. } | Error::Expression { offset, .. } => Where {
            offset: Some(*offset as u64),
            ..Where::default()
        },
        Error::Field { name, .. } => Where {
            field: Some(name),
            ..Where::default()
        },
        Error::Column { column, .. } | Error::TooManyCategories { column, .. } => Where {
            field: Some(column),
            ..Where::default()
        },
        Error::Read { offset, line, .. } => Where {
            line: Some(*line),
            offset: Some(*offset),
            field: None,
        },
        Error::Config {
            line_and_column,
            setting,
            ..
        } => Where {
            line: line_and_column.map(|(line, _)| line),
            offset: None,
            field: (!setting.is_empty()).then_some(setting),
        },
        Error::Stage { line, source, .. } => Where {
            line: Some(*line),
            ..place(source)
        },
        Error::Write { offset, .. } => Where {
            offset: Some(*offset),
            ..Where::default()
        },
        Error::MaskRule {
            place: found, rule, ..
        } => Where {
            line: found
                .as_ref()
                .and_then(|found| Some(found.line_and_column?.0)),
            offset: None,
            field: (!rule.is_empty()).then_some(rule),
        },
        _ => Where::default(),
    }
}

/// The exception with these attributes; those that are not known stay `None`, as the class has them.
pub(crate) fn with_place(py: Python<'_>, raised: PyErr, place: Where<'_>) -> PyErr {
    let value = raised.value(py);
    let set = || {
        if let Some(line) = place.line {
            value.setattr("line", line)?;
        }
        if let Some(offset) = place.offset {
            value.setattr("offset", offset)?;
        }
        if let Some(field) = place.field {
            value.setattr("field", field)?;
        }
        PyResult::Ok(())
    };
    match set() {
        Ok(()) => raised,
        Err(error) => error,
    }
}

/// An OSError with its number, from which Python picks the subclass (FileNotFoundError, ...), and the
/// file's name; a ReadError for what happens in the middle of an input.
fn io_error(py: Python<'_>, error: Error) -> PyErr {
    match &error {
        Error::File {
            path,
            message,
            source,
            ..
        } => {
            let path = path.to_string_lossy().into_owned();
            match source.as_ref().and_then(errno) {
                Some(number) => PyOSError::new_err((number, message.clone(), path)),
                None => PyOSError::new_err(format!("{message}: {path}")),
            }
        }
        _ => with_place(py, ReadError::new_err(error.to_string()), place(&error)),
    }
}

/// The OSError of a file.
pub(crate) fn file_error(path: &std::path::Path, source: &std::io::Error) -> PyErr {
    let message = match source.kind() {
        std::io::ErrorKind::IsADirectory => "it is a folder; give a log file".into(),
        std::io::ErrorKind::NotFound => "there is no such file".into(),
        _ => source.to_string(),
    };
    let path = path.to_string_lossy().into_owned();
    match errno(source) {
        Some(number) => PyOSError::new_err((number, message, path)),
        None => PyOSError::new_err(format!("{message}: {path}")),
    }
}

fn errno(error: &std::io::Error) -> Option<i32> {
    const EISDIR: i32 = 21;
    match error.kind() {
        // The library says so itself, without a call that failed.
        std::io::ErrorKind::IsADirectory => Some(EISDIR),
        _ => error.raw_os_error(),
    }
}
