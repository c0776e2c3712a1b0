//! What a notification is: macros by their bare names, from the environment or from arguments.

use crate::source::macros::bare;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;

/// Macros by their bare upper-case names.
pub(super) type Macros = BTreeMap<String, String>;

/// What is taken from the environment, which holds some 200 names; custom variables come on top.
const TAKEN: &[&str] = &[
    "NOTIFICATIONTYPE",
    "NOTIFICATIONAUTHOR",
    "NOTIFICATIONCOMMENT",
    "TIMET",
    "HOSTNAME",
    "HOSTALIAS",
    "HOSTADDRESS",
    "HOSTDISPLAYNAME",
    "HOSTGROUPNAMES",
    "HOSTSTATE",
    "HOSTSTATETYPE",
    "HOSTATTEMPT",
    "HOSTDOWNTIME",
    "HOSTOUTPUT",
    "LONGHOSTOUTPUT",
    "HOSTPERFDATA",
    "LASTHOSTSTATECHANGE",
    "HOSTACTIONURL",
    "HOSTNOTESURL",
    "HOSTNOTIFICATIONID",
    "HOSTNOTIFICATIONNUMBER",
    "HOSTPROBLEMID",
    "SERVICEDESC",
    "SERVICEDISPLAYNAME",
    "SERVICEGROUPNAMES",
    "SERVICESTATE",
    "SERVICESTATETYPE",
    "SERVICEATTEMPT",
    "SERVICEDOWNTIME",
    "SERVICEOUTPUT",
    "LONGSERVICEOUTPUT",
    "SERVICEPERFDATA",
    "LASTSERVICESTATECHANGE",
    "SERVICEACTIONURL",
    "SERVICENOTESURL",
    "SERVICENOTIFICATIONID",
    "SERVICENOTIFICATIONNUMBER",
    "SERVICEPROBLEMID",
    "CMDB_ID",
];
/// What the samples for Icinga, and people, call some of them.
const ALSO: &[(&str, &str)] = &[
    ("HOSTLASTSTATECHANGE", "LASTHOSTSTATECHANGE"),
    ("SERVICELASTSTATECHANGE", "LASTSERVICESTATECHANGE"),
    ("HOSTGROUPS", "HOSTGROUPNAMES"),
    ("SERVICEGROUPS", "SERVICEGROUPNAMES"),
    ("HOST_CMDB_ID", "_HOSTCMDB_ID"),
    ("SERVICE_CMDB_ID", "_SERVICECMDB_ID"),
];
/// Bytes of one value; the daemon keeps half of it.
const MAX_VALUE: usize = 8 << 10;
/// Bytes of all custom variables; the daemon keeps 64 of them.
const MAX_CUSTOM: usize = 64 << 10;
/// Macros of one notification; the daemon looks at no more.
const MAX_MACROS: usize = 300;

/// The macros of the environment. Bytes that are not UTF-8 become U+FFFD.
pub(super) fn from_environment(all: impl Iterator<Item = (OsString, OsString)>) -> Macros {
    let named = all.filter_map(|(name, value)| {
        let name = name.to_str()?;
        let rest = name
            .strip_prefix("NAGIOS_")
            .or_else(|| name.strip_prefix("ICINGA_"))?;
        let name = known(&bare(rest));
        wanted(&name).then(|| (name, value.to_string_lossy().into_owned()))
    });
    bounded(named)
}

/// How many names of the environment come from Nagios or Icinga.
pub(super) fn count_in_environment(all: impl Iterator<Item = (OsString, OsString)>) -> usize {
    all.filter(|(name, _)| {
        name.to_str()
            .is_some_and(|n| n.starts_with("NAGIOS_") || n.starts_with("ICINGA_"))
    })
    .count()
}

/// The macros of `NAME=value` arguments, and the arguments that are none.
pub(super) fn from_arguments(arguments: &[OsString]) -> (Macros, Vec<String>) {
    let mut odd = Vec::new();
    let mut named = Vec::new();
    for argument in arguments {
        let text = argument.to_string_lossy();
        match text.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => {
                named.push((known(&bare(name)), value.to_owned()));
            }
            Some(_) | None => odd.push(crate::model::cut(&text, 60)),
        }
    }
    (bounded(named.into_iter()), odd)
}

fn known(name: &str) -> String {
    let also = ALSO.iter().find(|(theirs, _)| *theirs == name);
    also.map_or_else(|| name.to_owned(), |(_, ours)| (*ours).to_owned())
}

