//! A plan as operations on blocks: for lines whose beginning tells everything, and whose rest is text.
//!
//! Each operation looks at the 64 bytes from where the one before ended: at bytes of fixed places, and
//! then for the end of a run. It decides as the plan's steps do, or not at all: then the line is left
//! to them.

use super::{
    plan::{Outside, Plan, Run, Set, Step},
    signature::CellLanes,
    template::Template,
};
use crate::scan::{BLOCK, LANES, Lanes};

/// A plan for blocks.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) operations: Box<[Operation]>,
    /// Lane 0 is the byte before the line, lane `i + 1` where operation `i` begins.
    pub(crate) cells: CellLanes,
    /// Whether captures are inside of operations that are steps.
    pub(crate) patched: bool,
}

#[derive(Debug)]
pub(crate) enum Operation {
    Window(Box<Window>),
    /// What only the plan can do; the bytes without which it is left out, and the columns in it.
    Steps(Box<Step>, Option<Set>, Box<[usize]>),
    /// Nothing, or a byte and all the rest of the line as a column.
    OptionalRest(u8, usize),
    /// All the rest of the line.
    Rest,
}

/// Bytes of fixed places, then a run.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) lanes: Lanes,
    /// The second range of each byte is the first one.
    pub(crate) one_range: bool,
    /// Bytes of fixed places.
    pub(crate) len: usize,
    pub(crate) run: Option<WindowRun>,
    /// The operation is left out where its first byte is not there.
    pub(crate) optional: bool,
    /// The bytes, if there are few, each can be one only, and no run follows.
    pub(crate) literal: Option<Literal>,
}

/// A few bytes as a word, the first one lowest.
#[derive(Debug)]
pub(crate) struct Literal {
    pub(crate) word: u64,
    /// Which bytes of a word there are.
    pub(crate) mask: u64,
}

#[derive(Debug)]
pub(crate) struct WindowRun {
    /// The bytes that end it.
    pub(crate) stops: Outside,
    /// The lanes after the bytes of fixed places have those that do not: then one look finds both.
    pub(crate) in_lanes: bool,
    /// Those that do not end it.
    set: Set,
    pub(crate) min: usize,
    /// How many more than `min` there may be.
    pub(crate) more: usize,
}

impl WindowRun {
    /// A run of bytes of a set, outside of which are the stops; a line feed is one in any case.
    pub(super) fn new(set: &Set, stops: Outside, min: usize, more: usize) -> Self {
        Self {
            stops,
            in_lanes: false,
            set: set.clone().minus(&Set::byte(b'\n')),
            min,
            more,
        }
    }
}

impl Head {
    /// The plan for blocks; `None` if little would be gained.
    pub(crate) fn compile(plan: &Plan) -> Option<Self> {
        let mut builder = Builder::new(plan.columns)?;
        for (at, step) in plan.steps.iter().enumerate() {
            builder.step(step, at + 1 == plan.steps.len())?;
        }
        builder.close(None, false);
        let windows = builder.operations.iter();
        let windows = windows.filter(|it| matches!(it, Operation::Window(_)));
        let worth = 2 * windows.count() >= builder.operations.len();
        (worth && builder.operations.len() + 3 <= LANES).then(|| Self {
            operations: builder.operations.into(),
            cells: builder.cells,
            patched: builder.patched,
        })
    }
}

pub(super) struct Builder {
    operations: Vec<Operation>,
    /// Of the operation that is not closed yet.
    template: Template,
    cells: CellLanes,
    patched: bool,
}

impl Builder {
    /// `None` if there are too many columns.
    pub(super) fn new(columns: usize) -> Option<Self> {
        Some(Self {
            operations: Vec::new(),
            template: Template::default(),
            cells: CellLanes::absent(columns)?,
            patched: false,
        })
    }

    pub(super) fn finish(mut self) -> (Vec<Operation>, CellLanes) {
        self.close(None, false);
        (self.operations, self.cells)
    }

    pub(super) fn step(&mut self, step: &Step, last: bool) -> Option<()> {
        match step {
            Step::Literal(literal) => {
                literal
                    .iter()
                    .try_for_each(|&byte| self.one(&Set::byte(byte)))?;
            }
            Step::Byte(byte) => self.one(&Set::byte(*byte))?,
            Step::Template(template) => {
                if self.template.len() + template.len() > BLOCK / 2 {
                    self.close(None, false);
                }
                if template.len() > BLOCK / 2 {
                    return None;
                }
                self.template.append(template);
            }
            Step::Open(column) => {
                let place = self.place();
                self.cells.open(*column, place);
            }
            Step::Close(column) => {
                let place = self.place();
                self.cells.close(*column, place);
            }
            Step::Run(run) if is_rest(run) => {
                self.close(None, false);
                self.operations.push(Operation::Rest);
            }
            Step::Run(run) => match window_run(run) {
                Some(window) => self.run(window),
                None => self.steps(step.clone()),
            },
            // Where one byte does not tell whether it is there, the step looks ahead.
            Step::Repeat {
                body,
                ahead,
                min: 0,
                max: 1,
                ..
            } if ahead.is_empty() && (self.optional(body) || last && self.optional_rest(body)) => {}
            Step::End if last => {}
            Step::One(_)
            | Step::Escaped(_)
            | Step::Choice(_)
            | Step::Repeat { .. }
            | Step::Look(_)
            | Step::End => self.steps(step.clone()),
        }
        Some(())
    }

