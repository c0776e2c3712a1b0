//! The tables of the configuration's sections: every key with its default and one sentence.

use super::keys::{Key, KeyKind, Preset, key};

use KeyKind::{Bool, Duration, Integer, List, Map, OneOf, Path, Regex, Secret, Size, Text, Url, Zone};
use Preset::{Absent, Required, Toml};

/// A section of the file.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Its name.
    pub name: &'static str,
    /// It may stand several times, as `[[name]]`.
    pub many: bool,
    /// Its keys; those of a kind come on top.
    pub keys: &'static [Key],
    /// One sentence.
    pub doc: &'static str,
}

/// Every section, in the order of the reference.
pub const SECTIONS: &[Section] = &[
    Section { name: "listen", many: false, keys: LISTEN, doc: "where we listen", },
    Section { name: "store", many: false, keys: STORE, doc: "what is kept, and where", },
    Section { name: "source", many: true, keys: SOURCE, doc: "a monitoring system that pushes alerts to /v1/events/<name>", },
    Section { name: "cmdb", many: true, keys: CMDB, doc: "where CIs and relations come from", },
    Section { name: "itsm", many: true, keys: ITSM, doc: "a tool that tickets are kept in; without any, one named shadow shows what would be done", },
    Section { name: "redact", many: false, keys: REDACT, doc: "what is taken out of alerts before anything is stored", },
    Section { name: "identity", many: false, keys: IDENTITY, doc: "which labels make an alert, and what severity words mean", },
    Section { name: "bind", many: false, keys: BIND, doc: "how alerts find their CI", },
    Section { name: "suppress", many: false, keys: SUPPRESS, doc: "what opens no ticket", },
    Section { name: "correlate", many: false, keys: CORRELATE, doc: "how alerts become incidents", },
    Section { name: "priority", many: false, keys: PRIORITY, doc: "how impact and urgency become a priority", },
    Section { name: "ticket", many: false, keys: TICKET, doc: "what people read", },
    Section { name: "inform", many: true, keys: INFORM, doc: "owners of services that do not work are told once per incident, where the ticket is another group's", },
    Section { name: "log", many: false, keys: LOG, doc: "our own log, on standard error", },
];

const LISTEN: &[Key] = &[
    key("intake", List, Toml("[\"127.0.0.1:7580\"]"), "addresses for alerts: host:port, or the path of a unix socket"),
    key("metrics", List, Toml("[\"127.0.0.1:7581\"]"), "addresses for /metrics, /healthz and /readyz"),
    key("admin", Text, Toml("\"/run/correlated/admin.sock\""), "unix socket of the command line; only its owner and group may use it"),
    key("token", Secret, Absent, "senders must show this token (Authorization: Bearer, or as Basic password)"),
    key("tls_cert", Path, Absent, "certificate chain in PEM; with tls_key, intake and metrics speak HTTPS"),
    key("tls_key", Path, Absent, "private key in PEM"),
    key("allow_plaintext", Bool, Toml("false"), "permit a token on a plain listener that is not loopback"),
    key("body_limit", Size, Toml("\"32MiB\""), "largest body"),
    key("header_timeout", Duration, Toml("\"10s\""), "time for the head of a request, and for a TLS handshake"),
    key("body_timeout", Duration, Toml("\"30s\""), "time for the body of a request"),
    key("answer_timeout", Duration, Toml("\"20s\""), "time until an alert is on disk; after it the sender gets 503"),
    key("max_connections", Integer(1, 100_000), Toml("512"), "connections at once, per listener"),
    key("max_alerts", Integer(1, 10_000_000), Toml("500000"), "alerts that are kept at once, at some 8 KiB of memory each; beyond it a sender of a new alert gets 503, while recoveries and what is known still pass"),
    key("queue", Size, Toml("\"64MiB\""), "bytes that may wait per source; beyond it the sender gets 503"),
];

