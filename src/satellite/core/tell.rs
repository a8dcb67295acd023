//! What the reports of an actor change in the hub's knowledge of its satellite.

use super::actor::Effect;
use crate::identity::Revision;
use crate::satellite::fleet::{Fleet, Health, Satellite};

/// Applies a report of the actor of this satellite. `recorded` is the revision that the recorded
/// status says was acknowledged. Returns whether the knowledge changed; None if the report is not
/// for the hub.
pub(crate) fn tell(
    fleet: &mut Fleet,
    name: &str,
    effect: &Effect,
    recorded: Option<Revision>,
) -> Option<bool> {
    if let Effect::Accepts(acceptance, exempt) = effect {
        let (held_before, health) = match fleet.satellites.get(name) {
            Some(before) => (before.held_before, before.health),
            None => (recorded, Health::default()),
        };
        let (acceptance, exempt) = (acceptance.clone(), *exempt);
        let entry = Satellite { acceptance, exempt, held_before, health, ..Satellite::default() };
        fleet.satellites.insert(name.to_owned(), entry);
        return Some(true);
    }
    let held = fleet.satellites.get_mut(name);
    match effect {
        Effect::NotHeld => Some(held.is_some_and(|held| held.acked.take().is_some())),
        Effect::Lost => Some(held.is_some_and(|held| held.held_before.take().is_some())),
        Effect::Health(health) => {
            Some(held.is_some_and(|held| std::mem::replace(&mut held.health, *health) != *health))
        }
        Effect::Holds(revision, left_out) => Some(held.is_some_and(|held| {
            let is_news = held.acked < Some(*revision);
            if is_news {
                held.acked = Some(*revision);
                held.held_before = held.held_before.max(held.acked);
                if held.left_out != *left_out {
                    held.left_out = left_out.clone();
                }
            }
            is_news
        })),
        Effect::Rejects(rejected) => Some(held.is_some_and(|held| {
            held.rejected = rejected.clone();
            true
        })),
        _ => None,
    }
}
