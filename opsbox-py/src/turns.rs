//! One thread at a time, where Python may run meanwhile and come back to the same object.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, ThreadId},
};

use pyo3::{exceptions::PyRuntimeError, prelude::*};

use crate::limits::SIGNAL_PERIOD;

/// Gives one thread after the other its turn. A lock would wait for ever where a thread has its turn already: a source
/// that calls what reads it.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Shared>);

#[derive(Default)]
struct Shared {
    has_it: Mutex<Option<By>>,
    ended: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Thread(ThreadId),
    /// A thread of ours, in which no Python runs.
    Worker,
}

/// It ends when this goes.
pub(crate) struct Turn(Arc<Shared>);

/// The thread has its turn already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reentered;

impl Turns {
    /// Waits, and looks at signals meanwhile. `what` is at work.
    pub(crate) fn take(&self, py: Python<'_>, what: &str) -> PyResult<Turn> {
        loop {
            match py.detach(|| self.wait()) {
                Ok(Some(turn)) => return Ok(turn),
                Ok(None) => py.check_signals()?,
                Err(Reentered) => {
                    return Err(PyRuntimeError::new_err(format!(
                        "{what} is at work in this thread already: its source, its sink or its progress= calls it again"
                    )));
                }
            }
        }
    }

    /// Waits where the interpreter may not be at hand.
    pub(crate) fn take_detached(&self) -> Result<Turn, Reentered> {
        loop {
            if let Some(turn) = self.wait()? {
                return Ok(turn);
            }
        }
    }

    fn wait(&self) -> Result<Option<Turn>, Reentered> {
        let me = By::Thread(thread::current().id());
        let has_it = locked(&self.0.has_it);
        if *has_it == Some(me) {
            return Err(Reentered);
        }
        let waited = self
            .0
            .ended
            .wait_timeout_while(has_it, SIGNAL_PERIOD, |it| it.is_some());
        let (mut has_it, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if has_it.is_some() {
            return Ok(None);
        }
        *has_it = Some(me);
        Ok(Some(Turn(Arc::clone(&self.0))))
    }
}

impl Turn {
    /// For a thread of ours, so that this one may wait for another turn.
    pub(crate) fn for_worker(self) -> Self {
        *locked(&self.0.has_it) = Some(By::Worker);
        self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *locked(&self.0.has_it) = None;
        self.0.ended.notify_one();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
