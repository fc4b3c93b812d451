//! A zone in memory, and a server for it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::base::iana::Rcode;
use domain::base::message_builder::PushError;
use domain::base::name::ToName as _;
use domain::base::{Message, MessageBuilder, Rtype, Serial, Ttl};
use domain::rdata::{A, Cname, Ns, Soa, Txt};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, ToSocketAddrs, UdpSocket};
use tokio::task::JoinHandle;

use super::lookup::parse;
use super::query::DnsName;
use super::{DnsProvider, TxtRecord, fault};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{CHALLENGE_TTL, MAX_CNAMES};

/// A zone whose records live in memory. Clones share it.
///
/// It has a SOA and an NS record, `A 127.0.0.1` for every name, the CNAME records of
/// [`alias`](Self::alias), and the TXT records that are added.
#[derive(Debug, Clone)]
pub struct MemoryZone {
    origin: DnsName,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    texts: BTreeMap<String, Vec<String>>,
    aliases: BTreeMap<String, DnsName>,
}

impl MemoryZone {
    /// The zone of this name, without records of its own.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if it is no DNS name.
    pub fn new(origin: &str) -> Result<Self> {
        Ok(Self {
            origin: parse(origin)?,
            state: Arc::default(),
        })
    }

    /// Makes `name` a CNAME for `target`.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if one of them is no DNS name.
    pub fn alias(&self, name: &str, target: &str) -> Result<()> {
        let name = key(&parse(name)?);
        let target = parse(target)?;
        self.state().aliases.insert(name, target);
        Ok(())
    }

    /// The TXT records at a name.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let name = parse(name).map_or_else(|_| String::new(), |name| key(&name));
        self.state().texts.get(&name).cloned().unwrap_or_default()
    }

    /// Answers questions over UDP and TCP at this address, port 0 for any free one, until the server is
    /// dropped.
    ///
    /// # Errors
    ///
    /// [`Io`](ErrorKind::Io) if the address cannot be had.
    pub async fn serve(&self, address: impl ToSocketAddrs) -> Result<ZoneServer> {
        let fail = |error: std::io::Error| -> Error {
            let reason = "the address cannot be used; choose another";
            fault(ErrorKind::Io, "serve", &self.origin, reason).caused_by(error)
        };
        let tcp = TcpListener::bind(address).await.map_err(fail)?;
        let address = tcp.local_addr().map_err(fail)?;
        let udp = UdpSocket::bind(address).await.map_err(fail)?;
        let tasks = [
            tokio::spawn(self.clone().serve_udp(udp)),
            tokio::spawn(self.clone().serve_tcp(tcp)),
        ];
        Ok(ZoneServer { address, tasks })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve_udp(self, socket: UdpSocket) {
        let mut bytes = vec![0; 4096];
        loop {
            let Ok((length, from)) = socket.recv_from(&mut bytes).await else {
                continue;
            };
            let asked = bytes.get(..length).unwrap_or_default();
            if let Some(answer) = self.answer(asked) {
                socket.send_to(&answer, from).await.ok();
            }
        }
    }

    async fn serve_tcp(self, listener: TcpListener) {
        const IDLE: Duration = Duration::from_secs(30);
        loop {
            let Ok((mut stream, _)) = listener.accept().await else {
                // Out of file descriptors, for instance.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let zone = self.clone();
            tokio::spawn(tokio::time::timeout(IDLE, async move {
                while let Ok(length) = stream.read_u16().await {
                    let mut asked = vec![0; usize::from(length)];
                    stream.read_exact(&mut asked).await?;
                    let Some(answer) = zone.answer(&asked) else {
                        break;
                    };
                    let length = u16::try_from(answer.len()).unwrap_or(0);
                    stream.write_all(&length.to_be_bytes()).await?;
                    stream.write_all(&answer).await?;
                }
                std::io::Result::Ok(())
            }));
        }
    }

    /// `None` for what is no question.
    fn answer(&self, asked: &[u8]) -> Option<Vec<u8>> {
        let asked = Message::from_octets(asked).ok()?;
        if asked.header().qr() {
            return None;
        }
        let question = asked.sole_question().ok()?;
        let name: DnsName = question.qname().to_vec();
        let code = if name.ends_with(&self.origin) {
            Rcode::NOERROR
        } else {
            Rcode::REFUSED
        };
        let mut message = MessageBuilder::new_vec().start_answer(&asked, code).ok()?;
        message.header_mut().set_aa(true);
        if code == Rcode::NOERROR {
            self.fill(&mut message, name, question.qtype()).ok()?;
        }
        Some(message.finish())
    }

    fn fill(
        &self,
        message: &mut domain::base::message_builder::AnswerBuilder<Vec<u8>>,
        mut name: DnsName,
        kind: Rtype,
    ) -> Result<(), PushError> {
        let ttl = Ttl::from_secs(CHALLENGE_TTL);
        let state = self.state();
        for _ in 0..MAX_CNAMES {
            let Some(target) = state.aliases.get(&key(&name)) else {
                break;
            };
            message.push((&name, ttl, Cname::new(target)))?;
            if kind == Rtype::CNAME {
                return Ok(());
            }
            name = target.clone();
        }
        match kind {
            Rtype::A => message.push((&name, ttl, A::new(Ipv4Addr::LOCALHOST)))?,
            Rtype::NS if name == self.origin => {
                message.push((&name, ttl, Ns::new(&self.origin)))?;
            }
            Rtype::SOA if name == self.origin => {
                let (origin, serial) = (&self.origin, Serial(1));
                message.push((
                    &name,
                    ttl,
                    Soa::new(origin, origin, serial, ttl, ttl, ttl, ttl),
                ))?;
            }
            Rtype::TXT => {
                for text in state.texts.get(&key(&name)).into_iter().flatten() {
                    if let Ok(txt) = Txt::<Vec<u8>>::build_from_slice(text.as_bytes()) {
                        message.push((&name, ttl, txt))?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn key(name: &DnsName) -> String {
    name.to_string().to_ascii_lowercase()
}

#[async_trait]
impl DnsProvider for MemoryZone {
    async fn add(&self, record: &TxtRecord) -> Result<()> {
        let name = key(&parse(record.name())?);
        let mut state = self.state();
        let texts = state.texts.entry(name).or_default();
        if !texts.iter().any(|text| text == record.value()) {
            texts.push(record.value().to_owned());
        }
        Ok(())
    }

    async fn remove(&self, record: &TxtRecord) -> Result<()> {
        let name = key(&parse(record.name())?);
        let mut state = self.state();
        if let Some(texts) = state.texts.get_mut(&name) {
            texts.retain(|text| text != record.value());
            if texts.is_empty() {
                state.texts.remove(&name);
            }
        }
        Ok(())
    }
}

/// Serves a [`MemoryZone`] until it is dropped.
#[derive(Debug)]
pub struct ZoneServer {
    address: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

impl ZoneServer {
    /// Where it answers, over UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for ZoneServer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
