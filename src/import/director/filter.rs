//! The filters of Icinga Director: `host.vars.os=%22Linux%22&(host.name=%22web*%22|!host.vars.x=true)`.

/// Deepest nesting of parentheses.
const MAX_DEPTH: usize = 40;

/// Returns a filter in Icinga's language. None if it has a form that Director does not write.
pub(super) fn condition(filter: &str) -> Option<String> {
    let mut reader = Reader { rest: filter, depth: 0 };
    let text = reader.any()?;
    reader.rest.is_empty().then_some(text)
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl Reader<'_> {
    fn take(&mut self, sign: char) -> bool {
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn any(&mut self) -> Option<String> {
        let mut parts = vec![self.all()?];
        while self.take('|') {
            parts.push(self.all()?);
        }
        Some(parts.join(" || "))
    }

    fn all(&mut self) -> Option<String> {
        let mut parts = vec![self.one()?];
        while self.take('&') {
            parts.push(self.one()?);
        }
        Some(parts.join(" && "))
    }

    fn one(&mut self) -> Option<String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let text = if self.take('!') {
            self.one().map(|inner| format!("!({inner})"))
        } else if self.take('(') {
            let inner = self.any()?;
            self.take(')').then(|| format!("({inner})"))
        } else {
            self.comparison()
        };
        self.depth -= 1;
        text
    }

    fn comparison(&mut self) -> Option<String> {
        let end = self.rest.find(['&', '|', '(', ')']).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        let at = text.find(['=', '!', '<', '>'])?;
        let (column, tail) = text.split_at(at);
        let sign = ["!=", ">=", "<=", "=", ">", "<"].into_iter().find(|sign| tail.starts_with(sign))?;
        let column = decoded(column)?;
        let given = decoded(&tail[sign.len()..])?;
        // `"x"=host.vars.list`: the list holds the text.
        if column.starts_with('"') {
            (sign == "=").then_some(())?;
            let text: String = serde_json::from_str(&column).ok()?;
            is_path(&given).then_some(())?;
            let text_literal = super::literal(&text.clone().into())?;
            return Some(if text.contains('*') {
                format!("match({text_literal}, {given}, MatchAny)")
            } else {
                format!("{text_literal} in {given}")
            });
        }
        is_path(&column).then_some(())?;
        let value: serde_json::Value = serde_json::from_str(&given).ok()?;
        let printed = super::literal(&value)?;
        let is_number = value
            .as_str()
            .is_some_and(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
        let is_pattern = value.as_str().is_some_and(|text| text.contains('*'));
        let is_groups = column.ends_with(".groups");
        Some(match sign {
            "=" if value == true => column,
            "=" if value == false => format!("!{column}"),
            "=" if value.is_array() => format!("{column} in {printed}"),
            "=" if is_pattern => format!("match({printed}, {column})"),
            "=" if is_groups => format!("{printed} in {column}"),
            "=" => format!("{column} == {printed}"),
            "!=" if is_pattern => format!("!match({printed}, {column})"),
            "!=" if is_groups => format!("!({printed} in {column})"),
            "!=" => format!("{column} != {printed}"),
            sign if is_number => format!("{column} {sign} {}", value.as_str()?),
            sign => format!("{column} {sign} {printed}"),
        })
    }
}

/// True for `host.vars.a`.
fn is_path(text: &str) -> bool {
    let is_part =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    text.split('.').all(is_part) && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// Decodes `%22`. None if the result is no text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'%' => {
                let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &rest[2..];
            }
            b'+' => bytes.push(b' '),
            byte => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::condition;

    #[test]
    fn filters() {
        for (filter, written) in [
            ("host.vars.os=%22Linux%22", "host.vars.os == \"Linux\""),
            ("host.name=%22web*%22|host.vars.x=true", "match(\"web*\", host.name) || host.vars.x"),
            ("!host.vars.x=false&host.groups=%22a%22", "!(!host.vars.x) && \"a\" in host.groups"),
            ("(host.vars.a=%221%22|host.vars.b%21=1)&host.vars.c>=%225%22", ""),
            (
                "(host.vars.a=%221%22|host.vars.b!=1)&host.vars.c>=%225%22",
                "(host.vars.a == \"1\" || host.vars.b != 1) && host.vars.c >= 5",
            ),
            ("%22db%22=host.vars.roles", "\"db\" in host.vars.roles"),
            ("host.vars.os=%5B%22a%22%2C%22b%22%5D", "host.vars.os in [ \"a\", \"b\" ]"),
            ("host.vars.os=Linux", ""),
            ("host.name=%22a%22)", ""),
            ("", ""),
            ("exec()=1", ""),
        ] {
            assert_eq!(condition(filter).unwrap_or_default(), written, "{filter}");
        }
        assert_eq!(condition(&"(".repeat(100_000)), None);
    }
}
