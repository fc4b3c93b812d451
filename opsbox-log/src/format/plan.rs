//! Patterns as straight-line plans: the fast way through the lines that a pattern is made for.
//!
//! A backtracking matcher tries choices in the order of preference and takes the first that leads to
//! a match. A plan goes one way only: at each choice it takes the most preferred option that the next
//! bytes allow. What it passes over cannot match, since those bytes rule it out; so if the plan gets
//! to the end of the line, its captures are those of the backtracking matcher. If it gets stuck, that
//! says nothing, and the regular expression decides.

use std::fmt;

use regex_syntax::hir::{
    Capture, Class, ClassUnicode, Hir, HirKind, Look, Repetition, print::Printer,
};

use super::ahead::{
    Ahead, Bits, ahead, any_of, deciding, first, first_of, leading_literal, set_of,
};
use super::template::{MAX_TEMPLATE, Template};
use crate::scan::Classes;

/// A set of bytes, and whether the end of the line belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Set {
    bytes: Box<[bool; 256]>,
    pub(crate) end: bool,
}

impl Set {
    pub(crate) fn empty() -> Self {
        Self {
            bytes: Box::new([false; 256]),
            end: false,
        }
    }

    /// The bytes that are asked for.
    pub(crate) fn of(has: impl Fn(u8) -> bool) -> Self {
        let mut set = Self::empty();
        for (byte, slot) in (0..=u8::MAX).zip(set.bytes.iter_mut()) {
            *slot = has(byte);
        }
        set
    }

    pub(crate) fn byte(byte: u8) -> Self {
        Self::of(|it| it == byte)
    }

    pub(crate) fn insert(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(usize::from(byte)) {
            *slot = true;
        }
    }

    pub(crate) fn union(mut self, other: &Self) -> Self {
        for (slot, other) in self.bytes.iter_mut().zip(other.bytes.iter()) {
            *slot |= other;
        }
        self.end |= other.end;
        self
    }

    pub(crate) fn has(&self, byte: u8) -> bool {
        self.bytes
            .get(usize::from(byte))
            .copied()
            .unwrap_or_default()
    }

    /// Whether the line may go on with `next`, or end if that is `None`.
    pub(crate) fn admits(&self, next: Option<&u8>) -> bool {
        next.map_or(self.end, |&byte| self.has(byte))
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=u8::MAX).filter(|&byte| self.has(byte))
    }

    pub(crate) fn minus(mut self, other: &Self) -> Self {
        for (slot, other) in self.bytes.iter_mut().zip(other.bytes.iter()) {
            *slot &= !other;
        }
        self
    }

    /// Its byte, if it has one only.
    pub(crate) fn single(&self) -> Option<u8> {
        let mut members = self.members();
        members.next().filter(|_| members.next().is_none())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members().next().is_none()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes.iter().all(|&has| has)
    }

    /// The control characters that are not in it, besides DEL, which kernels have no class for.
    pub(crate) fn controls_outside(&self) -> Self {
        let mut outside = Self::empty();
        (0..0x20)
            .filter(|&byte| !self.has(byte) && byte != b'\n')
            .for_each(|byte| outside.insert(byte));
        outside
    }

    pub(crate) fn is_disjoint(&self, other: &Self) -> bool {
        self.members().all(|byte| !other.has(byte))
    }

    /// The bytes outside, if there are no more than three that a line can have.
    pub(crate) fn few_outside(&self) -> Option<Stops> {
        let outside: Vec<_> = (0..=u8::MAX)
            .filter(|&byte| !self.has(byte) && byte != b'\n')
            .collect();
        match *outside.as_slice() {
            [] => Some(Stops::None),
            [a] => Some(Stops::One(a)),
            [a, b] => Some(Stops::Two(a, b)),
            [a, b, c] => Some(Stops::Three(a, b, c)),
            _ => None,
        }
    }
}

impl From<Bits> for Set {
    fn from(bits: Bits) -> Self {
        let mut set = Self::of(|byte| bits.has(byte));
        set.end = bits.end;
        set
    }
}

/// How to pass over the bytes of a set.
#[derive(Clone, Debug)]
pub(crate) struct Skip {
    pub(crate) set: Set,
    pub(crate) stops: Option<Stops>,
    /// The bytes outside, for the kernels; `None` if they have no class for them.
    pub(crate) outside: Option<Box<Outside>>,
}

