//! The CA behind the wire: who asks, what is answered.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use data_encoding::BASE64URL_NOPAD;
use hyper::header::{CACHE_CONTROL, HeaderName};
use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::jws::{Jwk, Message, Signer};
use super::order::Proof;
use super::sign::Authority;
use super::validate::{Attempt, Validator};
use crate::testing::ca::RequestClass;
use crate::testing::ca::faults::{Fault, draw};
use crate::testing::ca::model::{AccountId, AuthorizationId, CaModel, CertificateId, OrderId};
use crate::testing::ca::refusal::Refusal;

/// Most nonces that are kept: the oldest goes first.
const NONCES: usize = 100_000;
const NONCE: HeaderName = HeaderName::from_static("replay-nonce");

/// One request, read whole.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
    pub(super) from: IpAddr,
}

/// An account as the wire shows it.
pub(super) struct Account {
    pub(super) key: Jwk,
    pub(super) contact: Vec<String>,
    pub(super) active: bool,
    pub(super) orders: Vec<OrderId>,
}

/// A certificate that was issued.
pub(super) struct Issued {
    pub(super) pem: String,
    pub(super) serial: Vec<u8>,
    /// The bits of its public key.
    pub(super) key: Vec<u8>,
}

/// What is to be done when the answer is on its way.
pub(super) struct Job {
    pub(super) authorization: AuthorizationId,
    pub(super) attempt: Attempt,
    pub(super) validator: Arc<dyn Validator>,
}

pub(super) struct Core {
    pub(super) model: CaModel,
    pub(super) authority: Authority,
    /// `https://localhost:PORT`
    pub(super) base: String,
    pub(super) validator: Option<Arc<dyn Validator>>,
    pub(super) accounts: Vec<Account>,
    pub(super) proofs: HashMap<AuthorizationId, Proof>,
    pub(super) failures: HashMap<OrderId, Value>,
    pub(super) issued: HashMap<CertificateId, Issued>,
    pub(super) serials: HashMap<Vec<u8>, CertificateId>,
    pub(super) job: Option<Job>,
    nonces: HashSet<String>,
    nonce_order: VecDeque<String>,
    drawn: u64,
}

/// Who has signed a request, and what.
pub(super) struct Signed {
    pub(super) account: AccountId,
    pub(super) message: Message,
}

pub(super) fn class_of(path: &str) -> RequestClass {
    match path {
        "/directory" => RequestClass::Directory,
        "/acme/new-nonce" => RequestClass::Nonce,
        "/acme/new-order" => RequestClass::Order,
        _ if path.starts_with("/acme/renewal-info/") => RequestClass::RenewalInfo,
        _ => RequestClass::Other,
    }
}

