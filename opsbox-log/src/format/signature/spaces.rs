//! Parts in which there may be spaces, though spaces delimit others.

use regex_syntax::hir::{Hir, HirKind, Repetition};

use super::{
    QUOTE,
    items::{Item, prefers_the_first, run_of},
};
use crate::format::{part::class_of, plan::Set};

const SPACE: u8 = b' ';

/// Parts that are tried with a space in them.
const MAX_SPACEABLE: usize = 3;

/// The parts of no fixed length in which there may be spaces, though spaces delimit others: text in
/// brackets, say. What ends them is one byte that cannot be in them, or the first one of its kind, so it
/// is known how they end.
pub(super) fn spaceable(items: &[Item], quoted: &[bool], delimiters: &Set) -> Vec<usize> {
    let is_byte = |item: &&Item| !matches!(item, Item::Open(_) | Item::Close(_));
    let can = |at: usize| {
        let (before, rest) = (items.get(..at)?, items.get(at + 1..)?);
        let Some(Item::Many(hir)) = items.get(at) else {
            return None;
        };
        let (set, min, None) = run_of(hir).ok()?? else {
            return None;
        };
        let end = rest.iter().find(is_byte)?.byte()?;
        let alone = !matches!(before.iter().rfind(is_byte), Some(Item::Many(_)));
        let ends = end != QUOTE && end != SPACE && (!set.has(end) || prefers_the_first(hir));
        let fits = alone && ends && min <= 1 && set.has(SPACE);
        (fits && !*quoted.get(at)?).then_some(at)
    };
    match delimiters.has(SPACE) {
        true => (0..items.len())
            .filter_map(can)
            .take(MAX_SPACEABLE)
            .collect(),
        false => Vec::new(),
    }
}

/// None of them, each, and each two.
pub(super) fn subsets(of: &[usize]) -> Vec<Vec<usize>> {
    let mut subsets = vec![Vec::new()];
    for (at, one) in of.iter().enumerate() {
        subsets.push(vec![*one]);
        subsets.extend(of.iter().skip(at + 1).map(|other| vec![*one, *other]));
    }
    subsets
}

/// The same items for lines with one space in each of these parts.
pub(super) fn with_spaces(
    items: &[Item],
    quoted: &[bool],
    spaced: &[usize],
) -> (Vec<Item>, Vec<bool>) {
    let mut out = (Vec::new(), Vec::new());
    for ((at, item), quoted) in items.iter().enumerate().zip(quoted) {
        let mut push = |item| {
            out.0.push(item);
            out.1.push(*quoted);
        };
        match item {
            Item::Many(hir) if spaced.contains(&at) => {
                let without = without_space(hir);
                push(Item::Many(without.clone()));
                push(Item::One(Set::byte(SPACE)));
                push(Item::Many(without));
            }
            _ => push(item.clone()),
        }
    }
    out
}

/// Any number of the bytes of a run, spaces left out.
fn without_space(run: &Hir) -> Hir {
    match (run_of(run), run.kind()) {
        (Ok(Some((set, ..))), HirKind::Repetition(repetition)) => Hir::repetition(Repetition {
            min: 0,
            max: None,
            greedy: repetition.greedy,
            sub: Box::new(class_of(&set.minus(&Set::byte(SPACE)))),
        }),
        _ => run.clone(),
    }
}
