//! `groundlink selftest`: proves that the operator publishes, with an object of its own.
//! `helm test` runs it in a Pod.

use super::clusters::{Cluster, HubArguments, Refused};
use super::output::progress;
use super::usage::{block_on, duration, object_name};
use crate::api::MonitoringObject;
use crate::text::clean;
use anyhow::bail;
use clap::{Args, ValueEnum};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, PostParams, Preconditions};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Name of the object. The Role of `helm test` has it as well.
const NAME: &str = "groundlink-selftest";
/// Marks the object as one that may be deleted.
const LABEL: &str = "groundlink.dev/selftest";
/// Pause between two looks at the object.
const PAUSE: Duration = Duration::from_millis(500);

/// Prove that the operator works: create a MonitoringObject (an empty HostGroup), wait until the
/// operator published it, and delete it.
#[derive(Debug, Args)]
#[command(after_help = crate::cli::usage::EXIT_CODES)]
pub(crate) struct Arguments {
    /// Namespace of the object. Default: the operator's.
    #[arg(long, value_name = "NAME", value_parser = object_name)]
    namespace: Option<String>,
    /// What to wait for.
    #[arg(long = "for", value_enum, default_value_t = Goal::Ready)]
    goal: Goal,
    /// How long to wait.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration)]
    timeout: Duration,
    #[command(flatten)]
    hub: HubArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Goal {
    /// The file of the object is in place on the hub's volume.
    Ready,
    /// Every satellite that should hold the object acknowledged it as well.
    Synced,
}

/// Runs the command.
pub(super) fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    block_on(run(arguments))
}

async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let hub = Cluster::hub(&arguments.hub).await?;
    let namespace = arguments.namespace.as_deref().unwrap_or(&arguments.hub.operator_namespace);
    let test = Test {
        api: hub.objects(&ApiResource::erase::<MonitoringObject>(&()), Some(namespace)),
        hub,
        namespace,
    };
    let end = Instant::now() + arguments.timeout;
    let created = test.create().await?;
    progress(&format!("created {}", test.subject()));
    let started = Instant::now();
    let waited = test.wait(arguments.goal, end).await;
    if waited.is_ok() {
        let goal = if arguments.goal == Goal::Ready { "Ready" } else { "Synced" };
        progress(&format!("{} is {goal} after {:.1} s", test.subject(), started.elapsed().as_secs_f64()));
    }
    // Also after a failure. The failure matters more than a failed cleanup.
    let deleted = test.delete(&created).await;
    waited?;
    deleted?;
    test.is_gone(end).await?;
    progress(&format!("deleted {}", test.subject()));
    Ok(ExitCode::SUCCESS)
}

struct Test<'a> {
    hub: Cluster,
    namespace: &'a str,
    api: Api<DynamicObject>,
}

impl Test<'_> {
    fn subject(&self) -> String {
        format!("MonitoringObject {}/{NAME}", self.namespace)
    }

    /// Creates the object. One that an interrupted run left is deleted first.
    async fn create(&self) -> anyhow::Result<DynamicObject> {
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "groundlink.dev/v1alpha1",
            "kind": "MonitoringObject",
            "metadata": { "name": NAME, "namespace": self.namespace, "labels": { LABEL: "true" } },
            "spec": { "hostGroup": { "displayName": "Created by groundlink selftest" } },
        }))?;
        match self.post(&object).await {
            Err(refused) if refused.is(409) => {}
            result => return Ok(result?),
        }
        let action = format!("read {}", self.subject());
        if let Some(left) = self.hub.ask(&action, self.api.get_opt(NAME)).await? {
            let marked = left.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(LABEL));
            if !marked {
                bail!(
                    "{} exists and does not have the label {LABEL}; delete it, or choose another --namespace",
                    self.subject()
                );
            }
            self.delete(&left).await?;
        }
        Ok(self.post(&object).await?)
    }

    async fn post(&self, object: &DynamicObject) -> Result<DynamicObject, Refused> {
        let action = format!("create {}", self.subject());
        self.hub.ask(&action, self.api.create(&PostParams::default(), object)).await
    }

    /// Deletes this object, and no other of its name.
    async fn delete(&self, object: &DynamicObject) -> Result<(), Refused> {
        let preconditions = Preconditions { uid: object.metadata.uid.clone(), resource_version: None };
        let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        let action = format!("delete {}", self.subject());
        match self.hub.ask(&action, self.api.delete(NAME, &parameters)).await {
            Err(refused) if !refused.is(404) => Err(refused),
            _ => Ok(()),
        }
    }

    /// Waits until the operator reports the goal. A request that fails is repeated.
    async fn wait(&self, goal: Goal, end: Instant) -> anyhow::Result<()> {
        loop {
            let action = format!("read {}", self.subject());
            let seen = match self.hub.ask(&action, self.api.get(NAME)).await {
                Ok(object) => match judge(&object, goal) {
                    Progress::Reached => return Ok(()),
                    Progress::Refused(why) => bail!("{}: {why}", self.subject()),
                    Progress::Waiting(why) => why,
                },
                Err(refused) => refused.to_string(),
            };
            if Instant::now() >= end {
                bail!("{}: {seen}; the time of --timeout is over", self.subject());
            }
            sleep(PAUSE).await;
        }
    }

    async fn is_gone(&self, end: Instant) -> anyhow::Result<()> {
        loop {
            let action = format!("read {}", self.subject());
            match self.hub.ask(&action, self.api.get_opt(NAME)).await? {
                None => return Ok(()),
                Some(_) if Instant::now() >= end => {
                    bail!("{}: it was deleted and is still there; look at its finalizers", self.subject())
                }
                Some(_) => sleep(PAUSE).await,
            }
        }
    }
}

