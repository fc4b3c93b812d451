//! Orders, authorizations and challenges: RFC 8555, sections 7.4 and 7.5.

use std::time::{Duration, SystemTime};

use data_encoding::BASE64URL_NOPAD;
use hyper::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, problem};
use super::core::{Core, Issued, Job, Signed, not_yours};
use super::sign::Requested;
use super::validate::{Attempt, Failed, FailedKind};
use crate::identifier::Identifier;
use crate::inventory::ChallengeType;
use crate::testing::ca::limits::time;
use crate::testing::ca::model::{
    AuthorizationId, AuthorizationState, OrderId, OrderState, OrderTerms, SetId, status,
};
use crate::testing::ca::refusal::Refusal;

/// How many orders are placed until what has expired is forgotten.
const SWEPT_EVERY: u64 = 1_024;

/// One challenge of an authorization.
pub(super) struct Challenge {
    kind: ChallengeType,
    state: &'static str,
    validated: Option<SystemTime>,
    error: Option<Value>,
}

/// What an authorization has beside its state in the model.
pub(super) struct Proof {
    token: String,
    identifier: Identifier,
    challenges: Vec<Challenge>,
    orders: Vec<OrderId>,
}

pub(super) fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    crate::facts::rfc3339(i64::try_from(seconds).unwrap_or(i64::MAX))
}

fn identifier_json(text: &str) -> Value {
    let kind = match text.parse() {
        Ok(Identifier::Ip(_)) => "ip",
        _ => "dns",
    };
    json!({"type": kind, "value": text})
}

impl Core {
    pub(super) fn new_order(
        &mut self,
        signed: &Signed,
        now: SystemTime,
    ) -> Result<Answer, Refusal> {
        let wanted = signed.message.object()?;
        if wanted.contains_key("notBefore") || wanted.contains_key("notAfter") {
            let detail = "notBefore and notAfter are not supported";
            return Err(Refusal::malformed(detail));
        }
        let listed = wanted.get("identifiers").and_then(Value::as_array);
        let mut names = Vec::new();
        for identifier in listed.into_iter().flatten() {
            let part = |name| identifier.get(name).and_then(Value::as_str);
            let (kind, value) = (part("type").unwrap_or(""), part("value").unwrap_or(""));
            let parsed = value.parse::<Identifier>();
            match (kind, parsed) {
                ("dns", Ok(Identifier::Dns(_))) | ("ip", Ok(Identifier::Ip(_))) => {
                    names.push(value.to_owned());
                }
                ("dns" | "ip", _) => {
                    let detail = format!("{value:?} is no identifier of type {kind:?}");
                    return Err(Refusal::malformed(detail));
                }
                _ => {
                    let detail = format!("identifiers of type {kind:?} are not supported");
                    return Err(Refusal::new(400, "unsupportedIdentifier", detail));
                }
            }
        }
        let set = self.model.set(&names)?;
        let mut terms = OrderTerms::new();
        let profile = match wanted.get("profile") {
            None | Some(Value::Null) => None,
            Some(profile) => Some(profile.as_str().unwrap_or("")),
        };
        if let Some(profile) = profile.filter(|profile| !profile.is_empty()) {
            terms = terms.profile(profile);
        }
        if let Some(replaces) = wanted.get("replaces").and_then(Value::as_str) {
            terms = terms.replaces(self.certificate_of(replaces)?);
        }
        let order = self.model.order(signed.account, set, terms, now)?;
        if order.0 % SWEPT_EVERY == 0 {
            self.sweep();
        }
        let account = self.account_mut(signed.account)?;
        if !account.orders.contains(&order) {
            account.orders.push(order);
            self.prepare(order, set)?;
        }
        let url = self.url(&format!("/acme/order/{}", order.0));
        let body = self.order_json(order)?;
        Ok(Answer::json(StatusCode::CREATED, &body).location(&url))
    }

