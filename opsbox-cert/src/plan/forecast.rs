//! When many certificates can be had, and what limits it.

use std::time::{Duration, SystemTime};

use super::End;
use super::planner::Planner;
use super::policy::Policy;
use super::priority::Band;
use super::types::{Action, Held};
use crate::budget::{Charge, Ledger, Scope, Subject};
use crate::limits::MAX_FORECAST_STEPS;

/// Of so many of those that are left it is asked what they wait for.
const ASKED: usize = 64;

/// Of the certificates that are had: how long it is makes no difference, since none is renewed.
const LIFETIME: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// When certificates can be had that there are none of yet: what [`forecast`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forecast {
    /// When each of them is ordered, in the order given; `None` for those that cannot be.
    pub ordered_at: Vec<Option<SystemTime>>,
    /// When the last one is.
    pub done_at: SystemTime,
    /// The limit that the last one waits for; `None` if all can be had at once.
    pub limited_by: Option<Scope>,
}

/// When new certificates for these names can be ordered within the limits of a CA, if nothing else is
/// ordered and each is issued at once, and which limit takes longest. Nothing is taken.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use opsbox_cert::budget::{Ledger, Limits, Scope, Subject};
/// use opsbox_cert::plan::forecast;
///
/// // 1,000 customers, each with a domain of their own.
/// let names: Vec<Subject> = (0..1000)
///     .map(|n| Ok(Subject::new(&[format!("shop-{n}.example").parse()?])))
///     .collect::<opsbox_cert::Result<_>>()?;
/// let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
/// let forecast = forecast(&names, &Ledger::new(Limits::lets_encrypt()), now);
///
/// // 300 at once, and one each 36 s.
/// let hours = forecast.done_at.duration_since(now).unwrap().as_secs() / 3600;
/// assert_eq!((hours, forecast.limited_by), (7, Some(Scope::Account)));
/// # Ok::<(), opsbox_cert::Error>(())
/// ```
pub fn forecast(subjects: &[Subject], ledger: &Ledger, now: SystemTime) -> Forecast {
    let policy = Band::ALL
        .iter()
        .fold(Policy::default().spread(false), |policy, band| {
            policy.at_once(*band, u32::MAX)
        });
    let mut ledgers = [ledger.clone()];
    let mut planner = Planner::with_capacity(policy, 0, subjects.len());
    for subject in subjects {
        planner.add(subject, 0, None, now);
    }
    let mut out = Forecast {
        ordered_at: vec![None; subjects.len()],
        done_at: now,
        limited_by: None,
    };
    let (mut left, mut at) = (subjects.len(), now);
    for _ in 0..MAX_FORECAST_STEPS {
        while let Some(action) = planner.next(&mut ledgers, at) {
            let Action::Order(order) = action else {
                continue;
            };
            let held = Held::new(at, at + LIFETIME);
            planner.finish(&order, &End::Issued(held), &mut ledgers, at);
            planner.remove(order.cert());
            if let Some(ordered) = out.ordered_at.get_mut(order.cert().index()) {
                *ordered = Some(at);
            }
            (out.done_at, left) = (at, left - 1);
        }
        if left == 0 {
            break;
        }
        if left <= ASKED || out.limited_by.is_none() {
            out.limited_by = limit(subjects, &out.ordered_at, ledgers.first(), at);
        }
        match planner.wake_at(at) {
            Some(next) if next > at => at = next,
            _ => break,
        }
    }
    out
}

/// What takes longest of what is left.
fn limit(
    subjects: &[Subject],
    ordered: &[Option<SystemTime>],
    ledger: Option<&Ledger>,
    now: SystemTime,
) -> Option<Scope> {
    let left = subjects.iter().zip(ordered).filter(|(_, at)| at.is_none());
    let denied = left
        .take(ASKED)
        .filter_map(|(subject, _)| ledger?.check(&Charge::new(subject), now).err());
    let longest = denied.max_by_key(|denied| denied.until())?;
    Some(longest.scope())
}
