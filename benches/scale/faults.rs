//! Faults of a made-up estate, as the alerts that they bring about, in the order in which these come.

use super::estate::{Dice, Estate};
use correlated::model::{Event, EventState, Millis};
use std::collections::BTreeSet;

/// An alert to come: so long after the fault, where, what.
pub type Symptom = (i64, usize, &'static str, &'static str);

/// Makes faults. No CI alerts twice under one name.
pub struct Faults {
    dice: Dice,
    used: BTreeSet<(usize, &'static str)>,
}

impl Faults {
    pub fn new(seed: u64) -> Faults {
        Faults {
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            used: BTreeSet::new(),
        }
    }

    /// One fault of the usual mix: by alerts about a quarter each racks and hosts, then databases, applications,
    /// sites, and one alert in five is noise.
    pub fn any(&mut self, estate: &Estate) -> Vec<Symptom> {
        let found = match self.dice.roll(1000) {
            0..=3 => self.site(estate),
            4..=19 => self.rack(estate),
            20..=199 => self.host(estate),
            200..=279 => self.db(estate),
            280..=359 => self.app(estate),
            _ => self.noise(estate),
        };
        found
            .into_iter()
            .filter(|(_, ci, name, _)| self.used.insert((*ci, name)))
            .collect()
    }

    /// Alerts of CIs that have nothing to do with each other.
    pub fn lone(&mut self, estate: &Estate, count: usize) -> Vec<Symptom> {
        let mut out = Vec::new();
        for _ in 0..count * 50 {
            if out.len() == count {
                break;
            }
            let (site, rack) = self.place(estate);
            let host = estate.sites[site].racks[rack].hosts[self.dice.roll(8)];
            if self.used.insert((host, "FanFailed")) {
                out.push((0, host, "FanFailed", "critical"));
            }
        }
        out
    }

