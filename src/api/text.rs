//! String types of the API, each with its limits. The CRD's schema has the same limits, so
//! `kubectl apply` refuses what the operator would refuse, and no field can be declared without a
//! limit.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

macro_rules! bounded_string {
    ($(#[$doc:meta])* $name:ident, max = $max:literal $(, pattern = $pattern:literal)?) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// Longest accepted value, in characters.
            pub const MAX: usize = $max;

            /// Returns the value as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                #[allow(unused_mut)]
                let mut schema = json_schema!({ "type": "string", "minLength": 1, "maxLength": $max });
                $(schema.insert("pattern".into(), $pattern.into());)?
                schema
            }
        }
    };
}

bounded_string! {
    /// Name of an Icinga object, or a reference to one: 1 to 255 characters, no `!`, no control
    /// characters. (Icinga refuses `!`; the rest follows what 2.16 warns about.)
    ObjectName, max = 255, pattern = r"^[^!\x00-\x1f\x7f]+$"
}
bounded_string! {
    /// Name of an Icinga endpoint. It is the common name of a certificate, so at most 64
    /// characters.
    EndpointName, max = 64, pattern = r"^[^!\x00-\x1f\x7f]+$"
}
bounded_string! {
    /// One line of text, at most 1024 characters.
    Line, max = 1024
}
bounded_string! {
    /// Text that may hold line breaks, at most 4096 characters.
    Text, max = 4096
}
bounded_string! {
    /// A length of time: whole numbers with the units `ms`, `s`, `m`, `h`, `d`, for example `90s`,
    /// `5m`, `1h30m`.
    Duration, max = 40, pattern = r"^([0-9]{1,9}(ms|s|m|h|d)){1,5}$"
}
bounded_string! {
    /// Times of a day, `HH:MM-HH:MM` or `HH:MM:SS-HH:MM:SS`, several with commas; at most 1000
    /// characters.
    DayTimes, max = 1000, pattern = r"^[0-9:, -]+$"
}
bounded_string! {
    /// A condition over Icinga attributes, for example `host.vars.os == "Linux" && "linux" in
    /// host.groups`. At most 1024 characters.
    Expression, max = 1024
}

bounded_string! {
    /// A custom variable of a host or service, for example `host.vars.disks`; at most 255
    /// characters.
    VarPath, max = 255, pattern = r"^(host|service)\.vars[.\[]"
}
bounded_string! {
    /// A field, or an entry of a dictionary such as `vars.disks["/"]`; at most 255 characters.
    UnsetPath, max = 255, pattern = r"^[a-z][A-Za-z0-9]*"
}
/// Beginning of a name: at most 200 characters, no `!`, no control characters; may be empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NamePrefix(pub String);

impl NamePrefix {
    /// Longest accepted value, in characters.
    pub const MAX: usize = 200;

    /// Returns the value as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl JsonSchema for NamePrefix {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "NamePrefix".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": Self::MAX, "pattern": r"^[^!\x00-\x1f\x7f]*$" })
    }
}

bounded_string! {
    /// Name of a custom variable: letters, digits and `_`; at most 64 characters.
    VarName, max = 64, pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"
}

bounded_string! {
    /// Value of a label.
    LabelValue, max = 63, pattern = r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
}
bounded_string! {
    /// Value of an annotation.
    AnnotationValue, max = 1024
}

/// Custom variables: any JSON object. At most 64 KiB, nested at most 8 levels deep, checked by the
/// operator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Vars(pub BTreeMap<String, serde_json::Value>);

impl Vars {
    /// True if there is nothing to render.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl JsonSchema for Vars {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Vars".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": 256,
            "x-kubernetes-preserve-unknown-fields": true,
        })
    }
}