const STORE: &[Key] = &[
    key("path", Path, Toml("\"/var/lib/correlated\""), "folder of the store"),
    key("max_bytes", Size, Toml("\"10GiB\""), "the store never grows beyond this"),
    key("log_keep", Duration, Toml("\"30d\""), "how long log entries stay"),
    key("history_keep", Duration, Toml("\"760d\""), "how long the history tables stay"),
    key("snapshot_every", Duration, Toml("\"10m\""), "time between snapshots while something changes"),
    key("record", Bool, Toml("false"), "write what senders post, after redaction, into recording.ndjson of the folder, for correlated replay; needs a restart"),
    key("record_max_bytes", Size, Toml("\"256MiB\""), "the recording never grows beyond this; the newest stays"),
];

/// Keys of every `[[source]]`.
pub const SOURCE: &[Key] = &[
    key("name", Text, Required, "name, as in /v1/events/<name>"),
    key("kind", Text, Required, "which sort of system it is"),
    key("scope", Text, Absent, "name space of its alerts, default its name; two sources that report the same alerts share one"),
    key("expect_every", Duration, Absent, "an incident opens if the source is silent for longer"),
    key("token", Secret, Absent, "this source must show this token instead of the one of [listen]"),
    key("labels", Map, Absent, "labels added to every event of the source"),
    key("mode", OneOf(&["live", "note", "shadow"]), Toml("\"live\""), "note: its alerts join tickets and open none; shadow: they are correlated among themselves and touch no ticket"),
    key("max_rate", Integer(1, 1_000_000), Absent, "events a second; a source that sends faster gets 503 for what fires, recoveries pass"),
    key("identity", List, Absent, "labels that alone identify its alerts; default by kind, mostly all that [identity] does not ignore"),
    key("condition", List, Absent, "where each firing has an id of its own: labels by which a firing returns to the incident of the one before"),
];

/// Keys of every `[[cmdb]]`.
pub const CMDB: &[Key] = &[
    key("name", Text, Required, "name, for logs and metrics"),
    key("kind", Text, Required, "which sort of CMDB it is"),
    key("every", Duration, Toml("\"1h\""), "time between loads; a SIGHUP loads at once"),
    key("max_loss", Integer(0, 100), Toml("20"), "a load that loses more than this share of CIs or relations, in per cent, is refused"),
];

/// Keys of every `[[itsm]]`.
pub const ITSM: &[Key] = &[
    key("name", Text, Required, "name, for logs and metrics"),
    key("kind", Text, Required, "which tool it is"),
    key("url", Url, Absent, "base address of its API"),
    key("auth", OneOf(&["token", "bearer", "basic", "basic_user", "oauth2", "login", "header", "query", "member"]), Toml("\"token\""), "how the secret is shown: Authorization: token, Bearer, Basic with user, Basic with the secret as user, Bearer with a token that is fetched, auth_prefix with a token that user and token log in for, or where auth_name says"),
    key("auth_name", Text, Absent, "name of the header, of the query parameter, or of the member of the JSON body that holds the secret, with auth = \"header\", \"query\", \"member\""),
    key("auth_prefix", Text, Toml("\"\""), "what stands before the secret in that header, as \"Token token=\"; with auth = \"login\" before the token, as \"AR-JWT \""),
    key("user", Text, Absent, "user of auth = \"basic\" and \"login\"; with \"oauth2\" for the password grant, else client credentials are used"),
    key("token", Secret, Absent, "the token or password"),
    key("client_id", Text, Absent, "client of auth = \"oauth2\""),
    key("client_secret", Secret, Absent, "its secret; needed unless user logs in for a client without one"),
    key("oauth_path", Text, Toml("\"/oauth_token.do\""), "where a token is fetched, on the host of url; with a query where the tool wants one"),
    key("timeout", Duration, Toml("\"30s\""), "time for one exchange"),
    key("ca_file", Path, Absent, "further certificates to trust, in PEM, beside those of the system"),
    key("no_proxy", List, Toml("[]"), "hosts, domains and networks that are reached without the proxy: host, .example.net, 10.0.0.0/8"),
    key("proxy", Url, Absent, "HTTP proxy; proxies of the environment are not used"),
    key("mode", OneOf(&["live", "note", "shadow"]), Toml("\"live\""), "shadow writes nothing and shows what would be done; note opens and changes no ticket, tickets opened before get their notes"),
    key("fallback", Text, Absent, "another target that gets the ticket of a P1 or P2 that this one has not taken in fallback_after; it gets nothing else"),
    key("fallback_after", Duration, Toml("\"3m\""), "see fallback"),
    key("share", List, Absent, "labels and annotations of alerts whose text may go to this tool; default all"),
    key("settle", Duration, Absent, "how long a create whose answer was lost may take to be found; default by kind"),
    key("on_recovery", OneOf(&["resolve_if_untouched", "resolve", "note_only"]), Toml("\"resolve_if_untouched\""), "what recovery does to a ticket"),
    key("poll", Duration, Toml("\"1m\""), "time between two looks at what people changed in its tickets, where the kind can; \"0s\" for never"),
    key("webhook_secret", Secret, Absent, "signs the webhooks that the tool sends to /v1/tickets/<name> when a ticket changes; without it they are refused"),
    key("max_requests", Integer(1, 100_000), Absent, "requests a minute to this tool, evenly spaced; without it as many as it takes"),
    key("max_new", Integer(1, 100_000), Toml("30"), "new tickets per max_new_per, one in ten for P1 and P2 alone; the rest waits, the most urgent first"),
    key("max_new_per", Duration, Toml("\"10m\""), "see max_new"),
    key("language", OneOf(&["en", "da"]), Toml("\"en\""), "language of tickets"),
    key("timezone", Zone, Toml("\"UTC\""), "time zone of times in tickets, as Europe/Copenhagen"),
];

