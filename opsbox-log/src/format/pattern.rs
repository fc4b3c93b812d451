//! Named captures on regex-automata.

use std::{
    ops::Range,
    panic::{RefUnwindSafe, UnwindSafe},
};

use regex_automata::{
    Anchored, Input,
    hybrid::{dfa, dfa::DFA},
    meta,
    nfa::thompson,
    util::{
        pool::{Pool, PoolGuard},
        primitives::NonMaxUsize,
        start,
    },
};
use regex_syntax::{
    ParserBuilder, ast,
    hir::{self, Hir, HirKind, Look},
};

use super::{
    Field,
    definition::Definition,
    explain,
    head::Head,
    plan::{Obstacle, Plan},
    signature::{NoPlan, Signature},
};
use crate::{
    error::Error,
    limits::{MAX_PATTERN_AUTOMATON_BYTES, MAX_PATTERN_FIELDS, MAX_PATTERN_NESTING},
    tokenize::walk,
    unmatched::Reason,
};

/// A compiled pattern: one search gives the spans of all captures.
pub(crate) struct Pattern {
    definition: Definition,
    /// The captures of each column.
    captures: Box<[Vec<usize>]>,
    plan: Result<Plan, Obstacle>,
    /// The column of each capture that stands in for another one. The plan has their places after
    /// those of the columns.
    stand_ins: Box<[usize]>,
    signatures: Result<Box<[Signature]>, NoPlan>,
    head: Option<Box<Head>>,
    regex: meta::Regex,
    /// Tells where a line stops fitting. Without captures, so it is small.
    viable: DFA,
    /// Kept from input to input: automata are made bit by bit while lines are searched, and to make them
    /// anew for twenty lines takes as long as ten thousand of the lines that need none.
    scratches: Pool<Scratch, NewScratch>,
}

type NewScratch = Box<dyn Fn() -> Scratch + Send + Sync + UnwindSafe + RefUnwindSafe>;

/// What searching needs to write to, until it is dropped.
pub(crate) type LentScratch<'p> = PoolGuard<'p, Scratch, NewScratch>;

/// What searching needs to write to; one a thread.
pub(crate) struct Scratch {
    /// Made when it is needed: many inputs have no line that the engines do not decide.
    regex: Option<meta::Cache>,
    slots: Box<[Option<NonMaxUsize>]>,
    /// What the plan writes to.
    places: Box<[u32]>,
    viable: Option<dfa::Cache>,
}

/// Whether a line fits a pattern.
pub(crate) enum Fit {
    Yes,
    No(Reason),
    /// A Unicode word boundary beside a byte that is not ASCII: only the search for captures tells.
    Unknown {
        offset: usize,
    },
}

