//! The objects: what a shop with many teams declares. The same for the same size, on any machine and at any time.
//!
//! A head of templates, groups, users, commands and rules, as every installation has it, and then, of every ten, three hosts,
//! six services and one notification. Every host has the service `disk`, and one more. A quarter of all objects are hosts that
//! use one template, and a quarter are services that use one other.

use groundlink::api::MonitoringObject;
use groundlink::identity::ObjectKey;
use groundlink::render::{Rendered, render};
use groundlink::validate::{Declaration, Settings, validate};
use serde_json::{Value, json};
use std::sync::Arc;

/// The one namespace that may declare commands.
pub const PRIVILEGED: &str = "groundlink";

/// The template that a quarter of all objects, hosts, use.
pub const HOST_TEMPLATE: &str = "linux-host";
/// The template that a quarter of all objects, services, use.
pub const SERVICE_TEMPLATE: &str = "disk-service";

const TEAMS: usize = 40;
const RACKS: usize = 97;
const HOST_GROUPS: usize = 60;
const SERVICE_GROUPS: usize = 12;
const USERS: usize = 40;
const OTHER_TEMPLATES: usize = 8;
const RULES: usize = 12;
const SECOND_SERVICES: [(&str, &str); 4] =
    [("ssh", "ssh"), ("web", "http"), ("load", "load"), ("backup", "backup-age")];

/// One object: where it is, and its spec.
#[derive(Clone, Debug)]
pub struct Declared {
    /// Namespace.
    pub namespace: String,
    /// Name of the resource.
    pub name: String,
    /// The spec.
    pub spec: Value,
}

impl Declared {
    fn new(namespace: impl Into<String>, name: impl Into<String>, spec: Value) -> Self {
        Self { namespace: namespace.into(), name: name.into(), spec }
    }

    /// The key.
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(&self.namespace, &self.name)
    }

    /// As a person writes it.
    pub fn manifest(&self) -> Value {
        json!({
            "apiVersion": "groundlink.dev/v1alpha1",
            "kind": "MonitoringObject",
            "metadata": { "name": self.name, "namespace": self.namespace },
            "spec": self.spec,
        })
    }

    /// As an API server sends it, without managed fields; `number` makes it unlike others.
    pub fn as_served(&self, number: usize) -> Value {
        let mut object = self.manifest();
        object["metadata"]["uid"] = json!(uid(number));
        object["metadata"]["generation"] = json!(1);
        object["metadata"]["resourceVersion"] = json!((700_000 + number).to_string());
        object["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        object
    }

    /// Type of the object, for people.
    pub fn sort(&self) -> &'static str {
        let is = |member: &str| self.spec.get(member).is_some();
        match () {
            () if is("template") => "template",
            () if self.spec.pointer("/service/apply").is_some() => "apply",
            () if self.spec.pointer("/notification/apply").is_some() => "apply",
            () if is("host") => "host",
            () if is("service") => "service",
            () if is("notification") => "notification",
            () => "other",
        }
    }
}

/// UID of the object of this number.
pub fn uid(number: usize) -> String {
    format!("ad19ab3e-0140-43c0-9841-{number:012x}")
}

/// What the whole hub decides.
pub fn settings() -> Settings {
    Settings::new(&[PRIVILEGED.into()], &[], groundlink::api::IcingaVersion::default()).unwrap()
}

/// A checked declaration.
pub fn declaration(object: &MonitoringObject, settings: &Settings) -> Declaration {
    validate(object, settings).unwrap()
}

/// What would be published.
pub fn rendered(declared: &Declared, settings: &Settings) -> Arc<Rendered> {
    let object: MonitoringObject = serde_json::from_value(declared.manifest()).unwrap();
    Arc::new(render(&declared.key(), &declaration(&object, settings)))
}

/// A set of a size.
#[derive(Clone, Debug)]
pub struct Mix {
    head: Vec<Declared>,
    objects: usize,
}

impl Mix {
    /// The set of so many objects.
    pub fn new(objects: usize) -> Self {
        Self { head: head(), objects }
    }

