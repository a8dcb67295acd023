use super::*;
use std::collections::BTreeMap;

/// Files in memory, by absolute path.
struct Memory(BTreeMap<String, Vec<u8>>);

impl Memory {
    fn new(files: &[(&str, &[u8])]) -> Self {
        Self(files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())).collect())
    }
}

impl Source for Memory {
    fn found(&self, path: &str) -> Found {
        if self.0.contains_key(path) {
            Found::File
        } else if self.0.keys().any(|file| file.starts_with(&format!("{path}/"))) {
            Found::Directory
        } else {
            Found::Nothing
        }
    }

    fn bytes(&self, path: &str) -> Result<Vec<u8>, String> {
        match self.0.get(path).map(Vec::as_slice) {
            Some(b"DENIED") => Err("Permission denied".into()),
            Some(bytes) => Ok(bytes.to_vec()),
            None => Err("No such file".into()),
        }
    }

    fn names(&self, path: &str) -> Result<Vec<String>, String> {
        let below = format!("{path}/");
        let names: std::collections::BTreeSet<String> = self
            .0
            .keys()
            .filter_map(|file| file.strip_prefix(&below))
            .map(|rest| rest.split('/').next().unwrap_or_default().to_owned())
            .collect();
        if names.is_empty() { Err("No such directory".into()) } else { Ok(names.into_iter().collect()) }
    }
}

fn of(files: &[(&str, &[u8])], paths: &[&str]) -> (Vec<String>, Vec<String>) {
    let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    let tree = read(&Memory::new(files), &paths, &BTreeMap::new(), &mut |_| {});
    let files = tree.files.iter().map(|file| match &file.zone {
        Some(zone) => format!("{} in {zone}", file.path),
        None => file.path.clone(),
    });
    let at = |at: Option<Position>| at.map(|at| format!(":{at}")).unwrap_or_default();
    let unreadable = tree.unreadable.iter().map(|one| format!("{}{}: {}", one.path, at(one.at), one.message));
    (files.collect(), unreadable.collect())
}

#[test]
fn includes_are_followed_in_order() {
    let (files, unreadable) = of(
        &[
            ("/e/icinga2.conf", b"include \"constants.conf\"\ninclude <itl>\ninclude \"features/*.conf\"\ninclude_recursive ConfDir + \"/conf.d\"\n"),
            ("/e/constants.conf", b"const ConfDir = \"/e\""),
            ("/e/features/b.conf", b""),
            ("/e/features/a.conf", b""),
            ("/e/features/a.txt", b"{"),
            ("/e/conf.d/x/hosts.conf", b""),
            ("/e/conf.d/a.conf", b"object Zone \"master\" { }"),
            ("/e/zones.d/master/h.conf", b""),
            ("/e/zones.d/README", b"{"),
        ],
        &["/e/icinga2.conf"],
    );
    assert_eq!(unreadable, Vec::<String>::new());
    let expected = [
        "icinga2.conf",
        "constants.conf",
        "features/a.conf",
        "features/b.conf",
        "conf.d/a.conf",
        "conf.d/x/hosts.conf",
        "zones.d/master/h.conf in master",
    ];
    assert_eq!(files, expected);
}

