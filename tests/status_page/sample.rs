//! A large state: 50 satellites and 10,000 objects that wait or are refused.

use groundlink::api::{IcingaType, Reason};
use groundlink::hub::core::{Counts, State as Step, Waiting};
use groundlink::identity::ObjectKey;
use groundlink::page::{Objects, Operator, Satellite, Satellites, Stage, State};
use std::collections::BTreeMap;

/// A message that must be shown as it is.
pub const HOSTILE: &str =
    "spec.host.displayName: \"<img src=x onerror='window.hacked=1'>\" is not allowed; remove `<script>`";

const CITIES: [&str; 10] =
    ["berlin", "frankfurt", "hamburg", "munich", "paris", "lyon", "madrid", "milan", "vienna", "zurich"];
const REFUSED: usize = 1_500;
const OBJECTS: usize = 10_000;
/// Objects that are everywhere, beside the others.
pub const DONE: usize = 2_480;

/// Returns the state; `now` is in Unix seconds. When everything is mended, three objects wait.
pub fn state(now: i64, is_mended: bool) -> State {
    let operator = Operator { leads: true, ..Operator::default() };
    State { operator, satellites: satellites(now, is_mended), objects: objects(now, is_mended) }
}

fn satellites(now: i64, is_mended: bool) -> Satellites {
    let rows = (0..50_usize).map(|n| {
        let name = format!("edge-{}-{}", CITIES[n % 10], n / 10 + 1);
        let newest = || Some("7.1284".to_owned());
        let agents = usize::from(n % 3 > 0);
        let current = Satellite {
            name,
            stage: Stage::Current,
            desired: newest(),
            delivered: newest(),
            delivered_at: Some(now - 40 - n as i64),
            loaded: newest().filter(|_| agents > 0),
            agents,
            since: None,
            why: None,
        };
        let wrong = |stage, delivered: &str, since: i64, reason, why: &str| Satellite {
            stage,
            delivered: Some(delivered.to_owned()),
            delivered_at: Some(now - since - 30),
            loaded: Some(delivered.to_owned()).filter(|_| agents > 0),
            since: Some(now - since),
            why: Some((Some(reason), why.to_owned())),
            ..current.clone()
        };
        match n {
            _ if is_mended => current,
            3 => wrong(
                Stage::Failing,
                "7.1201",
                7_200,
                Reason::TLSError,
                "cannot reach https://munich-1.example:6443: invalid peer certificate: UnknownIssuer",
            ),
            14 => wrong(Stage::Failing, "7.1277", 300, Reason::Unreachable, "no answer within 10 s; probing"),
            28 => wrong(
                Stage::Behind,
                "7.1280",
                12,
                Reason::Pending,
                "waiting for the first snapshot, or for the satellite to store it",
            ),
            42 => wrong(Stage::Suspended, "7.1102", 90_000, Reason::Suspended, "spec.suspend is set"),
            _ => current,
        }
    });
    Satellites::new(true, rows.collect())
}

fn objects(now: i64, is_mended: bool) -> Objects {
    let row = |n: usize| {
        let key = |name: &str| {
            ObjectKey::new(&format!("team-{}", (b'a' + (n % 20) as u8) as char), &format!("{name}-{n:05}"))
        };
        let since = now - 120 - n as i64;
        let (key, kind, state, reason, message) = match n {
            0 => (key("hostile"), IcingaType::Host, Step::Refused, Reason::Invalid, HOSTILE.to_owned()),
            _ if n < REFUSED => (
                key("http"),
                IcingaType::Service,
                Step::Refused,
                Reason::UnresolvedReference,
                format!("spec.service.checkCommand: CheckCommand \"http_{}\" is not published; create it, or correct the name", n % 7),
            ),
            _ if n % 500 == 7 => (key("db"), IcingaType::Host, Step::Suspended, Reason::Suspended, "spec.suspend is set: this generation is not processed; set spec.suspend to false".to_owned()),
            _ => (
                key("db"),
                IcingaType::Host,
                Step::Waiting,
                Reason::SatelliteFailing,
                "48 of 50 satellites have acknowledged; waiting for edge-munich-1 (TLSError), edge-paris-2 (Unreachable); look at their SatelliteClusters".to_owned(),
            ),
        };
        Waiting { key, kind: Some(kind), state, reason, message, since }
    };
    let rows: Vec<_> = match is_mended {
        true => (REFUSED..REFUSED + 3).map(row).collect(),
        false => (0..OBJECTS).map(row).collect(),
    };
    let mut namespaces: BTreeMap<String, Counts> = BTreeMap::new();
    for row in &rows {
        namespaces.entry(row.key.namespace().to_owned()).or_default().add(row.state);
    }
    namespaces.entry("team-a".into()).or_default().done += DONE;
    Objects::new(true, namespaces, rows)
}
