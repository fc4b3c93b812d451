//! A CA of this program, for development and internal names.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::crypto::CryptoProvider;
use time::OffsetDateTime;

use super::{CertRequest, Failure, Issuer, Step};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::inventory::KeyAlgorithm;
use crate::limits::{LOCAL_CA_BACKDATE, LOCAL_CA_LEAF_VALIDITY, LOCAL_CA_VALIDITY};
use crate::store::{Condition, Folder, Metadata, Name, Record, Store, Triple};

const KEY: &str = "tls.key";
const COMMON_NAME: &str = "common_name";

/// What a [`LocalCa`] does otherwise than by default.
#[derive(Debug, Clone)]
#[must_use]
pub struct LocalCaOptions {
    common_name: Option<String>,
    leaf_validity: Duration,
    ca_validity: Duration,
    clock: Arc<dyn Clock>,
}

impl Default for LocalCaOptions {
    fn default() -> Self {
        Self {
            common_name: None,
            leaf_validity: LOCAL_CA_LEAF_VALIDITY,
            ca_validity: LOCAL_CA_VALIDITY,
            clock: Arc::new(SystemClock),
        }
    }
}

impl LocalCaOptions {
    /// [`LOCAL_CA_LEAF_VALIDITY`] and [`LOCAL_CA_VALIDITY`], by the clock of the system.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a CA that has to be made is called in its certificate: `NAME local CA` unless it is said here.
    pub fn common_name(mut self, name: impl Into<String>) -> Self {
        self.common_name = Some(name.into());
        self
    }

    /// How long a certificate is good from its issuance, at most until the CA expires.
    pub fn leaf_validity(mut self, time: Duration) -> Self {
        self.leaf_validity = time;
        self
    }

    /// How long a CA is good that has to be made. One that is in the store stays as it is.
    pub fn ca_validity(mut self, time: Duration) -> Self {
        self.ca_validity = time;
        self
    }

