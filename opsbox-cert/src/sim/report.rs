//! What came of a simulation.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::engine::Simulation;
use super::scenario::Event;
use super::tally::Tally;
use crate::testing::ca::{CaReport, Limit, RequestClass};

/// What came of a simulation, as the CA and the world saw it.
///
/// `Display` is a summary, `Serialize` (feature `serde`) all of it, [`svg`](Self::svg) the load as a picture.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Report {
    seed: u64,
    certificates: u64,
    instances: u64,
    accounts: u64,
    days: f64,
    orders: u64,
    issued: u64,
    first_issued: u64,
    without: u64,
    /// Seconds after the beginning at which the last new certificate had its first.
    onboarded_after: Option<u64>,
    renewed: u64,
    in_ari_window: u64,
    resumed: u64,
    failed_validations: u64,
    refused: u64,
    ca_errors: u64,
    ari_polls: u64,
    expired: u64,
    expired_while_down: u64,
    expired_doomed: u64,
    first_expired: Option<FirstExpired>,
    latest_margin: Option<Margin>,
    /// How many were renewed with so many hundredths of the lifetime left.
    margins_percent: Vec<u64>,
    overdrawn: u64,
    overdrawn_by: BTreeMap<String, u64>,
    /// Once a day, the least that was left of each limit by the ledger, of how many.
    least_left: BTreeMap<&'static str, (u32, u32)>,
    duplicates: u64,
    fenced: u64,
    wakes: u64,
    idle_wakes: u64,
    orders_by_hour: Vec<u32>,
    marks: Vec<Mark>,
}

/// The first certificate that ended though it could have been renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FirstExpired {
    /// Which one it is, counted from 0.
    pub certificate: u32,
    /// How many seconds after the beginning.
    pub after_seconds: u64,
}

/// What was left of a certificate when it was renewed.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Margin {
    /// As a share of its lifetime; negative if it had ended.
    pub share: f64,
    /// In seconds; negative if it had ended.
    pub seconds: i64,
}

/// An event, for the plot.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub(super) struct Mark {
    pub(super) day: f64,
    pub(super) lasts_days: f64,
    pub(super) label: &'static str,
}

impl Report {
    pub(super) fn of(simulation: &Simulation) -> Self {
        let mut tally = simulation.tally.clone();
        let now = simulation.now;
        let mut without = 0;
        for (cert, (stored, truth)) in
            (0..).zip(simulation.store.certificates.iter().zip(&simulation.truths))
        {
            if stored.certificate.is_none() {
                without += u64::from(!truth.is_doomed);
            } else if u64::from(stored.until) * 1_000_000 <= now {
                tally.ended(cert, stored, *truth);
            }
        }
        let (before, after) = (&simulation.before, simulation.ca.report());
        let overdrawn_by = overdrawn(before, after);
        let scenario = &simulation.scenario;
        let Tally { orders_by_hour, .. } = &tally;
        let hours = usize::try_from((now - simulation.start) / super::tally::HOUR).unwrap_or(0);
        let mut orders_by_hour = orders_by_hour.clone();
        orders_by_hour.resize(hours.max(orders_by_hour.len()), 0);
        Self {
            seed: scenario.seed,
            certificates: scenario.population.len() as u64,
            instances: scenario.instances as u64,
            accounts: scenario.accounts.into(),
            days: days(simulation.elapsed()),
            orders: after.orders() - before.orders(),
            issued: after.certificates() - before.certificates(),
            first_issued: tally.first_issued,
            without,
            onboarded_after: tally.last_first.map(|it| it / 1_000_000),
            renewed: tally.renewed,
            in_ari_window: after.ari_renewals() - before.ari_renewals(),
            resumed: tally.resumed,
            failed_validations: after.failed_authorizations() - before.failed_authorizations(),
            refused: tally.refused,
            ca_errors: tally.outages,
            ari_polls: tally.polls,
            expired: tally.expired,
            expired_while_down: tally.expired_while_down,
            expired_doomed: tally.expired_doomed,
            first_expired: tally.first_expired.map(|(at, certificate)| FirstExpired {
                certificate,
                after_seconds: at.saturating_sub(simulation.start) / 1_000_000,
            }),
            latest_margin: tally.latest.map(|(millionths, seconds)| Margin {
                #[allow(clippy::cast_precision_loss, reason = "a share of a lifetime")]
                share: millionths as f64 / 1e6,
                seconds,
            }),
            margins_percent: tally.margins,
            overdrawn: overdrawn_by.values().sum(),
            overdrawn_by,
            least_left: tally
                .headroom
                .iter()
                .map(|it| (it.scope.label(), (it.left, it.most)))
                .collect(),
            duplicates: after.duplicate_orders() - before.duplicate_orders(),
            fenced: tally.fenced,
            wakes: tally.wakes,
            idle_wakes: tally.idle_wakes,
            orders_by_hour,
            marks: scenario
                .events
                .iter()
                .map(|(after, event)| mark(*after, event))
                .collect(),
        }
    }

