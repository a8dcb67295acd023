//! The real `groundlink` program as a child process.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use kube::client::Body;
use kube::{Client, Config};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::supervised::{Launch, Supervised};
use super::wait::eventually;

/// Longest wait for the log line with the listening address.
const LISTEN_DEADLINE: Duration = Duration::from_secs(30);

/// Arguments and environment of an operator.
#[derive(Debug)]
pub struct OperatorBuilder {
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    log: Option<PathBuf>,
}

impl OperatorBuilder {
    /// Adds one argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds several arguments.
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Sets `KUBECONFIG`, which is not inherited from the test.
    pub fn kubeconfig(self, path: &Path) -> Self {
        self.env("KUBECONFIG", path.to_str().expect("a path in UTF-8"))
    }

    /// Appends standard output and standard error to this file, instead of to a temporary one.
    pub fn log_to(mut self, file: &Path) -> Self {
        self.log = Some(file.to_path_buf());
        self
    }

    /// Starts it, and does not wait for anything.
    pub fn spawn(self) -> Operator {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let log = self.log.unwrap_or_else(|| directory.path().join("operator.log"));
        let (program, args, env) = (&self.program, &self.args, &self.env);
        let process = Supervised::spawn(&Launch { program, args, env, log: &log, scratch: None });
        Operator { process, _directory: directory }
    }
}

/// A running or ended operator. Dropping it kills it, and so does the end of the test process.
#[derive(Debug)]
pub struct Operator {
    process: Supervised,
    _directory: TempDir,
}

impl Operator {
    /// Starts a builder. In a test target `program` is `env!("CARGO_BIN_EXE_groundlink")`.
    pub fn builder(program: impl Into<PathBuf>) -> OperatorBuilder {
        OperatorBuilder { program: program.into(), args: Vec::new(), env: Vec::new(), log: None }
    }

    /// Returns the pid of the operator itself.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Returns its exit status. None while it runs.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.process.exit_status()
    }

    /// Sends SIGKILL. The process is gone when this returns.
    pub fn kill(&self) -> ExitStatus {
        self.process.kill()
    }

    /// Sends SIGTERM, and waits for the end.
    ///
    /// # Panics
    /// If it still runs after the deadline.
    pub async fn terminate(&self, deadline: Duration) -> ExitStatus {
        self.process.signal(Signal::TERM);
        self.wait(deadline).await
    }

    /// Waits for it to end by itself.
    ///
    /// # Panics
    /// If it still runs after the deadline.
    pub async fn wait(&self, deadline: Duration) -> ExitStatus {
        self.process.wait(deadline).await.unwrap_or_else(|| {
            panic!("the operator still runs after {deadline:?}; its log:\n{}", self.process.log_tail())
        })
    }

    /// Sends SIGSTOP.
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Sends SIGCONT.
    pub fn resume(&self) {
        self.process.resume();
    }

    /// Returns its log so far.
    pub fn log_text(&self) -> String {
        self.process.log_text()
    }

    /// Waits for a log line that contains `text`, and returns the first such line.
    ///
    /// # Panics
    /// After the deadline, or as soon as the operator ended without it.
    pub async fn wait_for_log(&self, text: &str, deadline: Duration) -> String {
        self.wait_for_line(text, deadline, |line| line.contains(text).then(|| line.to_owned())).await
    }

    /// Returns `http://127.0.0.1:PORT`, once the operator has logged its address.
    pub async fn base_url(&self) -> String {
        let address = self.wait_for_line("listening", LISTEN_DEADLINE, listening_address).await;
        format!("http://{address}")
    }

    /// Sends a GET to its HTTP server. Returns status and body.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let mut config = Config::new(self.base_url().await.parse().expect("a valid URL"));
        config.default_retry = false; // 503 of /readyz is an answer here.
        let client = Client::try_from(config).expect("a client");
        let request = Request::get(path).body(Body::empty()).expect("a valid request");
        let answer = async {
            let response = client.send(request).await?;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await?.to_bytes();
            Ok::<_, kube::Error>((status, String::from_utf8_lossy(&body).into_owned()))
        };
        answer.await.unwrap_or_else(|error| panic!("GET {path}: {error}; log:\n{}", self.process.log_tail()))
    }

    /// Returns the text of `/metrics`.
    pub async fn metrics(&self) -> String {
        let (status, body) = self.get("/metrics").await;
        assert_eq!(status, 200, "/metrics: {body}");
        body
    }

    async fn wait_for_line<F>(&self, what: &str, deadline: Duration, mut pick: F) -> String
    where
        F: FnMut(&str) -> Option<String>,
    {
        eventually(deadline, &format!("the operator logs {what:?}"), async || {
            let ended = self.process.exit_status();
            let log = self.process.log_text();
            if let Some(line) = log.lines().find_map(&mut pick) {
                return Ok(line);
            }
            let tail = self.process.log_tail();
            assert!(
                ended.is_none(),
                "no log line {what:?}, and the operator ended: {ended:?}; its log:\n{tail}"
            );
            Err(format!("its log:\n{tail}"))
        })
        .await
    }
}

/// Returns the address in a log line
/// `{"fields":{"message":"listening","address":"127.0.0.1:41235"}, ..}`.
fn listening_address(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = &line["fields"];
    (fields["message"] == "listening").then(|| fields["address"].as_str().map(str::to_owned)).flatten()
}
