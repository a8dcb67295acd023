use super::super::breaker::Event;
use super::*;
use crate::api::Kind;
use std::time::Duration;

const T: i64 = 1_790_000_000;

const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn object() -> SatelliteCluster {
    let spec = serde_json::json!({ "kubeconfigSecretRef": { "name": "edge" } });
    let mut object = SatelliteCluster::new("edge", serde_json::from_value(spec).unwrap());
    object.metadata.generation = Some(3);
    object
}

fn at(counter: u64, digest: &str) -> Option<(Revision, Digest)> {
    Some((Revision { term: 7, counter }, digest.parse().unwrap()))
}

fn in_sync() -> Report {
    Report { desired: at(4, A), written: at(4, A), acked: at(4, A), ..Report::default() }
}

fn open() -> Breaker {
    (0..5)
        .fold(Breaker::default(), |breaker, second| breaker.after(Event::Silent, Duration::from_secs(second)))
}

/// `Ready Synced Reachable CredentialsValid Loaded Drifted Stalled Reconciling`, each with its reason.
fn said(object: &SatelliteCluster, report: &Report, breaker: &Breaker) -> Vec<String> {
    let status = compose(object, SatelliteClusterStatus::default(), report, breaker, T);
    assert_eq!(status.observed_generation, 3);
    let text = |condition: &Condition| {
        let letter = match condition.status {
            ConditionStatus::True => "+",
            ConditionStatus::False => "-",
            ConditionStatus::Unknown => "?",
        };
        format!("{letter}{:?}", condition.reason)
    };
    use ConditionType::*;
    let order = [Ready, Synced, Reachable, CredentialsValid, Loaded, Drifted, Stalled, Reconciling];
    let mut composed: Vec<_> = status.conditions.iter().filter_map(|c| c.r#type.known()).collect();
    let mut wanted: Vec<_> = ConditionType::ALL
        .iter()
        .copied()
        .filter(|kind| kind.kinds().contains(&Kind::SatelliteCluster))
        .collect();
    composed.sort();
    wanted.sort();
    assert_eq!(composed, wanted, "every condition type of a SatelliteCluster is composed");
    let of = |kind: &ConditionType| status.conditions.iter().find(|c| c.r#type == *kind).map(text);
    order.iter().map(|kind| of(kind).unwrap()).collect()
}

#[test]
fn each_state_is_told_by_every_condition() {
    let answered = |problem: Problem| Problem { contact: Contact::Answered, ..problem };
    let unreachable = Problem::silent(Reason::Unreachable, "no answer");
    let forbidden = answered(Problem::stalled(Reason::Forbidden, "403"));
    let unauthorized = answered(Problem::stalled(Reason::Unauthorized, "401"));
    let busy = answered(Problem::transient(Reason::Unreachable, "500"));
    let refused = Problem::stalled(Reason::CredentialRefused, "exec");
    let missing = Problem::transient(Reason::CredentialMissing, "no Secret");
    let with = |problem: &Problem, report: Report| Report { problem: Some(problem.clone()), ..report };
    let drifted = Drifted { names: ["groundlink".to_owned()].into(), by: None, fought: None };
    let fought = Drifted { fought: Some("groundlink".into()), ..drifted.clone() };
    let behind = || Report { acked: at(3, B), written: at(3, B), ..in_sync() };
    let (closed, open) = (Breaker::default(), open());
    let cases: Vec<(&str, Report, &Breaker, &str)> = vec![
        (
            "nothing is known",
            Report::default(),
            &closed,
            "+Connected -Pending +Connected +Connected ?AwaitingAgent -InSync -Complete +Pending",
        ),
        (
            "in sync",
            in_sync(),
            &closed,
            "+Connected +InSync +Connected +Connected ?AwaitingAgent -InSync -Complete -Complete",
        ),
        (
            "behind",
            behind(),
            &closed,
            "+Connected -Pending +Connected +Connected ?AwaitingAgent -InSync -Complete +Pending",
        ),
        (
            "silent for a moment, and in sync",
            with(&unreachable, in_sync()),
            &closed,
            "-Unreachable +InSync -Unreachable ?Unreachable ?AwaitingAgent -InSync -Complete -Complete",
        ),
        (
            "silent and behind, breaker open",
            with(&unreachable, behind()),
            &open,
            "-Unreachable -Unreachable -Unreachable ?Unreachable ?AwaitingAgent -InSync -Complete +Pending",
        ),
        (
            "busy",
            with(&busy, behind()),
            &closed,
            "-Unreachable -Unreachable +Connected +Connected ?AwaitingAgent -InSync -Complete +Pending",
        ),
        (
            "forbidden: a person must act",
            with(&forbidden, behind()),
            &closed,
            "-Forbidden -Forbidden +Connected +Connected ?AwaitingAgent -InSync +Forbidden -Complete",
        ),
        (
            "401",
            with(&unauthorized, behind()),
            &closed,
            "-Unauthorized -Unauthorized +Connected -Unauthorized ?AwaitingAgent -InSync +Unauthorized -Complete",
        ),
        (
            "refused credential",
            with(&refused, Report::default()),
            &closed,
            "-CredentialRefused -CredentialRefused ?Pending -CredentialRefused ?AwaitingAgent -InSync +CredentialRefused -Complete",
        ),
        (
            "no Secret yet",
            with(&missing, Report::default()),
            &closed,
            "-CredentialMissing -CredentialMissing ?Pending -CredentialMissing ?AwaitingAgent -InSync -Complete +Pending",
        ),
        (
            "a new credential does not work",
            Report { credential: Some(unauthorized.clone()), ..in_sync() },
            &closed,
            "+Connected +InSync +Connected -Unauthorized ?AwaitingAgent -InSync -Complete -Complete",
        ),
        (
            "suspended",
            Report { suspended: true, ..behind() },
            &closed,
            "-Suspended -Suspended +Connected +Connected ?AwaitingAgent -InSync +Suspended -Complete",
        ),
        (
            "suspended, and ends soon",
            Report { suspended: true, expiry: Some("soon".into()), ..behind() },
            &closed,
            "-Suspended -Suspended +Connected +CredentialExpiring ?AwaitingAgent -InSync +Suspended -Complete",
        ),
        (
            "token not renewed",
            Report { renewal: Some("403".into()), ..in_sync() },
            &closed,
            "+Connected +InSync +Connected +CredentialExpiring ?AwaitingAgent -InSync -Complete -Complete",
        ),
        (
            "changed by others, reported",
            Report { drifted: Some(drifted), acked: None, written: None, ..in_sync() },
            &closed,
            "+Connected -Pending +Connected +Connected ?AwaitingAgent +ContentChanged -Complete +Pending",
        ),
        (
            "fought over",
            Report { drifted: Some(fought), ..in_sync() },
            &closed,
            "+Connected +InSync +Connected +Connected ?AwaitingAgent +DriftFight -Complete -Complete",
        ),
        (
            "left out",
            Report { left_out: 2, left_out_example: Some("team-a/web".into()), ..in_sync() },
            &closed,
            "+Connected +InSync +Connected +Connected ?AwaitingAgent -InSync -Complete -Complete",
        ),
    ];
    for (what, report, breaker, expected) in cases {
        assert_eq!(said(&object(), &report, breaker).join(" "), expected, "{what}");
    }
    let mut loaded = object();
    loaded.spec.ack_level = AckLevel::Loaded;
    assert_eq!(
        said(&loaded, &in_sync(), &closed).join(" "),
        "+Connected -AwaitingAgent +Connected +Connected ?AwaitingAgent -InSync -Complete +Pending"
    );
}

#[test]
fn what_says_the_same_is_the_same_status() {
    let stats = Stats { objects: 2, bytes: 300, shards: 1 };
    let first = Report { stats: Some(stats.clone()), ..in_sync() };
    let before = compose(&object(), SatelliteClusterStatus::default(), &first, &Breaker::default(), T);
    let watermark = before.acked.clone().unwrap();
    assert_eq!((watermark.revision.as_str(), watermark.digest.as_str()), ("7.4", A));
    assert!(watermark.time.is_some() && before.desired == before.acked && before.written == before.acked);
    assert_eq!(before.stats, Some(stats));
    // Another process gives the same content another revision.
    let again = Report { desired: at(9, A), written: at(9, A), acked: at(9, A), ..first.clone() };
    assert_eq!(compose(&object(), before.clone(), &again, &Breaker::default(), T), before);
    // What is not known now was true once.
    let lost = Report { written: None, acked: None, ..first.clone() };
    assert_eq!(compose(&object(), before.clone(), &lost, &Breaker::default(), T).acked, before.acked);
    let changed = Report { desired: at(10, B), ..first };
    let after = compose(&object(), before.clone(), &changed, &Breaker::default(), T);
    assert_eq!((after.desired.unwrap().revision.as_str(), &after.acked), ("7.10", &before.acked));
}

#[test]
fn an_open_breaker_tells_since_when_and_when_it_probes() {
    let problem = Problem::silent(Reason::Unreachable, "no answer");
    let report = Report { problem: Some(problem), next_probe: 1_800_000_000, ..in_sync() };
    let status = compose(&object(), SatelliteClusterStatus::default(), &report, &open(), T);
    let told = status.breaker.clone().unwrap();
    assert_eq!((told.state, told.consecutive_failures), (BreakerState::Open, 5));
    assert_eq!(told.next_probe.as_deref(), Some("2027-01-15T08:00:00Z"));
    // Another failed probe is no news but for the time of the next one.
    let later = open().after(Event::Silent, Duration::from_secs(20));
    let again = compose(&object(), status.clone(), &report, &later, T);
    assert_eq!(again, status);
    let closed = compose(&object(), status, &in_sync(), &Breaker::default(), T).breaker.unwrap();
    assert_eq!(
        (closed.state, closed.consecutive_failures, closed.next_probe),
        (BreakerState::Closed, 0, None)
    );
}