impl Pattern {
    /// Compiles a pattern; its columns are its named captures in their order, or the selected ones.
    pub(crate) fn compile(
        definition: Definition,
        selected: Option<&[Field]>,
    ) -> Result<(Self, Vec<Field>), Error> {
        let source = &*definition.regex;
        let hir = parse(source, definition.limit)?;
        let captures = captures(&hir);
        if captures.is_empty() {
            let message = "there is no named capture; name each column, as in (?P<level>[A-Z]+)";
            return Err(refuse(source, 0..source.len(), message.into()));
        }
        if captures.len() > MAX_PATTERN_FIELDS {
            let message = format!(
                "there are {} named captures, the limit is {MAX_PATTERN_FIELDS}",
                captures.len()
            );
            return Err(refuse(source, 0..0, message));
        }

        let mut fields: Vec<Field> = selected.unwrap_or_default().to_vec();
        // The column of each capture that is one; the others are compiled away.
        let mut columns = Vec::new();
        let mut wanted = Vec::new();
        for capture in captures {
            let field = definition.column(&capture);
            let column = fields.iter().position(|it| it.name() == field.name());
            let column = match column {
                Some(column) => column,
                None if selected.is_some() => continue,
                None => {
                    fields.push(field);
                    fields.len() - 1
                }
            };
            columns.push(column);
            wanted.push(capture);
        }
        let mut captures = vec![Vec::new(); fields.len()];
        // Where the plan puts each capture.
        let mut place_of = Vec::new();
        let mut stand_ins = Vec::new();
        for (capture, &column) in columns.iter().enumerate() {
            let captures: Option<&mut Vec<_>> = captures.get_mut(column);
            let is_first = captures.as_ref().is_none_or(|captures| captures.is_empty());
            if let Some(captures) = captures {
                captures.push(capture);
            }
            if is_first || definition.last_counts() {
                place_of.push(column);
            } else {
                place_of.push(fields.len() + stand_ins.len());
                stand_ins.push(column);
            }
        }
        let inner = only(hir, &wanted);
        let hir = Hir::concat(vec![
            Hir::look(Look::Start),
            inner.clone(),
            Hir::look(Look::End),
        ]);
        let regex = meta::Builder::new()
            .configure(
                meta::Config::new()
                    .utf8_empty(false)
                    .nfa_size_limit(Some(MAX_PATTERN_AUTOMATON_BYTES)),
            )
            .build_from_hir(&hir)
            .map_err(|error| build_error(source, &error))?;
        let nfa = thompson::Compiler::new()
            .configure(
                thompson::Config::new()
                    .utf8(false)
                    .which_captures(thompson::WhichCaptures::None)
                    .nfa_size_limit(Some(MAX_PATTERN_AUTOMATON_BYTES)),
            )
            .build_from_hir(&hir)
            .map_err(|error| build_error(source, &error))?;
        let viable = dfa::Builder::new()
            .configure(
                dfa::Config::new()
                    .skip_cache_capacity_check(true)
                    .unicode_word_boundary(true),
            )
            .build_from_nfa(nfa)
            .map_err(|error| build_error(source, &error))?;
        let plan = Plan::compile(&inner, &place_of, fields.len() + stand_ins.len());
        let (head, signatures) = match columns.len() == fields.len() {
            _ if has_lf(&inner) => (None, Err(NoPlan("a line ending"))),
            true => (
                plan.as_ref().ok().and_then(Head::compile).map(Box::new),
                Signature::compile(&inner, &columns),
            ),
            false => (None, Err(NoPlan("one column of several captures"))),
        };
        let slots = regex.group_info().slot_len();
        let places = plan.as_ref().map_or(0, |plan| 2 * plan.columns);
        let scratches: NewScratch = Box::new(move || Scratch {
            regex: None,
            slots: vec![None; slots].into(),
            places: vec![walk::NONE; places].into(),
            viable: None,
        });
        let pattern = Self {
            plan,
            head,
            signatures,
            captures: captures.into(),
            stand_ins: stand_ins.into(),
            definition,
            scratches: Pool::new(scratches),
            regex,
            viable,
        };
        Ok((pattern, fields))
    }

    /// The account of what finds the columns, or why there is no plan.
    pub(crate) fn explain(&self, fields: &[Field]) -> String {
        let first = match (&self.signatures, &self.head) {
            (Ok(_), _) => Some(explain::SIGNATURE),
            (Err(_), Some(_)) => Some(explain::HEAD),
            (Err(_), None) => None,
        };
        explain::explain(first, self.plan.as_ref(), fields)
    }

    pub(crate) fn signatures(&self) -> &[Signature] {
        self.signatures.as_deref().unwrap_or_default()
    }

    pub(crate) fn head(&self) -> Option<&Head> {
        self.head.as_deref()
    }

    pub(crate) fn source(&self) -> &str {
        &self.definition.regex
    }

    /// The same pattern with these columns only.
    pub(crate) fn select(&self, fields: &[Field]) -> Result<(Self, Vec<Field>), Error> {
        Self::compile(self.definition.clone(), Some(fields))
    }