    /// How many certificates the fleet has.
    pub fn certificates(&self) -> u64 {
        self.certificates
    }

    /// Orders that the CA took.
    pub fn orders(&self) -> u64 {
        self.orders
    }

    /// Certificates that the CA issued.
    pub fn issued(&self) -> u64 {
        self.issued
    }

    /// Certificates that were replaced by a new one.
    pub fn renewed(&self) -> u64 {
        self.renewed
    }

    /// Orders that replaced a certificate inside of its ARI window.
    pub fn in_ari_window(&self) -> u64 {
        self.in_ari_window
    }

    /// Certificates that were had for the first time.
    pub fn first_issued(&self) -> u64 {
        self.first_issued
    }

    /// Certificates that were never had, those left out of which a name is doomed.
    pub fn without(&self) -> u64 {
        self.without
    }

    /// How long after the beginning the last one was had that was had for the first time.
    pub fn onboarded_after(&self) -> Option<Duration> {
        self.onboarded_after.map(Duration::from_secs)
    }

    /// Certificates that ended before they were replaced, though it was possible: the names were in order, and
    /// the CA and an instance were up for 24 hours, in one piece, between the backstop and the end.
    pub fn expired(&self) -> u64 {
        self.expired
    }

    /// Certificates that ended since not both the CA and an instance were up long enough, or a name was
    /// repaired too late.
    pub fn expired_while_down(&self) -> u64 {
        self.expired_while_down
    }

    /// Certificates that ended of which a name was doomed.
    pub fn expired_doomed(&self) -> u64 {
        self.expired_doomed
    }

    /// The first of those that [`expired`](Self::expired).
    pub fn first_expired(&self) -> Option<FirstExpired> {
        self.first_expired
    }

    /// The least that was left of a certificate when it was renewed, of those that are not doomed.
    pub fn latest_margin(&self) -> Option<Margin> {
        self.latest_margin
    }

    /// How often a limit of the CA had no room: requests that it refused, and certificates over a limit.
    pub fn overdrawn(&self) -> u64 {
        self.overdrawn
    }

    /// The same by limit.
    pub fn overdrawn_by(&self) -> &BTreeMap<String, u64> {
        &self.overdrawn_by
    }

    /// The least that was left of each limit by the ledgers of the instances, as they were looked at once
    /// a day: by the [label](crate::budget::Scope::label) of the limit, how many of how many.
    pub fn least_left(&self) -> &BTreeMap<&'static str, (u32, u32)> {
        &self.least_left
    }

    /// Orders that no one needed, as the CA sees it.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Questions by ARI.
    pub fn ari_polls(&self) -> u64 {
        self.ari_polls
    }

    /// Orders that ended with an error of the CA: it was down, or had one of its own.
    pub fn ca_errors(&self) -> u64 {
        self.ca_errors
    }

    /// Validations that failed.
    pub fn failed_validations(&self) -> u64 {
        self.failed_validations
    }

    /// Orders that went on after an instance had died that placed them.
    pub fn resumed(&self) -> u64 {
        self.resumed
    }

    /// How often an instance woke, and how often there was nothing to do then.
    pub fn wakes(&self) -> (u64, u64) {
        (self.wakes, self.idle_wakes)
    }

    pub(super) fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// Orders in each hour from the beginning on.
    pub fn orders_by_hour(&self) -> &[u32] {
        &self.orders_by_hour
    }

    /// Orders in each whole day from the beginning on.
    pub fn orders_by_day(&self) -> Vec<u64> {
        let (days, _) = self.orders_by_hour.as_chunks::<24>();
        days.iter()
            .map(|day| day.iter().copied().map(u64::from).sum())
            .collect()
    }

    /// The busiest day over the mean day from one moment until another; `None` if there was no order.
    pub fn peak_to_mean(&self, from: Duration, until: Duration) -> Option<f64> {
        let day = |time: Duration| usize::try_from(time.as_secs() / 86_400).unwrap_or(usize::MAX);
        let days = self.orders_by_day();
        let until = day(until).min(days.len());
        ratio(days.get(day(from).min(until)..until)?)
    }
}

#[allow(clippy::cast_precision_loss, reason = "a ratio of counts")]
pub(super) fn ratio(counts: &[u64]) -> Option<f64> {
    let peak = *counts.iter().max()?;
    let sum: u64 = counts.iter().sum();
    (sum > 0).then(|| peak as f64 * counts.len() as f64 / sum as f64)
}

