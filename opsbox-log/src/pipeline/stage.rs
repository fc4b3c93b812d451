use std::{borrow::Cow, collections::BTreeMap, fmt};

use crate::{batch::Batch, error::Error};

/// The bytes that a pipeline's batches are over: a slice, or what was read.
pub type Input<'i> = Cow<'i, [u8]>;

/// A step of a [`Pipeline`](super::Pipeline), which changes the columns of batches. Cleaners, extractors, maskers and
/// [`Enrich`](crate::enrich::Enrich) are stages; so is [any function](super::Pipeline::stage_fn), and what implements
/// this.
///
/// ```
/// use opsbox_log::{Batch, Error, Format, Parser, export::ndjson::Ndjson};
/// use opsbox_log::pipeline::{Counts, Input, Pipeline, Stage};
///
/// /// Drops a column.
/// #[derive(Clone)]
/// struct Without(&'static str);
///
/// impl Stage for Without {
///     fn name(&self) -> &str {
///         "without"
///     }
///
///     fn apply(&mut self, batch: &mut Batch<Input<'_>>) -> Result<Counts, Error> {
///         let dropped = batch.drop_column(self.0);
///         Ok(Counts::new().with("dropped", u64::from(dropped)))
///     }
///
///     fn fork(&self) -> Box<dyn Stage> {
///         Box::new(self.clone())
///     }
/// }
///
/// let parser = Parser::new(Format::preset("logfmt")?);
/// let mut out = Vec::new();
/// let report = Pipeline::new(parser).stage(Without("password")).run(&b"a=1 password=x\n"[..], &mut out)?;
/// assert_eq!(out, b"{\"a\":\"1\"}\n");
/// assert_eq!(report.stages()[0].counts().get("dropped"), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Stage: Send {
    /// What it is called in reports, errors and spans.
    fn name(&self) -> &str;

    /// Works on a batch. Its counts are added to those of the batches before.
    ///
    /// # Errors
    ///
    /// An error ends the run, which says the stage and the line that the batch begins with. What a stage merely cannot
    /// handle should be counted.
    fn apply(&mut self, batch: &mut Batch<Input<'_>>) -> Result<Counts, Error>;

    /// The same stage for another thread.
    fn fork(&self) -> Box<dyn Stage>;
}

/// What a stage did, in numbers with names: the reasons and kinds of its report in snake case.
///
/// ```
/// use opsbox_log::pipeline::Counts;
///
/// let mut counts = Counts::new().with("repaired", 2);
/// counts.merge(&Counts::new().with("repaired", 1).with("refused", 0));
/// assert_eq!(counts.get("repaired"), 3);
/// // What did not happen is not named.
/// assert_eq!(counts.iter().count(), 1);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<Cow<'static, str>, u64>);

impl Counts {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a count added.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, count: u64) -> Self {
        self.add(name, count);
        self
    }

    /// Adds to a count.
    pub fn add(&mut self, name: impl Into<Cow<'static, str>>, count: u64) {
        if count > 0 {
            *self.0.entry(name.into()).or_default() += count;
        }
    }

    /// The count of this name.
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// All counts that are not 0, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, count)| (&**name, *count))
    }

    /// Adds other counts.
    pub fn merge(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            self.add(name.clone(), *count);
        }
    }
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.0).finish()
    }
}

/// A function as a stage.
pub(super) struct StageFn<F> {
    pub(super) name: Box<str>,
    pub(super) apply: F,
}

impl<F> Stage for StageFn<F>
where
    F: FnMut(&mut Batch<Input<'_>>) -> Result<Counts, Error> + Clone + Send + 'static,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn apply(&mut self, batch: &mut Batch<Input<'_>>) -> Result<Counts, Error> {
        (self.apply)(batch)
    }

    fn fork(&self) -> Box<dyn Stage> {
        Box::new(Self {
            name: self.name.clone(),
            apply: self.apply.clone(),
        })
    }
}

/// Named `clean`; counts `json`, `repaired`, `xml`, `plain`, `refused`, `unfit`, `coerced`, `left_out`, and by kind
/// `repair.*`, `refusal.*`, `change.*`.
#[cfg(feature = "json")]
impl Stage for crate::clean::Cleaner {
    fn name(&self) -> &str {
        "clean"
    }