    /// Every object, in the order in which they were made.
    pub fn all(&self) -> impl Iterator<Item = Declared> {
        let services = self.services();
        let hosts = services / 2;
        let notifications = self.objects - self.head.len() - hosts - services;
        let hosts = (0..hosts).map(|number| self.host(number, 0));
        let notifications = (0..notifications).map(move |number| notification(number, services));
        let services = (0..services).map(|number| self.service(number, 0));
        self.head.iter().cloned().chain(hosts).chain(services).chain(notifications)
    }

    /// How many objects use [`HOST_TEMPLATE`], and how many [`SERVICE_TEMPLATE`].
    pub fn quarter(&self) -> usize {
        self.objects / 4
    }

    /// How many services there are.
    pub fn services(&self) -> usize {
        (self.objects - self.head.len()) * 3 / 10 * 2
    }

    /// A template of the head, in a version of its own.
    pub fn template(&self, name: &str, version: usize) -> Declared {
        let mut declared = self.head.iter().find(|declared| declared.name == name).unwrap().clone();
        let member = if declared.spec.get("host").is_some() { "host" } else { "service" };
        declared.spec[member]["vars"]["version"] = json!(version);
        declared
    }

    /// A host, in a version of its own.
    pub fn host(&self, number: usize, version: usize) -> Declared {
        let often = number < self.quarter();
        let template =
            if often { HOST_TEMPLATE.to_owned() } else { format!("host-{}", number % OTHER_TEMPLATES) };
        let spec = json!({ "host": {
            "imports": [template],
            "displayName": format!("Web server {number} of the shop"),
            "address": format!("10.{}.{}.{}", number >> 16, (number >> 8) & 255, number & 255),
            "groups": [format!("group-{}", number % HOST_GROUPS), "everything"],
            "notes": "Runs the front end. Owner: team web.",
            "vars": {
                "os": "Linux",
                "rack": format!("r{:02}", number % RACKS),
                "disks": { "/": { "warning": "20%", "critical": "10%" }, "/var": { "warning": "15%" } },
                "tags": ["shop", "front end", format!("wave {}", number % 7)],
                "cpus": 8 + version,
                "oncall": format!("team-{:02}", number % TEAMS),
            },
        }});
        Declared::new(team(number), host_name(number), spec)
    }

    /// A service, in a version of its own.
    pub fn service(&self, number: usize, version: usize) -> Declared {
        let host = number / 2;
        let (name, command) = match number % 2 {
            0 => ("disk", "disk"),
            _ => SECOND_SERVICES[host % SECOND_SERVICES.len()],
        };
        let template = if number < self.quarter() {
            SERVICE_TEMPLATE.to_owned()
        } else {
            format!("service-{}", number % OTHER_TEMPLATES)
        };
        let spec = json!({ "name": name, "service": {
            "imports": [template],
            "hostName": host_name(host),
            "checkCommand": command,
            "checkInterval": "1m",
            "groups": [format!("group-{}", number % SERVICE_GROUPS)],
            "vars": { "warning": "20%", "runbook": format!("https://wiki.example.net/{name}"), "version": version },
        }});
        Declared::new(team(host), format!("{}-{name}", host_name(host)), spec)
    }

    /// A service that is not in the set, of a host that is; its name is that of every other host's.
    pub fn further_service(&self, number: usize) -> Declared {
        let host = number % (self.services() / 2);
        let mut declared = self.service(host * 2, 0);
        declared.name = format!("{}-further", host_name(host));
        declared.spec["name"] = json!(if host.is_multiple_of(4) { "web" } else { "ssh" });
        declared
    }
}

fn team(number: usize) -> String {
    format!("team-{:02}", number % TEAMS)
}

fn host_name(number: usize) -> String {
    format!("web-{number:05}")
}

