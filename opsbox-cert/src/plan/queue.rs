//! Those whose time has come: queues by what they escape and whether they failed before, and the places
//! where they wait for a registered domain.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::budget::{Bucket, Exemption, KeyMap};

/// An entry is good if the slot still has this rank and this queue. Others are thrown away when they come
/// up, which is cheaper than to look for them.
pub(super) type Entry = (u64, u32);

/// The certificates of one issuer that are due.
#[derive(Debug, Clone, Default)]
pub(super) struct Queues {
    /// By exemption and lane.
    lanes: [[BinaryHeap<Reverse<Entry>>; 2]; 3],
    /// Nobody of a lane before, in microseconds: the account has no order left.
    pub(super) blocked: [u64; 3],
    /// The CA could not be reached so often, one after the other.
    pub(super) outage: u32,
    pub(super) outage_until: u64,
    pub(super) ordered: u32,
    pub(super) ordered_again: u32,
    /// How many that failed before may go ahead of others, in thirds.
    pub(super) credit: u32,
    pub(super) polls: Polls,
}

/// Whose window the CA is to be asked for: by time, set and slot. Each CA has its own, so that one that is
/// slow holds up no other.
#[derive(Debug, Clone, Default)]
pub(super) struct Polls {
    pub(super) due: BinaryHeap<Reverse<(u32, u64, u32)>>,
    pub(super) bucket: Bucket,
    pub(super) under_way: u32,
}

/// Which queue it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lane {
    pub(super) exemption: Exemption,
    /// It failed before.
    pub(super) again: bool,
}

impl Lane {
    pub(super) const ALL: [Self; 6] = {
        const fn lane(exemption: Exemption, again: bool) -> Lane {
            Lane { exemption, again }
        }
        [
            lane(Exemption::Ari, false),
            lane(Exemption::Renewal, false),
            lane(Exemption::None, false),
            lane(Exemption::Ari, true),
            lane(Exemption::Renewal, true),
            lane(Exemption::None, true),
        ]
    };
}

impl Queues {
    pub(super) fn lane(&self, lane: Lane) -> &BinaryHeap<Reverse<Entry>> {
        let [first, again] = &self.lanes[lane.exemption as usize % 3];
        if lane.again { again } else { first }
    }

    pub(super) fn lane_mut(&mut self, lane: Lane) -> &mut BinaryHeap<Reverse<Entry>> {
        let [first, again] = &mut self.lanes[lane.exemption as usize % 3];
        if lane.again { again } else { first }
    }

    pub(super) fn blocked_until(&self, lane: Lane) -> u64 {
        let account = self.blocked[lane.exemption as usize % 3];
        account.max(self.outage_until)
    }

    pub(super) fn bytes(&self) -> usize {
        let lanes = self.lanes.iter().flatten();
        lanes.map(BinaryHeap::capacity).sum::<usize>() * size_of::<Entry>()
            + self.polls.due.capacity() * size_of::<(u32, u64, u32)>()
    }
}

/// Where certificates wait for their registered domain, so that thousands of one domain cost no more than
/// those that get their turn.
#[derive(Debug, Clone, Default)]
pub(super) struct Lots {
    lots: KeyMap<BinaryHeap<Reverse<Entry>>>,
    /// When a lot is to be looked at, in microseconds, with its domain and issuer.
    wakes: BinaryHeap<Reverse<(u64, u64, u8)>>,
}

impl Lots {
    pub(super) fn park(&mut self, domain: u64, issuer: u8, until: u64, entry: Entry) {
        let lot = self.lots.entry(domain ^ u64::from(issuer)).or_default();
        if lot.is_empty() {
            self.wakes.push(Reverse((until, domain, issuer)));
        }
        lot.push(Reverse(entry));
    }

    pub(super) fn first(&self) -> Option<u64> {
        self.wakes.peek().map(|Reverse((until, ..))| *until)
    }

    /// The domain and issuer of a lot whose time has come.
    pub(super) fn due(&mut self, now: u64) -> Option<(u64, u8)> {
        let Reverse((until, domain, issuer)) = *self.wakes.peek()?;
        if until > now {
            return None;
        }
        self.wakes.pop();
        Some((domain, issuer))
    }

    pub(super) fn take(&mut self, domain: u64, issuer: u8) -> Option<Entry> {
        let lot = self.lots.get_mut(&(domain ^ u64::from(issuer)))?;
        lot.pop().map(|Reverse(entry)| entry)
    }

    /// Looks at the lot again then, or forgets it if it is empty.
    pub(super) fn again(&mut self, domain: u64, issuer: u8, until: u64) {
        let key = domain ^ u64::from(issuer);
        if self.lots.get(&key).is_some_and(|lot| !lot.is_empty()) {
            self.wakes.push(Reverse((until, domain, issuer)));
        } else {
            self.lots.remove(&key);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let lots = self.lots.values().map(BinaryHeap::capacity).sum::<usize>();
        lots * size_of::<Entry>()
            + self.lots.capacity() * (size_of::<u64>() * 4)
            + self.wakes.capacity() * size_of::<(u64, u64, u8)>()
    }
}
