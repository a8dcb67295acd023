//! The CRD's schema, as the program prints it.

use serde_json::Value;
use std::process::Command;

/// The schema of a MonitoringObject's `spec`.
pub fn spec() -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_groundlink")).arg("crd").output().unwrap();
    let crds: Vec<Value> = serde_saphyr::from_multiple(std::str::from_utf8(&output.stdout).unwrap()).unwrap();
    let mut crd = crds.into_iter().find(|crd| crd["spec"]["names"]["kind"] == "MonitoringObject").unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].take()
}

/// Members of `spec` that declare an Icinga type; the others are fields of every type.
pub fn members(spec: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let properties = spec["properties"].as_object().unwrap().iter();
    properties.filter(|(_, schema)| schema["type"] == "object").map(|(name, schema)| (name.as_str(), schema))
}
