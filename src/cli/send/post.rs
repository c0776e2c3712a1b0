//! One POST to the daemon: plain sockets and rustls, one deadline for everything, no runtime to start.

use super::answer::{Outcome, judge, read_answer};
use crate::config::keys::SecretRef;
use crate::daemon::{chain, http};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// Where systems keep the certificates they trust; the first that is there counts.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Where to, and with what.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// Address of the source at the daemon.
    pub(super) url: String,
    /// File with the source's token.
    pub(super) token_file: Option<PathBuf>,
    /// Further certificates to trust.
    pub(super) ca_file: Option<PathBuf>,
    /// Time for everything.
    pub(super) timeout: Duration,
}

/// Sends a body; says what the answer means.
pub(super) fn post(way: &Way, body: &[u8]) -> Outcome {
    match try_post(way, body) {
        Ok((status, answer)) => judge(&way.url, status, &answer),
        Err(outcome) => outcome,
    }
}

/// Sends a body.
///
/// # Errors
/// There is no answer.
pub(super) fn try_post(way: &Way, body: &[u8]) -> Result<(u16, Vec<u8>), Outcome> {
    let until = deadline(way);
    let target = Target::parse(&way.url).map_err(Outcome::Fault)?;
    let token = token(way).map_err(Outcome::Fault)?;
    let away = |e: String| away(way, &e);
    let addresses = target.resolve(until).map_err(away)?;
    let stream = connect(&addresses, until).map_err(away)?;
    let mut stream: Box<dyn Stream> = match target.https {
        false => Box::new(stream),
        true => secure(way, &target, stream)?,
    };
    let request = request(&target, token.as_deref(), body);
    // A peer that has seen enough answers and closes while we still write.
    let written = stream.write_all(&request).and_then(|()| stream.flush());
    match (read_answer(stream.as_mut()), written) {
        (Ok(answer), _) => Ok(answer),
        (Err(_), Err(error)) | (Err(error), Ok(())) => Err(away(plain(&error))),
    }
}

fn away(way: &Way, why: &str) -> Outcome {
    Outcome::Away {
        why: format!("{}: {why}", way.url),
        busy: false,
    }
}

/// When everything must be over.
pub(super) fn deadline(way: &Way) -> Instant {
    let now = Instant::now();
    now.checked_add(way.timeout).unwrap_or(now)
}

/// The token, if there is to be one.
pub(super) fn token(way: &Way) -> Result<Option<String>, String> {
    let Some(file) = &way.token_file else {
        return Ok(None);
    };
    let token = http::secret(&SecretRef::File(file.display().to_string()))?;
    match token.chars().any(|c| c.is_control() || !c.is_ascii()) {
        true => Err(format!("{}: no token: one line of ASCII", file.display())),
        false => Ok(Some(token)),
    }
}

/// The parts of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// With TLS.
    pub(super) https: bool,
    /// Name or address, without brackets.
    pub(super) host: String,
    /// Port.
    pub(super) port: u16,
    path: String,
}

impl Target {
    /// Takes an address apart.
    pub(super) fn parse(url: &str) -> Result<Target, String> {
        let wrong = |why: &str| {
            format!("--url {url:?}: {why}; as in http://127.0.0.1:7580/v1/events/nagios")
        };
        if url.chars().any(|c| c.is_control() || c.is_whitespace()) || !url.is_ascii() {
            return Err(wrong("only ASCII without spaces"));
        }
        let (https, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            (None, None) => return Err(wrong("neither http:// nor https://")),
        };
        let at = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        if authority.contains(['@', '?', '#']) || path.contains('#') {
            return Err(wrong("no user and no fragment"));
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or_else(|| wrong("no closing ]"))?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().map_err(|_| wrong("no port"))?,
            None if port.is_empty() && https => 443,
            None if port.is_empty() => 80,
            None => return Err(wrong("no port")),
        };
        if host.is_empty() {
            return Err(wrong("no host"));
        }
        if path.trim_matches('/').is_empty() {
            return Err(wrong("no path"));
        }
        Ok(Target {
            https,
            host: host.to_owned(),
            port,
            path: path.to_owned(),
        })
    }

    /// The addresses of the host. A resolver that does not answer is left behind.
    pub(super) fn resolve(&self, until: Instant) -> Result<Vec<SocketAddr>, String> {
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, self.port)]);
        }
        let (tell, told) = mpsc::channel();
        let (host, port) = (self.host.clone(), self.port);
        std::thread::spawn(move || {
            let found = (host.as_str(), port).to_socket_addrs();
            tell.send(found.map(Iterator::collect)).ok(); // nobody waits any longer
        });
        match told.recv_timeout(left(until)) {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(format!("{}: {error}", self.host)),
            Err(_) => Err(format!("{}: no answer from the resolver", self.host)),
        }
    }
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

