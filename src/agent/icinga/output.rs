//! What Icinga's validator printed, as findings. Its output also shows lines of the configuration,
//! with the secrets in them: none of them is taken over.

use crate::text::clean;

/// Longest message of a finding, in bytes.
const MESSAGE_MAX: usize = 500;
/// Longest name of an object that is taken over, in bytes.
const NAME_MAX: usize = 512;
/// Longest path that is taken over, in bytes.
const PATH_MAX: usize = 4_096;
/// Most findings that are returned.
const MOST: usize = 2_000;
/// The warning by which Icinga skips a file and goes on.
const SKIPPED_FILE: &str = "Cannot compile file '";

/// A fault that the validator named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// Absolute path of the file.
    pub file: Option<String>,
    /// Line in that file, from 1.
    pub line: Option<u32>,
    /// Type and name of the object, as Icinga calls it: `Service`, `host!service`.
    pub object: Option<(String, String)>,
    /// First line of the error, cut and cleaned.
    pub message: String,
}

/// Returns each fault in the output of `icinga2 daemon -C`, in the order of the output. Of several
/// places that a fault names, one below `tree` is preferred. At most 2,000 are returned.
pub fn findings(output: &str, tree: &str) -> Vec<Finding> {
    let root = format!("{}/", tree.trim_end_matches('/'));
    let mut found: Vec<Finding> = Vec::new();
    for entry in entries(output) {
        match entry.finding(&root) {
            // One rule fails for each host with the same words.
            Some(finding) if found.last() != Some(&finding) => found.push(finding),
            _ => {}
        }
        if found.len() == MOST {
            break;
        }
    }
    found
}

/// Returns whether Icinga skipped a file, which is only a warning to it.
pub fn skips_a_file(output: &str) -> bool {
    entries(output).any(|entry| entry.text.starts_with(SKIPPED_FILE))
}

/// Returns the last words of an output without findings, cut and cleaned: an error of another part
/// of Icinga, or the last line. None if nothing was printed.
pub fn last_words(output: &str) -> Option<String> {
    let verdicts = ["Config validation failed", "1 error"];
    let is_cause = |entry: &Entry<'_>| {
        entry.severity == "critical" && !verdicts.iter().any(|verdict| entry.text.starts_with(verdict))
    };
    let critical = entries(output).filter(is_cause).last().map(|entry| first_line(entry.text));
    // A line of an entry may be one of the configuration; only its first is taken.
    let first = || entries(output).last().map(|entry| first_line(entry.text));
    let bare = || output.lines().find(|line| !line.trim().is_empty());
    let words = critical.or_else(first).or_else(bare)?;
    Some(clean(words, MESSAGE_MAX))
}

/// Returns the version that the output names, such as `r2.13.6-1`. It is in the first lines.
pub fn version(output: &str) -> Option<String> {
    let (_, rest) = output.split_once("Icinga application loader (version: ")?;
    let (version, _) = rest.split_once(')')?;
    Some(clean(version, 64))
}

/// One message of the log, with the lines that belong to it.
struct Entry<'a> {
    severity: &'a str,
    facility: &'a str,
    /// The message, without its head.
    text: &'a str,
}

/// A place that an error names.
struct Place<'a> {
    path: &'a str,
    line: u32,
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("")
}

fn entries(output: &str) -> impl Iterator<Item = Entry<'_>> {
    let mut rest = output;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let mut end = line_end(rest);
            let Some((severity, facility, text)) = head(&rest[..end]) else {
                rest = &rest[end..];
                continue;
            };
            let start = end - text.len();
            while end < rest.len() {
                let next = end + line_end(&rest[end..]);
                if head(&rest[end..next]).is_some() {
                    break;
                }
                end = next;
            }
            let entry = Entry { severity, facility, text: &rest[start..end] };
            rest = &rest[end..];
            return Some(entry);
        }
    })
}

fn line_end(text: &str) -> usize {
    text.find('\n').map_or(text.len(), |at| at + 1)
}

/// Splits `[2026-11-29 16:02:41 +0000] critical/config: text` into severity, facility and text.
fn head(line: &str) -> Option<(&str, &str, &str)> {
    let (time, rest) = line.strip_prefix('[')?.split_once("] ")?;
    let is_time = time.len() == 25
        && time.bytes().zip("dddd-dd-dd dd:dd:dd +dddd".bytes()).all(|(byte, wanted)| match wanted {
            b'd' => byte.is_ascii_digit(),
            b'+' => byte == b'+' || byte == b'-',
            wanted => byte == wanted,
        });
    let (severity, rest) = rest.split_once('/')?;
    let (facility, text) = rest.split_once(": ").unwrap_or((rest, ""));
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
    (is_time && is_word(severity) && !facility.is_empty()).then_some((severity, facility, text))
}

