//! Readers, writers and stages that fail, or are slow.

use super::*;

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
