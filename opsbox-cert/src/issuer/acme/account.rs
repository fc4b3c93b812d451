//! The account at the CA: its key is stored before the account is opened, and before it is changed.

use std::sync::Arc;
use std::time::Duration;

use instant_acme::Account;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Shared;
use super::directory::Directory;
use super::jws::{AccountKey, Signer};
use super::transport::{Reply, Transport, Wire};
use crate::error::{Error, ErrorKind, Result};
use crate::issuer::{Failure, Permits, Step, Unlimited};
use crate::store::{Acquired, Condition, Lease, Name, Record, Stored};

const KEY: &str = "account.key";
/// The key that the account is about to get.
const NEXT_KEY: &str = "next.key";
const STATE: &str = "account.json";

/// An account outside ACME that a new account is bound to. On purpose no `Debug`.
pub(crate) struct ExternalAccount {
    pub(crate) id: String,
    pub(crate) mac_key: Zeroizing<Vec<u8>>,
}

/// What is stored of an account beside its keys.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct State {
    directory: String,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    contacts: Vec<String>,
}

/// An account that is ready for orders.
pub(crate) struct Opened {
    pub(crate) account: Account,
    pub(crate) directory: Directory,
    pub(crate) url: String,
    key: Arc<AccountKey>,
    transport: Arc<Transport>,
}

impl Opened {
    /// Reads a resource that instant-acme has no call for.
    pub(crate) async fn read(&self, step: Step, url: &str) -> Result<Reply, Failure> {
        let signer = Signer::Account(&self.url);
        send(
            &self.transport,
            &self.directory,
            &self.key,
            signer,
            url,
            None,
        )
        .await
        .map_err(|failure| Failure { step, ..failure })
    }
}

impl Shared {
    /// The account, opened at the CA if there is none yet.
    pub(crate) async fn account(&self, permits: &dyn Permits) -> Result<Arc<Opened>> {
        let mut opened = self.opened.lock().await;
        if let Some(opened) = &*opened {
            return Ok(opened.clone());
        }
        let account = Arc::new(self.open(permits).await?);
        *opened = Some(account.clone());
        Ok(account)
    }

    /// Opens the account anew, with the same key: the CA has forgotten it, as test CAs do.
    pub(crate) async fn reopen(&self, permits: &dyn Permits) -> Result<Arc<Opened>> {
        let mut opened = self.opened.lock().await;
        *opened = None;
        self.under_lock(async |lease| {
            if let Some((record, mut state, stored)) = self.stored().await? {
                state.url = None;
                self.keep(&record, &state, &Condition::Version(stored), &lease)
                    .await?;
            }
            Ok(())
        })
        .await?;
        let account = Arc::new(self.open(permits).await?);
        *opened = Some(account.clone());
        Ok(account)
    }

    /// Where the CA is asked for windows: no account is needed, and none opened, for that. `None` if it has no ARI.
    pub(super) async fn renewal_info_url(&self) -> Result<Option<String>> {
        let known = self.opened.try_lock().ok().and_then(|it| it.clone());
        if let Some(opened) = known {
            return Ok(opened.directory.renewal_info.clone());
        }
        let mut asked = self.asked.lock().await;
        if let Some(url) = &*asked {
            return Ok(url.clone());
        }
        let fetched = Directory::fetch(&self.transport, &self.directory_url).await;
        let fetched = fetched.map_err(|failure| self.account_error(failure))?;
        Ok(asked.insert(fetched.renewal_info).clone())
    }

    async fn open(&self, permits: &dyn Permits) -> Result<Opened> {
        self.under_lock(async |lease| self.open_locked(&lease, permits).await)
            .await
    }

    async fn open_locked(&self, lease: &Lease, permits: &dyn Permits) -> Result<Opened> {
        let directory = Directory::fetch(&self.transport, &self.directory_url)
            .await
            .map_err(|failure| self.account_error(failure))?;
        let (mut record, mut state, mut version) = match self.stored().await? {
            Some(stored) => stored,
            None => {
                let key = self.new_key()?;
                let record = Record::new().with(KEY, key.pkcs8())?;
                let state = State {
                    directory: self.directory_url.clone(),
                    ..State::default()
                };
                let version = self
                    .keep(&record, &state, &Condition::Absent, lease)
                    .await?;
                (record, state, version)
            }
        };
        let mut key = self.key_of(&record, KEY)?;
        if let Some(next) = record
            .part(NEXT_KEY)
            .map(<[u8]>::to_vec)
            .map(Zeroizing::new)
        {
            // A change of the key was cut off: whichever the CA knows is the one.
            let next_key = self.key_of(&record, NEXT_KEY)?;
            match self.register(&directory, &next_key, true).await {
                Ok(_) => {
                    record.insert(KEY, next.to_vec())?;
                    key = next_key;
                }
                // It is dropped on the word of the CA alone, since it may be the only one that counts.
                Err(failure) if failure.kind != ErrorKind::Refused => {
                    return Err(self.account_error(failure));
                }
                Err(_) => {}
            }
            record.remove(NEXT_KEY);
            let condition = Condition::Version(version);
            version = self.keep(&record, &state, &condition, lease).await?;
        }
        let url = match &state.url {
            Some(url) => url.clone(),
            None => {
                permits.new_account().await?;
                let url = self
                    .register(&directory, &key, false)
                    .await
                    .map_err(|failure| self.account_error(failure))?;
                state.url = Some(url.clone());
                state.contacts.clone_from(&self.contacts);
                let condition = Condition::Version(version);
                version = self.keep(&record, &state, &condition, lease).await?;
                tracing::info!(directory = %self.directory_url, account = %url, "account opened");
                url
            }
        };
        let opened = self.connect(directory, url, key).await?;
        if state.contacts != self.contacts {
            self.change_contacts(&opened).await?;
            state.contacts.clone_from(&self.contacts);
            let condition = Condition::Version(version);
            self.keep(&record, &state, &condition, lease).await?;
        }
        Ok(opened)
    }