    pub(crate) fn scratch(&self) -> LentScratch<'_> {
        self.scratches.get()
    }

    /// The spans of the captures in `line` by the plan, two places each; `None` says nothing.
    pub(crate) fn planned<'s>(&self, line: &[u8], scratch: &'s mut Scratch) -> Option<&'s [u32]> {
        let plan = self.plan.as_ref().ok()?;
        if !walk::run(plan, line, &mut scratch.places) {
            return None;
        }
        if self.stand_ins.is_empty() {
            return Some(&scratch.places);
        }
        let columns = 2 * self.captures.len();
        let (places, others) = scratch.places.split_at_mut_checked(columns)?;
        for (other, column) in others.chunks_exact(2).zip(&*self.stand_ins) {
            let place = places.get_mut(2 * column..2 * column + 2)?;
            // A capture whose end was not reached is absent, as it is to the regular expression.
            if place.contains(&walk::NONE) {
                place.copy_from_slice(other);
            }
        }
        Some(places)
    }

    /// The spans of the captures in `line`, in the order of the columns, if the pattern fits it.
    pub(crate) fn captures<'s>(
        &'s self,
        line: &[u8],
        scratch: &'s mut Scratch,
    ) -> Option<impl Iterator<Item = Option<Range<usize>>> + use<'s>> {
        let input = Input::new(line).anchored(Anchored::Yes);
        let cache = scratch
            .regex
            .get_or_insert_with(|| self.regex.create_cache());
        self.regex
            .search_slots_with(cache, &input, &mut scratch.slots)?;
        // The first two slots are the whole match; unnamed groups were compiled away.
        let groups = scratch.slots.get(2..).unwrap_or_default();
        let place = move |capture: &usize| match groups.get(2 * capture..2 * capture + 2)? {
            [Some(start), Some(end)] => Some(start.get()..end.get()),
            _ => None,
        };
        let counts = move |captures: &Vec<usize>| match captures.as_slice() {
            [capture] => place(capture),
            captures if self.definition.last_counts() => captures
                .iter()
                .filter_map(place)
                .max_by_key(|it| (it.start, it.end)),
            captures => captures.iter().find_map(place),
        };
        Some(self.captures.iter().map(counts))
    }

    /// Whether a line fits: several times as fast as looking for captures.
    pub(crate) fn fit(&self, line: &[u8], scratch: &mut Scratch) -> Fit {
        let cache = scratch
            .viable
            .get_or_insert_with(|| self.viable.create_cache());
        let anchored = start::Config::new().anchored(Anchored::Yes);
        let Ok(mut state) = self.viable.start_state(cache, &anchored) else {
            return Fit::Unknown { offset: 0 };
        };
        for (offset, &byte) in line.iter().enumerate() {
            state = match self.viable.next_state(cache, state, byte) {
                Ok(state) if state.is_dead() => return Fit::No(Reason::NoMatch { offset }),
                Ok(state) if !state.is_quit() => state,
                _ => return Fit::Unknown { offset },
            };
        }
        match self.viable.next_eoi_state(cache, state) {
            Ok(end) if end.is_match() => Fit::Yes,
            Ok(_) => Fit::No(Reason::EndsEarly),
            Err(_) => Fit::Unknown { offset: line.len() },
        }
    }
}

/// Parses a regular expression as patterns have them: over bytes, ASCII unless Unicode is asked for.
/// `limit` is that of its length in bytes.
pub(super) fn parse(source: &str, limit: usize) -> Result<Hir, Error> {
    if source.len() > limit {
        let message = format!(
            "the pattern has {} bytes, the limit is {limit}",
            source.len()
        );
        return Err(refuse(source, 0..0, message));
    }
    ParserBuilder::new()
        .utf8(false)
        .unicode(false)
        .nest_limit(MAX_PATTERN_NESTING)
        .build()
        .parse(source)
        .map_err(|error| syntax_error(source, &error))
}

/// The named captures, in order.
fn captures(hir: &Hir) -> Vec<Box<str>> {
    let mut names = Vec::new();
    collect(hir, &mut names);
    names
}

fn collect(hir: &Hir, names: &mut Vec<Box<str>>) {
    match hir.kind() {
        HirKind::Capture(capture) => {
            if let Some(name) = &capture.name {
                names.push(name.clone());
            }
            collect(&capture.sub, names);
        }
        HirKind::Repetition(repetition) => collect(&repetition.sub, names),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            for part in parts {
                collect(part, names);
            }
        }
        _ => {}
    }
}

/// The same expression without the groups whose spans nobody asks for.
fn only(hir: Hir, wanted: &[Box<str>]) -> Hir {
    let mut next = 1;
    strip(hir, wanted, &mut next)
}

