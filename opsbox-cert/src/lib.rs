//! TLS certificates: what they say, how they are issued, kept, put in service and renewed, and when they
//! expire.
//!
//! ```text
//!  files, folders ──▶ Scan ──▶ CertFacts ──▶ Prometheus text, JSON        what there is
//!
//!  config ──▶ CertSpec                                                    what there should be
//!                │
//!                ▼
//!  manager ──▶ plan ◀── budget: the limits of the CA, for all instances   what is done when
//!                │  ◀── ARI: the window of the CA
//!                ▼
//!             issuer ──▶ challenge: http-01, tls-alpn-01, dns-01, dns-persist-01
//!                │
//!                ▼
//!              store: key + chain as one unit; memory, folder, Redis, S3, Kubernetes
//!                │
//!                ▼
//!  watch ──▶ install ──▶ serve: rustls asks at each handshake             what clients see
//!                │
//!                └──▶ observe: metrics, alerts, events
//! ```
//!
//! Each module works alone, behind a feature of its own; without features the crate reads certificates.
//!
//! # Example
//!
//! ```
//! use std::time::{Duration, UNIX_EPOCH};
//! use opsbox_cert::{Scan, ValidityState};
//!
//! let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
//! let report = Scan::new().path(folder).run();
//!
//! // The time is always an argument: this is the start of 2026.
//! let now = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
//! for (source, facts) in report.certificates() {
//!     if facts.state(now) == ValidityState::Expired {
//!         println!("{}: {facts}", source.display());
//!     }
//! }
//! for problem in report.problems() {
//!     println!("{problem}");
//! }
//! assert!(!report.is_empty());
//! # #[cfg(feature = "metrics")]
//! # {
//! let metrics = opsbox_cert::observe::prometheus::encode(report.certificates(), now);
//! assert!(metrics.contains("tls_certificate_remaining_days{"));
//! # }
//! ```
//!
//! A server whose certificates renew themselves, with the features `acme`, `manager` and `serve`:
//!
//! ```no_run
//! # #[cfg(all(feature = "acme", feature = "manager", feature = "serve"))]
//! # async fn serve<S>(service: S, shutdown: impl Future<Output = ()> + Clone + Send + 'static)
//! #     -> Result<(), Box<dyn std::error::Error>>
//! # where
//! #     S: hyper::service::Service<hyper::Request<hyper::body::Incoming>,
//! #         Response = hyper::Response<String>, Error = std::convert::Infallible> + Clone + Send + 'static,
//! #     S::Future: Send,
//! # {
//! use std::sync::Arc;
//! use opsbox_cert::challenge::Http01;
//! use opsbox_cert::install::Certificates;
//! use opsbox_cert::issuer::AcmeIssuer;
//! use opsbox_cert::manager::Manager;
//! use opsbox_cert::serve::{Acceptor, Server};
//! use opsbox_cert::{CertSpec, LETS_ENCRYPT, store::FsStore};
//! use tokio::net::TcpListener;
//!
//! let provider = Arc::new(rustls::crypto::ring::default_provider());
//! let store = Arc::new(FsStore::open("/var/lib/shop/certs").await?);
//! let certificates = Certificates::new();
//! let http01 = Http01::new(store.clone());
//! let letsencrypt = AcmeIssuer::builder(LETS_ENCRYPT, store.clone(), provider.clone())
//!     .contact("mailto:ops@example.com")
//!     .agree_to_terms()
//!     .solver(http01.clone())
//!     .build()?;
//! let manager = Manager::new(store, certificates.clone(), provider.clone())
//!     .issuer("letsencrypt", letsencrypt)
//!     .certificate(CertSpec::new(["shop.example.com".parse()?])?)?;
//! tokio::spawn(manager.run(shutdown.clone()));
//!
//! Server::new(Acceptor::new(certificates, provider)?)
//!     .redirect(TcpListener::bind("[::]:80").await?)
//!     .answers(move |host, path| {
//!         let http01 = http01.clone();
//!         async move { http01.respond(&host, &path).await.ok()? }
//!     })
//!     .run(TcpListener::bind("[::]:443").await?, service, shutdown)
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! - No input makes it panic, and a broken certificate does not hide the ones beside it.
//! - Nothing is dropped in silence: `files == read + failed + skipped + ignored`, see [`Counts`].
//! - The plan never exceeds the ledger of the CA's limits, and decides the same for the same input in any order.
//! - Facts and reports read no clock: with equal input and equal `now` the result is equal, order
//!   included. What has to know the time takes a [`Clock`].
//! - No private key is shown. A scan does not even decode one: PEM sections are told apart by their
//!   label alone.
//! - Text from a certificate is escaped wherever it is displayed.
//!
//! # Limits
//!
//! - Nothing is verified: no signature, no trust, no revocation. Facts are what a certificate claims.
//! - The limits of a CA are counted as far as they are known, which of Let's Encrypt they are; what other programs
//!   order with the same account is seen when the CA refuses. Certificates on demand have limits of their own, and are
//!   not in the plan.
//! - Keys are ECDSA, of certificates and of accounts. RSA keys are put in service, not made.
//! - No OCSP stapling.
//! - PKCS#7, PKCS#12 and Java keystores are recognised and reported, not read.
//! - Sizes and counts have limits, all in [`limits`].
//!
//! # Features
//!
//! | Feature | Default | Adds | Costs |
//! |---|---|---|---|
//! | `metrics` | yes | `observe::prometheus` | the crate `prometheus-client` |
//! | `serde` | no | `Serialize` for the facts and the report | the crate `serde` |
//! | `config` | no | `config`: TOML, YAML or JSON with variables over it; with `manager`, `Config::assemble` puts together what it says | the crates `toml`, `serde-saphyr`, `serde_json`; `plan` |
//! | `store` | no | `store`: keys, chains and order state, in memory or in a folder | `tokio`, `rustls` without a provider, `serde_json`, `zeroize` |
//! | `store-encrypted` | no | `store::Encrypted`: private keys encrypted at rest | the crate `chacha20poly1305` |
//! | `store-kube` | no | `store::KubeStore` and `store::KubeSecrets`: Secrets of Kubernetes | the crates `kube`, without TLS, and `k8s-openapi`, whose version feature is yours to choose |
//! | `store-object` | no | `store::ObjectRecords`: S3 and others | the crate `object_store`, without a cloud: name yours in your manifest |
//! | `store-redis` | no | `store::RedisStore` | the crate `redis`, without TLS |
//! | `local-ca` | no | `issuer::LocalCa`: a CA of your own | the crate `rcgen` with `ring` |
//! | `acme` | no | `issuer::AcmeIssuer`, `challenge` | `instant-acme`, `rcgen`, `ring`, `hyper-util` |
//! | `dns` | no | `dns`, the challenges dns-01 and dns-persist-01 | the crate `domain` |
//! | `install` | no | `install`: certificates for rustls servers, swapped while they serve | `store`, and the crate `arc-swap` |
//! | `watch` | no | `watch`: files, folders and stores followed for new certificates; with `store-kube`, Secrets that others write | `install`, and the crate `notify` |
//! | `serve` | no | `serve`: HTTPS on a tokio listener, redirects and challenge answers beside it | `install`, and the crates `tokio-rustls`, `hyper` and `hyper-util` |
//! | `plan` | no | `plan`, `budget`: when to renew what, within the limits of the CA, as pure functions | the crate `psl` |
//! | `manager` | no | `manager`: certificates that renew themselves, and on demand at the first handshake | `install`, `plan` |
//! | `sim` | no | `sim`: years of a fleet in seconds, with the planner as it is before a model of the CA | `plan`, `test-util` |
//! | `tracing` | no | spans and events of what `install`, `watch` and `serve` do, see `observe` | the crate `tracing` |
//! | `test-util` | no | the conformance suite of the store, `ManualClock`, `testing::ca::CaModel` | nothing |
//! | `test-ca` | no | `testing::ca::TestCa`: an ACME CA for tests, on a socket | the crates `rcgen` with `ring`, `tokio-rustls`, `hyper` and `psl` |

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "plan")]
pub mod budget;
mod bundle;
mod chain;
#[cfg(feature = "acme")]
pub mod challenge;
mod clock;
#[cfg(feature = "config")]
pub mod config;
mod der;
#[cfg(feature = "dns")]
pub mod dns;
mod error;
mod facts;
mod file;
mod identifier;
#[cfg(feature = "install")]
pub mod install;
mod inventory;
#[cfg(feature = "store")]
pub mod issuer;
pub mod limits;
#[cfg(feature = "manager")]
pub mod manager;
#[cfg(any(feature = "install", feature = "metrics"))]
pub mod observe;
#[cfg(feature = "acme")]
mod order;
mod pem;
#[cfg(feature = "plan")]
pub mod plan;
pub mod renewal;
mod report;
mod scan;
#[cfg(feature = "serve")]
pub mod serve;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "store")]
pub mod store;
#[cfg(any(test, feature = "test-util"))]
pub mod testing;
mod text;
#[cfg(feature = "watch")]
pub mod watch;

pub use crate::bundle::{Bundle, Format};
pub use crate::chain::ChainOrder;
#[cfg(any(test, feature = "test-util"))]
pub use crate::clock::ManualClock;
pub use crate::clock::{Clock, SystemClock};
pub use crate::error::{Error, ErrorKind, Place, Result};
pub use crate::facts::{CertFacts, EcCurve, Fingerprint, KeyType, SubjectAltName, ValidityState};
pub use crate::identifier::{DnsName, Identifier};
#[cfg(any(feature = "acme", feature = "install"))]
pub use crate::inventory::ACME_TLS_ALPN;
pub use crate::inventory::{CertSpec, ChallengeType, KeyAlgorithm};
#[cfg(any(feature = "acme", feature = "config"))]
pub use crate::inventory::{LETS_ENCRYPT, LETS_ENCRYPT_STAGING};
pub use crate::report::{Counts, ScanReport, SkipReason, Skipped};
pub use crate::scan::{Scan, read_file};