    /// A site without power: everything in it alerts, in any order.
    pub fn blackout(&mut self, estate: &Estate, site: usize) -> Vec<Symptom> {
        let site = &estate.sites[site % estate.sites.len()];
        let mut all: Vec<(usize, &'static str)> = Vec::new();
        all.extend(site.cores.map(|core| (core, "SwitchDown")));
        for rack in &site.racks {
            all.extend(rack.switches.map(|switch| (switch, "SwitchDown")));
            let machines = rack.hosts.iter().chain(rack.vms.iter().flatten());
            all.extend(machines.map(|ci| (*ci, "HostDown")));
            all.extend(rack.dbs.iter().map(|ci| (*ci, "DatabaseDown")));
            let instances = rack.instances.iter().flatten();
            all.extend(instances.map(|ci| (*ci, "InstanceDown")));
            all.extend(rack.apps.iter().map(|ci| (*ci, "ErrorRate")));
            all.push((rack.service, "ServiceDown"));
        }
        all.retain(|alert| self.used.insert(*alert));
        for n in (1..all.len()).rev() {
            all.swap(n, self.dice.roll(n + 1));
        }
        let alerts = all.into_iter();
        alerts.map(|(ci, name)| (0, ci, name, "critical")).collect()
    }

    fn place(&mut self, estate: &Estate) -> (usize, usize) {
        let site = self.dice.roll(estate.sites.len());
        (site, self.dice.roll(estate.sites[site].racks.len()))
    }

    /// When a symptom shows: within so many seconds.
    fn after(&mut self, seconds: usize) -> i64 {
        self.dice.roll(seconds * 1000) as i64
    }

    fn show(
        &mut self,
        out: &mut Vec<Symptom>,
        percent: usize,
        ci: usize,
        what: (&'static str, &'static str),
    ) {
        if self.dice.percent(percent) {
            out.push((self.after(90), ci, what.0, what.1));
        }
    }

    fn site(&mut self, estate: &Estate) -> Vec<Symptom> {
        let (site, _) = self.place(estate);
        let mut out = Vec::new();
        for core in estate.sites[site].cores {
            out.push((self.after(20), core, "SwitchDown", "critical"));
        }
        for r in 0..estate.sites[site].racks.len() {
            let rack = &estate.sites[site].racks[r];
            for switch in rack.switches {
                self.show(&mut out, 80, switch, ("HostDown", "critical"));
            }
            for host in &rack.hosts {
                self.show(&mut out, 70, *host, ("HostDown", "critical"));
            }
            for app in &rack.apps {
                self.show(&mut out, 50, *app, ("ErrorRate", "critical"));
            }
        }
        out
    }

    fn rack(&mut self, estate: &Estate) -> Vec<Symptom> {
        let (site, rack) = self.place(estate);
        let rack = &estate.sites[site].racks[rack];
        let mut out = Vec::new();
        for switch in rack.switches {
            self.show(&mut out, 80, switch, ("SwitchDown", "critical"));
        }
        for (h, host) in rack.hosts.iter().enumerate() {
            self.under_host(&mut out, (*host, &rack.vms[h]), rack, h, 60);
        }
        for app in &rack.apps {
            self.show(&mut out, 40, *app, ("ErrorRate", "critical"));
        }
        self.show(&mut out, 40, rack.service, ("ServiceDown", "critical"));
        out
    }

    fn under_host(
        &mut self,
        out: &mut Vec<Symptom>,
        (host, vms): (usize, &[usize]),
        rack: &super::estate::Rack,
        h: usize,
        percent: usize,
    ) {
        self.show(out, percent, host, ("HostDown", "critical"));
        for (v, vm) in vms.iter().enumerate() {
            self.show(out, percent, *vm, ("HostDown", "critical"));
            for instance in &rack.instances[h * vms.len() + v] {
                self.show(out, percent, *instance, ("InstanceDown", "major"));
            }
        }
    }

    fn host(&mut self, estate: &Estate) -> Vec<Symptom> {
        let (site, rack) = self.place(estate);
        let rack = &estate.sites[site].racks[rack];
        let h = self.dice.roll(rack.hosts.len());
        let mut out = vec![(self.after(10), rack.hosts[h], "HostDown", "critical")];
        self.under_host(&mut out, (rack.hosts[h], &rack.vms[h]), rack, h, 80);
        out
    }

    fn db(&mut self, estate: &Estate) -> Vec<Symptom> {
        let (site, rack) = self.place(estate);
        let rack = &estate.sites[site].racks[rack];
        let d = self.dice.roll(rack.dbs.len());
        let mut out = vec![(self.after(10), rack.dbs[d], "DatabaseDown", "critical")];
        for instance in &rack.of_db[d] {
            self.show(&mut out, 40, *instance, ("ErrorRate", "major"));
        }
        out
    }

    fn app(&mut self, estate: &Estate) -> Vec<Symptom> {
        let (site, rack) = self.place(estate);
        let rack = &estate.sites[site].racks[rack];
        let a = self.dice.roll(rack.apps.len());
        let mut out = vec![(self.after(10), rack.apps[a], "ErrorRate", "critical")];
        for instance in &rack.of_app[a] {
            self.show(&mut out, 50, *instance, ("Latency", "warning"));
        }
        self.show(&mut out, 30, rack.service, ("ServiceDown", "critical"));
        out
    }

    fn noise(&mut self, estate: &Estate) -> Vec<Symptom> {
        let (site, rack) = self.place(estate);
        let rack = &estate.sites[site].racks[rack];
        let vms = &rack.vms[self.dice.roll(rack.vms.len())];
        let ci = vms[self.dice.roll(vms.len())];
        let name = [
            "DiskFull",
            "ClockSkew",
            "HighLoad",
            "BackupFailed",
            "CertExpires",
        ][self.dice.roll(5)];
        let word = ["warning", "warning", "major"][self.dice.roll(3)];
        vec![(0, ci, name, word)]
    }

    /// The alert is over and may come again.
    pub fn over(&mut self, symptom: &Symptom) {
        self.used.remove(&(symptom.1, symptom.2));
    }
}

/// The event of a symptom.
pub fn event(estate: &Estate, symptom: &Symptom, state: EventState, at: i64) -> Event {
    let (_, ci, name, word) = symptom;
    let host = estate.names[*ci].as_str();
    let text = format!("{name} on {host}");
    Event {
        state,
        labels: [("alertname", *name), ("host", host), ("job", "node")]
            .into_iter()
            .collect(),
        annotations: [("summary", text.as_str())].into_iter().collect(),
        severity_word: (*word).to_owned(),
        episode: at,
        closes: match state {
            EventState::Resolved => at,
            _ => at - 1,
        },
        starts_at: Some(Millis(at)),
        valid_until: None,
        sender: String::new(),
        link: String::new(),
    }
}
