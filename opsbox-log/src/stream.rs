//! An asynchronous reader's bytes to batches (feature `tokio`).

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::{batch::Batch, chunks::Chunks, error::Error, parser::Parser};

/// The batches of an asynchronous reader, from [`Parser::stream`]: the rows that
/// [`Batches`](crate::Batches) would have.
///
/// Waiting for the next batch can be given up at any time, by `select!` or a timeout: the bytes so far
/// stay here, and the next call goes on from them. [`flush`](Self::flush) gives what is complete.
#[derive(Debug)]
pub struct BatchStream<R> {
    reader: R,
    chunks: Chunks,
}

impl<R> BatchStream<R> {
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

    /// The lines that are complete although the batch is not full yet, if there are any: for a reader
    /// that has been silent for a while. A record of [several lines](crate::Multiline) is complete
    /// when the next one begins.
    pub fn flush(&mut self) -> Option<Batch<Vec<u8>>> {
        self.chunks.flush()
    }
}

impl<R: AsyncRead + Unpin> Stream for BatchStream<R> {
    type Item = Result<Batch<Vec<u8>>, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { reader, chunks } = self.get_mut();
        loop {
            if let Some(batch) = chunks.advance() {
                return Poll::Ready(Some(batch));
            }
            let wanted = chunks.wanted();
            if wanted == 0 {
                return Poll::Ready(None);
            }
            let mut part = (&mut *reader).take(wanted as u64);
            // Nothing is read while it is pending, so it can be dropped then.
            let read = pin!(part.read_buf(chunks.buffer()));
            match ready!(read.poll(cx)) {
                Ok(0) => chunks.end(),
                Ok(_) => {}
                Err(source) => chunks.fail(source),
            }
        }
    }
}
