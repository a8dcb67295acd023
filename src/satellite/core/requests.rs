//! The requests of a delivery, and their answers. A driver executes each request as it is: it adds
//! the client, the deadline and the lease, and decides nothing.

use super::order::{Division, PointerWrite, Wanted};
use crate::api::satellite_cluster::Layout;
use crate::identity::Revision;
use crate::satellite::problem::Problem;
use crate::snapshot::Shard;
use crate::snapshot::layout::{Form, choose};
use crate::snapshot::pointer::{self, Destination, REVISION};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::sync::Arc;

/// A request with the number that its answer must carry.
#[derive(Debug)]
pub(crate) struct Command {
    pub id: u64,
    pub request: Request,
}

/// One of the shards of a set.
#[derive(Clone)]
pub(crate) struct ShardOf {
    /// All shards of the set.
    pub shards: Arc<[Shard]>,
    /// Which of them.
    pub at: usize,
}

impl ShardOf {
    /// The shard.
    pub fn shard(&self) -> &Shard {
        &self.shards[self.at]
    }
}

impl std::fmt::Debug for ShardOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.shard().digest())
    }
}

/// A request to the driver.
#[derive(Debug)]
pub(crate) enum Request {
    /// Read the pointer. Answer: [`Answer::Pointer`].
    ReadPointer,
    /// Create the pointer, or replace it if the object carries a resourceVersion. Answer:
    /// [`Answer::PointerStored`].
    WritePointer(Box<PointerWrite>),
    /// Read a shard and compare its content. Answer: [`Answer::Shard`].
    ReadShard { name: String, shard: ShardOf },
    /// Create a shard for this revision. Answer: [`Answer::ShardStored`].
    CreateShard { name: String, shard: ShardOf, revision: Revision },
    /// Mark a shard in its metadata as used by this revision, if it still has the resourceVersion
    /// `version`. Answer: [`Answer::Done`].
    MarkShard { name: String, version: Option<String>, revision: Revision },
    /// Delete a ConfigMap if it still has this UID and resourceVersion. Answer: [`Answer::Done`].
    Delete(Identity),
    /// List the first page of the operator's ConfigMaps. Answer: [`Answer::Page`].
    ListPage,
    /// Choose the form of the set and divide it. `present` is the form on the satellite. This
    /// sends no request, but hashing a large set takes a while. Answer: [`Answer::Divided`].
    Divide { set: Wanted, layout: Layout, present: Option<Form> },
    /// Take a term above this one, which was read on the satellite. This sends no request to the
    /// satellite. Answer: [`Answer::TermRaised`].
    RaiseTerm { above: Revision },
}

/// Which ConfigMap, exactly as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    pub name: String,
    pub uid: Option<String>,
    pub version: Option<String>,
}

/// A shard as it is on the satellite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundShard {
    pub uid: Option<String>,
    pub version: Option<String>,
    /// True if its labels say that it is this SatelliteCluster's.
    pub is_ours: bool,
    /// The newest revision that uses it, from its annotation.
    pub wanted: Option<Revision>,
    /// True if it is immutable and has the content that the shard should have.
    pub holds: bool,
}

impl FoundShard {
    /// Compares a ConfigMap with the shard that it should hold. Unpacking takes a while.
    pub fn of(found: &ConfigMap, shard: &Shard, target: &Destination) -> Self {
        let ObjectMeta { uid, resource_version, labels, annotations, .. } = &found.metadata;
        let wanted = annotations.as_ref().and_then(|all| all.get(REVISION));
        Self {
            uid: uid.clone(),
            version: resource_version.clone(),
            is_ours: target.owns(labels.as_ref()),
            wanted: wanted.and_then(|text| text.parse().ok()),
            holds: pointer::holds(found, shard),
        }
    }
}

/// The answer to a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The pointer. None if there is none.
    Pointer(Option<Box<ConfigMap>>),
    /// The pointer as the server stored it.
    PointerStored(Box<ConfigMap>),
    /// The shard. None if there is none.
    Shard(Option<FoundShard>),
    /// UID and resourceVersion of the shard that the server stored, and whether its content is the
    /// one that was sent.
    ShardStored { uid: Option<String>, version: Option<String>, is_as_sent: bool },
    /// The request succeeded.
    Done,
    /// Some of the operator's ConfigMaps. Empty if there are none left.
    Page(Vec<Identity>),
    /// The set in its form, or why it has none: it is too large.
    Divided(Result<Division, String>),
    /// False if no operator can have had that term, so that a person must have written it.
    TermRaised(bool),
    /// The request failed.
    Failed(Failed),
}

impl Answer {
    /// Answers [`Request::CreateShard`] with what the server stored.
    pub fn shard_stored(sent: &ConfigMap, stored: &ConfigMap) -> Self {
        let is_as_sent = stored.binary_data == sent.binary_data && stored.immutable == Some(true);
        let ObjectMeta { uid, resource_version: version, .. } = stored.metadata.clone();
        Self::ShardStored { uid, version, is_as_sent }
    }

    /// Answers [`Request::Divide`].
    pub fn divided(set: &Wanted, layout: Layout, present: Option<Form>) -> Self {
        Self::Divided(choose(layout, present, &set.view).map(|form| {
            let shards = match form {
                Form::Single => Arc::from([]),
                Form::Sharded { bits } => set.view.shards(bits),
            };
            Division { form, shards }
        }))
    }
}

/// A request that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub problem: Problem,
    /// The HTTP status. None if there was no answer.
    pub code: Option<u16>,
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self { problem, code: None }
    }
}
