//! The double on a socket, for clients in other processes.

use std::io;

use http::{Request, Response, header};
use http_body_util::BodyExt as _;
use kube::client::Body;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use super::{body::DoubleBody, double::ApiDouble, serve};

/// Most bytes of the head of a request, and of its body.
const MAX_HEAD_BYTES: u64 = 64 * 1024;
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

impl ApiDouble {
    /// Answers plain HTTP/1.1 on a socket, for ever: for a client in another process, such as one
    /// whose memory is to be measured, or `kubectl`.
    ///
    /// # Errors
    ///
    /// If the socket accepts no more connections. A connection that breaks ends by itself.
    pub async fn serve_tcp(&self, listener: TcpListener) -> io::Result<()> {
        loop {
            let (stream, _) = listener.accept().await?;
            let double = self.clone();
            tokio::spawn(async move {
                if let Err(error) = connection(double, stream).await {
                    tracing::debug!(%error, "a connection ended");
                }
            });
        }
    }
}

async fn connection(double: ApiDouble, stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await? {
        let response = serve::serve(double.clone(), request).await?;
        write(&mut stream, response).await?;
    }
    Ok(())
}

/// The next request; `None` at the end of the connection.
async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Request<Body>>> {
    let mut head = Vec::new();
    loop {
        let before = head.len();
        let mut limited = (&mut *stream).take(MAX_HEAD_BYTES);
        limited.read_until(b'\n', &mut head).await?;
        let line = head.get(before..).unwrap_or_default();
        if line.is_empty() {
            return Ok(None);
        }
        if head.len() > 64 * 1024 {
            return Err(invalid("the head of the request is too large"));
        }
        if matches!(line, b"\r\n" | b"\n") {
            break;
        }
    }
    let head = String::from_utf8_lossy(&head);
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(uri)) = (words.next(), words.next()) else {
        return Err(invalid("this is not HTTP"));
    };
    let mut request = Request::builder().method(method).uri(uri);
    let mut length = 0;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = value
                .parse()
                .map_err(|_| invalid("a length that is no number"))?;
        }
        request = request.header(name, value);
    }
    if length > MAX_BODY_BYTES {
        return Err(invalid("the body of the request is too large"));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    request
        .body(Body::from(body))
        .map(Some)
        .map_err(io::Error::other)
}

/// Sends a response in chunks; a body that breaks breaks the connection.
async fn write(
    stream: &mut BufReader<TcpStream>,
    response: Response<DoubleBody>,
) -> io::Result<()> {
    let (parts, mut body) = response.into_parts();
    let mut head = format!(
        "HTTP/1.1 {}\r\ntransfer-encoding: chunked\r\n",
        parts.status
    );
    for name in [header::CONTENT_TYPE, header::RETRY_AFTER] {
        if let Some(value) = parts
            .headers
            .get(&name)
            .and_then(|value| value.to_str().ok())
        {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        if !data.is_empty() {
            stream
                .write_all(format!("{:x}\r\n", data.len()).as_bytes())
                .await?;
            stream.write_all(&data).await?;
            stream.write_all(b"\r\n").await?;
            stream.flush().await?;
        }
    }
    stream.write_all(b"0\r\n\r\n").await?;
    stream.flush().await
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
