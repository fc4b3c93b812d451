//! Requests whose bodies reach no log, and what their errors mean.
//!
//! `kube::Api` writes an answer that it cannot parse to the log, and the answer here is a Secret. So the
//! requests are made by kube, sent by its client, and read here.

use std::fmt;
use std::marker::PhantomData;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, GetParams, PostParams, Preconditions};
use kube::core::Request;
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::super::Version;
use super::super::objects::Show;
use super::object;
use crate::error::{Error, ErrorKind, Result};

/// Makes requests for one kind of object in one namespace.
pub(super) struct Requests<'a, K> {
    client: &'a Client,
    request: Request,
    kind: PhantomData<fn() -> K>,
}

/// What is read of the answer to a write.
#[derive(Deserialize)]
struct Written {
    metadata: ObjectMeta,
}

impl<'a, K> Requests<'a, K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Serialize + DeserializeOwned,
{
    pub(super) fn new(client: &'a Client, namespace: &str) -> Self {
        Self {
            client,
            request: Request::new(K::url_path(&(), Some(namespace))),
            kind: PhantomData,
        }
    }

    /// Reads an object as it is now.
    pub(super) async fn get(
        &self,
        attempt: &'static str,
        of: &dyn Show,
        name: &str,
    ) -> Result<Option<K>> {
        let request = self.request.get(name, &GetParams::default());
        match self.send(attempt, of, request).await? {
            Ok(body) => parse(attempt, of, &body).map(Some),
            Err(refused) if refused.code == 404 => Ok(None),
            Err(refused) => Err(refused.into_error(attempt, of)),
        }
    }

    /// Creates the object if it has no version, else replaces that version; `None` if it is another one by
    /// now.
    pub(super) async fn put(
        &self,
        attempt: &'static str,
        of: &dyn Show,
        name: &str,
        mut object: K,
    ) -> Result<Option<Version>>
    where
        K: Wipe,
    {
        let body = serde_json::to_vec(&object).map_err(|_| {
            let reason = "it is no JSON; leave out what cannot be text";
            Error::store(ErrorKind::Invalid, attempt, of, reason)
        });
        object.wipe();
        let (replaces, body) = (object.meta().resource_version.is_some(), body?);
        let post = PostParams::default();
        let request = if replaces {
            self.request.replace(name, &post, body)
        } else {
            self.request.create(&post, body)
        };
        match self.send(attempt, of, request).await? {
            Ok(body) => {
                let written: Written = parse(attempt, of, &body)?;
                let version = written.metadata.resource_version.unwrap_or_default();
                Ok(Some(Version::new(version)))
            }
            Err(refused) if refused.code == 409 => Ok(None),
            // An object to replace that is gone.
            Err(refused) if refused.code == 404 && replaces => Ok(None),
            Err(refused) => Err(refused.into_error(attempt, of)),
        }
    }

    /// Deletes the object if it is still this version; `false` if it is not.
    pub(super) async fn delete(
        &self,
        attempt: &'static str,
        of: &dyn Show,
        name: &str,
        found: &K,
    ) -> Result<bool> {
        let only = DeleteParams {
            preconditions: Some(Preconditions {
                resource_version: found.meta().resource_version.clone(),
                uid: found.meta().uid.clone(),
            }),
            ..DeleteParams::default()
        };
        let request = self.request.delete(name, &only);
        match self.send(attempt, of, request).await? {
            Ok(_) => Ok(true),
            Err(refused) if matches!(refused.code, 404 | 409) => Ok(false),
            Err(refused) => Err(refused.into_error(attempt, of)),
        }
    }

    async fn send(
        &self,
        attempt: &'static str,
        of: &dyn Show,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Result<Zeroizing<String>, Refused>> {
        let request = request.map_err(|error| {
            let reason = "the request cannot be made; see the cause";
            Error::store(ErrorKind::Invalid, attempt, of, reason).caused_by(error)
        })?;
        match self.client.request_text(request).await {
            Ok(body) => Ok(Ok(Zeroizing::new(body))),
            Err(kube::Error::Api(status)) => Ok(Err(Refused::new(&status))),
            Err(error) => Err(fault(attempt, of, error)),
        }
    }
}

/// Overwrites what is secret in an object.
pub(super) trait Wipe {
    fn wipe(&mut self) {}
}

impl Wipe for Secret {
    fn wipe(&mut self) {
        object::wipe(self);
    }
}

/// The cause is left out: a message of serde shows what it stumbled on.
fn parse<T: DeserializeOwned>(attempt: &'static str, of: &dyn Show, body: &str) -> Result<T> {
    serde_json::from_str(body).map_err(|_| unreadable(attempt, of))
}

fn unreadable(attempt: &'static str, of: impl fmt::Display) -> Error {
    let reason = "the answer is not that of an API server; check the address, and what stands between (a proxy answers with a page)";
    Error::store(ErrorKind::Unavailable, attempt, of, reason)
}

/// A request that the API server answered with a status.
struct Refused {
    code: u16,
    message: String,
}

impl Refused {
    fn new(status: &kube::core::Status) -> Self {
        Self {
            code: status.code,
            message: status.message.clone(),
        }
    }

