use crate::import::report::Imported;
use crate::import::tree::{Content, SourceFile, Tree};
use crate::import::{Options, import, language, yaml};

mod bounds;
mod forms;
mod zones;

fn imported(source: &str) -> Imported {
    imported_files(&[("a.conf", None, source)])
}

/// Imports files, each with its path and its zone.
fn imported_files(files: &[(&str, Option<&str>, &str)]) -> Imported {
    let file = |(path, zone, source): &(&str, Option<&str>, &str)| {
        let content = language::parse(source).unwrap_or_else(|problem| panic!("{source}: {problem:?}"));
        SourceFile {
            path: (*path).into(),
            source: format!("/{path}").into(),
            zone: zone.map(str::to_owned),
            included: None,
            content: Content::Configuration(content),
        }
    };
    let options = Options { namespace: "n".into(), command_namespace: "c".into(), ..Options::default() };
    import(&Tree { files: files.iter().map(file).collect(), ..Tree::default() }, &options)
}

/// Returns the specs of all manifests.
fn specs(source: &str) -> String {
    let imported = imported(source);
    assert!(imported.left_out.is_empty(), "{source}: {:?}", imported.left_out);
    let specs = imported.manifests.iter().map(|manifest| yaml::write(manifest.document.get("spec").unwrap()));
    specs.collect::<Vec<_>>().join("---\n")
}

/// Returns the reason, the construct and the place of the only block that is left out.
fn reason(source: &str) -> (String, String, String) {
    let imported = imported(source);
    let [left] = imported.left_out.as_slice() else { panic!("{source}: {:?}", imported.left_out) };
    assert!(!left.remedy.is_empty());
    (left.reason.as_str().to_owned(), left.construct.clone(), left.origin.to_string())
}

#[test]
fn a_host_with_everything() {
    let spec = specs(
        r#"const Contact = "ops"
template Host "base" { check_command = "hostalive", check_interval = 1m + 30s }
object Host "web 01" {
  import "base"
  address = "192.0.2.1"
  groups = [ "linux" ]
  enable_perfdata = 0
  vars.contact = Contact + "@" + name
  vars.disks["/"] = { wfree = "10%", list = [ 1, true, null ] }
  vars += { a = -1 }
  check_period = null
}"#,
    );
    assert_eq!(
        spec,
        "template: true
host:
  checkCommand: hostalive
  checkInterval: 90s
---
name: web 01
host:
  imports: [base]
  unset: [checkPeriod]
  address: 192.0.2.1
  groups: [linux]
  enablePerfdata: false
  vars:
    contact: ops@web 01
    disks:
      /:
        wfree: 10%
        list: [1, true, null]
    a: -1
"
    );
}

#[test]
fn rules() {
    let spec = specs(
        r#"apply Service "ssh" {
  check_command = "ssh"
  command_endpoint = host_name
  display_name = "ssh on " + host.name
  if (host.name == "a") { check_interval = 10m } else { vars.x = [ "b" ] }
  assign where host.address && (host.vars.os == "Linux" || "x" in host.groups)
  assign where match("w*", host.name)
  ignore where !host.vars["no ssh"]
}
apply Service "disk " for (disk => config in host.vars.disks) {
  check_command = "disk"
  vars.wfree = "20%"
  vars += config
  vars.disk_partition = disk
  if (config.interval) { check_interval = config.interval }
}
apply Service "p-" for (p in host.vars.list) { check_command = "x", vars.early = p, display_name = name }
apply Service "k" for (k => v in host.vars.d) { check_command = "x", vars.first = k, vars += v, vars.last = 1 }
apply Dependency "d" to Service { parent_host_name = host.name, assign where service.name == "x" }
apply ScheduledDowntime "w" to Host { author = "a", comment = "c", ranges = { monday = host.vars.w }, assign where host.vars.w }"#,
    );
    assert_eq!(
        spec,
        r#"service:
  checkCommand: ssh
  apply:
    assignWhere:
    - host.address && (host.vars.os == "Linux" || "x" in host.groups)
    - match("w*", host.name)
    ignoreWhere:
    - '!host.vars["no ssh"]'
    set:
    - commandEndpoint: host.name
      displayName: '"ssh on " + host.name'
    - when: host.name == "a"
      checkInterval: 10m
    - when: '!(host.name == "a")'
      vars:
        x: '["b"]'
---
service:
  checkCommand: disk
  vars:
    wfree: 20%
  apply:
    forEach:
      in: host.vars.disks
      keyVar: disk_partition
    set:
    - when: value.interval
      checkInterval: value.interval
---
service:
  checkCommand: x
  apply:
    forEach:
      in: host.vars.list
      valueVar: early
      prefix: p-
    set:
    - displayName: '"p-" + key'
---
service:
  checkCommand: x
  apply:
    forEach:
      in: host.vars.d
      prefix: k
    set:
    - vars:
        first: key
      addVars: [value]
    - vars:
        last: "1"
---
dependency:
  apply:
    to: Service
    assignWhere:
    - service.name == "x"
---
scheduledDowntime:
  author: a
  comment: c
  apply:
    to: Host
    assignWhere: [host.vars.w]
    set:
    - ranges:
        monday: host.vars.w
"#
    );
}

