//! L1: from the JSON of an API server to the rendered file, on one core.

use crate::mix::{self, Mix};
use crate::progress;
use crate::report::{Report, Row, Samples};
use groundlink::api::MonitoringObject;
use groundlink::identity::ObjectKey;
use groundlink::render::render;
use groundlink::watch::Received;
use serde_json::json;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

/// One object at each stage of the pipeline.
struct Object {
    sort: &'static str,
    json: Vec<u8>,
    decoded: MonitoringObject,
}

/// Measures the throughput for this many objects.
pub fn throughput(objects: usize, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    progress!("L1: decode, validate and render {objects} objects");
    let settings = mix::settings();
    let mut all = Vec::with_capacity(objects);
    for (number, declared) in Mix::new(objects).all().enumerate() {
        let json = serde_json::to_vec(&declared.as_served(number))?;
        let decoded = serde_json::from_slice::<Received>(&json)?.object;
        all.push(Object { sort: declared.sort(), json, decoded });
    }
    let decode = |object: &Object| -> MonitoringObject {
        serde_json::from_slice::<Received>(black_box(&object.json)).unwrap().object
    };
    let key = |object: &MonitoringObject| {
        let metadata = &object.metadata;
        ObjectKey::new(metadata.namespace.as_deref().unwrap(), metadata.name.as_deref().unwrap())
    };
    let make =
        |object: &MonitoringObject| render(&key(object), &mix::declaration(black_box(object), &settings));
    let bytes: usize = all.iter().map(|object| make(&object.decoded).size()).sum();

    let whole = seconds(rounds, || all.iter().for_each(|object| drop(black_box(make(&decode(object))))));
    let pure = seconds(rounds, || all.iter().for_each(|object| drop(black_box(make(&object.decoded)))));
    let checked = seconds(rounds, || {
        all.iter()
            .for_each(|object| drop(black_box(mix::declaration(black_box(&object.decoded), &settings))));
    });
    for (what, seconds) in
        [("decode, validate, render", &whole), ("validate, render", &pure), ("validate", &checked)]
    {
        let rate: Samples = seconds.iter().map(|seconds| all.len() as f64 / seconds).collect();
        report.row(Row::new(format!("L1  {what}: objects per second, one core"), "1/s", None, rate.median()));
        if what != "validate" {
            let megabytes: Samples = seconds.iter().map(|seconds| bytes as f64 / 1e6 / seconds).collect();
            let metric = format!("L1  {what}: configuration per second, one core");
            report.row(Row::new(metric, "MB/s", None, megabytes.median()));
        }
        report.notes.push(format!("L1: {what}: {} objects/s in {rounds} runs of {objects}", rate.spread()));
        report
            .details
            .push(json!({ "phase": "L1", "what": what, "objects": all.len(), "rate": rate.json() }));
    }
    let json: usize = all.iter().map(|object| object.json.len()).sum();
    let each = |bytes: usize| bytes as f64 / all.len() as f64;
    report.notes.push(format!(
        "L1: an object has {:.0} bytes of JSON and {:.0} of configuration on average",
        each(json),
        each(bytes)
    ));

    let mut sorts: BTreeMap<&str, Vec<&Object>> = BTreeMap::new();
    all.iter().for_each(|object| sorts.entry(object.sort).or_default().push(object));
    let costs = sorts.iter().map(|(sort, objects)| {
        // Kinds with few objects are repeated until there is enough to measure.
        let turns = 2_000_usize.div_ceil(objects.len());
        let some = || objects.iter().cycle().take(objects.len() * turns);
        let seconds = seconds(3, || some().for_each(|object| drop(black_box(make(&decode(object))))));
        let each =
            seconds.iter().copied().collect::<Samples>().median() * 1e6 / (objects.len() * turns) as f64;
        format!("{sort} {each:.1}")
    });
    report.notes.push(format!(
        "L1: decode, validate, render by kind [µs each]: {}",
        costs.collect::<Vec<_>>().join(", ")
    ));
    Ok(())
}

/// Returns the seconds of each run, after a warm-up run that does not count.
fn seconds(rounds: usize, run: impl Fn()) -> Vec<f64> {
    run();
    let timed = |_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    };
    (0..rounds).map(timed).collect()
}
