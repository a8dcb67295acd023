//! `groundlink selftest`: proves that the operator publishes, with an object of its own.
//! `helm test` runs it in a Pod.

use super::clusters::{Cluster, HubArguments, Refused};
use super::look::{Found, LOOK_AGAIN, State, until};
use super::output::{print, progress};
use super::usage::{DryRun, DryRunArguments, block_on, duration, object_name};
use crate::api::MonitoringObject;
use anyhow::bail;
use clap::{Args, ValueEnum};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, PostParams, Preconditions};
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Name of the object. The Role of `helm test` has it as well.
const NAME: &str = "groundlink-selftest";
/// Marks the object as one that may be deleted.
const LABEL: &str = "groundlink.dev/selftest";
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
    dry_run: DryRunArguments,
    #[command(flatten)]
    hub: HubArguments,
}

/// What the test waits for. The account of `helm test` reads this one object, and no satellites.
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
    let operator = arguments.hub.operator_namespace.clone();
    let namespace = arguments.namespace.clone().unwrap_or_else(|| operator.clone());
    let api = hub.objects(&ApiResource::erase::<MonitoringObject>(&()), Some(&namespace));
    let test = Test { object: Found { hub, namespace, name: NAME.to_owned(), operator }, api };
    match arguments.dry_run.mode {
        DryRun::None => {}
        DryRun::Client => {
            print(format_args!("{}", serde_saphyr::to_string(&test.manifest()?)?))?;
            return Ok(ExitCode::SUCCESS);
        }
        DryRun::Server => {
            let parameters = PostParams { dry_run: true, ..PostParams::default() };
            test.post(&test.manifest()?, &parameters).await?;
            progress(&format!("dry run: nothing was written; {} would be created", test.subject()));
            return Ok(ExitCode::SUCCESS);
        }
    }
    let end = Instant::now() + arguments.timeout;
    let created = test.create().await?;
    progress(&format!("created {}", test.subject()));
    let started = Instant::now();
    let (state, goal) = match arguments.goal {
        Goal::Ready => (State::Ready, "Ready"),
        Goal::Synced => (State::Synced, "Synced"),
    };
    let waited = until(&test.object, state, end).await;
    if waited.is_ok() {
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

struct Test {
    object: Found,
    api: Api<DynamicObject>,
}

impl Test {
    fn subject(&self) -> String {
        format!("MonitoringObject {}", self.object.full_name())
    }

    fn manifest(&self) -> anyhow::Result<DynamicObject> {
        Ok(serde_json::from_value(json!({
            "apiVersion": "groundlink.dev/v1alpha1",
            "kind": "MonitoringObject",
            "metadata": { "name": NAME, "namespace": self.object.namespace, "labels": { LABEL: "true" } },
            "spec": { "hostGroup": { "displayName": "Created by groundlink selftest" } },
        }))?)
    }

    /// Creates the object. One that an interrupted run left is deleted first.
    async fn create(&self) -> anyhow::Result<DynamicObject> {
        let (object, parameters) = (self.manifest()?, PostParams::default());
        match self.post(&object, &parameters).await {
            Err(refused) if refused.is(409) => {}
            result => return Ok(result?),
        }
        if let Some(left) = self.object.object().await? {
            let marked = left.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(LABEL));
            if !marked {
                bail!(
                    "{} exists and does not have the label {LABEL}; delete it, or choose another --namespace",
                    self.subject()
                );
            }
            self.delete(&left).await?;
        }
        Ok(self.post(&object, &parameters).await?)
    }

    async fn post(&self, object: &DynamicObject, parameters: &PostParams) -> Result<DynamicObject, Refused> {
        let action = format!("create {}", self.subject());
        self.object.hub.ask(&action, self.api.create(parameters, object)).await
    }

    /// Deletes this object, and no other of its name.
    async fn delete(&self, object: &DynamicObject) -> Result<(), Refused> {
        let preconditions = Preconditions { uid: object.metadata.uid.clone(), resource_version: None };
        let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        let action = format!("delete {}", self.subject());
        match self.object.hub.ask(&action, self.api.delete(NAME, &parameters)).await {
            Err(refused) if !refused.is(404) => Err(refused),
            _ => Ok(()),
        }
    }

    async fn is_gone(&self, end: Instant) -> anyhow::Result<()> {
        let mut attempts = 0;
        while self.object.object().await?.is_some() {
            if Instant::now() >= end {
                bail!("{}: it was deleted and is still there; look at its finalizers", self.subject());
            }
            attempts += 1;
            sleep(LOOK_AGAIN.pause(attempts, rand::random())).await;
        }
        Ok(())
    }
}