fn strip(hir: Hir, wanted: &[Box<str>], next: &mut u32) -> Hir {
    let is_wanted = |name: &Option<Box<str>>| name.as_ref().is_some_and(|it| wanted.contains(it));
    match hir.into_kind() {
        HirKind::Capture(capture) if !is_wanted(&capture.name) => strip(*capture.sub, wanted, next),
        HirKind::Capture(capture) => {
            let index = *next;
            *next += 1;
            Hir::capture(hir::Capture {
                index,
                name: capture.name,
                sub: Box::new(strip(*capture.sub, wanted, next)),
            })
        }
        HirKind::Repetition(mut repetition) => {
            repetition.sub = Box::new(strip(*repetition.sub, wanted, next));
            Hir::repetition(repetition)
        }
        HirKind::Concat(parts) => {
            let parts = parts.into_iter().map(|part| strip(part, wanted, next));
            Hir::concat(parts.collect())
        }
        HirKind::Alternation(parts) => {
            let parts = parts.into_iter().map(|part| strip(part, wanted, next));
            Hir::alternation(parts.collect())
        }
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) => Hir::literal(literal.0),
        HirKind::Class(class) => Hir::class(class),
        HirKind::Look(look) => Hir::look(look),
    }
}

/// Whether LF stands in it by itself: the engines for many lines would find the one at a line's end.
fn has_lf(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Literal(literal) => literal.0.contains(&b'\n'),
        HirKind::Capture(capture) => has_lf(&capture.sub),
        HirKind::Repetition(repetition) => has_lf(&repetition.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(has_lf),
        _ => false,
    }
}

/// Bytes of a pattern that a message shows.
const SHOWN_BYTES: usize = 60;

pub(super) fn refuse(source: &str, span: Range<usize>, message: String) -> Error {
    let part = source.get(span.clone()).unwrap_or_default();
    let part = match part.char_indices().nth(SHOWN_BYTES) {
        Some((end, _)) => format!("{}…", part.get(..end).unwrap_or_default()),
        None => part.to_owned(),
    };
    Error::Pattern {
        offset: span.start,
        part,
        message,
    }
}

/// The syntax was fine: what is left to fail is the size.
pub(super) fn build_error(source: &str, error: &dyn std::error::Error) -> Error {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let message = format!("{cause}; lower the counts of its repetitions, or use `+` and `*`");
    refuse(source, 0..source.len(), message)
}

fn syntax_error(source: &str, error: &regex_syntax::Error) -> Error {
    const LINEAR: &str = "no engine with a guaranteed linear time can run it";
    let backreference = || {
        format!(
            "backreferences are refused, since {LINEAR}; capture both parts and compare them in \
             code"
        )
    };
    let (span, message) = match error {
        regex_syntax::Error::Parse(error) => {
            let message = match error.kind() {
                ast::ErrorKind::UnsupportedLookAround => format!(
                    "look-around is refused, since {LINEAR}; capture more of the line and test \
                     the value in code"
                ),
                ast::ErrorKind::UnsupportedBackreference => backreference(),
                ast::ErrorKind::FlagUnrecognized
                    if source
                        .get(error.span().start.offset..)
                        .is_some_and(|rest| rest.starts_with('>')) =>
                {
                    "atomic groups are refused, since this engine never goes back; write (?:...)"
                        .into()
                }
                // Python's way to write one is not known to the parser as such.
                ast::ErrorKind::FlagUnrecognized
                    if source
                        .get(error.span().start.offset..)
                        .is_some_and(|rest| rest.starts_with("P=")) =>
                {
                    backreference()
                }
                kind => kind.to_string(),
            };
            (error.span(), message)
        }
        regex_syntax::Error::Translate(error) => {
            let message = match error.kind() {
                hir::ErrorKind::UnicodeNotAllowed => {
                    "patterns match bytes; write (?u:...) around a part with non-ASCII text".into()
                }
                kind => kind.to_string(),
            };
            (error.span(), message)
        }
        error => return refuse(source, 0..0, error.to_string()),
    };
    refuse(source, span.start.offset..span.end.offset, message)
}
