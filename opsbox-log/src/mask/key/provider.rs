use std::{fmt, pin::Pin};

use zeroize::Zeroizing;

use crate::error::Error;

/// Makes data keys and unwraps them: a [file](super::LocalKeyFile), or a key management service. The keys
/// that wrap never leave it.
///
/// A provider is asked when a program starts and when keys are rotated, not for each value: masking
/// itself works on [`Keys`](super::Keys) that are at hand.
pub trait KeyProvider: Send + Sync {
    /// A new data key of 256 random bits, plain and wrapped. Both are bound to the context: to unwrap
    /// the key, it has to be said again.
    fn generate<'a>(&'a self, context: &'a KeyContext) -> KeyFuture<'a, DataKey>;

    /// The key that [`generate`](Self::generate) wrapped.
    fn unwrap_key<'a>(
        &'a self,
        wrapped: &'a [u8],
        context: &'a KeyContext,
    ) -> KeyFuture<'a, SecretKey>;
}

/// What a [`KeyProvider`] does; errors are of the kind [`Key`](crate::ErrorKind::Key).
pub type KeyFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// What a data key is for. It is no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyContext {
    /// Whose values it encrypts.
    pub tenant: String,
    /// Its version, from 1.
    pub version: u32,
}

impl KeyContext {
    /// The context of a version of a tenant's key.
    pub fn new(tenant: &str, version: u32) -> Self {
        Self {
            tenant: tenant.to_owned(),
            version,
        }
    }
}

/// A key of 256 bits, wiped when it is dropped and never printed.
pub struct SecretKey(Zeroizing<[u8; 32]>);

impl SecretKey {
    /// From bytes, which have to be random: a password is no key.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Of the operating system's randomness.
    pub(super) fn random() -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        fill(&mut *bytes)?;
        Ok(Self(bytes))
    }

    /// The bytes, for a [`KeyProvider`].
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// A data key, plain for use and wrapped for keeping.
#[derive(Debug)]
#[non_exhaustive]
pub struct DataKey {
    /// The key.
    pub key: SecretKey,
    /// The same, encrypted by the provider. It is no secret without the provider.
    pub wrapped: Vec<u8>,
}

impl DataKey {
    /// A key and its wrapped form.
    pub fn new(key: SecretKey, wrapped: Vec<u8>) -> Self {
        Self { key, wrapped }
    }
}

/// Random bytes of the operating system.
pub(super) fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes).map_err(|error| {
        let message =
            format!("the operating system gives no random bytes ({error}); try again later");
        Error::key("make a key", true, message)
    })
}
