//! What the instances share and what outlives them, as a store keeps it.

use crate::budget::Ledger;
use crate::plan::CertState;
use crate::testing::ca::{CertificateId, NumberMap, OrderId};

/// How long an instance has a certificate for itself after it was last heard of, in microseconds.
pub(super) const LOCK: u64 = 10 * 60 * 1_000_000;

/// A certificate as it is stored. Times are seconds since 1970, 0 if there is none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stored {
    pub(super) from: u32,
    pub(super) until: u32,
    pub(super) certificate: Option<CertificateId>,
}

/// Who is at a certificate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lock {
    pub(super) instance: usize,
    pub(super) epoch: u32,
    pub(super) until: u64,
}

/// An order that is written down.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    pub(super) order: OrderId,
    /// The ledger has counted its certificate already, since nobody knew whether it was issued.
    pub(super) is_counted: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Store {
    /// One for each account.
    pub(super) ledgers: Vec<Ledger>,
    pub(super) certificates: Vec<Stored>,
    pub(super) states: Vec<CertState>,
    /// Orders under way, written down as soon as the CA has answered.
    pub(super) orders: NumberMap<u32, Pending>,
    pub(super) locks: NumberMap<u32, Lock>,
}

impl Store {
    /// Takes the lock of a certificate, or tells until when another one has it.
    pub(super) fn lock(&mut self, cert: u32, mine: Lock, now: u64) -> Result<(), u64> {
        match self.locks.get(&cert) {
            Some(lock) if lock.until > now && !lock.is_of(mine) => Err(lock.until),
            _ => {
                self.locks.insert(cert, mine);
                Ok(())
            }
        }
    }

    /// Whether the lock is still that of the one who took it, whose writes are refused if not; if it is, it
    /// is prolonged.
    pub(super) fn keep(&mut self, cert: u32, mine: Lock) -> bool {
        match self.locks.get_mut(&cert) {
            Some(lock) if lock.is_of(mine) => {
                lock.until = mine.until;
                true
            }
            _ => false,
        }
    }

    pub(super) fn unlock(&mut self, cert: u32, mine: Lock) {
        if self.locks.get(&cert).is_some_and(|lock| lock.is_of(mine)) {
            self.locks.remove(&cert);
        }
    }
}

impl Lock {
    fn is_of(&self, other: Self) -> bool {
        (self.instance, self.epoch) == (other.instance, other.epoch)
    }
}