/// Connects to the first address that answers.
pub(super) fn connect(addresses: &[SocketAddr], until: Instant) -> Result<Timed, String> {
    let mut why = "the name has no address".to_owned();
    let mut rest = addresses.len();
    for address in addresses {
        // A dead address leaves time for those behind it.
        let share = left(until) / u32::try_from(rest.max(1)).unwrap_or(1);
        rest = rest.saturating_sub(1);
        match TcpStream::connect_timeout(address, share.max(Duration::from_millis(1))) {
            Ok(stream) => {
                stream.set_nodelay(true).ok(); // slower, not wrong
                return Ok(Timed { stream, until });
            }
            Err(error) => why = format!("{address}: {}", plain(&error)),
        }
    }
    Err(why)
}

/// A socket with one deadline for everything.
#[derive(Debug)]
pub(super) struct Timed {
    stream: TcpStream,
    until: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        match left(self.until) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(left),
        }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(buffer)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// What requests go through.
pub(super) trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "no answer in time".to_owned(),
        io::ErrorKind::UnexpectedEof => "closed without an answer".to_owned(),
        _ => chain(error),
    }
}

/// The certificates that are trusted: the system's, and those of `--ca-file`.
pub(super) fn roots(way: &Way) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let system = BUNDLES
        .iter()
        .find_map(|file| CertificateDer::pem_file_iter(file).ok());
    // Odd ones in the system's bundle are not ours to judge.
    roots.add_parsable_certificates(system.into_iter().flatten().flatten());
    if let Some(file) = &way.ca_file {
        let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
        let bytes = std::fs::read(file).map_err(|e| wrong(&e))?;
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(&bytes) {
            let certificate = certificate.map_err(|e| wrong(&e))?;
            roots.add(certificate).map_err(|e| wrong(&e))?;
        }
        if roots.len() == before {
            return Err(wrong(&"no certificate"));
        }
    }
    match roots.is_empty() {
        true => Err("this system trusts no certificate; name one with --ca-file".to_owned()),
        false => Ok(roots),
    }
}

/// Shakes hands.
pub(super) fn secure(
    way: &Way,
    target: &Target,
    mut stream: Timed,
) -> Result<Box<dyn Stream>, Outcome> {
    let fault = |e: &dyn std::fmt::Display| Outcome::Fault(format!("{}: {e}", way.url));
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots(way).map_err(Outcome::Fault)?)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from(target.host.clone()).map_err(|e| fault(&e))?;
    let mut connection =
        ClientConnection::new(Arc::new(config), name).map_err(|e| fault(&chain(&e)))?;
    while connection.is_handshaking() {
        if let Err(error) = connection.complete_io(&mut stream) {
            // The TLS layer's own complaints come as invalid data: a certificate, or a peer without TLS.
            let text = format!("TLS: {}", plain(&error));
            return Err(match error.kind() {
                io::ErrorKind::InvalidData => fault(&text),
                _ => away(way, &text),
            });
        }
    }
    Ok(Box::new(StreamOwned::new(connection, stream)))
}

fn request(target: &Target, token: Option<&str>, body: &[u8]) -> Vec<u8> {
    let host = match target.host.contains(':') {
        true => format!("[{}]", target.host),
        false => target.host.clone(),
    };
    let token = token.map_or_else(String::new, |t| format!("Authorization: Bearer {t}\r\n"));
    let mut out = format!(
        "POST {} HTTP/1.1\r\nHost: {host}:{}\r\nUser-Agent: correlated-send/{}\r\nConnection: close\r\n{token}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        target.path,
        target.port,
        env!("CARGO_PKG_VERSION"),
        body.len()
    )
    .into_bytes();
    out.extend_from_slice(body);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let t = |https, host: &str, port, path: &str| {
            Some(Target {
                https,
                host: host.to_owned(),
                port,
                path: path.to_owned(),
            })
        };
        for (url, want) in [
            (
                "http://127.0.0.1:7580/v1/events/n",
                t(false, "127.0.0.1", 7580, "/v1/events/n"),
            ),
            (
                "https://alerts.example/v1/events/n",
                t(true, "alerts.example", 443, "/v1/events/n"),
            ),
            ("http://[::1]:7580/e", t(false, "::1", 7580, "/e")),
            ("http://[::1]/e", t(false, "::1", 80, "/e")),
            ("http://host", None),
            ("http://:80/e", None),
            ("http://host:x/e", None),
            ("http://a@host/e", None),
            ("ftp://host/e", None),
            ("http://host/e\r\nX: y", None),
        ] {
            assert_eq!(Target::parse(url).ok(), want, "{url}");
        }
    }
}
