//! Real validators: what they accept, and which file, object and words each planted fault has.

use super::stage::{HOST, candidate, validator};
use crate::support::{Hook, Icinga, NODE, generations};
use groundlink::agent::icinga::output::Finding;
use groundlink::agent::icinga::validator::Validation;
use std::collections::BTreeSet;

/// A planted fault: files as `name: content` with a line each, then what must be found.
struct Fault {
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    /// Files of which the finding names one. Empty: none is named.
    file: &'static [&'static str],
    /// Objects of which the finding names one: Icinga does not begin a circle at the same one each time. Empty: none
    /// is named.
    objects: &'static [(&'static str, &'static str)],
    message: &'static str,
    /// Generations that accept it.
    accepted_by: &'static [&'static str],
    /// Generations for which there is another entry.
    unasked: &'static [&'static str],
}

const SECRET: &str = "hunter2";
const OK: (&str, &str) = ("a.ok", "object Host \"ok\" { check_command = \"dummy\" }");

const CIRCLE: &[(&str, &str)] = &[
    OK,
    ("a.up", "object Host \"up\" { check_command = \"dummy\" }"),
    ("a.d", "object Dependency \"d\" {\n child_host_name = \"ok\"\n parent_host_name = \"up\" }"),
    ("a.e", "object Dependency \"e\" {\n child_host_name = \"up\"\n parent_host_name = \"ok\" }"),
];

/// A fault in `a.bad.conf` that has an object.
const fn object(
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    objects: &'static [(&'static str, &'static str)],
    message: &'static str,
) -> Fault {
    Fault { name, files, file: &["a.bad"], objects, message, accepted_by: &[], unasked: &[] }
}

/// A fault in `a.bad.conf` whose words name no object.
const fn place(
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    message: &'static str,
) -> Fault {
    Fault { name, files, file: &["a.bad"], objects: &[], message, accepted_by: &[], unasked: &[] }
}

