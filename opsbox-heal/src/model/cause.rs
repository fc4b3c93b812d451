//! Why a pod has the condition that it has, where a condition has several causes.

use std::fmt;

use super::verdict::Condition;

/// What is behind a [`Condition`], as far as the object tells: the same condition may call for
/// patience, a new node or a human, depending on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Ran out of memory once.
    OomOnce,
    /// Ran out of memory again after a restart.
    OomRepeated,
    /// The registry has no such image, or does not say so to strangers.
    ImageNotFound,
    /// The registry wants other credentials, or none were given.
    ImageUnauthorized,
    /// The registry has had too many requests; it passes.
    ImageRateLimited,
    /// The registry did not answer in time, or could not be reached.
    ImageTimeout,
    /// The name is none that an image can have.
    ImageNameInvalid,
    /// Runs for a while between failures: it works until something happens.
    Flapping,
    /// Fails soon after each start: it has never worked, or does so no more.
    SteadyFailure,
    /// No node has enough of something free.
    InsufficientResources,
    /// Nodes have a taint that the pod does not tolerate.
    UntoleratedTaint,
    /// No node has what the pod's selectors or (anti-)affinity ask for.
    Affinity,
    /// A volume or its claim cannot be had, or only elsewhere.
    Volume,
    /// A quota is used up. Kubernetes' own ResourceQuota refuses a pod before there is one, so it
    /// is seen on the ReplicaSet or Job and never here; schedulers with queues say it of pods.
    Quota,
}

impl Cause {
    /// All of them, by condition.
    pub const ALL: [Self; 14] = [
        Self::OomOnce,
        Self::OomRepeated,
        Self::ImageNotFound,
        Self::ImageUnauthorized,
        Self::ImageRateLimited,
        Self::ImageTimeout,
        Self::ImageNameInvalid,
        Self::Flapping,
        Self::SteadyFailure,
        Self::InsufficientResources,
        Self::UntoleratedTaint,
        Self::Affinity,
        Self::Volume,
        Self::Quota,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ImageNotFound => "ImageNotFound",
            Self::ImageUnauthorized => "ImageUnauthorized",
            Self::ImageRateLimited => "ImageRateLimited",
            Self::ImageTimeout => "ImageTimeout",
            Self::ImageNameInvalid => "ImageNameInvalid",
            Self::InsufficientResources => "InsufficientResources",
            Self::UntoleratedTaint => "UntoleratedTaint",
            Self::Affinity => "Affinity",
            Self::Volume => "Volume",
            Self::Quota => "Quota",
            Self::Flapping => "Flapping",
            Self::SteadyFailure => "SteadyFailure",
            Self::OomOnce => "OomOnce",
            Self::OomRepeated => "OomRepeated",
        }
    }

    /// The condition that it is a cause of.
    pub fn condition(self) -> Condition {
        match self {
            Self::ImageNotFound
            | Self::ImageUnauthorized
            | Self::ImageRateLimited
            | Self::ImageTimeout
            | Self::ImageNameInvalid => Condition::ImagePullBackOff,
            Self::InsufficientResources
            | Self::UntoleratedTaint
            | Self::Affinity
            | Self::Volume
            | Self::Quota => Condition::Unschedulable,
            Self::Flapping | Self::SteadyFailure => Condition::CrashLoopBackOff,
            Self::OomOnce | Self::OomRepeated => Condition::OomKilled,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
