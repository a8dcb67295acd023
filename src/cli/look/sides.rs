//! The versions of one object: as declared, as published on the hub, as delivered to each satellite
//! and as loaded there. Which of them differ.

use super::unified::unified;
use crate::cli::output::Document;
use serde::Serialize;

/// Where a version is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) enum Place {
    /// The resource, rendered by this program.
    Resource,
    /// The digest that the hub acknowledged as published.
    Hub,
    /// The file on the hub's volume.
    Volume,
    /// The set that a satellite holds.
    Delivered,
    /// The set that an Icinga of a satellite runs.
    Loaded,
}

/// What is known of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) enum State {
    /// It is there, with this digest.
    Present,
    /// It is there, and another one than was delivered; its digest is unknown.
    Other,
    /// It is not there.
    Absent,
    /// The resource cannot be rendered.
    Refused,
    /// It could not be found out.
    Unknown,
    /// The satellite does not take the object, and does not have it.
    NotAsked,
}

/// One version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Side {
    pub(super) place: Place,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) satellite: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) agent: Option<String>,
    pub(super) state: State,
    /// `sha256:` of the bytes of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<String>,
    /// True if it is not what the first version is. None if that is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) differs: Option<bool>,
    /// What else is to be said. Empty if nothing is.
    pub(super) detail: String,
    /// The file.
    #[serde(skip)]
    pub(super) text: Option<String>,
}

impl Side {
    /// Returns a version of the hub.
    pub(super) fn new(place: Place, state: State, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { place, satellite: None, agent: None, state, digest: None, differs: None, detail, text: None }
    }

    /// Returns a version with this digest.
    pub(super) fn present(place: Place, digest: String, text: Option<String>) -> Self {
        Self { digest: Some(digest), text, ..Self::new(place, State::Present, "") }
    }

    /// Returns it as one of a satellite.
    pub(super) fn of(self, satellite: &str) -> Self {
        Self { satellite: Some(satellite.to_owned()), ..self }
    }

    /// Returns its name for a person.
    pub(super) fn name(&self) -> String {
        let place = match self.place {
            Place::Resource => "resource",
            Place::Hub => "hub",
            Place::Volume => "volume",
            Place::Delivered => "delivered",
            Place::Loaded => "loaded",
        };
        let names = [self.satellite.as_deref(), Some(place), self.agent.as_deref()];
        names.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// A content that is not the first one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Difference {
    pub(super) digest: String,
    /// Where it is.
    pub(super) of: Vec<String>,
    /// From the first content to this one, as `diff -u` has it. None if the text of one of them is
    /// not at hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unified: Option<String>,
}

/// The versions of one object, compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct Compared {
    pub(super) object: String,
    /// True if a version differs.
    pub(super) different: bool,
    /// False if a version could not be found out.
    pub(super) complete: bool,
    pub(super) sides: Vec<Side>,
    pub(super) differences: Vec<Difference>,
}

impl Document for Compared {
    const KIND: &'static str = "Diff";
}

impl Compared {
    /// Compares every version with the first one that is known: the resource, or, if that is
    /// refused, what the hub published.
    pub(super) fn of(object: String, mut sides: Vec<Side>) -> Self {
        let is_known = |side: &&Side| matches!(side.state, State::Present | State::Absent);
        let first = sides.iter().find(is_known).map(|side| side.digest.clone());
        for side in &mut sides {
            side.differs = match (side.state, &first) {
                (State::Other | State::Refused, _) => Some(true),
                (State::Present | State::Absent, Some(first)) => {
                    Some(side.differs == Some(true) || side.digest != *first)
                }
                _ => None,
            };
        }
        Self {
            object,
            different: sides.iter().any(|side| side.differs == Some(true)),
            complete: sides.iter().all(|side| side.state != State::Unknown),
            differences: differences(first.flatten(), &sides),
            sides,
        }
    }

