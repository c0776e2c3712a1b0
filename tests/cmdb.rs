//! CMDBs and the graph from the outside: a file goes in as bytes, a graph and findings come out.
#![cfg(test)]

use correlated::cmdb::{self, CmdbSettings, Cursor, Fetch};
use correlated::config::keys::Value;
use correlated::graph::{Ci, Finding, Graph, GraphBuilder, Ix, Lookup, RawGraph};
use correlated::model::{Millis, Response};
use correlated::rules::Correlate;
use std::sync::Arc;

const ESTATE: &str = include_str!("fixtures/cmdb/file/estate.json");
const FAULTY: &str = include_str!("fixtures/cmdb/file/faulty.json");
const FAULTY_FINDINGS: &str = include_str!("fixtures/cmdb/file/faulty.findings");

/// Loads a file of these bytes as the daemon does.
fn load(bytes: &[u8]) -> Result<(RawGraph, Vec<Finding>), String> {
    let kind = cmdb::kind("file").unwrap();
    let mut settings = CmdbSettings::default();
    let path = Value::Text("etc/estate/cmdb.json".into());
    settings.options.put("path", path);
    let mut cursor = Cursor::default();
    let mut graph = GraphBuilder::new();
    match (kind.next)(&settings, &mut cursor, &[], &mut graph) {
        Fetch::Get(requests) => {
            assert_eq!(requests.len(), 1);
            assert_eq!(requests[0].path, "etc/estate/cmdb.json");
            assert_eq!((requests[0].method, requests[0].writes), ("GET", false));
        }
        other => panic!("{other:?}"),
    }
    let response = Response {
        status: 200,
        headers: Vec::new(),
        body: bytes.to_vec(),
        at: Millis(0),
    };
    match (kind.next)(&settings, &mut cursor, &[response], &mut graph) {
        Fetch::Done => Ok(graph.finish()),
        Fetch::Refused(why) => Err(why),
        Fetch::Get(requests) => panic!("{requests:?}"),
    }
}

fn estate(domains: &[&str]) -> Graph {
    let (raw, findings) = load(ESTATE.as_bytes()).unwrap();
    assert_eq!(findings, []);
    let domains: Vec<String> = domains.iter().map(|d| (*d).to_owned()).collect();
    Graph::build(Arc::new(raw), &Correlate::default().relations, &domains)
}

fn ix(graph: &Graph, name: &str) -> Ix {
    match graph.lookup(name) {
        Lookup::One(ix) => ix,
        other => panic!("{name}: {other:?}"),
    }
}

fn names(graph: &Graph, path: &[Ix]) -> String {
    let names: Vec<&str> = path
        .iter()
        .map(|ix| graph.ci(*ix).unwrap().name.as_str())
        .collect();
    names.join(" ")
}

#[test]
fn an_estate_is_read_whole() {
    let graph = estate(&[]);
    assert_eq!((graph.len(), graph.relations()), (12, 14));
    let web1 = graph.ci(ix(&graph, "web1")).unwrap();
    let attributes: Vec<(&str, &str)> = web1
        .attributes
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    assert_eq!(
        attributes,
        [("backup", "true"), ("group", "web team"), ("tier", "2")]
    );
    assert_eq!((web1.class.as_str(), web1.monitored), ("vm", true));
    let web2 = graph.ci(ix(&graph, "WWW")).unwrap();
    assert_eq!(web2.addresses, ["10.1.0.12", "2001:db8::12"]);
    let bare = graph.ci(graph.by_key("ci0012").unwrap()).unwrap();
    let expected = Ci {
        key: "CI0012".into(),
        name: "CI0012".into(),
        monitored: true,
        ..Ci::default()
    };
    assert_eq!(*bare, expected);
    let findings: Vec<&str> = graph.findings().iter().map(|f| f.text.as_str()).collect();
    assert_eq!(
        findings,
        [
            "relation type \"backed-up-by\" has no weight in [correlate.relations]; its 2 relations carry no faults"
        ]
    );
}

