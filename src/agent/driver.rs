//! Carries out the tasks of [`Agent`], one after the other.

use super::core::facts::{Blame, FetchProblem, Files, Moment, Offer, Probe, Tree, Verdict};
use super::core::{Agent, Effect, Input, Task};
use super::icinga::api::{Api, NotYet, Password};
use super::icinga::candidate::{Candidate, hook};
use super::icinga::daemon::Umbrella;
use super::icinga::output::Finding;
use super::icinga::validator::{Constants, Validation, Validator};
use super::metrics::AgentMetrics;
use super::reporter::Reported;
use super::source::{News, Source};
use super::trees::{ACTIVE, Trees};
use crate::api::agent_report::{AgentResult, Checked};
use crate::readiness::Readiness;
use clap::ValueEnum;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How the agent reloads Icinga.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Reload {
    /// Through its REST API.
    Api,
    /// By a signal to the process in its pid file.
    Signal,
}

/// What the driver works with.
pub(super) struct Parts {
    pub trees: Arc<Trees>,
    pub password: Password,
    pub source: Source,
    pub validator: Validator,
    pub reload: Reload,
    pub icinga: SocketAddr,
    /// The file by which Icinga includes the set. None if a person wrote the lines elsewhere.
    pub hook: Option<PathBuf>,
    pub metrics: Arc<AgentMetrics>,
    pub readiness: Readiness,
    pub reports: watch::Sender<Option<Reported>>,
}

/// Carries out the tasks.
pub(super) struct Driver {
    agent: Agent,
    parts: Parts,
    /// Bytes of the set that is being loaded, by key.
    content: BTreeMap<String, Arc<[u8]>>,
    /// The tree that held the other files when the set was fetched.
    held: Option<Tree>,
    constants: Option<Constants>,
    /// The checks when they were counted last.
    checkables: Option<u64>,
    /// The files of an Icinga that runs no set.
    nothing: Files,
    origin: Instant,
}

impl Driver {
    pub fn new(agent: Agent, parts: Parts) -> Self {
        let origin = Instant::now();
        let (content, nothing) = (BTreeMap::new(), Files::default());
        Self { agent, parts, content, held: None, constants: None, checkables: None, nothing, origin }
    }

    /// Works until the source ends, which it never does by itself. It may be dropped at any time:
    /// whatever is on disk then is whole.
    pub async fn run(mut self) {
        let trees = self.parts.trees.clone();
        self.constants = blocking(move || trees.icinga()).await.ok().flatten();
        let mut input = Input::Woken;
        loop {
            self.take_news();
            let task = self.agent.step(input, &self.moment());
            self.publish();
            input = match task {
                Task::Wait(until) if self.wait(until).await => Input::Woken,
                Task::Wait(_) => return,
                task => self.execute(task).await,
            };
        }
    }

    fn moment(&self) -> Moment {
        Moment {
            now: self.origin.elapsed(),
            unix: jiff::Timestamp::now().as_second(),
            random: rand::random(),
        }
    }

    fn take_news(&mut self) {
        let News { wanted, trouble } = self.parts.source.news();
        let now = self.origin.elapsed();
        if let Some(wanted) = wanted {
            self.agent.want(wanted, now);
        }
        self.agent.source_trouble(trouble);
    }

    /// Waits for the time or for news. False if the task that follows the source has panicked.
    async fn wait(&mut self, until: Option<Duration>) -> bool {
        let at = until.map(|until| self.origin + until);
        tokio::select! {
            is_there = self.parts.source.changed() => is_there,
            () = sleep_until(at.unwrap_or(self.origin)), if at.is_some() => true,
        }
    }

    async fn execute(&mut self, task: Task) -> Input {
        match task {
            // The caller's.
            Task::Wait(_) => Input::Woken,
            Task::Look => {
                let trees = self.parts.trees.clone();
                Input::Looked(
                    blocking(move || trees.find().map_err(|error| error.to_string())).await.flatten(),
                )
            }
            Task::Fetch => Input::Fetched(self.fetch().await),
            Task::Build(plan) => {
                let (trees, content) = (self.parts.trees.clone(), std::mem::take(&mut self.content));
                let (held, good) = (self.held.clone(), self.agent.good().cloned());
                let built = blocking(move || {
                    let bytes = |key: &str| content.get(key).cloned();
                    let built = trees.build(&plan, bytes, held.as_ref(), good.as_ref());
                    if built.is_err() {
                        trees.forget_staging(&plan.name);
                    }
                    (built.map_err(|error| error.to_string()), content)
                })
                .await;
                Input::Built(built.and_then(|(built, content)| {
                    // Another round may need it.
                    self.content = content;
                    built
                }))
            }
            Task::Validate(tree) => Input::Validated(self.validate(&tree).await),
            Task::Switch(tree) => {
                let (trees, text) = (self.parts.trees.clone(), self.include(&tree));
                let switched =
                    blocking(move || trees.activate(&text).map_err(|error| error.to_string())).await;
                Input::Switched(switched.flatten())
            }
            Task::Reload => Input::Reloaded(self.reload().await),
            Task::Probe => Input::Probed(self.probe().await),
            Task::Remember(memory, keep) => {
                (self.content, self.held) = (BTreeMap::new(), None);
                let trees = self.parts.trees.clone();
                let kept = move || trees.remember(&memory, &keep).map_err(|error| error.to_string());
                Input::Remembered(blocking(kept).await.flatten())
            }
            Task::Check { since, is_first } => Input::Checked(self.check(since, is_first).await),
        }
    }

