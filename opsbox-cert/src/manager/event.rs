//! What a manager did.

use std::fmt;
use std::time::SystemTime;

use crate::error::Error;
use crate::install::Refusal;
use crate::text::Escaped;

/// A step of a [`Manager`](super::Manager). No event has a key in it.
///
/// `Display` is one line for a log.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A certificate of the store was put in service.
    Loaded {
        /// Of the certificate.
        id: String,
        /// Who issued it.
        issuer: String,
        /// Its last second.
        not_after: SystemTime,
    },
    /// A new certificate was stored and put in service.
    Renewed {
        /// Of the certificate.
        id: String,
        /// Who issued it.
        issuer: String,
        /// Its last second.
        not_after: SystemTime,
    },
    /// No certificate could be had or stored.
    Failed {
        /// Of the certificate.
        id: String,
        /// Why.
        error: Error,
        /// How often in a row.
        failures: u32,
        /// When it is tried again.
        retry_at: SystemTime,
    },
    /// A certificate was not put in service; what was there still is.
    Refused {
        /// Of the certificate.
        id: String,
        /// Why.
        refusal: Refusal,
    },
    /// What is stored cannot be used: a new certificate is ordered.
    Unusable {
        /// Of the certificate.
        id: String,
        /// Why.
        error: Error,
    },
}

impl Event {
    /// Of the certificate that it is about.
    pub fn id(&self) -> &str {
        match self {
            Self::Loaded { id, .. }
            | Self::Renewed { id, .. }
            | Self::Failed { id, .. }
            | Self::Refused { id, .. }
            | Self::Unusable { id, .. } => id,
        }
    }

    /// What happened, as one word of a metric.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Loaded { .. } => "loaded",
            Self::Renewed { .. } => "renewed",
            Self::Failed { .. } => "failed",
            Self::Refused { .. } => "refused",
            Self::Unusable { .. } => "unusable",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificate {} ", Escaped(self.id()))?;
        match self {
            Self::Loaded { issuer, .. } => {
                write!(f, "of {} is loaded from the store", Escaped(issuer))
            }
            Self::Renewed { issuer, .. } => write!(f, "is renewed by {}", Escaped(issuer)),
            Self::Failed {
                error, failures, ..
            } => {
                write!(f, "failed {failures} times in a row: {error}")
            }
            Self::Refused { refusal, .. } => write!(f, "is not put in service: {refusal}"),
            Self::Unusable { error, .. } => write!(f, "is stored and cannot be used: {error}"),
        }
    }
}
