//! Regular expressions that Icinga can safely run: the part of Boost's language that means what it
//! seems to mean and takes a bounded number of steps. Others can make Icinga give up half-way.

/// Longest pattern, in characters.
const MAX_PATTERN: usize = 255;
/// Most parts that may repeat more than a few times: each multiplies the steps with the length of
/// the text.
const MAX_OPEN: usize = 3;
/// How often a part may repeat without being one of those.
const FEW: u32 = 10;
/// Most repetitions that may be asked for.
const MAX_REPEAT: u32 = 100;
/// Deepest nesting of groups.
const MAX_GROUPS: usize = 4;

/// Returns what is wrong with a pattern, for a person. None if it is safe.
pub(super) fn problem(pattern: &str) -> Option<String> {
    let length = pattern.chars().count();
    if length > MAX_PATTERN {
        return Some(format!("the pattern has {length} characters; at most {MAX_PATTERN} are allowed"));
    }
    if let Some(c) = pattern.chars().find(|c| !matches!(c, ' '..='~')) {
        return Some(format!("the pattern has {c:?}; only ASCII is allowed, because Icinga looks at bytes"));
    }
    let mut reader = Reader { characters: pattern.chars().collect(), at: 0, open: 0, groups: 0 };
    if let Err(problem) = reader.alternatives() {
        return Some(format!("the pattern, at character {}: {problem}", reader.at + 1));
    }
    if reader.peek().is_some() {
        return Some(format!(
            "the pattern, at character {}: there is no group that this could close",
            reader.at + 1
        ));
    }
    let most = format!("at most {MAX_OPEN} parts may repeat more than {FEW} times");
    (reader.open > MAX_OPEN)
        .then(|| format!("the pattern has {} parts with `*`, `+` or many repetitions; {most}", reader.open))
}

struct Reader {
    characters: Vec<char>,
    at: usize,
    open: usize,
    groups: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn take(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        self.at += usize::from(found);
        found
    }

    fn alternatives(&mut self) -> Result<(), String> {
        loop {
            self.sequence()?;
            if !self.take('|') {
                return Ok(());
            }
        }
    }

    fn sequence(&mut self) -> Result<(), String> {
        self.take('^');
        let start = self.at;
        loop {
            match self.peek() {
                None | Some('|' | ')') if self.at == start => {
                    return Err("something to match is missing".into());
                }
                None | Some('|' | ')') => return Ok(()),
                Some('$') => {
                    self.at += 1;
                    return match self.peek() {
                        None | Some('|' | ')') => Ok(()),
                        Some(_) => {
                            self.at -= 1;
                            Err("`$` may only be at the end; write `\\\\$` for the character".into())
                        }
                    };
                }
                Some(_) => self.part()?,
            }
        }
    }

    fn part(&mut self) -> Result<(), String> {
        let is_group = self.peek() == Some('(');
        match self.peek() {
            Some('(') => self.group()?,
            Some('[') => self.class()?,
            // To Boost these are the ends of a word and of the whole text.
            Some('\\') => self.escape("<>`'")?,
            Some('*' | '+' | '?' | '{') => return Err("there is nothing before this to repeat".into()),
            Some('^') => {
                return Err("`^` may only be at the beginning; write `\\\\^` for the character".into());
            }
            Some(']' | '}') => return Err("write `\\\\` before this character".into()),
            _ => self.at += 1,
        }
        self.repetition(is_group)?;
        match self.peek() {
            Some('*' | '+' | '?' | '{') => Err("a repetition of a repetition is not allowed".into()),
            _ => Ok(()),
        }
    }

    fn group(&mut self) -> Result<(), String> {
        self.at += 1;
        self.groups += 1;
        if self.groups > MAX_GROUPS {
            return Err(format!("at most {MAX_GROUPS} groups may be inside each other"));
        }
        if self.peek() == Some('?') {
            return Err("`(?` is not allowed; groups are `( )` with `|`".into());
        }
        self.alternatives()?;
        self.groups -= 1;
        if self.take(')') { Ok(()) } else { Err("a `)` is missing".into()) }
    }

