use crate::identity::{ObjectKey, Uid};
use crate::references::Index;
use crate::render::{Rendered, read_back};
use crate::validate::{Checkable, Link, facts};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const HOSTS: [&str; 4] = ["a", "b", "c", "d"];
const SERVICES: [&str; 2] = ["p", "q"];

fn node(host: &str, service: Option<&str>) -> Checkable {
    Checkable { host: host.to_owned(), service: service.map(str::to_owned) }
}

/// Every host and service there is.
fn universe() -> Vec<Checkable> {
    let of = |host: &&str| [None, Some(SERVICES[0]), Some(SERVICES[1])].map(|service| node(host, service));
    HOSTS.iter().flat_map(of).collect()
}

/// A dependency as a published file has it.
fn content(name: &str, link: &Value) -> Arc<Rendered> {
    let typed: Link = serde_json::from_value(link.clone()).unwrap();
    let mut shares = vec![facts::dependency()];
    match typed.applies_to() {
        Some(_) => shares.push(facts::dependency_rule()),
        None => {
            shares.push(facts::dependency_of(&serde_json::from_value(link["child"]["one"].clone()).unwrap()))
        }
    }
    shares.extend(typed.parent_host.as_deref().map(facts::dependency_on));
    let shares: Vec<_> = shares.iter().map(|name| name.as_str().to_owned()).collect();
    let header = json!({ "provides": [format!("Dependency!x!{name}")], "shares": shares, "edge": link });
    let text = format!("// file\n// groundlink: {header}\n");
    Arc::new(read_back(&ObjectKey::new("n", name), text.into_bytes()).unwrap())
}

fn one(child: &Checkable, parent: &Checkable) -> Value {
    let mut link = json!({ "child": { "one": child }, "parentHost": parent.host });
    if let Some(service) = &parent.service {
        link["parentService"] = json!(service);
    }
    link
}

fn rule(children: &str, assign: &[&str], ignore: &[&str], parent: (Option<&str>, Option<&str>)) -> Value {
    let mut link = json!({ "child": { children: { "assign": assign, "ignore": ignore } } });
    for (field, name) in [("parentHost", parent.0), ("parentService", parent.1)] {
        if let Some(name) = name {
            link[field] = json!(name);
        }
    }
    link
}

fn upsert(index: &mut Index, name: &str, link: &Value) {
    index.upsert(0, &Uid::new(name), content(name, link));
    index.resolve();
}

fn why(index: &Index, name: &str) -> String {
    index.waiting(&ObjectKey::new("n", name)).map(|waiting| waiting.message).unwrap_or_default()
}

#[test]
fn what_would_depend_on_itself_waits_until_it_would_not() {
    let mut index = Index::default();
    let [a, b, c] = ["a", "b", "c"].map(|host| node(host, None));
    upsert(&mut index, "1", &one(&a, &b));
    upsert(&mut index, "2", &one(&b, &c));
    upsert(&mut index, "3", &one(&c, &node("a", Some("p"))));
    assert_eq!(
        why(&index, "3"),
        "Host \"c\" would depend on itself: Host \"c\" -> Service \"p\" of Host \"a\" (MonitoringObject n/3) -> Host \"a\" -> \
         Host \"b\" (MonitoringObject n/1) -> Host \"c\" (MonitoringObject n/2); remove one of these dependencies"
    );
    // An unrelated object is removed.
    index.remove(&ObjectKey::new("n", "1"));
    index.resolve();
    assert_eq!(why(&index, "3"), "");
    upsert(&mut index, "1", &one(&a, &b));
    assert!(why(&index, "1").contains("would depend on itself"));
    // The visible content stays when a newer one would close a circle.
    upsert(&mut index, "2", &one(&c, &b));
    assert_eq!(why(&index, "1"), "");
    upsert(&mut index, "2", &one(&b, &a));
    assert!(why(&index, "2").contains("would depend on itself"));
    assert!(index.visible(&ObjectKey::new("n", "2")).is_some());
}

