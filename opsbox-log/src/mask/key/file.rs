use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use aes_gcm::{
    Aes256Gcm, Nonce,
    aead::{Aead as _, KeyInit as _, Payload},
};
use data_encoding::BASE64;
use zeroize::{Zeroize as _, Zeroizing};

use super::{DataKey, KeyContext, KeyFuture, KeyProvider, SecretKey, provider::fill, write};
use crate::error::Error;

const MAGIC: &str = "opsbox-key-file 1";
const NONCE: usize = 12;
/// Version, nonce, key and tag.
const WRAPPED: usize = 4 + NONCE + 32 + 16;

/// Wrapping keys in a file, for where there is no key management service.
///
/// The file has mode 0600; with another one that lets others in it is refused. It is text: a line
/// `opsbox-key-file 1`, then a line for each version with its number and the key in base64. The newest
/// version wraps; each unwraps what it wrapped, with AES-256-GCM, so a version must be kept as long as
/// there are data keys of it.
///
/// ```
/// use opsbox_log::mask::{KeyRing, LocalKeyFile};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path();
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let file = LocalKeyFile::create(folder.join("master.key"))?;
/// let mut ring = KeyRing::create(folder.join("data.keys"), "acme")?;
/// ring.rotate(&file).await?;
/// let keys = ring.keys(&file).await?;
/// assert_eq!((keys.tenant(), keys.current()), ("acme", 1));
/// # Ok::<(), opsbox_log::Error>(())
/// # }).unwrap();
/// ```
pub struct LocalKeyFile {
    path: PathBuf,
    keys: BTreeMap<u32, SecretKey>,
}

impl LocalKeyFile {
    /// Makes a file with a first key.
    ///
    /// # Errors
    ///
    /// `Key` if the file exists, or cannot be written.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let (path, keys) = (path.into(), BTreeMap::from([(1, SecretKey::random()?)]));
        write::create(&path, &text(&keys))?;
        Ok(Self { path, keys })
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// `Key` if it cannot be read, is of a mode that lets others in, or is none of
    /// [`create`](Self::create).
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let keys = parse(&path)?;
        Ok(Self { path, keys })
    }

    /// Adds a version that wraps from now on, and returns its number. What other programs added in the
    /// meantime is kept. Data keys that are wrapped by older versions still unwrap; a
    /// [`KeyRing`](super::KeyRing) that is
    /// [rotated](super::KeyRing::rotate) uses the new version.
    ///
    /// # Errors
    ///
    /// `Key` if the file cannot be read or written.
    pub fn rotate(&mut self) -> Result<u32, Error> {
        let lock = write::lock(&self.path)?;
        let mut keys = parse(&self.path)?;
        let version = keys
            .last_key_value()
            .map_or(1, |(version, _)| version.saturating_add(1));
        keys.insert(version, SecretKey::random()?);
        write::replace(&self.path, &text(&keys))?;
        drop(lock);
        self.keys = keys;
        Ok(version)
    }

    /// The versions, oldest first.
    pub fn versions(&self) -> impl ExactSizeIterator<Item = u32> {
        self.keys.keys().copied()
    }

    fn wrap(&self, context: &KeyContext) -> Result<DataKey, Error> {
        let attempt = format!("wrap a data key with {}", self.path.display());
        let Some((&version, wrapping)) = self.keys.last_key_value() else {
            return Err(Error::key(&attempt, false, "it has no key".into()));
        };
        let key = SecretKey::random()?;
        let mut nonce = [0; NONCE];
        fill(&mut nonce)?;
        let payload = Payload {
            msg: key.expose(),
            aad: &bound_to(context, version),
        };
        let sealed = Aes256Gcm::new(wrapping.expose().into()).encrypt(&Nonce::from(nonce), payload);
        let sealed =
            sealed.map_err(|_| Error::key(&attempt, false, "it cannot be encrypted".into()))?;
        let wrapped = [&version.to_be_bytes()[..], &nonce, &sealed].concat();
        Ok(DataKey::new(key, wrapped))
    }

    fn unwrap_now(&self, wrapped: &[u8], context: &KeyContext) -> Result<SecretKey, Error> {
        let attempt = format!(
            "unwrap version {} of the data key of tenant {:?} with {}",
            context.version,
            context.tenant,
            self.path.display()
        );
        let refuse = |message: String| Error::key(&attempt, false, message);
        let parts = wrapped
            .split_first_chunk::<4>()
            .filter(|_| wrapped.len() == WRAPPED);
        let parts =
            parts.and_then(|(version, rest)| Some((version, rest.split_first_chunk::<NONCE>()?)));
        let Some((version, (nonce, sealed))) = parts else {
            return Err(refuse(
                "it was not wrapped by a key file; name the provider that wrapped it".into(),
            ));
        };
        let version = u32::from_be_bytes(*version);
        let Some(wrapping) = self.keys.get(&version) else {
            return Err(refuse(format!(
                "it was wrapped by version {version}, which the file does not have; restore the file that has it"
            )));
        };
        let payload = Payload {
            msg: sealed,
            aad: &bound_to(context, version),
        };
        let opened =
            Aes256Gcm::new(wrapping.expose().into()).decrypt(&Nonce::from(*nonce), payload);
        let opened = opened.map(Zeroizing::new).map_err(|_| {
            refuse(
                "it was wrapped for another tenant or version, by another key, or it was changed"
                    .into(),
            )
        })?;
        let mut key = [0; 32];
        for (to, from) in key.iter_mut().zip(opened.iter()) {
            *to = *from;
        }
        let secret = SecretKey::new(key);
        key.zeroize();
        Ok(secret)
    }
}

