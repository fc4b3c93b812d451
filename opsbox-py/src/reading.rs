//! Parts of what is read bit by bit, without Python.

use std::{collections::VecDeque, io::Read, sync::Arc};

use bytes::Bytes;
use opsbox_log::{Batch, BatchMemory, Error};

use crate::{
    data::Data,
    input::reader::Raised,
    job::{Done, Job},
};

/// Makes parts of batches that come one after the other.
pub(crate) struct Maker {
    job: Arc<Job>,
    memory: BatchMemory,
    line: u64,
    batch_rows: usize,
}

impl Maker {
    /// No batch will have more rows than `batch_rows`.
    pub(crate) fn new(job: &Arc<Job>, batch_rows: Option<usize>) -> Self {
        Self {
            job: Arc::clone(job),
            memory: BatchMemory::default(),
            line: 1,
            batch_rows: batch_rows.unwrap_or(usize::MAX).max(1),
        }
    }

    /// A part of the next batch; `before` are the bytes that come before it.
    pub(crate) fn part(&mut self, batch: Batch<Vec<u8>>, before: u64) -> Result<Done, Error> {
        // The first line is a row or unmatched. It begins later than what came before ends if there is a byte order
        // mark.
        let row = batch.record(0).map(|record| record.offset());
        let unmatched = batch.unmatched().next().map(|line| line.offset());
        let offset = row.into_iter().chain(unmatched).min().unwrap_or(before);
        let line = self.line;
        let batch: Batch<Bytes> = batch.into();
        let mut done = self.job.finish(batch, line, offset, &mut self.memory)?;
        self.line += done.lines;
        done.at = Some((line, offset));
        Ok(done)
    }

    /// Batches of a part.
    pub(crate) fn batches(&self, done: Done) -> Vec<Data> {
        let data = self.job.data(vec![done]);
        if data.rows() <= self.batch_rows {
            return vec![data];
        }
        let starts = (0..data.rows()).step_by(self.batch_rows);
        let parts = starts.map(|start| {
            let end = start.saturating_add(self.batch_rows).min(data.rows());
            data.slice(start..end)
        });
        parts.collect()
    }
}

/// An input of which one batch after the other is read and parsed.
pub(crate) struct Reading {
    maker: Maker,
    batches: opsbox_log::Batches<Box<dyn Read + Send>>,
    raised: Raised,
    ready: VecDeque<Data>,
    has_ended: bool,
}

impl Reading {
    pub(crate) fn new(
        maker: Maker,
        reader: Box<dyn Read + Send>,
        raised: Raised,
        batch_bytes: usize,
    ) -> Self {
        let parser = maker.job.parser.clone().batch_bytes(batch_bytes);
        Self {
            batches: parser.read(reader),
            maker,
            raised,
            ready: VecDeque::new(),
            has_ended: false,
        }
    }

    /// What the object raised that the bytes are of.
    pub(crate) fn raised(&self) -> &Raised {
        &self.raised
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.batches.bytes_read()
    }

    /// The next part.
    pub(crate) fn part(&mut self) -> Option<Result<Done, Error>> {
        if self.has_ended {
            return None;
        }
        let before = self.batches.bytes_read();
        let part = match self.batches.next() {
            Some(batch) => batch.and_then(|batch| self.maker.part(batch, before)),
            None => {
                self.has_ended = true;
                return None;
            }
        };
        self.has_ended = part.is_err();
        Some(part)
    }

    /// The next batch.
    pub(crate) fn batch(&mut self) -> Option<Result<Data, Error>> {
        loop {
            if let Some(data) = self.ready.pop_front() {
                return Some(Ok(data));
            }
            match self.part()? {
                Ok(done) => self.ready.extend(self.maker.batches(done)),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
