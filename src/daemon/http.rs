//! The one HTTP client: TLS, time-outs, proxy, credentials. No redirects, no retries, no environment.

use super::oauth::Login;
use super::unsaid::Unsaid;
use super::{chain, clock};
use crate::config::keys::SecretRef;
use crate::config::{Auth, TargetConf};
use crate::model::{Millis, Request, Response};
use std::path::Path;
use std::time::Duration;

/// Bytes of an answer that are read.
const MAX_RESPONSE: usize = 16 << 20;
/// A mark of the byte order, in UTF-8.
const BYTE_ORDER: &[u8] = b"\xef\xbb\xbf";
/// Time to connect, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// Bytes of a secret file.
const MAX_SECRET: u64 = 64 << 10;

pub use crate::itsm::exchange::Failure;

/// A client for one target.
#[derive(Debug)]
pub struct Client {
    base: String,
    auth: Auth,
    secret: Option<SecretRef>,
    login: Option<Login>,
    /// Keeps connections: for reading exchanges.
    reads: reqwest::Client,
    /// A fresh connection each time: a kept one may be dead, and then nobody knows what became of a write.
    writes: reqwest::Client,
}

/// Reads a secret where it lies, without the line end.
///
/// # Errors
/// What is wrong, with the file's name and never its content.
pub fn secret(from: &SecretRef) -> Result<String, String> {
    let path = match from {
        SecretRef::File(path) => path.clone(),
        SecretRef::Credential(name) => {
            let folder = std::env::var("CREDENTIALS_DIRECTORY")
                .map_err(|_| format!("credential {name}: systemd gave no credentials"))?;
            format!("{folder}/{name}")
        }
    };
    let bytes = std::fs::metadata(&path)
        .map_err(|e| format!("{path}: {e}"))?
        .len();
    if bytes > MAX_SECRET {
        return Err(format!("{path}: {bytes} bytes are no secret"));
    }
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(format!("{path}: empty")),
        secret => Ok(secret.to_owned()),
    }
}

fn certificates(path: &str) -> Result<Vec<reqwest::Certificate>, String> {
    let pem = std::fs::read(Path::new(path)).map_err(|e| format!("{path}: {e}"))?;
    reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| format!("{path}: {e}"))
}

impl Client {
    /// A client for a target. The ring provider must be installed.
    ///
    /// # Errors
    /// A file or address that does not work.
    pub fn new(conf: &TargetConf) -> Result<Client, String> {
        let make = |keep: usize| -> Result<reqwest::Client, String> {
            let mut builder = reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .no_proxy()
                .connect_timeout(CONNECT)
                .timeout(Duration::from_millis(
                    u64::try_from(conf.timeout.0).unwrap_or(30_000),
                ))
                .pool_max_idle_per_host(keep)
                .user_agent(concat!("correlated/", env!("CARGO_PKG_VERSION")));
            if let Some(file) = &conf.ca_file {
                builder = builder.tls_certs_merge(certificates(file)?);
            }
            if let Some(proxy) = &conf.proxy {
                let proxy = reqwest::Proxy::all(proxy).map_err(|e| e.to_string())?;
                let direct = reqwest::NoProxy::from_string(&conf.no_proxy.join(","));
                builder = builder.proxy(proxy.no_proxy(direct));
            }
            builder.build().map_err(|e| chain(&e))
        };
        Ok(Client {
            base: conf.url.clone(),
            auth: conf.auth.clone(),
            secret: conf.secret.clone(),
            login: match &conf.auth {
                Auth::OAuth2(conf) => Some(Login::new(conf)),
                Auth::Login(conf) => Some(Login::plain(conf)),
                _fixed => None,
            },
            reads: make(2)?,
            writes: make(0)?,
        })
    }

    /// Whether a login that has ended is renewed here.
    pub fn renews(&self) -> bool {
        self.login.is_some()
    }

    /// Sends a request and reads the whole answer. Where a token is fetched, an answer 401 gets one new login
    /// and is sent once more: 401 says that it was not executed.
    ///
    /// # Errors
    /// No answer, or one that is too long; no login.
    pub async fn send(&self, request: &Request) -> Result<Response, Failure> {
        let Some(login) = &self.login else {
            return self.once(request, None).await;
        };
        let token = login.token(&self.reads, &self.base, None).await?;
        let answer = self.once(request, Some(&token)).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        let token = login.token(&self.reads, &self.base, Some(&token)).await?;
        self.once(request, Some(&token)).await
    }

