//! Checked declaration to bytes: pure, sorted, infallible. The text of objects is made here and
//! nowhere else, and every string in it goes through `quoting`.

mod expression;
mod for_each;
mod merge;
mod names;
mod packed;
pub(crate) mod quoting;
mod set;
mod unset;
mod weight;

use crate::api::objects::ApplyTo;
use crate::api::{MonitoringObject, Reason};
use crate::evaluate::Part;
use crate::identity::{Digest, ObjectKey};
use crate::validate::{
    Declaration, Form, Header, Link, Name, Provided, Refusal, Relay, Settings, Use, validate, value::Value,
};
use packed::Packed;
use std::fmt::Write as _;

/// A file's bytes, and the names that they provide and need. Only two functions make one:
/// [`render`] from a checked declaration, and [`read_back`] from a file that an earlier run
/// published. So everything that is published was rendered here.
///
/// Nothing else can make or change one. Of these two functions only the first compiles:
///
/// ```
/// use groundlink::{identity::Digest, render::Rendered};
/// fn forge(rendered: Rendered, digest: Digest) -> (Rendered, Digest) {
///     (rendered, digest)
/// }
/// ```
///
/// ```compile_fail
/// use groundlink::{identity::Digest, render::Rendered};
/// fn forge(rendered: Rendered, digest: Digest) -> (Rendered, Digest) {
///     (Rendered { digest, ..rendered }, digest)
/// }
/// ```
#[derive(PartialEq, Eq)]
pub struct Rendered {
    key: ObjectKey,
    packed: Packed,
    digest: Digest,
    zone: Option<Box<str>>,
    link: Option<Box<Link>>,
    provides: Box<[Provided]>,
    uses: Box<[Use]>,
    relays: Box<[Relay]>,
    part: Part,
}

impl Rendered {
    /// Returns the resource that the file is made of.
    pub fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// Returns the file's bytes. They are kept packed, so each call unpacks them.
    pub fn bytes(&self) -> Vec<u8> {
        self.packed.bytes()
    }

    /// Returns the file's bytes as text. They are always text, because only text is rendered or
    /// read back.
    pub fn text(&self) -> String {
        String::from_utf8(self.bytes())
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    /// Returns the number of the file's bytes.
    pub fn size(&self) -> usize {
        self.packed.size()
    }

    /// Returns the digest of the bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the Icinga zone, for placement.
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// Returns child and parent, if the file declares a dependency.
    pub fn link(&self) -> Option<&Link> {
        self.link.as_deref()
    }

    /// Returns the names that the published set gains by the file.
    pub fn provides(&self) -> &[Provided] {
        &self.provides
    }

    /// Returns the needed names of the same type as its own: the templates that a template
    /// imports, the groups of a group, the parent of a zone, and so on.
    pub(crate) fn below(&self) -> impl Iterator<Item = &Name> {
        let own = |name: &&Name| {
            self.provides.iter().any(|provided| {
                let same = |sort| name.sort().is_some_and(|needed| is_below(sort, needed));
                provided.exclusive && provided.name.sort().is_some_and(same)
            })
        };
        self.uses.iter().flat_map(|needed| &needed.any_of).filter(own)
    }

    /// Returns what an evaluation needs of the file. Nothing if it was read back.
    pub fn part(&self) -> &Part {
        &self.part
    }

    /// Returns the names that the file passes on.
    pub fn relays(&self) -> &[Relay] {
        &self.relays
    }

    /// Returns every name that the file provides or passes on; true if no other file may provide
    /// it.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&Name, bool)> {
        let provided = self.provides.iter().map(|provided| (&provided.name, provided.exclusive));
        provided.chain(self.relays.iter().map(|relay| (&relay.name, false)))
    }

    /// True if the set gains a name by the file; `has` returns whether the set has another name.
    pub(crate) fn gives(&self, name: &Name, has: &dyn Fn(&Name) -> bool) -> bool {
        self.provides.iter().any(|provided| provided.name == *name)
            || self
                .relays
                .iter()
                .any(|relay| relay.name == *name && relay.given.iter().all(|any_of| any_of.iter().any(has)))
    }

    /// Returns the needs of the file.
    pub fn uses(&self) -> &[Use] {
        &self.uses
    }
}

/// True if objects of the first sort can form chains with those that they need of the second.
/// Commands import templates and commands alike.
fn is_below(sort: &str, needed: &str) -> bool {
    sort == needed || (sort.ends_with("Command") && base(sort) == base(needed))
}

fn base(sort: &str) -> &str {
    sort.strip_prefix("template ").unwrap_or(sort)
}

impl std::fmt::Debug for Rendered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} provides {:?} uses {:?}", self.key, self.provides, self.uses)
    }
}

const HEADER_MARK: &str = "// groundlink: ";

/// Largest file, in bytes. One file must fit into a shard.
pub const MAX_FILE_BYTES: usize = 256 * 1024;

