//! How far a call is, for people.

use pyo3::{intern, prelude::*};

/// A callable `progress(done, total)`, or something with `update(n)` as a bar of tqdm has it.
pub(crate) struct Progress {
    target: Option<Target>,
    total: Option<u64>,
    done: u64,
}

enum Target {
    Callable(Py<PyAny>),
    Bar(Py<PyAny>),
    /// One that was made here, and is closed here.
    Own(Py<PyAny>),
}

impl Progress {
    /// `true` makes a bar of tqdm.
    pub(crate) fn new(
        py: Python<'_>,
        progress: Option<&Bound<'_, PyAny>>,
        total: Option<u64>,
    ) -> PyResult<Self> {
        let mut this = Self {
            target: None,
            total,
            done: 0,
        };
        let Some(progress) = progress.filter(|it| !it.is_none()) else {
            return Ok(this);
        };
        if let Ok(wanted) = progress.extract::<bool>() {
            if wanted {
                let options = pyo3::types::PyDict::new(py);
                options.set_item("total", total)?;
                options.set_item("unit", "B")?;
                options.set_item("unit_scale", true)?;
                let bar = py
                    .import("tqdm.auto")?
                    .call_method("tqdm", (), Some(&options))?;
                this.target = Some(Target::Own(bar.unbind()));
            }
            return Ok(this);
        }
        this.target = Some(match progress.hasattr("update")? {
            true => {
                if total.is_some() && progress.getattr("total").is_ok_and(|it| it.is_none()) {
                    progress.setattr("total", total)?;
                }
                Target::Bar(progress.clone().unbind())
            }
            false => Target::Callable(progress.clone().unbind()),
        });
        Ok(this)
    }

    /// Says that so many bytes are done in all.
    pub(crate) fn set(&mut self, py: Python<'_>, done: u64) -> PyResult<()> {
        let Some(target) = &self.target else {
            return Ok(());
        };
        let more = done.saturating_sub(self.done);
        self.done = done;
        match target {
            Target::Callable(callable) => callable.bind(py).call1((done, self.total))?,
            Target::Bar(bar) | Target::Own(bar) => {
                bar.bind(py).call_method1(intern!(py, "update"), (more,))?
            }
        };
        Ok(())
    }

    /// Nothing more comes.
    pub(crate) fn finish(&mut self, py: Python<'_>) -> PyResult<()> {
        if let Some(Target::Own(bar)) = self.target.take() {
            bar.bind(py).call_method0(intern!(py, "close"))?;
        }
        Ok(())
    }
}
