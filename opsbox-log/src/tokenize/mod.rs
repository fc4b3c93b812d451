//! Lines to rows: the loop that all engines share.

mod chunk;
mod engine;
mod escape;
mod head;
#[cfg(feature = "json")]
mod json;
mod lent;
mod logfmt;
#[cfg(feature = "json")]
mod project;
mod ranges;
mod records;
mod signature;
mod structural;
pub(crate) mod walk;
mod windows;

#[cfg(feature = "json")]
pub(crate) use escape::{json_string, unicode};
#[cfg(feature = "json")]
pub(crate) use project::Dictionary;

use std::{
    ops::Range,
    panic,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    batch::{Block, Origin, Room, Rows},
    format::Format,
    frame::{BOM, Lines, Overlong},
    limits::DEFAULT_MAX_LINE_BYTES,
    multiline::{Before, Multiline},
    scan::{Chosen, Kernel},
    unmatched::Reason,
};
use engine::Tokenizer;
use ranges::{Ranges, Sizes};

/// How a parser applies its format.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Longest line or record, in bytes, that is tokenized.
    pub(crate) line_limit: usize,
    pub(crate) overlong: Overlong,
    pub(crate) multiline: Option<Multiline>,
    /// Leave the plan aside.
    pub(crate) regex_only: bool,
    /// Check every byte of JSON lines.
    pub(crate) strict: bool,
    /// What the vector engines run on.
    pub(crate) kernel: Chosen,
    /// Threads that share an input; at least 1.
    pub(crate) threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            line_limit: DEFAULT_MAX_LINE_BYTES,
            overlong: Overlong::default(),
            multiline: None,
            regex_only: false,
            strict: false,
            kernel: Chosen::new(Kernel::best()),
            threads: 1,
        }
    }
}

/// Where in the whole input a part of it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) origin: Origin,
    /// What lines at its beginning continue.
    pub(crate) before: Before,
    /// Its last line, if only the first bytes of it are there, as many as the limit.
    pub(crate) tail: Option<Tail>,
}

impl Place {
    pub(crate) const START: Self = Self {
        origin: Origin::START,
        before: Before::Nothing,
        tail: None,
    };
}

/// A line that is longer than what is there of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail {
    pub(crate) start: usize,
    pub(crate) len: u64,
}

/// Tokenizes the lines of `input`, a part of the whole. Also says what the lines after it would
/// continue if they begin no record. The rows are written to the memory in `rooms`, as long as there
/// is some.
pub(crate) fn tokenize(
    format: &Format,
    options: &Options,
    input: &[u8],
    place: Place,
    rooms: &mut Vec<Room>,
) -> (Rows, Before) {
    let from = match place.origin.offset == 0 && input.starts_with(BOM) {
        true => BOM.len(),
        false => 0,
    };
    let work = Work {
        format,
        options,
        input,
        from,
        place,
        rooms: Mutex::new(rooms),
    };
    let (rows, before) = work.rows(Sizes::of(input.len(), options.threads));
    (rows.of_json(format.engine().is_json()), before)
}

/// Tokenizes the lines of a range of the whole input; its columns have to be fixed ones.
#[cfg(feature = "arrow")]
pub(crate) fn part(
    format: &Format,
    options: &Options,
    input: &[u8],
    range: Range<usize>,
    rooms: &mut Vec<Room>,
) -> Rows {
    let work = Work {
        format,
        options,
        input,
        from: range.start,
        place: Place::START,
        rooms: Mutex::new(rooms),
    };
    let mut block = work.block(range.start);
    let mut tokenizer = work.tokenizer();
    tokenizer.range(input, range, Before::Nothing, &mut block);
    let rows = Rows::join(vec![block]).unwrap_or_default();
    rows.of_json(format.engine().is_json())
}

/// Ranges of whole lines, about as long as said.
#[cfg(feature = "arrow")]
pub(crate) fn ranges(input: &[u8], size: usize) -> Vec<Range<usize>> {
    let from = match input.starts_with(BOM) {
        true => BOM.len(),
        false => 0,
    };
    Ranges::new(input, from, size).collect()
}

/// An input, and what to do with it.
struct Work<'w> {
    format: &'w Format,
    options: &'w Options,
    input: &'w [u8],
    /// Where the first line begins.
    from: usize,
    place: Place,
    rooms: Mutex<&'w mut Vec<Room>>,
}

