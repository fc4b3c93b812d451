//! CAs that speak ACME (RFC 8555): Let's Encrypt and others.

mod account;
mod directory;
mod failure;
mod jws;
mod transport;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use data_encoding::{BASE64, BASE64URL, BASE64URL_NOPAD, HEXLOWER};
use instant_acme::RevocationRequest;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use self::account::ExternalAccount;
pub(crate) use self::account::Opened;
pub(crate) use self::directory::Directory;
pub(crate) use self::failure::own;
use self::transport::Transport;
pub(crate) use self::transport::{NEXT_LOOK, Reply};
use super::{CertRequest, Failure, Issuer, Permits, RenewalInfo, Step, Unlimited};
use crate::challenge::Solver;
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{ORDER_LEASE, ORDER_TIME_LIMIT};
use crate::store::{Name, Owner, Store, Triple};

/// Why a certificate is revoked (RFC 5280, section 5.3.1), as far as CAs take it from subscribers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum RevocationReason {
    /// No reason is given.
    #[default]
    Unspecified,
    /// The private key is known to others.
    KeyCompromise,
    /// The names of the certificate or their owner changed.
    AffiliationChanged,
    /// A new certificate took its place.
    Superseded,
    /// The names are no longer in use.
    CessationOfOperation,
}

/// How an [`AcmeIssuer`] is made.
#[must_use]
pub struct AcmeBuilder {
    directory_url: String,
    store: Arc<dyn Store>,
    provider: Arc<CryptoProvider>,
    clock: Arc<dyn Clock>,
    contacts: Vec<String>,
    terms_agreed: bool,
    external: Option<(String, Zeroizing<String>)>,
    roots: Vec<Vec<u8>>,
    solvers: Vec<Arc<dyn Solver>>,
    preferred_chain: Option<String>,
    profile: Option<String>,
    time_limit: Duration,
    lease_time: Duration,
    account_id: Option<String>,
}

impl AcmeBuilder {
    /// How the CA reaches people, `mailto:ops@example.com`. If it is not what the account has, the account is
    /// changed.
    pub fn contact(mut self, uri: impl Into<String>) -> Self {
        self.contacts.push(uri.into());
        self
    }

    /// Says that you have read the CA's terms of service and agree.
    pub fn agree_to_terms(mut self) -> Self {
        self.terms_agreed = true;
        self
    }

    /// Binds a new account to one that you have at the CA (RFC 8555, section 7.3.4): its key id, and the MAC
    /// key in base64 as the CA shows it.
    pub fn external_account(mut self, id: impl Into<String>, mac_key: impl Into<String>) -> Self {
        self.external = Some((id.into(), Zeroizing::new(mac_key.into())));
        self
    }

