//! Writing and deleting objects. They are written by server-side apply, which changes only our own
//! fields and leaves no copy of a Secret in an annotation.

use crate::api::marks::{CLI_MANAGER, MANAGED_BY, OPERATOR_MANAGER};
use crate::cli::clusters::{Cluster, Refused, satellite_clusters};
use crate::cli::report::{Line, Outcome};
use crate::cli::usage::DryRun;
use crate::text::clean;
use anyhow::{anyhow, bail};
use k8s_openapi::ByteString;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions, ValidationDirective,
};
use serde_json::{Value, json};

/// How objects are written.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Mode {
    /// Whether anything is stored, or sent at all.
    pub(in crate::cli) dry_run: DryRun,
    /// Take over fields that other managers own.
    pub(in crate::cli) force: bool,
}

impl Mode {
    /// Returns the mode of a question that must not be stored in any case.
    pub(in crate::cli) fn asking(self) -> Self {
        Self { dry_run: self.dry_run.asking(), ..self }
    }
}

/// Returns the resource of a kind.
///
/// # Errors
/// If these commands do not make objects of that kind.
pub(crate) fn resource(kind: &str) -> anyhow::Result<ApiResource> {
    Ok(match kind {
        "Namespace" => ApiResource::erase::<Namespace>(&()),
        "ServiceAccount" => ApiResource::erase::<ServiceAccount>(&()),
        "Secret" => ApiResource::erase::<Secret>(&()),
        "Role" => ApiResource::erase::<Role>(&()),
        "RoleBinding" => ApiResource::erase::<RoleBinding>(&()),
        "Lease" => ApiResource::erase::<Lease>(&()),
        "SatelliteCluster" => satellite_clusters(),
        other => bail!("this program makes no objects of kind {other}"),
    })
}

/// Returns kind, namespace and name of a manifest.
fn identity(object: &Value) -> (&str, Option<&str>, &str) {
    let metadata = &object["metadata"];
    let kind = object["kind"].as_str().unwrap_or_default();
    (kind, metadata["namespace"].as_str(), metadata["name"].as_str().unwrap_or_default())
}

/// Returns the name of a manifest in messages: `Secret groundlink/edge-a`.
pub(crate) fn described(object: &Value) -> String {
    let (kind, namespace, name) = identity(object);
    namespace.map_or_else(|| format!("{kind} {name}"), |namespace| format!("{kind} {namespace}/{name}"))
}

/// Returns the line of a manifest in the report.
pub(crate) fn line(cluster: &Cluster, object: &Value, result: Outcome, note: Option<String>) -> Line {
    let (kind, namespace, name) = identity(object);
    Line {
        cluster: cluster.side,
        kind: kind.to_owned(),
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
        result,
        note,
    }
}

/// Returns the stored object of a manifest's kind and name. `None` if there is none.
///
/// # Errors
/// If it cannot be read.
pub(crate) async fn read(cluster: &Cluster, object: &Value) -> anyhow::Result<Option<DynamicObject>> {
    let (kind, namespace, name) = identity(object);
    let api = cluster.objects(&resource(kind)?, namespace);
    Ok(cluster.ask(&format!("read {}", described(object)), api.get_opt(name)).await?)
}

/// Applies a manifest. In a dry run of the server it judges the manifest and stores nothing; in one
/// of the client nothing is sent, and the result follows from what is there. An object that is as it
/// should be is not written: even an apply that changes nothing can change the resourceVersion, and
/// it makes us an owner of what others keep.
///
/// # Errors
/// If the server refuses it or does not answer. A conflict names the owner of each field.
pub(in crate::cli) async fn apply(
    cluster: &Cluster,
    object: &Value,
    mode: Mode,
) -> anyhow::Result<(Line, DynamicObject)> {
    let old = read(cluster, object).await?;
    if mode.dry_run == DryRun::Client {
        let (result, new) = would_be(old.as_ref(), object)?;
        return Ok((line(cluster, object, result, None), new));
    }
    if let Some(old) = &old {
        let judged = ask(cluster, object, mode.asking()).await?;
        if content(old)? == content(&judged)? {
            return Ok((line(cluster, object, Outcome::Unchanged, None), judged));
        }
    }
    let new = ask(cluster, object, mode).await?;
    let result = if old.is_some() { Outcome::Changed } else { Outcome::Created };
    Ok((line(cluster, object, result, None), new))
}

