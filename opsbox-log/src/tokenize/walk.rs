//! Runs a plan over a line.

use memchr::{memchr, memchr2, memchr3};

use regex_syntax::hir::Look;

use super::chunk::all_from;
use crate::{
    format::{
        ahead::{Bits, admits},
        plan::{Escaped, Follow, Plan, Run, Set, Skip, Step, Stops},
    },
    scan::{self, BLOCK, Simd, Work},
};

/// A place of a capture that was not reached.
pub(crate) const NONE: u32 = u32::MAX;

/// Where the captures begin and end, two places each.
pub(crate) type Slots = [u32];

/// A line, with what the input has after it, so that a kernel can look at whole blocks.
#[derive(Clone, Copy)]
pub(crate) struct Text<'t> {
    /// From where the line begins.
    rest: &'t [u8],
    line: &'t [u8],
}

impl<'t> Text<'t> {
    /// The line that is the first `len` bytes of `rest`, or all of them if there are fewer.
    pub(crate) fn new(rest: &'t [u8], len: usize) -> Self {
        let line = rest.get(..len).unwrap_or(rest);
        Self { rest, line }
    }

    /// The block at `at`, if the input has all of it.
    #[inline(always)]
    pub(super) fn block(self, at: usize) -> Option<&'t [u8; BLOCK]> {
        self.rest.get(at..)?.first_chunk()
    }
}

/// Whether the plan gets to the end of the line; then `slots` has the captures.
pub(crate) fn run(plan: &Plan, line: &[u8], slots: &mut Slots) -> bool {
    slots.fill(NONE);
    let walk = Walk {
        steps: &plan.steps,
        text: Text::new(line, line.len()),
        at: 0,
        slots,
    };
    scan::on_portable(walk) == Some(line.len())
}

/// Some steps from `at` on: the place after them, or `None` where one gets stuck.
pub(crate) struct Walk<'w> {
    pub(crate) steps: &'w [Step],
    pub(crate) text: Text<'w>,
    pub(crate) at: usize,
    pub(crate) slots: &'w mut Slots,
}

impl Work for Walk<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Option<usize> {
        let Self {
            steps,
            text,
            mut at,
            slots,
        } = self;
        let line = text.line;
        // Walks inside of a walk are calls: the kernel's instructions are not to be lost on the way.
        let walk = |steps, at, slots: &mut Slots| {
            simd.enter(Walk {
                steps,
                text,
                at,
                slots,
            })
        };
        for step in steps {
            at = match step {
                Step::Literal(literal) => {
                    let end = at + literal.len();
                    same(line.get(at..end)?, literal).then_some(end)?
                }
                Step::Byte(byte) => (line.get(at)? == byte).then_some(at + 1)?,
                Step::One(set) => set.has(*line.get(at)?).then_some(at + 1)?,
                Step::Template(template) => {
                    let end = at + template.len();
                    let fits = match text.block(at) {
                        Some(block) if S::VECTOR && end <= line.len() => {
                            let beyond = all_from(template.len());
                            simd.in_lanes(block, template.lanes()) | beyond == u64::MAX
                        }
                        _ => template.fits(line.get(at..end)?),
                    };
                    fits.then_some(end)?
                }
                Step::Open(index) => {
                    *slots.get_mut(2 * index)? = u32::try_from(at).ok()?;
                    at
                }
                Step::Close(index) => {
                    *slots.get_mut(2 * index + 1)? = u32::try_from(at).ok()?;
                    at
                }
                Step::Run(run) if run.lazy => lazy(simd, run, text, at)?,
                Step::Run(run) => greedy(simd, run, text, at)?,
                Step::Escaped(escaped) => quoted(simd, escaped, text, at)?,
                Step::End => (at == line.len()).then_some(at)?,
                Step::Look(look) => holds(*look, line, at).then_some(at)?,
                Step::Choice(alternatives) => {
                    let chosen = alternatives
                        .iter()
                        .find(|it| may_begin(&it.first, &it.literal, &it.ahead, line, at))?;
                    match &*chosen.steps {
                        [] => at,
                        steps => walk(steps, at, slots)?,
                    }
                }
                Step::Repeat {
                    first,
                    ahead,
                    body,
                    min,
                    max,
                } => {
                    let mut rounds = 0;
                    let begins = |at| may_begin(first, &[], ahead, line, at) && at < line.len();
                    while rounds < *max && begins(at) {
                        at = walk(body, at, slots)?;
                        rounds += 1;
                    }
                    (rounds >= *min).then_some(at)?
                }
            }
        }
        Some(at)
    }
}

