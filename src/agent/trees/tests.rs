use super::*;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

fn file(text: &str) -> HeldFile {
    HeldFile { digest: Digest::of(text.as_bytes()), size: text.len() }
}

fn plan(name: &str, files: &[(&str, &str, Content)]) -> Plan {
    let set = TreeSet {
        revision: "1.1".into(),
        digest: Digest::of(b"").to_string(),
        marker: name.into(),
        held: Vec::new(),
    };
    let files = files.iter().map(|(key, text, from)| ((*key).to_owned(), (file(text), *from))).collect();
    Plan { name: name.into(), set: set.into(), files }
}

fn texts(of: &[(&str, &str)]) -> impl Fn(&str) -> Option<Arc<[u8]>> {
    let of: BTreeMap<String, Arc<[u8]>> =
        of.iter().map(|(key, text)| ((*key).to_owned(), text.as_bytes().into())).collect();
    move |key| of.get(key).cloned()
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

const WANTED: Content = Content::Wanted;

#[test]
fn an_unchanged_file_is_the_same_file_and_a_changed_one_is_new() {
    let scratch = tempfile::tempdir().unwrap();
    let trees = Trees::open(scratch.path()).unwrap();
    let first = plan("1.1-a-1", &[("a.x.conf", "x", WANTED), ("a.y.conf", "y", WANTED)]);
    let first = trees.build(&first, texts(&[("a.x.conf", "x"), ("a.y.conf", "y")]), None, None).unwrap();
    let second = plan("1.2-a-2", &[("a.x.conf", "x", WANTED), ("a.y.conf", "new", WANTED)]);
    let second = trees.build(&second, texts(&[("a.y.conf", "new")]), Some(&first), Some(&first)).unwrap();
    let inode =
        |tree: &Tree, key: &str| fs::metadata(trees.path(tree).join(OBJECTS).join(key)).unwrap().ino();
    assert_eq!(inode(&first, "a.x.conf"), inode(&second, "a.x.conf"));
    assert_ne!(inode(&first, "a.y.conf"), inode(&second, "a.y.conf"));
    // The bytes of a held object come from the good tree, whatever the wanted set has.
    let third = plan("1.3-a-3", &[("a.y.conf", "y", Content::Good)]);
    let third = trees.build(&third, texts(&[("a.y.conf", "other")]), Some(&second), Some(&first)).unwrap();
    assert_eq!(inode(&third, "a.y.conf"), inode(&first, "a.y.conf"));
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(trees.path(&first)), 0o755);
    assert_eq!(mode(trees.path(&first).join(OBJECTS).join("a.x.conf")), 0o644);
    assert_eq!(names(&trees.directory().join(STAGING)), [""; 0]);
}

#[test]
fn a_tree_is_found_again_and_a_damaged_one_is_not_used() {
    let scratch = tempfile::tempdir().unwrap();
    let trees = Trees::open(scratch.path()).unwrap();
    let texts = texts(&[("a.x.conf", "x"), ("a.y.conf", "y")]);
    let build = |name: &str| {
        let plan = plan(name, &[("a.x.conf", "x", WANTED), ("a.y.conf", "y", WANTED)]);
        trees.build(&plan, &texts, None, None).unwrap()
    };
    let (good, active) = (build("1.1-a-1"), build("1.2-a-2"));
    let include = format!("include_recursive \"{}/objects.d\"\n", trees.path(&active).display());
    trees.activate(&include).unwrap();
    let memory = Memory { good: Some("1.1-a-1".into()), ..Memory::default() };
    trees.remember(&memory, &[good.name.clone(), active.name.clone()]).unwrap();
    let found = trees.find().unwrap();
    assert_eq!(&*found.active.unwrap().name, "1.2-a-2");
    assert_eq!(&*found.good.unwrap().name, "1.1-a-1");
    assert_eq!(found.memory, memory);

    let objects = trees.path(&active).join(OBJECTS);
    let damages: [&dyn Fn(); 3] = [
        &|| fs::write(objects.join("a.x.conf"), "z").unwrap(),
        &|| fs::write(objects.join("a.more.conf"), "z").unwrap(),
        &|| fs::remove_file(objects.join("a.y.conf")).unwrap(),
    ];
    for damage in damages {
        damage();
        let found = trees.find().unwrap();
        assert!(found.active.is_none() && found.good.is_some());
        fs::write(objects.join("a.x.conf"), "x").unwrap();
        let _ = fs::remove_file(objects.join("a.more.conf"));
        fs::write(objects.join("a.y.conf"), "y").unwrap();
        assert!(trees.find().unwrap().active.is_some());
    }
}

#[test]
fn old_trees_are_removed_after_the_memory_is_written() {
    let scratch = tempfile::tempdir().unwrap();
    let trees = Trees::open(scratch.path()).unwrap();
    for name in ["1.1-a-1", "1.2-a-2", "1.3-a-3"] {
        let plan = plan(name, &[("a.x.conf", "x", WANTED)]);
        trees.build(&plan, texts(&[("a.x.conf", "x")]), None, None).unwrap();
    }
    trees.remember(&Memory::default(), &["1.2-a-2".into(), "1.3-a-3".into()]).unwrap();
    assert_eq!(names(&trees.directory().join(TREES)), ["1.2-a-2", "1.3-a-3"]);
}

#[test]
fn a_directory_has_one_agent_and_a_file_that_cannot_be_written_leaves_no_tree() {
    let scratch = tempfile::tempdir().unwrap();
    let trees = Trees::open(scratch.path()).unwrap();
    assert!(Trees::open(scratch.path()).unwrap_err().to_string().contains("another agent"));
    for key in ["../a.x.conf", "a/x.y.conf", ".a.x.conf"] {
        let error = trees.build(&plan("1.1-a-1", &[(key, "x", WANTED)]), texts(&[(key, "x")]), None, None);
        assert!(error.unwrap_err().to_string().contains("not the name of a file"), "{key}");
        trees.forget_staging("1.1-a-1");
    }
    let lacking = plan("1.1-a-1", &[("a.x.conf", "x", WANTED)]);
    assert!(trees.build(&lacking, |_| Some(b"y".as_slice().into()), None, None).is_err());
    assert_eq!(names(&trees.directory().join(TREES)), [""; 0]);
    // What was not complete is gone after the next start.
    drop(trees);
    let trees = Trees::open(scratch.path()).unwrap();
    assert_eq!(names(&trees.directory().join(STAGING)), [""; 0]);
    let password = trees.password().unwrap();
    assert_eq!((password.len(), trees.password().unwrap()), (64, password));
    let mode = fs::metadata(scratch.path().join(PASSWORD)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}
