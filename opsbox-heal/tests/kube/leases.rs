//! Leader election.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use libtest_mimic::Failed;
use opsbox_heal::act::{ActOptions, Outcome, Permission, Remediator, Target};
use opsbox_heal::lease::{Election, Fence};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::api_server::{ApiServer, account, assets, block_on, eventually};

const DURATION: Duration = Duration::from_secs(6);
const DEADLINE: Duration = Duration::from_secs(4);
const PERIOD: Duration = Duration::from_millis(500);
/// What a machine that does a lot else may take longer.
const SLACK: Duration = Duration::from_secs(2);

/// A candidate that runs.
struct Candidate {
    fence: Fence,
    identity: String,
    task: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
}

impl Candidate {
    fn start(client: Client, lease: &str, name: &str) -> Self {
        let election = Election::new(client, "leases", lease, name).unwrap();
        let election = election.terms(DURATION, DEADLINE, PERIOD).unwrap();
        let (fence, identity) = (election.fence(), election.identity().to_owned());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(election.run(async { drop(stopped.await) }));
        let stop = Some(stop);
        Self {
            fence,
            identity,
            task,
            stop,
        }
    }

    /// As a process that is killed: nothing is released.
    fn kill(&self) {
        self.task.abort();
    }

    async fn shut_down(&mut self) {
        drop(self.stop.take());
        drop((&mut self.task).await);
    }
}

async fn leases(server: &ApiServer) -> Api<Lease> {
    server.namespace("leases").await;
    Api::namespaced(server.client(), "leases")
}

pub(crate) fn taken_over(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let leases = leases(server).await;
        let mut first = Candidate::start(server.client(), "two", "first");
        first.fence.leading().await;
        // Labels of others stay.
        let patch = Patch::Merge(json!({"metadata": {"labels": {"team": "ops"}}}));
        let parameters = PatchParams::default();
        leases.patch("two", &parameters, &patch).await.unwrap();
        let mut second = Candidate::start(server.client(), "two", "second");
        eventually("the second knows who leads", async || {
            second.fence.holder() == first.identity
        })
        .await;
        assert!(first.fence.is_leader() && !second.fence.is_leader());
        let token = first.fence.token().unwrap();

        let killed = Instant::now();
        first.kill();
        let acts = Remediator::new(server.client()).fence(first.fence.clone());
        first.fence.lost().await;
        let lost = killed.elapsed();
        assert!(!second.fence.is_leader());
        let target = Target::new("leases", "none", "x");
        let outcome = acts.evict(&target, &ActOptions::real()).await;
        assert_eq!(outcome, Outcome::NotLeader);
        second.fence.leading().await;
        let taken = killed.elapsed();
        println!("the killed leader ended after {lost:.2?}, the second led after {taken:.2?}");
        assert!(
            lost <= DEADLINE + SLACK && taken <= DURATION + 2 * PERIOD + SLACK,
            "{taken:?}"
        );
        assert!(taken >= DURATION - PERIOD, "{taken:?}");
        assert!(second.fence.token().unwrap() > token);
        let lease = leases.get("two").await.unwrap();
        assert_eq!(lease.metadata.labels.unwrap()["team"], "ops");
        assert_eq!(
            lease.spec.unwrap().holder_identity,
            Some(second.identity.clone())
        );

        // One that is shut down gives it away, after the act that is under way.
        let mut third = Candidate::start(server.client(), "two", "third");
        let pass = second.fence.pass().unwrap();
        let under_way = tokio::spawn(async move {
            tokio::time::sleep(PERIOD).await;
            assert!(!pass.remaining().is_zero());
            Instant::now()
        });
        second.shut_down().await;
        let released = Instant::now();
        assert!(under_way.await.unwrap() <= released);
        assert!(!second.fence.is_leader() && second.fence.pass().is_none());
        third.fence.leading().await;
        println!("the third led {:.2?} after the release", released.elapsed());
        assert!(
            released.elapsed() < 2 * PERIOD + SLACK,
            "{:?}",
            released.elapsed()
        );
        third.shut_down().await;
        let spec = leases.get("two").await.unwrap().spec.unwrap();
        assert_eq!(spec.holder_identity, None);
    });
    Ok(())
}