    async fn fetch(&mut self) -> Result<Offer, FetchProblem> {
        self.held = self.agent.active().cloned();
        let fetched = self.parts.source.fetch(self.held.as_ref().map(|tree| tree.files.clone())).await?;
        self.content = fetched.content;
        Ok(fetched.offer)
    }

    /// Returns the text of the include file for a tree.
    fn include(&self, tree: &Tree) -> String {
        Candidate {
            marker: &tree.set.marker,
            tree: &self.parts.trees.path(tree).to_string_lossy(),
            password: self.parts.password.reveal(),
            reloads_by_api: self.parts.reload == Reload::Api,
        }
        .text()
    }

    async fn validate(&mut self, tree: &Tree) -> Verdict {
        if let Err(why) = self.write_hook().await {
            return Verdict::CannotRun(why);
        }
        let (trees, text) = (self.parts.trees.clone(), self.include(tree));
        let candidate =
            blocking(move || trees.write_candidate(&text).map_err(|error| error.to_string())).await;
        let candidate = match candidate.flatten() {
            Ok(candidate) => candidate,
            Err(why) => return Verdict::CannotRun(why),
        };
        match self.parts.validator.validate(&candidate, &tree.set.marker, tree.files.len()).await {
            Validation::Accepted(constants) => {
                if self.constants.as_ref() != Some(&constants) {
                    let (trees, kept) = (self.parts.trees.clone(), constants.clone());
                    let kept =
                        blocking(move || trees.remember_icinga(&kept).map_err(|e| e.to_string())).await;
                    if let Err(why) = kept.flatten() {
                        return Verdict::CannotRun(why);
                    }
                    self.constants = Some(constants);
                }
                Verdict::Accepted
            }
            Validation::Refused(findings) => Verdict::Refused(self.blame(findings, tree)),
            Validation::HookMissing => {
                let place = match &self.parts.hook {
                    Some(hook) => format!("{} is there, and Icinga does not read it", hook.display()),
                    None => format!(
                        "its configuration does not include {}; add the lines that docs/agent.md shows to icinga2.conf",
                        self.parts.trees.directory().join(ACTIVE).display()
                    ),
                };
                Verdict::HookMissing(format!("Icinga would not load the set: {place}"))
            }
            Validation::Crashed(why) => Verdict::Crashed(format!("Icinga's validator crashed: {why}")),
            Validation::Killed(why) => Verdict::Killed(format!("Icinga's validator was killed: {why}")),
            Validation::TimedOut(limit) => {
                Verdict::TimedOut(format!("Icinga's validator did not end within {} s", limit.as_secs()))
            }
            Validation::CannotRun(why) => {
                Verdict::CannotRun(format!("Icinga's validator cannot be run: {why}"))
            }
        }
    }

    /// Returns which files of the tree the findings name.
    fn blame(&self, findings: Vec<Finding>, tree: &Tree) -> Blame {
        let objects = self.parts.trees.path(tree).join("objects.d");
        let prefix = format!("{}/", objects.display());
        let mut blame = Blame::default();
        let node_name = self.constants.as_ref().map(|constants| constants.node_name.as_str());
        for finding in findings {
            let remedy = finding.remedy(node_name);
            let Finding { file, line, message, .. } = finding;
            // Which tree it was helps nobody, and the rest would be cut.
            let message = message.replace(&prefix, "");
            let message = remedy.map(|remedy| format!("{remedy}: {message}")).unwrap_or(message);
            let path = file.as_deref().map(std::path::Path::new);
            let key = path.and_then(|path| path.strip_prefix(&objects).ok()?.to_str());
            match key.filter(|key| tree.files.contains_key(*key)) {
                Some(key) => {
                    blame.keys.entry(key.to_owned()).or_insert(message);
                }
                None => {
                    let place = file.map_or_else(String::new, |file| match line {
                        Some(line) => format!("{file}:{line}: "),
                        None => format!("{file}: "),
                    });
                    blame.others.push(format!("{place}{message}"));
                }
            }
        }
        blame
    }

