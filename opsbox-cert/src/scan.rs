//! Files and folders in, a report out.
//!
//! A scan never fails as a whole: what cannot be read is a problem in the report, and the rest is
//! read. It reads regular files only and no more of them than the limit, follows links, enters each
//! folder once, and leaves entries that start with `..` alone, which is where Kubernetes keeps the
//! generations of a mounted secret.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::bundle::{self, Bundle};
use crate::error::{Error, ErrorKind, Reason, Result};
use crate::file::{self, Marker};
use crate::limits::{MAX_DEPTH, MAX_FILE_BYTES, MAX_FILES};
use crate::report::{ScanReport, SkipReason, Skipped};

/// Reads all certificates of one file.
///
/// # Errors
///
/// If the file cannot be read, is not a regular file, is larger than
/// [`MAX_FILE_BYTES`], or no certificate in it can be read. If at least one can, the faults of the
/// others are in [`Bundle::problems`].
pub fn read_file(path: impl AsRef<Path>) -> Result<Bundle> {
    let path = path.as_ref();
    let bytes = file::read_regular(path, MAX_FILE_BYTES).map_err(|error| error.with_path(path))?;
    Bundle::parse(path, &bytes)
}

/// What to scan and how far to go.
///
/// ```no_run
/// use opsbox_cert::Scan;
///
/// let report = Scan::new().path("/etc/ssl/private").path("/srv/tls/site.pem").run();
/// for (source, facts) in report.certificates() {
///     println!("{}: {facts}", source.display());
/// }
/// for problem in report.problems() {
///     eprintln!("{problem}");
/// }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a scan does nothing until it is run"]
pub struct Scan {
    paths: Vec<PathBuf>,
    max_depth: usize,
    max_files: usize,
    max_file_bytes: u64,
    follow_links: bool,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            max_depth: MAX_DEPTH,
            max_files: MAX_FILES,
            max_file_bytes: MAX_FILE_BYTES,
            follow_links: true,
        }
    }
}

impl Scan {
    /// A scan of nothing, with the limits of [`limits`](crate::limits).
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file or a folder. A file that is named here is read whatever its name is.
    pub fn path(mut self, path: impl Into<PathBuf>) -> Self {
        self.paths.push(path.into());
        self
    }

    /// Adds many files or folders.
    pub fn paths<P: Into<PathBuf>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.paths.extend(paths.into_iter().map(Into::into));
        self
    }

    /// How many levels of sub folders are entered; 0 is the files of a given folder only.
    pub fn max_depth(mut self, levels: usize) -> Self {
        self.max_depth = levels;
        self
    }

    /// How many entries are looked at in all.
    pub fn max_files(mut self, files: usize) -> Self {
        self.max_files = files;
        self
    }

    /// The largest file that is read.
    pub fn max_file_bytes(mut self, bytes: u64) -> Self {
        self.max_file_bytes = bytes;
        self
    }

    /// Whether links inside folders are followed. They are by default, as certbot and Kubernetes use
    /// them; a given path is always followed.
    pub fn follow_links(mut self, follow: bool) -> Self {
        self.follow_links = follow;
        self
    }

    /// Reads everything.
    pub fn run(&self) -> ScanReport {
        let mut walk = Walk {
            scan: self,
            report: ScanReport::default(),
            entered: HashSet::new(),
            met: HashSet::new(),
            full: false,
        };
        for path in &self.paths {
            walk.given(path);
        }
        let mut report = walk.report;
        report.counts.skipped = report.skipped.len();
        report.counts.problems = report.problems.len();
        report.counts.read = report.bundles.len();
        report.counts.certificates = report.certificates().count();
        report
    }
}

struct Walk<'a> {
    scan: &'a Scan,
    report: ScanReport,
    /// Canonical paths of the folders that were entered: each is entered once, so loops end.
    entered: HashSet<PathBuf>,
    /// Files by the path they were met at, for a file that is given and also in a given folder.
    met: HashSet<PathBuf>,
    full: bool,
}

