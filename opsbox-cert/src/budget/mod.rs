//! What a CA lets one have, counted before it is asked: the limits as data, and a ledger of what was used.
//!
//! ```text
//!              may I order this?           ┌─ account      300 in 3 h
//!   Charge ───────────────▶ Ledger ────────┼─ domain        50 in 7 d
//!     ▲                       │            ├─ exact set      5 in 7 d
//!     │  granted: held back   │            └─ failures       5 in 1 h, for each name
//!     │                       ▼
//!   settle: issued, failed    denied: until when, by which limit
//! ```
//!
//! Each bucket is one number: see [`Rate`]. Orders count for the account when they are placed;
//! certificates count for domain and set when they are issued, and are held back from the moment of the
//! order on, so that what is under way cannot exceed a limit either.
//!
//! ```
//! use std::time::{Duration, UNIX_EPOCH};
//! use opsbox_cert::budget::{Charge, Ledger, Limits, Outcome, Scope, Subject};
//!
//! let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
//! let mut ledger = Ledger::new(Limits::lets_encrypt());
//! let subject = Subject::new(&["shop.example.com".parse()?]);
//!
//! ledger.take(&Charge::new(&subject), now)?;
//! let issued = Outcome::Issued { lifetime: Duration::from_secs(90 * 24 * 60 * 60) };
//! ledger.settle(&Charge::new(&subject), &issued, now);
//!
//! // The same once more: refused, until the certificate is a week old.
//! let denied = ledger.take(&Charge::new(&subject), now).unwrap_err();
//! assert_eq!(denied.scope(), Scope::Duplicate);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod codec;
mod feedback;
mod gcra;
mod headroom;
mod kept;
mod ledger;
mod meter;
mod order;
mod rates;
#[cfg(any(feature = "store", feature = "sim"))]
mod seen;
#[cfg(feature = "store")]
mod shared;
mod subject;
mod told;

pub use self::feedback::limit_in;
pub use self::gcra::Rate;
pub(crate) use self::gcra::{Bucket, duration_us, from_micros, micros};
pub use self::headroom::Headroom;
pub use self::ledger::Ledger;
pub use self::order::{Charge, Denied, Exemption, Outcome};
pub use self::rates::{Limits, RequestClass, Scope};
#[cfg(feature = "sim")]
pub(crate) use self::seen::Seen;
#[cfg(feature = "store")]
pub use self::shared::SharedLedger;
pub(crate) use self::subject::{KeyMap, key};
pub use self::subject::{Kind, Subject, registered_domain};
