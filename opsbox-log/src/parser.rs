use std::{fs, io::Read, path::Path};

use crate::{
    batch::{Batch, Origin},
    error::Error,
    file,
    format::Format,
    limits::{DEFAULT_BATCH_BYTES, DEFAULT_MAX_LINE_BYTES, MAX_LINE_BYTES},
    read::Batches,
    scan::{Chosen, Kernel},
    tokenize::{Options, tokenize},
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
    batch_bytes: usize,
}

impl Parser {
    /// A parser with the default limits.
    pub fn new(format: Format) -> Self {
        Self {
            format,
            options: Options {
                line_limit: DEFAULT_MAX_LINE_BYTES,
                regex_only: false,
                strict: false,
                kernel: Chosen::new(Kernel::best()),
            },
            batch_bytes: DEFAULT_BATCH_BYTES,
        }
    }

    /// Lines longer than this are unmatched. At least 1, at most
    /// [`MAX_LINE_BYTES`](crate::limits::MAX_LINE_BYTES); a value outside is brought inside.
    #[must_use]
    pub fn max_line_bytes(mut self, bytes: usize) -> Self {
        self.options.line_limit = bytes.clamp(1, MAX_LINE_BYTES);
        self
    }

    /// About how many bytes [`read`](Self::read) puts into one batch. A batch holds at least one
    /// line, so the memory in use is up to this or [`line_limit`](Self::line_limit), whichever is
    /// larger, and the rows.
    #[must_use]
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.batch_bytes = bytes.max(1);
        self
    }

    /// Runs patterns on the regular expression alone, without the [plan](Format::explain). The result
    /// is the same; this is how tests compare the two, and benches measure them.
    #[must_use]
    pub fn regex_only(mut self, regex_only: bool) -> Self {
        self.options.regex_only = regex_only;
        self
    }

    /// Checks every byte of `ndjson` lines also where only [some columns](Format::select#json) are
    /// asked for; without a selection that is always so. A line that is not JSON, or not UTF-8, is
    /// unmatched then, wherever its fault is. Lines that are JSON have the same values either way.
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
        self.parse_part(input, Origin::START)
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

    pub(crate) fn parse_part<B: AsRef<[u8]>>(&self, input: B, origin: Origin) -> Batch<B> {
        let rows = tokenize(&self.format, self.options, input.as_ref(), origin);
        Batch::new(input, rows, origin, self.options.line_limit)
    }

    pub(crate) fn batch_target(&self) -> usize {
        self.batch_bytes
    }
}
