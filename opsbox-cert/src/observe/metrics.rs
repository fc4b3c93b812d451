//! Counters of what happens to the certificates in service, and when the next has to be renewed.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, EncodeMetric as _,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
#[cfg(feature = "manager")]
use prometheus_client::metrics::gauge::Gauge;
#[cfg(feature = "manager")]
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
#[cfg(feature = "manager")]
use prometheus_client::registry::Unit;

use super::Event;
use crate::error::{Error, ErrorKind};
use crate::facts::unix_seconds;
use crate::install::{Certificates, Refusal};

/// Metrics of the certificates in service. Clones count together.
///
/// | Metric | Labels | Says |
/// |---|---|---|
/// | `tls_certificates_in_service` | | how many there are |
/// | `tls_certificate_next_expiry_timestamp_seconds` | | when the first of them ends |
/// | `tls_certificate_least_remaining_ratio` | | the smallest share of its lifetime that one has left |
/// | `tls_certificate_next_renewal_timestamp_seconds` | | when the first one is renewed, if that is [known](Self::set_next_renewal) |
/// | `tls_certificate_swaps_total` | `outcome`: new, replaced, refused; `reason` | installations, by [`Installed::label`](crate::install::Installed::label) and [`Refusal::label`](crate::install::Refusal::label) |
/// | `tls_certificate_issuances_total` | `outcome`: issued, failed; `kind` | what a manager was given by issuers, by the [`ErrorKind`] of failures |
/// | `tls_certificate_issuance_duration_seconds` | `outcome` | how long that took |
/// | `tls_certificate_on_demand_denials_total` | `reason` | names that got no certificate on demand, by [`Denial::label`](crate::manager::Denial::label) |
/// | `tls_certificate_ca_limit_left` | `issuer`, `limit` | how much of a limit of the CA is left, by [`Scope::label`](crate::budget::Scope::label): of those that each domain, set and name has, the least |
/// | `tls_certificate_sources_gone_total` | | files and records that went missing |
/// | `tls_certificate_source_failures_total` | | folders and stores that could not be followed |
/// | `tls_certificate_store_errors_total` | `operation`, `kind` | failed operations of a [store](super::ObservedStore) |
///
/// No metric has the name of a certificate as a label: their number is the same for any number of them.
///
/// ```
/// use opsbox_cert::{install::Certificates, observe::Metrics};
///
/// let certificates = Certificates::new();
/// let metrics = Metrics::new(&certificates);
/// assert!(metrics.encode().contains("tls_certificates_in_service 0\n"));
/// ```
#[derive(Debug, Clone)]
pub struct Metrics {
    certificates: Certificates,
    counts: Counts,
    next_renewal: Arc<Mutex<Option<SystemTime>>>,
}

