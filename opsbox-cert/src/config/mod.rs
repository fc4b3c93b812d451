//! Configuration from a file in TOML, YAML or JSON, with variables of the environment over it.
//!
//! Every error names the file, the line and the field, or the variable, and says what to do. Secrets are
//! not written into a configuration but named by the file that has them.
//!
//! ```toml
//! [store]
//! kind = "folder"                        # memory, folder, redis, object, kubernetes
//! path = "/var/lib/opsbox-cert"
//! encryption_key_file = "/etc/opsbox-cert/key"
//!
//! [issuers.letsencrypt]
//! kind = "acme"
//! directory = "letsencrypt"              # or letsencrypt-staging, or a URL
//! contact = ["mailto:ops@example.com"]
//! terms_of_service_agreed = true
//!
//! [issuers.letsencrypt.limits]          # in place of those that Let's Encrypt publishes
//! account = { count = 600, per = "3h" }
//!
//! [issuers.internal]
//! kind = "local-ca"
//! lifetime = "7d"
//!
//! [manager]
//! share_work = true                      # one of several instances over one store
//! seed = 7                               # the same for all of them
//! policy = { at_once = { normal = 8 } }
//!
//! [dns.zone]
//! kind = "rfc2136"
//! server = "192.0.2.53:53"
//! tsig_key_name = "opsbox"
//! tsig_secret_file = "/etc/opsbox-cert/tsig"
//! authorities = ["192.0.2.53:53"]        # where to see that it is there; found out otherwise
//!
//! [[certificates]]
//! names = ["example.com", "*.example.com"]
//! challenge = "dns-01"
//! dns = "zone"
//!
//! [serve]
//! https = "0.0.0.0:443"
//! http = "0.0.0.0:80"
//! ```
//!
//! What the limits of an issuer are ([`Limits`]), in a table `issuers.NAME.limits`. What is not
//! there is that of the base:
//!
//! | field | what |
//! |---|---|
//! | `base` | `letsencrypt` or `none`; without it, `letsencrypt` if the directory is that, and else `none` |
//! | `account`, `domain`, `exact_set`, `failures`, `new_accounts` | a rate: `{ count = 300, per = "3h" }`, with `burst` if that is another number than `count` |
//! | `requests` | a table of rates: `directory`, `nonce`, `new_order`, `renewal_info`, `other` |
//! | `consecutive_failures` | a number |
//! | `renewals_exempt`, `ari_exempt`, `refuse_duplicates` | `true` or `false` |
//! | `margin` | a time: `"20s"` |
//!
//! What the policy is ([`Policy`]), in a table `manager.policy`:
//!
//! | field | what |
//! |---|---|
//! | `base` | `default` or `classic` |
//! | `due` | `{ long = "1/3", short = "1/2", below = "10d" }`: shares of the lifetime, or times |
//! | `bands` | `{ critical = "1/12", urgent = "1/6", soon = "1/4" }`, as above |
//! | `weight` | of `single`, `san` and `wildcard`, from 0 to 255 |
//! | `at_once` | of `immediate`, `critical`, `urgent`, `soon` and `normal` |
//! | `spread` | `true` or `false` |
//! | `retry_share` | a number |
//! | `poll_every` | a time from `"1m"` to `"12h"` |
//! | `polls` | `{ count = 20, per = "1s", at_once = 16 }` |
//!
//! Beside it `manager` has `share_work`, `member_time` (`"3m"`) and `seed`.
//!
//! ```
//! use opsbox_cert::config::{Config, Format, Source};
//!
//! let text = r#"
//! certificates = [{ names = ["shop.example.com"] }]
//! [issuers.internal]
//! kind = "local-ca"
//! "#;
//! let mut source = Source::parse("opsbox.toml", text, Format::Toml)?;
//! source.environment("OPSBOX_CERT", [("OPSBOX_CERT__STORE__KIND", "memory")])?;
//! let config = source.config()?;
//! assert_eq!(config.certificates[0].id(), "shop.example.com");
//!
//! let text = text.replace("shop.example.com", "shop.exam ple.com");
//! let error = Source::parse("opsbox.toml", &text, Format::Toml)?.config().unwrap_err();
//! assert!(error.to_string().starts_with(
//!     "cannot use opsbox.toml: line 2, column 28, certificates[0].names[0]: "
//! ), "{error}");
//! # Ok::<(), opsbox_cert::Error>(())
//! ```

#![warn(clippy::indexing_slicing)]

#[cfg(feature = "manager")]
mod assemble;
#[cfg(all(feature = "dns", feature = "manager"))]
mod dns;
mod environment;
mod limits;
mod manager;
mod read;
mod reader;
mod tree;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::budget::Limits;
use crate::error::{ErrorKind, Result};
use crate::inventory::CertSpec;
use crate::limits::MAX_CONFIG_BYTES;
use crate::plan::Policy;
use crate::text::Escaped;
#[cfg(feature = "manager")]
pub use assemble::Assembled;
use reader::wrong;
use tree::{Node, Origin};

