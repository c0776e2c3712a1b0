//! Addresses, paths, credentials, mappings, limits: everything that is not in the log.

use super::auth::{self, Auth, Reads};
use super::keys::{Key, SecretRef, Settings};
use super::planned::{self, CalendarConf, WindowConf};
use super::tables::{self, SECTIONS};
use super::walk::{Found, Walk};
use crate::cmdb::{self, Cmdb, CmdbSettings};
use crate::itsm::{self, Itsm, ItsmSettings, Promise};
use crate::model::{Labels, Millis};
use crate::redact::Rule;
use crate::source::{self, Source, SourceSettings};
use crate::ticket::Language;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// The whole of it.
#[derive(Clone, Debug, Default)]
pub struct Plumbing {
    /// `[listen]`
    pub listen: Listen,
    /// `[store]`
    pub store: StoreConf,
    /// `[[source]]`
    pub sources: Vec<SourceConf>,
    /// `[[cmdb]]`
    pub cmdbs: Vec<CmdbConf>,
    /// `[[itsm]]`
    pub targets: Vec<TargetConf>,
    /// `[redact]`, the shipped sets spelled out.
    pub redact: Vec<Rule>,
    /// `[log] level`
    pub log_level: String,
    /// `[log] heartbeat_url`
    pub heartbeat_url: Option<String>,
    /// `[ticket] link_base`
    pub link_base: String,
    /// `[[suppress.window]]`
    pub windows: Vec<WindowConf>,
    /// `[[ticket.calendar]]`
    pub calendars: Vec<CalendarConf>,
}

/// `[listen]`
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the sentences are in config::tables")]
pub struct Listen {
    pub intake: Vec<String>,
    pub metrics: Vec<String>,
    pub admin: String,
    pub token: Option<SecretRef>,
    pub tls: Option<(String, String)>,
    pub body_limit: usize,
    pub header_timeout: Millis,
    pub body_timeout: Millis,
    pub answer_timeout: Millis,
    pub max_connections: usize,
    pub max_alerts: usize,
    pub queue: usize,
}

/// `[store]`
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the sentences are in config::tables")]
pub struct StoreConf {
    pub path: String,
    pub max_bytes: u64,
    pub log_keep: Millis,
    pub history_keep: Millis,
    pub snapshot_every: Millis,
    pub record_max_bytes: Option<u64>,
}

/// `[[source]]`
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the sentences are in config::tables")]
pub struct SourceConf {
    pub kind: &'static Source,
    pub settings: SourceSettings,
    pub scope: String,
    pub expect_every: Option<Millis>,
    pub token: Option<SecretRef>,
    pub labels: Labels,
    pub identity: Vec<String>,
    pub condition: Vec<String>,
    pub max_rate: Option<u32>,
}

/// `[[cmdb]]`
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the sentences are in config::tables")]
pub struct CmdbConf {
    pub kind: &'static Cmdb,
    pub settings: CmdbSettings,
    pub every: Millis,
    pub max_loss: u32,
}

/// `[[itsm]]`
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the sentences are in config::tables")]
pub struct TargetConf {
    pub kind: &'static Itsm,
    pub settings: ItsmSettings,
    pub url: String,
    pub auth: Auth,
    pub secret: Option<SecretRef>,
    pub timeout: Millis,
    pub ca_file: Option<String>,
    pub proxy: Option<String>,
    pub no_proxy: Vec<String>,
    pub language: Language,
    pub timezone: String,
    pub poll: Millis,
    pub webhook_secret: Option<SecretRef>,
    pub reads: Option<Reads>,
    pub max_requests: Option<u32>,
    pub common: Settings,
}

/// A section with the range of its head; an empty one if the file has none.
pub(super) fn section(
    walk: &mut Walk<'_>,
    table: &DeTable<'_>,
    name: &str,
    more: &[&str],
) -> Settings {
    let keys = keys_of(name);
    let inner = tables::INNER
        .iter()
        .filter(|(section, _, _)| *section == name);
    let more: Vec<&str> = more
        .iter()
        .copied()
        .chain(inner.map(|(_, inner, _)| *inner))
        .collect();
    let more = more.as_slice();
    match table.get(name) {
        None => walk.table(&DeTable::new(), 0..0, name, &keys, more),
        Some(value) => match value.get_ref() {
            DeValue::Table(inner) => walk.table(inner, value.span(), name, &keys, more),
            other => {
                let message = format!("must be a section [{name}], not {}", other.type_str());
                walk.problem(value.span(), name, message);
                Settings::default()
            }
        },
    }
}

