use std::{collections::BTreeMap, fmt};

use super::Tag;

/// What was masked, in numbers. It never has a value of the input; names of columns come from the input
/// where the format [discovers](crate::Format::fields) them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MaskReport {
    pub(super) counts: BTreeMap<MaskCount, u64>,
    pub(super) refused: BTreeMap<MaskRefusal, u64>,
    pub(super) scanned_values: u64,
    pub(super) scanned_bytes: u64,
    pub(super) changed_values: u64,
    pub(super) dropped_values: u64,
}

/// What findings are counted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct MaskCount {
    /// The column, or the name that [`mask_text`](super::Masker::mask_text) was given.
    pub column: Box<str>,
    /// The detector's or pattern's name; `field` for a field that has a tag as a whole.
    pub rule: Box<str>,
    /// The tag.
    pub tag: Tag,
    /// The name of the action.
    pub action: &'static str,
}

/// Why a value was redacted, though its tag has another action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MaskRefusal {
    /// The data key has encrypted as many values as it may: rotate it.
    KeyExhausted,
    /// The operating system gave no random bytes.
    NoRandom,
    /// There is no key.
    NoKey,
}

impl MaskRefusal {
    /// The name, for metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeyExhausted => "key_exhausted",
            Self::NoRandom => "no_random",
            Self::NoKey => "no_key",
        }
    }
}

impl MaskReport {
    /// All findings: fields that have a tag, and what was found in text.
    pub fn findings(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The findings by column, rule, tag and action.
    pub fn counts(&self) -> impl ExactSizeIterator<Item = (&MaskCount, u64)> {
        self.counts.iter().map(|(what, count)| (what, *count))
    }

    /// The findings of a tag.
    pub fn findings_of(&self, tag: &Tag) -> u64 {
        let of = self.counts.iter().filter(|(what, _)| what.tag == *tag);
        of.map(|(_, count)| count).sum()
    }

    /// The findings that were redacted, because their action could not be done.
    pub fn refused(&self) -> impl ExactSizeIterator<Item = (MaskRefusal, u64)> {
        self.refused.iter().map(|(why, count)| (*why, *count))
    }

    /// Values that were scanned as free text.
    pub fn scanned_values(&self) -> u64 {
        self.scanned_values
    }

    /// Their bytes.
    pub fn scanned_bytes(&self) -> u64 {
        self.scanned_bytes
    }

    /// Values that were replaced.
    pub fn changed_values(&self) -> u64 {
        self.changed_values
    }

    /// Values that were left out.
    pub fn dropped_values(&self) -> u64 {
        self.dropped_values
    }

    /// Adds the counts of another batch.
    pub fn merge(&mut self, other: &Self) {
        for (what, count) in &other.counts {
            match self.counts.get_mut(what) {
                Some(all) => *all += count,
                None => {
                    self.counts.insert(what.clone(), *count);
                }
            }
        }
        for (why, count) in &other.refused {
            *self.refused.entry(*why).or_default() += count;
        }
        self.scanned_values += other.scanned_values;
        self.scanned_bytes += other.scanned_bytes;
        self.changed_values += other.changed_values;
        self.dropped_values += other.dropped_values;
    }
}

/// A line for each count, and one for all.
impl fmt::Display for MaskReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in &self.counts {
            let MaskCount {
                column,
                rule,
                tag,
                action,
            } = what;
            let column = crate::text::Escaped(column.as_bytes());
            writeln!(f, "{column}: {count} {tag} by {rule}, {action}")?;
        }
        for (why, count) in &self.refused {
            writeln!(f, "{count} redacted instead: {}", why.as_str())?;
        }
        write!(
            f,
            "{} findings; {} values changed, {} dropped; {} scanned",
            self.findings(),
            self.changed_values,
            self.dropped_values,
            self.scanned_values
        )
    }
}