    /// True if nothing was found anywhere.
    pub(super) fn is_nowhere(&self) -> bool {
        self.sides.iter().all(|side| matches!(side.state, State::Absent | State::NotAsked))
    }
}

fn differences(first: Option<String>, sides: &[Side]) -> Vec<Difference> {
    let text = |digest: &Option<String>| match digest {
        // It is nowhere there.
        None => Some(""),
        Some(_) => sides.iter().filter(|side| side.digest == *digest).find_map(|side| side.text.as_deref()),
    };
    let mut all: Vec<Difference> = Vec::new();
    for side in sides {
        let Some(digest) = side.digest.clone().filter(|digest| Some(digest) != first.as_ref()) else {
            continue;
        };
        if let Some(known) = all.iter_mut().find(|one| one.digest == digest) {
            known.of.push(side.name());
            continue;
        }
        let texts = text(&first).zip(text(&side.digest));
        let unified = texts.map(|(old, new)| unified(old, new));
        all.push(Difference { digest, of: vec![side.name()], unified });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(place: Place, word: &str, text: Option<&str>) -> Side {
        Side::present(place, format!("sha256:{word}"), text.map(str::to_owned))
    }

    #[test]
    fn a_digest_stands_for_a_content_and_each_content_is_shown_once() {
        let sides = vec![
            present(Place::Resource, "new", Some("a\nb\n")),
            present(Place::Hub, "old", None),
            present(Place::Delivered, "old", Some("a\n")).of("edge-a"),
            present(Place::Delivered, "new", Some("a\nb\n")).of("edge-b"),
            present(Place::Delivered, "odd", None).of("edge-c"),
        ];
        let compared = Compared::of("a/web".into(), sides);
        assert!(compared.different && compared.complete);
        let differs: Vec<_> = compared.sides.iter().map(|side| side.differs.unwrap()).collect();
        assert_eq!(differs, [false, true, true, false, true]);
        let [old, odd] = &compared.differences[..] else { panic!("{compared:?}") };
        assert_eq!(old.of, ["hub", "edge-a delivered"]);
        assert_eq!(old.unified.as_deref(), Some("@@ -1,2 +1,1 @@\n a\n-b\n"));
        assert_eq!((odd.digest.as_str(), &odd.unified), ("sha256:odd", &None));
    }

    #[test]
    fn what_is_unknown_is_neither_equal_nor_different() {
        let one = || present(Place::Resource, "x", None);
        let of = |side: Side| Compared::of(String::new(), vec![one(), side]);
        for (state, different, complete) in [
            (State::Unknown, false, false),
            (State::NotAsked, false, true),
            (State::Absent, true, true),
            (State::Other, true, true),
        ] {
            let compared = of(Side::new(Place::Delivered, state, ""));
            assert_eq!((compared.different, compared.complete), (different, complete), "{state:?}");
        }
        assert!(!of(one()).different);
    }

    #[test]
    fn a_refused_resource_differs_from_what_is_published_and_the_rest_is_compared_with_that() {
        let sides = vec![
            Side::new(Place::Resource, State::Refused, "no"),
            present(Place::Hub, "old", None),
            present(Place::Delivered, "old", None),
        ];
        let compared = Compared::of(String::new(), sides);
        let differs: Vec<_> = compared.sides.iter().map(|side| side.differs).collect();
        assert_eq!(differs, [Some(true), Some(false), Some(false)]);
        assert!(compared.differences.is_empty());
    }

    #[test]
    fn a_satellite_that_still_has_a_deleted_object_is_a_difference() {
        let absent = || Side::new(Place::Resource, State::Absent, "");
        let sides = vec![absent(), present(Place::Delivered, "old", Some("a\n")).of("edge-a")];
        let compared = Compared::of(String::new(), sides);
        assert!(compared.different && !compared.is_nowhere());
        assert_eq!(compared.differences[0].unified.as_deref(), Some("@@ -0,0 +1,1 @@\n+a\n"));
        assert!(Compared::of(String::new(), vec![absent()]).is_nowhere());
    }
}
