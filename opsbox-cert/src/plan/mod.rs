//! When to renew what: the most urgent first, spread over time, and never more than the CA's limits allow.
//!
//! ```text
//!  Subject, Held ──┐                         Order ──▶ issuer ──▶ finish: Held, Failure
//!  Window (ARI) ───┼──▶ Planner ──▶ Action ──┤
//!  Ledgers ────────┤       │                 Poll ───▶ CA ──────▶ polled: Window
//!  now, seed ──────┘       └──▶ wake_at: nothing to do before
//! ```
//!
//! The planner reads no clock, waits for nothing and draws no random numbers: with equal input it decides
//! equally, in whatever order it was told. Whoever runs it asks [`next`](Planner::next) until there is
//! nothing, and sleeps until [`wake_at`](Planner::wake_at).
//!
//! ```
//! use std::time::{Duration, UNIX_EPOCH};
//! use opsbox_cert::budget::{Ledger, Limits, Subject};
//! use opsbox_cert::plan::{Action, End, Held, Planner, Policy, Reason};
//!
//! let day = Duration::from_secs(24 * 60 * 60);
//! let mut now = UNIX_EPOCH + 20_000 * day;
//! let mut ledgers = [Ledger::new(Limits::lets_encrypt())];
//! let mut planner = Planner::new(Policy::default(), 7);
//! let shop = planner.add(&Subject::new(&["shop.example.com".parse()?]), 0, None, now);
//!
//! let Some(Action::Order(order)) = planner.next(&mut ledgers, now) else { panic!("it is missing") };
//! assert_eq!((order.cert(), order.reason()), (shop, Reason::Missing));
//! // Here an issuer is asked.
//! let held = Held::new(now, now + 90 * day);
//! planner.finish(&order, &End::Issued(held), &mut ledgers, now);
//!
//! assert_eq!(planner.next(&mut ledgers, now), None);
//! now = planner.wake_at(now).unwrap();
//! let Some(Action::Order(order)) = planner.next(&mut ledgers, now) else { panic!("it is due") };
//! assert_eq!(order.reason(), Reason::Share);
//! # Ok::<(), opsbox_cert::Error>(())
//! ```
//!
//! # Who is first
//!
//! What is revoked, or what its CA wants replaced at once; then by [`Band`], which is a share of the lifetime that is
//! left; then by weight, wildcards before several names before single ones; then what is due longest. A
//! certificate without one counts as urgent.
//!
//! # When
//!
//! With ARI, at one moment inside the CA's [`Window`], which the seed and the names choose, so that it is the
//! same after a restart. Without, by the share of the lifetime, spread so that a fleet that was issued on one day is
//! not renewed on one day: see [`Policy::spread`].
//!
//! # What fails
//!
//! A name that fails waits 1, 10 and 100 minutes, then a day, alone; the certificates that failed before have a part
//! of the places only ([`Policy::retry_share`]). A CA that cannot be reached is asked by one certificate at a time,
//! less and less often, up to every half an hour.

mod act;
mod backoff;
mod forecast;
mod heap;
mod moment;
mod outlive;
mod pages;
mod planner;
mod policy;
mod priority;
mod queue;
mod shard;
mod slot;
mod table;
mod turn;
mod types;
mod window;

pub use self::act::{End, Failure};
pub use self::forecast::{Forecast, forecast};
pub use self::outlive::{Outage, Saved};
pub use self::planner::Planner;
pub use self::policy::{Left, Policy};
pub use self::priority::Band;
pub use self::shard::Shards;
pub use self::types::{Action, CertId, CertState, Held, Order, Poll, Progress, Reason, Status};
pub use self::window::Window;
