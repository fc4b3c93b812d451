//! A reader's bytes to batches, in bounded memory.

use std::io::Read;

use crate::{batch::Batch, chunks::Chunks, error::Error, parser::Parser};

/// The batches of a reader, from [`Parser::read`]. If the reader fails, the lines that were complete
/// before come first, then the error, then nothing more.
///
/// The formats whose keys are in the line (`ndjson`, `logfmt`) find their columns in each batch
/// anew.
#[derive(Debug)]
pub struct Batches<R> {
    reader: R,
    chunks: Chunks,
}

impl<R: Read> Batches<R> {
    pub(crate) fn new(parser: Parser, reader: R) -> Self {
        Self {
            reader,
            chunks: Chunks::new(parser),
        }
    }

    /// The number of bytes of the input in the batches so far.
    pub fn bytes_read(&self) -> u64 {
        self.chunks.bytes_read()
    }

    /// Takes the memory of a batch for one of those to come.
    #[cfg(feature = "pipeline")]
    pub(crate) fn recycle(&mut self, batch: Batch<Vec<u8>>) {
        self.chunks.recycle(batch);
    }
}

impl<R: Read> Iterator for Batches<R> {
    type Item = Result<Batch<Vec<u8>>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(batch) = self.chunks.advance() {
                return Some(batch);
            }
            let wanted = self.chunks.wanted();
            if wanted == 0 {
                return None;
            }
            let mut part = self.reader.by_ref().take(wanted as u64);
            match part.read_to_end(self.chunks.buffer()) {
                Ok(read) if read < wanted => self.chunks.end(),
                Ok(_) => {}
                Err(source) => self.chunks.fail(source),
            }
        }
    }
}
