use std::{fmt, ops::Range, sync::Arc};

use super::{
    Detector, Detectors, Tag,
    detect::{self, Found, Sink, What},
    pattern::Patterns,
    prefilter::{Find, Hit, Prefilter},
};
use crate::{
    error::Error,
    scan::{self, Chosen, Kernel},
};

/// Finds what is sensitive in text: one pass over the bytes for the places where something may be, and
/// then the [detectors](Detector) at these. Cheap to clone.
///
/// # Overlaps
///
/// Findings do not overlap. Where two would, a secret goes before anything else: a tag that begins with
/// `SECRET_`. Then one [`Pattern`] of the user's goes before another by their order, patterns go before
/// detectors, and detectors by the order of [`Detector`]; of the same the one that begins first, then the
/// longer. What the other one has beyond that is added to the range, so that no masked value has a part of
/// another next to it. Such a range is not what the tag says any more, and a
/// [`Masker`](super::Masker) leaves nothing of it where the action would leave a part.
///
/// ```
/// use opsbox_log::mask::{Detector, Scanner};
///
/// let text = "user=a@example.com called from 138 1234 5678, version 1.2.3.4";
/// let findings = Scanner::new().scan(text.as_bytes());
/// let found: Vec<_> = findings.iter().map(|it| (it.rule(), &text[it.range()])).collect();
/// assert_eq!(found, [("email", "a@example.com"), ("phone_cn", "138 1234 5678")]);
/// # Ok::<(), opsbox_log::Error>(())
/// ```
#[derive(Clone)]
pub struct Scanner {
    detectors: Detectors,
    prefilter: Arc<Prefilter>,
    patterns: Patterns,
    kernel: Chosen,
}

/// A pattern of one's own, with the tag of what it finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pub(super) name: Box<str>,
    pub(super) pattern: Box<str>,
    pub(super) tag: Tag,
}

impl Pattern {
    /// A regular expression in the syntax of regex-automata, over bytes, as for
    /// [`Format::pattern`](crate::Format::pattern). With a group of the name `value` only what that
    /// captures is found. It is compiled by [`Scanner::with_pattern`].
    pub fn new(name: &str, pattern: &str, tag: Tag) -> Self {
        Self {
            name: name.into(),
            pattern: pattern.into(),
            tag,
        }
    }

    /// The name in reports.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tag.
    pub fn tag(&self) -> &Tag {
        &self.tag
    }
}

/// Something sensitive, and where. It does not hold the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    range: Range<usize>,
    rule: Rule,
}

/// The detector, or the name and tag of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Detector(Detector),
    Pattern(Box<Pattern>),
}

impl Finding {
    /// The bytes in the text.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// The detector; none if a [`Pattern`] found it.
    pub fn detector(&self) -> Option<Detector> {
        match &self.rule {
            Rule::Detector(detector) => Some(*detector),
            Rule::Pattern(_) => None,
        }
    }

    /// The name of the detector or pattern.
    pub fn rule(&self) -> &str {
        match &self.rule {
            Rule::Detector(detector) => detector.name(),
            Rule::Pattern(pattern) => &pattern.name,
        }
    }

    /// The tag.
    pub fn tag(&self) -> Tag {
        match &self.rule {
            Rule::Detector(detector) => detector.tag(),
            Rule::Pattern(pattern) => pattern.tag.clone(),
        }
    }
}

/// Memory for scanning one value after the other.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    hits: Vec<Hit>,
    /// In their order, without overlaps.
    pub(super) found: Vec<Found>,
}

impl Scratch {
    /// Where a detector looked in the value that was scanned last, which begins here.
    pub(super) fn places(&self, start: usize) -> impl Iterator<Item = usize> {
        self.hits.iter().map(move |hit| start + hit.at)
    }
}

impl Scanner {
    /// With the [usual](Detector::USUAL) detectors.
    pub fn new() -> Self {
        Self::of(Detector::USUAL)
    }

    /// With these detectors alone.
    pub fn of(detectors: impl IntoIterator<Item = Detector>) -> Self {
        let detectors = detectors.into_iter().collect();
        Self {
            detectors,
            prefilter: Arc::new(Prefilter::new(detectors)),
            patterns: Patterns::default(),
            kernel: Chosen::new(Kernel::best()),
        }
    }

    /// Looks for this too. Each pattern costs a search of its own in values in which one of the
    /// patterns matches, and all together one in every value.
    ///
    /// # Errors
    ///
    /// `MaskRule` for what does not compile, can match nothing at all, or is beyond a
    /// [limit](crate::limits).
    pub fn with_pattern(mut self, pattern: Pattern) -> Result<Self, Error> {
        self.patterns = self.patterns.with(pattern)?;
        Ok(self)
    }