    fn apply(&mut self, batch: &mut Batch<Input<'_>>) -> Result<Counts, Error> {
        let report = self.clean(batch);
        let mut counts = Counts::new()
            .with("json", report.json())
            .with("repaired", report.repaired())
            .with("xml", report.xml())
            .with("plain", report.plain())
            .with("refused", report.refused())
            .with("unfit", report.unfit())
            .with("coerced", report.coerced())
            .with("left_out", report.left_out())
            .with("columns_refused", report.columns_refused());
        for (repair, count) in report.repairs() {
            counts.add(format!("repair.{}", repair.as_str()), count);
        }
        for (refusal, count) in report.refusals() {
            counts.add(format!("refusal.{}", refusal.as_str()), count);
        }
        for (change, count) in report.changes() {
            counts.add(format!("change.{}", change.as_str()), count);
        }
        Ok(counts)
    }

    fn fork(&self) -> Box<dyn Stage> {
        Box::new(self.clone())
    }
}

/// Named `cef`; counts `examined`, `pairs`, `left_out`, `unread`.
impl Stage for crate::export::cef::ExtensionColumns {
    fn name(&self) -> &str {
        "cef"
    }

    fn apply(&mut self, batch: &mut Batch<Input<'_>>) -> Result<Counts, Error> {
        let report = Self::apply(self, batch)?;
        Ok(Counts::new()
            .with("examined", report.examined())
            .with("pairs", report.pairs())
            .with("left_out", report.left_out())
            .with("unread", report.unread()))
    }

    fn fork(&self) -> Box<dyn Stage> {
        Box::new(self.clone())
    }
}

/// Named `extract`; counts `examined`, `found`, `absent`, `failed`, `not_json`.
#[cfg(feature = "jmespath")]
impl Stage for crate::extract::Extractor {
    fn name(&self) -> &str {
        "extract"
    }

    fn apply(&mut self, batch: &mut Batch<Input<'_>>) -> Result<Counts, Error> {
        let report = self.extract(batch);
        Ok(Counts::new()
            .with("examined", report.examined())
            .with("found", report.found())
            .with("absent", report.absent())
            .with("failed", report.failed())
            .with("not_json", report.not_json()))
    }

    fn fork(&self) -> Box<dyn Stage> {
        Box::new(self.clone())
    }
}

/// Named `mask`; counts `findings`, `changed_values`, `dropped_values`, `scanned_bytes`, by tag `tag.*`, and
/// `refused.*`.
#[cfg(feature = "mask")]
impl Stage for crate::mask::Masker {
    fn name(&self) -> &str {
        "mask"
    }

    fn apply(&mut self, batch: &mut Batch<Input<'_>>) -> Result<Counts, Error> {
        let report = self.mask(batch);
        let mut counts = Counts::new()
            .with("findings", report.findings())
            .with("changed_values", report.changed_values())
            .with("dropped_values", report.dropped_values())
            .with("scanned_bytes", report.scanned_bytes());
        for (by, count) in report.counts() {
            counts.add(format!("tag.{}", by.tag), count);
        }
        for (refusal, count) in report.refused() {
            counts.add(format!("refused.{}", refusal.as_str()), count);
        }
        Ok(counts)
    }

    fn fork(&self) -> Box<dyn Stage> {
        Box::new(self.clone())
    }
}

/// Named `enrich`; counts by field `filled.*`, `kept.*`, `absent.*`, `traceparent.*` for those that are none, and
/// `columns_refused`.
#[cfg(feature = "enrich")]
impl Stage for crate::enrich::Enrich {
    fn name(&self) -> &str {
        "enrich"
    }

    fn apply(&mut self, batch: &mut Batch<Input<'_>>) -> Result<Counts, Error> {
        let report = Self::apply(self, batch)?;
        let mut counts = Counts::new().with("columns_refused", report.columns_refused());
        for (field, filled) in report.fields() {
            counts.add(format!("filled.{field}"), filled.filled());
            counts.add(format!("kept.{field}"), filled.kept());
            counts.add(format!("absent.{field}"), filled.absent());
        }
        for (problem, count) in report.refused() {
            counts.add(format!("traceparent.{}", problem.as_str()), count);
        }
        Ok(counts)
    }

    fn fork(&self) -> Box<dyn Stage> {
        Box::new(self.clone())
    }
}