    /// Trusts these roots in PEM for the connection to the CA, and no longer those of the system: for a
    /// private CA.
    pub fn root_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(pem.into());
        self
    }

    /// Proves control of names by this solver. Of several that can, the first one is taken.
    pub fn solver(mut self, solver: impl Solver + 'static) -> Self {
        self.solvers.push(Arc::new(solver));
        self
    }

    /// Takes the chain whose last certificate was issued by this common name, if the CA offers several
    /// (RFC 8555, section 7.4.2). Without one of that name the CA's own choice is taken.
    pub fn preferred_chain(mut self, issuer_common_name: impl Into<String>) -> Self {
        self.preferred_chain = Some(issuer_common_name.into());
        self
    }

    /// The profile of the CA to order under, for requests that say none (draft-ietf-acme-profiles).
    pub fn profile(mut self, profile: impl Into<String>) -> Self {
        self.profile = Some(profile.into());
        self
    }

    /// How long the work on one order may wait for the CA, in place of [`ORDER_TIME_LIMIT`].
    pub fn time_limit(mut self, time: Duration) -> Self {
        self.time_limit = time;
        self
    }

    /// How long the lock of an order is held without renewal, in place of [`ORDER_LEASE`].
    pub fn lease_time(mut self, time: Duration) -> Self {
        self.lease_time = time;
        self
    }

    /// The clock that times are taken from.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The id of the account's record, in place of one made of the directory URL: for several accounts at one
    /// CA.
    pub fn account_id(mut self, id: impl Into<String>) -> Self {
        self.account_id = Some(id.into());
        self
    }

    /// Checks all of that. No request is sent before the first certificate is asked for.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if something cannot be used: it says what.
    pub fn build(self) -> Result<AcmeIssuer> {
        let invalid = |reason: &str| -> Error {
            Failure::new(ErrorKind::Invalid, Step::Request, reason)
                .of(&self.directory_url, "certificates")
                .into()
        };
        let host = self
            .directory_url
            .parse::<http::Uri>()
            .ok()
            .filter(|uri| uri.scheme_str() == Some("https"))
            .and_then(|uri| {
                uri.authority()
                    .map(|host| host.as_str().replace(['[', ']'], ""))
            })
            .ok_or_else(|| invalid("it is no https URL; give that of the CA's directory"))?;
        let hash = Sha256::digest(&self.directory_url);
        let hash = HEXLOWER.encode(hash.get(..4).unwrap_or_default());
        let account_id = self
            .account_id
            .clone()
            .unwrap_or_else(|| format!("{host},{hash}"));
        let account_name = Name::account(&account_id)?;
        let external = match &self.external {
            None => None,
            Some((id, mac_key)) => Some(ExternalAccount {
                id: id.clone(),
                mac_key: decode(mac_key).ok_or_else(|| {
                    invalid("the MAC key of the external account is no base64 of at least 16 bytes; copy it again")
                })?,
            }),
        };
        let mut roots = rustls::RootCertStore::empty();
        for pem in &self.roots {
            let before = roots.len();
            for der in CertificateDer::pem_slice_iter(pem) {
                let added = der.ok().and_then(|der| roots.add(der).ok());
                added.ok_or_else(|| invalid("a root is no certificate in PEM; copy it again"))?;
            }
            if roots.len() == before {
                return Err(invalid("a root has no certificate in PEM; give one"));
            }
        }
        if self.roots.is_empty() {
            // Stores of systems hold broken ones too.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(invalid(
                    "the system has no root certificates; install them (Debian: ca-certificates), or give the CA's by `root_pem`",
                ));
            }
        }
        if self.solvers.is_empty() {
            return Err(invalid(
                "no solver is given; give at least one, such as `challenge::Http01`",
            ));
        }
        let tls = rustls::ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|_| {
                invalid(
                    "the crypto provider has no cipher suite for TLS 1.2 and 1.3; choose another",
                )
            })?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let transport = Arc::new(Transport::new(tls, self.clock.clone()));
        let owner = Owner::random("acme")?;
        Ok(AcmeIssuer(Arc::new(Shared {
            transport,
            owner,
            account_name,
            external,
            opened: tokio::sync::Mutex::new(None),
            asked: tokio::sync::Mutex::new(None),
            directory_url: self.directory_url,
            store: self.store,
            provider: self.provider,
            clock: self.clock,
            contacts: self.contacts,
            terms_agreed: self.terms_agreed,
            solvers: self.solvers,
            preferred_chain: self.preferred_chain,
            profile: self.profile,
            time_limit: self.time_limit,
            lease_time: self.lease_time,
        })))
    }
}

/// Bytes of a MAC key, which CAs show in either alphabet, with padding or without.
fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    const SHORTEST: usize = 16;
    let text = text.trim().as_bytes();
    let bytes = [BASE64URL_NOPAD, BASE64URL, BASE64]
        .iter()
        .find_map(|form| form.decode(text).ok())?;
    Some(Zeroizing::new(bytes)).filter(|bytes| bytes.len() >= SHORTEST)
}

