//! What a pattern allows for the next bytes.
//!
//! Every answer is an upper bound: a byte that is not in it cannot come, a byte that is in it may
//! still lead nowhere.

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

use super::plan::{Compiled, Obstacle};

/// How many bytes an alternative is looked ahead for. Long enough for the names of log levels.
const LOOK_AHEAD: usize = 16;

/// A set of bytes, and whether the end of the line belongs to it. Small and slow, for compiling and
/// for the few bytes of a look-ahead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bits {
    words: [u64; 4],
    pub(crate) end: bool,
}

impl Bits {
    pub(super) const END: Self = Self {
        words: [0; 4],
        end: true,
    };

    const ANY: Self = Self {
        words: [u64::MAX; 4],
        end: true,
    };

    pub(super) fn byte(byte: u8) -> Self {
        let mut set = Self::default();
        set.insert(byte);
        set
    }

    fn insert(&mut self, byte: u8) {
        if let Some(word) = self.words.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }

    pub(super) fn has(&self, byte: u8) -> bool {
        let word = self.words.get(usize::from(byte >> 6));
        word.is_some_and(|word| word >> (byte & 63) & 1 == 1)
    }

    pub(super) fn union(mut self, other: Self) -> Self {
        for (word, other) in self.words.iter_mut().zip(other.words) {
            *word |= other;
        }
        self.end |= other.end;
        self
    }

    pub(super) fn is_disjoint(&self, other: &Self) -> bool {
        let bytes = self.words.iter().zip(&other.words);
        !(self.end && other.end) && bytes.into_iter().all(|(a, b)| a & b == 0)
    }

    /// Whether any byte of a line may come, and its end.
    pub(super) fn is_any(&self) -> bool {
        self.end && (0..=u8::MAX).all(|byte| self.has(byte) || byte == b'\n')
    }

    /// Whether the line has to end.
    pub(super) fn is_end(&self) -> bool {
        self.end && self.has_no_byte()
    }

    fn has_no_byte(&self) -> bool {
        self.words == [0; 4]
    }
}

/// The sets of the next bytes, one a place; nothing is known of the places after the last.
pub(super) type Ahead = Vec<Bits>;

/// What may come next.
pub(super) fn first(ahead: &[Bits]) -> Bits {
    ahead.first().copied().unwrap_or(Bits::ANY)
}

/// Whether the line may go on with `rest`.
pub(crate) fn admits(ahead: &[Bits], rest: &[u8]) -> bool {
    for (at, set) in ahead.iter().enumerate() {
        match rest.get(at) {
            Some(&byte) if set.has(byte) => {}
            Some(_) => return false,
            None => return set.end,
        }
    }
    true
}

/// The next bytes where `hir` comes, and then what `after` says.
pub(super) fn ahead(hir: &Hir, after: &[Bits]) -> Compiled<Ahead> {
    Ok(match hir.kind() {
        HirKind::Empty => after.to_vec(),
        HirKind::Literal(literal) => {
            let bytes = literal.0.iter().map(|&byte| Bits::byte(byte));
            bytes
                .chain(after.iter().copied())
                .take(LOOK_AHEAD)
                .collect()
        }
        HirKind::Class(class) => before(set_of(class)?, after),
        HirKind::Look(Look::End | Look::EndLF) => vec![Bits::END],
        // The others say nothing of the next byte by themselves.
        HirKind::Look(_) => after.to_vec(),
        HirKind::Capture(capture) => ahead(&capture.sub, after)?,
        HirKind::Concat(parts) => {
            let mut sets = after.to_vec();
            for part in parts.iter().rev() {
                sets = ahead(part, &sets)?;
            }
            sets
        }
        HirKind::Alternation(parts) => {
            let mut sets: Option<Ahead> = None;
            for part in parts {
                let part = ahead(part, after)?;
                sets = Some(match sets {
                    Some(sets) => either(&sets, &part),
                    None => part,
                });
            }
            sets.unwrap_or_default()
        }
        HirKind::Repetition(repetition) => repeated(repetition, after)?,
    })
}