fn keys_of(name: &str) -> Vec<&'static Key> {
    let section = SECTIONS.iter().find(|s| s.name == name);
    section.map(|s| s.keys.iter().collect()).unwrap_or_default()
}

/// The tables of a section that may stand several times.
pub(super) fn tables_of<'a, 'b>(
    walk: &mut Walk<'_>,
    table: &'a DeTable<'b>,
    name: &str,
) -> Vec<(String, Range<usize>, &'a DeTable<'b>)> {
    let Some(value) = table.get(name) else {
        return Vec::new();
    };
    let list: Vec<Found<'a, 'b>> = match value.get_ref() {
        DeValue::Array(list) => list.iter().collect(),
        other => {
            let message = format!("must be written as [[{name}]], not {}", other.type_str());
            walk.problem(value.span(), name, message);
            return Vec::new();
        }
    };
    let mut out = Vec::new();
    for (n, item) in list.into_iter().enumerate() {
        match item.get_ref() {
            DeValue::Table(inner) => out.push((format!("{name}[{n}]"), item.span(), inner)),
            other => {
                let message = format!("must be written as [[{name}]], not {}", other.type_str());
                walk.problem(item.span(), name, message);
            }
        }
    }
    out
}

/// Common keys and those of the kind that the table names.
fn with_kind<K: Copy>(
    walk: &mut Walk<'_>,
    (path, at, table): (&str, Range<usize>, &DeTable<'_>),
    common: &'static [Key],
    kinds: &'static [K],
    row: impl Fn(&K) -> (&'static str, &'static [Key]),
) -> Option<(Settings, &'static K)> {
    let word = table.get("kind");
    let text = word.and_then(|w| w.get_ref().as_str());
    let kind = kinds.iter().find(|k| Some(row(k).0) == text);
    let own = kind.map(|k| row(k).1).unwrap_or_default();
    let keys: Vec<&'static Key> = common.iter().chain(own).collect();
    if kind.is_none() {
        let names: Vec<&str> = kinds.iter().map(|k| row(k).0).collect();
        if let Some((word, text)) = word.zip(text) {
            let message = format!("{text:?} is unknown; one of: {}", names.join(", "));
            walk.problem(word.span(), &format!("{path}.kind"), message);
        } else {
            let message = format!("missing: one of {}", names.join(", "));
            walk.problem(at, &format!("{path}.kind"), message);
        }
        return None;
    }
    let settings = walk.table(table, at, path, &keys, &[]);
    Some((settings, kind?))
}

fn check_name(
    walk: &mut Walk<'_>,
    at: Range<usize>,
    path: &str,
    settings: &Settings,
    seen: &mut Vec<String>,
) {
    let name = settings.text("name").to_owned();
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    if !name.chars().all(good) {
        let message = format!("{name:?} may hold only a to z, 0 to 9, - and _");
        walk.problem(at.clone(), &format!("{path}.name"), message);
    }
    if !name.is_empty() && seen.contains(&name) {
        let message = format!("{name:?} is used twice");
        walk.problem(at, &format!("{path}.name"), message);
    }
    seen.push(name);
}

fn bytes(settings: &Settings, name: &str) -> usize {
    usize::try_from(settings.integer(name)).unwrap_or(usize::MAX)
}

pub(super) fn read(walk: &mut Walk<'_>, table: &DeTable<'_>) -> Plumbing {
    let log = section(walk, table, "log", &[]);
    let mut plumbing = Plumbing {
        listen: listen(walk, table),
        store: store(walk, table),
        log_level: log.text("level").to_owned(),
        heartbeat_url: log.opt_text("heartbeat_url").map(str::to_owned),
        link_base: section(walk, table, "ticket", &[])
            .text("link_base")
            .to_owned(),
        ..Plumbing::default()
    };
    let mut seen = Vec::new();
    for (path, at, inner) in tables_of(walk, table, "source") {
        let row = |k: &Source| (k.kind, k.keys);
        let place = (path.as_str(), at.clone(), inner);
        if let Some((settings, kind)) = with_kind(walk, place, tables::SOURCE, source::KINDS, row) {
            check_name(walk, at, &path, &settings, &mut seen);
            plumbing.sources.push(source_conf(kind, settings));
        }
    }
    if table.get("source").is_none() {
        let names: Vec<&str> = source::KINDS.iter().map(|k| k.kind).collect();
        let message = format!(
            "missing: at least one [[source]] (kinds: {})",
            names.join(", ")
        );
        walk.problem(0..0, "source", message);
    }
    plumbing.windows = planned::windows(walk, table);
    plumbing.calendars = planned::calendars(walk, table);
    plumbing.redact = super::redact::read(walk, table, &plumbing.sources);
    let mut seen = Vec::new();
    for (path, at, inner) in tables_of(walk, table, "cmdb") {
        let row = |k: &Cmdb| (k.kind, k.keys);
        let place = (path.as_str(), at.clone(), inner);
        if let Some((settings, kind)) = with_kind(walk, place, tables::CMDB, cmdb::KINDS, row) {
            check_name(walk, at, &path, &settings, &mut seen);
            plumbing.cmdbs.push(CmdbConf {
                kind,
                every: settings.duration("every"),
                max_loss: u32::try_from(settings.integer("max_loss")).unwrap_or(100),
                settings: CmdbSettings {
                    name: settings.text("name").to_owned(),
                    options: settings,
                },
            });
        }
    }
    if let [_, second, ..] = tables_of(walk, table, "cmdb").as_slice() {
        let message = "one CMDB only in this version; merge the files".to_owned();
        walk.problem(second.1.clone(), &second.0, message);
    }
    let mut seen = Vec::new();
    for (path, at, inner) in tables_of(walk, table, "itsm") {
        let row = |k: &Itsm| (k.kind, k.keys);
        let place = (path.as_str(), at.clone(), inner);
        if let Some((settings, kind)) = with_kind(walk, place, tables::ITSM, itsm::KINDS, row) {
            check_name(walk, at.clone(), &path, &settings, &mut seen);
            plumbing
                .targets
                .extend(target(walk, at, &path, kind, settings));
        }
    }
    if table.get("itsm").is_none() {
        plumbing.targets.extend(implied_shadow(walk));
    }
    plumbing
}

fn implied_shadow(walk: &mut Walk<'_>) -> Option<TargetConf> {
    let keys: Vec<&'static Key> = tables::ITSM.iter().collect();
    let text = "name = \"shadow\"\nkind = \"shadow\"";
    let table = DeTable::parse(text).ok()?;
    let settings = walk.table(table.get_ref(), 0..0, "itsm[0]", &keys, &[]);
    target(walk, 0..0, "itsm[0]", &itsm::shadow::ITSM, settings)
}

fn listen(walk: &mut Walk<'_>, table: &DeTable<'_>) -> Listen {
    let s = section(walk, table, "listen", &[]);
    let at = table.get("listen").map(|v| v.span()).unwrap_or(0..0);
    let tls = match (s.opt_text("tls_cert"), s.opt_text("tls_key")) {
        (Some(cert), Some(key)) => Some((cert.to_owned(), key.to_owned())),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            let message = "tls_cert and tls_key belong together".to_owned();
            walk.problem(at.clone(), "listen", message);
            None
        }
    };
    for address in s.list("intake").iter().chain(s.list("metrics")) {
        if !address.starts_with('/') && address.parse::<std::net::SocketAddr>().is_err() {
            let message =
                format!("{address:?} is neither address:port nor the path of a unix socket");
            walk.problem(at.clone(), "listen", message);
        }
    }
    let open = s.list("intake").iter().any(|a| {
        let socket = a.parse::<std::net::SocketAddr>();
        socket.is_ok_and(|s| !s.ip().is_loopback())
    });
    let any_token =
        s.secret("token").is_some() || table.get("source").is_some_and(|v| has_token(v.get_ref()));
    if open && any_token && tls.is_none() && !s.bool("allow_plaintext") {
        let message = "a token would go in the clear over a listener that is not loopback; set tls_cert and tls_key, or allow_plaintext = true";
        walk.problem(at, "listen.intake", message.to_owned());
    }
    Listen {
        intake: s.list("intake").to_vec(),
        metrics: s.list("metrics").to_vec(),
        admin: s.text("admin").to_owned(),
        token: s.secret("token").cloned(),
        tls,
        body_limit: bytes(&s, "body_limit"),
        header_timeout: s.duration("header_timeout"),
        body_timeout: s.duration("body_timeout"),
        answer_timeout: s.duration("answer_timeout"),
        max_connections: bytes(&s, "max_connections"),
        max_alerts: bytes(&s, "max_alerts"),
        queue: bytes(&s, "queue"),
    }
}

