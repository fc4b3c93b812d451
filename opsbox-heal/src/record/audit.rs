//! The audit stream: a line of JSON for every decision, in a file that is only ever added to.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, Read as _, Seek as _, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::{
    entry::{Entry, SCHEMA},
    redact::redacted,
};
use crate::{
    error::{Error, ErrorKind, Position},
    limits,
    text::Escaped,
};

/// When lines are forced to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncPolicy {
    /// When the system sees fit: a crash of the machine can lose the last seconds, one of the process nothing.
    #[default]
    System,
    /// After each line: nothing is lost, for a few milliseconds a line.
    EachLine,
    /// After so many lines.
    EveryLines(u32),
}

/// Writes the audit stream.
///
/// Each entry is one line, handed to the system in one write. A line is whole or can be told to be torn: when a write
/// fails, what was written of it is taken back, or ended, before the next line; a file whose last line was torn by a
/// crash is ended when it is opened. Texts are cut at [`MAX_AUDIT_TEXT_BYTES`](limits::MAX_AUDIT_TEXT_BYTES), and what
/// looks like a secret in them is taken out.
///
/// An append blocks for as long as the disk does; in async code call it from a thread of its own if that matters.
///
/// ```
/// use opsbox_heal::record::{AuditLog, Entry, EntryKind, EntryTarget, entries};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("audit.jsonl");
/// let mut audit = AuditLog::open(&path)?.cluster("test").controller("heal-7d9-x2x");
/// let time = "2026-03-01T12:00:00Z".parse()?;
/// let entry = Entry::new(EntryKind::Decision, time, "ignore", "ProtectedNamespace")
///     .target(EntryTarget::new("kube-system", "dns-1", "0b0e"))
///     .message("kube-system is protected");
/// audit.append(&entry)?;
///
/// let text = std::fs::read_to_string(&path)?;
/// assert_eq!(
///     text,
///     "{\"schema\":1,\"sequence\":1,\"time\":\"2026-03-01T12:00:00Z\",\"kind\":\"decision\",\
///      \"cluster\":\"test\",\"controller\":\"heal-7d9-x2x\",\"target\":{\"namespace\":\"kube-system\",\
///      \"name\":\"dns-1\",\"uid\":\"0b0e\"},\"action\":\"ignore\",\"reason\":\"ProtectedNamespace\",\
///      \"message\":\"kube-system is protected\",\"dry_run\":false}\n"
/// );
/// let read: Result<Vec<Entry>, _> = entries(text.as_bytes()).collect();
/// assert_eq!(read?[0].reason, "ProtectedNamespace");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AuditLog {
    sink: Sink,
    cluster: String,
    controller: String,
    sequence: u64,
    sync: SyncPolicy,
    unsynced: u32,
    /// Whether the last line may be without its end.
    torn: bool,
}

enum Sink {
    Writer(Box<dyn Write + Send>),
    File(AuditFile),
}

struct AuditFile {
    path: PathBuf,
    file: File,
    size: u64,
    max_bytes: u64,
    keep: u32,
    /// Held for as long as this file is written.
    lock: File,
}