    /// Makes the tokens of an order's new authorizations.
    fn prepare(&mut self, order: OrderId, set: SetId) -> Result<(), Refusal> {
        let names = self.model.names.get(set.0);
        let names: Vec<String> = names
            .map(|set| set.identifiers().map(str::to_owned).collect())
            .unwrap_or_default();
        for (id, name) in self.model.authorizations(order)?.into_iter().zip(names) {
            let identifier: Identifier = name
                .parse()
                .map_err(|_| Refusal::malformed("a name is none"))?;
            if let Some(proof) = self.proofs.get_mut(&id) {
                proof.orders.push(order);
                continue;
            }
            let kinds: &[ChallengeType] = match &identifier {
                name if name.is_wildcard() => &[ChallengeType::Dns01],
                Identifier::Ip(_) => &[ChallengeType::Http01, ChallengeType::TlsAlpn01],
                Identifier::Dns(_) => &[
                    ChallengeType::Http01,
                    ChallengeType::Dns01,
                    ChallengeType::TlsAlpn01,
                ],
            };
            let challenge = |kind: &ChallengeType| Challenge {
                kind: *kind,
                state: "pending",
                validated: None,
                error: None,
            };
            let proof = Proof {
                token: self.token(),
                identifier,
                challenges: kinds.iter().map(challenge).collect(),
                orders: vec![order],
            };
            self.proofs.insert(id, proof);
        }
        Ok(())
    }

    fn order_json(&self, id: OrderId) -> Result<Value, Refusal> {
        let missing = || Refusal::not_found("there is no such order, or it has expired");
        let order = self.model.orders.get(id.0).ok_or_else(missing)?;
        let url = self.url(&format!("/acme/order/{}", id.0));
        let names = self.model.names.get(order.set);
        let names = names.map(|set| set.identifiers().map(identifier_json).collect());
        let authorizations = order.authorizations.iter();
        let authorizations: Vec<String> = authorizations
            .map(|id| self.url(&format!("/acme/authorization/{id}")))
            .collect();
        let names: Vec<Value> = names.unwrap_or_default();
        let mut out = json!({
            "status": status(order.state),
            "expires": rfc3339(time(order.expires)),
            "identifiers": names,
            "authorizations": authorizations,
            "finalize": format!("{url}/finalize"),
        });
        if order.profile_named
            && let Some(profile) = self.model.options.profiles.get(usize::from(order.profile))
        {
            out["profile"] = profile.name.clone().into();
        }
        if let Some(replaced) = order.replaces
            && let Some(issued) = self
                .issued
                .get(&crate::testing::ca::CertificateId(replaced))
        {
            out["replaces"] = self.ari_id(&issued.serial).into();
        }
        if let OrderState::Valid(certificate) = order.state {
            out["certificate"] = self
                .url(&format!("/acme/certificate/{}", certificate.0))
                .into();
        }
        if let Some(error) = self.failures.get(&id) {
            out["error"] = error.clone();
        }
        Ok(out)
    }

    pub(super) fn ari_id(&self, serial: &[u8]) -> String {
        let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        format!("{}.{}", encode(&self.authority.key_id), encode(serial))
    }

    /// The order as it stands, if it is of who asks.
    fn own_order(
        &mut self,
        id: OrderId,
        signed: &Signed,
        now: SystemTime,
    ) -> Result<OrderState, Refusal> {
        let order = self.model.orders.get(id.0);
        if order.is_some_and(|order| order.account != signed.account.0) {
            return Err(not_yours());
        }
        self.model.look(id, now)
    }

    fn show_order(&mut self, id: OrderId) -> Result<Answer, Refusal> {
        let body = self.order_json(id)?;
        let url = self.url(&format!("/acme/order/{}", id.0));
        let answer = Answer::json(StatusCode::OK, &body).location(&url);
        if body["status"] != "processing" {
            return Ok(answer);
        }
        let wait = self.model.said(Some(Duration::from_secs(1)));
        Ok(answer.retry_after(wait))
    }

    pub(super) fn order(
        &mut self,
        id: OrderId,
        signed: &Signed,
        now: SystemTime,
    ) -> Result<Answer, Refusal> {
        self.own_order(id, signed, now)?;
        self.show_order(id)
    }

