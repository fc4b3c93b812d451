//! Named captures on regex-automata.

use std::ops::Range;

use regex_automata::{
    Anchored, Input,
    hybrid::{dfa, dfa::DFA},
    meta,
    nfa::thompson,
    util::{primitives::NonMaxUsize, start},
};
use regex_syntax::{
    ParserBuilder, ast,
    hir::{self, Hir, HirKind, Look},
};

use super::{
    Field,
    head::Head,
    plan::{NoPlan, Plan},
    signature::Signature,
};
use crate::{
    error::Error,
    limits::{
        MAX_PATTERN_AUTOMATON_BYTES, MAX_PATTERN_BYTES, MAX_PATTERN_FIELDS, MAX_PATTERN_NESTING,
    },
    tokenize::walk,
    unmatched::Reason,
};

/// A compiled pattern: one search gives the spans of all captures.
pub(crate) struct Pattern {
    source: Box<str>,
    /// The capture of each column, then those that stand in for it in other alternatives.
    order: Box<[usize]>,
    /// The column of each capture that stands in.
    stand_ins: Box<[usize]>,
    plan: Result<Plan, NoPlan>,
    signature: Result<Box<Signature>, NoPlan>,
    head: Option<Box<Head>>,
    regex: meta::Regex,
    /// Tells where a line stops fitting. Without captures, so it is small.
    viable: DFA,
}

/// What searching needs to write to; one a thread.
pub(crate) struct Scratch {
    regex: meta::Cache,
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
        source: &str,
        selected: Option<&[Field]>,
    ) -> Result<(Self, Vec<Field>), Error> {
        let hir = parse(source)?;
        let captured = captures(&hir);
        if captured.is_empty() {
            let message = "there is no named capture; name each column, as in (?P<level>[A-Z]+)";
            return Err(refuse(source, 0..source.len(), message.into()));
        }
        if captured.len() > MAX_PATTERN_FIELDS {
            let message = format!(
                "there are {} named captures, the limit is {MAX_PATTERN_FIELDS}",
                captured.len()
            );
            return Err(refuse(source, 0..0, message));
        }

        let fields = match selected {
            Some(selected) => selected.to_vec(),
            None => distinct(&captured),
        };
        // The column of each capture that is kept.
        let column = |capture: &Field| fields.iter().position(|it| it.name() == capture.name());
        let columns: Vec<_> = captured.iter().filter_map(column).collect();
        let mut order: Vec<_> = (0..fields.len())
            .filter_map(|column| columns.iter().position(|&it| it == column))
            .collect();
        let (others, stand_ins): (Vec<_>, Vec<_>) = (0..columns.len())
            .zip(columns)
            .filter(|(capture, _)| !order.contains(capture))
            .unzip();
        order.extend(others);
        let inner = only(hir, &fields);
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
        let plan = Plan::compile(&inner, &order);
        let head = match &plan {
            Ok(plan) if stand_ins.is_empty() => Head::compile(plan).map(Box::new),
            _ => None,
        };
        let pattern = Self {
            source: source.into(),
            plan,
            head,
            signature: match stand_ins.is_empty() {
                true => Signature::compile(&inner, &order).map(Box::new),
                false => Err(NoPlan("one column of several captures")),
            },
            order: order.into(),
            stand_ins: stand_ins.into(),
            regex,
            viable,
        };
        Ok((pattern, fields))
    }

    pub(crate) fn explain(&self) -> String {
        match &self.plan {
            Ok(plan) => format!(
                "a plan of {} steps finds the columns; a line on which it gets stuck is matched by the \
                 regular expression (of alternatives that begin alike, put the longest first)",
                plan.steps.len()
            ),
            Err(NoPlan(part)) => format!(
                "the regular expression finds the columns of every line, since the pattern has {part}, \
                 for which there is no plan; without it the pattern would be many times as fast"
            ),
        }
    }

    pub(crate) fn signature(&self) -> Option<&Signature> {
        self.signature.as_deref().ok()
    }

    pub(crate) fn head(&self) -> Option<&Head> {
        self.head.as_deref()
    }

    #[cfg(test)]
    pub(crate) fn signature_state(&self) -> Result<usize, NoPlan> {
        self.signature.as_ref().map(|it| it.len).map_err(|&it| it)
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    pub(crate) fn scratch(&self) -> Scratch {
        let slots = self.regex.group_info().slot_len();
        Scratch {
            regex: self.regex.create_cache(),
            slots: vec![None; slots].into(),
            places: vec![walk::NONE; self.plan.as_ref().map_or(0, |plan| 2 * plan.captures)].into(),
            viable: None,
        }
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
        let columns = 2 * (self.order.len() - self.stand_ins.len());
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
        self.regex
            .search_slots_with(&mut scratch.regex, &input, &mut scratch.slots)?;
        // The first two slots are the whole match; unnamed groups were compiled away.
        let groups = scratch.slots.get(2..).unwrap_or_default();
        let place = move |capture: &usize| match groups.get(2 * capture..2 * capture + 2)? {
            [Some(start), Some(end)] => Some(start.get()..end.get()),
            _ => None,
        };
        let (order, others) = self
            .order
            .split_at_checked(self.order.len() - self.stand_ins.len())?;
        let stand_in = move |column| {
            let mut others = others.iter().zip(&*self.stand_ins);
            others.find_map(|(capture, &of)| (of == column).then(|| place(capture))?)
        };
        Some(
            (0..)
                .zip(order)
                .map(move |(column, capture)| place(capture).or_else(|| stand_in(column))),
        )
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

/// The column that a capture of this name fills: `user` is that of `user`, `user[or]`, `user[or2]`.
fn column_name(capture: &str) -> &str {
    match capture.rsplit_once("[or") {
        Some((column, number))
            if !column.is_empty()
                && number
                    .strip_suffix(']')
                    .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit())) =>
        {
            column
        }
        _ => capture,
    }
}

