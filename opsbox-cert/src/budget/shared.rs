//! One ledger for all instances, in the store.

use std::sync::Arc;
use std::time::SystemTime;

use super::gcra::duration_us;
use super::ledger::Ledger;
use super::rates::Limits;
use super::seen::Seen;
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Condition, Folder, Name, Record, Store, Version};

const PART: &str = "ledger";

/// How often another instance may be faster before it is an error: each time one of them gets on.
const ATTEMPTS: u32 = 64;

/// A ledger that is kept in a store and shared by all instances that use it: a change is done on what is there,
/// or done again if another instance was faster.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> opsbox_cert::Result<()> {
/// use std::{sync::Arc, time::{Duration, UNIX_EPOCH}};
/// use opsbox_cert::budget::{Charge, Limits, Rate, Scope, SharedLedger, Subject};
/// use opsbox_cert::store::MemoryStore;
///
/// let store = Arc::new(MemoryStore::new());
/// let limits = Limits::none().account(Rate::new(1, Duration::from_secs(60)));
/// let mut here = SharedLedger::new(store.clone(), "ca.example", limits.clone())?;
/// let mut there = SharedLedger::new(store, "ca.example", limits)?;
///
/// let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
/// let (a, b) = (Subject::new(&["a.example".parse()?]), Subject::new(&["b.example".parse()?]));
/// here.update(now, |ledger| ledger.take(&Charge::new(&a), now)).await?.unwrap();
/// let denied = there.update(now, |ledger| ledger.take(&Charge::new(&b), now)).await?.unwrap_err();
/// assert_eq!(denied.scope(), Scope::Account);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SharedLedger {
    store: Arc<dyn Store>,
    name: Name,
    limits: Limits,
    /// What is known of the ledger's clock.
    seen: Seen,
    /// What was read or written last.
    known: Option<(Option<Version>, Ledger)>,
}

impl SharedLedger {
    /// The ledger of this id, one for each account at a CA. It is made by the first change.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if the id cannot be the name of a record.
    pub fn new(store: Arc<dyn Store>, id: &str, limits: Limits) -> Result<Self> {
        Ok(Self {
            store,
            name: Name::new(&Folder::new("budget")?, id)?,
            limits,
            seen: Seen::default(),
            known: None,
        })
    }

    /// The ledger as it was known last.
    pub fn known(&self) -> Option<&Ledger> {
        self.known.as_ref().map(|(_, ledger)| ledger)
    }

