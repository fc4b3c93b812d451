//! The engines behind one face.

#[cfg(feature = "json")]
use super::json;
use super::{Options, logfmt};
use crate::{
    batch::{Block, Place},
    format::{Engine, Pattern, PatternScratch},
    unmatched::Reason,
};

/// An engine with the memory it writes to while it works, kept from line to line; one a thread.
pub(super) struct Tokenizer<'f> {
    pub(super) options: Options,
    engine: Scratch<'f>,
}

enum Scratch<'f> {
    Pattern {
        pattern: &'f Pattern,
        scratch: Box<PatternScratch>,
    },
    Logfmt,
    #[cfg(feature = "json")]
    Json(Box<json::Scratch>),
}

impl<'f> Tokenizer<'f> {
    pub(super) fn new(engine: &'f Engine, options: Options) -> Self {
        let engine = match engine {
            Engine::Pattern(pattern) => Scratch::Pattern {
                pattern,
                scratch: Box::new(pattern.scratch()),
            },
            Engine::Logfmt => Scratch::Logfmt,
            #[cfg(feature = "json")]
            Engine::Json => Scratch::Json(Box::default()),
        };
        Self { options, engine }
    }

    /// Writes the cells of one line.
    pub(super) fn cells(&mut self, line: &[u8], rows: &mut Block) -> Result<(), Reason> {
        match &mut self.engine {
            Scratch::Pattern { pattern, scratch } => {
                if !self.options.regex_only
                    && let Some(places) = pattern.planned(line, scratch)
                {
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
            Scratch::Logfmt => logfmt::line(line, rows),
            #[cfg(feature = "json")]
            Scratch::Json(scratch) => json::line(line, scratch, rows),
        }
    }
}
