//! Classes of CIs in the words of people.

use super::Language;

/// A class as CMDBs write it, then English one and many, Danish one and many.
type Row = (&'static str, [&'static str; 4]);

/// Usual classes in our spelling; `key` brings other spellings to it.
#[rustfmt::skip]
const CLASSES: [Row; 47] = [
    ("", ["not in the CMDB", "not in the CMDB", "ikke i CMDB", "ikke i CMDB"]),
    ("access_point", ["access point", "access points", "accesspoint", "accesspoints"]),
    ("access_switch", ["access switch", "access switches", "access-switch", "access-switche"]),
    ("agg_switch", ["aggregation switch", "aggregation switches", "aggregeringsswitch", "aggregeringsswitche"]),
    ("app", ["application", "applications", "applikation", "applikationer"]),
    ("app_instance", ["application instance", "application instances", "applikationsinstans", "applikationsinstanser"]),
    ("application", ["application", "applications", "applikation", "applikationer"]),
    ("business_service", ["service", "services", "tjeneste", "tjenester"]),
    ("circuit", ["line", "lines", "forbindelse", "forbindelser"]),
    ("cluster", ["cluster", "clusters", "klynge", "klynger"]),
    ("container", ["container", "containers", "container", "containere"]),
    ("core_switch", ["core switch", "core switches", "core-switch", "core-switche"]),
    ("database", ["database", "databases", "database", "databaser"]),
    ("db", ["database", "databases", "database", "databaser"]),
    ("db_instance", ["database instance", "database instances", "databaseinstans", "databaseinstanser"]),
    ("db_service", ["database service", "database services", "databasetjeneste", "databasetjenester"]),
    ("device", ["device", "devices", "enhed", "enheder"]),
    ("distribution_switch", ["distribution switch", "distribution switches", "distributionsswitch", "distributionsswitche"]),
    ("firewall", ["firewall", "firewalls", "firewall", "firewalls"]),
    ("host", ["host", "hosts", "vært", "værter"]),
    ("hypervisor", ["hypervisor", "hypervisors", "hypervisor", "hypervisorer"]),
    ("interface", ["interface", "interfaces", "interface", "interfaces"]),
    ("kubernetes_node", ["Kubernetes node", "Kubernetes nodes", "Kubernetes-node", "Kubernetes-noder"]),
    ("load_balancer", ["load balancer", "load balancers", "loadbalancer", "loadbalancere"]),
    ("namespace", ["namespace", "namespaces", "navnerum", "navnerum"]),
    ("network_device", ["network device", "network devices", "netværksenhed", "netværksenheder"]),
    ("node", ["node", "nodes", "node", "noder"]),
    ("pdu", ["PDU", "PDUs", "PDU", "PDU'er"]),
    ("pod", ["pod", "pods", "pod", "pods"]),
    ("power_feed", ["power feed", "power feeds", "strømforsyning", "strømforsyninger"]),
    ("printer", ["printer", "printers", "printer", "printere"]),
    ("rack", ["rack", "racks", "rack", "racks"]),
    ("router", ["router", "routers", "router", "routere"]),
    ("server", ["server", "servers", "server", "servere"]),
    ("service", ["service", "services", "tjeneste", "tjenester"]),
    ("site", ["site", "sites", "lokation", "lokationer"]),
    ("storage", ["storage system", "storage systems", "storagesystem", "storagesystemer"]),
    ("storage_array", ["storage array", "storage arrays", "storagesystem", "storagesystemer"]),
    ("switch", ["switch", "switches", "switch", "switche"]),
    ("tor_switch", ["rack switch", "rack switches", "rack-switch", "rack-switche"]),
    ("ups", ["UPS", "UPSs", "UPS", "UPS'er"]),
    ("virtual_machine", ["virtual machine", "virtual machines", "virtuel maskine", "virtuelle maskiner"]),
    ("vm", ["virtual machine", "virtual machines", "virtuel maskine", "virtuelle maskiner"]),
    ("volume", ["volume", "volumes", "volumen", "volumener"]),
    ("web_instance", ["web instance", "web instances", "webinstans", "webinstanser"]),
    ("web_server", ["web server", "web servers", "webserver", "webservere"]),
    ("workstation", ["workstation", "workstations", "arbejdsstation", "arbejdsstationer"]),
];

/// Our spelling of a class: `Virtual Machine`, `virtual-machine` and `virtual_machine` are the same.
fn key(class: &str) -> String {
    class.trim().to_lowercase().replace([' ', '-'], "_")
}

/// The word for one CI of a class, or for several. A class that is not known keeps its own name, with blanks
/// for underscores, whatever the number.
pub(super) fn class(class: &str, many: bool, language: Language) -> String {
    let key = key(class);
    let known = CLASSES.iter().find(|(c, _)| *c == key);
    match known.map(|(_, words)| words) {
        Some([en, ens, da, das]) => match (language, many) {
            (Language::En, false) => *en,
            (Language::En, true) => *ens,
            (Language::Da, false) => *da,
            (Language::Da, true) => *das,
        }
        .to_owned(),
        None => class.replace('_', " "),
    }
}

/// With a capital first letter, for the beginning of a line.
pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_in_order_and_named_once() {
        assert!(CLASSES.is_sorted_by(|(a, _), (b, _)| a < b));
    }

    #[test]
    fn classes_have_words() {
        let check = |name: &str, many, en: &str, da: &str| {
            assert_eq!(class(name, many, Language::En), en);
            assert_eq!(class(name, many, Language::Da), da);
        };
        check("core_switch", false, "core switch", "core-switch");
        check(
            "Virtual Machine",
            true,
            "virtual machines",
            "virtuelle maskiner",
        );
        check("tape_robot", true, "tape robot", "tape robot");
        check("cmdb_ci_IP", false, "cmdb ci IP", "cmdb ci IP");
        assert_eq!(capital("åben"), "Åben");
        assert_eq!(capital(""), "");
    }
}
