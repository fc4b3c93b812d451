//! What a CA asks by http-01 and tls-alpn-01.

use std::net::SocketAddr;

use opsbox_cert::challenge::{Http01, TlsAlpn01};
use tokio::net::TcpListener;
use tokio_rustls::LazyConfigAcceptor;

/// Serves http-01 until the runtime ends.
pub(crate) async fn http(solver: Http01) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    crate::http01::serve(listener, solver);
    address
}

/// Serves tls-alpn-01 until the runtime ends.
pub(crate) async fn tls(solver: TlsAlpn01) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let solver = solver.clone();
            tokio::spawn(async move {
                let Ok(start) = LazyConfigAcceptor::new(Default::default(), stream).await else {
                    return;
                };
                let name = start.client_hello().server_name().unwrap().to_owned();
                if let Some(config) = solver.server_config(&name).await.unwrap() {
                    start.into_stream(config).await.ok();
                }
            });
        }
    });
    address
}
