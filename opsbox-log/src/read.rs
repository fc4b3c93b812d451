//! A reader's bytes to batches, in bounded memory.

use std::io::{self, ErrorKind, Read};

use crate::{
    batch::{Batch, Block, Origin, Rows},
    error::Error,
    frame::BOM,
    parser::Parser,
    unmatched::Reason,
};

/// The batches of a reader, from [`Parser::read`]. If the reader fails, the lines that were complete
/// before come first, then the error, then nothing more.
///
/// The formats whose keys are in the line (`ndjson`, `logfmt`) find their columns in each batch
/// anew.
#[derive(Debug)]
pub struct Batches<R> {
    parser: Parser,
    reader: R,
    /// Where the next batch begins in the input.
    origin: Origin,
    /// Bytes of a line that is not complete yet.
    rest: Vec<u8>,
    state: State,
}

#[derive(Debug)]
enum State {
    Reading,
    Ended,
    Failed(io::Error),
    /// Nothing more comes.
    Done,
}

/// Bytes that are asked for at once while an over-long line is skipped.
const SKIP_BYTES: usize = 64 << 10;

impl<R: Read> Batches<R> {
    pub(crate) fn new(parser: Parser, reader: R) -> Self {
        Self {
            parser,
            reader,
            origin: Origin::START,
            rest: Vec::new(),
            state: State::Reading,
        }
    }

    /// The number of bytes of the input in the batches so far.
    pub fn bytes_read(&self) -> u64 {
        self.origin.offset
    }

    fn advance(&mut self) -> Result<Option<Batch<Vec<u8>>>, Error> {
        let limit = self.parser.line_limit();
        loop {
            let mut buffer = std::mem::take(&mut self.rest);
            if matches!(self.state, State::Reading) {
                // A growing line doubles the buffer, up to what shows that it is too long.
                let grown = (buffer.len() * 2).clamp(buffer.len() + 1, buffer.len().max(limit) + 2);
                let target = self.parser.batch_target().max(grown).max(BOM.len());
                self.fill(&mut buffer, target);
            }
            if self.origin.offset == 0 && buffer.starts_with(BOM) {
                buffer.drain(..BOM.len());
                self.origin.offset = BOM.len() as u64;
            }

            let end_of_lines = memchr::memrchr(b'\n', &buffer).map(|at| at + 1);
            match (
                std::mem::replace(&mut self.state, State::Done),
                end_of_lines,
            ) {
                (State::Done, _) => return Ok(None),
                (State::Ended, _) => {
                    return Ok((!buffer.is_empty()).then(|| self.batch(buffer)));
                }
                (State::Failed(source), None) => {
                    return Err(self.read_error(buffer.len() as u64, source));
                }
                (state, Some(end)) => {
                    self.state = state;
                    self.rest = buffer.split_off(end);
                    return Ok(Some(self.batch(buffer)));
                }
                (State::Reading, None) => {
                    self.state = State::Reading;
                    // One more than the limit may be the CR of an ending.
                    if buffer.len() > limit + 1 {
                        return self.skip_line(buffer).map(Some);
                    }
                    self.rest = buffer;
                }
            }
        }
    }

    /// Reads until the buffer has `target` bytes, or the reader ends or fails.
    fn fill(&mut self, buffer: &mut Vec<u8>, target: usize) {
        let missing = target.saturating_sub(buffer.len());
        buffer.reserve_exact(missing);
        let mut part = self.reader.by_ref().take(missing as u64);
        match part.read_to_end(buffer) {
            Ok(read) if read < missing => self.state = State::Ended,
            Ok(_) => {}
            Err(source) => self.state = State::Failed(source),
        }
    }

    /// A batch of one unmatched line, of which only the beginning is kept.
    fn skip_line(&mut self, mut line: Vec<u8>) -> Result<Batch<Vec<u8>>, Error> {
        let limit = self.parser.line_limit();
        let mut len = line.len() as u64;
        let mut last = line.last().copied();
        line.truncate(limit);
        let mut chunk = vec![0; SKIP_BYTES];
        let ending = loop {
            let read = match self.reader.read(&mut chunk) {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(source) => {
                    self.state = State::Done;
                    return Err(self.read_error(len, source));
                }
            };
            let bytes = chunk.get(..read).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', bytes) {
                len += at as u64;
                last = at.checked_sub(1).map_or(last, |at| bytes.get(at).copied());
                self.rest = bytes.get(at + 1..).unwrap_or_default().to_vec();
                break 1;
            }
            if bytes.is_empty() {
                self.state = State::Ended;
                break 0;
            }
            len += bytes.len() as u64;
            last = bytes.last().copied();
        };
        let origin = self.origin;
        self.origin = Origin {
            offset: origin.offset + len + ending,
            line: origin.line + 1,
        };
        if last == Some(b'\r') {
            len -= 1;
        }
        let mut block = Block::new(self.parser.format().shared_fields(), 0);
        block.reject(0, len, Reason::TooLong { limit });
        Ok(Batch::new(line, Rows::of(block), origin, limit))
    }

    fn batch(&mut self, buffer: Vec<u8>) -> Batch<Vec<u8>> {
        let origin = self.origin;
        let batch = self.parser.parse_part(buffer, origin);
        self.origin = Origin {
            offset: origin.offset + batch.input().len() as u64,
            line: origin.line + batch.line_count() as u64,
        };
        batch
    }

    fn read_error(&self, read: u64, source: io::Error) -> Error {
        Error::Read {
            offset: self.origin.offset + read,
            line: self.origin.line,
            source,
        }
    }
}

impl<R: Read> Iterator for Batches<R> {
    type Item = Result<Batch<Vec<u8>>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}
