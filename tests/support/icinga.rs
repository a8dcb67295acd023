//! A real Icinga 2 daemon of one generation, with everything it writes in a scratch directory.

use super::icinga_api::{PASSWORD, Requests};
use super::injected::skip;
use super::installation::GENEROUS;
use super::ports::Port;
use super::supervised::{Launch, Supervised};
use super::wait::eventually;
use http::Method;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hack/icinga2-in.sh");
/// Name of the node: no DNS name, as many in real installations.
pub const NODE: &str = "icinga_master 1";

/// Where Icinga finds the hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// In a configuration package of its own.
    Package,
    /// In `icinga2.conf`.
    Main,
    /// Nowhere.
    Missing,
}

/// The generations that are here. Each other one is said aloud, and fails in CI.
pub fn generations() -> Vec<&'static str> {
    let is_here = |generation: &&str| {
        let here = Command::new(SCRIPT).args([generation, "--version"]).output();
        let here = here.is_ok_and(|output| output.status.success());
        if !here {
            skip(&format!("icinga2 {generation} is not here; hack/icinga-generations.sh makes it"));
        }
        here
    };
    ["2.13", "2.14", "2.16"].into_iter().filter(is_here).collect()
}

/// A daemon that runs or has ended. Dropping it kills it with all its workers.
pub struct Icinga {
    pub generation: &'static str,
    scratch: TempDir,
    port: Port,
    user: [String; 2],
    process: Option<Supervised>,
}

impl Icinga {
    /// Prepares the files of a daemon: its CA and certificate, its configuration with an
    /// `ApiListener`, a checker and the hook.
    pub fn prepare(generation: &'static str, hook: Hook) -> Self {
        let icinga = Self::bare(generation);
        icinga.found_ca();
        icinga.certify(NODE, &icinga);
        let port = icinga.port.number();
        let hook_text = groundlink::agent::icinga::candidate::hook(&icinga.text("load/active.conf"));
        icinga.configure(&format!(
            "const PluginDir = \"/nonexistent\"\nconst NodeName = \"{NODE}\"\nconst ZoneName = NodeName\n\
             include <itl>\ninclude <plugins>\n\
             object Endpoint NodeName {{ }}\nobject Zone ZoneName {{ endpoints = [ NodeName ] }}\n\
             object Zone \"everywhere\" {{ global = true }}\n\
             object Host \"by hand\" {{ check_command = \"dummy\" }}\n\
             object ApiListener \"api\" {{ bind_host = \"127.0.0.1\"; bind_port = {port} }}\n\
             object CheckerComponent \"checker\" {{ }}\n{}",
            if hook == Hook::Main { &hook_text } else { "" }
        ));
        if hook == Hook::Package {
            let package = icinga.path("lib/api/packages/groundlink");
            fs::create_dir_all(&package).expect("a directory");
            fs::write(package.join("include.conf"), hook_text).expect("the hook");
        }
        icinga
    }

    /// Prepares the directories and the port of a daemon.
    pub(super) fn bare(generation: &'static str) -> Self {
        let scratch = tempfile::Builder::new().prefix("groundlink-icinga-").tempdir().expect("a directory");
        // The daemon gives up root for a user of its own, unless that is root.
        let user = ["-un", "-gn"].map(|what| {
            let output = Command::new("id").arg(what).output().expect("id");
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        });
        let icinga = Self { generation, scratch, port: Port::reserve(), user, process: None };
        for directory in [
            "lib/certs",
            "lib/api/packages",
            "cache",
            "log",
            "run",
            "spool",
            "etc",
            "load",
            "trees",
            "validate",
        ] {
            fs::create_dir_all(icinga.path(directory)).expect("a directory");
        }
        icinga
    }

    /// Writes `icinga2.conf`.
    pub(super) fn configure(&self, text: &str) {
        fs::write(self.path("etc/icinga2.conf"), text).expect("icinga2.conf");
    }

    /// Makes a CA.
    pub(super) fn found_ca(&self) {
        self.pki(&["new-ca"]);
    }

    /// Makes the key of a node, and a certificate that the CA of `authority` signs.
    pub(super) fn certify(&self, node: &str, authority: &Self) {
        let certs = self.path("lib/certs");
        let file = |name: &str| certs.join(name).display().to_string();
        let (key, request, certificate) =
            (file(&format!("{node}.key")), file("request"), file(&format!("{node}.crt")));
        self.pki(&["new-cert", "--cn", node, "--key", &key, "--csr", &request]);
        authority.pki(&["sign-csr", "--csr", &request, "--cert", &certificate]);
        fs::copy(authority.path("lib/ca/ca.crt"), certs.join("ca.crt")).expect("the CA's certificate");
    }

    fn pki(&self, arguments: &[&str]) {
        let command = self.command_of("pki");
        let output = Command::new(&command[0])
            .args(&command[1..])
            .args(arguments)
            .arg("-D")
            .arg(format!("Configuration.DataDir={}", self.text("lib")))
            .output()
            .expect("icinga2 pki");
        assert!(output.status.success(), "icinga2 pki {arguments:?}: {output:?}");
    }

