//! Several lines as one record.

use std::{fmt, ops::Range, sync::Arc};

use crate::{
    error::Error,
    format::{StartPattern, StartScratch},
    frame::Lines,
    limits::DEFAULT_MAX_RECORD_LINES,
};

/// Which lines begin a record, for [`Parser::multiline`](crate::Parser::multiline). The others
/// continue the record before them: stack traces, indented text, statements over several lines.
///
/// Whether a line begins a record is decided by that line alone, so an input can be cut anywhere
/// between two records. (The rule that the preset `mysql-slow` [has](crate::Format::multiline) looks
/// at the line before, too.)
///
/// - The format is applied to the first line. If a text column reaches the end of that line, as the
///   last column of most formats does (`message`), it goes on to the end of the record, so a stack
///   trace is in it. Otherwise the further lines are in
///   [`Record::continuation`](crate::Record::continuation).
/// - With [`whole`](Self::whole) the format is applied to the record as one text.
/// - Empty lines at the end of a record are counted as its lines, and left out of its text.
/// - A record that does not fit the format is one [`Unmatched`](crate::Unmatched) of all its lines.
/// - A record takes lines as long as they, with the endings between them, fit into
///   [`Parser::max_line_bytes`](crate::Parser::max_line_bytes), and up to
///   [`max_lines`](Self::max_lines) of them. It stays a record then, which
///   [says so](crate::Record::is_truncated); each further line is unmatched with
///   [`RecordFull`](crate::Reason::RecordFull), up to the next that begins a record.
/// - Lines before the first record are unmatched with [`NoRecord`](crate::Reason::NoRecord).
///
/// ```
/// use opsbox_log::{Format, Multiline, Parser};
///
/// let log = "\
/// 2026-01-02 03:04:05 [ERROR] cannot save
/// java.lang.IllegalStateException: disk full
///     at org.example.Store.save(Store.java:12)
/// Caused by: java.io.IOException: no space left
///     ... 3 more
/// 2026-01-02 03:04:06 [INFO] retrying
/// ";
/// let parser = Parser::new(Format::preset("app")?).multiline(Multiline::stack_traces());
/// let batch = parser.parse(log);
/// let record = batch.record(0).unwrap();
/// assert!(record.text("message").unwrap().ends_with("... 3 more"));
/// assert_eq!(record.line_count(), 5);
/// assert_eq!(batch.record(1).unwrap().line_number(), 6);
/// # Ok::<(), opsbox_log::Error>(())
/// ```
#[derive(Clone)]
pub struct Multiline {
    rule: Rule,
    /// A line that begins with these bytes, and a record, has the next one in its record in any case.
    heading: &'static [u8],
    max_lines: u32,
    whole: bool,
}

#[derive(Clone)]
enum Rule {
    Start(Arc<StartPattern>),
    Indented,
    StackTraces,
}

impl Multiline {
    /// A record begins at each line that this pattern fits from its first byte on; it need not fit
    /// to the end of the line. The syntax is that of [`Format::pattern`](crate::Format::pattern);
    /// captures are not needed.
    ///
    /// ```
    /// use opsbox_log::{Format, Multiline, Parser};
    ///
    /// let format = Format::pattern(r"(?P<time>\S+) (?P<statement>.*)")?;
    /// let parser = Parser::new(format).multiline(Multiline::start(r"\d\d:\d\d ")?);
    /// let batch = parser.parse("10:05 SELECT *\nFROM t\n10:06 COMMIT\n");
    /// assert_eq!(batch.record(0).unwrap().get("statement"), Some(&b"SELECT *\nFROM t"[..]));
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `InvalidPattern`, as for `Format::pattern`.
    pub fn start(pattern: &str) -> Result<Self, Error> {
        let pattern = StartPattern::compile(pattern)?;
        Ok(Self::new(Rule::Start(Arc::new(pattern))))
    }

    /// A record goes on over the lines that begin with a space or a tab, and over empty lines.
    pub fn indented() -> Self {
        Self::new(Rule::Indented)
    }

    /// A record goes on over the lines that stack traces of Java, Python, JavaScript and .NET have:
    ///
    /// - lines that begin with a space or a tab, and empty lines;
    /// - lines that begin with `Caused by:`, `Suppressed:`, `Traceback (most recent call last):`,
    ///   `During handling of the above exception`, `The above exception was` or `--- End of `;
    /// - lines that begin with the name of an exception: letters, digits, `.`, `_` and `$`, with
    ///   `Error`, `Exception`, `Throwable`, `KeyboardInterrupt` or `SystemExit` at its end, and then a
    ///   colon or the end of the line.
    pub fn stack_traces() -> Self {
        Self::new(Rule::StackTraces)
    }

    fn new(rule: Rule) -> Self {
        Self {
            rule,
            heading: b"",
            max_lines: DEFAULT_MAX_RECORD_LINES,
            whole: false,
        }
    }

    /// Of the lines that begin a record, those that begin with `heading` have the line after them in
    /// their record even if it could begin one: for a first line that is not always there.
    pub(crate) fn heading(mut self, heading: &'static [u8]) -> Self {
        self.heading = heading;
        self
    }

    /// Most lines of one record, [1,000](DEFAULT_MAX_RECORD_LINES) unless set; at least 1.
    #[must_use]
    pub fn max_lines(mut self, lines: u32) -> Self {
        self.max_lines = lines.max(1);
        self
    }