    /// Reads the ledger from the store, at this time.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn read(&mut self, now: SystemTime) -> Result<&Ledger> {
        self.read_at(Time::Given(now)).await
    }

    /// The same at the time at which the store has answered, however long that takes.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn read_by(&mut self, clock: &dyn Clock) -> Result<&Ledger> {
        self.read_at(Time::Clock(clock)).await
    }

    async fn read_at(&mut self, time: Time<'_>) -> Result<&Ledger> {
        let (version, ledger) = self.load(time).await?;
        Ok(&self.known.insert((version, ledger)).1)
    }

    /// Changes the ledger in the store. What the change gives back is given back once the change is
    /// stored; it may be called several times, on a fresh ledger each.
    ///
    /// # Errors
    ///
    /// Those of the store; [`Conflict`](ErrorKind::Conflict) if other instances were faster too often. Then
    /// nothing is changed. A change that left the ledger as it was is not stored.
    pub async fn update<T>(
        &mut self,
        now: SystemTime,
        mut change: impl FnMut(&mut Ledger) -> T,
    ) -> Result<T> {
        let change = |ledger: &mut Ledger, _| change(ledger);
        self.update_at(Time::Given(now), change).await
    }

    /// The same where the change is told the time at which it is done: where the store is slow, or others are faster, that
    /// is later than when it was asked for.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub async fn update_by<T>(
        &mut self,
        clock: &dyn Clock,
        change: impl FnMut(&mut Ledger, SystemTime) -> T,
    ) -> Result<T> {
        self.update_at(Time::Clock(clock), change).await
    }

    async fn update_at<T>(
        &mut self,
        time: Time<'_>,
        mut change: impl FnMut(&mut Ledger, SystemTime) -> T,
    ) -> Result<T> {
        for _ in 0..ATTEMPTS {
            let (version, mut before) = match self.known.take() {
                Some(known) => known,
                None => self.load(time).await?,
            };
            // The clock may have been set since it was read.
            let now = self.meet(&mut before, time);
            let mut ledger = before.clone();
            let done = change(&mut ledger, now);
            if ledger == before {
                // It may be an old one that refuses: the store decides.
                let (version, mut fresh) = self.load(time).await?;
                // The clock goes on meanwhile.
                let behind = std::mem::replace(&mut fresh.behind, before.behind);
                let is_same = fresh == before;
                fresh.behind = behind;
                self.known = Some((version, fresh));
                if is_same {
                    return Ok(done);
                }
                continue;
            }
            ledger.prune(now);
            let condition = match &version {
                Some(version) => Condition::Version(version.clone()),
                None => Condition::Absent,
            };
            let record = Record::new().with(PART, ledger.to_bytes())?;
            match self.store.save(&self.name, &record, &condition, None).await {
                Ok(version) => {
                    self.known = Some((Some(version), ledger));
                    return Ok(done);
                }
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        let reason = "other instances change it all the time; run fewer of them";
        Err(Error::store(
            ErrorKind::Conflict,
            "change the ledger",
            &self.name,
            reason,
        ))
    }

    async fn load(&mut self, time: Time<'_>) -> Result<(Option<Version>, Ledger)> {
        match self.load_once(time).await {
            // Another instance has replaced a damaged one meanwhile.
            Err(error) if error.kind() == ErrorKind::Conflict => self.load_once(time).await,
            loaded => loaded,
        }
    }

    async fn load_once(&mut self, time: Time<'_>) -> Result<(Option<Version>, Ledger)> {
        let stored = match self.store.load(&self.name).await {
            Ok(Some(stored)) => stored,
            Ok(None) => {
                self.seen = Seen::default();
                return Ok((None, Ledger::new(self.limits.clone())));
            }
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                return self.replace(&Condition::Any, time).await;
            }
            Err(error) => return Err(error),
        };
        let bytes = stored.record.part(PART).unwrap_or_default();
        match Ledger::from_bytes(self.limits.clone(), bytes) {
            Some(mut ledger) => {
                self.meet(&mut ledger, time);
                Ok((Some(stored.version), ledger))
            }
            None => {
                let condition = Condition::Version(stored.version);
                self.replace(&condition, time).await
            }
        }
    }

    /// Looks at a ledger by the clock here, and tells what that is now.
    fn meet(&mut self, ledger: &mut Ledger, time: Time<'_>) -> SystemTime {
        let (now, monotonic) = time.now();
        self.seen.meet(ledger, now, monotonic);
        now
    }

    /// Nobody knows what was used: all has to come back first, for the other instances too.
    async fn replace(
        &mut self,
        condition: &Condition,
        time: Time<'_>,
    ) -> Result<(Option<Version>, Ledger)> {
        let mut ledger = Ledger::new(self.limits.clone());
        ledger.use_up(time.now().0);
        self.seen = Seen::default();
        let record = Record::new().with(PART, ledger.to_bytes())?;
        let version = self
            .store
            .save(&self.name, &record, condition, None)
            .await?;
        Ok((Some(version), ledger))
    }
}

/// Where the time comes from.
#[derive(Clone, Copy)]
enum Time<'a> {
    Given(SystemTime),
    Clock(&'a dyn Clock),
}

impl Time<'_> {
    /// With the time since some moment in the past.
    fn now(self) -> (SystemTime, u64) {
        let (now, monotonic) = match self {
            Self::Given(now) => (now, SystemClock.monotonic()),
            Self::Clock(clock) => (clock.now(), clock.monotonic()),
        };
        (now, duration_us(monotonic))
    }
}