#[test]
fn commands() {
    let imported = imported(
        r#"object CheckCommand "x" {
  import "plugin-check-command"
  command = [ PluginDir + "/check_x", "-v" ]
  arguments += { "-H" = "$address$", "-p" = 443, "--v" = { set_if = "$x$", order = -1, value = PluginDir } }
  arguments["-w"] = { value = "$w$", skip_key = true }
  env.A = "b"
  timeout = 30
  vars.w = 5
}"#,
    );
    assert!(imported.left_out.is_empty(), "{:?}", imported.left_out);
    // Icinga imports `plugin-check-command` by itself.
    assert!(imported.notes.is_empty(), "{:?}", imported.notes);
    assert_eq!(imported.manifests[0].key(), ("c", "x"));
    assert_eq!(
        yaml::write(imported.manifests[0].document.get("spec").unwrap()),
        "checkCommand:
  command: [$PluginDir$/check_x, -v]
  arguments:
    -H: $address$
    -p: \"443\"
    --v:
      setIf: $x$
      order: -1
      value: $PluginDir$
    -w:
      value: $w$
      skipKey: true
  env:
    A: b
  timeout: 30s
  vars:
    w: 5
"
    );
}

/// A template may meet other templates, so it never assumes that it is alone.
#[test]
fn templates_add_and_replace() {
    let spec = specs(
        r#"template Host "a" { groups += [ "x" ], vars.d["/"] = { a = 1 }, check_period = null }
template Host "b" { vars.d["/"] = { b = 1 }, groups += [ "y" ] }
object Host "h" { import "a", import "b", vars.own = { c = 1 } }"#,
    );
    assert_eq!(
        spec,
        r#"template: true
host:
  unset:
  - vars.d["/"]
  - checkPeriod
  addGroups: [x]
  vars:
    d:
      /:
        a: 1
---
template: true
host:
  unset:
  - vars.d["/"]
  addGroups: ["y"]
  vars:
    d:
      /:
        b: 1
---
host:
  imports: [a, b]
  vars:
    own:
      c: 1
"#
    );
}

#[test]
fn what_cannot_be_said_is_listed_with_its_place() {
    let host = |body: &str| format!("object Host \"h\" {{\n  check_command = \"x\"\n  {body}\n}}");
    let rule = |body: &str| {
        format!("apply Service \"s\" {{\n  check_command = \"x\"\n  {body}\n  assign where true\n}}")
    };
    for (source, expected, at) in [
        (host("vars.x = {{ 1 }}"), "Function", "3:12"),
        (host("vars.x = unknown"), "UnknownName", "3:12"),
        (host("address = host.name"), "UnknownName", "3:13"),
        (host("addres = \"x\""), "Attribute", "3:3"),
        (host("groups = \"x\""), "Value", "3:12"),
        (host("for (x in [ 1 ]) { vars.y = x }"), "Function", "3:3"),
        (host("object Service \"s\" { }"), "Nested", "3:3"),
        (host("log(\"x\")"), "Statement", "3:3"),
        (host("import \"t\""), "ImportOrder", "3:10"),
        (host("vars.x -= 1"), "Operator", "3:3"),
        (host("check_interval = -1"), "Value", "3:20"),
        (host("zone = get_env(\"Z\")"), "Call", "3:10"),
        (rule("if (host.x()) { check_interval = 1m }"), "Call", "3:7"),
        (rule("if (host.vars.x) { import \"t\" }"), "Import", "3:29"),
        (rule("import host.vars.t"), "Import", "3:10"),
        (rule("vars.a = host.vars.x; vars.a.b = host.vars.x"), "Computed", "3:25"),
        (rule("zone = host.zone"), "Computed", "3:10"),
        (rule("display_name = vars.y"), "Computed", "3:18"),
        ("object Downtime \"x\" { }".into(), "State", "1:8"),
        ("object Host get() { }".into(), "Call", "1:13"),
        ("apply Service \"s\" for (x in host.groups) { check_command = \"x\" }".into(), "Loop", "1:29"),
        (
            "apply Service \"s\" for (k => v in host.vars.d) { check_command = \"x\" }".into(),
            "EntryNotAdded",
            "1:49",
        ),
        ("for (x in get_objects(Host)) { object Host \"a\" + x { } }".into(), "Flow", "1:1"),
        ("if (getenv(\"x\")) { object Host \"a\" { } }".into(), "Flow", "1:1"),
        ("object User \"u\" { states = [ ] }".into(), "Value", "1:28"),
        ("object CheckCommand \"c\" { command = \"/bin/a | b\" }".into(), "Value", "1:37"),
    ] {
        let (found, construct, place) = reason(&source);
        assert_eq!(
            (found.as_str(), place.as_str()),
            (expected, format!("a.conf:{at}").as_str()),
            "{source}: {construct}"
        );
    }
}

