use std::{
    collections::BTreeMap,
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use aes_gcm::{
    Aes256Gcm, Nonce, Tag as Mark,
    aead::{AeadInOut as _, KeyInit as _},
};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

use super::{SecretKey, provider::fill, ring::check_tenant};
use crate::{
    error::Error,
    limits::{MAX_MESSAGES_PER_KEY, ROTATE_AFTER_MESSAGES},
    mask::{Tag, token},
};

type HmacSha256 = Hmac<Sha256>;

/// What the hash holds of a key is wiped: that takes features of more than one crate.
const _: () = {
    const fn is_wiped<T: ZeroizeOnDrop>() {}
    is_wiped::<Sha256>();
    is_wiped::<Aes256Gcm>();
};

const NONCE: usize = 12;
const MARK: usize = 16;

/// Data keys of a tenant, ready for use: the newest encrypts and makes pseudonyms, each decrypts what it
/// encrypted. From a [`KeyRing`](super::KeyRing).
///
/// Of each data key two are derived, one for AES-256-GCM and one for HMAC-SHA-256. All are wiped when
/// they are dropped, and none is ever printed.
pub struct Keys {
    tenant: Box<str>,
    versions: BTreeMap<u32, Version>,
    current: u32,
}

struct Version {
    cipher: Aes256Gcm,
    mac: HmacSha256,
    /// Messages that were encrypted here.
    used: AtomicU64,
}

/// Why a value could not be encrypted. It is redacted then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mask) enum Refused {
    /// The key has encrypted all that it may.
    Exhausted,
    /// No random bytes.
    Random,
    /// There is no key.
    NoKey,
}

impl Keys {
    /// Keys by their versions, the highest of which encrypts.
    ///
    /// # Errors
    ///
    /// `Key` if there is none, or the tenant's name is not fit.
    pub fn new(
        tenant: &str,
        keys: impl IntoIterator<Item = (u32, SecretKey)>,
    ) -> Result<Self, Error> {
        check_tenant(tenant)?;
        let versions: BTreeMap<u32, Version> = keys
            .into_iter()
            .map(|(version, key)| (version, Version::new(&key)))
            .collect();
        let Some((&current, _)) = versions.last_key_value() else {
            let message = "there is no data key; call KeyRing::rotate first".to_owned();
            return Err(Error::key(
                &format!("use the keys of tenant {tenant:?}"),
                false,
                message,
            ));
        };
        Ok(Self {
            tenant: tenant.into(),
            versions,
            current,
        })
    }

    /// The tenant.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The version that encrypts.
    pub fn current(&self) -> u32 {
        self.current
    }

    /// Whether it is time to [rotate](super::KeyRing::rotate): these keys have encrypted
    /// [`ROTATE_AFTER_MESSAGES`] values. Other processes with the same data key count for themselves: with
    /// many of them, rotate as much sooner.
    pub fn is_rotation_due(&self) -> bool {
        let used = self
            .versions
            .get(&self.current)
            .map(|it| it.used.load(Ordering::Relaxed));
        used.is_some_and(|used| used >= ROTATE_AFTER_MESSAGES)
    }

    /// Writes the token of an encrypted value.
    pub(in crate::mask) fn encrypt(
        &self,
        tag: &Tag,
        value: &[u8],
        nonces: &mut Nonces,
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        // There is always a current one.
        let Some(version) = self.versions.get(&self.current) else {
            return Err(Refused::Exhausted);
        };
        if version.used.fetch_add(1, Ordering::Relaxed) >= MAX_MESSAGES_PER_KEY {
            return Err(Refused::Exhausted);
        }
        let nonce = nonces.next().ok_or(Refused::Random)?;
        let bound_to = self.bound_to(tag, self.current);
        let start = nonces.buffer.len();
        nonces.buffer.extend_from_slice(&nonce);
        nonces.buffer.extend_from_slice(value);
        let sealed = nonces.buffer.get_mut(start + NONCE..).unwrap_or_default();
        let mark =
            version
                .cipher
                .encrypt_inout_detached(&Nonce::from(nonce), &bound_to, sealed.into());
        let written = mark.map(|mark| {
            nonces.buffer.extend_from_slice(&mark);
            token::write(token::ENCRYPTED, tag, self.current, &nonces.buffer, out);
        });
        nonces.buffer.clear();
        written.map_err(|_| Refused::Exhausted)
    }

    /// Writes the token that stands for a value: the same for the same value, tag, tenant and version.
    pub(in crate::mask) fn pseudonym(&self, tag: &Tag, value: &[u8], out: &mut Vec<u8>) {
        let Some(version) = self.versions.get(&self.current) else {
            return;
        };
        let mut mac = version.mac.clone();
        mac.update(&self.bound_to(tag, self.current));
        mac.update(value);
        let mac = mac.finalize().into_bytes();
        let half = mac.get(..16).unwrap_or_default();
        token::write(token::PSEUDONYM, tag, self.current, half, out);
    }

    /// The value of one token of [`Action::Encrypt`](crate::mask::Action::Encrypt).
    ///
    /// # Errors
    ///
    /// `Decrypt` if it is no such token, of a version that is not here, or was encrypted for another
    /// tenant, tag or version.
    ///
    /// ```
    /// use opsbox_log::mask::{Keys, SecretKey};
    ///
    /// let keys = Keys::new("acme", [(1, SecretKey::new([7; 32]))])?; // a random one, in earnest
    /// let error = keys.decrypt(b"[enc1:PII_EMAIL:2:AAAA]").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "cannot decrypt a PII_EMAIL: it is of key version 2, and there is 1; give the keys that have it"
    /// );
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    pub fn decrypt(&self, token: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        match token::read(token) {
            Some((parsed, len)) if len == token.len() => self.open(&parsed),
            _ => Err(Error::decrypt(
                "a value",
                "it is no token `[enc1:TAG:VERSION:...]`".into(),
            )),
        }
    }