const FAULTS: &[Fault] = &[
    object(
        "unknown command",
        &[("a.bad", "object Host \"bad\" {\n  check_command = \"nope\"\n  vars.password = \"hunter2\"\n}")],
        &[("Host", "bad")],
        "Validation failed for object 'bad' of type 'Host'; Attribute 'check_command': Object 'nope'",
    ),
    object(
        "no command",
        &[("a.bad", "object Host \"bad\" { }")],
        &[("Host", "bad")],
        "Validation failed for",
    ),
    object(
        "name with a quote",
        &[("a.bad", "object Host \"it's\" { }")],
        &[("Host", "it's")],
        "Validation failed for object 'it's' of type 'Host'",
    ),
    object(
        "unknown host",
        &[("a.bad", "object Service \"s\" {\n host_name = \"none\"\n check_command = \"dummy\" }")],
        &[("Service", "none!s")],
        "Validation failed for object 'none!s' of type 'Service'; Attribute 'host_name'",
    ),
    object(
        "unknown group",
        &[("a.bad", "object Host \"bad\" {\n check_command = \"dummy\"\n groups = [ \"none\" ] }")],
        &[("Host", "bad")],
        "Validation failed for object 'bad' of type 'Host'; Attribute 'groups'",
    ),
    object(
        "unknown period",
        &[("a.bad", "object Host \"bad\" {\n check_command = \"dummy\"\n check_period = \"none\" }")],
        &[("Host", "bad")],
        "Validation failed for object 'bad' of type 'Host'; Attribute 'check_period'",
    ),
    object(
        "unknown zone",
        &[("a.bad", "object Host \"bad\" {\n check_command = \"dummy\"\n zone = \"none\" }")],
        &[("Host", "bad")],
        "Validation failed for object 'bad' of type 'Host'; Attribute 'zone'",
    ),
    object(
        "unknown endpoint",
        &[("a.bad", "object Host \"bad\" {\n check_command = \"dummy\"\n command_endpoint = \"none\" }")],
        &[("Host", "bad")],
        "Validation failed for object 'bad' of type 'Host'; Attribute 'command_endpoint'",
    ),
    object(
        "negative interval",
        &[("a.bad", "object Host \"bad\" {\n check_command = \"dummy\"\n check_interval = -1 }")],
        &[("Host", "bad")],
        "Validation failed for object 'bad' of type 'Host'; Attribute 'check_interval'",
    ),
    object(
        "name with an exclamation mark",
        &[("a.bad", "object Host \"a!b\" { check_command = \"dummy\" }")],
        &[("Host", "a!b")],
        "Name for object 'a!b' of type 'Host' is invalid",
    ),
    object(
        "name of a host that was made by hand",
        &[("a.bad", "object Host \"by hand\" { check_command = \"dummy\" }")],
        &[("Host", "by hand")],
        "Object 'by hand' of type 'Host' re-defined: in ",
    ),
    object(
        "unknown command in an apply rule",
        &[
            OK,
            (
                "a.bad",
                "apply Service \"s\" {\n check_command = \"nope\"\n assign where host.name == \"ok\"\n}",
            ),
        ],
        &[("Service", "ok!s")],
        "Validation failed for object 'ok!s' of type 'Service'; Attribute 'check_command'",
    ),
    object(
        "unknown user",
        &[
            OK,
            ("a.cmd", "object NotificationCommand \"c\" { command = [ \"/bin/true\" ] }"),
            (
                "a.bad",
                "object Notification \"n\" {\n host_name = \"ok\"\n command = \"c\"\n users = [ \"none\" ] }",
            ),
        ],
        &[("Notification", "ok!n")],
        "Validation failed for object 'ok!n' of type 'Notification'; Attribute 'users'",
    ),
    object(
        "unknown notification command",
        &[
            OK,
            ("a.user", "object User \"u\" { }"),
            (
                "a.bad",
                "object Notification \"n\" {\n host_name = \"ok\"\n command = \"none\"\n users = [ \"u\" ] }",
            ),
        ],
        &[("Notification", "ok!n")],
        "Validation failed for object 'ok!n' of type 'Notification'; Attribute 'command'",
    ),
    object(
        "unknown parent",
        &[
            OK,
            ("a.bad", "object Dependency \"d\" {\n child_host_name = \"ok\"\n parent_host_name = \"none\" }"),
        ],
        &[("Dependency", "ok!d")],
        "Validation failed for object 'ok!d' of type 'Dependency'; Attribute 'parent_host_name'",
    ),
    object(
        "unknown day",
        &[("a.bad", "object TimePeriod \"p\" {\n ranges = { \"someday\" = \"00:00-24:00\" } }")],
        &[("TimePeriod", "p")],
        "Validation failed for object 'p' of type 'TimePeriod'; Attribute 'ranges'",
    ),
    object(
        "unknown time",
        &[("a.bad", "object TimePeriod \"p\" {\n ranges = { \"monday\" = \"morning\" } }")],
        &[("TimePeriod", "p")],
        "Validation failed for object 'p' of type 'TimePeriod'; Attribute 'ranges'",
    ),
    object(
        "unknown day of a downtime",
        &[
            OK,
            (
                "a.bad",
                "object ScheduledDowntime \"p\" {\n host_name = \"ok\"\n author = \"a\"\n comment = \"c\"\n \
                 ranges = { \"someday\" = \"00:00-24:00\" } }",
            ),
        ],
        &[("ScheduledDowntime", "ok!p")],
        "Validation failed for object 'ok!p' of type 'ScheduledDowntime'; Attribute 'ranges'",
    ),
    object(
        "unknown key of an argument",
        &[(
            "a.bad",
            "object CheckCommand \"c\" {\n command = [ \"/bin/true\" ]\n arguments = { \"-a\" = { valuex = 1 } } }",
        )],
        &[("CheckCommand", "c")],
        "Validation failed for object 'c' of type 'CheckCommand'; Attribute 'arguments'",
    ),
    object(
        "unknown type in a filter",
        &[("a.bad", "object User \"u\" {\n types = [ \"Sideways\" ] }")],
        &[("User", "u")],
        "Validation failed for object 'u' of type 'User'; Attribute 'types'",
    ),
    object(
        "unknown endpoint of a zone",
        &[("a.bad", "object Zone \"z\" {\n endpoints = [ \"none\" ] }")],
        &[("Zone", "z")],
        "Validation failed for object 'z' of type 'Zone'; Attribute 'endpoints'",
    ),
    object(
        "unknown parent of a zone",
        &[("a.bad", "object Zone \"z\" {\n parent = \"none\" }")],
        &[("Zone", "z")],
        "Validation failed for object 'z' of type 'Zone'; Attribute 'parent'",
    ),
    place(
        "syntax",
        &[("a.bad", "object Host \"bad\" {\n  vars.password = \"hunter2\"\n  check_command = \n}")],
        "syntax error, unexpected new-line",
    ),
    place(
        "open string",
        &[("a.bad", "object Host \"bad\" { vars.password = \"hunter2")],
        "Unterminated string",
    ),
    place(
        "unknown attribute",
        &[("a.bad", "object Host \"bad\" {\n check_command = \"dummy\"\n colour = \"red\"\n}")],
        "Attribute 'colour' does not exist.",
    ),
    place(
        "text in place of a number",
        &[("a.bad", "object Host \"bad\" {\n check_command = \"dummy\"\n check_interval = \"often\"\n}")],
        "Error while evaluating expression: Can't convert 'often'",
    ),
    place(
        "unknown template",
        &[("a.bad", "object Host \"bad\" {\n import \"none\"\n check_command = \"dummy\"\n}")],
        "Import references unknown template: 'none'",
    ),
    place(
        "unknown field in a rule",
        &[
            OK,
            ("a.bad", "apply Service \"s\" {\n check_command = \"dummy\"\n assign where host.nothing.x\n}"),
        ],
        "Invalid field access (for value of type 'Host'): 'nothing'",
    ),
    place(
        "rule without a condition",
        &[("a.bad", "apply Service \"s\" {\n}")],
        "'apply' is missing 'assign'/'for'",
    ),
    place(
        "rule of a group that calls what is no function",
        &[OK, ("a.bad", "object HostGroup \"g\" {\n assign where host.vars.x.y(1)\n}")],
        "Argument is not a callable object.",
    ),
    place("unknown file", &[("a.bad", "include \"none.conf\"")], "Include file 'none.conf' does not exist"),
    Fault {
        accepted_by: &["2.14", "2.16"],
        ..place(
            "attribute of a newer version",
            &[
                OK,
                ("a.up", "object Host \"up\" { check_command = \"dummy\" }"),
                (
                    "a.bad",
                    "object Dependency \"d\" {\n child_host_name = \"ok\"\n parent_host_name = \"up\"\n \
                     redundancy_group = \"g\" }",
                ),
            ],
            "Attribute 'redundancy_group' does not exist.",
        )
    },
    Fault {
        name: "two objects of a name",
        files: &[OK, ("a.same", "object Host \"ok\" { check_command = \"dummy\" }")],
        file: &["a.ok", "a.same"],
        objects: &[("Host", "ok")],
        message: "Object 'ok' of type 'Host' re-defined: in ",
        accepted_by: &[],
        unasked: &[],
    },
    Fault {
        name: "a rule makes what an object is",
        files: &[
            OK,
            (
                "a.rule",
                "apply Service \"s\" {\n check_command = \"dummy\"\n assign where host.name == \"ok\"\n}",
            ),
            ("a.one", "object Service \"s\" {\n host_name = \"ok\"\n check_command = \"dummy\"\n}"),
        ],
        file: &["a.rule", "a.one"],
        objects: &[("Service", "ok!s")],
        message: "An object with type 'Service' and name 'ok!s' already exists (in ",
        accepted_by: &[],
        unasked: &[],
    },
    Fault {
        name: "a circle",
        files: CIRCLE,
        file: &["a.d", "a.e"],
        objects: &[],
        message: "Dependency cycle:",
        accepted_by: &["2.13"],
        unasked: &["2.14"],
    },
    Fault {
        name: "a circle of which no place is named",
        files: CIRCLE,
        file: &[],
        objects: &[("Dependency", "up!e"), ("Dependency", "ok!d")],
        message: "Dependency cycle:",
        accepted_by: &[],
        unasked: &["2.13", "2.16"],
    },
    Fault {
        name: "host in a global zone",
        files: &[("a.bad", "object Host \"bad\" {\n check_command = \"dummy\"\n zone = \"everywhere\" }")],
        file: &[],
        objects: &[("Host", "bad")],
        message: "Host 'bad' cannot be put into global zone 'everywhere'.",
        accepted_by: &[],
        unasked: &[],
    },
];