/// One attribute that cannot be said leaves out the block, never less.
#[test]
fn a_block_is_left_out_as_a_whole() {
    let imported = imported(
        "object Host \"a\" { address = \"x\", vars.f = {{ 1 }} }\nobject Host \"b\" { check_command = \"x\" }",
    );
    assert_eq!(imported.manifests.len(), 1);
    assert_eq!(imported.left_out[0].subject.name.as_deref(), Some("a"));
    assert_eq!(imported.blocks, 2);
}

#[test]
fn loops_over_known_lists_become_objects() {
    let imported = imported(
        "for (i in range(1, 3)) { object Host \"web-\" + i use(i) { check_command = \"x\", vars.n = i } }\nfor (k => v in { a = \"1\" }) { object Host k use(v) { address = v } }",
    );
    let names: Vec<_> = imported.manifests.iter().map(|manifest| manifest.key().1).collect();
    assert_eq!(names, ["web-1", "web-2", "a"]);
}

#[test]
fn zones_and_default_templates() {
    let content = |source: &str| Content::Configuration(language::parse(source).unwrap());
    let file = |path: &str, zone: &str, source: &str| SourceFile {
        path: path.into(),
        source: path.into(),
        zone: Some(zone.into()),
        included: None,
        content: content(source),
    };
    let tree = Tree {
        files: vec![
            file("zones.d/dmz/h.conf", "dmz", "object Host \"h\" { check_command = \"x\" }"),
            file(
                "zones.d/global-templates/t.conf",
                "global-templates",
                "template Host \"t\" default { check_command = \"x\" }",
            ),
            file(
                "zones.d/all/c.conf",
                "all",
                "object Zone \"all\" { global = true }\nobject TimePeriod \"p\" { }",
            ),
        ],
        ..Tree::default()
    };
    let options = Options { namespace: "n".into(), namespace_by_zone: true, ..Options::default() };
    let imported = import(&tree, &options);
    let texts: Vec<String> =
        imported.manifests.iter().map(|manifest| yaml::write(&manifest.document)).collect();
    assert!(texts[0].contains("namespace: dmz") && texts[0].contains("zone: dmz"), "{}", texts[0]);
    assert!(texts[0].contains("imports: [t]"), "{}", texts[0]);
    assert!(!texts[1].contains("zone:") && !texts[3].contains("zone:"), "{texts:?}");
}

#[test]
fn a_parent_that_the_hosts_name_is_left_out_with_a_remedy() {
    let rule = "apply Dependency \"up\" to Host { parent_host_name = host.vars.parent, assign where host.vars.parent }";
    assert_eq!(reason(rule).0, "Computed");
}

#[test]
fn the_last_declaration_of_a_constant_counts() {
    let declared = |first: &str, second: &str, defines: &[(&str, &str)]| {
        let source = format!("{first}\n{second}\nobject Host A {{ check_command = \"x\" }}");
        let content = Content::Configuration(language::parse(&source).unwrap());
        let source = "/a.conf".into();
        let file = SourceFile { path: "a.conf".into(), source, zone: None, included: None, content };
        let defines = defines.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let options = Options { namespace: "n".into(), defines, ..Options::default() };
        let imported = import(&Tree { files: vec![file], ..Tree::default() }, &options);
        imported.manifests.first().map(|manifest| manifest.key().1.to_owned())
    };
    assert_eq!(declared("const A = \"1\"", "const A = \"2\"", &[("A", "3")]).as_deref(), Some("2"));
    assert_eq!(declared("const A = \"1\"", "const A = f()", &[]), None);
    assert_eq!(declared("", "const A = f()", &[("A", "3")]).as_deref(), Some("3"));
}

