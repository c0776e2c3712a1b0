//! Sockets to requests: HTTP/1.1 with limits and time-outs that act, TLS from files, graceful stop.

use super::clock;
use crate::metrics::Metrics;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, pki_types};

/// Headers of one request.
const MAX_HEADERS: usize = 64;
/// Bytes of the head of a request.
const MAX_HEAD: usize = 64 << 10;
/// Bytes of a body that is too large which are read to let the sender see the answer.
const MAX_DRAIN: usize = 64 << 20;
/// Requests under way may finish for this long after a stop.
const DRAIN: Duration = Duration::from_secs(10);
/// A listener that cannot accept (no file descriptors left) rests this long.
const REST: Duration = Duration::from_millis(100);

/// A request, read whole.
#[derive(Debug)]
pub struct Inquiry {
    /// `GET`, `POST`, ...
    pub method: Method,
    /// Without slashes at its ends.
    pub path: String,
    /// The query as it came.
    pub query: String,
    /// Headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Who asks: an address, or the user at the other end of a unix socket.
    pub peer: Peer,
    /// When its body was complete.
    pub at: crate::model::Millis,
}

impl Inquiry {
    /// The value of a header; empty if none or no text.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
    }
}

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// An address.
    Network(String),
    /// A user of this machine.
    User(u32),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// `application/json`, ...
    pub content_type: &'static str,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A JSON value.
    pub fn json(status: StatusCode, value: &serde_json::Value) -> Answer {
        Answer {
            status,
            content_type: "application/json",
            headers: Vec::new(),
            body: format!("{value}\n").into_bytes(),
        }
    }
    /// `{"error": why}`.
    pub fn error(status: StatusCode, why: &str) -> Answer {
        Answer::json(status, &serde_json::json!({ "error": why }))
    }
}

/// What answers.
pub type Handler =
    Arc<dyn Fn(Inquiry) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

/// Limits of a listener.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Name, for metrics.
    pub name: &'static str,
    /// Bytes of a body.
    pub body: usize,
    /// Time for the head, and for a TLS handshake; also how long an idle connection stays.
    pub head_timeout: Duration,
    /// Time for the body.
    pub body_timeout: Duration,
    /// Connections at once.
    pub connections: usize,
}

/// The certificate in force; replaced by a reload.
pub type Tls = Arc<RwLock<Option<TlsAcceptor>>>;

/// Reads certificate chain and key.
///
/// # Errors
/// Which file is wrong, and how.
pub fn tls(cert: &str, key: &str) -> Result<TlsAcceptor, String> {
    use pki_types::pem::PemObject;
    let chain = pki_types::CertificateDer::pem_file_iter(cert)
        .and_then(|certs| certs.collect::<Result<Vec<_>, _>>())
        .map_err(|e| format!("{cert}: {e}"))?;
    if chain.is_empty() {
        return Err(format!("{cert}: no certificate"));
    }
    let private =
        pki_types::PrivateKeyDer::from_pem_file(key).map_err(|e| format!("{key}: {e}"))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|e| format!("{cert} and {key}: {e}"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A bound listener.
#[derive(Debug)]
pub enum Bound {
    /// TCP.
    Tcp(TcpListener),
    /// A unix socket, with its path if we made the file.
    Unix(UnixListener, Option<String>),
}

impl Bound {
    /// Where it listens, as people write it.
    pub fn address(&self) -> String {
        match self {
            Bound::Tcp(listener) => listener
                .local_addr()
                .map(|a| a.to_string())
                .unwrap_or_default(),
            Bound::Unix(listener, path) => match path {
                Some(path) => path.clone(),
                None => path_of(
                    listener
                        .local_addr()
                        .ok()
                        .as_ref()
                        .and_then(|a| a.as_pathname()),
                ),
            },
        }
    }
}

fn path_of(path: Option<&std::path::Path>) -> String {
    path.map(|p| p.display().to_string()).unwrap_or_default()
}

/// Listeners that systemd holds for us over a restart, by address. What connects meanwhile waits.
///
/// # Errors
/// A socket that is no listener.
pub fn handed_over() -> Result<Vec<(String, Bound)>, String> {
    let mut from = listenfd::ListenFd::from_env();
    let mut out = Vec::new();
    for n in 0..from.len() {
        let wrong = |e: std::io::Error| format!("socket {n} of systemd: {e}");
        let bound = match from.take_tcp_listener(n) {
            Ok(Some(tcp)) => {
                tcp.set_nonblocking(true).map_err(wrong)?;
                Bound::Tcp(TcpListener::from_std(tcp).map_err(wrong)?)
            }
            Ok(None) => continue,
            Err(_) => match from.take_unix_listener(n).map_err(wrong)? {
                Some(unix) => {
                    unix.set_nonblocking(true).map_err(wrong)?;
                    Bound::Unix(UnixListener::from_std(unix).map_err(wrong)?, None)
                }
                None => continue,
            },
        };
        out.push((bound.address(), bound));
    }
    Ok(out)
}

/// Binds `address:port` or the path of a unix socket (mode 0660; a dead one is replaced).
///
/// # Errors
/// The address, and what is wrong.
pub async fn bind(address: &str) -> Result<Bound, String> {
    let wrong = |e: &dyn std::fmt::Display| format!("{address}: {e}");
    if !address.starts_with('/') {
        return TcpListener::bind(address)
            .await
            .map(Bound::Tcp)
            .map_err(|e| wrong(&e));
    }
    if std::os::unix::net::UnixStream::connect(address).is_ok() {
        return Err(format!("{address}: another process listens there"));
    }
    std::fs::remove_file(address).ok(); // left by a process that was killed
    let listener = UnixListener::bind(address).map_err(|e| wrong(&e))?;
    let mode = std::fs::Permissions::from_mode(0o660);
    std::fs::set_permissions(address, mode).map_err(|e| wrong(&e))?;
    Ok(Bound::Unix(listener, Some(address.to_owned())))
}

/// Serves until `stop` changes, then finishes what is under way.
pub async fn serve(
    bound: Bound,
    limits: Limits,
    tls: Tls,
    handler: Handler,
    metrics: Metrics,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(limits.connections));
    let permits = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&bound) => accepted,
            _ = stop.changed() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, listener = limits.name, "a connection could not be taken");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let Ok(permit) = room.clone().try_acquire_owned() else {
            // Closed at once: the sender sees it and tries again, which is better than a silent wait.
            metrics.limits.with_label_values(&["connections"]).inc();
            continue;
        };
        let acceptor = tls.read().map(|t| t.clone()).unwrap_or_default();
        let (limits, handler, metrics, stop) = (
            limits.clone(),
            handler.clone(),
            metrics.clone(),
            stop.clone(),
        );
        tokio::spawn(async move {
            let open = metrics.connections.with_label_values(&[limits.name]);
            open.inc();
            match (stream, acceptor) {
                (Stream::Tcp(tcp), Some(acceptor)) => {
                    if let Ok(Ok(secure)) = timeout(limits.head_timeout, acceptor.accept(tcp)).await
                    {
                        connection(secure, peer, limits, handler, metrics, stop).await;
                    }
                }
                (Stream::Tcp(tcp), None) => {
                    connection(tcp, peer, limits, handler, metrics, stop).await
                }
                (Stream::Unix(unix), _) => {
                    connection(unix, peer, limits, handler, metrics, stop).await
                }
            }
            open.dec();
            drop(permit);
        });
    }
    // What is under way holds a permit.
    drop(timeout(DRAIN, room.acquire_many(permits)).await);
    if let Bound::Unix(_, Some(path)) = bound {
        std::fs::remove_file(path).ok(); // the next start replaces it anyway
    }
}

