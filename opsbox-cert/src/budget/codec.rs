//! A ledger as bytes, to be kept where all instances see it.
//!
//! ```text
//! "OBL1"  account  new accounts  5 x requests  pause      u64 each, little endian, microseconds since 1970
//! count   { key u64, what u8, then what there is }        domains, then sets, then names; count is u32
//! ```

use super::gcra::Bucket;
use super::ledger::{Ledger, NameState, SetState};
use super::meter::{Hold, Meter};
use super::rates::Limits;
use super::subject::KeyMap;

const MAGIC: &[u8] = b"OBL1";

/// The most bytes of all: a record of a store holds some more.
const MOST: usize = crate::limits::MAX_LEDGER_BYTES;

const BUCKET: u8 = 1;
const HELD: u8 = 1 << 1;
const EARLY: u8 = 1 << 2;
const NEW: u8 = 1 << 3;
const IN_A_ROW: u8 = 1 << 4;
/// More holds than that one: how many, then each.
const MORE: u8 = 1 << 5;

impl Ledger {
    /// What was used, without the limits.
    ///
    /// Of more sets than fit in [`MAX_LEDGER_BYTES`](crate::limits::MAX_LEDGER_BYTES), those of which nothing is
    /// known but that they are new are forgotten, the oldest first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        let first = [self.account, self.new_accounts].map(Bucket::raw);
        let requests = self.requests.map(Bucket::raw);
        for word in first.iter().chain(&requests).chain([&self.paused_until]) {
            out.extend(word.to_le_bytes());
        }
        let domains = sorted(&self.domains);
        write_all(
            &mut out,
            domains
                .iter()
                .map(|(key, meter)| entry(**key, meter, None, 0)),
        );
        let names = sorted(&self.names);
        let names = names
            .iter()
            .map(|(key, name)| entry(**key, &name.meter, None, name.in_a_row));
        let mut last = Vec::new();
        write_all(&mut last, names);
        let mut sets = sorted(&self.sets);
        let room = MOST.saturating_sub(out.len() + last.len());
        let is_plain =
            |set: &SetState| set.meter == Meter::default() && set.early == Bucket::default();
        let size = |key: u64, set: &SetState| entry(key, &set.meter, Some(set), 0).len();
        let mut total: usize = sets.iter().map(|(key, set)| size(**key, set)).sum();
        if total > room {
            // A ledger that cannot be stored would stop all orders; of what it forgets the CA knows.
            let mut oldest: Vec<_> = sets.iter().collect();
            oldest.sort_by_key(|(key, set)| (!is_plain(set), set.new_until, **key));
            let mut gone = std::collections::HashSet::new();
            for (key, set) in oldest {
                if total <= room {
                    break;
                }
                total -= size(**key, set);
                gone.insert(**key);
            }
            sets.retain(|(key, _)| !gone.contains(*key));
        }
        write_all(
            &mut out,
            sets.iter()
                .map(|(key, set)| entry(**key, &set.meter, Some(set), 0)),
        );
        out.extend(last);
        out
    }

    /// A ledger of these limits with what was used; `None` if the bytes are none of a ledger.
    pub fn from_bytes(limits: Limits, bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(MAGIC)?;
        let mut ledger = Self::new(limits);
        ledger.account = Bucket::from_raw(word(&mut rest)?);
        ledger.new_accounts = Bucket::from_raw(word(&mut rest)?);
        for bucket in &mut ledger.requests {
            *bucket = Bucket::from_raw(word(&mut rest)?);
        }
        ledger.paused_until = word(&mut rest)?;
        for _ in 0..half(&mut rest)? {
            let (key, set, _) = read(&mut rest)?;
            ledger.domains.insert(key, set.meter);
        }
        for _ in 0..half(&mut rest)? {
            let (key, set, _) = read(&mut rest)?;
            ledger.sets.insert(key, set);
        }
        for _ in 0..half(&mut rest)? {
            let (key, set, in_a_row) = read(&mut rest)?;
            let meter = set.meter;
            ledger.names.insert(key, NameState { meter, in_a_row });
        }
        rest.is_empty().then_some(ledger)
    }

    /// Everything is used up that there is of the account: for a ledger that was lost.
    pub fn use_up(&mut self, now: std::time::SystemTime) {
        if let Some(rate) = self.limits.account {
            let now = super::gcra::micros(now);
            self.account.spend_what_is_there(rate, rate.burst(), now);
        }
    }
}