const REDACT: &[Key] = &[
    key("sets", List, Toml("[\"secrets\", \"people\"]"), "shipped rules: secrets (passwords, tokens, keys), people (authors, contacts, mail addresses in texts), phone, cpr"),
];

/// Keys of every `[[redact.rule]]`.
pub const REDACT_RULE: &[Key] = &[
    key("source", Text, Absent, "only for alerts of this source"),
    key("label", Text, Absent, "this label or annotation; without regex its whole value"),
    key("regex", Regex, Absent, "what is found by this: the first group, else the match; without label in every value"),
    key("action", OneOf(&["remove", "hash"]), Toml("\"remove\""), "hash leaves a mark that is the same for the same value"),
];

const IDENTITY: &[Key] = &[
    key("ignored_labels", List, Toml("[\"severity\", \"value\", \"replica\", \"prometheus_replica\", \"__replica__\"]"), "labels that never make another alert"),
    key("severity", Map, Absent, "severity of further words of sources, on top of the usual ones"),
    key("heartbeats", List, Toml("[\"Watchdog\", \"DeadMansSwitch\"]"), "alert names whose absence is the alert"),
    key("noted", List, Toml("[\"InfoInhibitor\"]"), "alert names that say nothing of their own"),
    key("stale_for", Duration, Toml("\"24h\""), "how long alerts of a source that went quiet are kept as stale"),
    key("grace", Duration, Toml("\"5m\""), "time after a start in which no alert expires"),
];

const BIND: &[Key] = &[key(
    "domains",
    List,
    Toml("[]"),
    "domains taken off host names before they are looked up",
)];

/// Keys of every `[[bind.rule]]`.
pub const BIND_RULE: &[Key] = &[
    key("name", Text, Required, "name, as it appears in explanations"),
    key("source", Text, Absent, "only for alerts of this source"),
    key("when_label", Text, Absent, "only for alerts whose label of this name ..."),
    key("when_matches", Regex, Absent, "... is matched wholly by this"),
    key("label", Text, Absent, "the label that names the CI"),
    key("regex", Regex, Absent, "takes the name out of the label: group ci, else the first group, else the match"),
    key("template", Text, Absent, "a name made of labels: \"{cluster}-{node}\""),
];

