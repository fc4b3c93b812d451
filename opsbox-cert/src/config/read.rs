//! The fields of a configuration.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::reader::{Field, Table};
use super::tree::Node;
use super::{
    AcmeConfig, Config, DnsConfig, DnsProviderConfig, ExternalAccountConfig, IssuerConfig,
    ManagerConfig, ServeConfig, StoreConfig,
};
use crate::budget::Limits;
use crate::error::Result;
use crate::identifier::Identifier;
use crate::inventory::{CertSpec, ChallengeType, KeyAlgorithm, LETS_ENCRYPT, LETS_ENCRYPT_STAGING};

/// How long a certificate of an internal CA holds, and an exec hook may run.
const LOCAL_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const EXEC_TIME_LIMIT: Duration = Duration::from_secs(5 * 60);

pub(super) fn config(root: &Node, file: &Path) -> Result<Config> {
    let mut table = Field::root(root, file).table()?;
    let (store, encryption_key_file) = match table.take("store") {
        Some(field) => store(&field)?,
        None => (StoreConfig::Memory, None),
    };
    let read = named(&mut table, "issuers", issuer)?;
    let (mut issuers, mut limits) = (Vec::new(), Vec::new());
    for (name, (issuer, its_limits)) in read {
        limits.extend(its_limits.map(|its| (name.clone(), its)));
        issuers.push((name, issuer));
    }
    let dns = named(&mut table, "dns", dns_provider)?;
    let certificates = match table.take("certificates") {
        Some(field) => certificates(&field, &issuers, &dns)?,
        None => Vec::new(),
    };
    let serve = match table.take("serve") {
        Some(field) => serve(&field)?,
        None => ServeConfig::default(),
    };
    let manager = match table.take("manager") {
        Some(field) => super::manager::manager(&field)?,
        None => ManagerConfig::default(),
    };
    table.finish()?;
    Ok(Config {
        store,
        encryption_key_file,
        issuers,
        limits,
        manager,
        dns,
        certificates,
        serve,
    })
}