#[test]
fn rules_leave_out_their_parent_and_what_names_exclude() {
    let mut index = Index::default();
    upsert(&mut index, "all", &rule("hosts", &["host.vars.os == \"Linux\""], &[], (Some("core"), None)));
    assert_eq!(why(&index, "all"), "");
    upsert(&mut index, "isp", &one(&node("core", None), &node("isp", None)));
    let message = why(&index, "isp");
    assert!(message.contains("with ignoreWhere: host.name == \"isp\""), "{message}");
    let ignore = ["host.name == \"isp\""];
    upsert(&mut index, "all", &rule("hosts", &["host.vars.os == \"Linux\""], &ignore, (Some("core"), None)));
    assert_eq!(why(&index, "isp"), "");
    // Services of any host on one of their own: the other way round is a circle.
    upsert(&mut index, "p", &rule("services", &["true"], &["service.name == \"q\""], (None, Some("p"))));
    upsert(&mut index, "q", &rule("services", &["service.name == \"p\""], &[], (None, Some("q"))));
    assert!(index.visible(&ObjectKey::new("n", "q")).is_some());
    upsert(&mut index, "r", &rule("services", &["service.name == \"q\""], &[], (None, Some("p"))));
    assert!(
        why(&index, "r").contains("Service \"p\" of any host would depend on itself"),
        "{}",
        why(&index, "r")
    );
}

#[test]
fn chains_and_webs_are_bounded_from_either_end() {
    let host = |number: usize| node(&format!("{number:02}"), None);
    let mut index = Index::default();
    for number in 0..25 {
        upsert(&mut index, &format!("{number}"), &one(&host(number), &host(number + 1)));
    }
    // The first host is not counted: nothing depends on it.
    assert_eq!(why(&index, "20"), "");
    assert!(why(&index, "21").contains("more than 20"), "{}", why(&index, "21"));
    assert_eq!(index.all_visible().count(), 24);
    let mut index = Index::default();
    for number in 2..20 {
        upsert(&mut index, &format!("{number}-a"), &one(&host(number), &host(number - 1)));
        upsert(&mut index, &format!("{number}-b"), &one(&host(number), &host(number - 2)));
    }
    assert!(index.all_visible().count() < 36, "all were admitted");
}

#[test]
fn what_stands_below_a_rule_counts() {
    let [low, high] =
        ["low", "high"].map(|name| move |number: usize| node(&format!("{name} {number}"), None));
    let mut index = Index::default();
    for number in 0..12 {
        upsert(&mut index, &format!("low {number}"), &one(&low(number), &low(number + 1)));
    }
    upsert(&mut index, "rule", &rule("hosts", &["host.name == \"low 12\""], &[], (Some("high 0"), None)));
    for number in 0..12 {
        upsert(&mut index, &format!("high {number}"), &one(&high(number), &high(number + 1)));
    }
    assert!(why(&index, "high 8").contains("more than 20"), "{}", why(&index, "high 8"));
}

/// The slow model: which host or service depends on which, among those that exist.
fn depends(links: &BTreeMap<String, Value>) -> BTreeSet<(Checkable, Checkable)> {
    let mut pairs = BTreeSet::new();
    for child in universe() {
        if child.service.is_some() {
            pairs.insert((child.clone(), node(&child.host, None)));
        }
        for link in links.values() {
            let host = link["parentHost"].as_str().unwrap_or(&child.host);
            let parent = node(host, link["parentService"].as_str());
            let (kind, conditions) = link["child"].as_object().unwrap().iter().next().unwrap();
            let holds = |condition: &Value| match condition.as_str().unwrap().split_once(" == ") {
                None => true,
                Some(("host.name", name)) => name.trim_matches('"') == child.host,
                Some((_, name)) => Some(name.trim_matches('"')) == child.service.as_deref(),
            };
            let any = |which: &str| conditions[which].as_array().unwrap().iter().any(holds);
            let concerns = match kind.as_str() {
                "one" => serde_json::from_value::<Checkable>(conditions.clone()).unwrap() == child,
                kind => {
                    (kind == "services") == child.service.is_some()
                        && parent != child
                        && any("assign")
                        && !any("ignore")
                }
            };
            if concerns {
                pairs.insert((child.clone(), parent));
            }
        }
    }
    pairs
}