fn has_token(sources: &DeValue<'_>) -> bool {
    let list = sources.as_array();
    let mut tables = list
        .into_iter()
        .flat_map(|l| l.iter())
        .filter_map(|v| v.get_ref().as_table());
    tables.any(|t| t.contains_key("token") || t.contains_key("token_file"))
}

fn store(walk: &mut Walk<'_>, table: &DeTable<'_>) -> StoreConf {
    let s = section(walk, table, "store", &[]);
    StoreConf {
        path: s.text("path").to_owned(),
        max_bytes: u64::try_from(s.integer("max_bytes")).unwrap_or(u64::MAX),
        log_keep: s.duration("log_keep"),
        history_keep: s.duration("history_keep"),
        snapshot_every: s.duration("snapshot_every"),
        record_max_bytes: s
            .bool("record")
            .then(|| u64::try_from(s.integer("record_max_bytes")).unwrap_or(0)),
    }
}

fn source_conf(kind: &'static Source, settings: Settings) -> SourceConf {
    let name = settings.text("name").to_owned();
    SourceConf {
        kind,
        scope: settings.opt_text("scope").unwrap_or(&name).to_owned(),
        expect_every: settings.opt_duration("expect_every"),
        token: settings.secret("token").cloned(),
        labels: settings.map("labels").into_iter().flatten().collect(),
        identity: of_kind(&settings, "identity", kind.identity),
        condition: of_kind(&settings, "condition", kind.condition),
        max_rate: settings
            .get("max_rate")
            .map(|_| u32::try_from(settings.integer("max_rate")).unwrap_or(u32::MAX)),
        settings: SourceSettings {
            name,
            options: settings,
        },
    }
}

