//! From a configuration to what it describes.

#![cfg_attr(
    not(all(feature = "dns", feature = "local-ca")),
    allow(
        dead_code,
        unused_imports,
        unused_mut,
        unused_variables,
        unreachable_code,
        clippy::never_loop,
        reason = "without a feature its arm only refuses"
    )
)]

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use zeroize::Zeroizing;

#[cfg(feature = "acme")]
use super::AcmeConfig;
#[cfg(feature = "dns")]
use super::dns::ByName;
use super::{Config, IssuerConfig, StoreConfig};
#[cfg(feature = "acme")]
use crate::challenge::{Http01, TlsAlpn01};
use crate::error::{Error, ErrorKind, Result};
use crate::install::Certificates;
#[cfg(feature = "acme")]
use crate::issuer::AcmeIssuer;
use crate::limits::MAX_SECRET_FILE_BYTES;
use crate::manager::Manager;
use crate::store::{MemoryStore, Store};

/// What a [`Config`] describes, put together by [`Config::assemble`].
#[non_exhaustive]
pub struct Assembled {
    /// Where all is kept.
    pub store: Arc<dyn Store>,
    /// What rustls asks; its [`events`](Certificates::events) say what happens.
    pub certificates: Certificates,
    /// What renews them.
    pub manager: Manager,
    /// The certificates of CAs of our own, which clients have to trust: the issuer's name, and PEM.
    pub roots: Vec<(String, String)>,
    /// What answers `http-01`.
    #[cfg(feature = "acme")]
    pub http01: Http01,
    /// What answers `tls-alpn-01`.
    #[cfg(feature = "acme")]
    pub tls_alpn01: TlsAlpn01,
}

impl fmt::Debug for Assembled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembled")
            .field("store", &self.store)
            .field("manager", &self.manager)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Opens the store and puts the rest together over it: issuers, challenges, DNS providers,
    /// certificates, and a manager of them. CAs of our own that are not in the store yet are made; no other
    /// CA is asked anything before the manager runs.
    ///
    /// An object store or Kubernetes is reached as `object_store` and `kube` find the way themselves: from
    /// the environment (`AWS_*`) or the cluster's, with the features of these crates that the program
    /// enables (`object_store/aws`, `kube/rustls-tls`).
    ///
    /// The first name of the first certificate is what clients without a server name get.
    ///
    /// ```
    /// # #[cfg(feature = "local-ca")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> opsbox_cert::Result<()> {
    /// use std::sync::Arc;
    /// use opsbox_cert::config::{Format, Source};
    ///
    /// let text = r#"{
    ///   "issuers": { "internal": { "kind": "local-ca" } },
    ///   "certificates": [{ "names": ["db.internal", "10.0.0.7"] }]
    /// }"#;
    /// let config = Source::parse("opsbox.json", text, Format::Json)?.config()?;
    /// let provider = Arc::new(rustls::crypto::ring::default_provider());
    /// let mut all = config.assemble(provider).await?;
    ///
    /// all.manager.pass().await;
    /// assert!(all.certificates.in_service("db.internal").is_some());
    /// assert!(all.roots[0].1.starts_with("-----BEGIN CERTIFICATE-----"));
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "local-ca"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) if something is wanted whose feature is not compiled in: the
    /// error names both. Those of the stores, of reading the files with secrets, and of
    /// [`Manager::certificate`].
    pub async fn assemble(&self, provider: Arc<CryptoProvider>) -> Result<Assembled> {
        let store = self.open_store().await?;
        self.assemble_over(self.encrypted(store)?, provider).await
    }

    /// [`assemble`](Self::assemble) over a store of the program's own, in place of the one that is
    /// configured. It is used as it is: to encrypt keys is up to the program then.
    ///
    /// # Errors
    ///
    /// As [`assemble`](Self::assemble), without those of opening a store.
    pub async fn assemble_over(
        &self,
        store: Arc<dyn Store>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Assembled> {
        let certificates = Certificates::new();
        let mut roots = Vec::new();
        #[cfg(feature = "acme")]
        let http01 = Http01::new(store.clone());
        #[cfg(feature = "acme")]
        let tls_alpn01 = TlsAlpn01::new(store.clone(), provider.clone());
        #[cfg(feature = "dns")]
        let dns = ByName::dns01(self)?;
        #[cfg(feature = "dns")]
        let persistent = ByName::dns_persist01(self)?;

        let mut manager = Manager::new(store.clone(), certificates.clone(), provider.clone());
        for (name, issuer) in &self.issuers {
            match issuer {
                #[cfg(feature = "acme")]
                IssuerConfig::Acme(acme) => {
                    let builder = acme.builder(&store, &provider)?;
                    let builder = builder.solver(http01.clone()).solver(tls_alpn01.clone());
                    #[cfg(feature = "dns")]
                    let builder = match &dns {
                        Some(dns) => builder.solver(dns.clone()),
                        None => builder,
                    };
                    #[cfg(feature = "dns")]
                    let builder = match &persistent {
                        Some(persistent) => builder.solver(persistent.clone()),
                        None => builder,
                    };
                    manager = manager.issuer(name, builder.build()?);
                }
                #[cfg(not(feature = "acme"))]
                IssuerConfig::Acme(_) => {
                    return Err(missing(format_args!("issuers.{name}"), "acme"));
                }
                #[cfg(feature = "local-ca")]
                IssuerConfig::LocalCa {
                    common_name,
                    lifetime,
                } => {
                    let options = crate::issuer::LocalCaOptions::new()
                        .common_name(common_name)
                        .leaf_validity(*lifetime);
                    let (store, provider) = (store.clone(), provider.clone());
                    let ca = crate::issuer::LocalCa::open_with(name, store, provider, options);
                    let ca = ca.await?;
                    roots.push((name.clone(), ca.root_pem().to_owned()));
                    manager = manager.issuer(name, ca);
                }
                #[cfg(not(feature = "local-ca"))]
                IssuerConfig::LocalCa { .. } => {
                    return Err(missing(format_args!("issuers.{name}"), "local-ca"));
                }
            }
        }
        #[cfg(not(feature = "dns"))]
        if let Some((name, _)) = self.dns.first() {
            return Err(missing(format_args!("dns.{name}"), "dns"));
        }
        for (name, limits) in &self.limits {
            manager = manager.limits(name, limits.clone());
        }
        if let Some(policy) = &self.manager.policy {
            manager = manager.policy(policy.clone());
        }
        if let Some(time) = self.manager.member_time {
            manager = manager.member_time(time);
        }
        if self.manager.share_work {
            manager = manager.share_work();
        }
        manager = manager.seed(self.manager.seed);
        certificates.set_default(self.certificates.first().map(|spec| spec.id()));
        for spec in &self.certificates {
            manager = manager.certificate(spec.clone())?;
        }
        Ok(Assembled {
            store,
            certificates,
            manager,
            roots,
            #[cfg(feature = "acme")]
            http01,
            #[cfg(feature = "acme")]
            tls_alpn01,
        })
    }

    async fn open_store(&self) -> Result<Arc<dyn Store>> {
        Ok(match &self.store {
            StoreConfig::Memory => Arc::new(MemoryStore::new()),
            StoreConfig::Folder(path) => Arc::new(crate::store::FsStore::open(path).await?),
            #[cfg(feature = "store-redis")]
            StoreConfig::Redis(url) => {
                Arc::new(crate::store::RedisStore::connect(url, PREFIX).await?)
            }
            #[cfg(feature = "store-object")]
            StoreConfig::Object(url) => Arc::new(crate::store::ObjectRecords::from_url(url)?),
            #[cfg(feature = "store-kube")]
            StoreConfig::Kubernetes(namespace) => {
                let client = kube::Client::try_default().await.map_err(|error| {
                    let reason =
                        "no way to the API server is found; run it in a cluster, or set KUBECONFIG";
                    Error::store(
                        ErrorKind::Unavailable,
                        "open",
                        "the store in Kubernetes",
                        reason,
                    )
                    .caused_by(error)
                })?;
                Arc::new(crate::store::KubeStore::new(client, namespace, PREFIX)?)
            }
            #[cfg(not(feature = "store-redis"))]
            StoreConfig::Redis(_) => return Err(missing("store.kind", "store-redis")),
            #[cfg(not(feature = "store-object"))]
            StoreConfig::Object(_) => return Err(missing("store.kind", "store-object")),
            #[cfg(not(feature = "store-kube"))]
            StoreConfig::Kubernetes(_) => return Err(missing("store.kind", "store-kube")),
        })
    }

    fn encrypted(&self, store: Arc<dyn Store>) -> Result<Arc<dyn Store>> {
        let Some(path) = &self.encryption_key_file else {
            return Ok(store);
        };
        #[cfg(feature = "store-encrypted")]
        return Ok(Arc::new(crate::store::Encrypted::new(
            store,
            crate::store::SealingKey::from_file(path)?,
        )));
        #[cfg(not(feature = "store-encrypted"))]
        {
            let _unused = path;
            Err(missing("store.encryption_key_file", "store-encrypted"))
        }
    }
}

