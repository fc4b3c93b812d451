use std::{borrow::Cow, fmt, str::FromStr};

use crate::{error::Error, limits::MAX_TAG_BYTES};

/// What a value is about, such as `PII_EMAIL`: actions are chosen by it, and encrypted values are bound
/// to it. Capitals, digits and `_`, with a capital first.
///
/// ```
/// use opsbox_log::mask::Tag;
///
/// assert_eq!(Tag::EMAIL.as_str(), "PII_EMAIL");
/// let tag: Tag = "PII_CUSTOMER".parse()?;
/// assert!("customer".parse::<Tag>().is_err());
/// # Ok::<(), opsbox_log::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Cow<'static, str>);

impl Tag {
    /// `PII_EMAIL`
    pub const EMAIL: Self = Self::of("PII_EMAIL");
    /// `PII_PHONE`
    pub const PHONE: Self = Self::of("PII_PHONE");
    /// `PII_IDCARD`
    pub const ID_CARD: Self = Self::of("PII_IDCARD");
    /// `PII_CARD`
    pub const CARD: Self = Self::of("PII_CARD");
    /// `PII_IBAN`
    pub const IBAN: Self = Self::of("PII_IBAN");
    /// `PII_IP`
    pub const IP: Self = Self::of("PII_IP");
    /// `SECRET_JWT`
    pub const JWT: Self = Self::of("SECRET_JWT");
    /// `SECRET_KEY`
    pub const API_KEY: Self = Self::of("SECRET_KEY");
    /// `SECRET_PRIVATE_KEY`
    pub const PRIVATE_KEY: Self = Self::of("SECRET_PRIVATE_KEY");
    /// `SECRET_PASSWORD`
    pub const PASSWORD: Self = Self::of("SECRET_PASSWORD");

    /// The tags of the [detectors](super::Detector::tag).
    pub const ALL: [Self; 10] = [
        Self::EMAIL,
        Self::PHONE,
        Self::ID_CARD,
        Self::CARD,
        Self::IBAN,
        Self::IP,
        Self::JWT,
        Self::API_KEY,
        Self::PRIVATE_KEY,
        Self::PASSWORD,
    ];

    const fn of(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// Whether it is one of secrets, which nothing is left of.
    pub(super) fn is_secret(&self) -> bool {
        self.0.starts_with("SECRET_")
    }

    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Tag {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let is_part = |it: u8| it.is_ascii_uppercase() || it.is_ascii_digit() || it == b'_';
        let is_tag = name.starts_with(|it: char| it.is_ascii_uppercase())
            && name.bytes().all(is_part)
            && name.len() <= MAX_TAG_BYTES;
        if is_tag {
            return Ok(Self(Cow::Owned(name.to_owned())));
        }
        let message = format!(
            "{name:?} is no tag; write up to {MAX_TAG_BYTES} capitals, digits and `_`, a capital first, \
             such as PII_EMAIL"
        );
        Err(Error::mask_rule("", message))
    }
}