    fn class(&mut self) -> Result<(), String> {
        self.at += 1;
        self.take('^');
        let mut is_empty = true;
        while !self.take(']') {
            is_empty = false;
            match self.peek() {
                None => return Err("a `]` is missing".into()),
                Some('\\') => self.escape("")?,
                Some(c @ ('[' | '^' | '-' | '&' | '~')) => {
                    return Err(format!("write `\\\\` before `{c}` in brackets"));
                }
                Some(low) => {
                    self.at += 1;
                    if self.take('-') {
                        let high = self.peek().ok_or("a `]` is missing")?;
                        let is_range =
                            [char::is_ascii_digit, char::is_ascii_lowercase, char::is_ascii_uppercase]
                                .iter()
                                .any(|kind| kind(&low) && kind(&high) && low <= high);
                        if !is_range {
                            return Err(format!("`{low}-{high}` is not a range of digits or of letters"));
                        }
                        self.at += 1;
                    }
                }
            }
        }
        if is_empty { Err("the brackets are empty".into()) } else { Ok(()) }
    }

    /// `special` are those that mean something else with a backslash.
    fn escape(&mut self, special: &str) -> Result<(), String> {
        match self.characters.get(self.at + 1) {
            Some(c) if special.contains(*c) => Err(format!("write {c} without `\\\\`")),
            Some(c) if c.is_ascii_punctuation() || "dDwWsS".contains(*c) => {
                self.at += 2;
                Ok(())
            }
            _ => Err("after `\\\\` only d, D, w, W, s, S and punctuation are allowed".into()),
        }
    }

    fn repetition(&mut self, is_group: bool) -> Result<(), String> {
        let begin = self.at;
        let most = match self.peek() {
            Some('?') => 1,
            Some('*' | '+') => u32::MAX,
            Some('{') => {
                self.at += 1;
                let least = self.number()?;
                let most = match (self.take(','), self.peek()) {
                    (false, _) => least,
                    (true, Some('}')) => u32::MAX,
                    (true, _) => self.number()?,
                };
                if self.peek() != Some('}') || least > most {
                    return Err("write for example `{3}`, `{1,3}` or `{2,}`".into());
                }
                most
            }
            _ => return Ok(()),
        };
        self.at += 1;
        if is_group && most > 1 {
            self.at = begin;
            return Err("a group may not repeat, but be optional with `?`".into());
        }
        self.open += usize::from(most > FEW);
        Ok(())
    }

    fn number(&mut self) -> Result<u32, String> {
        let mut number: u32 = 0;
        let begin = self.at;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            number = number.saturating_mul(10).saturating_add(digit);
            self.at += 1;
        }
        if self.at == begin || number > MAX_REPEAT {
            return Err(format!("a number from 0 to {MAX_REPEAT} is expected"));
        }
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_safe_is_accepted() {
        for pattern in [
            "^web-[0-9]+$",
            "web|db",
            r"^(web|db)\.example\.(com|org)$",
            r"^\d{1,3}\.\d{1,3}\.\d+\.\d+$",
            "^a(b(c(d|e)?)?)?$",
            "^[^A-Za-z_]$",
            r"[\]\-\\]",
            "x{0}y{2,}z{100}",
            "a b",
            "^$",
            r"\$",
        ] {
            assert_eq!(problem(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn what_is_not_is_refused_with_a_remedy() {
        for (pattern, words) in [
            ("", "something to match"),
            ("a||b", "something to match"),
            ("(", "something to match"),
            ("(a", "`)` is missing"),
            ("a)", "no group"),
            ("[a", "`]` is missing"),
            ("[]", "empty"),
            ("[[:alpha:]]", "write `\\\\` before `[`"),
            ("[z-a]", "not a range"),
            ("[A-z]", "not a range"),
            ("*a", "nothing before"),
            ("a**", "repetition of a repetition"),
            ("a+?", "repetition of a repetition"),
            ("(a+)+", "may not repeat"),
            ("(a|b)*", "may not repeat"),
            ("(?:a)", "`(?`"),
            (r"\<", "write < without"),
            (r"a\`", "write ` without"),
            (r"\1", "after `\\\\`"),
            (r"\babc", "after `\\\\`"),
            (r"a\", "after `\\\\`"),
            ("a$b", "at the end"),
            ("a^b", "at the beginning"),
            ("a{", "a number"),
            ("a{3,1}", "for example"),
            ("a{101}", "0 to 100"),
            ("a{4294967299}", "0 to 100"),
            ("a*b*c*d*", "4 parts"),
            ("a}", "write `\\\\`"),
            ("((((((a))))))", "inside each other"),
            ("ü", "ASCII"),
            ("a\nb", "ASCII"),
        ] {
            let problem = problem(pattern).unwrap_or_else(|| panic!("{pattern} is accepted"));
            assert!(problem.contains(words), "{pattern}: {problem}");
        }
        assert!(problem(&"a".repeat(256)).is_some_and(|problem| problem.contains("255")));
    }
}
