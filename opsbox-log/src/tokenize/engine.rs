//! The engines behind one face.

use super::{Options, Tail, logfmt};
#[cfg(feature = "json")]
use super::{json, project::Dictionary};
use crate::{
    batch::{Block, Place},
    format::{Engine, Fit, LentScratch, Pattern, StartScratch},
    multiline::Multiline,
    unmatched::Reason,
};

/// An engine with the memory it writes to while it works, kept from line to line; one a thread.
pub(super) struct Tokenizer<'f> {
    pub(super) options: &'f Options,
    /// Where the first line of the input begins.
    pub(super) from: usize,
    /// The last line of the input, if it is longer than what is there.
    pub(super) tail: Option<Tail>,
    pub(super) starts: Option<StartScratch>,
    engine: Scratch<'f>,
}

enum Scratch<'f> {
    Pattern {
        pattern: &'f Pattern,
        scratch: LentScratch<'f>,
    },
    Logfmt,
    #[cfg(feature = "json")]
    Json(Box<json::Scratch>, Option<&'f Dictionary>),
}

impl<'f> Tokenizer<'f> {
    pub(super) fn new(
        engine: &'f Engine,
        options: &'f Options,
        from: usize,
        tail: Option<Tail>,
    ) -> Self {
        let engine = match engine {
            Engine::Pattern(pattern) => Scratch::Pattern {
                pattern,
                scratch: pattern.scratch(),
            },
            Engine::Logfmt => Scratch::Logfmt,
            #[cfg(feature = "json")]
            Engine::Json(dictionary) => Scratch::Json(Box::default(), dictionary.as_deref()),
        };
        Self {
            options,
            from,
            tail,
            starts: options.multiline.as_ref().and_then(Multiline::scratch),
            engine,
        }
    }

    /// The pattern, if the columns are those of one.
    pub(super) fn pattern(&self) -> Option<&'f Pattern> {
        match self.engine {
            Scratch::Pattern { pattern, .. } => Some(pattern),
            _ => None,
        }
    }

    /// The keys to look for, if that is how the columns are found.
    #[cfg(feature = "json")]
    pub(super) fn dictionary(&self) -> Option<&'f Dictionary> {
        match self.engine {
            Scratch::Json(_, dictionary) => dictionary,
            _ => None,
        }
    }

    /// Writes the cells of one line, or of the text of a record of several.
    pub(super) fn cells(
        &mut self,
        line: &[u8],
        has_lines: bool,
        rows: &mut Block,
    ) -> Result<(), Reason> {
        match &mut self.engine {
            Scratch::Pattern { pattern, scratch } => {
                // A plan takes it that no byte is LF.
                if !self.options.regex_only
                    && !has_lines
                    && let Some(places) = pattern.planned(line, scratch)
                {
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
            Scratch::Logfmt => logfmt::line(line, rows),
            #[cfg(feature = "json")]
            Scratch::Json(scratch, _) => json::line(line, scratch, rows),
        }
    }
}
