//! Forms of conditions and values.

use super::{imported, reason, specs};

/// Returns the part of a spec from a line on.
fn from(spec: &str, line: &str) -> String {
    let at = spec.find(line).unwrap_or_else(|| panic!("{line}: {spec}"));
    spec[at..].to_owned()
}

#[test]
fn conditions_read_the_entry() {
    let spec = specs(
        r#"apply Service "p-" for (port => config in host.vars.ports) {
  check_command = "tcp"
  vars += config
  assign where host.vars.up && config.speed == 1000
  ignore where typeof(config) != Dictionary || port == "0"
}"#,
    );
    assert_eq!(
        from(&spec, "    assignWhere"),
        "    assignWhere: [host.vars.up && value.speed == 1000]\n    ignoreWhere:\n    - typeof(value) != Dictionary || key == \"0\"\n"
    );
}

#[test]
fn objects_are_looked_for_by_type_and_name() {
    let spec = specs(
        r#"apply Service "agent" {
  check_command = "dummy"
  assign where get_object("Endpoint", host.name) != null && !get_object(Zone, host.vars.zone)
  ignore where get_host("parent of " + host.name)
}"#,
    );
    assert_eq!(
        from(&spec, "    assignWhere"),
        "    assignWhere:\n    - get_object(Endpoint, host.name) != null && !get_object(Zone, host.vars.zone)\n    \
         ignoreWhere:\n    - get_object(Host, \"parent of \" + host.name)\n"
    );
    let source =
        "apply Service \"x\" {\n  check_command = \"dummy\"\n  assign where get_object(Service, \"a!b\")\n}";
    assert_eq!(reason(source).0, "Call");
}

#[test]
fn texts_are_replaced() {
    let spec = specs(
        r#"const Site = "a-b"
apply Service "m-" for (mode => config in host.vars.modes) {
  check_command = "dummy"
  display_name = "Mode " + mode.replace("-", " ").replace("_", "")
  notes = Site.replace("-", "+")
  vars += config
}"#,
    );
    assert_eq!(from(&spec, "  notes").lines().next(), Some("  notes: a+b"));
    assert_eq!(
        from(&spec, "    set:"),
        "    set:\n    - displayName: '\"Mode \" + key.replace(\"-\", \" \").replace(\"_\", \"\")'\n"
    );
    for given in
        ["mode.replace(\"\", \"x\")", "mode.replace(mode, \"x\")", "(mode + \"a\").replace(\"a\", \"x\")"]
    {
        let source = format!(
            "apply Service \"m-\" for (mode => config in host.vars.modes) {{\n check_command = \"dummy\"\n vars += config\n notes = {given}\n}}"
        );
        assert_eq!(reason(&source).0, "Call", "{given}");
    }
}

#[test]
fn an_object_is_always_true() {
    let spec = specs(
        "apply Notification \"n\" to Service {\n  command = \"mail\"\n  users = [ \"ops\" ]\n  assign where service.host\n  \
         ignore where !host || service && service.vars.quiet\n}",
    );
    assert_eq!(
        from(&spec, "    assignWhere"),
        "    assignWhere: [\"true\"]\n    ignoreWhere: [false || true && service.vars.quiet]\n"
    );
}

#[test]
fn long_lists_become_several_conditions() {
    let names: Vec<String> = (0..180).map(|i| format!("\"192.0.2.{i}\"")).collect();
    let source = format!(
        "apply Service \"x\" {{\n  check_command = \"tcp\"\n  assign where host.address in [ {} ] || host.vars.x\n}}",
        names.join(", ")
    );
    let spec = specs(&source);
    let conditions: Vec<&str> = spec.lines().filter(|line| line.contains("host.address in [")).collect();
    assert_eq!(conditions.len(), 4, "{spec}");
    assert!(conditions.iter().all(|line| line.chars().count() < 1024), "{spec}");
    assert!(names.iter().all(|name| spec.matches(name.as_str()).count() == 1), "{spec}");
    assert!(spec.contains("host.vars.x"), "{spec}");
}