impl AuditLog {
    /// Adds to a file, which is made if it is not there. Its folder must be there. Beside it is a file with `.lock` at
    /// its end, so that no two processes write to it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] if it cannot be opened, read at its end or written, or if another process writes to it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let file = AuditFile::open(path.as_ref())?;
        Ok(Self::new(Sink::File(file)))
    }

    /// Adds to anything. It is flushed after each line.
    pub fn to_writer(writer: impl Write + Send + 'static) -> Self {
        Self::new(Sink::Writer(Box::new(writer)))
    }

    fn new(sink: Sink) -> Self {
        Self {
            sink,
            cluster: String::new(),
            controller: String::new(),
            sequence: 0,
            sync: SyncPolicy::default(),
            unsynced: 0,
            torn: false,
        }
    }

    /// What entries say of the cluster, unless they say something themselves.
    pub fn cluster(mut self, cluster: impl Into<String>) -> Self {
        self.cluster = cluster.into();
        self
    }

    /// What entries say of the process, unless they say something themselves. It should be unique.
    pub fn controller(mut self, controller: impl Into<String>) -> Self {
        self.controller = controller.into();
        self
    }

    /// When a file is forced to the disk; of a writer this says nothing.
    pub fn sync(mut self, policy: SyncPolicy) -> Self {
        self.sync = policy;
        self
    }

    /// Begins a new file when the present one would grow over `max_bytes`: `audit.jsonl` becomes `audit.jsonl.1`, that
    /// one `audit.jsonl.2`, and so on; `keep` of them are kept, at least one. A writer is not rotated.
    ///
    /// Without this a file grows for ever.
    pub fn rotate(mut self, max_bytes: u64, keep: u32) -> Self {
        if let Sink::File(file) = &mut self.sink {
            file.max_bytes = max_bytes.max(1);
            file.keep = keep.max(1);
        }
        self
    }

    /// Adds one entry, and gives its `sequence`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] if it cannot be written or forced to the disk. The entry is then not there, or not whole, or
    /// (if only the last failed) not known to last; the next one has the next `sequence`, so that the gap is seen.
    pub fn append(&mut self, entry: &Entry) -> Result<u64, Error> {
        self.sequence += 1;
        let mut entry = entry.clone();
        entry.schema = SCHEMA;
        entry.sequence = self.sequence;
        if entry.cluster.is_empty() {
            entry.cluster.clone_from(&self.cluster);
        }
        if entry.controller.is_empty() {
            entry.controller.clone_from(&self.controller);
        }
        for text in entry.free_texts() {
            *text = bounded(text);
        }
        let mut line = Vec::with_capacity(512);
        if self.torn {
            // An empty line at worst, which readers skip.
            line.push(b'\n');
        }
        serde_json::to_writer(&mut line, &entry).map_err(|error| {
            let reason = format!("an audit entry cannot be written as JSON: {error}");
            Error::new(ErrorKind::InvalidField, reason)
        })?;
        line.push(b'\n');
        match &mut self.sink {
            Sink::Writer(writer) => {
                let written = writer.write_all(&line).and_then(|()| writer.flush());
                self.torn = written.is_err();
                written.map_err(|error| failed("the audit stream cannot be written", error))?;
            }
            Sink::File(file) => {
                let added = file.add(&line);
                self.torn = match &added {
                    Ok(()) => false,
                    Err(_) => !file.take_back() || self.torn,
                };
                added?;
                self.unsynced += 1;
                let is_due = match self.sync {
                    SyncPolicy::System => false,
                    SyncPolicy::EachLine => true,
                    SyncPolicy::EveryLines(lines) => self.unsynced >= lines,
                };
                if is_due {
                    self.flush()?;
                }
            }
        }
        Ok(self.sequence)
    }

    /// Forces what was written to the disk.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]; what was written since the last success may be lost in a crash of the machine.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.unsynced = 0;
        match &mut self.sink {
            Sink::Writer(writer) => {
                let flushed = writer.flush();
                flushed.map_err(|error| failed("the audit stream cannot be flushed", error))
            }
            Sink::File(file) => {
                let synced = file.file.sync_data();
                synced.map_err(|error| file.failed("cannot be forced to the disk", error))
            }
        }
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = match &self.sink {
            Sink::Writer(_) => None,
            Sink::File(file) => Some(&file.path),
        };
        f.debug_struct("AuditLog")
            .field("path", &path)
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

impl AuditFile {
    fn open(path: &Path) -> Result<Self, Error> {
        let fail = |what: &str, error: io::Error| failed(&named(path, what), error);
        let lock = File::options()
            .create(true)
            .append(true)
            .open(beside(path, "lock"))
            .map_err(|error| fail("cannot have a lock beside it", error))?;
        lock.try_lock().map_err(|error| {
            let what = "is written by another process; give each its own file";
            fail(what, error.into())
        })?;
        let mut file = added_to(path).map_err(|error| fail("cannot be opened", error))?;
        let mut size = end_of(&file, path).map_err(|error| fail("cannot be read", error))?;
        if let Some(end) = size.torn {
            // So that the next line is one of its own. What is torn stays: it is somebody's evidence.
            let ended = file.write_all(b"\n");
            ended.map_err(|error| fail("cannot be written", error))?;
            size.bytes = end + 1;
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            size: size.bytes,
            max_bytes: u64::MAX,
            keep: 1,
            lock,
        })
    }

    fn add(&mut self, line: &[u8]) -> Result<(), Error> {
        let more = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.size > 0 && self.size.saturating_add(more) > self.max_bytes {
            let rotated = self.rotate();
            rotated.map_err(|error| self.failed("cannot be rotated", error))?;
        }
        let written = self.file.write_all(line);
        written.map_err(|error| self.failed("cannot be written", error))?;
        self.size += more;
        Ok(())
    }

    /// Takes back the part of a line that was written; whether that worked.
    fn take_back(&mut self) -> bool {
        self.file.set_len(self.size).is_ok()
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        // If it is not there, the last attempt got this far.
        if self.path.try_exists()? {
            for number in (1..self.keep).rev() {
                let from = beside(&self.path, &number.to_string());
                let to = beside(&self.path, &(number + 1).to_string());
                match fs::rename(from, to) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            fs::rename(&self.path, beside(&self.path, "1"))?;
        }
        self.file = added_to(&self.path)?;
        self.size = 0;
        sync_folder(&self.path)
    }

    fn failed(&self, what: &str, error: io::Error) -> Error {
        failed(&named(&self.path, what), error)
    }
}