/// Gets certificates from a CA that speaks ACME.
///
/// Account, keys and orders are kept in the store. An order that was cut off, by a kill or a failure
/// that can pass, is gone on with by the next call for the same names, on any instance; two instances never
/// order the same names at once. Clones share the account.
///
/// A call that is dropped half-way leaves the lock of its order held until it expires
/// ([`ORDER_LEASE`]); until then others are told [`Busy`](ErrorKind::Busy). Between the CA's answer to a new
/// order and the write of its URL a kill can lose that URL: the order is then looked for in the account's
/// list of orders (RFC 8555, section 7.1.2.1). A CA without such a list, Let's Encrypt for one, may get a
/// second order in that case.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> opsbox_cert::Result<()> {
/// use std::sync::Arc;
/// use opsbox_cert::challenge::Http01;
/// use opsbox_cert::LETS_ENCRYPT_STAGING;
/// use opsbox_cert::issuer::{AcmeIssuer, CertRequest, Issuer as _};
/// use opsbox_cert::store::{FsStore, Name};
///
/// # let provider = Arc::new(rustls::crypto::ring::default_provider());
/// let store = Arc::new(FsStore::open("/var/lib/certificates").await?);
/// let http01 = Http01::new(store.clone()); // ask its `respond` on port 80
/// let issuer = AcmeIssuer::builder(LETS_ENCRYPT_STAGING, store.clone(), provider)
///     .contact("mailto:ops@example.com")
///     .agree_to_terms()
///     .solver(http01)
///     .build()?;
/// let request = CertRequest::new(["example.com", "www.example.com"])?;
/// let name = Name::certificate("example.com")?;
/// let triple = issuer.issue_into(&request, &*store, &name).await?;
/// println!("{}", triple.facts()?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AcmeIssuer(pub(crate) Arc<Shared>);

/// What all orders of an issuer share.
pub(crate) struct Shared {
    pub(crate) directory_url: String,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) provider: Arc<CryptoProvider>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) solvers: Vec<Arc<dyn Solver>>,
    pub(crate) preferred_chain: Option<String>,
    profile: Option<String>,
    pub(crate) time_limit: Duration,
    pub(crate) lease_time: Duration,
    pub(crate) owner: Owner,
    transport: Arc<Transport>,
    account_name: Name,
    external: Option<ExternalAccount>,
    contacts: Vec<String>,
    terms_agreed: bool,
    opened: tokio::sync::Mutex<Option<Arc<Opened>>>,
    /// Where windows are asked for, if that was looked up without an account.
    asked: tokio::sync::Mutex<Option<Option<String>>>,
}

impl AcmeIssuer {
    /// An issuer at this directory URL that keeps everything in this store.
    pub fn builder(
        directory_url: impl Into<String>,
        store: Arc<dyn Store>,
        provider: Arc<CryptoProvider>,
    ) -> AcmeBuilder {
        AcmeBuilder {
            directory_url: directory_url.into(),
            store,
            provider,
            clock: Arc::new(SystemClock),
            contacts: Vec::new(),
            terms_agreed: false,
            external: None,
            roots: Vec::new(),
            solvers: Vec::new(),
            preferred_chain: None,
            profile: None,
            time_limit: ORDER_TIME_LIMIT,
            lease_time: ORDER_LEASE,
            account_id: None,
        }
    }

