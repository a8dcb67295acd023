//! Words that every comparison with Icinga needs: read by the oracles here and by `tests/golden`. The standard library alone, so that
//! both can include it; and nothing of the operator's code, whose mistakes would then be on both sides.

/// The type's member in a spec, and Icinga's type.
pub const MEMBERS: [(&str, &str); 15] = [
    ("host", "Host"),
    ("service", "Service"),
    ("hostGroup", "HostGroup"),
    ("serviceGroup", "ServiceGroup"),
    ("user", "User"),
    ("userGroup", "UserGroup"),
    ("checkCommand", "CheckCommand"),
    ("eventCommand", "EventCommand"),
    ("notificationCommand", "NotificationCommand"),
    ("notification", "Notification"),
    ("timePeriod", "TimePeriod"),
    ("scheduledDowntime", "ScheduledDowntime"),
    ("dependency", "Dependency"),
    ("zoneObject", "Zone"),
    ("endpoint", "Endpoint"),
];
/// Fields that are durations.
pub const DURATIONS: [&str; 9] = [
    "checkInterval",
    "retryInterval",
    "checkTimeout",
    "timeout",
    "logDuration",
    "interval",
    "duration",
    "begin",
    "end",
];
/// Dictionaries that add to those of a template; all others replace them.
pub const ADDED: [&str; 3] = ["vars", "arguments", "env"];
/// Fields that are statements, not attributes.
pub const STATEMENTS: [&str; 4] = ["imports", "apply", "assignWhere", "ignoreWhere"];

/// Characters and sequences that mean something to somebody. Dollar signs mostly come in pairs. The corpus of `render` chooses by
/// position: another entry, or another order, gives its files another meaning.
pub const PIECES: [&str; 44] = [
    "a",
    "\"",
    "\\",
    "\\\"",
    "\n",
    "\r",
    "\t",
    "\u{8}",
    "\u{c}",
    "{{{",
    "}}}",
    "{{",
    "}}",
    "{",
    "}",
    "/*",
    "*/",
    "//",
    "#",
    ";",
    "$$",
    "$x$",
    "\\n",
    "\\x41",
    "\u{2028}",
    "\u{85}",
    "\u{feff}",
    "\u{202e}",
    "\u{10ffff}",
    "🦀",
    "e\u{301}",
    " ",
    "object Host \"evil\" { }",
    "\" + 1 + \"",
    "in",
    "vars",
    "=",
    "!",
    "$",
    "\0",
    "\u{1b}",
    "\u{7f}",
    "../",
    "%s",
];
/// How many of the pieces most fields take; those after them are refused nearly everywhere.
pub const ACCEPTED_PIECES: usize = PIECES.len() - 7;

/// Icinga's name of a field.
pub fn snake_case(field: &str) -> String {
    let mut out = String::new();
    for c in field.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// A duration, `1h30m`, in seconds.
///
/// # Errors
/// It is none, or longer than can be counted.
pub fn seconds(duration: &str) -> Result<f64, String> {
    let mut milliseconds: u64 = 0;
    let mut rest = duration;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let units = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(units);
        let factor = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60 * 1000,
            "h" => 60 * 60 * 1000,
            "d" => 24 * 60 * 60 * 1000,
            _ => return Err(format!("{duration:?} is a duration")),
        };
        let number: u64 = number.parse().map_err(|_| format!("{duration:?} is a duration"))?;
        let sum = number.checked_mul(factor).and_then(|part| milliseconds.checked_add(part));
        milliseconds = sum.ok_or_else(|| format!("{duration:?} is a duration"))?;
        rest = tail;
    }
    Ok(milliseconds as f64 / 1000.0)
}
