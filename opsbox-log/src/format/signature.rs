//! Patterns whose lines have the same delimiters in the same order: what the fastest engine runs on.
//!
//! A signature is the sequence of the *structural* bytes of a line: the bytes that delimit the
//! pattern's parts, those between quotes left out. If a line has the signature, each part lies between
//! two known places, and what is left is to look at its length, and at its bytes if not all are
//! allowed.
//!
//! Why the captures are those of the regular expression: a part is followed by a structural byte that
//! cannot be in it, so it has to end at the first one; or it is lazy and followed directly by that
//! byte, so the first one is what it prefers. That holds as well where a part has a byte that delimits
//! others: there are signatures for lines with a space in such a part. Lines that the signature has no word for (with an
//! escape, say) have other structural bytes and are left to the plan.

use regex_syntax::hir::{Capture, Hir, HirKind, Repetition};

use super::{
    pack::Usual,
    part::{bytes_of, captured, class_of, has_byte, prune, set_of},
    plan::{self, Obstacle, Set, Step},
    straight::Straight,
    template::Template,
};
use crate::scan::{BLOCK, Classes, LANES, Lanes};

/// Why a pattern has no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoPlan(pub(crate) &'static str);

impl From<Obstacle> for NoPlan {
    fn from(obstacle: Obstacle) -> Self {
        Self(obstacle.what)
    }
}

/// A compiled signature.
#[derive(Debug)]
pub(crate) struct Signature {
    pub(crate) classes: Classes,
    /// The structural bytes of a line that ends in LF, and in CRLF.
    pub(crate) endings: [Ending; 2],
    /// How many they are without the ending.
    pub(crate) len: usize,
    pub(crate) lengths: Lengths,
    pub(crate) cells: CellLanes,
    pub(crate) checks: Box<[Check]>,
    /// What lines are looked at for first; `None` if there is no such thing.
    pub(crate) usual: Option<Usual>,
    pub(crate) steps: Box<[PartSteps]>,
}

/// The structural bytes of a line, its ending included.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) bytes: [u8; LANES],
    pub(crate) len: usize,
    /// A bit for each.
    pub(crate) lanes: u32,
}

impl Ending {
    fn new(bytes: [u8; LANES], len: usize) -> Self {
        let lanes = (0..len).fold(0, |lanes, _| lanes << 1 | 1);
        Self { bytes, len, lanes }
    }
}

/// From each structural byte to the next, the line's beginning being the first: the least distance,
/// and how much more is allowed.
#[derive(Clone, Debug)]
pub(crate) struct Lengths {
    pub(crate) least: [u16; LANES],
    pub(crate) more: [u16; LANES],
}

/// Where the columns begin and end: a structural byte (0 is the line's beginning), and a distance.
#[derive(Clone, Debug)]
pub(crate) struct CellLanes {
    pub(crate) columns: usize,
    /// Of each column the beginning, then the end.
    pub(crate) lanes: [u16; 2 * LANES],
    pub(crate) adds: [u16; 2 * LANES],
    /// All ones for a column that such lines do not have.
    pub(crate) absent: [u32; LANES],
}

impl CellLanes {
    /// Columns that lines do not have, until they are said to; `None` if there are too many.
    pub(crate) fn absent(columns: usize) -> Option<Self> {
        let mut absent = [0; LANES];
        absent.get_mut(..columns)?.fill(u32::MAX);
        Some(Self {
            columns,
            lanes: [0; 2 * LANES],
            adds: [0; 2 * LANES],
            absent,
        })
    }

    /// A column begins at a distance from a lane.
    pub(crate) fn open(&mut self, column: usize, place: (usize, u16)) {
        self.set(2 * column, place);
    }

    /// A column ends there, and is in each line.
    pub(crate) fn close(&mut self, column: usize, place: (usize, u16)) {
        self.set(2 * column + 1, place);
        self.present(column);
    }

