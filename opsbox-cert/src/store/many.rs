//! Many records from a store that reads one at a time: some at once.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use super::{Name, Store, Stored};
use crate::error::Result;
use crate::limits::STORE_READS;

type Read<'a> = Pin<Box<dyn Future<Output = Result<Option<Stored>>> + Send + 'a>>;

/// In the order of the names, which is the order in which the reads begin.
pub(super) async fn load<S: Store + ?Sized>(
    store: &S,
    names: &[Name],
) -> Vec<Result<Option<Stored>>> {
    let mut out = Vec::new();
    out.resize_with(names.len(), || None);
    let mut waiting: VecDeque<(usize, &Name)> = names.iter().enumerate().collect();
    let mut reads: Vec<(usize, Read<'_>)> = Vec::with_capacity(STORE_READS);
    poll_fn(|context| {
        loop {
            while reads.len() < STORE_READS
                && let Some((place, name)) = waiting.pop_front()
            {
                reads.push((place, store.load(name)));
            }
            let before = reads.len();
            reads.retain_mut(|(place, read)| match read.as_mut().poll(context) {
                Poll::Pending => true,
                Poll::Ready(done) => {
                    if let Some(slot) = out.get_mut(*place) {
                        *slot = Some(done);
                    }
                    false
                }
            });
            if reads.is_empty() && waiting.is_empty() {
                return Poll::Ready(());
            }
            // Those that are begun now have to be polled, too.
            if reads.len() == before || waiting.is_empty() {
                return Poll::Pending;
            }
        }
    })
    .await;
    out.into_iter().flatten().collect()
}
