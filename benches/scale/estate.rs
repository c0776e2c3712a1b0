//! A made-up estate of any size: sites of racks of hosts, virtual machines and instances, with what they need. About
//! ten relations per CI, as real ones have that import everything.

use correlated::graph::{Ci, RawGraph, Relation};

/// Racks of a site, and what a rack holds.
const RACKS: usize = 10;
const HOSTS: usize = 8;
const VMS: usize = 4;
const DBS: usize = 8;
const INSTANCES: usize = 48;
/// Instances of one application.
const OF_APP: usize = 8;

/// The usual dice.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides.max(1) as u64) as usize
    }
    pub fn percent(&mut self, of: usize) -> bool {
        self.roll(100) < of
    }
}

/// A rack: numbers of its CIs.
#[derive(Clone, Default)]
pub struct Rack {
    pub switches: [usize; 2],
    pub hosts: Vec<usize>,
    /// By host.
    pub vms: Vec<Vec<usize>>,
    pub dbs: Vec<usize>,
    /// By virtual machine.
    pub instances: Vec<Vec<usize>>,
    pub apps: Vec<usize>,
    /// Who needs which database.
    pub of_db: Vec<Vec<usize>>,
    pub of_app: Vec<Vec<usize>>,
    pub service: usize,
}

/// A site: numbers of its CIs.
#[derive(Clone, Default)]
pub struct Site {
    pub cores: [usize; 2],
    pub racks: Vec<Rack>,
}

pub struct Estate {
    pub raw: RawGraph,
    pub sites: Vec<Site>,
    pub names: Vec<String>,
    /// A CI that ten thousand others need (where there are so many), and those.
    pub hub: usize,
    pub under_hub: Vec<usize>,
}

struct Maker {
    cis: Vec<Ci>,
    relations: Vec<(usize, &'static str, usize)>,
    dice: Dice,
}

impl Maker {
    fn ci(&mut self, name: String, class: &str, monitored: usize) -> usize {
        let attributes = match class {
            "business_service" => {
                let level = ["gold", "silver", "bronze", ""][self.dice.roll(4)];
                [("criticality".to_owned(), level.to_owned())].into()
            }
            _ => [(
                "site".to_owned(),
                name.split('-').next().unwrap().to_owned(),
            )]
            .into(),
        };
        self.cis.push(Ci {
            key: format!("CI-{name}"),
            monitored: self.dice.percent(monitored),
            class: class.to_owned(),
            addresses: match class {
                "server" | "vm" => vec![address(self.cis.len())],
                _ => Vec::new(),
            },
            name,
            attributes,
            ..Ci::default()
        });
        self.cis.len() - 1
    }

    fn relate(&mut self, from: usize, kind: &'static str, to: usize) {
        if from != to {
            self.relations.push((from, kind, to));
        }
    }

    fn relate_both(&mut self, from: usize, kind: &'static str, to: [usize; 2]) {
        for to in to {
            self.relate(from, kind, to);
        }
    }

    fn site(&mut self, n: usize, hub: usize, under_hub: &mut Vec<usize>, wanted: usize) -> Site {
        let site = self.ci(format!("s{n:04}"), "site", 0);
        let mut two = |what: &str, class: &str| {
            [0, 1].map(|k| self.ci(format!("s{n:04}-{what}{k}"), class, 95))
        };
        let cores = two("core", "core_switch");
        let routers = two("router", "router");
        let arrays = two("array", "storage");
        let basics = two("dns", "vm");
        for ci in [cores, routers, arrays].into_iter().flatten() {
            self.relate(ci, "part-of", site);
        }
        for core in cores {
            for router in routers {
                self.relate(core, "connects-to", router);
            }
        }
        let mut out = Site {
            cores,
            racks: Vec::new(),
        };
        for r in 0..RACKS {
            let rack = self.rack(&format!("s{n:04}-r{r:02}"), site, cores, arrays, basics);
            for instance in rack.instances.iter().flatten().copied() {
                if under_hub.len() < wanted {
                    self.relate(instance, "depends-on", hub);
                    under_hub.push(instance);
                }
            }
            out.racks.push(rack);
        }
        self.traffic(&mut out);
        out
    }

