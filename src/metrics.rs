//! Every metric in one table: name, help, labels. Registered on a registry of our own, never a global one.

use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

macro_rules! metrics {
    ($($field:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        /// Name, help and labels of every metric.
        pub const TABLE: &[(&str, &str, &[&str])] = &[$(($name, $help, &[$($label),*])),*];

        /// Handles of every metric. See [`TABLE`].
        #[derive(Clone, Debug)]
        #[expect(missing_docs, reason = "the help is in the table")]
        pub struct Metrics {
            registry: Registry,
            $(pub $field: $kind,)*
        }

        impl Metrics {
            /// Registers everything.
            ///
            /// # Errors
            /// A name that is used twice or has a bad form: a bug.
            pub fn new() -> Result<Metrics, prometheus::Error> {
                let registry = Registry::new();
                $(
                    let $field = <$kind as Make>::make($name, $help, &[$($label),*])?;
                    registry.register(Box::new($field.clone()))?;
                )*
                let process = prometheus::process_collector::ProcessCollector::for_self();
                registry.register(Box::new(process))?;
                Ok(Metrics { registry, $($field,)* })
            }
        }
    };
}

metrics! {
    received: IntCounterVec "correlated_events_received_total" ["source"] "events received, before they are judged";
    events: IntCounterVec "correlated_events_total" ["source", "outcome"] "events by what became of them; the outcomes of a source add up to what was received";
    rejects: IntCounterVec "correlated_events_rejected_total" ["source"] "events refused for their form";
    bodies_refused: IntCounterVec "correlated_bodies_refused_total" ["source", "code"] "whole bodies refused, by HTTP status";
    last_event: GaugeVec "correlated_source_last_event_seconds" ["source"] "Unix time of the last event";
    expired: IntCounter "correlated_alerts_expired_total" [] "alerts that were over because nothing more was heard";
    truncated: IntCounterVec "correlated_truncated_bodies_total" ["source"] "bodies with a warning: cut alert lists, bad escapes";
    alerts: IntGaugeVec "correlated_alerts" ["state"] "alerts by state";
    unbound: IntGauge "correlated_alerts_unbound" [] "live alerts without a CI";
    waiting: IntGauge "correlated_alerts_waiting" [] "alerts that are in no incident yet, for those that began before them may be under way";
    suppressed: IntGaugeVec "correlated_alerts_suppressed" ["reason"] "live alerts that may not open a ticket";
    flapping: IntGauge "correlated_alerts_flapping" [] "live alerts that come and go";
    storm: IntGauge "correlated_storm" [] "1 while so much begins that P3 and P4 are held longer";
    incidents: IntGaugeVec "correlated_incidents" ["state"] "incidents by state";
    deliveries: IntCounterVec "correlated_deliveries_total" ["target", "step", "outcome"] "deliveries to ITSM tools";
    parked: IntGaugeVec "correlated_deliveries_parked" ["target"] "deliveries that a tool refuses";
    held_back: IntGaugeVec "correlated_tickets_held_back" ["target"] "tickets that the valve holds back: max_new were opened within max_new_per";
    oldest: GaugeVec "correlated_oldest_undelivered_seconds" ["target"] "age of the oldest ticket change that is not delivered";
    stopped: IntGaugeVec "correlated_target_stopped" ["target"] "1 while a target cannot be used until a person acts";
    away: IntGaugeVec "correlated_target_away" ["target"] "1 while a tool fails and is tried with one delivery now and then";
    polls: IntCounterVec "correlated_polls_total" ["target", "outcome"] "looks at what people changed in tickets";
    ticket_changes: IntCounterVec "correlated_ticket_changes_total" ["target"] "tickets that people changed, found by a poll or after a webhook";
    hints: IntCounterVec "correlated_ticket_webhooks_total" ["target", "outcome"] "webhooks of tools: accepted, unsigned, no_secret, not_read, refused, too_large, full";
    hinted: IntCounterVec "correlated_ticket_webhooks_tickets_total" ["target", "outcome"] "tickets that webhooks named: read, unknown (none of ours), failed";
    notes_suppressed: IntCounter "correlated_notes_suppressed_total" [] "work notes that the policy held back";
    commit_seconds: Histogram "correlated_commit_seconds" [] "time to append, sync and apply one entry";
    apply_seconds: Histogram "correlated_apply_seconds" [] "time between an entry's append and the end of its round";
    queue_bytes: IntGaugeVec "correlated_queue_bytes" ["source"] "bytes that wait to be written";
    log_bytes: IntGauge "correlated_log_bytes" [] "bytes of the store";
    store_full: IntGauge "correlated_store_full" [] "1 while nothing can be written";
    quarantined: IntGauge "correlated_entries_quarantined" [] "entries that were skipped at start";
    graph_cis: IntGauge "correlated_graph_cis" [] "CIs of the graph in force";
    graph_relations: IntGauge "correlated_graph_relations" [] "relations of the graph in force";
    graph_age: GaugeVec "correlated_graph_age_seconds" ["cmdb"] "time since the CMDB was read";
    graph_findings: IntGaugeVec "correlated_graph_findings" ["cmdb"] "things that are wrong in the CMDB";
    graph_refused: IntCounterVec "correlated_graph_loads_refused_total" ["cmdb"] "loads that failed or lost too much";
    reload_ok: IntGauge "correlated_config_last_reload_successful" [] "1 if the last reload was taken";
    clock_behind: Gauge "correlated_clock_behind_seconds" [] "how far our time is ahead of the wall clock, which stepped back";
    replay_divergence: IntCounter "correlated_replay_divergence_total" [] "replays that did not give the live state";
    violations: IntCounterVec "correlated_invariant_violations_total" ["id"] "broken invariants: bugs";
    panics: IntCounter "correlated_request_panics_total" [] "requests that ended in a bug";
    connections: IntGaugeVec "correlated_connections" ["listener"] "open connections";
    limits: IntCounterVec "correlated_limits_hit_total" ["limit"] "times that a limit turned somebody away";
    build_info: IntGaugeVec "correlated_build_info" ["version"] "always 1";
}

trait Make: Sized {
    fn make(name: &str, help: &str, labels: &[&str]) -> Result<Self, prometheus::Error>;
}

macro_rules! make {
    ($($kind:ty: |$name:ident, $help:ident, $labels:ident| $make:expr;)*) => {
        $(impl Make for $kind {
            fn make($name: &str, $help: &str, $labels: &[&str]) -> Result<$kind, prometheus::Error> {
                $make
            }
        })*
    };
}

/// Seconds: from a tenth of a millisecond to ten seconds.
const BUCKETS: [f64; 11] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 10.0,
];

make! {
    IntCounter: |name, help, _labels| IntCounter::new(name, help);
    IntGauge: |name, help, _labels| IntGauge::new(name, help);
    Gauge: |name, help, _labels| Gauge::new(name, help);
    Histogram: |name, help, _labels| Histogram::with_opts(HistogramOpts::new(name, help).buckets(BUCKETS.to_vec()));
    IntCounterVec: |name, help, labels| IntCounterVec::new(Opts::new(name, help), labels);
    IntGaugeVec: |name, help, labels| IntGaugeVec::new(Opts::new(name, help), labels);
    GaugeVec: |name, help, labels| GaugeVec::new(Opts::new(name, help), labels);
}

impl Metrics {
    /// Everything in the text format of Prometheus.
    pub fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // Writing to memory does not fail; a metric that cannot be encoded is left out.
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut out)
            .ok();
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_its_own_name_and_a_help() {
        Metrics::new().unwrap();
        for (name, help, _) in TABLE {
            assert!(
                name.starts_with("correlated_") && !help.is_empty(),
                "{name}"
            );
        }
    }
}