/// A list of the source, else that of its kind.
fn of_kind(settings: &Settings, name: &str, kind: &[&str]) -> Vec<String> {
    match settings.get(name) {
        Some(_) => settings.list(name).to_vec(),
        None => kind.iter().map(|w| (*w).to_owned()).collect(),
    }
}

fn target(
    walk: &mut Walk<'_>,
    at: Range<usize>,
    path: &str,
    kind: &'static Itsm,
    settings: Settings,
) -> Option<TargetConf> {
    let before = walk.problems.len();
    let writes = kind.promise != Promise::Nothing;
    let url = format!("{path}.url");
    let url_told = walk.problems.iter().any(|p| p.path == url);
    if writes && settings.opt_text("url").is_none() && !url_told {
        walk.problem(
            at.clone(),
            &format!("{path}.url"),
            "missing: base address of its API".to_owned(),
        );
    }
    if writes && settings.secret("token").is_none() && !auth::is_alone(&settings) {
        let message = "missing: token_file = \"PATH\" or token = \"credential:NAME\"".to_owned();
        walk.problem(at.clone(), &format!("{path}.token"), message);
    }
    webhooks(walk, at.clone(), path, kind, &settings);
    let auth = auth::read(walk, at.clone(), path, &settings);
    let timezone = settings.text("timezone").to_owned();
    if walk.problems.len() > before {
        return None;
    }
    Some(TargetConf {
        kind,
        url: settings.text("url").to_owned(),
        auth,
        secret: settings.secret("token").cloned(),
        timeout: settings.duration("timeout"),
        ca_file: settings.opt_text("ca_file").map(str::to_owned),
        proxy: settings.opt_text("proxy").map(str::to_owned),
        no_proxy: settings.list("no_proxy").to_vec(),
        language: match settings.text("language") {
            "da" => Language::Da,
            _ => Language::En,
        },
        timezone,
        poll: settings.duration("poll"),
        webhook_secret: settings.secret("webhook_secret").cloned(),
        reads: Reads::read(&settings),
        max_requests: settings
            .get("max_requests")
            .map(|_| u32::try_from(settings.integer("max_requests")).unwrap_or(u32::MAX)),
        settings: ItsmSettings {
            name: settings.text("name").to_owned(),
            options: settings.clone(),
        },
        common: settings,
    })
}

/// A secret for webhooks stands only where webhooks can be followed.
fn webhooks(walk: &mut Walk<'_>, at: Range<usize>, path: &str, kind: &Itsm, settings: &Settings) {
    if settings.secret("webhook_secret").is_none() {
        return;
    }
    let path = format!("{path}.webhook_secret");
    match kind.hint.map(|h| h.needs) {
        None => {
            let message = format!(
                "kind {} has no webhook that is read; poll finds changes",
                kind.kind
            );
            walk.problem(at, &path, message);
        }
        Some(Some(key)) if settings.secret(key).is_none() => {
            let message = format!("needs {key}: what a webhook says is not believed but read");
            walk.problem(at, &path, message);
        }
        Some(_) => {}
    }
}