fn days(time: Duration) -> f64 {
    time.as_secs_f64() / 86_400.0
}

fn overdrawn(before: &CaReport, after: &CaReport) -> BTreeMap<String, u64> {
    let mut by = BTreeMap::new();
    for (old, new) in [
        (before.limit_refusals(), after.limit_refusals()),
        (before.issued_over_limit(), after.issued_over_limit()),
    ] {
        for (limit, count) in new {
            let count = count - old.get(limit).copied().unwrap_or(0);
            if count > 0 {
                *by.entry(label(*limit).to_owned()).or_default() += count;
            }
        }
    }
    by
}

fn label(limit: Limit) -> &'static str {
    match limit {
        Limit::OrdersPerAccount => "orders per account",
        Limit::CertificatesPerDomain => "certificates per registered domain",
        Limit::CertificatesPerSet => "certificates per exact set",
        Limit::FailedAuthorizations => "failed authorizations per identifier",
        Limit::Paused => "failed authorizations in a row",
        Limit::AccountsPerAddress => "accounts per address",
        Limit::AccountsPerNetwork => "accounts per network",
        Limit::Requests(RequestClass::RenewalInfo) => "ARI requests per address",
        Limit::Requests(_) => "requests per address",
    }
}

fn mark(after: Duration, event: &Event) -> Mark {
    let (label, lasts) = match event {
        Event::Outage { lasts } => ("outage of the CA", *lasts),
        Event::Revoke { .. } => ("revoked", Duration::ZERO),
        Event::MoveWindows { .. } => ("ARI windows moved", Duration::ZERO),
        Event::Lifetime { .. } => ("other lifetime", Duration::ZERO),
        Event::Crash { down_for, .. } => ("instance lost", down_for.unwrap_or_default()),
        Event::Clock { .. } => ("clock set", Duration::ZERO),
        Event::Repair => ("names repaired", Duration::ZERO),
    };
    Mark {
        day: days(after),
        lasts_days: days(lasts),
        label,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} certificates, {} days, {} instances, {} accounts, seed {}",
            self.certificates, self.days, self.instances, self.accounts, self.seed
        )?;
        writeln!(
            f,
            "orders: {}, of them {} inside of an ARI window; {} certificates issued, {} for the first time",
            self.orders, self.in_ari_window, self.issued, self.first_issued
        )?;
        if let Some(after) = self.onboarded_after {
            #[allow(clippy::cast_precision_loss, reason = "for people")]
            let days = after as f64 / 86_400.0;
            writeln!(
                f,
                "the last new one came after {days:.2} days; {} are without",
                self.without
            )?;
        } else if self.without > 0 {
            writeln!(f, "{} are without", self.without)?;
        }
        writeln!(
            f,
            "expired: {}; besides {} while there was no CA or instance, and {} of doomed names",
            self.expired, self.expired_while_down, self.expired_doomed
        )?;
        if let Some(first) = self.first_expired {
            let day = first.after_seconds / 86_400;
            writeln!(
                f,
                "  the first was certificate {} on day {day}",
                first.certificate
            )?;
        }
        if let Some(margin) = self.latest_margin {
            #[allow(clippy::cast_precision_loss, reason = "for people")]
            let hours = margin.seconds as f64 / 3600.0;
            writeln!(
                f,
                "latest renewal: with {:.1} % of the lifetime left, {hours:.1} hours",
                margin.share * 100.0
            )?;
        }
        writeln!(f, "limits overdrawn: {}", self.overdrawn)?;
        for (limit, count) in &self.overdrawn_by {
            writeln!(f, "  {limit}: {count}")?;
        }
        let left = self
            .least_left
            .iter()
            .map(|(scope, (left, most))| format!("{left} of {most} {scope}"));
        let left = left.collect::<Vec<_>>().join(", ");
        writeln!(f, "least left, looked at once a day: {left}")?;
        writeln!(f, "duplicate orders: {}", self.duplicates)?;
        writeln!(
            f,
            "failed: {} validations, {} orders refused, {} errors of the CA; {} orders resumed, {} given up to another instance",
            self.failed_validations, self.refused, self.ca_errors, self.resumed, self.fenced
        )?;
        writeln!(
            f,
            "ARI: {} questions; {} wakes, {} of them idle",
            self.ari_polls, self.wakes, self.idle_wakes
        )?;
        let days = self.orders_by_day();
        if let Some(ratio) = ratio(&days) {
            let peak = days.iter().max().copied().unwrap_or(0);
            let hour = self.orders_by_hour.iter().max().copied().unwrap_or(0);
            write!(
                f,
                "load: at most {peak} orders a day and {hour} an hour; peak to mean {ratio:.2} by day"
            )?;
        }
        Ok(())
    }
}