impl Work<'_> {
    /// The rows, whatever the sizes of the ranges.
    fn rows(&self, sizes: Sizes) -> (Rows, Before) {
        if let Some(shared) = sizes.shared {
            let ranges = self.ranges(shared);
            let threads = self.options.threads.min(ranges.len());
            if threads > 1 {
                let (blocks, before) = self.parallel(&ranges, threads);
                // Where the limit of columns is near, each line has to know all columns before it.
                if let Ok(rows) = Rows::join(blocks) {
                    return (rows, before);
                }
            }
        }
        let (blocks, before) = self.sequential(sizes.alone);
        (Rows::join(blocks).unwrap_or_default(), before)
    }

    fn ranges(&self, size: usize) -> Vec<Range<usize>> {
        let mut ranges = Ranges::new(self.input, self.from, size);
        if self.options.multiline.is_none() {
            return ranges.collect();
        }
        let mut tokenizer = self.tokenizer();
        ranges.between_records(|line| tokenizer.begins(self.input, line))
    }

    fn tokenizer(&self) -> Tokenizer<'_> {
        Tokenizer::new(
            self.format.engine(),
            self.options,
            self.from,
            self.place.tail,
        )
    }

    fn room(&self) -> Room {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.pop().unwrap_or_default()
    }

    fn block(&self, base: usize) -> Block {
        let block = Block::new(self.format.shared_fields(), base).within(self.room());
        match self.options.multiline {
            Some(_) => block.spanning(),
            None => block,
        }
    }

    /// Blocks of which each knows the columns before it.
    fn sequential(&self, size: usize) -> (Vec<Block>, Before) {
        let mut tokenizer = self.tokenizer();
        let mut before = self.place.before;
        let mut blocks: Vec<Block> = Vec::new();
        for range in self.ranges(size) {
            let mut block = match blocks.last() {
                Some(previous) => Block::after(previous, range.start).within(self.room()),
                None => self.block(range.start),
            };
            before = tokenizer.range(self.input, range, before, &mut block);
            blocks.push(block);
        }
        if blocks.is_empty() {
            blocks.push(self.block(self.from));
        }
        (blocks, before)
    }

    /// Blocks of which each knows its own columns only, in the order of the ranges. Each thread takes
    /// the next range when it has done one, so that slow ranges do not hold the others up.
    fn parallel(&self, ranges: &[Range<usize>], threads: usize) -> (Vec<Block>, Before) {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut tokenizer = self.tokenizer();
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(range) = ranges.get(index) else {
                    return done;
                };
                let mut block = self.block(range.start);
                // The ranges after the first begin with a record, which continues nothing.
                let before = self.place.before;
                let before = tokenizer.range(self.input, range.clone(), before, &mut block);
                done.push((index, block, before));
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
        done.sort_unstable_by_key(|&(index, ..)| index);
        let before = done
            .last()
            .map_or(self.place.before, |&(.., before)| before);
        let blocks = done.into_iter().map(|(_, block, _)| block);
        (blocks.collect(), before)
    }
}

impl Tokenizer<'_> {
    /// Writes the rows of a range of whole lines, or of whole records. `before` is what lines that
    /// begin no record continue, and so is what comes back for those after the range.
    fn range(
        &mut self,
        input: &[u8],
        range: Range<usize>,
        before: Before,
        block: &mut Block,
    ) -> Before {
        let input = input.get(..range.end).unwrap_or_default();
        if let Some(rule) = self.options.multiline.as_ref() {
            return self.records(rule, input, range.start, before, block);
        }
        // A line that was cut must not be taken for a whole one.
        let whole = match self.tail {
            Some(tail) if range.contains(&tail.start) => range.start..tail.start,
            _ => range.clone(),
        };
        let rest = match self.chunks(input, whole.clone(), block) {
            true => whole.end,
            false => range.start,
        };
        for line in Lines::new(input, rest) {
            self.line(input, line, block);
        }
        before
    }

    /// Writes the rows of a range of whole lines, many at a time, if the format has an engine for it.
    fn chunks(&mut self, input: &[u8], range: Range<usize>, block: &mut Block) -> bool {
        let Options {
            kernel, line_limit, ..
        } = *self.options;
        #[cfg(feature = "json")]
        if let Some(dictionary) = self.dictionary().filter(|_| !self.options.strict) {
            let line = |line: Range<usize>, block: &mut Block| self.line(input, line, block);
            project::run(kernel, dictionary, input, range, line_limit, block, line);
            return true;
        }
        let Some(pattern) = self.pattern().filter(|_| !self.options.regex_only) else {
            return false;
        };
        let head = pattern.head().filter(|_| kernel.is_vector());
        let signatures = pattern.signatures();
        let signature = match (signatures, head) {
            ([only], None) => Some(only),
            _ => signature::choose(kernel, signatures, input, range.clone(), head.is_some()),
        };
        let line = |line: Range<usize>, block: &mut Block| self.line(input, line, block);
        if let Some(signature) = signature {
            signature::run(kernel, signature, input, range, line_limit, block, line);
        } else if let Some(head) = head {
            head::run(kernel, head, input, range, line_limit, block, line);
        } else {
            return false;
        }
        true
    }

    /// Writes one line, given without its ending: a row, or an unmatched line.
    fn line(&mut self, input: &[u8], line: Range<usize>, block: &mut Block) {
        let len = self.len(&line);
        if len > self.options.line_limit as u64 {
            return self.overlong(input, line.start, len, block);
        }
        let text = input.get(line.clone()).unwrap_or_default();
        match self.cells(text, false, block) {
            Ok(()) => block.commit(line.start),
            Err(_) if line.is_empty() => block.reject(line.start, 0, Reason::Empty),
            Err(reason) => block.reject(line.start, len, reason),
        }
    }

    /// Writes a line that is longer than the limit.
    fn overlong(&mut self, input: &[u8], start: usize, len: u64, block: &mut Block) {
        let limit = self.options.line_limit;
        let text = input.get(start..start + limit).unwrap_or_default();
        let parsed = match self.options.overlong {
            Overlong::Truncate => self.cells(text, false, block).is_ok(),
            Overlong::Unmatched => false,
        };
        match parsed {
            true => {
                block.cut(len);
                block.commit(start);
            }
            false => block.reject(start, len, Reason::TooLong { limit }),
        }
    }

    /// Bytes of a line, whether they are all there or not.
    fn len(&self, line: &Range<usize>) -> u64 {
        match self.tail {
            Some(tail) if tail.start == line.start => tail.len,
            _ => line.len() as u64,
        }
    }
}

#[cfg(test)]
mod tests;
