//! Facts to write about.

use correlated::itsm::{Limits, Markup};
use correlated::model::{IncidentId, Millis, Priority, Severity};
use correlated::ticket::{
    AlsoOpen, Cause, CauseText, ChangeText, CiText, ClassText, FirstAlert, Former, Language,
    ServiceText, SplitFrom, Style, Wanted,
};

/// 2026-11-22T01:14:07Z, a night from Saturday to Sunday.
pub const AT: Millis = Millis(1_795_310_047_000);
pub const KEY: &str = "cor-k7x2m9qd-123.1";

pub fn limits() -> Limits {
    Limits {
        title: 200,
        description: 4000,
        note: 4000,
        settle: Millis::secs(60),
        reopens: true,
        markup: Markup::Plain,
    }
}

pub fn style(language: Language) -> Style {
    Style {
        language,
        timezone: "Europe/Copenhagen".into(),
        link_base: "https://correlated.example.net/".into(),
        limits: limits(),
    }
}

pub fn strings(list: &str) -> Vec<String> {
    list.split_whitespace().map(str::to_owned).collect()
}

pub fn ci(name: &str, class: &str, place: &str) -> CiText {
    CiText {
        name: name.into(),
        class: class.into(),
        place: place.into(),
        known: true,
    }
}

/// `Payroll:gold` or `Payroll`.
pub fn services(list: &str) -> Vec<ServiceText> {
    let one = |s: &str| {
        let (name, criticality) = s.split_once(':').unwrap_or((s, ""));
        ServiceText {
            name: name.into(),
            criticality: criticality.into(),
        }
    };
    list.split_whitespace().map(one).collect()
}

pub fn class(class: &str, count: u32, names: &str) -> ClassText {
    ClassText {
        class: class.into(),
        count,
        names: strings(names),
    }
}

pub fn after(seconds: i64) -> Millis {
    AT.plus(Millis::secs(seconds))
}

/// The confident case: a switch takes 30 CIs with it.
pub fn switch() -> Wanted {
    let text = "PING CRITICAL - Packet loss = 100%";
    Wanted {
        incident: IncidentId(123),
        key: KEY.into(),
        priority: Priority::P1,
        severity: Severity::Critical,
        subject: ci("sw-cph1-a07", "access_switch", "Copenhagen 1, rack A07"),
        symptom: text.into(),
        since: AT,
        first: FirstAlert {
            at: AT,
            source: "nagios-cph".into(),
            ci: "sw-cph1-a07".into(),
            text: text.into(),
        },
        cause: Cause::High(CauseText {
            ci: ci("sw-cph1-a07", "access_switch", "Copenhagen 1, rack A07"),
            alerts_itself: true,
            alerts_in: None,
            first: true,
            explains: 30,
            of_monitored: 33,
            silent: strings("app-hr-02 app-hr-03 db-hr-01"),
            silent_count: 3,
            unknown: 0,
            runner_up: Some(("pdu-cph1-a07-1".into(), 15, 22)),
        }),
        observed: services("Payroll:gold Webshop:gold Intranet:silver"),
        at_risk: services("Timesheets:silver"),
        affected: vec![
            class(
                "server",
                14,
                "srv-pay-01 srv-pay-02 srv-web-01 srv-web-02 srv-web-03 srv-int-01",
            ),
            class(
                "app_instance",
                13,
                "payroll-app payroll-db webshop-front webshop-cart webshop-pay intra-cms",
            ),
            class("business_service", 3, "Payroll Webshop Intranet"),
            class("access_switch", 1, "sw-cph1-a07"),
        ],
        listed: Vec::new(),
        alerts: 42,
        cis: 31,
        spread: Millis::secs(96),
        sources: vec![
            ("nagios-cph".into(), 29),
            ("zabbix".into(), 7),
            ("prometheus".into(), 6),
        ],
        links: vec![
            "https://wiki.example.net/rb/access-switch-down".into(),
            "https://con.example.net/cph1-a07".into(),
        ],
        also_open: vec![AlsoOpen {
            incident: IncidentId(119),
            ticket: "61905".into(),
            ci: "backup-cph1".into(),
        }],
        group: "Network".into(),
        held: Millis::secs(20),
        held_by: None,
        opened: after(20),
        rules: 14,
        graph_as_of: Some(after(-2 * 3600)),
        merged_into: None,
        split_from: None,
        before: None,
        changed: Vec::new(),
        flapping: Vec::new(),
        flap_quiet: Millis::mins(10),
    }
}

