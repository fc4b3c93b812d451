//! From the parts of a line to its signature.

use std::cell::Cell;

use regex_syntax::hir::{Capture, Hir, HirKind};

use super::{
    CellLanes, Check, Content, Ending, Language, Lengths, Member, NoPlan, PartSteps, Place,
    Signature,
    fuse::whole_captures,
    items::{Item, Part, flatten, prefers_the_first, run_of},
};
use crate::{
    format::{
        pack::Usual,
        part::{bytes_of, captured, class_of, prune},
        plan::{self, Set},
        straight::Straight,
        template::Template,
    },
    scan::{BLOCK, Classes, LANES},
};

pub(super) struct Builder<'o> {
    signature: Signature,
    checks: Vec<Check>,
    members: Vec<Member>,
    steps: Vec<PartSteps>,
    template: Open,
    column_of: &'o [usize],
    /// What is left of the work that may go into languages.
    work: &'o Cell<usize>,
}

/// A template that can still grow.
pub(super) struct Open {
    at: Place,
    template: Template,
    /// Bytes that were looked at, without those that are structural at its end.
    len: usize,
}

impl<'o> Builder<'o> {
    pub(super) fn new(
        parts: &[Part],
        column_of: &'o [usize],
        work: &'o Cell<usize>,
    ) -> Option<Self> {
        let cells = CellLanes::absent(column_of.len())?;
        let mut bytes = [0; LANES];
        for (slot, part) in bytes.iter_mut().zip(parts) {
            *slot = part.end.unwrap_or(b'\n');
        }
        let len = parts.len() - 1;
        let mut crlf = bytes;
        if let Some([cr, lf]) = crlf.get_mut(len..len + 2) {
            (*cr, *lf) = (b'\r', b'\n');
        }
        let mut lengths = Lengths {
            least: [1; LANES],
            more: [u16::MAX - 1; LANES],
        };
        if let Some(slot) = lengths.more.get_mut(len + 1) {
            // Between CR and LF there is nothing.
            *slot = 0;
        }
        Some(Self {
            signature: Signature {
                classes: Classes::new(|_| false, |_| false, false),
                endings: [Ending::new(bytes, len + 1), Ending::new(crlf, len + 2)],
                len,
                lengths,
                cells,
                checks: Box::default(),
                usual: None,
                members: Box::default(),
                steps: Box::default(),
            },
            checks: Vec::new(),
            members: Vec::new(),
            steps: Vec::new(),
            template: Open {
                at: Place::new(0, 1),
                template: Template::default(),
                len: 0,
            },
            column_of,
            work,
        })
    }

    /// The part before structural byte `lane`, counted from 0; in it there are no `structural` bytes.
    pub(super) fn part(&mut self, lane: usize, part: Part, structural: &Set) -> Result<(), NoPlan> {
        let is_many = |item: &Item| matches!(item, Item::Many(_));
        let first = part.items.iter().position(is_many);
        let last = part.items.iter().rposition(is_many);
        let (Some(mut first), Some(mut last)) = (first, last) else {
            let length = self.fixed(&part.items, lane, 1)?;
            self.length(lane, length, Some(0));
            if let Some(end) = part.end {
                self.structural(end, lane)?;
            }
            return Ok(());
        };
        let mut items = part.items;
        if first != last {
            // Captures may begin before the first and end after the last.
            (first, last) = (0, items.len() - 1);
        }
        let after = items.split_off(last + 1);
        let middle = items.split_off(first);
        let prefix = self.fixed(&items, lane, 1)?;
        self.close_template(Place::new(lane + 1, 0))?;
        let suffix = after
            .iter()
            .filter(|item| matches!(item, Item::One(_)))
            .count();
        let from = Place::new(lane, 1 + prefix as isize);
        let to = Place::new(lane + 1, -(suffix as isize));
        self.template.at = to;

        // Between quotes there are none: see `quotes`.
        if let Some(end) = part.end.filter(|_| !part.quoted) {
            let mut bytes = Set::empty();
            for item in middle.iter().chain(&after) {
                bytes = bytes.union(&item.bytes()?);
            }
            let lazy = match middle.as_slice() {
                [Item::Many(hir)] => {
                    suffix == 0 && (prefers_the_first(hir) || last_is_lazy(hir, end)?)
                }
                _ => false,
            };
            if bytes.has(end) && !lazy {
                return Err(NoPlan("a part that can go on beyond what ends it"));
            }
        }
        let (min, max) = self.middle(middle, from, to, structural, part.end)?;
        let fixed = prefix + suffix;
        self.length(lane, fixed + min, max.map(|max| max.saturating_sub(min)));
        let added = self.fixed(&after, lane + 1, -(suffix as isize))?;
        debug_assert_eq!(added, suffix);
        if let Some(end) = part.end {
            self.structural(end, lane)?;
        }
        Ok(())
    }