/// Each of these was once imported as something else.
#[test]
fn what_is_not_known_is_never_taken_for_an_older_value() {
    for source in [
        // A variable that is given again.
        "var t = \"a\"\nvar t = f()\nobject Host t { check_command = \"dummy\" }",
        // An addition to what only a condition has given.
        "apply Service \"s\" { check_command = \"dummy\"\nif (host.vars.a) { vars.l = [ \"a\" ] }\nvars.l += [ \"b\" ]\nassign where true }",
        // An addition to an entry.
        "object TimePeriod \"t\" { ranges.monday = \"00:00-09:00\"\nranges.monday += \",18:00-19:00\" }",
    ] {
        let imported = imported(source);
        assert!(
            imported.manifests.is_empty() && !imported.left_out.is_empty(),
            "{source}: {:?}",
            imported.left_out
        );
    }
    // What stands before constants may be a text, or a number.
    let spec = specs(
        "apply Service \"s\" { check_command = \"dummy\"\nnotes = host.vars.a + 1 + \"b\"\nvars.x = 1 + host.vars.a + 2 + 3\nassign where true }",
    );
    assert!(spec.contains("host.vars.a + 1 + \"b\"") && spec.contains("1 + host.vars.a + 2 + 3"), "{spec}");
}

#[test]
fn a_part_of_a_value_that_no_template_sets() {
    let with = |template: &str| {
        format!(
            "template Notification \"t\" {{ {template} }}\napply Notification \"n\" to Host {{\n  import \"t\"\n  times.begin = 5m\n  assign where true\n}}"
        )
    };
    assert!(specs(&with("command = \"c\"")).contains("times:\n    begin: 5m\n"));
    assert_eq!(reason(&with("times.end = 1h")).0, "Value");
    assert!(specs("template Notification \"t\" { times.begin = 5m }").contains("begin: 5m"));
}

#[test]
fn a_name_inside_of_a_rule_is_that_of_its_objects() {
    let imported = imported(
        "apply Service \"s-\" for (k => v in host.vars.d) {\n  name = \"x-\" + k\n  display_name = name\n  vars += v\n}",
    );
    assert_eq!((imported.manifests.len(), imported.notes.len()), (1, 0));
    let text = yaml::write(&imported.manifests[0].document);
    assert!(text.contains("prefix: x-") && text.contains("displayName: '\"x-\" + key'"), "{text}");
    let with = |name: &str| {
        format!("apply Service for (k => v in host.vars.d) {{\n  name = {name}\n  vars += v\n}}")
    };
    assert!(specs(&with("k")).contains("prefix: \"\""));
    for wrong in ["v.name", "k + \"x\"", "\"x\""] {
        assert_eq!(reason(&with(wrong)).0, "Name", "{wrong}");
    }
    assert!(specs("apply Service \"s\" {\n  name = \"a b\"\n  assign where true\n}").contains("name: a b"));
}

#[test]
fn an_empty_description_is_none() {
    let spec = specs(
        "object CheckCommand \"c\" { command = [ \"/c\" ], arguments = { \"-a\" = { value = \"1\", description = \"\" } } }",
    );
    assert!(!spec.contains("description"), "{spec}");
}

#[test]
fn an_empty_dictionary_that_is_added_is_a_value() {
    let with = |template: &str| {
        format!(
            "template Host \"t\" {{ check_command = \"d\"; {template} }}\nobject Host \"h\" {{\n  import \"t\"\n  vars.a += {{ }}\n}}"
        )
    };
    for template in ["", "vars.a = { b = 1 }", "vars.a.b = 1"] {
        let spec = specs(&with(template));
        let host = spec.split("---\n").last().unwrap();
        assert!(host.contains("a: {}") && !host.contains("unset"), "{host}");
    }
}

#[test]
fn what_null_took_back_stays_away() {
    for after in ["vars.a += { }", "vars.a += { c = 1 }", "vars.a.c = 1"] {
        let spec = specs(&format!(
            "template Host \"t\" {{ check_command = \"d\"; vars.a = {{ b = 1 }} }}\nobject Host \"h\" {{\n  import \"t\"\n  vars.a = null\n  {after}\n}}"
        ));
        assert!(spec.contains("unset: [vars.a]"), "{after}: {spec}");
    }
}
