//! The configuration of Icinga in `examples/agent` and in `docs/agent.md`.

use super::stage::{HOST, candidate, validator};
use crate::support::{Hook, Icinga, NODE, generations};
use groundlink::agent::icinga::candidate::hook;
use groundlink::agent::icinga::validator::Validation;
use serde_json::Value;

const ACTIVE: &str = "/var/lib/groundlink-agent/active.conf";

fn file(name: &str) -> String {
    std::fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Returns the `icinga2.conf` of each example, with the name of its endpoint.
fn configurations() -> Vec<(&'static str, String)> {
    let of = |name: &str| {
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&file(&format!("examples/agent/{name}"))).unwrap();
        let found = documents.iter().find_map(|document| document["data"]["icinga2.conf"].as_str());
        found.unwrap().to_owned()
    };
    vec![("icinga-1", of("satellite.yaml")), ("icinga-hub", of("hub.yaml"))]
}

#[test]
fn the_lines_that_include_the_set_are_those_that_the_agent_expects() {
    for (name, text) in configurations() {
        assert!(text.ends_with(&hook(ACTIVE)), "{name}: {text}");
    }
    let page = file("docs/agent.md");
    assert!(page.contains(&hook(ACTIVE)), "docs/agent.md must show:\n{}", hook(ACTIVE));
}

#[tokio::test]
async fn icinga_loads_a_set_through_the_configuration_of_each_example() {
    for generation in generations() {
        for (name, text) in configurations() {
            let icinga = Icinga::prepare(generation, Hook::Missing);
            // The files of this stage are elsewhere, and it has the certificate of another name.
            let text = text.replace(ACTIVE, &icinga.text("load/active.conf")).replace(name, NODE);
            std::fs::write(icinga.path("etc/icinga2.conf"), text).unwrap();
            let tree = icinga.tree("one", &[HOST]);
            let path = icinga.path("load/candidate.conf");
            std::fs::write(&path, candidate("1.1 one", &tree, true)).unwrap();
            let verdict = validator(&icinga).validate(&path, "1.1 one", 1).await;
            assert!(matches!(verdict, Validation::Accepted(_)), "{name}, {generation}: {verdict:?}");
        }
    }
}
