//! Which certificates a manager has, for those who ask from other tasks.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// The names and ids that on-demand issuance leaves alone, each as often as there are certificates with it.
#[derive(Debug, Clone, Default)]
pub(super) struct Reserved(Arc<RwLock<HashMap<String, u32>>>);

impl Reserved {
    /// What comes is there before what goes is not: a name that both have never is without.
    pub(super) fn change(&self, gone: &[String], come: &[String]) {
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for name in come {
            match names.get_mut(name) {
                Some(count) => *count += 1,
                None => drop(names.insert(name.clone(), 1)),
            }
        }
        for name in gone {
            if let Some(count) = names.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    names.remove(name);
                }
            }
        }
    }

    /// Whether one of them is a name or an id of the manager.
    pub(super) fn has_any<'a>(&self, mut names: impl Iterator<Item = &'a str>) -> bool {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        names.any(|name| known.contains_key(name))
    }
}

/// The ids as they are once all that was said to the manager is done.
#[derive(Debug, Clone, Default)]
pub(super) struct Ids(Arc<Mutex<HashSet<String>>>);

impl Ids {
    /// Held while a change is sent, so that the changes arrive in the order of this set's.
    pub(super) fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_two_certificates_stays_until_both_are_gone() {
        let reserved = Reserved::default();
        let (a, b) = (
            ["a.test".to_owned(), "both.test".into()],
            ["both.test".to_owned()],
        );
        let has = |name: &str| reserved.has_any([name].into_iter());
        reserved.change(&[], &a);
        reserved.change(&[], &b);
        reserved.change(&a, &[]);
        assert!(!has("a.test") && has("both.test"));
        reserved.change(&b, &b);
        assert!(has("both.test"));
        reserved.change(&b, &[]);
        assert!(!has("both.test"));
        // What was never there is no error.
        reserved.change(&b, &[]);
        assert!(!reserved.has_any(["other.test", "a.test"].into_iter()));
    }
}