/// The language of a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// TOML 1.1.
    Toml,
    /// YAML 1.2.
    Yaml,
    /// JSON (RFC 8259).
    Json,
}

impl Format {
    /// By the ending of a file's name: `.toml`, `.yaml`, `.yml` or `.json`.
    pub fn of_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// A configuration that is read but not yet checked, so that the environment can change it.
pub struct Source {
    file: PathBuf,
    root: Node,
}

impl Source {
    /// Reads a file, whose ending says its language.
    ///
    /// # Errors
    ///
    /// [`Io`](ErrorKind::Io) if the file cannot be read, and [`Config`](ErrorKind::Config) if it has
    /// another ending, is larger than [`MAX_CONFIG_BYTES`], or is broken.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let refuse = |message: String| wrong(path, &Origin::File(1, 1), "", message);
        let Some(format) = Format::of_path(path) else {
            return Err(refuse(
                "the name of the file says no language; end it in .toml, .yaml or .json".into(),
            ));
        };
        let bytes =
            crate::file::read_regular(path, MAX_CONFIG_BYTES).map_err(|error| {
                match error.kind() {
                    ErrorKind::Io => error.with_path(path),
                    ErrorKind::Limit => refuse(format!(
                        "the file is larger than the limit of {MAX_CONFIG_BYTES} bytes; split it"
                    )),
                    _ => refuse(error.reason()),
                }
            })?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Self::parse(path, text, format),
            Err(error) => {
                let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let line = before.iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
                let message = format!(
                    "byte {} is not UTF-8; save the file as UTF-8",
                    error.valid_up_to()
                );
                Err(wrong(path, &Origin::File(line, 1), "", message))
            }
        }
    }

    /// Parses text; `file` is what errors call it.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) if the text is broken.
    pub fn parse(file: impl Into<PathBuf>, text: &str, format: Format) -> Result<Self> {
        let file = file.into();
        match tree::parse(text, format) {
            Ok(root) => Ok(Self { file, root }),
            Err(tree::Syntax { origin, message }) => Err(wrong(&file, &origin, "", message)),
        }
    }

    /// Puts the variables whose names begin with the prefix and two underscores over the values of the
    /// file; [`std::env::vars_os`] gives all there are. `OPSBOX_CERT__STORE__PATH` is `store.path`,
    /// `OPSBOX_CERT__CERTIFICATES__0__NAMES` the names of the first certificate, between commas.
    /// Values in brackets are JSON.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) if a name leads nowhere or a value is not UTF-8.
    pub fn environment<N, V>(
        &mut self,
        prefix: &str,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Result<()>
    where
        N: Into<std::ffi::OsString>,
        V: Into<std::ffi::OsString>,
    {
        let mut found = Vec::new();
        for (name, value) in variables {
            let Ok(name) = name.into().into_string() else {
                continue;
            };
            let place = name.strip_prefix(prefix);
            let Some(place) = place.and_then(|rest| rest.strip_prefix("__")) else {
                continue;
            };
            let origin = Origin::Variable(name.clone());
            let Ok(value) = value.into().into_string() else {
                let message = "its value is not UTF-8; set it again";
                return Err(wrong(&self.file, &origin, "", message.into()));
            };
            found.push((place.to_owned(), name, value));
        }
        // The environment has no order of its own: lists grow from their beginning.
        found.sort();
        for (place, name, value) in found {
            environment::set(&mut self.root, &place, &name, value)
                .map_err(|message| wrong(&self.file, &Origin::Variable(name), "", message))?;
        }
        Ok(())
    }

    /// Checks everything.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) for the first field that is missing, unknown or wrong.
    pub fn config(&self) -> Result<Config> {
        read::config(&self.root, &self.file)
    }
}

/// Shows where it is from, and no values.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// A whole configuration, in which each name that is used is there.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Where keys, chains and order state are kept.
    pub store: StoreConfig,
    /// A file with the 32 bytes, in base64, that private keys are encrypted with.
    pub encryption_key_file: Option<PathBuf>,
    /// By name, in the order in which they are tried.
    pub issuers: Vec<(String, IssuerConfig)>,
    /// The limits of issuers, by name: of those that have some here.
    pub limits: Vec<(String, Limits)>,
    /// How the manager works.
    pub manager: ManagerConfig,
    /// Who sets DNS records, by name.
    pub dns: Vec<(String, DnsConfig)>,
    /// What there should be.
    pub certificates: Vec<CertSpec>,
    /// Where to listen.
    pub serve: ServeConfig,
}

