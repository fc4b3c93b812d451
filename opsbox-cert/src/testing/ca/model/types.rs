//! What the model speaks of.

use std::time::{Duration, SystemTime};

use crate::testing::ca::buckets::Standing;
use crate::testing::ca::limits::Moment;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($number:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) $number);

        impl $name {
            /// Counted from 0 as they come.
            pub fn number(self) -> $number {
                self.0
            }
        }
    )*};
}

ids! {
    /// An account of a [`CaModel`](super::CaModel).
    AccountId(u32);
    /// An exact set of names of a [`CaModel`](super::CaModel).
    SetId(u32);
    /// An order of a [`CaModel`](super::CaModel).
    OrderId(u64);
    /// An authorization of a [`CaModel`](super::CaModel).
    AuthorizationId(u64);
    /// A certificate of a [`CaModel`](super::CaModel).
    CertificateId(u64);
}

/// How an order stands (RFC 8555, section 7.1.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OrderState {
    /// Names are to be proved.
    Pending,
    /// It can be finalized.
    Ready,
    /// It was finalized; look again.
    Processing,
    /// The certificate is there.
    Valid(CertificateId),
    /// It failed.
    Invalid,
}

/// How an authorization stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthorizationState {
    /// It is to be proved.
    Pending,
    /// It was proved.
    Valid,
    /// It failed.
    Invalid,
    /// The client took it back.
    Deactivated,
}

/// When a certificate is to be renewed (RFC 9773), as the CA says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RenewalInfo {
    /// Within this window.
    #[non_exhaustive]
    Window {
        /// Its start.
        start: SystemTime,
        /// Its end, after the start.
        end: SystemTime,
        /// When to ask again, if the CA says it.
        retry_after: Option<Duration>,
    },
    /// An answer that makes no sense: an injected fault.
    #[non_exhaustive]
    Malformed {
        /// When to ask again, if the CA says it.
        retry_after: Option<Duration>,
    },
}

/// What an order says beside its names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[must_use]
pub struct OrderTerms<'a> {
    pub(crate) replaces: Option<CertificateId>,
    pub(crate) profile: Option<&'a str>,
}

impl<'a> OrderTerms<'a> {
    /// Nothing: the CA's first profile, and no predecessor.
    pub fn new() -> Self {
        Self::default()
    }

    /// It replaces this certificate.
    pub fn replaces(mut self, certificate: CertificateId) -> Self {
        self.replaces = Some(certificate);
        self
    }

    /// It is to be issued under this profile.
    pub fn profile(mut self, profile: &'a str) -> Self {
        self.profile = Some(profile);
        self
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) account: u32,
    pub(crate) set: u32,
    pub(crate) profile: u16,
    /// Whether the client named the profile.
    #[cfg_attr(
        not(feature = "test-ca"),
        allow(dead_code, reason = "it is for the wire")
    )]
    pub(crate) profile_named: bool,
    pub(crate) state: OrderState,
    pub(crate) expires: Moment,
    pub(super) standing: Standing,
    pub(crate) replaces: Option<u64>,
    pub(crate) authorizations: Box<[u64]>,
    /// Issued, and to be seen at the next look.
    pub(super) issued: Option<u64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Authorization {
    pub(crate) account: u32,
    pub(crate) name: u32,
    pub(crate) wildcard: bool,
    pub(crate) state: AuthorizationState,
    pub(crate) expires: Moment,
    pub(super) order: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) account: u32,
    pub(crate) set: u32,
    pub(crate) issued: Moment,
    pub(crate) expires: Moment,
    pub(crate) revoked: Option<Moment>,
    pub(super) replacement: Option<u64>,
    pub(super) replaced: bool,
}

/// The word of ACME for it.
pub(crate) fn status(state: OrderState) -> &'static str {
    match state {
        OrderState::Pending => "pending",
        OrderState::Ready => "ready",
        OrderState::Processing => "processing",
        OrderState::Valid(_) => "valid",
        OrderState::Invalid => "invalid",
    }
}