/// Returns what an apply would do, without asking the server, and the object after it.
fn would_be(old: Option<&DynamicObject>, manifest: &Value) -> anyhow::Result<(Outcome, DynamicObject)> {
    let Some(old) = old.map(serde_json::to_value).transpose()? else {
        return Ok((Outcome::Created, serde_json::from_value(manifest.clone())?));
    };
    let mut new = old.clone();
    overlay(&mut new, manifest);
    let result = if new == old { Outcome::Unchanged } else { Outcome::Changed };
    Ok((result, serde_json::from_value(new)?))
}

/// Sets what a manifest says. Other fields stay.
fn overlay(object: &mut Value, manifest: &Value) {
    match (object, manifest) {
        (Value::Object(object), Value::Object(manifest)) => {
            for (key, value) in manifest {
                overlay(object.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (object, manifest) => object.clone_from(manifest),
    }
}

async fn ask(cluster: &Cluster, object: &Value, mode: Mode) -> anyhow::Result<DynamicObject> {
    let dry_run = mode.dry_run.is_dry();
    let answer = match patch(cluster, object, dry_run, mode.force).await {
        Err(refused) if only_the_operators(&refused) => patch(cluster, object, dry_run, true).await,
        other => other,
    };
    answer.map_err(|refused| explain(refused, object))
}

async fn patch(
    cluster: &Cluster,
    object: &Value,
    dry_run: bool,
    force: bool,
) -> Result<DynamicObject, Refused> {
    let (kind, namespace, name) = identity(object);
    let resource = resource(kind).map_err(|error| Refused::local(&error.to_string()))?;
    let api = cluster.objects(&resource, namespace);
    let parameters = PatchParams {
        dry_run,
        force,
        field_manager: Some(CLI_MANAGER.into()),
        // Without it a server silently drops the fields that it does not know.
        field_validation: Some(ValidationDirective::Strict),
    };
    let patch = Patch::Apply(object);
    cluster.ask(&format!("apply {}", described(object)), api.patch(name, &parameters, &patch)).await
}

/// Returns the managers that own what was to be written, each with the field.
fn conflicts(refused: &Refused) -> Vec<(String, String)> {
    let details =
        refused.status.as_ref().filter(|status| status.code == 409).and_then(|s| s.details.as_ref());
    let causes = details.map(|details| details.causes.as_slice()).unwrap_or_default();
    causes
        .iter()
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| {
            // The message is: conflict with "MANAGER" using v1
            let manager = cause.message.split('"').nth(1).unwrap_or(&cause.message);
            (clean(manager, 100), clean(&cause.field, 200))
        })
        .collect()
}

/// Returns whether only the operator owns what was to be written: it renews tokens, and these
/// commands may replace them.
fn only_the_operators(refused: &Refused) -> bool {
    let conflicts = conflicts(refused);
    !conflicts.is_empty() && conflicts.iter().all(|(manager, _)| manager == OPERATOR_MANAGER)
}

fn explain(refused: Refused, object: &Value) -> anyhow::Error {
    let conflicts = conflicts(&refused);
    if !conflicts.is_empty() {
        let owned: Vec<_> =
            conflicts.iter().map(|(manager, field)| format!("{field} is {manager}'s")).collect();
        return anyhow!(
            "{} exists with other content: {}; change it there, or take it over with --force-conflicts",
            described(object),
            owned.join(", ")
        );
    }
    // A refused value comes with its own explanation; an unknown field does not.
    let said = refused.to_string();
    let unknown = ["unknown field", "field not declared in schema"].iter().any(|words| said.contains(words));
    if object["kind"] == "SatelliteCluster" && unknown {
        return anyhow!("{refused}; the hub's CRDs do not know this field: upgrade Groundlink there");
    }
    refused.into()
}

/// Returns an object without the metadata that the server sets.
fn content(object: &DynamicObject) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(object)?;
    for field in ["managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"] {
        value["metadata"].as_object_mut().map(|metadata| metadata.remove(field));
    }
    value.as_object_mut().map(|object| object.remove("status"));
    Ok(value)
}

/// Returns whether this program made an object.
pub(crate) fn is_ours(object: &DynamicObject) -> bool {
    object
        .metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(MANAGED_BY.0))
        .is_some_and(|v| v == MANAGED_BY.1)
}

