//! Parts whose bytes are more than classes one after the other: names of months, addresses, numbers
//! with a sign and a fraction. A table says byte by byte whether the part is one of them.

use std::{cell::Cell, collections::HashMap};

use regex_syntax::hir::{Hir, HirKind};

use super::NoPlan;
use crate::format::{part::set_of, plan::Set};

/// States of the automaton that a pattern is, at most: twice as many as an address of IPv4 or IPv6 or a
/// name of a host has.
const MAX_STATES: usize = 2048;

/// Entries of the table, at most: 64 KiB.
const MAX_ENTRIES: usize = 1 << 15;

/// States that may be looked at while the tables of a pattern are made: what takes some tens of
/// milliseconds.
pub(super) const MAX_WORK: usize = 1 << 22;

/// A deterministic automaton that reads a whole part.
#[derive(Debug)]
pub(crate) struct Language {
    /// Bytes that are alike to it.
    class_of: Box<[u8; 256]>,
    /// By the place of a state's row, and a class: the row of the next state. Row 0 leads nowhere.
    next: Box<[u16]>,
    classes: usize,
    start: u16,
    /// By state, counted from 1: the first alternative that the part is if it ends there.
    ends: Box<[u8]>,
}

const TOO_LARGE: NoPlan = NoPlan("a part with too many choices");

impl Language {
    /// What one of the alternatives matches, as a whole. So many states may be looked at; what is left of
    /// them comes back.
    pub(super) fn of(alternatives: &[&Hir], work: &Cell<usize>) -> Result<Self, NoPlan> {
        let mut automaton = Automaton::default();
        let start = automaton.state()?;
        let mut ends = Vec::new();
        for alternative in alternatives {
            ends.push(automaton.add(alternative, start)?);
        }
        automaton.determined(start, &ends, work)
    }

    /// Which alternative the bytes are, counted from 1: of several the first. 0 if none.
    #[inline(always)]
    pub(crate) fn read(&self, bytes: &[u8]) -> u8 {
        let mut row = self.start;
        for &byte in bytes {
            let class = self.class_of.get(usize::from(byte)).copied();
            let at = usize::from(row) + usize::from(class.unwrap_or(0));
            row = self.next.get(at).copied().unwrap_or(0);
        }
        let state = usize::from(row) / self.classes;
        self.ends.get(state).copied().unwrap_or(0)
    }
}

/// States with the bytes that lead from one to another, and those that are as good as others.
#[derive(Default)]
struct Automaton {
    steps: Vec<Vec<(Set, usize)>>,
    same: Vec<Vec<usize>>,
}

/// In which round each state was seen last, and how many were in all.
struct Seen {
    rounds: Vec<usize>,
    round: usize,
    states: usize,
}

impl Seen {
    fn is_new(&mut self, state: usize) -> bool {
        let last = self.rounds.get_mut(state);
        last.is_some_and(|last| std::mem::replace(last, self.round) != self.round)
    }
}

impl Automaton {
    fn state(&mut self) -> Result<usize, NoPlan> {
        if self.steps.len() >= MAX_STATES {
            return Err(TOO_LARGE);
        }
        self.steps.push(Vec::new());
        self.same.push(Vec::new());
        Ok(self.steps.len() - 1)
    }

    fn step(&mut self, from: usize, set: Set) -> Result<usize, NoPlan> {
        let to = self.state()?;
        if let Some(steps) = self.steps.get_mut(from) {
            steps.push((set, to));
        }
        Ok(to)
    }

    fn same(&mut self, from: usize, to: usize) {
        if let Some(same) = self.same.get_mut(from) {
            same.push(to);
        }
    }

    /// Adds a pattern that begins at a state; returns where it ends.
    fn add(&mut self, hir: &Hir, mut at: usize) -> Result<usize, NoPlan> {
        match hir.kind() {
            HirKind::Empty => {}
            HirKind::Literal(literal) => {
                for &byte in &literal.0 {
                    at = self.step(at, Set::byte(byte))?;
                }
            }
            HirKind::Class(class) => at = self.step(at, set_of(class)?)?,
            HirKind::Capture(capture) => at = self.add(&capture.sub, at)?,
            HirKind::Look(_) => return Err(NoPlan("an anchor or a word boundary inside")),
            HirKind::Concat(parts) => {
                for part in parts {
                    at = self.add(part, at)?;
                }
            }
            HirKind::Alternation(parts) => {
                let end = self.state()?;
                for part in parts {
                    let to = self.add(part, at)?;
                    self.same(to, end);
                }
                at = end;
            }
            HirKind::Repetition(repetition) => {
                for _ in 0..repetition.min {
                    at = self.add(&repetition.sub, at)?;
                }
                let end = self.state()?;
                self.same(at, end);
                match repetition.max {
                    Some(max) => {
                        for _ in repetition.min..max {
                            at = self.add(&repetition.sub, at)?;
                            self.same(at, end);
                        }
                    }
                    None => {
                        // A state of its own, so that the round does not lead back to what is before.
                        let round = self.state()?;
                        self.same(at, round);
                        let to = self.add(&repetition.sub, round)?;
                        self.same(to, round);
                        self.same(to, end);
                    }
                }
                at = end;
            }
        }
        Ok(at)
    }

    /// Leaves of these states, and of those that are as good, the ones that lead on or are at an end, in
    /// their order.
    fn close(&self, states: &mut Vec<usize>, ends: &[usize], seen: &mut Seen) {
        seen.round += 1;
        states.retain(|&state| seen.is_new(state));
        let mut at = 0;
        while let Some(&state) = states.get(at) {
            let same = self.same.get(state).into_iter().flatten();
            states.extend(same.copied().filter(|&state| seen.is_new(state)));
            at += 1;
        }
        seen.states += states.len();
        let leads_on = |state: usize| self.steps.get(state).is_some_and(|it| !it.is_empty());
        states.retain(|&state| leads_on(state) || ends.contains(&state));
        states.sort_unstable();
    }

