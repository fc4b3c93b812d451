//! Patterns as straight-line plans: the fast way through the lines that a pattern is made for.
//!
//! A backtracking matcher tries choices in the order of preference and takes the first that leads to
//! a match. A plan goes one way only: at each choice it takes the most preferred option that the next
//! bytes allow. What it passes over cannot match, since those bytes rule it out; so if the plan gets
//! to the end of the line, its captures are those of the backtracking matcher. If it gets stuck, that
//! says nothing, and the regular expression decides.

use regex_syntax::hir::{Capture, Class, Hir, HirKind, Look, Repetition};

use crate::scan::{BLOCK, Lanes, Ranges};

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

    pub(crate) fn byte(byte: u8) -> Self {
        let mut set = Self::empty();
        set.insert(byte);
        set
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

    /// The control characters that are not in it.
    pub(crate) fn controls_outside(&self) -> Self {
        let mut outside = Self::empty();
        let controls = (0..0x20).chain([0x7f]);
        controls
            .filter(|&byte| !self.has(byte) && byte != b'\n')
            .for_each(|byte| outside.insert(byte));
        outside
    }

    pub(crate) fn is_disjoint(&self, other: &Self) -> bool {
        self.members().all(|byte| !other.has(byte))
    }

    /// The bytes outside, if there are no more than three that a line can have.
    fn few_outside(&self) -> Option<Stops> {
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

/// How to pass over the bytes of a set.
#[derive(Clone, Debug)]
pub(crate) struct Skip {
    pub(crate) set: Set,
    pub(crate) stops: Option<Stops>,
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

/// One byte of each of some sets, each of one or two ranges: a timestamp, a status code. Lengths and
/// bytes of the ranges stand side by side, so that the compiler can check many bytes at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Template {
    first: [Vec<u8>; 2],
    second: [Vec<u8>; 2],
}

impl Template {
    pub(crate) fn len(&self) -> usize {
        self.first[0].len()
    }

    /// Adds a set, if it has one range or two.
    pub(crate) fn push(&mut self, set: &Set) -> bool {
        let mut ranges: Vec<(u8, u8)> = Vec::new();
        for byte in set.members() {
            match ranges.last_mut() {
                Some((low, span)) if low.checked_add(*span + 1) == Some(byte) => *span += 1,
                _ => ranges.push((byte, 0)),
            }
        }
        let (first, second) = match *ranges.as_slice() {
            [one] => (one, one),
            [one, two] => (one, two),
            _ => return false,
        };
        for ([lows, spans], (low, span)) in [(&mut self.first, first), (&mut self.second, second)] {
            lows.push(low);
            spans.push(span);
        }
        true
    }

    /// The same for a block; any byte is in the ranges of the rest.
    pub(crate) fn lanes(&self) -> Lanes {
        let fill = |values: &[u8], rest: u8| {
            let mut lanes = [rest; BLOCK];
            lanes
                .iter_mut()
                .zip(values)
                .for_each(|(lane, &value)| *lane = value);
            lanes
        };
        let [first, second] = [&self.first, &self.second].map(|[low, span]| Ranges {
            low: fill(low, 0),
            span: fill(span, u8::MAX),
        });
        Lanes { first, second }
    }

    pub(crate) fn append(&mut self, other: Self) {
        for (mine, other) in [
            (&mut self.first, other.first),
            (&mut self.second, other.second),
        ] {
            for (mine, other) in mine.iter_mut().zip(other) {
                mine.extend(other);
            }
        }
    }

    /// Whether these bytes, as many as there are sets, are in them.
    pub(crate) fn fits(&self, bytes: &[u8]) -> bool {
        let inside = |[lows, spans]: &[Vec<u8>; 2], outside: &mut [u8; MAX_TEMPLATE]| {
            let ranges = lows.iter().zip(spans);
            for ((out, &byte), (&low, &span)) in outside.iter_mut().zip(bytes).zip(ranges) {
                *out &= u8::from(byte.wrapping_sub(low) > span);
            }
        };
        let mut outside = [1; MAX_TEMPLATE];
        inside(&self.first, &mut outside);
        inside(&self.second, &mut outside);
        let outside = outside.get(..bytes.len());
        outside.is_some_and(|outside| outside.iter().fold(0, |any, out| any | out) == 0)
    }
}

/// Longest template; longer ones become several.
const MAX_TEMPLATE: usize = BLOCK;

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
    /// The first alternative that the next bytes admit.
    Choice(Box<[Alternative]>),
    /// The body again and again, as long as the next byte admits it.
    Repeat {
        first: Set,
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
    pub(crate) captures: usize,
}

/// Why a pattern has no plan: the part that only the regular expression can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoPlan(pub(crate) &'static str);

impl NoPlan {
    const ANCHOR: Self = Self("a word boundary, or ^ inside");
    const UNICODE: Self = Self("a class of Unicode characters");
}

type Compiled<T> = Result<T, NoPlan>;

impl Plan {
    /// The plan of a whole-line pattern, whose captures are numbered from 1 in their order; `order`
    /// has the capture of each column.
    pub(crate) fn compile(pattern: &Hir, order: &[usize]) -> Compiled<Self> {
        Ok(Self {
            steps: steps(parts_of(pattern), &After::end(), order)?,
            captures: order.len(),
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
pub(crate) fn steps_before(part: &Hir, end: Option<u8>, order: &[usize]) -> Compiled<Box<[Step]>> {
    let after = match end {
        Some(byte) => After {
            first: Set::byte(byte),
            literal: vec![byte],
        },
        None => After::end(),
    };
    steps(std::slice::from_ref(part), &after, order)
}

fn steps(parts: &[Hir], after: &After, order: &[usize]) -> Compiled<Box<[Step]>> {
    let mut steps = Vec::new();
    sequence(parts, after, &mut steps)?;
    let mut steps = merge(steps);
    let mut column_of = vec![0; order.len()];
    for (column, &capture) in order.iter().enumerate() {
        if let Some(slot) = column_of.get_mut(capture) {
            *slot = column;
        }
    }
    number(&mut steps, &column_of);
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
    first: Set,
    literal: Vec<u8>,
}

impl After {
    /// The end of the line.
    fn end() -> Self {
        let mut first = Set::empty();
        first.end = true;
        Self {
            first,
            literal: Vec::new(),
        }
    }
}

fn compile(hir: &Hir, after: &After, out: &mut Vec<Step>) -> Compiled<()> {
    match hir.kind() {
        HirKind::Empty => {}
        HirKind::Literal(literal) => out.push(Step::Literal(literal.0.clone())),
        HirKind::Class(class) => out.push(one(&set_of(class)?)),
        HirKind::Look(Look::End) => out.push(Step::End),
        HirKind::Look(_) => return Err(NoPlan::ANCHOR),
        HirKind::Capture(Capture { index, sub, .. }) => {
            let index = *index as usize - 1;
            out.push(Step::Open(index));
            compile(sub, after, out)?;
            out.push(Step::Close(index));
        }
        HirKind::Concat(parts) => sequence(parts, after, out)?,
        HirKind::Alternation(parts) => {
            let mut alternatives = Vec::new();
            for part in parts {
                let mut steps = Vec::new();
                compile(part, after, &mut steps)?;
                alternatives.push(Alternative {
                    first: first_of(part, &after.first)?,
                    literal: leading_literal(part).into(),
                    steps: merge(steps),
                });
            }
            out.push(Step::Choice(alternatives.into()));
        }
        HirKind::Repetition(repetition) => repeat(repetition, after, out)?,
    }
    Ok(())
}

/// Parts one after the other: each is followed by the next.
fn sequence(parts: &[Hir], after: &After, out: &mut Vec<Step>) -> Compiled<()> {
    let mut afters = Vec::with_capacity(parts.len());
    let mut next = after.clone();
    for part in parts.iter().rev() {
        let before = After {
            first: first_of(part, &next.first)?,
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
    if let HirKind::Class(class) = sub.kind() {
        let set = set_of(class)?;
        let mut template = Template::default();
        if *min == max && *min as usize <= MAX_TEMPLATE && (0..*min).all(|_| template.push(&set)) {
            out.push(Step::Template(template));
        } else {
            out.push(Step::Run(Run {
                skip: Skip::of(&set, !greedy, &after.first),
                min: *min as usize,
                max: max as usize,
                lazy: !greedy,
                follow: Follow {
                    disjoint: set.is_disjoint(&after.first),
                    first: after.first.clone(),
                    // A single byte is the first, too.
                    literal: match after.literal.as_slice() {
                        [_] => Box::default(),
                        literal => literal.into(),
                    },
                },
                set,
            }));
        }
        return Ok(());
    }
    if let (0 | 1, u32::MAX, Some((set, escape, escaped))) = (*min, max, escaped_run(sub)?) {
        out.push(Step::Escaped(Escaped {
            skip: Skip::of(&set, !greedy, &after.first),
            set,
            escape,
            escaped,
            needed: *min == 1,
            lazy: !greedy,
            follow: after.first.clone(),
        }));
        return Ok(());
    }
    if sub.properties().minimum_len().unwrap_or(0) == 0 {
        return Err(NoPlan("a repetition of something that may be empty"));
    }
    let first = first_of(sub, &after.first)?;
    if !greedy {
        if (*min, max) != (0, 1) {
            return Err(NoPlan("a lazy repetition of a group"));
        }
        let mut body = Vec::new();
        compile(sub, after, &mut body)?;
        let nothing = Alternative {
            first: after.first.clone(),
            literal: after.literal.clone().into(),
            steps: Box::default(),
        };
        let something = Alternative {
            first,
            literal: leading_literal(sub).into(),
            steps: merge(body),
        };
        out.push(Step::Choice(Box::new([nothing, something])));
        return Ok(());
    }
    // After one round comes another, or what follows.
    let again = match max {
        1 => after.clone(),
        _ => After {
            first: first.clone().union(&after.first),
            literal: Vec::new(),
        },
    };
    let mut body = Vec::new();
    compile(sub, &again, &mut body)?;
    out.push(Step::Repeat {
        first,
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
    let (set, escaped) = (set_of(plain)?, set_of(escaped)?);
    match *escape.0 {
        [escape] if !set.has(escape) => Ok(Some((set, escape, escaped))),
        _ => Ok(None),
    }
}

pub(crate) fn set_of(class: &Class) -> Compiled<Set> {
    let mut set = Set::empty();
    match class {
        Class::Bytes(class) => {
            for range in class.ranges() {
                (range.start()..=range.end()).for_each(|byte| set.insert(byte));
            }
        }
        Class::Unicode(class) => {
            for range in class.ranges() {
                let (Ok(start), Ok(end)) = (u8::try_from(range.start()), u8::try_from(range.end()))
                else {
                    return Err(NoPlan::UNICODE);
                };
                if end > 0x7f {
                    return Err(NoPlan::UNICODE);
                }
                (start..=end).for_each(|byte| set.insert(byte));
            }
        }
    }
    Ok(set)
}

fn one(set: &Set) -> Step {
    let mut template = Template::default();
    match template.push(set) {
        true => Step::Template(template),
        false => Step::One(set.clone()),
    }
}

/// The bytes with which `hir` may begin; `after` where it may be empty.
fn first_of(hir: &Hir, after: &Set) -> Compiled<Set> {
    Ok(match hir.kind() {
        HirKind::Empty => after.clone(),
        HirKind::Literal(literal) => literal
            .0
            .first()
            .map_or_else(|| after.clone(), |&byte| Set::byte(byte)),
        HirKind::Class(class) => set_of(class)?,
        HirKind::Look(Look::End) => {
            let mut end = Set::empty();
            end.end = true;
            end
        }
        HirKind::Look(_) => return Err(NoPlan::ANCHOR),
        HirKind::Capture(capture) => first_of(&capture.sub, after)?,
        HirKind::Concat(parts) => {
            let mut first = after.clone();
            for part in parts.iter().rev() {
                first = first_of(part, &first)?;
            }
            first
        }
        HirKind::Alternation(parts) => {
            let mut first = Set::empty();
            for part in parts {
                first = first.union(&first_of(part, after)?);
            }
            first
        }
        HirKind::Repetition(repetition) => {
            let first = first_of(&repetition.sub, after)?;
            match repetition.min {
                0 => first.union(after),
                _ => first,
            }
        }
    })
}

/// The bytes with which `hir` begins in every case.
fn leading_literal(hir: &Hir) -> Vec<u8> {
    match hir.kind() {
        HirKind::Literal(literal) => literal.0.to_vec(),
        HirKind::Capture(capture) => leading_literal(&capture.sub),
        HirKind::Concat(parts) => parts.first().map_or_else(Vec::new, leading_literal),
        HirKind::Repetition(repetition) if repetition.min > 0 => leading_literal(&repetition.sub),
        _ => Vec::new(),
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
                before.append(template);
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
