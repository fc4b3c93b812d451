//! Python bindings of `opsbox-log`: buffer in, Arrow PyCapsule out. It binds, it does not think;
//! `python/opsbox/_opsbox.pyi` is the interface that users see.

#![forbid(unsafe_code)]

mod error;
mod format;
mod parser;
mod table;

use pyo3::prelude::*;

#[pymodule]
fn _opsbox(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("OpsboxError", py.get_type::<error::OpsboxError>())?;
    module.add("FormatError", py.get_type::<error::FormatError>())?;
    module.add("DetectionError", py.get_type::<error::DetectionError>())?;
    module.add_class::<format::Detection>()?;
    module.add_class::<format::Preset>()?;
    module.add_class::<parser::Parser>()?;
    module.add_class::<table::Table>()?;
    module.add_class::<table::Unmatched>()?;
    module.add_function(wrap_pyfunction!(format::detect, module)?)?;
    module.add_function(wrap_pyfunction!(format::formats, module)?)?;
    Ok(())
}
