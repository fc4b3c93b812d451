//! Pipelines: the same output on any number of threads, counts that add up, and errors that say where.
#![cfg(feature = "pipeline")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::{
    io::{self, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use opsbox_log::{
    Error, ErrorKind, Format, Multiline, Parser,
    export::{cef::Cef, logfmt::Logfmt, ndjson::Ndjson},
    pipeline::{Counts, Pipeline, PipelineReport},
};
use proptest::prelude::*;

fn parser(batch_bytes: usize) -> Parser {
    Parser::new(Format::preset("app").unwrap()).batch_bytes(batch_bytes)
}

/// Marks each batch, and counts its rows.
fn marking(pipeline: Pipeline) -> Pipeline {
    pipeline.stage_fn("mark", |batch| {
        let mut values = opsbox_log::ColumnBuilder::new();
        values.push_same(0..batch.len(), b"seen");
        batch.set_column(opsbox_log::Field::new("mark"), values)?;
        Ok(Counts::new().with("rows", batch.len() as u64))
    })
}

fn log(lines: usize) -> String {
    (0..lines)
        .map(|at| match at % 7 {
            3 => format!("not a line {at}\n"),
            _ => format!("2026-01-02 03:04:05 [INFO] message {at}\n"),
        })
        .collect()
}

fn check(report: &PipelineReport, log: &[u8]) {
    assert!(report.adds_up(), "{report:?}");
    assert_eq!(report.input_bytes(), log.len() as u64);
    let unmatched: u64 = report.unmatched().map(|(_, count)| count).sum();
    assert!(unmatched <= report.unmatched_lines());
    if report.rows() == report.row_lines() {
        assert_eq!(report.rows() + unmatched, report.lines());
    }
    for stage in report
        .stages()
        .iter()
        .filter(|stage| stage.name() == "mark")
    {
        assert_eq!(stage.counts().get("rows"), stage.rows());
    }
}

#[test]
fn threads_change_nothing() {
    let log = log(5_000);
    let mut expected = Vec::new();
    let whole = marking(Pipeline::new(parser(1 << 20)))
        .run(log.as_bytes(), &mut expected)
        .unwrap();
    check(&whole, log.as_bytes());
    assert_eq!((whole.batches(), whole.unmatched_lines()), (1, 714));
    for threads in [1, 2, 3, 8] {
        let mut out = Vec::new();
        let mut pipeline = marking(Pipeline::new(parser(4096))).threads(threads);
        let report = pipeline.run(log.as_bytes(), &mut out).unwrap();
        assert!(out == expected, "{threads} threads");
        check(&report, log.as_bytes());
        assert!(report.batches() > 20);
        assert_eq!(report.unmatched_examples(), whole.unmatched_examples());
        assert_eq!(report.rows(), whole.rows());
        assert_eq!(report.written(), whole.written());
        // A pipeline runs again, from the beginning.
        let mut again = Vec::new();
        let second = pipeline.run(log.as_bytes(), &mut again).unwrap();
        assert_eq!((second, again), (report, out));
    }
}

#[test]
fn unmatched_lines_are_kept_if_asked_for() {
    let log = "2026-01-02 03:04:05 [INFO] a\nno \"line\"\n2026-01-02 03:04:05 [INFO] b\n\n";
    let mut out = Vec::new();
    let mut pipeline = marking(Pipeline::new(parser(1 << 20))).keep_unmatched("message");
    let report = pipeline.run(log.as_bytes(), &mut out).unwrap();
    check(&report, log.as_bytes());
    let expected = concat!(
        r#"{"timestamp":"2026-01-02 03:04:05","level":"INFO","message":"a","mark":"seen"}"#,
        "\n",
        r#"{"timestamp":"2026-01-02 03:04:05","level":"INFO","message":"b","mark":"seen"}"#,
        "\n",
        r#"{"message":"no \"line\"","line_number":2,"unmatched":"no_match","mark":"seen"}"#,
        "\n",
        r#"{"message":"","line_number":4,"unmatched":"empty","mark":"seen"}"#,
        "\n",
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    assert_eq!(
        (report.unmatched_written(), report.written().rows()),
        (2, 4)
    );
    let said = report.to_string();
    assert!(
        said.contains("2 records, 2 lines unmatched") && !said.contains("no \"line\""),
        "{said}"
    );
}

#[test]
fn unmatched_lines_are_kept_under_any_name() {
    for (column, expected) in [
        (
            "unmatched",
            "{\"unmatched\":\"lost\",\"line_number\":1,\"unmatched_\":\"no_match\"}\n",
        ),
        (
            "line_number",
            "{\"line_number\":\"lost\",\"line_number_\":1,\"unmatched\":\"no_match\"}\n",
        ),
        (
            "unmatched_",
            "{\"unmatched_\":\"lost\",\"line_number\":1,\"unmatched\":\"no_match\"}\n",
        ),
    ] {
        let mut out = Vec::new();
        let mut pipeline = Pipeline::new(parser(1 << 20)).keep_unmatched(column);
        pipeline.run(&b"lost\n"[..], &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

#[test]
fn records_of_several_lines_add_up() {
    let log = "lost\n2026-01-02 03:04:05 [INFO] a\n  at b\n  at c\n2026-01-02 03:04:05 [INFO] d\n";
    for batch_bytes in [1, 40, 1 << 20] {
        let pipeline = Pipeline::new(parser(batch_bytes).multiline(Multiline::indented()));
        let report = pipeline.threads(2).run(log.as_bytes(), io::sink()).unwrap();
        check(&report, log.as_bytes());
        assert_eq!(
            (report.lines(), report.rows(), report.row_lines()),
            (5, 2, 4)
        );
    }
}

#[test]
fn outputs_are_chosen() {
    let log = "2026-01-02 03:04:05 [INFO] a=b\n";
    let mut out = Vec::new();
    Pipeline::new(parser(1024))
        .output(Logfmt::new())
        .run(log.as_bytes(), &mut out)
        .unwrap();
    assert_eq!(
        out,
        b"timestamp=\"2026-01-02 03:04:05\" level=INFO message=\"a=b\"\n"
    );
    out.clear();
    let cef = Cef::new("v", "p", "1");
    Pipeline::new(parser(1024))
        .output(cef)
        .run(log.as_bytes(), &mut out)
        .unwrap();
    let expected =
        "CEF:0|v|p|1|log|log|Unknown|timestamp=2026-01-02 03:04:05 level=INFO message=a\\=b\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn an_empty_input_is_no_error() {
    for threads in [1, 3] {
        let report = Pipeline::new(parser(1024))
            .threads(threads)
            .run(io::empty(), io::sink())
            .unwrap();
        check(&report, b"");
        assert_eq!(report.lines(), 0);
    }
}

/// Reads so much, then fails.
struct Failing<'l>(&'l [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("cable pulled")),
            read => Ok(read),
        }
    }
}

#[test]
fn what_was_read_before_a_reader_fails_is_written() {
    let log = log(1_000);
    for threads in [1, 3] {
        let mut out = Vec::new();
        let mut pipeline = Pipeline::new(parser(512)).threads(threads);
        let error = pipeline.run(Failing(log.as_bytes()), &mut out).unwrap_err();
        assert_eq!(error.error().kind(), ErrorKind::Io);
        let said = error.to_string();
        assert!(
            said.contains(&format!("byte {}", log.len())) && said.contains("cable pulled"),
            "{said}"
        );
        let report = error.report();
        assert!(report.adds_up());
        assert_eq!(
            (report.lines(), report.written().bytes()),
            (1_000, out.len() as u64)
        );
    }
}

/// Writes so many bytes, then fails.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = bytes.len().min(self.0);
        self.0 -= written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_ends_the_run() {
    let log = log(20_000);
    for threads in [1, 4] {
        let mut pipeline = Pipeline::new(parser(512)).threads(threads);
        let error = pipeline.run(log.as_bytes(), Full(5_000)).unwrap_err();
        assert_eq!(error.error().kind(), ErrorKind::Io);
        assert!(error.to_string().contains("of the output"), "{error}");
        assert!(error.report().lines() < 1_000);
    }
}

/// Keeps what is written, and how much of it came at once.
#[derive(Default)]
struct Pieces {
    bytes: Vec<u8>,
    largest: usize,
    /// Fails with what comes when it has so many bytes.
    most: Option<usize>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.most.is_some_and(|most| self.bytes.len() >= most) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(bytes);
        self.largest = self.largest.max(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(feature = "tokio")]
impl tokio::io::AsyncWrite for Pieces {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        self.get_mut().write(bytes).into()
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        Ok(()).into()
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        Ok(()).into()
    }
}

/// A batch of 50 KB, its pipeline, and the 25 MB that it becomes.
fn much_of_little() -> (String, Pipeline, Vec<u8>) {
    let name = "n".repeat(200);
    let mut log: String = (0..200).map(|at| format!("{name}{at}=1\n")).collect();
    log.push('\n');
    log.push_str(&"a=1\n".repeat(400));
    let output = Ndjson::new().nulls(true);
    let parser = Parser::new(Format::preset("logfmt").unwrap());
    let mut expected = Vec::new();
    output.append(&parser.parse(log.as_bytes()), &mut expected);
    expected.extend_from_slice(b"{\"message\":\"\",\"line_number\":201,\"unmatched\":\"empty\"}\n");
    assert!(expected.len() > 400 * log.len());
    let pipeline = Pipeline::new(parser)
        .keep_unmatched("message")
        .output(output);
    (log, pipeline, expected)
}

#[test]
fn a_batch_that_becomes_much_is_written_in_pieces() {
    let (log, mut pipeline, expected) = much_of_little();
    for threads in [1, 2] {
        pipeline = pipeline.threads(threads);
        let mut out = Pieces::default();
        let report = pipeline.run(log.as_bytes(), &mut out).unwrap();
        assert!(out.bytes == expected, "{threads} threads");
        assert!(out.largest < 8 << 20, "{}", out.largest);
        check(&report, log.as_bytes());
        assert_eq!((report.batches(), report.written().rows()), (1, 601));

        let most = 10 << 20;
        let mut out = Pieces {
            most: Some(most),
            ..Pieces::default()
        };
        let error = pipeline.run(log.as_bytes(), &mut out).unwrap_err();
        let Error::Write { offset, .. } = error.error() else {
            panic!("{error}");
        };
        assert_eq!(*offset, out.bytes.len() as u64);
        assert!(error.report().adds_up() && expected.starts_with(&out.bytes));
    }
}

#[test]
fn a_stage_that_fails_is_named_with_its_line() {
    let log = log(2_000);
    let expected = {
        let mut out = Vec::new();
        Pipeline::new(parser(512))
            .run(log.as_bytes(), &mut out)
            .unwrap();
        out
    };
    for threads in [1, 3] {
        let mut pipeline = Pipeline::new(parser(512))
            .threads(threads)
            .stage_fn("picky", |batch| {
                let late = batch
                    .record(0)
                    .is_some_and(|record| record.line_number() > 1_000);
                match late {
                    true => batch.rename_column("message", "").map(|_| Counts::new()),
                    false => Ok(Counts::new()),
                }
            });
        let mut out = Vec::new();
        let error = pipeline.run(log.as_bytes(), &mut out).unwrap_err();
        assert_eq!(error.error().kind(), ErrorKind::InvalidColumn);
        let Error::Stage { stage, line, .. } = error.error() else {
            panic!("{error}");
        };
        let done = error.report().lines();
        assert_eq!((&**stage, *line), ("picky", done + 1));
        assert!(done >= 1_000);
        // All before it is written, and nothing behind it.
        assert!(expected.starts_with(&out) && error.report().written().bytes() == out.len() as u64);
    }
}

#[test]
fn a_stage_that_panics_does_not_hang() {
    let log = log(20_000);
    for threads in [1, 2, 4] {
        let mut pipeline = Pipeline::new(parser(512))
            .threads(threads)
            .stage_fn("bad", |batch| {
                let first = batch.record(0).map_or(0, |record| record.line_number());
                assert!(first < 300, "as it should");
                Ok(Counts::new())
            });
        let run = std::panic::AssertUnwindSafe(|| drop(pipeline.run(log.as_bytes(), io::sink())));
        assert!(std::panic::catch_unwind(run).is_err());
    }
}

/// Says how much was read of it.
struct Watched<'l>(&'l [u8], Arc<AtomicUsize>);

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        self.1.fetch_add(read, Ordering::SeqCst);
        Ok(read)
    }
}

