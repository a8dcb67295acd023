//! Code that only decides: the same answer anywhere and at any time, so that its tests need no cluster and a simulation can
//! replay it.

use super::source::Scope;
use super::{LIBRARY, relative, root};
use std::path::Path;

/// What `ARCHITECTURE.md` calls pure: a folder, or a file.
const PURE: [&str; 51] = [
    "agent/core",
    "agent/icinga/api/counting.rs",
    "agent/icinga/candidate.rs",
    "agent/icinga/output.rs",
    "agent/icinga/netstrings.rs",
    "backoff.rs",
    "cli/look/absence.rs",
    "cli/look/sides.rs",
    "cli/look/unified.rs",
    "cli/manifests/cel.rs",
    "cli/manifests/schema.rs",
    "cli/manifests/scalar.rs",
    "cli/manifests/yaml.rs",
    "expansion/compare.rs",
    "expansion/meaning.rs",
    "expansion/members.rs",
    "expansion/normal.rs",
    "lasting.rs",
    "page/access/remembered.rs",
    "page/query.rs",
    "page/remedy.rs",
    "page/state.rs",
    "page/view.rs",
    "watch/event.rs",
    "watch/scope.rs",
    "publish/token.rs",
    "satellite/fleet.rs",
    "satellite/problem.rs",
    "hub/core",
    "identity.rs",
    "ownership.rs",
    "text.rs",
    "validate",
    "evaluate",
    "render",
    "references",
    "snapshot",
    "status/compose.rs",
    "status/facts.rs",
    "status/loaded.rs",
    "status/queue.rs",
    "status/recorded.rs",
    "status/said.rs",
    "status/values.rs",
    "status/write.rs",
    "satellite/core",
    "satellite/credential/expiry.rs",
    "satellite/credential/keys.rs",
    "satellite/credential/kubeconfig.rs",
    "satellite/credential/schedule.rs",
    "satellite/credential/server.rs",
];

/// Words by which code reaches a client, a clock, a file system, a random source or another task.
const OUTSIDE: [&str; 23] = [
    "kube",
    "hyper",
    "hyper_util",
    "tower",
    "axum",
    "tokio",
    "tokio_util",
    "Client",
    "jiff",
    "Instant",
    "SystemTime",
    "rand",
    "fs",
    "File",
    "Path",
    "rustix",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "thread",
    "mpsc",
    "process",
];

fn reaches_outside(scope: &Scope) -> Vec<(&str, usize)> {
    let words = scope.words.iter().map(|word| (word.what.as_str(), word.line));
    words.filter(|(word, _)| OUTSIDE.contains(word)).collect()
}

#[test]
fn pure_code_reaches_for_nothing_outside() {
    let source = root().join("src");
    let mut wrong = Vec::new();
    for part in PURE {
        let below: &Path = &source.join(part);
        assert!(below.exists(), "src/{part} is gone: take it out of PURE, or say where it went");
        let modules = LIBRARY.modules.values().filter(|node| !node.is_test && node.file.starts_with(below));
        let mut seen = 0;
        for node in modules {
            seen += node.scope.words.len();
            wrong.extend(
                reaches_outside(&node.scope)
                    .into_iter()
                    .map(|(word, line)| format!("{}:{line} has {word}", relative(&node.file))),
            );
        }
        assert!(seen > 20, "the test reads {seen} words of src/{part}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_reach_outside_is_found_behind_tests_and_in_macros() {
    let found = |text: &str| reaches_outside(&Scope::read(text)).len();
    assert_eq!(found("#[cfg(test)] use std::fs;\nfn f() {}"), 0);
    assert_eq!(found("#[cfg(test)] mod tests { use std::fs; }\nfn f() { std::fs::read(\"x\"); }"), 1);
    assert_eq!(found("fn f() { println!(\"{:?}\", std::time::Instant::now()); }"), 1);
    assert_eq!(found("// kube\n/// kube\nconst A: &str = \"kube\";"), 0);
}
