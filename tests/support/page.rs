//! A page of the documentation: its blocks, and the commands in them.

/// A fenced block.
#[derive(Clone, Debug)]
pub struct Block {
    /// The line of its fence, from 1.
    pub line: usize,
    /// The word behind the fence: `console` for commands.
    pub language: String,
    /// The comment in the line before the fence, without `<!--` and `-->`.
    pub mark: Option<String>,
    /// Its lines, without the indentation of the fence.
    pub lines: Vec<String>,
}

/// A command of a block: one or more lines, and the lines that the page says it prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What a person would type.
    pub command: String,
    /// What the page shows below it.
    pub output: Vec<String>,
}

/// Returns the blocks of a page.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<(usize, Block)> = None;
    let mut before = "";
    for (number, line) in page.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(language)) => {
                let mark = before.trim().strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->"));
                let mark = mark.map(|mark| mark.trim().to_owned());
                let language = language.trim().to_owned();
                open = Some((indent, Block { line: number + 1, language, mark, lines: Vec::new() }));
            }
            (Some((start, block)), Some("")) if indent == *start => {
                blocks.push(block.clone());
                open = None;
            }
            (Some((start, block)), _) => {
                block.lines.push(line.get((*start).min(indent)..).unwrap_or_default().to_owned());
            }
            (None, None) => {}
        }
        before = line;
    }
    assert!(open.is_none(), "a block that does not end: {open:?}");
    blocks
}

impl Block {
    /// Returns its commands. If a line begins with `$ `, these lines are the commands and all others
    /// are output; otherwise every line is a command. A command goes on behind a backslash, inside
    /// quotes and until the end of a here-document.
    pub fn steps(&self) -> Vec<Step> {
        let has_prompt = self.lines.iter().any(|line| line.starts_with("$ "));
        let mut steps: Vec<Step> = Vec::new();
        let mut unfinished = false;
        for line in &self.lines {
            let begins = match (has_prompt, line.strip_prefix("$ ")) {
                _ if unfinished => None,
                (true, command) => command,
                (false, _) => Some(line.as_str()).filter(|line| !line.trim().is_empty()),
            };
            match (begins, steps.last_mut()) {
                (Some(command), _) => {
                    steps.push(Step { command: command.to_owned(), output: Vec::new() });
                }
                (None, Some(step)) if unfinished => {
                    step.command.push('\n');
                    step.command.push_str(line);
                }
                (None, Some(step)) => step.output.push(line.clone()),
                (None, None) => {}
            }
            unfinished = steps.last().is_some_and(|step| step.output.is_empty() && goes_on(&step.command));
        }
        steps
    }
}

/// True if the shell would read another line: behind a backslash, in quotes, or in a here-document.
fn goes_on(command: &str) -> bool {
    if let Some((_, rest)) = command.split_once("<<") {
        let word: String =
            rest.chars().skip_while(|c| "'\"-".contains(*c)).take_while(|c| c.is_alphanumeric()).collect();
        return !word.is_empty() && !command.lines().skip(1).any(|line| line.trim() == word);
    }
    let mut quote = None;
    let mut last = ' ';
    for sign in command.chars() {
        match (quote, sign) {
            (Some(open), _) if open == sign && last != '\\' => quote = None,
            (None, '\'' | '"') if last != '\\' => quote = Some(sign),
            // A comment ends with its line, and no comment here has several.
            (None, '#') if last.is_whitespace() => break,
            _ => {}
        }
        last = sign;
    }
    quote.is_some() || command.ends_with('\\')
}