/// Deletes the object that a manifest names, if this program made it.
///
/// # Errors
/// If it cannot be read or deleted.
pub(in crate::cli) async fn delete(
    cluster: &Cluster,
    object: &Value,
    dry_run: DryRun,
) -> anyhow::Result<Line> {
    match read(cluster, object).await? {
        None => Ok(line(cluster, object, Outcome::Absent, None)),
        Some(found) if !is_ours(&found) => {
            let note = format!(
                "this program did not make it (no label {}={}); delete it yourself if it is yours",
                MANAGED_BY.0, MANAGED_BY.1
            );
            Ok(line(cluster, object, Outcome::Left, Some(note)))
        }
        Some(_) if dry_run == DryRun::Client => Ok(line(cluster, object, Outcome::Deleted, None)),
        Some(found) => delete_this(cluster, object, found.metadata.uid, dry_run).await,
    }
}

/// Deletes the object if it has this uid; another object of its name stays.
///
/// # Errors
/// If it cannot be deleted.
pub(in crate::cli) async fn delete_this(
    cluster: &Cluster,
    object: &Value,
    uid: Option<String>,
    dry_run: DryRun,
) -> anyhow::Result<Line> {
    let (kind, namespace, name) = identity(object);
    let api = cluster.objects(&resource(kind)?, namespace);
    let parameters = DeleteParams {
        preconditions: Some(Preconditions { uid, resource_version: None }),
        dry_run: dry_run.is_dry(),
        ..DeleteParams::default()
    };
    match cluster.ask(&format!("delete {}", described(object)), api.delete(name, &parameters)).await {
        Ok(_) => Ok(line(cluster, object, Outcome::Deleted, None)),
        Err(refused) if refused.is(404) => Ok(line(cluster, object, Outcome::Absent, None)),
        Err(refused) => Err(refused.into()),
    }
}

/// Returns a Secret in the form that the API stores: `data` in place of `stringData`. Only fields
/// that are stored can be owned.
///
/// # Errors
/// If a value cannot be encoded; text always can.
pub(crate) fn stored(mut secret: Value) -> anyhow::Result<Value> {
    let Some(plain) = secret.as_object_mut().and_then(|secret| secret.remove("stringData")) else {
        return Ok(secret);
    };
    let mut data = json!({});
    for (key, value) in plain.as_object().into_iter().flatten() {
        data[key] = serde_json::to_value(ByteString(value.as_str().unwrap_or_default().as_bytes().to_vec()))?;
    }
    secret["data"] = data;
    Ok(secret)
}

/// Converts an object to its type.
///
/// # Errors
/// If a field has another type.
pub(crate) fn typed<K: serde::de::DeserializeOwned>(object: &DynamicObject) -> anyhow::Result<K> {
    Ok(serde_json::from_value(serde_json::to_value(object)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_of_the_client_judges_by_what_is_there() {
        let manifest = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "a", "labels": { "x": "1" } },
            "data": { "token": "bmV3" },
        });
        let old = |labels: Value, token: &str| -> DynamicObject {
            serde_json::from_value(json!({
                "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": { "token": token, "more": "" },
                "metadata": { "name": "a", "uid": "1", "labels": labels },
            }))
            .unwrap()
        };
        let result = |old: Option<&DynamicObject>| would_be(old, &manifest).unwrap();
        assert_eq!(result(None).0, Outcome::Created);
        assert_eq!(result(Some(&old(json!({ "x": "1", "y": "2" }), "bmV3"))).0, Outcome::Unchanged);
        assert_eq!(result(Some(&old(json!({ "y": "2" }), "bmV3"))).0, Outcome::Changed);
        let (outcome, new) = result(Some(&old(json!({ "x": "1" }), "b2xk")));
        assert_eq!((outcome, &new.data["data"]["token"]), (Outcome::Changed, &json!("bmV3")));
        assert_eq!(new.metadata.uid.as_deref(), Some("1"));
    }
}
