//! A condition that lasts. It is logged when it begins, when it changes and when it ends, not at
//! every try.

/// A condition and its present reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lasting {
    why: Option<String>,
}

/// The difference that a [`Lasting::set`] made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// The condition is as it was.
    None,
    /// It begins, for this reason.
    Began(&'a str),
    /// It lasts, for another reason.
    Changed(&'a str),
    /// It is over.
    Ended,
}

impl Lasting {
    /// Records the condition as it is now, and returns what changed. `None` if it does not hold.
    pub fn set(&mut self, why: Option<String>) -> Change<'_> {
        if self.why == why {
            return Change::None;
        }
        let lasted = self.why.is_some();
        self.why = why;
        match (&self.why, lasted) {
            (Some(why), false) => Change::Began(why),
            (Some(why), true) => Change::Changed(why),
            (None, _) => Change::Ended,
        }
    }

    /// Returns the present reason. `None` if the condition does not hold.
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_reported_when_it_begins_changes_and_ends() {
        let mut lasting = Lasting::default();
        let because = |why: &str| Some(why.to_owned());
        assert_eq!(lasting.set(None), Change::None);
        assert_eq!(lasting.set(because("refused")), Change::Began("refused"));
        assert_eq!(lasting.set(because("refused")), Change::None);
        assert_eq!(lasting.set(because("no route")), Change::Changed("no route"));
        assert_eq!(lasting.set(None), Change::Ended);
        assert_eq!(lasting.set(None), Change::None);
    }
}