/// Checks a resource and renders it, without a look at other resources.
///
/// # Errors
/// If [`validate`] refuses the resource, the file is larger than [`MAX_FILE_BYTES`], or an
/// expression would take too much of the memory of Icinga's parser.
pub fn content(key: &ObjectKey, object: &MonitoringObject, settings: &Settings) -> Result<Rendered, Refusal> {
    let declaration = validate(object, settings)?;
    let rendered = render(key, &declaration);
    let size = rendered.size();
    if size > MAX_FILE_BYTES {
        let message = format!(
            "spec: renders to {size} bytes, and at most {MAX_FILE_BYTES} are allowed; make it smaller"
        );
        return Err(Refusal::new(Reason::TooLarge, message));
    }
    if weight::heaviest(&rendered.text()) > weight::MAX_WEIGHT {
        let field = match declaration.form {
            Form::Apply(_) => "apply",
            Form::Object | Form::Template => "assignWhere",
        };
        let message = format!(
            "spec.{}.{field}: an expression is so large that Icinga's parser would run out of memory, and load nothing; make \
             it shorter: split conditions into several, and use +, .contains() and .replace() inside of each other less",
            declaration.kind.member()
        );
        return Err(Refusal::new(Reason::TooLarge, message));
    }
    Ok(rendered)
}

/// Renders a declaration. The same declaration gives the same bytes, on any machine and at any
/// time.
pub fn render(key: &ObjectKey, declaration: &Declaration) -> Rendered {
    let mut out = String::with_capacity(512);
    let header = Header::of(declaration);
    // JSON escapes every line break, so the header cannot end its comment.
    let json = serde_json::to_string(&header).unwrap_or_default();
    let _ = writeln!(
        out,
        "// Published by Groundlink from MonitoringObject {key}. Changes here are overwritten."
    );
    let _ = writeln!(out, "{HEADER_MARK}{json}");
    let form = match declaration.form {
        Form::Object => "object",
        Form::Template => "template",
        Form::Apply(_) => {
            names::head(&mut out, declaration);
            "apply"
        }
    };
    let _ = write!(out, "{form} {} ", declaration.kind);
    quoting::string(&mut out, &declaration.beginning());
    if let Some(for_each) = &declaration.for_each {
        for_each::head(&mut out, for_each, &declaration.beginning());
    }
    match declaration.form {
        Form::Apply(ApplyTo::Host) => out.push_str(" to Host"),
        Form::Apply(ApplyTo::Service) => out.push_str(" to Service"),
        Form::Object | Form::Template => {}
    }
    out.push_str(" {\n");
    for import in &declaration.imports {
        out.push_str("  import ");
        quoting::string(&mut out, import);
        out.push('\n');
    }
    unset::print(&mut out, &declaration.unset);
    for (attribute, value) in &declaration.attributes {
        // These add to those of what is imported here, or beside this one where this is imported;
        // "=" would drop them.
        let adds = ["vars", "arguments", "env"].contains(attribute)
            && (declaration.is_importable() || !declaration.imports.is_empty());
        if let ("vars", Value::Dictionary(vars), true) = (*attribute, value, adds) {
            merge::vars(&mut out, vars);
            continue;
        }
        let operator = if adds { "+=" } else { "=" };
        let _ = write!(out, "  {attribute} {operator} ");
        quoting::value(&mut out, value, 1);
        out.push('\n');
    }
    if !declaration.add_groups.is_empty() {
        out.push_str("  groups += ");
        let groups = declaration.add_groups.iter().map(String::as_str);
        quoting::value(&mut out, &Value::strings(groups), 1);
        out.push('\n');
    }
    if let Some(for_each) = &declaration.for_each {
        for_each::body(&mut out, for_each);
        if !declaration.set.is_empty() {
            out.push_str("  ");
            for_each::value(&mut out, for_each);
            out.push('\n');
        }
    }
    set::print(&mut out, &declaration.set);
    for (word, rules) in [("assign", &declaration.assign), ("ignore", &declaration.ignore)] {
        for rule in rules {
            let _ = write!(out, "  {word} where ");
            match &declaration.for_each {
                Some(for_each) if for_each::reads_value(rule) => {
                    for_each::condition(&mut out, for_each, rule);
                }
                _ => expression::print(&mut out, rule),
            }
            out.push('\n');
        }
    }
    set::lacking(&mut out, declaration);
    if let Form::Apply(to) = declaration.form {
        names::taken(&mut out, key, declaration, to);
    }
    out.push_str("}\n");
    Rendered {
        key: key.clone(),
        digest: Digest::of(out.as_bytes()),
        packed: Packed::new(out.as_bytes()),
        zone: declaration.zone.as_deref().map(Into::into),
        link: declaration.link.clone(),
        provides: declaration.provides.as_slice().into(),
        uses: declaration.uses.as_slice().into(),
        relays: declaration.relays.as_slice().into(),
        part: Part::of(declaration),
    }
}

/// Reads a file that an earlier run published. Its header has the names that it provides and
/// needs. None if the bytes have no such header, so this program did not write them.
pub fn read_back(key: &ObjectKey, bytes: Vec<u8>) -> Option<Rendered> {
    let text = std::str::from_utf8(&bytes).ok()?;
    let line = text.lines().nth(1)?.strip_prefix(HEADER_MARK)?;
    let header: Header = serde_json::from_str(line).ok()?;
    Some(Rendered {
        key: key.clone(),
        digest: Digest::of(&bytes),
        zone: header.zone.as_deref().map(Into::into),
        provides: header.all_provided().into(),
        uses: header.all_uses().into(),
        link: header.link,
        relays: header.relays.into(),
        part: Part::None,
        packed: Packed::new(&bytes),
    })
}

#[cfg(test)]
mod tests;
