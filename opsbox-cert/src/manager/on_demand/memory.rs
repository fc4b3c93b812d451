//! What is remembered of names for a while, and how much was done lately. The time is an argument.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Values of names, each until a moment of the monotonic clock. Of too many, those that end first are
/// forgotten.
pub(super) struct Memory<V> {
    most: usize,
    by_name: HashMap<Arc<str>, (Duration, V)>,
    by_end: BTreeSet<(Duration, Arc<str>)>,
}

impl<V> Memory<V> {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            by_name: HashMap::new(),
            by_end: BTreeSet::new(),
        }
    }

    /// The value, until its end.
    pub(super) fn get(&self, name: &str, now: Duration) -> Option<&V> {
        let (until, value) = self.by_name.get(name)?;
        (now < *until).then_some(value)
    }

    /// The value, after its end too if it is there still.
    pub(super) fn last(&self, name: &str) -> Option<&V> {
        self.by_name.get(name).map(|(_, value)| value)
    }

    pub(super) fn put(&mut self, name: Arc<str>, until: Duration, value: V) {
        self.remove(&name);
        self.by_end.insert((until, name.clone()));
        self.by_name.insert(name, (until, value));
        while self.by_name.len() > self.most {
            let Some((_, first)) = self.by_end.pop_first() else {
                return;
            };
            self.by_name.remove(&first);
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        if let Some((name, (until, _))) = self.by_name.remove_entry(name) {
            self.by_end.remove(&(until, name));
        }
    }
}

/// At most so many within any such time.
pub(super) struct Window {
    most: usize,
    span: Duration,
    taken: VecDeque<Duration>,
}

impl Window {
    pub(super) fn new(most: usize, span: Duration) -> Self {
        Self {
            most,
            span,
            taken: VecDeque::new(),
        }
    }

    /// Takes one.
    ///
    /// # Errors
    ///
    /// How long until there is one again.
    pub(super) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        while let Some(&first) = self.taken.front()
            && now.saturating_sub(first) >= self.span
        {
            self.taken.pop_front();
        }
        match self.taken.front() {
            Some(&first) if self.taken.len() >= self.most => {
                Err((first + self.span).saturating_sub(now))
            }
            _ => {
                self.taken.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    proptest! {
        /// Against a list of all that was ever put.
        #[test]
        fn the_memory_has_what_ends_last(
            puts in prop::collection::vec((0_u8..12, 1_u32..50), 1..80),
            most in 1_usize..8,
        ) {
            let mut memory = Memory::new(most);
            let mut naive: Vec<(Duration, Arc<str>, u32)> = Vec::new();
            let mut now = Duration::ZERO;
            for (name, life) in puts {
                now += SECOND;
                let name: Arc<str> = name.to_string().into();
                let until = now + SECOND * life;
                memory.put(name.clone(), until, life);
                naive.retain(|(_, other, _)| *other != name);
                naive.push((until, name, life));
                naive.sort();
                if naive.len() > most {
                    naive.remove(0);
                }
                for name in 0_u8..12 {
                    let name = name.to_string();
                    let wanted = naive.iter().find(|(_, other, _)| **other == *name);
                    prop_assert_eq!(memory.last(&name), wanted.map(|(_, _, life)| life));
                    let wanted = wanted.filter(|(until, _, _)| now < *until);
                    prop_assert_eq!(memory.get(&name, now), wanted.map(|(_, _, life)| life));
                }
                prop_assert_eq!(memory.by_end.len(), memory.by_name.len());
            }
        }

        /// No span has more than the most, and what is refused is given after the wait.
        #[test]
        fn the_window_holds_at_every_moment(
            steps in prop::collection::vec(0_u32..30, 1..80),
            most in 1_usize..6,
            span in 1_u32..60,
        ) {
            let span = SECOND * span;
            let mut window = Window::new(most, span);
            let (mut now, mut given) = (Duration::ZERO, Vec::new());
            for step in steps {
                now += SECOND * step;
                let lately = given.iter().filter(|at| now - **at < span).count();
                match window.take(now) {
                    Ok(()) => {
                        prop_assert!(lately < most);
                        given.push(now);
                    }
                    Err(wait) => {
                        prop_assert_eq!(lately, most);
                        prop_assert!(wait > Duration::ZERO && wait <= span);
                        now += wait;
                        prop_assert_eq!(window.take(now), Ok(()));
                        given.push(now);
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_removed_is_forgotten() {
        let mut memory = Memory::new(2);
        memory.put("a".into(), SECOND, 1);
        memory.remove("a");
        memory.remove("a");
        assert_eq!(memory.last("a"), None);
        assert!(memory.by_end.is_empty());
    }
}