    pub(super) fn finalize(
        &mut self,
        id: OrderId,
        signed: &Signed,
        now: SystemTime,
    ) -> Result<Answer, Refusal> {
        let state = self.own_order(id, signed, now)?;
        let wanted = signed.message.object()?;
        if state != OrderState::Ready {
            let detail = format!("the order is {:?} and cannot be finalized", status(state));
            return Err(Refusal::new(403, "orderNotReady", detail));
        }
        let csr = wanted.get("csr").and_then(Value::as_str).unwrap_or("");
        let csr = BASE64URL_NOPAD.decode(csr.as_bytes());
        let csr = csr.map_err(|_| Refusal::malformed("the csr is no base64url"))?;
        let requested = Requested::parse(&csr)?;
        let set = self.model.orders.get(id.0);
        let set = set.and_then(|order| self.model.names.get(order.set));
        let ordered: Vec<&str> = set
            .map(|set| set.identifiers().collect())
            .unwrap_or_default();
        if requested.names != ordered {
            let detail = format!(
                "the signing request is for {}, the order for {}",
                requested.names.join(", "),
                ordered.join(", ")
            );
            return Err(Refusal::new(403, "unauthorized", detail));
        }
        let key = requested.key_bits().to_vec();
        let is_account = |account: &super::core::Account| account.key.subject_key() == Some(&key);
        if self.accounts.iter().any(is_account) {
            let detail = "the signing request has the key of an account";
            return Err(Refusal::new(400, "badCSR", detail));
        }
        self.model.finalize(id, now)?;
        // It is the last one, even if the order does not show it yet.
        let certificate = self.model.certificates.next().saturating_sub(1);
        let certificate = crate::testing::ca::CertificateId(certificate);
        let mut serial = self.drawn();
        // RFC 5280, section 4.1.2.2: positive, and without a byte that only says so.
        serial[0] = 0x2c;
        let validity = self.model.validity(certificate)?;
        let (_, pem) = self.authority.sign(&requested, &serial, validity)?;
        self.serials.insert(serial.to_vec(), certificate);
        let issued = Issued {
            pem,
            serial: serial.to_vec(),
            key,
        };
        self.issued.insert(certificate, issued);
        self.show_order(id)
    }

    fn own_proof(&self, id: AuthorizationId, signed: &Signed) -> Result<&Proof, Refusal> {
        let missing = || Refusal::not_found("there is no such authorization, or it has expired");
        let proof = self.model.proofs.get(id.0).ok_or_else(missing)?;
        if proof.account != signed.account.0 {
            return Err(not_yours());
        }
        self.proofs.get(&id).ok_or_else(missing)
    }

    pub(super) fn authorization(
        &mut self,
        id: AuthorizationId,
        signed: &Signed,
    ) -> Result<Answer, Refusal> {
        self.own_proof(id, signed)?;
        if !signed.message.is_get() {
            let wanted = signed.message.object()?;
            match wanted.get("status").and_then(Value::as_str) {
                Some("deactivated") => self.model.deactivate(id)?,
                _ => {
                    let detail = "an authorization can be deactivated, and nothing else";
                    return Err(Refusal::malformed(detail));
                }
            }
        }
        let proof = self.own_proof(id, signed)?;
        let state = self.model.authorization(id)?;
        let known = self.model.proofs.get(id.0);
        let (expires, wildcard) = known.map_or((0, false), |known| (known.expires, known.wildcard));
        let challenges: Vec<Value> = proof
            .challenges
            .iter()
            // RFC 8555, section 7.1.4: of one that is decided, what decided it.
            .filter(|challenge| match state {
                AuthorizationState::Valid => challenge.state == "valid",
                AuthorizationState::Invalid => challenge.state == "invalid",
                _ => true,
            })
            .map(|challenge| self.challenge_json(id, proof, challenge))
            .collect();
        let mut out = json!({
            "identifier": identifier_json(&proof.identifier.base()),
            "status": match state {
                AuthorizationState::Pending => "pending",
                AuthorizationState::Valid => "valid",
                AuthorizationState::Invalid => "invalid",
                AuthorizationState::Deactivated => "deactivated",
            },
            "expires": rfc3339(time(expires)),
            "challenges": challenges,
        });
        if wildcard {
            out["wildcard"] = true.into();
        }
        Ok(Answer::json(StatusCode::OK, &out))
    }

