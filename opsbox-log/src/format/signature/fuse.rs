//! Items that are looked at as one part, though there are bytes between them that could delimit them.

use regex_syntax::hir::{Hir, HirKind};

use super::{
    NoPlan, QUOTE,
    builder::contents,
    items::{Item, quotes, run_of},
};
use crate::format::{part::class_of, plan::Set};

/// Items, and whether each is between quotes.
type Items = (Vec<Item>, Vec<bool>);

/// Makes one item of those that no capture begins or ends between, if one of them has to be looked up
/// byte by byte anyway: a time is one part then, and its colons delimit nothing, so that they may be in
/// other parts. Bytes that delimit what is captured go on to do so.
pub(super) fn fuse(items: Vec<Item>) -> Result<Items, NoPlan> {
    let quoted = quotes(&items)?;
    let mut delimiters = Set::byte(QUOTE);
    let runs: Vec<_> = items.split_inclusive(is_mark).collect();
    let mut first = 0;
    for (at, run) in runs.iter().enumerate() {
        let quoted = quoted.iter().skip(first);
        first += run.len();
        let plain = is_plain(run)?;
        let mut inside: Option<Set> = None;
        let last = run.iter().rposition(|item| matches!(item, Item::Many(_)));
        for ((place, item), _) in run
            .iter()
            .enumerate()
            .zip(quoted)
            .filter(|(_, quoted)| !**quoted)
        {
            match (item, &mut inside) {
                (Item::Many(_), None) => inside = Some(item.bytes()?),
                (_, Some(so_far)) => match item.byte() {
                    Some(byte) if !so_far.has(byte) => {
                        if plain || last.is_none_or(|last| place > last) {
                            delimiters.insert(byte);
                        }
                        inside = None;
                    }
                    _ => *so_far = so_far.clone().union(&item.bytes()?),
                },
                _ => {}
            }
        }
        // What ends it comes after captures have begun or ended.
        if let Some(so_far) = inside {
            let rest = runs.iter().skip(at + 1).copied().flatten();
            let mut bytes = rest.filter_map(Item::byte);
            if let Some(byte) = bytes.find(|&byte| !so_far.has(byte)) {
                delimiters.insert(byte);
            }
        }
    }
    let mut fused = (Vec::new(), Vec::new());
    let mut quoted = quoted.into_iter();
    for run in runs {
        let quoted: Vec<_> = quoted.by_ref().take(run.len()).collect();
        let plain = is_plain(run)?;
        let is_end = |item: &Item| {
            is_mark(item) || plain || item.byte().is_some_and(|byte| delimiters.has(byte))
        };
        let mut from = 0;
        for piece in run.split_inclusive(is_end) {
            let quoted = quoted.iter().skip(from).copied();
            from += piece.len();
            push(piece, quoted, &mut fused);
        }
    }
    Ok(fused)
}

/// Adds a piece, from its first to its last item of no fixed length as one.
fn push(piece: &[Item], mut quoted: impl Iterator<Item = bool>, out: &mut Items) {
    let is_many = |item: &Item| matches!(item, Item::Many(_));
    let first = piece.iter().position(is_many);
    let last = piece.iter().rposition(is_many);
    let mut inside = Vec::new();
    for (at, (item, quoted)) in piece.iter().zip(&mut quoted).enumerate() {
        let is_inside =
            first.is_some_and(|first| at >= first) && last.is_some_and(|last| at <= last);
        if !is_inside || first == last {
            out.0.push(item.clone());
            out.1.push(quoted);
            continue;
        }
        match item {
            Item::Many(hir) => inside.push(hir.clone()),
            Item::One(set) => inside.push(class_of(set)),
            Item::Open(_) | Item::Close(_) => {}
        }
        if Some(at) == last {
            out.0
                .push(Item::Many(Hir::concat(std::mem::take(&mut inside))));
            out.1.push(quoted);
        }
    }
}

fn is_mark(item: &Item) -> bool {
    matches!(item, Item::Open(_) | Item::Close(_))
}

/// Whether kernels can look at all of the items themselves, or one of them has captures inside.
fn is_plain(run: &[Item]) -> Result<bool, NoPlan> {
    let mut plain = true;
    for item in run {
        let Item::Many(hir) = item else {
            continue;
        };
        if hir.properties().explicit_captures_len() > 0 {
            return Ok(true);
        }
        plain &= run_of(hir)?.is_some() || contents(hir)?.is_some();
    }
    Ok(plain)
}

/// Quotes of other kinds, where text is in quotes of some kind of which `"` is preferred. A line that has
/// one of those is not looked at further, and in any other one no such text is in them.
pub(super) fn other_quotes(hir: &Hir, out: &mut Set) {
    match hir.kind() {
        HirKind::Capture(capture) => other_quotes(&capture.sub, out),
        HirKind::Repetition(repetition) => other_quotes(&repetition.sub, out),
        HirKind::Concat(parts) => parts.iter().for_each(|part| other_quotes(part, out)),
        HirKind::Alternation(parts) => {
            parts.iter().for_each(|part| other_quotes(part, out));
            let kinds: Option<Vec<_>> = parts.iter().map(quote_of).collect();
            if let Some([QUOTE, others @ ..]) = kinds.as_deref() {
                others.iter().for_each(|&byte| out.insert(byte));
            }
        }
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => {}
    }
}

/// The quote that a part begins with.
fn quote_of(hir: &Hir) -> Option<u8> {
    let HirKind::Concat(parts) = hir.kind() else {
        return None;
    };
    let HirKind::Literal(literal) = parts.first()?.kind() else {
        return None;
    };
    let quote = literal.0.first().copied();
    quote.filter(|byte| [QUOTE, b'\'', b'`'].contains(byte))
}

/// The alternatives of a part, each of them without captures or captured as a whole: without that, and
/// the captures.
pub(super) fn whole_captures(hir: &Hir) -> Option<Vec<(&Hir, Vec<usize>)>> {
    let HirKind::Alternation(parts) = hir.kind() else {
        return None;
    };
    let whole = parts.iter().map(|part| {
        let mut captures = Vec::new();
        let mut inner = part;
        while let HirKind::Capture(capture) = inner.kind() {
            captures.push(capture.index as usize - 1);
            inner = &capture.sub;
        }
        let is_whole = inner.properties().explicit_captures_len() == 0;
        is_whole.then_some((inner, captures))
    });
    whole.collect()
}
