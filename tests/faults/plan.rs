//! What is decided without running anything: which cases, their verdicts, and how they are shown.

use super::cases::{By, Case};
use serde::Serialize;
use std::collections::BTreeMap;

pub const USAGE: &str = "usage: make faults ARGS=\"[--only 6,13,T7] [--list] [--write]\"";
const BEGIN: &str = "<!-- make faults ARGS=--write: begin -->\n";
const END: &str = "<!-- make faults ARGS=--write: end -->\n";
const HEAD: &str = "| id | fault or threat | injected | watched | tests | verdict | seconds |\n|---|---|---|---|---|---|---|\n";
const NOT_RUN: [&str; 2] = ["not run", ""];

/// What to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The cases that run. None for all.
    pub only: Option<Vec<String>>,
    /// Runs nothing.
    pub list: bool,
    /// Writes the table.
    pub write: bool,
}

impl Options {
    /// # Errors
    /// If an argument is unknown, or names no case.
    pub fn parse(arguments: &[String], cases: &[Case]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--list" => options.list = true,
                "--write" => options.write = true,
                "--only" => {
                    let ids = rest.next().ok_or_else(|| format!("--only needs ids; {USAGE}"))?;
                    options.only = Some(ids.split(',').map(str::to_owned).collect());
                }
                other => return Err(format!("unknown argument {other:?}; {USAGE}")),
            }
        }
        let unknown = |id: &&String| !cases.iter().any(|case| case.id == id.as_str());
        match options.only.iter().flatten().find(unknown) {
            Some(id) => Err(format!("no case is called {id:?}; --list shows them; {USAGE}")),
            None => Ok(options),
        }
    }

    pub fn selects(&self, case: &Case) -> bool {
        self.only.as_ref().is_none_or(|ids| ids.iter().any(|id| id == case.id))
    }
}

/// How one test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Passed,
    Failed,
    /// It could not inject the fault here, for this reason.
    Skipped(String),
}

impl End {
    /// Reads how a test ended from its success and its output. A test that was not found or was
    /// ignored did not pass.
    pub fn read(success: bool, output: &str, is_command: bool) -> Self {
        let skipped = output.lines().find_map(|line| line.trim().strip_prefix("SKIPPED: "));
        match (success && (is_command || output.contains("test result: ok. 1 passed")), skipped) {
            (false, _) => Self::Failed,
            (true, Some(why)) => Self::Skipped(why.to_owned()),
            (true, None) => Self::Passed,
        }
    }
}

/// How one test ended, and after which time.
#[derive(Clone, Debug)]
pub struct Run {
    pub end: End,
    pub seconds: f64,
}

/// The tests that ran, by name.
pub type Runs = BTreeMap<&'static str, Run>;

/// The verdict on a case.
pub fn verdict(case: &Case, runs: &Runs) -> String {
    if let By::NotInjected(why) = case.by {
        return format!("not injected: {why}");
    }
    let ends: Vec<_> = case.tests().iter().map(|test| runs.get(test).map(|run| &run.end)).collect();
    let skipped = ends.iter().find_map(|end| match end {
        Some(End::Skipped(why)) => Some(why),
        _ => None,
    });
    match skipped {
        _ if ends.contains(&Some(&End::Failed)) => "failed".into(),
        _ if ends.contains(&None) => NOT_RUN[0].into(),
        Some(why) => format!("skipped: {why}"),
        None => "passed".into(),
    }
}

fn seconds(case: &Case, runs: &Runs) -> f64 {
    let all: f64 = case
        .tests()
        .iter()
        .filter_map(|test| runs.get(test))
        .map(|run| run.seconds)
        .fold(0.0, |sum, one| sum + one);
    (all * 10.0).round() / 10.0
}

/// The line of a case: one object of JSON.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
    id: &'a str,
    title: &'a str,
    injected: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    not_injected: &'a str,
    oracles: Vec<&'a str>,
    tests: &'a [&'a str],
    verdict: String,
    seconds: f64,
    seed: &'a str,
}

pub fn line<'a>(case: &'a Case, runs: &Runs, seed: &'a str) -> Line<'a> {
    Line {
        id: case.id,
        title: case.title,
        injected: case.injected,
        not_injected: case.open,
        oracles: case.oracles.split_whitespace().collect(),
        tests: case.tests(),
        verdict: verdict(case, runs),
        seconds: seconds(case, runs),
        seed,
    }
}

/// The cells that the case itself decides.
fn cells(case: &Case) -> String {
    let open = match case.open {
        "" => String::new(),
        open => format!("; *not injected:* {open}"),
    };
    let tests: Vec<_> = case.tests().iter().map(|test| format!("`{test}`")).collect();
    format!(
        "| {} | {} | {}{open} | {} | {} |",
        case.id,
        case.title,
        case.injected,
        case.oracles,
        tests.join("<br>")
    )
}

/// Returns the page with a new table. A case that did not run keeps its last verdict, unless it
/// was changed since.
///
/// # Errors
/// If the page has no markers.
pub fn rewrite(page: &str, cases: &[Case], runs: &Runs) -> Result<String, String> {
    let missing = || format!("the page has no lines {BEGIN:?} and {END:?}");
    let (before, rest) = page.split_once(BEGIN).ok_or_else(missing)?;
    let (old, after) = rest.split_once(END).ok_or_else(missing)?;
    let mut table = HEAD.to_owned();
    for case in cases {
        let cells = cells(case);
        let kept =
            old.lines().find_map(|row| row.strip_prefix(&cells)?.strip_suffix(" |")?.split_once(" | "));
        let [mut result, mut took] = NOT_RUN.map(str::to_owned);
        let now = verdict(case, runs);
        if now != NOT_RUN[0] {
            took = if case.tests().is_empty() { String::new() } else { seconds(case, runs).to_string() };
            result = now;
        } else if let Some((last, time)) = kept {
            (result, took) = (last.trim().to_owned(), time.trim().to_owned());
        }
        table.push_str(&format!("{cells} {result} | {took} |\n"));
    }
    Ok(format!("{before}{BEGIN}{table}{END}{after}"))
}