#[test]
fn names_of_any_form_find_their_ci() {
    let graph = estate(&["corp.example"]);
    for (name, expected) in [
        ("CI0003", "web1"),
        ("web shop", "Web Shop"),
        ("WEB1.CORP.EXAMPLE.", "web1"),
        ("esx1.corp.example", "esx1"),
        ("esx1.other.example", "esx1"),
        ("db1", "db1.corp.example"),
        ("[2001:db8:0::12]", "web2"),
        ("::ffff:10.1.0.11", "web1"),
    ] {
        assert_eq!(names(&graph, &[ix(&graph, name)]), expected, "{name}");
    }
    for name in [
        "web1.other.example",
        "db1.other.example",
        "10.1.0.99",
        "web",
    ] {
        assert_eq!(graph.lookup(name), Lookup::None, "{name}");
    }
}

#[test]
fn the_shop_needs_the_power() {
    let graph = estate(&[]);
    let shop = ix(&graph, "Web Shop");
    let cone: Vec<String> = graph
        .cone(shop, 80)
        .iter()
        .map(|r| format!("{} {}/{}", names(&graph, &[r.ci]), r.weight, r.hops))
        .collect();
    let expected = [
        "shop-app 900/1",
        "web1 636/2",
        "web2 636/2",
        "db1.corp.example 540/2",
        "esx1 572/3",
        "esx2 572/3",
        "sw1 514/4",
        "sw2 143/4",
        "pdu-A 462/5",
        "san1 324/3",
    ];
    assert_eq!(cone, expected);
    let path = graph.path(shop, ix(&graph, "pdu-a"), 80);
    assert_eq!(
        names(&graph, &path),
        "Web Shop shop-app web2 esx2 sw1 pdu-A"
    );
    let impact = graph.impact(ix(&graph, "esx2"), 80, 100);
    let impact: Vec<Ix> = impact.iter().map(|r| r.ci).collect();
    assert_eq!(
        names(&graph, &impact),
        "Web Shop shop-app web1 web2 db1.corp.example"
    );
    let direct: Vec<Ix> = graph.dependants(ix(&graph, "sw1")).map(|l| l.ci).collect();
    // The members of the pool both need it in the end.
    assert_eq!(names(&graph, &direct), "shop-app esx1 esx2");
}

#[test]
fn faults_are_told_with_their_lines_and_the_rest_is_kept() {
    let (raw, findings) = load(FAULTY.as_bytes()).unwrap();
    let told: String = findings
        .iter()
        .map(|f| format!("{} {}\n", f.place, f.text))
        .collect();
    assert_eq!(told, FAULTY_FINDINGS);
    let keys: Vec<&str> = raw.cis.iter().map(|ci| ci.key.as_str()).collect();
    assert_eq!(keys, ["A", "B", "C", "D", "E", "Z", "brackets ]}\"[{\\"]);
    assert_eq!((raw.relations[0].from, raw.relations[0].to), (0, 1));
    assert_eq!(raw.relations.len(), 1);
    assert_eq!(raw.cis[0].name, "a-name");
    assert_eq!(raw.cis[4].addresses, ["::ffff:10.0.0.1"]);
    assert_eq!(raw.cis[6].class, "{[]");
}

