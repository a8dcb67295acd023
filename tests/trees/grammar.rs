//! Random configurations in Icinga's language. Each is a file of its own, and nothing in it meets
//! what another one declares, so that one run of Icinga takes hundreds of them.

use std::fmt::Write as _;

/// Custom variables with texts.
const TEXTS: [&str; 3] = ["os", "site", "owner"];
/// Custom variables with numbers.
const NUMBERS: [&str; 2] = ["level", "limit"];
/// Custom variables with lists of texts and numbers.
const LISTS: [&str; 2] = ["roles", "teams"];
/// Custom variables with dictionaries of dictionaries.
const DICTIONARIES: [&str; 2] = ["disks", "sites"];
/// Custom variables that are true or false.
const FLAGS: [&str; 2] = ["prod", "backup"];
/// Texts with what lexers stumble over.
const WORDS: [&str; 12] = [
    "Linux",
    "Windows",
    "web",
    "db",
    "/var/log",
    "a b",
    "50%",
    "x\\\"y",
    "back\\\\slash",
    "tab\\there",
    "größe",
    "{{x}} // no comment",
];

/// What hosts include, as `parts/host.inc` beside the directory of the configurations.
pub const PART: &str = "vars.part[\"a\"] = 1 // comment\nvars.disks[\"/part\"] = { warn = 3 }\nnotes = \"of \" + name\ninclude \"more.inc\"\n";
/// What that file includes, beside it.
pub const MORE: &str = "vars.part.b = vars.part.a\nmax_check_attempts = 7";

/// Returns the configuration of a seed.
pub fn tree(seed: u64) -> String {
    let mut grammar = Grammar {
        state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d,
        own: format!("t{seed}"),
        out: String::new(),
        templates: Vec::new(),
        constants: Vec::new(),
        hosts: Vec::new(),
    };
    grammar.file();
    grammar.out
}

