//! Certificates, the next to expire first.

use std::{
    error::Error,
    path::{Path, PathBuf},
    time::SystemTime,
};

use comfy_table::{Cell, CellAlignment};
use opsbox_cert::{CertFacts, ChainOrder, Scan, ValidityState, observe::prometheus};

use crate::show::{self, say};

pub(crate) fn show(paths: &[PathBuf], now: SystemTime) -> Result<(), Box<dyn Error>> {
    let report = show::while_waiting(|| Scan::new().paths(paths).run());
    let names: Vec<_> = paths.iter().map(|path| show::short(path)).collect();
    show::heading("CERTIFICATES", names.join(", "));

    let mut certificates: Vec<_> = report.certificates().collect();
    certificates.sort_by_key(|(_, facts)| facts.not_after_unix());
    let rows: Vec<_> = certificates
        .iter()
        .map(|(source, facts)| row(source, facts, now))
        .collect();
    match rows.is_empty() {
        true => say!("  no certificate found"),
        false => show::table(
            ["days left", "state", "names", "issuer", "key", "file"],
            rows,
        ),
    }

    for bundle in report.bundles() {
        let place = show::short(bundle.source());
        match bundle.chain_order() {
            ChainOrder::Misordered { order } => {
                say!("\n  {place}: the chain is in the wrong order; it should be {order:?}");
            }
            ChainOrder::Unrelated { index } => {
                say!("\n  {place}: certificate {index} has no part in the chain of the first");
            }
            _ => {}
        }
    }
    if !report.problems().is_empty() {
        say!("\n  problems:");
    }
    for problem in report.problems() {
        say!("    {}", show::printable(&problem.to_string()));
    }

    let metrics = prometheus::encode(report.certificates(), now);
    let sample = metrics
        .lines()
        .find(|line| line.starts_with("tls_certificate_remaining_days{"));
    if let Some(sample) = sample {
        say!(
            "\n  as Prometheus metrics, one of {}:",
            show::count(rows_of(&metrics), "sample")
        );
        say!("    {}", show::cut(sample, 150));
    }
    match report.is_empty() && !report.problems().is_empty() {
        true => Err("nothing could be read".into()),
        false => Ok(()),
    }
}

fn rows_of(metrics: &str) -> usize {
    metrics
        .lines()
        .filter(|line| !line.starts_with('#'))
        .count()
}

fn row(source: &Path, facts: &CertFacts, now: SystemTime) -> [Cell; 6] {
    let state = match facts.state(now) {
        ValidityState::NotYetValid => "not yet",
        ValidityState::Expired => "EXPIRED",
        _ if facts.remaining_share(now) < 1.0 / 3.0 => "renew",
        _ => "valid",
    };
    let names: Vec<_> = facts.names().collect();
    let names = match names.as_slice() {
        [] => facts
            .common_name()
            .unwrap_or_else(|| facts.subject())
            .to_owned(),
        names => names.join(" "),
    };
    let issuer = facts.issuer_common_name().unwrap_or_else(|| facts.issuer());
    let days = format!("{:.1}", facts.remaining_days(now));
    [
        Cell::new(days).set_alignment(CellAlignment::Right),
        Cell::new(state),
        Cell::new(show::cut(&show::printable(&names), 40)),
        Cell::new(show::cut(&show::printable(issuer), 24)),
        Cell::new(facts.key_type()),
        Cell::new(
            source
                .file_name()
                .map_or_else(String::new, |name| show::printable(&name.to_string_lossy())),
        ),
    ]
}
