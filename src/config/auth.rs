//! How we show a target who we are.

use super::TargetConf;
use super::keys::{SecretRef, Settings};
use super::walk::Walk;
use std::ops::Range;

/// How the secret of a target is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: token SECRET`
    Token,
    /// `Authorization: Bearer SECRET`
    Bearer,
    /// Basic, with this user.
    Basic(String),
    /// Basic, with the secret as user.
    BasicUser,
    /// A header of this name, with this before the secret.
    Header(String, String),
    /// A query parameter of this name.
    Query(String),
    /// A member of the JSON body of this name.
    Member(String),
    /// A token that is fetched and renewed.
    OAuth2(OAuth2),
    /// A token that is fetched with user and password, and is nothing but text.
    Login(Login),
}

/// A login whose answer is the token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentences are in config::tables")]
pub struct Login {
    pub path: String,
    pub user: String,
    pub password: SecretRef,
    pub prefix: String,
}

/// A login by OAuth 2.0: the password grant with a user, else client credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentences are in config::tables")]
pub struct OAuth2 {
    pub path: String,
    pub client_id: String,
    pub client_secret: Option<SecretRef>,
    pub user: Option<(String, SecretRef)>,
}

/// Another address for reading requests, where a tool is written to elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentences are at the keys of the kind")]
pub struct Reads {
    pub url: String,
    pub secret: SecretRef,
}

impl Reads {
    pub(super) fn read(settings: &Settings) -> Option<Reads> {
        Some(Reads {
            url: settings.text("rest_url").to_owned(),
            secret: settings.secret("rest_token")?.clone(),
        })
    }

    /// The target as reading requests see it.
    pub fn of(&self, conf: &TargetConf) -> TargetConf {
        TargetConf {
            url: self.url.clone(),
            secret: Some(self.secret.clone()),
            auth: Auth::Header("Authorization".to_owned(), "Token token=".to_owned()),
            ..conf.clone()
        }
    }
}

impl Auth {
    /// A secret beside the target's token.
    pub fn secret(&self) -> Option<&SecretRef> {
        match self {
            Auth::OAuth2(conf) => conf.client_secret.as_ref(),
            Auth::Token
            | Auth::Bearer
            | Auth::Basic(_)
            | Auth::BasicUser
            | Auth::Header(..)
            | Auth::Query(_)
            | Auth::Member(_)
            | Auth::Login(_) => None,
        }
    }
}

/// Client credentials have a secret of their own, and need no `token`.
pub(super) fn is_alone(settings: &Settings) -> bool {
    settings.text("auth") == "oauth2" && settings.opt_text("user").is_none()
}

pub(super) fn read(walk: &mut Walk<'_>, at: Range<usize>, path: &str, settings: &Settings) -> Auth {
    match (settings.text("auth"), settings.opt_text("user")) {
        ("basic", Some(user)) => Auth::Basic(user.to_owned()),
        ("login", Some(user)) => match settings.secret("token") {
            None => Auth::Token, // told already
            Some(password) => Auth::Login(Login {
                path: settings.text("oauth_path").to_owned(),
                user: user.to_owned(),
                password: password.clone(),
                prefix: settings.text("auth_prefix").to_owned(),
            }),
        },
        (word @ ("basic" | "login"), None) => {
            let message = format!("missing: auth is {word:?}");
            walk.problem(at, &format!("{path}.user"), message);
            Auth::Token
        }
        ("bearer", _) => Auth::Bearer,
        ("basic_user", _) => Auth::BasicUser,
        (place @ ("header" | "query" | "member"), _) => named(walk, at, path, settings, place),
        ("oauth2", user) => oauth2(walk, at, path, settings, user),
        (_, _) => Auth::Token,
    }
}

/// A secret that stands in a place with a name.
fn named(
    walk: &mut Walk<'_>,
    at: Range<usize>,
    path: &str,
    settings: &Settings,
    place: &str,
) -> Auth {
    let name = settings.text("auth_name").to_owned();
    if name.is_empty() {
        let message = format!("missing: auth is {place:?}");
        walk.problem(at, &format!("{path}.auth_name"), message);
    }
    match place {
        "header" => Auth::Header(name, settings.text("auth_prefix").to_owned()),
        "query" => Auth::Query(name),
        _ => Auth::Member(name),
    }
}

fn oauth2(
    walk: &mut Walk<'_>,
    at: Range<usize>,
    path: &str,
    settings: &Settings,
    user: Option<&str>,
) -> Auth {
    let (id, secret) = (
        settings.opt_text("client_id"),
        settings.secret("client_secret"),
    );
    let mut missing = |name: &str| {
        let path = format!("{path}.{name}");
        if walk.problems.iter().any(|p| p.path == path) {
            return; // it stands there, and is wrong
        }
        let message = "missing: auth is \"oauth2\"".to_owned();
        walk.problem(at.clone(), &path, message);
    };
    if id.is_none() {
        missing("client_id");
    }
    if secret.is_none() && user.is_none() {
        missing("client_secret");
    }
    if user.is_none() && settings.secret("token").is_some() {
        missing("user"); // whose password is it?
    }
    match id {
        Some(id) => Auth::OAuth2(OAuth2 {
            path: settings.text("oauth_path").to_owned(),
            client_id: id.to_owned(),
            client_secret: secret.cloned(),
            user: user
                .map(str::to_owned)
                .zip(settings.secret("token").cloned()),
        }),
        None => Auth::Token,
    }
}
