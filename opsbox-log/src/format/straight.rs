//! The way that most lines take through some steps, with no choices left.

use super::{
    head::{Builder, Operation, Window, WindowRun},
    plan::{Outside, Skip, Step},
    signature::CellLanes,
};
use crate::scan::LANES;

/// Of each choice the first alternative, of each option that it is there: what a walk would do if
/// these windows fit, one after the other.
///
/// A walk takes the first alternative of which the next bytes say that it may begin. Where the windows
/// fit to the end, the first one does begin, and so does what follows each run at its first stop: that
/// is where a lazy run ends, and the longest place for a greedy one.
#[derive(Debug)]
pub(crate) struct Straight {
    pub(crate) windows: Box<[Window]>,
    /// Lane 0 is the byte before the line, lane `i + 1` where window `i` begins.
    pub(crate) cells: CellLanes,
}

impl Straight {
    /// `None` if a part has no windows; for a line of so many columns.
    pub(crate) fn compile(steps: &[Step], columns: usize) -> Option<Self> {
        let mut builder = Builder::new(columns)?;
        flatten(steps, &mut builder)?;
        let (operations, cells) = builder.finish();
        let windows = operations.into_iter().map(|it| match it {
            Operation::Window(window) => Some(*window),
            _ => None,
        });
        let windows: Box<[Window]> = windows.collect::<Option<_>>()?;
        (windows.len() + 2 <= LANES).then_some(Self { windows, cells })
    }
}

fn flatten(steps: &[Step], builder: &mut Builder) -> Option<()> {
    for step in steps {
        match step {
            Step::Literal(_)
            | Step::Byte(_)
            | Step::Template(_)
            | Step::Open(_)
            | Step::Close(_) => builder.step(step, false)?,
            Step::One(set) => builder.one(set)?,
            Step::Run(run) => builder.run(window_run(&run.skip, run.min, run.max)?),
            // A greedy one would go on at an escape.
            Step::Escaped(run) if run.lazy || !run.follow.has(run.escape) => {
                builder.run(window_run(&run.skip, usize::from(run.needed), usize::MAX)?);
            }
            Step::Choice(alternatives) => flatten(&alternatives.first()?.steps, builder)?,
            Step::Repeat {
                ahead,
                body,
                min: 0,
                max: 1,
                ..
            } => {
                if !(ahead.is_empty() && builder.optional(body)) {
                    flatten(body, builder)?;
                }
            }
            Step::Escaped(_) | Step::Repeat { .. } | Step::Look(_) | Step::End => return None,
        }
    }
    Some(())
}

fn window_run(skip: &Skip, min: usize, max: usize) -> Option<WindowRun> {
    let stops = Outside::clone(skip.outside.as_deref()?);
    Some(WindowRun::new(&skip.set, stops, min, max.checked_sub(min)?))
}
