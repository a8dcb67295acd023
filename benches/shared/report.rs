//! The results: a table on standard output, and everything as JSON.

use super::machine::{Machine, uptime};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Measured values. Durations are in milliseconds.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl Samples {
    /// Adds a value.
    pub fn push(&mut self, took: Duration) {
        self.0.push(took.as_secs_f64() * 1_000.0);
    }

    /// Returns the median. The mean of the two middle values if their number is even.
    pub fn median(&self) -> f64 {
        median(&self.0)
    }

    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the smallest and the largest value, for a note.
    pub fn spread(&self) -> String {
        format!("{} to {}", short(self.percentile(0.0)), short(self.percentile(100.0)))
    }

    /// Returns the percentile by nearest rank. NaN if there are no values.
    pub fn percentile(&self, percent: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }

    /// Returns the number of values, and the usual percentiles.
    pub fn json(&self) -> Value {
        let at = |percent| self.percentile(percent);
        json!({ "count": self.0.len(), "p50": at(50.0), "p90": at(90.0), "p99": at(99.0), "max": at(100.0) })
    }
}

/// Returns the median. The mean of the two middle values if their number is even.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => (sorted[count / 2 - 1] + sorted[count / 2]) / 2.0,
    }
}

/// The upper limit of a row.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// This many times the value that it is compared with.
    Ratio(f64),
    /// This value.
    Value(f64),
}

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    metric: String,
    unit: &'static str,
    compared_with: Option<f64>,
    groundlink: Option<f64>,
    ratio: Option<f64>,
    target: Option<Target>,
    verdict: &'static str,
}

impl Row {
    /// Makes a row from Groundlink's value and, if there is one, the value that it is compared
    /// with.
    pub fn new(metric: impl Into<String>, unit: &'static str, other: Option<f64>, ours: f64) -> Self {
        let groundlink = Some(ours).filter(|ours| ours.is_finite());
        let ratio = other.zip(groundlink).map(|(other, ours)| ours / other).filter(|ratio| ratio.is_finite());
        Self {
            metric: metric.into(),
            unit,
            compared_with: other,
            groundlink,
            ratio,
            target: None,
            verdict: "",
        }
    }

    /// Makes a row for a rate, where more is better. The ratio is still that of the times.
    pub fn rate(metric: impl Into<String>, unit: &'static str, other: f64, ours: f64) -> Self {
        Self { ratio: Some(other / ours), ..Self::new(metric, unit, Some(other), ours) }
    }

    /// Sets the upper limit.
    pub fn target(mut self, target: Target) -> Self {
        let (value, limit) = match target {
            Target::Ratio(limit) => (self.ratio, limit),
            Target::Value(limit) => (self.groundlink, limit),
        };
        self.target = Some(target);
        self.verdict = match value {
            Some(value) if value <= limit => "within target",
            Some(value) if value <= limit * 1.5 => "within 1.5x",
            _ => "MISSED",
        };
        self
    }

    /// Returns the number of the metric, which orders the table.
    fn place(&self) -> u32 {
        let digits: String = self.metric.chars().skip(1).take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or_default()
    }

    fn cells(&self) -> [String; 6] {
        let number = |value: Option<f64>| value.map_or_else(|| "-".into(), short);
        let target = match self.target {
            None => "-".into(),
            Some(Target::Ratio(limit)) => format!("<= {limit}x"),
            Some(Target::Value(limit)) => format!("<= {}", short(limit)),
        };
        [
            format!("{} [{}]", self.metric, self.unit),
            number(self.compared_with),
            number(self.groundlink),
            self.ratio.map_or_else(|| "-".into(), times),
            target,
            self.verdict.to_owned(),
        ]
    }
}

fn times(ratio: f64) -> String {
    if ratio < 0.01 { format!("1/{:.0}x", 1.0 / ratio) } else { format!("{ratio:.2}x") }
}

/// Formats a number with its significant digits.
pub fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 1_000.0 => format!("{value:.0}"),
        large if large >= 10.0 => format!("{value:.1}"),
        0.0 => "0".into(),
        _ => format!("{value:.2}"),
    }
}

/// The results of one run.
pub struct Report {
    benchmark: &'static str,
    compared_with: &'static str,
    quick: bool,
    machine: Machine,
    /// Conditions of the run, besides the machine.
    pub conditions: Vec<String>,
    rows: Vec<Row>,
    /// The data behind the rows, for the JSON.
    pub details: Vec<Value>,
    /// Figures of other projects, by target.
    pub peers: Vec<(&'static str, &'static str)>,
    /// Remarks that a reader needs.
    pub notes: Vec<String>,
    /// Checks that failed.
    pub failures: Vec<String>,
}

impl Report {
    /// Starts an empty report. `compared_with` is the title of the column with the other side's
    /// values.
    pub fn new(benchmark: &'static str, compared_with: &'static str, quick: bool) -> Self {
        Self {
            benchmark,
            compared_with,
            quick,
            machine: Machine::look(),
            conditions: Vec::new(),
            rows: Vec::new(),
            details: Vec::new(),
            peers: Vec::new(),
            notes: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Adds a row, and prints it as progress.
    pub fn row(&mut self, row: Row) {
        crate::progress!("    {}", row.cells().join("  "));
        self.rows.push(row);
    }

    /// Prints the table, and writes the JSON file.
    pub fn print(&self) {
        println!();
        println!("{}", self.machine.line());
        self.conditions.iter().for_each(|condition| println!("{condition}"));
        println!("took {:.0} s; compared sides took turns in this run", uptime().as_secs_f64());
        if self.quick {
            println!(
                "QUICK RUN: the sizes are too small to judge the times; it only shows that everything works"
            );
        }
        println!();
        let titles = ["metric", self.compared_with, "groundlink", "ratio", "target", "verdict"];
        let mut lines = vec![titles.map(str::to_owned)];
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        rows.sort_by_key(|row| row.place());
        lines.extend(rows.into_iter().map(Row::cells));
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..titles.len()).map(width).collect();
        for (number, line) in lines.iter().enumerate() {
            let [metric, other, ours, ratio, target, verdict] = line;
            let [a, b, c, d, e, f] = [0, 1, 2, 3, 4, 5].map(|column| widths[column]);
            println!("{metric:<a$}  {other:>b$}  {ours:>c$}  {ratio:>d$}  {target:>e$}  {verdict:<f$}");
            if number == 0 {
                println!("{}", "-".repeat(widths.iter().sum::<usize>() + 10));
            }
        }
        println!();
        self.peers.iter().for_each(|(target, figures)| println!("other projects, {target}: {figures}"));
        self.notes.iter().for_each(|note| println!("note: {note}"));
        self.failures.iter().for_each(|failure| println!("FAILED: {failure}"));
        match self.save() {
            Ok(path) => println!("{path}"),
            Err(error) => println!("cannot write the JSON file: {error}"),
        }
    }

    fn save(&self) -> std::io::Result<String> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
        let path = directory.join(format!("{}.json", self.benchmark));
        std::fs::create_dir_all(directory)?;
        let text = json!({
            "quick": self.quick,
            "seconds": uptime().as_secs_f64(),
            "machine": self.machine,
            "conditions": self.conditions,
            "rows": self.rows,
            "peers": self.peers.iter().copied().collect::<BTreeMap<_, _>>(),
            "details": self.details,
            "notes": self.notes,
            "failures": self.failures,
        });
        std::fs::write(&path, format!("{text:#}\n"))?;
        Ok(path.display().to_string())
    }
}