    /// Applies the format to the record as one text, with the line endings between its lines: for
    /// patterns with `\n` (or `\r?\n`) in them, and for JSON over several lines. `.` does not fit LF
    /// unless the pattern says `(?s:.)`.
    ///
    /// ```
    /// use opsbox_log::{Format, Multiline, Parser};
    ///
    /// let format = Format::pattern(
    ///     r"# Time: (?P<time>\S+)\n# Query_time: (?P<seconds>[\d.]+)\n(?P<statement>(?s:.)*)",
    /// )?;
    /// let parser = Parser::new(format).multiline(Multiline::start("# Time: ")?.whole());
    /// let batch = parser.parse("# Time: 10:05\n# Query_time: 2.5\nSELECT *\nFROM t;\n");
    /// let record = batch.record(0).unwrap();
    /// assert_eq!(record.get("seconds"), Some(&b"2.5"[..]));
    /// assert_eq!(record.get("statement"), Some(&b"SELECT *\nFROM t;"[..]));
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    #[must_use]
    pub fn whole(mut self) -> Self {
        self.whole = true;
        self
    }

    pub(crate) fn line_limit(&self) -> u32 {
        self.max_lines
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    /// What deciding about lines needs to write to; one a thread.
    pub(crate) fn scratch(&self) -> Option<StartScratch> {
        match &self.rule {
            Rule::Start(pattern) => Some(pattern.scratch()),
            _ => None,
        }
    }

    /// Whether a line begins a record. `line` is its text without the ending, of an over-long one the
    /// first `limit` bytes. The first line of `input` begins at `from`.
    pub(crate) fn begins(
        &self,
        input: &[u8],
        from: usize,
        line: Range<usize>,
        limit: usize,
        scratch: &mut Option<StartScratch>,
    ) -> bool {
        let text = input.get(line.clone()).unwrap_or_default();
        self.can_begin(text, scratch)
            && (self.heading.is_empty()
                || text.starts_with(self.heading)
                || !line_before(input, from..line.start, limit).is_some_and(|before| {
                    before.starts_with(self.heading) && self.can_begin(before, scratch)
                }))
    }

    /// What the line alone says.
    fn can_begin(&self, line: &[u8], scratch: &mut Option<StartScratch>) -> bool {
        match &self.rule {
            Rule::Start(pattern) => {
                pattern.fits(line, scratch.get_or_insert_with(|| pattern.scratch()))
            }
            Rule::Indented => !is_indented(line),
            Rule::StackTraces => !is_of_trace(line),
        }
    }
}

impl fmt::Debug for Multiline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = match &self.rule {
            Rule::Start(pattern) => pattern.source(),
            Rule::Indented => "indented",
            Rule::StackTraces => "stack traces",
        };
        f.debug_struct("Multiline")
            .field("rule", &rule)
            .field("max_lines", &self.max_lines)
            .field("whole", &self.whole)
            .finish()
    }
}

/// The last of these lines if it is within the limit: an over-long line begins no record that others go
/// on with, and in the next part of an input it is not there.
fn line_before(input: &[u8], lines: Range<usize>, limit: usize) -> Option<&[u8]> {
    let before = input.get(lines)?.strip_suffix(b"\n")?;
    // One byte more than the limit may be the CR of the ending, and one the LF before the line.
    let near = before.get(before.len().saturating_sub(limit.saturating_add(2))..)?;
    let line = match memchr::memrchr(b'\n', near) {
        Some(at) => near.get(at + 1..)?,
        None => near,
    };
    let text = line.strip_suffix(b"\r").unwrap_or(line);
    (text.len() <= limit).then_some(text)
}

fn is_indented(line: &[u8]) -> bool {
    matches!(line.first(), None | Some(b' ' | b'\t'))
}

fn is_of_trace(line: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 6] = [
        b"Caused by:",
        b"Suppressed:",
        b"Traceback (most recent call last):",
        b"During handling of the above exception",
        b"The above exception was",
        b"--- End of ",
    ];
    const NAMES: [&[u8]; 5] = [
        b"Error",
        b"Exception",
        b"Throwable",
        b"KeyboardInterrupt",
        b"SystemExit",
    ];
    if is_indented(line) || BEGINNINGS.iter().any(|it| line.starts_with(it)) {
        return true;
    }
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'$');
    let end = line.iter().position(|byte| !in_name(byte));
    let (name, rest) = line.split_at(end.unwrap_or(line.len()));
    matches!(rest.first(), None | Some(b':')) && NAMES.iter().any(|it| name.ends_with(it))
}

/// Which record a line that begins none would continue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Before {
    /// None has begun.
    #[default]
    Nothing,
    /// One that takes no more lines.
    Full,
}

/// The place of the last line of `range` that begins a record, the first line left out. `range` begins
/// at a line's beginning; the line found is judged as a whole even if it ends after the range.
pub(crate) fn last_start(
    input: &[u8],
    range: Range<usize>,
    mut begins: impl FnMut(Range<usize>) -> bool,
) -> Option<usize> {
    let mut end = range.end;
    loop {
        let before = input.get(range.start..end)?;
        let at = range.start + memchr::memrchr(b'\n', before)?;
        if Lines::new(input, at + 1).next().is_some_and(&mut begins) {
            return Some(at + 1);
        }
        end = at;
    }
}
