//! Names of records and locks, and how they become file names, keys and object names.

#![warn(clippy::indexing_slicing)]

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::fault::invalid;
use crate::error::{Error, Result};
use crate::limits::{MAX_FOLDER_BYTES, MAX_ID_BYTES};

/// A group of records that can be listed together: `certificates`, `orders`, one of your own.
///
/// Lower-case letters, digits and `-`, starting with a letter, at most
/// [`MAX_FOLDER_BYTES`] long.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Folder(Cow<'static, str>);

impl Folder {
    /// ACME accounts, by CA.
    pub const ACCOUNTS: Self = Self(Cow::Borrowed("accounts"));
    /// Certificates with their keys, by name.
    pub const CERTIFICATES: Self = Self(Cow::Borrowed("certificates"));
    /// Answers to challenges in progress, by token.
    pub const CHALLENGES: Self = Self(Cow::Borrowed("challenges"));
    /// Orders in progress, by certificate name.
    pub const ORDERS: Self = Self(Cow::Borrowed("orders"));

    /// A folder of your own.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if the text is not made as said above.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let good = text.len() <= MAX_FOLDER_BYTES
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if good {
            return Ok(Self(Cow::Owned(text)));
        }
        let reason = format!(
            "a folder has 1 to {MAX_FOLDER_BYTES} lower-case letters, digits and dashes, a letter first; choose such a name"
        );
        Err(invalid(format_args!("the folder {}", shown(&text)), reason))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a record or of a lock: a folder and an id, `certificates/*.example.com`.
///
/// An id has 1 to [`MAX_ID_BYTES`] ASCII letters, digits and `-._*~@+=,:`, and is not dots alone.
/// Letters of different case are different, on every store. A name of another script is given in its
/// ASCII form (`xn--...`). Locks and records are apart: `orders/a` can be both.
///
/// ```
/// use opsbox_cert::store::{Folder, Name};
///
/// let name = Name::certificate("*.example.com")?;
/// assert_eq!(name.to_string(), "certificates/*.example.com");
/// assert_eq!(name, "certificates/*.example.com".parse()?);
/// assert_eq!((name.folder(), name.id()), ("certificates", "*.example.com"));
/// assert!(Name::certificate("../../etc/passwd").is_err());
/// # Ok::<(), opsbox_cert::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// The record `id` of `folder`.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if the id is not made as said above.
    pub fn new(folder: &Folder, id: &str) -> Result<Self> {
        const EXTRA: &[u8] = b"-._*~@+=,:";
        let good = (1..=MAX_ID_BYTES).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || EXTRA.contains(&b))
            && id.bytes().any(|b| b != b'.');
        if good {
            return Ok(Self(format!("{folder}/{id}").into()));
        }
        let reason = if id.is_ascii() {
            format!(
                "an id has 1 to {MAX_ID_BYTES} letters, digits and `-._*~@+=,:`, and is not dots alone; choose such an id"
            )
        } else {
            "an id is ASCII; give an international name in its ASCII form (xn--...)".into()
        };
        Err(invalid(format_args!("the id {}", shown(id)), reason))
    }

    /// A certificate, by the first of its names.
    ///
    /// # Errors
    ///
    /// As [`Name::new`]; the same holds for the other three.
    pub fn certificate(id: &str) -> Result<Self> {
        Self::new(&Folder::CERTIFICATES, id)
    }

    /// The account at a CA, by the host name of its directory.
    ///
    /// # Errors
    ///
    /// As [`Name::new`].
    pub fn account(id: &str) -> Result<Self> {
        Self::new(&Folder::ACCOUNTS, id)
    }

    /// An order in progress, by the first name of the certificate.
    ///
    /// # Errors
    ///
    /// As [`Name::new`].
    pub fn order(id: &str) -> Result<Self> {
        Self::new(&Folder::ORDERS, id)
    }

    /// The answer to a challenge, by its token.
    ///
    /// # Errors
    ///
    /// As [`Name::new`].
    pub fn challenge(token: &str) -> Result<Self> {
        Self::new(&Folder::CHALLENGES, token)
    }

    /// The folder.
    pub fn folder(&self) -> &str {
        self.halves().0
    }

    /// The id within the folder.
    pub fn id(&self) -> &str {
        self.halves().1
    }

    /// Folder and id with a slash between.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn halves(&self) -> (&str, &str) {
        self.0.split_once('/').unwrap_or_default()
    }

    /// The id as a name of a file or an object, without an extension: lower-case letters, digits and
    /// `-._~@+=,`, everything else as `%` and two hex digits. So names that differ in case only do
    /// not meet on a file system that ignores it, and no name is hidden or special. A name that would be
    /// longer than file systems allow ends in `%-` and a hash; then the file itself says its name.
    pub(super) fn file_stem(&self) -> String {
        // With a folder, a separator and an extension still within the 255 bytes of a file name.
        const LONGEST: usize = 200;
        const KEPT: usize = 120;
        let id = self.id();
        let device = is_device(id);
        let mut out = String::with_capacity(id.len() + 8);
        for (at, byte) in id.bytes().enumerate() {
            let edge_dot = byte == b'.' && (at == 0 || at + 1 == id.len());
            let plain =
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._~@+=,".contains(&byte);
            if plain && !edge_dot && !(device && at == 0) {
                out.push(char::from(byte));
            } else {
                out.push('%');
                out.push_str(&HEXLOWER.encode(&[byte]));
            }
        }
        if out.len() > LONGEST {
            out.truncate(KEPT);
            out.push_str("%-");
            out.push_str(&HEXLOWER.encode(&Sha256::digest(id)));
        }
        out
    }

    /// The opposite of [`file_stem`](Self::file_stem).
    pub(super) fn from_file_stem(folder: &Folder, stem: &str) -> Stem {
        if stem.contains("%-") {
            return Stem::Hashed;
        }
        let mut id = Vec::with_capacity(stem.len());
        let mut rest = stem.as_bytes();
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            if byte != b'%' {
                id.push(byte);
                continue;
            }
            let Some((digits, after)) = rest.split_at_checked(2) else {
                return Stem::Foreign;
            };
            let Ok(decoded) = HEXLOWER.decode(digits) else {
                return Stem::Foreign;
            };
            id.extend(decoded);
            rest = after;
        }
        let name = std::str::from_utf8(&id)
            .ok()
            .and_then(|id| Self::new(folder, id).ok());
        match name.filter(|name| name.file_stem() == stem) {
            Some(name) => Stem::Name(name),
            None => Stem::Foreign,
        }
    }
}

