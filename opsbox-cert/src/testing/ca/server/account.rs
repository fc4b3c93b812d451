//! Accounts: RFC 8555, section 7.3.

use std::time::SystemTime;

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::core::{Account, Asked, Core, Signed};
use super::jws::{Jwk, Message, Signer};
use crate::testing::ca::model::AccountId;
use crate::testing::ca::refusal::Refusal;

/// Orders on one page of an account's list.
const PAGE: usize = 50;

impl Core {
    pub(super) fn new_account(
        &mut self,
        asked: &Asked,
        message: &Message,
        key: Jwk,
        now: SystemTime,
    ) -> Result<Answer, Refusal> {
        let wanted = message.object()?;
        let is = |name: &str| wanted.get(name).and_then(Value::as_bool) == Some(true);
        let known = self.accounts.iter().position(|account| account.key == key);
        if let Some(known) = known.and_then(|known| u32::try_from(known).ok()) {
            let id = AccountId(known);
            if !self.account(id)?.active {
                let detail = "the account of this key is deactivated";
                return Err(Refusal::new(401, "unauthorized", detail));
            }
            let url = self.account_url(id);
            return Ok(self.show_account(id, StatusCode::OK)?.location(&url));
        }
        if is("onlyReturnExisting") {
            let detail = "there is no account with this key";
            return Err(Refusal::new(400, "accountDoesNotExist", detail));
        }
        if !is("termsOfServiceAgreed") {
            let detail = "the terms of service must be agreed to";
            return Err(Refusal::new(403, "userActionRequired", detail));
        }
        let contact = contacts(&wanted)?.unwrap_or_default();
        let id = self.model.open_account(asked.from, now)?;
        self.accounts.push(Account {
            key,
            contact,
            active: true,
            orders: Vec::new(),
        });
        let url = self.account_url(id);
        Ok(self.show_account(id, StatusCode::CREATED)?.location(&url))
    }

    fn account_url(&self, id: AccountId) -> String {
        self.url(&format!("/acme/account/{}", id.0))
    }

    fn show_account(&self, id: AccountId, status: StatusCode) -> Result<Answer, Refusal> {
        let account = self.account(id)?;
        let url = self.account_url(id);
        let body = json!({
            "status": if account.active { "valid" } else { "deactivated" },
            "contact": account.contact,
            "orders": format!("{url}/orders"),
            "key": account.key.to_json(),
        });
        Ok(Answer::json(status, &body))
    }

    pub(super) fn change_account(&mut self, signed: &Signed) -> Result<Answer, Refusal> {
        if !signed.message.is_get() {
            let wanted = signed.message.object()?;
            match wanted.get("status").and_then(Value::as_str) {
                None | Some("valid") => {}
                Some("deactivated") => self.account_mut(signed.account)?.active = false,
                Some(other) => {
                    let detail = format!("an account cannot become {other:?}");
                    return Err(Refusal::malformed(detail));
                }
            }
            if let Some(contact) = contacts(&wanted)? {
                self.account_mut(signed.account)?.contact = contact;
            }
        }
        self.show_account(signed.account, StatusCode::OK)
    }

    /// RFC 8555, section 7.1.2.1.
    pub(super) fn orders(&self, asked: &Asked, signed: &Signed) -> Result<Answer, Refusal> {
        let cursor = asked
            .query
            .as_deref()
            .and_then(|q| q.strip_prefix("cursor="));
        let cursor: usize = cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
        let all = &self.account(signed.account)?.orders;
        // Those that have expired are not there any more.
        let all: Vec<_> = all
            .iter()
            .filter(|id| self.model.orders.get(id.0).is_some())
            .collect();
        let page = all.iter().skip(cursor).take(PAGE);
        let page: Vec<String> = page
            .map(|id| self.url(&format!("/acme/order/{}", id.0)))
            .collect();
        let answer = Answer::json(StatusCode::OK, &json!({"orders": page}));
        let next = cursor.saturating_add(PAGE);
        if next >= all.len() {
            return Ok(answer);
        }
        let list = self.account_url(signed.account);
        Ok(answer.link(&format!("{list}/orders?cursor={next}"), "next"))
    }

    /// RFC 8555, section 7.3.5.
    pub(super) fn change_key(&mut self, asked: &Asked, signed: &Signed) -> Result<Answer, Refusal> {
        let inner = Message::parse(&signed.message.payload)?;
        let Signer::Key(key) = &inner.signer else {
            return Err(Refusal::malformed(
                "the inner JWS is signed with the new jwk",
            ));
        };
        inner.verify(key)?;
        if inner.text("url") != Some(&*self.url(&asked.path)) || inner.text("nonce").is_some() {
            let detail = "the inner JWS has another URL, or a nonce";
            return Err(Refusal::malformed(detail));
        }
        let wanted = inner.object()?;
        let url = self.account_url(signed.account);
        let old = self.account(signed.account)?.key.to_json();
        if wanted.get("account").and_then(Value::as_str) != Some(&url)
            || wanted.get("oldKey") != Some(&old)
        {
            let detail = "the inner JWS names another account or another old key";
            return Err(Refusal::malformed(detail));
        }
        let taken = self.accounts.iter().position(|account| account.key == *key);
        if let Some(taken) = taken.and_then(|taken| u32::try_from(taken).ok()) {
            let refusal = Refusal::new(409, "malformed", "the new key has an account already");
            let url = self.account_url(AccountId(taken));
            return Ok(Answer::from(&refusal).location(&url));
        }
        let key = key.clone();
        self.account_mut(signed.account)?.key = key;
        self.show_account(signed.account, StatusCode::OK)
    }
}

/// The contacts of a request, if it has any.
fn contacts(wanted: &Map<String, Value>) -> Result<Option<Vec<String>>, Refusal> {
    let Some(contact) = wanted.get("contact") else {
        return Ok(None);
    };
    let invalid = |detail: String| Refusal::new(400, "invalidContact", detail);
    let list = contact.as_array();
    let list = list.ok_or_else(|| invalid("the contacts are no list".into()))?;
    let mut out = Vec::with_capacity(list.len());
    for contact in list {
        let contact = contact.as_str().unwrap_or("");
        let Some(address) = contact.strip_prefix("mailto:") else {
            let detail = format!("the contact {contact:?} is no mailto: URL");
            return Err(Refusal::new(400, "unsupportedContact", detail));
        };
        let parts = address.split_once('@');
        if parts.is_none_or(|(local, domain)| {
            local.is_empty() || domain.is_empty() || address.contains([',', '?', ' '])
        }) {
            return Err(invalid(format!(
                "the contact {contact:?} is no single address"
            )));
        }
        out.push(contact.to_owned());
    }
    Ok(Some(out))
}