fn repeated(repetition: &Repetition, after: &[Bits]) -> Compiled<Ahead> {
    let Repetition { min, max, sub, .. } = repetition;
    let (min, max) = (*min as usize, max.map(|max| max as usize));
    if let HirKind::Class(class) = sub.kind() {
        let set = set_of(class)?;
        let optional = max.map_or(LOOK_AHEAD, |max| max.saturating_sub(min));
        let mut sets = after.to_vec();
        for _ in 0..optional.min(LOOK_AHEAD) {
            sets = either(after, &before(set, &sets));
        }
        for _ in 0..min.min(LOOK_AHEAD) {
            sets = before(set, &sets);
        }
        return Ok(sets);
    }
    let once = match max {
        Some(0) => return Ok(after.to_vec()),
        Some(1) => ahead(sub, after)?,
        // Of what comes after the first round, the first byte is enough to know.
        _ => match after.first() {
            Some(&next) => ahead(sub, &[first_of(sub, next)?.union(next)])?,
            None => ahead(sub, &[])?,
        },
    };
    Ok(match min {
        0 => either(&once, after),
        _ => once,
    })
}

fn before(set: Bits, after: &[Bits]) -> Ahead {
    let after = after.iter().copied();
    std::iter::once(set).chain(after).take(LOOK_AHEAD).collect()
}

/// What one of two allows.
fn either(a: &[Bits], b: &[Bits]) -> Ahead {
    // After a place where no byte can come, none can come either.
    let known = |sets: &[Bits]| match sets.last() {
        Some(last) if last.has_no_byte() => LOOK_AHEAD,
        _ => sets.len(),
    };
    let len = known(a).min(known(b)).min(a.len().max(b.len()));
    let at = |sets: &[Bits], place| sets.get(place).copied().unwrap_or_default();
    (0..len)
        .map(|place| at(a, place).union(at(b, place)))
        .collect()
}

/// The bytes with which `hir` may begin; `after` where it may be empty.
pub(super) fn first_of(hir: &Hir, after: Bits) -> Compiled<Bits> {
    Ok(match hir.kind() {
        HirKind::Empty => after,
        HirKind::Literal(literal) => literal.0.first().map_or(after, |&byte| Bits::byte(byte)),
        HirKind::Class(class) => set_of(class)?,
        HirKind::Look(Look::End | Look::EndLF) => Bits::END,
        HirKind::Look(_) => after,
        HirKind::Capture(capture) => first_of(&capture.sub, after)?,
        HirKind::Concat(parts) => {
            let mut first = after;
            for part in parts.iter().rev() {
                first = first_of(part, first)?;
            }
            first
        }
        HirKind::Alternation(parts) => {
            let mut first = Bits::default();
            for part in parts {
                first = first.union(first_of(part, after)?);
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
pub(super) fn leading_literal(hir: &Hir) -> Vec<u8> {
    match hir.kind() {
        HirKind::Literal(literal) => literal.0.to_vec(),
        HirKind::Capture(capture) => leading_literal(&capture.sub),
        HirKind::Concat(parts) => {
            let takes_bytes = |part: &&Hir| !matches!(part.kind(), HirKind::Look(_));
            let first = parts.iter().find(takes_bytes);
            first.map_or_else(Vec::new, leading_literal)
        }
        HirKind::Repetition(repetition) if repetition.min > 0 => leading_literal(&repetition.sub),
        _ => Vec::new(),
    }
}

/// Of an alternative's look-ahead, the part that decides against all that come `later`.
pub(super) fn deciding(mut ahead: Ahead, later: &[Bits]) -> Ahead {
    let decided = ahead
        .iter()
        .zip(later)
        .position(|(set, later)| set.is_disjoint(later));
    if let Some(place) = decided {
        ahead.truncate(place + 1);
    }
    ahead
}

/// What the alternatives of which one may come allow.
pub(super) fn any_of(later: Option<&[Bits]>, ahead: &[Bits]) -> Ahead {
    later.map_or_else(|| ahead.to_vec(), |later| either(later, ahead))
}

pub(super) fn set_of(class: &Class) -> Compiled<Bits> {
    let mut set = Bits::default();
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
                    return Err(Obstacle::unicode(class));
                };
                if end > 0x7f {
                    return Err(Obstacle::unicode(class));
                }
                (start..=end).for_each(|byte| set.insert(byte));
            }
        }
    }
    Ok(set)
}
