//! One look at all pods, with as few bytes as can be.

use std::{
    collections::{HashSet, VecDeque},
    fmt,
    sync::Arc,
};

use kube::Client;
use tokio::time::sleep;

use super::{
    backoff::Backoff,
    call::{Call, TABLE},
    decode::{self, ListEnvelope, UnreadablePod},
    names::Names,
    scope::PodScope,
    split::Elements,
    stats::{Counts, SweepStats},
    store::SharedPool,
    suspect::{Columns, Nodes, Row},
    table::{Page, ended, not_json},
};
use crate::{
    diagnose::thresholds::Thresholds,
    error::{Error, ErrorKind},
    limits::{
        DEFAULT_PAGE_SIZE, LIST_ANSWER_LIMIT, LIST_SILENCE_LIMIT, MAX_OBJECT_BYTES, MAX_PAGE_SIZE,
        MAX_SWEEP_TRIES,
    },
    model::pod::PodState,
};

/// One look at all pods, for scripts and for clusters too big to follow.
///
/// The API server makes a table of the pods of each namespace, the one that `kubectl get pods`
/// prints, about 140 bytes a pod instead of 9,000. Only the pods whose row is not plainly healthy
/// are then asked for. What is found is what a full list would have shown: see
/// [what remains](Self#what-the-table-does-not-show).
///
/// ```no_run
/// # async fn example(client: kube::Client, now: opsbox_heal::Timestamp) {
/// use opsbox_heal::{diagnose, observe::live::{PodScope, Sweep, Swept}};
///
/// let mut sweep = Sweep::new(client, PodScope::all());
/// while let Some(swept) = sweep.next().await {
///     match swept {
///         Ok(Swept::Pod(pod)) => println!("{pod}: {}", diagnose(&pod, now)),
///         Ok(Swept::Unreadable(pod)) => println!("{pod}"),
///         Err(error) => println!("{error}"),
///         Ok(_) => {}
///     }
/// }
/// println!("{} of {} pods looked at", sweep.stats().fetched, sweep.stats().pods);
/// # }
/// ```
///
/// # How a namespace is swept
///
/// * A table by pages (`includeObject=None`). A row is above suspicion if its STATUS is `Running`,
///   all its containers are ready, none has restarted within an hour
///   ([`Thresholds::oom_recent`]; servers before 1.22 do not say when, so there any restart counts),
///   its readiness gates are open, and its node is ready. A pod that ended well is above suspicion
///   for two minutes.
/// * Every other pod is asked for by name; if they are half of a page or more, the page is asked for
///   in full.
/// * If the server answers with objects instead of a table, these are taken, all of them.
///
/// # What the table does not show
///
/// | what | how it is found all the same |
/// |---|---|
/// | a node that does not answer: its pods keep the row of its last report | the nodes are listed first, as a table; needs `list` on `nodes` |
/// | a container that ran out of memory and runs again | by RESTARTS |
/// | a probe that fails now, but not often enough yet | it is not unready yet: no list shows it |
/// | an init container that was killed and then ended well | it is not shown, and history in a full list too |
/// | condition `Ready` is not true although all containers are ready and no readiness gate is shut | only with a node that is not ready; else it is not found |
///
/// Without the permission on `nodes`, [`SweepStats::nodes_not_known`] says so, and the first row
/// falls to the node controller, which marks the pods `Terminating` after five minutes.
///
/// Needs `list` and `get` on `pods`, `list` on `nodes`, and for all namespaces `list` on
/// `namespaces`.
pub struct Sweep {
    client: Client,
    scope: Arc<PodScope>,
    thresholds: Thresholds,
    page_size: u32,
    tables: bool,
    ask_nodes: bool,
    pool: SharedPool,
    backoff: Backoff,
    /// Not known before they were asked for.
    nodes: Option<Nodes>,
    /// What is left to do, the namespace at hand first; not known before it was asked for.
    namespaces: Option<VecDeque<Box<str>>>,
    at_hand: AtHand,
    ready: VecDeque<Swept>,
    stats: SweepStats,
}

/// Where in a namespace the sweep is.
#[derive(Default)]
struct AtHand {
    /// The page that comes next.
    token: String,
    /// Pods to ask for by name before that.
    suspects: VecDeque<Box<str>>,
    /// How often the step has failed.
    tries: u32,
    counts: Counts,
}

