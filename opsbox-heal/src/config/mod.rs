//! A policy from a file in TOML, YAML or JSON.
//!
//! All fields may be left out; those of [`Policy`](crate::decide::Policy) say what then holds. Lengths of time are
//! written as in `"90s"` or `"1h 30m"`, shares as in `"25%"`. A field that does not exist is an
//! error, never ignored, so that a slip of the pen in a safety limit is seen.
//!
//! ```toml
//! mode = "act"                          # the default is "dry_run"
//! cooldown = "2m"
//!
//! [[responses]]                         # before the built-in table
//! condition = "CrashLoopBackOff"
//! cause = "SteadyFailure"
//! steps = ["evict", "escalate"]
//! after = "10m"
//! confidence = "high"
//!
//! [budgets.workload]
//! max_count = 2
//! max_share = "20%"
//!
//! [protection]
//! namespaces = ["payments"]             # beside kube-system and its like
//! labels = ["app.kubernetes.io/part-of=vault"]
//!
//! [[windows]]
//! effect = "deny"
//! days = ["mon", "tue", "wed", "thu", "fri"]
//! from = "08:00"
//! to = "18:00"
//! time_zone = "Europe/Berlin"
//! ```
//!
//! ```
//! use opsbox_heal::config::{Format, parse_policy};
//! use opsbox_heal::decide::Mode;
//!
//! let policy = parse_policy("policy.toml", "mode = \"act\"", Format::Toml)?;
//! assert_eq!(policy.mode, Mode::Act);
//!
//! let text = "cooldown: 1m\nresponses:\n  - condition: CrashLoop\n    steps: [evict]\n";
//! let error = parse_policy("policy.yaml", text, Format::Yaml).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "cannot use policy policy.yaml: line 3 column 16 (byte 39): responses[0].condition: \
//!      there is no condition `CrashLoop`; did you mean `CrashLoopBackOff`?"
//! );
//! # Ok::<(), opsbox_heal::Error>(())
//! ```

mod check;
mod read;
#[cfg(feature = "schema")]
mod schema;

pub use read::{Format, parse_policy, read_policy};
#[cfg(feature = "schema")]
pub use schema::policy_schema;
