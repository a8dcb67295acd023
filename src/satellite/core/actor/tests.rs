mod agents;
mod credentials;
mod health;
mod leaving;
mod unreadable;

use super::*;
use crate::api::satellite_cluster::SatelliteClusterSpec;
use crate::identity::ObjectKey;
use crate::render::read_back;
use crate::satellite::core::delivery::{Delivered, Drift};
use crate::satellite::credential::Validity;
use crate::snapshot::testing::view_of;
use serde_json::{Value, json};

const UNIX: i64 = 1_790_000_000;
const DAY: i64 = 24 * 3600;

fn wanted(counter: u64, word: &str) -> Wanted {
    let header = json!({ "provides": ["Host!a"] });
    let text = format!("// {word}\n// groundlink: {header}\n");
    let file = Arc::new(read_back(&ObjectKey::new("n", "a"), text.into_bytes()).unwrap());
    let revision = Revision { term: 1, counter };
    Wanted { revision, view: view_of(&[file]) }
}

fn config(spec: Value, metadata: Value) -> Arc<Config> {
    let mut all = json!({ "kubeconfigSecretRef": { "name": "edge" } });
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    let spec: SatelliteClusterSpec = serde_json::from_value(all).unwrap();
    let mut object = SatelliteCluster::new("edge", spec);
    object.metadata = serde_json::from_value(metadata).unwrap();
    object.metadata.name = Some("edge".into());
    Arc::new(Config { object: Arc::new(object), selected: Ok(Default::default()), unreadable: None })
}

fn kept() -> Value {
    json!({ "finalizers": ["groundlink.dev/satellite-cleanup"] })
}

fn deleted() -> Value {
    let mut metadata = kept();
    metadata["deletionTimestamp"] = "2026-11-29T12:00:00Z".into();
    metadata
}

/// An actor with a satellite that obeys, unless the test says otherwise.
struct Stage {
    actor: Actor,
    now: Duration,
    facts: Facts,
    set: Option<Wanted>,
    validity: Option<Validity>,
    is_leader: bool,
    random: f64,
    /// The outcomes of the tasks of the last step, in words.
    said: Vec<String>,
    effects: Vec<Effect>,
    /// Answers in place of the usual ones, by the beginning of the task's word.
    instead: Vec<(&'static str, Input)>,
    /// ConfigMaps that the next delivery writes.
    writes: Vec<&'static str>,
}

impl Stage {
    fn new(spec: Value) -> Self {
        Self::of(config(spec, kept()))
    }

    fn of(config: Arc<Config>) -> Self {
        let mut actor = Actor::new(config, "hub-1".into());
        let effects = actor.take_effects();
        assert!(matches!(effects[..], [Effect::Accepts(Some(_), _), Effect::NotHeld]), "{effects:?}");
        Self {
            actor,
            now: Duration::from_secs(1000),
            facts: Facts { place: "icinga/groundlink".into(), ..Facts::default() },
            set: Some(wanted(1, "one")),
            validity: None,
            is_leader: true,
            random: 0.5,
            said: Vec::new(),
            effects: Vec::new(),
            instead: Vec::new(),
            writes: Vec::new(),
        }
    }

    fn unix(&self) -> i64 {
        UNIX + self.now.as_secs() as i64
    }

    fn fail(&mut self, task: &'static str, problem: Problem) {
        let input = match task {
            "finalizer" => Input::FinalizerSet(Err(problem)),
            "secret" => Input::SecretRead(Err(problem)),
            "open" => Input::Opened(Err(problem)),
            "try" => Input::Tried(Err(problem)),
            "renew" => Input::TokenRenewed(Err(problem)),
            "release" => Input::Released(Err(problem)),
            "choose" => Input::Chosen(Err(problem)),
            _ => Input::Job(Err(Ended::Failed(problem))),
        };
        self.instead.push((task, input));
    }

    fn late(&mut self, task: &'static str) {
        self.instead.push((task, Input::Job(Err(Ended::OutOfTime))));
    }