pub fn unsure() -> Wanted {
    Wanted {
        incident: IncidentId(131),
        key: "cor-k7x2m9qd-131.1".into(),
        priority: Priority::P2,
        severity: Severity::Major,
        subject: ci("crm-app", "application", "CPH1, hall 2"),
        symptom: "HTTP CRITICAL - 503 Service Unavailable".into(),
        first: FirstAlert {
            at: after(-30),
            source: "prometheus".into(),
            ci: "mail-gw".into(),
            text: "ProbeFailed: https://mail.example.net does not load".into(),
        },
        cause: Cause::NotKnown(Some(CauseText {
            ci: ci("fw-cph1-02", "firewall", "CPH1"),
            alerts_itself: false,
            alerts_in: None,
            first: false,
            explains: 6,
            of_monitored: 17,
            silent: strings("app-01 app-02 app-03 app-04 app-05 app-06"),
            silent_count: 11,
            unknown: 0,
            runner_up: Some(("dns-cph1-01".into(), 5, 9)),
        })),
        observed: vec![],
        at_risk: vec![],
        affected: vec![class(
            "application",
            6,
            "crm-app mail-gw hr-portal wiki chat print",
        )],
        listed: Vec::new(),
        alerts: 7,
        cis: 6,
        spread: Millis::secs(150),
        sources: vec![("prometheus".into(), 7)],
        links: vec![],
        also_open: vec![],
        group: "Applications".into(),
        held: Millis::secs(60),
        held_by: None,
        opened: after(60),
        ..switch()
    }
}

pub fn unsure_services() -> Wanted {
    Wanted {
        subject: ci("Payroll", "business_service", ""),
        observed: services("Payroll:gold Webshop:gold Intranet:silver Timesheets:silver"),
        affected: vec![
            class("business_service", 4, "Payroll Webshop Intranet Timesheets"),
            class("application", 2, "payroll-app webshop-front"),
        ],
        ..unsure()
    }
}

pub fn silent_root() -> Wanted {
    Wanted {
        incident: IncidentId(140),
        key: "cor-k7x2m9qd-140.1".into(),
        priority: Priority::P2,
        subject: ci("esx-cph2-04", "hypervisor", "Copenhagen 2"),
        symptom: "PING CRITICAL - Packet loss = 100%".into(),
        first: FirstAlert {
            ci: "vm-erp-01".into(),
            ..switch().first
        },
        cause: Cause::High(CauseText {
            ci: ci("esx-cph2-04", "hypervisor", "Copenhagen 2"),
            alerts_itself: false,
            alerts_in: None,
            first: false,
            explains: 9,
            of_monitored: 9,
            silent: vec![],
            silent_count: 0,
            unknown: 0,
            runner_up: None,
        }),
        observed: vec![],
        at_risk: services("ERP:gold"),
        affected: vec![class(
            "virtual_machine",
            9,
            "vm-erp-01 vm-erp-02 vm-erp-03 vm-bi-01 vm-bi-02 vm-ci-01",
        )],
        listed: Vec::new(),
        alerts: 9,
        cis: 9,
        spread: Millis::secs(41),
        sources: vec![("nagios-cph".into(), 9)],
        links: vec![],
        also_open: vec![],
        held: Millis::secs(60),
        held_by: None,
        ..switch()
    }
}

pub fn lone_unbound() -> Wanted {
    let text = "DISK CRITICAL - free space: / 412 MB (2%)";
    Wanted {
        incident: IncidentId(7),
        key: "cor-k7x2m9qd-7.1".into(),
        priority: Priority::P4,
        severity: Severity::Critical,
        subject: CiText {
            name: "appbox-17".into(),
            ..CiText::default()
        },
        symptom: text.into(),
        first: FirstAlert {
            ci: "appbox-17".into(),
            text: text.into(),
            ..switch().first
        },
        cause: Cause::NotKnown(None),
        observed: vec![],
        at_risk: vec![],
        affected: vec![class("", 1, "appbox-17")],
        listed: Vec::new(),
        alerts: 1,
        cis: 1,
        spread: Millis(0),
        sources: vec![("nagios-cph".into(), 1)],
        links: vec![],
        also_open: vec![],
        group: String::new(),
        held: Millis::mins(15),
        held_by: None,
        graph_as_of: None,
        ..switch()
    }
}

pub fn one_service() -> Wanted {
    let text = "PayrollLatencyHigh: p95 is 3.1 s, limit 1 s";
    Wanted {
        incident: IncidentId(58),
        priority: Priority::P3,
        severity: Severity::Warning,
        subject: ci("Payroll", "business_service", ""),
        symptom: text.into(),
        first: FirstAlert {
            source: "prometheus".into(),
            ci: "Payroll".into(),
            text: text.into(),
            at: AT,
        },
        cause: Cause::NotKnown(Some(CauseText {
            ci: ci("Payroll", "business_service", ""),
            alerts_itself: true,
            alerts_in: None,
            first: true,
            explains: 0,
            of_monitored: 0,
            silent: vec![],
            silent_count: 0,
            unknown: 0,
            runner_up: None,
        })),
        observed: services("Payroll:gold"),
        affected: vec![class("business_service", 1, "Payroll")],
        listed: Vec::new(),
        alerts: 1,
        cis: 1,
        sources: vec![("prometheus".into(), 1)],
        links: vec!["https://grafana.example.net/d/payroll".into()],
        held: Millis::mins(5),
        held_by: None,
        ..lone_unbound()
    }
}

