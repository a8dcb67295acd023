//! L4: the time from the acknowledgement of one change to the bytes for a satellite, and whether it
//! grows with the set.

use crate::mix::{self, Mix};
use crate::progress;
use crate::report::{Report, Row, Samples, Target};
use groundlink::api::satellite_cluster::Layout;
use groundlink::api::{IcingaVersion, MonitoringObjectStatus};
use groundlink::identity::{ObjectKey, Revision, Uid};
use groundlink::publish::{InPlace, Volume};
use groundlink::references::{Index, itl};
use groundlink::render::Rendered;
use groundlink::snapshot::layout::{Form, choose};
use groundlink::snapshot::pointer::{self, Destination};
use groundlink::snapshot::{Acceptance, Catalog, Maintained, Shard, SnapshotNames};
use groundlink::status::{Acknowledged, Recorded};
use groundlink::validate::Settings;
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Changes in each set.
const CHANGES: usize = 60;

/// A set of acknowledged objects, and the satellites that receive it.
struct Set {
    index: Index,
    catalog: Catalog,
    names: SnapshotNames,
    satellites: Vec<Satellite>,
    counter: u64,
    objects: usize,
}

struct Satellite {
    view: Maintained,
    form: Option<Form>,
    shards: BTreeSet<String>,
}

/// The time of one change by step. The satellite with half of the namespaces has its own samples.
#[derive(Default)]
struct Parts {
    all: Samples,
    cut: Samples,
    view: Samples,
    restricted: Samples,
    archive: Samples,
    pointer: Samples,
}

/// Measures single changes in a set of each of the two sizes.
pub fn changes(sizes: [usize; 2], report: &mut Report) -> anyhow::Result<()> {
    let mut medians = Vec::new();
    for (size, target) in sizes.into_iter().zip([5.0, 30.0]) {
        progress!("L4: rendering {size} objects");
        let (mix, settings) = (Mix::new(size), mix::settings());
        let mut set = Set::new(&mix, &settings)?;
        progress!("L4: {CHANGES} changes");
        let mut parts = Parts::default();
        let changed = |turn: usize| {
            let number = turn * 7_919 % (mix.services() / 2);
            mix::rendered(&mix.host(number, turn + 1), &settings)
        };
        let contents: Vec<_> = (0..CHANGES).map(changed).collect();
        for (content, acknowledged) in contents.iter().zip(acknowledged(&contents)?) {
            set.change(content, acknowledged, &mut parts)?;
        }
        set.verify(report)?;
        let row = |what: &str, samples: &Samples| {
            Row::new(format!("L4  {what}, {size}, p50"), "ms", None, samples.median())
        };
        report.row(
            row("one change, to satellites that accept everything", &parts.all).target(Target::Value(target)),
        );
        for (what, samples) in [
            ("of that: cutting the snapshot", &parts.cut),
            ("of that: view, shards, digests", &parts.view),
            ("of that: packing the shard", &parts.archive),
            ("of that: writing and reading the pointer", &parts.pointer),
            ("view, shards, digests of a satellite with half of the namespaces", &parts.restricted),
        ] {
            report.row(row(what, samples));
        }
        let [all, cut, view] = [&parts.all, &parts.cut, &parts.view].map(Samples::json);
        report.details.push(json!({ "phase": "L4", "objects": size, "all": all, "cut": cut, "view": view }));
        medians.push(parts.view.median() + parts.cut.median());
    }
    let [small, large] = medians[..] else { return Ok(()) };
    let metric = format!("L4  catalog, views and digests, {} (compared with: {})", sizes[1], sizes[0]);
    report.row(Row::new(metric, "ms", Some(small), large));
    Ok(())
}

impl Set {
    fn new(mix: &Mix, settings: &Settings) -> anyhow::Result<Self> {
        let contents: Vec<_> = mix.all().map(|declared| mix::rendered(&declared, settings)).collect();
        let mut index = Index::new(itl(IcingaVersion::default()));
        for (age, content) in contents.iter().enumerate() {
            index.upsert(age as i64, &Uid::new(&mix::uid(age)), content.clone());
        }
        index.resolve();
        let mut catalog = Catalog::default();
        acknowledged(&contents)?.into_iter().for_each(|acknowledged| catalog.offer(acknowledged));
        catalog.settle(&index);
        // The first satellite accepts everything; the second accepts half of the teams and their
        // references.
        let teams = (0..20).map(|team| format!("team-{team:02}"));
        let some = teams.chain(["common".into(), mix::PRIVILEGED.into()]).collect();
        let satellites = [None, Some(some)].map(|namespaces| Satellite {
            view: Maintained::new(Acceptance { namespaces, ..Acceptance::default() }, None),
            form: None,
            shards: BTreeSet::new(),
        });
        let names = SnapshotNames::default();
        let mut set = Self {
            index,
            catalog,
            names,
            satellites: satellites.into(),
            counter: 0,
            objects: contents.len(),
        };
        set.deliver(&mut Parts::default())?;
        Ok(set)
    }