const SUPPRESS: &[Key] = &[
    key("ticket_min_severity", OneOf(&["critical", "major", "minor", "warning", "info"]), Toml("\"warning\""), "alerts less severe than this open no ticket of their own"),
    key("inherit_before", Duration, Toml("\"10m\""), "alerts that began longer than this before our first contact with their source are inherited: no ticket"),
    key("flap_changes", Integer(2, 20), Toml("5"), "an alert that begins or ends so often within flap_within flaps (5: it came back twice): it counts as firing, and its ticket is told once, then hourly"),
    key("flap_within", Duration, Toml("\"20m\""), "see flap_changes"),
    key("flap_quiet", Duration, Toml("\"10m\""), "without a change for so long it no longer flaps"),
    key("chronic", Integer(2, 1000), Toml("6"), "so many incidents of one alert in a day put it on the list of chronic ones"),
];

/// Keys of every `[[suppress.inhibit]]`.
pub const INHIBIT: &[Key] = &[
    key("name", Text, Required, "name, as it appears in views"),
    key("source", List, Required, "while an alert fires that all of these match ('alertname=\"HostDown\"', with =, !=, =~ or !~) ..."),
    key("target", List, Required, "... alerts that all of these match open no ticket"),
    key("equal", List, Toml("[]"), "labels that must be the same in both; ci is the CI of an alert"),
];

/// Keys of every `[[suppress.window]]`.
pub const WINDOW: &[Key] = &[
    key("name", Text, Required, "name of the maintenance, as it appears in views"),
    key("cis", List, Required, "names or ids of its CIs"),
    key("include_dependents", Bool, Toml("true"), "what needs them is in it too"),
    key("zone", Zone, Toml("\"UTC\""), "time zone of the times here, as Europe/Copenhagen"),
    key("from", Text, Absent, "once, from this local time: \"2026-11-28T22:00\""),
    key("weekdays", List, Absent, "or each week on these days: mon, tue, wed, thu, fri, sat, sun"),
    key("time", Text, Absent, "... from this local time: \"02:00\""),
    key("duration", Duration, Required, "how long"),
];

const CORRELATE: &[Key] = &[
    key("window", Duration, Toml("\"10m\""), "how far apart two alerts of one fault may begin"),
    key("arrival_lag", Duration, Toml("\"10s\""), "alerts are placed in the order in which they began: each waits until this long after its begin, at most half of hold_p1, so that those that began before it are there; \"0s\" places them as they arrive"),
    key("arrival_lag_max", Duration, Toml("\"70s\""), "the same, where more than one in twenty alerts of a source arrives later than that (an Alertmanager waits for its groups); learned in steps of 1, 2, 4 and 7 times arrival_lag"),
    key("hold_p1", Duration, Toml("\"20s\""), "how long a new incident waits for its cause before its ticket, P1"),
    key("hold_p2", Duration, Toml("\"60s\""), "the same, P2"),
    key("hold_p3", Duration, Toml("\"5m\""), "the same, P3"),
    key("hold_p4", Duration, Toml("\"10m\""), "the same, P4"),
    key("hold_quiet", Duration, Toml("\"20s\""), "a new alert lengthens the hold of P1 and P2 to this much after it"),
    key("hold_max", Duration, Toml("\"150s\""), "longest hold of P1 and P2"),
    key("resolve_after", Duration, Toml("\"5m\""), "quiet time after which an incident is over"),
    key("reopen_within", Duration, Toml("\"5m\""), "time after that in which a new firing returns to the incident"),
    key("wait_for_graph", Duration, Toml("\"10m\""), "how long the first ticket waits for the first CMDB load"),
    key("learn_prior", Bool, Toml("true"), "learn from the log how rare faults are on this estate: where they are rare, two alerts become one incident sooner; otherwise e^4 to 1 against any CI"),
    key("min_weight", Integer(1, 1000), Toml("80"), "smallest weight of a path to a cause, per mille"),
    key("composite_classes", List, Toml("[\"pool\", \"application\", \"k8s_service\", \"lb_vip\"]"), "CI classes that seldom fail by themselves, only with their parts"),
    key("storm_per_minute", Integer(1, 1_000_000), Toml("200"), "more new alerts than this in a minute are a storm"),
    key("storm_hold", Duration, Toml("\"10m\""), "by how much a storm lengthens the holds of P3 and P4; several storms lengthen a hold once"),
];