/// Of a holder whose clock is wrong by decades, in both directions.
pub(crate) fn skewed(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let leases = leases(server).await;
        for (name, time) in [
            ("past", "1999-01-01T00:00:00.000000Z"),
            ("future", "2199-01-01T00:00:00.000000Z"),
        ] {
            let lease = json!({"metadata": {"name": name}, "spec": {
                "holderIdentity": "other", "leaseDurationSeconds": 2, "renewTime": time, "acquireTime": time,
                "leaseTransitions": 7}});
            let lease = serde_json::from_value(lease).unwrap();
            leases.create(&PostParams::default(), &lease).await.unwrap();
            let started = Instant::now();
            let mut candidate = Candidate::start(server.client(), name, "me");
            candidate.fence.leading().await;
            let taken = started.elapsed();
            println!("a lease of the {name} was taken after {taken:.2?}");
            assert!(
                taken >= DURATION && taken <= DURATION + 2 * PERIOD + SLACK,
                "{taken:?}"
            );
            assert_eq!(candidate.fence.token(), Some(8));
            candidate.shut_down().await;
        }
    });
    Ok(())
}

/// The election of client-go, as the controller manager has it, on the same Lease.
pub(crate) fn client_go(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let leases = leases(server).await;
        let holder = async || {
            let lease = leases.get_opt("shared").await.unwrap();
            lease.and_then(|lease| lease.spec?.holder_identity)
        };
        let mut ours = Candidate::start(server.client(), "shared", "ours");
        ours.fence.leading().await;
        let mut theirs = server.candidate("leases", "shared", [DURATION, DEADLINE, PERIOD]);
        // Longer than it would wait for a leader that is gone.
        let began = Instant::now();
        while began.elapsed() < 2 * DURATION + Duration::from_secs(2) {
            assert!(ours.fence.is_leader() && !theirs.has_ended());
            assert_eq!(holder().await.as_ref(), Some(&ours.identity));
            tokio::time::sleep(PERIOD).await;
        }
        let token = ours.fence.token().unwrap();
        ours.shut_down().await;
        let released = Instant::now();
        eventually("client-go leads", async || {
            holder().await.is_some_and(|holder| holder != ours.identity)
        })
        .await;
        println!("client-go led {:.1?} after our release", released.elapsed());
        assert!(released.elapsed() < DURATION, "{:?}", released.elapsed());

        let mut next = Candidate::start(server.client(), "shared", "next");
        tokio::time::sleep(2 * DURATION).await;
        assert!(!next.fence.is_leader() && !theirs.has_ended());
        let killed = Instant::now();
        drop(theirs);
        next.fence.leading().await;
        println!("we led {:.1?} after client-go was killed", killed.elapsed());
        assert!(
            killed.elapsed() < DURATION + 2 * PERIOD + SLACK,
            "{:?}",
            killed.elapsed()
        );
        assert!(next.fence.token().unwrap() > token);
        next.shut_down().await;
    });
    Ok(())
}

