//! Paths as text, so that nothing here touches a file system.

/// Returns a path below a directory, or the path itself if it is absolute, without `.` and `..`.
pub fn join(directory: &str, path: &str) -> String {
    let all = if path.starts_with('/') { path.to_owned() } else { format!("{directory}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in all.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Returns the directory of a path.
pub fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}

/// Returns the last part of a path.
pub fn base_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Returns a path relative to a directory above it, else without its first slash.
pub fn relative<'a>(path: &'a str, directory: &str) -> &'a str {
    path.strip_prefix(directory).unwrap_or(path).trim_start_matches('/')
}

/// Returns the zone whose directory below `zones.d` holds a file.
pub(super) fn zone_of(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').collect();
    let at = parts.iter().rposition(|part| *part == "zones.d")?;
    // A file directly in zones.d belongs to no zone.
    (at + 2 < parts.len()).then(|| parts[at + 1].to_owned())
}

/// Returns whether a pattern of `*` and `?` matches a name. Takes time proportional to the product
/// of the lengths, at most.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}