/// What a file name stands for.
pub(super) enum Stem {
    Name(Name),
    /// The name is in the file.
    Hashed,
    /// No name of ours.
    Foreign,
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some((folder, id)) = text.split_once('/') else {
            let reason =
                "there is no slash between folder and id; write it as `certificates/example.com`";
            return Err(invalid(format_args!("the name {}", shown(text)), reason));
        };
        Self::new(&Folder::new(folder)?, id)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({})", self.0)
    }
}

/// The start of a text that was refused, quoted.
fn shown(text: &str) -> String {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// Whether Windows takes the name for a device, whatever follows its first dot.
fn is_device(id: &str) -> bool {
    let stem = id.split('.').next().unwrap_or_default();
    matches!(stem, "con" | "prn" | "aux" | "nul")
        || stem
            .strip_prefix("com")
            .or_else(|| stem.strip_prefix("lpt"))
            .is_some_and(|rest| matches!(rest.as_bytes(), [b'0'..=b'9']))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn file_names_are_plain() {
        let stem = |id: &str| Name::certificate(id).unwrap().file_stem();
        assert_eq!(stem("example.com"), "example.com");
        assert_eq!(stem("*.example.com"), "%2a.example.com");
        assert_eq!(stem("2001:db8::1"), "2001%3adb8%3a%3a1");
        assert_eq!(stem(".hidden."), "%2ehidden%2e");
        assert_eq!(stem("nul.example"), "%6eul.example");
        assert_eq!(stem("aB_-9"), "a%42_-9");
        let long = stem(&"*".repeat(255));
        assert_eq!(long.len(), 186);
        assert!(matches!(
            Name::from_file_stem(&Folder::CERTIFICATES, &long),
            Stem::Hashed
        ));
    }

    #[test]
    fn what_is_no_name_is_refused_with_advice() {
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "a\\b",
            "a b",
            "a\n",
            "bücher.example",
            "a%41",
            &"a".repeat(256),
        ] {
            let error = Name::certificate(bad).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Invalid);
            assert!(error.to_string().contains("; "), "{error}");
        }
        for bad in ["", "-a", "1a", "A", "a_b", "a.b", &"a".repeat(33)] {
            assert!(Folder::new(bad).is_err(), "{bad}");
        }
        assert!("certificates".parse::<Name>().is_err());
    }

    proptest! {
        #[test]
        fn file_names_are_reversible_and_never_meet(ids in prop::collection::hash_set("[a-cA-C0-9._*~@+=,:-]{1,80}", 1..20)) {
            let names: Vec<Name> = ids.iter().filter_map(|id| Name::order(id).ok()).collect();
            let stems: HashSet<String> = names.iter().map(|name| name.file_stem().to_lowercase()).collect();
            prop_assert_eq!(stems.len(), names.len());
            for name in names {
                let stem = name.file_stem();
                prop_assert!(stem.len() <= 200 && !stem.starts_with('.'));
                match Name::from_file_stem(&Folder::ORDERS, &stem) {
                    Stem::Name(back) => prop_assert_eq!(back, name),
                    _ => prop_assert!(stem.contains("%-")),
                }
            }
        }
    }
}
