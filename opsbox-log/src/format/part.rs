//! Questions about parts of a pattern, and the same pattern for lines without certain bytes.

use regex_syntax::hir::{Capture, Class, ClassBytes, ClassBytesRange, Hir, HirKind, Repetition};

use super::{ahead, plan::Set, signature::NoPlan};

/// The same pattern for lines without certain bytes; `None` if it needs one of them.
pub(super) fn prune(hir: &Hir, without: &Set) -> Result<Option<Hir>, NoPlan> {
    Ok(match hir.kind() {
        HirKind::Empty => Some(Hir::empty()),
        HirKind::Literal(literal) => {
            let has = literal.0.iter().any(|&byte| without.has(byte));
            (!has).then(|| hir.clone())
        }
        HirKind::Class(class) => {
            let set = set_of(class)?.minus(without);
            (!set.is_empty()).then(|| class_of(&set))
        }
        HirKind::Look(_) => return Err(NoPlan("an anchor or a word boundary inside")),
        HirKind::Repetition(repetition) => match prune(&repetition.sub, without)? {
            Some(sub) => Some(Hir::repetition(Repetition {
                min: repetition.min,
                max: repetition.max,
                greedy: repetition.greedy,
                sub: Box::new(sub),
            })),
            None => (repetition.min == 0).then(Hir::empty),
        },
        HirKind::Capture(capture) => prune(&capture.sub, without)?.map(|sub| {
            Hir::capture(Capture {
                index: capture.index,
                name: capture.name.clone(),
                sub: Box::new(sub),
            })
        }),
        HirKind::Concat(parts) => {
            let parts = parts.iter().map(|part| prune(part, without));
            let parts: Option<Vec<_>> = parts.collect::<Result<_, _>>()?;
            parts.map(Hir::concat)
        }
        HirKind::Alternation(parts) => {
            let parts = parts.iter().map(|part| prune(part, without));
            let parts: Vec<_> = parts.collect::<Result<Vec<_>, _>>()?;
            let parts: Vec<_> = parts.into_iter().flatten().collect();
            (!parts.is_empty()).then(|| Hir::alternation(parts))
        }
    })
}

pub(super) fn set_of(class: &Class) -> Result<Set, NoPlan> {
    Ok(ahead::set_of(class)?.into())
}

pub(super) fn class_of(set: &Set) -> Hir {
    let ranges = set.members().map(|byte| ClassBytesRange::new(byte, byte));
    Hir::class(Class::Bytes(ClassBytes::new(ranges)))
}

/// The bytes that can be in what matches.
pub(super) fn bytes_of(hir: &Hir) -> Result<Set, NoPlan> {
    let mut all = Set::empty();
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => literal.0.iter().for_each(|&byte| all.insert(byte)),
        HirKind::Class(class) => all = set_of(class)?,
        HirKind::Repetition(repetition) => all = bytes_of(&repetition.sub)?,
        HirKind::Capture(capture) => all = bytes_of(&capture.sub)?,
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            for part in parts {
                all = all.union(&bytes_of(part)?);
            }
        }
    }
    Ok(all)
}

/// Whether a literal of the pattern has this byte.
pub(super) fn has_byte(hir: &Hir, byte: u8) -> bool {
    match hir.kind() {
        HirKind::Literal(literal) => literal.0.contains(&byte),
        HirKind::Repetition(repetition) => has_byte(&repetition.sub, byte),
        HirKind::Capture(capture) => has_byte(&capture.sub, byte),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().any(|part| has_byte(part, byte))
        }
        HirKind::Empty | HirKind::Class(_) | HirKind::Look(_) => false,
    }
}

/// The captures in it.
pub(super) fn captured(hir: &Hir, out: &mut Vec<usize>) {
    match hir.kind() {
        HirKind::Capture(capture) => {
            out.push(capture.index as usize - 1);
            captured(&capture.sub, out);
        }
        HirKind::Repetition(repetition) => captured(&repetition.sub, out),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().for_each(|part| captured(part, out));
        }
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => {}
    }
}
