//! What the history tells about a span of days: how many tickets there were instead of alerts, and where to look.

use super::super::StoreError;
use super::{Reader, broken};
use crate::model::Millis;
use rusqlite::params;

/// Rows listed of any sort.
const LISTED: u32 = 10;
/// An incident without a known cause is doubtful from this many alerts on.
const DOUBTFUL: u32 = 3;
/// An alert that came this often is named.
const OFTEN: u32 = 5;

/// A listed incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `I000123`
    pub incident: String,
    /// `P1` to `P4`
    pub priority: String,
    /// Name of the probable root cause; empty if it is not known.
    pub root: String,
    /// Most critical observed service; empty if none.
    pub service: String,
    /// How many alerts.
    pub alerts: u32,
    /// First alert.
    pub detected: Millis,
}

/// The numbers of a span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Firings that ended in the span, by source.
    pub firings: Vec<(String, u32)>,
    /// Incidents that began in the span and were not merged into another.
    pub incidents: u32,
    /// Incidents that wanted a ticket.
    pub ticketed: u32,
    /// Alerts of those.
    pub alerts_ticketed: u32,
    /// Incidents over before a ticket was wanted.
    pub healed: u32,
    /// Incidents that were merged into another.
    pub merged: u32,
    /// The incidents with the most alerts.
    pub biggest: Vec<Group>,
    /// Incidents of several alerts whose cause is not known: worth a look before going live.
    pub doubtful: Vec<Group>,
    /// How many are doubtful.
    pub doubtful_count: u32,
    /// Firings whose CI the CMDB does not know, by source.
    pub unbound: Vec<(String, u32)>,
    /// Alerts that came again and again: source, fingerprint, CI, firings.
    pub often: Vec<(String, String, String, u32)>,
    /// Firings that ended because nothing more was heard.
    pub expired: u32,
}

impl Reader {
    /// What happened since `from`.
    ///
    /// # Errors
    /// `Broken`.
    pub fn report(&self, from: Millis) -> Result<Report, StoreError> {
        let one = |sql: &str| -> Result<u32, StoreError> {
            self.db
                .query_row(sql, [from.0], |r| r.get(0))
                .map_err(broken)
        };
        let by_source = |sql: &str| -> Result<Vec<(String, u32)>, StoreError> {
            let mut rows = self.db.prepare(sql).map_err(broken)?;
            rows.query_map([from.0], |r| Ok((r.get(0)?, r.get(1)?)))
                .and_then(Iterator::collect)
                .map_err(broken)
        };
        let groups = |more: &str| -> Result<Vec<Group>, StoreError> {
            let sql = format!(
                "select id, priority, coalesce(root, ''), coalesce(service, ''), alerts, detected from incident
                 where detected >= ?1 and state <> 'merged' {more} order by alerts desc, id limit {LISTED}"
            );
            let mut rows = self.db.prepare(&sql).map_err(broken)?;
            rows.query_map([from.0], |r| {
                Ok(Group {
                    incident: r.get(0)?,
                    priority: r.get(1)?,
                    root: r.get(2)?,
                    service: r.get(3)?,
                    alerts: r.get(4)?,
                    detected: Millis(r.get(5)?),
                })
            })
            .and_then(Iterator::collect)
            .map_err(broken)
        };
        let doubtful = format!("and opened is not null and root is null and alerts >= {DOUBTFUL}");
        let live = "from incident where detected >= ?1 and state <> 'merged'";
        let mut often = self
            .db
            .prepare(
                "select source, fingerprint, coalesce(max(ci), ''), count(*) from alert_episode where ended >= ?1
                 group by source, fingerprint having count(*) >= ?2 order by 4 desc, 2 limit ?3",
            )
            .map_err(broken)?;
        let often = often.query_map(params![from.0, OFTEN, LISTED], |r| {
            Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?))
        });
        Ok(Report {
            firings: by_source(
                "select source, count(*) from alert_episode where ended >= ?1 group by source order by 2 desc",
            )?,
            incidents: one(&format!("select count(*) {live}"))?,
            ticketed: one(&format!("select count(*) {live} and opened is not null"))?,
            alerts_ticketed: one(&format!(
                "select coalesce(sum(alerts), 0) {live} and opened is not null"
            ))?,
            healed: one(&format!(
                "select count(*) {live} and opened is null and resolved is not null"
            ))?,
            merged: one("select count(*) from incident where detected >= ?1 and state = 'merged'")?,
            biggest: groups("and alerts > 1")?,
            doubtful: groups(&doubtful)?,
            doubtful_count: one(&format!("select count(*) {live} {doubtful}"))?,
            unbound: by_source(
                "select source, count(*) from alert_episode where ended >= ?1 and ci is null group by source order by 2 desc",
            )?,
            often: often.and_then(Iterator::collect).map_err(broken)?,
            expired: one(
                "select count(*) from alert_episode where ended >= ?1 and outcome = 'expired'",
            )?,
        })
    }
}
