//! Whether this process may act at this moment.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{OwnedRwLockReadGuard, RwLock, watch},
    time::Instant,
};

use crate::act::Outcome;

/// What an election knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) leads: Option<Leads>,
    pub(crate) holder: String,
    pub(crate) trouble: Option<Outcome>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Leads {
    pub(crate) until: Instant,
    /// The same by the clock on the wall, which goes on while a machine is suspended.
    pub(crate) until_wall: SystemTime,
    pub(crate) token: u64,
}

/// Tells whether this process is the leader, and for how long it may rely on it.
///
/// Ask it right before each act, not once a round: a process that was stopped for a minute has lost its Lease
/// without a word. [`Remediator::fence`](crate::act::Remediator::fence) does so by itself.
///
/// ```no_run
/// # async fn example(mut fence: opsbox_heal::lease::Fence) {
/// fence.leading().await;
/// while let Some(pass) = fence.pass() {
///     println!("{:?} are left for one act", pass.remaining());
///     // Whoever takes over waits for the pass to be dropped, or for the end of the time.
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Fence {
    pub(crate) state: watch::Receiver<State>,
    pub(crate) passes: Arc<RwLock<()>>,
}

impl Fence {
    /// For how long it leads at least, unless the Lease is released; `None` if it does not.
    pub fn remaining(&self) -> Option<Duration> {
        remaining(self.state.borrow().leads.as_ref()?)
    }

    /// Whether it leads at this moment.
    pub fn is_leader(&self) -> bool {
        self.remaining().is_some()
    }

    /// A number that grows with each change of the leader, for systems that can refuse an older one:
    /// `spec.leaseTransitions`. `None` if it does not lead.
    pub fn token(&self) -> Option<u64> {
        let state = self.state.borrow();
        let leads = state.leads.as_ref()?;
        remaining(leads).map(|_| leads.token)
    }

    /// Leave for one act; `None` if it does not lead. A release of the Lease waits until it is dropped.
    pub fn pass(&self) -> Option<Pass> {
        // The lock first: a release that has it has ended the leadership already.
        let guard = Arc::clone(&self.passes).try_read_owned().ok()?;
        let state = self.state.borrow();
        let leads = *state.leads.as_ref()?;
        remaining(&leads)?;
        Some(Pass {
            leads,
            _guard: guard,
        })
    }

    /// The identity of the leader, as far as it is known; empty if there is none.
    pub fn holder(&self) -> String {
        self.state.borrow().holder.clone()
    }

    /// Why the Lease could not be read or written the last time; `None` if it could.
    pub fn trouble(&self) -> Option<Outcome> {
        self.state.borrow().trouble.clone()
    }

    /// Waits until it leads; for ever if the election has ended.
    pub async fn leading(&mut self) {
        while !self.is_leader() {
            if self.state.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until it does not lead, be it only because the time is over.
    pub async fn lost(&mut self) {
        while let Some(left) = self.remaining() {
            let changed = tokio::time::timeout(left, self.state.changed()).await;
            if matches!(changed, Ok(Err(_))) {
                // Nobody renews it any more.
                tokio::time::sleep(self.remaining().unwrap_or_default()).await;
            }
        }
    }
}

impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fence")
            .field("remaining", &self.remaining())
            .field("holder", &self.holder())
            .finish_non_exhaustive()
    }
}

/// Leave for one act of the leader, from [`Fence::pass`].
pub struct Pass {
    leads: Leads,
    _guard: OwnedRwLockReadGuard<()>,
}

