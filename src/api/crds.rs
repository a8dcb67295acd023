//! The CRDs as YAML: `groundlink crd` prints them, `crds/` holds the output, a test compares the
//! two.

use super::{MonitoringObject, SatelliteCluster};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

/// Returns name and YAML of each CRD, in a fixed order.
///
/// # Errors
/// If serialisation fails, which the tests exclude.
pub fn yaml() -> anyhow::Result<Vec<(String, String)>> {
    [MonitoringObject::crd(), SatelliteCluster::crd()]
        .into_iter()
        .map(|crd| {
            let name = crd.metadata.name.clone().unwrap_or_default();
            Ok((name, serde_saphyr::to_string(&finish(&crd)?)?))
        })
        .collect()
}

/// Returns the schema of a MonitoringObject, as the CRD has it.
///
/// # Errors
/// As [`yaml`].
pub(crate) fn monitoring_object_schema() -> anyhow::Result<Value> {
    let mut crd = finish(&MonitoringObject::crd())?;
    Ok(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take())
}

/// Adds what the derive cannot express. The default `observedGeneration: -1` keeps a waiter that
/// reads an object before the operator does from taking "no status" for "done".
fn finish(crd: &CustomResourceDefinition) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(crd)?;
    let versions = value["spec"]["versions"].as_array_mut().into_iter().flatten();
    for version in versions {
        let schema = &mut version["schema"]["openAPIV3Schema"];
        schema["description"] = schema["properties"]["spec"]["description"].take();
        schema["properties"]["spec"]["description"] = json!("The desired state.");
        let status = &mut schema["properties"]["status"];
        status["default"] = json!({ "observedGeneration": -1 });
        status["properties"]["observedGeneration"]["default"] = json!(-1);
        close(schema);
    }
    Ok(value)
}

/// Removes what Kubernetes ignores or stores as noise, at every level: `nullable` of optional
/// fields (a null is a mistake, not a value), and integer formats that Kubernetes does not know.
/// Joins the lines of descriptions.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.contains_key("type") {
                map.remove("nullable");
            }
            if map.get("format").and_then(Value::as_str).is_some_and(|f| f.starts_with("uint")) {
                map.remove("format");
            }
            if let Some(Value::String(description)) = map.get_mut("description") {
                *description = joined(description);
            }
            map.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// Returns a description without the line breaks of the source.
fn joined(description: &str) -> String {
    description.split_whitespace().collect::<Vec<_>>().join(" ")
}
