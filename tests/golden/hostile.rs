//! Manifests that are built to break the configuration of everybody else. Each must be refused, or
//! load and be understood as declared; there is nothing between.

use crate::case::render;
use crate::declared::{Declared, resource};
use crate::{icinga, report};
use serde_json::{Value, json};
use std::collections::BTreeSet;

struct Hostile {
    name: &'static str,
    /// Names of the resources that must be refused, those that wait for another among them; all
    /// others must be published.
    refused: BTreeSet<String>,
    documents: Vec<Value>,
    /// What rules make, where nothing is refused.
    applied: &'static [&'static str],
}

fn object(name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "groundlink.dev/v1alpha1",
        "kind": "MonitoringObject",
        "metadata": { "namespace": "groundlink", "name": name },
        "spec": spec,
    })
}

fn host(vars: Value) -> Value {
    json!({ "host": { "checkCommand": "dummy", "vars": vars } })
}

/// A service rule beside a host with these variables.
fn rule(expression: &str, vars: Value) -> Vec<Value> {
    let rule = json!({ "service": { "checkCommand": "dummy", "apply": { "assignWhere": [expression] } } });
    vec![object("rule", rule), object("h", host(vars))]
}

/// Templates of which each imports the one before it `times` times, and a host at the end.
fn template_chain(length: usize, times: usize) -> Vec<Value> {
    let template = |i: usize| {
        let imports: Vec<_> =
            (0..times).filter(|_| i > 0).map(|_| format!("t{}", i.saturating_sub(1))).collect();
        object(
            &format!("t{i}"),
            json!({ "template": true, "host": { "checkCommand": "dummy", "imports": imports } }),
        )
    };
    let end = object("h", json!({ "host": { "imports": [format!("t{}", length - 1)] } }));
    (0..length).map(template).chain([end]).collect()
}

/// Names with these numbers, with blanks between them.
fn numbered(letter: &str, numbers: std::ops::Range<usize>) -> String {
    numbers.map(|i| format!("{letter}{i}")).collect::<Vec<_>>().join(" ")
}

fn zone_chain(length: usize) -> Vec<Value> {
    let top = object("z0", json!({ "zoneObject": {} }));
    let below =
        |i: usize| object(&format!("z{i}"), json!({ "zoneObject": { "parent": format!("z{}", i - 1) } }));
    std::iter::once(top).chain((1..length).map(below)).collect()
}

fn command(spec: Value) -> Vec<Value> {
    vec![object("c", json!({ "checkCommand": spec }))]
}

fn two_zones(more: Vec<Value>) -> Vec<Value> {
    let mut documents = vec![
        object("eu", json!({ "zoneObject": { "endpoints": ["eu-1"] } })),
        object("eu-1", json!({ "endpoint": {} })),
        object("us", json!({ "zoneObject": { "endpoints": ["us-1"] } })),
        object("us-1", json!({ "endpoint": {} })),
        object("eu-web", json!({ "zone": "eu", "host": { "checkCommand": "dummy" } })),
        object("us-web", json!({ "zone": "us", "host": { "checkCommand": "dummy" } })),
        object("web", json!({ "host": { "checkCommand": "dummy" } })),
    ];
    documents.extend(more);
    documents
}