    /// Does one step from `woken` on, and returns the wait. None if the actor ends.
    fn step(&mut self, woken: Woken) -> Option<Wait> {
        self.said.clear();
        self.effects.clear();
        let mut input = Input::Woken(woken);
        for _ in 0..50 {
            let moment =
                Moment { now: self.now, unix: self.unix(), random: self.random, is_leader: self.is_leader };
            let task = self.actor.step(input, &moment, &self.facts);
            self.effects.extend(self.actor.take_effects());
            let word = match &task {
                Task::Wait(wait) => return Some(*wait),
                Task::Finish => return None,
                Task::SetFinalizer(wanted) => format!("finalizer {wanted}"),
                Task::ChooseSet(_) => "choose".into(),
                Task::ReadSecret => "secret".into(),
                Task::Open(source) => format!("open {source:?}"),
                Task::TryOpened => "try".into(),
                Task::UseOpened => "use".into(),
                Task::Do(job, limit) => {
                    let limit = limit.map(|limit| format!(" within {}", limit.as_secs())).unwrap_or_default();
                    let job = format!("{job:?}").to_lowercase();
                    format!("{}{limit}", job.split('(').next().unwrap())
                }
                Task::RenewToken(_) => "renew".into(),
                Task::Release(note) => {
                    format!("release {}", if note.is_some() { "with a warning" } else { "" })
                }
            };
            self.said.push(word.trim().to_owned());
            self.now += Duration::from_millis(10);
            let at = self.instead.iter().position(|(begin, _)| word.starts_with(begin));
            input = match at {
                Some(at) => self.instead.remove(at).1,
                None => self.usual(task),
            };
        }
        panic!("the step does not end: {:?}", self.said);
    }

    fn usual(&mut self, task: Task) -> Input {
        match task {
            Task::Wait(_) | Task::Finish => unreachable!(),
            Task::SetFinalizer(_) => Input::FinalizerSet(Ok(())),
            Task::ChooseSet(acceptance) => Input::Chosen(acceptance.map(|_| self.set.clone())),
            Task::ReadSecret => Input::SecretRead(Ok(true)),
            Task::Open(_) => Input::Opened(Ok(self.opened())),
            Task::TryOpened => Input::Tried(Ok(())),
            Task::UseOpened => Input::Used,
            Task::RenewToken(_) => Input::TokenRenewed(Ok(Renewal::Renewed(self.validity))),
            Task::Release(_) => Input::Released(Ok(())),
            Task::Do(job, _) => Input::Job(Ok(match job {
                Job::Read => {
                    self.facts.knows_pointer = true;
                    Outcome::Read
                }
                Job::Deliver(set) => {
                    self.facts.digest = Some(set.view.digest);
                    self.facts.holds_ours = true;
                    Outcome::Delivered(Delivered {
                        pointer_revision: set.revision,
                        digest: set.view.digest,
                        shards: 0,
                        wrote: std::mem::take(&mut self.writes).into_iter().map(str::to_owned).collect(),
                    })
                }
                Job::Compare(_) => Outcome::Compared(None),
                Job::Collect | Job::MakeRoom => Outcome::Collected,
                Job::CleanUp => Outcome::CleanedUp,
            })),
        }
    }

    fn opened(&self) -> Opened {
        Opened { place: self.facts.place.clone(), is_elsewhere: false, validity: self.validity }
    }

    /// Steps until the satellite is in sync.
    fn in_sync(mut self) -> Self {
        self.step(Woken::Time).unwrap();
        assert!(self.holds(), "{:?}", self.effects);
        self
    }

    fn holds(&self) -> bool {
        self.effects.iter().any(|effect| matches!(effect, Effect::Holds(..)))
    }

