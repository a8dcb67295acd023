//! How much of the memory of Icinga's parser an expression takes. Until it has read the last brace
//! of a function, the parser follows two readings of all tokens, and so twice as many for a function
//! inside of it. Beyond a limit it says `memory exhausted`, and Icinga loads nothing.
//!
//! Measured with 2.13.6: the least weight that fails is 879. Later versions load what is accepted, too
//! (`tests/golden/weight.rs`).

/// Most weight of a function.
pub(super) const MAX_WEIGHT: u64 = 750;

/// Returns the weight of the heaviest function in a text: its tokens, where those of a function
/// inside another one count twice for each around it.
pub(super) fn heaviest(text: &str) -> u64 {
    let (mut heaviest, mut weight, mut depth) = (0, 0_u64, 0_u32);
    // True for the brace of a function.
    let mut braces: Vec<bool> = Vec::new();
    let mut previous = "";
    for token in Tokens(text) {
        if token == "{" {
            let is_function = previous == "=>";
            braces.push(is_function);
            depth += u32::from(is_function);
        }
        if depth > 0 {
            weight = weight.saturating_add(1_u64.checked_shl(depth - 1).unwrap_or(u64::MAX));
        }
        if token == "}" && braces.pop() == Some(true) {
            depth -= 1;
            if depth == 0 {
                heaviest = heaviest.max(std::mem::take(&mut weight));
            }
        }
        previous = token;
    }
    heaviest.max(weight)
}

/// Words, strings and signs. Comments are none.
struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.0 = self.0.trim_start();
        while self.0.starts_with("//") {
            self.0 = self.0.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
        }
        let first = self.0.chars().next()?;
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let length = if first == '"' {
            let mut is_escaped = false;
            let end = self.0.char_indices().skip(1).find(|(_, c)| {
                let is_end = *c == '"' && !is_escaped;
                is_escaped = *c == '\\' && !is_escaped;
                is_end
            });
            end.map_or(self.0.len(), |(at, _)| at + 1)
        } else if is_word(first) {
            self.0.find(|c| !is_word(c)).unwrap_or(self.0.len())
        } else {
            let two = ["==", "!=", "<=", ">=", "&&", "||", "=>", "+="];
            if two.iter().any(|sign| self.0.starts_with(sign)) { 2 } else { first.len_utf8() }
        };
        let (token, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::heaviest;

    #[test]
    fn functions_inside_of_functions_count_twice() {
        for (text, weight) in [
            ("", 0),
            ("// (() => { a })()\nassign where (host.vars[\"a\"] == 1)", 0),
            ("((a, b) => a + b)(1, 2)", 0),
            ("(() => { return 1 })()", 4),
            ("(() => { return \"}{ \\\" =>\" })()", 4),
            ("(() => { return 1 })() && (() => { return 1 + 2 })()", 6),
            ("(() => { try { return 1 } except { } })()", 10),
            // The four tokens of the inner braces count twice.
            ("(() => { return (() => { return 1 })() })()", 6 + 4 * 2 + 4),
            ("if (a) { b = (() => { c })() }", 3),
        ] {
            assert_eq!(heaviest(text), weight, "{text}");
        }
        let deep = format!("{}1{}", "(() => { ".repeat(200), " })()".repeat(200));
        assert_eq!(heaviest(&deep), u64::MAX);
    }
}