    fn set(&mut self, at: usize, (lane, add): (usize, u16)) {
        if let (Some(lane_slot), Some(add_slot)) = (self.lanes.get_mut(at), self.adds.get_mut(at)) {
            *lane_slot = u16::try_from(lane).unwrap_or(u16::MAX);
            *add_slot = add;
        }
    }

    pub(crate) fn present(&mut self, column: usize) {
        if let Some(absent) = self.absent.get_mut(column) {
            *absent = 0;
        }
    }
}

/// What the bytes of a part have to be.
#[derive(Debug)]
pub(crate) enum Check {
    /// As many bytes as the template has, from a place on.
    Template {
        at: Place,
        lanes: Box<Lanes>,
        len: usize,
    },
    /// The bytes between two places are one of the alternatives.
    Content {
        from: Place,
        to: Place,
        alternatives: Box<[Content]>,
    },
}

/// The steps of a plan that lead from one place to another, through captures.
#[derive(Debug)]
pub(crate) struct PartSteps {
    pub(crate) from: Place,
    pub(crate) to: Place,
    pub(crate) steps: Box<[Step]>,
    /// What is tried before them.
    pub(crate) straight: Option<Box<Straight>>,
    pub(crate) columns: Box<[usize]>,
}

/// A place that is found from a structural byte: 0 is the byte before the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) lane: usize,
    pub(crate) add: u16,
}

impl Place {
    fn new(lane: usize, add: isize) -> Self {
        // Two's complement: distances are added in 16 bits.
        Self {
            lane,
            add: (add as i64 & 0xffff) as u16,
        }
    }

    /// So many bytes later.
    pub(crate) fn after(self, len: u16) -> Self {
        Self {
            lane: self.lane,
            add: self.add.wrapping_add(len),
        }
    }
}

/// `min` to `max` bytes of the sets.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) lanes: Box<Lanes>,
    pub(crate) min: usize,
    pub(crate) max: usize,
}

const SPACE: u8 = b' ';
/// Parts that are tried with a space in them.
const MAX_SPACEABLE: usize = 3;
const QUOTE: u8 = b'"';
const ESCAPE: u8 = b'\\';

/// One after the other, what a line consists of.
#[derive(Clone)]
enum Item {
    One(Set),
    Open(usize),
    Close(usize),
    /// Of no fixed length, or with a choice.
    Many(Hir),
}

impl Item {
    fn byte(&self) -> Option<u8> {
        match self {
            Self::One(set) => set.single(),
            _ => None,
        }
    }

    /// The bytes that can be in it.
    fn bytes(&self) -> Result<Set, NoPlan> {
        match self {
            Self::One(set) => Ok(set.clone()),
            Self::Many(hir) => bytes_of(hir),
            Self::Open(_) | Self::Close(_) => Ok(Set::empty()),
        }
    }
}

/// A part between two structural bytes.
struct Part {
    items: Vec<Item>,
    quoted: bool,
    /// What ends it; nothing at the end of the line.
    end: Option<u8>,
}

impl Signature {
    /// The signatures of a whole-line pattern, of whose captures each is a column of its own: of lines
    /// with a space in none of the parts that may have some, and with one in one or two of them.
    pub(crate) fn compile(pattern: &Hir, column_of: &[usize]) -> Result<Box<[Self]>, NoPlan> {
        let mut always = Set::empty();
        if has_byte(pattern, ESCAPE) {
            always.insert(ESCAPE);
        }
        let pattern = Hir::concat(plan::parts_of(pattern).to_vec());
        let pattern = prune(&pattern, &always)?.ok_or(NoPlan("an escape in every line"))?;
        let mut items = Vec::new();
        flatten(pattern, &mut items)?;
        let quotes = quotes(&items)?;
        let delimiters = delimiters(&items, &quotes)?;
        if quotes.iter().any(|&is| is) {
            always.insert(QUOTE);
        }
        let mut found = Vec::new();
        let mut refused = None;
        for spaced in subsets(&spaceable(&items, &quotes, &delimiters)) {
            let (items, quotes) = with_spaces(&items, &quotes, &spaced);
            match Self::of_items(items, &quotes, delimiters.clone(), &always, column_of) {
                Ok(signature) => found.push(signature),
                Err(why) => refused = refused.or(Some(why)),
            }
        }
        match refused {
            Some(why) if found.is_empty() => Err(why),
            _ => Ok(found.into()),
        }
    }

