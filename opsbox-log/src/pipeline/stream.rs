//! An asynchronous reader's batches through a pipeline (features `pipeline` and `tokio`).

use std::{
    future::{Future, poll_fn},
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::{Pin, pin},
    task::{Context, Poll},
    thread,
};

use futures_core::Stream;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    sync::{
        mpsc::{Receiver, Sender, channel},
        oneshot,
    },
};

use super::{
    Input, Pipeline, PipelineError, PipelineReport,
    work::{Done, Worker},
};
use crate::{batch::Batch, error::Error, limits::PIPELINE_BATCHES_AHEAD, parser::Parser};

impl Pipeline {
    /// [`run`](Self::run) for an asynchronous reader and writer, until the reader ends or `shutdown` is ready. Stages run
    /// on [threads](Self::threads) of their own, beside those of a runtime, so that no other task waits for them.
    ///
    /// Each thread has [a few](crate::limits::PIPELINE_BATCHES_AHEAD) batches before it: a slow writer, or slow stages,
    /// slow the reading. When `shutdown` is ready nothing more is read; what was read goes through all stages and is
    /// written, the beginning of a line that was cut there too. For a source that never ends give
    /// [`Parser::batch_bytes`] a low value, since a batch comes when it is full.
    ///
    /// If the future is dropped before it is ready, the batches that are in the pipeline are lost, and each thread ends
    /// with the one that it works on.
    ///
    /// ```
    /// use opsbox_log::{Format, Parser, pipeline::Pipeline};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// let mut pipeline = Pipeline::new(Parser::new(Format::preset("logfmt")?));
    /// let mut out = Vec::new();
    /// let never = std::future::pending();
    /// let report = pipeline.run_async(&b"a=1\na=2\n"[..], &mut out, never).await?;
    /// assert_eq!((report.rows(), &out[..]), (2, &b"{\"a\":\"1\"}\n{\"a\":\"2\"}\n"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); `Io`, too, if the system has room for none of the threads. If it has room for some, they
    /// do it.
    ///
    /// # Panics
    ///
    /// With a stage that panics, even while the reader is quiet.
    ///
    /// [`Parser::batch_bytes`]: crate::Parser::batch_bytes
    pub async fn run_async<R, W>(
        &mut self,
        reader: R,
        mut writer: W,
        shutdown: impl Future<Output = ()>,
    ) -> Result<PipelineReport, PipelineError>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut report = self.worker.report();
        let result = run(self, reader, &mut writer, shutdown, &mut report).await;
        let result = match result {
            Ok(()) => writer.flush().await.map_err(|source| Error::Write {
                offset: report.written.bytes(),
                source,
            }),
            failed => failed,
        };
        match result {
            Ok(()) => Ok(report),
            Err(source) => Err(PipelineError {
                source: Box::new(source),
                report: Box::new(report),
            }),
        }
    }
}

async fn run<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    pipeline: &Pipeline,
    reader: R,
    writer: &mut W,
    shutdown: impl Future<Output = ()>,
    report: &mut PipelineReport,
) -> Result<(), Error> {
    let (mut to_workers, mut from_workers, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..pipeline.threads {
        let (to, batches) = channel(PIPELINE_BATCHES_AHEAD);
        let (results, from) = channel(PIPELINE_BATCHES_AHEAD);
        let (ended, end) = oneshot::channel();
        let worker = pipeline.worker.fork();
        // Not of tokio's pool: all must run at once, and a pool may have room for fewer.
        let spawned = thread::Builder::new().spawn(move || {
            let work = AssertUnwindSafe(move || work(worker, batches, &results));
            // Nobody waits for it if the future was dropped.
            let _dropped = ended.send(catch_unwind(work));
        });
        match spawned {
            Ok(_) => {}
            Err(_) if !ends.is_empty() => break,
            Err(source) => {
                return Err(Error::Read {
                    offset: 0,
                    line: 1,
                    source,
                });
            }
        }
        to_workers.push(to);
        from_workers.push(from);
        ends.push(end);
    }
    let until = Until {
        reader,
        shutdown: pin!(shutdown),
        is_down: false,
    };
    // In a block of their own: workers end when there is nobody to send them batches, or to take their results.
    let read = {
        let mut reading = pin!(read(&pipeline.parser, until, to_workers));
        let mut writing = pin!(write(from_workers, writer, report));
        let mut read = None;
        // Reading ends first, unless a stage or the writer fails: then there is nothing to read for.
        let written = poll_fn(|context| {
            if read.is_none()
                && let Poll::Ready(result) = reading.as_mut().poll(context)
            {
                read = Some(result);
            }
            writing.as_mut().poll(context)
        });
        written.await?;
        read
    };
    for end in ends {
        if let Ok(Err(panic)) = end.await {
            resume_unwind(panic);
        }
    }
    read.unwrap_or(Ok(()))
}

async fn read<R: AsyncRead + Unpin>(
    parser: &Parser,
    reader: R,
    workers: Vec<Sender<Batch<Input<'static>>>>,
) -> Result<(), Error> {
    let mut batches = parser.stream(reader);
    for worker in workers.iter().cycle() {
        let next = poll_fn(|context| Pin::new(&mut batches).poll_next(context));
        let Some(batch) = next.await else { break };
        if worker.send(batch?.map_input(Input::Owned)).await.is_err() {
            break;
        }
    }
    Ok(())
}

async fn write<W: AsyncWrite + Unpin>(
    mut workers: Vec<Receiver<Result<Done, Error>>>,
    writer: &mut W,
    report: &mut PipelineReport,
) -> Result<(), Error> {
    loop {
        for from in &mut workers {
            // Bytes of the batch that is not at its end.
            let mut pending = 0;
            let mut is_last = false;
            while !is_last {
                // A worker that has no more was dealt no more, and neither were those after it.
                let Some(result) = from.recv().await else {
                    return Ok(());
                };
                let done = result?;
                let offset = report.written.bytes() + pending;
                let written = writer.write_all(&done.bytes).await;
                pending += done.bytes.len() as u64;
                is_last = done.report.is_some();
                if let Some(done) = done.report {
                    report.merge(done);
                }
                written.map_err(|source| Error::Write { offset, source })?;
            }
        }
    }
}

fn work(
    mut worker: Worker,
    mut batches: Receiver<Batch<Input<'static>>>,
    results: &Sender<Result<Done, Error>>,
) {
    while let Some(mut batch) = batches.blocking_recv() {
        let mut hand = |done| Ok(results.blocking_send(Ok(done)).ok().map(|()| Vec::new()));
        match worker.work(&mut batch, &mut hand) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                // Whoever is gone needs no error.
                let _gone = results.blocking_send(Err(error));
                return;
            }
        }
    }
}

/// A reader that ends when it is told to.
struct Until<'s, R, F> {
    reader: R,
    shutdown: Pin<&'s mut F>,
    is_down: bool,
}

impl<R: AsyncRead + Unpin, F: Future<Output = ()>> AsyncRead for Until<'_, R, F> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.is_down = this.is_down || this.shutdown.as_mut().poll(context).is_ready();
        match this.is_down {
            // Nothing read is the end.
            true => Poll::Ready(Ok(())),
            false => Pin::new(&mut this.reader).poll_read(context, buffer),
        }
    }
}
