//! The report of a soak: a line of JSON for each epoch, and plots.

use super::Arguments;
use super::epoch::Outcome;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

/// Formats an epoch as a line.
pub fn line(outcome: &Outcome) -> String {
    let [created, changed, deleted] = outcome.counts;
    let last = outcome.samples.last();
    format!(
        "epoch {}: {created} created, {changed} changed, {deleted} deleted, {} objects; ready {:.2}/{:.2} s, everywhere \
         {:.2}/{:.2} s, healthy {:.2}/{:.2} s (p50/p99); equal {:.1} s after the faults; {:.0} MiB, {} descriptors, {} \
         threads, {} tasks, {} lines{}; {} deliveries with {} keys checked, {} inconclusive; {} wrong",
        outcome.number,
        outcome.objects,
        outcome.ready.at(0.5),
        outcome.ready.at(0.99),
        outcome.everywhere.at(0.5),
        outcome.everywhere.at(0.99),
        outcome.healthy.at(0.5),
        outcome.healthy.at(0.99),
        outcome.recovery.as_secs_f64(),
        last.map_or(0.0, |sample| sample.rss_mib),
        last.map_or(0, |sample| sample.descriptors),
        last.map_or(0, |sample| sample.threads),
        outcome.tasks,
        outcome.lines,
        if outcome.restarted { "; restarted at rest" } else { "" },
        outcome.findings.satellite_writes,
        outcome.findings.keys,
        outcome.findings.inconclusive,
        outcome.wrong.len()
    )
}

/// Written anew after each epoch, so that it is there when a soak is stopped.
pub struct Report {
    out: PathBuf,
    head: Value,
    begun: Instant,
    outcomes: Vec<Outcome>,
}

impl Report {
    pub fn new(out: PathBuf, seed: u64, arguments: &Arguments) -> Self {
        let head = json!({
            "seed": seed, "minutes": arguments.minutes, "objects": arguments.objects,
            "satellites": arguments.satellites, "rate": arguments.rate,
        });
        Self { out, head, begun: Instant::now(), outcomes: Vec::new() }
    }

    /// Adds an epoch, and writes `soak.jsonl` and `soak.svg`. What takes memory and is written is
    /// forgotten.
    pub fn add(&mut self, mut outcome: Outcome) {
        outcome.findings.arrivals = Vec::new();
        self.outcomes.push(outcome);
        let lines = std::iter::once(self.head.to_string());
        let lines: Vec<_> = lines.chain(self.outcomes.iter().map(|one| self.json(one).to_string())).collect();
        std::fs::write(self.out.join("soak.jsonl"), lines.join("\n") + "\n").expect("the report");
        std::fs::write(self.out.join("soak.svg"), self.plots()).expect("the plots");
    }

    fn seconds(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.begun).as_secs_f64()
    }

    fn json(&self, one: &Outcome) -> Value {
        let faults = one.faults.iter().map(|(fault, from, to)| {
            json!({ "fault": format!("{fault:?}"), "from": self.seconds(*from), "to": self.seconds(*to) })
        });
        let of = |latencies: &super::epoch::Latencies| json!([latencies.at(0.5), latencies.at(0.99)]);
        json!({
            "epoch": one.number, "at": self.seconds(one.begun), "faults": faults.collect::<Vec<_>>(),
            "created_changed_deleted": one.counts, "objects": one.objects,
            "recovery_seconds": one.recovery.as_secs_f64(), "restarted": one.restarted,
            "ready_p50_p99": of(&one.ready), "everywhere_p50_p99": of(&one.everywhere),
            "healthy_p50_p99": of(&one.healthy),
            "most_mib": one.samples.iter().map(|sample| sample.rss_mib).fold(0.0, f64::max),
            "most_descriptors": one.samples.iter().map(|sample| sample.descriptors).max(),
            "most_threads": one.samples.iter().map(|sample| sample.threads).max(),
            "tasks_at_rest": one.tasks, "log_lines": one.lines,
            "deliveries": one.findings.satellite_writes, "keys": one.findings.keys,
            "renames": one.findings.renames, "ready_writes": one.findings.ready_writes,
            "inconclusive": one.findings.inconclusive, "wrong": one.wrong,
        })
    }

    fn plots(&self) -> String {
        let samples = || self.outcomes.iter().flat_map(|one| one.samples.iter().zip(&one.backlog));
        let series = |of: &dyn Fn(&super::stage::Sample, usize) -> f64| -> Vec<(f64, f64)> {
            samples().map(|(sample, open)| (self.seconds(sample.at), of(sample, *open))).collect()
        };
        let by_epoch = |of: &dyn Fn(&Outcome) -> f64| -> Vec<(f64, f64)> {
            self.outcomes.iter().map(|one| (self.seconds(one.begun), of(one))).collect()
        };
        let plots = [
            Plot {
                title: "latency of an epoch, seconds",
                lines: vec![
                    ("ready p50", by_epoch(&|one| one.ready.at(0.5))),
                    ("ready p99", by_epoch(&|one| one.ready.at(0.99))),
                    ("everywhere p50", by_epoch(&|one| one.everywhere.at(0.5))),
                    ("everywhere p99", by_epoch(&|one| one.everywhere.at(0.99))),
                    ("satellites without a fault p99", by_epoch(&|one| one.healthy.at(0.99))),
                ],
            },
            Plot {
                title: "recovery after the faults of an epoch, seconds",
                lines: vec![("until equal", by_epoch(&|one| one.recovery.as_secs_f64()))],
            },
            Plot { title: "memory, MiB", lines: vec![("resident", series(&|sample, _| sample.rss_mib))] },
            Plot {
                title: "backlog, changes that are not everywhere yet",
                lines: vec![("open", series(&|_, open| open as f64))],
            },
            Plot {
                title: "descriptors and threads",
                lines: vec![
                    ("descriptors", series(&|sample, _| sample.descriptors as f64)),
                    ("threads", series(&|sample, _| sample.threads as f64)),
                ],
            },
        ];
        let faults: Vec<_> = self.outcomes.iter().flat_map(|one| &one.faults).collect();
        let bands: Vec<_> = faults
            .iter()
            .map(|(fault, from, to)| (format!("{fault:?}"), self.seconds(*from), self.seconds(*to)))
            .collect();
        let end = self.outcomes.iter().flat_map(|one| one.samples.last()).map(|last| self.seconds(last.at));
        draw(&plots, &bands, end.fold(1.0, f64::max))
    }
}