/// Checks how far the reader is ahead.
struct Slow(Arc<AtomicUsize>, usize, usize);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        std::thread::sleep(std::time::Duration::from_millis(2));
        self.1 += bytes.iter().filter(|&&byte| byte == b'\n').count();
        self.2 = self.2.max(self.0.load(Ordering::SeqCst) - self.1 * 30);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_slow_writer_slows_the_reader() {
    let log = "2026-01-02 03:04:05 [INFO] ab\n".repeat(20_000);
    for threads in [1, 3] {
        let read = Arc::new(AtomicUsize::new(0));
        let mut writer = Slow(Arc::clone(&read), 0, 0);
        let mut pipeline = Pipeline::new(parser(3_000)).threads(threads);
        pipeline
            .run(Watched(log.as_bytes(), Arc::clone(&read)), &mut writer)
            .unwrap();
        assert_eq!(writer.1, 20_000);
        // Each thread has a batch, one before it and one behind it; the reader has one, and reads twice as much.
        let most = (3 * threads + 4) * 3_000;
        assert!(
            writer.2 <= most,
            "{threads} threads: {} of {most}",
            writer.2
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_add_up(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'='), Just(b'a'), any::<u8>()], 0..400), size in 1_usize..80, threads in 1_usize..4) {
        for preset in ["logfmt", "ndjson", "app", "syslog-rfc3164"] {
            let Ok(format) = Format::preset(preset) else { continue };
            let parser = Parser::new(format).batch_bytes(size);
            let mut out = Vec::new();
            let mut pipeline = marking(Pipeline::new(parser)).keep_unmatched("raw").threads(threads);
            let report = pipeline.run(&bytes[..], &mut out).unwrap();
            check(&report, &bytes);
            prop_assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count() as u64, report.written().rows());
        }
    }
}

