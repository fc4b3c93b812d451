//! A lock as a Lease of `coordination.k8s.io`.

use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::coordination::v1::{Lease as Object, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;

use super::super::fault;
use super::super::lease::{LockState, Watch};
use super::super::name::Name;
use super::super::objects::LockObjects;
use super::requests::{Requests, Wipe};
use super::{KubeStore, object};
use crate::clock::Clock;
use crate::error::Result;

/// The fencing token: `leaseTransitions` has 32 bits, and starts again when the Lease is deleted.
const TOKEN: &str = "opsbox-cert/token";
/// The time of the lock in milliseconds: `leaseDurationSeconds` has none.
const TTL: &str = "opsbox-cert/ttl-ms";

impl Wipe for Object {}

impl KubeStore {
    fn leases(&self) -> Requests<'_, Object> {
        Requests::new(&self.client, &self.namespace)
    }
}

#[async_trait]
impl LockObjects for KubeStore {
    type Found = Object;

    fn watch(&self) -> (&dyn Clock, &Watch, Duration) {
        (&*self.clock, &self.watch, self.time_limit)
    }

    async fn lock_state(
        &self,
        attempt: &'static str,
        lock: &Name,
    ) -> Result<(Option<Object>, Option<LockState>)> {
        let name = self.object_name(lock);
        let found = self
            .leases()
            .get(attempt, &fault::lock(lock), &name)
            .await?;
        let state = found.as_ref().and_then(|found| state(lock, found));
        Ok((found, state))
    }

    async fn put_lock(
        &self,
        attempt: &'static str,
        lock: &Name,
        found: Option<Object>,
        state: &LockState,
    ) -> Result<bool> {
        let object = write(&self.prefix, lock, found, state);
        let name = self.object_name(lock);
        let put = self
            .leases()
            .put(attempt, &fault::lock(lock), &name, object)
            .await?;
        Ok(put.is_some())
    }
}

fn state(lock: &Name, object: &Object) -> Option<LockState> {
    let metadata = &object.metadata;
    let number = |key| object::annotation(metadata, key)?.parse::<u64>().ok();
    let spec = object.spec.as_ref()?;
    let ttl_ms = number(TTL)?;
    let renewed = spec.renew_time.as_ref()?.0.as_millisecond();
    let state = LockState {
        lock: object::annotation(metadata, object::NAME)?.to_owned(),
        owner: spec.holder_identity.clone().unwrap_or_default(),
        token: number(TOKEN)?,
        ttl_ms,
        expires_ms: u64::try_from(renewed).ok()?.saturating_add(ttl_ms),
        process: None,
    };
    (state.lock == lock.as_str()).then_some(state)
}

fn write(prefix: &str, lock: &Name, found: Option<Object>, state: &LockState) -> Object {
    let mut object = found.unwrap_or_default();
    object::describe(&mut object.metadata, prefix, lock);
    let annotations = object.metadata.annotations.get_or_insert_default();
    let before = annotations.insert(TOKEN.into(), state.token.to_string());
    annotations.insert(TTL.into(), state.ttl_ms.to_string());
    let granted = before.as_deref() != Some(state.token.to_string().as_str());
    let old = object.spec.take().unwrap_or_default();
    let renewed = time(state.expires_ms.saturating_sub(state.ttl_ms));
    let seconds = Duration::from_millis(state.ttl_ms)
        .as_millis()
        .div_ceil(1_000);
    object.spec = Some(LeaseSpec {
        // An empty text is refused.
        holder_identity: Some(state.owner.clone()).filter(|owner| !owner.is_empty()),
        lease_duration_seconds: Some(i32::try_from(seconds).unwrap_or(i32::MAX).max(1)),
        lease_transitions: Some(
            old.lease_transitions
                .unwrap_or(0)
                .saturating_add(i32::from(granted)),
        ),
        acquire_time: if granted {
            renewed.clone()
        } else {
            old.acquire_time
        },
        renew_time: renewed,
        ..LeaseSpec::default()
    });
    object
}

fn time(ms: u64) -> Option<MicroTime> {
    let ms = i64::try_from(ms).ok()?;
    Timestamp::from_millisecond(ms).ok().map(MicroTime)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::super::super::lease::Owner;
    use super::*;

    #[test]
    fn a_lock_is_read_as_it_was_written() {
        let lock = Name::order("a.example").unwrap();
        let owner = Owner::new("web-1").unwrap();
        let now = UNIX_EPOCH + Duration::from_millis(1_800_000_000_123);
        let ttl = Duration::from_millis(1_500);
        let granted = LockState::granted(&lock, &owner, 7, ttl, now);
        let object = write("web", &lock, None, &granted);
        assert_eq!(state(&lock, &object), Some(granted.clone()));
        let spec = object.spec.clone().unwrap();
        assert_eq!(spec.lease_duration_seconds, Some(2));
        assert_eq!(spec.holder_identity.as_deref(), Some("web-1"));
        let freed = LockState {
            owner: String::new(),
            ..granted
        };
        let object = write("web", &lock, Some(object), &freed);
        assert_eq!(state(&lock, &object), Some(freed));
        let spec = object.spec.as_ref().unwrap();
        assert_eq!(
            (spec.lease_transitions, &spec.holder_identity),
            (Some(1), &None)
        );
        let other = Name::order("b.example").unwrap();
        assert_eq!(state(&other, &object), None);
    }
}
