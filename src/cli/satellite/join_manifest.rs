//! `groundlink satellite join-manifest`: prints the objects of a join as YAML, without contacting
//! any cluster.

use crate::cli::clusters::{Endpoint, HubArguments, SatelliteArguments, endpoint};
use crate::cli::join::endpoint::EndpointArguments;
use crate::cli::join::objects;
use crate::cli::join::objects::{AccountArguments, AccountSettings, Credential, HubObjectArguments};
use crate::cli::output::{Document, Format, document, print, span};
use crate::cli::usage::program;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Placeholder of the token.
const TOKEN: &str = "<TOKEN>";
/// Placeholder of the URL.
const SERVER: &str = "https://<SATELLITE>:6443";

/// Prints the objects that `satellite add` would apply: those of the satellite, then those of the
/// hub, with a placeholder for the token and the command that makes one. No cluster is contacted.
///
/// The server and its certificate authorities come from the satellite's context if one is named,
/// or from --server and --ca-file.
#[derive(Debug, Args)]
#[command(after_help = crate::cli::usage::EXIT_CODES)]
pub(crate) struct Arguments {
    /// Name of the satellite, which is also that of its SatelliteCluster on the hub.
    #[arg(value_parser = crate::cli::usage::object_name)]
    name: String,
    /// Print the objects of one cluster only, for a pipe to kubectl or a repository of that
    /// cluster.
    #[arg(long, value_enum, value_name = "CLUSTER")]
    only: Option<Part>,
    /// Form of the result: text is YAML with comments; json and yaml are one document with
    /// `satellite` and `hub`.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
    #[command(flatten)]
    account: AccountArguments,
    #[command(flatten)]
    objects: HubObjectArguments,
    #[command(flatten)]
    endpoint: EndpointArguments,
    #[command(flatten)]
    satellite: SatelliteArguments,
    #[command(flatten)]
    hub: HubArguments,
}

/// The objects of one cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The objects of the satellite.
    Satellite,
    /// The objects of the hub.
    Hub,
}

/// The objects as one document.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct JoinManifest {
    #[serde(skip_serializing_if = "Option::is_none")]
    satellite: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hub: Option<Vec<Value>>,
}

impl Document for JoinManifest {
    const KIND: &'static str = "JoinManifest";
}

pub(super) fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut context = match arguments.satellite.is_given() {
        true => endpoint(&arguments.satellite)?,
        false => Endpoint::default(),
    };
    context.server.get_or_insert_with(|| SERVER.to_owned());
    let credential = Credential { token: TOKEN.into(), ..arguments.endpoint.resolve(context)? };
    let operator = &arguments.hub.operator_namespace;
    let mut account = arguments.account.settings(&Value::Null, None);
    if let Some(pointer) = &arguments.objects.target_name {
        account.pointer.clone_from(pointer);
    }
    let bound = account.bound_secret();
    let secret = arguments.objects.secret_name.as_ref().unwrap_or(&arguments.name);
    let mut satellite = objects::satellite(&account, &bound);
    if arguments.account.create_namespace {
        satellite.insert(0, objects::namespace(&account));
    }
    let hub = vec![
        objects::hub_secret(operator, secret, &credential),
        objects::satellite_cluster(
            (operator, &arguments.name),
            json!({}),
            secret,
            &account,
            &bound,
            &arguments.objects,
        ),
    ];
    let wanted = |part| arguments.only.is_none_or(|only| only == part);
    if arguments.output != Format::Text {
        let both = JoinManifest {
            satellite: wanted(Part::Satellite).then_some(satellite),
            hub: wanted(Part::Hub).then_some(hub),
        };
        document(&both, arguments.output)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    if wanted(Part::Satellite) {
        let title = "On the satellite: an account that may write ConfigMaps in one namespace, and read the Leases of agents.";
        text += &documents(title, &satellite)?;
    }
    if wanted(Part::Hub) {
        text += &documents(&hub_comment(arguments, &account, &credential, secret), &hub)?;
    }
    print(format_args!("{text}"))?;
    Ok(ExitCode::SUCCESS)
}

fn hub_comment(
    arguments: &Arguments,
    account: &AccountSettings,
    credential: &Credential,
    secret: &str,
) -> String {
    let context = arguments.satellite.flags();
    let mut text = format!(
        "On the hub. Once the account is on the satellite, make {TOKEN} with\n\
         kubectl{context} -n {} create token {} --bound-object-kind=Secret --bound-object-name={} --duration={}\n\
         It is a password: keep it out of Git (a sealed or external Secret), and apply it with\n\
         kubectl apply --server-side, because client-side apply copies it into an annotation.\n",
        account.namespace,
        account.account,
        account.bound_secret(),
        span(account.lifetime)
    );
    if credential.server == SERVER {
        text += "Set server to the URL that the hub's Pods reach, and add key ca.crt with its certificate authority.\n";
    }
    text += &format!(
        "Or leave the Secret out and let this command make Secret {}/{secret}:\n{} satellite add {}{}{}{}{}{}\n\
         Then: {} satellite check {}{}",
        arguments.hub.operator_namespace,
        program(),
        arguments.name,
        match context.is_empty() {
            true => " --context <SATELLITE>",
            false => &context,
        },
        arguments.endpoint.flags(),
        arguments.account.flags(),
        arguments.objects.flags(),
        arguments.hub.flags(),
        program(),
        arguments.name,
        arguments.hub.flags()
    );
    text
}

fn documents(title: &str, objects: &[Value]) -> anyhow::Result<String> {
    let mut text = String::new();
    for (i, object) in objects.iter().enumerate() {
        text += "---\n";
        if i == 0 {
            for line in title.lines() {
                text += &format!("# {line}\n");
            }
        }
        text += &serde_saphyr::to_string(object)?;
    }
    Ok(text)
}