impl Walk<'_> {
    fn given(&mut self, path: &Path) {
        if !self.admit(path) {
            return;
        }
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.folder(path),
            Ok(metadata) if metadata.is_file() => self.file(path, true),
            Ok(metadata) => self.fail(path, file::not_a_file(metadata.file_type())),
            Err(error) => self.fail(path, Reason::io(error)),
        }
    }

    /// Walks a folder and its sub folders with an explicit stack, in sorted order.
    fn folder(&mut self, root: &Path) {
        let mut stack: Vec<(PathBuf, usize)> = vec![(root.to_path_buf(), 0)];
        while let Some((path, depth)) = stack.pop() {
            if depth > 0 && !self.admit(&path) {
                continue;
            }
            let kind = if depth == 0 {
                Ok(Kind::Folder)
            } else {
                self.kind(&path)
            };
            match kind {
                Ok(Kind::Folder) if depth > self.scan.max_depth => {
                    let limit = self.scan.max_depth;
                    self.fail(&path, Reason::TooDeep { limit });
                }
                Ok(Kind::Folder) => match self.enter(&path) {
                    Ok(names) => stack.extend(names.into_iter().rev().map(|p| (p, depth + 1))),
                    Err(reason) => self.fail(&path, reason),
                },
                Ok(Kind::File) => self.file(&path, false),
                Ok(Kind::Ignored) => self.report.counts.ignored += 1,
                Ok(Kind::Skipped(why, detail)) => self.skip(&path, why, detail),
                Err(error) => self.fail(&path, Reason::io(error)),
            }
        }
    }

    /// Lists a folder, sorted; nothing if it was entered before.
    fn enter(&mut self, path: &Path) -> Result<Vec<PathBuf>, Reason> {
        let canonical = fs::canonicalize(path).map_err(Reason::io)?;
        if !self.entered.insert(canonical) {
            let detail = "the folder was scanned before by another path or link";
            self.skip(path, SkipReason::AlreadyScanned, detail.into());
            return Ok(Vec::new());
        }
        let entries = fs::read_dir(path).map_err(Reason::io)?;
        let entries = entries.map(|entry| entry.map(|entry| entry.path()));
        let (names, fault) = listed(entries, self.scan.max_files);
        if let Some(fault) = fault {
            let reason = Reason::PartialFolder(fault.into());
            let error = Error::from(reason).with_path(path);
            self.report.problems.push(error);
        }
        self.report.counts.files -= 1;
        self.report.counts.folders += 1;
        Ok(names)
    }

    /// What a folder entry is, links resolved.
    fn kind(&self, path: &Path) -> io::Result<Kind> {
        let name = path.file_name().unwrap_or_default();
        if name.as_encoded_bytes().starts_with(b"..") {
            return Ok(Kind::Ignored);
        }
        let own = fs::symlink_metadata(path)?.file_type();
        let kind = if own.is_symlink() {
            let is_hash = file::is_openssl_hash_name(path);
            if is_hash && file::repeats_a_neighbour(path) {
                return Ok(Kind::Ignored);
            }
            if !self.scan.follow_links {
                let detail = "it is a link and links are not followed".into();
                return Ok(Kind::Skipped(SkipReason::Link, detail));
            }
            match fs::metadata(path) {
                Ok(metadata) => metadata.file_type(),
                // Editors keep locks as links to nothing; one named as a certificate is a problem.
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound
                        && !(is_hash || file::has_certificate_name(path)) =>
                {
                    return Ok(Kind::Ignored);
                }
                Err(error) => return Err(error),
            }
        } else {
            own
        };
        Ok(if kind.is_dir() {
            Kind::Folder
        } else if kind.is_file() {
            Kind::File
        } else {
            Kind::Skipped(SkipReason::NotAFile, file::not_a_file(kind).to_string())
        })
    }

    fn file(&mut self, path: &Path, given: bool) {
        if !given {
            if file::extension_is(path, &["key"]) {
                let detail = "it is named as a private key and was not opened".into();
                return self.skip(path, SkipReason::PrivateKey, detail);
            }
            if !file::has_certificate_name(path) {
                match file::sniff(path) {
                    Ok(Marker::Certificate) => {}
                    Ok(Marker::PrivateKey) => {
                        let detail = "it holds a private key and no certificate".into();
                        return self.skip(path, SkipReason::PrivateKey, detail);
                    }
                    Ok(Marker::None) => return self.report.counts.ignored += 1,
                    Err(error) => return self.fail_with(path, error),
                }
            }
        }
        let (bundle, problems) = match file::read_regular(path, self.scan.max_file_bytes) {
            Ok(bytes) => bundle::parse_all(path, &bytes),
            Err(error) => (None, vec![error.with_path(path)]),
        };
        if let Some(bundle) = bundle {
            self.report.bundles.push(bundle);
            self.report.problems.extend(problems);
            return;
        }
        let skip = problems.first().filter(|_| !given).and_then(|problem| {
            let why = skip_reason(problem)?;
            Some((why, problem.reason()))
        });
        match skip {
            Some((why, detail)) => self.skip(path, why, detail),
            None => {
                self.report.counts.failed += 1;
                self.report.problems.extend(problems);
            }
        }
    }

    /// Counts an entry, unless it was met before or the scan is full.
    fn admit(&mut self, path: &Path) -> bool {
        if self.full || self.met.contains(path) {
            return false;
        }
        let limit = self.scan.max_files;
        if self.report.counts.files + self.report.counts.folders >= limit {
            self.full = true;
            let error = Error::from(Reason::TooManyFiles { limit }).with_path(path);
            self.report.problems.push(error);
            return false;
        }
        self.met.insert(path.to_path_buf());
        self.report.counts.files += 1;
        true
    }

    fn skip(&mut self, path: &Path, why: SkipReason, detail: String) {
        self.report.skipped.push(Skipped {
            path: path.to_path_buf(),
            why,
            detail,
        });
    }

    fn fail(&mut self, path: &Path, reason: Reason) {
        self.fail_with(path, reason.into());
    }

    fn fail_with(&mut self, path: &Path, error: Error) {
        self.report.counts.failed += 1;
        self.report.problems.push(error.with_path(path));
    }
}