/// Equality of two slices of one length. Most literals are two bytes or three, less than the call of
/// a library function is worth.
fn same(bytes: &[u8], literal: &[u8]) -> bool {
    match literal.len() {
        0..=8 => bytes.iter().zip(literal).all(|(a, b)| a == b),
        _ => bytes == literal,
    }
}

/// The end of the bytes that can be passed over from `at` on, at most `max` of them.
#[inline(always)]
fn pass<S: Simd>(simd: S, skip: &Skip, text: Text<'_>, mut at: usize, max: usize) -> Option<usize> {
    let rest = text.line.get(at..)?;
    let end = at + max.min(rest.len());
    if S::VECTOR
        && let Some(outside) = &skip.outside
    {
        let table = simd.table(&outside.classes);
        while let Some(block) = text.block(at) {
            let mut stops = simd.classify(block, table).outside;
            if outside.not_ascii {
                stops |= simd.not_ascii(block);
            }
            at += stops.trailing_zeros() as usize;
            if stops != 0 || at >= end {
                return Some(at.min(end));
            }
        }
    }
    let rest = text.line.get(at..end)?;
    let stop = match skip.stops {
        Some(Stops::None) => None,
        Some(Stops::One(a)) => memchr(a, rest),
        Some(Stops::Two(a, b)) => memchr2(a, b, rest),
        Some(Stops::Three(a, b, c)) => memchr3(a, b, c, rest),
        None => rest.iter().position(|&byte| !skip.set.has(byte)),
    };
    Some(stop.map_or(end, |stop| at + stop))
}

/// From the longest run to shorter ones, the first that what follows allows.
#[inline(always)]
fn greedy<S: Simd>(simd: S, run: &Run, text: Text<'_>, at: usize) -> Option<usize> {
    let longest = pass(simd, &run.skip, text, at, run.max)?;
    let shortest = at + run.min;
    if longest < shortest {
        return None;
    }
    if run.follow.disjoint {
        return run.follow.allows(text.line, longest).then_some(longest);
    }
    (shortest..=longest)
        .rev()
        .find(|&end| run.follow.allows(text.line, end))
}

/// From the shortest run to longer ones, the first that what follows allows. Looks no further than
/// that, so that runs one after the other take linear time together.
#[inline(always)]
fn lazy<S: Simd>(simd: S, run: &Run, text: Text<'_>, start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        at = pass(simd, &run.skip, text, at, run.max - (at - start))?;
        if at - start >= run.min && run.follow.allows(text.line, at) {
            return Some(at);
        }
        if at - start == run.max || !run.set.has(*text.line.get(at)?) {
            return None;
        }
        at += 1;
    }
}

impl Follow {
    /// Whether what follows may begin at `at`.
    fn allows(&self, line: &[u8], at: usize) -> bool {
        may_begin(&self.first, &self.literal, &self.ahead, line, at)
    }
}

/// Whether a part of these first bytes, with this literal in every case, may begin at `at`.
fn may_begin(first: &Set, literal: &[u8], ahead: &[Bits], line: &[u8], at: usize) -> bool {
    let rest = line.get(at..).unwrap_or_default();
    let start = rest.get(..literal.len());
    first.admits(rest.first())
        && start.is_some_and(|start| same(start, literal))
        && admits(ahead, rest)
}