#[test]
fn a_check_command_of_the_last_branch_is_the_field() {
    let source = |body: &str| {
        format!(
            "template Service \"base\" {{ max_check_attempts = 3 }}\napply Service \"users\" {{\n  import \"base\"\n{body}\n  assign where true\n}}"
        )
    };
    let spec = |body: &str| {
        let specs = specs(&source(body));
        specs[specs.find("---").unwrap()..].to_owned()
    };
    let whole = spec(
        "if (host.vars.nrpe) { check_command = \"nrpe\" } else if (host.vars.ssh || host.vars.s) { check_command = \"ssh\" } \
         else { check_command = \"users\"\n notes = \"local\" }",
    );
    assert!(whole.contains("\n  checkCommand: users\n") && !whole.contains("ignoreWhere"), "{whole}");
    assert_eq!(
        from(&whole, "    set:"),
        "    set:\n    - when: host.vars.nrpe\n      checkCommand: '\"nrpe\"'\n    \
         - when: \"!host.vars.nrpe && (host.vars.ssh || host.vars.s)\"\n      checkCommand: '\"ssh\"'\n    \
         - when: \"!host.vars.nrpe && !(host.vars.ssh || host.vars.s)\"\n      notes: '\"local\"'\n"
    );
    // Nothing is made where Icinga would refuse the service.
    let gap = spec(
        "if (host.vars.nrpe) { check_command = \"nrpe\" } else if (host.vars.ssh) { } else { check_command = \"users\" }",
    );
    assert!(gap.contains("\n  checkCommand: users\n"), "{gap}");
    assert!(gap.contains("!((host.vars.nrpe) || (!host.vars.nrpe && !host.vars.ssh))"), "{gap}");
    let one = spec("if (host.vars.nrpe) { check_command = \"nrpe\" }");
    assert!(one.contains("    ignoreWhere: [\"!(host.vars.nrpe)\"]\n"), "{one}");
    let both = spec("if (host.vars.nrpe) { check_command = host.vars.command }");
    assert!(both.contains("!((host.vars.nrpe) && get_object(CheckCommand, host.vars.command))"), "{both}");
    let unknown =
        spec("if (host.vars.nrpe) { check_command = host.vars.c } else { check_command = \"users\" }");
    assert!(
        unknown.contains("ignoreWhere") && unknown.contains("get_object(CheckCommand, host.vars.c)"),
        "{unknown}"
    );
    // A condition that is too long stays as it is, and the operator refuses the rule.
    let long = spec(&format!("if (host.vars[\"{}\"]) {{ check_command = \"nrpe\" }}", "a".repeat(990)));
    assert!(!long.contains("ignoreWhere") && !long.contains("\n  checkCommand:"), "{long}");
    let computed = spec("check_command = host.vars.command");
    assert!(computed.contains("\n  checkCommand: dummy\n"), "{computed}");
    assert!(computed.contains("!get_object(CheckCommand, host.vars.command)"), "{computed}");
    assert_eq!(imported(&source("check_command = host.vars.command")).notes.len(), 1);
    // Without imports, `set` is the only one that gives a command, and the operator sees to it.
    let body = "if (host.vars.nrpe) { check_command = \"nrpe\" }";
    let alone = specs(&format!("apply Service \"x\" {{\n{body}\n  assign where true\n}}"));
    assert!(!alone.contains("ignoreWhere") && !alone.contains("\n  checkCommand:"), "{alone}");
    let template = specs(&format!(
        "template Service \"a\" {{ max_check_attempts = 3 }}\ntemplate Service \"x\" {{\n  import \"a\"\n{body}\n}}"
    ));
    assert!(!template.contains("ignoreWhere") && !template.contains("\n  checkCommand:"), "{template}");
    // A template that sets one is enough.
    let source = source("check_command = host.vars.command")
        .replace("max_check_attempts = 3", "check_command = \"ping\"");
    let imported = imported(&source);
    let last = crate::import::yaml::write(imported.manifests[1].document.get("spec").unwrap());
    assert!(!last.contains("ignoreWhere") && !last.contains("dummy"), "{last}");
}