#[derive(Debug, Clone, Default)]
struct Counts {
    swaps: Family<Swap, Counter>,
    #[cfg(feature = "manager")]
    issuances: Family<Issuance, Counter>,
    #[cfg(feature = "manager")]
    durations: Durations,
    #[cfg(feature = "manager")]
    denials: Family<DenialReason, Counter>,
    #[cfg(feature = "manager")]
    limits: Family<CaLimit, Gauge>,
    gone: Counter,
    failures: Counter,
    store_errors: Family<StoreError, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Swap {
    outcome: &'static str,
    reason: &'static str,
}

#[cfg(feature = "manager")]
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Issuance {
    outcome: &'static str,
    kind: String,
}

#[cfg(feature = "manager")]
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DenialReason {
    reason: &'static str,
}

#[cfg(feature = "manager")]
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CaLimit {
    issuer: String,
    limit: &'static str,
}

#[cfg(feature = "manager")]
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[cfg(feature = "manager")]
#[derive(Debug, Clone)]
struct Durations(Family<Outcome, Histogram, fn() -> Histogram>);

#[cfg(feature = "manager")]
impl Default for Durations {
    fn default() -> Self {
        // A tenth of a second to a little less than seven minutes.
        Self(Family::new_with_constructor(|| {
            Histogram::new(exponential_buckets(0.1, 2.0, 13))
        }))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StoreError {
    operation: &'static str,
    kind: String,
}

impl Metrics {
    /// Counts from now on.
    pub fn new(certificates: &Certificates) -> Self {
        let counts = Counts::default();
        let counting = counts.clone();
        // An alert on an increase needs the zero before it.
        for reason in Refusal::LABELS {
            counts.swap("refused", reason);
        }
        certificates.events().hook(move |event| {
            counting.count(event);
        });
        Self {
            certificates: certificates.clone(),
            counts,
            next_renewal: Arc::default(),
        }
    }

    /// Adds the metrics to a registry of the program.
    pub fn register(&self, registry: &mut Registry) {
        let counts = &self.counts;
        registry.register(
            "tls_certificate_swaps",
            "Certificates put in service or refused",
            counts.swaps.clone(),
        );
        #[cfg(feature = "manager")]
        registry.register(
            "tls_certificate_issuances",
            "Certificates that were issued or could not be had",
            counts.issuances.clone(),
        );
        #[cfg(feature = "manager")]
        registry.register_with_unit(
            "tls_certificate_issuance_duration",
            "How long it took to get a certificate, or to fail",
            Unit::Seconds,
            counts.durations.0.clone(),
        );
        #[cfg(feature = "manager")]
        registry.register(
            "tls_certificate_on_demand_denials",
            "Names that got no certificate on demand",
            counts.denials.clone(),
        );
        #[cfg(feature = "manager")]
        registry.register(
            "tls_certificate_ca_limit_left",
            "How much of a limit of a CA is left",
            counts.limits.clone(),
        );
        registry.register(
            "tls_certificate_sources_gone",
            "Files and records of certificates that went missing",
            counts.gone.clone(),
        );
        registry.register(
            "tls_certificate_source_failures",
            "Times that a folder or a store could no longer be followed",
            counts.failures.clone(),
        );
        registry.register(
            "tls_certificate_store_errors",
            "Failed operations of the store",
            counts.store_errors.clone(),
        );
        registry.register_collector(Box::new(self.clone()));
    }

    /// The metrics alone, as Prometheus text.
    pub fn encode(&self) -> String {
        let mut registry = Registry::default();
        self.register(&mut registry);
        let mut text = String::new();
        let encoded = encode_registry(&mut text, &registry);
        debug_assert!(
            encoded.is_ok(),
            "only the writer can fail, and a String does not"
        );
        text
    }

    /// Says when the next certificate will be renewed; `None` if nobody knows.
    pub fn set_next_renewal(&self, time: Option<SystemTime>) {
        *self
            .next_renewal
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = time;
    }

    /// Says how much of the limits of an issuer is left.
    #[cfg(feature = "manager")]
    pub fn set_headroom(&self, issuer: &str, headroom: &[crate::budget::Headroom]) {
        for limit in headroom {
            let labels = CaLimit {
                issuer: issuer.to_owned(),
                limit: limit.scope.label(),
            };
            let gauge = self.counts.limits.get_or_create(&labels);
            gauge.set(i64::from(limit.left));
        }
    }

    /// Counts a failed operation of a store, such as `load`.
    pub fn store_failed(&self, operation: &'static str, error: &Error) {
        let kind = kind(error.kind());
        self.counts
            .store_errors
            .get_or_create(&StoreError { operation, kind })
            .inc();
    }
}

impl Counts {
    fn swap(&self, outcome: &'static str, reason: &'static str) -> Counter {
        self.swaps.get_or_create(&Swap { outcome, reason }).clone()
    }

    fn count(&self, event: &Event) -> u64 {
        match event {
            #[cfg(feature = "manager")]
            Event::Denied { denial, .. } => self
                .denials
                .get_or_create(&DenialReason {
                    reason: denial.label(),
                })
                .inc(),
            Event::Installed { outcome, .. } => self.swap(outcome.label(), "").inc(),
            Event::Refused { refusal, .. } => self.swap("refused", refusal.label()).inc(),
            Event::Gone { .. } => self.gone.inc(),
            Event::SourceFailed { .. } => self.failures.inc(),
            Event::Removed { .. } => 0,
            #[cfg(feature = "manager")]
            Event::Limited { .. } => 0,
            #[cfg(feature = "manager")]
            Event::Issued { took, .. } => self.issuance("issued", String::new(), *took),
            #[cfg(feature = "manager")]
            Event::IssuanceFailed { error, took, .. } => {
                self.issuance("failed", kind(error.kind()), *took)
            }
        }
    }

    #[cfg(feature = "manager")]
    fn issuance(&self, outcome: &'static str, kind: String, took: std::time::Duration) -> u64 {
        let durations = self.durations.0.get_or_create(&Outcome { outcome });
        durations.observe(took.as_secs_f64());
        let issuance = Issuance { outcome, kind };
        self.issuances.get_or_create(&issuance).inc()
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let all = self.certificates.all();
        let now = self.certificates.now();
        let count = i64::try_from(all.len()).unwrap_or(i64::MAX);
        let first = all.iter().map(|(_, candidate)| candidate.not_after()).min();
        let least = all
            .iter()
            .map(|(_, candidate)| candidate.remaining_ratio(now))
            .min_by(f64::total_cmp);
        let renewal = *self
            .next_renewal
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        gauge(
            &mut encoder,
            "tls_certificates_in_service",
            "Certificates in service",
            Some(count),
        )?;
        gauge(
            &mut encoder,
            "tls_certificate_next_expiry_timestamp_seconds",
            "Time after which the first certificate in service is no longer valid, in Unix seconds",
            first.map(unix_seconds),
        )?;
        gauge(
            &mut encoder,
            "tls_certificate_least_remaining_ratio",
            "Smallest share of its lifetime that a certificate in service has left, from 1 to 0",
            least,
        )?;
        gauge(
            &mut encoder,
            "tls_certificate_next_renewal_timestamp_seconds",
            "Time at which the next certificate is renewed, in Unix seconds",
            renewal.map(unix_seconds),
        )
    }
}

/// What is not known has no sample.
fn gauge<N: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: Option<N>,
) -> fmt::Result {
    let Some(value) = value else {
        return Ok(());
    };
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

/// `KeyMismatch` as `key_mismatch`.
fn kind(kind: ErrorKind) -> String {
    let mut out = String::new();
    for c in format!("{kind:?}").chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
