//! Outputs that real validators printed; `tests/agent` asks the validators of today.

use super::*;

fn at(time: &str, text: &str) -> String {
    format!("[2026-11-30 02:28:{time} +0000] {text}\n")
}

fn one(text: &str) -> Finding {
    let mut found = findings(text, "/t/7.42-1");
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

fn named(kind: &str, name: &str) -> Option<(String, String)> {
    Some((kind.into(), name.into()))
}

#[test]
fn a_finding_has_place_object_and_words_and_no_line_of_the_configuration() {
    let error = "critical/config: Error: Validation failed for object 'it's' of type 'Host'; Attribute \
                 'check_command': Object 'nope' of type 'CheckCommand' does not exist.\n\
                 Location: in /t/7.42-1/objects.d/a.h: 1.conf: 2:3-2:24\n\
                 /t/7.42-1/objects.d/a.h: 1.conf(1): object Host \"it's\" {\n\
                 /t/7.42-1/objects.d/a.h: 1.conf(2):   check_command = \"nope\"\n\
                 \x20                                         ^^^^^\n\
                 /t/7.42-1/objects.d/a.h: 1.conf(3):   vars.secret = \"hunter2\"";
    let text = at("00", "information/cli: Icinga application loader (version: r2.13.6-1)")
        + &at("00", error)
        + &at("00", "critical/config: 1 error")
        + &at(
            "00",
            "critical/cli: Config validation failed. Re-run with 'icinga2 daemon -C' after fixing the config.",
        );
    let found = one(&text);
    assert_eq!(found.file.as_deref(), Some("/t/7.42-1/objects.d/a.h: 1.conf"));
    assert_eq!((found.line, found.object.clone()), (Some(2), named("Host", "it's")));
    assert!(found.message.starts_with("Validation failed for object 'it's'"), "{found:?}");
    assert!(!format!("{found:?}").contains("hunter2"));
    assert_eq!(version(&text).as_deref(), Some("r2.13.6-1"));
}

#[test]
fn of_two_places_the_one_below_the_tree_is_named() {
    let text = "critical/config: Error: Object 'fast' of type 'Host' re-defined: in /var/lib/icinga2/api/fast.conf: \
                1:0-1:16; previous definition: in /t/7.42-1/objects.d/a.fast.conf: 4:0-4:16\n\
                Location: in /var/lib/icinga2/api/fast.conf: 1:0-1:16";
    let found = one(&at("01", text));
    assert_eq!(found.file.as_deref(), Some("/t/7.42-1/objects.d/a.fast.conf"));
    assert_eq!((found.line, found.object), (Some(4), named("Host", "fast")));

    let text = "critical/config: Error: An object with type 'Service' and name 'ok!s' already exists (in \
                /t/7.42-1/objects.d/a.t.conf: 1:0-1:16), new declaration: in /etc/icinga2/s.conf: 1:0-1:16\n\
                Location: in /etc/icinga2/s.conf: 1:0-1:16";
    let found = one(&at("01", text));
    assert_eq!(found.file.as_deref(), Some("/t/7.42-1/objects.d/a.t.conf"));
    assert_eq!(found.object, named("Service", "ok!s"));

    // 7.42-10 is another tree: the place of the error is named.
    let text = text.replace("/t/7.42-1/", "/t/7.42-10/");
    assert_eq!(one(&at("01", &text)).file.as_deref(), Some("/etc/icinga2/s.conf"));
}

#[test]
fn a_circle_names_the_file_of_a_dependency() {
    let text = "critical/config: Error: Dependency cycle:\n\
                \t- Host \"ok2\" depends on Host \"ok\" (Dependency \"e\" in /t/7.42-1/objects.d/a.e.conf: 1:0-1:20)\n\
                \t- Host \"ok\" depends on Host \"ok2\" (Dependency \"d\" in /t/7.42-1/objects.d/a.d.conf: 1:0-1:20)";
    let found = one(&at("02", text));
    assert_eq!(found.file.as_deref(), Some("/t/7.42-1/objects.d/a.e.conf"));
    assert_eq!(found.message, "Dependency cycle:");

    let text = "critical/config: Error: Dependency cycle:\nHost 'h2'\n-> Dependency 'h2!d'\n-> Host 'h1'\n\
                -> Dependency 'h1!d'\n-> Host 'h2'";
    let found = one(&at("02", text));
    assert_eq!((found.file, found.object), (None, named("Dependency", "h2!d")));
}

#[test]
fn a_file_that_was_skipped_is_a_finding_although_icinga_only_warns() {
    let text = "warning/ConfigCompiler: Cannot compile file '/t/7.42-1/objects.d/a.b.conf': Error: Function call \
                'std::ifstream::open' for file '/t/7.42-1/objects.d/a.b.conf' failed with error code 13, \
                'Permission denied'";
    let found = one(&at("03", text));
    assert_eq!(found.file.as_deref(), Some("/t/7.42-1/objects.d/a.b.conf"));
    assert!(found.message.contains("Permission denied"));
    assert!(skips_a_file(&at("03", text)));
    // A message that only speaks of one is none.
    assert!(!skips_a_file(&at("03", &text.replace("Cannot", "Log 'Cannot"))));
}

#[test]
fn errors_without_a_place_still_name_the_object() {
    let text = at("04", "critical/config: Error: Host 'bad' cannot be put into global zone 'everywhere'.")
        + &at("04", "critical/config: Error: Tried to access undefined script variable 'Sideways'");
    let found = findings(&text, "/t/7.42-1");
    assert_eq!(found[0].object, named("Host", "bad"));
    assert_eq!((found[1].object.clone(), found[1].file.clone()), (None, None));
}

#[test]
fn one_fault_of_many_hosts_is_one_finding_and_the_number_is_bounded() {
    let fault = |name: usize| {
        at(
            "05",
            &format!(
                "critical/config: Error: Argument is not a callable object {name}.\nLocation: in /x: 2:1-2:3"
            ),
        )
    };
    assert_eq!(findings(&(fault(1) + &fault(1) + &fault(2)), "/t").len(), 2);
    let many: String = (0..MOST + 5).map(fault).collect();
    assert_eq!(findings(&many, "/t").len(), MOST);
    let long = at("05", &format!("critical/config: Error: {}\u{7}{}", "a".repeat(100), "ü".repeat(900)));
    let message = one(&long).message;
    assert!(message.len() <= MESSAGE_MAX + 3 && !message.contains('\u{7}'), "{message}");
}

#[test]
fn last_words_are_those_of_the_cause() {
    let text = at("06", "critical/ScriptGlobal: Cannot write '/x'")
        + &at("06", "critical/cli: Config validation failed. Re-run");
    assert_eq!(last_words(&text).as_deref(), Some("Cannot write '/x'"));
    assert_eq!(last_words("\nsetgroups() failed\n").as_deref(), Some("setgroups() failed"));
    assert_eq!(last_words(""), None);
}

#[test]
fn nothing_that_is_printed_makes_it_panic() {
    for text in
        ["[", "[2026-11-30 02:28:00 +0000] ", "[2026-11-30 02:28:00 +0000] critical/config: Error: ", "]\n["]
    {
        findings(text, "");
    }
    let text = at("07", "critical/config: Error: Object 'ü' of type 'Höst");
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        findings(&text[..end], "/");
    }
}

#[test]
fn what_icinga_declares_itself_is_to_be_taken_out_of_the_set() {
    let text = "critical/config: Error: Object 'eu' of type 'Endpoint' re-defined: in /t/7.42-1/objects.d/a.eu.conf: \
                1:0-1:16; previous definition: in /etc/icinga2/zones.conf: 4:0-4:16\n\
                Location: in /t/7.42-1/objects.d/a.eu.conf: 1:0-1:16";
    let found = one(&at("01", text));
    let own = found.remedy(Some("eu")).unwrap();
    assert!(own.starts_with("the set declares this node's own endpoint;"), "{own}");
    assert!(own.contains("Endpoint!eu to settings.externalObjects"), "{own}");
    let other = found.remedy(None).unwrap();
    assert!(other.starts_with("the set declares Endpoint eu as Icinga's own configuration does;"), "{other}");
    let host = one(&at("01", &text.replace("'Endpoint'", "'Host'")));
    assert_eq!(host.remedy(Some("eu")), None);
}
