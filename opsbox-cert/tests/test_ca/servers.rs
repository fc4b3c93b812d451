//! What a CA asks by http-01 and tls-alpn-01.

use std::net::SocketAddr;

use opsbox_cert::challenge::{Http01, TlsAlpn01};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::LazyConfigAcceptor;

/// Serves http-01 until the runtime ends.
pub(crate) async fn http(solver: Http01) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let solver = solver.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut buffer = [0; 1024];
                    match stream.read(&mut buffer).await {
                        Ok(0) | Err(_) => return,
                        Ok(n) => request.extend_from_slice(&buffer[..n]),
                    }
                }
                let request = String::from_utf8(request).unwrap();
                let path = request.split(' ').nth(1).unwrap();
                let host = request.lines().find_map(|line| line.strip_prefix("Host: "));
                let answer = match solver.respond(host.unwrap(), path).await.unwrap() {
                    Some(body) => format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                        body.len()
                    ),
                    None => {
                        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                            .into()
                    }
                };
                stream.write_all(answer.as_bytes()).await.ok();
            });
        }
    });
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