    async fn connect(
        &self,
        directory: Directory,
        url: String,
        key: Arc<AccountKey>,
    ) -> Result<Opened> {
        self.transport.set_key(key.clone());
        let builder = Account::builder_with_http(Box::new(Wire(self.transport.clone())));
        let pkcs8 = PrivatePkcs8KeyDer::from(key.pkcs8());
        let account = builder
            .from_parts(url.clone(), pkcs8, self.directory_url.clone())
            .await
            .map_err(|error| self.account_error(Failure::acme(Step::Account, error)))?;
        Ok(Opened {
            account,
            directory,
            url,
            key,
            transport: self.transport.clone(),
        })
    }

    async fn change_contacts(&self, opened: &Opened) -> Result<()> {
        let contacts: Vec<&str> = self.contacts.iter().map(String::as_str).collect();
        let changed = opened.account.update_contacts(&contacts).await;
        changed.map_err(|error| self.account_error(Failure::acme(Step::Account, error)))
    }

    /// Opens the account of this key, or finds it; gives its URL.
    async fn register(
        &self,
        directory: &Directory,
        key: &AccountKey,
        only_existing: bool,
    ) -> Result<String, Failure> {
        let mut payload = json!({});
        if only_existing {
            payload["onlyReturnExisting"] = true.into();
        } else {
            if let Some(terms) = &directory.meta.terms_of_service
                && !self.terms_agreed
            {
                let reason = format!(
                    "the CA wants its terms agreed to ({}); read them and call `agree_to_terms`",
                    crate::text::Escaped(terms)
                );
                return Err(Failure::new(ErrorKind::Refused, Step::Account, reason));
            }
            payload["termsOfServiceAgreed"] = self.terms_agreed.into();
            if !self.contacts.is_empty() {
                payload["contact"] = json!(self.contacts);
            }
            match &self.external {
                Some(external) => {
                    payload["externalAccountBinding"] =
                        key.bind(&external.id, &external.mac_key, &directory.new_account);
                }
                None if directory.meta.external_account_required => {
                    let reason = "the CA wants an external account; give the key id and the MAC key that its web site shows to `external_account`";
                    return Err(Failure::new(ErrorKind::Refused, Step::Account, reason));
                }
                None => {}
            }
        }
        let url = &directory.new_account;
        let sent = send(
            &self.transport,
            directory,
            key,
            Signer::Key,
            url,
            Some(&payload),
        );
        let location = sent.await?.location();
        location.ok_or_else(|| {
            Failure::protocol(Step::Account, &"a new account without a Location header")
        })
    }

    /// Gives the account a new key. The new key is stored before the CA hears of it, and the old one until
    /// the CA has taken it.
    pub(crate) async fn roll_key(&self) -> Result<()> {
        self.account(&Unlimited).await?;
        let mut opened = self.opened.lock().await;
        let changed = self
            .under_lock(async |lease| {
                let current = self.open_locked(&lease, &Unlimited).await?;
                let Some((mut record, state, version)) = self.stored().await? else {
                    return Err(Error::store(
                        ErrorKind::Conflict,
                        "change the key of",
                        &self.account_name,
                        "it was deleted meanwhile; try again",
                    ));
                };
                let Some(url) = current.directory.key_change.clone() else {
                    let reason = "the CA offers no change of keys; open a new account instead";
                    return Err(self.account_error(Failure::new(
                        ErrorKind::Unsupported,
                        Step::Account,
                        reason,
                    )));
                };
                let next = self.new_key()?;
                record.insert(NEXT_KEY, next.pkcs8())?;
                let condition = Condition::Version(version);
                let version = self.keep(&record, &state, &condition, &lease).await?;

                // RFC 8555, section 7.3.5: the new key signs within what the old one signs.
                let inner = json!({"account": current.url, "oldKey": current.key.jwk()});
                let inner = next.sign(Signer::Key, &url, None, Some(&inner));
                let signer = Signer::Account(&current.url);
                let sent = send(
                    &self.transport,
                    &current.directory,
                    &current.key,
                    signer,
                    &url,
                    inner.as_ref(),
                );
                sent.await.map_err(|failure| self.account_error(failure))?;
                record.insert(KEY, next.pkcs8())?;
                record.remove(NEXT_KEY);
                let condition = Condition::Version(version);
                self.keep(&record, &state, &condition, &lease).await?;
                tracing::info!(directory = %self.directory_url, account = %current.url, "account key changed");
                self.connect(current.directory, current.url, Arc::new(next))
                    .await
            })
            .await;
        // After a failure the next call finds out which key the CA knows.
        match changed {
            Ok(changed) => {
                *opened = Some(Arc::new(changed));
                Ok(())
            }
            Err(error) => {
                *opened = None;
                Err(error)
            }
        }
    }