#[test]
fn a_computed_entry_makes_its_variable_an_expression() {
    let rule = |body: &str| {
        format!("apply Service \"x\" {{\n  check_command = \"dummy\"\n{body}\n  assign where true\n}}")
    };
    let spec = specs(&rule(
        "  vars.a[\"-P\"] = \"3\"\n  vars.a[\"-H\"] = host.address\n  vars.a.deep.er = host.name\n  vars.a[\"-P\"] = 4\n  vars.b = 1",
    ));
    assert_eq!(
        from(&spec, "    set:"),
        "    set:\n    - vars:\n        a: '{\"-P\": 4, \"-H\": host.address, \"deep\": {\"er\": host.name}}'\n"
    );
    assert!(spec.contains("  vars:\n    b: 1\n"), "{spec}");
    let spec = specs(&rule("  vars.a = host.name\n  vars.a = { x = host.name }\n  vars.a[\"y\"] = 5"));
    assert_eq!(
        from(&spec, "    set:"),
        "    set:\n    - vars:\n        a: host.name\n    - vars:\n        a: '{\"x\": host.name, \"y\": 5}'\n"
    );
    // What the variable holds is not known there.
    for body in [
        "vars.a = host.vars.a\n vars.a.b = 5",
        "vars.a.b = host.name\n if (host.vars.x) { vars.a.c = 5 }",
        "if (host.vars.x) { vars.a.c = 5 }\n vars.a.b = host.name",
        "vars += host.vars.x\n vars.a.b = host.name",
        "vars.a.b = host.name\n vars += host.vars.x\n vars.a.c = 5",
        "vars.a.b = host.name\n vars.a = host.vars.q\n vars.a.c = 5",
        "vars.a = { x = 1 }\n if (host.vars.x) { vars.a = { y = 2 } }\n vars.a.b = host.name",
        "vars.a = 5\n vars.a.b = host.name",
    ] {
        assert_eq!(reason(&rule(body)).0, "Computed", "{body}");
    }
    let source = format!(
        "template Service \"t\" {{ vars.a.z = 1 }}\n{}",
        rule("  import \"t\"\n  vars.a.b = host.name")
    );
    assert_eq!(reason(&source).0, "Computed");
}

#[test]
fn a_variable_that_an_expression_sets_is_not_read_as_before() {
    for body in ["vars.b = vars.a", "vars.b = this.vars.a", "notes = vars.a"] {
        let source = format!(
            "apply Service \"x\" {{\n  check_command = \"dummy\"\n  vars.a = \"c\"\n  vars.a = host.name\n  {body}\n  assign where true\n}}"
        );
        assert_eq!(reason(&source).0, "Computed", "{body}");
    }
}

#[test]
fn a_list_of_patterns_is_one_text() {
    let spec = specs(
        r#"object ServiceGroup "g" {
  assign where match([ "load*", "a\\\"b" ], service.check_command, MatchAny) || match([ ], host.name)
}"#,
    );
    assert_eq!(
        from(&spec, "  assignWhere"),
        r#"  assignWhere:
  - match("[ \"load*\", \"a\\\\\\\"b\" ]", service.check_command, MatchAny) || match("[ ]", host.name)
"#
    );
    for list in ["[ 5 ]", "[ [ \"a\" ] ]", "[ \"a\\n\" ]", "[ host.name ]"] {
        let source = format!("object HostGroup \"g\" {{\n  assign where match({list}, host.name)\n}}");
        assert_eq!(reason(&source).0, "Form", "{list}");
    }
}