    fn challenge_json(&self, id: AuthorizationId, proof: &Proof, challenge: &Challenge) -> Value {
        let kind = challenge.kind.as_str();
        let mut out = json!({
            "type": kind,
            "url": self.url(&format!("/acme/challenge/{}/{kind}", id.0)),
            "token": proof.token,
            "status": challenge.state,
        });
        if let Some(validated) = challenge.validated {
            out["validated"] = rfc3339(validated).into();
        }
        if let Some(error) = &challenge.error {
            out["error"] = error.clone();
        }
        out
    }

    pub(super) fn challenge(
        &mut self,
        id: AuthorizationId,
        kind: &str,
        signed: &Signed,
        now: SystemTime,
    ) -> Result<Answer, Refusal> {
        let missing = || Refusal::not_found("there is no such challenge");
        let thumbprint = self.account(signed.account)?.key.thumbprint();
        let proof = self.own_proof(id, signed)?;
        let challenge = proof.challenges.iter().find(|c| c.kind.as_str() == kind);
        let challenge = challenge.ok_or_else(missing)?;
        let wildcard = proof.identifier.is_wildcard();
        let identifier: Identifier = proof.identifier.base().parse().map_err(|_| missing())?;
        let attempt = Attempt {
            kind: challenge.kind,
            identifier,
            wildcard,
            token: proof.token.clone(),
            key_authorization: format!("{}.{thumbprint}", proof.token),
        };
        let pending = challenge.state == "pending"
            && self.model.authorization(id)? == AuthorizationState::Pending;
        if !signed.message.is_get() {
            signed.message.object()?;
            if pending {
                match self.validator.clone() {
                    None => self.judge(id, attempt.kind, Ok(()), now),
                    Some(validator) => {
                        self.set_challenge(id, attempt.kind, "processing", None, None);
                        self.job = Some(Job {
                            authorization: id,
                            attempt,
                            validator,
                        });
                    }
                }
            }
        }
        let proof = self.own_proof(id, signed)?;
        let challenge = proof.challenges.iter().find(|c| c.kind.as_str() == kind);
        let body = self.challenge_json(id, proof, challenge.ok_or_else(missing)?);
        let up = self.url(&format!("/acme/authorization/{}", id.0));
        Ok(Answer::json(StatusCode::OK, &body).link(&up, "up"))
    }

    fn set_challenge(
        &mut self,
        id: AuthorizationId,
        kind: ChallengeType,
        state: &'static str,
        validated: Option<SystemTime>,
        error: Option<Value>,
    ) {
        let proof = self.proofs.get_mut(&id);
        let challenges = proof.into_iter().flat_map(|proof| &mut proof.challenges);
        for challenge in challenges.filter(|challenge| challenge.kind == kind) {
            challenge.state = state;
            challenge.validated = validated;
            challenge.error.clone_from(&error);
        }
    }

    /// What came of a validation.
    pub(super) fn judge(
        &mut self,
        id: AuthorizationId,
        kind: ChallengeType,
        found: Result<(), Failed>,
        now: SystemTime,
    ) {
        let (proved, failed) = match found {
            Ok(()) => (true, None),
            Err(failed) => (false, Some(failed)),
        };
        // One that was judged or taken back meanwhile stays as it is.
        let Ok(proved) = self.model.authorize(id, proved, now) else {
            return;
        };
        if proved {
            self.set_challenge(id, kind, "valid", Some(now), None);
            return;
        }
        let failed = failed.unwrap_or_else(|| {
            Failed::new(
                FailedKind::Unauthorized,
                "the answer is refused, as injected",
            )
        });
        let error = problem(&failed.problem());
        self.set_challenge(id, kind, "invalid", None, Some(error.clone()));
        let Some(proof) = self.proofs.get(&id) else {
            return;
        };
        let mut of_order = error;
        of_order["identifier"] = identifier_json(&proof.identifier.base());
        for order in proof.orders.clone() {
            self.failures.insert(order, of_order.clone());
        }
    }

    /// Drops what the model has forgotten.
    fn sweep(&mut self) {
        let Self {
            model,
            proofs,
            failures,
            issued,
            serials,
            ..
        } = self;
        proofs.retain(|id, _| model.proofs.get(id.0).is_some());
        failures.retain(|id, _| model.orders.get(id.0).is_some());
        issued.retain(|id, _| model.certificates.get(id.0).is_some());
        serials.retain(|_, id| model.certificates.get(id.0).is_some());
    }
}
