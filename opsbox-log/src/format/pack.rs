//! The checks of a signature as pairs of windows of 32 bytes each, which a kernel looks at as one block.

use super::signature::{Check, Lengths, Place};
use crate::scan::{BLOCK, HALF, LANES, Lanes, Ranges};

/// What most lines are like: of alternatives the first one. A line whose parts have these lengths, and
/// whose windows fit, passes all checks; of any other the checks decide.
#[derive(Debug)]
pub(crate) struct Usual {
    pub(crate) lengths: Lengths,
    pub(crate) sets: Box<[PackSet]>,
}

/// As many packs as a kernel finds the windows of at once.
#[derive(Debug)]
pub(crate) struct PackSet {
    /// Where the windows begin and end: 32 bytes or fewer after, if the lengths are the usual ones.
    pub(crate) windows: WindowLanes,
    /// Of two windows each.
    pub(crate) packs: Box<[Lanes]>,
}

/// Windows that a kernel finds at once.
pub(crate) const WINDOWS: usize = LANES / 2;

/// Where windows begin and end: a structural byte (0 is the line's beginning), and a distance.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct WindowLanes {
    /// Of each window the beginning, then the end.
    pub(crate) lanes: [u16; LANES],
    pub(crate) adds: [u16; LANES],
}

/// Bytes that are looked at together: of one check, or of some with nothing of a changing length
/// between them.
struct Window {
    from: Place,
    to: Place,
    /// Whether it always ends as far from its beginning.
    fixed: bool,
    lanes: Lanes,
}

/// The bytes of a check between two places.
struct Piece<'c> {
    from: Place,
    to: Place,
    min: usize,
    max: usize,
    lanes: &'c Lanes,
    /// Where in the lanes it begins.
    start: usize,
}

/// Room for a run of digits, say, that makes it worth to look at it with what is before it.
const ROOM: usize = 16;

impl Usual {
    /// `None` if no line is so.
    pub(crate) fn of(checks: &[Check], lengths: &Lengths) -> Option<Self> {
        let mut lengths = lengths.clone();
        let mut windows: Vec<Window> = Vec::new();
        for check in checks {
            for piece in pieces(check)? {
                let room = match windows.last_mut() {
                    Some(window) => window.add(&piece, &lengths),
                    None => None,
                };
                let room = match room {
                    Some(room) => room,
                    None => {
                        windows.push(Window::new(&piece)?);
                        HALF
                    }
                };
                if piece.from.lane != piece.to.lane {
                    lengths.narrow(&piece, room)?;
                }
            }
        }
        let sets = windows.chunks(WINDOWS).map(PackSet::of).collect();
        Some(Self { lengths, sets })
    }
}

/// The first alternative of a check.
fn pieces(check: &Check) -> Option<Vec<Piece<'_>>> {
    Some(match check {
        Check::Template { at, lanes, len } => {
            let piece = |start: usize| {
                let len = (len - start).min(HALF);
                let from = at.after(u16::try_from(start).ok()?);
                Some(Piece {
                    from,
                    to: from.after(u16::try_from(len).ok()?),
                    min: len,
                    max: len,
                    lanes,
                    start,
                })
            };
            (0..*len)
                .step_by(HALF)
                .map(piece)
                .collect::<Option<Vec<_>>>()?
        }
        Check::Content {
            from,
            to,
            alternatives,
        } => {
            let first = alternatives.first()?;
            vec![Piece {
                from: *from,
                to: *to,
                min: first.min,
                max: first.max,
                lanes: &first.lanes,
                start: 0,
            }]
        }
    })
}

impl Window {
    fn new(piece: &Piece<'_>) -> Option<Self> {
        let mut window = Self {
            from: piece.from,
            to: piece.from,
            fixed: true,
            lanes: any(),
        };
        window.put(piece, 0)?;
        Some(window)
    }

    /// Adds a piece, if it is always as far from the window's beginning and there is room. Returns how
    /// much there is.
    fn add(&mut self, piece: &Piece<'_>, lengths: &Lengths) -> Option<usize> {
        let at = lengths.distance(self.from, piece.from)?;
        let room = HALF.checked_sub(at).filter(|_| self.fixed)?;
        (piece.max.min(ROOM) <= room && piece.min <= room).then_some(())?;
        self.put(piece, at)?;
        Some(room)
    }

    fn put(&mut self, piece: &Piece<'_>, at: usize) -> Option<()> {
        copy(&mut self.lanes, at, piece.lanes, piece.start, piece.max)?;
        self.to = piece.to;
        self.fixed = piece.min == piece.max;
        Some(())
    }
}

impl PackSet {
    fn of(windows: &[Window]) -> Self {
        let mut places = WindowLanes {
            lanes: [0; LANES],
            // What is no window has no bytes, at the beginning of the line.
            adds: [1; LANES],
        };
        let slots = places.lanes.iter_mut().zip(&mut places.adds);
        let ends = windows.iter().flat_map(|it| [it.from, it.to]);
        for ((lane, add), place) in slots.zip(ends) {
            *lane = u16::try_from(place.lane).unwrap_or(u16::MAX);
            *add = place.add;
        }
        let packs = windows.chunks(2).map(|pair| {
            let mut lanes = any();
            for (window, at) in pair.iter().zip([0, HALF]) {
                copy(&mut lanes, at, &window.lanes, 0, HALF);
            }
            lanes
        });
        Self {
            windows: places,
            packs: packs.collect(),
        }
    }
}

impl Lengths {
    /// How far two places are from each other, if all lines have them at this distance.
    fn distance(&self, from: Place, to: Place) -> Option<usize> {
        let mut distance = to.add.wrapping_sub(from.add);
        for lane in from.lane..to.lane {
            if *self.more.get(lane)? > 0 {
                return None;
            }
            distance = distance.wrapping_add(*self.least.get(lane)?);
        }
        (from.lane <= to.lane).then_some(usize::from(distance))
    }

    /// Leaves the lengths that a piece has, up to `room`.
    fn narrow(&mut self, piece: &Piece<'_>, room: usize) -> Option<()> {
        let Piece { from, to, .. } = piece;
        let max = piece.max.min(room);
        let around = from.add.wrapping_sub(to.add);
        *self.least.get_mut(from.lane)? = around.wrapping_add(u16::try_from(piece.min).ok()?);
        *self.more.get_mut(from.lane)? = u16::try_from(max.checked_sub(piece.min)?).ok()?;
        (from.lane + 1 == to.lane && to.lane < LANES).then_some(())
    }
}

fn any() -> Lanes {
    let any = Ranges {
        low: [0; BLOCK],
        span: [u8::MAX; BLOCK],
    };
    Lanes {
        first: any.clone(),
        second: any,
    }
}

/// Copies so many lanes, half of a block at most; `None` if the places are not there.
fn copy(to: &mut Lanes, at: usize, from: &Lanes, start: usize, len: usize) -> Option<()> {
    for (to, from) in [
        (&mut to.first.low, &from.first.low),
        (&mut to.first.span, &from.first.span),
        (&mut to.second.low, &from.second.low),
        (&mut to.second.span, &from.second.span),
    ] {
        let (to, from) = (to.get_mut(at..)?, from.get(start..)?);
        for (to, from) in to.iter_mut().zip(from).take(len.min(HALF)) {
            *to = *from;
        }
    }
    Some(())
}
