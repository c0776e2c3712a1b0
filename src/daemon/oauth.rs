//! The login of `auth = "oauth2"` and `"login"`: a token per target, in memory only, fetched before it is needed.

use super::chain;
use super::http::{Failure, secret};
use super::unsaid::Unsaid;
use crate::config::{self, OAuth2};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// A token is renewed this long before it ends, so that none ends under way.
const EARLY: Duration = Duration::from_secs(60);
/// How long a token is good for whose answer does not say so.
const UNSAID: Duration = Duration::from_secs(300);
/// How long a token is used that is nothing but text: those we know are good for an hour.
const PLAIN: Duration = Duration::from_secs(50 * 60);
/// After a login that was refused, everybody is told so for this long: a tool locks accounts that try on.
const REFUSED: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read.
const MAX_ANSWER: usize = 64 << 10;

/// How it is done.
#[derive(Debug)]
enum Conf {
    OAuth2(OAuth2),
    Plain(config::Login),
}

/// The login of one target.
#[derive(Debug)]
pub struct Login {
    conf: Conf,
    /// Held during a login: all who need a token wait for the one that is being fetched.
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    token: Option<Token>,
    refused: Option<(Instant, String)>,
}

struct Token {
    text: String,
    renew: Instant,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Held") // no secrets
    }
}

impl Login {
    /// A login that has not yet been made.
    pub fn new(conf: &OAuth2) -> Login {
        Login {
            conf: Conf::OAuth2(conf.clone()),
            held: Mutex::default(),
        }
    }

    /// A login whose answer is the token.
    pub fn plain(conf: &config::Login) -> Login {
        Login {
            conf: Conf::Plain(conf.clone()),
            held: Mutex::default(),
        }
    }

    /// What stands before the token.
    pub fn prefix(&self) -> &str {
        match &self.conf {
            Conf::OAuth2(_) => "Bearer ",
            Conf::Plain(conf) => &conf.prefix,
        }
    }

    /// A token that is good, as far as we know. `refused` is one that the tool has just turned away.
    ///
    /// # Errors
    /// The login failed: `fatal` if the tool said no.
    pub async fn token(
        &self,
        client: &reqwest::Client,
        base: &str,
        refused: Option<&str>,
    ) -> Result<String, Failure> {
        let mut held = self.held.lock().await;
        let good = held
            .token
            .as_ref()
            .filter(|t| Some(t.text.as_str()) != refused && t.renew > Instant::now());
        if let Some(token) = good {
            return Ok(token.text.clone());
        }
        if let Some((at, why)) = &held.refused
            && at.elapsed() < REFUSED
        {
            return Err(no(why.clone()));
        }
        held.token = None;
        held.refused = None;
        match self.log_in(client, base).await {
            Ok(token) => {
                let text = token.text.clone();
                held.token = Some(token);
                Ok(text)
            }
            Err(failure) => {
                if failure.fatal {
                    held.refused = Some((Instant::now(), failure.why.clone()));
                }
                Err(failure)
            }
        }
    }

    async fn log_in(&self, client: &reqwest::Client, base: &str) -> Result<Token, Failure> {
        let asked = Instant::now();
        let mut url = reqwest::Url::parse(base).map_err(|e| no(format!("{base}: {e}")))?;
        let path = match &self.conf {
            Conf::OAuth2(conf) => &conf.path,
            Conf::Plain(conf) => &conf.path,
        };
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        url.set_path(path);
        url.set_query((!query.is_empty()).then_some(query));
        let mut unsaid = Unsaid::default();
        let form = self.form(&url, &mut unsaid).map_err(no)?;
        let answer = client
            .post(url)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Accept", "application/json")
            .body(form)
            .send()
            .await;
        let mut answer = answer.map_err(|e| later(chain(&e.without_url())))?;
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        loop {
            let chunk = answer.chunk().await;
            match chunk.map_err(|e| later(chain(&e.without_url())))? {
                Some(chunk) if body.len().saturating_add(chunk.len()) <= MAX_ANSWER => {
                    body.extend_from_slice(&chunk);
                }
                Some(_) => return Err(later("a long answer".to_owned())),
                None => break,
            }
        }
        let token = match &self.conf {
            Conf::OAuth2(_) => token_of(status, &body, asked),
            Conf::Plain(_) => text_of(status, &body, asked),
        };
        token.map_err(|failure| Failure {
            why: unsaid.strip_text(failure.why),
            ..failure
        })
    }