impl Finding {
    /// Returns what to do if the set declares a zone or an endpoint that Icinga's own configuration declares, too. `node_name`
    /// is this node's name, if it is known.
    pub(crate) fn remedy(&self, node_name: Option<&str>) -> Option<String> {
        let (kind, name) = self.object.as_ref()?;
        let is_twice = ["already exists", "re-defined"].iter().any(|words| self.message.contains(words));
        if !is_twice || !["Endpoint", "Zone"].contains(&kind.as_str()) {
            return None;
        }
        let what = match kind == "Endpoint" && node_name == Some(name) {
            true => "the set declares this node's own endpoint".to_owned(),
            false => format!("the set declares {kind} {name} as Icinga's own configuration does"),
        };
        Some(format!(
            "{what}; delete that MonitoringObject, and add {kind}!{name} to settings.externalObjects"
        ))
    }
}

impl<'a> Entry<'a> {
    /// Returns the fault that the entry reports. `root` ends with a slash.
    fn finding(&self, root: &str) -> Option<Finding> {
        if let Some(rest) = self.text.strip_prefix(SKIPPED_FILE) {
            let file = rest.split_once("':").map(|(path, _)| clean(path, PATH_MAX));
            let message = clean(first_line(self.text), MESSAGE_MAX);
            return Some(Finding { file, line: None, object: None, message });
        }
        if self.severity != "critical" || self.facility != "config" {
            return None;
        }
        let error = self.text.strip_prefix("Error: ")?;
        let places = self.places();
        let ours = |place: &&Place<'_>| place.path.starts_with(root);
        let place = places.iter().find(ours).or(places.first());
        // 2.14 lists a circle without a place: "-> Dependency 'child!name'".
        let circle = || self.text.lines().find_map(|line| line.strip_prefix("-> Dependency '"));
        let dependency = || circle().and_then(|rest| Some(("Dependency", rest.strip_suffix('\'')?)));
        let object = object(first_line(error))
            .or_else(dependency)
            .map(|(kind, name)| (clean(kind, 64), clean(name, NAME_MAX)));
        Some(Finding {
            file: place.map(|place| clean(place.path, PATH_MAX)),
            line: place.map(|place| place.line),
            object,
            message: clean(first_line(error), MESSAGE_MAX),
        })
    }

    /// Returns the places of the entry: of the line `Location: in`, of the first line, and of the
    /// lists of what depends on what and of what was evaluated, which are indented with a tab.
    /// Lines of the configuration, which begin with their file, are not read.
    fn places(&self) -> Vec<Place<'a>> {
        let location = self.text.lines().find_map(|line| line.strip_prefix("Location: "));
        let lists = self.text.lines().filter(|line| line.starts_with('\t'));
        location.into_iter().chain([first_line(self.text)]).chain(lists).flat_map(places_in).collect()
    }
}

/// Returns each `in PATH: 2:3-2:24` of a line.
fn places_in(line: &str) -> Vec<Place<'_>> {
    line.match_indices("in /")
        .filter_map(|(at, _)| {
            let rest = &line[at + 3..];
            rest.match_indices(": ").find_map(|(end, _)| {
                // 2:3-2:24
                let numbers = &rest[end + 2..];
                let (first, columns) = numbers.split_once(':')?;
                let is_range =
                    columns.split_once('-').is_some_and(|(column, _)| column.parse::<u32>().is_ok());
                let line = first.parse().ok().filter(|_| is_range)?;
                Some(Place { path: &rest[..end], line })
            })
        })
        .collect()
}

/// Returns type and name of the object that the first line of an error is about.
fn object(line: &str) -> Option<(&str, &str)> {
    // "Validation failed for object 'x' of type 'T'; ...", "Object 'x' of type 'T' re-defined: ..."
    let name_first = ["Validation failed for object '", "Name for object '", "Object '"];
    if let Some(rest) = name_first.iter().find_map(|head| line.strip_prefix(head)) {
        let (name, rest) = rest.split_once("' of type '")?;
        return Some((rest.split_once('\'')?.0, name));
    }
    // "An object with type 'T' and name 'x' already exists (in ...), new declaration: ..."
    if let Some(rest) = line.strip_prefix("An object with type '") {
        let (kind, rest) = rest.split_once("' and name '")?;
        return Some((kind, rest.split_once("' already exists")?.0));
    }
    // "Host 'x' cannot be put into global zone 'z'."
    let (object, _) = line.split_once("' cannot be put into global zone '")?;
    object.split_once(" '")
}

#[cfg(test)]
mod tests;
