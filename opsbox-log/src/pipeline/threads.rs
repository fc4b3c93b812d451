//! A reader's batches on several threads, in their order.

use std::{
    io::{Read, Write},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use super::{
    Input, PipelineReport,
    work::{Done, Worker},
};
use crate::{batch::Batch, error::Error, limits::PIPELINE_BATCHES_AHEAD, parser::Parser};

/// A writer, and what was done.
struct Sink<'s, W> {
    writer: &'s mut W,
    report: &'s mut PipelineReport,
    /// Bytes of the batch that is not at its end.
    pending: u64,
}

impl<W: Write> Sink<'_, W> {
    /// Writes what is done, and adds it to the report when the batch is at its end. Gives the memory of the bytes back.
    fn write(&mut self, done: Done) -> Result<Vec<u8>, Error> {
        let offset = self.report.written.bytes() + self.pending;
        let result = self.writer.write_all(&done.bytes);
        self.pending += done.bytes.len() as u64;
        if let Some(report) = done.report {
            self.report.merge(report);
            self.pending = 0;
        }
        match result {
            Ok(()) => Ok(done.bytes),
            Err(source) => Err(Error::Write { offset, source }),
        }
    }
}

/// Runs on this thread alone.
pub(super) fn one<R: Read>(
    parser: &Parser,
    worker: &mut Worker,
    reader: R,
    writer: &mut impl Write,
    report: &mut PipelineReport,
) -> Result<(), Error> {
    let mut sink = Sink {
        writer,
        report,
        pending: 0,
    };
    let mut batches = parser.read(reader);
    while let Some(batch) = batches.next() {
        let mut batch = batch?.map_input(Input::Owned);
        worker.work(&mut batch, &mut |done| sink.write(done).map(Some))?;
        batches.recycle(batch.map_input(Input::into_owned));
    }
    Ok(())
}

/// Runs on as many threads as there are workers, and one that reads. Batches are dealt out in turn, and taken back in
/// turn, which keeps their order without a look at it.
pub(super) fn several<R: Read + Send>(
    parser: &Parser,
    workers: Vec<Worker>,
    reader: R,
    writer: &mut impl Write,
    report: &mut PipelineReport,
) -> Result<(), Error> {
    thread::scope(|scope| {
        let (mut to_workers, mut from_workers) = (Vec::new(), Vec::new());
        for mut worker in workers {
            let (to, batches) = sync_channel(PIPELINE_BATCHES_AHEAD);
            let (results, from) = sync_channel(PIPELINE_BATCHES_AHEAD);
            to_workers.push(to);
            from_workers.push(from);
            scope.spawn(move || work(&mut worker, &batches, &results));
        }
        let reading = scope.spawn(move || read(parser, reader, &to_workers));
        let mut sink = Sink {
            writer,
            report,
            pending: 0,
        };
        'batches: for from in from_workers.iter().cycle() {
            let mut is_last = false;
            while !is_last {
                // A worker that has no more was dealt no more, and neither were those after it.
                let Ok(result) = from.recv() else {
                    break 'batches;
                };
                let done = result?;
                is_last = done.report.is_some();
                sink.write(done)?;
            }
        }
        // If a stage panicked the others must not wait for their results to be taken.
        drop(from_workers);
        match reading.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn work(
    worker: &mut Worker,
    batches: &Receiver<Batch<Input<'static>>>,
    results: &SyncSender<Result<Done, Error>>,
) {
    for mut batch in batches {
        let mut hand = |done| Ok(results.send(Ok(done)).ok().map(|()| Vec::new()));
        match worker.work(&mut batch, &mut hand) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                // Whoever is gone needs no error.
                let _gone = results.send(Err(error));
                return;
            }
        }
    }
}

fn read<R: Read>(
    parser: &Parser,
    reader: R,
    workers: &[SyncSender<Batch<Input<'static>>>],
) -> Result<(), Error> {
    for (batch, worker) in parser.read(reader).zip(workers.iter().cycle()) {
        if worker.send(batch?.map_input(Input::Owned)).is_err() {
            break;
        }
    }
    Ok(())
}
