//! What a person wants to see, from the query of the URL.

use crate::hub::core::State;

/// Longest filter, in characters.
const FILTER_MAX: usize = 200;
/// Longest name of a namespace.
const NAMESPACE_MAX: usize = 63;

/// What a person wants to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// Only this namespace.
    pub namespace: Option<String>,
    /// Only objects in this state.
    pub state: Option<State>,
    /// Only objects with this text in their name, type, reason or message, in small letters.
    pub filter: String,
    /// The page of the list, from 0.
    pub page: usize,
}

impl Query {
    /// Reads a query. Anything that is not known is refused: a token, above all, belongs into no
    /// URL.
    ///
    /// # Errors
    /// If a parameter is not known, is there twice, or has a wrong value.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut query = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if seen.iter().any(|before| *before == name) {
                return Err("a parameter is there twice; give it once".into());
            }
            match &*name {
                "namespace" if value.is_empty() => {}
                "namespace" => query.namespace = Some(namespace(&value)?),
                "state" => query.state = state(&value)?,
                "filter" if value.chars().count() > FILTER_MAX => {
                    return Err(format!("filter: longer than {FILTER_MAX} characters; shorten it"));
                }
                "filter" => query.filter = value.trim().to_lowercase(),
                "page" => {
                    query.page = value.parse().map_err(|_| "page: no number; use 0 or more".to_owned())?
                }
                _ => {
                    return Err(
                        "unknown parameter; use namespace, state, filter and page, and send a token in the header Authorization"
                            .into(),
                    );
                }
            }
            seen.push(name.into_owned());
        }
        Ok(query)
    }
}

fn namespace(value: &str) -> Result<String, String> {
    let is_label = value.len() <= NAMESPACE_MAX
        && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    match is_label {
        true => Ok(value.to_owned()),
        false => Err("namespace: not the name of a namespace; use small letters, digits and -".into()),
    }
}

fn state(value: &str) -> Result<Option<State>, String> {
    match value {
        "" => Ok(None),
        "refused" => Ok(Some(State::Refused)),
        "waiting" => Ok(Some(State::Waiting)),
        "suspended" => Ok(Some(State::Suspended)),
        _ => Err("state: unknown; use refused, waiting or suspended".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read() {
        assert_eq!(Query::read(""), Ok(Query::default()));
        let query = Query::read("namespace=team-a&state=refused&filter=+Web%2001&page=3").unwrap();
        let wanted = Query {
            namespace: Some("team-a".into()),
            state: Some(State::Refused),
            filter: "web 01".into(),
            page: 3,
        };
        assert_eq!(query, wanted);
        assert_eq!(Query::read("namespace=&state=&filter="), Ok(Query::default()));
    }

    #[test]
    fn what_is_not_known_is_refused_and_not_repeated() {
        let long = format!("filter={}", "a".repeat(201));
        for bad in [
            "token=secret",
            "access_token=secret",
            "namespace=a/b",
            "namespace=secret%0a",
            "state=secret",
            "page=-1",
            &long,
            "page=1&page=2",
        ] {
            let why = Query::read(bad).unwrap_err();
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
