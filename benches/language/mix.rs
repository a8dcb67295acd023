//! The objects: the monitoring of a shop with many teams. Deterministic: one size always gives one
//! set.
//!
//! It starts with the templates, groups, users, commands and rules of a usual installation. Of
//! every ten objects after that, three are hosts, six services and one a notification. Every host
//! has the service `disk` and one more. A quarter of all objects are hosts with one common
//! template; another quarter are services with one common template.

use groundlink::api::MonitoringObject;
use groundlink::identity::ObjectKey;
use groundlink::render::{Rendered, render};
use groundlink::validate::{Declaration, Settings, validate};
use serde_json::{Value, json};
use std::sync::Arc;

/// The only namespace that may declare commands.
pub const PRIVILEGED: &str = "groundlink";

/// The host template of a quarter of all objects.
pub const HOST_TEMPLATE: &str = "linux-host";
/// The service template of a quarter of all objects.
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

/// A MonitoringObject: namespace, name and spec.
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

    /// Returns its key.
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(&self.namespace, &self.name)
    }

    /// Returns the manifest that a user would write.
    pub fn manifest(&self) -> Value {
        json!({
            "apiVersion": "groundlink.dev/v1alpha1",
            "kind": "MonitoringObject",
            "metadata": { "name": self.name, "namespace": self.namespace },
            "spec": self.spec,
        })
    }

    /// Returns the object as an API server sends it, without managed fields. UID and
    /// resourceVersion follow from `number`.
    pub fn as_served(&self, number: usize) -> Value {
        let mut object = self.manifest();
        object["metadata"]["uid"] = json!(uid(number));
        object["metadata"]["generation"] = json!(1);
        object["metadata"]["resourceVersion"] = json!((700_000 + number).to_string());
        object["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        object
    }

    /// Returns a display name for the kind of object.
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

/// Returns the UID of the object with this number.
pub fn uid(number: usize) -> String {
    format!("ad19ab3e-0140-43c0-9841-{number:012x}")
}

/// Returns the settings of the hub.
pub fn settings() -> Settings {
    Settings::new(&[PRIVILEGED.into()], &[], groundlink::api::IcingaVersion::default()).unwrap()
}

/// Validates an object, which must be valid.
pub fn declaration(object: &MonitoringObject, settings: &Settings) -> Declaration {
    validate(object, settings).unwrap()
}

/// Renders an object, which must be valid.
pub fn rendered(declared: &Declared, settings: &Settings) -> Arc<Rendered> {
    let object: MonitoringObject = serde_json::from_value(declared.manifest()).unwrap();
    Arc::new(render(&declared.key(), &declaration(&object, settings)))
}

/// A set of a given size.
#[derive(Clone, Debug)]
pub struct Mix {
    head: Vec<Declared>,
    objects: usize,
}

impl Mix {
    /// Describes a set of this many objects.
    pub fn new(objects: usize) -> Self {
        Self { head: head(), objects }
    }

    /// Returns every object, oldest first.
    pub fn all(&self) -> impl Iterator<Item = Declared> {
        let services = self.services();
        let hosts = services / 2;
        let notifications = self.objects - self.head.len() - hosts - services;
        let hosts = (0..hosts).map(|number| self.host(number, 0));
        let notifications = (0..notifications).map(move |number| notification(number, services));
        let services = (0..services).map(|number| self.service(number, 0));
        self.head.iter().cloned().chain(hosts).chain(services).chain(notifications)
    }

    /// Returns the number of users of [`HOST_TEMPLATE`], which is also that of
    /// [`SERVICE_TEMPLATE`].
    pub fn quarter(&self) -> usize {
        self.objects / 4
    }

    /// Returns the number of services.
    pub fn services(&self) -> usize {
        (self.objects - self.head.len()) * 3 / 10 * 2
    }

    /// Returns one of the common templates with a content that depends on `version`.
    pub fn template(&self, name: &str, version: usize) -> Declared {
        let mut declared = self.head.iter().find(|declared| declared.name == name).unwrap().clone();
        let member = if declared.spec.get("host").is_some() { "host" } else { "service" };
        declared.spec[member]["vars"]["version"] = json!(version);
        declared
    }

    /// Returns a host with a content that depends on `version`.
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

    /// Returns a service with a content that depends on `version`.
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

    /// Returns a service that is not in the set, of a host that is. Other hosts have a service of
    /// that name.
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

/// Returns a notification, alternately for a host and for one of the last services. No notification
/// is for a service with the common template: only services depend on that template.
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