#[test]
fn a_file_that_is_no_cmdb_is_refused() {
    for (bytes, expected) in [
        (&b""[..], "cmdb.json:1:0: EOF while parsing a value"),
        (
            b"{\n \"cis\": [\n  {\"id\": }]}",
            "cmdb.json:3:10: expected value",
        ),
        (b"{\"cis\": []} x", "cmdb.json:1:13: trailing characters"),
        (
            b"{\"cis\": [\n]",
            "cmdb.json:2:1: EOF while parsing an object",
        ),
        (
            b"{\"cis\":\n [{\"id\": \"r\xe9seau\"}]}",
            "cmdb.json:2:12: byte 0xe9 is not UTF-8; save the file as UTF-8",
        ),
        (
            b"\xff\xfe{\0",
            "cmdb.json:1:1: the file is UTF-16; it must be UTF-8",
        ),
        (
            b"[]",
            "cmdb.json:1: not an object; it must be {\"cis\": [...], \"relations\": [...]}",
        ),
        (b"{\"CIs\": []}", "cmdb.json:1: has no \"cis\""),
        (b"{\n\"cis\":\n{}}", "cmdb.json:3: \"cis\" is not a list"),
        (
            b"{\"cis\": [],\n \"relations\": 3}",
            "cmdb.json:2: \"relations\" is not a list",
        ),
    ] {
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(load(bytes), Err(expected.to_owned()), "{text}");
    }
    for bytes in [
        &b"\xef\xbb\xbf{\"cis\": [{\"id\": \"A\"}]}"[..],
        b"{\"c\\u0069s\":[{\"id\":\"A\"}],\"relations\":null}",
        b" {\"relations\":[],\r\n\"cis\":[{\"id\":\"A\",\"x\":{\"cis\":[]}}]} ",
    ] {
        let (raw, findings) = load(bytes).unwrap();
        assert_eq!((raw.cis.len(), findings), (1, Vec::new()));
    }
}

#[test]
fn a_missing_file_is_refused() {
    let kind = cmdb::kind("file").unwrap();
    let gone = Response {
        status: 404,
        headers: Vec::new(),
        body: Vec::new(),
        at: Millis(0),
    };
    let mut graph = GraphBuilder::new();
    let mut settings = CmdbSettings::default();
    settings
        .options
        .put("path", Value::Text("/x/cmdb.json".into()));
    let fetch = (kind.next)(&settings, &mut Cursor::default(), &[gone], &mut graph);
    assert!(matches!(fetch, Fetch::Refused(why) if why.contains("status 404")));
}

/// A small generator of numbers, so that every run tries the same inputs.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % n
    }
}

#[test]
fn the_digest_does_not_depend_on_the_order() {
    let first = load(ESTATE.as_bytes()).unwrap().0;
    // Frozen: the same estate keeps its digest over versions of the program.
    assert_eq!(format!("{:016x}", first.digest()), "6ff54df1852511b4");
    assert_eq!(RawGraph::decode(&first.encode()), Ok(first.clone()));
    let mut numbers = Numbers(42);
    for _ in 0..20 {
        let mut json: serde_json::Value = serde_json::from_str(ESTATE).unwrap();
        for list in ["cis", "relations"] {
            let list = json[list].as_array_mut().unwrap();
            for n in (1..list.len()).rev() {
                list.swap(n, numbers.below(n + 1));
            }
        }
        let again = json["relations"][0].clone();
        json["relations"].as_array_mut().unwrap().push(again);
        let (raw, findings) = load(json.to_string().as_bytes()).unwrap();
        assert_eq!(findings, []);
        assert_eq!((raw.digest(), &raw), (first.digest(), &first));
    }
    let other = ESTATE.replace("pdu-A", "pdu-B");
    assert_ne!(
        load(other.as_bytes()).unwrap().0.digest(),
        first.digest(),
        "a change shows"
    );
}

#[test]
fn hostile_bytes_do_no_harm() {
    let try_one = |bytes: &[u8]| {
        if let Ok((raw, _)) = load(bytes) {
            let rules = Correlate::default().relations;
            let graph = Graph::build(Arc::new(raw), &rules, &["corp.example".to_owned()]);
            for n in 0..graph.len() {
                graph.cone(Ix(u32::try_from(n).unwrap()), 0);
            }
            graph.lookup(&String::from_utf8_lossy(bytes));
        }
    };
    for file in [ESTATE, FAULTY] {
        for end in (0..file.len()).step_by(7) {
            try_one(&file.as_bytes()[..end]);
        }
    }
    let mut numbers = Numbers(7);
    let alphabet = b"{}[]\",:\\ \n0e-tfnu\xc3\xff";
    for _ in 0..2000 {
        let length = numbers.below(60);
        let noise: Vec<u8> = (0..length)
            .map(|_| alphabet[numbers.below(alphabet.len())])
            .collect();
        try_one(&noise);
        let list: Vec<u8> = [b"{\"cis\":[", &noise[..], b"]}"].concat();
        try_one(&list);
        let mut damaged = FAULTY.as_bytes().to_vec();
        for _ in 0..3 {
            let at = numbers.below(damaged.len());
            damaged[at] = alphabet[numbers.below(alphabet.len())];
        }
        try_one(&damaged);
    }
}