    fn into_error(self, attempt: &'static str, of: impl fmt::Display) -> Error {
        let Self { code, message } = self;
        let (kind, advice) = match code {
            // By their words, since quota and permission have one code.
            403 if message.contains("exceeded quota") => (
                ErrorKind::Full,
                "a quota of the namespace is used up; raise it, or delete what is not needed",
            ),
            401 | 403 => (
                ErrorKind::Denied,
                "the API server does not let us in; check the token, and the Role of this account (get, list, create, update, delete on secrets; get, create, update on leases)",
            ),
            404 => (
                ErrorKind::Io,
                "there is no such namespace or API; create the namespace, or correct its name",
            ),
            400 | 413 | 415 | 422 => (
                ErrorKind::Invalid,
                "the API server refuses the object; see that nobody made the Secret immutable or of another type, and delete it to have it made anew",
            ),
            _ if message.contains("database space exceeded") => (
                ErrorKind::Full,
                "etcd is full; compact and defragment it, or raise its quota",
            ),
            _ => (
                ErrorKind::Unavailable,
                "the API server does not answer as it should, so a write may have been done or not; try again",
            ),
        };
        let said = if shows_the_body(code) {
            String::new()
        } else {
            format!(": {}", crate::text::Escaped(&shortened(&message)))
        };
        let reason = format!("{advice} (HTTP {code}{said})");
        Error::store(kind, attempt, of, reason)
    }
}

/// Whether the message of a status may quote from the body, as that of a parser does.
fn shows_the_body(code: u16) -> bool {
    matches!(code, 400 | 413 | 415 | 422) || !(400..600).contains(&code)
}

fn shortened(message: &str) -> String {
    const SHOWN: usize = 300;
    let mut shown: String = message.chars().take(SHOWN).collect();
    if shown.len() < message.len() {
        shown.push_str("...");
    }
    shown
}

/// An error of the client, by what to do about it.
pub(super) fn fault(attempt: &'static str, of: impl fmt::Display, error: kube::Error) -> Error {
    match error {
        kube::Error::Api(status) => Refused::new(&status).into_error(attempt, of),
        kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => unreadable(attempt, of),
        kube::Error::Auth(error) => {
            let reason = "the client has no valid credentials; check its kubeconfig, or the token that is mounted";
            Error::store(ErrorKind::Denied, attempt, of, reason).caused_by(error)
        }
        error => {
            let reason = "the API server cannot be reached, so a write may have been done or not; try again, and check its address and certificate";
            Error::store(ErrorKind::Unavailable, attempt, of, reason).caused_by(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_named_by_what_to_do() {
        let error = |code, message: &str| {
            let message = message.to_owned();
            Refused { code, message }.into_error("save", "certificates/a.example")
        };
        for (code, message, kind) in [
            (401, "Unauthorized", ErrorKind::Denied),
            (403, "secrets is forbidden: User", ErrorKind::Denied),
            (403, "is forbidden: exceeded quota: q", ErrorKind::Full),
            (404, "namespaces \"x\" not found", ErrorKind::Io),
            (422, "is immutable", ErrorKind::Invalid),
            (429, "too many requests", ErrorKind::Unavailable),
            (
                500,
                "etcdserver: mvcc: database space exceeded",
                ErrorKind::Full,
            ),
            (503, "shutting down", ErrorKind::Unavailable),
        ] {
            assert_eq!(error(code, message).kind(), kind, "{code}");
        }
        // The API server quotes what it could not parse.
        let quoted = "illegal base64 data ...|\"data\":{\"tls.key\":\"CANARY\"|...";
        for code in [0, 200, 400, 413, 422] {
            let error = error(code, quoted);
            assert!(!format!("{error} {error:?}").contains("CANARY"), "{error}");
        }
        let long = error(503, &"x".repeat(10_000));
        assert!(long.to_string().len() < 800, "{long}");
    }
}