    async fn once(&self, request: &Request, token: Option<&str>) -> Result<Response, Failure> {
        let not_sent = |why: String| Failure {
            sent: false,
            fatal: false,
            why,
        };
        let mut url = self.url(request).map_err(not_sent)?;
        let method = reqwest::Method::from_bytes(request.method.as_bytes())
            .map_err(|e| not_sent(e.to_string()))?;
        let client = if request.writes {
            &self.writes
        } else {
            &self.reads
        };
        // Read each time: a rotated password needs no restart.
        let secret = match (&self.secret, token) {
            (Some(from), None) => Some(secret(from).map_err(not_sent)?),
            (_, _) => None,
        };
        let unsaid = self.unsaid(secret.as_deref().or(token));
        let mut body = request.body.clone();
        match (&self.auth, &secret) {
            (Auth::Query(name), Some(secret)) => {
                url.query_pairs_mut().append_pair(name, secret);
            }
            (Auth::Member(name), Some(secret)) => body = with_member(&body, name, secret),
            (_, _) => {}
        }
        let mut builder = client.request(method, url);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if let Some(token) = token {
            let prefix = self.login.as_ref().map_or("Bearer ", Login::prefix);
            builder = builder.header("Authorization", format!("{prefix}{token}"));
        } else if let Some(secret) = secret {
            builder = match &self.auth {
                Auth::Token => builder.header("Authorization", format!("token {secret}")),
                Auth::Bearer => builder.bearer_auth(secret),
                Auth::Basic(user) => builder.basic_auth(user, Some(secret)),
                Auth::BasicUser => builder.basic_auth(secret, Some("X")),
                Auth::Header(name, prefix) => builder.header(name, format!("{prefix}{secret}")),
                Auth::Query(_) | Auth::Member(_) | Auth::OAuth2(_) | Auth::Login(_) => builder,
            };
        }
        let answer = builder.body(body).send().await;
        let mut answer = answer.map_err(|e| Failure {
            sent: !e.is_connect() && !e.is_builder(),
            fatal: false,
            why: chain(&e.without_url()),
        })?;
        let mut body = Vec::new();
        loop {
            let chunk = answer.chunk().await.map_err(|e| Failure {
                sent: true,
                fatal: false,
                why: chain(&e.without_url()),
            })?;
            let Some(chunk) = chunk else {
                break;
            };
            if body.len().saturating_add(chunk.len()) > MAX_RESPONSE {
                return Err(Failure {
                    sent: true,
                    fatal: false,
                    why: format!("an answer of more than {} MiB", MAX_RESPONSE >> 20),
                });
            }
            body.extend_from_slice(&chunk);
        }
        // Some tools begin their JSON with a mark of the byte order, which no JSON has.
        if body.starts_with(BYTE_ORDER) {
            body.drain(..BYTE_ORDER.len());
        }
        let headers = answer.headers().iter();
        Ok(Response {
            status: answer.status().as_u16(),
            headers: headers
                .filter_map(|(n, v)| Some((n.as_str().to_owned(), v.to_str().ok()?.to_owned())))
                .map(|(n, v)| (n, unsaid.strip_text(v)))
                .collect(),
            body: unsaid.strip(body),
            at: clock::wall(),
        })
    }

    /// What must not come back with an answer.
    fn unsaid(&self, secret: Option<&str>) -> Unsaid {
        let mut unsaid = Unsaid::default();
        let Some(secret) = secret else {
            return unsaid;
        };
        unsaid.add(secret);
        match &self.auth {
            Auth::Basic(user) => unsaid.add_pair(user, secret),
            Auth::BasicUser => unsaid.add_pair(secret, "X"),
            _whole => {}
        }
        unsaid
    }

    /// The address: always below the base, whatever an adapter says.
    fn url(&self, request: &Request) -> Result<reqwest::Url, String> {
        let odd = request.path.contains("://") || request.path.starts_with('/');
        if odd || request.path.split('/').any(|p| p == "..") {
            return Err(format!("path {:?} leaves the base address", request.path));
        }
        let text = format!("{}/{}", self.base, request.path);
        let mut url = reqwest::Url::parse(&text).map_err(|e| format!("{text}: {e}"))?;
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        Ok(url)
    }
}

/// A JSON object with one more member; what is none stays as it is.
fn with_member(body: &[u8], name: &str, secret: &str) -> Vec<u8> {
    let mut value = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
    match value.as_object_mut() {
        Some(object) => {
            object.insert(name.to_owned(), serde_json::Value::from(secret));
            value.to_string().into_bytes()
        }
        None => body.to_vec(),
    }
}

/// Asks our own dead man's switch; its answer does not matter.
///
/// # Errors
/// Why it could not be asked.
pub async fn ping(url: &str) -> Result<(), String> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(CONNECT)
        .build()
        .map_err(|e| chain(&e))?;
    client
        .get(url)
        .send()
        .await
        .map(|_| ())
        .map_err(|e| chain(&e.without_url()))
}

/// Time-outs of the configuration as durations.
pub fn duration(span: Millis) -> Duration {
    Duration::from_millis(u64::try_from(span.0).unwrap_or(0))
}
