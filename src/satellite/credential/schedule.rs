//! When a token is renewed. Times are Unix seconds, as in tokens.

use super::Validity;
use crate::api::duration::parse_duration;
use crate::api::satellite_cluster::TokenRenewal;

/// A token is renewed after this part of its life. Two thirds of it are then left, in case the
/// satellite does not answer.
const PART: i64 = 3;
/// Shortest and longest life that is asked for, in seconds. A TokenRequest accepts no less than 10
/// minutes.
const LIFETIME: std::ops::RangeInclusive<i64> = 600..=365 * 24 * 3600;
/// Shortest and longest pause after a failed renewal, in seconds.
const PAUSE: std::ops::RangeInclusive<i64> = 30..=600;
/// A failed renewal is tried again after this part of the remaining life.
const PAUSE_PART: i64 = 20;

/// Returns the life to ask for, in seconds.
pub fn lifetime(renewal: &TokenRenewal) -> i64 {
    // The CRD admits nothing that cannot be parsed, nor anything out of range.
    let seconds = parse_duration(renewal.lifetime.as_str()).unwrap_or(24.0 * 3600.0);
    (seconds as i64).clamp(*LIFETIME.start(), *LIFETIME.end())
}

/// Decides when the token of one satellite is renewed next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// No renewal before this time, by our clock.
    not_before: i64,
    /// The token that `not_before` is about. Another token has a time of its own.
    of: Option<Validity>,
}

impl Schedule {
    /// Returns when a token with this validity is to be renewed; `lifetime` is the life to ask
    /// for, in seconds. A token that lives longer is renewed as if it lived that long, and one
    /// without an end at once.
    pub fn due(&self, validity: Option<Validity>, lifetime: i64) -> i64 {
        let due = match validity {
            None => 0,
            Some(validity) => match validity.issued.zip(validity.life()) {
                Some((issued, life)) => issued.saturating_add(life.min(lifetime) / PART),
                None => validity.expires.saturating_sub(lifetime - lifetime / PART),
            },
        };
        if validity == self.of { due.max(self.not_before) } else { due }
    }

    /// Records that a token was renewed at `now`. The next renewal counts from our own clock: a
    /// token carries the satellite's clock, and if that is behind ours, the token would be renewed
    /// without a pause.
    pub fn renewed(&mut self, now: i64, validity: Option<Validity>, lifetime: i64) {
        let life = validity.and_then(|validity| validity.life()).unwrap_or(lifetime);
        *self = Self { not_before: now.saturating_add(life.min(lifetime) / PART), of: validity };
    }

    /// Records that the token with this validity could not be renewed at `now`. The less of its
    /// life is left, the sooner it is tried again.
    pub fn failed(&mut self, now: i64, validity: Option<Validity>) {
        let left = validity.map_or(i64::MAX, |validity| validity.expires.saturating_sub(now));
        let pause = (left / PAUSE_PART).clamp(*PAUSE.start(), *PAUSE.end());
        *self = Self { not_before: now.saturating_add(pause), of: validity };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3600;
    const T: i64 = 1_800_000_000;

    fn good(issued: i64, expires: i64) -> Option<Validity> {
        Some(Validity { issued: Some(issued), expires })
    }

    #[test]
    fn a_third_of_the_life_is_the_time() {
        let schedule = Schedule::default();
        assert_eq!(schedule.due(good(T, T + DAY), DAY), T + DAY / 3);
        // The satellite gave it a shorter life than was asked for.
        assert_eq!(schedule.due(good(T, T + 3600), DAY), T + 1200);
        // A token for a year, put there by a person.
        assert_eq!(schedule.due(good(T, T + 365 * DAY), DAY), T + DAY / 3);
        let unknown = Some(Validity { issued: None, expires: T + DAY });
        assert_eq!(schedule.due(unknown, DAY), T + DAY / 3);
        // Made after its end: only the end can be trusted.
        assert_eq!(schedule.due(good(T + 2 * DAY, T + DAY), DAY), T + DAY / 3);
        assert_eq!(schedule.due(None, DAY), 0, "a token without an end is replaced by one that has an end");
    }

    #[test]
    fn a_clock_that_is_behind_does_not_make_it_renew_without_a_pause() {
        let mut schedule = Schedule::default();
        let behind = good(T - DAY, T - DAY + 600);
        assert!(schedule.due(behind, 600) < T);
        schedule.renewed(T, behind, 600);
        assert_eq!(schedule.due(behind, 600), T + 200);
        schedule.renewed(T, None, DAY);
        assert_eq!(schedule.due(None, DAY), T + DAY / 3);
    }

    #[test]
    fn a_token_that_a_person_puts_there_does_not_wait_for_the_one_before() {
        let mut schedule = Schedule::default();
        schedule.renewed(T, good(T, T + DAY), DAY);
        assert_eq!(schedule.due(good(T, T + DAY), DAY), T + DAY / 3);
        assert_eq!(schedule.due(good(T + 60, T + 3660), DAY), T + 60 + 1200);
    }

    #[test]
    fn a_failure_is_repeated_sooner_when_less_is_left() {
        let mut schedule = Schedule::default();
        for (left, pause) in
            [(Some(DAY), 600), (Some(6000), 300), (Some(10), 30), (Some(-DAY), 30), (None, 600)]
        {
            let validity = left.and_then(|left| good(T - 2 * DAY, T + left));
            schedule.failed(T, validity);
            assert_eq!(schedule.due(validity, DAY), T + pause, "{left:?}");
        }
    }

    #[test]
    fn lifetimes_are_whole_seconds_within_bounds() {
        for (text, seconds) in [
            ("24h", DAY),
            ("10m", 600),
            ("1s", 600),
            ("90m500ms", 5400),
            ("365d", 365 * DAY),
            ("999999999d", 365 * DAY),
        ] {
            let renewal = TokenRenewal { lifetime: text.into(), ..TokenRenewal::default() };
            assert_eq!(lifetime(&renewal), seconds, "{text}");
        }
        assert_eq!(lifetime(&TokenRenewal::default()), DAY);
    }
}
