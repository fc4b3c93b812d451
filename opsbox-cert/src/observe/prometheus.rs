//! Prometheus text of certificate expiry.
//!
//! Two gauges, both with the labels `common_name`, `issuer`, `san` and `source`:
//!
//! - `tls_certificate_expires_timestamp_seconds`: notAfter in Unix seconds;
//! - `tls_certificate_remaining_days`: days from `now` to notAfter, negative once expired.
//!
//! `issuer` is the whole distinguished name, `san` all alternative names joined by commas, `source`
//! the path. A label that the certificate has nothing for is empty, which Prometheus treats as absent.
//! No label is longer than [`MAX_LABEL_BYTES`]: a longer one ends in
//! `...+N bytes`, a list of names in `,+N more`.
//! Certificates with equal labels, a renewed one beside the old one in a bundle for instance, become
//! one series with the earliest expiry, since Prometheus refuses duplicates.
//!
//! ```
//! use std::time::{Duration, UNIX_EPOCH};
//! use opsbox_cert::{CertFacts, observe::prometheus};
//!
//! let facts = CertFacts::from_pem(include_bytes!("../../tests/data/rsa2048.pem"))?;
//! let now = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
//! let text = prometheus::encode([("site.pem".as_ref(), &facts)], now);
//! assert!(text.contains("# TYPE tls_certificate_remaining_days gauge"));
//! assert!(text.contains(r#"san="rsa2048.example.com",source="site.pem"} 1893456000"#));
//! # Ok::<(), opsbox_cert::Error>(())
//! ```

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::path::Path;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, EncodeMetric as _, LabelSetEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::facts::CertFacts;
use crate::limits::MAX_LABEL_BYTES;
use crate::text::Escaped;

/// Encodes the certificates, each with the file it came from, as Prometheus text.
///
/// A pure function of its arguments: series are sorted by their labels, and only `now` is time. The
/// arguments are those of [`ScanReport::certificates`](crate::ScanReport::certificates).
pub fn encode<'a>(
    certificates: impl IntoIterator<Item = (&'a Path, &'a CertFacts)>,
    now: SystemTime,
) -> String {
    let mut series = BTreeMap::new();
    for (source, facts) in certificates {
        let sample = Sample {
            expires: facts.not_after_unix(),
            remaining_days: facts.remaining_days(now),
        };
        match series.entry(Labels::new(source, facts)) {
            Entry::Vacant(entry) => {
                entry.insert(sample);
            }
            Entry::Occupied(mut entry) if sample.expires < entry.get().expires => {
                entry.insert(sample);
            }
            Entry::Occupied(_) => {}
        }
    }
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Expiry { series }));
    let mut text = String::new();
    let encoded = encode_registry(&mut text, &registry);
    debug_assert!(
        encoded.is_ok(),
        "only the writer can fail, and a String does not"
    );
    text
}

#[derive(Debug)]
struct Expiry {
    series: BTreeMap<Labels, Sample>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    expires: i64,
    remaining_days: f64,
}

impl Collector for Expiry {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.gauge(
            &mut encoder,
            "tls_certificate_expires_timestamp_seconds",
            "Time after which the certificate is no longer valid, in Unix seconds",
            |sample| sample.expires,
        )?;
        self.gauge(
            &mut encoder,
            "tls_certificate_remaining_days",
            "Days until the certificate is no longer valid, negative once it has expired",
            |sample| sample.remaining_days,
        )
    }
}

impl Expiry {
    fn gauge<N: EncodeGaugeValue>(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        value: impl Fn(&Sample) -> N,
    ) -> fmt::Result {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, sample) in &self.series {
            ConstGauge::new(value(sample)).encode(metric.encode_family(labels)?)?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Labels {
    source: String,
    common_name: String,
    issuer: String,
    san: String,
}

impl Labels {
    fn new(source: &Path, facts: &CertFacts) -> Self {
        let printable = |text: &str| cut(Escaped(text).to_string(), MAX_LABEL_BYTES);
        Self {
            source: printable(&source.to_string_lossy()),
            common_name: facts.common_name().map_or_else(String::new, printable),
            issuer: cut(facts.issuer().to_owned(), MAX_LABEL_BYTES),
            san: san(facts),
        }
    }
}

impl EncodeLabelSet for Labels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        let labels = [
            ("common_name", &self.common_name),
            ("issuer", &self.issuer),
            ("san", &self.san),
            ("source", &self.source),
        ];
        for label in labels {
            prometheus_client::encoding::EncodeLabel::encode(&label, encoder.encode_label())?;
        }
        Ok(())
    }
}

/// Room for what tells that a label was cut: `...+18446744073709551615 bytes` at most.
const RESERVED: usize = 32;

/// Cuts a text that is longer than `limit` and tells by how much, so that it cannot pass for whole and
/// texts of unequal length stay apart.
fn cut(mut text: String, limit: usize) -> String {
    let length = text.len();
    if length > limit {
        let end = text.floor_char_boundary(limit.saturating_sub(RESERVED));
        text.truncate(end);
        text.push_str(&format!("...+{} bytes", length - end));
    }
    text
}

/// All names joined by commas, cut between two names at the limit.
fn san(facts: &CertFacts) -> String {
    let names = facts.subject_alt_names();
    let mut out = String::new();
    for (position, name) in names.iter().enumerate() {
        let mut name = name.to_string();
        let comma = usize::from(position > 0);
        let last = position + 1 == names.len();
        let reserved = if last { 0 } else { RESERVED };
        if position == 0 {
            name = cut(name, MAX_LABEL_BYTES - reserved);
        }
        if out.len() + comma + name.len() + reserved > MAX_LABEL_BYTES {
            out.push_str(&format!(",+{} more", names.len() - position));
            break;
        }
        out.extend((comma > 0).then_some(','));
        out.push_str(&name);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_visibly_and_between_characters() {
        assert_eq!(cut("a".repeat(40), 40), "a".repeat(40));
        assert_eq!(cut("a".repeat(41), 40), "aaaaaaaa...+33 bytes");
        assert_eq!(cut("aü€𝄞".repeat(5), 40), "aü€...+44 bytes");
        assert_eq!(cut("aaa".into(), 2), "...+3 bytes");
    }
}