    fn new_key(&self) -> Result<AccountKey> {
        AccountKey::generate().ok_or_else(|| {
            let reason = "no key could be generated; see whether the system gives random numbers";
            self.account_error(Failure::new(ErrorKind::Unavailable, Step::Account, reason))
        })
    }

    fn key_of(&self, record: &Record, part: &str) -> Result<Arc<AccountKey>> {
        if let Some(key) = record.part(part).and_then(AccountKey::from_pkcs8) {
            return Ok(Arc::new(key));
        }
        let sealed = record.part(&format!("{part}.sealed")).is_some();
        let (kind, reason) = if sealed {
            (
                ErrorKind::Sealed,
                "its key is encrypted; open the store with `Encrypted` and the key that it was encrypted with",
            )
        } else {
            (
                ErrorKind::Corrupt,
                "its key is no ECDSA P-256 key in PKCS#8; restore it from a backup, or delete the record to open a new account",
            )
        };
        Err(Error::store(kind, "read", &self.account_name, reason))
    }

    async fn stored(&self) -> Result<Option<(Record, State, crate::store::Version)>> {
        let Some(Stored { record, version }) = self.store.load(&self.account_name).await? else {
            return Ok(None);
        };
        let state = record.part(STATE).unwrap_or_default();
        let state = serde_json::from_slice(state).map_err(|error| {
            let reason = "its state is damaged; restore it from a backup, or delete the record to open a new account";
            Error::store(ErrorKind::Corrupt, "read", &self.account_name, reason).caused_by(error)
        })?;
        Ok(Some((record, state, version)))
    }

    async fn keep(
        &self,
        record: &Record,
        state: &State,
        condition: &Condition,
        lease: &Lease,
    ) -> Result<crate::store::Version> {
        let mut whole = Record::new();
        for (part, bytes) in record.parts() {
            whole.insert(part, bytes)?;
        }
        whole.insert(STATE, json!(state).to_string())?;
        self.store
            .save(&self.account_name, &whole, condition, Some(lease))
            .await
    }

    /// Does something while no other instance touches the account.
    async fn under_lock<T>(&self, work: impl AsyncFnOnce(Lease) -> Result<T>) -> Result<T> {
        let lease = self.wait_for_lock(&self.account_name).await?;
        let done = work(lease.clone()).await;
        let released = self.store.release(&lease).await;
        let value = done?;
        released.map(|()| value)
    }

    /// Waits for a lock that is held for short only, at most for twice its time.
    async fn wait_for_lock(&self, name: &Name) -> Result<Lease> {
        const STEP: Duration = Duration::from_millis(200);
        let start = self.clock.monotonic();
        loop {
            match self
                .store
                .acquire(name, &self.owner, self.lease_time)
                .await?
            {
                Acquired::Granted(lease) => return Ok(lease),
                Acquired::Held(holder) => {
                    if self.clock.monotonic().saturating_sub(start) > self.lease_time * 2 {
                        let reason = format!(
                            "another instance ({}) is at work on it; try again later",
                            holder.owner
                        );
                        return Err(self.account_error(
                            Failure::new(ErrorKind::Busy, Step::Account, reason)
                                .retry_after(Some(self.lease_time)),
                        ));
                    }
                    tokio::time::sleep(STEP).await;
                }
            }
        }
    }

    fn account_error(&self, failure: Failure) -> Error {
        failure.of(&self.directory_url, "certificates").into()
    }
}

/// Signs and sends one message.
async fn send(
    transport: &Transport,
    directory: &Directory,
    key: &AccountKey,
    signer: Signer<'_>,
    url: &str,
    payload: Option<&Value>,
) -> Result<Reply, Failure> {
    let fail = |fault| Failure::http(Step::Account, fault);
    let nonce = transport.nonce(&directory.new_nonce).await.map_err(fail)?;
    let message = key
        .sign(signer, url, Some(&nonce), payload)
        .ok_or_else(|| {
            let reason = "the account key cannot sign; see whether the system gives random numbers";
            Failure::new(ErrorKind::Unavailable, Step::Account, reason)
        })?;
    transport
        .post(url, message.to_string().into_bytes(), key)
        .await
        .map_err(fail)
}
