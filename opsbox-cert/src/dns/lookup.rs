//! Where a challenge is to be written, and whether everyone can see it.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr as _;

use domain::base::Rtype;

use super::fault;
use super::query::{DnsName, Found, NoReply, Reply, ask};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{MAX_CNAMES, MAX_NAME_SERVERS};

const PORT: u16 = 53;

/// Which servers are asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lookup {
    pub(crate) resolvers: Vec<SocketAddr>,
    /// In place of those that the zone names.
    pub(crate) authorities: Vec<SocketAddr>,
}

/// What the authoritative servers show at a name.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    by: Vec<(SocketAddr, Vec<String>)>,
    /// Why others say nothing.
    silent: Vec<String>,
}

impl Shown {
    /// All texts, of one server after the other.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let all = self.by.iter().flat_map(|(_, texts)| texts);
        all.map(String::as_str)
    }

    /// Which servers do not show what is looked for, or cannot be asked; empty if every one that answers
    /// shows it.
    pub(crate) fn missing(&self, is_it: impl Fn(&str) -> bool) -> Vec<String> {
        let shows = |texts: &[String]| texts.iter().any(|text| is_it(text));
        let without = self.by.iter().filter(|(_, texts)| !shows(texts));
        let mut missing: Vec<String> = without
            .map(|(server, _)| format!("{server}: not there"))
            .collect();
        // A server that is down keeps no one from the record, if another shows it.
        if missing.len() == self.by.len() {
            missing.extend(self.silent.iter().cloned());
            if missing.is_empty() {
                missing.push("the zone names no server".into());
            }
        }
        missing
    }
}

impl Lookup {
    /// Where the CNAME records of a name lead, and the zone that this is in.
    pub(crate) async fn target(&self, name: &str) -> Result<(String, String)> {
        let mut target = parse(name)?;
        for _ in 0..=MAX_CNAMES {
            let reply = self.resolve(&target, Rtype::CNAME).await?;
            let next = reply
                .records
                .into_iter()
                .find_map(|(owner, found)| match found {
                    Found::Alias(next) if owner == target => Some(next),
                    _ => None,
                });
            match next {
                Some(next) => target = next,
                None => {
                    let zone = self.zone(&target).await?;
                    return Ok((target.to_string(), zone.to_string()));
                }
            }
        }
        let reason =
            format!("more than {MAX_CNAMES} CNAME records follow each other; remove the loop");
        Err(fault(ErrorKind::Limit, "resolve", name, reason))
    }

    /// The zone of a name: the longest end of it that has a SOA record.
    async fn zone(&self, name: &DnsName) -> Result<DnsName> {
        let mut suffix = Some(name.clone());
        while let Some(zone) = suffix.filter(|zone| !zone.is_root()) {
            let reply = self.resolve(&zone, Rtype::SOA).await?;
            let starts =
                |(owner, found): &(DnsName, Found)| *owner == zone && *found == Found::Start;
            if reply.records.iter().any(starts) {
                return Ok(zone);
            }
            suffix = zone
                .parent()
                .map(|parent| domain::base::name::ToName::to_vec(&parent));
        }
        let reason =
            "no zone above it has a SOA record; check that its domain is registered and delegated";
        Err(fault(ErrorKind::Invalid, "resolve", name, reason))
    }

    /// The texts of a name at each authoritative server of its zone.
    pub(crate) async fn shown(&self, name: &str, zone: &str) -> Result<Shown> {
        let name = parse(name)?;
        let groups = if self.authorities.is_empty() {
            self.servers(&parse(zone)?).await?
        } else {
            self.authorities
                .iter()
                .map(|&server| vec![server])
                .collect()
        };
        let mut shown = Shown::default();
        for group in groups {
            match first(&group, &name).await {
                Ok((server, reply)) => {
                    let texts =
                        reply
                            .records
                            .into_iter()
                            .filter_map(|(owner, found)| match found {
                                Found::Text(text) if owner == name => {
                                    Some(String::from_utf8_lossy(&text).into_owned())
                                }
                                _ => None,
                            });
                    shown.by.push((server, texts.collect()));
                }
                Err(problem) => shown.silent.push(problem.to_string()),
            }
        }
        Ok(shown)
    }

    /// The addresses of each authoritative server of a zone.
    async fn servers(&self, zone: &DnsName) -> Result<Vec<Vec<SocketAddr>>> {
        let reply = self.resolve(zone, Rtype::NS).await?;
        let mut out = Vec::new();
        let names = reply
            .records
            .into_iter()
            .filter_map(|(_, found)| match found {
                Found::Server(server) => Some(server),
                _ => None,
            });
        for server in names.take(MAX_NAME_SERVERS) {
            let mut addresses = Vec::new();
            for kind in [Rtype::A, Rtype::AAAA] {
                for (_, found) in self.resolve(&server, kind).await?.records {
                    if let Found::Address(ip) = found {
                        addresses.push(SocketAddr::new(ip, PORT));
                    }
                }
            }
            if !addresses.is_empty() {
                out.push(addresses);
            }
        }
        Ok(out)
    }

    async fn resolve(&self, name: &DnsName, kind: Rtype) -> Result<Reply> {
        let mut said = Vec::new();
        for &server in &self.resolvers {
            match ask(server, name, kind).await {
                Ok(reply) => return Ok(reply),
                Err(problem) => said.push(problem.to_string()),
            }
        }
        let reason = match said.as_slice() {
            [] => "no resolver is known; give some, or write them to /etc/resolv.conf".into(),
            said => format!(
                "no resolver answers ({}); check that they are up and reachable",
                said.join("; ")
            ),
        };
        Err(fault(ErrorKind::Unavailable, "resolve", name, reason))
    }
}

/// The first of the addresses of a server that answers.
async fn first(group: &[SocketAddr], name: &DnsName) -> Result<(SocketAddr, Reply), NoReply> {
    let mut problem = NoReply("a server without an address".into());
    for &server in group {
        match ask(server, name, Rtype::TXT).await {
            Ok(reply) => return Ok((server, reply)),
            Err(error) => problem = error,
        }
    }
    Err(problem)
}

pub(super) fn parse(name: &str) -> Result<DnsName, Error> {
    DnsName::from_str(name).map_err(|_| {
        let reason = "it is no DNS name; correct it";
        fault(ErrorKind::Invalid, "resolve", name, reason)
    })
}

/// The resolvers of the system.
pub(crate) fn system_resolvers() -> Vec<SocketAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"))
        .filter_map(|address| address.trim().parse::<IpAddr>().ok())
        .map(|ip| SocketAddr::new(ip, PORT))
        .collect()
}