    /// The part of no fixed length; returns its least and its greatest length.
    fn middle(
        &mut self,
        middle: Vec<Item>,
        from: Place,
        to: Place,
        structural: &Set,
        end: Option<u8>,
    ) -> Result<(usize, Option<usize>), NoPlan> {
        if let [Item::Many(hir)] = middle.as_slice() {
            let hir =
                prune(hir, structural)?.ok_or(NoPlan("a part that has to have a delimiter"))?;
            let hir = widest(hir)?;
            if let Some((set, min, max)) = run_of(&hir)? {
                let all = set.union(structural).union(&Set::byte(b'\n'));
                if all.is_full() {
                    return Ok((min, max));
                }
            }
            if let Some(alternatives) = contents(&hir)? {
                let min = alternatives.iter().map(|it| it.min).min().unwrap_or(0);
                let max = alternatives.iter().map(|it| it.max).max();
                self.checks.push(Check::Content {
                    from,
                    to,
                    alternatives,
                });
                return Ok((min, max));
            }
        }
        let mut open = Vec::new();
        let mut hirs = Vec::new();
        for item in middle {
            match item {
                Item::Open(index) => open.push((index, std::mem::take(&mut hirs))),
                Item::Close(index) => {
                    let (opened, before) = open.pop().ok_or(CROSSED)?;
                    if opened != index {
                        return Err(CROSSED);
                    }
                    let inside = std::mem::replace(&mut hirs, before);
                    hirs.push(Hir::capture(Capture {
                        index: u32::try_from(index + 1).map_err(|_| CROSSED)?,
                        name: None,
                        sub: Box::new(Hir::concat(inside)),
                    }));
                }
                Item::One(set) => hirs.push(class_of(&set)),
                Item::Many(hir) => hirs.push(hir),
            }
        }
        if !open.is_empty() {
            return Err(CROSSED);
        }
        let hir = prune(&Hir::concat(hirs), structural)?
            .ok_or(NoPlan("a part that has to have a delimiter"))?;
        if let Some(alternatives) = whole_captures(&hir) {
            let inners: Vec<_> = alternatives.iter().map(|(inner, _)| *inner).collect();
            if let Ok(language) = Language::of(&inners, self.work) {
                let captures = alternatives.iter().map(|(_, captures)| captures);
                return self.member(from, to, language, captures);
            }
        }
        let steps = plan::steps_before(&hir, end, self.column_of)?;
        let mut captures = Vec::new();
        captured(&hir, &mut captures);
        let columns = captures.iter().map(|&capture| self.column(capture));
        let columns: Box<[usize]> = columns.collect::<Result<_, _>>()?;
        for &column in &columns {
            self.signature.cells.present(column);
        }
        let straight = Straight::compile(&steps, self.signature.cells.columns).map(Box::new);
        if straight.is_none()
            && columns.is_empty()
            && let Ok(language) = Language::of(&[&hir], self.work)
        {
            return self.member(from, to, language, std::iter::empty());
        }
        self.steps.push(PartSteps {
            from,
            to,
            steps,
            straight,
            columns,
        });
        Ok((0, None))
    }

