use std::{fmt, mem, ops::Range, sync::Arc};

use super::{
    Action, Detector, Keys, MaskCount, MaskRefusal, MaskReport, Pattern, Policy, Scanner, Tag,
    detect::{self, Held, What},
    key::{Nonces, Refused},
    plain,
    scanner::Scratch,
};
use crate::{Batch, Column, ColumnBuilder, Field, error::Error};

/// Masks the columns of batches by a [`Policy`]. It keeps memory from one batch to the next; a clone for each
/// thread has its own.
///
/// The input's bytes are never changed: [`Record::raw`](crate::Record::raw), [`Batch::input`] and the
/// [unmatched](Batch::unmatched) lines still have everything. What leaves has to come from the columns, and
/// an unmatched line go through [`mask_text`](Self::mask_text).
pub struct Masker {
    rules: Arc<Rules>,
    work: Work,
}

/// What is the same for all batches.
struct Rules {
    policy: Policy,
    scanner: Scanner,
    keys: Option<Arc<Keys>>,
    /// Of the detectors, and then of the patterns.
    detector_actions: Vec<(Tag, Action)>,
    pattern_actions: Vec<(Tag, Action)>,
}

#[derive(Default)]
struct Work {
    scratch: Scratch,
    nonces: Nonces,
    out: Vec<u8>,
    counts: Vec<(What, u64)>,
    refused: Vec<(MaskRefusal, u64)>,
}

/// What is done with a column.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    Nothing,
    Tagged(Tag, Action),
    /// Looked through; by its name each value may be a secret as a whole.
    Scanned(Held),
}

/// What was found of each row where a detector would look, in the longest value of its that is in the input.
struct Looked {
    rows: Vec<LookedRow>,
    /// Places in the input.
    places: Vec<usize>,
}

#[derive(Clone, Default)]
struct LookedRow {
    range: Range<usize>,
    /// Its places.
    places: Range<usize>,
}

impl Looked {
    /// Of so many rows; of none it keeps nothing.
    fn new(rows: usize) -> Self {
        Self {
            rows: vec![LookedRow::default(); rows],
            places: Vec::new(),
        }
    }

    /// Keeps the places of the value that was scanned last.
    #[inline]
    fn note(&mut self, row: usize, range: Range<usize>, scratch: &Scratch) {
        let Some(known) = self.rows.get_mut(row) else {
            return;
        };
        if range.len() > known.range.len() {
            let first = self.places.len();
            self.places.extend(scratch.places(range.start));
            *known = LookedRow {
                range,
                places: first..self.places.len(),
            };
        }
    }

    /// Whether nothing is found in a part of the input, by what is known of the value that it is in.
    ///
    /// A place at which a detector looks depends on the bytes before it alone, and with fewer of them it is none. But of
    /// digits in a row only the first such place counts, and a part may begin between them.
    #[inline]
    fn is_quiet(&self, row: usize, part: &Range<usize>, input: &[u8]) -> bool {
        let Some(known) = self.rows.get(row) else {
            return false;
        };
        if part.start < known.range.start || known.range.end < part.end {
            return false;
        }
        if known.places.is_empty() {
            return true;
        }
        let before = part.start.checked_sub(1).and_then(|at| input.get(at));
        let parts_digits = matches!(before, Some(b'0'..=b'9' | b' ' | b'-'));
        let places = self.places.get(known.places.clone());
        let mut places = places.unwrap_or_default().iter();
        !parts_digits && !places.any(|place| part.contains(place))
    }
}

/// What became of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Masked {
    /// Nothing was found.
    Same,
    Changed,
    Dropped,
}

impl Masker {
    /// A masker. `keys` are needed if an action is [`Encrypt`](Action::Encrypt) or
    /// [`Pseudonym`](Action::Pseudonym).
    ///
    /// # Errors
    ///
    /// `MaskRule` if a pattern does not compile, an action is of a tag that nothing has, keys are
    /// missing, or a
    /// [limit](crate::limits) is exceeded.
    pub fn new(policy: Policy, keys: Option<Arc<Keys>>) -> Result<Self, Error> {
        policy.check(keys.as_deref())?;
        let scanner = policy.scanner()?;
        let of = |tag: Tag| {
            let action = policy.action_of(&tag).clone();
            (tag, action)
        };
        let detector_actions = Detector::ALL.map(|it| of(it.tag())).into();
        let pattern_actions = scanner
            .patterns()
            .iter()
            .map(|it| of(it.tag().clone()))
            .collect();
        let rules = Rules {
            policy,
            scanner,
            keys,
            detector_actions,
            pattern_actions,
        };
        Ok(Self {
            rules: Arc::new(rules),
            work: Work::default(),
        })
    }