/// Equal ledgers are equal bytes.
fn sorted<V>(map: &KeyMap<V>) -> Vec<(&u64, &V)> {
    let mut all: Vec<_> = map.iter().collect();
    all.sort_unstable_by_key(|(key, _)| **key);
    all
}

fn write_all(out: &mut Vec<u8>, entries: impl Iterator<Item = Vec<u8>>) {
    let at = out.len();
    out.extend([0; 4]);
    let mut count = 0_u32;
    for entry in entries {
        out.extend(entry);
        count += 1;
    }
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&count.to_le_bytes());
    }
}

fn entry(key: u64, meter: &Meter, set: Option<&SetState>, in_a_row: u32) -> Vec<u8> {
    let mut out = key.to_le_bytes().to_vec();
    out.push(0);
    let mut what = 0;
    if meter.bucket != Bucket::default() {
        what |= BUCKET;
        out.extend(meter.bucket.raw().to_le_bytes());
    }
    if let Some((first, more)) = meter.holds.split_first() {
        what |= HELD;
        write_hold(&mut out, *first);
        if !more.is_empty() {
            what |= MORE;
            let count = u32::try_from(more.len()).unwrap_or(u32::MAX);
            out.extend(count.to_le_bytes());
            for hold in more {
                write_hold(&mut out, *hold);
            }
        }
    }
    if let Some(set) = set {
        if set.early != Bucket::default() {
            what |= EARLY;
            out.extend(set.early.raw().to_le_bytes());
        }
        if set.new_until > 0 {
            what |= NEW;
            out.extend(set.new_until.to_le_bytes());
        }
    }
    if in_a_row > 0 {
        what |= IN_A_ROW;
        out.extend(in_a_row.to_le_bytes());
    }
    if let Some(place) = out.get_mut(8) {
        *place = what;
    }
    out
}

fn write_hold(out: &mut Vec<u8>, hold: Hold) {
    out.extend(hold.count.to_le_bytes());
    out.extend(hold.until.to_le_bytes());
}

fn read_hold(rest: &mut &[u8]) -> Option<Hold> {
    let (count, until) = (half(rest)?, half(rest)?);
    (count > 0).then_some(Hold { until, count })
}

fn read(rest: &mut &[u8]) -> Option<(u64, SetState, u32)> {
    let key = word(rest)?;
    let (&what, after) = rest.split_first()?;
    *rest = after;
    let mut set = SetState::default();
    if what & BUCKET != 0 {
        set.meter.bucket = Bucket::from_raw(word(rest)?);
    }
    if what & HELD != 0 {
        let mut before = read_hold(rest)?;
        set.meter.holds.push(before);
        let more = match what & MORE {
            0 => 0,
            _ => half(rest)?,
        };
        for _ in 0..more {
            let hold = read_hold(rest)?;
            if hold.until <= before.until {
                return None;
            }
            set.meter.holds.push(hold);
            before = hold;
        }
    }
    if what & EARLY != 0 {
        set.early = Bucket::from_raw(word(rest)?);
    }
    if what & NEW != 0 {
        set.new_until = half(rest)?;
    }
    let in_a_row = match what & IN_A_ROW {
        0 => 0,
        _ => half(rest)?,
    };
    Some((key, set, in_a_row))
}

fn word(rest: &mut &[u8]) -> Option<u64> {
    let (first, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u64::from_le_bytes(*first))
}

fn half(rest: &mut &[u8]) -> Option<u32> {
    let (first, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u32::from_le_bytes(*first))
}
