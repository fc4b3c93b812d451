use std::path::{Path, PathBuf};

use data_encoding::BASE64;

use super::{KeyContext, KeyProvider, Keys, write};
use crate::{
    error::Error,
    limits::{MAX_KEY_VERSIONS, MAX_TENANT_BYTES},
};

const MAGIC: &str = "opsbox-data-keys 1 ";

/// Keys by version, in ascending order.
type Wrapped = Vec<(u32, Vec<u8>)>;

/// The data keys of a tenant, wrapped, in a file. Without the [provider](KeyProvider) that wrapped them
/// they are of no use to anybody, with it they become [`Keys`].
///
/// The file is text of mode 0600: a line `opsbox-data-keys 1 TENANT`, then a line for each version with
/// its number and the wrapped key in base64. The newest version encrypts. Keep the old ones: what they
/// encrypted can be decrypted by nothing else.
#[derive(Clone, Debug)]
pub struct KeyRing {
    path: PathBuf,
    tenant: String,
    wrapped: Wrapped,
}

impl KeyRing {
    /// Makes a file without keys; [`rotate`](Self::rotate) adds the first.
    ///
    /// # Errors
    ///
    /// `Key` if the file exists or cannot be written, or the tenant's name is empty, has control
    /// characters, or is longer than [`MAX_TENANT_BYTES`].
    pub fn create(path: impl Into<PathBuf>, tenant: &str) -> Result<Self, Error> {
        check_tenant(tenant)?;
        let ring = Self {
            path: path.into(),
            tenant: tenant.to_owned(),
            wrapped: Vec::new(),
        };
        write::create(&ring.path, &ring.text())?;
        Ok(ring)
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// `Key` if it cannot be read, is of a mode that lets others in, or is none of [`create`](Self::create).
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let (tenant, wrapped) = parse(&path)?;
        Ok(Self {
            path,
            tenant,
            wrapped,
        })
    }

    /// The tenant.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The versions, oldest first.
    pub fn versions(&self) -> impl ExactSizeIterator<Item = u32> {
        self.wrapped.iter().map(|(version, _)| *version)
    }

    /// Adds a version with a new data key, which encrypts from now on, and returns its number.
    /// What other programs added in the meantime is kept.
    ///
    /// # Errors
    ///
    /// `Key` if the provider fails, or the file cannot be read or written.
    pub async fn rotate(&mut self, provider: &dyn KeyProvider) -> Result<u32, Error> {
        loop {
            let next = self
                .wrapped
                .last()
                .map_or(1, |(version, _)| version.saturating_add(1));
            if self.wrapped.len() >= MAX_KEY_VERSIONS {
                let message =
                    format!("it has {MAX_KEY_VERSIONS} versions, the limit; begin another file");
                return Err(Error::key(
                    &format!("rotate {}", self.path.display()),
                    false,
                    message,
                ));
            }
            let key = provider
                .generate(&KeyContext::new(&self.tenant, next))
                .await?;
            // The provider may take its time: the file is locked only for the moment of the change.
            let lock = write::lock(&self.path)?;
            let (_, now) = parse(&self.path)?;
            let unchanged = now.len() == self.wrapped.len();
            self.wrapped = now;
            if unchanged {
                self.wrapped.push((next, key.wrapped));
                write::replace(&self.path, &self.text())?;
                return Ok(next);
            }
            drop(lock);
        }
    }

    /// All versions, ready for use.
    ///
    /// # Errors
    ///
    /// `Key` if there is no version, or the provider does not unwrap one: nothing is masked with fewer
    /// keys than there are, since values could not be compared or decrypted then.
    pub async fn keys(&self, provider: &dyn KeyProvider) -> Result<Keys, Error> {
        let mut keys = Vec::with_capacity(self.wrapped.len());
        for (version, wrapped) in &self.wrapped {
            let context = KeyContext::new(&self.tenant, *version);
            keys.push((*version, provider.unwrap_key(wrapped, &context).await?));
        }
        Keys::new(&self.tenant, keys)
    }

    fn text(&self) -> String {
        let mut text = format!("{MAGIC}{}\n", self.tenant);
        for (version, wrapped) in &self.wrapped {
            text.push_str(&format!("{version} {}\n", BASE64.encode(wrapped)));
        }
        text
    }
}

pub(super) fn check_tenant(tenant: &str) -> Result<(), Error> {
    let is_name = !tenant.is_empty()
        && tenant.len() <= MAX_TENANT_BYTES
        && !tenant.chars().any(char::is_control);
    if is_name && tenant.trim() == tenant {
        return Ok(());
    }
    let message = format!(
        "it must be 1 to {MAX_TENANT_BYTES} bytes without control characters, and without spaces around"
    );
    Err(Error::key(
        &format!("use tenant {tenant:?}"),
        false,
        message,
    ))
}

/// Tenant and wrapped keys.
fn parse(path: &Path) -> Result<(String, Wrapped), Error> {
    let text = write::read(path)?;
    let refuse = |line: usize, message: &str| {
        Error::key(
            &format!("use {}", path.display()),
            false,
            format!("line {line}: {message}"),
        )
    };
    let mut lines = (1..).zip(text.lines());
    let tenant = lines.next().and_then(|(_, line)| line.strip_prefix(MAGIC));
    let Some(tenant) = tenant.filter(|it| check_tenant(it).is_ok()) else {
        let message =
            format!("it does not begin with `{MAGIC}` and a tenant; make one by KeyRing::create");
        return Err(refuse(1, &message));
    };
    let mut wrapped = Wrapped::new();
    for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let parsed = line.split_once(' ').and_then(|(version, key)| {
            let key = BASE64.decode(key.trim_end().as_bytes()).ok()?;
            Some((version.parse::<u32>().ok()?, key))
        });
        let (version, key) =
            parsed.ok_or_else(|| refuse(number, "it is no version and wrapped key in base64"))?;
        if wrapped.last().is_some_and(|(last, _)| *last >= version) {
            return Err(refuse(number, "the versions do not ascend"));
        }
        wrapped.push((version, key));
    }
    Ok((tenant.to_owned(), wrapped))
}
