//! HTTPS on a tokio listener with the certificates in service, and its pieces.
//!
//! ```text
//!  :443 ──▶ Acceptor ──▶ hyper, HTTP/1 and 2 ──▶ your service
//!            time, number    Peer among the extensions
//!  :80  ──▶ /.well-known/acme-challenge/TOKEN ──▶ your answers;  all else ──▶ 308 to https://
//! ```
//!
//! ```no_run
//! use std::convert::Infallible;
//! use std::sync::Arc;
//! use hyper::{Request, Response, body::Incoming, service::service_fn};
//! use opsbox_cert::install::Certificates;
//! use opsbox_cert::serve::{Acceptor, Server};
//! use tokio::net::TcpListener;
//!
//! # async fn run(certificates: Certificates) -> Result<(), Box<dyn std::error::Error>> {
//! let provider = Arc::new(rustls::crypto::ring::default_provider());
//! let hello = service_fn(|_: Request<Incoming>| async {
//!     Ok::<_, Infallible>(Response::new("hello\n".to_owned()))
//! });
//! let served = Server::new(Acceptor::new(certificates, provider)?)
//!     .redirect(TcpListener::bind("[::]:80").await?)
//!     .answers(|host, path| async move {
//!         println!("a challenge for {host}: {path}");
//!         None // or the key authorization
//!     })
//!     .run(TcpListener::bind("[::]:443").await?, hello, async {
//!         // Until a signal: `tokio::signal::ctrl_c().await` for instance.
//!         std::future::pending().await
//!     })
//!     .await?;
//! println!("{} connections", served.connections);
//! # Ok(())
//! # }
//! ```
//!
//! A tower service, such as a `Router` of axum, is given as
//! `hyper_util::service::TowerToHyperService::new(router)`.
//!
//! With the feature `manager`, [`Acceptor::on_demand`] gets certificates for names at their first handshake.
//!
//! # Limits
//!
//! Of handshakes, connections, time for the head of a request and for the end, all in
//! [`limits`](crate::limits). The time for a body and for an answer is the service's to limit, and an idle client
//! of HTTP/2 that answers pings keeps its connection.

mod acceptor;
mod plain;
mod server;

pub use self::acceptor::{Acceptor, HandshakeError};
pub use self::server::{Peer, Served, Server};