/// What a sweep comes upon.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Swept {
    /// A pod worth a diagnosis. If the server makes no tables, any pod.
    Pod(PodState),
    /// A pod that could not be read: show it to a human.
    Unreadable(UnreadablePod),
}

impl Sweep {
    /// A sweep with the default [`Thresholds`] and pages of
    /// [`DEFAULT_PAGE_SIZE`] pods. Nothing is sent before [`next`](Self::next).
    pub fn new(client: Client, scope: PodScope) -> Self {
        Self {
            client,
            scope: Arc::new(scope),
            thresholds: Thresholds::default(),
            page_size: DEFAULT_PAGE_SIZE,
            tables: true,
            ask_nodes: true,
            pool: SharedPool::default(),
            backoff: Backoff::new(None),
            nodes: None,
            namespaces: None,
            at_hand: AtHand::default(),
            ready: VecDeque::new(),
            stats: SweepStats {
                tables: true,
                ..SweepStats::default()
            },
        }
    }

    /// The numbers that the verdicts will be made with: what counts as recent follows from them.
    #[must_use]
    pub fn thresholds(mut self, thresholds: Thresholds) -> Self {
        self.thresholds = thresholds;
        self
    }

    /// How many pods to ask for at once: 1 to [`MAX_PAGE_SIZE`].
    #[must_use]
    pub fn page_size(mut self, pods: u32) -> Self {
        self.page_size = pods.clamp(1, MAX_PAGE_SIZE);
        self
    }

    /// Whether to ask for tables; otherwise every pod is listed in full. On by default.
    #[must_use]
    pub fn tables(mut self, on: bool) -> Self {
        self.tables = on;
        self.stats.tables = on;
        self
    }

    /// Whether to list the nodes, to find the pods of those that do not answer. On by default.
    #[must_use]
    pub fn nodes(mut self, on: bool) -> Self {
        self.ask_nodes = on;
        self
    }

