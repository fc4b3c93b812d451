//! The conditions of a pod, as its status lists them.

use std::{fmt, sync::Arc};

use crate::time::Timestamp;

/// One of `status.conditions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodCondition {
    pub(crate) detail: Option<Box<Detail>>,
    pub(crate) since: PackedTime,
    pub(crate) kind: PodConditionType,
    pub(crate) status: ConditionStatus,
}

impl PodCondition {
    /// `type`, such as `Ready` or the name of a readiness gate.
    pub fn kind(&self) -> &str {
        match self.kind {
            PodConditionType::PodScheduled => "PodScheduled",
            PodConditionType::Initialized => "Initialized",
            PodConditionType::ContainersReady => "ContainersReady",
            PodConditionType::Ready => "Ready",
            PodConditionType::PodReadyToStartContainers => "PodReadyToStartContainers",
            PodConditionType::DisruptionTarget => "DisruptionTarget",
            PodConditionType::Other => self
                .detail
                .as_ref()
                .and_then(|d| d.kind.as_deref())
                .unwrap_or_default(),
        }
    }

    /// `status`.
    pub fn status(&self) -> ConditionStatus {
        self.status
    }

    /// `lastTransitionTime`: since when the status is what it is.
    pub fn since(&self) -> Option<Timestamp> {
        self.since.unpack()
    }

    /// `reason`.
    pub fn reason(&self) -> Option<&str> {
        self.detail.as_ref().and_then(|d| d.reason.as_deref())
    }

    /// `message`, cut at [`MAX_MESSAGE_BYTES`](crate::limits::MAX_MESSAGE_BYTES).
    pub fn message(&self) -> Option<&str> {
        self.detail.as_ref().and_then(|d| d.message.as_deref())
    }
}

/// An optional point in time in six bytes, which hold all that a [`Timestamp`] can be: a pod has
/// five of these.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PackedTime([u8; 6]);

impl PackedTime {
    /// Far out of the range of a `Timestamp`.
    const NONE: i64 = -(1 << 47);

    pub(crate) fn new(time: Option<Timestamp>) -> Self {
        let seconds = time.map_or(Self::NONE, Timestamp::unix_seconds);
        let [a, b, c, d, e, f, _, _] = seconds.to_le_bytes();
        Self([a, b, c, d, e, f])
    }

    fn unpack(self) -> Option<Timestamp> {
        let [a, b, c, d, e, f] = self.0;
        // Shifted up and down again, which brings back the sign.
        let seconds = i64::from_le_bytes([0, 0, a, b, c, d, e, f]) >> 16;
        (seconds != Self::NONE).then(|| Timestamp::from_unix_seconds(seconds))
    }
}

impl fmt::Debug for PackedTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.unpack().fmt(f)
    }
}

/// The type of a pod condition, in one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PodConditionType {
    PodScheduled,
    Initialized,
    ContainersReady,
    Ready,
    PodReadyToStartContainers,
    DisruptionTarget,
    /// One that this crate need not know, such as a readiness gate; `Detail` has its name.
    Other,
}

/// The status of a pod condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody can tell, or the status is a text that this crate does not know.
    Unknown,
}

impl ConditionStatus {
    /// The text of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// What only few conditions and waits have, kept apart because healthy pods have none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Detail {
    /// The type of a condition that is none of the well-known ones.
    pub(crate) kind: Option<Arc<str>>,
    pub(crate) reason: Option<Arc<str>>,
    pub(crate) message: Option<Box<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_bytes_hold_every_time() {
        let at = |seconds| Some(Timestamp::from_unix_seconds(seconds));
        for time in [
            at(0),
            at(-1),
            at(1_772_000_000),
            at(i64::MIN),
            at(i64::MAX),
            None,
        ] {
            assert_eq!(PackedTime::new(time).unpack(), time);
        }
        assert_eq!(size_of::<PodCondition>(), 16);
    }
}