enum Stream {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

async fn accept(bound: &Bound) -> std::io::Result<(Stream, Peer)> {
    match bound {
        Bound::Tcp(listener) => {
            let (stream, address) = listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok((Stream::Tcp(stream), Peer::Network(address.to_string())))
        }
        Bound::Unix(listener, _) => {
            let (stream, _) = listener.accept().await?;
            let user = stream.peer_cred()?.uid();
            Ok((Stream::Unix(stream), Peer::User(user)))
        }
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    peer: Peer,
    limits: Limits,
    handler: Handler,
    metrics: Metrics,
    mut stop: watch::Receiver<bool>,
) {
    let head_timeout = limits.head_timeout;
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (limits, handler, metrics, peer) = (
            limits.clone(),
            handler.clone(),
            metrics.clone(),
            peer.clone(),
        );
        async move {
            let answer = respond(request, peer, &limits, &handler, &metrics).await;
            Ok::<_, std::convert::Infallible>(to_hyper(answer))
        }
    });
    let mut connection = std::pin::pin!(
        hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head_timeout)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service)
    );
    loop {
        tokio::select! {
            // A connection that breaks is the sender's matter; it tries again.
            _ended = connection.as_mut() => return,
            changed = stop.changed() => {
                connection.as_mut().graceful_shutdown();
                if changed.is_err() {
                    drop(timeout(DRAIN, connection.as_mut()).await);
                    return;
                }
            }
        }
    }
}

async fn respond(
    request: hyper::Request<Incoming>,
    peer: Peer,
    limits: &Limits,
    handler: &Handler,
    metrics: &Metrics,
) -> Answer {
    let (parts, body) = request.into_parts();
    let declared = parts
        .headers
        .get("content-length")
        .and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    let too_large = || {
        metrics.limits.with_label_values(&["body"]).inc();
        let text = format!("the body is larger than {} bytes", limits.body);
        close(Answer::error(StatusCode::PAYLOAD_TOO_LARGE, &text))
    };
    if declared.is_some_and(|n| n > limits.body) {
        // A sender that is still writing sees our answer only if somebody reads.
        drop(timeout(limits.body_timeout, drain(body)).await);
        return too_large();
    }
    let body = match timeout(
        limits.body_timeout,
        Limited::new(body, limits.body).collect(),
    )
    .await
    {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return too_large(),
        Ok(Err(_)) => {
            return close(Answer::error(
                StatusCode::BAD_REQUEST,
                "the body was cut off",
            ));
        }
        Err(_) => {
            metrics.limits.with_label_values(&["body_timeout"]).inc();
            return close(Answer::error(
                StatusCode::REQUEST_TIMEOUT,
                "the body took too long",
            ));
        }
    };
    let inquiry = Inquiry {
        method: parts.method,
        path: parts.uri.path().trim_matches('/').to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
        peer,
        at: clock::wall(),
    };
    // A panic in a request is a bug of ours; it must not end the process.
    let task = tokio::spawn(AssertUnwindSafe(handler(inquiry)).0);
    match task.await {
        Ok(answer) => answer,
        Err(_) => {
            metrics.panics.inc();
            Answer::error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "a bug in correlated; see its log",
            )
        }
    }
}

/// Reads and forgets, up to a limit.
async fn drain(mut body: Incoming) {
    let mut read = 0usize;
    while let Some(Ok(frame)) = body.frame().await {
        read = read.saturating_add(frame.data_ref().map_or(0, Bytes::len));
        if read > MAX_DRAIN {
            return;
        }
    }
}

/// The rest of the request will not be read, so the connection cannot be used again.
fn close(mut answer: Answer) -> Answer {
    answer.headers.push(("connection", "close".to_owned()));
    answer
}

fn to_hyper(answer: Answer) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}