/// What the names in a shared store begin with.
#[cfg(any(feature = "store-redis", feature = "store-kube"))]
const PREFIX: &str = "opsbox-cert";

#[cfg(feature = "acme")]
impl AcmeConfig {
    fn builder(
        &self,
        store: &Arc<dyn Store>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<crate::issuer::AcmeBuilder> {
        // Who does not agree has no configuration.
        let mut builder =
            AcmeIssuer::builder(&self.directory, store.clone(), provider.clone()).agree_to_terms();
        for contact in &self.contact {
            builder = builder.contact(contact);
        }
        if let Some(path) = &self.root_file {
            let pem = crate::file::read_regular(path, crate::limits::MAX_FILE_BYTES);
            builder = builder.root_pem(pem.map_err(|error| error.with_path(path))?);
        }
        if let Some(profile) = &self.profile {
            builder = builder.profile(profile);
        }
        if let Some(chain) = &self.preferred_chain {
            builder = builder.preferred_chain(chain);
        }
        if let Some(account) = &self.external_account {
            let key = secret(&account.hmac_key_file)?;
            builder = builder.external_account(&account.key_id, key.as_str());
        }
        Ok(builder)
    }
}

/// The text of a file that holds a secret and nothing else.
#[cfg(feature = "acme")]
pub(super) fn secret(path: &Path) -> Result<Zeroizing<String>> {
    let bytes = crate::file::read_regular(path, MAX_SECRET_FILE_BYTES);
    let bytes = Zeroizing::new(bytes.map_err(|error| error.with_path(path))?);
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.trim().to_owned())),
        Err(_) => Err(invalid(
            path.display(),
            "it is no text; it has to hold the secret in base64",
        )),
    }
}

pub(super) fn invalid(object: impl fmt::Display, reason: impl Into<String>) -> Error {
    Error::store(ErrorKind::Invalid, "put together", object, reason)
}

#[allow(dead_code, reason = "with all features nothing is missing")]
fn missing(field: impl fmt::Display, feature: &str) -> Error {
    let reason =
        format!("this program is built without it; enable the feature `{feature}` of opsbox-cert");
    Error::store(ErrorKind::Unsupported, "put together", field, reason)
}
