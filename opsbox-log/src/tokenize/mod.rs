//! Lines to rows: the loop that all engines share.

mod escape;
#[cfg(feature = "json")]
mod json;
mod logfmt;
#[cfg(feature = "json")]
mod project;
pub(crate) mod walk;

#[cfg(feature = "json")]
pub(crate) use project::Dictionary;

use std::ops::Range;

use crate::{
    batch::{Block, Origin, Place, Rows},
    format::{Engine, Format, Pattern, PatternScratch},
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
    /// Check every byte of JSON lines.
    pub(crate) strict: bool,
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
    #[cfg(feature = "json")]
    if let Engine::Json(Some(dictionary)) = format.engine()
        && !options.strict
    {
        let lines = (input, from..input.len());
        project::run(
            options.kernel,
            dictionary,
            line_limit,
            lines,
            &mut block,
            one,
        );
        return Rows::of(block);
    }
    for range in Lines::new(input, from) {
        one(range, &mut block);
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
            Engine::Json(_) => Self::Json(Box::default()),
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
                let Some(spans) = pattern.captures(line, scratch) else {
                    return Err(pattern.mismatch(line, scratch));
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