    /// The same rules with other keys, as after a rotation.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_keys(&self, keys: Arc<Keys>) -> Result<Self, Error> {
        Self::new(self.rules.policy.clone(), Some(keys))
    }

    /// The keys.
    pub fn keys(&self) -> Option<&Arc<Keys>> {
        self.rules.keys.as_ref()
    }

    /// Masks all columns. Values without findings stay where they are, and columns without any as they are.
    pub fn mask<B: AsRef<[u8]>>(&mut self, batch: &mut Batch<B>) -> MaskReport {
        let mut report = MaskReport::default();
        let mut columns = Vec::new();
        let mut dropped = Vec::new();
        // Columns that were set may be parts of others.
        let mut looked = Looked::new(
            match batch.is_changed() && self.rules.scanner.is_by_hits() {
                true => batch.len(),
                false => 0,
            },
        );
        let texts = [batch.input(), batch.arena()];
        for column in batch.columns() {
            let plan = self.rules.plan(column.field().name());
            match &plan {
                Plan::Nothing => {}
                Plan::Tagged(tag, action) => {
                    let field = column.field();
                    match self.tagged(&column, tag, action, &mut report) {
                        Some(values) => columns.push((text(field), values)),
                        None => dropped.push(field.name().to_owned()),
                    }
                }
                Plan::Scanned(held) => {
                    let scanned = self.scanned(&column, *held, texts, &mut looked, &mut report);
                    if let Some(values) = scanned {
                        columns.push((text(column.field()), values));
                    }
                }
            }
        }
        let names: Vec<_> = columns
            .iter()
            .map(|(field, _)| field.name().to_owned())
            .collect();
        if batch.set_columns(columns).is_err() {
            // No column is new, so none is refused; but what is not masked does not leave.
            dropped.extend(names);
        }
        for name in dropped {
            batch.drop_column(&name);
        }
        report
    }

    /// Writes a text of the name with what is found in it masked, and adds to the report. The name
    /// counts as a field's: if it has a tag, or is that of a secret, the whole text is masked. Of a text that is dropped
    /// nothing is written.
    ///
    /// ```
    /// use opsbox_log::mask::{MaskReport, Masker, Policy};
    ///
    /// let mut masker = Masker::new(Policy::new(), None)?;
    /// let (mut out, mut report) = (Vec::new(), MaskReport::default());
    /// masker.mask_text("line", b"GET /?token=s3cr3t HTTP/1.1", &mut out, &mut report);
    /// assert_eq!(out, b"GET /?token=[REDACTED:SECRET_PASSWORD] HTTP/1.1");
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    pub fn mask_text(
        &mut self,
        name: &str,
        text: &[u8],
        out: &mut Vec<u8>,
        report: &mut MaskReport,
    ) {
        let plan = self.rules.plan(name);
        match plan {
            Plan::Nothing => out.extend_from_slice(text),
            Plan::Tagged(tag, action) => {
                report.count(name, "field", &tag, &action, 1);
                match action {
                    Action::Drop => report.dropped_values += 1,
                    action => {
                        report.changed_values += 1;
                        let keys = self.rules.keys.as_deref();
                        let done =
                            action.apply(text, (&tag, None), keys, &mut self.work.nonces, out);
                        self.work.note(done);
                    }
                }
            }
            Plan::Scanned(held) => {
                report.scanned_values += 1;
                report.scanned_bytes += text.len() as u64;
                match self.rules.look(text, 0..text.len(), held, &mut self.work) {
                    Masked::Same => out.extend_from_slice(text),
                    Masked::Changed => {
                        report.changed_values += 1;
                        out.extend_from_slice(&self.work.out);
                    }
                    Masked::Dropped => report.dropped_values += 1,
                }
            }
        }
        self.settle(name, report);
    }

    /// The column with each value masked as a whole; none if it is dropped.
    fn tagged(
        &mut self,
        column: &Column<'_>,
        tag: &Tag,
        action: &Action,
        report: &mut MaskReport,
    ) -> Option<ColumnBuilder> {
        let name = column.field().name();
        let keys = self.rules.keys.as_deref();
        let drops = *action == Action::Drop;
        let mut values = ColumnBuilder::with_capacity(if drops { 0 } else { column.len() });
        let mut count = 0;
        for (row, value) in column.iter().enumerate() {
            let Some(value) = value else { continue };
            count += 1;
            if !drops {
                let Work { nonces, .. } = &mut self.work;
                let mut done = Ok(());
                values.push_with(row, |out| {
                    done = action.apply(value, (tag, None), keys, nonces, out);
                });
                self.work.note(done);
            }
        }
        report.count(name, "field", tag, action, count);
        match drops {
            true => report.dropped_values += count,
            false => report.changed_values += count,
        }
        self.settle(name, report);
        (!drops).then_some(values)
    }

    /// The column with what is found in its values masked; none if nothing is. What is inside of a value that was looked
    /// through before is not looked at again, if nothing was there.
    fn scanned(
        &mut self,
        column: &Column<'_>,
        held: Held,
        [input, arena]: [&[u8]; 2],
        looked: &mut Looked,
        report: &mut MaskReport,
    ) -> Option<ColumnBuilder> {
        let mut values: Option<ColumnBuilder> = None;
        let keep = |values: &mut ColumnBuilder, row| values.push_value_of(row, column, row);
        let is_free = held == Held::Anything;
        let by_hits = is_free && self.rules.scanner.is_by_hits();
        column.each_spot(|row, spot| {
            let (in_arena, range) = spot.place();
            let source = if in_arena { arena } else { input };
            report.scanned_values += 1;
            report.scanned_bytes += range.len() as u64;
            let is_quiet = by_hits
                && (!in_arena && looked.is_quiet(row, &range, input)
                    || plain::has_nothing(source, &range));
            let masked = match is_quiet {
                true => Masked::Same,
                false => {
                    let masked = self.rules.look(source, range.clone(), held, &mut self.work);
                    if is_free && !in_arena {
                        looked.note(row, range, &self.work.scratch);
                    }
                    masked
                }
            };
            if masked == Masked::Same {
                if let Some(values) = &mut values {
                    keep(values, row);
                }
                return;
            }
            let values = values.get_or_insert_with(|| {
                let mut values = ColumnBuilder::with_capacity(column.len());
                for before in 0..row {
                    keep(&mut values, before);
                }
                values
            });
            match masked {
                Masked::Dropped => report.dropped_values += 1,
                _ => {
                    report.changed_values += 1;
                    values.push_bytes(row, &self.work.out);
                }
            }
        });
        self.settle(column.field().name(), report);
        values
    }

    /// Adds what was counted for a column to the report.
    fn settle(&mut self, column: &str, report: &mut MaskReport) {
        for (what, count) in mem::take(&mut self.work.counts) {
            let (tag, action) = self.rules.of(what);
            let rule = match what {
                What::Detector(detector) => detector.name(),
                What::Pattern(at) => {
                    let pattern = self.rules.scanner.patterns().get(usize::from(at));
                    pattern.map_or("", Pattern::name)
                }
            };
            report.count(column, rule, tag, action, count);
        }
        for (why, count) in mem::take(&mut self.work.refused) {
            *report.refused.entry(why).or_default() += count;
        }
    }
}

