//! Private parts encrypted with a key of the user's, on any store.

#![warn(clippy::indexing_slicing)]

use std::fmt;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::fault::invalid;
use super::record::is_private;
use super::{
    Acquired, Condition, Folder, Lease, Name, Owner, Record, Store, Stored, Version, random,
};
use crate::error::{Error, ErrorKind, Result};
use crate::file;

/// A key of 256 bits that private parts are encrypted with.
///
/// Its id, which is stored with what it encrypts, is the start of a hash and tells nothing of the key.
/// The key is wiped when it is dropped.
pub struct SealingKey {
    id: String,
    bytes: Zeroizing<[u8; 32]>,
}

impl SealingKey {
    /// A key by its bytes, which have to be random: a password is no key.
    pub fn new(bytes: [u8; 32]) -> Self {
        let bytes = Zeroizing::new(bytes);
        let mut hash = Sha256::new();
        hash.update(b"opsbox sealing key id");
        hash.update(*bytes);
        let mut id = HEXLOWER.encode(&hash.finalize());
        id.truncate(16);
        Self { id, bytes }
    }

    /// A key from a file of 32 bytes, or of their hex or base64: `openssl rand -base64 32` makes one.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if it is anything else, and if the file cannot be read.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        const LIMIT: u64 = 1024;
        let path = path.as_ref();
        let text = file::read_regular(path, LIMIT).map_err(|error| error.with_path(path))?;
        let text = Zeroizing::new(text);
        let trimmed = text.trim_ascii();
        let decoded = match (text.len(), trimmed.len()) {
            (32, _) => Some(text.clone()),
            (_, 64) => HEXLOWER_PERMISSIVE.decode(trimmed).ok().map(Zeroizing::new),
            (_, 44) => BASE64.decode(trimmed).ok().map(Zeroizing::new),
            _ => None,
        };
        let key = decoded.and_then(|decoded| <[u8; 32]>::try_from(decoded.as_slice()).ok());
        key.map(Self::new).ok_or_else(|| {
            let reason = "it is not 32 bytes, nor their hex or base64; make one with `openssl rand -base64 32`";
            invalid(format_args!("the key in {}", path.display()), reason)
        })
    }

    /// The id.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A store in which private parts, those whose name ends in `.key`, are encrypted.
///
/// `tls.key` is kept as `tls.key.sealed`: XChaCha20-Poly1305 with a random nonce of 192 bits, bound to the
/// names of the record and the part, so that it cannot be moved to another one. Chains and metadata
/// stay readable. Who reads the store gets no key, and who writes to it can bring back an old
/// record but make none.
///
/// The first key encrypts, each decrypts: to change keys, put the new one first, save every record
/// again, then leave the old one out.
///
/// ```
/// use opsbox_cert::store::{Condition, Encrypted, MemoryStore, Name, Record, SealingKey, Store};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> opsbox_cert::Result<()> {
/// let inner = MemoryStore::new();
/// let store = Encrypted::new(inner.clone(), SealingKey::new([7; 32])); // a random one, in earnest
///
/// let name = Name::certificate("example.com")?;
/// let record = Record::new().with("tls.key", "secret")?.with("tls.crt", "chain")?;
/// store.save(&name, &record, &Condition::Any, None).await?;
///
/// let read = store.load(&name).await?.map(|stored| stored.record);
/// assert_eq!(read, Some(record));
/// let kept = inner.load(&name).await?.map(|stored| stored.record).unwrap_or_default();
/// assert_eq!((kept.part("tls.key"), kept.part("tls.crt")), (None, Some(&b"chain"[..])));
/// # Ok(())
/// # }
/// ```
pub struct Encrypted<S> {
    inner: S,
    first: SealingKey,
    older: Vec<SealingKey>,
    accept_plain: bool,
}

const SUFFIX: &str = ".sealed";
const MAGIC: &str = "opsbox-sealed 1 ";
const NONCE: usize = 24;

impl<S: Store> Encrypted<S> {
    /// Encrypts and decrypts with `key`.
    pub fn new(inner: S, key: SealingKey) -> Self {
        Self {
            inner,
            first: key,
            older: Vec::new(),
            accept_plain: false,
        }
    }

    /// Decrypts with this key too.
    #[must_use]
    pub fn also_open_with(mut self, key: SealingKey) -> Self {
        self.older.push(key);
        self
    }

    /// Reads records that are not encrypted, to encrypt a store that is in use. It is not for ever:
    /// whoever can write to the store can then put in a key of their own.
    #[must_use]
    pub fn dangerous_accept_plaintext(mut self) -> Self {
        self.accept_plain = true;
        self
    }

    fn seal(&self, name: &Name, record: &Record) -> Result<Record> {
        let mut out = Record::new();
        for (part, bytes) in record.parts() {
            if is_sealed(part) {
                let reason =
                    "names that end in `.key.sealed` are those of encrypted parts; choose another";
                return Err(invalid(format_args!("the part {part} of {name}"), reason));
            }
            if is_private(part) {
                out.insert(
                    &format!("{part}{SUFFIX}"),
                    self.seal_part(name, part, bytes)?,
                )?;
            } else {
                out.insert(part, bytes)?;
            }
        }
        Ok(out)
    }