/// A process that is being started has the same open file for a moment, so that closing it would not be enough.
impl Drop for AuditFile {
    fn drop(&mut self) {
        drop(self.lock.unlock());
    }
}

fn named(path: &Path, what: &str) -> String {
    format!("the audit log {} {what}", path.display())
}

fn failed(what: &str, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("{what}: {error}")).with_source(error)
}

fn added_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // It tells what runs where: for its owner and group.
        options.mode(0o640);
    }
    options.open(path)
}

/// The path with this at its end: `audit.jsonl.1`.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(end);
    PathBuf::from(name)
}

/// So that the new names last, too.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = File::open(folder.unwrap_or_else(|| Path::new(".")));
    if cfg!(unix) {
        folder?.sync_all()
    } else {
        Ok(())
    }
}

struct End {
    bytes: u64,
    /// The size, if the last byte ends no line.
    torn: Option<u64>,
}

fn end_of(file: &File, path: &Path) -> io::Result<End> {
    let bytes = file.metadata()?.len();
    if bytes == 0 {
        return Ok(End { bytes, torn: None });
    }
    // The file itself is open for adding only.
    let mut reader = File::open(path)?;
    reader.seek(SeekFrom::Start(bytes - 1))?;
    let mut last = [0];
    reader.read_exact(&mut last)?;
    let torn = (last != *b"\n").then_some(bytes);
    Ok(End { bytes, torn })
}

fn bounded(text: &str) -> String {
    let text = redacted(text);
    let end = text.floor_char_boundary(limits::MAX_AUDIT_TEXT_BYTES);
    match text.split_at(end) {
        (_, "") => text.into_owned(),
        (kept, _) => format!("{kept}..."),
    }
}

/// Reads an audit stream, line by line. A line that cannot be read is an error with its number, and the next one is
/// read all the same; empty lines are skipped.
///
/// The errors are [`ErrorKind::Syntax`] for a line that is no entry or is torn, [`ErrorKind::TooLarge`] for one that is
/// longer than [`MAX_AUDIT_LINE_BYTES`](limits::MAX_AUDIT_LINE_BYTES), [`ErrorKind::WrongKind`] for one of a newer
/// schema, and [`ErrorKind::Io`], after which there is no more.
pub fn entries(reader: impl BufRead) -> impl Iterator<Item = Result<Entry, Error>> {
    let mut lines = Lines {
        reader,
        number: 0,
        offset: 0,
        is_over: false,
    };
    std::iter::from_fn(move || lines.next())
}

struct Lines<R> {
    reader: R,
    number: u64,
    offset: u64,
    is_over: bool,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Option<Result<Entry, Error>> {
        while !self.is_over {
            self.number += 1;
            let position = Position {
                line: self.number,
                column: 1,
                byte_offset: self.offset,
            };
            let line = match self.line() {
                Ok(line) => line,
                Err(error) => {
                    self.is_over = true;
                    let error = failed("the audit stream cannot be read", error);
                    return Some(Err(error.with_position(Some(position))));
                }
            };
            let entry = match &line {
                None => {
                    let limit = limits::MAX_AUDIT_LINE_BYTES;
                    let reason = format!("the line is longer than {limit} bytes");
                    Err(Error::new(ErrorKind::TooLarge, reason))
                }
                Some(line) if line.trim_ascii().is_empty() => continue,
                Some(line) => parse(line),
            };
            return Some(entry.map_err(|error| error.with_position(Some(position))));
        }
        None
    }

    /// A line without its end; `None` if it is too long, of which no more than the limit is kept.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let mut is_long = false;
        loop {
            let buffer = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                buffer => buffer?,
            };
            if buffer.is_empty() {
                self.is_over = true;
                break;
            }
            let end = buffer.iter().position(|&byte| byte == b'\n');
            let (part, _) = buffer.split_at(end.unwrap_or(buffer.len()));
            if is_long || line.len() + part.len() > limits::MAX_AUDIT_LINE_BYTES {
                is_long = true;
                line.clear();
            } else {
                line.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            self.offset += u64::try_from(used).unwrap_or(u64::MAX);
            if end.is_some() {
                break;
            }
        }
        Ok((!is_long).then_some(line))
    }
}

fn parse(line: &[u8]) -> Result<Entry, Error> {
    let entry: Entry = serde_json::from_slice(line).map_err(|error| {
        let reason = match error.classify() {
            serde_json::error::Category::Eof => "is torn",
            serde_json::error::Category::Data => "is no audit entry",
            _ => "is no JSON",
        };
        let shown = Escaped(&error.to_string()).to_string();
        Error::new(ErrorKind::Syntax, format!("the line {reason}: {shown}"))
    })?;
    if entry.schema > SCHEMA {
        let reason = format!(
            "the line has schema {}, and this version knows {SCHEMA}; read it with a newer one",
            entry.schema
        );
        return Err(Error::new(ErrorKind::WrongKind, reason));
    }
    Ok(entry)
}
