//! One ledger for all instances, in the store.

use std::sync::Arc;
use std::time::SystemTime;

use super::ledger::Ledger;
use super::rates::Limits;
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
    /// How far the clock here is behind the ledger's, in microseconds.
    behind: u64,
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
            behind: 0,
            known: None,
        })
    }

    /// The ledger as it was known last.
    pub fn known(&self) -> Option<&Ledger> {
        self.known.as_ref().map(|(_, ledger)| ledger)
    }

    /// Reads the ledger from the store.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn read(&mut self, now: SystemTime) -> Result<&Ledger> {
        let (version, ledger) = self.load(now).await?;
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
        for _ in 0..ATTEMPTS {
            let (version, before) = match self.known.take() {
                Some(known) => known,
                None => self.load(now).await?,
            };
            let mut ledger = before.clone();
            let done = change(&mut ledger);
            if ledger == before {
                // It may be an old one that refuses: the store decides.
                let (version, fresh) = self.load(now).await?;
                let is_same = fresh == before;
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

    async fn load(&mut self, now: SystemTime) -> Result<(Option<Version>, Ledger)> {
        match self.load_once(now).await {
            // Another instance has replaced a damaged one meanwhile.
            Err(error) if error.kind() == ErrorKind::Conflict => self.load_once(now).await,
            loaded => loaded,
        }
    }

    async fn load_once(&mut self, now: SystemTime) -> Result<(Option<Version>, Ledger)> {
        let stored = match self.store.load(&self.name).await {
            Ok(Some(stored)) => stored,
            Ok(None) => return Ok((None, Ledger::new(self.limits.clone()))),
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                return self.replace(&Condition::Any, now).await;
            }
            Err(error) => return Err(error),
        };
        let bytes = stored.record.part(PART).unwrap_or_default();
        match Ledger::from_bytes(self.limits.clone(), bytes) {
            Some(mut ledger) => {
                self.behind = ledger.meet(self.behind, now);
                Ok((Some(stored.version), ledger))
            }
            None => {
                let condition = Condition::Version(stored.version);
                self.replace(&condition, now).await
            }
        }
    }

    /// Nobody knows what was used: all has to come back first, for the other instances too.
    async fn replace(
        &mut self,
        condition: &Condition,
        now: SystemTime,
    ) -> Result<(Option<Version>, Ledger)> {
        let mut ledger = Ledger::new(self.limits.clone());
        ledger.use_up(now);
        self.behind = 0;
        let record = Record::new().with(PART, ledger.to_bytes())?;
        let version = self
            .store
            .save(&self.name, &record, condition, None)
            .await?;
        Ok((Some(version), ledger))
    }
}
