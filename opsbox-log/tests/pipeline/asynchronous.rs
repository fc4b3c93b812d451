//! Pipelines of asynchronous readers and writers.

use std::{
    future::pending,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf, duplex};

use super::*;

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().unwrap();
    runtime.block_on(future)
}

#[test]
fn as_on_threads() {
    let log = log(5_000);
    let mut expected = Vec::new();
    let whole = marking(Pipeline::new(parser(4096)))
        .run(log.as_bytes(), &mut expected)
        .unwrap();
    for threads in [1, 3] {
        let mut out = Vec::new();
        let mut pipeline = marking(Pipeline::new(parser(4096))).threads(threads);
        let report = block_on(pipeline.run_async(log.as_bytes(), &mut out, pending())).unwrap();
        assert!(out == expected);
        assert_eq!(report.written(), whole.written());
        check(&report, log.as_bytes());
    }
}

/// Says when so many bytes were read.
struct Counted<R>(R, usize, Option<tokio::sync::oneshot::Sender<()>>);

impl<R: AsyncRead + Unpin> AsyncRead for Counted<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.0).poll_read(context, buffer);
        self.1 -= buffer.filled().len() - before;
        if self.1 == 0
            && let Some(all) = self.2.take()
        {
            all.send(()).unwrap();
        }
        polled
    }
}

#[test]
fn shutdown_loses_nothing_that_was_read() {
    block_on(async {
        let (mut ours, theirs) = duplex(1 << 16);
        let mut log: String = (0..100).map(|at| format!("at={at}\n")).collect();
        log.push_str("at=half");
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let reader = Counted(theirs, log.len(), Some(stop));
        let mut pipeline =
            Pipeline::new(Parser::new(Format::preset("logfmt").unwrap()).batch_bytes(64));
        let mut out = Vec::new();
        let running = pipeline.run_async(reader, &mut out, async { drop(stopped.await) });
        let feeding = async {
            ours.write_all(log.as_bytes()).await.unwrap();
            // The other end is open, and says no more.
            ours
        };
        let (report, _ours) = futures_util::future::join(running, feeding).await;
        let report = report.unwrap();
        assert!(report.adds_up());
        assert_eq!(report.rows(), 101);
        let last = out.split(|&byte| byte == b'\n').rev().nth(1).unwrap();
        assert_eq!(last, b"{\"at\":\"half\"}");
    });
}

#[test]
fn a_slow_writer_slows_the_reader_and_loses_nothing() {
    block_on(async {
        let (mut feed, reader) = duplex(1024);
        let (writer, mut sink) = duplex(1024);
        let parser = Parser::new(Format::preset("logfmt").unwrap()).batch_bytes(1024);
        let mut pipeline = Pipeline::new(parser);
        let running = async {
            let report = pipeline.run_async(reader, writer, pending()).await;
            drop(pipeline);
            report.unwrap()
        };
        let fed = AtomicUsize::new(0);
        let feeding = async {
            for at in 0..5_000 {
                feed.write_all(format!("at={at:05}\n").as_bytes())
                    .await
                    .unwrap();
                fed.fetch_add(1, Ordering::SeqCst);
            }
            drop(feed);
        };
        let draining = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            // Nobody read: most of it is still to come.
            let ahead = fed.load(Ordering::SeqCst);
            assert!(ahead < 2_000, "{ahead}");
            let mut out = Vec::new();
            tokio::io::AsyncReadExt::read_to_end(&mut sink, &mut out)
                .await
                .unwrap();
            out
        };
        let joined = futures_util::future::join3(running, feeding, draining).await;
        let (report, (), out) = joined;
        assert_eq!(
            (report.rows(), report.written().bytes()),
            (5_000, out.len() as u64)
        );
        assert!(report.adds_up());
    });
}

#[test]
fn a_batch_that_becomes_much_is_written_in_pieces() {
    let (log, mut pipeline, expected) = much_of_little();
    let mut out = Pieces::default();
    let report = block_on(pipeline.run_async(log.as_bytes(), &mut out, pending())).unwrap();
    assert!(out.bytes == expected && out.largest < 8 << 20);
    check(&report, log.as_bytes());
}

#[test]
fn a_stage_that_panics_ends_it_though_the_reader_is_quiet() {
    let (mut ours, theirs) = duplex(1 << 16);
    // The second thread has the second batch.
    let parser = Parser::new(Format::preset("logfmt").unwrap()).batch_bytes(8);
    let mut pipeline = Pipeline::new(parser).threads(2).stage_fn("bad", |batch| {
        let first = batch.record(0).map_or(0, |record| record.line_number());
        assert!(first != 2, "as it should");

        Ok(Counts::new())
    });
    let run = std::panic::AssertUnwindSafe(|| {
        block_on(async {
            ours.write_all(b"at=1111\nat=2222\nat=3333\n")
                .await
                .unwrap();
            let running = pipeline.run_async(theirs, tokio::io::sink(), pending());
            let waited = tokio::time::timeout(Duration::from_secs(20), running).await;
            assert!(waited.is_err());
        });
    });
    let panic = std::panic::catch_unwind(run).expect_err("it waits for the reader");
    assert_eq!(panic.downcast_ref(), Some(&"as it should"));
    drop(ours);
}

#[test]
fn threads_are_not_those_of_a_small_pool() {
    let log = log(5_000);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let mut pipeline = marking(Pipeline::new(parser(512))).threads(2);
    let report = runtime.block_on(async {
        let running = pipeline.run_async(log.as_bytes(), tokio::io::sink(), pending());
        tokio::time::timeout(Duration::from_secs(20), running).await
    });
    check(&report.unwrap().unwrap(), log.as_bytes());
}

#[test]
fn errors_end_it() {
    let log = log(20_000);
    let (writer, reader) = duplex(64);
    drop(reader);
    let mut pipeline = Pipeline::new(parser(512)).threads(2);
    let error = block_on(pipeline.run_async(log.as_bytes(), writer, pending())).unwrap_err();
    assert_eq!(error.error().kind(), ErrorKind::Io);
    let mut pipeline = Pipeline::new(parser(512))
        .threads(2)
        .stage_fn("picky", |batch| {
            batch.rename_column("message", "").map(|_| Counts::new())
        });
    let error =
        block_on(pipeline.run_async(log.as_bytes(), tokio::io::sink(), pending())).unwrap_err();
    assert!(
        matches!(error.error(), Error::Stage { line: 1, .. }),
        "{error}"
    );
    let mut pipeline = Pipeline::new(parser(512))
        .threads(2)
        .stage_fn("bad", |_| panic!("as it should"));
    let run = std::panic::AssertUnwindSafe(|| {
        drop(block_on(pipeline.run_async(
            log.as_bytes(),
            tokio::io::sink(),
            pending(),
        )));
    });
    assert!(std::panic::catch_unwind(run).is_err());
}