/// A known server, three alerts of its own, nothing else.
pub fn one_server() -> Wanted {
    let text = "srv-pay-01: NTP offset 4.2 s";
    Wanted {
        incident: IncidentId(59),
        priority: Priority::P3,
        severity: Severity::Minor,
        subject: ci("srv-pay-01", "server", "Copenhagen 1"),
        symptom: text.into(),
        first: FirstAlert {
            ci: "srv-pay-01".into(),
            text: text.into(),
            ..switch().first
        },
        cause: Cause::High(CauseText {
            ci: ci("srv-pay-01", "server", "Copenhagen 1"),
            alerts_itself: true,
            alerts_in: None,
            first: true,
            explains: 0,
            of_monitored: 4,
            silent: strings("payroll-app payroll-db"),
            silent_count: 2,
            unknown: 0,
            runner_up: None,
        }),
        at_risk: services("Payroll:gold"),
        affected: vec![class("server", 1, "srv-pay-01")],
        listed: Vec::new(),
        alerts: 3,
        spread: Millis::mins(4),
        sources: vec![("nagios-cph".into(), 2), ("zabbix".into(), 1)],
        graph_as_of: Some(AT),
        held: Millis(0),
        held_by: None,
        ..lone_unbound()
    }
}

/// A database that is slow, not down; two CIs; the cause came second.
pub fn failing_database() -> Wanted {
    Wanted {
        subject: ci("payroll-db", "database", ""),
        symptom: "MySQLThreadsHigh: 812 threads, limit 500".into(),
        first: FirstAlert {
            at: after(-40),
            source: "zabbix".into(),
            ci: "Payroll".into(),
            text: "Payroll login takes more than 10 s".into(),
        },
        cause: Cause::High(CauseText {
            ci: ci("payroll-db", "database", ""),
            alerts_itself: true,
            alerts_in: None,
            first: false,
            explains: 1,
            of_monitored: 1,
            silent: vec![],
            silent_count: 0,
            unknown: 0,
            runner_up: None,
        }),
        observed: services("Payroll:gold"),
        at_risk: vec![],
        affected: vec![
            class("database", 1, "payroll-db"),
            class("service", 1, "Payroll"),
        ],
        listed: Vec::new(),
        alerts: 2,
        cis: 2,
        spread: Millis::secs(40),
        sources: vec![("zabbix".into(), 1), ("prometheus".into(), 1)],
        links: vec![],
        also_open: vec![],
        ..switch()
    }
}

pub fn changed_and_flapping() -> Wanted {
    let change = |id: &str, summary: &str, minutes: i64| ChangeText {
        id: id.into(),
        summary: summary.into(),
        ci: "sw-cph1-a07".into(),
        at: AT.plus(Millis::mins(-minutes)),
        before: Millis::mins(minutes),
    };
    Wanted {
        changed: vec![
            change("CHG0040219", "", 0),
            change("CHG0040211", "Firmware 17.9.5", 19),
        ],
        before: Some(Former {
            ticket: "INC0061877#a9c1".into(),
            closed: Some(AT.plus(Millis::mins(-95))),
        }),
        flapping: strings("sw-cph1-a07 srv-web-01"),
        ..switch()
    }
}

pub fn split() -> Wanted {
    let switch = switch();
    Wanted {
        cause: Cause::Named(switch.cause.known().cloned(), "uid 1000 (jane)".into()),
        split_from: Some(SplitFrom {
            incident: IncidentId(119),
            ticket: "61905".into(),
            by: "uid 1000 (jane)".into(),
        }),
        ..switch
    }
}

pub fn merged() -> Wanted {
    Wanted {
        merged_into: Some(IncidentId(119)),
        ..switch()
    }
}

/// What an attacker, or a broken check, puts into every text it reaches.
pub fn hostile() -> Wanted {
    let text = format!(
        "ok\r\n--\nKey cor-00000000-1.1.\u{0}\u{1b}[2J \u{202e}desrever\u{2066} {{{{ 7*7 }}}} {{% for %}} \
         \"quoted\" <script> \u{200b}{}",
        "A".repeat(10_240)
    );
    Wanted {
        subject: ci(
            "srv\u{202e}-evil\nKey x",
            "very_odd\nclass",
            "nowhere\u{2028}at all",
        ),
        symptom: text.clone(),
        first: FirstAlert {
            at: AT,
            source: "nagios\n".into(),
            ci: "other\tci".into(),
            text: text.clone(),
        },
        observed: vec![ServiceText {
            name: text.clone(),
            criticality: text.clone(),
        }],
        links: vec![
            "javascript:alert(1)".into(),
            "https://example.net/\nKey cor-1".into(),
            "https://example.net/a\u{202e}b".into(),
        ],
        affected: vec![class("odd_class", 2, "a b"), class("", 1, "c")],
        also_open: vec![AlsoOpen {
            incident: IncidentId(1),
            ticket: "1\n2".into(),
            ci: text,
        }],
        cis: 3,
        listed: Vec::new(),
        alerts: 3,
        ..switch()
    }
}
