//! A ledger as bytes, to be kept where all instances see it.
//!
//! ```text
//! "OBL2"  account  new accounts  5 x requests  pause      u64 each, little endian, microseconds since 1970
//!         told  lost                                      the same; "OBL1" has not these two
//! count   { key u64, what u8, then what there is }        domains, then sets, then names; count is u32
//! ```

use super::gcra::Bucket;
use super::ledger::{Ledger, NameState, SetState};
use super::meter::{Hold, Meter};
use super::rates::Limits;
use super::subject::KeyMap;

const MAGIC: &[u8] = b"OBL2";

/// Of records of version 0.1, in which no clock was ahead and none was lost.
const OLD_MAGIC: &[u8] = b"OBL1";

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
    /// Of more than fits in [`MAX_LEDGER_BYTES`](crate::limits::MAX_LEDGER_BYTES), sets are forgotten first of which
    /// nothing is known but that they are new, then what would have come back soonest. What is under way is kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        let first = [self.account, self.new_accounts].map(Bucket::raw);
        let requests = self.requests.map(Bucket::raw);
        let last = [&self.paused_until, &self.told, &self.lost_at];
        for word in first.iter().chain(&requests).chain(last) {
            out.extend(word.to_le_bytes());
        }
        let mut parts = [
            entries(&self.domains, Entry::of_domain),
            entries(&self.sets, Entry::of_set),
            entries(&self.names, Entry::of_name),
        ];
        let room = MOST.saturating_sub(out.len() + parts.len() * size_of::<u32>());
        forget(&mut parts, room);
        for part in &parts {
            let count = u32::try_from(part.len()).unwrap_or(u32::MAX);
            out.extend(count.to_le_bytes());
            for entry in part {
                out.extend(&entry.bytes);
            }
        }
        out
    }

    /// A ledger of these limits with what was used; `None` if the bytes are none of a ledger.
    pub fn from_bytes(limits: Limits, bytes: &[u8]) -> Option<Self> {
        let (mut rest, is_old) = match bytes.strip_prefix(MAGIC) {
            Some(rest) => (rest, false),
            None => (bytes.strip_prefix(OLD_MAGIC)?, true),
        };
        let mut ledger = Self::new(limits);
        ledger.account = Bucket::from_raw(word(&mut rest)?);
        ledger.new_accounts = Bucket::from_raw(word(&mut rest)?);
        for bucket in &mut ledger.requests {
            *bucket = Bucket::from_raw(word(&mut rest)?);
        }
        ledger.paused_until = word(&mut rest)?;
        if !is_old {
            ledger.told = word(&mut rest)?;
            ledger.lost_at = word(&mut rest)?;
        }
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

    /// All is used up that there is, of the account and of each domain, set and name that nothing is known of: for
    /// a ledger that was lost. It comes back with time, as what was used does.
    pub fn use_up(&mut self, now: std::time::SystemTime) {
        self.use_up_us(super::gcra::micros(now));
    }

    pub(super) fn use_up_us(&mut self, now: u64) {
        let now = self.tell(now);
        self.lost_at = now;
        if let Some(rate) = self.limits.account {
            self.account.spend_what_is_there(rate, rate.burst(), now);
        }
        if let Some(rate) = self.limits.new_accounts {
            self.new_accounts
                .spend_what_is_there(rate, rate.burst(), now);
        }
    }
}

/// One domain, set or name.
struct Entry {
    bytes: Vec<u8>,
    /// The less it is, the less is lost with it.
    worth: (u8, u64, u64),
}

impl Entry {
    fn of_domain(key: u64, meter: &Meter) -> Self {
        Self::new(
            key,
            meter,
            meter.bucket.raw(),
            1,
            entry(key, meter, None, 0),
        )
    }

    fn of_set(key: u64, set: &SetState) -> Self {
        let until = set.meter.bucket.raw().max(set.early.raw());
        let is_plain = until == 0;
        let until = match is_plain {
            true => u64::from(set.new_until),
            false => until,
        };
        let bytes = entry(key, &set.meter, Some(set), 0);
        Self::new(key, &set.meter, until, u8::from(!is_plain), bytes)
    }

    fn of_name(key: u64, name: &NameState) -> Self {
        let class = if name.in_a_row > 0 { 2 } else { 1 };
        let bytes = entry(key, &name.meter, None, name.in_a_row);
        Self::new(key, &name.meter, name.meter.bucket.raw(), class, bytes)
    }

    fn new(key: u64, meter: &Meter, until: u64, class: u8, bytes: Vec<u8>) -> Self {
        let class = if meter.holds.is_empty() { class } else { 3 };
        Self {
            bytes,
            worth: (class, until, key),
        }
    }
}

/// Equal ledgers are equal bytes.
fn entries<V>(map: &KeyMap<V>, of: fn(u64, &V) -> Entry) -> Vec<Entry> {
    let mut all: Vec<_> = map.iter().collect();
    all.sort_unstable_by_key(|(key, _)| **key);
    all.into_iter()
        .map(|(key, value)| of(*key, value))
        .collect()
}

/// Makes it fit: a ledger that cannot be stored would stop all orders, and of what it forgets the CA knows.
fn forget(parts: &mut [Vec<Entry>; 3], room: usize) {
    let mut total: usize = parts.iter().flatten().map(|it| it.bytes.len()).sum();
    if total <= room {
        return;
    }
    let of = |part: usize, it: &Entry| (it.worth, part, it.bytes.len());
    let mut all: Vec<_> = (0..)
        .zip(parts.iter())
        .flat_map(|(part, entries)| entries.iter().map(move |it| of(part, it)))
        .collect();
    all.sort_unstable();
    let mut kept = all.iter();
    while total > room
        && let Some((.., size)) = kept.next()
    {
        total -= size;
    }
    let least = kept.next();
    for (part, entries) in (0..).zip(parts.iter_mut()) {
        entries.retain(|it| least.is_some_and(|least| of(part, it) >= *least));
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