    pub(super) fn one(&mut self, set: &Set) -> Option<()> {
        if self.template.len() == BLOCK / 2 {
            self.close(None, false);
        }
        self.template.push(set).then_some(())
    }

    /// Where the next byte is: an operation's beginning, and a distance.
    fn place(&self) -> (usize, u16) {
        let add = u16::try_from(self.template.len()).unwrap_or(u16::MAX);
        (self.operations.len() + 1, add)
    }

    /// A group of bytes of fixed places and a run, which may be missing.
    pub(super) fn optional(&mut self, body: &[Step]) -> bool {
        let mut template = Template::default();
        let mut run = None;
        for step in body {
            let room = run.is_none() && template.len() < BLOCK / 2;
            let fits = match step {
                Step::Literal(literal) => {
                    literal.iter().all(|&byte| template.push(&Set::byte(byte)))
                }
                Step::Byte(byte) => template.push(&Set::byte(*byte)),
                Step::Template(other) => {
                    template.append(other);
                    true
                }
                Step::Run(it) => {
                    run = window_run(it);
                    run.is_some()
                }
                _ => false,
            };
            if !(room && fits) {
                return false;
            }
        }
        if template.len() == 0 || template.len() > BLOCK / 2 {
            return false;
        }
        self.close(None, false);
        self.template = template;
        self.close(run, true);
        true
    }

    /// A byte and the rest of the line, which may be missing.
    fn optional_rest(&mut self, body: &[Step]) -> bool {
        match *body {
            [
                Step::Byte(byte),
                Step::Open(column),
                Step::Run(ref run),
                Step::Close(_),
            ] if is_rest(run) => {
                self.close(None, false);
                self.cells.present(column);
                self.operations.push(Operation::OptionalRest(byte, column));
                self.patched = true;
                true
            }
            _ => false,
        }
    }

    fn steps(&mut self, step: Step) {
        self.close(None, false);
        let mut columns = Vec::new();
        step.columns(&mut columns);
        self.patched |= !columns.is_empty();
        for &column in &columns {
            self.cells.present(column);
        }
        let first = match &step {
            Step::Repeat { first, min: 0, .. } => Some(first.clone()),
            _ => None,
        };
        let steps = Operation::Steps(Box::new(step), first, columns.into());
        self.operations.push(steps);
    }

    pub(super) fn run(&mut self, run: WindowRun) {
        self.close(Some(run), false);
    }

    /// Ends the operation, with a run if there is one.
    fn close(&mut self, run: Option<WindowRun>, optional: bool) {
        if self.template.len() == 0 && run.is_none() {
            return;
        }
        let template = std::mem::take(&mut self.template);
        let mut lanes = template.clone();
        let mut run = run;
        if let Some(run) = &mut run {
            run.in_lanes = (template.len()..BLOCK).all(|_| lanes.push(&run.set));
        }
        let lanes = match &run {
            Some(run) if run.in_lanes => lanes.lanes(),
            _ => template.lanes(),
        };
        self.operations.push(Operation::Window(Box::new(Window {
            one_range: lanes.first == lanes.second,
            lanes: lanes.clone(),
            len: template.len(),
            literal: literal(&template).filter(|_| run.is_none()),
            run,
            optional,
        })));
    }
}

/// The bytes of a template that are one each; `None` if there are others, or too many.
fn literal(template: &Template) -> Option<Literal> {
    let mut literal = Literal { word: 0, mask: 0 };
    if template.len() > 8 {
        return None;
    }
    for (set, at) in template.sets().zip((0..).step_by(8)) {
        let mut members = set.members();
        let byte = members.next().filter(|_| members.next().is_none())?;
        literal.word |= u64::from(byte) << at;
        literal.mask |= 0xff << at;
    }
    Some(literal)
}

/// Whether a run takes all there is.
fn is_rest(run: &Run) -> bool {
    let line = Set::byte(b'\n').union(&run.set);
    !run.lazy
        && line.is_full()
        && (run.min, run.max) == (0, u32::MAX as usize)
        && run.follow.first.is_empty()
        && run.follow.first.end
        && run.follow.literal.is_empty()
}

/// A run that ends at the first byte that it may not pass over.
fn window_run(run: &Run) -> Option<WindowRun> {
    let first = match run.lazy {
        // It ends where what follows may begin, and one byte is enough to tell.
        true => run.follow.literal.is_empty() && run.follow.ahead.is_empty(),
        false => run.follow.disjoint,
    };
    let line = run.skip.set.clone().minus(&Set::byte(b'\n'));
    let stops = Outside::of(&line).filter(|_| first)?;
    let more = run.max.checked_sub(run.min)?;
    Some(WindowRun::new(&line, stops, run.min, more))
}
