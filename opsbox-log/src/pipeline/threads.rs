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

/// Writes what is done, and adds it to the report. Gives the memory of the bytes back.
fn write(
    done: Done,
    writer: &mut impl Write,
    report: &mut PipelineReport,
) -> Result<Vec<u8>, Error> {
    let offset = report.written.bytes();
    let result = writer.write_all(&done.bytes);
    report.merge(done.report);
    match result {
        Ok(()) => Ok(done.bytes),
        Err(source) => Err(Error::Write { offset, source }),
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
    for batch in parser.read(reader) {
        let mut batch = batch?.map_input(Input::Owned);
        worker.spare = write(worker.work(&mut batch)?, writer, report)?;
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
        for from in from_workers.iter().cycle() {
            // A worker that has no more was dealt no more, and neither were those after it.
            let Ok(result) = from.recv() else { break };
            write(result?, writer, report)?;
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
        let result = worker.work(&mut batch);
        let failed = result.is_err();
        if results.send(result).is_err() || failed {
            return;
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