impl Core {
    pub(super) fn new(
        model: CaModel,
        authority: Authority,
        base: String,
        validator: Option<Arc<dyn Validator>>,
    ) -> Self {
        Self {
            model,
            authority,
            base,
            validator,
            accounts: Vec::new(),
            proofs: HashMap::new(),
            failures: HashMap::new(),
            issued: HashMap::new(),
            serials: HashMap::new(),
            job: None,
            nonces: HashSet::new(),
            nonce_order: VecDeque::new(),
            drawn: 0,
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Bytes that are the same at each run of a seed, and never twice within one.
    pub(super) fn drawn(&mut self) -> [u8; 16] {
        let (seed, n) = (self.model.options.seed, self.drawn);
        self.drawn += 1;
        let halves = [draw(seed, 1 << 32, n), draw(seed, 2 << 32, n)];
        let mut out = [0; 16];
        for (place, byte) in out
            .iter_mut()
            .zip(halves.map(u64::to_be_bytes).as_flattened())
        {
            *place = *byte;
        }
        // Chance may repeat itself, a count does not.
        for (place, byte) in out.iter_mut().skip(8).zip(n.to_be_bytes()) {
            *place = byte;
        }
        out
    }

    pub(super) fn token(&mut self) -> String {
        let (first, second) = (self.drawn(), self.drawn());
        BASE64URL_NOPAD.encode(&[first, second].concat())
    }

    fn nonce(&mut self) -> String {
        let nonce = BASE64URL_NOPAD.encode(&self.drawn());
        if self.nonce_order.len() == NONCES
            && let Some(oldest) = self.nonce_order.pop_front()
        {
            self.nonces.remove(&oldest);
        }
        self.nonces.insert(nonce.clone());
        self.nonce_order.push_back(nonce.clone());
        nonce
    }

    /// Answers a request; `None` if the CA is down, and there is no answer.
    pub(super) fn answer(&mut self, asked: &Asked, now: SystemTime) -> Option<Answer> {
        let class = class_of(&asked.path);
        let answered = match self.model.admit(asked.from, class, now) {
            Ok(()) => self.route(asked, now),
            Err(refusal) if refusal.fault() == Some(Fault::Outage) => return None,
            Err(refusal) => Err(refusal),
        };
        let mut answer = answered.unwrap_or_else(|refusal| Answer::from(&refusal));
        if answer.status == StatusCode::FORBIDDEN && asked.path == "/acme/new-account" {
            // RFC 8555, section 7.3.3.
            answer = answer.link(&self.url("/terms"), "terms-of-service");
        }
        // RFC 8555, sections 6.5 and 7.1.
        if asked.method == Method::POST || class == RequestClass::Nonce {
            let nonce = self.nonce();
            answer = answer.header(NONCE, &nonce);
            answer.headers.insert(
                CACHE_CONTROL,
                hyper::header::HeaderValue::from_static("no-store"),
            );
        }
        if class != RequestClass::Directory {
            answer = answer.link(&self.url("/directory"), "index");
        }
        Some(answer)
    }

    fn route(&mut self, asked: &Asked, now: SystemTime) -> Result<Answer, Refusal> {
        let path = asked.path.as_str();
        match path {
            "/directory" => {
                reads(asked)?;
                return Ok(Answer::json(StatusCode::OK, &self.directory()));
            }
            "/acme/new-nonce" => {
                reads(asked)?;
                return Ok(Answer::empty(match asked.method {
                    Method::HEAD => StatusCode::OK,
                    _ => StatusCode::NO_CONTENT,
                }));
            }
            _ => {}
        }
        if let Some(id) = path.strip_prefix("/acme/renewal-info/") {
            reads(asked)?;
            return self.renewal_info(id, now);
        }
        let rest: Vec<&str> = path
            .strip_prefix("/acme/")
            .unwrap_or("")
            .split('/')
            .collect();
        let known = matches!(
            *rest,
            ["new-account" | "new-order" | "revoke-cert" | "key-change"]
                | ["account" | "order" | "authorization" | "certificate", _]
                | ["account", _, "orders"]
                | ["order", _, "finalize"]
                | ["challenge" | "certificate", _, _]
        );
        if !known {
            return Err(Refusal::not_found("there is nothing at this URL"));
        }
        if asked.method != Method::POST {
            return Err(Refusal::new(405, "malformed", "this URL takes POST alone"));
        }
        match *rest {
            ["new-account"] => {
                let (message, key) = self.signed_by_key(asked)?;
                self.new_account(asked, &message, key, now)
            }
            ["revoke-cert"] => self.revoke(asked, now),
            _ => {
                let signed = self.signed(asked)?;
                self.route_signed(&rest, asked, &signed, now)
            }
        }
    }

    fn route_signed(
        &mut self,
        rest: &[&str],
        asked: &Asked,
        signed: &Signed,
        now: SystemTime,
    ) -> Result<Answer, Refusal> {
        match *rest {
            ["new-order"] => self.new_order(signed, now),
            ["key-change"] => self.change_key(asked, signed),
            ["account", id] => {
                self.own_account(id, signed)?;
                self.change_account(signed)
            }
            ["account", id, "orders"] => {
                self.own_account(id, signed)?;
                self.orders(asked, signed)
            }
            ["order", id] => self.order(OrderId(number(id)?), signed, now),
            ["order", id, "finalize"] => self.finalize(OrderId(number(id)?), signed, now),
            ["authorization", id] => self.authorization(AuthorizationId(number(id)?), signed),
            ["challenge", id, kind] => {
                self.challenge(AuthorizationId(number(id)?), kind, signed, now)
            }
            ["certificate", id] => self.certificate(CertificateId(number(id)?), 0, signed),
            ["certificate", id, chain] => {
                let chain = usize::try_from(number(chain)?).unwrap_or(usize::MAX);
                self.certificate(CertificateId(number(id)?), chain, signed)
            }
            _ => Err(Refusal::not_found("there is nothing at this URL")),
        }
    }

    fn directory(&self) -> Value {
        let profiles = self.model.options.profiles.iter();
        let profiles: Map<String, Value> = profiles
            .map(|profile| (profile.name.clone(), profile.description.clone().into()))
            .collect();
        let mut directory = json!({
            "newNonce": self.url("/acme/new-nonce"),
            "newAccount": self.url("/acme/new-account"),
            "newOrder": self.url("/acme/new-order"),
            "revokeCert": self.url("/acme/revoke-cert"),
            "keyChange": self.url("/acme/key-change"),
            "meta": {
                "termsOfService": self.url("/terms"),
                "externalAccountRequired": false,
                "profiles": profiles,
            },
        });
        if self.model.options.ari {
            directory["renewalInfo"] = self.url("/acme/renewal-info").into();
        }
        directory
    }

    /// Reads a message and verifies all but who signed it: the key is given by `key_of`.
    fn verified(
        &mut self,
        asked: &Asked,
        key_of: impl FnOnce(&Self, &Signer) -> Result<Jwk, Refusal>,
    ) -> Result<Message, Refusal> {
        if asked.content_type != "application/jose+json" {
            let detail = "the content type is not application/jose+json";
            return Err(Refusal::new(415, "malformed", detail));
        }
        let message = Message::parse(&asked.body)?;
        let key = key_of(self, &message.signer)?;
        message.verify(&key)?;
        let nonce = message.text("nonce").unwrap_or("");
        let bad = |detail| Refusal::new(400, "badNonce", detail);
        // What is used once stays in the queue until it is the oldest.
        if nonce.is_empty() || !self.nonces.remove(nonce) {
            return Err(bad("the nonce was not given out, or is used up"));
        }
        if self.model.strikes(Fault::BadNonce) {
            return Err(bad("the nonce is refused, as injected").of_fault(Fault::BadNonce));
        }
        let query = asked.query.as_ref().map(|query| format!("?{query}"));
        let url = self.url(&format!("{}{}", asked.path, query.unwrap_or_default()));
        let Some(named) = message.text("url") else {
            return Err(Refusal::malformed("the header has no URL"));
        };
        if named != url {
            let detail = format!("the URL in the header is not {url:?}");
            return Err(Refusal::new(401, "unauthorized", detail));
        }
        Ok(message)
    }

    /// A message of a key that needs no account.
    fn signed_by_key(&mut self, asked: &Asked) -> Result<(Message, Jwk), Refusal> {
        let mut used = None;
        let message = self.verified(asked, |_, signer| match signer {
            Signer::Key(key) => {
                used = Some(key.clone());
                Ok(key.clone())
            }
            Signer::Account(_) => Err(Refusal::malformed("a new account is signed with a jwk")),
        })?;
        let key = used.ok_or_else(|| Refusal::malformed("there is no key"))?;
        Ok((message, key))
    }

    /// A message of an account.
    pub(super) fn signed(&mut self, asked: &Asked) -> Result<Signed, Refusal> {
        let mut used = None;
        let message = self.verified(asked, |core, signer| match signer {
            Signer::Account(url) => {
                let id = core.account_at(url)?;
                used = Some(id);
                Ok(core.account(id)?.key.clone())
            }
            Signer::Key(_) => Err(Refusal::malformed("this request is signed with a kid")),
        })?;
        let account = used.ok_or_else(no_account)?;
        if !self.account(account)?.active {
            let detail = "the account is deactivated";
            return Err(Refusal::new(401, "unauthorized", detail));
        }
        Ok(Signed { account, message })
    }

    /// A message of an account, or of another key, which is returned.
    pub(super) fn signed_by_either(
        &mut self,
        asked: &Asked,
    ) -> Result<(Message, Result<AccountId, Jwk>), Refusal> {
        let message = Message::parse(&asked.body)?;
        match message.signer {
            Signer::Account(_) => {
                let signed = self.signed(asked)?;
                Ok((signed.message, Ok(signed.account)))
            }
            Signer::Key(_) => {
                let (message, key) = self.signed_by_key(asked)?;
                Ok((message, Err(key)))
            }
        }
    }

    pub(super) fn account(&self, id: AccountId) -> Result<&Account, Refusal> {
        self.accounts.get(id.0 as usize).ok_or_else(no_account)
    }

    pub(super) fn account_mut(&mut self, id: AccountId) -> Result<&mut Account, Refusal> {
        self.accounts.get_mut(id.0 as usize).ok_or_else(no_account)
    }

    fn account_at(&self, url: &str) -> Result<AccountId, Refusal> {
        let foreign = || Refusal::malformed("the kid is no URL of an account of this CA");
        let id = url.strip_prefix(&self.url("/acme/account/"));
        let id: Option<u32> = id.ok_or_else(foreign)?.parse().ok();
        let id = AccountId(id.ok_or_else(no_account)?);
        self.account(id).map(|_| id)
    }

    fn own_account(&self, id: &str, signed: &Signed) -> Result<(), Refusal> {
        match id.parse() == Ok(signed.account.0) {
            true => Ok(()),
            false => Err(not_yours()),
        }
    }

    /// The certificate of an id of ARI (RFC 9773, section 4.1).
    pub(super) fn certificate_of(&self, ari_id: &str) -> Result<CertificateId, Refusal> {
        let parts = ari_id.split_once('.').and_then(|(authority, serial)| {
            let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).ok();
            Some((decode(authority)?, decode(serial)?))
        });
        let Some((authority, serial)) = parts else {
            return Err(Refusal::malformed("this is no certificate id of ARI"));
        };
        let found = self.serials.get(&serial);
        let found = found.filter(|_| authority == self.authority.key_id);
        found
            .copied()
            .ok_or_else(crate::testing::ca::model::no_certificate)
    }
}

fn reads(asked: &Asked) -> Result<(), Refusal> {
    match asked.method {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(Refusal::new(
            405,
            "malformed",
            "this URL takes GET and HEAD alone",
        )),
    }
}

pub(super) fn number(text: &str) -> Result<u64, Refusal> {
    let missing = |_| Refusal::not_found("there is nothing at this URL");
    text.parse().map_err(missing)
}

fn no_account() -> Refusal {
    Refusal::new(400, "accountDoesNotExist", "there is no such account")
}

pub(super) fn not_yours() -> Refusal {
    Refusal::new(403, "unauthorized", "this is of another account")
}