    /// The request under the issuer's profile, if it has none of its own.
    fn profiled<'r>(&self, request: &'r CertRequest) -> Cow<'r, CertRequest> {
        match (&self.0.profile, request.profile_name()) {
            (Some(profile), None) => Cow::Owned(request.clone().profile(profile)),
            _ => Cow::Borrowed(request),
        }
    }

    /// The profiles that the CA offers, with what it says of each.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read.
    pub async fn profiles(&self) -> Result<BTreeMap<String, String>> {
        let fetched = Directory::fetch(&self.0.transport, &self.0.directory_url).await;
        let directory =
            fetched.map_err(|failure| failure.of(&self.0.directory_url, "certificates"))?;
        Ok(directory.meta.profiles)
    }

    /// The URL of the account at the CA. It is opened if there is none.
    ///
    /// # Errors
    ///
    /// If it cannot be opened.
    pub async fn account_url(&self) -> Result<String> {
        Ok(self.0.account(&Unlimited).await?.url.clone())
    }

    /// Gives the account a new key (RFC 8555, section 7.3.5). Cut off at any moment, the account stays
    /// usable: both keys are stored until the CA has taken the new one.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) if the CA offers no change of keys, those of the CA and the
    /// store.
    pub async fn roll_account_key(&self) -> Result<()> {
        self.0.roll_key().await
    }

    /// Revokes a certificate that this account was given.
    ///
    /// # Errors
    ///
    /// What the CA says against it, and those of the store.
    pub async fn revoke(&self, triple: &Triple, reason: RevocationReason) -> Result<()> {
        let opened = self.0.account(&Unlimited).await?;
        let Some(certificate) = triple.chain().first() else {
            return Ok(());
        };
        let reason = match reason {
            // Left out, as RFC 5280, section 5.3.1, wants it.
            RevocationReason::Unspecified => None,
            RevocationReason::KeyCompromise => Some(instant_acme::RevocationReason::KeyCompromise),
            RevocationReason::AffiliationChanged => {
                Some(instant_acme::RevocationReason::AffiliationChanged)
            }
            RevocationReason::Superseded => Some(instant_acme::RevocationReason::Superseded),
            RevocationReason::CessationOfOperation => {
                Some(instant_acme::RevocationReason::CessationOfOperation)
            }
        };
        let request = RevocationRequest {
            certificate,
            reason,
        };
        opened.account.revoke(&request).await.map_err(|error| {
            let name = triple
                .facts()
                .ok()
                .and_then(|facts| facts.names().next().map(|name| name.into_owned()));
            Failure::acme(Step::Revoke, error)
                .of(
                    &self.0.directory_url,
                    name.unwrap_or_else(|| "a certificate".into()),
                )
                .into()
        })
    }
}

impl fmt::Debug for AcmeIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcmeIssuer")
            .field("directory_url", &self.0.directory_url)
            .field("account", &self.0.account_name)
            .field("solvers", &self.0.solvers)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AcmeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcmeBuilder")
            .field("directory_url", &self.directory_url)
            .field("contacts", &self.contacts)
            .field("solvers", &self.solvers)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Issuer for AcmeIssuer {
    fn name(&self) -> &str {
        &self.0.directory_url
    }

    async fn issue(&self, request: &CertRequest) -> Result<Triple> {
        self.issue_within(request, &Unlimited).await
    }

    async fn issue_within(&self, request: &CertRequest, permits: &dyn Permits) -> Result<Triple> {
        crate::order::issue(&self.0, &self.profiled(request), permits).await
    }

    async fn confirm(&self, request: &CertRequest) -> Result<()> {
        crate::order::confirm(&self.0, &self.profiled(request)).await
    }

    async fn renewal_info(&self, ari_id: &str) -> Result<Option<RenewalInfo>> {
        let Some(base) = self.0.renewal_info_url().await? else {
            return Ok(None);
        };
        let about = |failure: Failure| failure.of(&self.0.directory_url, ari_id);
        // Of the directory's URL and the id in base64url alone (RFC 9773, section 4.1).
        let is_id = |c: char| c.is_ascii_alphanumeric() || "-_.=".contains(c);
        if ari_id.is_empty() || !ari_id.chars().all(is_id) {
            let reason = "it is no ARI id; see `CertFacts::ari_id`";
            let failure = Failure::new(ErrorKind::Invalid, Step::RenewalInfo, reason);
            return Err(about(failure).into());
        }
        let url = format!("{}/{ari_id}", base.trim_end_matches('/'));
        let reply = self.0.transport.get(&url).await;
        let reply = reply.map_err(|fault| about(Failure::http(Step::RenewalInfo, fault)))?;
        let retry_after = self.0.transport.retry_after(&reply.headers);
        match RenewalInfo::from_json(&reply.body, retry_after) {
            Ok(info) => Ok(Some(info)),
            Err(why) => {
                let failure = Failure::protocol(Step::RenewalInfo, &why);
                Err(about(failure.retry_after(retry_after)).into())
            }
        }
    }
}
