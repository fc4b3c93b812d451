//! What a scan found: certificates, problems, and what was left out and why.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::bundle::Bundle;
use crate::error::Error;
use crate::facts::CertFacts;
use crate::text::Escaped;

/// Everything a scan found, in a fixed order: paths as they were given, folders sorted by name.
///
/// ```
/// use opsbox_cert::Scan;
///
/// let report = Scan::new().path("no/such/folder").run();
/// assert!(report.is_empty());
/// assert_eq!(report.problems().len(), 1);
/// assert_eq!(report.counts().files, 1);
/// ```
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ScanReport {
    pub(crate) bundles: Vec<Bundle>,
    pub(crate) problems: Vec<Error>,
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) counts: Counts,
}

impl ScanReport {
    /// The files with at least one readable certificate.
    pub fn bundles(&self) -> &[Bundle] {
        &self.bundles
    }

    /// Every certificate with the file it is in, in order.
    pub fn certificates(&self) -> impl Iterator<Item = (&Path, &CertFacts)> {
        self.bundles.iter().flat_map(|bundle| {
            let certificates = bundle.certificates().iter();
            certificates.map(|facts| (bundle.source(), facts))
        })
    }

    /// All that should have been readable and was not: files, folders, single sections.
    pub fn problems(&self) -> &[Error] {
        &self.problems
    }

    /// What was left out on purpose although it looks related.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Totals, which add up.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether not one certificate was found. A scan of the wrong folder is empty and has no problem.
    pub fn is_empty(&self) -> bool {
        self.bundles.is_empty()
    }
}

/// Totals of a scan: `files == read + failed + skipped + ignored`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Counts {
    /// Folder entries and given paths that were looked at, without the folders that were entered.
    pub files: usize,
    /// Files with at least one readable certificate.
    pub read: usize,
    /// Files and folders that gave nothing but a problem.
    pub failed: usize,
    /// Entries in [`ScanReport::skipped`].
    pub skipped: usize,
    /// Entries that are nothing to look at: files that have neither the extension of a certificate nor
    /// a PEM certificate or key in their first [`SNIFF_BYTES`](crate::limits::SNIFF_BYTES); links by
    /// subject hash to an entry of the same folder, and links to nothing that are not named as a
    /// certificate; and names that start with `..`, the generations of a Kubernetes secret.
    pub ignored: usize,
    /// Folders that were entered.
    pub folders: usize,
    /// Certificates that were read.
    pub certificates: usize,
    /// Entries in [`ScanReport::problems`].
    pub problems: usize,
}

/// Something that a scan left out on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Skipped {
    pub(crate) path: PathBuf,
    pub(crate) why: SkipReason,
    pub(crate) detail: String,
}

/// Why a scan left something out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum SkipReason {
    /// It holds a private key and no certificate, or is named `.key` and was not opened.
    PrivateKey,
    /// A binary container that is not read, such as PKCS#12; its certificates are not watched.
    Container,
    /// PEM of another kind: a request, a CRL, parameters.
    OtherContent,
    /// A pipe, socket or device; it was not read.
    NotAFile,
    /// A folder that was entered before by another path or link.
    AlreadyScanned,
    /// A link, with links not being followed.
    Link,
}

impl Skipped {
    /// The file or folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The reason for a program.
    pub fn why(&self) -> SkipReason {
        self.why
    }

    /// The reason for a human.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.to_string_lossy();
        write!(f, "skipped {}: {}", Escaped(&path), self.detail)
    }
}

/// `path`, `why` and `detail`.
#[cfg(feature = "serde")]
impl serde::Serialize for Skipped {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut out = serializer.serialize_struct("Skipped", 3)?;
        out.serialize_field("path", &self.path.to_string_lossy())?;
        out.serialize_field("why", &self.why)?;
        out.serialize_field("detail", &self.detail)?;
        out.end()
    }
}
