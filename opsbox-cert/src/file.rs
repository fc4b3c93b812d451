//! Opening one file without being held up by it, and a first look at what it is.

use std::ffi::OsStr;
use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

use crate::error::{Reason, Result};
use crate::limits::SNIFF_BYTES;
use crate::pem::{self, Label};

/// Extensions of files that are read whole, in lower case. Others only if a PEM marker is found.
const CERTIFICATE_EXTENSIONS: [&str; 12] = [
    "pem",
    "crt",
    "cer",
    "cert",
    "der",
    "chain",
    "bundle",
    "ca-bundle",
    "p7b",
    "p7c",
    "p12",
    "pfx",
];

/// Reads a regular file of at most `limit` bytes.
pub(crate) fn read_regular(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path)?
        // One byte more tells a file at the limit from one above it; metadata may lie or be old.
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(Reason::io)?;
    if bytes.len() as u64 > limit {
        return Err(Reason::FileTooLarge { limit }.into());
    }
    Ok(bytes)
}

/// Opens only what is a regular file: opening a pipe waits for a writer, a device may act.
fn open_regular(path: &Path) -> Result<File> {
    let kind = fs::metadata(path).map_err(Reason::io)?.file_type();
    must_be_regular(kind)?;
    open_checked(path)
}

/// Opens what was a regular file a moment ago: if another took its name since, it neither blocks nor
/// is read.
fn open_checked(path: &Path) -> Result<File> {
    let file = open_nonblocking(path).map_err(Reason::io)?;
    let kind = file.metadata().map_err(Reason::io)?.file_type();
    must_be_regular(kind)?;
    Ok(file)
}

/// Opens for reading without waiting for the writer of a pipe.
pub(crate) fn open_nonblocking(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, O_NONBLOCK);
    options.open(path)
}

fn must_be_regular(kind: FileType) -> Result<(), Reason> {
    if kind.is_dir() {
        return Err(Reason::Directory);
    }
    if !kind.is_file() {
        return Err(not_a_file(kind));
    }
    Ok(())
}

/// Makes opening a pipe return at once; it changes nothing for a regular file. The value is part of
/// each system's ABI. Where it is not known here it is 0, and only the check after opening is left.
#[cfg(unix)]
const O_NONBLOCK: i32 = if cfg!(any(target_os = "linux", target_os = "android")) {
    if cfg!(any(target_arch = "mips", target_arch = "mips64")) {
        0x80
    } else if cfg!(any(target_arch = "sparc", target_arch = "sparc64")) {
        0x4000
    } else {
        0o4000
    }
} else if cfg!(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "openbsd",
    target_os = "netbsd"
)) {
    0x4
} else if cfg!(any(target_os = "solaris", target_os = "illumos")) {
    0x80
} else {
    0
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    Certificate,
    PrivateKey,
    None,
}

/// Looks for a PEM section in the first bytes of a file. A certificate in an old form or a container
/// counts as one, so that it is reported.
pub(crate) fn sniff(path: &Path) -> Result<Marker> {
    let mut head = Vec::new();
    open_regular(path)?
        .take(SNIFF_BYTES)
        .read_to_end(&mut head)
        .map_err(Reason::io)?;
    let mut found = Marker::None;
    for section in pem::sections(&head) {
        match section.kind() {
            Label::Certificate | Label::Unsupported(_) => return Ok(Marker::Certificate),
            Label::PrivateKey { .. } => found = Marker::PrivateKey,
            Label::Other => {}
        }
    }
    Ok(found)
}

pub(crate) fn not_a_file(kind: FileType) -> Reason {
    Reason::NotAFile {
        what: special_file(kind),
    }
}

#[cfg(unix)]
fn special_file(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    if kind.is_fifo() {
        "named pipe"
    } else if kind.is_socket() {
        "socket"
    } else {
        "device"
    }
}

#[cfg(not(unix))]
fn special_file(_: FileType) -> &'static str {
    "special file"
}

pub(crate) fn has_certificate_name(path: &Path) -> bool {
    extension_is(path, &CERTIFICATE_EXTENSIONS)
}

pub(crate) fn extension_is(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    extension.is_some_and(|own| {
        extensions
            .iter()
            .any(|known| own.eq_ignore_ascii_case(known))
    })
}

/// `4042bcee.0`: the links by subject hash that `openssl rehash` puts beside the certificates.
pub(crate) fn is_openssl_hash_name(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str);
    let Some((hash, number)) = name.and_then(|name| name.split_once('.')) else {
        return false;
    };
    hash.len() == 8
        && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a link leads to an entry of its own folder that a scan of the folder looks at by itself.
pub(crate) fn repeats_a_neighbour(link: &Path) -> bool {
    let (Some(folder), Ok(target)) = (link.parent(), fs::read_link(link)) else {
        return false;
    };
    let is_looked_at = |name: &OsStr| !name.as_encoded_bytes().starts_with(b"..");
    let target = folder.join(target);
    target.file_name().is_some_and(is_looked_at)
        && fs::metadata(&target).is_ok()
        && target
            .parent()
            .is_some_and(|parent| parent == folder || same_folder(parent, folder))
}

fn same_folder(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_names_are_told_from_others() {
        for (name, expected) in [
            ("4042bcee.0", true),
            ("4042BCEE.12", true),
            ("4042bcee.r0", false),
            ("4042bcee.", false),
            ("4042bce.0", false),
            ("4042bceg.0", false),
        ] {
            assert_eq!(is_openssl_hash_name(Path::new(name)), expected, "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_that_takes_the_place_of_a_file_neither_blocks_nor_is_read() {
        use std::sync::mpsc;
        use std::time::Duration;

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.pem");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        if !made.is_ok_and(|status| status.success()) {
            eprintln!("no mkfifo here: not tested");
            return;
        }
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || sender.send(open_checked(&path).map(drop)));
        let opened = receiver.recv_timeout(Duration::from_secs(20));
        let error = opened.expect("opening does not wait").unwrap_err();
        assert!(error.to_string().contains("it is a named pipe"), "{error}");
    }
}