/// A table of tables, by name.
fn named<T>(
    table: &mut Table<'_>,
    key: &'static str,
    read: impl Fn(&Field<'_>) -> Result<T>,
) -> Result<Vec<(String, T)>> {
    let Some(field) = table.take(key) else {
        return Ok(Vec::new());
    };
    let rest = field.table()?.rest().into_iter();
    rest.map(|(name, field)| Ok((name.to_owned(), read(&field)?)))
        .collect()
}

fn store(field: &Field<'_>) -> Result<(StoreConfig, Option<PathBuf>)> {
    #[derive(Clone, Copy)]
    enum Kind {
        Memory,
        Folder,
        Redis,
        Object,
        Kubernetes,
    }
    let mut table = field.table()?;
    let kind = table.need("kind")?.word(&[
        ("memory", Kind::Memory),
        ("folder", Kind::Folder),
        ("redis", Kind::Redis),
        ("object", Kind::Object),
        ("kubernetes", Kind::Kubernetes),
    ])?;
    let store = match kind {
        Kind::Memory => StoreConfig::Memory,
        Kind::Folder => StoreConfig::Folder(table.need("path")?.text()?.into()),
        Kind::Redis => StoreConfig::Redis(url(&table.need("url")?, &["redis://", "rediss://"])?),
        Kind::Object => {
            let known = ["s3://", "gs://", "az://", "file://"];
            StoreConfig::Object(url(&table.need("url")?, &known)?)
        }
        Kind::Kubernetes => StoreConfig::Kubernetes(table.need("namespace")?.text()?.into()),
    };
    let key_file = path(table.take("encryption_key_file"))?;
    table.finish()?;
    Ok((store, key_file))
}

fn issuer(field: &Field<'_>) -> Result<(IssuerConfig, Option<Limits>)> {
    let mut table = field.table()?;
    let is_acme = table
        .need("kind")?
        .word(&[("acme", true), ("local-ca", false)])?;
    let issuer =
        match is_acme {
            true => IssuerConfig::Acme(Box::new(acme(&mut table)?)),
            false => {
                let name = text(table.take("common_name"))?;
                let lifetime = table.take("lifetime");
                let lifetime =
                    lifetime.map_or(Ok(LOCAL_LIFETIME), |field| match field.duration()? {
                        Duration::ZERO => Err(field
                            .wrong("a certificate has to hold for a while; give a longer time")),
                        lifetime => Ok(lifetime),
                    })?;
                IssuerConfig::LocalCa {
                    common_name: name.unwrap_or_else(|| "opsbox internal CA".into()),
                    lifetime,
                }
            }
        };
    let directory = match &issuer {
        IssuerConfig::Acme(acme) => Some(acme.directory.as_str()),
        IssuerConfig::LocalCa { .. } => None,
    };
    let limits = table.take("limits");
    let limits = limits.map(|field| super::limits::limits(&field, directory));
    let limits = limits.transpose()?;
    table.finish()?;
    Ok((issuer, limits))
}

fn acme(table: &mut Table<'_>) -> Result<AcmeConfig> {
    let field = table.need("directory")?;
    let directory = match field.text()? {
        "letsencrypt" => LETS_ENCRYPT.to_owned(),
        "letsencrypt-staging" => LETS_ENCRYPT_STAGING.to_owned(),
        _ => url(&field, &["https://"])?,
    };
    let mut contact = Vec::new();
    if let Some(field) = table.take("contact") {
        for field in field.list()? {
            contact.push(url(&field, &["mailto:"])?);
        }
    }
    let agreed = table.need("terms_of_service_agreed")?;
    if !agreed.boolean()? {
        return Err(agreed.wrong(
            "a CA gives no account to who does not agree to its terms of service; read them, and write true",
        ));
    }
    let external_account = match table.take("external_account") {
        Some(field) => {
            let mut table = field.table()?;
            let account = ExternalAccountConfig {
                key_id: table.need("key_id")?.text()?.into(),
                hmac_key_file: table.need("hmac_key_file")?.text()?.into(),
            };
            table.finish()?;
            Some(account)
        }
        None => None,
    };
    Ok(AcmeConfig {
        directory,
        contact,
        root_file: path(table.take("root_file"))?,
        profile: text(table.take("profile"))?,
        preferred_chain: text(table.take("preferred_chain"))?,
        external_account,
    })
}

fn dns_provider(field: &Field<'_>) -> Result<DnsConfig> {
    let mut table = field.table()?;
    let is_exec = table
        .need("kind")?
        .word(&[("rfc2136", false), ("exec", true)])?;
    let provider = match is_exec {
        false => DnsProviderConfig::Rfc2136 {
            server: table.need("server")?.parse()?,
            tsig_key_name: table.need("tsig_key_name")?.text()?.into(),
            tsig_secret_file: table.need("tsig_secret_file")?.text()?.into(),
        },
        true => {
            let field = table.need("command")?;
            let words = field.list()?;
            if words.is_empty() {
                return Err(field.wrong("the list is empty; give a program"));
            }
            let words = words.iter().map(|word| Ok(word.text()?.to_owned()));
            let limit = table.take("time_limit");
            DnsProviderConfig::Exec {
                command: words.collect::<Result<_>>()?,
                time_limit: limit.map_or(Ok(EXEC_TIME_LIMIT), |field| field.duration())?,
            }
        }
    };
    let config = DnsConfig {
        provider,
        resolvers: servers(table.take("resolvers"))?,
        authorities: servers(table.take("authorities"))?,
        propagation_limit: table
            .take("propagation_limit")
            .map(|field| field.duration())
            .transpose()?,
    };
    table.finish()?;
    Ok(config)
}

fn servers(field: Option<Field<'_>>) -> Result<Vec<SocketAddr>> {
    let fields = field.map_or(Ok(Vec::new()), |field| field.list())?;
    fields.iter().map(Field::parse).collect()
}

fn certificates(
    field: &Field<'_>,
    issuers: &[(String, IssuerConfig)],
    dns: &[(String, DnsConfig)],
) -> Result<Vec<CertSpec>> {
    let mut specs: Vec<CertSpec> = Vec::new();
    for field in field.list()? {
        let spec = certificate(&field, issuers, dns)?;
        if specs.iter().any(|it| it.id() == spec.id()) {
            return Err(field.wrong(format!(
                "another certificate is named `{}`, too; give one of them a `name`",
                spec.id()
            )));
        }
        specs.push(spec);
    }
    Ok(specs)
}

fn certificate(
    field: &Field<'_>,
    issuers: &[(String, IssuerConfig)],
    dns: &[(String, DnsConfig)],
) -> Result<CertSpec> {
    let mut table = field.table()?;
    let chosen = names_of(table.take("issuers"), "issuer", issuers)?;
    let internal = |name: &String| {
        let found = issuers.iter().find(|(known, _)| known == name);
        matches!(found, Some((_, IssuerConfig::LocalCa { .. })))
    };
    let all: Vec<_> = issuers.iter().map(|(name, _)| name.clone()).collect();
    let may_issue = if chosen.is_empty() { &all } else { &chosen };
    let only_internal = !may_issue.is_empty() && may_issue.iter().all(internal);
    let names = table.need("names")?;
    let identifiers = names.list()?.into_iter().map(|field| {
        let parsed = field.text()?.parse();
        let identifier = parsed.map_err(|error: crate::Error| field.wrong(error.reason()))?;
        match &identifier {
            Identifier::Dns(name) if name.is_internal() && !only_internal => Err(field.wrong(
                "a DNS name for a public CA has a domain after a dot; give the whole name, or name issuers that are a local-ca",
            )),
            _ => Ok(identifier),
        }
    });
    let identifiers = identifiers.collect::<Result<Vec<_>>>()?;
    let spec = CertSpec::new(identifiers).map_err(|error| names.wrong(error.reason()))?;
    let mut spec = spec.issuers(chosen);
    if let Some(name) = text(table.take("name"))? {
        spec = spec.with_id(name);
    }
    if let Some(field) = table.take("challenge") {
        let challenge = field.word(&ChallengeType::ALL)?;
        let chosen = spec.challenge(challenge);
        spec = chosen.map_err(|error| field.wrong(error.reason()))?;
    }
    if let Some(field) = table.take("dns") {
        let name = known(&field, "DNS provider", dns)?;
        spec = spec.dns(name);
    }
    if let Some(profile) = text(table.take("profile"))? {
        spec = spec.profile(profile);
    }
    if let Some(field) = table.take("key") {
        spec = spec.key(field.word(&[
            ("ecdsa-p256", KeyAlgorithm::EcdsaP256),
            ("ecdsa-p384", KeyAlgorithm::EcdsaP384),
        ])?);
    }
    table.finish()?;
    let by_dns = spec.challenge_type() == ChallengeType::Dns01;
    if by_dns && !only_internal && spec.dns_provider().is_none() {
        return Err(field.wrong(
            "its names are validated by DNS, and no provider is named that sets the records; add `dns`",
        ));
    }
    Ok(spec)
}

fn serve(field: &Field<'_>) -> Result<ServeConfig> {
    let mut table = field.table()?;
    let https = table.take("https").map(|field| field.parse()).transpose()?;
    let http = table.take("http").map(|field| field.parse()).transpose()?;
    table.finish()?;
    Ok(ServeConfig { https, http })
}

/// Names, each of which has to be among the known ones.
fn names_of<T>(field: Option<Field<'_>>, what: &str, all: &[(String, T)]) -> Result<Vec<String>> {
    let Some(field) = field else {
        return Ok(Vec::new());
    };
    let names = field.list()?.into_iter();
    names.map(|field| known(&field, what, all)).collect()
}

fn known<T>(field: &Field<'_>, what: &str, all: &[(String, T)]) -> Result<String> {
    let words: Vec<_> = all.iter().map(|(name, _)| (&**name, &**name)).collect();
    match words.is_empty() {
        true => Err(field.wrong(format!("there is no {what} in this configuration; add one"))),
        false => Ok(field.word(&words)?.to_owned()),
    }
}

fn text(field: Option<Field<'_>>) -> Result<Option<String>> {
    field.map(|field| Ok(field.text()?.to_owned())).transpose()
}

fn path(field: Option<Field<'_>>) -> Result<Option<PathBuf>> {
    Ok(text(field)?.map(PathBuf::from))
}

/// A URL of one of the schemes. Its text is not shown: it may have a password.
fn url(field: &Field<'_>, schemes: &[&str]) -> Result<String> {
    let text = field.text()?;
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
    match rest {
        Some(rest) if !rest.is_empty() && !text.contains(char::is_whitespace) => {
            Ok(text.to_owned())
        }
        _ => Err(field.wrong(format!(
            "a URL has to stand here that begins with {}; correct it",
            schemes.join(" or ")
        ))),
    }
}
