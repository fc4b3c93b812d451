//! Bytes as they come to batches: what all readers share, without any reading.

use std::{io, ops::Range};

use crate::{
    batch::{Batch, BatchMemory, Origin},
    error::Error,
    format::StartScratch,
    frame::{BOM, Lines},
    multiline::{Before, last_start},
    parser::Parser,
    tokenize::{Place, Tail},
};

/// Takes bytes, gives batches. The rows are the same however the bytes are cut.
#[derive(Debug)]
pub(crate) struct Chunks {
    parser: Parser,
    /// Bytes that are in no batch yet.
    buffer: Vec<u8>,
    /// Bytes that the buffer is to have before it is looked at again.
    target: usize,
    /// Where the buffer begins in the input.
    origin: Origin,
    /// What lines at its beginning continue.
    before: Before,
    starts: Option<StartScratch>,
    /// The over-long line that the bytes to come are of.
    skipped: Option<Skipped>,
    /// Bytes of an over-long line in which the input failed.
    lost: u64,
    input: Input,
    /// Of batches that are done with: their rows and their bytes.
    memory: BatchMemory,
    spare: Vec<u8>,
}

#[derive(Debug)]
enum Input {
    /// More may come.
    Open,
    Ended,
    /// No more comes, and the last line is not complete.
    Failed(Option<io::Error>),
}

/// An over-long line, of which the first bytes stay at the end of the buffer.
#[derive(Clone, Copy, Debug)]
struct Skipped {
    start: usize,
    /// Where the bytes that stay end.
    kept: usize,
    /// Bytes of the line so far.
    len: u64,
    last: Option<u8>,
}

/// Bytes that are asked for at once while an over-long line is skipped.
const SKIP_BYTES: usize = 64 << 10;

impl Chunks {
    pub(crate) fn new(parser: Parser) -> Self {
        let mut chunks = Self {
            parser,
            buffer: Vec::new(),
            target: 0,
            origin: Origin::START,
            before: Before::Nothing,
            starts: None,
            skipped: None,
            lost: 0,
            input: Input::Open,
            memory: BatchMemory::default(),
            spare: Vec::new(),
        };
        chunks.grow();
        chunks
    }

    /// Bytes to add before [`advance`](Self::advance) has more to say; 0 once they have ended.
    pub(crate) fn wanted(&self) -> usize {
        match self.input {
            Input::Open => self.target.saturating_sub(self.buffer.len()),
            Input::Ended | Input::Failed(_) => 0,
        }
    }