fn hostile() -> Vec<Hostile> {
    let mut all = Vec::new();
    let mut add = |name, refused: &str, documents| {
        let refused = refused.split_whitespace().map(str::to_owned).collect();
        all.push(Hostile { name, refused, documents, applied: &[] });
    };
    add("a chain of 80 templates", &(numbered("t", 20..80) + " h"), template_chain(80, 1));
    add("a chain of 34 zones", &numbered("z", 20..34), zone_chain(34));
    add("a zone that is its own grandparent", "z0 z1 z2", {
        let mut zones = zone_chain(3);
        zones[0]["spec"]["zoneObject"]["parent"] = json!("z2");
        zones
    });
    add("templates that import each other twice, 24 deep", "t20 t21 t22 t23 h", template_chain(24, 2));
    let dummy =
        |template: bool| json!({ "name": "x", "template": template, "host": { "checkCommand": "dummy" } });
    add("a template and a host of one name", "b", vec![object("a", dummy(true)), object("b", dummy(false))]);
    let group = |template: bool| json!({ "name": "x", "template": template, "hostGroup": {} });
    add("a template and a group of one name", "b", vec![object("a", group(true)), object("b", group(false))]);
    let named = |name: &str, template: bool| {
        vec![object(
            "a",
            json!({ "name": name, "template": template, "checkCommand": { "command": ["/bin/true"] } }),
        )]
    };
    add("a command with the name of a library command", "a", named("ping4", false));
    add("a command with the name of a library template", "a", named("ping-common", false));
    add("a template with the name of a library command", "a", named("ping4", true));
    add("a template with the name of a library template", "a", named("ping-common", true));
    add("a command with the name of a built-in template", "a", named("plugin-check-command", false));
    add("a template with the name of a built-in template", "a", named("plugin-check-command", true));
    let template = object("t", json!({ "template": true, "checkCommand": { "timeout": "5s" } }));
    add(
        "a command without a command",
        "c",
        vec![template.clone(), object("c", json!({ "checkCommand": { "imports": ["t"] } }))],
    );
    add(
        "arguments without a command",
        "c",
        vec![
            template,
            object(
                "c",
                json!({ "checkCommand": { "imports": ["t"], "arguments": { "-a": { "value": "x" } } } }),
            ),
        ],
    );
    add(
        "inherited arguments without a command",
        "c",
        vec![
            object(
                "t",
                json!({ "template": true, "checkCommand": { "arguments": { "-a": { "value": "x" } } } }),
            ),
            object("c", json!({ "checkCommand": { "imports": ["t"] } })),
        ],
    );
    add(
        "a command's timeout with a fraction",
        "c",
        command(json!({ "command": ["/bin/true"], "timeout": "1500ms" })),
    );
    add(
        "a command's timeout beyond 32 bits",
        "c",
        command(json!({ "command": ["/bin/true"], "timeout": "999999999d" })),
    );
    add(
        "a command's dollar signs",
        "",
        command(json!({
            "command": ["$$", "$a$"],
            "arguments": { "$x": { "value": "a$$", "key": "$", "separator": "$", "description": "$", "setIf": "hello" } },
            "env": { "$x": "$$" },
            "vars": { "$": 1, "a": { "b": { "c": "$$" } } },
        })),
    );
    add(
        "an endpoint listed twice by its zone",
        "e z",
        vec![
            object("z", json!({ "zoneObject": { "endpoints": ["e", "e"] } })),
            object("e", json!({ "endpoint": {} })),
        ],
    );
    add(
        "an endpoint listed by two zones",
        "z",
        vec![
            object("y", json!({ "zoneObject": { "endpoints": ["e"] } })),
            object("z", json!({ "zoneObject": { "endpoints": ["e"] } })),
            object("e", json!({ "endpoint": {} })),
        ],
    );
    add("an endpoint of a grandchild zone", "h", {
        let mut documents = zone_chain(3);
        documents[2]["spec"]["zoneObject"]["endpoints"] = json!(["e"]);
        documents.push(object("e", json!({ "endpoint": {} })));
        documents.push(object(
            "h",
            json!({ "zone": "z0", "host": { "checkCommand": "dummy", "commandEndpoint": "e" } }),
        ));
        documents
    });
    add(
        "a group twice",
        "",
        vec![
            object("g", json!({ "hostGroup": {} })),
            object("h", json!({ "host": { "checkCommand": "dummy", "groups": ["g", "g"] } })),
        ],
    );
    add(
        "a number that no double holds",
        "h",
        vec![object("h", host(json!({ "a": 9_007_199_254_740_993_u64 })))],
    );
    add(
        "a chain of 340 elements",
        "",
        vec![object("h", host(json!({ "a": vec![json!({ "a": [1] }); 340] })))],
    );
    add("an expression of 340 terms", "rule", rule(&vec!["0"; 340].join("||"), json!({})));
    add("an expression 31 deep", "", rule(&format!("{}false", "!!".repeat(15)), json!({})));
    add("a key below a string", "", rule("host.vars.a.b == 1", json!({ "a": "text" })));
    add("a key below a number", "", rule("host.vars.a.b == 1", json!({ "a": 5 })));
    add("a key below a flag", "", rule("host.vars.a.b == 1", json!({ "a": true })));
    add("a key below a list", "", rule("host.vars.a.b == 1", json!({ "a": [1] })));
    add("a key below null", "", rule("host.vars.a.b == 1", json!({ "a": null })));
    add("an index beyond the end of a list", "", rule(r#"host.vars.a["9"] == 1"#, json!({ "a": [1] })));
    add("match() on a dictionary", "", rule(r#"match("x", host.vars.a)"#, json!({ "a": { "x": 1 } })));
    add(
        "match() on a list",
        "",
        rule(r#"match("y", host.vars.a)"#, json!({ "a": ["x", 1, null, { "x": 1 }] })),
    );
    add(
        "match() for any of a list",
        "",
        rule(r#"match("y", host.vars.a, MatchAny)"#, json!({ "a": [[], {}, null, 1, true, "x"] })),
    );
    add(
        "commands that import each other by turns, 24 deep",
        "c20 c21 c22 c23",
        (0..24)
            .map(|i: usize| {
                let imports: Vec<_> = (i > 0).then(|| format!("c{}", i - 1)).into_iter().collect();
                let spec = json!({ "command": ["/bin/true"], "imports": imports });
                object(&format!("c{i}"), json!({ "template": i.is_multiple_of(2), "checkCommand": spec }))
            })
            .collect(),
    );
    add("match() on null", "", rule(r#"match("y", host.vars.a)"#, json!({ "a": null })));
    add("match() on a method of dictionaries", "", rule(r#"match("x", host.vars.len)"#, json!({ "a": 1 })));
    let dependency = |name: &str, spec: Value| object(name, json!({ "dependency": spec }));
    let on = |name: &str, child: &str, parent: &str| {
        dependency(name, json!({ "childHostName": child, "parentHostName": parent }))
    };
    let hosts = || ["a", "b", "c"].map(|name| object(name, host(json!({ "os": "Linux" })))).to_vec();
    let beside = |more: Vec<Value>| [hosts(), more].concat();
    let to = |target: &str, more: Value| {
        let mut spec = json!({ "apply": { "to": target, "assignWhere": ["true"] } });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    let service = |name: &str| {
        object(
            name,
            json!({ "service": { "checkCommand": "dummy", "apply": { "assignWhere": ["host.name != \"c\""] } } }),
        )
    };
    add("hosts that depend on each other", "2", beside(vec![on("1", "a", "b"), on("2", "b", "a")]));
    add(
        "three hosts in a circle",
        "3",
        beside(vec![on("1", "a", "b"), on("2", "b", "c"), on("3", "c", "a")]),
    );
    add("a host that depends on itself", "1", beside(vec![on("1", "a", "a")]));
    add("all hosts on one, and that on another", "all", {
        beside(vec![dependency("all", to("Host", json!({ "parentHostName": "a" }))), on("1", "a", "b")])
    });
    add("all hosts on one, and all on another", "2", {
        let all = |name, parent| dependency(name, to("Host", json!({ "parentHostName": parent })));
        beside(vec![all("1", "a"), all("2", "b")])
    });
    add("services on each other, by rules", "2", {
        let all = |name, parent| dependency(name, to("Service", json!({ "parentServiceName": parent })));
        beside(vec![service("p"), service("q"), all("1", "p"), all("2", "q")])
    });
    add("a host on the service that depends on it", "2", {
        let of_host = json!({ "childHostName": "a", "parentHostName": "b", "parentServiceName": "s" });
        let own = object("s", json!({ "service": { "checkCommand": "dummy", "hostName": "b" } }));
        beside(vec![own, dependency("1", of_host), on("2", "b", "a")])
    });
    add("chains of forEach over anything", "", {
        let each = |name: &str, within: &str| {
            let apply = json!({ "forEach": { "in": within, "keyVar": "key" } });
            object(name, json!({ "service": { "checkCommand": "dummy", "apply": apply } }))
        };
        let odd = json!([null, [], {}, "", "!", 5, "x"]);
        let hosts = odd.as_array().unwrap().iter().enumerate();
        let mut documents: Vec<_> =
            hosts.map(|(i, value)| object(&format!("h{i}"), host(json!({ "v": value })))).collect();
        documents.push(each("n", "host.vars.v"));
        documents.push(each("m", "host.vars.v.a.b.c"));
        documents.push(each("len", "host.vars.len"));
        documents
    });
    all.push(Hostile {
        name: "services on one of their host, where it is",
        refused: BTreeSet::new(),
        documents: beside(vec![
            service("p"),
            object(
                "q",
                json!({ "service": { "checkCommand": "dummy", "apply": { "assignWhere": ["true"] } } }),
            ),
            dependency("1", to("Service", json!({ "parentServiceName": "p" }))),
        ]),
        applied: &[
            "Service a!p",
            "Service b!p",
            "Service a!q",
            "Service b!q",
            "Service c!q",
            "Dependency a!q!1",
            "Dependency b!q!1",
        ],
    });
    all.push(Hostile {
        name: "a rule in a zone, and hosts of other zones",
        refused: BTreeSet::new(),
        documents: two_zones(vec![object(
            "ssh",
            json!({
                "zone": "eu",
                "service": { "checkCommand": "dummy", "apply": { "assignWhere": ["true"] } },
            }),
        )]),
        // The satellites of "us" never see the rule, so the hub must not apply it there either.
        applied: &["Service eu-web!ssh"],
    });
    all.push(Hostile {
        name: "a rule without a zone",
        refused: BTreeSet::new(),
        documents: two_zones(vec![object(
            "ssh",
            json!({
                "service": { "checkCommand": "dummy", "apply": { "assignWhere": ["true"] } },
            }),
        )]),
        applied: &["Service eu-web!ssh", "Service us-web!ssh", "Service web!ssh"],
    });
    all.push(Hostile {
        name: "a rule whose template has a host",
        refused: ["s", "t"].map(str::to_owned).into(),
        documents: vec![
            object("t", json!({ "template": true, "service": { "hostName": "h", "checkCommand": "dummy" } })),
            object("s", json!({ "service": { "imports": ["t"], "apply": { "assignWhere": ["true"] } } })),
            object("h", json!({ "host": { "checkCommand": "dummy" } })),
            object("i", json!({ "host": { "checkCommand": "dummy" } })),
        ],
        applied: &[],
    });
    all
}

/// Renders with the real program, loads what is not refused, and compares.
fn verdict(hostile: &Hostile, icinga: &icinga::Icinga) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    let input = directory.path().join("input.json");
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": hostile.documents });
    std::fs::write(&input, list.to_string()).unwrap();
    let output = render(&input, &[]);
    let refusals = String::from_utf8(output.stderr).unwrap();
    let refused: BTreeSet<_> = refusals.lines().filter_map(|line| line.split([' ', ':']).nth(1)).collect();
    let wanted: BTreeSet<_> = hostile.refused.iter().map(|name| format!("groundlink/{name}")).collect();
    let code = i32::from(!wanted.is_empty());
    if !refused.iter().copied().eq(wanted.iter().map(String::as_str)) || output.status.code() != Some(code) {
        return Err(format!(
            "{wanted:?} should be refused, with exit code {code}; {}:\n{refusals}",
            output.status
        ));
    }
    let published: Vec<_> =
        hostile.documents.iter().filter(|d| !refused.contains(resource(d).as_str())).cloned().collect();
    let understood = icinga.load(&String::from_utf8(output.stdout).unwrap(), "")?;
    // Where something is refused, what rules make of the rest is not the question.
    let applied: BTreeSet<_> = hostile.applied.iter().copied().collect();
    Declared::of(&published).compare(icinga, &understood, refused.is_empty().then_some(&applied))
}

#[test]
fn a_hostile_manifest_is_refused_or_understood() {
    let all = hostile();
    for icinga in icinga::generations() {
        report(all.iter().map(|hostile| (hostile.name.to_owned(), verdict(hostile, icinga))));
    }
}
