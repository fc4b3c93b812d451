//! One request: faults, permissions, and what it asks for.

use std::{io, time::Duration};

use http::{Method, Request, Response, header};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::{
    answer::{self, Answer},
    body::{DoubleBody, Line, OpenWatch},
    double::{ApiDouble, Shared},
    faults::Fault,
    list::{Read, selection},
    record::{ApiRequest, ApiWrite},
    route::{Query, Route},
    watch::{self, Watcher},
    write::{Write, Written},
};

/// How long a watch lasts if it does not say so itself: what a server does by default.
const WATCH_SECONDS: u64 = 1_800;

/// A request, taken apart.
struct Asked {
    verb: &'static str,
    /// With the subresource, as RBAC writes it.
    resource: String,
    uri: String,
    route: Route,
    query: Query,
    as_table: bool,
    user_agent: String,
    body: Value,
}

/// Answers one request.
pub(super) async fn serve(
    double: ApiDouble,
    request: Request<Body>,
) -> io::Result<Response<DoubleBody>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let Some(route) = Route::parse(parts.uri.path()) else {
        let answer = Answer::failure(404, "NotFound", "the server could not find the resource");
        return respond(answer, &double, false);
    };
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let accept = parts.headers.get(header::ACCEPT);
    let accept = accept
        .and_then(|accept| accept.to_str().ok())
        .unwrap_or_default();
    let user_agent = parts.headers.get(header::USER_AGENT);
    let user_agent = user_agent.and_then(|name| name.to_str().ok());
    let verb = verb(&parts.method, &route, &query);
    let asked = Asked {
        verb,
        resource: match &route.subresource {
            Some(sub) => format!("{route}/{sub}"),
            None => route.to_string(),
        },
        uri: parts.uri.to_string(),
        as_table: double.lock().profile.tables && accept.contains("as=Table"),
        user_agent: user_agent.unwrap_or_default().to_owned(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        route,
        query,
    };
    if !asked.body.is_object() && !asked.body.is_null() {
        let answer = Answer::failure(400, "BadRequest", "the body is not an object");
        return respond(answer, &double, false);
    }
    let fault = double.lock().fault(&asked);
    if let Some(Fault::Slow(delay)) = fault {
        sleep(delay).await;
    }
    let at = double.elapsed();
    match fault {
        Some(Fault::Refused) => {
            double.lock().note(&asked, at, 0);
            let refused = io::ErrorKind::ConnectionRefused;
            return Err(io::Error::new(refused, "Connection refused"));
        }
        Some(Fault::Status(code)) => {
            double.lock().note(&asked, at, code);
            return respond(answer::of_code(code), &double, false);
        }
        Some(Fault::Gone) => {
            double.lock().note(&asked, at, 410);
            return respond(answer::of_code(410), &double, false);
        }
        _ => {}
    }
    let denied = double.lock().denied(&asked, at);
    if let Some(denied) = denied {
        return respond(denied, &double, false);
    }
    if asked.verb == "watch" {
        return watch(&double, asked, fault);
    }
    let mut shared = double.lock();
    let answer = match asked.verb {
        "get" | "list" => shared.read(&asked, at, fault),
        _ => shared.write(asked, at, fault),
    };
    drop(shared);
    if fault == Some(Fault::LostAnswer) {
        let reset = io::ErrorKind::ConnectionReset;
        return Err(io::Error::new(
            reset,
            "connection closed before message completed",
        ));
    }
    respond(answer, &double, fault == Some(Fault::Cut))
}

fn verb(method: &Method, route: &Route, query: &Query) -> &'static str {
    match *method {
        Method::GET if query.is_true("watch") => "watch",
        Method::GET if route.name.is_some() => "get",
        Method::GET => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "unknown",
    }
}

fn respond(answer: Answer, double: &ApiDouble, cut: bool) -> io::Result<Response<DoubleBody>> {
    let mut response = Response::builder()
        .status(answer.code)
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(seconds) = answer.retry_after {
        response = response.header(header::RETRY_AFTER, seconds);
    }
    let body = match cut {
        true => DoubleBody::cut(answer.body, &double.sent),
        false => DoubleBody::full(answer.body, &double.sent),
    };
    response.body(body).map_err(io::Error::other)
}

impl Shared {
    /// The fault of a request: the script's, else what the dice say.
    fn fault(&mut self, asked: &Asked) -> Option<Fault> {
        let mut script = self.script.iter();
        let scripted =
            script.position(|next| next.verb == asked.verb && next.resource == asked.resource);
        let fault = match scripted.and_then(|index| self.script.remove(index)) {
            Some(scripted) => Some(scripted.fault),
            None => self.dice.fault(asked.verb),
        };
        if let Some(fault) = fault {
            self.dice.count(fault.as_str());
        }
        fault
    }

    fn note(&mut self, asked: &Asked, at: Duration, code: u16) {
        self.requests.push(ApiRequest {
            at,
            verb: asked.verb,
            resource: asked.resource.clone(),
            uri: asked.uri.clone(),
            code,
        });
    }

    fn denied(&mut self, asked: &Asked, at: Duration) -> Option<Answer> {
        let is_this =
            |(verb, resource): &(String, String)| verb == asked.verb && *resource == asked.resource;
        if !self.denied.iter().any(is_this) {
            return None;
        }
        self.note(asked, at, 403);
        let place = match &asked.route.namespace {
            Some(namespace) => format!("in the namespace {namespace:?}"),
            None => "at the cluster scope".to_owned(),
        };
        let message = format!(
            "{} is forbidden: User \"test\" cannot {} resource {:?} in API group {:?} {place}",
            asked.resource, asked.verb, asked.resource, asked.route.group
        );
        Some(Answer::failure(403, "Forbidden", &message))
    }

