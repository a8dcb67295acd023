//! Random resources of every type that name each other.

use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Numbers that look random (xorshift).
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }

    fn often(&mut self) -> bool {
        self.roll(3) > 0
    }

    fn seldom(&mut self) -> bool {
        self.roll(5) == 0
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.roll(words.len())]
    }

    /// A name of a small pool, so that most are there and some are not.
    fn name(&mut self, kind: &str, pool: usize) -> String {
        format!("{kind}-{}", self.roll(pool))
    }

    fn names(&mut self, kind: &str, pool: usize) -> Vec<String> {
        let names: BTreeSet<_> = (0..self.roll(3)).map(|_| self.name(kind, pool)).collect();
        names.into_iter().collect()
    }

    fn condition(&mut self) -> String {
        let host = self.name("host", 4);
        let conditions = [
            "host.vars.os == \"Linux\"".to_owned(),
            format!("host.name != \"{host}\""),
            format!("match(\"host-*\", host.name) && !(host.name == \"{host}\")"),
            "regex(\"^host-[0-9]$\", host.name)".to_owned(),
            "len(host.groups) > 1 || cidr_match(\"192.0.2.0/24\", host.address)".to_owned(),
        ];
        conditions[self.roll(conditions.len())].clone()
    }

    fn apply(&mut self) -> Value {
        let mut apply = json!({ "to": self.pick(&["Host", "Service"]), "assignWhere": [self.condition()] });
        if self.seldom() {
            apply["forEach"] = json!({ "in": "host.vars.disks", "keyVar": "disk", "valueVar": "entry" });
        }
        if self.seldom() {
            apply["ignoreWhere"] = json!([self.condition()]);
        }
        apply
    }

    /// Where something belongs that belongs to a host or service.
    fn place(&mut self, spec: &mut Value, [host, service]: [&str; 2]) {
        if self.often() {
            spec[host] = json!(self.name("host", 4));
            if self.often() {
                spec[service] = json!(self.name("service", 4));
            }
        } else {
            spec["apply"] = self.apply();
        }
    }

    /// A resource: its name, which has its type, and its spec.
    pub fn resource(&mut self) -> (String, Value) {
        const KINDS: [&str; 20] = [
            "host",
            "host",
            "host",
            "service",
            "service",
            "hostGroup",
            "serviceGroup",
            "user",
            "userGroup",
            "checkCommand",
            "eventCommand",
            "notificationCommand",
            "notification",
            "notification",
            "timePeriod",
            "scheduledDowntime",
            "dependency",
            "dependency",
            "zoneObject",
            "endpoint",
        ];
        let kind = self.pick(&KINDS);
        let is_template = self.roll(4) == 0 && !["zoneObject", "endpoint"].contains(&kind);
        let mut spec = json!({});
        if !["zoneObject", "endpoint", "timePeriod"].contains(&kind) && self.often() {
            let mut imports = self.names(&format!("{kind}-template"), 3);
            if kind.ends_with("Command") && self.often() {
                imports.extend(self.names(kind, 4));
                imports.extend(self.seldom().then(|| self.pick(&["http", "ping-common"]).to_owned()));
            }
            spec["imports"] = json!(imports);
        }
        if !["zoneObject", "endpoint"].contains(&kind) && self.often() {
            let limit = json!({ self.pick(&["a", "b", "remove"]): self.roll(3) });
            spec["vars"] = json!({ self.pick(&["limits", "keys"]): { self.pick(&["x", "y"]): limit } });
            if self.seldom() {
                spec["vars"]["limits"] = json!("a text");
            }
            if self.seldom() && (is_template || spec["imports"].as_array().is_some_and(|i| !i.is_empty())) {
                spec["unset"] = json!(["vars.limits", "vars.keys[\"x\"].remove"][..=self.roll(2)]);
            }
        }
        match kind {
            "host" | "service" => {
                if self.often() {
                    spec["checkCommand"] = json!(self.pick(&["dummy", "checkCommand-0", "checkCommand-1"]));
                }
                for (field, kind) in [("checkPeriod", "timePeriod"), ("eventCommand", "eventCommand")] {
                    if self.seldom() {
                        spec[field] = json!(self.name(kind, 2));
                    }
                }
                spec["groups"] = json!(self.names(&format!("{kind}Group"), 2));
                if kind == "host" {
                    spec["address"] = json!("192.0.2.1");
                    spec["vars"]["os"] = json!(self.pick(&["Linux", "other"]));
                    spec["vars"]["disks"] = json!({ "/": { "warning": 1 }, "/var": 5 });
                } else if !is_template {
                    if self.often() {
                        spec["hostName"] = json!(self.name("host", 4));
                    } else {
                        let mut apply = self.apply();
                        apply.as_object_mut().unwrap().remove("to");
                        spec["apply"] = apply;
                    }
                }
            }
            "hostGroup" | "serviceGroup" | "userGroup" => {
                spec["groups"] = json!(self.names(kind, 2));
                if !is_template && kind != "userGroup" && self.seldom() {
                    spec["assignWhere"] = json!([self.condition()]);
                }
            }
            "user" => {
                spec["groups"] = json!(self.names("userGroup", 2));
                if self.seldom() {
                    spec["period"] = json!(self.name("timePeriod", 2));
                }
            }
            "checkCommand" | "eventCommand" | "notificationCommand" if self.often() => {
                spec["command"] = json!(["/bin/true"]);
            }
            "notification" => {
                for (field, kind) in [("command", "notificationCommand"), ("period", "timePeriod")] {
                    if self.often() {
                        spec[field] = json!(self.name(kind, 2));
                    }
                }
                spec["users"] = json!(self.names("user", 2));
                spec["userGroups"] = json!(self.names("userGroup", 2));
                if self.seldom() {
                    spec["states"] = json!([self.pick(&["Up", "Critical"])]);
                }
                if !is_template {
                    self.place(&mut spec, ["hostName", "serviceName"]);
                }
            }
            "scheduledDowntime" => {
                for (field, value) in [
                    ("author", json!("a")),
                    ("comment", json!("c")),
                    ("ranges", json!({ "monday": "01:00-02:00" })),
                ] {
                    if self.often() {
                        spec[field] = value;
                    }
                }
                if !is_template {
                    self.place(&mut spec, ["hostName", "serviceName"]);
                }
            }
            "dependency" => {
                if !is_template {
                    self.place(&mut spec, ["childHostName", "childServiceName"]);
                    if self.often() {
                        spec["parentHostName"] = json!(self.name("host", 4));
                    }
                    if self.seldom() {
                        spec["parentServiceName"] = json!(self.name("service", 4));
                    }
                }
                if self.seldom() {
                    spec["states"] = json!([self.pick(&["Up", "OK"])]);
                }
            }
            "timePeriod" => {
                spec["ranges"] = json!({ "monday": "01:00-02:00" });
                spec["includes"] = json!(self.names("timePeriod", 2));
            }
            "zoneObject" => {
                spec["endpoints"] = json!(self.names("endpoint", 2));
                if self.seldom() {
                    spec["parent"] = json!(self.name("zoneObject", 2));
                }
            }
            _ => {}
        }
        if self.often() && spec["groups"].is_array() {
            let groups = spec.as_object_mut().unwrap().remove("groups").unwrap();
            spec["addGroups"] = groups;
        }
        let pool = if is_template { 3 } else { 4 };
        let name =
            if is_template { self.name(&format!("{kind}-template"), pool) } else { self.name(kind, pool) };
        let mut whole = json!({ kind: spec, "name": name });
        if is_template {
            whole["template"] = json!(true);
        }
        if !["zoneObject", "endpoint"].contains(&kind) && self.roll(8) == 0 {
            whole["zone"] = json!(self.name("zoneObject", 2));
        }
        // Two resources may claim one name.
        let resource = if self.seldom() { format!("{name}-too") } else { name };
        (resource.to_lowercase(), whole)
    }
}