#[test]
fn a_directory_and_several() {
    let all: &[(&str, &[u8])] =
        &[("/e/conf.d/a.conf", b""), ("/e/zones.d/dmz/b/a.conf", b""), ("/e/zones.d/x.conf", b"")];
    assert_eq!(of(all, &["/e/conf.d"]).0, ["a.conf"]);
    assert_eq!(of(all, &["/e/zones.d/dmz"]).0, ["b/a.conf in dmz"]);
    assert_eq!(
        of(all, &["/e/conf.d", "/e/zones.d"]).0,
        ["conf.d/a.conf", "zones.d/dmz/b/a.conf in dmz", "zones.d/x.conf"]
    );
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_goes_on() {
    let (files, unreadable) = of(
        &[
            ("/e/a.conf", b"x = 1\ny = \"\xff\""),
            ("/e/b.conf", b"x = 1\n\0"),
            ("/e/c.conf", b"DENIED"),
            ("/e/d.conf", b"x = = 1"),
            ("/e/e.conf", b"include \"e.conf\""),
            ("/e/f.conf", b"include \"gone.conf\""),
            ("/e/g.conf", b"include getenv(\"x\")\nif (true) { include \"f.conf\" }"),
            ("/e/h.conf", &vec![b'#'; MAX_FILE + 1]),
            ("/e/z.conf", b"object Host \"h\" { }"),
        ],
        &["/e", "/gone"],
    );
    assert_eq!(files, ["e/e.conf", "e/f.conf", "e/g.conf", "e/z.conf"]);
    for (line, words) in [
        (0, "e/a.conf:2:6: is not UTF-8"),
        (1, "e/b.conf:2:1: has a NUL"),
        (2, "e/c.conf: cannot be read (Permission denied)"),
        (3, "e/d.conf:1:5: expected a value"),
        (4, "e/e.conf: includes itself"),
        (5, "e/f.conf:1:1: includes \"gone.conf\""),
        (6, "e/g.conf:2:13: the include is inside of another statement"),
        (7, "e/g.conf:1:1: the path of the include"),
        (8, "e/h.conf: is larger than 16 MiB"),
        (9, "gone: is no file"),
    ] {
        assert!(unreadable[line].starts_with(words), "{}", unreadable[line]);
    }
    assert_eq!(unreadable.len(), 10);
}

#[test]
fn patterns() {
    for (pattern, name, matched) in [
        ("*.conf", "a.conf", true),
        ("*.conf", "a.confx", false),
        ("a?c*", "abcd", true),
        ("**", "", true),
        ("", "a", false),
    ] {
        assert_eq!(paths::matches(pattern, name), matched, "{pattern} {name}");
    }
}

#[test]
fn directories_of_zones_that_nothing_declares_are_not_read() {
    let read = |files: &[(&str, &[u8])], path: &str| {
        let tree = read(&Memory::new(files), &[path.to_owned()], &BTreeMap::new(), &mut |_| {});
        let files: Vec<String> = tree.files.into_iter().map(|file| file.path).collect();
        let ignored: Vec<String> = tree.ignored.into_iter().map(|ignored| ignored.path).collect();
        (files.join(" "), ignored.join(" "))
    };
    let mut files: Vec<(&str, &[u8])> = vec![
        ("/e/icinga2.conf", b"const Main = \"master\"\nobject Zone Main { }\n"),
        ("/e/zones.d/a/x.conf", b"object HostGroup \"a\" { }\n"),
        ("/e/zones.d/bak/deep/x.conf", b"include \"y.inc\"\nobject Zone \"bak2\" { }\n"),
        ("/e/zones.d/bak/deep/y.inc", b"object HostGroup \"y\" { }\n"),
        ("/e/zones.d/bak2/x.conf", b"object HostGroup \"b\" { }\n"),
        ("/e/zones.d/basket.json", b"{}"),
        ("/e/zones.d/lone.conf", b"object HostGroup \"l\" { }\n"),
        ("/e/zones.d/master/zones.conf", b"object Zone \"a\" { parent = Main }\n"),
    ];
    let (kept, ignored) = read(&files, "/e");
    assert_eq!(kept, "icinga2.conf zones.d/a/x.conf zones.d/basket.json zones.d/master/zones.conf");
    assert_eq!(ignored, "zones.d/bak zones.d/bak2 zones.d/lone.conf");
    // A directory that is given is read as it is.
    assert_eq!(read(&files, "/e/zones.d").1, "");
    // What an include names is read, wherever it is.
    files.push(("/e/icinga2.conf", b"object Zone \"master\" { }\ninclude \"zones.d/bak/deep/x.conf\"\n"));
    assert_eq!(read(&files, "/e").1, "zones.d/lone.conf");
    // A template is no zone.
    files.push(("/e/icinga2.conf", b"object Zone \"master\" { }\ntemplate Zone \"bak\" { }\n"));
    assert_eq!(read(&files, "/e").1, "zones.d/bak zones.d/bak2 zones.d/lone.conf");
    // An unknown name may be any, and so may an unknown type.
    for unknown in [
        b"object Zone \"x\" + f() { }\n".as_slice(),
        b"object f() \"x\" + f() { }\n",
        b"for (z in [ \"a\" ]) { object Zone z { } }\n",
        b"include \"gone.conf\"\n",
    ] {
        files.push(("/e/icinga2.conf", unknown));
        assert_eq!(read(&files, "/e").1, "", "{}", String::from_utf8_lossy(unknown));
    }
}

#[test]
fn includes_inside_of_blocks_are_read_in_their_places() {
    use crate::import::language::{StatementKind, flat};
    let files: &[(&str, &[u8])] = &[
        ("/e/a.conf", b"const Dir = \"sub\"\nobject Host \"h\" {\n  include Dir + \"/x.inc\"\n  address = \"a\"\n  include \"gone.inc\"\n}\n"),
        ("/e/b.conf", b"apply Service \"s\" {\n  include \"loop.inc\"\n  include \"odd.inc\"\n  include \"*.inc\"\n}\n"),
        ("/e/loop.inc", b"vars.a = 1\ninclude \"loop.inc\""),
        ("/e/odd.inc", b"vars = = 1"),
        ("/e/sub/x.inc", b"\n\nvars.a = 1\ninclude \"y.inc\"\nvars.c = 3\n"),
        ("/e/sub/y.inc", b"vars.b = 2"),
    ];
    let tree = read(&Memory::new(files), &["/e".to_owned()], &BTreeMap::new(), &mut |_| {});
    assert!(tree.unreadable.is_empty(), "{:?}", tree.unreadable);
    let mut shown = Vec::new();
    for file in &tree.files {
        let Content::Configuration(content) = &file.content else { panic!("{}", file.path) };
        for statement in &content.statements {
            let body = match &statement.kind {
                StatementKind::Block(block) => &block.body,
                StatementKind::Rule(rule) => &rule.body,
                _ => continue,
            };
            for inner in flat(body) {
                let text = match &inner.kind {
                    StatementKind::Set(target, _, _) => crate::import::language::source(target),
                    StatementKind::Include(path, _) => crate::import::language::source(path),
                    _ => panic!("{inner:?}"),
                };
                shown.push(format!("{} {text}", inner.at));
            }
        }
    }
    let expected = [
        "3:3 vars.a",
        "3:3 vars.b",
        "3:3 vars.c",
        "4:3 address",
        "5:3 \"gone.inc\"",
        "2:3 vars.a",
        "2:3 \"loop.inc\"",
        "3:3 \"odd.inc\"",
        "4:3 \"*.inc\"",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn what_an_include_imports_counts_as_imported_by_the_block() {
    let files: &[(&str, &[u8])] = &[
        ("/e/icinga2.conf", b"object Zone \"a\" { }\nobject Host \"h\" { include \"h.inc\" }\n"),
        ("/e/h.inc", b"import \"t\""),
        ("/e/zones.d/a/t.conf", b"template Host \"t\" { check_command = \"dummy\" }"),
    ];
    let tree = read(&Memory::new(files), &["/e/icinga2.conf".to_owned()], &BTreeMap::new(), &mut |_| {});
    let imported = crate::import::import(&tree, &crate::import::Options::default());
    assert!(imported.left_out.is_empty(), "{:?}", imported.left_out);
    let text = |name: &str| {
        let is_it = |one: &&crate::import::report::Manifest| one.subject.name.as_deref() == Some(name);
        crate::import::yaml::write(&imported.manifests.iter().find(is_it).unwrap().document)
    };
    assert!(text("h").contains("imports: [t]"), "{}", text("h"));
    // A host outside of the zone imports it.
    assert!(!text("t").contains("zone:"), "{}", text("t"));
}
