//! Words for every comparison with Icinga, shared by these oracles and `tests/golden`. It needs
//! only the standard library, so that both can include it. It uses no code of the operator, whose
//! mistakes would then be on both sides of a comparison.

/// The member of the spec, and its Icinga type.
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
/// Fields with a duration.
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
/// Dictionaries that are merged with those of a template. All others replace them.
pub const ADDED: [&str; 3] = ["vars", "arguments", "env"];
/// Fields that become statements, not attributes.
pub const STATEMENTS: [&str; 6] = ["imports", "apply", "assignWhere", "ignoreWhere", "unset", "addGroups"];

/// Characters and sequences with a special meaning somewhere. Dollar signs mostly come in pairs.
/// The corpus of `render` selects by position: a new entry or another order gives its files another
/// meaning.
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
/// Number of the pieces that most fields accept. Nearly every field refuses the rest.
pub const ACCEPTED_PIECES: usize = PIECES.len() - 7;

/// Returns Icinga's name of a field.
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

/// Parses a duration such as `1h30m`. Returns seconds.
///
/// # Errors
/// If it is no duration, or too long for the counter.
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
            _ => return Err(format!("{duration:?} is not a duration, or too long")),
        };
        let number: u64 =
            number.parse().map_err(|_| format!("{duration:?} is not a duration, or too long"))?;
        let sum = number.checked_mul(factor).and_then(|part| milliseconds.checked_add(part));
        milliseconds = sum.ok_or_else(|| format!("{duration:?} is not a duration, or too long"))?;
        rest = tail;
    }
    Ok(milliseconds as f64 / 1000.0)
}
