//! Lines to rows: the loop that all engines share.

mod chunk;
mod head;
#[cfg(feature = "json")]
mod json;
mod logfmt;
mod signature;
pub(crate) mod walk;

use std::ops::Range;

use crate::{
    batch::{Block, Origin, Place, Rows},
    format::{Engine, Fit, Format, Pattern, PatternScratch},
    frame::{BOM, Lines},
    scan::Chosen,
    unmatched::Reason,
};

/// How a parser applies its format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Longest line, in bytes, that is tokenized.
    pub(crate) line_limit: usize,
    /// Leave the plan aside.
    pub(crate) regex_only: bool,
    /// What the vector engines run on.
    pub(crate) kernel: Chosen,
}

/// Tokenizes the lines of `input`, the part of the whole input that begins at `origin`.
pub(crate) fn tokenize(format: &Format, options: Options, input: &[u8], origin: Origin) -> Rows {
    let Options { line_limit, .. } = options;
    let mut block = Block::new(format.shared_fields(), 0);
    let mut tokenizer = Tokenizer::new(format.engine(), options);
    let from = match origin.offset == 0 && input.starts_with(BOM) {
        true => BOM.len(),
        false => 0,
    };
    let mut one = |range: Range<usize>, block: &mut Block| {
        let line = input.get(range.clone()).unwrap_or_default();
        let outcome = match line.len() > line_limit {
            true => Err(Reason::TooLong { limit: line_limit }),
            false => tokenizer.line(line, block),
        };
        match outcome {
            Ok(()) => block.commit(range.start),
            Err(reason) => {
                let reason = if line.is_empty() {
                    Reason::Empty
                } else {
                    reason
                };
                block.reject(range.start, line.len() as u64, reason);
            }
        }
    };
    let pattern = match format.engine() {
        Engine::Pattern(pattern) if !options.regex_only => Some(pattern),
        _ => None,
    };
    let signature = pattern.and_then(|pattern| pattern.signature());
    let head = pattern.and_then(|pattern| pattern.head());
    match (signature, head) {
        (Some(signature), _) => signature::run(
            options.kernel,
            signature,
            input,
            from..input.len(),
            line_limit,
            &mut block,
            one,
        ),
        (None, Some(head)) if options.kernel.is_vector() => head::run(
            options.kernel,
            head,
            input,
            from..input.len(),
            line_limit,
            &mut block,
            one,
        ),
        _ => {
            for range in Lines::new(input, from) {
                one(range, &mut block);
            }
        }
    }
    Rows::of(block)
}

/// An engine with the memory it writes to while it works, kept from line to line.
enum Tokenizer<'f> {
    Pattern {
        pattern: &'f Pattern,
        scratch: Box<PatternScratch>,
        regex_only: bool,
    },
    Logfmt,
    #[cfg(feature = "json")]
    Json(Box<json::Scratch>),
}

impl<'f> Tokenizer<'f> {
    fn new(engine: &'f Engine, options: Options) -> Self {
        match engine {
            Engine::Pattern(pattern) => Self::Pattern {
                pattern,
                scratch: Box::new(pattern.scratch()),
                regex_only: options.regex_only,
            },
            Engine::Logfmt => Self::Logfmt,
            #[cfg(feature = "json")]
            Engine::Json => Self::Json(Box::default()),
        }
    }

    /// Writes the cells of one line.
    fn line(&mut self, line: &[u8], rows: &mut Block) -> Result<(), Reason> {
        match self {
            Self::Pattern {
                pattern,
                scratch,
                regex_only,
            } => {
                if !*regex_only && let Some(places) = pattern.planned(line, scratch) {
                    rows.push_places(places);
                    return Ok(());
                }
                let offset = match pattern.fit(line, scratch) {
                    Fit::Yes => line.len(),
                    Fit::No(reason) => return Err(reason),
                    Fit::Unknown { offset } => offset,
                };
                let Some(spans) = pattern.captures(line, scratch) else {
                    return Err(Reason::NoMatch { offset });
                };
                for span in spans {
                    rows.push(span.map_or(Place::Null, Place::Line));
                }
                Ok(())
            }
            Self::Logfmt => logfmt::line(line, rows),
            #[cfg(feature = "json")]
            Self::Json(scratch) => json::line(line, scratch, rows),
        }
    }
}