    fn of_items(
        items: Vec<Item>,
        quotes: &[bool],
        mut delimiters: Set,
        always: &Set,
        column_of: &[usize],
    ) -> Result<Self, NoPlan> {
        let quoting = quotes.iter().any(|&is| is);
        let parts = parts(items, quotes, &delimiters);
        if let Some(last) = parts.last() {
            for item in &last.items {
                if matches!(item, Item::Many(_)) && !item.bytes()?.is_disjoint(&delimiters) {
                    return Err(NoPlan("a last part in which delimiters may be"));
                }
            }
        }
        delimiters.insert(b'\r');
        let mut outside = delimiters.union(always);
        for part in &parts {
            if let (false, Some(set)) = (part.quoted, many(part)?) {
                outside = outside.union(&set.controls_outside());
            }
        }
        if parts.len() == 1 {
            return Err(NoPlan("no delimiters"));
        }
        if outside.has(Classes::NO_CLASS) {
            return Err(NoPlan("DEL (0x7f) as a delimiter"));
        }
        if parts.len() + 2 > LANES {
            return Err(NoPlan("more delimiters than a signature takes"));
        }
        let builder = Builder::new(&parts, column_of);
        let mut builder = builder.ok_or(NoPlan("more columns than a signature takes"))?;
        for (lane, part) in parts.into_iter().enumerate() {
            let structural = if part.quoted { always } else { &outside };
            builder.part(lane, part, structural)?;
        }
        Ok(builder.finish(Classes::new(
            |byte| always.has(byte) || byte == b'\n',
            |byte| outside.has(byte),
            quoting,
        )))
    }
}