    fn seal_part(&self, name: &Name, part: &str, bytes: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE];
        random::fill(&mut nonce)?;
        let payload = Payload {
            msg: bytes,
            aad: &bound_to(name, part),
        };
        let sealed = cipher(&self.first)
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| {
                Error::store(
                    ErrorKind::Limit,
                    "encrypt",
                    name,
                    "the part is too long; split it",
                )
            })?;
        let text = BASE64.encode(&[&nonce[..], &sealed].concat());
        Ok(format!("{MAGIC}{} {text}\n", self.first.id).into_bytes())
    }

    fn open(&self, name: &Name, record: &Record) -> Result<Record> {
        let mut out = Record::new();
        for (part, bytes) in record.parts() {
            match part.strip_suffix(SUFFIX).filter(|plain| is_private(plain)) {
                Some(plain) => out.insert(plain, self.open_part(name, plain, bytes)?.to_vec())?,
                None if is_private(part) && !self.accept_plain => {
                    let reason = format!(
                        "its part {part} is not encrypted, though all that this program wrote is; see who wrote it, or accept plain text while you encrypt the store"
                    );
                    return Err(Error::store(ErrorKind::Sealed, "open", name, reason));
                }
                None => out.insert(part, bytes)?,
            }
        }
        Ok(out)
    }

    fn open_part(&self, name: &Name, part: &str, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let damaged = || {
            let reason = format!(
                "its part {part} is not what was encrypted; restore it from a backup, or delete it to get a new one"
            );
            Error::store(ErrorKind::Corrupt, "open", name, reason)
        };
        let text = std::str::from_utf8(bytes).map_err(|_| damaged())?;
        let text = text
            .strip_prefix(MAGIC)
            .and_then(|text| text.strip_suffix('\n'));
        let (id, text) = text
            .and_then(|text| text.split_once(' '))
            .ok_or_else(damaged)?;
        let sealed = BASE64.decode(text.as_bytes()).map_err(|_| damaged())?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or_else(damaged)?;
        let keys = std::iter::once(&self.first).chain(&self.older);
        let Some(key) = keys.into_iter().find(|key| key.id == id) else {
            let known: Vec<&str> = std::iter::once(&self.first)
                .chain(&self.older)
                .map(SealingKey::id)
                .collect();
            let id = if id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()) {
                id
            } else {
                "unknown"
            };
            let reason = format!(
                "it is encrypted with the key {id}, and the given ones are {}; give that key too",
                known.join(", ")
            );
            return Err(Error::store(ErrorKind::Sealed, "open", name, reason));
        };
        let payload = Payload {
            msg: sealed,
            aad: &bound_to(name, part),
        };
        let opened = cipher(key).decrypt(&XNonce::from(*nonce), payload);
        opened.map(Zeroizing::new).map_err(|_| damaged())
    }

    fn open_stored(&self, name: &Name, stored: Option<Stored>) -> Result<Option<Stored>> {
        let opened = stored.map(|stored| {
            Ok(Stored::new(
                self.open(name, &stored.record)?,
                stored.version,
            ))
        });
        opened.transpose()
    }
}

fn is_sealed(part: &str) -> bool {
    part.strip_suffix(SUFFIX).is_some_and(is_private)
}

fn cipher(key: &SealingKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&(*key.bytes).into())
}

/// What goes with the ciphertext: it cannot be opened as another part or in another record.
fn bound_to(name: &Name, part: &str) -> Vec<u8> {
    format!("{MAGIC}{name} {part}").into_bytes()
}

impl<S: fmt::Debug> fmt::Debug for Encrypted<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encrypted")
            .field("inner", &self.inner)
            .field("key", &self.first.id)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl<S: Store> Store for Encrypted<S> {
    async fn load(&self, name: &Name) -> Result<Option<Stored>> {
        self.open_stored(name, self.inner.load(name).await?)
    }

    async fn load_many(&self, names: &[Name]) -> Vec<Result<Option<Stored>>> {
        let found = self.inner.load_many(names).await;
        let opened = names.iter().zip(found);
        opened
            .map(|(name, stored)| self.open_stored(name, stored?))
            .collect()
    }

    async fn save(
        &self,
        name: &Name,
        record: &Record,
        condition: &Condition,
        lease: Option<&Lease>,
    ) -> Result<Version> {
        let sealed = self.seal(name, record)?;
        self.inner.save(name, &sealed, condition, lease).await
    }

    async fn delete(
        &self,
        name: &Name,
        condition: &Condition,
        lease: Option<&Lease>,
    ) -> Result<bool> {
        self.inner.delete(name, condition, lease).await
    }

    async fn list(&self, folder: &Folder) -> Result<Vec<Name>> {
        self.inner.list(folder).await
    }

    async fn acquire(&self, lock: &Name, owner: &Owner, ttl: Duration) -> Result<Acquired> {
        self.inner.acquire(lock, owner, ttl).await
    }

    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        self.inner.renew(lease).await
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        self.inner.release(lease).await
    }
}
