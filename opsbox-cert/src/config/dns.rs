//! One solver of dns-01, and one of dns-persist-01, over all DNS providers of a configuration: each
//! certificate names its own.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::assemble::{invalid, secret};
use super::{Config, DnsConfig, DnsProviderConfig};
use crate::challenge::{Answer, Dns01, DnsPersist01, Solver};
use crate::dns::{DnsProvider, Hook, Rfc2136, TsigAlgorithm};
use crate::error::Result;
use crate::identifier::Identifier;
use crate::inventory::ChallengeType;

type OfProvider = Arc<Dns01<Arc<dyn DnsProvider>>>;

/// Solvers of one challenge by the name that a certificate is for, without `*.`.
#[derive(Debug)]
pub(super) struct ByName<S> {
    kind: ChallengeType,
    /// Why a name has none, and what to do.
    missing: fn(&str) -> String,
    solvers: Arc<HashMap<String, S>>,
}

impl<S> Clone for ByName<S> {
    fn clone(&self) -> Self {
        Self {
            solvers: Arc::clone(&self.solvers),
            ..*self
        }
    }
}

impl ByName<OfProvider> {
    /// Of dns-01; none if no certificate names a provider.
    pub(super) fn dns01(config: &Config) -> Result<Option<Self>> {
        let mut solvers: HashMap<&str, OfProvider> = HashMap::new();
        for (name, dns) in &config.dns {
            solvers.insert(name, Arc::new(dns.solver(name)?));
        }
        let mut by_name = HashMap::new();
        let mut chosen: HashMap<String, &str> = HashMap::new();
        for spec in &config.certificates {
            let Some(provider) = spec.dns_provider() else {
                continue;
            };
            let Some(solver) = solvers.get(provider) else {
                let reason =
                    format!("no DNS provider is named `{provider}`; add it, or correct the name");
                return Err(invalid(
                    format_args!("the certificate {}", spec.id()),
                    reason,
                ));
            };
            for identifier in spec.identifiers() {
                let base = identifier.base();
                let before = chosen.insert(base.clone(), provider);
                if let Some(other) = before.filter(|other| *other != provider) {
                    let reason = format!(
                        "the records of {base} are set by `{provider}` here, and by `{other}` for another certificate; name the same for both"
                    );
                    return Err(invalid(
                        format_args!("the certificate {}", spec.id()),
                        reason,
                    ));
                }
                by_name.insert(base, solver.clone());
            }
        }
        Ok(Self::new(ChallengeType::Dns01, by_name, |base| {
            format!(
                "no provider is named that sets the DNS records of {base}; add `dns` to its certificate"
            )
        }))
    }
}

impl ByName<DnsPersist01> {
    /// Of dns-persist-01; none if no certificate is proved so. Without a provider the records are looked
    /// for alone.
    pub(super) fn dns_persist01(config: &Config) -> Result<Option<Self>> {
        let mut by_name = HashMap::new();
        for spec in &config.certificates {
            if spec.challenge_type() != ChallengeType::DnsPersist01 {
                continue;
            }
            let dns = spec.dns_provider().and_then(|provider| {
                let mut all = config.dns.iter();
                all.find(|(name, _)| name == provider)
            });
            for identifier in spec.identifiers() {
                let base = identifier.base();
                if dns.is_none() && by_name.contains_key(&base) {
                    continue;
                }
                let solver = match dns {
                    Some((name, dns)) => dns.persistent_solver(name)?,
                    None => DnsPersist01::new(),
                };
                by_name.insert(base, solver);
            }
        }
        Ok(Self::new(ChallengeType::DnsPersist01, by_name, |base| {
            format!("no certificate for {base} is proved by it; add `challenge` to its certificate")
        }))
    }
}

impl<S: Solver> ByName<S> {
    fn new(
        kind: ChallengeType,
        solvers: HashMap<String, S>,
        missing: fn(&str) -> String,
    ) -> Option<Self> {
        (!solvers.is_empty()).then(|| Self {
            kind,
            missing,
            solvers: Arc::new(solvers),
        })
    }

    fn of(&self, answer: &Answer) -> Result<&S> {
        let base = answer.identifier().base();
        let solver = self.solvers.get(&base);
        solver.ok_or_else(|| invalid(self.kind, (self.missing)(&base)))
    }
}

#[async_trait]
impl<S: Solver> Solver for ByName<S> {
    fn kind(&self) -> ChallengeType {
        self.kind
    }

    fn can_solve(&self, identifier: &Identifier) -> bool {
        self.kind.fits(identifier) && self.solvers.contains_key(&identifier.base())
    }

    async fn present(&self, answer: &Answer) -> Result<()> {
        self.of(answer)?.present(answer).await
    }

    async fn wait(&self, answer: &Answer) -> Result<()> {
        self.of(answer)?.wait(answer).await
    }

    async fn cleanup(&self, answer: &Answer) -> Result<()> {
        self.of(answer)?.cleanup(answer).await
    }
}

impl DnsConfig {
    fn persistent_solver(&self, name: &str) -> Result<DnsPersist01> {
        let mut solver = DnsPersist01::new().provider(self.provider.open(name)?);
        if !self.resolvers.is_empty() {
            solver = solver.resolvers(self.resolvers.iter().copied());
        }
        if !self.authorities.is_empty() {
            solver = solver.authorities(self.authorities.iter().copied());
        }
        Ok(match self.propagation_limit {
            Some(limit) => solver.propagation_limit(limit),
            None => solver,
        })
    }

    fn solver(&self, name: &str) -> Result<Dns01<Arc<dyn DnsProvider>>> {
        let mut solver = Dns01::new(self.provider.open(name)?);
        if !self.resolvers.is_empty() {
            solver = solver.resolvers(self.resolvers.iter().copied());
        }
        if !self.authorities.is_empty() {
            solver = solver.authorities(self.authorities.iter().copied());
        }
        Ok(match self.propagation_limit {
            Some(limit) => solver.propagation_limit(limit),
            None => solver,
        })
    }
}

impl DnsProviderConfig {
    fn open(&self, name: &str) -> Result<Arc<dyn DnsProvider>> {
        Ok(match self {
            Self::Rfc2136 {
                server,
                tsig_key_name,
                tsig_secret_file,
            } => {
                let secret = secret(tsig_secret_file)?;
                let algorithm = TsigAlgorithm::HmacSha256;
                Arc::new(Rfc2136::new(*server, tsig_key_name, algorithm, &secret)?)
            }
            Self::Exec {
                command,
                time_limit,
            } => {
                let Some((program, first)) = command.split_first() else {
                    let reason = "it is empty; give a program";
                    return Err(invalid(format_args!("dns.{name}.command"), reason));
                };
                Arc::new(Hook::lego(program).arguments(first).time_limit(*time_limit))
            }
        })
    }
}