/// Removes everything that depends on nothing, until nothing is left or only circles are.
fn has_circle(links: &BTreeMap<String, Value>) -> bool {
    let mut pairs = depends(links);
    loop {
        let children: BTreeSet<_> = pairs.iter().map(|(child, _)| child.clone()).collect();
        let before = pairs.len();
        pairs.retain(|(_, parent)| children.contains(parent));
        if pairs.len() == before {
            return before > 0;
        }
    }
}

fn link() -> impl Strategy<Value = Value> {
    let any_node = || prop::sample::select(universe());
    let host = || prop::sample::select(HOSTS.to_vec());
    let service = || prop::sample::select(SERVICES.to_vec());
    let is_host = || host().prop_map(|name| format!("host.name == \"{name}\""));
    let is_service = || service().prop_map(|name| format!("service.name == \"{name}\""));
    let some = |condition: BoxedStrategy<String>| prop::collection::vec(condition, 0..3);
    let build = |children: &'static str| {
        move |(assign, ignore, host, service): (Vec<String>, Vec<String>, Option<&str>, Option<&str>)| {
            let assign = if assign.is_empty() { vec!["true".to_owned()] } else { assign };
            let [assign, ignore] =
                [&assign, &ignore].map(|all| all.iter().map(String::as_str).collect::<Vec<_>>());
            rule(children, &assign, &ignore, (host, service))
        }
    };
    prop_oneof![
        4 => (any_node(), any_node()).prop_map(|(child, parent)| one(&child, &parent)),
        1 => (some(is_host().boxed()), some(is_host().boxed()), host().prop_map(Some), prop::option::of(service()))
            .prop_map(build("hosts")),
        1 => (
            some(prop_oneof![is_host(), is_service()].boxed()),
            some(prop_oneof![is_host(), is_service()].boxed()),
            host().prop_map(Some),
            prop::option::of(service())
        )
            .prop_map(build("services")),
        // Only the names of a host's own services are known.
        1 => (some(is_service().boxed()), some(is_service().boxed()), Just(None), service().prop_map(Some))
            .prop_map(build("services")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn never_a_circle_and_nothing_waits_that_makes_none(
        changes in prop::collection::vec((0..10u8, prop::option::weighted(0.85, link())), 1..40),
        batch in 1..5usize,
    ) {
        let mut index = Index::default();
        for group in changes.chunks(batch) {
            for (name, link) in group {
                match link {
                    Some(link) => index.upsert(i64::from(*name), &Uid::new(&name.to_string()), content(&name.to_string(), link)),
                    None => index.remove(&ObjectKey::new("n", &name.to_string())),
                }
            }
            index.resolve();
            let json = |content: &Arc<Rendered>| (content.key().name().to_owned(), serde_json::to_value(content.link().unwrap()).unwrap());
            let with_lists = |(name, mut link): (String, Value)| {
                for conditions in link["child"].as_object_mut().unwrap().values_mut().filter(|c| c.get("host").is_none()) {
                    for list in ["assign", "ignore"] {
                        if conditions.get(list).is_none() {
                            conditions[list] = json!([]);
                        }
                    }
                }
                (name, link)
            };
            let visible: BTreeMap<_, _> = index.all_visible().map(json).map(with_lists).collect();
            prop_assert!(!has_circle(&visible), "{:?}", visible);
            for name in 0..10 {
                let key = ObjectKey::new("n", &name.to_string());
                let Some(waiting) = index.waiting_content(&key) else { continue };
                let mut larger = visible.clone();
                let (name, link) = with_lists(json(waiting));
                larger.insert(name, link);
                prop_assert!(has_circle(&larger), "{} waits beside {:?}: {}", key, visible, why(&index, key.name()));
            }
        }
    }
}
