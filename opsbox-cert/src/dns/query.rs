//! One question to one DNS server: over UDP, and over TCP if the answer is cut short.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use domain::base::iana::{Class, Rcode};
use domain::base::{Message, MessageBuilder, Name, Rtype};
use domain::rdata::AllRecordData;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use crate::limits::DNS_QUERY_TIME_LIMIT;

pub(super) type DnsName = Name<Vec<u8>>;

/// What a server said, as far as it is used here.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) records: Vec<(DnsName, Found)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Address(std::net::IpAddr),
    Alias(DnsName),
    Server(DnsName),
    Start,
    Text(Vec<u8>),
}

/// Why there was no answer.
#[derive(Debug, Clone)]
pub(super) struct NoReply(pub(super) String);

impl fmt::Display for NoReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<io::Error> for NoReply {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

pub(super) async fn ask(server: SocketAddr, name: &DnsName, kind: Rtype) -> Result<Reply, NoReply> {
    const ATTEMPTS: usize = 2;
    let mut problem = NoReply(String::new());
    for _ in 0..ATTEMPTS {
        match tokio::time::timeout(DNS_QUERY_TIME_LIMIT, once(server, name, kind)).await {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(error)) => problem = error,
            Err(_) => problem = NoReply("no answer in time".into()),
        }
    }
    Err(NoReply(format!("{server}: {problem}")))
}

async fn once(server: SocketAddr, name: &DnsName, kind: Rtype) -> Result<Reply, NoReply> {
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(|_| NoReply("no random numbers".into()))?;
    let id = u16::from_be_bytes(id);
    let mut message = MessageBuilder::new_vec();
    message.header_mut().set_id(id);
    message.header_mut().set_rd(true);
    let mut message = message.question();
    message
        .push((name, kind, Class::IN))
        .map_err(|_| NoReply("the name is too long".into()))?;
    let message = message.finish();
    let reply = by_udp(server, &message, id).await?;
    let reply = if reply.header().tc() {
        by_tcp(server, &message, id).await?
    } else {
        reply
    };
    read(&reply, name)
}

async fn by_udp(server: SocketAddr, message: &[u8], id: u16) -> Result<Message<Vec<u8>>, NoReply> {
    let any: SocketAddr = if server.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0; 16], 0).into()
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(message).await?;
    loop {
        let mut bytes = vec![0; 4096];
        let length = socket.recv(&mut bytes).await?;
        bytes.truncate(length);
        // Another id is an answer to another question, or a forged one.
        if let Ok(reply) = Message::from_octets(bytes)
            && reply.header().id() == id
            && reply.header().qr()
        {
            return Ok(reply);
        }
    }
}

/// RFC 7766. Also for updates, whose answers have to be known.
pub(super) async fn by_tcp(
    server: SocketAddr,
    message: &[u8],
    id: u16,
) -> Result<Message<Vec<u8>>, NoReply> {
    let length = u16::try_from(message.len()).map_err(|_| NoReply("it is too long".into()))?;
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(message);
    stream.write_all(&framed).await?;
    let length = stream.read_u16().await?;
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await?;
    let reply = Message::from_octets(bytes).map_err(|_| NoReply("the answer is short".into()))?;
    if reply.header().id() != id {
        return Err(NoReply("the answer is to another question".into()));
    }
    Ok(reply)
}

fn read(message: &Message<Vec<u8>>, asked: &DnsName) -> Result<Reply, NoReply> {
    let damaged = |_| NoReply("the answer is damaged".into());
    match message.header().rcode() {
        Rcode::NOERROR => {}
        Rcode::NXDOMAIN => return Ok(Reply::default()),
        code => return Err(NoReply(format!("it answers {code}"))),
    }
    let question = message.sole_question().map_err(damaged)?;
    if question.qname() != asked {
        return Err(NoReply("the answer is to another question".into()));
    }
    let mut records = Vec::new();
    for record in message.answer().map_err(damaged)? {
        let record = record.map_err(damaged)?;
        let record = record
            .into_record::<AllRecordData<_, _>>()
            .map_err(damaged)?;
        let Some(record) = record else { continue };
        let found = match record.data() {
            AllRecordData::A(a) => Found::Address(a.addr().into()),
            AllRecordData::Aaaa(aaaa) => Found::Address(aaaa.addr().into()),
            AllRecordData::Cname(cname) => Found::Alias(owned(cname.cname())),
            AllRecordData::Ns(ns) => Found::Server(owned(ns.nsdname())),
            AllRecordData::Soa(_) => Found::Start,
            AllRecordData::Txt(txt) => Found::Text(txt.iter().flatten().copied().collect()),
            _ => continue,
        };
        records.push((owned(record.owner()), found));
    }
    Ok(Reply { records })
}

fn owned<N: domain::base::name::ToName>(name: &N) -> DnsName {
    name.to_vec()
}
