//! What was imported, what was not, and why.

use super::document::Node;
use super::language::Position;
use crate::api::IcingaType;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// Everything that an import gives.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    /// The manifests, in the order of files and blocks.
    pub manifests: Vec<Manifest>,
    /// The blocks that cannot be said, and files that cannot be read.
    pub left_out: Vec<LeftOut>,
    /// The blocks that belong to Icinga's own configuration and stay there.
    pub outside: Vec<LeftOut>,
    /// Remarks about blocks that were imported.
    pub notes: Vec<Note>,
    /// Objects that Icinga has from elsewhere, as the setting `externalObjects` names them.
    pub external_objects: Vec<External>,
    /// Custom variables that look like secrets.
    pub secrets: Vec<Secret>,
    /// Blocks that were found.
    pub blocks: usize,
    /// Absolute paths of the files that were read.
    pub sources: BTreeSet<Arc<str>>,
}

/// The place of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The file, relative to what was given.
    pub file: String,
    /// Where in it. None for all of it, and in JSON.
    pub at: Option<Position>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "{}:{at}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

/// The text of a statement in its file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Absolute path of the file.
    pub file: Arc<str>,
    /// Where it begins.
    pub from: Position,
    /// Where what separates it from the next statement begins.
    pub to: Position,
}

/// How a block declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlockForm {
    /// `object`
    Object,
    /// `template`
    Template,
    /// `apply`
    Rule,
    /// Another statement.
    Statement,
}

impl BlockForm {
    /// Returns the word of the language.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Template => "template",
            Self::Rule => "apply",
            Self::Statement => "statement",
        }
    }
}

/// What a block declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// How it is declared.
    pub form: BlockForm,
    /// The type as written. Empty for a statement.
    pub object_type: String,
    /// Host and service that it belongs to, and its own name, as Icinga joins them: `host!name`.
    /// None if it is not known without running code.
    pub name: Option<String>,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.form.as_str())?;
        if !self.object_type.is_empty() {
            write!(f, " {}", crate::text::clean(&self.object_type, 80))?;
        }
        if let Some(name) = &self.name {
            write!(f, " {}", crate::text::quoted(name))?;
        }
        Ok(())
    }
}

/// A manifest.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Where the block stands.
    pub origin: Origin,
    /// What it declares.
    pub subject: Subject,
    /// Its type.
    pub icinga_type: IcingaType,
    /// The resource.
    pub document: Node,
    /// Comments of the block, one entry a line.
    pub comments: Vec<String>,
    /// The text of the block. None in JSON.
    pub span: Option<Span>,
}

impl Manifest {
    /// Returns the namespace and the name of the resource.
    pub fn key(&self) -> (&str, &str) {
        let field = |name: &str| match self.document.get("metadata").and_then(|metadata| metadata.get(name)) {
            Some(Node::Text(text)) => text.as_str(),
            _ => "",
        };
        (field("namespace"), field("name"))
    }
}

/// A block that is not imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Where the block stands.
    pub block: Origin,
    /// The text of the block. None for a file, and in JSON.
    pub span: Option<Span>,
    /// What it declares.
    pub subject: Subject,
    /// Where the reason stands.
    pub origin: Origin,
    /// The construct.
    pub construct: String,
    /// Why.
    pub reason: Reason,
    /// What to do.
    pub remedy: String,
    /// Blocks that name it and are imported.
    pub dependents: Vec<String>,
}

/// A remark about a block that is imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where.
    pub origin: Origin,
    /// What it declares.
    pub subject: Subject,
    /// The remark.
    pub message: String,
}

/// An object that Icinga has from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct External {
    /// `Type!name`
    pub name: String,
    /// The first block that names it.
    pub named_by: String,
}

/// A custom variable that looks like a secret. Its value is nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Where the block stands.
    pub origin: Origin,
    /// What declares it.
    pub subject: Subject,
    /// Path of the variable.
    pub variable: String,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $member:ident: $text:literal,)*) => {
        /// Why a block is not imported.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[$doc])* $member,)*
            /// The operator would refuse the manifest: its message.
            Refused(String),
        }

        impl Reason {
            /// Returns the name, for programs.
            pub fn as_str(&self) -> &'static str {
                match self {
                    $(Self::$member => stringify!($member),)*
                    Self::Refused(_) => "Refused",
                }
            }

            /// Returns the reason for a person.
            pub fn text(&self) -> &str {
                match self {
                    $(Self::$member => $text,)*
                    Self::Refused(message) => message,
                }
            }
        }
    };
}

reasons! {
    /// The file cannot be read.
    Unreadable: "the file cannot be read",
    /// Files in `zones.d` that belong to no declared zone.
    UnknownZone: "Icinga does not read it, because no file that was given declares the zone",
    /// A function or lambda.
    Function: "a function runs inside of Icinga, and resources are never code",
    /// A call of a function that expressions do not have.
    Call: "expressions do not have this function",
    /// A name that is no constant of the files.
    UnknownName: "the name is no constant with a plain value in the files that were given",
    /// An operator or form that expressions do not have.
    Form: "expressions do not have this form",
    /// A value that only a rule can compute.
    Computed: "the value is computed, and only rules and templates of services, notifications, dependencies and downtimes compute values",
    /// A loop or condition at top level.
    Flow: "the statement runs while Icinga loads, and code is not run",
    /// The loop of a rule.
    Loop: "a rule walks through a custom variable of the host or service only",
    /// The loop has a value that is not added to `vars`.
    EntryNotAdded: "the loop has no `vars += ...`, but a rule with forEach always adds an entry that is a dictionary to vars",
    /// The attribute does not exist.
    Attribute: "Groundlink has no such attribute for this type",
    /// A value of another type.
    Value: "the attribute does not take this value",
    /// A value that is too large.
    Large: "the value, or the block, is too large",
    /// Constants and variables are used so often that the manifests would be too large.
    TooMany: "the values of constants and variables are more than 256 MiB in all blocks together",
    /// An operator that sets.
    Operator: "the attribute cannot be set in this way",
    /// An import after a value.
    ImportOrder: "the value stands before an import that may set it, too",
    /// An import by a condition or a computed name.
    Import: "an import cannot depend on a condition or a value",
    /// A block inside another one.
    Nested: "Icinga evaluates a block inside another one again for each object",
    /// The name is computed.
    Name: "the name is computed",
    /// A type that is state, not configuration.
    State: "comments and downtimes are the state of a running Icinga, not configuration",
    /// A type that Groundlink does not have.
    Type: "the type belongs to Icinga's own configuration",
    /// The node's own zone and endpoint.
    OwnNode: "the node's own zone and endpoint belong to its own configuration",
    /// A statement without an effect that resources have.
    Statement: "the statement has no counterpart",
    /// A form of Icinga Director.
    Director: "this form of Icinga Director has no counterpart",
}