    fn rack(
        &mut self,
        name: &str,
        site: usize,
        cores: [usize; 2],
        arrays: [usize; 2],
        basics: [usize; 2],
    ) -> Rack {
        let power = [0, 1].map(|k| self.ci(format!("{name}-pdu{k}"), "pdu", 60));
        let switches = [0, 1].map(|k| self.ci(format!("{name}-tor{k}"), "access_switch", 95));
        let cluster = self.ci(format!("{name}-cluster"), "cluster", 0);
        for ci in power.into_iter().chain(switches) {
            self.relate(ci, "part-of", site);
        }
        for switch in switches {
            self.relate_both(switch, "connects-to", cores);
            self.relate_both(switch, "powered-by", power);
        }
        let mut rack = Rack {
            switches,
            ..Rack::default()
        };
        for h in 0..HOSTS {
            let host = self.ci(format!("{name}-h{h}"), "server", 95);
            self.relate_both(host, "connects-to", switches);
            self.relate_both(host, "powered-by", power);
            self.relate_both(host, "stored-on", arrays);
            self.relate(host, "member-of", cluster);
            let mut vms = Vec::new();
            for v in 0..VMS {
                let vm = self.ci(format!("{name}-h{h}-vm{v}"), "vm", 90);
                self.relate(vm, "runs-on", host);
                self.relate(vm, "stored-on", arrays[v % 2]);
                self.relate_both(vm, "depends-on", basics);
                vms.push(vm);
            }
            rack.hosts.push(host);
            rack.vms.push(vms);
        }
        let vms: Vec<usize> = rack.vms.iter().flatten().copied().collect();
        rack.instances = vec![Vec::new(); vms.len()];
        for d in 0..DBS {
            let db = self.ci(format!("{name}-db{d}"), "database", 80);
            self.relate(db, "runs-on", vms[d * 4]);
            self.relate(db, "stored-on", arrays[d % 2]);
            rack.dbs.push(db);
        }
        for a in 0..INSTANCES / OF_APP {
            let app = self.ci(format!("{name}-app{a}"), "application", 50);
            rack.apps.push(app);
        }
        rack.service = self.ci(format!("{name}-service"), "business_service", 40);
        for app in rack.apps.clone() {
            self.relate(rack.service, "depends-on", app);
        }
        rack.of_db = vec![Vec::new(); DBS];
        rack.of_app = vec![Vec::new(); rack.apps.len()];
        for i in 0..INSTANCES {
            let instance = self.ci(format!("{name}-i{i:02}"), "instance", 70);
            let vm = self.dice.roll(vms.len());
            self.relate(instance, "runs-on", vms[vm]);
            self.relate(instance, "member-of", rack.apps[i / OF_APP]);
            for _ in 0..2 {
                let db = self.dice.roll(DBS);
                self.relate(instance, "depends-on", rack.dbs[db]);
                rack.of_db[db].push(instance);
            }
            rack.instances[vm].push(instance);
            rack.of_app[i / OF_APP].push(instance);
        }
        rack
    }

    /// Instances talk to others of the site, most of them in their own rack; databases and applications too.
    fn traffic(&mut self, site: &mut Site) {
        let all: Vec<Vec<usize>> = site
            .racks
            .iter()
            .map(|r| r.instances.iter().flatten().copied().collect())
            .collect();
        for (r, mine) in all.iter().enumerate() {
            for (n, from) in mine.iter().enumerate() {
                for _ in 0..17 {
                    let far = self.dice.percent(20);
                    let other = if far { self.dice.roll(all.len()) } else { r };
                    // Only downwards: calls go in layers.
                    let to = match other == r {
                        true => mine[n + self.dice.roll(mine.len() - n)],
                        false => all[other][self.dice.roll(all[other].len())],
                    };
                    // What talks to something can often do without it; such relations carry no faults.
                    let kind = match self.dice.percent(60) {
                        true => "depends-on",
                        false => "talks-to",
                    };
                    self.relate(*from, kind, to);
                }
            }
        }
    }
}

fn address(n: usize) -> String {
    format!("10.{}.{}.{}", n >> 16 & 255, n >> 8 & 255, n & 255)
}

/// About `size` CIs, always the same ones.
pub fn estate(size: usize) -> Estate {
    let mut maker = Maker {
        cis: Vec::new(),
        relations: Vec::new(),
        dice: Dice(0x9e37_79b9_7f4a_7c15),
    };
    let hub = maker.ci("hub".to_owned(), "queue", 100);
    let wanted = 10_000.min(size / 4);
    let mut under_hub = Vec::new();
    let mut sites = Vec::new();
    while maker.cis.len() < size {
        let site = maker.site(sites.len(), hub, &mut under_hub, wanted);
        sites.push(site);
    }
    let names = maker.cis.iter().map(|c| c.name.clone()).collect();
    Estate {
        raw: canonical(maker.cis, &maker.relations),
        sites,
        names,
        hub,
        under_hub,
    }
}

/// The same with one relation in a thousand gone, as a later load of the CMDB.
pub fn changed(raw: &RawGraph) -> RawGraph {
    let kept = |(n, _): &(usize, &Relation)| n % 1000 != 500;
    let relations = raw.relations.iter().enumerate().filter(kept);
    RawGraph {
        cis: raw.cis.clone(),
        relations: relations.map(|(_, r)| r.clone()).collect(),
    }
}

fn canonical(cis: Vec<Ci>, relations: &[(usize, &'static str, usize)]) -> RawGraph {
    let mut order: Vec<usize> = (0..cis.len()).collect();
    order.sort_by(|a, b| cis[*a].key.cmp(&cis[*b].key));
    let mut place = vec![0_u32; cis.len()];
    for (at, was) in order.iter().enumerate() {
        place[*was] = at as u32;
    }
    let mut turned: Vec<(u32, u32, &str)> = relations
        .iter()
        .map(|(from, kind, to)| (place[*from], place[*to], *kind))
        .collect();
    turned.sort_unstable();
    turned.dedup();
    let relations = turned
        .into_iter()
        .map(|(from, to, kind)| Relation {
            from,
            to,
            kind: kind.to_owned(),
        })
        .collect();
    let mut cis: Vec<Option<Ci>> = cis.into_iter().map(Some).collect();
    let cis = order.into_iter().map(|was| cis[was].take().unwrap());
    RawGraph {
        cis: cis.collect(),
        relations,
    }
}
