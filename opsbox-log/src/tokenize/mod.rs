//! Lines to rows: the loop that all engines share.

mod engine;
#[cfg(feature = "json")]
mod json;
mod logfmt;
mod ranges;
pub(crate) mod walk;

use std::{ops::Range, panic, sync::atomic, thread};

use crate::{
    batch::{Block, Origin, Rows},
    format::Format,
    frame::{BOM, Lines},
    unmatched::Reason,
};
use engine::Tokenizer;
use ranges::{Ranges, Sizes};

/// How a parser applies its format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Longest line, in bytes, that is tokenized.
    pub(crate) line_limit: usize,
    /// Leave the plan aside.
    pub(crate) regex_only: bool,
    /// Threads that share an input; at least 1.
    pub(crate) threads: usize,
}

/// Tokenizes the lines of `input`, the part of the whole input that begins at `origin`.
pub(crate) fn tokenize(format: &Format, options: Options, input: &[u8], origin: Origin) -> Rows {
    let from = match origin.offset == 0 && input.starts_with(BOM) {
        true => BOM.len(),
        false => 0,
    };
    let work = Work {
        format,
        options,
        input,
        from,
    };
    work.rows(Sizes::of(input.len(), options.threads))
}

/// An input, and what to do with it.
struct Work<'w> {
    format: &'w Format,
    options: Options,
    input: &'w [u8],
    /// Where the first line begins.
    from: usize,
}

impl Work<'_> {
    /// The rows, whatever the sizes of the ranges.
    fn rows(&self, sizes: Sizes) -> Rows {
        if let Some(shared) = sizes.shared {
            let ranges: Vec<_> = Ranges::new(self.input, self.from, shared).collect();
            let threads = self.options.threads.min(ranges.len());
            // Where the limit of columns is near, each line has to know all columns before it.
            if threads > 1
                && let Ok(rows) = Rows::join(self.parallel(&ranges, threads))
            {
                return rows;
            }
        }
        Rows::join(self.sequential(sizes.alone)).unwrap_or_default()
    }

    /// Blocks of which each knows the columns before it.
    fn sequential(&self, size: usize) -> Vec<Block> {
        let mut tokenizer = Tokenizer::new(self.format.engine(), self.options);
        let mut blocks: Vec<Block> = Vec::new();
        for range in Ranges::new(self.input, self.from, size) {
            let mut block = match blocks.last() {
                Some(previous) => Block::after(previous, range.start),
                None => Block::new(self.format.shared_fields(), range.start),
            };
            tokenizer.range(self.input, range, &mut block);
            blocks.push(block);
        }
        if blocks.is_empty() {
            blocks.push(Block::new(self.format.shared_fields(), self.from));
        }
        blocks
    }

    /// Blocks of which each knows its own columns only, in the order of the ranges. Each thread takes
    /// the next range when it has done one, so that slow ranges do not hold the others up.
    fn parallel(&self, ranges: &[Range<usize>], threads: usize) -> Vec<Block> {
        let next = atomic::AtomicUsize::new(0);
        let work = || {
            let mut tokenizer = Tokenizer::new(self.format.engine(), self.options);
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, atomic::Ordering::Relaxed);
                let Some(range) = ranges.get(index) else {
                    return done;
                };
                let mut block = Block::new(self.format.shared_fields(), range.start);
                tokenizer.range(self.input, range.clone(), &mut block);
                done.push((index, block));
            }
        };
        let mut done = thread::scope(|scope| {
            // A thread that the system refuses to start is one fewer; this one works in any case.
            let others: Vec<_> = (1..threads)
                .map_while(|_| thread::Builder::new().spawn_scoped(scope, work).ok())
                .collect();
            let mut done = work();
            for other in others {
                match other.join() {
                    Ok(blocks) => done.extend(blocks),
                    Err(panicked) => panic::resume_unwind(panicked),
                }
            }
            done
        });
        done.sort_unstable_by_key(|&(index, _)| index);
        done.into_iter().map(|(_, block)| block).collect()
    }
}

impl Tokenizer<'_> {
    /// Writes the rows of a range of whole lines.
    fn range(&mut self, input: &[u8], range: Range<usize>, block: &mut Block) {
        let input = input.get(..range.end).unwrap_or_default();
        for line in Lines::new(input, range.start) {
            self.line(input, line, block);
        }
    }

    /// Writes one line, given without its ending: a row, or an unmatched line.
    fn line(&mut self, input: &[u8], range: Range<usize>, block: &mut Block) {
        let line = input.get(range.clone()).unwrap_or_default();
        let limit = self.options.line_limit;
        let outcome = match line.len() > limit {
            true => Err(Reason::TooLong { limit }),
            false => self.cells(line, block),
        };
        match outcome {
            Ok(()) => block.commit(range.start),
            Err(_) if line.is_empty() => block.reject(range.start, 0, Reason::Empty),
            Err(reason) => block.reject(range.start, line.len() as u64, reason),
        }
    }
}

#[cfg(test)]
mod tests;
