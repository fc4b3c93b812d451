//! An order as it is kept: everything that is needed to go on with it after a kill.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::challenge::Answer;
use crate::error::{Error, ErrorKind, Result};
use crate::inventory::ChallengeType;
use crate::inventory::KeyAlgorithm;
use crate::issuer::CertRequest;
use crate::store::{Name, Record};

const STATE: &str = "order.json";
const KEY: &str = "tls.key";
const CHAIN: &str = "tls.crt";

/// What is known of an order beside the key and the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) directory: String,
    pub(super) names: Vec<String>,
    pub(super) key: KeyAlgorithm,
    #[serde(default)]
    pub(super) profile: Option<String>,
    #[serde(default)]
    pub(super) replaces: Option<String>,
    /// Of the order, once the CA has told it.
    #[serde(default)]
    pub(super) url: Option<String>,
    /// A call has ended with what the CA says against it: it is kept since something is to be taken away.
    #[serde(default)]
    pub(super) is_told: bool,
    /// What may be published, to be taken away.
    #[serde(default)]
    pub(super) answers: Vec<KeptAnswer>,
    /// Seconds since 1970, once the chain is there.
    #[serde(default)]
    pub(super) issued_at: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptAnswer {
    kind: ChallengeType,
    identifier: String,
    token: String,
    key_authorization: String,
}

impl KeptAnswer {
    pub(super) fn of(answer: &Answer) -> Self {
        Self {
            kind: answer.kind(),
            identifier: answer.identifier().to_string(),
            token: answer.token().to_owned(),
            key_authorization: answer.key_authorization().to_owned(),
        }
    }

    /// `None` if the record was tampered with.
    pub(super) fn answer(&self) -> Option<Answer> {
        let identifier = self.identifier.parse().ok()?;
        Some(Answer::new(
            self.kind,
            identifier,
            &*self.token,
            &*self.key_authorization,
        ))
    }
}

/// The whole record.
pub(super) struct Kept {
    pub(super) state: State,
    /// PEM.
    pub(super) key: Zeroizing<Vec<u8>>,
    /// PEM.
    pub(super) chain: Option<Vec<u8>>,
}

impl Kept {
    pub(super) fn new(directory: &str, request: &CertRequest) -> Result<Self> {
        let key = request.key_algorithm();
        let state = State {
            directory: directory.to_owned(),
            names: sorted(request),
            key,
            profile: request.profile_name().map(str::to_owned),
            replaces: request.replaced().map(str::to_owned),
            url: None,
            is_told: false,
            answers: Vec::new(),
            issued_at: None,
        };
        let pem = Zeroizing::new(key.generate()?.serialize_pem());
        let key = Zeroizing::new(pem.as_bytes().to_vec());
        Ok(Self {
            state,
            key,
            chain: None,
        })
    }

    pub(super) fn to_record(&self) -> Result<Record> {
        let mut record = Record::new()
            .with(STATE, json!(self.state).to_string())?
            .with(KEY, self.key.to_vec())?;
        if let Some(chain) = &self.chain {
            record.insert(CHAIN, chain.clone())?;
        }
        Ok(record)
    }

    pub(super) fn from_record(name: &Name, record: &Record) -> Result<Self> {
        let corrupt = |what: &str| {
            let reason = format!(
                "{what} of the order is damaged; delete the record, and a new order is placed"
            );
            Error::store(ErrorKind::Corrupt, "read", name, reason)
        };
        let state = record
            .part(STATE)
            .and_then(|json| serde_json::from_slice(json).ok())
            .ok_or_else(|| corrupt("the state"))?;
        let key = record.part(KEY).ok_or_else(|| {
            if record.part(&format!("{KEY}.sealed")).is_some() {
                let reason = "its key is encrypted; open the store with `Encrypted` and the key that it was encrypted with";
                return Error::store(ErrorKind::Sealed, "read", name, reason);
            }
            corrupt("the key")
        })?;
        Ok(Self {
            state,
            key: Zeroizing::new(key.to_vec()),
            chain: record.part(CHAIN).map(<[u8]>::to_vec),
        })
    }
}

/// One record for each set of names at each CA: their first name to be read by people, and a hash.
pub(super) fn record_name(directory: &str, request: &CertRequest) -> Result<Name> {
    const FIRST: usize = 200;
    let names = sorted(request);
    let hash = Sha256::digest(format!("{directory}\n{}", names.join("\n")));
    let hash = HEXLOWER.encode(hash.get(..8).unwrap_or_default());
    let first = names.first().map_or("", String::as_str);
    let first: String = first.chars().take(FIRST).collect();
    Name::order(&format!("{first},{hash}"))
}

fn sorted(request: &CertRequest) -> Vec<String> {
    let mut names = request.names();
    names.sort_unstable();
    names
}
