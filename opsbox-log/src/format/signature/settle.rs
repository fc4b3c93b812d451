//! Word boundaries that are where they have to be, seen from the bytes around them.

use regex_syntax::hir::{Capture, Hir, HirKind, Look, Repetition};

use crate::format::{
    ahead::{Bits, first_of, set_of},
    plan::Compiled,
};

/// The same pattern without the boundaries of words that are always there; for a whole line.
pub(super) fn settle(hir: &Hir) -> Compiled<Hir> {
    settled(hir, Bits::END, Bits::END)
}

/// `before` and `after` are the bytes that can be around it, the line's beginning and end included.
fn settled(hir: &Hir, before: Bits, after: Bits) -> Compiled<Hir> {
    Ok(match hir.kind() {
        HirKind::Look(Look::WordAscii) => match (is_word(&before), is_word(&after)) {
            (Some(before), Some(after)) if before != after => Hir::empty(),
            _ => hir.clone(),
        },
        HirKind::Capture(capture) => Hir::capture(Capture {
            index: capture.index,
            name: capture.name.clone(),
            sub: Box::new(settled(&capture.sub, before, after)?),
        }),
        HirKind::Concat(parts) => {
            let mut afters = Vec::with_capacity(parts.len());
            let mut next = after;
            for part in parts.iter().rev() {
                afters.push(next);
                next = first_of(part, next)?;
            }
            let mut before = before;
            let mut out = Vec::with_capacity(parts.len());
            for (part, after) in parts.iter().zip(afters.into_iter().rev()) {
                out.push(settled(part, before, after)?);
                before = last_of(part, before)?;
            }
            Hir::concat(out)
        }
        HirKind::Alternation(parts) => {
            let parts = parts.iter().map(|part| settled(part, before, after));
            Hir::alternation(parts.collect::<Compiled<_>>()?)
        }
        HirKind::Repetition(repetition) => {
            // After one round comes another.
            let before = last_of(hir, before)?.union(before);
            let after = first_of(hir, after)?.union(after);
            Hir::repetition(Repetition {
                min: repetition.min,
                max: repetition.max,
                greedy: repetition.greedy,
                sub: Box::new(settled(&repetition.sub, before, after)?),
            })
        }
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => hir.clone(),
    })
}

/// Whether all that can come, or all that can be before, belongs to a word; `None` if some does and
/// some does not.
fn is_word(bits: &Bits) -> Option<bool> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let bytes = (0..=u8::MAX).filter(|&byte| bits.has(byte));
    let (words, others): (Vec<_>, Vec<_>) = bytes.partition(is_word);
    match (words.is_empty(), others.is_empty() && !bits.end) {
        (true, false) => Some(false),
        (false, true) => Some(true),
        _ => None,
    }
}

/// The bytes that can be before what follows; `before` are those before the part.
fn last_of(hir: &Hir, before: Bits) -> Compiled<Bits> {
    Ok(match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => before,
        HirKind::Literal(literal) => literal.0.last().map_or(before, |&byte| Bits::byte(byte)),
        HirKind::Class(class) => set_of(class)?,
        HirKind::Capture(capture) => last_of(&capture.sub, before)?,
        HirKind::Concat(parts) => {
            let mut before = before;
            for part in parts {
                before = last_of(part, before)?;
            }
            before
        }
        HirKind::Alternation(parts) => {
            let mut all = Bits::default();
            for part in parts {
                all = all.union(last_of(part, before)?);
            }
            all
        }
        HirKind::Repetition(repetition) => {
            let once = last_of(&repetition.sub, before)?;
            match repetition.min {
                0 => once.union(before),
                _ => once,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use regex_syntax::ParserBuilder;

    use super::*;

    #[track_caller]
    fn settles(pattern: &str, to: &str) {
        let hir = |pattern: &str| {
            let mut parser = ParserBuilder::new().unicode(false).utf8(false).build();
            parser.parse(pattern).unwrap()
        };
        assert_eq!(settle(&hir(pattern)).unwrap(), hir(to), "{pattern}");
    }

    #[test]
    fn boundaries_between_words_and_others_vanish() {
        settles(r"\b\w+\b", r"\w+");
        settles(
            r"(?P<a>\b\w+\b) (?P<b>\b[1-9]\d*\b)",
            r"(?P<a>\w+) (?P<b>[1-9]\d*)",
        );
        settles(r"/\b(?:ab?|c)\b/", r"/(?:ab?|c)/");
        settles(r"(?:\ba+\b )*", r"(?:a+ )*");
    }

    #[test]
    fn others_stay() {
        for pattern in [
            r"\b\w*\b",
            r"\b[-a]+\b",
            r"a\bb",
            r"(?:\ba+\b ?)*",
            r"-?\b\w+",
            r".*?\ba",
        ] {
            if pattern != r"-?\b\w+" {
                settles(pattern, pattern);
            }
        }
        // The beginning of the line is no word, nor is `-`.
        settles(r"-?\b\w+", r"-?\w+");
    }
}
