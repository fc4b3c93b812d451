use std::{fs, io::Read, num::NonZero, path::Path, thread};

use crate::{
    batch::{Batch, BatchMemory},
    error::Error,
    file,
    format::Format,
    frame::Overlong,
    limits::{DEFAULT_BATCH_BYTES, MAX_LINE_BYTES, MAX_THREADS},
    multiline::{Before, Multiline},
    read::Batches,
    scan::{Chosen, Kernel},
    tokenize::{Options, Place, tokenize},
};

/// A format and the limits it is applied with. Cheap to clone, and shared by threads as it is.
///
/// ```
/// use opsbox_log::{Format, Parser};
///
/// let parser = Parser::new(Format::preset("cri")?).max_line_bytes(16 * 1024);
/// let batch = parser.parse("2026-01-02T03:04:05.669794202Z stdout F hello\n");
/// assert_eq!(batch.record(0).unwrap().get("message"), Some(&b"hello"[..]));
/// # Ok::<(), opsbox_log::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Parser {
    format: Format,
    options: Options,
    /// `None` for what is usual where it is used.
    batch_bytes: Option<usize>,
}

impl Parser {
    /// A parser with the default limits. If the records of the format have several lines, it puts
    /// them together by the format's own [rule](Format::multiline).
    pub fn new(format: Format) -> Self {
        Self {
            options: Options {
                multiline: format.multiline().cloned(),
                ..Options::default()
            },
            format,
            batch_bytes: None,
        }
    }

    /// Lines longer than this are unmatched, unless [`overlong`](Self::overlong) says otherwise; a
    /// [record of several lines](Self::multiline) takes no line beyond it. At least 1, at most
    /// [`MAX_LINE_BYTES`](crate::limits::MAX_LINE_BYTES); a value outside is brought inside.
    #[must_use]
    pub fn max_line_bytes(mut self, bytes: usize) -> Self {
        self.options.line_limit = bytes.clamp(1, MAX_LINE_BYTES);
        self
    }

    /// What becomes of lines that are longer than the [limit](Self::max_line_bytes).
    ///
    /// ```
    /// use opsbox_log::{Format, Overlong, Parser};
    ///
    /// let parser = Parser::new(Format::pattern(r"(?P<level>\w+) (?P<message>.*)")?)
    ///     .max_line_bytes(10)
    ///     .overlong(Overlong::Truncate);
    /// let batch = parser.parse("INFO a long message\n");
    /// let record = batch.record(0).unwrap();
    /// assert_eq!(record.get("message"), Some(&b"a lon"[..]));
    /// assert!(record.is_truncated());
    /// assert_eq!(record.line_bytes(), 19);
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    #[must_use]
    pub fn overlong(mut self, overlong: Overlong) -> Self {
        self.options.overlong = overlong;
        self
    }

    /// Puts several lines together to one record, by a [rule](Multiline) that says which lines begin
    /// one; instead of the [format's own](Format::multiline), if it has one. Line numbers still count
    /// lines, a record's being that of its first.
    #[must_use]
    pub fn multiline(mut self, multiline: Multiline) -> Self {
        self.options.multiline = Some(multiline);
        self
    }