#[cfg(feature = "tokio")]
mod asynchronous {
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
}

#[cfg(feature = "config")]
mod configured {
    use std::collections::BTreeMap;

    use opsbox_log::{config::Language, pipeline::PipelineConfig};

    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn read(toml: &str, pairs: &[(&str, &str)]) -> Result<PipelineConfig, Error> {
        PipelineConfig::parse("p.toml", toml, Language::Toml, &variables(pairs))
    }

    fn said(toml: &str, pairs: &[(&str, &str)]) -> String {
        match read(toml, pairs).and_then(|config| config.build(None)) {
            Ok(pipeline) => panic!("{pipeline:?}"),
            Err(error) => {
                assert!(!error.is_retryable());
                error.to_string()
            }
        }
    }

    #[cfg(all(feature = "enrich", feature = "mask", feature = "json"))]
    #[test]
    fn all_languages_say_the_same() {
        let toml = concat!(
            "threads = 2\nkeep_unmatched = \"message\"\n[input]\npreset = \"app\"\nbatch_bytes = 4096\n",
            "[clean]\ncolumns = [\"message\"]\n[mask]\n[enrich]\nhost = \"db-1\"\n",
            "labels = { \"service.name\" = \"shop\", UPPER = \"Case\" }\nenvironment = { APP_ENV = \"env\" }\n",
            "tenant = { field = \"org\", default = \"shared\" }\n[output]\nnested = true\n",
        );
        let yaml = concat!(
            "threads: 2\nkeep_unmatched: message\ninput: {preset: app, batch_bytes: 4096}\nclean: {columns: [message]}\n",
            "mask: {}\nenrich:\n  host: db-1\n  labels: {service.name: shop, UPPER: Case}\n  environment: {APP_ENV: env}\n",
            "  tenant: {field: org, default: shared}\noutput: {nested: true}\n",
        );
        let json = concat!(
            r#"{"threads":2,"keep_unmatched":"message","input":{"preset":"app","batch_bytes":4096},"clean":{"columns":["message"]},"#,
            r#""mask":{},"enrich":{"host":"db-1","labels":{"service.name":"shop","UPPER":"Case"},"environment":{"APP_ENV":"env"},"#,
            r#""tenant":{"field":"org","default":"shared"}},"output":{"nested":true}}"#,
        );
        let log = "2026-01-02 03:04:05 [INFO] paid {\"by\":\"a@example.com\"}\nfor b@example.com\n";
        // A variable that changes nothing, so that the layers are joined.
        for joined in [false, true] {
            let mut pairs = vec![("APP_ENV", "prod"), ("OPSBOX_LOG_KERNEL", "avx2")];
            if joined {
                pairs.push(("OPSBOX_LOG__OUTPUT__NULLS", "false"));
            }
            for (text, language) in [
                (toml, Language::Toml),
                (yaml, Language::Yaml),
                (json, Language::Json),
            ] {
                let config =
                    PipelineConfig::parse("p", text, language, &variables(&pairs)).unwrap();
                let mut out = Vec::new();
                let report = config
                    .build(None)
                    .unwrap()
                    .run(log.as_bytes(), &mut out)
                    .unwrap();
                check(&report, log.as_bytes());
                let names: Vec<_> = report.stages().iter().map(|stage| stage.name()).collect();
                assert_eq!(names, ["clean", "mask", "enrich"]);
                let out = String::from_utf8(out).unwrap();
                assert!(
                    !out.contains("a@example.com") && !out.contains("b@example.com"),
                    "{out}"
                );
                let lines: Vec<serde_json::Value> = out
                    .lines()
                    .map(|line| serde_json::from_str(line).unwrap())
                    .collect();
                assert_eq!(lines.len(), 2, "{out}");
                for line in lines {
                    assert_eq!(line["service"]["name"], "shop");
                    assert_eq!(
                        (&line["UPPER"], &line["env"]),
                        (&"Case".into(), &"prod".into())
                    );
                    assert_eq!(
                        (&line["host"]["name"], &line["tenant"]),
                        (&"db-1".into(), &"shared".into())
                    );
                }
            }
        }
    }