/// What is masked is text, whatever it was.
fn text(field: &Field) -> Field {
    Field::new(field.name())
}

impl Rules {
    fn plan(&self, name: &str) -> Plan {
        let policy = &self.policy;
        if let Some(tag) = policy.tag_of(name) {
            return Plan::Tagged(tag.clone(), policy.action_of(tag).clone());
        }
        let is_text = policy
            .free_text
            .as_ref()
            .is_none_or(|it| it.iter().any(|glob| glob.matches(name)));
        if policy.ignored.iter().any(|glob| glob.matches(name)) {
            return Plan::Nothing;
        }
        let held = match self.scanner.wants(Detector::SecretPair) {
            true => detect::held(name),
            false => Held::Anything,
        };
        match is_text || held != Held::Anything {
            true => Plan::Scanned(held),
            false => Plan::Nothing,
        }
    }

    /// Tag and action of what a rule finds.
    fn of(&self, what: What) -> &(Tag, Action) {
        static UNKNOWN: (Tag, Action) = (Tag::PASSWORD, Action::Redact);
        let found = match what {
            What::Detector(detector) => self.detector_actions.get(detector as usize),
            What::Pattern(at) => self.pattern_actions.get(usize::from(at)),
        };
        // Each rule has one.
        found.unwrap_or(&UNKNOWN)
    }