    /// The text with each token in it decrypted, and how many were and were not; those that cannot be stay as
    /// they are.
    pub fn decrypt_text(&self, text: &[u8]) -> (Zeroizing<Vec<u8>>, Decrypted) {
        let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
        let mut count = Decrypted::default();
        let mut rest = text;
        while let Some(at) = memchr::memmem::find(rest, token::ENCRYPTED.as_bytes()) {
            let (before, from) = rest.split_at(at);
            out.extend_from_slice(before);
            let found = token::read(from);
            let len = found
                .as_ref()
                .map_or(token::ENCRYPTED.len(), |(_, len)| *len);
            let (token, after) = from.split_at(len);
            match found.map(|(parsed, _)| self.open(&parsed)) {
                Some(Ok(value)) => {
                    out.extend_from_slice(&value);
                    count.decrypted += 1;
                }
                Some(Err(_)) => {
                    out.extend_from_slice(token);
                    count.failed += 1;
                }
                None => out.extend_from_slice(token),
            }
            rest = after;
        }
        out.extend_from_slice(rest);
        (out, count)
    }

    fn open(&self, token: &token::Parsed<'_>) -> Result<Zeroizing<Vec<u8>>, Error> {
        let what = format!("a {}", token.tag);
        let refuse = |message: String| Error::decrypt(&what, message);
        let Some(version) = self.versions.get(&token.version) else {
            let have: Vec<_> = self.versions.keys().map(u32::to_string).collect();
            let have = have.join(", ");
            let message = format!(
                "it is of key version {}, and there is {have}; give the keys that have it",
                token.version
            );
            return Err(refuse(message));
        };
        let wrong = || {
            refuse("it was encrypted for another tenant, tag or key version, with another key, or it was changed".into())
        };
        let mut bytes = Zeroizing::new(token.payload().ok_or_else(wrong)?);
        let (Some(nonce), Some(mark)) = (
            bytes.first_chunk::<NONCE>().copied(),
            bytes.last_chunk::<MARK>().copied(),
        ) else {
            return Err(wrong());
        };
        let end = bytes.len() - MARK;
        let sealed = bytes.get_mut(NONCE..end).ok_or_else(wrong)?;
        let bound_to = self.bound_to(&token.tag, token.version);
        let (nonce, mark) = (Nonce::from(nonce), Mark::from(mark));
        let opened = version
            .cipher
            .decrypt_inout_detached(&nonce, &bound_to, sealed.into(), &mark);
        opened.map_err(|_| wrong())?;
        bytes.truncate(end);
        bytes.drain(..NONCE);
        Ok(bytes)
    }

    /// What a value is bound to. Lengths keep one part from running into the next.
    fn bound_to(&self, tag: &Tag, version: u32) -> Vec<u8> {
        let len = |text: &str| u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes();
        let head = b"opsbox-log mask 1";
        let (tenant, tag) = (&*self.tenant, tag.as_str());
        let parts = [
            &head[..],
            &len(tenant),
            tenant.as_bytes(),
            &len(tag),
            tag.as_bytes(),
            &version.to_be_bytes(),
        ];
        parts.concat()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions: Vec<_> = self.versions.keys().collect();
        f.debug_struct("Keys")
            .field("tenant", &self.tenant)
            .field("versions", &versions)
            .finish_non_exhaustive()
    }
}

/// How many tokens of a text were decrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decrypted {
    /// Those in whose place the value is.
    pub decrypted: u64,
    /// Those that are as they were: of another key, tenant, or changed.
    pub failed: u64,
}

impl Version {
    fn new(key: &SecretKey) -> Self {
        let derive = |purpose: &[u8]| {
            let mut mac = keyed(key.expose());
            mac.update(purpose);
            let mut derived = mac.finalize().into_bytes();
            let mut bytes = Zeroizing::new([0; 32]);
            bytes.copy_from_slice(&derived);
            derived.as_mut_slice().zeroize();
            bytes
        };
        let cipher = derive(b"opsbox-log mask 1 aes-256-gcm");
        Self {
            cipher: Aes256Gcm::new((&*cipher).into()),
            mac: keyed(&derive(b"opsbox-log mask 1 hmac-sha-256")),
            used: AtomicU64::new(0),
        }
    }
}

/// HMAC with a key. Zeroes behind it, to the length of a block, change nothing (RFC 2104, section 2).
fn keyed(key: &[u8; 32]) -> HmacSha256 {
    let mut block = Zeroizing::new([0; 64]);
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    HmacSha256::new((&*block).into())
}

/// Nonces of 96 random bits, fetched some hundred at a time, and room for what is encrypted.
#[derive(Default)]
pub(in crate::mask) struct Nonces {
    pool: Vec<u8>,
    buffer: Vec<u8>,
}

impl Nonces {
    const AT_ONCE: usize = 256 * NONCE;

    fn next(&mut self) -> Option<[u8; NONCE]> {
        if self.pool.len() < NONCE {
            self.pool.resize(Self::AT_ONCE, 0);
            if fill(&mut self.pool).is_err() {
                self.pool.clear();
                return None;
            }
        }
        let nonce = self.pool.last_chunk::<NONCE>().copied()?;
        self.pool.truncate(self.pool.len() - NONCE);
        Some(nonce)
    }
}