struct Grammar {
    state: u64,
    /// Begins every name.
    own: String,
    out: String,
    /// Type and name of each template.
    templates: Vec<(&'static str, String)>,
    constants: Vec<String>,
    hosts: Vec<String>,
}

impl Grammar {
    fn random(&mut self, below: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    fn often(&mut self, of_ten: u64) -> bool {
        self.random(10) < of_ten
    }

    fn pick<'x>(&mut self, from: &[&'x str]) -> &'x str {
        from[self.random(from.len() as u64) as usize]
    }

    fn line(&mut self, text: impl AsRef<str>) {
        let _ = writeln!(self.out, "{}", text.as_ref());
    }

    fn file(&mut self) {
        let own = self.own.clone();
        for number in 0..self.random(3) {
            let value = self.text();
            self.line(format!("const {own}_c{number} = {value}"));
            self.constants.push(format!("{own}_c{number}"));
        }
        self.line(format!("object CheckCommand \"{own}-check\" {{"));
        self.command();
        self.line("}");
        for _ in 0..=self.random(3) {
            self.template("Host");
        }
        for _ in 0..self.random(3) {
            self.template("Service");
        }
        for number in 0..=self.random(3) {
            self.host(number);
        }
        if self.often(3) {
            self.hosts_of_a_loop();
        }
        for number in 0..self.random(2) {
            self.single_service(number);
        }
        for number in 0..=self.random(4) {
            self.rule(number);
        }
        if self.often(5) {
            self.notifications();
        }
        if self.often(3) {
            self.dependency();
        }
        if self.often(3) {
            self.downtime();
        }
        if self.often(5) {
            let condition = self.condition("host", 2);
            self.line(format!("object HostGroup \"{own}-group\" {{"));
            self.line(format!("  assign where match(\"{own}-*\", host.name) && ({condition})"));
            self.line("}");
        }
    }

    // Values.

    fn quoted(&mut self) -> String {
        format!("\"{}\"", self.pick(&WORDS))
    }

    fn text(&mut self) -> String {
        match self.random(8) {
            0 => format!("{} + {}", self.quoted(), self.quoted()),
            1 if !self.constants.is_empty() => {
                let at = self.random(self.constants.len() as u64) as usize;
                let quoted = self.quoted();
                format!("{} + {quoted}", self.constants[at])
            }
            2 => "{{{several\nlines}}}".to_owned(),
            _ => self.quoted(),
        }
    }

    fn number(&mut self) -> String {
        match self.random(6) {
            0 => format!("{}.5", self.random(100)),
            1 => format!("{} + {}", self.random(100), self.random(100)),
            2 => format!("{} * {}", self.random(10), self.random(10)),
            3 => format!("-{}", self.random(50)),
            _ => self.random(1000).to_string(),
        }
    }

    fn duration(&mut self) -> String {
        let unit = self.pick(&["", "s", "m", "h"]);
        format!("{}{unit}", 1 + self.random(90))
    }

    fn flag(&mut self) -> &'static str {
        if self.often(7) { "true" } else { "false" }
    }

    fn list(&mut self) -> String {
        let mut items: Vec<String> = (0..self.random(4))
            .map(|_| if self.often(2) { self.random(50).to_string() } else { self.quoted() })
            .collect();
        items.sort();
        items.dedup();
        format!("[ {} ]", items.join(", "))
    }

    fn entry(&mut self) -> String {
        let mut parts = Vec::new();
        if self.often(6) {
            parts.push(format!("warn = {}", self.number()));
        }
        if self.often(4) {
            parts.push(format!("crit = {}", self.quoted()));
        }
        if self.often(3) {
            parts.push(format!("deep = {{ inner = {} }}", self.list()));
        }
        if self.often(2) {
            parts.push(format!("\"check_interval\" = {}", self.duration()));
        }
        format!("{{ {} }}", parts.join(self.separator()))
    }

    fn separator(&mut self) -> &'static str {
        self.pick(&["; ", ", ", "\n"])
    }

    fn entries(&mut self) -> String {
        let entries: Vec<String> = (0..self.random(3))
            .map(|_| {
                let key = self.pick(&["\"/\"", "\"/var\"", "shop", "\"a b\""]);
                format!("{key} = {}", self.entry())
            })
            .collect();
        format!("{{ {} }}", entries.join(self.separator()))
    }

    /// Writes the custom variables of a host or template.
    fn vars(&mut self, indent: &str) {
        for _ in 0..self.random(5) {
            let (name, value) = match self.random(5) {
                0 => (self.pick(&TEXTS), self.text()),
                1 => (self.pick(&NUMBERS), self.number()),
                2 => (self.pick(&LISTS), self.list()),
                3 => (self.pick(&FLAGS), self.flag().to_owned()),
                _ => (self.pick(&DICTIONARIES), self.entries()),
            };
            let is_dictionary = DICTIONARIES.contains(&name);
            let target = match self.random(4) {
                0 => format!("vars[\"{name}\"]"),
                _ => format!("vars.{name}"),
            };
            let line = match self.random(8) {
                0 => format!("vars += {{ {name} = {value} }}"),
                1 if is_dictionary => format!("{target} += {value}"),
                2 | 3 if is_dictionary => format!("{target}[\"/\"] = {}", self.entry()),
                4 if is_dictionary => format!("vars.{name}.shop = {}", self.entry()),
                5 if LISTS.contains(&name) => format!("{target} += {value}"),
                6 if self.often(3) => format!("vars.{name} = null"),
                _ => format!("{target} = {value}"),
            };
            self.line(format!("{indent}{line}"));
        }
    }

    // Conditions and expressions.

    fn condition(&mut self, subject: &str, depth: u64) -> String {
        if depth > 0 && self.often(5) {
            let (one, other) = (self.condition(subject, depth - 1), self.condition(subject, depth - 1));
            return match self.random(4) {
                0 => format!("({one} || {other})"),
                1 => format!("!({one})"),
                2 => format!("{one} && ({other})"),
                _ => format!("{one} && {other}"),
            };
        }
        match self.random(14) {
            12 => {
                let mode = self.pick(&["", ", MatchAny", ", MatchAll"]);
                format!("match([ {}, \"*\" ], {subject}.vars.{}{mode})", self.quoted(), self.pick(&TEXTS))
            }
            0 => format!("{subject}.vars.{} == {}", self.pick(&TEXTS), self.quoted()),
            1 => format!("{subject}.vars.{} != {}", self.pick(&TEXTS), self.quoted()),
            2 => format!("{} in {subject}.vars.{}", self.quoted(), self.pick(&LISTS)),
            3 => {
                format!("match(\"*{}*\", {subject}.vars.{})", self.pick(&["i", "w", "?"]), self.pick(&TEXTS))
            }
            4 => format!("regex(\"^[A-Z]\", {subject}.vars.{})", self.pick(&TEXTS)),
            5 => format!("{subject}.vars.{}", self.pick(&FLAGS)),
            6 => format!("!{subject}.vars.{}", self.pick(&FLAGS)),
            7 => format!("{subject}.vars.{} == true", self.pick(&FLAGS)),
            8 => format!("{subject}.vars.{}", self.pick(&DICTIONARIES)),
            9 => {
                let name = self.pick(&NUMBERS);
                format!("get_object(Host, \"{}-h\" + {subject}.vars.{name})", self.own)
            }
            10 => format!("get_object(\"HostGroup\", \"{}-other\") == null", self.own),
            11 => format!("({subject} && {subject}.vars.{})", self.pick(&FLAGS)),
            _ => {
                let number = self.random(3);
                format!("{subject}.name == \"{}-h{number}\"", self.own)
            }
        }
    }

    fn computed_text(&mut self) -> String {
        match self.random(5) {
            0 => "host.name".to_owned(),
            3 => format!("\"at \" + host.name.replace(\"-\", {}).replace(\"h\", \"\")", self.quoted()),
            1 => format!("{} + host.name", self.quoted()),
            2 => format!("host.name + {} + host.vars.{}", self.quoted(), self.pick(&TEXTS)),
            _ => self.text(),
        }
    }

    // Blocks.

    fn imports(&mut self, of_type: &str) -> bool {
        let known: Vec<String> = self
            .templates
            .iter()
            .filter(|(kind, _)| *kind == of_type)
            .map(|(_, name)| name.clone())
            .collect();
        let mut any = false;
        for name in known {
            if self.often(4) {
                self.line(format!("  import \"{name}\""));
                any = true;
            }
        }
        any
    }

    fn command(&mut self) {
        let argument = self.quoted();
        if self.often(2) {
            self.line("  import \"plugin-check-command\"");
        }
        self.line("  command = [ \"/bin/true\", \"-x\" ]");
        if self.often(6) {
            self.line(format!("  arguments = {{\n    \"-a\" = {argument}"));
            if self.often(5) {
                self.line("    \"-b\" = { value = \"$limit$\", required = true, order = -1 }");
            }
            if self.often(5) {
                self.line("    \"-c\" = { set_if = \"$prod$\"; description = \"only in production\" }");
            }
            self.line("  }");
        }
        if self.often(3) {
            self.line("  arguments += { \"-d\" = { value = 5 } }");
        }
        if self.often(3) {
            self.line("  env.TOKEN = \"$owner$\"");
        }
        if self.often(4) {
            let duration = self.duration();
            self.line(format!("  timeout = {duration}"));
        }
    }

    fn template(&mut self, kind: &'static str) {
        let name = format!("{}-{}-{}", self.own, kind.to_lowercase(), self.templates.len());
        self.line(format!("template {kind} \"{name}\" {{"));
        self.imports(kind);
        if kind == "Host" {
            if self.often(8) {
                self.line(format!("  check_command = \"{}-check\"", self.own));
            }
            if self.often(3) {
                self.line(format!("  groups += [ \"{}-other\" ]", self.own));
            }
        }
        self.checkable();
        self.vars("  ");
        self.line("}");
        self.templates.push((kind, name));
    }

    fn checkable(&mut self) {
        if self.often(4) {
            let duration = self.duration();
            self.line(format!("  check_interval = {duration}"));
        }
        if self.often(3) {
            let count = 1 + self.random(9);
            self.line(format!("  max_check_attempts = {count}"));
        }
        if self.often(2) {
            let flag = self.flag();
            self.line(format!("  enable_notifications = {flag}"));
        }
        if self.often(2) {
            let text = self.text();
            self.line(format!("  notes = {text}"));
        }
        if self.often(1) {
            self.line("  check_period = null");
        }
    }

    fn host(&mut self, number: u64) {
        let name = format!("{}-h{number}", self.own);
        if number == 0 {
            self.line(format!("object HostGroup \"{}-other\" {{ }}", self.own));
        }
        self.line(format!("object Host \"{name}\" {{"));
        self.imports("Host");
        self.line(format!("  check_command = \"{}-check\"", self.own));
        if self.often(5) {
            self.line(format!("  address = \"192.0.2.{}\"", 1 + number));
        }
        if self.often(3) {
            self.line("  display_name = \"Host \" + name");
        }
        if self.often(3) {
            let operator = self.pick(&["=", "+="]);
            self.line(format!("  groups {operator} [ \"{}-other\" ]", self.own));
        }
        self.include();
        self.checkable();
        self.vars("  ");
        self.include();
        if self.often(2) {
            let text = self.text();
            self.line(format!("  var local = {text}\n  vars.owner = local + \"!\""));
        }
        self.line("}");
        self.hosts.push(name);
    }

    fn include(&mut self) {
        if self.often(2) {
            self.line("  include \"../parts/host.inc\"");
        }
    }

    fn hosts_of_a_loop(&mut self) {
        let own = self.own.clone();
        if self.often(5) {
            self.line("for (name in [ \"one\", \"two\" ]) {");
            self.line(format!("  object Host \"{own}-\" + name use(name) {{"));
            self.line(format!("    check_command = \"{own}-check\"\n    vars.owner = name\n  }}\n}}"));
        } else {
            self.line("for (number in range(2)) {");
            self.line(format!("  object Host \"{own}-n\" + number use(number) {{"));
            self.line(format!("    check_command = \"{own}-check\"\n    vars.level = number\n  }}\n}}"));
        }
    }

    fn single_service(&mut self, number: u64) {
        let host = self.hosts[0].clone();
        self.line(format!("object Service \"single {number}\" {{\n  host_name = \"{host}\""));
        self.imports("Service");
        self.line(format!("  check_command = \"{}-check\"", self.own));
        self.checkable();
        self.vars("  ");
        self.line("}");
    }

    fn rule(&mut self, number: u64) {
        let own = self.own.clone();
        let each = match self.random(5) {
            0 => Some(("key => value", self.pick(&DICTIONARIES), true)),
            1 => Some(("entry", self.pick(&LISTS), false)),
            _ => None,
        };
        let prefix = self.pick(&["load ", "disk-", "s"]);
        match each {
            Some((variables, name, _)) => self
                .line(format!("apply Service \"{prefix}{number}\" for ({variables} in host.vars.{name}) {{")),
            None => self.line(format!("apply Service \"{prefix}{number}\" {{")),
        }
        self.imports("Service");
        self.line(format!("  check_command = \"{own}-check\""));
        self.checkable();
        self.vars("  ");
        if let Some((_, _, true)) = each {
            match self.random(8) {
                0 => {}
                1 => self.line("  vars = value"),
                2 => self.line(
                    "  vars += value\n  if (value.check_interval) { check_interval = value.check_interval }",
                ),
                _ => self.line("  vars += value"),
            }
            if self.often(5) {
                self.line("  vars.partition = key\n  display_name = \"Disk \" + key");
            }
        } else if let Some((_, _, false)) = each
            && self.often(6)
        {
            self.line("  vars.role = entry");
        }
        self.computed();
        match each {
            Some((_, _, true)) if self.often(4) => {
                self.line("  ignore where typeof(value) != Dictionary || value.warn == 5 || key == \"shop\"");
            }
            Some((_, _, false)) if self.often(4) => {
                self.line("  ignore where entry == 7 || match(\"W*\", entry)")
            }
            _ => {}
        }
        let subject = "host";
        let condition = self.condition(subject, 2);
        self.line(format!("  assign where match(\"{own}-*\", host.name) && ({condition})"));
        if self.often(3) {
            let condition = self.condition(subject, 1);
            self.line(format!("  ignore where {condition}"));
        }
        self.line("}");
    }

    /// Writes values that Icinga knows only when it has a host.
    fn computed(&mut self) {
        if self.often(3) {
            let text = self.computed_text();
            self.line(format!("  display_name = {text}"));
        }
        if self.often(3) {
            let name = self.pick(&TEXTS);
            self.line(format!("  vars.of_host = host.vars.{name}"));
        }
        if self.often(2) {
            let name = self.pick(&LISTS);
            self.line(format!("  vars.of_host = host.vars.{name}"));
        }
        if self.often(3) {
            self.computed_entries();
        }
        if self.often(1) {
            self.line("  vars.again = vars.of_host");
        }
        if self.often(3) {
            let condition = self.condition("host", 1);
            let (one, other) = (self.duration(), self.duration());
            self.line(format!("  if ({condition}) {{\n    check_interval = {one}\n    vars.why = \"if\""));
            match self.random(3) {
                0 => self.line(format!("  }} else {{\n    check_interval = {other}\n  }}")),
                1 => {
                    let condition = self.condition("host", 1);
                    self.line(format!("  }} else if ({condition}) {{\n    vars.why = \"else if\"\n  }}"));
                }
                _ => self.line("  }"),
            }
        }
    }

    /// Writes entries below a variable, of which some are computed.
    fn computed_entries(&mut self) {
        let name = self.pick(&["args", "disks", "of_host"]);
        for _ in 0..=self.random(3) {
            let key = self.pick(&["[\"-H\"]", "[\"a b\"]", ".plain", ".deep.er"]);
            let value = match self.random(4) {
                0 => self.text(),
                1 => format!("host.vars.{}", self.pick(&DICTIONARIES)),
                _ => self.computed_text(),
            };
            self.line(format!("  vars.{name}{key} = {value}"));
        }
        if self.often(2) {
            let (flag, text) = (self.pick(&FLAGS), self.text());
            self.line(format!("  if (host.vars.{flag}) {{ vars.{name}.plain = {text} }}"));
        }
    }

    fn notifications(&mut self) {
        let own = self.own.clone();
        self.line(format!("object NotificationCommand \"{own}-mail\" {{ command = [ \"/bin/true\" ] }}"));
        self.line(format!("object TimePeriod \"{own}-always\" {{\n  ranges = {{"));
        self.line("    \"monday\" = \"00:00-24:00\", \"december 24\" = \"08:00-12:00\"\n  }\n}");
        self.line(format!("object UserGroup \"{own}-admins\" {{ }}"));
        self.line(format!("object User \"{own}-ada\" {{"));
        if self.often(5) {
            self.line("  states = [ OK, Critical, Up, Down ]\n  types = [ Problem, Recovery ]");
        }
        if self.often(5) {
            self.line(format!("  groups = [ \"{own}-admins\" ]"));
        }
        if self.often(5) {
            self.line(format!("  period = \"{own}-always\""));
        }
        self.line("}");
        let to = self.pick(&["Host", "Service"]);
        self.line(format!("apply Notification \"{own}-n\" to {to} {{\n  command = \"{own}-mail\""));
        self.line(format!("  users = [ \"{own}-ada\" ]"));
        if self.often(4) {
            let duration = self.duration();
            self.line(format!("  interval = {duration}"));
        }
        if self.often(3) {
            self.line("  times.begin = 5m");
        }
        if self.often(4) {
            self.line("  types = [ Problem, Recovery, Custom ]");
        }
        if self.often(4) {
            self.line(format!("  period = \"{own}-always\""));
        }
        self.vars("  ");
        let condition = self.condition("host", 2);
        self.line(format!("  assign where match(\"{own}-*\", host.name) && ({condition})\n}}"));
    }

    fn dependency(&mut self) {
        let (own, parent) = (self.own.clone(), self.hosts[0].clone());
        self.line(format!("apply Dependency \"{own}-d\" to Host {{\n  parent_host_name = \"{parent}\""));
        if self.often(5) {
            let flag = self.flag();
            self.line(format!("  disable_checks = {flag}"));
        }
        if self.often(5) {
            self.line("  states = [ Up ]");
        }
        let condition = self.condition("host", 1);
        self.line(format!("  assign where match(\"{own}-*\", host.name) && ({condition})"));
        self.line(format!("  ignore where host.name == \"{parent}\"\n}}"));
    }

    fn downtime(&mut self) {
        let own = self.own.clone();
        let comment = self.computed_text();
        self.line(format!("apply ScheduledDowntime \"{own}-s\" to Host {{\n  author = \"ops\""));
        self.line(format!("  comment = {comment}\n  fixed = {}", self.state.is_multiple_of(2)));
        self.line("  duration = 30m\n  ranges = { monday = \"02:00-03:00\" }");
        let condition = self.condition("host", 1);
        self.line(format!("  assign where match(\"{own}-*\", host.name) && ({condition})\n}}"));
    }
}