    /// Leaves the masked text in `work.out`, if there is something to mask. The value of a secret's name is one as a
    /// whole, unless it stands for nothing.
    fn look(&self, source: &[u8], range: Range<usize>, held: Held, work: &mut Work) -> Masked {
        let text = source.get(range.clone()).unwrap_or_default();
        if !held.is_secret(text) {
            return self.scan(source, range, work);
        }
        let what = What::Detector(Detector::SecretPair);
        let (tag, action) = self.of(what);
        let Work { nonces, out, .. } = &mut *work;
        out.clear();
        let by = Some(Detector::SecretPair);
        let done = action.apply(text, (tag, by), self.keys.as_deref(), nonces, out);
        work.note(done);
        work.count(what);
        match *action == Action::Drop {
            true => Masked::Dropped,
            false => Masked::Changed,
        }
    }

    /// The same of free text.
    fn scan(&self, source: &[u8], range: Range<usize>, work: &mut Work) -> Masked {
        let text = source.get(range.clone()).unwrap_or_default();
        self.scanner.scan_in(source, range, &mut work.scratch);
        if work.scratch.found.is_empty() {
            return Masked::Same;
        }
        work.out.clear();
        let mut masked = Masked::Changed;
        let mut place = 0;
        let found = mem::take(&mut work.scratch.found);
        for found in &found {
            let (tag, own) = self.of(found.what);
            let action = match own {
                Action::Partial | Action::KeepLast(_) if found.widened => &Action::Redact,
                own => own,
            };
            let value = text.get(found.range.clone()).unwrap_or_default();
            work.out
                .extend_from_slice(text.get(place..found.range.start).unwrap_or_default());
            place = found.range.end;
            let detector = match found.what {
                What::Detector(detector) => Some(detector),
                What::Pattern(_) => None,
            };
            if *action == Action::Drop {
                masked = Masked::Dropped;
            }
            let Work { nonces, out, .. } = &mut *work;
            let done = action.apply(value, (tag, detector), self.keys.as_deref(), nonces, out);
            work.note(done);
            work.count(found.what);
        }
        work.out
            .extend_from_slice(text.get(place..).unwrap_or_default());
        work.scratch.found = found;
        masked
    }
}

impl Work {
    fn count(&mut self, what: What) {
        match self.counts.iter_mut().find(|(other, _)| *other == what) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((what, 1)),
        }
    }

    fn note(&mut self, done: Result<(), Refused>) {
        let Err(refused) = done else { return };
        let why = match refused {
            Refused::Exhausted => MaskRefusal::KeyExhausted,
            Refused::Random => MaskRefusal::NoRandom,
            Refused::NoKey => MaskRefusal::NoKey,
        };
        match self.refused.iter_mut().find(|(other, _)| *other == why) {
            Some((_, count)) => *count += 1,
            None => self.refused.push((why, 1)),
        }
    }
}

impl MaskReport {
    fn count(&mut self, column: &str, rule: &str, tag: &Tag, action: &Action, count: u64) {
        if count == 0 {
            return;
        }
        let what = MaskCount {
            column: column.into(),
            rule: rule.into(),
            tag: tag.clone(),
            action: action.name(),
        };
        *self.counts.entry(what).or_default() += count;
    }
}

/// With the same rules and keys, and memory of its own.
impl Clone for Masker {
    fn clone(&self) -> Self {
        Self {
            rules: Arc::clone(&self.rules),
            work: Work::default(),
        }
    }
}

impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Masker")
            .field("policy", &self.rules.policy)
            .field("keys", &self.rules.keys)
            .finish_non_exhaustive()
    }
}
