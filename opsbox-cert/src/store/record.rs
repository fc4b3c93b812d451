//! What a store keeps as one unit: named parts that are read and written together or not at all.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::fault::invalid;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{MAX_PART_NAME_BYTES, MAX_RECORD_BYTES, MAX_RECORD_PARTS};

/// A few named parts, such as `tls.key`, `tls.crt` and `metadata.json`: the unit of reading and
/// writing.
///
/// The name of a part has lower-case letters, digits and `.-`, a letter first. A part whose name
/// ends in `.key` is private: `Encrypted` seals it. The bytes of every part are wiped when
/// the record is dropped, and `Debug` shows their lengths alone.
///
/// ```
/// use opsbox_cert::store::Record;
///
/// let record = Record::new().with("tls.key", "secret")?.with("note.txt", "hello")?;
/// assert_eq!(record.part("note.txt"), Some(&b"hello"[..]));
/// assert_eq!(format!("{record:?}"), r#"Record {"note.txt": 5 bytes, "tls.key": 6 bytes}"#);
/// # Ok::<(), opsbox_cert::Error>(())
/// ```
#[derive(Default, PartialEq, Eq)]
pub struct Record {
    parts: BTreeMap<Box<str>, Zeroizing<Vec<u8>>>,
}

impl Record {
    /// A record without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// The record with this part, in place of one of the same name.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    pub fn with(mut self, part: &str, bytes: impl Into<Vec<u8>>) -> Result<Self> {
        self.insert(part, bytes)?;
        Ok(self)
    }

    /// Puts in a part, in place of one of the same name.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if the name is not made as said above,
    /// [`Limit`](ErrorKind::Limit) if there would be more than [`MAX_RECORD_PARTS`] parts or
    /// [`MAX_RECORD_BYTES`] bytes.
    pub fn insert(&mut self, part: &str, bytes: impl Into<Vec<u8>>) -> Result<()> {
        let bytes = Zeroizing::new(bytes.into());
        if !is_part_name(part) {
            let reason = format!(
                "a part has 1 to {MAX_PART_NAME_BYTES} lower-case letters, digits, dots and dashes, a letter first; choose such a name"
            );
            return Err(invalid("the name of a part of a record", reason));
        }
        let old = self.parts.get(part).map(|old| old.len());
        let parts = self.parts.len() + usize::from(old.is_none());
        let size = (self.len_bytes() - old.unwrap_or(0)).saturating_add(bytes.len());
        if parts > MAX_RECORD_PARTS || size > MAX_RECORD_BYTES {
            let reason = format!(
                "a record has at most {MAX_RECORD_PARTS} parts and {MAX_RECORD_BYTES} bytes; split it"
            );
            return Err(Error::store(
                ErrorKind::Limit,
                "add to a record the part",
                part,
                reason,
            ));
        }
        self.parts.insert(part.into(), bytes);
        Ok(())
    }

    /// The bytes of a part.
    pub fn part(&self, part: &str) -> Option<&[u8]> {
        self.parts.get(part).map(|bytes| bytes.as_slice())
    }

    /// Takes a part out.
    pub fn remove(&mut self, part: &str) -> Option<Zeroizing<Vec<u8>>> {
        self.parts.remove(part)
    }

    /// Names and bytes, ordered by name.
    pub fn parts(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.parts
            .iter()
            .map(|(part, bytes)| (&**part, bytes.as_slice()))
    }

    /// How many bytes all parts have together.
    pub fn len_bytes(&self) -> usize {
        self.parts.values().map(|bytes| bytes.len()).sum()
    }

    /// Whether there is no part.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// A copy: on purpose no `Clone`, since each is one more place where a key is.
    pub(super) fn copy(&self) -> Self {
        Self {
            parts: self.parts.clone(),
        }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Record ")?;
        let lengths = self
            .parts
            .iter()
            .map(|(part, bytes)| (part, format_args!("{} bytes", bytes.len()).to_string()));
        let mut map = f.debug_map();
        for (part, length) in lengths {
            map.entry(part, &format_args!("{length}"));
        }
        map.finish()
    }
}

/// Whether a part of this name is private.
#[cfg(feature = "store-encrypted")]
pub(super) fn is_private(part: &str) -> bool {
    part.ends_with(".key")
}

fn is_part_name(part: &str) -> bool {
    part.len() <= MAX_PART_NAME_BYTES
        && part.starts_with(|c: char| c.is_ascii_lowercase())
        && part
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b))
}

/// Which write of a record it is. Every write has another one, that of equal bytes too; it has no
/// order and means something to its own store only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Version(Arc<str>);

impl Version {
    /// A version as the store names it.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({})", self.0)
    }
}

/// A record as it was read, with its version.
#[derive(Debug)]
#[non_exhaustive]
pub struct Stored {
    /// The record.
    pub record: Record,
    /// The version to name in the condition of the next write.
    pub version: Version,
}

impl Stored {
    /// A record with its version.
    pub fn new(record: Record, version: Version) -> Self {
        Self { record, version }
    }
}

/// What has to hold for a write to be done. It is checked in one step with the write.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Condition {
    /// Nothing.
    Any,
    /// There is no such record.
    Absent,
    /// The record is the one that was read.
    Version(Version),
}

impl Condition {
    /// Whether it holds for what is there.
    pub fn holds(&self, current: Option<&Version>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => current.is_none(),
            Self::Version(version) => current == Some(version),
        }
    }
}
