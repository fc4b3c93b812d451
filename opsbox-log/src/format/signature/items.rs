//! What a line consists of, and where its delimiters part it.

use regex_syntax::hir::{Capture, Hir, HirKind, Repetition};

use super::{NoPlan, QUOTE};
use crate::{
    format::{
        part::{bytes_of, set_of},
        plan::Set,
    },
    scan::BLOCK,
};

/// One after the other, what a line consists of.
#[derive(Clone)]
pub(super) enum Item {
    One(Set),
    Open(usize),
    Close(usize),
    /// Of no fixed length, or with a choice.
    Many(Hir),
}

impl Item {
    pub(super) fn byte(&self) -> Option<u8> {
        match self {
            Self::One(set) => set.single(),
            _ => None,
        }
    }

    /// The bytes that can be in it.
    pub(super) fn bytes(&self) -> Result<Set, NoPlan> {
        match self {
            Self::One(set) => Ok(set.clone()),
            Self::Many(hir) => bytes_of(hir),
            Self::Open(_) | Self::Close(_) => Ok(Set::empty()),
        }
    }
}

/// A part between two structural bytes.
pub(super) struct Part {
    pub(super) items: Vec<Item>,
    pub(super) quoted: bool,
    /// What ends it; nothing at the end of the line.
    pub(super) end: Option<u8>,
}

/// The bytes of a part's middle, if it has one and they are not delimited otherwise.
pub(super) fn many(part: &Part) -> Result<Option<Set>, NoPlan> {
    let mut found = None;
    for item in &part.items {
        if let Item::Many(hir) = item {
            // A run of one class: other parts are checked byte by byte anyway.
            found = match (found, run_of(hir)?) {
                (None, Some((set, ..))) => Some(set),
                _ => return Ok(None),
            };
        }
    }
    Ok(found)
}

pub(super) fn flatten(hir: Hir, items: &mut Vec<Item>) -> Result<(), NoPlan> {
    match hir.into_kind() {
        HirKind::Empty => {}
        HirKind::Literal(literal) => {
            items.extend(literal.0.iter().map(|&byte| Item::One(Set::byte(byte))));
        }
        HirKind::Class(class) => items.push(Item::One(set_of(&class)?)),
        HirKind::Capture(Capture { index, sub, .. }) => {
            let index = index as usize - 1;
            items.push(Item::Open(index));
            flatten(*sub, items)?;
            items.push(Item::Close(index));
        }
        HirKind::Concat(parts) => {
            for part in parts {
                flatten(part, items)?;
            }
        }
        HirKind::Repetition(Repetition {
            min,
            max: Some(max),
            ref sub,
            ..
        }) if min == max
            && min as usize <= BLOCK
            && matches!(sub.kind(), HirKind::Class(_) | HirKind::Literal(_)) =>
        {
            for _ in 0..min {
                flatten((**sub).clone(), items)?;
            }
        }
        HirKind::Look(_) => return Err(NoPlan("an anchor or a word boundary inside")),
        kind @ (HirKind::Repetition(_) | HirKind::Alternation(_)) => {
            items.push(Item::Many(of(kind)));
        }
    }
    Ok(())
}

pub(super) fn of(kind: HirKind) -> Hir {
    match kind {
        HirKind::Repetition(repetition) => Hir::repetition(repetition),
        HirKind::Alternation(parts) => Hir::alternation(parts),
        _ => Hir::empty(),
    }
}

/// For each item whether it is between quotes. A part that may have quotes itself has none in a line with
/// as many quotes as the pattern names: each of those is one that the pattern needs.
pub(super) fn quotes(items: &[Item]) -> Result<Vec<bool>, NoPlan> {
    let mut quoted = vec![false; items.len()];
    let mut from = 0;
    let find = |from: usize| {
        let rest = items.iter().enumerate().skip(from);
        let mut found = rest.filter(|(_, item)| item.byte() == Some(QUOTE));
        found.next().map(|(at, _)| at)
    };
    while let Some(open) = find(from) {
        let close = find(open + 1).ok_or(NoPlan("a quote without another"))?;
        for (item, quoted) in items.iter().zip(&mut quoted).take(close).skip(open + 1) {
            if matches!(item, Item::One(set) if set.has(QUOTE)) {
                return Err(NoPlan("a quote between quotes"));
            }
            *quoted = true;
        }
        from = close + 1;
    }
    Ok(quoted)
}

/// The bytes that end the parts of no fixed length, outside of quotes.
pub(super) fn delimiters(items: &[Item], quoted: &[bool]) -> Result<Set, NoPlan> {
    let mut delimiters = Set::empty();
    let mut inside: Option<Set> = None;
    let mut before = None;
    for (item, quoted) in items.iter().zip(quoted) {
        if *quoted {
            continue;
        }
        let bytes = item.bytes()?;
        match (item, &mut inside) {
            (Item::Many(hir), None) => {
                before = Some(hir);
                inside = Some(bytes);
                continue;
            }
            (Item::Open(_) | Item::Close(_), _) => continue,
            (_, None) => {}
            (_, Some(so_far)) => {
                let lazy = before.is_some_and(prefers_the_first);
                match item.byte() {
                    Some(byte) if lazy || !so_far.has(byte) => {
                        if byte != QUOTE {
                            delimiters.insert(byte);
                        }
                        inside = None;
                    }
                    _ => inside = Some(so_far.clone().union(&bytes)),
                }
            }
        }
        before = None;
    }
    Ok(delimiters)
}

/// Of the ends that it can have, the one before the first delimiter is what it prefers: a lazy run, or
/// alternatives of which that is the last.
pub(super) fn prefers_the_first(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Repetition(repetition) => {
            !repetition.greedy && matches!(repetition.sub.kind(), HirKind::Class(_))
        }
        _ => false,
    }
}

pub(super) fn parts(items: Vec<Item>, quoted: &[bool], delimiters: &Set) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    let mut last_quoted = false;
    for (item, &quoted) in items.into_iter().zip(quoted) {
        let structural = item
            .byte()
            .filter(|&byte| byte == QUOTE || !quoted && delimiters.has(byte));
        match structural {
            Some(byte) => {
                parts.push(Part {
                    items: std::mem::take(&mut part),
                    quoted: last_quoted,
                    end: Some(byte),
                });
                last_quoted = false;
            }
            None => {
                last_quoted |= quoted;
                part.push(item);
            }
        }
    }
    parts.push(Part {
        items: part,
        quoted: false,
        end: None,
    });
    parts
}

/// A run of one class, its least and greatest length.
pub(super) fn run_of(hir: &Hir) -> Result<Option<(Set, usize, Option<usize>)>, NoPlan> {
    let HirKind::Repetition(repetition) = hir.kind() else {
        return Ok(None);
    };
    let set = match repetition.sub.kind() {
        HirKind::Class(class) => set_of(class)?,
        HirKind::Literal(literal) => match *literal.0 {
            [byte] => Set::byte(byte),
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    let max = repetition.max.map(|max| max as usize);
    Ok(Some((set, repetition.min as usize, max)))
}
