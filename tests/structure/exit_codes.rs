//! One table of exit codes: each command names in its `--help` what docs/commands.md says.

use super::text_of;
use clap::{Command, CommandFactory as _};
use std::collections::BTreeMap;

/// The meaning of each code.
type Codes = BTreeMap<u8, String>;

/// Adds the codes of every command that runs something, by its words after the program's name.
fn collect(command: &Command, words: &str, found: &mut BTreeMap<String, Codes>, wrong: &mut Vec<String>) {
    let mut leaf = true;
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        leaf = false;
        collect(sub, format!("{words} {}", sub.get_name()).trim(), found, wrong);
    }
    if !leaf {
        return;
    }
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let lines: Vec<_> = help.lines().filter_map(|line| line.strip_prefix("Exit codes")).collect();
    if lines.is_empty() {
        wrong.push(format!("`groundlink {words} --help` names no exit codes"));
    }
    for line in lines {
        let Some((with, text)) = line.split_once(": ") else {
            wrong.push(format!("{words}: {line}"));
            continue;
        };
        let name = format!("{words} {}", with.trim_start_matches(" with ")).trim().to_owned();
        found.insert(name, codes(text));
    }
}

/// Reads `0 done, 1 failed, 2 wrong usage.`
fn codes(text: &str) -> Codes {
    let mut codes = Codes::new();
    let mut last = None;
    for part in text.trim_end_matches('.').split(", ") {
        match part.split_once(' ').and_then(|(code, rest)| Some((code.parse::<u8>().ok()?, rest))) {
            Some((code, meaning)) => {
                codes.insert(code, meaning.to_owned());
                last = Some(code);
            }
            // A comma inside of a meaning.
            None => *codes.get_mut(&last.expect("a code first")).unwrap() += &format!(", {part}"),
        }
    }
    codes
}

/// Reads the table of the page.
fn table(page: &str) -> BTreeMap<String, Codes> {
    let section = page.split("\n## Exit codes\n").nth(1).expect("a section").split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let codes = cells[1..].iter().enumerate().filter(|(_, cell)| **cell != "-");
        let name = cells[0].trim_matches('`').to_owned();
        (name, codes.map(|(code, meaning)| (code as u8, (*meaning).to_owned())).collect())
    })
    .collect()
}

#[test]
fn every_command_names_its_exit_codes_as_the_table_does() {
    let (mut found, mut wrong) = (BTreeMap::new(), Vec::new());
    collect(&groundlink::cli::Cli::command(), "", &mut found, &mut wrong);
    let table = table(&text_of("docs/commands.md"));
    for (name, codes) in &found {
        match table.get(name) {
            None => wrong.push(format!("docs/commands.md has no row for `{name}`: {codes:?}")),
            Some(row) if row != codes => {
                wrong.push(format!("`{name}`: --help has {codes:?}, and docs/commands.md {row:?}"));
            }
            Some(_) => {}
        }
        // Scripts rely on these for every command.
        if !codes.contains_key(&0) || !codes.get(&2).is_some_and(|meaning| meaning.ends_with("wrong usage")) {
            wrong.push(format!("`{name}` does not say what 0 is, and that 2 is wrong usage"));
        }
    }
    wrong.extend(
        table.keys().filter(|name| !found.contains_key(*name)).map(|name| format!("no command {name}")),
    );
    assert!(found.len() > 15 && wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn codes_are_read_with_commas_in_their_meanings() {
    let codes = codes("0 it is so, 1 late, refused, or failed, 2 wrong usage.");
    assert_eq!(codes.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(codes[&1], "late, refused, or failed");
}