    fn says(&self, kind: crate::api::ConditionType) -> String {
        let status = self.actor.status(None, self.unix()).unwrap();
        let condition = status.conditions.into_iter().find(|condition| condition.r#type == kind).unwrap();
        format!("{:?} {:?}", condition.status, condition.reason)
    }

    fn events(&self) -> Vec<Reason> {
        let reason = |effect: &Effect| match effect {
            Effect::Event { reason, .. } => Some(*reason),
            _ => None,
        };
        self.effects.iter().filter_map(reason).collect()
    }

    fn logs(&self) -> Vec<&Log> {
        self.effects.iter().filter_map(|e| if let Effect::Log(log) = e { Some(log) } else { None }).collect()
    }

    fn problems_logged(&self) -> usize {
        self.logs().into_iter().filter(|log| matches!(log, Log::Problem(_))).count()
    }
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn silent() -> Problem {
    Problem::silent(Reason::Unreachable, "no answer")
}

fn refused(reason: Reason) -> Problem {
    Problem::stalled(reason, "refused").answered()
}

use crate::api::ConditionType::{CredentialsValid, Drifted, Loaded, Ready, Synced};

#[test]
fn a_step_is_the_promise_of_one_satellite_in_order() {
    let mut stage = Stage::of(config(json!({}), json!({})));
    stage.writes = vec!["groundlink"];
    let wait = stage.step(Woken::Time).unwrap();
    let order =
        ["finalizer true", "choose", "secret", "open Secret", "use", "read within 60", "deliver within 60"];
    assert_eq!(stage.said, order);
    assert!(stage.holds());
    assert_eq!(wait.pause, s(30), "looked at again when it is quiet");
    assert!(wait.is_for_snapshots && wait.is_for_disturbances && wait.is_well);
    assert_eq!((stage.says(Ready), stage.says(Synced)), ("True Connected".into(), "True InSync".into()));
    // What was written is followed by a rest, which a new snapshot does not end.
    stage.set = Some(wanted(2, "two"));
    let rest = stage.step(Woken::Snapshot).unwrap();
    assert!(stage.said.is_empty() && !rest.is_for_snapshots && rest.pause <= s(2), "{rest:?}");
    stage.now += rest.pause;
    stage.actor.configured(config(json!({}), kept()));
    stage.actor.access.settled();
    stage.step(Woken::Time).unwrap();
    assert_eq!(stage.said, ["choose", "deliver within 60"], "the pointer is known, so there is no probe");
    // Nothing new: the pointer is read, and nobody needs more.
    stage.now += s(30);
    stage.step(Woken::Time).unwrap();
    assert_eq!(stage.said, ["choose", "read within 60", "deliver within 60"]);
}

#[test]
fn who_is_not_the_leader_does_nothing() {
    let mut stage = Stage::new(json!({}));
    stage.is_leader = false;
    let wait = stage.step(Woken::Time).unwrap();
    assert_eq!((stage.said.len(), wait.pause), (0, Duration::from_millis(100)));
    assert!(stage.actor.status(None, UNIX).is_none(), "the recorded status is true until something else is");
}

#[test]
fn a_change_of_the_resource_takes_back_what_was_held() {
    let mut stage = Stage::new(json!({})).in_sync();
    stage.step(Woken::Config(config(json!({ "zones": ["eu"] }), kept()))).unwrap();
    assert!(
        matches!(&stage.effects[..2], [Effect::Accepts(Some(accepts), None), Effect::NotHeld] if accepts.zones.contains("eu"))
    );
    assert!(stage.said.contains(&"open Secret".to_owned()), "its target may be another: {:?}", stage.said);
    assert!(!stage.said.contains(&"try".to_owned()), "the credential is the same");
    // Namespaces that are not known: it may hold anything, and is not written to.
    let unknown = Config {
        object: config(json!({ "namespaces": { "from": "Selector", "selector": { "a": "b" } } }), kept())
            .object
            .clone(),
        selected: Err("not listed yet".into()),
        unreadable: None,
    };
    let wait = stage.step(Woken::Config(Arc::new(unknown))).unwrap();
    assert!(matches!(stage.effects[0], Effect::Accepts(None, _)));
    assert!(!stage.said.iter().any(|word| word.starts_with("deliver")), "{:?}", stage.said);
    assert!(stage.events().is_empty() && wait.pause < s(1), "{wait:?}");
}

#[test]
fn a_silent_satellite_is_called_less_and_less_then_only_probed() {
    let mut stage = Stage::new(json!({})).in_sync();
    stage.random = 1.0;
    let mut pauses = Vec::new();
    for _ in 0..6 {
        stage.now += s(1);
        stage.facts.knows_pointer = false;
        stage.fail("read", silent());
        pauses.push(stage.step(Woken::Time).unwrap());
    }
    let times: Vec<u128> = pauses.iter().map(|wait| wait.pause.as_millis()).collect();
    assert_eq!(times[..4], [250, 500, 1000, 2000]);
    assert_eq!(times[4..], [12_000, 12_000], "the breaker is open");
    assert!(pauses[3].is_for_snapshots && !pauses[4].is_for_snapshots, "an open breaker waits for its probe");
    assert_eq!(stage.said, ["choose", "read within 4"], "a probe is cheap");
    assert!(stage.effects.iter().any(|effect| matches!(effect, Effect::StopFollowing)));
    assert_eq!(stage.actor.breaker().state(), BreakerState::Open);
    // One event and one line for all of it.
    assert!(stage.events().is_empty() && stage.problems_logged() == 0);
    // One probe and one delivery bring it back.
    stage.now += s(12);
    let wait = stage.step(Woken::Time).unwrap();
    assert_eq!(stage.said, ["choose", "read within 4", "deliver within 60"]);
    assert_eq!(stage.actor.breaker().state(), BreakerState::Closed);
    assert!(wait.is_well && stage.events() == [Reason::Connected] && stage.logs() == [&Log::Recovered]);
}

#[test]
fn a_problem_is_logged_when_it_begins_changes_and_ends() {
    let mut stage = Stage::new(json!({})).in_sync();
    let mut logged = Vec::new();
    for problem in [silent(), silent(), refused(Reason::Forbidden), refused(Reason::Forbidden)] {
        stage.now += s(40);
        stage.fail("read", problem);
        stage.step(Woken::Time).unwrap();
        logged.push((stage.problems_logged(), stage.events().len()));
    }
    assert_eq!(logged, [(1, 1), (0, 0), (1, 1), (0, 0)]);
    stage.now += s(40);
    stage.step(Woken::Time).unwrap();
    assert_eq!(stage.logs(), [&Log::Recovered]);
}

#[test]
fn a_refused_set_is_tried_again_soon_once_and_then_as_often_as_a_probe() {
    for (reason, later) in [(Reason::Forbidden, s(10)), (Reason::TooLarge, s(30)), (Reason::Rejected, s(30))]
    {
        let mut stage = Stage::new(json!({}));
        let mut pauses = Vec::new();
        for _ in 0..3 {
            stage.fail("deliver", refused(reason));
            pauses.push(stage.step(Woken::Time).unwrap());
            stage.now += s(60);
        }
        let times: Vec<Duration> = pauses.iter().map(|wait| wait.pause).collect();
        assert_eq!(times, [s(5), later, later], "{reason:?}");
        assert!(!pauses[1].is_for_snapshots, "what it lacks grows, and that does not help");
        assert_eq!(stage.actor.breaker().state(), BreakerState::Closed, "it answers");
        assert_eq!(stage.says(crate::api::ConditionType::Stalled), format!("True {reason:?}"));
    }
}

#[test]
fn a_server_that_asks_for_time_gets_it() {
    let mut stage = Stage::new(json!({}));
    let busy =
        Problem { retry_after: Some(s(7)), ..Problem::transient(Reason::Unreachable, "429").answered() };
    stage.fail("deliver", busy);
    assert_eq!(stage.step(Woken::Time).unwrap().pause, s(7));
}

#[test]
fn a_full_quota_makes_room_before_the_next_attempt() {
    let mut stage = Stage::new(json!({}));
    stage.fail("deliver", refused(Reason::QuotaExceeded));
    stage.step(Woken::Time).unwrap();
    assert_eq!(stage.said.last().unwrap(), "makeroom");
    assert_eq!(stage.says(Ready), "False QuotaExceeded");
    stage.fail("deliver", refused(Reason::QuotaExceeded));
    stage.fail("makeroom", refused(Reason::Forbidden));
    stage.step(Woken::Time).unwrap();
    let status = stage.actor.status(None, UNIX).unwrap();
    assert!(
        status
            .conditions
            .iter()
            .any(|c| c.r#type == Ready && c.message.contains("cannot be deleted: refused"))
    );
}

#[test]
fn garbage_is_deleted_when_it_is_quiet_or_much() {
    let mut stage = Stage::new(json!({})).in_sync();
    let mut collects = |garbage, is_quiet: bool| {
        stage.facts.garbage = garbage;
        if !is_quiet {
            stage.set = Some(wanted(stage.set.as_ref().unwrap().revision.counter + 1, "more"));
        }
        stage.step(Woken::Time).unwrap();
        stage.said.contains(&"collect".to_owned())
    };
    assert!(!collects(0, true) && collects(1, true));
    assert!(!collects(64, false) && collects(65, false));
}

#[test]
fn a_suspended_satellite_is_probed_and_not_written_to() {
    let mut stage = Stage::new(json!({ "suspend": true }));
    stage.facts.garbage = 100;
    let wait = stage.step(Woken::Time).unwrap();
    assert_eq!(stage.said, ["choose", "secret", "open Secret", "use", "read within 60"]);
    assert_eq!((wait.pause, stage.says(Synced)), (s(30), "False Suspended".into()));
    // Before the first snapshot, too.
    stage.set = None;
    stage.step(Woken::Time).unwrap();
    assert!(!stage.said.contains(&"collect".to_owned()), "{:?}", stage.said);
}

#[test]
fn drift_is_reported_or_corrected_as_it_is_chosen() {
    let drift = || {
        let names = ["groundlink".to_owned()].into();
        Input::Job(Ok(Outcome::Compared(Some(Drift { names, by: Some("kubectl-edit".into()) }))))
    };
    let mut stage = Stage::new(json!({ "driftPolicy": "Report" })).in_sync();
    for round in 0..2 {
        stage.instead.push(("compare", drift()));
        let wait = stage.step(Woken::Disturbed).unwrap();
        assert!(matches!(stage.effects[0], Effect::ForgetPointer));
        assert_eq!(stage.said, ["choose", "read within 60", "compare within 60"], "nothing is written");
        assert_eq!((wait.pause, stage.says(Drifted)), (s(30), "True ContentChanged".into()));
        assert!(stage.effects.iter().any(|effect| matches!(effect, Effect::NotHeld)));
        assert_eq!(stage.events().len(), usize::from(round == 0), "told once");
    }
    // Somebody put it back.
    stage.step(Woken::Disturbed).unwrap();
    assert_eq!(stage.says(Drifted), "False InSync");
    assert!(stage.holds() && stage.logs().iter().any(|log| matches!(log, Log::Over(_))));
    // New content is written whatever others changed.
    stage.set = Some(wanted(2, "two"));
    stage.step(Woken::Snapshot).unwrap();
    assert!(stage.said.contains(&"deliver within 60".to_owned()));

    let mut stage = Stage::new(json!({})).in_sync();
    stage.writes = vec!["groundlink"];
    stage.step(Woken::Disturbed).unwrap();
    assert!(
        stage.effects.iter().any(|effect| matches!(effect, Effect::Corrected(name) if name == "groundlink"))
    );
    assert_eq!(stage.says(Drifted), "False InSync");
}

#[test]
fn a_fight_over_one_configmap_slows_down_and_keeps_no_other_away() {
    let mut stage = Stage::new(json!({})).in_sync();
    let correct = |stage: &mut Stage, name: &'static str| {
        stage.now += s(3);
        stage.writes = vec![name];
        stage.step(Woken::Disturbed).unwrap()
    };
    for round in 1..=6 {
        correct(&mut stage, "groundlink");
        assert!(!stage.said.contains(&"compare within 60".to_owned()));
        assert_eq!(stage.events() == [Reason::DriftFight], round == 6, "told when it begins");
    }
    assert_eq!(stage.says(Drifted), "True DriftFight");
    let drift = |name: &str| {
        Input::Job(Ok(Outcome::Compared(Some(Drift { names: [name.to_owned()].into(), by: None }))))
    };
    stage.instead.push(("compare", drift("groundlink")));
    let wait = correct(&mut stage, "groundlink");
    assert_eq!(stage.said.last().unwrap(), "compare within 60", "it is left as it is");
    assert!(wait.pause > s(290) && wait.pause <= s(300), "{wait:?}");
    assert!(stage.events().is_empty(), "and not again");
    // A shard that is missing is no part of the fight.
    stage.instead.push(("compare", drift("groundlink-shard")));
    correct(&mut stage, "groundlink-shard");
    assert_eq!(stage.said.last().unwrap(), "deliver within 60");
    // After the pause it is corrected once more.
    stage.now += s(300);
    stage.instead.push(("compare", drift("groundlink")));
    correct(&mut stage, "groundlink");
    assert_eq!(stage.said.last().unwrap(), "deliver within 60");
}

#[test]
fn what_the_satellite_lost_is_not_held() {
    let mut stage = Stage::new(json!({})).in_sync();
    stage.facts.digest = None;
    stage.fail("deliver", refused(Reason::Forbidden));
    stage.step(Woken::Disturbed).unwrap();
    assert!(stage.effects.iter().any(|effect| matches!(effect, Effect::NotHeld)));
    assert_eq!(stage.says(Synced), "False Forbidden");
}

#[test]
fn a_watch_that_is_refused_is_told_and_the_set_is_delivered_all_the_same() {
    let mut stage = Stage::new(json!({}));
    stage.facts.watch_problem = Some(refused(Reason::Forbidden));
    let wait = stage.step(Woken::Time).unwrap();
    assert!(stage.holds() && wait.is_for_snapshots, "a new snapshot is delivered at once");
    assert_eq!((stage.says(Ready), stage.says(Synced)), ("False Forbidden".into(), "True InSync".into()));
}

#[test]
fn jobs_that_are_not_done_in_time_say_so() {
    let mut stage = Stage::new(json!({}));
    stage.late("read");
    stage.step(Woken::Time).unwrap();
    assert_eq!(stage.actor.breaker().failures(), 1, "no answer to a probe");
    stage.late("deliver");
    stage.step(Woken::Time).unwrap();
    assert_eq!(stage.actor.breaker().failures(), 0, "it answers, and is slow");
    assert_eq!(stage.says(Synced), "False Unreachable");
}

#[test]
fn only_loaded_waits_for_the_agent() {
    let mut stage = Stage::new(json!({ "ackLevel": "Loaded" }));
    stage.step(Woken::Time).unwrap();
    assert!(!stage.holds());
    assert_eq!(
        (stage.says(Synced), stage.says(Loaded)),
        ("False AwaitingAgent".into(), "Unknown AwaitingAgent".into())
    );
}

#[test]
fn removals_that_are_held_are_one_event_and_the_status_has_the_latest_reason() {
    let mut actor = Stage::new(json!({})).actor;
    actor.take_effects();
    let mut events = Vec::new();
    for why in [None, Some("30 of 40"), Some("31 of 40"), None, None] {
        actor.removals_held(why.map(str::to_owned));
        assert_eq!(actor.report.removals_held.as_deref(), why);
        events.extend(actor.take_effects());
    }
    let is_warning = |effect: &Effect| match effect {
        Effect::Event { is_warning, reason: Reason::ManyRemovals, note } => Some((*is_warning, note.clone())),
        _ => None,
    };
    let expected = [(true, "30 of 40".to_owned()), (false, "no removal waits any more".to_owned())];
    assert_eq!(events.iter().filter_map(is_warning).collect::<Vec<_>>(), expected);
}