    /// About how many bytes [`read`](Self::read) puts into one batch. A batch holds at least one
    /// line, so the memory in use is up to this or [`line_limit`](Self::line_limit), whichever is
    /// larger, and the rows; with [`multiline`](Self::multiline) up to twice the limit.
    #[must_use]
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.batch_bytes = Some(bytes.max(1));
        self
    }

    /// Parses with this many threads, the calling one among them; 0 means as many as the system
    /// [has room for](std::thread::available_parallelism). 1 unless set, at most
    /// [`MAX_THREADS`](crate::limits::MAX_THREADS). The result is the same whatever the number.
    ///
    /// An input of less than half a MiB stays on one thread. [`read`](Self::read) shares out each
    /// batch: with many threads, set [`batch_bytes`](Self::batch_bytes) to some MiB for each. Where
    /// `ndjson` or `logfmt` come near [`MAX_DISCOVERED_FIELDS`], the lines are parsed once more by
    /// one thread.
    ///
    /// [`MAX_DISCOVERED_FIELDS`]: crate::limits::MAX_DISCOVERED_FIELDS
    ///
    /// ```
    /// use opsbox_log::{Format, Parser};
    ///
    /// let log = "2026-01-02 03:04:05 [INFO] tick\n".repeat(50_000);
    /// let batch = Parser::new(Format::preset("app")?).threads(0).parse(log);
    /// assert_eq!(batch.len(), 50_000);
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        let threads = match threads {
            0 => thread::available_parallelism().map_or(1, NonZero::get),
            threads => threads,
        };
        self.options.threads = threads.min(MAX_THREADS);
        self
    }

    /// Runs patterns on the regular expression alone, without the [plan](Format::explain). The result
    /// is the same; this is how tests compare the two, and benches measure them.
    #[must_use]
    pub fn regex_only(mut self, regex_only: bool) -> Self {
        self.options.regex_only = regex_only;
        self
    }

    /// Checks every byte of `ndjson` lines also where only [some columns](Format::select) are
    /// asked for; without a selection, and for [records of several lines](Self::multiline), that is
    /// always so. A line that is not JSON, or not UTF-8, is unmatched then, wherever its fault is, with
    /// the place of the fault where simd-json knows it. Otherwise what is not selected is skipped, not
    /// checked: see [what passes](Format::select). Lines that are JSON have the same values either
    /// way.
    ///
    /// ```
    /// use opsbox_log::{Format, Parser};
    ///
    /// let line = r#"{"level":"info","ms":1x}"#;
    /// let parser = Parser::new(Format::preset("ndjson")?.select(["level"])?);
    /// assert_eq!(parser.parse(line).len(), 1);
    /// assert_eq!(parser.strict(true).parse(line).len(), 0);
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.options.strict = strict;
        self
    }

    /// Runs on this kernel instead of the [best](Kernel::best) one; on the best if the processor does
    /// not have it. The result is the same.
    #[must_use]
    pub fn kernel(mut self, kernel: Kernel) -> Self {
        self.options.kernel = Chosen::new(kernel);
        self
    }

    /// The format.
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// The longest line, in bytes, that is tokenized.
    pub fn line_limit(&self) -> usize {
        self.options.line_limit
    }

    /// Parses a whole input that is in memory. The batch keeps it: give a slice to borrow it, a
    /// `Vec<u8>` or `Bytes` to hand it over.
    ///
    /// A UTF-8 byte order mark at the start is skipped. There is no error: what does not fit is in
    /// [`Batch::unmatched`].
    pub fn parse<B: AsRef<[u8]>>(&self, input: B) -> Batch<B> {
        self.parse_in(input, &mut BatchMemory::default())
    }

    /// Parses a whole input that is in memory a part at a time, each a batch that keeps the input, on the calling thread.
    /// Where the columns are [found](Batch::fields), and where records have [several lines](Self::multiline), all is one
    /// part. For those who make something of the rows and let them go, as
    /// [`TableBuilder`](crate::export::arrow::TableBuilder) does: what is small stays in the processor's caches.
    #[cfg(feature = "arrow")]
    pub fn parts<B: AsRef<[u8]> + Clone>(&self, input: B) -> crate::Parts<'_, B> {
        crate::Parts::new(self, input)
    }

    /// [`parse`](Self::parse), with the rows in the [memory](BatchMemory) of a batch before it.
    pub fn parse_in<B: AsRef<[u8]>>(&self, input: B, memory: &mut BatchMemory) -> Batch<B> {
        self.parse_part(input, Place::START, memory).0
    }

    /// Parses from a reader in bounded memory, a [batch](Self::batch_bytes) at a time. Lines are
    /// never cut: the batches hold what one batch of the whole would. A batch comes when it is full or
    /// the reader ends: for a live pipe, set [`batch_bytes`](Self::batch_bytes) low.
    ///
    /// ```
    /// use opsbox_log::{Format, Parser};
    ///
    /// let log = "2026-01-02 03:04:05 [INFO] tick\n".repeat(1000);
    /// let parser = Parser::new(Format::preset("app")?).batch_bytes(4096);
    /// let mut rows = 0;
    /// for batch in parser.read(log.as_bytes()) {
    ///     rows += batch?.len();
    /// }
    /// assert_eq!(rows, 1000);
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    pub fn read<R: Read>(&self, reader: R) -> Batches<R> {
        Batches::new(self.clone(), reader)
    }

    /// [`read`](Self::read) for an asynchronous reader: a stream of batches, in bounded memory, with
    /// the same rows. Parsing happens where the stream is polled, a batch at a time; 4 MiB take some
    /// milliseconds, and up to tens of them for a pattern [without a plan](Format::explain). Where
    /// that is too long for the other tasks of the thread, set a lower
    /// [`batch_bytes`](Self::batch_bytes).
    ///
    /// ```
    /// use opsbox_log::{Format, Parser};
    /// use futures_util::StreamExt;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// let log = "2026-01-02 03:04:05 [INFO] tick\n".repeat(1000);
    /// let parser = Parser::new(Format::preset("app")?).batch_bytes(4096);
    /// let mut batches = parser.stream(log.as_bytes());
    /// let mut rows = 0;
    /// while let Some(batch) = batches.next().await {
    ///     rows += batch?.len();
    /// }
    /// assert_eq!(rows, 1000);
    /// # Ok::<(), opsbox_log::Error>(())
    /// # }).unwrap();
    /// ```
    #[cfg(feature = "tokio")]
    pub fn stream<R: tokio::io::AsyncRead + Unpin>(&self, reader: R) -> crate::BatchStream<R> {
        crate::BatchStream::new(self.clone(), reader)
    }

    /// Opens a file for [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// `Io` if the file cannot be opened, or is a folder.
    pub fn read_file(&self, path: impl AsRef<Path>) -> Result<Batches<fs::File>, Error> {
        Ok(self.read(file::open(path.as_ref())?))
    }

    /// Reads a whole file into memory and parses it.
    ///
    /// # Errors
    ///
    /// `Io` if the file cannot be read, or is a folder.
    pub fn parse_file(&self, path: impl AsRef<Path>) -> Result<Batch<Vec<u8>>, Error> {
        let path = path.as_ref();
        let mut input = Vec::new();
        file::open(path)?
            .read_to_end(&mut input)
            .map_err(|source| file::error(path, source))?;
        Ok(self.parse(input))
    }

    /// Parses a part of an input, and says what the lines after it would continue.
    pub(crate) fn parse_part<B: AsRef<[u8]>>(
        &self,
        input: B,
        place: Place,
        memory: &mut BatchMemory,
    ) -> (Batch<B>, Before) {
        let Self {
            format, options, ..
        } = self;
        let (rows, before) = tokenize(format, options, input.as_ref(), place, &mut memory.rooms);
        let batch = Batch::new(input, rows, place.origin, self.options.line_limit);
        (batch, before)
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// [`batch_bytes`](Self::batch_bytes) where nothing was said.
    #[cfg(feature = "pipeline")]
    pub(crate) fn or_batch_bytes(mut self, bytes: usize) -> Self {
        self.batch_bytes = self.batch_bytes.or(Some(bytes));
        self
    }

    pub(crate) fn batch_target(&self) -> usize {
        self.batch_bytes.unwrap_or(DEFAULT_BATCH_BYTES)
    }
}