/// A plot: named lines of points.
struct Plot<'a> {
    title: &'a str,
    lines: Vec<(&'a str, Vec<(f64, f64)>)>,
}

const WIDTH: f64 = 1100.0;
const HEIGHT: f64 = 170.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 34.0;
const COLORS: [&str; 5] = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e"];

/// Draws plots below each other over one axis of seconds. Bands are faults; pointing at one shows
/// its name.
fn draw(plots: &[Plot<'_>], bands: &[(String, f64, f64)], end: f64) -> String {
    let x = |seconds: f64| LEFT + seconds / end * WIDTH;
    let row = HEIGHT + TOP + 24.0;
    let (width, height) = (LEFT + WIDTH + 20.0, row * plots.len() as f64 + 10.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (at, plot) in plots.iter().enumerate() {
        let top = row * at as f64 + TOP;
        let most = plot.lines.iter().flat_map(|(_, points)| points).map(|(_, y)| *y).fold(0.0, f64::max);
        let most = nice(most);
        let y = |value: f64| top + HEIGHT - value / most * HEIGHT;
        for (name, from, to) in bands {
            let (from, wide) = (x(*from), ((to - from) / end * WIDTH).max(1.0));
            let _ = writeln!(
                svg,
                "<rect x=\"{from:.1}\" y=\"{top}\" width=\"{wide:.1}\" height=\"{HEIGHT}\" fill=\"#000\" \
                 fill-opacity=\"0.05\"><title>{name}</title></rect>"
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{}</text>",
            top - 18.0,
            plot.title
        );
        for part in 0..=4 {
            let value = most * f64::from(part) / 4.0;
            let _ = writeln!(
                svg,
                "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
                LEFT + WIDTH,
                LEFT - 6.0,
                y(value) + 4.0,
                y = y(value),
            );
            let seconds = end * f64::from(part) / 4.0;
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{:.1} min</text>",
                x(seconds),
                top + HEIGHT + 14.0,
                seconds / 60.0
            );
        }
        for ((name, points), (index, color)) in plot.lines.iter().zip(COLORS.iter().enumerate()) {
            let points: Vec<_> = points.iter().map(|(s, v)| format!("{:.1},{:.1}", x(*s), y(*v))).collect();
            let _ = writeln!(
                svg,
                "<polyline fill=\"none\" stroke=\"{color}\" stroke-width=\"1.3\" points=\"{}\"/>\
                 <text x=\"{}\" y=\"{}\" fill=\"{color}\">{name}</text>",
                points.join(" "),
                LEFT + 180.0 * index as f64,
                top - 5.0
            );
        }
    }
    svg + "</svg>\n"
}

/// Returns 1, 2 or 5 times a power of ten that is not below `value`.
fn nice(value: f64) -> f64 {
    let mut step = 1e-3;
    while step < 1e9 {
        if let Some(found) = [1.0, 2.0, 5.0].iter().map(|times| times * step).find(|top| *top >= value) {
            return found;
        }
        step *= 10.0;
    }
    step
}

#[test]
fn plots_have_a_line_for_each_series_and_a_band_for_each_fault() {
    let lines = vec![("one", vec![(0.0, 0.0), (30.0, 7.0)]), ("two", vec![(0.0, 3.0)])];
    let plots = [Plot { title: "latency", lines }];
    let svg = draw(&plots, &[("Killed".into(), 10.0, 20.0)], 60.0);
    assert_eq!((svg.matches("<polyline").count(), svg.matches("<title>Killed").count()), (2, 1));
    // The middle of an hour-glass: half of the width, 7 of 10 of the height.
    let middle = format!("{:.1},{:.1}", LEFT + WIDTH / 2.0, TOP + HEIGHT * 0.3);
    assert!(svg.contains(&middle), "{middle} is not in {svg}");
    assert_eq!([0.0, 0.7, 3.0, 10.0, 11.0].map(nice), [0.001, 1.0, 5.0, 10.0, 20.0]);
}