impl Pass {
    /// How long the act may take from now on; zero if the time is over.
    pub fn remaining(&self) -> Duration {
        remaining(&self.leads).unwrap_or_default()
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass")
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}

/// The shorter of what both clocks say: the one may stand still while a machine is suspended, the other may be
/// set back.
fn remaining(leads: &Leads) -> Option<Duration> {
    let left = leads.until.saturating_duration_since(Instant::now());
    #[allow(
        clippy::disallowed_methods,
        reason = "what must not be taken as an argument: it is asked right before an act"
    )]
    let now = SystemTime::now();
    let left_wall = leads.until_wall.duration_since(now).unwrap_or_default();
    let left = left.min(left_wall);
    (!left.is_zero()).then_some(left)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Request, Response};
    use kube::{Client, client::Body};

    use super::*;
    use crate::act::{ActOptions, Remediator, Target};

    fn fence(seconds: u64, wall: Duration) -> (watch::Sender<State>, Fence) {
        #[allow(clippy::disallowed_methods, reason = "what the fence compares with")]
        let until_wall = SystemTime::now() + wall;
        let leads = Leads {
            until: Instant::now() + Duration::from_secs(seconds),
            until_wall,
            token: 3,
        };
        let sender = watch::Sender::new(State {
            leads: Some(leads),
            ..State::default()
        });
        let fence = Fence {
            state: sender.subscribe(),
            passes: Arc::default(),
        };
        (sender, fence)
    }

    const DAY: Duration = Duration::from_secs(86_400);

    #[tokio::test(start_paused = true)]
    async fn it_ends_by_itself() {
        let (sender, mut fence) = fence(10, DAY);
        let pass = fence.pass().unwrap();
        assert_eq!(fence.token(), Some(3));
        assert_eq!(fence.remaining(), Some(Duration::from_secs(10)));
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(pass.remaining(), Duration::from_secs(1));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(pass.remaining(), Duration::ZERO);
        assert!(!fence.is_leader() && fence.pass().is_none() && fence.token().is_none());
        fence.lost().await;
        // An election that has ended holds nobody up.
        drop(sender);
        fence.lost().await;
    }

    /// The clock of the process stood still while the machine was suspended.
    #[tokio::test(start_paused = true)]
    async fn a_machine_that_was_suspended_leads_no_longer() {
        let (_sender, fence) = fence(10, Duration::ZERO);
        assert!(!fence.is_leader() && fence.pass().is_none());
    }

    /// No answer comes, so the act ends with the leadership, and the API server was told so.
    #[tokio::test(start_paused = true)]
    async fn an_act_does_not_outlast_the_leadership() {
        let (sent, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let silent = tower::service_fn(move |request: Request<Body>| {
            drop(sent.send(request.uri().to_string()));
            std::future::pending::<Result<Response<Body>, Infallible>>()
        });
        let (_sender, fence) = fence(4, DAY);
        let acts = Remediator::new(Client::new(silent, "default")).fence(fence);
        let target = Target::new("shop", "web-1", "0b0e");
        let began = Instant::now();
        let outcome = acts.evict(&target, &ActOptions::real()).await;
        assert!(
            outcome.may_have_acted() && outcome.is_retryable(),
            "{outcome}"
        );
        assert_eq!(began.elapsed(), Duration::from_secs(4));
        assert_eq!(
            seen.recv().await.unwrap(),
            "/api/v1/namespaces/shop/pods/web-1/eviction?fieldManager=opsbox-heal&timeout=4000ms"
        );
        let outcome = acts.evict(&target, &ActOptions::real()).await;
        assert_eq!(outcome, Outcome::NotLeader);
        assert!(seen.try_recv().is_err());
    }

    /// What is left is too short to begin anything.
    #[tokio::test(start_paused = true)]
    async fn nothing_is_begun_at_the_last_moment() {
        let (_sender, fence) = fence(1, DAY);
        tokio::time::advance(Duration::from_millis(600)).await;
        assert!(fence.is_leader());
        let silent = tower::service_fn(|_: Request<Body>| async {
            Ok::<_, Infallible>(Response::new(Body::empty()))
        });
        let acts = Remediator::new(Client::new(silent, "default")).fence(fence);
        let target = Target::new("shop", "web-1", "0b0e");
        let outcome = acts.delete(&target, &ActOptions::real()).await;
        assert_eq!(outcome, Outcome::NotLeader);
    }
}
