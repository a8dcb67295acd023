//! `groundlink render`: manifests in, configuration out, without a cluster.

use crate::api::MonitoringObject;
use crate::identity::{ObjectKey, Uid};
use crate::references::{IcingaVersion, Index, itl};
use crate::render::render;
use crate::validate::Settings;
use crate::validate::validate;
use anyhow::{Context as _, bail};
use clap::Args;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Exit code 0: everything was rendered; 1: at least one object was refused; 2: the manifests cannot be read.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Files or directories with manifests (YAML or JSON, several documents); - for standard input.
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Write the files below this directory as the operator would, in place of printing them.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Namespace of manifests that name none.
    #[arg(short = 'n', long, default_value = "default", value_name = "NAME")]
    namespace: String,
    /// Namespaces whose resources may declare commands.
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "groundlink")]
    privileged_namespaces: Vec<String>,
    /// Objects that Icinga has from elsewhere, as Type!name.
    #[arg(long, value_name = "TYPE!NAME", value_delimiter = ',')]
    external_objects: Vec<String>,
    /// Version of Icinga 2.
    #[arg(long, value_enum, default_value = "2.13")]
    icinga_version: IcingaVersion,
}

pub fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match run(arguments) {
        Ok(code) => Ok(code),
        Err(error) => {
            eprintln!("groundlink render: {error:#}");
            Ok(ExitCode::from(2))
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let settings = Settings::new(&arguments.privileged_namespaces, &arguments.external_objects)
        .map_err(anyhow::Error::msg)?;
    let mut objects: BTreeMap<ObjectKey, MonitoringObject> = BTreeMap::new();
    for path in &arguments.files {
        for (source, text) in read(path)? {
            for mut object in parse(&text).with_context(|| source.clone())? {
                let name = object
                    .metadata
                    .name
                    .clone()
                    .with_context(|| format!("{source}: metadata.name is missing"))?;
                let namespace = object.metadata.namespace.get_or_insert_with(|| arguments.namespace.clone());
                let key = ObjectKey::new(namespace, &name);
                if objects.insert(key.clone(), object).is_some() {
                    bail!("{source}: MonitoringObject {key} is there twice");
                }
            }
        }
    }
    let reserved =
        itl(arguments.icinga_version).into_iter().chain(settings.external_objects.iter().cloned()).collect();
    let mut index = Index::new(reserved);
    let mut refused: BTreeMap<&ObjectKey, String> = BTreeMap::new();
    for (order, (key, object)) in objects.iter().enumerate() {
        match validate(object, &settings) {
            // Without a cluster nobody knows who is older: the order of the names decides.
            Ok(declaration) => {
                index.upsert(order as i64, &Uid::new(&key.to_string()), Arc::new(render(key, &declaration)))
            }
            Err(refusal) => {
                refused.insert(key, format!("{:?}: {}", refusal.reason, refusal.message));
            }
        }
    }
    index.resolve();
    for key in objects.keys() {
        if let Some(waiting) = index.waiting(key) {
            refused.insert(key, format!("{:?}: {}", waiting.reason, waiting.message));
        }
        if let Some(content) = index.visible(key) {
            match &arguments.out {
                Some(directory) => write(&directory.join(key.path()), &content.bytes())?,
                None => print!("{}", content.text()),
            }
        }
    }
    for (key, why) in &refused {
        eprintln!("MonitoringObject {key}: {why}");
    }
    Ok(if refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Source and text of a file, of the manifests in a directory, or of standard input.
fn read(path: &Path) -> anyhow::Result<Vec<(String, String)>> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
        return Ok(vec![("standard input".into(), text)]);
    }
    let name = path.display().to_string();
    if !path.is_dir() {
        return Ok(vec![(
            name.clone(),
            std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?,
        )]);
    }
    let mut paths: Vec<_> = std::fs::read_dir(path)
        .with_context(|| format!("cannot list {name}"))?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    paths.retain(|path| {
        path.is_dir()
            || path.extension().is_some_and(|ext| ["yaml", "yml", "json"].iter().any(|known| ext == *known))
    });
    let mut all = Vec::new();
    for path in paths {
        all.extend(read(&path)?);
    }
    Ok(all)
}

/// The MonitoringObjects among the documents; other kinds are passed over, so that the output of Helm can be given.
fn parse(text: &str) -> anyhow::Result<Vec<MonitoringObject>> {
    let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(text).context("not valid YAML")?;
    let mut objects = Vec::new();
    for document in documents {
        let items = match document.get("items").and_then(|items| items.as_array()) {
            Some(items) => items.clone(),
            None => vec![document],
        };
        for item in items {
            let field =
                |name: &str| item.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
            if field("kind") != "MonitoringObject" || !field("apiVersion").starts_with("groundlink.dev/") {
                continue;
            }
            let name = item["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let object: MonitoringObject =
                serde_json::from_value(item.clone()).with_context(|| format!("MonitoringObject {name:?}"))?;
            let known = serde_json::to_value(&object.spec)?;
            if let Some(field) = unknown_field(&item["spec"], &known, "spec") {
                bail!("MonitoringObject {name:?}: {field} is not a field; see `kubectl explain mo.spec`");
            }
            objects.push(object);
        }
    }
    Ok(objects)
}

/// The first field that was given and not understood: an API server would refuse it, and a typo must not go unseen. Empty
/// values are left out when the object is written again, so their absence means nothing.
fn unknown_field(given: &serde_json::Value, known: &serde_json::Value, path: &str) -> Option<String> {
    use serde_json::Value::{Array, Bool, Null, Object};
    match (given, known) {
        (Object(given), Object(known)) => given.iter().find_map(|(key, value)| match known.get(key) {
            Some(understood) => unknown_field(value, understood, &format!("{path}.{key}")),
            None => match value {
                Null | Bool(false) => None,
                Array(items) if items.is_empty() => None,
                Object(fields) if fields.is_empty() => None,
                _ => Some(format!("{path}.{key}")),
            },
        }),
        (Array(given), Array(known)) => {
            let pairs = given.iter().zip(known).enumerate();
            pairs
                .into_iter()
                .find_map(|(i, (given, known))| unknown_field(given, known, &format!("{path}[{i}]")))
        }
        _ => None,
    }
}
