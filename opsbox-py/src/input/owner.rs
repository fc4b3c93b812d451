//! Bytes that a Python object owns, and how it is given back.
//!
//! The last holder of a column may go in any thread, also in one that a holder of the interpreter waits for: to ask for
//! the interpreter there would wait for ever. So objects are given back at once only where the interpreter is at hand,
//! and else by a thread of our own.

use std::{
    process,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{self, Sender},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use pyo3::prelude::*;

/// Bytes of a Python object, with a token that tells whether the interpreter is at hand where they go.
pub(crate) struct Owner {
    bytes: Option<Bytes>,
    token: Option<Py<Token>>,
    gone: Arc<AtomicBool>,
}

/// Says when it goes. Without the interpreter at hand an object goes later.
#[pyclass(frozen, module = "opsbox")]
pub(crate) struct Token(Arc<AtomicBool>);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Owner {
    /// The same bytes, given back in a way that never waits.
    pub(crate) fn hold(py: Python<'_>, bytes: Bytes) -> PyResult<Bytes> {
        let gone = Arc::new(AtomicBool::new(false));
        let token = Py::new(py, Token(Arc::clone(&gone)))?;
        Ok(Bytes::from_owner(Self {
            bytes: Some(bytes),
            token: Some(token),
            gone,
        }))
    }
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or_default()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        drop(self.token.take());
        if let Some(bytes) = self.bytes.take()
            && !self.gone.load(Ordering::Acquire)
        {
            give_back(bytes);
        }
    }
}

/// The thread that gives back, and the process that it is of: a child has none of its parent's threads.
static THREAD: Mutex<Option<(u32, Sender<Bytes>)>> = Mutex::new(None);
/// Objects that are on their way.
static PENDING: AtomicUsize = AtomicUsize::new(0);
/// The interpreter goes; nothing may ask for it any more.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Leaves bytes to the thread. Never waits; where that cannot be, they are leaked.
fn give_back(bytes: Bytes) {
    if CLOSED.load(Ordering::Acquire) {
        return std::mem::forget(bytes);
    }
    // A child may have been made while another thread of the parent held this; then it stays held.
    let mut attempts = 0..1000;
    let mut guard = loop {
        match THREAD.try_lock() {
            Ok(guard) => break guard,
            Err(_) if attempts.next().is_some() => thread::yield_now(),
            Err(_) => return std::mem::forget(bytes),
        }
    };
    let process = process::id();
    let is_ours = matches!(&*guard, Some((owner, _)) if *owner == process);
    if !is_ours {
        let (sender, receiver) = mpsc::channel::<Bytes>();
        PENDING.store(0, Ordering::Release);
        let spawned = thread::Builder::new()
            .name("opsbox-owner".into())
            .stack_size(256 << 10)
            .spawn(move || {
                for bytes in receiver {
                    match CLOSED.load(Ordering::Acquire) {
                        true => std::mem::forget(bytes),
                        false => release(bytes),
                    }
                    PENDING.fetch_sub(1, Ordering::AcqRel);
                }
            });
        if spawned.is_err() {
            return std::mem::forget(bytes);
        }
        *guard = Some((process, sender));
    }
    if let Some((_, sender)) = &*guard {
        PENDING.fetch_add(1, Ordering::AcqRel);
        if let Err(error) = sender.send(bytes) {
            PENDING.fetch_sub(1, Ordering::AcqRel);
            std::mem::forget(error.0);
        }
    }
}

fn release(bytes: Bytes) {
    let mut bytes = Some(bytes);
    let released = Python::try_attach(|_| drop(bytes.take()));
    if released.is_none() {
        std::mem::forget(bytes);
    }
}

/// Lets the thread finish, and gives nothing back after that: called while the interpreter still works, before it
/// ends. What it would free goes with the process.
#[pyfunction]
pub(crate) fn _close(py: Python<'_>) {
    py.detach(|| {
        for _ in 0..1000 {
            if PENDING.load(Ordering::Acquire) == 0 {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        CLOSED.store(true, Ordering::Release);
    });
}
