use std::{ops::Range, vec};

use crate::{
    batch::{Batch, BatchMemory, Origin},
    limits::PART_BYTES,
    parser::Parser,
    tokenize::{part, ranges},
};

/// An input as batches of some of its rows each, which follow each other: see [`Parser::parts`].
#[derive(Debug)]
pub struct Parts<'p, B> {
    parser: &'p Parser,
    input: B,
    ranges: vec::IntoIter<Range<usize>>,
    line: u64,
    is_begun: bool,
}

impl<'p, B: AsRef<[u8]> + Clone> Parts<'p, B> {
    pub(crate) fn new(parser: &'p Parser, input: B) -> Self {
        let options = parser.options();
        let is_whole = parser.format().fields().is_empty() || options.multiline.is_some();
        let ranges = match is_whole {
            true => Vec::new(),
            false => ranges(input.as_ref(), PART_BYTES),
        };
        Self {
            parser,
            ranges: ranges.into_iter(),
            input,
            line: Origin::START.line,
            is_begun: false,
        }
    }

    /// The rows of the next part, in the [memory](BatchMemory) of a batch before it. Their numbers count from the
    /// beginning of the part, their lines and bytes from that of the input. There is at least one part.
    pub fn next_in(&mut self, memory: &mut BatchMemory) -> Option<Batch<B>> {
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        let Some(range) = self.ranges.next() else {
            return is_first.then(|| self.parser.parse_in(self.input.clone(), memory));
        };
        let (format, options) = (self.parser.format(), self.parser.options());
        let rows = part(
            format,
            options,
            self.input.as_ref(),
            range,
            &mut memory.rooms,
        );
        let origin = Origin {
            line: self.line,
            ..Origin::START
        };
        self.line += rows.line_count();
        Some(Batch::new(
            self.input.clone(),
            rows,
            origin,
            options.line_limit,
        ))
    }
}
