//! A whole input: shared out, with an eye on signals.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Instant,
};

use bytes::Bytes;
use opsbox_log::{BatchMemory, Error};
use pyo3::prelude::*;

use crate::{
    error::{OpsboxError, exception},
    job::{Done, Job},
    limits::{INLINE_BYTES, SIGNAL_PERIOD, WINDOW_BYTES},
    progress::Progress,
};

/// Parses an input. The interpreter is released; a signal ends the call soon, and a window that is being worked on
/// then is finished and thrown away by its thread.
pub(crate) fn parse(
    py: Python<'_>,
    job: &Arc<Job>,
    input: Bytes,
    progress: &mut Progress,
) -> PyResult<Vec<Done>> {
    let len = input.len();
    if len <= INLINE_BYTES {
        let done = py.detach(|| job.small(input));
        let done = done.map_err(|error| exception(py, error))?;
        progress.set(py, len as u64)?;
        return Ok(vec![done]);
    }
    let cuts = match job.multiline {
        // What a line belongs to is said by those before it.
        true => vec![0, len],
        false => cuts(&input, WINDOW_BYTES),
    };
    let windows = cuts.len() - 1;
    let threads = match job.multiline {
        true => 1,
        false => job.threads.min(windows),
    };
    let work = Arc::new(Work {
        job: Arc::clone(job),
        input,
        cuts,
        next: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
    });
    let stop = StopOnDrop(Arc::clone(&work));
    let (sender, receiver) = mpsc::channel();
    let receiver = Mutex::new(receiver);
    for _ in 0..threads {
        let (work, sender) = (Arc::clone(&work), sender.clone());
        thread::Builder::new()
            .name("opsbox-parse".into())
            .spawn(move || work.run(&sender))
            .map_err(|error| OpsboxError::new_err(format!("cannot start a thread: {error}")))?;
    }
    drop(sender);

    let mut parts: Vec<Option<Done>> = Vec::new();
    parts.resize_with(windows, || None);
    let (mut missing, mut bytes) = (windows, 0);
    let mut looked = Instant::now();
    while missing > 0 {
        let received = py.detach(|| wait(&receiver));
        match received {
            Ok((window, done)) => {
                let done = done.map_err(|error| exception(py, error))?;
                bytes += done.bytes as u64;
                missing -= 1;
                if let Some(part) = parts.get_mut(window) {
                    *part = Some(done);
                }
                progress.set(py, bytes)?;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let message =
                    "a thread of the parser ended early; please report it with the format";
                return Err(OpsboxError::new_err(message));
            }
        }
        if looked.elapsed() >= SIGNAL_PERIOD {
            py.check_signals()?;
            looked = Instant::now();
        }
    }
    drop(stop);
    Ok(parts.into_iter().flatten().collect())
}

/// What a thread sends, if it does so before signals are looked at.
pub(crate) fn wait<T>(receiver: &Mutex<mpsc::Receiver<T>>) -> Result<T, RecvTimeoutError> {
    let receiver = receiver.lock().unwrap_or_else(PoisonError::into_inner);
    receiver.recv_timeout(SIGNAL_PERIOD)
}

struct Work {
    job: Arc<Job>,
    input: Bytes,
    cuts: Vec<usize>,
    next: AtomicUsize,
    stop: AtomicBool,
}

impl Work {
    fn run(&self, sender: &mpsc::Sender<(usize, Result<Done, Error>)>) {
        let mut memory = BatchMemory::default();
        while !self.stop.load(Ordering::Relaxed) {
            let window = self.next.fetch_add(1, Ordering::Relaxed);
            let (Some(&start), Some(&end)) = (self.cuts.get(window), self.cuts.get(window + 1))
            else {
                return;
            };
            let done = self.job.window(self.input.slice(start..end), &mut memory);
            if sender.send((window, done)).is_err() {
                return;
            }
        }
    }
}

/// The threads take no further window once nobody waits for it.
struct StopOnDrop(Arc<Work>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// Where windows of about so many bytes begin and end: behind line feeds. None but the first begins with a byte order
/// mark, which would be skipped there.
fn cuts(input: &[u8], window: usize) -> Vec<usize> {
    let mut cuts = vec![0];
    let mut at = 0;
    while input.len() - at > window + window / 2 {
        let wanted = at + window;
        let before = memchr::memrchr_iter(b'\n', &input[at..wanted]).map(|found| at + found + 1);
        let after = memchr::memchr_iter(b'\n', &input[wanted..]).map(|found| wanted + found + 1);
        let is_line = |cut: &usize| !input[*cut..].starts_with(b"\xef\xbb\xbf");
        match before.chain(after).find(is_line) {
            Some(cut) if cut < input.len() => {
                cuts.push(cut);
                at = cut;
            }
            _ => break,
        }
    }
    cuts.push(input.len());
    cuts
}