    fn read(&mut self, asked: &Asked, at: Duration, fault: Option<Fault>) -> Answer {
        let read = Read {
            route: &asked.route,
            query: &asked.query,
            as_table: asked.as_table,
            now: self.now(at),
            profile: self.profile,
        };
        let stale = match fault {
            // A list without a version is never old on a real server. Of pods it is made worse.
            Some(Fault::Stale(changes)) if asked.route.resource == "pods" => changes,
            _ => 0,
        };
        let answer = match asked.verb {
            "get" => read.get(&self.objects),
            _ => read.list(&self.objects, stale),
        };
        self.note(asked, at, answer.code);
        answer
    }

    fn write(&mut self, asked: Asked, at: Duration, fault: Option<Fault>) -> Answer {
        let write = Write {
            route: &asked.route,
            query: &asked.query,
            body: asked.body.clone(),
            now: self.now(at),
        };
        let dry_run = write.is_dry_run();
        let Written {
            answer,
            changes,
            uid,
        } = match asked.verb {
            "create" => write.create(&mut self.objects),
            "update" => write.update(&mut self.objects),
            "patch" => write.patch(&mut self.objects),
            _ => write.delete(&mut self.objects),
        };
        self.note(&asked, at, answer.code);
        let name = asked.body.pointer("/metadata/name").and_then(Value::as_str);
        self.writes.push(ApiWrite {
            at,
            verb: asked.verb,
            resource: asked.route.to_string(),
            subresource: asked.route.subresource.clone(),
            namespace: asked.route.namespace.clone().unwrap_or_default(),
            name: match &asked.route.name {
                Some(name) => name.clone(),
                None => name.unwrap_or_default().to_owned(),
            },
            uid: uid.map(Into::into),
            user_agent: asked.user_agent,
            body: asked.body,
            dry_run,
            code: answer.code,
            answered: !matches!(fault, Some(Fault::LostAnswer | Fault::Cut)),
        });
        for change in &changes {
            self.tell(change);
        }
        answer
    }
}

/// Opens a watch.
fn watch(
    double: &ApiDouble,
    asked: Asked,
    fault: Option<Fault>,
) -> io::Result<Response<DoubleBody>> {
    let at = double.elapsed();
    let mut shared = double.lock();
    let selection = match selection(&asked.route, &asked.query) {
        Ok(selection) => selection,
        Err(wrong) => {
            shared.note(&asked, at, wrong.code);
            return respond(wrong, double, false);
        }
    };
    let initial = asked.query.is_true("sendInitialEvents");
    if initial && !shared.profile.streaming_lists {
        shared.note(&asked, at, 422);
        let message = "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: \
                       sendInitialEvents is forbidden for watch unless the WatchList feature \
                       gate is enabled";
        return respond(Answer::failure(422, "Invalid", message), double, false);
    }
    shared.note(&asked, at, 200);
    let (sender, lines) = mpsc::unbounded_channel();
    shared.last_watch += 1;
    let id = shared.last_watch;
    let mut watcher = Watcher {
        id,
        selection,
        lines: sender,
        bookmarks: asked.query.is_true("allowWatchBookmarks"),
        types: (asked.route.kind(), asked.route.api_version()),
        held: None,
        breaks: fault == Some(Fault::Cut),
    };
    let from = asked
        .query
        .get("resourceVersion")
        .and_then(|version| version.parse().ok());
    let goes_on = match (fault, from) {
        (Some(Fault::GoneEvent), _) => {
            watcher.gone();
            false
        }
        (Some(Fault::Hang), _) => {
            drop(watcher.lines.send(Line::Hang));
            true
        }
        (_, Some(version)) if version > 0 && !initial => resume(&shared, &mut watcher, version),
        _ => {
            begin(&shared, &mut watcher, initial);
            true
        }
    };
    if goes_on {
        shared.watchers.push(watcher);
    }
    drop(shared);
    let seconds = asked
        .query
        .get("timeoutSeconds")
        .and_then(|seconds| seconds.parse().ok());
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(WATCH_SECONDS));
    let open = OpenWatch::new(double, id, lines, end);
    Response::builder()
        .status(200)
        .header(header::CONTENT_TYPE, "application/json")
        .body(DoubleBody::watch(open, &double.sent))
        .map_err(io::Error::other)
}

/// What there is, as events; with the bookmark of the end if the client asked for a list.
fn begin(shared: &Shared, watcher: &mut Watcher, initial: bool) {
    let page = shared
        .objects
        .page(&watcher.selection, None, None, usize::MAX);
    let mut text = String::new();
    for object in page.into_iter().flat_map(|page| page.objects) {
        text.push_str(&watch::event("ADDED", &object));
        if text.len() > 64 * 1024 {
            watcher.send(text.as_bytes());
            text.clear();
        }
    }
    watcher.send(text.as_bytes());
    if initial {
        watcher.bookmark(shared.objects.version(), true);
    }
}

/// What has changed since a version; `false` if that is no longer known.
fn resume(shared: &Shared, watcher: &mut Watcher, version: u64) -> bool {
    let Some(changes) = shared.objects.since(version) else {
        watcher.gone();
        return false;
    };
    for change in changes {
        if let Some(kind) = change.event(&watcher.selection) {
            watcher.send(watch::event(kind, &change.last).as_bytes());
        }
    }
    true
}
