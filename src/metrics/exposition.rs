//! The two text formats of `/metrics`, which the scraper chooses by its header `Accept`.

/// A text format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The text format of Prometheus.
    Plain,
}

impl Format {
    /// Returns the format that a header `Accept` prefers. OpenMetrics only for who asks for it, as
    /// in every Prometheus client.
    pub fn of(accept: Option<&str>) -> Self {
        let quality = |wanted: &[&str]| {
            let ranges = accept.unwrap_or_default().split(',').filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let kind = parts.next()?.to_ascii_lowercase();
                let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
                wanted.contains(&kind.as_str()).then(|| quality.unwrap_or(1.0))
            });
            ranges.fold(0.0, f32::max)
        };
        let open = quality(&["application/openmetrics-text"]);
        if open > 0.0 && open >= quality(&["text/plain", "text/*", "*/*"]) {
            Self::OpenMetrics
        } else {
            Self::Plain
        }
    }

    /// Returns the header `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Returns OpenMetrics text in this format.
    pub fn convert(self, text: String) -> String {
        match self {
            Self::OpenMetrics => text,
            Self::Plain => plain(&text),
        }
    }
}

/// Returns OpenMetrics text in the format of Prometheus. There the lines of a counter's type and
/// help have its full name, and there is neither a unit nor an end.
fn plain(text: &str) -> String {
    let kind_of = |line: &str| {
        line.strip_prefix("# TYPE ")
            .and_then(|rest| rest.split_once(' '))
            .map(|(n, k)| (n.to_owned(), k.to_owned()))
    };
    let counters: std::collections::BTreeSet<String> = text
        .lines()
        .filter_map(kind_of)
        .filter(|(_, kind)| kind == "counter")
        .map(|(name, _)| name)
        .collect();
    let mut plain = String::with_capacity(text.len());
    for line in text.lines().filter(|line| *line != "# EOF" && !line.starts_with("# UNIT ")) {
        let described =
            ["# TYPE ", "# HELP "].into_iter().find_map(|start| Some((start, line.strip_prefix(start)?)));
        match described.and_then(|(start, rest)| Some((start, rest.split_once(' ')?))) {
            Some((start, (name, rest))) if counters.contains(name) => {
                plain.extend([start, name, "_total ", rest]);
            }
            _ => plain.push_str(line),
        }
        plain.push('\n');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_for_who_prefers_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.4,*/*;q=0.1";
        assert_eq!(Format::of(Some(prometheus)), Format::OpenMetrics);
        assert_eq!(Format::of(Some("application/OpenMetrics-text; version=1.0.0")), Format::OpenMetrics);
        for accept in [
            None,
            Some("*/*"),
            Some("text/html"),
            Some("text/plain, application/openmetrics-text;q=0.5"),
            Some("application/openmetrics-text;q=0"),
        ] {
            assert_eq!(Format::of(accept), Format::Plain, "{accept:?}");
        }
    }

    #[test]
    fn the_plain_text_names_a_counter_as_its_samples_do() {
        let open = "# HELP a_panics Panics.\n# TYPE a_panics counter\na_panics_total{work=\"x\"} 0\n# HELP a_wait_seconds Waits.\n\
                    # TYPE a_wait_seconds gauge\n# UNIT a_wait_seconds seconds\na_wait_seconds 0\n# EOF\n";
        let wanted = "# HELP a_panics_total Panics.\n# TYPE a_panics_total counter\na_panics_total{work=\"x\"} 0\n# HELP a_wait_seconds Waits.\n\
                      # TYPE a_wait_seconds gauge\na_wait_seconds 0\n";
        assert_eq!(Format::Plain.convert(open.to_owned()), wanted);
        assert_eq!(Format::OpenMetrics.convert(open.to_owned()), open);
    }
}
