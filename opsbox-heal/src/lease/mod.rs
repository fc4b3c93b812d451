//! Leader election on a `coordination.k8s.io/v1` Lease: of many replicas one acts.
//!
//! ```text
//! Election::run ──> reads and renews the Lease
//!     └─ fence() ──> Fence: asked before each act ──> Remediator, or your own
//! ```
//!
//! | | default | |
//! |---|---|---|
//! | lease duration | [15 s](crate::limits::LEASE_DURATION) | how long others wait after the Lease was seen to change |
//! | renew deadline | [10 s](crate::limits::LEASE_RENEW_DEADLINE) | how long the leader relies on a renewal, from before it was sent |
//! | retry period | [2 s](crate::limits::LEASE_RETRY_PERIOD) | how often it is renewed or looked at, with a jitter of a fifth |
//!
//! Never two at once: the leader ends by itself five seconds before anyone may take over, even if it hears
//! nothing; clocks of two machines are never compared, only how long something was seen unchanged; and every write
//! has what was seen as its condition. A simulation of lost, late and reordered requests, stopped processes and clocks
//! of unequal speed is among the tests.
//!
//! * A process that is killed is followed by another one within lease duration and retry period; one that is shut down
//!   releases the Lease, and is followed within one retry period.
//! * A machine that is suspended loses the leadership by the clock on the wall, since the other one stands still.
//! * An act takes a [`Pass`] with the time that is left, and the API server is told to give up by then. What
//!   cannot be ruled out is a request that a proxy keeps for longer; the uid precondition makes that harmless.
//!
//! Works with the election of client-go on the same Lease. It needs the verbs get, create and update on leases.
//!
//! ```no_run
//! # async fn example(client: kube::Client) -> Result<(), opsbox_heal::Error> {
//! use opsbox_heal::{act::Remediator, lease::Election};
//!
//! let election = Election::new(client.clone(), "ops", "opsbox-heal", "heal-7d9-x2x")?;
//! let remediator = Remediator::new(client).fence(election.fence());
//! tokio::spawn(election.run(std::future::pending()));
//! // remediator.evict(..) is Outcome::NotLeader until this process leads.
//! # Ok(()) }
//! ```

mod core;
mod election;
mod fence;

pub use election::Election;
pub use fence::{Fence, Pass};
