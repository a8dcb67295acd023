use super::*;
use crate::import::tree::{Found, Source, read};
use crate::import::{Options, import};
use std::collections::BTreeMap;

/// Files in memory, by absolute path.
struct Memory(Vec<(&'static str, &'static str)>);

impl Source for Memory {
    fn found(&self, path: &str) -> Found {
        match path {
            _ if self.0.iter().any(|(file, _)| *file == path) => Found::File,
            _ if self.names(path).is_ok() => Found::Directory,
            _ => Found::Nothing,
        }
    }

    fn bytes(&self, path: &str) -> Result<Vec<u8>, String> {
        let found = self.0.iter().find(|(file, _)| *file == path);
        found.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| "No such file".into())
    }

    fn names(&self, path: &str) -> Result<Vec<String>, String> {
        let below = self.0.iter().filter_map(|(file, _)| file.strip_prefix(path)?.strip_prefix('/'));
        let names: BTreeSet<String> =
            below.map(|rest| rest.split('/').next().unwrap_or_default().to_owned()).collect();
        if names.is_empty() { Err("No such directory".into()) } else { Ok(names.into_iter().collect()) }
    }
}

/// Returns the main file, and every other file by its path.
fn remaining(files: &[(&'static str, &'static str)]) -> (String, BTreeMap<String, String>) {
    let source = Memory(files.to_vec());
    let tree = read(&source, &["/e/icinga2.conf".to_owned()], &BTreeMap::new(), &mut |_| {});
    let imported = import(&tree, &Options { namespace: "n".into(), ..Options::default() });
    let spans = imported.manifests.iter().filter_map(|manifest| manifest.span.as_ref());
    let remaining = Remaining::new(&tree, spans);
    let text = |path: &str| source.0.iter().find(|(file, _)| *file == path).unwrap().1;
    let mut all: BTreeMap<String, String> = remaining
        .files()
        .map(|(file, path)| (path.to_owned(), remaining.text(file, text(&file.source))))
        .collect();
    all.extend(remaining.links().iter().cloned());
    (remaining.main(), all)
}

#[test]
fn imported_blocks_go_and_all_other_lines_stay() {
    let (main, files) = remaining(&[(
        "/e/icinga2.conf",
        "\u{feff}const A = \"1\"; object Host \"a\" { address = \"1\" } // one\nvar b = 2\n\
             object Host \"b\" {\n  check_command = \"dummy\"\n}\n\n\
             object Host \"f\" { vars.f = {{ 1 }} }\n\
             for (i in [ \"ü\" ]) { object Host i {\n check_command = \"dummy\" }; object Host i + \"f\" { vars.f = {{ 2 }} } }\n\
             if (true) { object Host \"c\" { } }\n\
             object ApiUser \"root\" { password = \"x\" }\n",
    )]);
    assert_eq!(main, "include \"original/000000.conf\"\n");
    assert_eq!(
        files["original/000000.conf"],
        "const A = \"1\"; if(0){} \nvar b = 2\n\
         if(0){} \n\n\n\n\
         object Host \"f\" { vars.f = {{ 1 }} }\n\
         for (i in [ \"ü\" ]) { if(0){} \n; object Host i + \"f\" { vars.f = {{ 2 }} } }\n\
         if (true) { if(0){} }\n\
         object ApiUser \"root\" { password = \"x\" }\n"
    );
}

#[test]
fn includes_lead_to_the_files_that_take_their_place() {
    let (main, files) = remaining(&[
        (
            "/e/icinga2.conf",
            "include <itl>\ninclude \"a.conf\"\ninclude_recursive \"d\"; include \"none/*.conf\"\n\
             include computed()\nif (x) { include \"b.conf\" }\ninclude \"broken.conf\"\n",
        ),
        ("/e/a.conf", "const A = 1\n"),
        ("/e/broken.conf", "object {"),
        ("/e/d/1.conf", "include \"../a.conf\"\n"),
        ("/e/d/2.conf", ""),
        ("/e/zones.d/dmz/h.conf", "include \"other/o.txt\"\nobject Host \"h\" { }"),
        ("/e/zones.d/dmz/other/o.txt", "const O = 1"),
        ("/e/zones.d/dmz/bad.conf", "}"),
    ]);
    assert_eq!(main, "include \"original/000000.conf\"\n");
    assert_eq!(
        files["original/000000.conf"],
        "include <itl>\ninclude \"../original/000001.conf\"\n\
         include \"../original/000002.conf\"; include \"../original/000003.conf\"; if(0){} \n\
         include computed()\nif (x) { include \"/e/b.conf\"}\ninclude \"/e/broken.conf\"\n"
    );
    // It was read before.
    assert_eq!(files["original/000002.conf"], "if(0){} \n");
    assert_eq!(files["zones.d/dmz/000004.conf"], "include \"../../original/000005.conf\"\nif(0){} ");
    assert_eq!(files["zones.d/dmz/unread-000001.conf"], "include \"/e/zones.d/dmz/bad.conf\"\n");
    assert_eq!(files.len(), 7);
}

#[test]
fn includes_inside_of_what_stays_are_found_from_everywhere() {
    let (_, files) = remaining(&[
        ("/e/icinga2.conf", "include \"conf.d/a.conf\"\n"),
        ("/e/t/x.tmpl", "vars.a = 1\n"),
        (
            "/e/conf.d/a.conf",
            "object Host \"h\" {\n  include \"../t/x.tmpl\"\n  if (true) { include \"y.tmpl\" }\n}\n\
             apply Service \"s\" { vars.d = { include \"z.tmpl\" }\n  assign where true }\n",
        ),
    ]);
    let text = files.values().find(|text| text.contains("object Host")).unwrap();
    for path in ["/e/t/x.tmpl", "/e/conf.d/y.tmpl", "/e/conf.d/z.tmpl"] {
        assert!(text.contains(&format!("include \"{path}\"")), "{text}");
    }
}