/// The columns that these captures fill, in the order of the first capture of each.
fn distinct(captured: &[Field]) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    for field in captured {
        if !fields.iter().any(|it| it.name() == field.name()) {
            fields.push(field.clone());
        }
    }
    fields
}

/// The expression of a pattern, over bytes.
pub(super) fn parse(source: &str) -> Result<Hir, Error> {
    if source.len() > MAX_PATTERN_BYTES {
        let message = format!(
            "the pattern has {} bytes, the limit is {MAX_PATTERN_BYTES}",
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

/// The named captures, in order, each by the name of its column.
fn captures(hir: &Hir) -> Vec<Field> {
    let mut fields = Vec::new();
    collect(hir, &mut fields);
    fields
}

fn collect(hir: &Hir, fields: &mut Vec<Field>) {
    match hir.kind() {
        HirKind::Capture(capture) => {
            if let Some(name) = &capture.name {
                fields.push(Field::new(column_name(name)));
            }
            collect(&capture.sub, fields);
        }
        HirKind::Repetition(repetition) => collect(&repetition.sub, fields),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            for part in parts {
                collect(part, fields);
            }
        }
        _ => {}
    }
}

/// The same expression without the groups whose spans nobody asks for.
fn only(hir: Hir, fields: &[Field]) -> Hir {
    let mut next = 1;
    strip(hir, fields, &mut next)
}

fn strip(hir: Hir, fields: &[Field], next: &mut u32) -> Hir {
    let wanted = |name: &Option<Box<str>>| {
        let name = name.as_deref();
        let column = name.map(column_name);
        column.is_some_and(|column| fields.iter().any(|field| field.name() == column))
    };
    match hir.into_kind() {
        HirKind::Capture(capture) if !wanted(&capture.name) => strip(*capture.sub, fields, next),
        HirKind::Capture(capture) => {
            let index = *next;
            *next += 1;
            Hir::capture(hir::Capture {
                index,
                name: capture.name,
                sub: Box::new(strip(*capture.sub, fields, next)),
            })
        }
        HirKind::Repetition(mut repetition) => {
            repetition.sub = Box::new(strip(*repetition.sub, fields, next));
            Hir::repetition(repetition)
        }
        HirKind::Concat(parts) => {
            let parts = parts.into_iter().map(|part| strip(part, fields, next));
            Hir::concat(parts.collect())
        }
        HirKind::Alternation(parts) => {
            let parts = parts.into_iter().map(|part| strip(part, fields, next));
            Hir::alternation(parts.collect())
        }
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) => Hir::literal(literal.0),
        HirKind::Class(class) => Hir::class(class),
        HirKind::Look(look) => Hir::look(look),
    }
}

/// Bytes of a pattern that a message shows.
const SHOWN_BYTES: usize = 60;

fn refuse(source: &str, span: Range<usize>, message: String) -> Error {
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