    /// The body of the request; secrets are read each time, as everywhere.
    fn form(&self, url: &reqwest::Url, unsaid: &mut Unsaid) -> Result<String, String> {
        let pairs = match &self.conf {
            Conf::Plain(conf) => vec![
                ("username", conf.user.clone()),
                ("password", secret(&conf.password)?),
            ],
            Conf::OAuth2(conf) => {
                let mut pairs = vec![("client_id", conf.client_id.clone())];
                if let Some(from) = &conf.client_secret {
                    pairs.push(("client_secret", secret(from)?));
                }
                match &conf.user {
                    Some((user, password)) => pairs.extend([
                        ("grant_type", "password".to_owned()),
                        ("username", user.clone()),
                        ("password", secret(password)?),
                    ]),
                    None => pairs.push(("grant_type", "client_credentials".to_owned())),
                }
                pairs
            }
        };
        for (name, value) in &pairs {
            if matches!(*name, "password" | "client_secret") {
                unsaid.add(value);
            }
        }
        // A query and a form are written alike.
        let mut form = url.clone();
        form.set_query(None);
        form.query_pairs_mut().extend_pairs(pairs);
        Ok(form.query().unwrap_or_default().to_owned())
    }
}

/// RFC 6749, 5.1 and 5.2. A web page with 200 is no token: an instance that sleeps answers so.
fn token_of(status: u16, body: &[u8], asked: Instant) -> Result<Token, Failure> {
    let body = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
    let word = |name: &str| body.get(name).and_then(serde_json::Value::as_str);
    if let (200, Some(text)) = (status, word("access_token").filter(|t| !t.is_empty())) {
        let said = body.get("expires_in");
        let seconds = said.and_then(|e| e.as_u64().or_else(|| e.as_str()?.parse().ok()));
        let life = seconds.map_or(UNSAID, Duration::from_secs);
        // Of a token that lives shorter than we like, half is used.
        let used = life.saturating_sub(EARLY).max(life / 2);
        return Ok(Token {
            text: text.to_owned(),
            renew: asked.checked_add(used).unwrap_or(asked),
        });
    }
    let said = [word("error"), word("error_description")];
    let said: Vec<&str> = said.into_iter().flatten().collect();
    let why = crate::model::cut(&format!("{status} {}", said.join(": ")), 200);
    match status {
        400..=407 => Err(no(why)),
        _ => Err(later(why)),
    }
}

/// A token that is the whole answer. It does not say how long it is good for: it is used until it is refused,
/// and for no longer than most are.
fn text_of(status: u16, body: &[u8], asked: Instant) -> Result<Token, Failure> {
    let text = String::from_utf8_lossy(body).trim().to_owned();
    let odd = |c: char| !c.is_ascii_graphic() || matches!(c, '<' | '>' | '{' | '"');
    match status {
        200 if !text.is_empty() && !text.contains(odd) => Ok(Token {
            text,
            renew: asked.checked_add(PLAIN).unwrap_or(asked),
        }),
        400..=407 => Err(no(status.to_string())),
        _ => Err(later(format!("{status}, and no token"))),
    }
}

fn no(why: String) -> Failure {
    Failure {
        sent: false,
        fatal: true,
        why: format!("the login is refused: {why}"),
    }
}

fn later(why: String) -> Failure {
    Failure {
        sent: false,
        fatal: false,
        why: format!("no login: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_token_is_a_login() {
        let now = Instant::now();
        let check = |status, body: &str, expected: Result<u64, bool>| {
            let found = token_of(status, body.as_bytes(), now);
            let found = found.map(|t| t.renew.duration_since(now).as_secs());
            assert_eq!(found.map_err(|f| f.fatal), expected, "{status} {body}");
        };
        check(200, r#"{"access_token":"a","expires_in":1799}"#, Ok(1739));
        check(200, r#"{"access_token":"a","expires_in":"1799"}"#, Ok(1739));
        check(200, r#"{"access_token":"a","expires_in":40}"#, Ok(20));
        check(200, r#"{"access_token":"a"}"#, Ok(240));
        check(200, "<html>asleep</html>", Err(false));
        check(200, r#"{"access_token":""}"#, Err(false));
        check(302, "", Err(false));
        check(400, r#"{"error":"invalid_grant"}"#, Err(true));
        check(
            401,
            r#"{"error":"server_error","error_description":"access_denied"}"#,
            Err(true),
        );
        check(429, "", Err(false));
        check(503, "", Err(false));
    }

    #[test]
    fn a_token_may_be_the_whole_answer() {
        let now = Instant::now();
        let check = |status, body: &str, expected: Result<&str, bool>| {
            let found = text_of(status, body.as_bytes(), now).map(|t| t.text);
            let expected = expected.map(str::to_owned);
            assert_eq!(found.map_err(|f| f.fatal), expected, "{status} {body}");
        };
        check(200, "eyJhbGciOi.x-y_z\n", Ok("eyJhbGciOi.x-y_z"));
        check(200, "<html>log in</html>", Err(false));
        check(200, "", Err(false));
        check(401, "no", Err(true));
        check(500, "[{\"messageNumber\":90}]", Err(false));
    }
}
