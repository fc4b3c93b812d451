//! Years of a fleet in seconds: the planner as it is, before a model of the CA.
//!
//! ```text
//!  Scenario: Population, instances, CA, Events ──▶ Simulation ──▶ Report: text, JSON, SVG
//!
//!     instance 1 ┐  plan::Planner, as it is        testing::ca::CaModel
//!     instance 2 ┼────── orders, ARI ─────────────▶ limits, faults, outages
//!     instance 3 ┘                                  counts on its own
//!         │
//!     one store: certificates, ledgers, locks, orders under way
//! ```
//!
//! No time passes and nothing is sent: events are taken from a queue in the order of their times. What decides is
//! the code that decides in service ([`plan`](crate::plan), [`budget`](crate::budget)); what counts is the
//! [model of the CA](crate::testing::ca), which shares nothing with it. Around them stand a store, latencies, and
//! instances that die with all they know.
//!
//! The same scenario gives the same report, to the last digit.
//!
//! ```
//! use std::time::Duration;
//! use opsbox_cert::sim::{Event, Issued, Population, Scenario, Simulation};
//!
//! let day = Duration::from_secs(24 * 60 * 60);
//! // Issued on one day, kept by two instances; the CA is down for a week, and one instance is lost.
//! let fleet = Population::new(200).lifetime(90 * day, 1).issued(Issued::OneDay);
//! let scenario = Scenario::new(fleet)
//!     .lasts(120 * day)
//!     .instances(2)
//!     .at(50 * day, Event::Outage { lasts: 7 * day })
//!     .at(70 * day, Event::Crash { instance: 0, down_for: None });
//! let report = Simulation::new(scenario)?.run();
//!
//! assert_eq!((report.expired(), report.overdrawn(), report.duplicates()), (0, 0, 0));
//! assert!(report.renewed() >= 200);
//! println!("{report}");
//! # Ok::<(), opsbox_cert::sim::InvalidScenario>(())
//! ```
//!
//! # What it leaves out
//!
//! The wire and the keys, which take time and can fail but decide nothing; a store that fails; and more than one
//! CA. An order takes four requests, each after a [latency](Scenario::latency). Questions by ARI are real ones,
//! some a day for each certificate: they cost more than all the rest, so a million certificates are simulated
//! without ([`Scenario::asks_ari`]).

mod build;
mod chance;
mod engine;
mod events;
mod instance;
mod plot;
mod population;
mod report;
mod scenario;
mod steps;
mod store;
mod tally;

pub use self::engine::Simulation;
pub use self::population::{Issued, Population};
pub use self::report::{FirstExpired, Margin, Report};
pub use self::scenario::{Event, InvalidScenario, Scenario};