fn is_custom(name: &str) -> bool {
    name.starts_with("_HOST") || name.starts_with("_SERVICE")
}

fn wanted(name: &str) -> bool {
    is_custom(name) || TAKEN.contains(&name)
}

/// Leaves out what says nothing (an undefined custom macro is a lone `$`) and what is too much.
fn bounded(named: impl Iterator<Item = (String, String)>) -> Macros {
    let mut all: Vec<(String, String)> = named
        .filter(|(_, value)| !value.is_empty() && value != "$")
        .map(|(name, value)| (name, crate::model::cut(&value, MAX_VALUE)))
        .collect();
    // The same ones are left out each time, and never one that says what the alert is.
    all.sort_by(|a, b| (is_custom(&a.0), &a.0).cmp(&(is_custom(&b.0), &b.0)));
    let (mut out, mut custom) = (Macros::new(), 0usize);
    for (name, value) in all {
        if is_custom(&name) {
            custom = custom
                .saturating_add(name.len())
                .saturating_add(value.len());
            if custom > MAX_CUSTOM {
                break;
            }
        }
        if out.len() < MAX_MACROS {
            out.insert(name, value);
        }
    }
    out
}

/// Says when the notification was made, so that a late delivery keeps the true time.
pub(super) fn stamp(macros: &mut Macros, seconds: u64) {
    macros
        .entry("TIMET".to_owned())
        .or_insert_with(|| seconds.to_string());
}

/// What the notification is about, as the part of a file name: 16 hex digits.
pub(super) fn object(macros: &Macros) -> String {
    let of = |name: &str| macros.get(name).map(String::as_str).unwrap_or_default();
    let text = format!("{}\0{}", of("HOSTNAME"), of("SERVICEDESC"));
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let hex = digest.as_ref().iter().take(8);
    hex.map(|byte| format!("{byte:02x}")).collect()
}

/// As the daemon reads it.
pub(super) fn json(macros: &Macros) -> Value {
    let pairs = macros
        .iter()
        .map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    Value::Object(pairs.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    fn pair(name: &str, value: &[u8]) -> (OsString, OsString) {
        (name.into(), OsString::from_vec(value.to_vec()))
    }

    #[test]
    fn the_environment_gives_what_the_daemon_reads_and_custom_variables() {
        let macros = from_environment(
            [
                pair("NAGIOS_HOSTNAME", b"srv1"),
                pair("NAGIOS_SERVICEDESC", b""),
                pair("NAGIOS_HOSTOUTPUT", b"Gr\xf6\xdfe"),
                pair("NAGIOS_RESOURCEFILE", b"/etc/resource.cfg"),
                pair("NAGIOS__HOSTCMDB_ID", b"CI-1"),
                pair("NAGIOS__SERVICEOWNER", b"$"),
                pair("ICINGA_HOSTLASTSTATECHANGE", b"7"),
                pair("PATH", b"/bin"),
            ]
            .into_iter(),
        );
        let names: Vec<&str> = macros.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "HOSTNAME",
                "HOSTOUTPUT",
                "LASTHOSTSTATECHANGE",
                "_HOSTCMDB_ID"
            ]
        );
        assert_eq!(macros["HOSTOUTPUT"], "Gr\u{fffd}\u{fffd}e");
    }

    #[test]
    fn arguments_come_with_or_without_prefix_and_in_any_case() {
        let arguments = [
            "host=a",
            "NAGIOS_HOSTSTATE=DOWN",
            "OUTPUT=a=b",
            "junk",
            "=x",
        ];
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let (macros, odd) = from_arguments(&arguments);
        assert_eq!(odd, ["junk", "=x"]);
        assert_eq!(macros["HOSTNAME"], "a");
        assert_eq!(macros["HOSTSTATE"], "DOWN");
        assert_eq!(macros["OUTPUT"], "a=b");
    }

    #[test]
    fn custom_variables_without_end_push_nothing_else_out() {
        let many = (0..1000).map(|n| (format!("_HOSTX{n}"), "v".repeat(1000)));
        let macros = bounded(many.chain([("HOSTNAME".to_owned(), "a".to_owned())]));
        assert_eq!(macros["HOSTNAME"], "a");
        assert!(json(&macros).to_string().len() < 2 * MAX_CUSTOM);
    }

    #[test]
    fn the_moment_is_added_once() {
        let mut macros = Macros::new();
        stamp(&mut macros, 7);
        stamp(&mut macros, 8);
        assert_eq!(macros["TIMET"], "7");
    }
}
