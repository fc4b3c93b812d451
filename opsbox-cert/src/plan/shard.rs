//! Which instance plans which certificate.

use super::window::mix;
use crate::budget::key;

/// The instances that are there, of which each set of names has one: rendezvous hashing (Thaler and
/// Ravishankar 1998), so that an instance that comes or goes moves its own share and nothing else.
///
/// ```
/// use opsbox_cert::plan::Shards;
///
/// let three = Shards::new(["a", "b", "c"]);
/// let two = Shards::new(["c", "a"]);
/// for set in 0..1000 {
///     let before = three.owner(set).unwrap();
///     let after = two.owner(set).unwrap();
///     assert!(before == "b" || before == after);
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shards {
    instances: Vec<(u64, String)>,
}

impl Shards {
    /// Of these instances, whose order does not matter.
    pub fn new<S: Into<String>>(instances: impl IntoIterator<Item = S>) -> Self {
        let named = instances.into_iter().map(|name| {
            let name = name.into();
            (key(name.as_bytes()), name)
        });
        let mut instances: Vec<_> = named.collect();
        instances.sort_unstable();
        instances.dedup();
        Self { instances }
    }

    /// Whose the set is, by its [key](crate::budget::Subject::set); `None` if there is no instance.
    pub fn owner(&self, set: u64) -> Option<&str> {
        let (_, name) = self
            .instances
            .iter()
            .max_by_key(|(instance, _)| mix(mix(*instance) ^ set))?;
        Some(name)
    }

    /// How many instances there are.
    pub fn len(&self) -> usize {
        self.instances.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.instances.is_empty()
    }
}