    #[test]
    fn variables_go_first() {
        let toml =
            "[input]\npreset = \"app\"\nselect = [\"level\"]\n[output]\nformat = \"ndjson\"\n";
        let pairs = [
            ("OPSBOX_LOG__INPUT__SELECT", "level,message"),
            ("OPSBOX_LOG__OUTPUT__FORMAT", "logfmt"),
            ("OPSBOX_LOG__THREADS", "3"),
        ];
        let mut pipeline = read(toml, &pairs).unwrap().build(None).unwrap();
        assert!(format!("{pipeline:?}").contains("threads: 3"));
        let mut out = Vec::new();
        pipeline.run(log(1).as_bytes(), &mut out).unwrap();
        assert_eq!(out, b"level=INFO message=\"message 0\"\n");
        // Without a file, too.
        let config = read("", &[("OPSBOX_LOG__INPUT__PRESET", "logfmt")]).unwrap();
        assert!(config.has_format() && config.build(None).is_ok());
    }

    #[cfg(all(feature = "enrich", feature = "json"))]
    #[test]
    fn variables_are_as_they_are_written() {
        let toml = "[input]\npreset = \"logfmt\"\n[clean]\ncolumns = [\"a\"]\n";
        let values = [
            ("VERSION", "1.10"),
            ("BUILD", "007"),
            ("FLAG", "TRUE"),
            ("LIST", "a,b"),
            ("EXPONENT", "1e3"),
        ];
        let names = values.map(|(name, _)| format!("OPSBOX_LOG__ENRICH__LABELS__{name}"));
        let labels = names
            .iter()
            .zip(values)
            .map(|(name, (_, value))| (&**name, value));
        let mut pairs: Vec<_> = labels.collect();
        pairs.extend([
            ("OPSBOX_LOG__THREADS", "2"),
            ("OPSBOX_LOG__KEEP_UNMATCHED", "10.0"),
            ("OPSBOX_LOG__INPUT__SELECT", "a,007"),
            ("OPSBOX_LOG__CLEAN__COLUMNS", "1.0"),
            ("OPSBOX_LOG__CLEAN__REPAIR", "false"),
            ("OPSBOX_LOG__ENRICH__HOST", "007"),
            ("OPSBOX_LOG__OUTPUT__INFER", "true"),
            ("OPSBOX_LOG__OUTPUT__CEF__SEVERITIES__PANIC", "10"),
        ]);
        let config = read(toml, &pairs).unwrap();
        let settings = format!("{config:?}");
        for expected in [
            "threads: Some(2)",
            "keep_unmatched: Some(\"10.0\")",
            "select: Some([\"a\", \"007\"])",
            "columns: [\"1.0\"]",
            "repair: Some(false)",
            "host: Some(Name(\"007\"))",
            "infer: true",
            "severities: {\"panic\": 10}",
        ] {
            assert!(settings.contains(expected), "{expected}: {settings}");
        }
        let pairs: Vec<_> = pairs.drain(..values.len()).collect();
        let mut out = Vec::new();
        let mut pipeline = read(toml, &pairs).unwrap().build(None).unwrap();
        pipeline.run(&b"a=b\n"[..], &mut out).unwrap();
        let row: serde_json::Value = serde_json::from_slice(&out).unwrap();
        for (name, value) in values {
            assert_eq!(row[name.to_lowercase()], value);
        }
        let host = read(toml, &[("OPSBOX_LOG__ENRICH__HOST", "True")]).unwrap();
        assert!(format!("{host:?}").contains("host: Some(System(true))"));
    }

