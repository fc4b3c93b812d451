//! An http-01 server for the CAs of the tests.

use opsbox_cert::challenge::Http01;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Answers what a CA asks by http-01, until the runtime ends or it is aborted.
pub(crate) fn serve(listener: TcpListener, http01: Http01) -> tokio::task::AbortHandle {
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let http01 = http01.clone();
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
                let (status, body) = match http01.respond(host.unwrap(), path).await.unwrap() {
                    Some(body) => ("200 OK", body),
                    None => ("404 Not Found", "nothing here".into()),
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).await.ok();
            });
        }
    })
    .abort_handle()
}