    /// The clock that validity is counted by.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

/// A CA whose key and certificate are kept in the store, as `authorities/NAME`.
///
/// It is made when it is first opened; every instance on the same store then has the same. Clients have to
/// trust [`root_pem`](Self::root_pem). Its key can sign for any name, so keep the store as safe as such
/// a key, with `store::Encrypted` for instance. See the [module](super) for an example.
pub struct LocalCa {
    name: String,
    root: Triple,
    root_pem: String,
    not_after: SystemTime,
    issuer: rcgen::Issuer<'static, KeyPair>,
    provider: Arc<CryptoProvider>,
    options: LocalCaOptions,
}

impl LocalCa {
    /// Opens the CA of this name, and makes it if there is none.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if the name can be no id of a record, those of the store, and those
    /// of [`Triple::from_record`].
    pub async fn open(
        name: &str,
        store: Arc<dyn Store>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self> {
        Self::open_with(name, store, provider, LocalCaOptions::new()).await
    }

    /// [`open`](Self::open) with options.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn open_with(
        name: &str,
        store: Arc<dyn Store>,
        provider: Arc<CryptoProvider>,
        options: LocalCaOptions,
    ) -> Result<Self> {
        let record_name = Name::new(&Folder::new("authorities")?, name)?;
        if let Some(stored) = store.load(&record_name).await? {
            return Self::read(name, &record_name, &stored.record, provider, options);
        }
        let made = Self::make(name, &provider, &options)?.to_record()?;
        match store
            .save(&record_name, &made, &Condition::Absent, None)
            .await
        {
            Ok(_) => Self::read(name, &record_name, &made, provider, options),
            // Another instance was first: its CA is the one.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                match store.load(&record_name).await? {
                    Some(stored) => {
                        Self::read(name, &record_name, &stored.record, provider, options)
                    }
                    None => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    fn make(name: &str, provider: &CryptoProvider, options: &LocalCaOptions) -> Result<Triple> {
        let now = options.clock.now();
        let key = KeyAlgorithm::EcdsaP384.generate()?;
        let common_name = options.common_name.clone();
        let common_name = common_name.unwrap_or_else(|| format!("{name} local CA"));
        let mut params = ca_params(&common_name);
        params.not_before = date(now, Duration::ZERO, LOCAL_CA_BACKDATE);
        params.not_after = date(now, options.ca_validity, Duration::ZERO);
        let certificate = params.self_signed(&key).map_err(|error| {
            sign_failure(name, "its certificate", "could not be made").caused_by(error)
        })?;
        let metadata = Metadata::new(issuer_name(name), now).note(COMMON_NAME, common_name);
        let key = zeroize::Zeroizing::new(key.serialize_pem());
        Triple::new(
            key.as_bytes(),
            certificate.pem().as_bytes(),
            metadata,
            provider,
        )
    }

    fn read(
        name: &str,
        record_name: &Name,
        record: &Record,
        provider: Arc<CryptoProvider>,
        options: LocalCaOptions,
    ) -> Result<Self> {
        let corrupt = |reason: &str| Error::store(ErrorKind::Corrupt, "read", record_name, reason);
        let root = Triple::from_record(record_name, record, &provider)?;
        let key = record
            .part(KEY)
            .and_then(|key| std::str::from_utf8(key).ok())
            .and_then(|key| KeyPair::from_pem(key).ok())
            .ok_or_else(|| corrupt("its key is no key of a CA; restore it from a backup"))?;
        let common_name = root.metadata().noted(COMMON_NAME).ok_or_else(|| {
            corrupt("its metadata does not say the name of the CA; restore it from a backup, or delete it to get a new CA")
        })?;
        let issuer = rcgen::Issuer::new(ca_params(common_name), key);
        let not_after = root.facts()?.not_after();
        let root_pem = record.part("tls.crt").unwrap_or_default();
        let root_pem = String::from_utf8_lossy(root_pem).into_owned();
        Ok(Self {
            name: issuer_name(name),
            root,
            root_pem,
            not_after,
            issuer,
            provider,
            options,
        })
    }

    /// The certificate that clients have to trust, in PEM.
    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    fn sign(&self, request: &CertRequest) -> Result<Triple> {
        let now = self.options.clock.now();
        let fail = |reason: &str| sign_failure(&self.name, request, reason);
        let ends = now
            .checked_add(self.options.leaf_validity)
            .map_or(self.not_after, |ends| ends.min(self.not_after));
        if ends <= now {
            let reason = "the CA has expired, or certificates are to be good for no time; delete its record to get a new one, and let the clients trust that";
            return Err(fail(reason).into());
        }
        let mut params = CertificateParams::new(request.names())
            .map_err(|error| fail("a name is refused by the encoder").caused_by(error))?;
        params.distinguished_name = DistinguishedName::new();
        params.not_before = date(now, Duration::ZERO, LOCAL_CA_BACKDATE);
        params.not_after = date(ends, Duration::ZERO, Duration::ZERO);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = request.key_algorithm().generate()?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .map_err(|error| fail("the certificate could not be made").caused_by(error))?;
        let key = zeroize::Zeroizing::new(key.serialize_pem());
        let metadata = Metadata::new(self.name.as_str(), now);
        Triple::new(
            key.as_bytes(),
            certificate.pem().as_bytes(),
            metadata,
            &self.provider,
        )
    }
}

impl fmt::Debug for LocalCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalCa")
            .field("name", &self.name)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Issuer for LocalCa {
    fn name(&self) -> &str {
        &self.name
    }

    async fn issue(&self, request: &CertRequest) -> Result<Triple> {
        self.sign(request)
    }
}

fn issuer_name(name: &str) -> String {
    format!("local-ca:{name}")
}

fn sign_failure(issuer: &str, object: impl fmt::Display, reason: &str) -> Failure {
    Failure::new(ErrorKind::Invalid, Step::Sign, reason).of(issuer, object)
}

/// What is the same each time, so that a CA is built again out of its name and key.
fn ca_params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn date(time: SystemTime, later: Duration, earlier: Duration) -> OffsetDateTime {
    let time = time.checked_add(later).unwrap_or(time);
    let time = time.checked_sub(earlier).unwrap_or(time);
    // OffsetDateTime::from would panic on a clock past the year 9999.
    let seconds = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
