use std::{fmt, str::FromStr};

use super::{Tag, names::unknown};
use crate::error::Error;

/// What is looked for in text. The order is that of [precedence](super::Scanner): where two overlap,
/// the earlier one says what it is.
///
/// ```
/// use opsbox_log::mask::Detector;
///
/// assert!(Detector::Card.is_match(b"4111 1111 1111 1111"));
/// assert!(!Detector::Card.is_match(b"4111 1111 1111 1112")); // its check digit is wrong
/// assert_eq!("id_card_cn".parse::<Detector>()?, Detector::IdCardCn);
/// assert_eq!(Detector::IdCardCn.tag().as_str(), "PII_IDCARD");
/// # Ok::<(), opsbox_log::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Detector {
    /// A private key in PEM (RFC 7468), whole or cut short.
    PrivateKey,
    /// A JSON Web Token (RFC 7519) in compact form whose header is JSON.
    Jwt,
    /// An access key id of AWS: `AKIA` or `ASIA` and 16 characters.
    AwsKey,
    /// A token of GitHub: `ghp_` and its like, `github_pat_`.
    GithubToken,
    /// Tokens of GitLab, Slack, Google, Stripe, Docker, DigitalOcean and npm that say so by how they begin.
    ApiToken,
    /// The password in `scheme://user:password@host` (RFC 3986).
    UrlPassword,
    /// A Chinese ID card, GB 11643: region, date of birth and check character are right.
    IdCardCn,
    /// One of the 15 digits that were given out until 1999, which have no check digit. Not among the
    /// [usual](Self::USUAL).
    LegacyIdCardCn,
    /// A payment card of 13 to 19 digits: a network's prefix and length, and Luhn's check digit.
    Card,
    /// A bank account, ISO 13616: country, length and check digits are right.
    Iban,
    /// A phone number of China: mobile, or of an area as `010-12345678`; also with `86`, `+86` or `0086`.
    PhoneCn,
    /// A phone number with its plus and an assigned country code (E.164), and as long as there.
    PhoneE164,
    /// A mail address.
    Email,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address (RFC 4291) that has a digit.
    Ipv6,
    /// The value of a key such as `password`, `token`, `api_key` or `Authorization`, in logfmt, JSON
    /// (escaped in a string too), YAML, query strings, headers and options of commands. A
    /// [`Masker`](super::Masker) takes the whole value of a column of such a name for one.
    SecretPair,
}

impl Detector {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::PrivateKey,
        Self::Jwt,
        Self::AwsKey,
        Self::GithubToken,
        Self::ApiToken,
        Self::UrlPassword,
        Self::IdCardCn,
        Self::LegacyIdCardCn,
        Self::Card,
        Self::Iban,
        Self::PhoneCn,
        Self::PhoneE164,
        Self::Email,
        Self::Ipv4,
        Self::Ipv6,
        Self::SecretPair,
    ];

    /// Those that a [`Scanner`](super::Scanner) has unless told otherwise: all but
    /// [`LegacyIdCardCn`](Self::LegacyIdCardCn), which has no check digit and takes other numbers for one.
    pub const USUAL: [Self; 15] = [
        Self::PrivateKey,
        Self::Jwt,
        Self::AwsKey,
        Self::GithubToken,
        Self::ApiToken,
        Self::UrlPassword,
        Self::IdCardCn,
        Self::Card,
        Self::Iban,
        Self::PhoneCn,
        Self::PhoneE164,
        Self::Email,
        Self::Ipv4,
        Self::Ipv6,
        Self::SecretPair,
    ];

    /// The name in policies and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PrivateKey => "private_key",
            Self::Jwt => "jwt",
            Self::AwsKey => "aws_key",
            Self::GithubToken => "github_token",
            Self::ApiToken => "api_token",
            Self::UrlPassword => "url_password",
            Self::IdCardCn => "id_card_cn",
            Self::LegacyIdCardCn => "legacy_id_card_cn",
            Self::Card => "card",
            Self::Iban => "iban",
            Self::PhoneCn => "phone_cn",
            Self::PhoneE164 => "phone_e164",
            Self::Email => "email",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::SecretPair => "secret_pair",
        }
    }

    /// The tag of what it finds.
    pub const fn tag(self) -> Tag {
        match self {
            Self::PrivateKey => Tag::PRIVATE_KEY,
            Self::Jwt => Tag::JWT,
            Self::AwsKey | Self::GithubToken | Self::ApiToken => Tag::API_KEY,
            Self::UrlPassword | Self::SecretPair => Tag::PASSWORD,
            Self::IdCardCn | Self::LegacyIdCardCn => Tag::ID_CARD,
            Self::Card => Tag::CARD,
            Self::Iban => Tag::IBAN,
            Self::PhoneCn | Self::PhoneE164 => Tag::PHONE,
            Self::Email => Tag::EMAIL,
            Self::Ipv4 | Self::Ipv6 => Tag::IP,
        }
    }

    /// Whether the whole value is one, and nothing else.
    pub fn is_match(self, value: &[u8]) -> bool {
        let findings = super::Scanner::of([self]).scan(value);
        matches!(&*findings, [one] if one.range() == (0..value.len()))
    }
}

impl fmt::Display for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Takes its [name](Self::name).
impl FromStr for Detector {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|it| it.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            Error::mask_rule("", unknown("detector", name, names))
        })
    }
}

/// A set of detectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Detectors(u32);

impl Detectors {
    #[inline]
    pub(super) const fn contains(self, detector: Detector) -> bool {
        self.0 & 1 << detector as u32 != 0
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Detector> for Detectors {
    fn from_iter<I: IntoIterator<Item = Detector>>(detectors: I) -> Self {
        Self(
            detectors
                .into_iter()
                .fold(0, |all, it| all | 1 << it as u32),
        )
    }
}