impl Config {
    /// Reads a file, with the variables of the environment that begin with `OPSBOX_CERT__` over it.
    ///
    /// # Errors
    ///
    /// As [`Source::read`], [`Source::environment`] and [`Source::config`].
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self> {
        let mut source = Source::read(path)?;
        source.environment("OPSBOX_CERT", std::env::vars_os())?;
        source.config()
    }
}

/// A store.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreConfig {
    /// The memory of the process: all is lost at its end.
    Memory,
    /// A folder of the file system.
    Folder(PathBuf),
    /// Redis at a URL, which may have a password.
    Redis(String),
    /// An object store at a URL: `s3://bucket/prefix`.
    Object(String),
    /// Secrets of a namespace of Kubernetes.
    Kubernetes(String),
}

/// Shows no URL, since it may have a password.
impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("Memory"),
            Self::Folder(path) => f.debug_tuple("Folder").field(path).finish(),
            Self::Redis(_) => f.write_str("Redis(..)"),
            Self::Object(_) => f.write_str("Object(..)"),
            Self::Kubernetes(namespace) => f.debug_tuple("Kubernetes").field(namespace).finish(),
        }
    }
}

/// Who issues.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IssuerConfig {
    /// A CA that speaks ACME.
    Acme(Box<AcmeConfig>),
    /// A CA of our own.
    LocalCa {
        /// What its certificate is named.
        common_name: String,
        /// How long the certificates that it issues hold.
        lifetime: Duration,
    },
}

/// A CA that speaks ACME, and our account there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcmeConfig {
    /// The URL of its directory.
    pub directory: String,
    /// URLs at which it can reach us: `mailto:ops@example.com`.
    pub contact: Vec<String>,
    /// A PEM file with the root of the CA's own server, in place of those that the system trusts.
    pub root_file: Option<PathBuf>,
    /// The profile to order, unless the certificate says another.
    pub profile: Option<String>,
    /// The name of the issuer that the chain should lead to.
    pub preferred_chain: Option<String>,
    /// The external account that ours is bound to (RFC 8555, section 7.3.4).
    pub external_account: Option<ExternalAccountConfig>,
}

/// An account that the CA knows otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExternalAccountConfig {
    /// What the CA calls the key.
    pub key_id: String,
    /// A file with the key, in base64url.
    pub hmac_key_file: PathBuf,
}

/// Who sets DNS records, and where it is seen that they are there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DnsConfig {
    /// Who sets them.
    pub provider: DnsProviderConfig,
    /// Who is asked where the zone is, in place of the resolvers of the system.
    pub resolvers: Vec<SocketAddr>,
    /// Where the records are looked for, in place of the servers that the zone names.
    pub authorities: Vec<SocketAddr>,
    /// How long these servers may take to show a record.
    pub propagation_limit: Option<Duration>,
}

/// What sets DNS records.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DnsProviderConfig {
    /// A server that takes dynamic updates (RFC 2136) with a TSIG (RFC 8945).
    Rfc2136 {
        /// Where it is.
        server: SocketAddr,
        /// What it calls the key.
        tsig_key_name: String,
        /// A file with the secret, in base64.
        tsig_secret_file: PathBuf,
    },
    /// A program that is run with what to do as arguments.
    Exec {
        /// The program and its first arguments.
        command: Vec<String>,
        /// How long it may run.
        time_limit: Duration,
    },
}

/// How the manager works.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManagerConfig {
    /// When to renew, whom first and how much at once, in place of the default.
    pub policy: Option<Policy>,
    /// The seed of the moments that are chosen. All instances need the same one.
    pub seed: u64,
    /// Whether it is one of several instances, each of which renews a part of the certificates.
    pub share_work: bool,
    /// After which time of silence another instance is taken for gone, in place of
    /// [`MEMBER_TIME`](crate::limits::MEMBER_TIME).
    pub member_time: Option<Duration>,
}

/// Where to listen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServeConfig {
    /// For TLS.
    pub https: Option<SocketAddr>,
    /// For challenges and redirects.
    pub http: Option<SocketAddr>,
}

/// What is wrong with a configuration, and where.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) file: PathBuf,
    pub(crate) line: Option<u64>,
    pub(crate) column: Option<u64>,
    pub(crate) variable: Option<String>,
    pub(crate) field: String,
    pub(crate) message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.variable, self.line, self.column) {
            (Some(name), ..) => write!(f, "variable {}", Escaped(name))?,
            (None, line, column) => {
                write!(
                    f,
                    "line {}, column {}",
                    line.unwrap_or(1),
                    column.unwrap_or(1)
                )?;
            }
        }
        if !self.field.is_empty() {
            write!(f, ", {}", Escaped(&self.field))?;
        }
        write!(f, ": {}", self.message)
    }
}