    #[cfg(feature = "jmespath")]
    #[test]
    fn what_was_cleaned_is_extracted_from() {
        let toml = concat!(
            "[input]\npreset = \"app\"\n[clean]\ncolumns = [\"message\"]\njson_column = \"doc\"\n",
            "[extract]\nsource = \"doc\"\ncolumns = { user = \"user.id\" }\n",
        );
        let log = "2026-01-02 03:04:05 [INFO] paid {\"user\":{\"id\":\"u1\"}}\n";
        let mut out = Vec::new();
        let mut pipeline = read(toml, &[]).unwrap().build(None).unwrap();
        let report = pipeline.run(log.as_bytes(), &mut out).unwrap();
        let row: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&row["user"], row.get("user.id")), (&"u1".into(), None));
        assert_eq!(report.stages()[1].counts().get("found"), 1);

        let two = toml.replace("[\"message\"]", "[\"message\", \"level\"]");
        let said = said(&two, &[]);
        assert!(
            said.contains("p.toml: line 5 column 1: clean.json_column: "),
            "{said}"
        );
    }

    #[test]
    fn the_program_may_say_the_format() {
        let config = read("[output]\nnested = true\n", &[]).unwrap();
        assert!(!config.has_format());
        assert!(
            config
                .build(Some(&Format::preset("logfmt").unwrap()))
                .is_ok()
        );
        assert_eq!(
            said("", &[]),
            "configuration p.toml: input: one of preset, pattern, grok and dissect says what the lines look like"
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (toml, expected) in [
            (
                "[input]\npreset = 1\n",
                "p.toml: line 2 column 10: input.preset: ",
            ),
            (
                "[input]\nformt = \"app\"\n",
                "p.toml: line 2 column 1: input.formt: unknown field `formt`",
            ),
            ("[output\n", "p.toml: line 1 column "),
            (
                "[output]\ninvalid_utf8 = \"kep\"\n",
                "p.toml: line 2 column 16: output.invalid_utf8: unknown variant `kep`",
            ),
            (
                "[input]\npreset = \"app\"\n[output]\ninvalid_utf8 = \"keep\"\n",
                "p.toml: line 4 column 1: output.invalid_utf8: JSON is UTF-8",
            ),
            (
                "[input]\npreset = \"app\"\ngrok = \"%{WORD:a}\"\n",
                "p.toml: line 1 column 2: input: only one of",
            ),
        ] {
            let said = said(toml, &[]);
            assert!(
                said.starts_with(&format!("configuration {expected}")),
                "{said}"
            );
        }
        assert!(said("[input]\npreset = \"ap\"\n", &[]).contains("did you mean"));
        assert!(said("[input]\npattern = \"(\"\n", &[]).starts_with("pattern, byte 0"));
        let of = |name: &str, value: &str| said("[input]\npreset = \"app\"\n", &[(name, value)]);
        let said = of("OPSBOX_LOG__THREADS", "many");
        assert!(
            said.starts_with("configuration: threads: ") && said.contains("OPSBOX_LOG__"),
            "{said}"
        );
        let said = of("OPSBOX_LOG__OUTPUT__FORMT", "x");
        assert!(
            said.contains("formt") && said.contains("OPSBOX_LOG__"),
            "{said}"
        );
        let read = PipelineConfig::read("/nonexistent/p.toml", &BTreeMap::new()).unwrap_err();
        assert_eq!(read.kind(), ErrorKind::InvalidConfig);
        let read = PipelineConfig::read("p.ini", &BTreeMap::new())
            .unwrap_err()
            .to_string();
        assert!(read.contains("p.ini") && read.contains(".toml"), "{read}");
    }

    /// A folder with keys in files, and a policy that needs them.
    #[cfg(feature = "mask")]
    fn with_keys() -> tempfile::TempDir {
        use std::{
            pin::pin,
            task::{Context, Poll, Waker},
        };

        use opsbox_log::mask::{KeyRing, LocalKeyFile};

        let folder = tempfile::tempdir().unwrap();
        let file = LocalKeyFile::create(folder.path().join("master.key")).unwrap();
        let mut ring = KeyRing::create(folder.path().join("data.keys"), "acme").unwrap();
        let rotated = pin!(ring.rotate(&file)).poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(rotated, Poll::Ready(Ok(1))));
        let policy = "[actions]\nPII_EMAIL = \"encrypt\"\n";
        let mut out = std::fs::File::create(folder.path().join("mask.toml")).unwrap();
        out.write_all(policy.as_bytes()).unwrap();
        folder
    }

    #[cfg(feature = "mask")]
    #[test]
    fn keys_are_named_in_the_file() {
        use opsbox_log::mask::{KeyRing, LocalKeyFile};

        let folder = with_keys();
        let path = folder.path().join("p.toml");
        let head = "[input]\npreset = \"logfmt\"\n[mask]\npolicy = \"mask.toml\"\n";
        let keys = "[mask.keys]\nring = \"data.keys\"\nkey_file = \"master.key\"\n";
        let parse = |text: &str, pairs: &[(&str, &str)]| {
            PipelineConfig::parse(&path, text, Language::Toml, &variables(pairs)).unwrap()
        };
        let by_variables = [
            ("OPSBOX_LOG__MASK__KEYS__RING", "data.keys"),
            ("OPSBOX_LOG__MASK__KEYS__KEY_FILE", "master.key"),
        ];
        let file = LocalKeyFile::open(folder.path().join("master.key")).unwrap();
        let ring = KeyRing::open(folder.path().join("data.keys")).unwrap();
        let waker = std::task::Waker::noop();
        let unwrapped = std::pin::pin!(ring.keys(&file));
        let std::task::Poll::Ready(Ok(held)) =
            unwrapped.poll(&mut std::task::Context::from_waker(waker))
        else {
            panic!("a file waits for nothing");
        };
        let held = Arc::new(held);
        let text = format!("{head}{keys}");
        let pipelines = [
            parse(&text, &[]).build(None),
            parse(head, &by_variables).build(None),
            parse(head, &[]).build_with_keys(None, Arc::clone(&held)),
        ];
        for pipeline in pipelines {
            let mut pipeline = pipeline.unwrap();
            let mut out = Vec::new();
            pipeline.run(&b"a=x@example.com\n"[..], &mut out).unwrap();
            let token = String::from_utf8(out.clone()).unwrap();
            assert!(token.contains("[enc1:PII_EMAIL:1:"), "{token}");
            assert!(!token.contains("example"), "{token}");
            let (plain, count) = held.decrypt_text(&out);
            assert_eq!(
                String::from_utf8_lossy(&plain),
                "{\"a\":\"x@example.com\"}\n"
            );
            assert_eq!(count.decrypted, 1);
            assert!(!format!("{pipeline:?}").contains("canary"));
        }
    }

    #[cfg(feature = "mask")]
    #[test]
    fn wrong_keys_are_said_with_their_place() {
        let folder = with_keys();
        let path = folder.path().join("p.toml");
        let head = "[input]\npreset = \"logfmt\"\n[mask]\npolicy = \"mask.toml\"\n";
        for (keys, place, message) in [
            ("", "line 4 column 1: mask.policy: ", "mask.keys.ring"),
            (
                "[mask.keys]\nkey_file = \"master.key\"\n",
                "line 5 column 7: mask.keys: ",
                "ring names the file",
            ),
            (
                "[mask.keys]\nring = \"data.keys\"\n",
                "line 5 column 7: mask.keys: ",
                "key_file or kms",
            ),
            (
                "[mask.keys]\nring = \"data.keys\"\nkey_file = \"master.key\"\nkms = { key_id = \"a\" }\n",
                "line 5 column 7: mask.keys: ",
                "only one of",
            ),
            (
                "[mask.keys]\nring = \"none\"\nkey_file = \"master.key\"\n",
                "line 6 column 1: mask.keys.ring: ",
                "none",
            ),
            (
                "[mask.keys]\nring = \"data.keys\"\n# key_file = 1\nkey_file = \"data.keys\"\n",
                "line 8 column 1: mask.keys.key_file: ",
                "opsbox-key-file 1",
            ),
        ] {
            let text = format!("{head}{keys}");
            let config =
                PipelineConfig::parse(&path, &text, Language::Toml, &variables(&[])).unwrap();
            let error = config.build(None).unwrap_err();
            let said = error.to_string();
            let expected = format!("configuration {}: {place}", path.display());
            assert!(
                said.starts_with(&expected) && said.contains(message),
                "{said}"
            );
            assert!(!error.is_retryable());
            let of_key = matches!(message, "none" | "opsbox-key-file 1");
            let kind = if of_key {
                ErrorKind::Key
            } else {
                ErrorKind::InvalidConfig
            };
            assert_eq!(error.kind(), kind, "{said}");
        }
        // A key itself is no setting.
        let text = format!("{head}[mask.keys]\nkey = \"AAAA\"\n");
        let error = PipelineConfig::parse(&path, &text, Language::Toml, &variables(&[]));
        let said = error.unwrap_err().to_string();
        assert!(
            said.contains("line 6 column 1: mask.keys.key: unknown field"),
            "{said}"
        );
        // In other languages the place is found, too.
        for (text, language, place) in [
            (
                "mask:\n  policy: mask.toml\n  keys:\n    ring: none\n    key_file: k\ninput:\n  preset: app\n",
                Language::Yaml,
                "line 4 column 5: mask.keys.ring: ",
            ),
            (
                "{\"input\":{\"preset\":\"app\"},\n\"mask\":{\"keys\":{\"ring\":\"none\",\"key_file\":\"k\"}}}",
                Language::Json,
                "line 2 column 18: mask.keys.ring: ",
            ),
        ] {
            let config = PipelineConfig::parse(&path, text, language, &variables(&[])).unwrap();
            let said = config.build(None).unwrap_err().to_string();
            assert!(said.contains(place), "{said}");
        }
    }

    #[cfg(feature = "enrich")]
    #[test]
    fn variables_are_no_secret_told() {
        let config = read(
            "[input]\npreset = \"app\"\n[enrich]\nci = true\n",
            &[("TOKEN", "canary")],
        )
        .unwrap();
        let pipeline = config.build(None).unwrap();
        assert!(!format!("{config:?} {pipeline:?}").contains("canary"));
        let bad = said(
            "[input]\npreset = \"app\"\n[enrich]\ntrace_environment = true\n",
            &[("TRACEPARENT", "canary")],
        );
        assert!(bad.contains("55 bytes") && !bad.contains("canary"), "{bad}");
        let bad = said(
            "[input]\npreset = \"app\"\n[enrich]\nkubernetes_path = \"/tmp/a.log\"\n",
            &[],
        );
        assert!(bad.contains("enrich.kubernetes_path"), "{bad}");
    }
}
