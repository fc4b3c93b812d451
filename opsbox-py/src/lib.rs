//! Python bindings of `opsbox-log`: buffer in, Arrow PyCapsule out. It binds, it does not think;
//! `python/opsbox/_opsbox.pyi` is the interface that users see.

#![deny(unsafe_code)]

mod batches;
mod column;
mod data;
mod error;
mod export;
mod feed;
mod format;
mod input;
mod job;
mod limits;
mod log;
mod options;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod pages;
mod parser;
mod pipeline;
mod progress;
mod reading;
mod record;
mod rows;
mod run;
mod strings;
mod turns;
mod union;
mod unmatched;
mod value;
mod years;

use pyo3::{
    prelude::*,
    types::{PyMapping, PySequence},
};

// The interpreter's lock is what keeps it simple: no build without it has been tested.
#[pymodule(gil_used = true)]
fn _opsbox(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<batches::Batches>()?;
    module.add_class::<column::Column>()?;
    module.add_class::<format::Detection>()?;
    module.add_class::<format::Preset>()?;
    module.add_class::<feed::Feed>()?;
    module.add_class::<parser::Parser>()?;
    module.add_class::<pipeline::Pipeline>()?;
    module.add_class::<pipeline::PipelineReport>()?;
    module.add_class::<pipeline::StageReport>()?;
    module.add_class::<record::Record>()?;
    module.add_class::<rows::Batch>()?;
    module.add_class::<rows::InvalidValues>()?;
    module.add_class::<rows::Rows>()?;
    module.add_class::<rows::Table>()?;
    module.add_class::<unmatched::Unmatched>()?;
    module.add_class::<unmatched::UnmatchedLines>()?;
    module.add_function(wrap_pyfunction!(format::detect, module)?)?;
    module.add_function(wrap_pyfunction!(format::formats, module)?)?;
    PyMapping::register::<record::Record>(py)?;
    PySequence::register::<column::Column>(py)?;
    PySequence::register::<unmatched::UnmatchedLines>(py)?;
    let close = wrap_pyfunction!(input::owner::_close, module)?;
    py.import("atexit")?.call_method1("register", (close,))?;
    Ok(())
}
