//! The loop around the planner.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use super::Manager;
use super::handle::Command;
use super::on_demand::Inner;
use super::schedule::Schedule;
use super::worker::Worker;
use crate::limits::MAX_MANAGER_SLEEP;
use crate::observe::Event;

/// When the first certificate is renewed, of those that are given and those on demand.
#[derive(Default)]
struct Due(Mutex<[Option<SystemTime>; 2]>);

impl Due {
    fn tell(&self, worker: &Worker, place: usize, due: Option<SystemTime>) {
        let mut both = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = both.get_mut(place) {
            *one = due;
        }
        worker.tell_next(both.iter().flatten().min().copied());
    }
}

/// How often the metrics are told of all certificates and limits together.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// The least that it sleeps: no moment of the planner is finer.
const LEAST_SLEEP: Duration = Duration::from_millis(5);

/// How long it sleeps where something became due while it looked.
const OVERDUE: Duration = Duration::from_secs(1);

impl Manager {
    /// Renews certificates when they are due, until `shutdown` is ready.
    ///
    /// An issuance that is under way then is left, to be gone on with at the next start.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let due = Due::default();
        let (on_demand, worker) = (self.on_demand.clone(), self.worker.clone());
        {
            let mut given = pin!(self.keep(&due));
            let mut demanded = pin!(keep_on_demand(&worker, on_demand.as_deref(), &due));
            let mut shutdown = pin!(shutdown);
            poll_fn(|context| {
                if shutdown.as_mut().poll(context).is_ready() {
                    return Poll::Ready(());
                }
                let (Poll::Pending, Poll::Pending) = (
                    given.as_mut().poll(context),
                    demanded.as_mut().poll(context),
                ) else {
                    return Poll::Ready(());
                };
                Poll::Pending
            })
            .await;
        }
        if let Some(schedule) = self.schedule {
            schedule.stop().await;
        }
    }

    /// The loop around the planner. It waits for nothing but what happens: the store, the CAs and the other
    /// instances are asked in tasks.
    async fn keep(&mut self, due: &Due) {
        let (mut look_at, mut tell_at) = (Duration::ZERO, Duration::ZERO);
        let mut is_news = false;
        let clock = self.worker.clock.clone();
        loop {
            while let Ok(command) = self.told.try_recv() {
                self.obey(command);
            }
            self.begin();
            let Self {
                schedule: Some(schedule),
                told,
                ..
            } = &mut *self
            else {
                tokio::time::sleep(MAX_MANAGER_SLEEP).await;
                continue;
            };
            schedule.beat();
            // Clocks are set, machines sleep, and other instances store certificates.
            if look_at <= clock.monotonic() {
                // If the last round is under way still, the next one is left out.
                schedule.begin_round();
                look_at = clock.monotonic() + MAX_MANAGER_SLEEP;
            }
            schedule.start_due();
            // All certificates and limits are looked through for that.
            if is_news && tell_at <= clock.monotonic() {
                due.tell(&schedule.worker, 0, schedule.due_at());
                schedule.tell_headroom();
                tell_at = clock.monotonic() + TELL_EVERY;
                is_news = false;
            }
            let now = clock.now();
            let wake = schedule.wake_at(now);
            // What became due in between is not far away.
            let wake = wake.map(|at| at.duration_since(now).unwrap_or(OVERDUE));
            let wait = wake.unwrap_or(MAX_MANAGER_SLEEP);
            let wait = wait.min(look_at.saturating_sub(clock.monotonic()));
            let wait = wait.min(schedule.beat_every().unwrap_or(wait));
            let wait = match is_news {
                true => wait.min(tell_at.saturating_sub(clock.monotonic())),
                false => wait,
            };
            let command = tokio::select! {
                happened = schedule.happened() => {
                    schedule.take_in(happened);
                    is_news = schedule.worker.has_metrics();
                    None
                }
                command = told.recv() => command,
                () = tokio::time::sleep(wait.max(LEAST_SLEEP)) => None,
            };
            if let Some(command) = command {
                self.obey(command);
            }
        }
    }

    /// The schedule, made of what was given until now.
    fn begin(&mut self) -> Option<&mut Schedule> {
        if self.schedule.is_none() {
            let managed = std::mem::take(&mut self.managed);
            match Schedule::new(self.worker.clone(), managed, &self.setup) {
                Ok(schedule) => self.schedule = Some(schedule),
                Err(error) => self.worker.tell(Event::SourceFailed { error }),
            }
        }
        self.schedule.as_mut()
    }

    fn obey(&mut self, command: Command) {
        let reserved = self.reserved.clone();
        let Some(schedule) = self.begin() else {
            return;
        };
        match command {
            Command::Set(managed) => {
                let names = managed.names();
                let before = schedule.add(*managed);
                reserved.change(before.as_deref().unwrap_or_default(), &names);
            }
            Command::Remove(id) => {
                if let Some(names) = schedule.forget(&id) {
                    schedule.worker.certificates.remove(&id);
                    reserved.change(&names, &[]);
                }
            }
            Command::Wish(id, wish) => schedule.wish(&id, wish),
        }
    }

    /// Looks into the store once, does all that is due, and says when the next moment is.
    pub async fn pass(&mut self) -> SystemTime {
        while let Ok(command) = self.told.try_recv() {
            self.obey(command);
        }
        let clock = self.worker.clock.clone();
        let (mut looks, mut due) = (Vec::new(), None);
        if let Some(schedule) = self.begin() {
            schedule.begin_round();
            schedule.meet().await;
            loop {
                schedule.start_loads();
                // What there is may leave nothing to do.
                if !schedule.loads.is_round() {
                    schedule.start_due();
                }
                if !schedule.is_working() {
                    break;
                }
                let happened = schedule.happened().await;
                schedule.take_in(happened);
            }
            looks.extend(schedule.wake_at(clock.now()));
            due = schedule.due_at();
            schedule.tell_headroom();
        }
        if let Some(on_demand) = &self.on_demand {
            for entry in on_demand.all() {
                if let Some(next) = on_demand.look(&entry).await {
                    looks.push(next.look_at);
                    due = due.into_iter().chain(next.due_at).min();
                }
            }
        }
        self.worker.tell_next(due);
        let next = looks.into_iter().min();
        next.unwrap_or_else(|| clock.now() + MAX_MANAGER_SLEEP)
    }
}

/// The loop that renews what was issued on demand.
async fn keep_on_demand(worker: &Worker, on_demand: Option<&Inner>, due: &Due) {
    let Some(on_demand) = on_demand else {
        return std::future::pending().await;
    };
    loop {
        let (mut looks, mut first) = (Vec::new(), None);
        for entry in on_demand.all() {
            if let Some(next) = on_demand.look(&entry).await {
                looks.push(next.look_at);
                first = first.into_iter().chain(next.due_at).min();
            }
        }
        due.tell(worker, 1, first);
        let next = looks.into_iter().min();
        let wait = next.map_or(MAX_MANAGER_SLEEP, |next| {
            next.duration_since(worker.clock.now()).unwrap_or_default()
        });
        // Clocks are set and machines sleep: what is far away is looked at again in between.
        on_demand
            .sleep(wait.clamp(Duration::from_secs(1), MAX_MANAGER_SLEEP))
            .await;
    }
}
