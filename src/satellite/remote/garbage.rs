//! Shards that no pointer names any more: which they are, which are kept for whoever still reads the set before, and how the
//! others go.

use super::super::problem::Problem;
use super::inventory::Item;
use super::requests::Failure;
use super::{PARALLEL, Pointer, Remote};
use crate::api::Reason;
use crate::identity::Digest;
use crate::snapshot::Shard;
use crate::snapshot::pointer::FoundPointer;
use futures::StreamExt;
use kube::ResourceExt;
use std::collections::BTreeSet;

impl Remote {
    /// Shards of the pointer before that the next one does not name. If that one cannot be read: all that there are.
    pub(super) fn previous(
        &self,
        held: Option<&FoundPointer>,
        shards: &[Shard],
        digest: Digest,
    ) -> BTreeSet<String> {
        let named: BTreeSet<String> = shards.iter().map(|shard| shard.name(&self.target.name)).collect();
        let before: BTreeSet<String> = match held.filter(|held| held.ours && held.form.is_some()) {
            // Written anew because someone changed it: what is kept stays so.
            Some(held) if held.shards == named && held.digest == Some(digest) => held.previous.clone(),
            Some(held) => held.shards.clone(),
            None => {
                let inventory = self.inventory.1.borrow();
                inventory
                    .items
                    .iter()
                    .filter(|(_, item)| item.is_shard)
                    .map(|(name, _)| name.clone())
                    .collect()
            }
        };
        before.difference(&named).cloned().collect()
    }

    /// What nothing names any more: neither the pointer, nor the one before it, nor one that is being prepared.
    fn garbage(&self) -> Vec<(String, Item)> {
        let inventory = self.inventory.1.borrow();
        let Some(held) = self.held().filter(|held| held.ours && held.form.is_some()) else {
            return Vec::new();
        };
        let Some(revision) = held.revision.filter(|_| inventory.listed.is_some()) else { return Vec::new() };
        // A shard for this revision or a newer one belongs to whoever is about to write that (a satellite that accepts something else is
        // written anew at the same revision); one of another pointer's name to that pointer, which
        // stands where `spec.target.name` was changed.
        let is_old = |item: &Item| item.is_shard && item.revision.is_none_or(|wanted| wanted < revision);
        let is_of_pointer = |name: &str| {
            let digits = name.strip_prefix(&self.target.name).and_then(|rest| rest.strip_prefix('-'));
            digits.is_some_and(|digits| digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        let unnamed = inventory
            .items
            .iter()
            .filter(|(name, item)| is_old(item) && is_of_pointer(name) && !held.keeps(name));
        unnamed.map(|(name, item)| (name.clone(), item.clone())).collect()
    }

    /// Number of shards that nothing names any more.
    pub fn garbage_count(&self) -> usize {
        self.garbage().len()
    }

    /// Deletes what nothing names any more. One that changed since it was seen is left: someone wants it.
    ///
    /// # Errors
    /// The first problem; it may be tried again.
    pub async fn collect(&mut self) -> Result<(), Problem> {
        let garbage = self.garbage();
        self.verified.retain(|name, _| !garbage.iter().any(|(gone, _)| gone == name));
        let garbage = garbage.into_iter().map(|(name, item)| (name, Some(item.uid), Some(item.version)));
        self.delete_all(garbage.collect()).await
    }

    /// Deletes what nothing names any more, because there is no room for what is to come.
    ///
    /// # Errors
    /// The first problem.
    pub async fn make_room(&mut self) -> Result<(), Problem> {
        self.read().await?;
        self.collect().await
    }

    /// Deletes by name, uid and resourceVersion. One that changed since it was read is left: someone wants it.
    async fn delete_all(
        &self,
        objects: Vec<(String, Option<String>, Option<String>)>,
    ) -> Result<(), Problem> {
        let mut deletions = Vec::with_capacity(objects.len());
        for (name, uid, version) in objects {
            let requests = self.requests.clone();
            deletions.push(async move { requests.delete(&name, uid, version).await });
        }
        let mut done = futures::stream::iter(deletions).buffer_unordered(PARALLEL);
        while let Some(result) = done.next().await {
            match result {
                Ok(()) | Err(Failure { code: Some(409), .. }) => {}
                Err(failure) => return Err(failure.problem),
            }
        }
        Ok(())
    }

    /// Deletes everything of ours, the pointer first. Names what is left if that fails.
    ///
    /// # Errors
    /// The problem; it may be tried again.
    pub async fn clean_up(&mut self) -> Result<(), Problem> {
        self.read().await?;
        if let Some(Some(Pointer { uid, version, held, .. })) = self.pointer.take()
            && held.ours
        {
            self.requests.delete(&self.target.name, uid, version).await?;
        }
        // Page by page, however many there are; whoever calls has a deadline for all.
        let mut before = BTreeSet::new();
        loop {
            let left = self.requests.page(&self.target.selector()).await?;
            let names: BTreeSet<_> = left.iter().map(|object| (object.name_any(), object.uid())).collect();
            let Some((name, _)) = names.first() else { return Ok(()) };
            if names == before {
                let name = self.requests.full_name(name);
                let message = format!("ConfigMaps are left, for example {name}");
                return Err(Problem::transient(Reason::Conflict, message));
            }
            before = names;
            let left =
                left.into_iter().map(|object| (object.name_any(), object.uid(), object.resource_version()));
            self.delete_all(left.collect()).await?;
        }
    }
}
