//! Every command in the documentation is run by a test that the page names, or the page says why it is not. And the program
//! knows each `groundlink` command that the pages show, with every flag.

use super::page::{Block, blocks};
use super::pages::{pages, prose};
use super::running::RUNNING;
use super::text_of;
use clap::CommandFactory;
use clap::error::ErrorKind;
use std::collections::BTreeMap;

/// Languages of blocks that a person is to run.
const COMMANDS: [&str; 2] = ["console", "bash"];
/// Languages of all other blocks.
const OTHERS: [&str; 7] = ["", "icinga2", "json", "lua", "promql", "text", "yaml"];
/// How a line begins that a person would run.
const PROGRAMS: [&str; 7] = ["$ ", "groundlink ", "kubectl ", "helm ", "make ", "curl ", "docker "];

/// What the mark of a block says.
#[derive(Debug, PartialEq, Eq)]
enum Mark<'a> {
    /// The test of this name runs it.
    RunBy(&'a str),
    /// No test runs it, for this reason.
    NotRun(&'a str),
}

/// Reads the mark of a block of commands.
///
/// # Errors
/// If there is none, or it is neither of the two.
fn mark(block: &Block) -> Result<Mark<'_>, String> {
    let text = block.mark.as_deref().unwrap_or_default();
    let cut = |prefix: &str| text.strip_prefix(prefix).map(str::trim).filter(|rest| !rest.is_empty());
    match (cut("run by "), cut("not run: ")) {
        (Some(test), _) => Ok(Mark::RunBy(test)),
        (_, Some(why)) => Ok(Mark::NotRun(why)),
        _ => Err("write `<!-- run by <test> -->` or `<!-- not run: <why> -->` in the line before it".into()),
    }
}

/// Says what is wrong with a block; None if nothing is.
fn fault(page: &str, block: &Block) -> Option<String> {
    if !COMMANDS.contains(&block.language.as_str()) {
        let is_known = OTHERS.contains(&block.language.as_str());
        let is_command = |line: &&String| PROGRAMS.iter().any(|word| line.starts_with(word));
        // Two words are a step in a picture.
        let command = block.lines.iter().filter(is_command).find(|line| line.split(' ').count() > 2);
        return match (is_known, command) {
            (false, _) => Some(format!("no block may be `{}`; commands are `console`", block.language)),
            (true, Some(line)) => Some(format!("a command in a block that is not `console`: {line}")),
            (true, None) => None,
        };
    }
    match mark(block) {
        Err(why) => Some(why),
        Ok(Mark::NotRun(_)) => None,
        Ok(Mark::RunBy(name)) => match RUNNING.iter().find(|test| test.name == name) {
            None => Some(format!("there is no test {name}")),
            Some(test) => {
                let file = std::fs::read_to_string(&test.file).unwrap();
                (!file.contains(page)).then(|| format!("the file of {name} does not name the page"))
            }
        },
    }
}

#[test]
fn every_command_is_run_by_a_test_or_marked_as_not() {
    let mut wrong = Vec::new();
    let mut run: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for page in pages() {
        let text = text_of(&page);
        for block in blocks(&text) {
            wrong.extend(fault(&page, &block).map(|why| format!("{page}:{}: {why}", block.line)));
            let place = format!("{page}:{}", block.line);
            match mark(&block) {
                Ok(Mark::RunBy(test)) => run.entry(test.to_owned()).or_default().push(place),
                Ok(Mark::NotRun(why)) => run.entry(format!("no test: {why}")).or_default().push(place),
                Err(_) => {}
            }
        }
    }
    run.iter().for_each(|(test, blocks)| println!("{test}\n    {}", blocks.join("\n    ")));
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(run.keys().filter(|test| test.contains("::")).count() >= 4, "{run:#?}");
}

#[test]
fn a_command_without_a_mark_is_found() {
    let page = "<!-- not run: no cluster -->\n```console\na\n```\n<!-- run by suites::none -->\n```console\nb\n```\n\
                ```console\nc\n```\n```\nkubectl get mo\n```\n```text\nd\n```\n```sh\ne\n```\n";
    let faults: Vec<_> = blocks(page).iter().map(|block| fault("docs/install.md", block)).collect();
    assert_eq!(
        faults.iter().map(Option::is_some).collect::<Vec<_>>(),
        [false, true, true, true, false, true],
        "{faults:#?}"
    );
}