/// Whether an assertion of a step holds at `at`.
fn holds(look: Look, line: &[u8], at: usize) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let before = at.checked_sub(1).and_then(|at| line.get(at));
    let (before, after) = (
        before.is_some_and(is_word),
        line.get(at).is_some_and(is_word),
    );
    match look {
        Look::Start | Look::StartLF => at == 0,
        Look::WordAscii => before != after,
        Look::WordAsciiNegate => before == after,
        Look::WordStartAscii => !before && after,
        Look::WordEndAscii => before && !after,
        Look::WordStartHalfAscii => !before,
        Look::WordEndHalfAscii => !after,
        // The compiler makes no step of these; being stuck is always right.
        _ => false,
    }
}

#[inline(always)]
fn quoted<S: Simd>(simd: S, run: &Escaped, text: Text<'_>, start: usize) -> Option<usize> {
    let line = text.line;
    let mut at = start;
    loop {
        at = pass(simd, &run.skip, text, at, usize::MAX)?;
        let may_end = !run.needed || at > start;
        let next = line.get(at);
        if run.lazy && may_end && run.follow.admits(next) {
            return Some(at);
        }
        match next {
            Some(&byte) if byte == run.escape && run.escaped.has(*line.get(at + 1)?) => at += 2,
            // What may follow is here, but the run has to have a byte first.
            Some(&byte) if run.set.has(byte) => at += 1,
            // A lazy run that can go no further has found no place to end.
            _ => return (!run.lazy && may_end).then_some(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::format::{Definition, Pattern};

    /// Whether the plan gets to the end, without the regular expression's help.
    #[track_caller]
    fn by_plan(pattern: &str, lines: &[&str]) {
        let (pattern, _) = Pattern::compile(Definition::regex(pattern), None).unwrap();
        let mut scratch = pattern.scratch();
        for line in lines {
            let places = pattern.planned(line.as_bytes(), &mut scratch);
            let places = places.unwrap_or_else(|| panic!("stuck: {line}")).to_vec();
            let regex = pattern.captures(line.as_bytes(), &mut scratch).unwrap();
            let place = |place: usize| u32::try_from(place).unwrap();
            let spans = regex.flat_map(|span| {
                span.map_or([super::NONE; 2], |it| [place(it.start), place(it.end)])
            });
            assert_eq!(spans.collect::<Vec<_>>(), places, "{line}");
        }
    }

    #[test]
    fn alternatives_that_begin_alike_do_not_get_stuck() {
        by_plan(
            r"\[(?P<level>WARN|WARNING|INFO|INFORMATION)\] (?P<rest>.*)",
            &["[WARN] x", "[WARNING] x", "[INFO] x", "[INFORMATION] "],
        );
        by_plan("(?P<level>WARN|WARNING)", &["WARN", "WARNING"]);
        by_plan(
            r"(?P<octet>25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d) (?P<rest>.*)",
            &["255 x", "249 x", "29 x", "2 x", "10 x", "199 x", "0 x"],
        );
        by_plan(
            r"(?P<a>\d+)(?: (?P<b>\d+))?(?P<c> [a-z].*)?",
            &["1", "1 2", "1 2 c", "1 c"],
        );
    }

    #[test]
    fn runs_look_at_more_than_the_next_byte() {
        by_plan(
            r"(?P<message>.*?) \[(?P<id>\d{2}:\d)\]",
            &["a [b] c [12:3]", " [12:3]"],
        );
        by_plan(r"(?P<rest>.*)\](?P<n>\d)?", &["a]b]", "a]1]2", "]"]);
    }

    #[test]
    fn word_boundaries_and_inner_anchors_are_steps() {
        by_plan(r"^(?P<a>\b\w+\b) ?(?P<b>\b.*)?$", &["word", "word more"]);
        by_plan(r".*?(?P<b>\B-\B|^x|\b\d+$)", &["a --", "x", "abc 12"]);
    }
}
