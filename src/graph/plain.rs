//! The plain form of a name: what two spellings of one name have in common.
//!
//! An IP address takes the one spelling of `std::net`, without brackets, zone, prefix length and port, and
//! IPv4-mapped IPv6 as IPv4; anything else is in lower case, without blanks around it and trailing dots.
//! Loopback and unspecified addresses name nothing: every host has them.

use std::net::{IpAddr, SocketAddr};

/// The plain form of a name; `None` if it names nothing.
pub fn plain(name: &str) -> Option<String> {
    let name = name.trim();
    if let Some(ip) = address(name) {
        let nobody = ip.is_loopback() || ip.is_unspecified();
        return (!nobody).then(|| ip.to_string());
    }
    let lower = name.trim_end_matches('.').to_lowercase();
    (!lower.is_empty()).then_some(lower)
}

/// An IP address in any spelling that people and tools use.
pub fn address(text: &str) -> Option<IpAddr> {
    let one = |text: &str| {
        let text =
            text.split_once('/')
                .map_or(text, |(ip, prefix)| match prefix.parse::<u8>().is_ok() {
                    true => ip,
                    false => text,
                });
        let text = text.split_once('%').map_or(text, |(ip, _)| ip);
        text.parse::<IpAddr>().ok()
    };
    let inner = match text.strip_prefix('[') {
        // "[fe80::1%eth0]" and "[fe80::1]:9100"
        Some(rest) => one(rest.split_once(']')?.0),
        None => one(text).or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip())),
    };
    inner.map(|ip| ip.to_canonical())
}

/// Whether a first part can stand for a host: not the first number of an odd address.
pub fn is_short(part: &str) -> bool {
    part.chars().all(is_host_char) && part.chars().any(|c| !c.is_ascii_digit())
}

/// Whether a host name may hold this character.
pub fn is_host_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.')
}
