//! The bodies of the double's answers.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Instant, Sleep, sleep_until},
};

use super::double::{ApiDouble, Shared};

/// A body of the double.
pub(super) struct DoubleBody {
    kind: Kind,
    sent: Arc<AtomicU64>,
}

enum Kind {
    /// These chunks, and then the end, or the end of the connection.
    Chunks(VecDeque<Bytes>, bool),
    Watch(OpenWatch),
}

/// A watch, seen from the connection.
pub(super) struct OpenWatch {
    id: u64,
    lines: UnboundedReceiver<Line>,
    end: Pin<Box<Sleep>>,
    bookmark: Pin<Box<Sleep>>,
    server: Weak<Mutex<Shared>>,
    /// It says nothing more, and has no end.
    hangs: bool,
    over: bool,
}

/// How often a watch gets a bookmark.
const BOOKMARKS: Duration = Duration::from_secs(60);

impl OpenWatch {
    pub(super) fn new(
        double: &ApiDouble,
        id: u64,
        lines: UnboundedReceiver<Line>,
        end: Instant,
    ) -> Self {
        Self {
            id,
            lines,
            end: Box::pin(sleep_until(end)),
            bookmark: Box::pin(sleep_until(Instant::now() + BOOKMARKS)),
            server: Arc::downgrade(&double.shared),
            hangs: false,
            over: false,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.over {
            return Poll::Ready(None);
        }
        // Nobody wakes it again but the client's own limit.
        if self.hangs {
            return Poll::Pending;
        }
        if self.bookmark.as_mut().poll(cx).is_ready() {
            let next = Instant::now() + BOOKMARKS;
            self.bookmark.as_mut().reset(next);
            // Asks to be woken for the next one.
            let _pending = self.bookmark.as_mut().poll(cx);
            if let Some(server) = self.server.upgrade() {
                let mut server = server.lock().unwrap_or_else(PoisonError::into_inner);
                server.bookmark(|id| id == self.id);
            }
        }
        match self.lines.poll_recv(cx) {
            Poll::Ready(Some(Line::Bytes(bytes))) => return Poll::Ready(Some(Ok(bytes))),
            Poll::Ready(Some(Line::Cut)) => {
                self.over = true;
                return Poll::Ready(Some(Err(broken())));
            }
            Poll::Ready(Some(Line::Hang)) => {
                self.hangs = true;
                return Poll::Pending;
            }
            Poll::Ready(None) => self.over = true,
            Poll::Pending => {}
        }
        if self.over || self.end.as_mut().poll(cx).is_ready() {
            self.over = true;
            return Poll::Ready(None);
        }
        Poll::Pending
    }
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "connection reset by peer")
}

/// What a watch is sent.
pub(super) enum Line {
    Bytes(Bytes),
    /// The connection breaks.
    Cut,
    /// The connection says nothing more, without an end: half open.
    Hang,
}

/// Answers are sent in pieces of this size, as a connection does.
const CHUNK: usize = 16 * 1024;

impl DoubleBody {
    pub(super) fn full(bytes: Vec<u8>, sent: &Arc<AtomicU64>) -> Self {
        Self::chunks(Bytes::from(bytes), false, sent)
    }

    /// The first half, and then the connection breaks.
    pub(super) fn cut(bytes: Vec<u8>, sent: &Arc<AtomicU64>) -> Self {
        let half = bytes.len() / 2;
        Self::chunks(Bytes::from(bytes).slice(..half), true, sent)
    }

    fn chunks(mut bytes: Bytes, breaks: bool, sent: &Arc<AtomicU64>) -> Self {
        let mut chunks = VecDeque::new();
        while bytes.len() > CHUNK {
            chunks.push_back(bytes.split_to(CHUNK));
        }
        chunks.push_back(bytes);
        Self {
            kind: Kind::Chunks(chunks, breaks),
            sent: Arc::clone(sent),
        }
    }

    pub(super) fn watch(open: OpenWatch, sent: &Arc<AtomicU64>) -> Self {
        Self {
            kind: Kind::Watch(open),
            sent: Arc::clone(sent),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match &mut self.kind {
            Kind::Chunks(chunks, breaks) => Poll::Ready(match chunks.pop_front() {
                Some(bytes) => Some(Ok(bytes)),
                None if std::mem::take(breaks) => Some(Err(broken())),
                None => None,
            }),
            Kind::Watch(open) => open.poll(cx),
        }
    }
}

impl Body for DoubleBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let polled = self.poll(cx);
        if let Poll::Ready(Some(Ok(bytes))) = &polled {
            let length = u64::try_from(bytes.len()).unwrap_or_default();
            self.sent.fetch_add(length, Ordering::Relaxed);
        }
        polled.map(|some| some.map(|bytes| bytes.map(Frame::data)))
    }
}