/// About a host or, every other one, about one of the last services: so that nothing but its services use the service template.
fn notification(number: usize, services: usize) -> Declared {
    let service = services - 1 - number;
    let host = if number.is_multiple_of(2) { number } else { service / 2 };
    let mut spec = json!({ "name": "mail", "notification": {
        "imports": ["mail"],
        "hostName": host_name(host),
        "users": [format!("user-{}", number % USERS)],
        "types": ["Problem", "Recovery"],
        "vars": { "channel": "shop" },
    }});
    if number.is_multiple_of(2) {
        spec["notification"]["states"] = json!(["Up", "Down"]);
    } else {
        let name =
            if service.is_multiple_of(2) { "disk" } else { SECOND_SERVICES[host % SECOND_SERVICES.len()].0 };
        spec["notification"]["serviceName"] = json!(name);
        spec["notification"]["states"] = json!(["Warning", "Critical", "OK"]);
    }
    Declared::new(team(host), format!("mail-{number:05}"), spec)
}

fn head() -> Vec<Declared> {
    let common = |name: String, spec: Value| Declared::new("common", name, spec);
    let template = |name: &str, member: &str, spec: Value| {
        common(name.to_owned(), json!({ "template": true, member: spec }))
    };
    let mut head = vec![
        common(
            "always".into(),
            json!({ "timePeriod": { "ranges": { "monday": "00:00-24:00", "sunday": "00:00-24:00" } } }),
        ),
        common("everything".into(), json!({ "hostGroup": { "displayName": "Every host" } })),
        template(
            "host-base",
            "host",
            json!({ "maxCheckAttempts": 3, "checkInterval": "1m", "retryInterval": "30s" }),
        ),
        template(
            HOST_TEMPLATE,
            "host",
            json!({
                "imports": ["host-base"], "checkCommand": "hostalive", "vars": { "family": "Linux", "version": 0 },
            }),
        ),
        template("service-base", "service", json!({ "maxCheckAttempts": 5, "retryInterval": "30s" })),
        template(
            SERVICE_TEMPLATE,
            "service",
            json!({
                "imports": ["service-base"], "checkInterval": "5m", "vars": { "family": "disk", "version": 0 },
            }),
        ),
        template("mail", "notification", json!({ "command": "mail", "period": "always", "interval": "2h" })),
    ];
    for (name, member) in [("mail", "notificationCommand"), ("backup-age", "checkCommand")] {
        let command =
            json!({ "command": ["/opt/plugins/run"], "arguments": { "--name": { "value": "$host.name$" } } });
        head.push(Declared::new(
            PRIVILEGED,
            format!("{name}-command"),
            json!({ "name": name, member: command }),
        ));
    }
    for number in 0..OTHER_TEMPLATES {
        let host = json!({ "imports": ["host-base"], "checkCommand": "hostalive" });
        let service = json!({ "imports": ["service-base"], "checkInterval": "2m" });
        head.push(template(&format!("host-{number}"), "host", host));
        head.push(template(&format!("service-{number}"), "service", service));
    }
    for number in 0..HOST_GROUPS {
        let spec = json!({ "name": format!("group-{number}"), "hostGroup": { "displayName": format!("Group {number}") } });
        head.push(common(format!("host-group-{number}"), spec));
    }
    for number in 0..SERVICE_GROUPS {
        let spec = json!({ "name": format!("group-{number}"), "serviceGroup": {} });
        head.push(common(format!("service-group-{number}"), spec));
    }
    for number in 0..USERS {
        let spec = json!({ "user": { "email": format!("user{number}@example.net"), "groups": ["people"] } });
        head.push(common(format!("user-{number}"), spec));
    }
    head.push(common("people".into(), json!({ "userGroup": {} })));
    for number in 0..RULES {
        let rule = format!("host.vars.rack == \"r{number:02}\" && \"everything\" in host.groups");
        let ignored = "match(\"web-*0\", host.name) || host.vars.cpus < 2";
        head.push(common(
            format!("rule-{number}"),
            json!({ "service": {
                "imports": ["service-0"],
                "apply": { "assignWhere": [rule], "ignoreWhere": [ignored] },
                "checkCommand": "procs",
            }}),
        ));
        let rule = format!("host.vars.oncall == \"team-{number:02}\" && match(\"rule-*\", service.name)");
        head.push(common(
            format!("tell-{number}"),
            json!({ "notification": {
                "imports": ["mail"],
                "apply": { "to": "Service", "assignWhere": [rule] },
                "users": [format!("user-{number}")],
            }}),
        ));
    }
    head
}
