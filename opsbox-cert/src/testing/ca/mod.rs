//! An ACME CA for tests: of services that use this crate, of this crate, and of any other ACME client.
//!
//! ```text
//!   limits  faults  options ──▶ CaModel ◀── a simulation: names and times, no keys, no sockets
//!                                  ▲
//!                TestCa: JWS, nonces, challenges, X.509 over HTTPS ◀── AcmeIssuer, or any ACME client
//!                                  │
//!                                  ▼
//!                               CaReport: orders, duplicates, limits overdrawn, as the CA saw them
//! ```
//!
//! [`CaModel`] is there with the feature `test-util`, and costs nothing; [`TestCa`] with `test-ca`. The CA goes by
//! a clock that it is given, so that a test of years takes seconds; the limits are those that Let's Encrypt
//! publishes, unless the test wants others. Everything random comes from seeds.
//!
//! A service whose certificate is issued and renewed, in virtual time, by a CA that refuses every fifth nonce (with
//! the features `acme` and `test-ca`):
//!
//! ```
//! # #[cfg(all(feature = "acme", feature = "test-ca"))]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use std::time::{Duration, UNIX_EPOCH};
//! use opsbox_cert::challenge::Http01;
//! use opsbox_cert::issuer::{AcmeIssuer, CertRequest, Issuer as _};
//! use opsbox_cert::store::{MemoryStore, Name};
//! use opsbox_cert::testing::ca::{CaLimits, CaOptions, Fault, Faults, TestCa};
//! use opsbox_cert::{Clock as _, ManualClock};
//!
//! let clock = Arc::new(ManualClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
//! let provider = Arc::new(rustls::crypto::ring::default_provider());
//! let ca = TestCa::builder(provider.clone())
//!     .clock(clock.clone())
//!     .options(
//!         CaOptions::new()
//!             .limits(CaLimits::lets_encrypt().without_request_limits())
//!             .faults(Faults::new(7).rate(Fault::BadNonce, 0.2)),
//!     )
//!     .start()
//!     .await?;
//!
//! // What is tested: here the issuer of this crate.
//! let store = Arc::new(MemoryStore::new());
//! let issuer = AcmeIssuer::builder(ca.directory_url(), store.clone(), provider)
//!     .root_pem(ca.tls_root_pem())
//!     .agree_to_terms()
//!     .solver(Http01::new(store.clone()))
//!     .clock(clock.clone())
//!     .build()?;
//! let name = Name::certificate("shop.example.com")?;
//! let request = CertRequest::new(["shop.example.com"])?;
//! let first = issuer.issue_into(&request, &*store, &name).await?;
//!
//! // Sixty days later, in the middle of its window.
//! clock.advance(Duration::from_secs(60 * 24 * 60 * 60));
//! let renewal = request.replaces(first.metadata().ari_id().unwrap_or_default());
//! issuer.issue_into(&renewal, &*store, &name).await?;
//!
//! let report = ca.report();
//! assert_eq!((report.certificates(), report.ari_renewals()), (2, 1));
//! assert_eq!((report.duplicate_orders(), report.overdrawn()), (0, 0), "{report}");
//! # Ok(())
//! # }
//! # #[cfg(not(all(feature = "acme", feature = "test-ca")))]
//! # fn main() {}
//! ```
//!
//! # What it does as Let's Encrypt does
//!
//! - Token buckets for orders, certificates of a registered domain and of an exact set, failed authorizations,
//!   accounts and requests; the pause of an identifier that keeps failing ([`CaLimits::lets_encrypt`]).
//! - The limits of certificates are looked at when an order is placed and spent when it is finalized: who opens many
//!   orders at once can get more than the limit, which [`CaReport::issued_over_limit`] tells.
//! - An order for a set that was issued within 120 days is not counted for account and domain, one that replaces a
//!   certificate inside of its window is not refused by any of the limits. The window of a revoked certificate is
//!   over, so its renewal is one of the first kind.
//! - `alreadyReplaced` also while the replacement is under way. A replacement that failed or expired does not count.
//!
//! # Limits
//!
//! - No external accounts, no CAA, no dns-persist-01, no pre-authorization; `notBefore` and `notAfter` are refused.
//! - Certificates are revoked by the account that ordered them, or by their own key if it is no RSA key.
//! - Unless [`CaOptions::registered_domain`] gives a function, such as `public_suffix_domain` of the feature
//!   `test-ca`, the registered domain is the last two labels of a name.
//! - What has expired by the CA's clock is forgotten: a clock that jumps ahead for good and comes back finds orders
//!   and certificates gone.

mod buckets;
mod faults;
mod hash;
mod limits;
mod model;
mod names;
mod options;
mod refusal;
mod report;
#[cfg(feature = "test-ca")]
mod server;
mod slab;

pub use self::faults::{Fault, Faults};
#[cfg_attr(
    not(feature = "sim"),
    allow(unused_imports, reason = "the simulation has such maps, too")
)]
pub(crate) use self::hash::NumberMap;
pub use self::limits::{CaLimits, Limit, Rate, RequestClass};
pub use self::model::{
    AccountId, AuthorizationId, AuthorizationState, CaModel, CertificateId, OrderId, OrderState,
    OrderTerms, RenewalInfo, SetId,
};
pub use self::names::last_two_labels;
pub use self::options::{CaOptions, RegisteredDomain};
pub use self::refusal::Refusal;
pub use self::report::{CaReport, SetReport};
#[cfg(feature = "test-ca")]
pub use self::server::{
    Attempt, Failed, FailedKind, NetworkValidator, TestCa, TestCaBuilder, Validator,
    public_suffix_domain,
};