/// The bytes outside of a set.
#[derive(Clone, Debug)]
pub(crate) struct Outside {
    pub(crate) classes: Classes,
    /// All bytes that are not ASCII are outside, too.
    pub(crate) not_ascii: bool,
}

impl Outside {
    /// `None` if some bytes that are not ASCII are outside and others are not, or only DEL is, which
    /// kernels look up in their place.
    pub(crate) fn of(set: &Set) -> Option<Self> {
        let high = (0x80..=u8::MAX).filter(|&byte| set.has(byte)).count();
        let del = high != 0 && !set.has(Classes::NO_CLASS);
        (!del && (high == 0 || high == 0x80)).then(|| Self {
            classes: Classes::new(|_| false, |byte| byte < 0x80 && !set.has(byte), false),
            not_ascii: high == 0,
        })
    }
}

impl Skip {
    /// The bytes of a run that cannot end it: a lazy one ends where what follows may begin.
    fn of(set: &Set, lazy: bool, follow: &Set) -> Self {
        let mut skip = set.clone();
        if lazy {
            for (slot, follow) in skip.bytes.iter_mut().zip(follow.bytes.iter()) {
                *slot &= !follow;
            }
        }
        Self {
            stops: skip.few_outside(),
            outside: Outside::of(&skip).map(Box::new),
            set: skip,
        }
    }
}

/// The few bytes that end a run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stops {
    None,
    One(u8),
    Two(u8, u8),
    Three(u8, u8, u8),
}

/// One step of a plan.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// These bytes.
    Literal(Box<[u8]>),
    /// This byte.
    Byte(u8),
    /// One byte of the set.
    One(Set),
    /// One byte of each set.
    Template(Template),
    /// A capture begins or ends.
    Open(usize),
    Close(usize),
    /// Bytes of one set.
    Run(Run),
    /// Bytes of one set, and pairs of an escape and any byte of another.
    Escaped(Escaped),
    /// The end of the line.
    End,
    /// The beginning of the line, or a boundary of an ASCII word.
    Look(Look),
    /// The first alternative that the next bytes admit.
    Choice(Box<[Alternative]>),
    /// The body again and again, as long as the next byte admits it.
    Repeat {
        first: Set,
        ahead: Box<[Bits]>,
        body: Box<[Self]>,
        min: u32,
        max: u32,
    },
}

impl Step {
    /// The columns whose captures begin or end in it.
    pub(crate) fn columns(&self, out: &mut Vec<usize>) {
        match self {
            Self::Close(column) => out.push(*column),
            Self::Choice(alternatives) => {
                let steps = alternatives.iter().flat_map(|it| &it.steps);
                steps.for_each(|step| step.columns(out));
            }
            Self::Repeat { body, .. } => body.iter().for_each(|step| step.columns(out)),
            _ => {}
        }
    }
}

/// An alternative, and how it has to begin.
#[derive(Clone, Debug)]
pub(crate) struct Alternative {
    pub(crate) first: Set,
    pub(crate) literal: Box<[u8]>,
    /// The bytes that decide against all later alternatives, where `first` and `literal` do not.
    pub(crate) ahead: Box<[Bits]>,
    pub(crate) steps: Box<[Step]>,
}

/// As many bytes of a set as there are, or if lazy as few as what follows allows.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) set: Set,
    /// The bytes that can be passed over without a look at what follows.
    pub(crate) skip: Skip,
    pub(crate) min: usize,
    pub(crate) max: usize,
    pub(crate) lazy: bool,
    pub(crate) follow: Follow,
}

/// What comes after a run.
#[derive(Clone, Debug)]
pub(crate) struct Follow {
    pub(crate) first: Set,
    /// The bytes that must come, as far as they are the same in every case and more than one.
    pub(crate) literal: Box<[u8]>,
    /// What else is known of the next bytes.
    pub(crate) ahead: Box<[Bits]>,
    /// No byte of the run can be the first of what follows: only its end needs a look.
    pub(crate) disjoint: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Escaped {
    pub(crate) set: Set,
    /// The bytes that can be passed over without a look at what follows.
    pub(crate) skip: Skip,
    pub(crate) escape: u8,
    pub(crate) escaped: Set,
    /// It may not be empty.
    pub(crate) needed: bool,
    pub(crate) lazy: bool,
    pub(crate) follow: Set,
}

/// A whole pattern.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) steps: Box<[Step]>,
    pub(crate) columns: usize,
}

