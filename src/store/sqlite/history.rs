//! Rows of the history tables.

use super::super::StoreError;
use super::broken;
use crate::record::History;
use rusqlite::{Transaction, params};

/// Adds or replaces one row.
pub(super) fn write(tx: &Transaction<'_>, row: &History) -> Result<(), StoreError> {
    let done = match row {
        History::AlertEpisode {
            fingerprint,
            source,
            ci,
            severity,
            started,
            ended,
            outcome,
            incident,
        } => tx
            .prepare_cached("insert into alert_episode values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")
            .and_then(|mut s| {
                s.execute(params![
                    fingerprint.to_string(),
                    source,
                    ci,
                    severity,
                    started.0,
                    ended.0,
                    outcome,
                    incident.map(|i| i.to_string())
                ])
            }),
        History::Incident {
            id,
            state,
            priority,
            root,
            service,
            detected,
            opened,
            resolved,
            alerts,
            merged_into,
        } => tx
            .prepare_cached(
                "insert or replace into incident values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )
            .and_then(|mut s| {
                s.execute(params![
                    id.to_string(),
                    state,
                    priority,
                    root,
                    service,
                    detected.0,
                    opened.map(|t| t.0),
                    resolved.map(|t| t.0),
                    alerts,
                    merged_into.map(|i| i.to_string())
                ])
            }),
        History::Ticket {
            target,
            ticket,
            incident,
            key,
            state,
            opened,
            resolved,
        } => tx
            .prepare_cached("insert or replace into ticket values (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
            .and_then(|mut s| {
                s.execute(params![
                    target,
                    ticket,
                    incident.to_string(),
                    key,
                    state,
                    opened.0,
                    resolved.map(|t| t.0)
                ])
            }),
    };
    done.map(|_| ()).map_err(broken)
}
