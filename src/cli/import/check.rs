//! The safety net: no manifest is written that `render` would refuse. Each is read from its YAML as
//! `render` reads it, then all together go through the operator's own checks.

use crate::cli::manifests::parse;
use crate::identity::{ObjectKey, Uid};
use crate::import::Imported;
use crate::import::report::{External, LeftOut, Manifest, Reason};
use crate::import::yaml;
use crate::references::{Index, itl};
use crate::render::{self, Rendered};
use crate::validate::{Name, Settings};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// Leaves out what the operator would refuse, and proposes external objects for what is named and
/// not there. Returns the rest as the operator renders it.
///
/// # Errors
/// If a proposed external object is no name, which cannot happen.
pub(super) fn check(imported: &mut Imported, settings: &Settings) -> anyhow::Result<Vec<Arc<Rendered>>> {
    let mut contents: BTreeMap<ObjectKey, (usize, Arc<Rendered>)> = BTreeMap::new();
    let mut refused: BTreeMap<usize, String> = BTreeMap::new();
    for (number, manifest) in imported.manifests.iter().enumerate() {
        match content(manifest, settings) {
            Ok((key, content)) => drop(contents.insert(key, (number, content))),
            Err(message) => drop(refused.insert(number, message)),
        }
    }
    let version = settings.icinga_version;
    let mut external: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let proposed: Vec<String> = external.keys().cloned().collect();
        let trusted = Settings::new(&[], &proposed, version).map_err(anyhow::Error::msg)?;
        let reserved: HashSet<Name> = itl(version)
            .into_iter()
            .chain(settings.external_objects.iter().cloned())
            .chain(trusted.external_objects)
            .collect();
        let mut available = reserved.clone();
        let mut index = Index::new(reserved);
        for (key, (number, content)) in &contents {
            available.extend(content.provides().iter().map(|provided| provided.name.clone()));
            available.extend(content.relays().iter().map(|relay| relay.name.clone()));
            // The earlier block keeps a name.
            let order = i64::try_from(*number).unwrap_or(i64::MAX);
            index.upsert(order, &Uid::new(&key.to_string()), content.clone());
        }
        index.resolve();
        let mut found = false;
        let mut waiting = Vec::new();
        for (key, (number, content)) in &contents {
            let Some(why) = index.waiting(key) else { continue };
            for missing in
                content.uses().iter().filter(|used| !used.any_of.iter().any(|name| available.contains(name)))
            {
                let name = missing.any_of.iter().find(|name| may_be_external(name));
                if let Some(name) = name.filter(|name| !external.contains_key(name.as_str())) {
                    let by = imported.manifests.get(*number).map(|manifest| manifest.subject.to_string());
                    external.insert(name.as_str().to_owned(), by.unwrap_or_default());
                    found = true;
                }
            }
            waiting.push((key.clone(), *number, why.message));
        }
        if found {
            continue;
        }
        if waiting.is_empty() {
            break;
        }
        for (key, number, message) in waiting {
            contents.remove(&key);
            refused.insert(number, message);
        }
    }
    leave_out(imported, &refused);
    let used: BTreeSet<&Name> = contents
        .values()
        .flat_map(|(_, content)| content.uses())
        .flat_map(|used| used.any_of.iter())
        .collect();
    external.retain(|name, _| used.iter().any(|used| used.as_str() == name));
    for left in imported.left_out.iter_mut().chain(&mut imported.outside) {
        let sort = if left.subject.form.as_str() == "template" { "template " } else { "" };
        let Some(name) = &left.subject.name else { continue };
        let name = format!("{sort}{}!{name}", left.subject.object_type);
        left.dependents.extend(external.get(&name).cloned());
    }
    imported.external_objects =
        external.into_iter().map(|(name, named_by)| External { name, named_by }).collect();
    Ok(contents.into_values().map(|(_, content)| content).collect())
}

fn content(manifest: &Manifest, settings: &Settings) -> Result<(ObjectKey, Arc<Rendered>), String> {
    let text = yaml::write(&manifest.document);
    let read = parse("manifest", text.as_bytes()).into_iter().next().ok_or("cannot be read")?;
    let object = read.object.map_err(|faults| faults.join("; "))?;
    let (namespace, name) = manifest.key();
    let key = ObjectKey::new(namespace, name);
    render::content(&key, &object, settings)
        .map(|content| (key, Arc::new(content)))
        .map_err(|refusal| refusal.message)
}

/// True for a name that the setting `externalObjects` can have.
fn may_be_external(name: &Name) -> bool {
    let parts: Vec<&str> = name.as_str().split('!').collect();
    name.sort().is_some() && parts.iter().all(|part| !part.is_empty()) && Name::parse(name.as_str()).is_ok()
}

fn leave_out(imported: &mut Imported, refused: &BTreeMap<usize, String>) {
    let all = std::mem::take(&mut imported.manifests);
    for (number, manifest) in all.into_iter().enumerate() {
        let Some(message) = refused.get(&number) else {
            imported.manifests.push(manifest);
            continue;
        };
        imported
            .secrets
            .retain(|secret| secret.origin != manifest.origin || secret.subject != manifest.subject);
        imported
            .notes
            .retain(|note| note.subject != manifest.subject || note.origin.file != manifest.origin.file);
        imported.left_out.push(LeftOut {
            block: manifest.origin.clone(),
            span: manifest.span,
            subject: manifest.subject,
            origin: manifest.origin,
            construct: String::new(),
            reason: Reason::Refused(message.clone()),
            remedy: "change the block, or keep it in Icinga's configuration and list it in externalObjects"
                .into(),
            dependents: Vec::new(),
        });
    }
    imported.left_out.sort_by(|a, b| a.origin.cmp(&b.origin));
}