/// Why a pattern has no plan: the part that only the regular expression can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Obstacle {
    /// The part, as a regular expression, cut if it is long.
    pub(crate) part: String,
    pub(crate) what: &'static str,
    pub(crate) advice: &'static str,
}

pub(super) type Compiled<T> = Result<T, Obstacle>;

impl Obstacle {
    fn new(part: &Hir, what: &'static str, advice: &'static str) -> Self {
        let mut text = Short(String::new());
        // The only error is that of a part that is too long, which is cut.
        let _cut: fmt::Result = Printer::new().print(part, &mut text);
        Self {
            part: text.0,
            what,
            advice,
        }
    }

    pub(super) fn unicode(class: &ClassUnicode) -> Self {
        Self::new(
            &Hir::class(Class::Unicode(class.clone())),
            "a class of Unicode characters",
            "leave (?u) out and write a class of bytes: [^ ] for what ends at a space, [\\x80-\\xFF] \
             for the bytes of characters outside ASCII",
        )
    }

    fn look(look: Look) -> Self {
        Self::new(
            &Hir::look(look),
            "an assertion that is not about bytes",
            "leave (?u) and (?R) out, so that \\b is about ASCII words and ^ about the line",
        )
    }
}

/// Text up to a length that a message can show.
struct Short(String);

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.0.len() >= 60 {
                self.0.push('…');
                return Err(fmt::Error);
            }
            self.0.push(character);
        }
        Ok(())
    }
}

impl Plan {
    /// The plan of a whole-line pattern, whose captures are numbered from 1 in their order; each is
    /// of one of the columns.
    pub(crate) fn compile(pattern: &Hir, column_of: &[usize], columns: usize) -> Compiled<Self> {
        Ok(Self {
            steps: steps(parts_of(pattern), &After::end(), column_of)?,
            columns,
        })
    }
}

/// What comes one after the other in a whole-line pattern, without the anchors that it has anyway.
pub(crate) fn parts_of(pattern: &Hir) -> &[Hir] {
    let mut parts = match pattern.kind() {
        HirKind::Concat(parts) => parts.as_slice(),
        _ => std::slice::from_ref(pattern),
    };
    while let [first, rest @ ..] = parts
        && matches!(first.kind(), HirKind::Look(Look::Start))
    {
        parts = rest;
    }
    while let [rest @ .., last] = parts
        && matches!(last.kind(), HirKind::Look(Look::End))
    {
        parts = rest;
    }
    parts
}

/// The steps of a part of a pattern that has to end at a byte, or at the end of the line.
pub(super) fn steps_before(
    part: &Hir,
    end: Option<u8>,
    column_of: &[usize],
) -> Compiled<Box<[Step]>> {
    let after = match end {
        Some(byte) => After {
            ahead: vec![Bits::byte(byte)],
            literal: vec![byte],
        },
        None => After::end(),
    };
    steps(std::slice::from_ref(part), &after, column_of)
}

fn steps(parts: &[Hir], after: &After, column_of: &[usize]) -> Compiled<Box<[Step]>> {
    let mut steps = Vec::new();
    sequence(parts, after, &mut steps)?;
    let mut steps = merge(steps);
    number(&mut steps, column_of);
    Ok(steps)
}

/// Names captures by their columns.
fn number(steps: &mut [Step], column_of: &[usize]) {
    for step in steps {
        match step {
            Step::Open(index) | Step::Close(index) => {
                *index = column_of.get(*index).copied().unwrap_or(*index);
            }
            Step::Choice(alternatives) => {
                for alternative in alternatives {
                    number(&mut alternative.steps, column_of);
                }
            }
            Step::Repeat { body, .. } => number(body, column_of),
            _ => {}
        }
    }
}

/// What comes after the part at hand.
#[derive(Clone)]
struct After {
    ahead: Ahead,
    literal: Vec<u8>,
}

impl After {
    /// The end of the line.
    fn end() -> Self {
        Self {
            ahead: vec![Bits::END],
            literal: Vec::new(),
        }
    }

    fn first(&self) -> Bits {
        first(&self.ahead)
    }
}

