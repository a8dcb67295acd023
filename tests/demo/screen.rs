//! The output on the terminal: plain text of at most [`WIDTH`] columns, with colour only on a terminal.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Longest line.
pub const WIDTH: usize = 110;

/// The terminal.
pub struct Screen {
    colour: bool,
    started: Instant,
}

impl Screen {
    /// Colour if standard output is a terminal and `NO_COLOR` is not set.
    pub fn new() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: std::io::stdout().is_terminal() && !refused, started: Instant::now() }
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn paint(&self, code: &str, text: impl Display) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }

    /// A line across the screen with a title in it.
    pub fn heading(&self, title: &str) {
        let clock = format!(" {:.0} s", self.elapsed().as_secs_f64());
        let rule = WIDTH.saturating_sub(title.chars().count() + clock.len() + 5);
        println!("\n{}{clock}", self.paint("1", format!("=== {title} {}", "=".repeat(rule))));
    }

    /// A paragraph.
    pub fn say(&self, text: &str) {
        for line in wrap(text, WIDTH - 2) {
            println!("  {line}");
        }
    }

    /// A command as a person would type it.
    pub fn command(&self, text: &str) {
        for (i, line) in wrap(text, WIDTH - 6).into_iter().enumerate() {
            println!("{}", self.paint("1", format!("  {} {line}", if i == 0 { "$" } else { "   " })));
        }
    }

    /// Text as it is; a line that is too long is cut.
    pub fn block(&self, text: &str) {
        for line in text.trim_end().lines() {
            println!("    {}", cut(line, WIDTH - 4));
        }
    }

    /// Words of a program, wrapped.
    pub fn quote(&self, text: &str) {
        wrap(text, WIDTH - 4).iter().for_each(|line| println!("    {line}"));
    }

    /// One line of a difference.
    pub fn difference(&self, line: &str) {
        let code = if line.starts_with('+') { "32" } else { "31" };
        println!("    {}", self.paint(code, cut(line, WIDTH - 4)));
    }

    /// A small heading over a block.
    pub fn label(&self, text: &str) {
        println!("\n  {}", self.paint("4", text));
    }

    /// A finding.
    pub fn verdict(&self, outcome: &Outcome, observed: &str) {
        let mark = self.mark(outcome);
        for (i, line) in wrap(observed, WIDTH - 11).into_iter().enumerate() {
            println!("{} {line}", if i == 0 { format!("\n  {mark}") } else { " ".repeat(8) });
        }
    }

    fn mark(&self, outcome: &Outcome) -> String {
        match outcome {
            Outcome::Held => self.paint("32", format!("{:<6}", "ok")),
            Outcome::Failed => self.paint("31;1", "FAILED"),
            Outcome::NotChecked => self.paint("33", format!("{:<6}", "-")),
        }
    }

    /// Waits, and shows that it does.
    pub async fn busy<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let (started, mut dots) = (Instant::now(), 0);
        print!("  {what} ");
        let _ = std::io::stdout().flush();
        tokio::pin!(work);
        loop {
            tokio::select! {
                result = &mut work => {
                    println!("{}", self.paint("2", format!(" {:.1} s", started.elapsed().as_secs_f64())));
                    return result;
                }
                () = tokio::time::sleep(Duration::from_secs(1)) => {
                    dots += 1;
                    if dots < WIDTH.saturating_sub(what.chars().count() + 12) {
                        print!(".");
                    }
                    let _ = std::io::stdout().flush();
                }
            }
        }
    }

    /// The claims at the end.
    pub fn claims(&self, claims: &[Claim]) {
        const CLAIM: usize = 42;
        let rest = WIDTH - CLAIM - 16;
        println!("  {:>2}  {:<CLAIM$}  {:<6}  observed", "", "claim", "");
        for (number, claim) in claims.iter().enumerate() {
            let (left, right) = (wrap(claim.text, CLAIM), wrap(&claim.observed, rest));
            for i in 0..left.len().max(right.len()) {
                let cell = |lines: &[String]| lines.get(i).cloned().unwrap_or_default();
                let (number, mark) = match i {
                    0 => ((number + 1).to_string(), self.mark(&claim.outcome)),
                    _ => (String::new(), " ".repeat(6)),
                };
                let line = format!("  {number:>2}  {:<CLAIM$}  {mark}  {}", cell(&left), cell(&right));
                println!("{}", line.trim_end());
            }
        }
    }

    /// The last line.
    pub fn conclude(&self, good: bool, text: &str) {
        let lines = wrap(text, WIDTH);
        println!();
        lines.iter().for_each(|line| println!("{}", self.paint(if good { "32;1" } else { "31;1" }, line)));
    }
}

/// A claim about the operator, and the observation that proves or refutes it.
pub struct Claim {
    /// The claim.
    pub text: &'static str,
    /// The verdict.
    pub outcome: Outcome,
    /// The observation.
    pub observed: String,
}

/// The verdict on a claim.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Held,
    Failed,
    /// Something needed is missing here, or the demo ended before.
    NotChecked,
}

/// Breaks text at blanks. Words that are longer than a line are cut into pieces.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word = word.to_owned();
        loop {
            let used = lines.last().map_or(0, |line| line.chars().count());
            let blank = usize::from(used > 0);
            let length = word.chars().count();
            if used + blank + length <= width {
                if let Some(line) = lines.last_mut() {
                    line.push_str(if blank > 0 { " " } else { "" });
                    line.push_str(&word);
                }
                break;
            }
            if used == 0 {
                let tail = word.chars().skip(width).collect();
                lines.pop();
                lines.push(word.chars().take(width).collect());
                word = tail;
            }
            lines.push(String::new());
        }
    }
    lines
}

fn cut(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    line.chars().take(width - 4).chain(" ...".chars()).collect()
}

/// A duration as a person reads it.
pub fn time(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    match ms {
        ..10.0 => format!("{ms:.1} ms"),
        10.0..1000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", ms / 1000.0),
    }
}

/// A number with its word.
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
