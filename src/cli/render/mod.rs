//! `groundlink render`: renders manifests to configuration without a cluster.

mod icinga;

use super::manifests::{parse, read};
use super::output::{print, write_file};
use crate::api::{IcingaVersion, Reason};
use crate::identity::{ObjectKey, Uid};
use crate::references::{Index, itl};
use crate::render::{self, Rendered};
use crate::text::clean_message;
use crate::validate::{Refusal, Settings};
use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Exit codes: 0 everything was rendered, 1 an object was refused, 2 the manifests cannot be read
/// or the files cannot be written, 3 Icinga refuses the result (--check).
#[derive(Debug, Args)]
pub struct Arguments {
    /// Files or directories with manifests (YAML or JSON, also with several documents); - for
    /// standard input.
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Write the files below this directory as the operator would, instead of printing them.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Form of the result: the configuration, or JSON with every object, published or refused.
    #[arg(short = 'o', long = "output", value_enum, default_value = "text")]
    output: Output,
    /// Let the installed icinga2 check the result (icinga2 daemon -C, for a minute at most).
    #[arg(long)]
    check: bool,
    /// Icinga configuration that declares the external objects; only --check reads it.
    #[arg(long, value_name = "FILE", requires = "check")]
    check_with: Option<PathBuf>,
    /// Namespace of manifests without metadata.namespace.
    #[arg(short = 'n', long, default_value = "default", value_name = "NAME")]
    namespace: String,
    /// Namespaces whose resources may declare commands.
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "groundlink")]
    privileged_namespaces: Vec<String>,
    /// Objects that other Icinga configuration declares, as Type!name.
    #[arg(long, value_name = "TYPE!NAME", value_delimiter = ',')]
    external_objects: Vec<String>,
    /// Constants of Icinga, beside its own such as PluginDir, that commands may name as $Name$.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    constants: Vec<String>,
    /// Version of the Icinga 2 that will load the result.
    #[arg(long, value_enum, default_value = "2.13")]
    icinga_version: IcingaVersion,
}

/// Form of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// The configuration; refusals go to standard error.
    Text,
    /// One JSON document: `published` and `refused`.
    Json,
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
    let settings = Settings::new(
        &arguments.privileged_namespaces,
        &arguments.external_objects,
        arguments.icinga_version,
    )
    .and_then(|settings| settings.with_constants(&arguments.constants))
    .map_err(anyhow::Error::msg)?;
    // Only the rendered content is kept: the objects themselves would be most of the memory.
    let mut contents: BTreeMap<ObjectKey, Result<Arc<Rendered>, Refusal>> = BTreeMap::new();
    for path in &arguments.files {
        for (source, text) in read(path)? {
            for object in parse(&text).with_context(|| source.clone())? {
                let mut object = object.with_context(|| source.clone())?;
                let name = object.metadata.name.clone().with_context(|| {
                    format!("{source}: MonitoringObject: metadata.name: missing; give the object a name")
                })?;
                let namespace = object.metadata.namespace.get_or_insert_with(|| arguments.namespace.clone());
                let key = ObjectKey::new(namespace, &name);
                let content = render::content(&key, &object, &settings).map(Arc::new);
                if contents.insert(key.clone(), content).is_some() {
                    bail!("{source}: MonitoringObject {key}: given twice; remove one of the two manifests");
                }
            }
        }
    }
    let reserved =
        itl(arguments.icinga_version).into_iter().chain(settings.external_objects.iter().cloned()).collect();
    let mut index = Index::new(reserved);
    let mut refused: BTreeMap<&ObjectKey, (Reason, String)> = BTreeMap::new();
    for (order, (key, content)) in contents.iter().enumerate() {
        match content {
            // Without a cluster no object is older than another, so the order of the names
            // decides.
            Ok(content) => index.upsert(order as i64, &Uid::new(&key.to_string()), content.clone()),
            Err(Refusal { reason, message }) => drop(refused.insert(key, (*reason, message.clone()))),
        }
    }
    index.resolve();
    for key in contents.keys() {
        if let Some(waiting) = index.waiting(key) {
            refused.insert(key, (waiting.reason, waiting.message));
        }
    }
    let published: Vec<_> = contents.keys().filter_map(|key| index.visible(key)).collect();
    if let Some(directory) = &arguments.out {
        for content in &published {
            write_file(&directory.join(content.key().path()), &content.bytes())?;
        }
    }
    match arguments.output {
        Output::Json => print(format_args!("{:#}\n", json(&published, &refused)))?,
        Output::Text => {
            if arguments.out.is_none() {
                for content in &published {
                    print(format_args!("{}", content.text()))?;
                }
            }
            for (key, (reason, why)) in &refused {
                // Cleaned, because a name that is refused for its control characters must not
                // reach the terminal.
                let key = clean_message(&key.to_string());
                eprintln!("MonitoringObject {key}: {reason:?}: {why}");
            }
        }
    }
    if arguments.check
        && let Some(why) = icinga::check(&published, arguments.check_with.as_deref())?
    {
        eprintln!("{why}");
        return Ok(ExitCode::from(3));
    }
    Ok(if refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn json(published: &[&Arc<Rendered>], refused: &BTreeMap<&ObjectKey, (Reason, String)>) -> serde_json::Value {
    let published = published.iter().map(|content| {
        let key = content.key();
        json!({
            "namespace": key.namespace(), "name": key.name(), "path": key.path(),
            "digest": content.digest().to_string(), "content": content.text(),
        })
    });
    let refused = refused.iter().map(|(key, (reason, message))| {
        json!({ "namespace": key.namespace(), "name": key.name(), "reason": reason, "message": message })
    });
    json!({ "published": published.collect::<Vec<_>>(), "refused": refused.collect::<Vec<_>>() })
}