/// Keys of every `[[correlate.label_rule]]`.
pub const LABEL_RULE: &[Key] = &[
    key("name", Text, Required, "name, as it appears in explanations"),
    key("labels", List, Required, "alerts without a CI that agree in these are one incident; \"site|cluster\" is the first of the two that an alert has"),
    key("least", Integer(2, 1000), Toml("3"), "of so many hosts ..."),
    key("within", Duration, Toml("\"120s\""), "... within this time"),
];

/// Keys of every table of `[correlate.relations]`.
pub const RELATION: &[Key] = &[
    key("weight", Integer(0, 1000), Required, "chance that a fault of the target shows at the source, per mille; 0 switches the type off"),
    key("redundant", Integer(0, 1000), Absent, "the same where a CI has several of this type; default weight"),
    key("reverse", Bool, Toml("false"), "the target needs the source"),
    key("carries", OneOf(&["all", "power", "network"]), Absent, "what faults it carries; what the network does not reach may still give power. default all, power for powered-by, network for connects-to and neighbour-of"),
];

const PRIORITY: &[Key] = &[
    key("criticality_attribute", Text, Toml("\"criticality\""), "CI attribute that holds the criticality"),
    key("criticality", Map, Absent, "impact (1 to 4) of further criticality words, on top of gold, silver, bronze"),
    key("service_classes", List, Toml("[\"business_service\", \"service\"]"), "CI classes that are services to people; the first of them that the CMDB uses"),
    key("impact_1", List, Toml("[\"1\", \"2\", \"3\"]"), "priority of impact 1 with high, medium, low urgency"),
    key("impact_2", List, Toml("[\"2\", \"3\", \"4\"]"), "the same of impact 2"),
    key("impact_3", List, Toml("[\"3\", \"4\", \"4\"]"), "the same of impact 3"),
    key("impact_4", List, Toml("[\"4\", \"4\", \"4\"]"), "the same of impact 4"),
];

const TICKET: &[Key] = &[
    key("group_attribute", Text, Toml("\"group\""), "CI attribute that names the assignment group"),
    key("default_group", Text, Toml("\"\""), "group where no CI names one"),
    key("open_when_over", Bool, Toml("true"), "open (and resolve) a ticket for a fault that was over before the tool could be reached"),
    key("quiet_reroot", Duration, Toml("\"3m\""), "time in which an untouched ticket may get another cause without a note"),
    key("update_every", Duration, Toml("\"5m\""), "least time between two updates for counts alone"),
    key("notes", OneOf(&["quiet", "calm", "verbose"]), Toml("\"calm\""), "how much is told in notes: quiet (cause, recovery, return, what people did, severe alerts on a ticket that a person has), calm (all turning points), verbose (also each time that more CIs alert, at most once a minute, without the caps below)"),
    key("note_every", Duration, Toml("\"15m\""), "least time between two notes that are not urgent, and between those of severe alerts in a storm"),
    key("notes_per_hour", Integer(1, 1000), Toml("6"), "notes in an hour of a ticket"),
    key("notes_per_day", Integer(1, 10_000), Toml("12"), "notes in a day of a ticket"),
    key("link_base", Text, Toml("\"\""), "base of links to our pages; none is printed while it is empty. Issues of Jira get it as a web link, too"),
    key("site_attribute", Text, Toml("\"site\""), "CI attribute that names the site, for [[ticket.route]]"),
    key("warnings_wait", Duration, Toml("\"10m\""), "how long an incident of warnings alone that no service feels waits for its ticket; \"0s\" for no longer than others"),
    key("usual_wait", Duration, Toml("\"35m\""), "the same where their names came alone on one CI six times within a day; not less than warnings_wait, and not read while that is \"0s\""),
    key("told_wait", Duration, Toml("\"2h\""), "how long such an incident on a CI or two waits while its probable cause alerts in another one that has a ticket, or the ticket of another one shows all its names and has three alerts that fire; \"0s\" for no longer than others, and not read while warnings_wait is \"0s\""),
    key("calendar_p3", Text, Absent, "a [[ticket.calendar]]: a P3 that begins outside of its hours opens its ticket when they begin; one that begins in them does so when its hold is over"),
    key("calendar_p4", Text, Absent, "the same for P4"),
    key("reopen", OneOf(&["reopen", "new", "note"]), Toml("\"reopen\""), "a ticket that we resolved, when its alert fires again within correlate.reopen_within: opened again, followed by a new one, or only told"),
    key("reopen_persons", OneOf(&["reopen", "new", "note"]), Toml("\"reopen\""), "the same for a ticket that a person resolved: a note first; once, if the alert still fires after reopen_persons_after; at once for a severe alert that comes"),
    key("reopen_persons_after", Duration, Toml("\"10m\""), "see reopen_persons"),
];

