//! Patterns that a line begins with.

use regex_automata::{Anchored, Input, meta};

use super::pattern::{build_error, parse};
use crate::{
    error::Error,
    limits::{MAX_PATTERN_AUTOMATON_BYTES, MAX_PATTERN_BYTES},
};

/// A compiled pattern that has to fit from a line's first byte on.
pub(crate) struct StartPattern {
    source: Box<str>,
    regex: meta::Regex,
}

/// What searching needs to write to.
pub(crate) type Scratch = meta::Cache;

impl StartPattern {
    pub(crate) fn compile(source: &str) -> Result<Self, Error> {
        let hir = parse(source, MAX_PATTERN_BYTES)?;
        let regex = meta::Builder::new()
            .configure(
                meta::Config::new()
                    .utf8_empty(false)
                    .nfa_size_limit(Some(MAX_PATTERN_AUTOMATON_BYTES)),
            )
            .build_from_hir(&hir)
            .map_err(|error| build_error(source, &error))?;
        Ok(Self {
            source: source.into(),
            regex,
        })
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    pub(crate) fn scratch(&self) -> Scratch {
        self.regex.create_cache()
    }

    pub(crate) fn fits(&self, line: &[u8], scratch: &mut Scratch) -> bool {
        let input = Input::new(line).anchored(Anchored::Yes).earliest(true);
        self.regex.search_half_with(scratch, &input).is_some()
    }
}
