//! The run of time: what comes next, whom it wakes, and what it changes.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

use super::chance::Chance;
use super::instance::{Flight, Instance, Step, micros, put, time};
use super::report::Report;
use super::scenario::{Event, InvalidScenario, Scenario};
use super::store::{LOCK, Store};
use super::tally::{HOUR, Tally, Truth};
use crate::budget::Seen;
use crate::plan::{Action, End, Order, Planner, Shards};
use crate::testing::ca::{AccountId, CaModel, CaReport};

/// What comes at a time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Job {
    Event(usize),
    Start(usize),
    /// An instance looks who is there.
    Notice(usize),
    Wake(usize),
    Step {
        instance: usize,
        epoch: u32,
        flight: usize,
    },
    Poll {
        instance: usize,
        epoch: u32,
        poll: usize,
    },
    Prune,
}

#[derive(Debug, Clone, Copy)]
struct Timed {
    at: u64,
    /// What was said first comes first.
    number: u64,
    job: Job,
}

impl Timed {
    fn key(&self) -> (u64, u64) {
        (self.at, self.number)
    }
}

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Timed {}

impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timed {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// A scenario that runs.
///
/// It can be cloned at any moment, to see what would happen otherwise.
///
/// ```
/// use std::time::Duration;
/// use opsbox_cert::sim::{Population, Scenario, Simulation};
///
/// let day = Duration::from_secs(24 * 60 * 60);
/// let scenario = Scenario::new(Population::new(50).lifetime(45 * day, 1)).lasts(60 * day);
/// let mut simulation = Simulation::new(scenario)?;
/// simulation.run_until(30 * day);
/// let mut restarted = simulation.clone();
/// restarted.restart();
/// assert_eq!(restarted.run().expired(), simulation.run().expired());
/// # Ok::<(), opsbox_cert::sim::InvalidScenario>(())
/// ```
#[derive(Debug, Clone)]
pub struct Simulation {
    pub(super) scenario: Scenario,
    pub(super) start: u64,
    pub(super) now: u64,
    end: u64,
    jobs: BinaryHeap<Reverse<Timed>>,
    jobs_so_far: u64,
    pub(super) ca: CaModel,
    pub(super) accounts: Vec<AccountId>,
    /// The profile of each lifetime.
    pub(super) profiles: Vec<String>,
    /// What the CA had counted before it began.
    pub(super) before: CaReport,
    pub(super) truths: Vec<Truth>,
    pub(super) store: Store,
    pub(super) instances: Vec<Instance>,
    pub(super) chance: Chance,
    pub(super) tally: Tally,
    pub(super) nobody_since: Option<u64>,
    /// A clock was set: the ledgers are looked at by different ones.
    pub(super) clocks_differ: bool,
}

impl Simulation {
    /// The moment at which a scenario begins.
    ///
    /// # Errors
    ///
    /// What is wrong with the scenario.
    pub fn new(scenario: Scenario) -> Result<Self, InvalidScenario> {
        scenario.check()?;
        let world = super::build::build(&scenario)?;
        let start = micros(scenario.start);
        let end = start.saturating_add(duration(scenario.lasts));
        let instances = (0..scenario.instances).map(|n| Instance::new(n, &scenario.policy));
        let mut simulation = Self {
            start,
            now: start,
            end,
            jobs: BinaryHeap::new(),
            jobs_so_far: 0,
            before: world.ca.report().clone(),
            ca: world.ca,
            accounts: world.accounts,
            profiles: world.profiles,
            truths: world.truths,
            store: world.store,
            instances: instances.collect(),
            chance: Chance::new(scenario.seed),
            tally: Tally::default(),
            nobody_since: None,
            clocks_differ: false,
            scenario,
        };
        let events = simulation.scenario.events.clone();
        for (index, (after, event)) in events.iter().enumerate() {
            let at = start.saturating_add(duration(*after));
            if let Event::Outage { lasts } = event {
                // The CA has it in its faults already.
                simulation
                    .tally
                    .is_down(at, at.saturating_add(duration(*lasts)));
            }
            simulation.push(at, Job::Event(index));
        }
        simulation.push(start + 24 * HOUR, Job::Prune);
        for number in 0..simulation.instances.len() {
            simulation.start_instance(number);
        }
        Ok(simulation)
    }

    /// Runs to the end.
    pub fn run(mut self) -> Report {
        self.run_until(self.scenario.lasts);
        self.report()
    }

    /// Runs until so long after the beginning, or to the end.
    pub fn run_until(&mut self, after: Duration) {
        let until = self.start.saturating_add(duration(after)).min(self.end);
        while let Some(Reverse(next)) = self.jobs.peek()
            && next.at <= until
        {
            let Some(Reverse(next)) = self.jobs.pop() else {
                break;
            };
            self.now = next.at;
            self.work(next.job);
        }
        self.now = self.now.max(until);
    }

    /// How long it has run, in its own time.
    pub fn elapsed(&self) -> Duration {
        Duration::from_micros(self.now - self.start)
    }

    /// What happened so far.
    pub fn report(&self) -> Report {
        Report::of(self)
    }

    /// The orders that were placed so far, if the scenario [records](Scenario::record_orders) them: how long
    /// after the beginning, and for which certificate.
    pub fn orders(&self) -> impl Iterator<Item = (Duration, usize)> {
        let orders = self.tally.orders.iter();
        orders.map(|(since, cert)| (Duration::from_micros(*since), *cert as usize))
    }

    /// Whether no instance has an order or a question under way.
    pub fn is_idle(&self) -> bool {
        let idle = |it: &Instance| {
            it.flights.iter().all(Option::is_none) && it.polls.iter().all(Option::is_none)
        };
        self.instances.iter().all(idle)
    }

    /// Ends all instances and starts them again at once, from nothing but what is stored.
    pub fn restart(&mut self) {
        for number in 0..self.instances.len() {
            if self.instances[number].is_up {
                self.instances[number].crash(&self.scenario.policy);
            }
        }
        for number in 0..self.instances.len() {
            self.start_instance(number);
        }
    }

    pub(super) fn push(&mut self, at: u64, job: Job) {
        let number = self.jobs_so_far;
        self.jobs_so_far += 1;
        self.jobs.push(Reverse(Timed { at, number, job }));
    }

    fn work(&mut self, job: Job) {
        match job {
            Job::Event(index) => {
                let event = self
                    .scenario
                    .events
                    .get(index)
                    .map(|(_, event)| event.clone());
                if let Some(event) = event {
                    self.happens(&event);
                }
            }
            Job::Start(instance) => self.start_instance(instance),
            Job::Notice(instance) => self.notice(instance),
            Job::Wake(instance) => {
                if self.instances[instance].wakes_at == Some(self.now) {
                    self.instances[instance].wakes_at = None;
                    self.tally.wakes += 1;
                    let acted = self.drive(instance);
                    self.tally.idle_wakes += u64::from(!acted);
                }
            }
            Job::Step {
                instance,
                epoch,
                flight,
            } => {
                if self.instances[instance].epoch == epoch {
                    self.step(instance, flight);
                }
            }
            Job::Poll {
                instance,
                epoch,
                poll,
            } => {
                if self.instances[instance].epoch == epoch {
                    self.answer(instance, poll);
                    self.drive(instance);
                }
            }
            Job::Prune => {
                let now = time(self.now);
                for ledger in &mut self.store.ledgers {
                    Seen::default().meet(ledger, now, self.now);
                    self.tally.least_left(&ledger.headroom(now));
                    ledger.prune(now);
                }
                self.push(self.now + 24 * HOUR, Job::Prune);
            }
        }
    }

    pub(super) fn tell_others(&mut self, instance: usize, after: u64) {
        for other in 0..self.instances.len() {
            if other != instance && self.instances[other].is_up {
                // They do not look all at once.
                let pause = self.chance.below(after.max(1)) / 4;
                self.push(self.now + after + pause, Job::Notice(other));
            }
        }
    }

    fn start_instance(&mut self, number: usize) {
        if self.instances[number].is_up {
            return;
        }
        if let Some(since) = self.nobody_since.take() {
            self.tally.is_down(since, self.now);
        }
        let scenario = &self.scenario;
        let planner = Planner::with_capacity(
            scenario.policy.clone(),
            scenario.seed,
            scenario.population.len(),
        );
        let members = (0..scenario.population.count).map(|n| scenario.member(n));
        let asks = self.scenario.asks_ari;
        self.instances[number].begin(planner, members, &self.store, asks, self.now);
        // All begin at once, at first.
        let is_first = self.now == self.start;
        self.instances[number].members = (0..self.instances.len()).collect();
        match is_first {
            true => self.share_out(number, None),
            false => self.notice(number),
        }
        if !is_first {
            self.tell_others(number, 4_000_000);
        }
        self.drive(number);
    }

    fn notice(&mut self, number: usize) {
        if !self.instances[number].is_up {
            return;
        }
        let up = self.instances.iter().filter(|it| it.is_up);
        let up: Vec<usize> = up.map(|it| it.number).collect();
        let before = std::mem::replace(&mut self.instances[number].members, up);
        self.share_out(number, Some(before));
        self.drive(number);
    }

    /// Takes over what is this instance's now, and gives up what is not any more.
    fn share_out(&mut self, number: usize, before: Option<Vec<usize>>) {
        let instance = &mut self.instances[number];
        if before.as_ref() == Some(&instance.members) {
            return;
        }
        let shards = |members: &[usize]| Shards::new(members.iter().map(|it| format!("{it}")));
        let (me, after) = (format!("{number}"), shards(&instance.members));
        let before = before.map(|it| shards(&it));
        for cert in 0..instance.ids.len() {
            let id = instance.ids[cert];
            let Some(set) = instance.planner.set_of(id) else {
                continue;
            };
            let is_of = |shards: &Shards| shards.owner(set) == Some(me.as_str());
            let is_mine = is_of(&after);
            if before.as_ref().is_some_and(|it| is_of(it) == is_mine) {
                continue;
            }
            if is_mine && before.is_some() {
                instance.reload(cert, &self.store, self.scenario.asks_ari, self.now);
            }
            instance
                .planner
                .set_mine(id, is_mine, instance.clock(self.now));
        }
    }

    /// Lets an instance do what is to be done now; tells whether it did anything.
    pub(super) fn drive(&mut self, number: usize) -> bool {
        let mut acted = false;
        loop {
            let instance = &mut self.instances[number];
            if self.clocks_differ {
                instance.meet(&mut self.store.ledgers, self.now);
            }
            let clock = instance.clock(self.now);
            match instance.planner.next(&mut self.store.ledgers, clock) {
                None => break,
                Some(Action::Order(order)) => self.take_off(number, order),
                Some(Action::Poll(poll)) => {
                    let poll = put(&mut instance.polls, poll);
                    let epoch = instance.epoch;
                    let at = self.later();
                    self.push(
                        at,
                        Job::Poll {
                            instance: number,
                            epoch,
                            poll,
                        },
                    );
                }
            }
            acted = true;
        }
        let instance = &mut self.instances[number];
        let wake = instance.planner.wake_at(instance.clock(self.now));
        // Never in the same moment again, or time would stand still.
        let wake = wake.map(|it| instance.when(it).max(self.now + 1_000));
        if wake != instance.wakes_at {
            instance.wakes_at = wake;
            if let Some(at) = wake {
                self.push(at, Job::Wake(number));
            }
        }
        acted
    }

    /// Begins an order, if nobody else is at it.
    fn take_off(&mut self, number: usize, order: Order) {
        let instance = &mut self.instances[number];
        let cert = order.cert().index();
        let key = u32::try_from(cert).unwrap_or(u32::MAX);
        let (clock, mine) = (instance.clock(self.now), instance.lock(self.now + LOCK));
        let taken = self.store.lock(key, mine, self.now);
        let ledgers = &mut self.store.ledgers;
        if self.clocks_differ {
            instance.meet(ledgers, self.now);
        }
        if let Err(until) = taken {
            let end = End::Later(instance.clock(until));
            instance.planner.finish(&order, &end, ledgers, clock);
            return;
        }
        if self.store.certificates[cert].until != instance.known[cert] {
            // Another one has stored it meanwhile.
            instance
                .planner
                .finish(&order, &End::Later(clock), ledgers, clock);
            self.store.unlock(key, mine);
            instance.reload(cert, &self.store, self.scenario.asks_ari, self.now);
            return;
        }
        let flight = Flight {
            order,
            step: Step::Place,
            failures: 0,
        };
        let flight = put(&mut instance.flights, flight);
        self.next_step(number, flight);
    }

    /// The flight goes on after the time that a step takes.
    pub(super) fn next_step(&mut self, instance: usize, flight: usize) {
        let at = self.later();
        self.step_at(instance, flight, at);
    }

    pub(super) fn step_at(&mut self, instance: usize, flight: usize, at: u64) {
        let epoch = self.instances[instance].epoch;
        self.push(
            at,
            Job::Step {
                instance,
                epoch,
                flight,
            },
        );
    }

    fn later(&mut self) -> u64 {
        let (least, most) = self.scenario.latency;
        let (least, most) = (duration(least), duration(most));
        self.now + least + self.chance.below(most - least + 1)
    }
}

pub(super) fn duration(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
