//! HTTPS with certificates that renew themselves: from a CA of its own, so that it runs anywhere, or from
//! any CA that speaks ACME.
//!
//! ```sh
//! cargo run --release --example https_server
//! curl --cacert target/https_server/root.pem https://localhost:8443/
//!
//! cargo run --release --example https_server -- --on-demand shop.test
//! curl --cacert target/https_server/root.pem --connect-to ::localhost: https://tea.shop.test:8443/
//!
//! cargo run --release --example https_server -- --name shop.example.com \
//!   --directory https://acme-v02.api.letsencrypt.org/directory --agree-to-terms \
//!   --contact mailto:ops@example.com --https 0.0.0.0:443 --http 0.0.0.0:80
//! ```

#![forbid(unsafe_code)]

use std::{
    convert::Infallible,
    error::Error,
    ffi::OsString,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use hyper::{Request, Response, body::Incoming, service::service_fn};
use lexopt::prelude::*;
use opsbox_cert::{
    CertSpec,
    challenge::{Http01, TlsAlpn01},
    config::Config,
    install::Certificates,
    issuer::{AcmeIssuer, LocalCa},
    manager::{Manager, OnDemandOptions},
    serve::{Acceptor, Server},
    store::{FsStore, Store},
};
use rustls::crypto::CryptoProvider;
use tokio::{net::TcpListener, sync::watch};

const HELP: &str = "\
Serves HTTPS with certificates that renew themselves, until it is interrupted.

Usage: https_server [--local-ca | --directory URL --agree-to-terms | --config FILE] [OPTION]...

  --local-ca         from a CA of its own (default); its root is written to root.pem
                     in the folder of --store
  --directory URL    from a CA that speaks ACME
  --config FILE      as a file in TOML, YAML or JSON says (see the module opsbox_cert::config),
                     and variables that begin with OPSBOX_CERT__; of the options below only
                     --on-demand counts, and --https and --http where it does not say
  --agree-to-terms   to the terms of service of that CA
  --contact URL      how that CA can reach you: mailto:ops@example.com
  --root FILE        the root of that CA's own server, if it is not a public one
  --challenge TYPE   http-01 (default) or tls-alpn-01
  --name NAME        a DNS name or IP address; may be given again
                     (default: localhost and 127.0.0.1)
  --on-demand SUFFIX names that end in .SUFFIX get a certificate when a client first asks for
                     them; a program asks its database in place of comparing the end
  --store FOLDER     where keys and certificates are kept (default: target/https_server)
  --https ADDRESS    where to listen for TLS (default: 127.0.0.1:8443)
  --http ADDRESS     where to redirect and answer challenges (default: 127.0.0.1:8080)
  -h, --help         this text";

struct Args {
    config: Option<PathBuf>,
    directory: Option<String>,
    agree_to_terms: bool,
    contact: Option<String>,
    root: Option<PathBuf>,
    tls_alpn: bool,
    names: Vec<String>,
    on_demand: Option<String>,
    store: PathBuf,
    https: SocketAddr,
    http: SocketAddr,
}

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args_os().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => {
            say(HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("https_server: {error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let done = runtime
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(serve(args)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("https_server: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: Args) -> Result<(), Box<dyn Error>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let Parts {
        certificates,
        mut manager,
        http01,
        tls_alpn01,
        https,
        http,
    } = match &args.config {
        Some(path) => configured(&args, path, provider.clone()).await?,
        None => by_options(&args, provider.clone()).await?,
    };
    certificates.events().hook(|event| say(&event.to_string()));

    let (stop, stopped) = watch::channel(());
    let until = |mut stopped: watch::Receiver<()>| async move {
        // An error is the sender's end, which means the same.
        let _ended = stopped.changed().await;
    };
    let https = TcpListener::bind(https).await?;
    let http = TcpListener::bind(http).await?;
    say(&format!("https://{}/", https.local_addr()?));
    say(&format!("http://{}/", http.local_addr()?));
    let mut acceptor = Acceptor::new(certificates, provider)?.challenges(move |name| {
        let tls_alpn01 = tls_alpn01.clone();
        async move { told(tls_alpn01.server_config(&name).await) }
    });
    if let Some(suffix) = &args.on_demand {
        let end = format!(".{}", suffix.to_ascii_lowercase());
        let options = OnDemandOptions::new(move |name| {
            let allowed = name.to_string().ends_with(&end);
            async move { Ok::<_, Infallible>(allowed) }
        });
        let on_demand;
        (manager, on_demand) = manager.on_demand(options)?;
        acceptor = acceptor.on_demand(on_demand);
    }
    let renewing = tokio::spawn(manager.run(until(stopped.clone())));
    let serving = Server::new(acceptor)
        .redirect(http)
        .answers(move |host, path| {
            let http01 = http01.clone();
            async move { told(http01.respond(&host, &path).await) }
        })
        .run(https, service_fn(hello), until(stopped));
    let serving = tokio::spawn(serving);
    tokio::signal::ctrl_c().await?;
    stop.send(())?;
    renewing.await?;
    let served = serving.await??;
    say(&format!("{} connections", served.connections));
    Ok(())
}

/// What the server is made of.
struct Parts {
    certificates: Certificates,
    manager: Manager,
    http01: Http01,
    tls_alpn01: TlsAlpn01,
    https: SocketAddr,
    http: SocketAddr,
}

/// As a file says, and the environment over it.
async fn configured(
    args: &Args,
    path: &Path,
    provider: Arc<CryptoProvider>,
) -> Result<Parts, Box<dyn Error>> {
    let config = Config::from_path(path)?;
    let all = config.assemble(provider).await?;
    for (name, pem) in &all.roots {
        say(&format!("trust this root of {name}:\n{}", pem.trim_end()));
    }
    Ok(Parts {
        certificates: all.certificates,
        manager: all.manager,
        http01: all.http01,
        tls_alpn01: all.tls_alpn01,
        https: config.serve.https.unwrap_or(args.https),
        http: config.serve.http.unwrap_or(args.http),
    })
}

/// As the options say.
async fn by_options(args: &Args, provider: Arc<CryptoProvider>) -> Result<Parts, Box<dyn Error>> {
    let store: Arc<dyn Store> = Arc::new(FsStore::open(&args.store).await?);
    let certificates = Certificates::new();
    let http01 = Http01::new(store.clone());
    let tls_alpn01 = TlsAlpn01::new(store.clone(), provider.clone());

    let manager = Manager::new(store.clone(), certificates.clone(), provider.clone());
    let manager = match &args.directory {
        None => {
            let ca = LocalCa::open("https_server", store, provider).await?;
            let root = args.store.join("root.pem");
            write_root(&root, ca.root_pem())?;
            say(&format!("trust {}", root.display()));
            manager.issuer("local-ca", ca)
        }
        Some(url) => {
            let issuer = acme(args, url, store, provider)?;
            let issuer = match args.tls_alpn {
                true => issuer.solver(tls_alpn01.clone()),
                false => issuer.solver(http01.clone()),
            };
            manager.issuer("acme", issuer.build()?)
        }
    };
    let names = args.names.iter().map(|name| name.parse());
    let spec = CertSpec::new(names.collect::<Result<Vec<_>, _>>()?)?;
    certificates.set_default(Some(spec.id()));
    Ok(Parts {
        certificates,
        manager: manager.certificate(spec)?,
        http01,
        tls_alpn01,
        https: args.https,
        http: args.http,
    })
}

fn acme(
    args: &Args,
    url: &str,
    store: Arc<dyn Store>,
    provider: Arc<CryptoProvider>,
) -> Result<opsbox_cert::issuer::AcmeBuilder, Box<dyn Error>> {
    let mut issuer = AcmeIssuer::builder(url, store, provider);
    if args.agree_to_terms {
        issuer = issuer.agree_to_terms();
    }
    if let Some(contact) = &args.contact {
        issuer = issuer.contact(contact);
    }
    if let Some(root) = &args.root {
        let pem = std::fs::read(root).map_err(|error| format!("{}: {error}", root.display()))?;
        issuer = issuer.root_pem(pem);
    }
    Ok(issuer)
}

async fn hello(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let path = request.uri().path().to_owned();
    Ok(Response::new(format!("this is {path}\n")))
}

/// What a store cannot say is no answer to a CA, but the operator wants to know.
fn told<T>(found: opsbox_cert::Result<Option<T>>) -> Option<T> {
    found.unwrap_or_else(|error| {
        eprintln!("https_server: {error}");
        None
    })
}

/// The root is no secret, and clients have to read it.
fn write_root(path: &Path, pem: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(pem.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

/// `println!` that does not fail when nobody reads on.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _gone = writeln!(out, "{text}").and_then(|()| out.flush());
}

impl Args {
    /// `None` if help was asked for.
    fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Option<Self>, lexopt::Error> {
        let mut parsed = Self {
            config: None,
            directory: None,
            agree_to_terms: false,
            contact: None,
            root: None,
            tls_alpn: false,
            names: Vec::new(),
            on_demand: None,
            store: "target/https_server".into(),
            https: ([127, 0, 0, 1], 8443).into(),
            http: ([127, 0, 0, 1], 8080).into(),
        };
        let mut parser = lexopt::Parser::from_args(args);
        let mut local_ca = false;
        while let Some(arg) = parser.next()? {
            match arg {
                Long("local-ca") => local_ca = true,
                Long("config") => parsed.config = Some(parser.value()?.into()),
                Long("directory") => parsed.directory = Some(parser.value()?.string()?),
                Long("agree-to-terms") => parsed.agree_to_terms = true,
                Long("contact") => parsed.contact = Some(parser.value()?.string()?),
                Long("root") => parsed.root = Some(parser.value()?.into()),
                Long("challenge") => {
                    parsed.tls_alpn = match parser.value()?.string()?.as_str() {
                        "http-01" => false,
                        "tls-alpn-01" => true,
                        other => {
                            let message =
                                format!("`{other}` is no challenge; give http-01 or tls-alpn-01");
                            return Err(message.into());
                        }
                    };
                }
                Long("name") => parsed.names.push(parser.value()?.string()?),
                Long("on-demand") => parsed.on_demand = Some(parser.value()?.string()?),
                Long("store") => parsed.store = parser.value()?.into(),
                Long("https") => parsed.https = parser.value()?.parse()?,
                Long("http") => parsed.http = parser.value()?.parse()?,
                Short('h') | Long("help") => return Ok(None),
                arg => return Err(arg.unexpected()),
            }
        }
        let chosen = usize::from(local_ca)
            + usize::from(parsed.directory.is_some())
            + usize::from(parsed.config.is_some());
        if chosen > 1 {
            return Err("--local-ca, --directory and --config exclude each other".into());
        }
        if parsed.directory.is_some() && !parsed.agree_to_terms {
            return Err("--directory goes with --agree-to-terms".into());
        }
        if parsed.names.is_empty() {
            parsed.names = vec!["localhost".into(), "127.0.0.1".into()];
        }
        Ok(Some(parsed))
    }
}