fn compile(hir: &Hir, after: &After, out: &mut Vec<Step>) -> Compiled<()> {
    match hir.kind() {
        HirKind::Empty => {}
        HirKind::Literal(literal) => out.push(Step::Literal(literal.0.clone())),
        HirKind::Class(class) => out.push(one(&set_of(class)?.into())),
        // A line has no LF, so it begins and ends where the text does.
        HirKind::Look(Look::End | Look::EndLF) => out.push(Step::End),
        &HirKind::Look(
            look @ (Look::Start
            | Look::StartLF
            | Look::WordAscii
            | Look::WordAsciiNegate
            | Look::WordStartAscii
            | Look::WordEndAscii
            | Look::WordStartHalfAscii
            | Look::WordEndHalfAscii),
        ) => out.push(Step::Look(look)),
        HirKind::Look(look) => return Err(Obstacle::look(*look)),
        HirKind::Capture(Capture { index, sub, .. }) => {
            let index = *index as usize - 1;
            out.push(Step::Open(index));
            compile(sub, after, out)?;
            out.push(Step::Close(index));
        }
        HirKind::Concat(parts) => sequence(parts, after, out)?,
        HirKind::Alternation(parts) => {
            let mut alternatives = Vec::new();
            let mut later = None;
            for part in parts.iter().rev() {
                let mut steps = Vec::new();
                compile(part, after, &mut steps)?;
                let next = ahead(part, &after.ahead)?;
                let literal = leading_literal(part);
                let all = any_of(later.as_deref(), &next);
                alternatives.push(alternative(next, literal, later.as_deref(), merge(steps)));
                later = Some(all);
            }
            alternatives.reverse();
            out.push(Step::Choice(alternatives.into()));
        }
        HirKind::Repetition(repetition) => repeat(repetition, after, out)?,
    }
    Ok(())
}

/// An alternative that begins with `next`, decided against those that come later.
fn alternative(
    next: Ahead,
    literal: Vec<u8>,
    later: Option<&[Bits]>,
    steps: Box<[Step]>,
) -> Alternative {
    let first = first(&next).into();
    let ahead = later.map(|later| deciding(next, later)).unwrap_or_default();
    Alternative {
        first,
        ahead: beyond(ahead, &literal),
        literal: literal.into(),
        steps,
    }
}

/// A look-ahead, unless it says no more than its first byte and a literal.
fn beyond(mut ahead: Ahead, literal: &[u8]) -> Box<[Bits]> {
    // A place that any byte fits says nothing at the end.
    while ahead.pop_if(|last| last.is_any()).is_some() {}
    match ahead.len() > literal.len().max(1) {
        true => ahead.into(),
        false => Box::default(),
    }
}

/// Parts one after the other: each is followed by the next.
fn sequence(parts: &[Hir], after: &After, out: &mut Vec<Step>) -> Compiled<()> {
    let mut afters = Vec::with_capacity(parts.len());
    let mut next = after.clone();
    for part in parts.iter().rev() {
        let before = After {
            ahead: ahead(part, &next.ahead)?,
            literal: leading_literal(part),
        };
        afters.push(std::mem::replace(&mut next, before));
    }
    for (part, after) in parts.iter().zip(afters.iter().rev()) {
        compile(part, after, out)?;
    }
    Ok(())
}

