//! A file system that loses what was not synced, and the proof that no crash on it shows.
//!
//! The model is harder than any real file system: what was written to a file and not synced may be
//! there in part, as zeros, or not at all; of the entries of a folder that were changed since the folder was
//! synced any selection may have reached the disk, a rename as the new name, the loss of the old
//! one, or both.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, UNIX_EPOCH};

use fastrand::Rng;
use zeroize::Zeroizing;

use super::core::{Core, File, Fs, Write};
use crate::clock::ManualClock;
use crate::error::{ErrorKind, Result};
use crate::store::lease::{Acquired, Lease, Owner};
use crate::store::name::{Folder, Name};
use crate::store::record::{Condition, Record};

const LIMIT: Duration = Duration::from_secs(1);

#[derive(Clone, Default)]
struct Disk {
    /// Contents by number: what is synced, and what is written.
    files: Vec<(Vec<u8>, Vec<u8>)>,
    folders: BTreeMap<PathBuf, Entries>,
}

/// Entries of a folder: as on the disk, as programs see them, and the changes between.
#[derive(Clone, Default)]
struct Entries {
    synced: BTreeMap<String, Entry>,
    seen: BTreeMap<String, Entry>,
    changes: Vec<(String, Option<Entry>)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Entry {
    File(usize),
    Folder,
}

impl Entries {
    fn set(&mut self, name: &str, entry: Option<Entry>) {
        match entry {
            Some(entry) => self.seen.insert(name.to_owned(), entry),
            None => self.seen.remove(name),
        };
        self.changes.push((name.to_owned(), entry));
    }
}

struct Sim {
    state: Mutex<State>,
    /// Another one each time.
    boot: u64,
}

struct State {
    disk: Disk,
    rng: Rng,
    /// Steps until the crash or the fault.
    left: Option<u32>,
    fault: Option<io::ErrorKind>,
    steps: u32,
    /// What the process of now holds.
    held: Option<PathBuf>,
    /// How often it tried to.
    holds: u32,
}

impl Sim {
    fn new(disk: Disk, seed: u64, left: Option<u32>, fault: Option<io::ErrorKind>) -> Self {
        Self {
            state: Mutex::new(State {
                disk,
                rng: Rng::with_seed(seed),
                left,
                fault,
                steps: 0,
                held: None,
                holds: 0,
            }),
            boot: fastrand::u64(..),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// One step. After the crash none is done any more; a fault comes once.
    fn step(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.steps += 1;
        match state.left {
            Some(0) => {
                if let Some(fault) = state.fault {
                    state.left = None;
                    return Err(fault.into());
                }
                return Err(io::Error::other("the machine is down"));
            }
            Some(left) => state.left = Some(left - 1),
            None => {}
        }
        Ok(state)
    }

    /// What is on the disk when the machine comes up again.
    fn reboot(&self) -> Disk {
        let mut state = self.state();
        let State { disk, rng, .. } = &mut *state;
        let mut after = disk.clone();
        for (synced, written) in &mut after.files {
            if synced != written {
                *synced = match rng.u8(0..4) {
                    0 => std::mem::take(synced),
                    1 => written
                        .iter()
                        .copied()
                        .take(rng.usize(0..=written.len()))
                        .collect(),
                    2 => vec![0; written.len()],
                    _ => written.clone(),
                };
            }
            *written = synced.clone();
        }
        for entries in after.folders.values_mut() {
            for (name, entry) in std::mem::take(&mut entries.changes) {
                if rng.bool() {
                    match entry {
                        Some(entry) => entries.synced.insert(name, entry),
                        None => entries.synced.remove(&name),
                    };
                }
            }
            entries.seen = entries.synced.clone();
        }
        after
    }
}

fn split(path: &Path) -> (&Path, String) {
    (
        path.parent().unwrap(),
        path.file_name().unwrap().to_str().unwrap().to_owned(),
    )
}

impl State {
    fn file(&self, path: &Path) -> Option<usize> {
        let (folder, name) = split(path);
        match self.entries(folder).ok()?.seen.get(&name)? {
            Entry::File(number) => Some(*number),
            Entry::Folder => None,
        }
    }

    /// A folder is there if every folder above it names it.
    fn entries(&self, path: &Path) -> io::Result<&Entries> {
        let entries = self.disk.folders.get(path).ok_or(io::ErrorKind::NotFound)?;
        if let Some(parent) = path.parent() {
            let (_, name) = split(path);
            self.entries(parent)?
                .seen
                .get(&name)
                .ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(entries)
    }

    fn entries_mut(&mut self, path: &Path) -> io::Result<&mut Entries> {
        self.entries(path)?;
        self.disk
            .folders
            .get_mut(path)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Fs for Sim {
    type Guard = ();

    fn read(&self, path: &Path, limit: usize) -> io::Result<Option<File>> {
        let state = self.step()?;
        let bytes = state
            .file(path)
            .map(|number| state.disk.files[number].1.clone());
        assert!(bytes.as_ref().is_none_or(|bytes| bytes.len() <= limit));
        Ok(bytes.map(|bytes| File {
            bytes: Zeroizing::new(bytes),
            mode: 0o600,
        }))
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.step()?;
        let (parent, name) = split(path);
        let entries = state.entries_mut(parent)?;
        if !entries.seen.contains_key(&name) {
            entries.set(&name, Some(Entry::Folder));
            state
                .disk
                .folders
                .insert(path.to_owned(), Entries::default());
        }
        Ok(())
    }

    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let number = {
            let mut state = self.step()?;
            let number = state.disk.files.len();
            let (folder, name) = split(path);
            let entries = state.entries_mut(folder)?;
            assert!(!entries.seen.contains_key(&name), "{name} is new");
            entries.set(&name, Some(Entry::File(number)));
            state.disk.files.push((Vec::new(), Vec::new()));
            number
        };
        let half = bytes.len() / 2;
        self.step()?.disk.files[number].1.extend(&bytes[..half]);
        self.step()?.disk.files[number].1.extend(&bytes[half..]);
        let mut state = self.step()?;
        state.disk.files[number].0 = bytes.to_vec();
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.step()?;
        let number = state.file(from).ok_or(io::ErrorKind::NotFound)?;
        let ((folder, old), (_, new)) = (split(from), split(to));
        let entries = state.entries_mut(folder)?;
        entries.set(&new, Some(Entry::File(number)));
        entries.set(&old, None);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.step()?;
        state.file(path).ok_or(io::ErrorKind::NotFound)?;
        let (folder, name) = split(path);
        state.entries_mut(folder)?.set(&name, None);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.step()?;
        let entries = state.entries_mut(path)?;
        entries.synced = entries.seen.clone();
        entries.changes.clear();
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.step()?;
        Ok(state
            .entries(path)
            .map(|entries| entries.seen.keys().cloned().collect())
            .unwrap_or_default())
    }

    fn mode(&self, path: &Path) -> io::Result<Option<u32>> {
        let state = self.step()?;
        Ok(state.entries(path).ok().map(|_| 0o700))
    }

    /// None, since there is one program at a time.
    fn lock(&self, _: &Path, _: Duration) -> io::Result<()> {
        self.step().map(drop)
    }

    fn hold(&self, folder: &Path, file: &str) -> io::Result<String> {
        if let Some(held) = &self.state().held {
            return Ok(split(held).1);
        }
        self.state().holds += 1;
        let mut state = self.step()?;
        let number = state.disk.files.len();
        state
            .entries_mut(folder)?
            .set(file, Some(Entry::File(number)));
        state.disk.files.push(Default::default());
        state.held = Some(folder.join(file));
        Ok(file.to_owned())
    }

    fn is_held(&self, path: &Path) -> io::Result<Option<bool>> {
        let state = self.step()?;
        let held = state.held.as_deref() == Some(path);
        Ok(state.file(path).map(|_| held))
    }

    fn boot(&self) -> Option<String> {
        Some(self.boot.to_string())
    }
}

fn empty_disk() -> Disk {
    let mut disk = Disk::default();
    disk.folders.insert("/".into(), Entries::default());
    disk
}

fn core(disk: Disk, seed: u64, left: Option<u32>, fault: Option<io::ErrorKind>) -> Core<Sim> {
    let clock = ManualClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    Core::new(
        Sim::new(disk, seed, left, fault),
        "/store".into(),
        Arc::new(clock),
        false,
    )
}

fn triple(number: u32) -> Record {
    let text = |part: &str| format!("{part} {number} ").repeat(20);
    Record::new()
        .with("tls.key", text("key"))
        .and_then(|record| record.with("tls.crt", text("chain")))
        .and_then(|record| record.with("metadata.json", text("metadata")))
        .unwrap()
}

fn save(core: &Core<Sim>, name: &Name, number: u32, lease: Option<&Lease>) -> Result<()> {
    let write = Write::new("save", name, &Condition::Any, lease);
    let (bytes, _) = write.encode(&triple(number))?;
    core.save(&write, &bytes, LIMIT)
}

/// The steps of a program that issues and renews; what it knows to be done.
#[derive(Default, Debug, Clone)]
struct Known {
    /// The last write that was answered, `None` if deleted or never written.
    done: Option<u32>,
    /// The write that was not answered: it may have been done.
    open: Option<Option<u32>>,
    token: u64,
}

fn work(core: &Core<Sim>, name: &Name, known: &mut Known) -> Result<()> {
    core.open(LIMIT)?;
    let owner = Owner::random("sim").unwrap();
    let granted = core.acquire(name, &owner, LIMIT, LIMIT)?;
    let Acquired::Granted(lease) = granted else {
        panic!("the lock is held")
    };
    known.token = lease.token();
    for number in 1..=3 {
        known.open = Some(Some(number));
        save(core, name, number, Some(&lease))?;
        (known.done, known.open) = (Some(number), None);
    }
    let lease = core.renew(&lease, LIMIT)?;
    known.open = Some(None);
    core.delete(
        &Write::new("delete", name, &Condition::Any, Some(&lease)),
        LIMIT,
    )?;
    (known.done, known.open) = (None, None);
    known.open = Some(Some(4));
    save(core, name, 4, Some(&lease))?;
    (known.done, known.open) = (Some(4), None);
    core.release(&lease, LIMIT)
}

/// What is read has to be what is known, whole.
fn check(core: &Core<Sim>, name: &Name, known: &Known, at: &str) {
    let found = core
        .load(name)
        .unwrap_or_else(|error| panic!("{at}: {error}"));
    let found = found.map(|stored| stored.record);
    let is = |number: Option<u32>| found == number.map(triple);
    let good = is(known.done) || known.open.is_some_and(is);
    assert!(good, "{at}: {known:?}, found {found:?}");
}

fn steps_of_work() -> u32 {
    let core = core(empty_disk(), 0, None, None);
    let name = Name::certificate("a.example").unwrap();
    work(&core, &name, &mut Known::default()).unwrap();
    let steps = core.fs().state().steps;
    assert!(steps > 60, "{steps}");
    steps
}

fn crashes() -> u64 {
    env::var("OPSBOX_CRASHES")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(5_000)
}

/// Crashes at every step of the work, and then at every step of the recovery from it, with the
/// losses chosen by the seed. `OPSBOX_CRASHES=100000` for more of them.
#[test]
fn after_any_crash_the_old_or_the_new_record_is_there_whole() {
    let (steps, name) = (steps_of_work(), Name::certificate("a.example").unwrap());
    for seed in 0..crashes() {
        let at = u32::try_from(seed % u64::from(steps)).unwrap();
        let first = core(empty_disk(), seed, Some(at), None);
        let mut known = Known::default();
        work(&first, &name, &mut known).unwrap_err();
        // Down again while it comes up, half of the time.
        let again = u32::try_from(seed / 7 % 12).unwrap();
        let second = core(
            first.fs().reboot(),
            seed,
            (seed % 2 == 0).then_some(again),
            None,
        );
        drop(second.open(LIMIT));
        let disk = second.fs().reboot();
        let third = core(disk, seed, None, None);
        let place = format!("seed {seed}, step {at}");
        check(&third, &name, &known, &place);
        third
            .open(LIMIT)
            .unwrap_or_else(|error| panic!("{place}: {error}"));
        check(&third, &name, &known, &place);
        let names = third.list(&Folder::CERTIFICATES).unwrap();
        assert!(
            names.iter().all(|found| *found == name),
            "{place}: {names:?}"
        );
        // Life goes on: the dead owner's lock is taken once it expires, with a greater token.
        let clock = ManualClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_100));
        let disk = third.fs().state().disk.clone();
        let later = Core::new(
            Sim::new(disk, seed, None, None),
            "/store".into(),
            Arc::new(clock),
            false,
        );
        let owner = Owner::random("later").unwrap();
        let lease = later.acquire(&name, &owner, LIMIT, LIMIT).unwrap().lease();
        let lease = lease.unwrap_or_else(|| panic!("{place}: the lock stays held"));
        assert!(lease.token() > known.token, "{place}");
        save(&later, &name, 9, Some(&lease)).unwrap();
        assert_eq!(later.load(&name).unwrap().unwrap().record, triple(9));
        let state = later.fs().state();
        for (path, entries) in &state.disk.folders {
            let left = entries
                .seen
                .keys()
                .find(|name| name.starts_with('.') && *name != ".locks");
            assert!(left.is_none(), "{place}: {left:?} in {}", path.display());
            let files = entries.seen.keys();
            let processes = files.filter(|name| name.starts_with("process-")).count();
            assert!(processes < 2, "{place}: those of the dead are left");
        }
    }
}

/// A full disk or a fault at every step: an error that says so, the record whole, and the next try works.
#[test]
fn after_any_fault_the_record_is_whole_and_the_next_try_works() {
    let (steps, name) = (steps_of_work(), Name::certificate("a.example").unwrap());
    let faults = [
        (io::ErrorKind::StorageFull, ErrorKind::Full),
        (io::ErrorKind::ReadOnlyFilesystem, ErrorKind::ReadOnly),
        (io::ErrorKind::PermissionDenied, ErrorKind::Denied),
        (io::ErrorKind::TimedOut, ErrorKind::Unavailable),
        (io::ErrorKind::Other, ErrorKind::Io),
    ];
    for at in 0..steps {
        for (seed, (fault, kind)) in faults.into_iter().enumerate() {
            let core = core(empty_disk(), seed as u64, Some(at), Some(fault));
            let mut known = Known::default();
            // The parent of a store may be unreadable, and a process may be without a file of its own: these
            // faults are let pass.
            let Err(error) = work(&core, &name, &mut known) else {
                let again = core.fs().state().holds > 1;
                assert!(kind == ErrorKind::Denied || again, "step {at}");
                continue;
            };
            assert_eq!(error.kind(), kind, "step {at}: {error}");
            assert!(error.to_string().contains("; "), "{error}");
            let place = format!("step {at}, {fault:?}");
            check(&core, &name, &known, &place);
            core.open(LIMIT)
                .unwrap_or_else(|error| panic!("{place}: {error}"));
            save(&core, &name, 7, None).unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!(core.load(&name).unwrap().unwrap().record, triple(7));
        }
    }
}

/// The model can see a fault: without one of the steps the same checks fail.
#[test]
fn a_write_that_is_not_synced_is_caught() {
    let caught = (0..2_000).any(|seed| {
        let sim = Sim::new(empty_disk(), seed, None, None);
        sim.make_dir(Path::new("/store")).unwrap();
        sim.sync_dir(Path::new("/")).unwrap();
        sim.write_synced(Path::new("/store/a"), b"old").unwrap();
        sim.sync_dir(Path::new("/store")).unwrap();
        sim.state().disk.files.push((Vec::new(), b"new".to_vec()));
        let mut state = sim.state();
        state
            .entries_mut(Path::new("/store"))
            .unwrap()
            .set("a", Some(Entry::File(1)));
        drop(state);
        let after = Sim::new(sim.reboot(), seed, None, None);
        let found = after.read(Path::new("/store/a"), 100).unwrap().unwrap();
        found.bytes.as_slice() != b"old" && found.bytes.as_slice() != b"new"
    });
    assert!(caught);
}
