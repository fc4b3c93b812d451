//! Dynamic updates (RFC 2136), signed (RFC 8945).

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use data_encoding::BASE64;
use domain::base::iana::{Class, Opcode, Rcode};
use domain::base::{MessageBuilder, Rtype, Ttl};
use domain::rdata::Txt;
use domain::rdata::tsig::Time48;
use domain::tsig::{Algorithm, ClientTransaction, Key, KeyName};
use zeroize::Zeroizing;

use super::lookup::parse;
use super::query::by_tcp;
use super::{DnsProvider, TxtRecord, fault};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{CHALLENGE_TTL, DNS_QUERY_TIME_LIMIT};

/// The hash that messages are signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TsigAlgorithm {
    /// hmac-sha256.
    #[default]
    HmacSha256,
    /// hmac-sha384.
    HmacSha384,
    /// hmac-sha512.
    HmacSha512,
}

/// Writes TXT records by dynamic updates to a primary server.
///
/// ```
/// use opsbox_cert::dns::{Rfc2136, TsigAlgorithm};
///
/// let secret = "bWFrZSBvbmUgYnkgdHNpZy1rZXlnZW4gLWEgaG1hYy1zaGEyNTY="; // as in the server's configuration
/// let provider = Rfc2136::new("192.0.2.53:53".parse()?, "acme-key", TsigAlgorithm::HmacSha256, secret)?;
/// assert!(!format!("{provider:?}").contains("bWFr"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Rfc2136 {
    server: SocketAddr,
    key: Arc<Key>,
    zone: Option<String>,
    clock: Arc<dyn Clock>,
}

impl Rfc2136 {
    /// Updates this server under a key, whose secret is given in base64.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if the name or the secret cannot be one.
    pub fn new(
        server: SocketAddr,
        key_name: &str,
        algorithm: TsigAlgorithm,
        secret: &str,
    ) -> Result<Self> {
        let invalid =
            |reason: &str| fault(ErrorKind::Invalid, "use the TSIG key", key_name, reason);
        let name = KeyName::from_str(key_name).map_err(|_| {
            invalid("its name is no DNS name; copy it from the server's configuration")
        })?;
        let secret = BASE64.decode(secret.trim().as_bytes()).map(Zeroizing::new);
        let secret = secret.map_err(|_| {
            invalid("its secret is no base64; copy it from the server's configuration")
        })?;
        if secret.is_empty() {
            return Err(invalid(
                "its secret is empty; make one by tsig-keygen or keymgr -t",
            ));
        }
        let algorithm = match algorithm {
            TsigAlgorithm::HmacSha256 => Algorithm::Sha256,
            TsigAlgorithm::HmacSha384 => Algorithm::Sha384,
            TsigAlgorithm::HmacSha512 => Algorithm::Sha512,
        };
        let key = Key::new(algorithm, &secret, name, None, None)
            .map_err(|_| invalid("it cannot be used; make a new one"))?;
        Ok(Self {
            server,
            key: Arc::new(key),
            zone: None,
            clock: Arc::new(SystemClock),
        })
    }

    /// The zone to update, in place of the one that is found by its SOA record.
    #[must_use]
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// The clock that signatures are dated by. The server refuses one that is more than 5 minutes off.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    async fn update(&self, record: &TxtRecord, add: bool) -> Result<()> {
        let attempt = if add {
            "add by dynamic update the TXT record"
        } else {
            "delete by dynamic update the TXT record"
        };
        let fail = |kind, reason: &str| -> Error {
            let reason = format!("{reason} (server {})", self.server);
            fault(kind, attempt, record.name(), reason)
        };
        let too_long = |_| fail(ErrorKind::Invalid, "the name or the value is too long");
        let zone = self
            .zone
            .as_deref()
            .or_else(|| record.zone())
            .ok_or_else(|| {
                fail(
                    ErrorKind::Invalid,
                    "its zone is not known; name it by `Rfc2136::zone`",
                )
            })?;
        let (zone, name) = (parse(zone)?, parse(record.name())?);
        let mut id = [0; 2];
        getrandom::fill(&mut id)
            .map_err(|_| fail(ErrorKind::Unavailable, "the system gives no random numbers"))?;
        let id = u16::from_be_bytes(id);

        let mut message = MessageBuilder::new_vec();
        message.header_mut().set_id(id);
        message.header_mut().set_opcode(Opcode::UPDATE);
        let mut message = message.question();
        message
            .push((&zone, Rtype::SOA, Class::IN))
            .map_err(too_long)?;
        let mut message = message.authority();
        // RFC 2136, sections 2.5.1 and 2.5.4: both leave other values alone.
        let (class, ttl) = if add {
            (Class::IN, Ttl::from_secs(CHALLENGE_TTL))
        } else {
            (Class::NONE, Ttl::ZERO)
        };
        let text = Txt::<Vec<u8>>::build_from_slice(record.value().as_bytes())
            .map_err(|_| fail(ErrorKind::Invalid, "the value is too long"))?;
        message.push((&name, class, ttl, text)).map_err(too_long)?;
        let mut message = message.additional();
        let transaction = ClientTransaction::request(self.key.clone(), &mut message, self.now())
            .map_err(too_long)?;
        let message = message.finish();

        let sent = tokio::time::timeout(DNS_QUERY_TIME_LIMIT, by_tcp(self.server, &message, id));
        let mut reply = match sent.await {
            Ok(Ok(reply)) => reply,
            Ok(Err(problem)) => {
                let reason =
                    format!("{problem}; check that the server is up and takes updates by TCP");
                return Err(fail(ErrorKind::Unavailable, &reason));
            }
            Err(_) => return Err(fail(ErrorKind::Unavailable, "no answer in time; try again")),
        };
        let (kind, reason) = match reply.header().rcode() {
            Rcode::NOERROR => {
                return transaction.answer(&mut reply, self.now()).map_err(|_| {
                    fail(ErrorKind::Protocol, "the answer is not signed by the key; check the server, and what is between")
                });
            }
            Rcode::NOTAUTH => (
                ErrorKind::Denied,
                "the server does not take the key, is not the zone's primary, or the clocks differ by more than 5 minutes; compare the name, the algorithm and the secret of the key, and the zone",
            ),
            Rcode::REFUSED => (
                ErrorKind::Denied,
                "the server refuses; allow updates of TXT records to this key",
            ),
            Rcode::NOTZONE => (
                ErrorKind::Invalid,
                "the name is not in the zone; correct the zone",
            ),
            Rcode::SERVFAIL => (ErrorKind::Unavailable, "the server failed; see its log"),
            code => {
                let reason = format!("the server answers {code}; see its log");
                return Err(fail(ErrorKind::Refused, &reason));
            }
        };
        Err(fail(kind, reason))
    }

    fn now(&self) -> Time48 {
        let since = self.clock.now().duration_since(UNIX_EPOCH);
        Time48::from_u64(since.map_or(0, |since| since.as_secs()) & 0xffff_ffff_ffff)
    }
}

impl fmt::Debug for Rfc2136 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rfc2136")
            .field("server", &self.server)
            .field("key_name", &format_args!("{}", self.key.name()))
            .field("zone", &self.zone)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl DnsProvider for Rfc2136 {
    async fn add(&self, record: &TxtRecord) -> Result<()> {
        self.update(record, true).await
    }

    async fn remove(&self, record: &TxtRecord) -> Result<()> {
        self.update(record, false).await
    }
}