fn repeat(repetition: &Repetition, after: &After, out: &mut Vec<Step>) -> Compiled<()> {
    let Repetition {
        min,
        max,
        greedy,
        sub,
    } = repetition;
    let max = max.unwrap_or(u32::MAX);
    let one = match sub.kind() {
        HirKind::Class(class) => Some(set_of(class)?),
        HirKind::Literal(literal) if max > 1 => match *literal.0 {
            [byte] => Some(Bits::byte(byte)),
            _ => None,
        },
        _ => None,
    };
    if let Some(set) = one.map(Set::from) {
        let mut template = Template::default();
        if *min == max && *min as usize <= MAX_TEMPLATE && (0..*min).all(|_| template.push(&set)) {
            out.push(Step::Template(template));
        } else {
            let first = Set::from(after.first());
            let disjoint = set.is_disjoint(&first);
            // A single byte is the first, too.
            let literal = match after.literal.as_slice() {
                [_] => &[],
                literal => literal,
            };
            let ahead = match disjoint {
                true => Ahead::new(),
                false => after.ahead.clone(),
            };
            out.push(Step::Run(Run {
                skip: Skip::of(&set, !greedy, &first),
                min: *min as usize,
                max: max as usize,
                lazy: !greedy,
                follow: Follow {
                    disjoint,
                    first,
                    ahead: beyond(ahead, literal),
                    literal: literal.into(),
                },
                set,
            }));
        }
        return Ok(());
    }
    if let (0 | 1, u32::MAX, Some((set, escape, escaped))) = (*min, max, escaped_run(sub)?) {
        let follow = Set::from(after.first());
        out.push(Step::Escaped(Escaped {
            skip: Skip::of(&set, !greedy, &follow),
            set,
            escape,
            escaped,
            needed: *min == 1,
            lazy: !greedy,
            follow,
        }));
        return Ok(());
    }
    let may_be_empty = sub.properties().minimum_len().unwrap_or(0) == 0;
    if (*min, max) == (0, 1) && (may_be_empty || !greedy) {
        let mut body = Vec::new();
        compile(sub, after, &mut body)?;
        let (next, literal) = (ahead(sub, &after.ahead)?, leading_literal(sub));
        let nothing = |later| {
            let literal = after.literal.clone();
            alternative(after.ahead.clone(), literal, later, Box::default())
        };
        let alternatives = match greedy {
            true => {
                let nothing = nothing(None);
                let later = Some(&*after.ahead);
                [alternative(next, literal, later, merge(body)), nothing]
            }
            false => {
                let nothing = nothing(Some(&next));
                [nothing, alternative(next, literal, None, merge(body))]
            }
        };
        out.push(Step::Choice(Box::new(alternatives)));
        return Ok(());
    }
    if may_be_empty {
        return Err(Obstacle::new(
            &Hir::repetition(repetition.clone()),
            "a repetition of something that may be empty",
            "make the inner part take a byte at least: `+` for `*`, or no `?` on all of its parts",
        ));
    }
    if !greedy {
        return Err(Obstacle::new(
            &Hir::repetition(repetition.clone()),
            "a lazy repetition of a group",
            "repeat a class as in [^x]*, or make the repetition greedy: `*` for `*?`",
        ));
    }
    // After one round comes another, or what follows.
    let again = match max {
        1 => after.clone(),
        _ => After {
            ahead: vec![first_of(sub, after.first())?.union(after.first())],
            literal: Vec::new(),
        },
    };
    let mut body = Vec::new();
    compile(sub, &again, &mut body)?;
    let next = ahead(sub, &again.ahead)?;
    out.push(Step::Repeat {
        first: first(&next).into(),
        ahead: beyond(deciding(next, &after.ahead), &[]),
        body: merge(body),
        min: *min,
        max,
    });
    Ok(())
}

/// `(?:[set]|\\.)`: the set, the escape, and what may be escaped.
fn escaped_run(sub: &Hir) -> Compiled<Option<(Set, u8, Set)>> {
    let HirKind::Alternation(parts) = sub.kind() else {
        return Ok(None);
    };
    let [plain, pair] = parts.as_slice() else {
        return Ok(None);
    };
    let (HirKind::Class(plain), HirKind::Concat(pair)) = (plain.kind(), pair.kind()) else {
        return Ok(None);
    };
    let [escape, escaped] = pair.as_slice() else {
        return Ok(None);
    };
    let (HirKind::Literal(escape), HirKind::Class(escaped)) = (escape.kind(), escaped.kind())
    else {
        return Ok(None);
    };
    let (set, escaped) = (Set::from(set_of(plain)?), Set::from(set_of(escaped)?));
    match *escape.0 {
        [escape] if !set.has(escape) => Ok(Some((set, escape, escaped))),
        _ => Ok(None),
    }
}

fn one(set: &Set) -> Step {
    let mut template = Template::default();
    match template.push(set) {
        true => Step::Template(template),
        false => Step::One(set.clone()),
    }
}

/// Joins what can be done in one step.
fn merge(steps: Vec<Step>) -> Box<[Step]> {
    let mut merged: Vec<Step> = Vec::with_capacity(steps.len());
    for step in steps {
        match (merged.last_mut(), step) {
            (Some(Step::Literal(before)), Step::Literal(literal)) => {
                *before = [&before[..], &literal].concat().into();
            }
            (Some(Step::Template(before)), Step::Template(template))
                if before.len() + template.len() <= MAX_TEMPLATE =>
            {
                before.append(&template);
            }
            (Some(Step::Template(before)), Step::Literal(literal))
                if before.len() + literal.len() <= MAX_TEMPLATE =>
            {
                literal.iter().all(|&byte| before.push(&Set::byte(byte)));
            }
            (_, step) => merged.push(step),
        }
    }
    for step in &mut merged {
        if let Step::Literal(literal) = step
            && let [byte] = **literal
        {
            *step = Step::Byte(byte);
        }
    }
    merged.into()
}
