//! Kind `nagios`: macros by their names, from a notification or an event handler, as JSON or form.
//!
//! Facts seen on the wire (Nagios Core 4.4.6):
//! * The state decides, not the notification type: a service that recovered inside a downtime sends no
//!   RECOVERY at all, only DOWNTIMEEND with state OK.
//! * PROBLEMID is no key (0 at UNREACHABLE, still set at RECOVERY). The key is host, or host and service.
//! * Without `enable_environment_macros` the environment is empty and a script posts `{}`.

use super::{Body, Decoded, Says, Source, SourceSettings, macros};

/// The row of this kind.
pub const SOURCE: Source = Source {
    kind: "nagios",
    keys: macros::KEYS,
    decode,
    reads_answer: false,
    identity: &[],
    condition: &[],
    says: Says {
        labels: macros::LABELS,
        texts: macros::TEXTS,
    },
    holds_back: true,
    hides_dependents: true,
};

fn decode(settings: &SourceSettings, body: &Body<'_>, out: &mut Decoded) {
    macros::decode("nagios", settings, body, out);
}