    fn command_of(&self, command: &str) -> Vec<String> {
        let [user, group] = &self.user;
        let variables = [format!("ICINGA2_USER={user}"), format!("ICINGA2_GROUP={group}")];
        ["/usr/bin/env".to_owned()]
            .into_iter()
            .chain(variables)
            .chain([SCRIPT, self.generation, command].map(str::to_owned))
            .collect()
    }

    /// Returns the command that starts the daemon.
    pub fn command(&self) -> Vec<String> {
        let mut command = self.command_of("daemon");
        command.extend(["-c".to_owned(), self.text("etc/icinga2.conf")]);
        for (name, directory) in [
            ("DataDir", "lib"),
            ("CacheDir", "cache"),
            ("LogDir", "log"),
            ("InitRunDir", "run"),
            ("SpoolDir", "spool"),
        ] {
            command.extend(["-D".to_owned(), format!("Configuration.{name}={}", self.text(directory))]);
        }
        command
    }

    /// Returns the path of a file in the scratch directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Returns [`Self::path`] as a text.
    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub fn pid_file(&self) -> PathBuf {
        self.path("run/icinga2.pid")
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Writes `trees/<name>/objects.d` anew, and returns the path of the tree.
    pub fn tree(&self, name: &str, files: &[(&str, &str)]) -> String {
        let tree = self.path("trees").join(name);
        let _ = fs::remove_dir_all(&tree);
        fs::create_dir_all(tree.join("objects.d")).expect("a directory");
        for (file, text) in files {
            fs::write(tree.join("objects.d").join(file), text).expect("a file of the tree");
        }
        tree.display().to_string()
    }

    /// Makes a text the include file that the daemon loads.
    pub fn activate(&self, text: &str) {
        fs::write(self.path("load/next"), text).expect("the include file");
        fs::rename(self.path("load/next"), self.path("load/active.conf")).expect("the include file");
    }

    /// Starts the daemon, and waits for its API.
    pub async fn start(&mut self) {
        let command = self.command();
        let log = self.path("log/output");
        let process = Supervised::spawn(&Launch {
            program: Path::new(&command[0]),
            args: &command[1..],
            env: &[],
            log: &log,
            scratch: None,
        });
        let address = ("127.0.0.1", self.port.number());
        eventually(GENEROUS, "Icinga listens", async || {
            if process.exit_status().is_some() {
                panic!("icinga2 {} ended:\n{}", self.generation, process.log_tail());
            }
            tokio::net::TcpStream::connect(address).await.map(drop).map_err(|error| error.to_string())
        })
        .await;
        self.process = Some(process);
    }

    /// Lets the test ask everything, before the daemon starts.
    pub fn admit_the_test(&self) {
        let main = self.path("etc/icinga2.conf");
        let text = fs::read_to_string(&main).expect("icinga2.conf");
        let user =
            format!("object ApiUser \"test\" {{ password = \"{PASSWORD}\"\n permissions = [ \"*\" ] }}\n");
        fs::write(&main, text + &user).expect("icinga2.conf");
    }

    /// Returns the hosts that the running Icinga lists, with their addresses.
    pub async fn hosts(&self) -> Result<BTreeMap<String, String>, String> {
        let found = self.ask("/v1/objects/hosts?attrs=__name&attrs=address").await?;
        let hosts = found["results"].as_array().cloned().unwrap_or_default();
        let text = |host: &Value, name: &str| host["attrs"][name].as_str().unwrap_or_default().to_owned();
        let hosts = hosts.iter().map(|host| (text(host, "__name"), text(host, "address")));
        Ok(hosts.filter(|(name, _)| name != "by hand").collect())
    }

    /// Sends a GET to Icinga's API.
    pub async fn ask(&self, path: &str) -> Result<Value, String> {
        let found = self.requests().send(Method::GET, path, &Value::Null).await;
        found.map_err(|refused| refused.to_string())
    }

    /// Returns a client of its API, which keeps its connections.
    pub(super) fn requests(&self) -> Requests {
        Requests::to(self.port())
    }

    /// Kills the umbrella alone. Its worker lives on.
    pub fn kill_umbrella(&mut self) {
        drop(self.process.take());
    }

    /// Ends the daemon with SIGTERM, as a service manager does.
    pub async fn terminate(&mut self) {
        if let Some(process) = self.process.take() {
            process.signal(rustix::process::Signal::TERM);
            let ended = process.wait(GENEROUS).await;
            assert!(ended.is_some(), "icinga2 does not end:\n{}", process.log_tail());
        }
    }

    /// Kills every process of this daemon. All of them name the scratch directory.
    pub fn kill(&mut self) {
        drop(self.process.take());
        for pid in self.processes() {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }

    fn processes(&self) -> Vec<rustix::process::Pid> {
        let scratch = self.scratch.path().display().to_string();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let is_ours = |pid: &i32| {
            // Not an agent, which names the directory too.
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end() == "icinga2")
                && fs::read(format!("/proc/{pid}/cmdline"))
                    .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&scratch))
        };
        pids.filter(is_ours).filter_map(rustix::process::Pid::from_raw).collect()
    }
}

impl Drop for Icinga {
    fn drop(&mut self) {
        self.kill();
    }
}