/// One line with the totals.
pub fn summary(cases: &[Case], runs: &Runs) -> String {
    let mut counts = BTreeMap::<String, usize>::new();
    for case in cases {
        let verdict = verdict(case, runs);
        let word = verdict.split(':').next().unwrap_or_default();
        *counts.entry(word.to_owned()).or_default() += 1;
    }
    let counts: Vec<_> = counts.into_iter().map(|(word, count)| format!("{count} {word}")).collect();
    let part = cases.iter().filter(|case| !case.open.is_empty()).count();
    format!("{} cases: {}; of {part} a part is not injected", cases.len(), counts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn case(id: &'static str, by: By) -> Case {
        Case { id, title: "title", injected: "something", oracles: "R1 I2", by, open: "" }
    }

    const CASES: [Case; 3] = [
        case("1", By::Tests(&["lib::a", "lib::b"])),
        case("12", By::Tests(&["lib::b"])),
        case("T3", By::NotInjected("no such device")),
    ];

    fn runs(ends: &[(&'static str, End)]) -> Runs {
        ends.iter().map(|(test, end)| (*test, Run { end: end.clone(), seconds: 1.25 })).collect()
    }

    fn parse(text: &str) -> Result<Options, String> {
        let arguments: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        Options::parse(&arguments, &CASES)
    }

    #[test]
    fn arguments_select_cases() {
        let chosen = parse("--only 12,T3 --write").unwrap();
        assert!(chosen.write && !chosen.list);
        assert_eq!(CASES.map(|case| chosen.selects(&case)), [false, true, true]);
        let all = parse("--list").unwrap();
        assert!(all.list && CASES.iter().all(|case| all.selects(case)));
        for wrong in ["--only", "--only 2", "--only 1,", "--olny 1", "1"] {
            assert!(parse(wrong).unwrap_err().contains("usage: make faults"), "{wrong}");
        }
    }

    #[test]
    fn a_test_passed_only_if_it_ran() {
        let one = "running 1 test\ntest a ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored";
        assert_eq!(End::read(true, one, false), End::Passed);
        assert_eq!(End::read(true, "test result: ok. 0 passed; 0 failed; 1 ignored", false), End::Failed);
        assert_eq!(End::read(false, one, false), End::Failed);
        let skipped = format!("\nSKIPPED: no mount\n{one}");
        assert_eq!(End::read(true, &skipped, false), End::Skipped("no mount".into()));
        assert_eq!(End::read(true, "chart: 40 passed", true), End::Passed);
        assert_eq!(End::read(false, "", true), End::Failed);
    }

    #[test]
    fn a_case_passes_if_all_its_tests_pass() {
        let verdicts = |ends: &[_]| CASES.map(|case| verdict(&case, &runs(ends)));
        let absent = "not injected: no such device";
        assert_eq!(verdicts(&[]), ["not run", "not run", absent]);
        assert_eq!(verdicts(&[("lib::b", End::Passed)]), ["not run", "passed", absent]);
        assert_eq!(verdicts(&[("lib::a", End::Failed)]), ["failed", "not run", absent]);
        let both = |end| [("lib::a", end), ("lib::b", End::Passed)];
        assert_eq!(verdicts(&both(End::Passed)), ["passed", "passed", absent]);
        assert_eq!(verdicts(&both(End::Skipped("x".into()))), ["skipped: x", "passed", absent]);
        let ran = runs(&both(End::Passed));
        assert_eq!(summary(&CASES, &ran), "3 cases: 1 not injected, 2 passed; of 0 a part is not injected");
        let line = serde_json::to_string(&line(&CASES[0], &ran, "7")).unwrap();
        assert_eq!(
            line,
            r#"{"id":"1","title":"title","injected":"something","oracles":["R1","I2"],"tests":["lib::a","lib::b"],"verdict":"passed","seconds":2.5,"seed":"7"}"#
        );
    }

    #[test]
    fn a_case_that_did_not_run_keeps_its_verdict_until_it_is_changed() {
        let page = format!("above\n{BEGIN}{END}below\n");
        let first = rewrite(&page, &CASES, &runs(&[("lib::b", End::Passed)])).unwrap();
        assert!(first.starts_with("above\n") && first.ends_with("below\n"), "{first}");
        assert!(first.contains("| 12 | title | something | R1 I2 | `lib::b` | passed | 1.3 |\n"), "{first}");
        assert!(first.contains("`lib::a`<br>`lib::b` | not run |  |\n"), "{first}");
        assert_eq!(rewrite(&first, &CASES, &Runs::new()).unwrap(), first);
        let mut changed = CASES;
        changed[1].by = By::Tests(&["lib::c"]);
        let second = rewrite(&first, &changed, &Runs::new()).unwrap();
        assert!(second.contains("`lib::c` | not run |  |\n") && !second.contains("passed"), "{second}");
        assert!(rewrite("no table", &CASES, &Runs::new()).is_err());
    }
}
