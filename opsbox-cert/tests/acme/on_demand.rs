//! Certificates at the first handshake: the server that the client connects to answers the CA too.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use opsbox_cert::challenge::{Http01, TlsAlpn01};
use opsbox_cert::install::Certificates;
use opsbox_cert::manager::{Manager, OnDemandOptions};
use opsbox_cert::serve::{Acceptor, Server};
use opsbox_cert::store::{FsStore, Store};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use crate::issue::assert_clean;
use crate::pebble::{Options, Pebble, provider};

/// A whole server on the ports that the CA validates, or on others; by which name it is reached does not
/// matter to the CA.
async fn serve(pebble: &Pebble, folder: &Path, tls_alpn: bool, ports: (u16, u16)) -> u16 {
    let store: Arc<dyn Store> = Arc::new(FsStore::open(folder).await.unwrap());
    let certificates = Certificates::new();
    let http01 = Http01::new(store.clone());
    let tls_alpn01 = TlsAlpn01::new(store.clone(), provider());
    let issuer = match tls_alpn {
        true => pebble.builder(&store).solver(tls_alpn01.clone()),
        false => pebble.builder(&store).solver(http01.clone()),
    };
    let options = OnDemandOptions::new(|name| async move {
        Ok::<_, Infallible>(name.to_string().ends_with(".shop.example"))
    });
    let (manager, on_demand) = Manager::new(store, certificates.clone(), provider())
        .issuer("pebble", issuer.build().unwrap())
        .on_demand(options)
        .unwrap();
    tokio::spawn(manager.run(std::future::pending()));
    let bind = |port| TcpListener::bind(("127.0.0.1", port));
    let (https, http) = (bind(ports.0).await.unwrap(), bind(ports.1).await.unwrap());
    let port = https.local_addr().unwrap().port();
    let acceptor = Acceptor::new(certificates, provider())
        .unwrap()
        .on_demand(on_demand)
        .challenges(move |name| {
            let tls_alpn01 = tls_alpn01.clone();
            async move { tls_alpn01.server_config(&name).await.unwrap() }
        });
    let hello = service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let server = Server::new(acceptor)
        .redirect(http)
        .answers(move |host, path| {
            let http01 = http01.clone();
            async move { http01.respond(&host, &path).await.unwrap() }
        });
    tokio::spawn(server.run(https, hello, std::future::pending()));
    port
}

/// The certificate that a client gets who trusts the CA.
async fn connect(root: &str, port: u16, name: &'static str) -> Result<Vec<u8>, String> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(root.as_bytes()).unwrap();
    roots.add(root).unwrap();
    let client = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let connector = TlsConnector::from(Arc::new(client));
    let connected = connector.connect(name.try_into().unwrap(), stream).await;
    let stream = connected.map_err(|error| error.to_string())?;
    Ok(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec())
}

async fn at_once(root: &str, ports: &[u16], name: &'static str) -> Vec<Vec<u8>> {
    let clients = ports.iter().cycle().take(16).map(|port| {
        let (root, port) = (root.to_owned(), *port);
        tokio::spawn(async move { connect(&root, port, name).await.unwrap() })
    });
    let clients: Vec<_> = clients.collect();
    let mut served = Vec::new();
    for client in clients {
        served.push(client.await.unwrap());
    }
    served
}

pub(crate) async fn a_first_handshake_orders_once_by_each_challenge() {
    for tls_alpn in [true, false] {
        let pebble = Pebble::start(&Options::default());
        let root = pebble.root(0).await;
        let folder = tempfile::tempdir().unwrap();
        let asked_by_ca = (pebble.tls_port, pebble.http_port);
        let first = serve(&pebble, folder.path(), tls_alpn, asked_by_ca).await;
        // What the CA asks the first instance for, the second may have ordered.
        let second = serve(&pebble, folder.path(), tls_alpn, (0, 0)).await;

        let mut served = at_once(&root, &[first], "tea.shop.example").await;
        served.dedup();
        assert_eq!((served.len(), pebble.orders()), (1, 1));
        let mut served = at_once(&root, &[second, first], "milk.shop.example").await;
        served.dedup();
        assert_eq!((served.len(), pebble.orders()), (1, 2));

        let error = connect(&root, first, "tea.example").await.unwrap_err();
        assert!(error.contains("UnrecognisedName"), "{error}");
        // After a restart it is in the store.
        let third = serve(&pebble, folder.path(), tls_alpn, (0, 0)).await;
        let served = connect(&root, third, "tea.shop.example").await.unwrap();
        assert_eq!(
            served,
            connect(&root, first, "tea.shop.example").await.unwrap()
        );
        assert_eq!(pebble.orders(), 2);
        let store: Arc<dyn Store> = Arc::new(FsStore::open(folder.path()).await.unwrap());
        assert_clean(&store).await;
    }
}

/// The CA does not come through: the client is told, and the next ones make no order.
pub(crate) async fn a_first_handshake_that_the_ca_does_not_validate_is_not_repeated() {
    let pebble = Pebble::start(&Options::default());
    let root = pebble.root(0).await;
    let folder = tempfile::tempdir().unwrap();
    // Not on the ports that the CA asks.
    let port = serve(&pebble, folder.path(), true, (0, 0)).await;
    for _ in 0..3 {
        let error = connect(&root, port, "tea.shop.example").await.unwrap_err();
        assert!(error.contains("InternalError"), "{error}");
    }
    assert_eq!(pebble.orders(), 1);
}
