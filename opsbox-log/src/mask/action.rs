use std::fmt;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{
    Detector, Keys, Tag,
    key::{Nonces, Refused},
    partial,
};

/// What becomes of a value.
///
/// | action | name in policies | `13812345678`, of the tag `PII_PHONE`, becomes |
/// |---|---|---|
/// | [`Redact`](Self::Redact) | `redact` | `[REDACTED:PII_PHONE]` |
/// | [`RedactWith`](Self::RedactWith) | `redact` with `text` | the text |
/// | [`Partial`](Self::Partial) | `partial` | `138****5678` |
/// | [`KeepLast`](Self::KeepLast) | `keep_last` with `chars` | `*******5678` for 4 |
/// | [`Pseudonym`](Self::Pseudonym) | `pseudonym` | `[pid1:PII_PHONE:1:...]` |
/// | [`Encrypt`](Self::Encrypt) | `encrypt` | `[enc1:PII_PHONE:1:...]` |
/// | [`SaltedSha256`](Self::SaltedSha256) | `salted_sha256` | 64 digits of hex |
/// | [`Drop`](Self::Drop) | `drop` | nothing: the field is left out |
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Nothing is left but the tag.
    #[default]
    Redact,
    /// A text of one's own.
    RedactWith(Box<str>),
    /// Some characters are left, by the kind of the value: of a phone number the first three and last
    /// four digits, of a mail address its first character and the domain, of an ID card the first three
    /// and last four, of a card the last four, of an account the country and the last four, of an IPv4
    /// address the first two octets, of other values the first and the last character if there are ten
    /// or more. Of secrets nothing is left, and nothing of a value that is not of the kind that its tag
    /// says, or that [overlaps](super::Scanner#overlaps) with another.
    ///
    /// What is left and what is known otherwise can tell who it was: this is for those who have to
    /// recognise a value, not for the public.
    Partial,
    /// The last characters are left, but at most half of them, and none of values that
    /// [overlap](super::Scanner#overlaps).
    KeepLast(u8),
    /// The first 128 bits of an HMAC-SHA-256 with a key: the same value is the same token, so that it
    /// can be counted and joined, as long as tenant, tag and key version are the same. Who does not
    /// have the key learns only that two values are equal.
    Pseudonym,
    /// AES-256-GCM with a data key that the provider wraps, bound to tenant, tag and key version; each
    /// time another text. Who has the key can [decrypt](Keys::decrypt) it.
    Encrypt,
    /// The SHA-256 of salt and value, in hex, as other programs write it. For compatibility alone: an
    /// ID card has some 10^11 possible values and a phone number 10^10, so who knows the salt tries
    /// them all within minutes. Choose
    /// [`Pseudonym`](Self::Pseudonym) where you can.
    SaltedSha256(Salt),
    /// The whole field is left out, also where something was found inside of its text.
    Drop,
}

impl Action {
    /// The name in policies and reports.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Redact | Self::RedactWith(_) => "redact",
            Self::Partial => "partial",
            Self::KeepLast(_) => "keep_last",
            Self::Pseudonym => "pseudonym",
            Self::Encrypt => "encrypt",
            Self::SaltedSha256(_) => "salted_sha256",
            Self::Drop => "drop",
        }
    }

    /// Whether [`Keys`] are needed for it.
    pub const fn needs_keys(&self) -> bool {
        matches!(self, Self::Pseudonym | Self::Encrypt)
    }

    /// Writes what becomes of a value. If it cannot be, the value is redacted, and the reason returned.
    pub(super) fn apply(
        &self,
        value: &[u8],
        (tag, detector): (&Tag, Option<Detector>),
        keys: Option<&Keys>,
        nonces: &mut Nonces,
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        let start = out.len();
        let done = match self {
            Self::Redact => {
                redact(tag, out);
                Ok(())
            }
            Self::RedactWith(text) => {
                out.extend_from_slice(text.as_bytes());
                Ok(())
            }
            Self::Partial => {
                partial::write(tag, detector, value, out);
                Ok(())
            }
            Self::KeepLast(chars) => {
                partial::keep_last(usize::from(*chars), value, out);
                Ok(())
            }
            Self::Pseudonym => match keys {
                Some(keys) => {
                    keys.pseudonym(tag, value, out);
                    Ok(())
                }
                None => Err(Refused::NoKey),
            },
            Self::Encrypt => match keys {
                Some(keys) => keys.encrypt(tag, value, nonces, out),
                None => Err(Refused::NoKey),
            },
            Self::SaltedSha256(salt) => {
                let mut hash = Sha256::new();
                hash.update(salt.0.as_bytes());
                hash.update(value);
                HEXLOWER.encode_write(&hash.finalize(), &mut Utf8(out)).ok();
                Ok(())
            }
            Self::Drop => Ok(()),
        };
        if done.is_err() {
            out.truncate(start);
            redact(tag, out);
        }
        done
    }
}

fn redact(tag: &Tag, out: &mut Vec<u8>) {
    out.extend_from_slice(b"[REDACTED:");
    out.extend_from_slice(tag.as_str().as_bytes());
    out.push(b']');
}

/// Text that is written to bytes.
struct Utf8<'v>(&'v mut Vec<u8>);

impl fmt::Write for Utf8<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// What goes before a value into [`Action::SaltedSha256`]. It is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt(Zeroizing<String>);

impl Salt {
    /// A salt.
    pub fn new(salt: impl Into<String>) -> Self {
        Self(Zeroizing::new(salt.into()))
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}