/// The parts of no fixed length in which there may be spaces, though spaces delimit others: text in
/// brackets, say. What ends them is one byte that cannot be in them, so it is known how they end.
fn spaceable(items: &[Item], quoted: &[bool], delimiters: &Set) -> Vec<usize> {
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
        let fits = alone && min <= 1 && set.has(SPACE) && !set.has(end) && end != QUOTE;
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
fn subsets(of: &[usize]) -> Vec<Vec<usize>> {
    let mut subsets = vec![Vec::new()];
    for (at, one) in of.iter().enumerate() {
        subsets.push(vec![*one]);
        subsets.extend(of.iter().skip(at + 1).map(|other| vec![*one, *other]));
    }
    subsets
}

/// The same items for lines with one space in each of these parts.
fn with_spaces(items: &[Item], quoted: &[bool], spaced: &[usize]) -> (Vec<Item>, Vec<bool>) {
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
    match run_of(run) {
        Ok(Some((set, ..))) => Hir::repetition(Repetition {
            min: 0,
            max: None,
            greedy: true,
            sub: Box::new(class_of(&set.minus(&Set::byte(SPACE)))),
        }),
        _ => run.clone(),
    }
}

/// The bytes of a part's middle, if it has one and they are not delimited otherwise.
fn many(part: &Part) -> Result<Option<Set>, NoPlan> {
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

fn flatten(hir: Hir, items: &mut Vec<Item>) -> Result<(), NoPlan> {
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

fn of(kind: HirKind) -> Hir {
    match kind {
        HirKind::Repetition(repetition) => Hir::repetition(repetition),
        HirKind::Alternation(parts) => Hir::alternation(parts),
        _ => Hir::empty(),
    }
}

/// For each item whether it is between quotes.
fn quotes(items: &[Item]) -> Result<Vec<bool>, NoPlan> {
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
            if item.bytes()?.has(QUOTE) {
                return Err(NoPlan("a quote between quotes"));
            }
            *quoted = true;
        }
        from = close + 1;
    }
    Ok(quoted)
}

/// The bytes that end the parts of no fixed length, outside of quotes.
fn delimiters(items: &[Item], quoted: &[bool]) -> Result<Set, NoPlan> {
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
fn prefers_the_first(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Repetition(repetition) => {
            !repetition.greedy && matches!(repetition.sub.kind(), HirKind::Class(_))
        }
        _ => false,
    }
}

fn parts(items: Vec<Item>, quoted: &[bool], delimiters: &Set) -> Vec<Part> {
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

struct Builder<'o> {
    signature: Signature,
    checks: Vec<Check>,
    steps: Vec<PartSteps>,
    template: Open,
    column_of: &'o [usize],
}

/// A template that can still grow.
struct Open {
    at: Place,
    template: Template,
    /// Bytes that were looked at, without those that are structural at its end.
    len: usize,
}

impl<'o> Builder<'o> {
    fn new(parts: &[Part], column_of: &'o [usize]) -> Option<Self> {
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
                steps: Box::default(),
            },
            checks: Vec::new(),
            steps: Vec::new(),
            template: Open {
                at: Place::new(0, 1),
                template: Template::default(),
                len: 0,
            },
            column_of,
        })
    }

    /// The part before structural byte `lane`, counted from 0; in it there are no `structural` bytes.
    fn part(&mut self, lane: usize, part: Part, structural: &Set) -> Result<(), NoPlan> {
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

        if let Some(end) = part.end {
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
        let steps = plan::steps_before(&hir, end, self.column_of)?;
        let mut captures = Vec::new();
        captured(&hir, &mut captures);
        let columns = captures.iter().map(|&capture| self.column(capture));
        let columns: Box<[usize]> = columns.collect::<Result<_, _>>()?;
        for &column in &columns {
            self.signature.cells.present(column);
        }
        let straight = Straight::compile(&steps, self.signature.cells.columns).map(Box::new);
        self.steps.push(PartSteps {
            from,
            to,
            steps,
            straight,
            columns,
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

    fn finish(mut self, classes: Classes) -> Signature {
        // Nothing can fail that closes a template.
        if self.close_template(Place::new(0, 0)).is_err() {
            self.checks.clear();
        }
        self.signature.classes = classes;
        self.signature.usual = Usual::of(&self.checks, &self.signature.lengths);
        self.signature.checks = self.checks.into();
        self.signature.steps = self.steps.into();
        self.signature
    }
}

const CROSSED: NoPlan = NoPlan("a capture that begins in a repetition and ends after it");

/// Alternatives that cannot have the delimiter, and a last one that is a lazy run.
fn last_is_lazy(hir: &Hir, end: u8) -> Result<bool, NoPlan> {
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

/// A run of one class, its least and greatest length.
fn run_of(hir: &Hir) -> Result<Option<(Set, usize, Option<usize>)>, NoPlan> {
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

/// Of alternatives without captures the one that all others are part of.
fn widest(hir: Hir) -> Result<Hir, NoPlan> {
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
fn contents(hir: &Hir) -> Result<Option<Box<[Content]>>, NoPlan> {
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

#[cfg(test)]
mod tests {
    use crate::{Format, format::Engine};

    /// Nothing but the speed would tell that a pattern has lost its engine.
    #[test]
    fn presets_whose_lines_have_one_signature() {
        let with_signature = Format::presets().iter().filter(|preset| {
            let format = preset.format().ok();
            format.is_some_and(|format| match format.engine() {
                Engine::Pattern(pattern) => !pattern.signatures().is_empty(),
                _ => false,
            })
        });
        let names: Vec<_> = with_signature.map(|preset| preset.name()).collect();
        for name in ["combined", "common", "iis"] {
            assert!(names.contains(&name), "{names:?}");
        }
    }
}