enum Kind {
    Folder,
    File,
    Ignored,
    Skipped(SkipReason, String),
}

/// The paths that can be listed, sorted, and the first fault among them.
fn listed(
    entries: impl Iterator<Item = io::Result<PathBuf>>,
    limit: usize,
) -> (Vec<PathBuf>, Option<io::Error>) {
    let (mut paths, mut fault) = (Vec::new(), None);
    // One more than the limit, so that the scan notices; a fault that is repeated counts too.
    for entry in entries.take(limit.saturating_add(1)) {
        match entry {
            Ok(path) => paths.push(path),
            Err(error) => {
                fault.get_or_insert(error);
            }
        }
    }
    paths.sort_unstable();
    (paths, fault)
}

/// In a folder, a whole file of another kind is not a problem.
fn skip_reason(problem: &Error) -> Option<SkipReason> {
    match problem.kind() {
        ErrorKind::PrivateKey => Some(SkipReason::PrivateKey),
        ErrorKind::Unsupported if problem.place().is_none() => Some(SkipReason::Container),
        ErrorKind::OtherContent => Some(SkipReason::OtherContent),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_cannot_be_listed_does_not_hide_the_others() {
        let entries = || {
            let broken = || Err(io::Error::other("broken"));
            [Ok("b".into()), broken(), Ok("a".into()), broken()].into_iter()
        };
        let (paths, fault) = listed(entries(), 10);
        assert_eq!(paths, ["a", "b"].map(PathBuf::from));
        let message = Error::from(Reason::PartialFolder(fault.unwrap().into()))
            .with_path(Path::new("certs"))
            .to_string();
        assert!(
            message.starts_with("cannot read certs: the folder"),
            "{message}"
        );
        assert_eq!(listed(entries(), 0).0, [PathBuf::from("b")]);
        let endless = std::iter::repeat_with(|| Err(io::Error::other("broken")));
        assert!(listed(endless, 10).0.is_empty());
    }
}