#[test]
fn deep_nesting_costs_one_ci() {
    let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
    let file = format!(
        "{{\"cis\":[\n{{\"id\":\"A\",\"attributes\":{{\"x\":{}}}}},\n{{\"id\":\"B\"}}],\"z\":{}}}",
        deep(500_000),
        deep(500_000)
    );
    let (raw, findings) = load(file.as_bytes()).unwrap();
    assert_eq!(raw.cis.len(), 1);
    let told: Vec<String> = findings
        .iter()
        .map(|f| format!("{} {}", f.place, f.text))
        .collect();
    assert_eq!(
        told,
        ["cmdb.json:2 recursion limit exceeded; the CI is left out"]
    );
    assert!(load("[".repeat(1_000_000).as_bytes()).is_err());
    assert!(load("{\"cis\":[".repeat(300_000).as_bytes()).is_err());
}

#[test]
fn findings_are_bounded() {
    let cis: Vec<String> = (0..3000).map(|_| "{}".to_owned()).collect();
    let (_, findings) = load(format!("{{\"cis\":[{}]}}", cis.join(",")).as_bytes()).unwrap();
    assert_eq!(findings.len(), 1001);
    assert_eq!(findings[1000].text, "and 2000 more findings");
}

#[test]
fn damaged_graphs_are_refused() {
    let (raw, _) = load(ESTATE.as_bytes()).unwrap();
    let good = raw.encode();
    assert!(RawGraph::decode(&[]).is_err());
    for end in 0..good.len() {
        assert!(RawGraph::decode(&good[..end]).is_err(), "{end}");
    }
    let mut numbers = Numbers(3);
    for _ in 0..2000 {
        let mut damaged = good.clone();
        let at = numbers.below(damaged.len());
        damaged[at] ^= 1 << numbers.below(8);
        // What still reads is canonical: the ready graph may rely on it.
        if let Ok(read) = RawGraph::decode(&damaged) {
            assert_eq!(RawGraph::decode(&read.encode()), Ok(read));
        }
    }
    let mut unsorted = raw.clone();
    unsorted.cis.swap(0, 1);
    let mut loose = raw.clone();
    loose.relations[13].to = 99;
    for bad in [unsorted, loose] {
        let why = RawGraph::decode(&bad.encode()).unwrap_err();
        assert_eq!(why, "graph: damaged: not in canonical order");
    }
}

/// Loads two CSV files as the daemon does.
fn load_csv(more: &str, cis: &[u8], relations: &[u8]) -> Result<(RawGraph, Vec<Finding>), String> {
    let text = format!(
        "[[source]]\nname = \"n\"\nkind = \"nagios\"\n[[cmdb]]\nname = \"c\"\nkind = \"file\"\ncis = \"/x/cis.csv\"\nrelations = \"/x/relations.csv\"\n{more}"
    );
    let config = correlated::config::load(&text, "").unwrap();
    let settings = &config.plumbing.cmdbs[0].settings;
    let kind = cmdb::kind("file").unwrap();
    let (mut cursor, mut graph) = (Cursor::default(), GraphBuilder::new());
    let response = |body: &[u8]| Response {
        status: 200,
        headers: Vec::new(),
        body: body.to_vec(),
        at: Millis(0),
    };
    match (kind.next)(settings, &mut cursor, &[], &mut graph) {
        Fetch::Get(requests) => assert_eq!(requests[1].path, "/x/relations.csv"),
        other => panic!("{other:?}"),
    }
    let both = [response(cis), response(relations)];
    match (kind.next)(settings, &mut cursor, &both, &mut graph) {
        Fetch::Done => Ok(graph.finish()),
        Fetch::Refused(why) => Err(why),
        Fetch::Get(requests) => panic!("{requests:?}"),
    }
}