/// Asks all of them all the time, on threads of its own.
struct Census {
    ends: Arc<AtomicBool>,
    most: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
    led: Arc<AtomicUsize>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Census {
    fn of(fences: Vec<Fence>) -> Self {
        let mut census = Self {
            ends: Arc::default(),
            most: Arc::default(),
            asked: Arc::default(),
            led: Arc::default(),
            thread: None,
        };
        let (ends, most) = (Arc::clone(&census.ends), Arc::clone(&census.most));
        let (asked, led) = (Arc::clone(&census.asked), Arc::clone(&census.led));
        let runtime = tokio::runtime::Handle::current();
        census.thread = Some(std::thread::spawn(move || {
            let _entered = runtime.enter();
            while !ends.load(Ordering::Relaxed) {
                // Held at the same time, so that one after the other is not taken for two.
                let passes: Vec<_> = fences.iter().filter_map(Fence::pass).collect();
                let valid = passes.iter().filter(|pass| !pass.remaining().is_zero());
                let count = valid.count();
                most.fetch_max(count, Ordering::Relaxed);
                asked.fetch_add(1, Ordering::Relaxed);
                led.fetch_add(usize::from(count > 0), Ordering::Relaxed);
                drop(passes);
                std::thread::sleep(Duration::from_millis(1));
            }
        }));
        census
    }

    /// How often it asked, at how many of them somebody led, and how many led at once at most.
    fn end(mut self) -> (usize, usize, usize) {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        let of = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        (of(&self.asked), of(&self.led), of(&self.most))
    }
}

/// On a server of its own, which is stopped and started.
pub(crate) fn never_two(_: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let server = ApiServer::start(&assets().unwrap()).await;
        drop(leases(&server).await);
        let candidates: Vec<Candidate> = (0..12)
            .map(|number| Candidate::start(server.client(), "many", &format!("c{number}")))
            .collect();
        let census = Census::of(candidates.iter().map(|c| c.fence.clone()).collect());
        let mut alive: Vec<&Candidate> = candidates.iter().collect();
        let leader = async |alive: &[&Candidate]| {
            eventually("one of them leads", async || {
                alive.iter().any(|candidate| candidate.fence.is_leader())
            })
            .await;
            alive
                .iter()
                .position(|candidate| candidate.fence.is_leader())
        };
        // Leaders are killed one after the other.
        for _ in 0..3 {
            if let Some(index) = leader(&alive).await {
                alive.swap_remove(index).kill();
            }
        }
        leader(&alive).await;
        // A short outage is survived; a long one is not, and nobody leads meanwhile.
        server.restart().await;
        leader(&alive).await;
        server.stop();
        tokio::time::sleep(DEADLINE + PERIOD).await;
        assert!(alive.iter().all(|candidate| !candidate.fence.is_leader()));
        assert!(
            alive
                .iter()
                .all(|candidate| candidate.fence.trouble().is_some())
        );
        println!("{}", alive[0].fence.trouble().unwrap());
        tokio::time::sleep(DURATION - DEADLINE).await;
        server.up().await;
        leader(&alive).await;
        let (asked, led, most) = census.end();
        println!("asked {asked} times, somebody led at {led}, at most {most} at once");
        assert_eq!(most, 1);
        assert!(asked > 5_000, "{asked}");
    });
    Ok(())
}

pub(crate) fn forbidden(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        drop(leases(server).await);
        let client = server.client_of("leases", "nobody");
        let candidate = Candidate::start(client, "denied", "nobody");
        eventually("the trouble is told", async || {
            candidate.fence.trouble().is_some()
        })
        .await;
        let missing = Permission::new("get", "coordination.k8s.io", "leases").namespace("leases");
        let trouble = candidate.fence.trouble().unwrap();
        println!("{trouble}");
        assert_eq!(trouble, Outcome::Forbidden(missing));
        // It does not run in circles.
        let before = server.requests(&account("leases", "nobody")).len();
        tokio::time::sleep(4 * PERIOD).await;
        let after = server.requests(&account("leases", "nobody")).len();
        assert!(after - before <= 5, "{} requests", after - before);
        candidate.kill();

        let client = server.client();
        let election = Election::new(client, "no-such-namespace", "heal", "me").unwrap();
        let fence = election.fence();
        let running = tokio::spawn(election.run(std::future::pending()));
        eventually("the trouble is told", async || fence.trouble().is_some()).await;
        println!("{}", fence.trouble().unwrap());
        assert!(
            fence
                .trouble()
                .unwrap()
                .to_string()
                .contains("there is no namespace")
        );
        running.abort();
    });
    Ok(())
}