    /// Puts the file by which Icinga includes the set in place, if it is not.
    async fn write_hook(&self) -> Result<(), String> {
        let Some(path) = self.parts.hook.clone() else { return Ok(()) };
        let text = hook(&self.parts.trees.directory().join(ACTIVE).to_string_lossy());
        let trees = self.parts.trees.clone();
        blocking(move || trees.write_hook(&path, &text).map_err(|error| error.to_string())).await.flatten()
    }

    fn api(&self) -> Option<Api> {
        let constants = self.constants.as_ref()?;
        Some(Api {
            address: self.parts.icinga,
            ca: constants.data_dir.as_ref()?.join("certs/ca.crt"),
            node_name: constants.node_name.clone(),
            password: self.parts.password.clone(),
        })
    }

    async fn reload(&self) -> Result<(), String> {
        let unknown = || "nothing is known of Icinga yet".to_owned();
        self.write_hook().await?;
        match self.parts.reload {
            Reload::Api => {
                let api = self.api().ok_or_else(unknown)?;
                api.restart().await.map_err(|error| error.to_string())
            }
            Reload::Signal => {
                let constants = self.constants.as_ref();
                let pid_file = constants.and_then(|found| found.pid_file.clone()).ok_or_else(unknown)?;
                let signalled = move || {
                    let umbrella = Umbrella::find(&pid_file).map_err(|error| error.to_string())?;
                    umbrella.reload().map_err(|error| format!("SIGHUP to {}: {error}", umbrella.pid()))
                };
                blocking(signalled).await.flatten()
            }
        }
    }

    async fn probe(&self) -> Probe {
        let Some(api) = self.api() else { return Probe::Silent("nothing is known of it yet".into()) };
        match api.marker().await {
            Ok(marker) => Probe::Marker(marker.value),
            Err(why @ (NotYet::Unauthorized | NotYet::NotFound(_))) => Probe::NoMarker(why.to_string()),
            Err(why) => Probe::Silent(why.to_string()),
        }
    }

    async fn check(&mut self, since: Duration, is_first: bool) -> Result<Checked, String> {
        let api = self.api().ok_or("nothing is known of Icinga yet")?;
        let counted = self.checkables.filter(|_| !is_first);
        let checked = match counted {
            Some(checkables) => api.overdue(since).await.map(|checked| Checked { checkables, ..checked }),
            None => api.checks(since).await,
        };
        let checked = checked.map_err(|error| error.to_string())?;
        self.checkables = Some(checked.checkables);
        Ok(checked)
    }

    /// Updates the log, the metrics, the probes and the report.
    fn publish(&mut self) {
        for effect in self.agent.take_effects() {
            self.parts.metrics.record(&effect);
            log(&effect);
        }
        let missing = (!self.agent.has_tree()).then(|| "no set is in place yet".to_owned());
        self.parts.readiness.set("tree", missing);
        let version = self.constants.as_ref().map(|constants| constants.version.clone()).unwrap_or_default();
        let report = self.agent.report(&version);
        let is_loaded = matches!(report.result, AgentResult::Loaded | AgentResult::LoadedInPart);
        let objects = self.agent.good().map_or(0, |good| good.files.len());
        self.parts.metrics.observe(&report, objects, is_loaded);
        let running = self.agent.good().filter(|_| report.running.is_some());
        let running = running.map_or_else(|| self.nothing.clone(), |good| good.files.clone());
        let reported = Reported { report, running };
        self.parts.reports.send_if_modified(|current| {
            let is_new = !current.as_ref().is_some_and(|current| current.is_same(&reported));
            *current = Some(reported);
            is_new
        });
    }
}

fn log(effect: &Effect) {
    match effect {
        Effect::Loaded { revision, objects, held, durations } => {
            tracing::info!(%revision, objects, held, ?durations, "Icinga has loaded the set");
        }
        Effect::Refused(refusal) => tracing::warn!(
            revision = %refusal.revision,
            result = refusal.result.as_str(),
            object = refusal.object.as_deref().unwrap_or_default(),
            why = %refusal.message,
            "the set is not loaded; the last good one stays"
        ),
        Effect::RolledBack => tracing::warn!("the last good set is put back"),
        Effect::Failed(why) => tracing::warn!(%why, "a step failed and is tried again"),
        Effect::Restored(why) => tracing::warn!(%why, "Icinga is reloaded, because it runs another set"),
    }
}

/// Runs slow work on a thread of its own, where it blocks no other task.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| format!("a task failed: {error}"))
}