#[test]
fn csv_exports_are_read_by_their_own_columns() {
    let more = "columns = { id = \"sys_id\", name = \"Name\", class = \"Class\", ip = \"IP Address\", aliases = \"DNS\", group = \"Support group\", monitored = \"Watched\" }\nrelation_columns = { from = \"Parent\", to = \"Child\", type = \"Type\" }\n";
    let cis = "\u{feff}sys_id;Name;Class;IP Address;DNS;Support group;Watched;Cost\r\n\
        1;web1;server;192.0.2.1, 192.0.2.2;web1.example.net;\"Web; and\r\nmore\";yes;7\r\n\
        ;;;;;;;\r\n\
        2;esx1;hypervisor;not an address;;;no;\r\n\
        3;db1;server;;;;maybe;\r\n";
    let relations = "Parent;Type;Child\r\nweb1;runs-on;esx1\r\nweb1;;\r\nweb1;runs-on;nobody\r\n";
    let (graph, findings) = load_csv(more, cis.as_bytes(), relations.as_bytes()).unwrap();
    assert_eq!(graph.cis.len(), 2);
    let web = &graph.cis[0];
    assert_eq!((web.key.as_str(), web.name.as_str()), ("1", "web1"));
    assert_eq!(web.addresses, ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(web.attributes.len(), 1, "only mapped columns are taken");
    assert_eq!(web.attributes["group"], "Web; and\r\nmore");
    assert!(!graph.cis[1].monitored);
    assert_eq!(graph.relations.len(), 1);
    let told: Vec<String> = findings
        .iter()
        .map(|f| format!("{}: {}", f.place, f.text))
        .collect();
    assert_eq!(
        told,
        [
            "cis.csv:5: CI \"2\": \"not an address\" is no IP address; it is left out",
            "cis.csv:6: CI \"3\": monitored is \"maybe\", expected true or false; it is left out",
            "relations.csv:3: from or to is empty; the relation is left out",
            "relations.csv:4: `to` \"nobody\" is no CI; the relation is left out",
        ]
    );
}

#[test]
fn csv_needs_no_map_where_the_columns_have_our_names() {
    let cis = b"ID,Name,Owner,Site\n1,d\xf8r,Web,CPH1\n2,sw,Net\n";
    let (graph, findings) = load_csv("", cis, b"from,to\n1,2\n").unwrap();
    assert_eq!(graph.cis[0].name, "d\u{f8}r");
    assert_eq!(graph.cis[0].attributes["Owner"], "Web");
    assert_eq!(
        graph.cis[1].attributes.len(),
        1,
        "short rows have empty cells"
    );
    assert_eq!(graph.relations[0].kind, "depends-on");
    assert_eq!(findings.len(), 1, "{findings:?}");
}

#[test]
fn csv_without_a_needed_column_is_refused_with_what_there_is() {
    for (more, cis, relations, want) in [
        (
            "columns = { id = \"Id\", name = \"Nome\" }\n",
            "Id,Name\n1,a\n",
            "from,to\n",
            "cis.csv:1: has no column \"Nome\" (columns.name); it has: Id, Name",
        ),
        (
            "",
            "Owner,Site\nx,y\n",
            "from,to\n",
            "cis.csv:1: has no column id or name; it has: Owner, Site",
        ),
        (
            "",
            "id\n1\n",
            "from,target\n",
            "relations.csv:1: has no column to; it has: from, target",
        ),
        (
            "",
            "",
            "from,to\n",
            "cis.csv:1: the first line names no column",
        ),
    ] {
        assert_eq!(
            load_csv(more, cis.as_bytes(), relations.as_bytes()).unwrap_err(),
            want
        );
    }
}