    /// Where bytes are to be appended: those [wanted](Self::wanted), for which there is room, or
    /// fewer.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        self.buffer.reserve_exact(self.wanted());
        &mut self.buffer
    }

    /// The input is at its end.
    pub(crate) fn end(&mut self) {
        self.input = Input::Ended;
    }

    /// The input stops here. The lines that are complete still come, and then the error.
    pub(crate) fn fail(&mut self, source: io::Error) {
        self.input = Input::Failed(Some(source));
    }

    /// Bytes of the input in the batches so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.origin.offset
    }

    /// The next batch or error. Nothing means that bytes are [wanted](Self::wanted), or that there is
    /// nothing more.
    pub(crate) fn advance(&mut self) -> Option<Result<Batch<Vec<u8>>, Error>> {
        let limit = self.parser.line_limit();
        while self.wanted() == 0 {
            if let Some(skipped) = self.skipped.take() {
                match self.skip(skipped) {
                    Some(batch) => return Some(Ok(batch)),
                    None => continue,
                }
            }
            self.skip_bom();
            let complete = self.complete();
            let cut = match &mut self.input {
                Input::Open => self.cut(complete),
                Input::Ended => self.buffer.len(),
                Input::Failed(_) if complete > 0 => complete,
                Input::Failed(source) => {
                    let source = source.take()?;
                    return Some(Err(Error::Read {
                        offset: self.origin.offset + self.buffer.len() as u64 + self.lost,
                        line: self.origin.line,
                        source,
                    }));
                }
            };
            if cut > 0 {
                return Some(Ok(self.batch(cut, None, cut as u64)));
            }
            if !matches!(self.input, Input::Open) {
                return None;
            }
            // One more than the limit may be the CR of an ending.
            if self.buffer.len() - complete > limit + 1 {
                self.skipped = Some(Skipped {
                    start: complete,
                    kept: complete + limit,
                    len: limit as u64,
                    last: None,
                });
            } else {
                self.grow();
            }
        }
        None
    }

    /// A batch of what is complete although more bytes are wanted for a full one.
    #[cfg(feature = "tokio")]
    pub(crate) fn flush(&mut self) -> Option<Batch<Vec<u8>>> {
        if self.skipped.is_some() {
            return None;
        }
        self.skip_bom();
        let complete = self.complete();
        let cut = self.cut(complete);
        (cut > 0).then(|| self.batch(cut, None, cut as u64))
    }

    /// Lets the buffer take a batch, or twice what it has: a growing line doubles it, up to what shows
    /// that it is too long. A record may come before such a line.
    fn grow(&mut self) {
        let len = self.buffer.len();
        let limit = self.parser.line_limit();
        let most = match self.parser.options().multiline {
            Some(_) => 2 * limit + 3,
            None => limit,
        };
        let grown = (len * 2).clamp(len + 1, len.max(most) + 2);
        self.target = self.parser.batch_target().max(grown).max(BOM.len());
    }

    fn skip_bom(&mut self) {
        if self.origin.offset == 0 && self.buffer.starts_with(BOM) {
            self.buffer.drain(..BOM.len());
            self.origin.offset = BOM.len() as u64;
        }
    }

    /// Bytes up to the end of the last line that has one.
    fn complete(&self) -> usize {
        memchr::memrchr(b'\n', &self.buffer).map_or(0, |at| at + 1)
    }

    /// Bytes whose rows cannot change by what comes. `complete` has only whole lines.
    fn cut(&mut self, complete: usize) -> usize {
        let options = self.parser.options();
        let Some(rule) = options.multiline.as_ref().filter(|_| complete > 0) else {
            return complete;
        };
        let (buffer, starts) = (&self.buffer, &mut self.starts);
        let limit = options.line_limit;
        let mut begins = |line: Range<usize>| {
            let text = line.start..line.end.min(line.start + limit);
            rule.begins(buffer, 0, text, limit, starts)
        };
        // The line that is not complete cannot be judged.
        if let Some(start) = last_start(buffer, 0..complete - 1, &mut begins) {
            return start;
        }
        // One record or lines of none. A record is settled by a line that does not fit in.
        let first = Lines::new(buffer, 0).next();
        if !first.is_some_and(&mut begins) {
            return complete;
        }
        let whole = buffer.get(..complete).unwrap_or_default();
        let last = memchr::memrchr(b'\n', whole.get(..complete - 1).unwrap_or_default());
        let end = Lines::new(whole, last.map_or(0, |at| at + 1)).next();
        let is_full = end.is_some_and(|line| line.end > limit)
            || memchr::memchr_iter(b'\n', whole).count() > rule.line_limit() as usize;
        if is_full { complete } else { 0 }
    }

    /// Goes on in an over-long line; a batch when it has ended.
    fn skip(&mut self, mut skipped: Skipped) -> Option<Batch<Vec<u8>>> {
        let bytes = self.buffer.get(skipped.kept..).unwrap_or_default();
        let ending = memchr::memchr(b'\n', bytes);
        let line = bytes
            .get(..ending.unwrap_or(bytes.len()))
            .unwrap_or_default();
        skipped.len += line.len() as u64;
        skipped.last = line.last().copied().or(skipped.last);
        let taken = skipped.kept + line.len() + usize::from(ending.is_some());
        self.buffer.drain(skipped.kept..taken);
        match &self.input {
            _ if ending.is_some() => {}
            Input::Open => {
                self.target = skipped.kept + SKIP_BYTES;
                self.skipped = Some(skipped);
                return None;
            }
            Input::Ended => {}
            Input::Failed(_) => {
                self.buffer.truncate(skipped.start);
                self.lost = skipped.len;
                return None;
            }
        }
        let tail = Tail {
            start: skipped.start,
            len: skipped.len - u64::from(skipped.last == Some(b'\r')),
        };
        let consumed = skipped.start as u64 + skipped.len + u64::from(ending.is_some());
        Some(self.batch(skipped.kept, Some(tail), consumed))
    }

    /// Takes the memory of a batch for one of those to come.
    #[cfg(feature = "pipeline")]
    pub(crate) fn recycle(&mut self, batch: Batch<Vec<u8>>) {
        self.spare = batch.recycle(&mut self.memory);
    }

    /// Makes a batch of the first bytes of the buffer, which are `consumed` bytes of the input.
    fn batch(&mut self, end: usize, tail: Option<Tail>, consumed: u64) -> Batch<Vec<u8>> {
        let mut rest = std::mem::take(&mut self.spare);
        rest.clear();
        rest.extend_from_slice(self.buffer.get(end..).unwrap_or_default());
        self.buffer.truncate(end);
        let bytes = std::mem::replace(&mut self.buffer, rest);
        let place = Place {
            origin: self.origin,
            before: self.before,
            tail,
        };
        let (batch, before) = self.parser.parse_part(bytes, place, &mut self.memory);
        self.before = before;
        self.origin = Origin {
            offset: self.origin.offset + consumed,
            line: self.origin.line + batch.line_count() as u64,
        };
        self.grow();
        batch
    }
}
