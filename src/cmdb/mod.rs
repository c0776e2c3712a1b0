//! CMDBs: pages of bytes to a graph. One file per kind, one row per kind in [`KINDS`].

pub mod file;

use crate::config::keys::{Key, Settings};
use crate::graph::GraphBuilder;
use crate::model::{Request, Response};

/// The kinds of CMDB.
pub static KINDS: &[Cmdb] = &[file::CMDB];

/// A kind of CMDB: a row of plain values and functions.
#[derive(Clone, Copy, Debug)]
pub struct Cmdb {
    /// The word of `[[cmdb]] kind`.
    pub kind: &'static str,
    /// The keys that only this kind reads.
    pub keys: &'static [Key],
    /// Requests name files (the daemon reads them; a file is answered as status 200) instead of HTTP paths.
    pub local: bool,
    /// Called with the answers to the last requests, in their order (none at first); adds what it finds to
    /// the builder and says what comes next. Pure; never panics.
    pub next: fn(&CmdbSettings, &mut Cursor, &[Response], &mut GraphBuilder) -> Fetch,
}

/// The kind named `kind`.
pub fn kind(kind: &str) -> Option<&'static Cmdb> {
    KINDS.iter().find(|k| k.kind == kind)
}

/// A configured CMDB, as an adapter sees it.
#[derive(Clone, Debug, Default)]
pub struct CmdbSettings {
    /// Its name in the configuration.
    pub name: String,
    /// Values of the kind's own keys.
    pub options: Settings,
}

/// Where a load stands; belongs to the load, not to the kind.
#[derive(Clone, Debug, Default)]
pub struct Cursor {
    /// A step of the kind's own.
    pub phase: u32,
    /// A page of the kind's own.
    pub page: u32,
    /// What is still to be fetched.
    pub todo: Vec<String>,
}

/// What a load does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// Send these (several at once) and call again with their answers, in order.
    Get(Vec<Request>),
    /// All is in the builder.
    Done,
    /// The load cannot be done; the old graph stays.
    Refused(String),
}