    /// A part that is looked up, with the captures of its alternatives that are all of it.
    fn member<'c>(
        &mut self,
        from: Place,
        to: Place,
        language: Language,
        captures: impl Iterator<Item = &'c Vec<usize>>,
    ) -> Result<(usize, Option<usize>), NoPlan> {
        let mut columns = Vec::new();
        for (captures, number) in captures.zip(1..=u8::MAX) {
            for &capture in captures {
                let column = self.column(capture)?;
                self.signature.cells.open(column, (from.lane, from.add));
                self.signature.cells.close(column, (to.lane, to.add));
                columns.push((number, column));
            }
        }
        self.members.push(Member {
            from,
            to,
            language,
            columns: columns.into(),
        });
        Ok((0, None))
    }

    /// Items of one byte each, the first of them `add` bytes after structural byte `lane`.
    fn fixed(&mut self, items: &[Item], lane: usize, add: isize) -> Result<usize, NoPlan> {
        let mut len = 0;
        for item in items {
            let at = Place::new(lane, add + len as isize);
            match item {
                Item::One(set) => {
                    self.template_byte(set, at)?;
                    len += 1;
                    self.template.len = self.template.template.len();
                }
                Item::Open(capture) => {
                    let column = self.column(*capture)?;
                    self.signature.cells.open(column, (at.lane, at.add));
                }
                Item::Close(capture) => {
                    let column = self.column(*capture)?;
                    self.signature.cells.close(column, (at.lane, at.add));
                }
                Item::Many(_) => return Err(CROSSED),
            }
        }
        Ok(len)
    }

    fn column(&self, capture: usize) -> Result<usize, NoPlan> {
        self.column_of.get(capture).copied().ok_or(CROSSED)
    }

    fn template_byte(&mut self, set: &Set, at: Place) -> Result<(), NoPlan> {
        if self.template.template.len() == BLOCK {
            self.close_template(at)?;
        }
        if self.template.template.len() == 0 {
            self.template.at = at;
        }
        match self.template.template.push(set) {
            true => Ok(()),
            false => Err(NoPlan("a byte of more than two ranges")),
        }
    }

    /// A structural byte, which needs no check but goes between two that do.
    fn structural(&mut self, byte: u8, lane: usize) -> Result<(), NoPlan> {
        if self.template.len > 0 {
            self.template_byte(&Set::byte(byte), Place::new(lane + 1, 0))?;
        } else {
            self.close_template(Place::new(lane + 1, 1))?;
        }
        Ok(())
    }

    fn close_template(&mut self, next: Place) -> Result<(), NoPlan> {
        let open = std::mem::replace(
            &mut self.template,
            Open {
                at: next,
                template: Template::default(),
                len: 0,
            },
        );
        if open.len > 0 {
            self.checks.push(Check::Template {
                at: open.at,
                lanes: Box::new(open.template.lanes().clone()),
                len: open.len,
            });
        }
        Ok(())
    }

    /// The lengths of the part before structural byte `lane`; `None` is no limit.
    fn length(&mut self, lane: usize, min: usize, more: Option<usize>) {
        let distance = u16::try_from(min + 1).unwrap_or(u16::MAX);
        let lengths = &mut self.signature.lengths;
        let slots = (lengths.least.get_mut(lane), lengths.more.get_mut(lane));
        if let (Some(least_slot), Some(more_slot)) = slots {
            *least_slot = distance;
            // No distance is greater, and none wraps: see `tokenize::signature`.
            let no_limit = u16::MAX - distance;
            *more_slot = more.map_or(no_limit, |more| u16::try_from(more).unwrap_or(no_limit));
        }
    }

    pub(super) fn finish(mut self, classes: Classes) -> Signature {
        // Nothing can fail that closes a template.
        if self.close_template(Place::new(0, 0)).is_err() {
            self.checks.clear();
        }
        self.signature.classes = classes;
        self.signature.usual = Usual::of(&self.checks, &self.signature.lengths);
        self.signature.checks = self.checks.into();
        self.signature.members = self.members.into();
        self.signature.steps = self.steps.into();
        self.signature
    }
}

const CROSSED: NoPlan = NoPlan("a capture that begins in a repetition and ends after it");

/// Alternatives that cannot have the delimiter, and a last one that is a lazy run.
pub(super) fn last_is_lazy(hir: &Hir, end: u8) -> Result<bool, NoPlan> {
    let HirKind::Alternation(parts) = hir.kind() else {
        return Ok(false);
    };
    let Some((last, others)) = parts.split_last() else {
        return Ok(false);
    };
    for other in others {
        if bytes_of(other)?.has(end) {
            return Ok(false);
        }
    }
    Ok(prefers_the_first(last))
}

/// Of alternatives without captures the one that all others are part of.
pub(super) fn widest(hir: Hir) -> Result<Hir, NoPlan> {
    let HirKind::Alternation(parts) = hir.kind() else {
        return Ok(hir);
    };
    if hir.properties().explicit_captures_len() > 0 {
        return Ok(hir);
    }
    for part in parts {
        let Some((set, 0, None)) = run_of(part)? else {
            continue;
        };
        let mut all = Set::empty();
        for part in parts {
            all = all.union(&bytes_of(part)?);
        }
        if all.union(&set) == set {
            return Ok(part.clone());
        }
    }
    Ok(hir)
}

/// Alternatives that can be checked at once.
pub(super) fn contents(hir: &Hir) -> Result<Option<Box<[Content]>>, NoPlan> {
    if hir.properties().explicit_captures_len() > 0 {
        return Ok(None);
    }
    let parts = match hir.kind() {
        HirKind::Alternation(parts) => parts.as_slice(),
        _ => std::slice::from_ref(hir),
    };
    let mut contents = Vec::new();
    for part in parts {
        let mut template = Template::default();
        let (min, max) = if let Some((set, min, max)) = run_of(part)? {
            if min > BLOCK || !(0..BLOCK).all(|_| template.push(&set)) {
                return Ok(None);
            }
            (min, max.unwrap_or(BLOCK).min(BLOCK))
        } else {
            let mut items = Vec::new();
            flatten(part.clone(), &mut items)?;
            if items.len() > BLOCK {
                return Ok(None);
            }
            for item in &items {
                match item {
                    Item::One(set) if template.push(set) => {}
                    _ => return Ok(None),
                }
            }
            (items.len(), items.len())
        };
        contents.push(Content {
            lanes: Box::new(template.lanes().clone()),
            min,
            max,
        });
    }
    Ok(Some(contents.into()))
}
