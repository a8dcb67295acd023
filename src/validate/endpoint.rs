use super::builder::Builder;
use super::declaration::Declaration;
use super::facts::listed;
use super::name::{IcingaType, Name};
use super::needs::Use;
use super::value::Value;
use crate::api::objects::EndpointSpec;
use crate::api::text::{EndpointName, Line};

pub(super) fn declare(mut builder: Builder, spec: &EndpointSpec) -> Result<Declaration, String> {
    let name = builder.name();
    if name.chars().count() > EndpointName::MAX {
        builder.problem_with_name(&format!(
            "is longer than {} characters, and it is the common name of a certificate; shorten it",
            EndpointName::MAX
        ));
    }
    builder.provide(Name::object(IcingaType::Endpoint, &name), true);
    builder.require(Use { mutual: true, ..Use::one(listed(&name)) });
    builder.text("host", "host", spec.host.as_ref().map(Line::as_str), Line::MAX);
    match spec.port {
        Some(port) if (1..=65535).contains(&port) => builder.value("port", Value::String(port.to_string())),
        Some(port) => builder.problem("port", &format!("is {port}; set a number from 1 to 65535")),
        None => {}
    }
    builder.duration("log_duration", "logDuration", spec.log_duration.as_ref(), false);
    builder.finish()
}
