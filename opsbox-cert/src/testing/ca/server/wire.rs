//! Sockets: TLS, HTTP, and the faults that only a wire can have.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;

use super::core::{Asked, Core, Job};
use super::validate::{Failed, FailedKind};
use crate::clock::Clock;
use crate::testing::ca::faults::Fault;

/// Largest request that is read, in bytes.
const LARGEST: usize = 256 * 1024;
/// How long a validator may take, in real time.
const VALIDATION: Duration = Duration::from_secs(30);

pub(super) struct Shared {
    core: Mutex<Core>,
    clock: Arc<dyn Clock>,
    /// Seconds that the CA's clock is ahead.
    skew: Mutex<i64>,
}

impl Shared {
    pub(super) fn new(core: Core, clock: Arc<dyn Clock>) -> Self {
        Self {
            core: Mutex::new(core),
            clock,
            skew: Mutex::new(0),
        }
    }

    pub(super) fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_skew(&self, seconds: i64) {
        *self.skew.lock().unwrap_or_else(PoisonError::into_inner) = seconds;
    }

    pub(super) fn now(&self) -> SystemTime {
        let skew = *self.skew.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, by) = (self.clock.now(), Duration::from_secs(skew.unsigned_abs()));
        let skewed = match skew < 0 {
            true => now.checked_sub(by),
            false => now.checked_add(by),
        };
        skewed.unwrap_or(now)
    }
}

/// The connection is closed in place of an answer.
#[derive(Debug)]
struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is closed without an answer, as injected")
    }
}

impl std::error::Error for Closed {}

/// A body that may stop in its middle, for a while or for good.
struct Halves {
    first: Option<Bytes>,
    then: Then,
    length: u64,
}

/// What comes behind the first half.
enum Then {
    Rest(Bytes),
    Wait(Pin<Box<Sleep>>, Bytes),
    /// What was written is on its way before the connection breaks.
    Flush,
    Break,
}

impl Halves {
    fn new(body: Bytes, cut: bool, slow: Option<Duration>) -> Self {
        let length = body.len() as u64;
        let (first, rest) = match cut || slow.is_some() {
            true => (body.slice(..body.len() / 2), body.slice(body.len() / 2..)),
            false => (body, Bytes::new()),
        };
        Self {
            first: Some(first),
            then: match slow {
                _ if cut => Then::Flush,
                Some(time) => Then::Wait(Box::pin(tokio::time::sleep(time)), rest),
                None => Then::Rest(rest),
            },
            length,
        }
    }
}

impl Body for Halves {
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        if let Some(first) = self.first.take().filter(|first| !first.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        match &mut self.then {
            Then::Wait(time, rest) => {
                let rest = std::mem::take(rest);
                if time.as_mut().poll(context).is_pending() {
                    if let Then::Wait(_, kept) = &mut self.then {
                        *kept = rest;
                    }
                    return Poll::Pending;
                }
                self.then = Then::Rest(Bytes::new());
                Poll::Ready(Some(Ok(Frame::data(rest))))
            }
            Then::Flush => {
                self.then = Then::Break;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Then::Break => Poll::Ready(Some(Err(Closed))),
            Then::Rest(rest) if rest.is_empty() => Poll::Ready(None),
            Then::Rest(rest) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(rest))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.as_ref().is_none_or(Bytes::is_empty)
            && matches!(&self.then, Then::Rest(rest) if rest.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

/// Takes connections for ever.
pub(super) async fn serve(
    listener: TcpListener,
    tls: TlsAcceptor,
    shared: Arc<Shared>,
) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // A descriptor too few, or a client that is gone already.
        let Ok((stream, from)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        connections.spawn(connection(stream, from, tls.clone(), shared.clone()));
    }
}

async fn connection(stream: TcpStream, from: SocketAddr, tls: TlsAcceptor, shared: Arc<Shared>) {
    let now = shared.now();
    if shared.core().model.is_down(now) {
        return;
    }
    // An answer is short: waiting for more of it costs 40 ms.
    stream.set_nodelay(true).ok();
    let Ok(stream) = tls.accept(stream).await else {
        return;
    };
    let jobs = Arc::new(Mutex::new(JoinSet::new()));
    let service = service_fn(|request| {
        let (shared, jobs) = (shared.clone(), jobs.clone());
        async move { answer(request, from, shared, &jobs).await }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await
        .ok();
    // Validations outlive the connection on which they were asked for.
    let jobs = std::mem::take(&mut *jobs.lock().unwrap_or_else(PoisonError::into_inner));
    jobs.join_all().await;
}

async fn answer(
    request: Request<Incoming>,
    from: SocketAddr,
    shared: Arc<Shared>,
    jobs: &Mutex<JoinSet<()>>,
) -> Result<Response<Halves>, Closed> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, LARGEST).collect().await;
    let body = body.map_err(|_| Closed)?.to_bytes().to_vec();
    let content_type = parts.headers.get(CONTENT_TYPE);
    let content_type = content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let asked = Asked {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(str::to_owned),
        content_type: content_type.to_owned(),
        body,
        from: from.ip(),
    };
    let now = shared.now();
    let (answered, job, lost, cut, slow) = {
        let mut core = shared.core();
        let answered = core.answer(&asked, now);
        let job = core.job.take();
        let lost = core.model.strikes(Fault::LostAnswer);
        let has_body = answered
            .as_ref()
            .is_some_and(|answer| answer.body.len() > 1);
        let cut = has_body && !lost && core.model.strikes(Fault::CutBody);
        let slow = core.model.strikes(Fault::Slow);
        let slow = slow.then(|| core.model.options.faults.slowness());
        (answered, job, lost, cut, slow)
    };
    if let Some(job) = job {
        let work = validate(job, shared);
        let mut jobs = jobs.lock().unwrap_or_else(PoisonError::into_inner);
        while jobs.try_join_next().is_some() {}
        jobs.spawn(work);
    }
    let answer = answered.filter(|_| !lost).ok_or(Closed)?;
    let body = match asked.method {
        Method::HEAD => Bytes::new(),
        _ => answer.body,
    };
    let cut = cut && !body.is_empty();
    let mut response = Response::new(Halves::new(body, cut, slow));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    Ok(response)
}

async fn validate(job: Job, shared: Arc<Shared>) {
    let work = job.validator.validate(&job.attempt);
    let found = tokio::time::timeout(VALIDATION, work).await;
    let found = found.unwrap_or_else(|_| {
        let detail = "the validator did not end in time";
        Err(Failed::new(FailedKind::Connection, detail))
    });
    let now = shared.now();
    let kind = job.attempt.kind();
    shared.core().judge(job.authorization, kind, found, now);
}
