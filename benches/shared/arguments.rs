//! The command line. `make bench` passes the same arguments to every benchmark; each uses its part.

use std::collections::BTreeSet;
use std::path::PathBuf;

const USAGE: &str = "usage: [--quick] [--only L1,L2,L3,L4,P1,P2,P3,P4,P5,P6,P7,P8,P9,P11,P12,P13] [--rendered N] [--indexed N] \
                     [--volume DIR] [--changed N] [--resident N]";
const METRICS: [&str; 16] =
    ["L1", "L2", "L3", "L4", "P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P11", "P12", "P13"];

/// The parsed command line.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// Few objects: shows that it works, not how fast it is.
    pub quick: bool,
    only: BTreeSet<String>,
    /// L2: objects.
    pub rendered: Option<usize>,
    /// L3: objects of the larger set.
    pub indexed: Option<usize>,
    /// Where the volume is. None for a temporary directory.
    pub volume: Option<PathBuf>,
    /// P4: objects of the largest set.
    pub changed: Option<usize>,
    /// P9: objects.
    pub resident: Option<usize>,
}

impl Arguments {
    /// Parses the command line. `cargo bench` adds `--bench`, which is ignored.
    ///
    /// # Errors
    /// If an argument is unknown or its value is invalid, with the usage.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self::default();
        while let Some(word) = words.next() {
            let mut count = |least: usize| {
                let number = words.next().and_then(|text| text.parse().ok());
                number.filter(|number| *number >= least).ok_or(USAGE).map(Some)
            };
            match word.as_str() {
                "--bench" => {}
                "--quick" => arguments.quick = true,
                "--rendered" => arguments.rendered = count(1_000)?,
                "--indexed" => arguments.indexed = count(4_000)?,
                "--changed" => arguments.changed = count(100)?,
                "--resident" => arguments.resident = count(4)?,
                "--volume" => arguments.volume = Some(words.next().ok_or(USAGE)?.into()),
                "--only" => {
                    let list = words.next().ok_or(USAGE)?;
                    arguments.only = list.split(',').map(|name| name.trim().to_uppercase()).collect();
                    let unknown = |name: &&String| !METRICS.contains(&name.as_str());
                    if let Some(unknown) = arguments.only.iter().find(unknown) {
                        return Err(format!("there is no metric {unknown}\n{USAGE}"));
                    }
                }
                other => return Err(format!("{other}?\n{USAGE}")),
            }
        }
        Ok(arguments)
    }

    /// Returns true if one of these metrics is to be measured.
    pub fn wants(&self, metrics: &[&str]) -> bool {
        self.only.is_empty() || metrics.iter().any(|metric| self.only.contains(*metric))
    }
}