impl KeyProvider for LocalKeyFile {
    fn generate<'a>(&'a self, context: &'a KeyContext) -> KeyFuture<'a, DataKey> {
        Box::pin(async { self.wrap(context) })
    }

    fn unwrap_key<'a>(
        &'a self,
        wrapped: &'a [u8],
        context: &'a KeyContext,
    ) -> KeyFuture<'a, SecretKey> {
        Box::pin(async { self.unwrap_now(wrapped, context) })
    }
}

impl fmt::Debug for LocalKeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions: Vec<_> = self.versions().collect();
        f.debug_struct("LocalKeyFile")
            .field("path", &self.path)
            .field("versions", &versions)
            .finish_non_exhaustive()
    }
}

/// A wrapped key belongs to one version of one tenant's keys.
fn bound_to(context: &KeyContext, wrapping: u32) -> Vec<u8> {
    let head = b"opsbox-log data key 1\0";
    let (wrapping, version) = (wrapping.to_be_bytes(), context.version.to_be_bytes());
    [&head[..], &wrapping, &version, context.tenant.as_bytes()].concat()
}

fn text(keys: &BTreeMap<u32, SecretKey>) -> Zeroizing<String> {
    // Enough room at once: growing would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(MAGIC.len() + 1 + keys.len() * 64));
    text.push_str(MAGIC);
    text.push('\n');
    for (version, key) in keys {
        text.push_str(&version.to_string());
        text.push(' ');
        BASE64.encode_append(key.expose(), &mut text);
        text.push('\n');
    }
    text
}

fn parse(path: &Path) -> Result<BTreeMap<u32, SecretKey>, Error> {
    let text = write::read(path)?;
    let refuse = |line: usize, message: &str| {
        Error::key(
            &format!("use {}", path.display()),
            false,
            format!("line {line}: {message}"),
        )
    };
    let mut lines = (1..).zip(text.lines());
    if lines.next().is_none_or(|(_, line)| line != MAGIC) {
        let message =
            format!("it does not begin with `{MAGIC}`; make a key file by LocalKeyFile::create");
        return Err(refuse(1, &message));
    }
    let mut keys = BTreeMap::new();
    for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let parsed = line.split_once(' ').and_then(|(version, key)| {
            let bytes = Zeroizing::new(BASE64.decode(key.trim_end().as_bytes()).ok()?);
            let key = bytes.first_chunk::<32>().filter(|_| bytes.len() == 32)?;
            Some((version.parse::<u32>().ok()?, SecretKey::new(*key)))
        });
        let (version, key) = parsed
            .ok_or_else(|| refuse(number, "it is no version and key of 32 bytes in base64"))?;
        if keys.insert(version, key).is_some() {
            return Err(refuse(number, "there is a key of that version already"));
        }
    }
    if keys.is_empty() {
        return Err(refuse(
            1,
            "it has no key; make a key file by LocalKeyFile::create",
        ));
    }
    Ok(keys)
}
