//! One list and its watch, for ever: of one namespace, or of all.
//!
//! ```text
//!          400, 422: the server has no streaming lists
//!        ┌──────────────────────────────────────────┐
//! Start ─┴─ Initial ── bookmark of the end ──┐      │
//!   ↑                                        ▼      ▼
//!   │        Page ── no continue token ── Watching ⇄ Watch (open again)
//!   └──────────── 410, garbage, resync ──────┘
//! ```

use std::{collections::VecDeque, sync::Arc, time::Duration};

use kube::Client;
use tokio::time::{Instant, sleep};

use super::{
    backoff::Backoff,
    call::{Answer, Call},
    config::WatchConfig,
    decode::{self, Event, ListEnvelope, UnreadablePod},
    scope::PodScope,
    split::{Elements, Fault, Lines},
    store::SharedPool,
};
use crate::{
    error::{Error, ErrorKind},
    limits::{LIST_ANSWER_LIMIT, LIST_SILENCE_LIMIT, MAX_OBJECT_BYTES, MIN_RETRY_WAIT},
    model::pod::PodState,
};

/// What a feed has to say.
pub(super) enum Signal {
    /// A listing begins: until it ends, what is known may be old.
    ListBegins,
    Pod(PodState),
    Gone(PodState),
    Unreadable(UnreadablePod),
    /// Every pod there is has been named since the listing began.
    ListEnds,
    /// The server is there, and there was nothing new.
    Heard,
    /// It will be tried again after the wait.
    Failed(Error, Duration),
}

/// The state machine above.
pub(super) struct Feed {
    client: Client,
    scope: Arc<PodScope>,
    namespace: Option<Box<str>>,
    config: WatchConfig,
    pool: SharedPool,
    state: State,
    ready: VecDeque<Signal>,
    backoff: Backoff,
    /// How long to wait before the next step.
    wait: Option<Duration>,
    streaming_lists: bool,
    /// The newest resource version that was seen: lists must not be older.
    newest: u64,
    /// When the last listing ended.
    listed: Instant,
}

enum State {
    Start,
    /// The initial events of a streaming list.
    Initial(Box<Stream>),
    Page {
        token: String,
        answer: Option<Box<(Answer, Elements)>>,
    },
    /// A watch is to be opened at this version.
    Watch(Box<str>),
    Watching {
        stream: Box<Stream>,
        version: Box<str>,
    },
}

/// An open watch.
struct Stream {
    answer: Answer,
    lines: Lines,
    opened: Instant,
    heard_anything: bool,
    /// When to end it from this side: the server should have by then.
    deadline: Instant,
}

impl Feed {
    pub(super) fn new(
        client: Client,
        scope: Arc<PodScope>,
        namespace: Option<Box<str>>,
        config: WatchConfig,
        pool: SharedPool,
        seed: Option<u64>,
    ) -> Self {
        Self {
            client,
            scope,
            namespace,
            streaming_lists: config.streaming_lists,
            config,
            pool,
            state: State::Start,
            ready: VecDeque::new(),
            backoff: Backoff::new(seed),
            wait: None,
            newest: 0,
            listed: Instant::now(),
        }
    }

    /// The next signal. There is always another one.
    pub(super) async fn next(&mut self) -> Signal {
        loop {
            if let Some(signal) = self.ready.pop_front() {
                return signal;
            }
            if let Some(wait) = self.wait.take() {
                sleep(wait).await;
            }
            let state = std::mem::replace(&mut self.state, State::Start);
            let step = match state {
                State::Start => self.start().await,
                State::Initial(stream) => self.initial(stream).await,
                State::Page { token, answer } => self.page(token, answer).await,
                State::Watch(version) => self.watch(version).await,
                State::Watching { stream, version } => self.watching(stream, version).await,
            };
            if let Err((error, state)) = step {
                self.state = state;
                let wait = self.backoff.next(error.retry_after());
                self.wait = Some(wait);
                return Signal::Failed(error, wait);
            }
        }
    }