    /// Bytes that are in the same sets are alike: the class of each, and a byte of each class.
    fn classes(&self) -> (Box<[u8; 256]>, Vec<u8>) {
        let mut class_of = Box::new([0_u8; 256]);
        let mut samples = vec![0];
        for (set, _) in self.steps.iter().flatten() {
            // Those in the set and those outside part.
            let mut parted: HashMap<(u8, bool), u8> = HashMap::new();
            samples.clear();
            for (byte, class) in (0..=u8::MAX).zip(class_of.iter_mut()) {
                let next = u8::try_from(samples.len()).unwrap_or(u8::MAX);
                *class = *parted.entry((*class, set.has(byte))).or_insert_with(|| {
                    samples.push(byte);
                    next
                });
            }
        }
        (class_of, samples)
    }

    fn determined(
        &self,
        start: usize,
        ends: &[usize],
        work: &Cell<usize>,
    ) -> Result<Language, NoPlan> {
        let (class_of, samples) = self.classes();
        let classes = samples.len();
        let end_of = |states: &[usize]| {
            let first = ends.iter().position(|end| states.contains(end));
            first.map_or(0, |at| u8::try_from(at + 1).unwrap_or(0))
        };
        let mut seen = Seen {
            rounds: vec![0; self.same.len()],
            round: 0,
            states: 0,
        };
        let mut first = vec![start];
        self.close(&mut first, ends, &mut seen);
        // State 0 is that of no states.
        let mut found = HashMap::from([(Vec::new(), 0_usize), (first.clone(), 1)]);
        let mut order = vec![Vec::new(), first];
        let (mut next, mut to) = (Vec::new(), Vec::new());
        let mut at = 0;
        while let Some(states) = order.get(at).cloned() {
            let left = work.get().saturating_sub(std::mem::take(&mut seen.states));
            work.set(left);
            if (at + 1) * classes > MAX_ENTRIES || left == 0 {
                return Err(TOO_LARGE);
            }
            for &byte in &samples {
                let steps = states.iter().filter_map(|&state| self.steps.get(state));
                let steps = steps.flatten().filter(|(set, _)| set.has(byte));
                to.clear();
                to.extend(steps.map(|&(_, to)| to));
                self.close(&mut to, ends, &mut seen);
                let state = match found.get(&to) {
                    Some(&state) => state,
                    None => {
                        found.insert(to.clone(), order.len());
                        order.push(to.clone());
                        order.len() - 1
                    }
                };
                next.push(u16::try_from(state * classes).map_err(|_| TOO_LARGE)?);
            }
            at += 1;
        }
        Ok(Language {
            class_of,
            classes,
            start: u16::try_from(classes).map_err(|_| TOO_LARGE)?,
            next: next.into(),
            ends: order.iter().map(|states| end_of(states)).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use regex_automata::meta;
    use regex_syntax::ParserBuilder;

    use super::*;

    fn of(patterns: &[&str]) -> Result<Language, NoPlan> {
        let hirs = patterns.iter().map(|pattern| {
            let mut parser = ParserBuilder::new().unicode(false).utf8(false).build();
            parser.parse(pattern).unwrap()
        });
        let hirs: Vec<_> = hirs.collect();
        let hirs: Vec<_> = hirs.iter().collect();
        Language::of(&hirs, &Cell::new(MAX_WORK))
    }

    #[test]
    fn reads_what_the_regular_expression_matches() {
        let patterns = [
            r"3[01]|[12]\d|0?[1-9]",
            r"(?:Jan(?:uary)?|Feb|Ma[iy])/\d{2,4}",
            r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)",
            r"[0-9A-Za-z][0-9A-Za-z-]{0,3}(?:\.[0-9A-Za-z][0-9A-Za-z-]{0,3})*\.?",
            r"(?:a*b)*|(?:ab?){2,3}|",
        ];
        let mut state = 7_u32;
        let mut next = |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % below
        };
        for pattern in patterns {
            let language = of(&[pattern]).unwrap();
            let regex = meta::Regex::new(&format!(r"\A(?:{pattern})\z")).unwrap();
            for _ in 0..3000 {
                let alphabet = b"0123ab-.+JMFanuryi/";
                let len = next(8);
                let text: Vec<u8> = (0..len).map(|_| alphabet[next(alphabet.len())]).collect();
                let is_in = regex.is_match(text.as_slice());
                assert_eq!(language.read(&text) == 1, is_in, "{pattern} {text:?}");
            }
        }
    }

    #[test]
    fn of_several_the_first_is_told() {
        let language = of(&["-", r"[-\d]+", "x*"]).unwrap();
        let read = ["-", "--", "12", "x", "", "1x"].map(|it| language.read(it.as_bytes()));
        assert_eq!(read, [1, 2, 2, 3, 3, 0]);
    }

    #[test]
    fn work_is_bounded() {
        let parts = ["[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,7}"; 2];
        let work = Cell::new(MAX_WORK);
        let mut parser = ParserBuilder::new().unicode(false).utf8(false).build();
        let [a, b] = parts.map(|part| parser.parse(part).unwrap());
        Language::of(&[&a], &work).unwrap();
        assert!(work.get() < MAX_WORK);
        work.set(10);
        assert!(Language::of(&[&b], &work).is_err());
    }

    #[test]
    fn large_ones_are_refused() {
        for pattern in [r"(?:[ab]{40}){200}", r"[ab]*a[ab]{14}"] {
            assert!(of(&[pattern]).is_err(), "{pattern}");
        }
    }
}
