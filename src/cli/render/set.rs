//! Manifests to the set that the operator would publish, and what it would refuse.

use crate::api::{IcingaVersion, Reason};
use crate::cli::manifests::{Manifest, Source, parse, read};
use crate::expansion::Configuration;
use crate::identity::{ObjectKey, Uid};
use crate::references::{Index, itl};
use crate::render::{self, Rendered};
use crate::text::clean_message;
use crate::validate::Settings;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Includes the Icinga Template Library as Debian's icinga2.conf does.
const LIBRARY: &str = "const PluginDir = \"/\"\nconst ManubulonPluginDir = \"/\"\nconst PluginContribDir = \"/\"\n\
include <itl>\ninclude <plugins>\ninclude <plugins-contrib>\ninclude <manubulon>\ninclude <windows-plugins>\ninclude <nscp>\n";

/// An object that is not published, or a document or file that cannot be read.
#[derive(Debug)]
pub(in crate::cli) struct Refused {
    /// None if the document has no name that can be read, and for a file.
    pub(in crate::cli) key: Option<ObjectKey>,
    /// File and line of the document.
    pub(in crate::cli) place: String,
    pub(in crate::cli) reason: Reason,
    pub(in crate::cli) message: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, place, reason, message } = self;
        match key {
            // Cleaned, because a name that is refused for its control characters must not reach
            // the terminal.
            Some(key) => {
                write!(f, "MonitoringObject {}: {reason:?}: {message}", clean_message(&key.to_string()))
            }
            None => write!(f, "{}: {reason:?}: {message}", clean_message(place)),
        }
    }
}

/// The set of some manifests.
#[derive(Debug, Default)]
pub(in crate::cli) struct Set {
    pub(in crate::cli) published: Vec<Arc<Rendered>>,
    /// In the order of keys, and documents without one first.
    pub(in crate::cli) refused: Vec<Refused>,
    /// True if a file could not be read. It is among `refused`.
    pub(in crate::cli) lacks_files: bool,
}

impl Set {
    /// Renders the manifests of these files and directories. Those without a namespace get
    /// `namespace`.
    pub(in crate::cli) fn read(
        files: &[PathBuf],
        namespace: &str,
        settings: &Settings,
        version: IcingaVersion,
    ) -> Self {
        let mut reading = Reading { namespace, settings, contents: BTreeMap::new(), refused: Vec::new() };
        let mut unread = Vec::new();
        for Source { name, bytes } in files.iter().flat_map(|path| read(path)) {
            match bytes {
                Ok(bytes) => parse(&name, &bytes).into_iter().for_each(|manifest| reading.add(manifest)),
                Err(error) => unread.push((name, clean_message(&format!("{error:#}")))),
            }
        }
        let mut set = reading.resolve(version);
        set.lacks_files = !unread.is_empty();
        let unread = unread.into_iter().map(|(place, message)| {
            let message = format!("{message}; correct the path, or make it readable");
            Refused { key: None, place, reason: Reason::Invalid, message }
        });
        set.refused.splice(..0, unread);
        set
    }

    /// True if the manifests have no MonitoringObject, and no document that should be one.
    pub(in crate::cli) fn is_empty(&self) -> bool {
        self.published.is_empty() && self.refused.is_empty()
    }

    /// Returns the set as a configuration for Icinga, between the library and `with`.
    pub(in crate::cli) fn configuration(&self, with: Option<&[u8]>) -> Configuration {
        let mut main = LIBRARY.to_owned();
        let mut files: Vec<_> =
            self.published.iter().map(|content| (content.key().path(), content.bytes())).collect();
        if let Some(with) = with {
            main.push_str("include \"with.conf\"\n");
            files.push(("with.conf".into(), with.to_vec()));
        }
        main.push_str("include_recursive \"objects.d\"\n");
        Configuration { main, files, ..Configuration::default() }
    }
}

struct Reading<'a> {
    namespace: &'a str,
    settings: &'a Settings,
    /// Only the rendered content is kept: the objects themselves would be most of the memory.
    contents: BTreeMap<ObjectKey, (String, Arc<Rendered>)>,
    refused: Vec<Refused>,
}

impl Reading<'_> {
    fn add(&mut self, manifest: Manifest) {
        let Manifest { place, namespace, name, object } = manifest;
        let namespace = if namespace.is_empty() { self.namespace } else { &namespace };
        let key = (!name.is_empty()).then(|| ObjectKey::new(namespace, &name));
        let mut refuse = |reason: Reason, message: String| {
            self.refused.push(Refused { key: key.clone(), place: place.clone(), reason, message });
        };
        let mut object = match object {
            Ok(object) => object,
            Err(faults) => return faults.into_iter().for_each(|fault| refuse(Reason::Invalid, fault)),
        };
        let Some(key) = &key else { return };
        if let Some((first, _)) = self.contents.get(key) {
            let message =
                format!("metadata.name: is given twice, first in {first}; remove one of the two manifests");
            return refuse(Reason::Invalid, message);
        }
        object.metadata.namespace = Some(namespace.to_owned());
        match render::content(key, &object, self.settings) {
            Ok(content) => drop(self.contents.insert(key.clone(), (place, Arc::new(content)))),
            Err(refusal) => refuse(refusal.reason, refusal.message),
        }
    }

    /// Decides what depends on other objects.
    fn resolve(mut self, version: IcingaVersion) -> Set {
        let reserved =
            itl(version).into_iter().chain(self.settings.external_objects.iter().cloned()).collect();
        let mut index = Index::new(reserved).naming_fields();
        for (order, (key, (_, content))) in self.contents.iter().enumerate() {
            // Without a cluster no object is older than another, so the order of the names
            // decides.
            index.upsert(order as i64, &Uid::new(&key.to_string()), content.clone());
        }
        index.resolve();
        for (key, (place, _)) in &self.contents {
            if let Some(waiting) = index.waiting(key) {
                let (key, place) = (Some(key.clone()), place.clone());
                self.refused.push(Refused { key, place, reason: waiting.reason, message: waiting.message });
            }
        }
        self.refused.sort_by(|one, other| one.key.cmp(&other.key));
        let published = self.contents.keys().filter_map(|key| index.visible(key).cloned()).collect();
        Set { published, refused: self.refused, lacks_files: false }
    }
}
