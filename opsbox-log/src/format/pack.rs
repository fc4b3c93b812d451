//! The checks of a signature as four pieces of 16 bytes each, which a kernel looks at as one block.

use super::signature::{CellLanes, Check, Place};
use crate::scan::{BLOCK, Lanes, PIECE, Ranges};

/// Pieces of a block.
pub(crate) const PIECES: usize = BLOCK / PIECE;

/// Up to four pieces. A line in which all of them fit passes their checks; of one in which some does
/// not, the checks decide.
#[derive(Debug)]
pub(crate) struct Pack {
    /// Where the pieces are, as if they were columns.
    pub(crate) cells: CellLanes,
    /// Their lengths: the least, and how much more is allowed.
    pub(crate) min: [u32; PIECES],
    pub(crate) more: [u32; PIECES],
    pub(crate) lanes: Lanes,
}

/// The bytes between two places.
struct Piece<'c> {
    from: Place,
    to: Place,
    min: usize,
    max: usize,
    lanes: &'c Lanes,
    /// Where in the lanes it begins.
    start: usize,
}

/// All checks, of alternatives the first one: the others are rare.
pub(crate) fn packs(checks: &[Check]) -> Option<Box<[Pack]>> {
    let mut pieces = Vec::new();
    for check in checks {
        match check {
            Check::Template { at, lanes, len } => {
                for start in (0..*len).step_by(PIECE) {
                    let len = (len - start).min(PIECE);
                    let (first, last) = (u16::try_from(start), u16::try_from(start + len));
                    pieces.push(Piece {
                        from: at.after(first.ok()?),
                        to: at.after(last.ok()?),
                        min: len,
                        max: len,
                        lanes,
                        start,
                    });
                }
            }
            Check::Content {
                from,
                to,
                alternatives,
            } => {
                let first = alternatives.first()?;
                pieces.push(Piece {
                    from: *from,
                    to: *to,
                    min: first.min,
                    max: first.max,
                    lanes: &first.lanes,
                    start: 0,
                });
            }
        }
    }
    pieces.chunks(PIECES).map(pack).collect()
}

fn pack(pieces: &[Piece<'_>]) -> Option<Pack> {
    let any = Ranges {
        low: [0; BLOCK],
        span: [u8::MAX; BLOCK],
    };
    let mut pack = Pack {
        cells: CellLanes::absent(PIECES)?,
        min: [0; PIECES],
        more: [0; PIECES],
        lanes: Lanes {
            first: any.clone(),
            second: any,
        },
    };
    for column in 0..PIECES {
        let Some(piece) = pieces.get(column) else {
            // No bytes, at the beginning of the line.
            let place = (0, 1);
            pack.cells.open(column, place);
            pack.cells.close(column, place);
            continue;
        };
        pack.cells.open(column, (piece.from.lane, piece.from.add));
        pack.cells.close(column, (piece.to.lane, piece.to.add));
        // Longer ones are left to the check.
        let max = piece.max.min(PIECE);
        *pack.min.get_mut(column)? = u32::try_from(piece.min).ok()?;
        *pack.more.get_mut(column)? = u32::try_from(max.checked_sub(piece.min)?).ok()?;
        let (to, from) = (&mut pack.lanes, piece.lanes);
        for (to, from) in [
            (&mut to.first.low, &from.first.low),
            (&mut to.first.span, &from.first.span),
            (&mut to.second.low, &from.second.low),
            (&mut to.second.span, &from.second.span),
        ] {
            let from = from.get(piece.start..)?;
            let to = to.get_mut(column * PIECE..)?;
            to.iter_mut()
                .zip(from)
                .take(PIECE)
                .for_each(|(to, from)| *to = *from);
        }
    }
    Some(pack)
}