    fn call(&self, verb: &'static str) -> Call {
        let call = Call::new(verb, "pods", self.namespace.as_deref());
        self.scope.select(call)
    }

    async fn start(&mut self) -> Step {
        self.ready.push_back(Signal::ListBegins);
        if !self.streaming_lists {
            self.state = State::Page {
                token: String::new(),
                answer: None,
            };
            return Ok(());
        }
        let call = self
            .call("watch")
            .query("sendInitialEvents", true)
            .query("resourceVersionMatch", "NotOlderThan");
        match self.open(call, LIST_SILENCE_LIMIT).await {
            Ok(stream) => self.state = State::Initial(stream),
            // Servers before 1.27, and later ones on which the feature is off, refuse the query.
            Err(error) if matches!(error.status(), Some(400 | 422)) => {
                tracing::debug!(%error, "no streaming lists on this server: listing by pages");
                self.streaming_lists = false;
                self.ready.clear();
            }
            Err(error) => return Err((error, State::Start)),
        }
        Ok(())
    }

    async fn initial(&mut self, mut stream: Box<Stream>) -> Step {
        let restart = |error| (error, State::Start);
        let bytes = match stream.answer.next(LIST_SILENCE_LIMIT).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(restart(cut(&stream.answer.call))),
            Err(error) => {
                // It may be a server that took the query for that of a plain watch.
                self.streaming_lists &= error.kind() != ErrorKind::TimedOut;
                return Err(restart(error));
            }
        };
        let mut events = VecDeque::new();
        let mut pool = self.pool.lock();
        let read = |line: &[u8]| events.push_back(decode::event(line, &mut pool));
        let pushed = stream.lines.push(&bytes, read);
        drop(pool);
        pushed.map_err(|fault| restart(faulty(&stream.answer.call, &fault)))?;
        while let Some(event) = events.pop_front() {
            match event {
                Event::Bookmark {
                    resource_version,
                    ends_list: true,
                } => {
                    self.end_of_list(&stream.answer.call, &resource_version)
                        .map_err(restart)?;
                    self.state = State::Watching {
                        stream,
                        version: resource_version,
                    };
                    return self.take_in(events);
                }
                Event::Bookmark { .. } => {}
                event => {
                    self.signal(&stream.answer.call, event).map_err(restart)?;
                }
            }
        }
        self.state = State::Initial(stream);
        Ok(())
    }

    async fn page(&mut self, token: String, open: Option<Box<(Answer, Elements)>>) -> Step {
        let mut open = match open {
            Some(open) => open,
            None => {
                let mut call = self.call("list").query("limit", self.config.page_size);
                if !token.is_empty() {
                    call = call.query("continue", &token);
                }
                match call.send(&self.client, LIST_ANSWER_LIMIT).await {
                    Ok(answer) => Box::new((answer, Elements::new(&["items"], MAX_OBJECT_BYTES))),
                    // A token is good for some minutes (410); then all begins anew.
                    Err(error) if error.kind() == ErrorKind::Gone => {
                        return Err((error, State::Start));
                    }
                    Err(error) => {
                        let again = State::Page {
                            token,
                            answer: None,
                        };
                        return Err((error, again));
                    }
                }
            }
        };
        let (answer, elements) = &mut *open;
        match answer.next(LIST_SILENCE_LIMIT).await {
            Ok(Some(bytes)) => {
                let (ready, mut pool) = (&mut self.ready, self.pool.lock());
                let read = |_, json: &[u8]| {
                    ready.push_back(match decode::pod(json, &mut pool) {
                        Ok(pod) => Signal::Pod(pod),
                        Err(unreadable) => Signal::Unreadable(unreadable),
                    });
                };
                let pushed = elements.push(&bytes, read);
                drop(pool);
                pushed.map_err(|fault| (faulty(&answer.call, &fault), State::Start))?;
                self.state = State::Page {
                    token,
                    answer: Some(open),
                };
                Ok(())
            }
            Ok(None) => {
                let (answer, elements) = *open;
                self.end_of_page(&answer.call, elements)
                    .map_err(|error| (error, State::Start))
            }
            // The first page would come from a newer version, and a pod of the first try that is not
            // in it would stay for ever: all begins anew.
            Err(error) if token.is_empty() => Err((error, State::Start)),
            // A later page comes from the version that its token names, so what was read of it
            // stays, and it is asked for again.
            Err(error) => Err((
                error,
                State::Page {
                    token,
                    answer: None,
                },
            )),
        }
    }

    fn end_of_page(&mut self, call: &Call, elements: Elements) -> Result<(), Error> {
        let envelope = elements.finish().ok_or_else(|| cut(call))?;
        let envelope: ListEnvelope =
            serde_json::from_slice(&envelope).map_err(|_| faulty(call, &Fault::NotJson))?;
        if envelope.kind != "PodList" {
            let what = format!("the answer is a {:?}, not a PodList", envelope.kind);
            return Err(call.error(ErrorKind::WrongKind, &what));
        }
        self.backoff.reset();
        if !envelope.metadata.token.is_empty() {
            self.ready.push_back(Signal::Heard);
            self.state = State::Page {
                token: envelope.metadata.token,
                answer: None,
            };
            return Ok(());
        }
        let version = envelope.metadata.resource_version;
        self.end_of_list(call, &version)?;
        self.state = State::Watch(version.into());
        Ok(())
    }

    /// A list older than what was seen before comes from a server that lags behind: to believe it
    /// would be to take new pods for deleted.
    fn end_of_list(&mut self, call: &Call, version: &str) -> Result<(), Error> {
        if version.is_empty() {
            return Err(call.error(ErrorKind::Api, "the list has no resourceVersion"));
        }
        let number = version.parse().unwrap_or(u64::MAX);
        if number < self.newest {
            let what = format!(
                "the list is of version {version}, older than {} that was seen before: this API \
                 server lags behind",
                self.newest
            );
            return Err(call.error(ErrorKind::Unreachable, &what));
        }
        if number != u64::MAX {
            self.newest = number;
        }
        self.ready.push_back(Signal::ListEnds);
        self.listed = Instant::now();
        self.backoff.reset();
        Ok(())
    }

    async fn open(&mut self, call: Call, silence: Duration) -> Result<Box<Stream>, Error> {
        // Spread, so that the watches of many namespaces do not end at the same moment.
        let timeout = self.config.watch_timeout;
        let timeout = timeout.mul_f64(0.75 + 0.25 * self.backoff.fraction());
        let call = call
            .query("watch", true)
            .query("allowWatchBookmarks", true)
            .query("timeoutSeconds", timeout.as_secs().max(1));
        let answer = call.send(&self.client, LIST_ANSWER_LIMIT).await?;
        Ok(Box::new(Stream {
            answer,
            lines: Lines::new(MAX_OBJECT_BYTES),
            opened: Instant::now(),
            heard_anything: false,
            deadline: Instant::now() + timeout + silence,
        }))
    }

    async fn watch(&mut self, version: Box<str>) -> Step {
        let call = self.call("watch").query("resourceVersion", &version);
        match self.open(call, self.config.silence_limit).await {
            Ok(stream) => {
                self.ready.push_back(Signal::Heard);
                self.state = State::Watching { stream, version };
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Gone => Err((error, State::Start)),
            Err(error) => Err((error, State::Watch(version))),
        }
    }

    async fn watching(&mut self, mut stream: Box<Stream>, version: Box<str>) -> Step {
        let until_resync = self.until_resync();
        if until_resync.is_zero() {
            tracing::debug!("listing all pods anew, as the resync period asks");
            self.state = State::Start;
            return Ok(());
        }
        let left = stream.deadline.saturating_duration_since(Instant::now());
        let limit = left.min(self.config.silence_limit);
        match stream.answer.next(limit.min(until_resync)).await {
            Ok(Some(bytes)) => {
                stream.heard_anything = true;
                let mut events = VecDeque::new();
                let mut pool = self.pool.lock();
                let read = |line: &[u8]| events.push_back(decode::event(line, &mut pool));
                let pushed = stream.lines.push(&bytes, read);
                drop(pool);
                pushed.map_err(|fault| (faulty(&stream.answer.call, &fault), State::Start))?;
                self.ready.push_back(Signal::Heard);
                self.state = State::Watching { stream, version };
                self.take_in(events)
            }
            Ok(None) => {
                // The server ends a watch when its time is over. One that says nothing and ends at
                // once must not be asked again in a tight loop.
                if !stream.heard_anything && stream.opened.elapsed() < MIN_RETRY_WAIT {
                    self.wait = Some(self.backoff.next(None));
                }
                self.state = State::Watch(version);
                Ok(())
            }
            Err(_) if self.until_resync().is_zero() => {
                self.state = State::Watching { stream, version };
                Ok(())
            }
            Err(error) => Err((error, State::Watch(version))),
        }
    }

    fn until_resync(&self) -> Duration {
        let period = self.config.resync_after.unwrap_or(Duration::MAX);
        period.saturating_sub(self.listed.elapsed())
    }

    /// Takes in the events of a watch that is open.
    fn take_in(&mut self, events: VecDeque<Event>) -> Step {
        let State::Watching { stream, version } = &mut self.state else {
            return Ok(());
        };
        let (call, mut version) = (stream.answer.call.clone(), version.clone());
        for event in events {
            match &event {
                Event::Applied(pod) | Event::Deleted(pod) => {
                    newer(&mut version, pod.resource_version());
                    self.backoff.reset();
                }
                Event::Bookmark {
                    resource_version, ..
                } => {
                    newer(&mut version, resource_version);
                    self.backoff.reset();
                    continue;
                }
                _ => {}
            }
            if let Err(error) = self.signal(&call, event) {
                let start_anew = matches!(error.kind(), ErrorKind::Gone | ErrorKind::Syntax);
                let state = if start_anew {
                    State::Start
                } else {
                    State::Watch(version)
                };
                return Err((error, state));
            }
        }
        self.newest = self.newest.max(version.parse().unwrap_or(0));
        if let State::Watching { version: at, .. } = &mut self.state {
            *at = version;
        }
        Ok(())
    }

    fn signal(&mut self, call: &Call, event: Event) -> Result<(), Error> {
        self.ready.push_back(match event {
            Event::Applied(pod) => Signal::Pod(pod),
            Event::Deleted(pod) => Signal::Gone(pod),
            Event::Unreadable(pod) => Signal::Unreadable(pod),
            Event::Bookmark { .. } => Signal::Heard,
            Event::Error(status) => return Err(call.status(&status, None)),
            Event::Unknown(kind) => {
                tracing::debug!(%kind, "an event of a type that is not known is left out");
                return Ok(());
            }
            Event::Garbage => return Err(faulty(call, &Fault::NotJson)),
        });
        Ok(())
    }
}

/// What went wrong, and where to go on after a pause.
type Step = Result<(), (Error, State)>;

/// The higher of two versions, so that a reordered event does not take a watch back.
fn newer(version: &mut Box<str>, seen: &str) {
    let is_older = match (seen.parse::<u64>(), version.parse::<u64>()) {
        (Ok(seen), Ok(version)) => seen < version,
        _ => seen.is_empty(),
    };
    if !is_older {
        *version = seen.into();
    }
}

fn cut(call: &Call) -> Error {
    call.error(
        ErrorKind::Unreachable,
        "the connection ended in the middle of the answer",
    )
}

fn faulty(call: &Call, fault: &Fault) -> Error {
    match fault {
        Fault::TooLarge => call.error(
            ErrorKind::TooLarge,
            &format!("an object in the answer is larger than {MAX_OBJECT_BYTES} bytes"),
        ),
        Fault::NotJson => call.error(ErrorKind::Syntax, "the answer is not JSON of the API"),
    }
}