    /// Decides how waits after failures are spread, so that a simulation can be run again.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.backoff = Backoff::new(Some(seed));
        self
    }

    /// What has been seen in the namespaces that are done.
    pub fn stats(&self) -> &SweepStats {
        &self.stats
    }

    /// The next pod, or what failed; `None` at the end.
    ///
    /// What may pass is tried again up to [`MAX_SWEEP_TRIES`] times, with waits. After an error the
    /// sweep goes on with the next namespace; if the namespaces themselves cannot be listed, or the
    /// API server is not there or takes no credentials, that was all.
    ///
    /// # Errors
    ///
    /// Those of the API server: [`Forbidden`](ErrorKind::Forbidden) with verb and resource,
    /// [`Unreachable`](ErrorKind::Unreachable) and so on.
    pub async fn next(&mut self) -> Option<Result<Swept, Error>> {
        loop {
            if let Some(swept) = self.ready.pop_front() {
                return Some(Ok(swept));
            }
            if self.nodes.is_none() {
                match self.list_nodes().await {
                    Ok(nodes) => self.nodes = Some(nodes),
                    Err(error) => return Some(Err(self.end(error))),
                }
            }
            let Some(namespaces) = &self.namespaces else {
                match self.list_namespaces().await {
                    Ok(namespaces) => self.namespaces = Some(namespaces),
                    Err(error) => return Some(Err(self.end(error))),
                }
                continue;
            };
            let namespace = namespaces.front()?.clone();
            let seen = self.stats.bytes;
            let step = match self.at_hand.suspects.front().cloned() {
                Some(name) => self.fetch(&namespace, &name).await,
                None => self.page(&namespace).await,
            };
            let Err(error) = step else {
                self.at_hand.tries = 0;
                if self.at_hand.suspects.is_empty() && self.at_hand.token.is_empty() {
                    self.end_of_namespace();
                }
                continue;
            };
            self.at_hand.tries += 1;
            if !error.is_retryable() || self.at_hand.tries >= MAX_SWEEP_TRIES {
                self.end_of_namespace();
                return Some(Err(match self.is_of_the_server(&error, seen) {
                    true => self.end(error),
                    false => error,
                }));
            }
            if error.kind() == ErrorKind::Gone {
                // The token of the page has expired: the namespace begins anew.
                self.at_hand = AtHand {
                    tries: self.at_hand.tries,
                    ..AtHand::default()
                };
            }
            sleep(self.backoff.next(error.retry_after())).await;
        }
    }

    /// Nothing more will come.
    fn end(&mut self, error: Error) -> Error {
        self.nodes = Some(Nodes::NotKnown);
        self.namespaces = Some(VecDeque::new());
        error
    }

    /// Whether it would be the same for whatever is asked. `seen` are the bytes that were read before
    /// the call: if some of its answer came, it is that answer which breaks off.
    fn is_of_the_server(&self, error: &Error, seen: u64) -> bool {
        match error.kind() {
            ErrorKind::Unreachable => self.stats.bytes == seen,
            kind => matches!(kind, ErrorKind::Tls | ErrorKind::Unauthorized),
        }
    }

    async fn names(
        &mut self,
        resource: &'static str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<VecDeque<Box<str>>, Error> {
        let asked = Names {
            client: &self.client,
            page_size: self.page_size,
            backoff: &mut self.backoff,
            stats: &mut self.stats,
        };
        asked.list(resource, wanted).await
    }

    fn end_of_namespace(&mut self) {
        let done = std::mem::take(&mut self.at_hand);
        let counts = done.counts.namespaces.values();
        for count in counts {
            self.stats.pods += u64::from(count.pods);
            self.stats.suspects += u64::from(count.suspects);
        }
        self.stats.counts.add(done.counts);
        if let Some(namespaces) = &mut self.namespaces {
            namespaces.pop_front();
        }
    }

    async fn list_nodes(&mut self) -> Result<Nodes, Error> {
        if !self.ask_nodes || !self.tables {
            return Ok(Nodes::NotKnown);
        }
        let is_ready = |status: &str| status.split(',').next() == Some("Ready");
        let seen = self.stats.bytes;
        match self.names("nodes", is_ready).await {
            Ok(ready) => Ok(Nodes::Ready(ready.into_iter().collect())),
            Err(error) if self.is_of_the_server(&error, seen) => Err(error),
            Err(error) => {
                tracing::warn!(%error, "pods of nodes that do not answer will not be found");
                self.stats.nodes_not_known = Some(Arc::new(error));
                Ok(Nodes::NotKnown)
            }
        }
    }

    async fn list_namespaces(&mut self) -> Result<VecDeque<Box<str>>, Error> {
        if let Some(selected) = self.scope.selected_namespaces() {
            return Ok(selected.map(Into::into).collect());
        }
        self.names("namespaces", |_| true).await
    }

    /// The next page of a namespace. Nothing is changed before all of it was read.
    async fn page(&mut self, namespace: &str) -> Result<(), Error> {
        let call = self.list(namespace);
        if !self.tables {
            self.at_hand.token = self.typed_page(namespace, &call, None).await?;
            return Ok(());
        }
        let table = call.clone().query("includeObject", "None").accept(TABLE);
        self.stats.calls += 1;
        let page = Page::read(&table, &self.client, &mut self.stats).await?;
        let Some(columns) = Columns::find(&page.columns) else {
            if page.is_list {
                self.no_tables();
                self.take_objects(namespace, &page.objects);
                self.at_hand.token = page.token;
                return Ok(());
            }
            let what = format!(
                "the table has the columns {:?}, not those of pods",
                page.columns
            );
            return Err(table.error(ErrorKind::WrongKind, &what));
        };
        let row = |cells| Row {
            columns: &columns,
            cells,
        };
        if page.rows.iter().any(|cells| row(cells).name().is_empty()) {
            return Err(table.error(ErrorKind::WrongKind, "a row of the table has no name"));
        }
        let nodes = self.nodes.as_ref().unwrap_or(&Nodes::NotKnown);
        let is_suspicious = |cells| row(cells).is_suspicious(&self.thresholds, nodes);
        let suspicious: Vec<bool> = page.rows.iter().map(|c| is_suspicious(c)).collect();
        let names = page.rows.iter().map(|cells| Box::from(row(cells).name()));
        let mut suspects: VecDeque<Box<str>> = names
            .zip(&suspicious)
            .filter(|(_, is)| **is)
            .map(|(name, _)| name)
            .collect();
        if suspects.len() > 4 && suspects.len() * 2 >= page.rows.len() {
            // One call instead of hundreds, for at most twice the bytes.
            let wanted = suspects.drain(..).collect();
            self.typed_page(namespace, &call, Some(&wanted)).await?;
        }
        for (cells, suspicious) in page.rows.iter().zip(suspicious) {
            let row = row(cells);
            self.at_hand
                .counts
                .count(namespace, row.name(), row.node(), suspicious);
        }
        self.at_hand.suspects = suspects;
        self.at_hand.token = page.token;
        Ok(())
    }

    fn list(&self, namespace: &str) -> Call {
        let call = Call::new("list", "pods", Some(namespace)).query("limit", self.page_size);
        let call = self.scope.select(call);
        match self.at_hand.token.as_str() {
            "" => call,
            token => call.query("continue", token),
        }
    }

    /// Objects that came in place of a table.
    fn take_objects(&mut self, namespace: &str, objects: &[Box<[u8]>]) {
        for object in objects {
            let pod = decode::pod(object, &mut self.pool.lock());
            self.take(namespace, pod, true);
        }
    }

    fn no_tables(&mut self) {
        tracing::info!("the API server makes no tables: listing all pods in full");
        self.tables = false;
        self.stats.tables = false;
    }

    /// Reads pods in full, one at a time; without `wanted`, all of them, which are counted too.
    async fn typed_page(
        &mut self,
        namespace: &str,
        call: &Call,
        wanted: Option<&HashSet<Box<str>>>,
    ) -> Result<String, Error> {
        self.stats.calls += 1;
        let mut answer = call.send(&self.client, LIST_ANSWER_LIMIT).await?;
        let mut elements = Elements::new(&["items"], MAX_OBJECT_BYTES);
        let mut read = Vec::new();
        while let Some(bytes) = answer.next(LIST_SILENCE_LIMIT).await? {
            self.stats.read(&bytes);
            let mut pool = self.pool.lock();
            let each = |_, json: &[u8]| read.push(decode::pod(json, &mut pool));
            let pushed = elements.push(&bytes, each);
            drop(pool);
            pushed.map_err(|_| not_json(call))?;
            if wanted.is_some() {
                read.retain(|pod| is_wanted(pod, wanted));
            }
        }
        let envelope = elements.finish().ok_or_else(|| ended(call))?;
        let envelope: ListEnvelope =
            serde_json::from_slice(&envelope).map_err(|_| not_json(call))?;
        for pod in read {
            self.take(namespace, pod, wanted.is_none());
        }
        Ok(envelope.metadata.token)
    }

    /// Asks for one suspect.
    async fn fetch(&mut self, namespace: &str, name: &str) -> Result<(), Error> {
        let call = Call::new("get", "pods", Some(namespace)).name(name);
        self.stats.calls += 1;
        let mut answer = match call.send(&self.client, LIST_ANSWER_LIMIT).await {
            Ok(answer) => answer,
            Err(error) if error.status() == Some(404) => {
                self.stats.gone += 1;
                self.at_hand.suspects.pop_front();
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let json = answer.collect(MAX_OBJECT_BYTES, LIST_SILENCE_LIMIT).await?;
        self.stats.read(&json);
        let pod = decode::pod(&json, &mut self.pool.lock());
        self.at_hand.suspects.pop_front();
        self.take(namespace, pod, false);
        Ok(())
    }

    fn take(&mut self, namespace: &str, pod: Result<PodState, UnreadablePod>, count: bool) {
        self.backoff.reset();
        self.stats.fetched += 1;
        let (name, node) = match &pod {
            Ok(pod) => (pod.name(), pod.node()),
            Err(pod) => (pod.name(), None),
        };
        if count {
            self.at_hand.counts.count(namespace, name, node, true);
        }
        self.ready.push_back(match pod {
            Ok(pod) => Swept::Pod(pod),
            Err(pod) => Swept::Unreadable(pod),
        });
    }
}

impl fmt::Debug for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweep")
            .field("scope", &self.scope)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

fn is_wanted(pod: &Result<PodState, UnreadablePod>, wanted: Option<&HashSet<Box<str>>>) -> bool {
    let name = pod
        .as_ref()
        .map_or_else(UnreadablePod::name, PodState::name);
    wanted.is_none_or(|wanted| wanted.contains(name))
}