/// The simple commands of a line of shell, each as its words. Quotes are removed, comments and redirections left out. A word with
/// a substitution stays one word.
fn simple_commands(text: &str) -> Vec<Vec<String>> {
    let text = text.replace("\\\n", " ");
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut signs = text.chars().peekable();
    let mut skips = false;
    let end = |word: &mut Option<String>, commands: &mut Vec<Vec<String>>, skips: &mut bool| {
        if let Some(word) = word.take()
            && !std::mem::take(skips)
        {
            commands.last_mut().expect("never empty").push(word);
        }
    };
    while let Some(sign) = signs.next() {
        match sign {
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                let mut depth = 0;
                for inner in signs.by_ref() {
                    depth += i32::from(inner == '(') - i32::from(inner == ')');
                    if inner == sign && (sign == '\'' || depth == 0) {
                        break;
                    }
                    word.push(inner);
                }
            }
            '<' if signs.peek().is_some_and(char::is_ascii_alphabetic) => {
                // A placeholder: `<name>`.
                word.get_or_insert_default().push('x');
                signs.by_ref().find(|inner| *inner == '>');
            }
            '#' if word.is_none() => {
                signs.by_ref().find(|inner| *inner == '\n');
                commands.push(Vec::new());
            }
            '|' | '&' | ';' | '\n' | '(' | ')' => {
                end(&mut word, &mut commands, &mut skips);
                commands.push(Vec::new());
            }
            '>' | '<' => {
                end(&mut word, &mut commands, &mut skips);
                skips = true;
            }
            ' ' | '\t' => end(&mut word, &mut commands, &mut skips),
            _ => word.get_or_insert_default().push(sign),
        }
    }
    end(&mut word, &mut commands, &mut skips);
    commands.retain(|command| !command.is_empty());
    commands
}

/// The arguments of each `groundlink` in a line of shell, also as a plugin of kubectl and behind `--`.
fn calls(text: &str) -> Vec<Vec<String>> {
    let is_program = |word: &String| word == "groundlink" || word == "/groundlink";
    let commands = simple_commands(text).into_iter();
    commands
        .filter_map(|words| {
            let inside = words.iter().position(|word| word == "--").map(|at| at + 1);
            let behind = inside.filter(|at| words.get(*at).is_some_and(is_program));
            let starts = [Some(0).filter(|_| is_program(&words[0])), behind];
            let plugin = Some(1).filter(|_| words[0] == "kubectl" && words.get(1).is_some_and(is_program));
            let start = starts.into_iter().chain([plugin]).flatten().next()?;
            Some(words[start..].to_vec())
        })
        .collect()
}

/// Says what the program has against arguments; None if it takes them. In prose a command may be cut short.
fn refused(words: &[String], is_prose: bool) -> Option<String> {
    let words = words.iter().filter(|word| *word != "...");
    let error = groundlink::cli::Cli::command().try_get_matches_from(words).err()?;
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => None,
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            if is_prose =>
        {
            None
        }
        _ => Some(error.to_string().lines().next().unwrap_or_default().to_owned()),
    }
}

#[test]
fn the_program_knows_every_command_of_the_pages() {
    let mut wrong = Vec::new();
    let (mut shown, mut named) = (0, 0);
    for page in pages() {
        let text = text_of(&page);
        for block in blocks(&text).iter().filter(|block| COMMANDS.contains(&block.language.as_str())) {
            for call in block.steps().iter().flat_map(|step| calls(&step.command)) {
                shown += 1;
                let why = refused(&call, false);
                wrong.extend(why.map(|why| format!("{page}:{}: {}: {why}", block.line, call.join(" "))));
            }
        }
        for (line, text) in prose(&text) {
            for call in text.split('`').skip(1).step_by(2).flat_map(calls) {
                named += 1;
                let why = refused(&call, true);
                wrong.extend(why.map(|why| format!("{page}:{line}: {}: {why}", call.join(" "))));
            }
        }
    }
    assert!(shown > 40 && named > 30, "the test sees {shown} commands in blocks and {named} in the text");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_unknown_flag_is_found() {
    let call = |text: &str| calls(text).remove(0);
    assert_eq!(
        simple_commands("a 'b c' \"d $(e | f)\" > g | h <name> # i\nj"),
        [vec!["a", "b c", "d $(e | f)"], vec!["h", "x"], vec!["j"]]
    );
    assert_eq!(call("helm template . | groundlink render -f -"), ["groundlink", "render", "-f", "-"]);
    assert_eq!(call("kubectl exec deploy/x -- /groundlink satellite list").len(), 3);
    assert!(refused(&call("groundlink render -f x --check"), false).is_none());
    assert!(refused(&call("groundlink render -f x --chekc"), true).is_some());
    assert!(refused(&call("groundlink satellites list"), true).is_some());
    assert!(refused(&call("groundlink satellite add ... --agent <name>"), true).is_none());
    assert!(refused(&call("groundlink satellite add --agent a"), false).is_some());
}