    fn change(
        &mut self,
        content: &Arc<Rendered>,
        acknowledged: Acknowledged,
        parts: &mut Parts,
    ) -> anyhow::Result<()> {
        // The index has a benchmark of its own (L3).
        self.index.upsert(0, &Uid::new(&mix::uid(0)), content.clone());
        self.index.resolve();
        let start = Instant::now();
        self.catalog.publishing(content.key());
        self.catalog.offer(acknowledged);
        anyhow::ensure!(self.catalog.settle(&self.index), "the change of {} changed nothing", content.key());
        let settled = start.elapsed();
        let took = self.deliver(parts)?;
        parts.all.push(settled + took);
        Ok(())
    }

    /// Cuts a snapshot, and builds the shards and the pointer for each satellite.
    fn deliver(&mut self, parts: &mut Parts) -> anyhow::Result<Duration> {
        self.counter += 1;
        let revision = Revision { term: 1, counter: self.counter };
        let destination =
            Destination { namespace: "icinga".into(), name: "groundlink".into(), ..Destination::default() };
        let start = Instant::now();
        let snapshot = self.catalog.cut(revision).0;
        let mut took = start.elapsed();
        parts.cut.push(took);
        for satellite in &mut self.satellites {
            let start = Instant::now();
            let view = satellite.view.update(&snapshot, &mut self.names);
            let form = choose(Layout::Auto, satellite.form, &view).map_err(anyhow::Error::msg)?;
            let Form::Sharded { bits } = form else { anyhow::bail!("the set fits into one ConfigMap") };
            let shards = view.shards(bits);
            let name = |shard: &Shard| shard.name(&destination.name);
            let names: BTreeSet<String> = shards.iter().map(name).collect();
            let viewed = start.elapsed();

            let start = Instant::now();
            for shard in shards.iter().filter(|shard| !satellite.shards.contains(&name(shard))) {
                black_box(pointer::shard(&destination, revision, shard)?);
            }
            let packed = start.elapsed();

            let start = Instant::now();
            let previous = satellite.shards.difference(&names).cloned().collect();
            let pointer = pointer::sharded(&destination, revision, &view, bits, &shards, &previous);
            let found = pointer::read(&pointer, &destination);
            anyhow::ensure!(
                found.is(&destination, &view, form),
                "the pointer does not read back as it was written"
            );
            let written = start.elapsed();
            (satellite.form, satellite.shards) = (Some(form), names);

            if satellite.view.acceptance().may_leave_out() {
                parts.restricted.push(viewed);
                continue;
            }
            parts.view.push(viewed);
            parts.archive.push(packed);
            parts.pointer.push(written);
            took += viewed + packed + written;
        }
        Ok(took)
    }

    /// Compares each maintained view with one that is computed from scratch.
    fn verify(&mut self, report: &mut Report) -> anyhow::Result<()> {
        self.counter += 1;
        let snapshot = self.catalog.cut(Revision { term: 1, counter: self.counter }).0;
        for satellite in &mut self.satellites {
            let view = satellite.view.update(&snapshot, &mut self.names);
            let acceptance = satellite.view.acceptance().clone();
            let is_whole = acceptance.namespaces.is_none();
            let anew = Maintained::new(acceptance, None).update(&snapshot, &mut SnapshotNames::default());
            if (anew.digest, &anew.left_out) != (view.digest, &view.left_out) {
                report.failures.push("L4: the maintained view differs from one computed from scratch".into());
            }
            if is_whole && view.len() != self.objects {
                report.failures.push(format!("L4: the view has {} of {} objects", view.len(), self.objects));
            }
        }
        Ok(())
    }
}

/// Returns the contents as acknowledged ones, the way a restart recovers them: from a volume and a
/// status.
fn acknowledged(contents: &[Arc<Rendered>]) -> anyhow::Result<Vec<Acknowledged>> {
    let directory = tempfile::tempdir()?;
    let volume = Volume::open(directory.path(), false)?;
    // A volume holds one version per object, so several versions of one object need several scans.
    let mut rounds: Vec<Vec<&Arc<Rendered>>> = Vec::new();
    let mut seen: HashMap<&ObjectKey, usize> = HashMap::new();
    for content in contents {
        let round = seen.entry(content.key()).or_default();
        if rounds.len() == *round {
            rounds.push(Vec::new());
        }
        rounds[*round].push(content);
        *round += 1;
    }
    let mut found: HashMap<_, InPlace> = HashMap::new();
    for round in rounds {
        for content in &round {
            let path = directory.path().join(content.key().path());
            std::fs::create_dir_all(path.parent().unwrap())?;
            std::fs::write(path, content.bytes())?;
        }
        let in_place = volume.scan()?.files.into_iter().filter_map(|file| file.content.into_in_place());
        found.extend(in_place.map(|in_place| (in_place.digest(), in_place)));
    }
    let recover = |content: &Arc<Rendered>| {
        let published_digest = Some(content.digest().to_string());
        let recorded = Recorded::of(&MonitoringObjectStatus { published_digest, ..Default::default() });
        Acknowledged::recorded(&found[&content.digest()], &recorded).unwrap()
    };
    Ok(contents.iter().map(recover).collect())
}