    /// Runs on this kernel instead of the [best](Kernel::best) one; on the best if the processor does
    /// not have it. The findings are the same.
    #[must_use]
    pub fn kernel(mut self, kernel: Kernel) -> Self {
        self.kernel = Chosen::new(kernel);
        self
    }

    /// What is in a text, in the order of the places. The time is linear in its length, but for that
    /// of [patterns](Pattern), which is limited by [`MAX_PATTERN_MATCH_BYTES`] for each byte.
    ///
    /// [`MAX_PATTERN_MATCH_BYTES`]: crate::limits::MAX_PATTERN_MATCH_BYTES
    pub fn scan(&self, text: &[u8]) -> Vec<Finding> {
        let mut scratch = Scratch::default();
        self.scan_in(text, 0..text.len(), &mut scratch);
        let found = scratch.found.into_iter();
        found.map(|it| self.finding(it)).collect()
    }

    /// As [`scan`](Self::scan), of a range of a text, without memory of its own and without names. What is found counts from
    /// the beginning of the range.
    pub(super) fn scan_in(&self, source: &[u8], range: Range<usize>, scratch: &mut Scratch) {
        let Some(text) = source.get(range.clone()) else {
            return;
        };
        let Scratch { hits, found } = scratch;
        hits.clear();
        found.clear();
        if !self.detectors.is_empty() {
            let find = Find {
                source,
                range,
                prefilter: &self.prefilter,
                hits,
            };
            scan::run(self.kernel, find);
            let mut sink = Sink::new(self.detectors, found);
            for hit in hits.iter() {
                detect::look(text, *hit, &mut sink);
            }
        }
        self.patterns.find(text, found);
        if found.len() > 1 {
            settle(found, |what| match what {
                What::Detector(detector) => detector.tag().is_secret(),
                What::Pattern(at) => {
                    let pattern = self.patterns.all().get(usize::from(at));
                    pattern.is_none_or(|it| it.tag.is_secret())
                }
            });
        }
    }

    /// Whether all that is found is found at [places](Scratch::places).
    pub(super) fn is_by_hits(&self) -> bool {
        self.patterns.all().is_empty()
    }

    pub(super) fn patterns(&self) -> &[Pattern] {
        self.patterns.all()
    }

    pub(super) fn detectors(&self) -> impl Iterator<Item = Detector> + use<> {
        let detectors = self.detectors;
        Detector::ALL
            .into_iter()
            .filter(move |&it| detectors.contains(it))
    }

    pub(super) fn wants(&self, detector: Detector) -> bool {
        self.detectors.contains(detector)
    }

    fn finding(&self, found: Found) -> Finding {
        let rule = match found.what {
            What::Detector(detector) => Rule::Detector(detector),
            What::Pattern(at) => {
                let pattern = self.patterns.all().get(usize::from(at)).cloned();
                pattern.map_or(Rule::Detector(Detector::SecretPair), |it| {
                    Rule::Pattern(it.into())
                })
            }
        };
        Finding {
            range: found.range,
            rule,
        }
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detectors: Vec<_> = self.detectors().collect();
        f.debug_struct("Scanner")
            .field("detectors", &detectors)
            .field("patterns", &self.patterns.all())
            .finish_non_exhaustive()
    }
}

/// Joins what overlaps, as the [`Scanner`] says.
fn settle(found: &mut Vec<Found>, is_secret: impl Fn(What) -> bool) {
    found.sort_unstable_by(|a, b| {
        let by_place = (a.range.start, a.what).cmp(&(b.range.start, b.what));
        by_place.then_with(|| b.range.end.cmp(&a.range.end))
    });
    let rank = |what: What| (!is_secret(what), what);
    let mut kept: usize = 0;
    for at in 1..found.len() {
        let (front, back) = found.split_at_mut(at);
        let (Some(last), Some(next)) = (front.get_mut(kept), back.first()) else {
            break;
        };
        if next.range.start < last.range.end {
            let all = last.range.start..last.range.end.max(next.range.end);
            if rank(next.what) < rank(last.what) {
                last.what = next.what;
                last.widened = all != next.range;
            } else {
                last.widened |= all != last.range;
            }
            last.range = all;
            continue;
        }
        kept += 1;
        let next = next.clone();
        if let Some(slot) = found.get_mut(kept) {
            *slot = next;
        }
    }
    found.truncate(kept + 1);
}
