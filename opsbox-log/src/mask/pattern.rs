//! Patterns of the user's.

use std::{fmt, ops::Range, sync::Arc};

use regex_automata::{
    Input,
    meta::{self, Regex},
    util::syntax,
};

use super::{
    Pattern,
    detect::{Found, What},
};
use crate::{
    error::Error,
    limits::{
        MAX_MASK_PATTERNS, MAX_PATTERN_AUTOMATON_BYTES, MAX_PATTERN_BYTES, MAX_PATTERN_MATCH_BYTES,
        MAX_PATTERN_NESTING,
    },
};

/// The group that is found alone.
const VALUE: &str = "value";

#[derive(Clone, Default)]
pub(super) struct Patterns(Option<Arc<Compiled>>);

struct Compiled {
    patterns: Vec<Pattern>,
    each: Vec<One>,
    /// Any of them.
    all: Regex,
}

#[derive(Clone)]
struct One {
    regex: Regex,
    /// The group of the value.
    value: Option<usize>,
}

impl Patterns {
    pub(super) fn all(&self) -> &[Pattern] {
        self.0.as_deref().map_or(&[], |it| &it.patterns)
    }

    pub(super) fn with(self, pattern: Pattern) -> Result<Self, Error> {
        let (mut patterns, mut each) = match &self.0 {
            Some(compiled) => (compiled.patterns.clone(), compiled.each.clone()),
            None => (Vec::new(), Vec::new()),
        };
        let refuse = |message: String| Error::mask_rule(&pattern.name, message);
        if patterns.len() >= MAX_MASK_PATTERNS {
            let message =
                format!("there are more than {MAX_MASK_PATTERNS} patterns; join some by `|`");
            return Err(refuse(message));
        }
        if pattern.pattern.len() > MAX_PATTERN_BYTES {
            return Err(refuse(format!(
                "the pattern is longer than the limit of {MAX_PATTERN_BYTES} bytes"
            )));
        }
        let regex = compile(&[&pattern.pattern]).map_err(refuse)?;
        if regex.is_match(Input::new(b"")) {
            let message = "the pattern matches where nothing is; let it match a byte at least";
            return Err(Error::mask_rule(&pattern.name, message.to_owned()));
        }
        let value = regex
            .group_info()
            .to_index(regex_automata::PatternID::ZERO, VALUE);
        each.push(One { regex, value });
        patterns.push(pattern);
        let sources: Vec<&str> = patterns.iter().map(|it| &*it.pattern).collect();
        let all = compile(&sources);
        let all = all.map_err(|message| {
            let name = patterns.last().map_or("", |it| &*it.name);
            Error::mask_rule(
                name,
                format!("together with the patterns before it: {message}"),
            )
        })?;
        Ok(Self(Some(Arc::new(Compiled {
            patterns,
            each,
            all,
        }))))
    }

    /// Adds what they find. A match is no longer than the limit: a longer one is found up to there, or not
    /// at all if the pattern requires something at its end.
    pub(super) fn find(&self, text: &[u8], found: &mut Vec<Found>) {
        let Some(compiled) = &self.0 else { return };
        if text.len() <= MAX_PATTERN_MATCH_BYTES && !compiled.all.is_match(Input::new(text)) {
            return;
        }
        for (one, what) in compiled.each.iter().zip((0..).map(What::Pattern)) {
            let mut at = 0;
            while at < text.len() {
                let window = at..text.len().min(at + 2 * MAX_PATTERN_MATCH_BYTES);
                let is_last = window.end == text.len();
                let Some((whole, range)) = one.search(text, window.clone()) else {
                    if is_last {
                        break;
                    }
                    // One that begins in the second half may end beyond the window.
                    at = window.end - MAX_PATTERN_MATCH_BYTES;
                    continue;
                };
                let begins_late = whole.start > window.start + MAX_PATTERN_MATCH_BYTES;
                if whole.end == window.end && !is_last && begins_late {
                    at = whole.start;
                    continue;
                }
                if !range.is_empty() {
                    found.push(Found {
                        range,
                        what,
                        widened: false,
                    });
                }
                at = whole.end.max(at + 1);
            }
        }
    }
}

impl One {
    /// The first match, and what of it is the value.
    fn search(&self, text: &[u8], window: Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
        let input = Input::new(text).span(window);
        let Some(value) = self.value else {
            let whole = self.regex.search(&input)?.range();
            return Some((whole.clone(), whole));
        };
        let mut captures = self.regex.create_captures();
        self.regex.search_captures(&input, &mut captures);
        let whole = captures.get_match()?.range();
        let group = captures.get_group(value).map(|it| it.range());
        Some((whole.clone(), group.unwrap_or(whole)))
    }
}

fn compile(patterns: &[&str]) -> Result<Regex, String> {
    let config = meta::Config::new()
        .utf8_empty(false)
        .nfa_size_limit(Some(MAX_PATTERN_AUTOMATON_BYTES * patterns.len()));
    let syntax = syntax::Config::new()
        .unicode(false)
        .utf8(false)
        .nest_limit(MAX_PATTERN_NESTING);
    let built = meta::Builder::new()
        .configure(config)
        .syntax(syntax)
        .build_many(patterns);
    built.map_err(|error| match error.syntax_error() {
        Some(error) => {
            let text = error.to_string();
            text.lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned()
        }
        None => format!("{error}; write a smaller pattern"),
    })
}

impl fmt::Debug for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}
