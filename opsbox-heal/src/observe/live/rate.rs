//! How often the API server may be asked.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kube::Client;
use tokio::time::{Instant, sleep};

use crate::act::Gate;
use crate::limits::{
    DEFAULT_API_BURST, DEFAULT_API_CALLS_PER_SECOND, MAX_API_CALLS_PER_SECOND,
    MIN_API_CALLS_PER_SECOND,
};

/// A token bucket: so many calls a second in the long run, so many at once after a pause.
///
/// The default, 5 calls a second and 10 at once, is that of client-go: what a controller in the
/// background may take without being felt. The API server has a limit of its own (API priority and
/// fairness), but queues before it refuses, and then people with `kubectl` wait in the same queue.
///
/// ```
/// use opsbox_heal::observe::live::RateLimit;
///
/// let gentle = RateLimit::new(2.0, 4);
/// assert_eq!((gentle.calls_per_second(), gentle.burst()), (2.0, 4));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    calls_per_second: f64,
    burst: u32,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self::new(DEFAULT_API_CALLS_PER_SECOND, DEFAULT_API_BURST)
    }
}

impl RateLimit {
    /// `calls_per_second` within [`MIN_API_CALLS_PER_SECOND`] and [`MAX_API_CALLS_PER_SECOND`]
    /// (what is outside becomes the nearest of them, not a number the default), and `burst` of at
    /// least 1.
    pub fn new(calls_per_second: f64, burst: u32) -> Self {
        let rate = if calls_per_second.is_nan() {
            DEFAULT_API_CALLS_PER_SECOND
        } else {
            calls_per_second
        };
        Self {
            calls_per_second: rate.clamp(MIN_API_CALLS_PER_SECOND, MAX_API_CALLS_PER_SECOND),
            burst: burst.max(1),
        }
    }

    /// Calls a second in the long run.
    pub fn calls_per_second(self) -> f64 {
        self.calls_per_second
    }

    /// Calls that may go at once after a pause.
    pub fn burst(self) -> u32 {
        self.burst
    }

    /// A client of which every call, by whatever part of this crate or of `kube`, takes a token
    /// first and waits for it if there is none.
    ///
    /// A watch takes one token, when it is opened. Who waits first is served first. Give the clone
    /// of the client without the limit to what must not wait behind a sweep, as the renewal of a
    /// lease.
    ///
    /// Must be called within a tokio runtime, as [`Client::new`] must.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), kube::Error> {
    /// use opsbox_heal::observe::live::RateLimit;
    ///
    /// let client = RateLimit::default().apply(kube::Client::try_default().await?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn apply(self, client: Client) -> Client {
        self.share(client).0
    }

    /// As [`apply`](Self::apply), and a [`Gate`] that takes from the same bucket, for what must not
    /// count the wait for its turn as time of its request: give it beside the client without the
    /// limit.
    pub fn share(self, client: Client) -> (Client, Arc<dyn Gate>) {
        let namespace = client.default_namespace().to_owned();
        let bucket = Arc::new(Bucket::new(self));
        let gate = Arc::clone(&bucket);
        let service = tower::service_fn(move |request| {
            let (client, bucket) = (client.clone(), Arc::clone(&bucket));
            async move {
                bucket.take().await;
                client.send(request).await
            }
        });
        (Client::new(service, namespace), gate)
    }
}

#[async_trait::async_trait]
impl Gate for Bucket {
    async fn pass(&self) {
        self.take().await;
    }
}

/// The bucket as one number (GCRA): when it would be full again.
struct Bucket {
    interval: Duration,
    /// How far ahead of time calls may run.
    slack: Duration,
    start: Instant,
    full_at: Mutex<Duration>,
}

impl Bucket {
    fn new(limit: RateLimit) -> Self {
        let interval = Duration::from_secs_f64(1.0 / limit.calls_per_second);
        Self {
            interval,
            slack: interval.saturating_mul(limit.burst - 1),
            start: Instant::now(),
            full_at: Mutex::new(Duration::ZERO),
        }
    }

    /// Reserves the next token at once, which keeps the order, then waits until it is due.
    async fn take(&self) {
        let now = self.start.elapsed();
        let due = {
            let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
            let due = (*full_at).max(now);
            *full_at = due.saturating_add(self.interval);
            due.saturating_sub(self.slack)
        };
        if let Some(wait) = due.checked_sub(now).filter(|wait| !wait.is_zero()) {
            sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let bucket = Bucket::new(RateLimit::new(5.0, 10));
        let start = Instant::now();
        for _ in 0..10 {
            bucket.take().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..10 {
            bucket.take().await;
        }
        assert_eq!(start.elapsed(), Duration::from_secs(2));
        // A pause fills it again, but never beyond the burst.
        sleep(Duration::from_secs(3600)).await;
        let later = Instant::now();
        for _ in 0..11 {
            bucket.take().await;
        }
        assert_eq!(later.elapsed(), Duration::from_millis(200));
    }

    #[test]
    fn odd_numbers_become_usable_ones() {
        assert_eq!(RateLimit::new(f64::NAN, 0), RateLimit::new(5.0, 1));
        assert_eq!(
            RateLimit::new(-1.0, 1).calls_per_second(),
            MIN_API_CALLS_PER_SECOND
        );
        assert_eq!(
            RateLimit::new(f64::INFINITY, 1).calls_per_second(),
            MAX_API_CALLS_PER_SECOND
        );
    }
}