/// How far the object is.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Reached,
    /// A person must act, for this reason.
    Refused(String),
    /// It is not there yet, for this reason.
    Waiting(String),
}

/// Judges the status of an object. It is read as plain JSON, so that a newer operator's can be read.
fn judge(object: &DynamicObject, goal: Goal) -> Progress {
    let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
    let current = |kind: &str| {
        conditions?.iter().find(|condition| {
            condition["type"] == kind
                && condition["observedGeneration"].as_i64() == object.metadata.generation
        })
    };
    let text = |condition: &Value| {
        let field = |name: &str| condition[name].as_str().unwrap_or_default().to_owned();
        clean(&format!("{}: {}", field("reason"), field("message")), 1000)
    };
    let is_true = |kind: &str| current(kind).filter(|condition| condition["status"] == "True");
    if let Some(stalled) = is_true("Stalled") {
        return Progress::Refused(text(stalled));
    }
    let wanted: &[&str] = if goal == Goal::Ready { &["Ready"] } else { &["Ready", "Synced"] };
    for kind in wanted {
        if is_true(kind).is_none() {
            return Progress::Waiting(match current(kind) {
                Some(condition) => format!("{kind} is not True: {}", text(condition)),
                None => {
                    "the operator has not written its status; see whether it runs, and its /readyz".into()
                }
            });
        }
    }
    Progress::Reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(generation: i64, conditions: Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "groundlink.dev/v1alpha1", "kind": "MonitoringObject",
            "metadata": { "name": NAME, "generation": generation }, "status": { "conditions": conditions },
        }))
        .unwrap()
    }

    fn condition(kind: &str, status: &str) -> Value {
        json!({ "type": kind, "status": status, "observedGeneration": 2, "reason": "Why", "message": "text" })
    }

    #[test]
    fn only_conditions_of_this_generation_count() {
        let ready = json!([condition("Ready", "True"), condition("Synced", "False")]);
        assert_eq!(judge(&object(2, ready.clone()), Goal::Ready), Progress::Reached);
        let Progress::Waiting(why) = judge(&object(2, ready.clone()), Goal::Synced) else { panic!() };
        assert_eq!(why, "Synced is not True: Why: text");
        let Progress::Waiting(why) = judge(&object(3, ready), Goal::Ready) else { panic!() };
        assert!(why.contains("has not written"), "{why}");
        let synced = json!([condition("Ready", "True"), condition("Synced", "True")]);
        assert_eq!(judge(&object(2, synced), Goal::Synced), Progress::Reached);
    }

    #[test]
    fn a_stalled_object_ends_the_wait() {
        let stalled = json!([condition("Ready", "False"), condition("Stalled", "True")]);
        assert_eq!(judge(&object(2, stalled), Goal::Ready), Progress::Refused("Why: text".into()));
    }
}