/// Writes the files as a tree, and validates a candidate of it.
async fn validate(icinga: &Icinga, files: &[(&str, &str)]) -> Validation {
    let named: Vec<_> =
        files.iter().map(|(name, text)| (format!("{name}.conf"), format!("{text}\n"))).collect();
    let files: Vec<_> = named.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let path = icinga.path("load/candidate");
    std::fs::write(&path, candidate("1.1", &icinga.tree("1.1", &files), false)).unwrap();
    validator(icinga).validate(&path, "1.1", 10).await
}

/// Returns what is wrong with the findings of a fault.
fn mistakes(fault: &Fault, icinga: &Icinga, result: &Validation) -> Option<String> {
    if fault.accepted_by.contains(&icinga.generation) {
        return (!matches!(result, Validation::Accepted(_))).then(|| "is not accepted".into());
    }
    let Validation::Refused(findings) = result else { return Some("is not refused".into()) };
    let files: BTreeSet<Option<String>> = fault
        .file
        .iter()
        .map(|file| Some(icinga.text(&format!("trees/1.1/objects.d/{file}.conf"))))
        .collect();
    let named = |(kind, name): &(String, String)| fault.objects.contains(&(kind.as_str(), name.as_str()));
    let fits = |finding: &Finding| {
        (files.contains(&finding.file) || files.is_empty() && finding.file.is_none())
            && finding.object.as_ref().map_or(fault.objects.is_empty(), named)
            && finding.message.starts_with(fault.message)
            && (finding.line.is_some() || files.is_empty())
    };
    if format!("{findings:?}").contains(SECRET) {
        return Some("shows a secret".into());
    }
    (!findings.iter().all(fits)).then(|| "is not found as it was planted".into())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_planted_fault_is_found_with_its_file_and_object() {
    assert!(FAULTS.len() >= 25);
    let mut wrong = Vec::new();
    for generation in generations() {
        let icinga = Icinga::prepare(generation, Hook::Package);
        for fault in FAULTS.iter().filter(|fault| !fault.unasked.contains(&generation)) {
            let result = validate(&icinga, fault.files).await;
            if let Some(mistake) = mistakes(fault, &icinga, &result) {
                wrong.push(format!("{generation}: {} {mistake}: {result:#?}", fault.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_candidate_is_accepted_and_says_what_the_daemon_is() {
    for generation in generations() {
        for hook in [Hook::Package, Hook::Main] {
            let icinga = Icinga::prepare(generation, hook);
            let accepted = validate(&icinga, &[OK]).await;
            let Validation::Accepted(constants) = accepted else { panic!("{generation}: {accepted:?}") };
            assert_eq!(constants.node_name, NODE);
            assert_eq!(constants.data_dir, Some(icinga.path("lib")));
            assert_eq!(constants.pid_file, Some(icinga.pid_file()));
            assert!(constants.version.contains(generation), "{constants:?}");
            for untouched in ["cache", "log", "run"] {
                let entries = std::fs::read_dir(icinga.path(untouched)).unwrap();
                assert_eq!(
                    entries.count(),
                    0,
                    "{generation}: the validator wrote into the daemon's {untouched}"
                );
            }
        }
        let icinga = Icinga::prepare(generation, Hook::Missing);
        assert_eq!(validate(&icinga, &[OK]).await, Validation::HookMissing, "{generation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_icinga_would_skip_is_refused_and_a_crash_leaves_no_trace_at_the_daemon() {
    for generation in generations() {
        let icinga = Icinga::prepare(generation, Hook::Package);
        let tree = icinga.tree("1.2", &[HOST]);
        let objects = std::path::Path::new(&tree).join("objects.d");
        // Not even root can open a socket as a file.
        let odd = objects.join("a.odd.conf");
        let _socket = std::os::unix::net::UnixListener::bind(&odd).unwrap();
        let path = icinga.path("load/candidate");
        std::fs::write(&path, candidate("1.2", &tree, false)).unwrap();
        let result = validator(&icinga).validate(&path, "1.2", 1).await;
        let Validation::Refused(findings) = &result else { panic!("{generation}: {result:?}") };
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].file.as_deref(), odd.to_str());
        assert!(findings[0].message.starts_with("Cannot compile file"), "{findings:?}");

        let deep =
            format!("object Host \"d\" {{ vars.x = {}1{} }}\n", "{ a = ".repeat(400), " }".repeat(400));
        let result = validate(&icinga, &[("a.deep", &deep)]).await;
        assert!(matches!(result, Validation::Crashed(_)), "{generation}: {result:?}");

        // 2.13 aborts and writes a report.
        std::fs::write(&path, candidate("1.3", &icinga.text("trees/none"), false)).unwrap();
        let result = validator(&icinga).validate(&path, "1.3", 1).await;
        assert!(
            matches!(result, Validation::Crashed(_) | Validation::Refused(_)),
            "{generation}: {result:?}"
        );
        assert_eq!(std::fs::read_dir(icinga.path("log")).unwrap().count(), 0, "{generation}");
    }
}