/// Keys of every `[[ticket.calendar]]`.
pub const CALENDAR: &[Key] = &[
    key("name", Text, Required, "name, for calendar_p3 and calendar_p4"),
    key("zone", Zone, Toml("\"UTC\""), "time zone of its hours, as Europe/Copenhagen"),
    key("weekdays", List, Toml("[\"mon\", \"tue\", \"wed\", \"thu\", \"fri\"]"), "days with service"),
    key("from", Text, Toml("\"08:00\""), "local time at which service begins"),
    key("to", Text, Toml("\"16:00\""), "local time at which it ends; not after from: on the next day"),
    key("holidays", List, Toml("[]"), "dates without service: \"2026-12-25\""),
];

/// Keys of every `[[ticket.route]]`.
pub const ROUTE: &[Key] = &[
    key("name", Text, Required, "name, as it appears in explanations"),
    key("class", Text, Absent, "class of the CI that the ticket is about"),
    key("site", Text, Absent, "its site"),
    key("service", Text, Absent, "a service that does not work"),
    key("severity", OneOf(&["critical", "major", "minor", "warning", "info"]), Absent, "at least so severe"),
    key("source", Text, Absent, "a source of its alerts"),
    key("group", Text, Absent, "the assignment group; the first rule that fits and names one wins over what CIs say"),
    key("targets", List, Absent, "names of the [[itsm]] that get a ticket; the first rule that fits and names some wins, without any all get one"),
];

/// Keys of every `[[inform]]`.
pub const INFORM: &[Key] = &[
    key("name", Text, Required, "name, as it appears in the log"),
    key("owner", Text, Absent, "only for this owner: the group that the CMDB gives the service (ticket.group_attribute)"),
    key("service", Text, Absent, "only if this service does not work"),
    key("note", Bool, Toml("true"), "a note in the ticket names the owner and what of theirs does not work"),
    key("watch", List, Toml("[]"), "mail addresses that go on the watch list of the ticket (servicenow; AdminCc in rt) until a person has it"),
    key("targets", List, Toml("[]"), "names of [[itsm]] that get a message or ticket for the owner; they get nothing else"),
];

/// Tables inside of sections: of which section, their name, their keys.
pub const INNER: &[(&str, &str, &[Key])] = &[
    ("bind", "rule", BIND_RULE),
    ("redact", "rule", REDACT_RULE),
    ("suppress", "inhibit", INHIBIT),
    ("suppress", "window", WINDOW),
    ("correlate", "label_rule", LABEL_RULE),
    ("ticket", "calendar", CALENDAR),
    ("ticket", "route", ROUTE),
];

const LOG: &[Key] = &[
    key("level", OneOf(&["error", "warn", "info", "debug", "trace"]), Toml("\"info\""), "what is logged"),
    key("heartbeat_url", Url, Absent, "asked every minute while the engine works: a dead man's switch for ourselves"),
];
