//! The faults of a soak: which there are, and how each begins and ends.

use super::load::{NAMESPACES, decoy};
use super::stage::Stage;
use crate::support::{Action, Fault as ProxyFault, Proxy};
use http::Method;
use http::request::Parts;
use hyper::body::Bytes;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest time of the operator from SIGTERM to its end.
const OBEDIENCE: Duration = Duration::from_secs(20);
/// The file of a namespace that belongs to no object.
pub const ALIEN: &str = "alien";

type Rule = Box<dyn Fn(&Parts, &Bytes) -> Option<Action> + Send + Sync>;

/// The rules of one proxy. The first that picks a request decides.
#[derive(Clone, Default)]
pub struct Rules(Arc<Mutex<Vec<(u64, Rule)>>>);

impl Rules {
    /// Makes the proxy ask these rules.
    pub fn attach(proxy: &Proxy) -> Self {
        let rules = Self::default();
        let asked = rules.clone();
        proxy.set_fault(Some(ProxyFault::new(move |head, body| {
            asked.0.lock().unwrap().iter().find_map(|(_, rule)| rule(head, body))
        })));
        rules
    }

    fn add(&self, rule: impl Fn(&Parts, &Bytes) -> Option<Action> + Send + Sync + 'static) -> u64 {
        let mut rules = self.0.lock().unwrap();
        let id = rules.last().map_or(0, |(id, _)| id + 1);
        rules.push((id, Box::new(rule)));
        id
    }

    fn remove(&self, id: u64) {
        self.0.lock().unwrap().retain(|(other, _)| *other != id);
    }
}

/// A fault. A number is that of a satellite, or of the server that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Killed,
    Terminated,
    Frozen,
    StatusWritesFail,
    HubFails,
    HubCut,
    HubHangs,
    HubTooOld,
    HubSilent,
    HubKilled,
    VolumeFull,
    FilesChanged,
    Cut(usize),
    Silent(usize),
    Slow(usize),
    Lost(usize),
    Refuses(usize),
    Changed(usize),
    ServerKilled(usize),
}

impl Fault {
    /// Two faults of one group are not chosen together.
    fn group(self) -> usize {
        match self {
            Self::Killed | Self::Terminated | Self::Frozen => 0,
            Self::StatusWritesFail => 1,
            Self::HubFails | Self::HubTooOld => 2,
            Self::HubCut | Self::HubHangs | Self::HubSilent | Self::HubKilled => 3,
            Self::VolumeFull => 4,
            Self::FilesChanged => 5,
            Self::Cut(at) | Self::Silent(at) | Self::Slow(at) | Self::Lost(at) | Self::Refuses(at) => 10 + at,
            Self::Changed(at) => 1000 + at,
            Self::ServerKilled(_) => 6,
        }
    }

    /// The satellite that it hits. None if it hits all.
    pub fn satellite(self) -> Option<usize> {
        match self {
            Self::Cut(at)
            | Self::Silent(at)
            | Self::Slow(at)
            | Self::Lost(at)
            | Self::Refuses(at)
            | Self::Changed(at) => Some(at),
            _ => None,
        }
    }
}

/// Chooses two or three faults. `patient` allows those from which the operator recovers only after
/// about a minute, or which need root.
pub fn choose(rng: &mut StdRng, stage: &Stage, patient: bool) -> Vec<Fault> {
    let mut all = vec![
        Fault::Killed,
        Fault::Killed,
        Fault::Terminated,
        Fault::Frozen,
        Fault::StatusWritesFail,
        Fault::StatusWritesFail,
        Fault::HubFails,
        Fault::HubCut,
        Fault::HubHangs,
        Fault::HubTooOld,
        Fault::FilesChanged,
    ];
    if stage.can_be_full {
        all.push(Fault::VolumeFull);
    }
    for _ in 0..4 {
        let at = rng.random_range(0..stage.places.len());
        all.extend([Fault::Cut(at), Fault::Silent(at), Fault::Slow(at), Fault::Lost(at)]);
        all.extend([Fault::Refuses(at), Fault::Changed(at)].into_iter().take(rng.random_range(0..3)));
        if patient {
            all.push(Fault::ServerKilled(at));
        }
    }
    if patient {
        all.extend([Fault::HubSilent, Fault::HubKilled]);
    }
    all.shuffle(rng);
    let count = rng.random_range(2..4);
    let mut chosen: Vec<Fault> = Vec::new();
    for fault in all {
        if chosen.len() < count && chosen.iter().all(|other| other.group() != fault.group()) {
            chosen.push(fault);
        }
    }
    chosen
}

/// Begins a fault after a while, and ends it before `end`. Returns when it lasted.
pub async fn inject(stage: &Stage, fault: Fault, seed: u64, end: Instant) -> (Instant, Instant) {
    let mut rng = StdRng::seed_from_u64(seed);
    let whole = end.saturating_duration_since(Instant::now());
    tokio::time::sleep(whole.mul_f64(rng.random_range(0.05..0.4))).await;
    let begun = Instant::now();
    let lasting = end.saturating_duration_since(begun).mul_f64(rng.random_range(0.3..0.9));
    let last = begun + lasting;
    let dice = Arc::new(Mutex::new(rng));
    carry_out(stage, fault, &dice, last).await;
    (begun, Instant::now())
}

fn draw(dice: &Arc<Mutex<StdRng>>, below: u64) -> u64 {
    dice.lock().unwrap().random_range(0..below)
}

fn until(end: Instant) -> tokio::time::Sleep {
    tokio::time::sleep_until(end.into())
}

async fn carry_out(stage: &Stage, fault: Fault, dice: &Arc<Mutex<StdRng>>, end: Instant) {
    let hub = &stage.installation.hub_proxy;
    match fault {
        Fault::Killed => {
            while Instant::now() < end {
                stage.operator.lock().await.take().expect("an operator").kill();
                tokio::time::sleep(Duration::from_millis(draw(dice, 1000))).await;
                stage.begin().await;
                tokio::time::sleep(Duration::from_millis(100 + draw(dice, 6000))).await;
            }
        }
        Fault::Terminated => {
            let operator = stage.operator.lock().await.take().expect("an operator");
            operator.terminate(OBEDIENCE).await;
            tokio::time::sleep(Duration::from_millis(draw(dice, 3000))).await;
            stage.begin().await;
        }
        Fault::Frozen => {
            let operator = stage.operator.lock().await;
            let operator = operator.as_ref().expect("an operator");
            operator.pause();
            until(end).await;
            operator.resume();
        }
        Fault::StatusWritesFail => {
            let dice = dice.clone();
            let is_status =
                |head: &Parts| head.method == Method::PATCH && head.uri.path().ends_with("/status");
            with_rule(stage, "hub", end, move |head, _| match (is_status(head), draw(&dice, 100)) {
                (true, 0..25) => Some(Action::Delay(Duration::from_millis(draw(&dice, 400)))),
                (true, 25..35) => Some(Action::DropAfterApply),
                (true, 35..42) => Some(Action::DropBefore),
                (true, 42..50) => Some(Action::refuse(503, "ServiceUnavailable")),
                _ => None,
            })
            .await;
        }
        Fault::HubFails => {
            let dice = dice.clone();
            with_rule(stage, "hub", end, move |_, _| match draw(&dice, 100) {
                0..10 => Some(Action::refuse(500, "InternalError")),
                10..20 => Some(Action::refuse(429, "TooManyRequests")),
                20..25 => Some(Action::DropBefore),
                _ => None,
            })
            .await;
        }
        Fault::HubTooOld => {
            let dice = dice.clone();
            let cut = async || {
                while Instant::now() < end {
                    hub.cut_connections();
                    tokio::time::sleep(Duration::from_secs(3)).await;
                }
            };
            let rule = with_rule(stage, "hub", end, move |head, _| {
                let watches = head.uri.query().is_some_and(|query| query.contains("watch=true"));
                (watches && draw(&dice, 2) == 0).then(|| Action::refuse(410, "Expired"))
            });
            tokio::join!(rule, cut());
        }
        Fault::HubCut => {
            while Instant::now() < end {
                hub.cut_connections();
                tokio::time::sleep(Duration::from_millis(300 + draw(dice, 2000))).await;
            }
        }
        Fault::HubHangs => {
            hub.pause_all();
            until(end).await;
            hub.resume_all();
        }
        Fault::HubSilent => hub.silence_watches(),
        Fault::HubKilled => {
            let server = stage.installation.plane.server("hub");
            server.stop();
            tokio::time::sleep(Duration::from_millis(draw(dice, 5000))).await;
            server.restart().await;
        }
        Fault::ServerKilled(at) => {
            let server = stage.installation.plane.server(server_of(stage, at));
            server.stop();
            until(end).await;
            server.restart().await;
        }
        Fault::VolumeFull => {
            let ballast = stage.volume().join("ballast");
            let path = ballast.clone();
            tokio::task::spawn_blocking(move || {
                let mut file = std::fs::File::create(path).expect("the ballast");
                while file.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
            })
            .await
            .expect("no panic");
            until(end).await;
            std::fs::remove_file(ballast).expect("the ballast is removed");
        }
        Fault::FilesChanged => {
            while Instant::now() < end {
                change_a_file(stage, dice);
                tokio::time::sleep(Duration::from_millis(500 + draw(dice, 4000))).await;
            }
        }
        Fault::Changed(at) => change_a_config_map(stage, at, dice).await,
        Fault::Cut(at) => {
            with_rule(stage, server_of(stage, at), end, of(stage, at, || Some(Action::DropBefore))).await;
        }
        Fault::Silent(at) => {
            with_rule(stage, server_of(stage, at), end, of(stage, at, || Some(Action::Hang))).await;
        }
        Fault::Slow(at) => {
            let dice = dice.clone();
            let slow = move || Some(Action::Delay(Duration::from_millis(200 + draw(&dice, 1500))));
            with_rule(stage, server_of(stage, at), end, of(stage, at, slow)).await;
        }
        Fault::Lost(at) => {
            let dice = dice.clone();
            let lost = move || (draw(&dice, 10) < 4).then_some(Action::DropAfterApply);
            with_rule(stage, server_of(stage, at), end, of(stage, at, lost)).await;
        }
        Fault::Refuses(at) => {
            let all =
                [(403, "Forbidden"), (429, "TooManyRequests"), (500, "InternalError"), (503, "Unavailable")];
            let (code, reason) = all[draw(dice, 4) as usize];
            let refuse = move || Some(Action::refuse(code, reason));
            with_rule(stage, server_of(stage, at), end, of(stage, at, refuse)).await;
        }
    }
}

fn server_of(stage: &Stage, at: usize) -> &str {
    stage.places[at].satellite.rsplit_once('-').expect("<server>-<number>").0
}

/// Returns a rule for all requests to one satellite.
fn of(
    stage: &Stage,
    at: usize,
    action: impl Fn() -> Option<Action> + Send + Sync + 'static,
) -> impl Fn(&Parts, &Bytes) -> Option<Action> + Send + Sync + 'static {
    let namespace = format!("/namespaces/{}/", stage.places[at].namespace);
    move |head, _| head.uri.path().contains(&namespace).then(&action).flatten()
}

async fn with_rule(
    stage: &Stage,
    server: &str,
    end: Instant,
    rule: impl Fn(&Parts, &Bytes) -> Option<Action> + Send + Sync + 'static,
) {
    let rules = &stage.rules[server];
    let id = rules.add(rule);
    until(end).await;
    rules.remove(id);
    if let Some(proxy) = stage.installation.proxies.get(server) {
        proxy.release();
    }
}

/// Changes, empties or removes the file of a decoy, or adds a file that belongs to no object.
fn change_a_file(stage: &Stage, dice: &Arc<Mutex<StdRng>>) {
    let namespace = NAMESPACES[draw(dice, NAMESPACES.len() as u64) as usize];
    let file = stage.volume().join(format!("objects.d/{}.conf", decoy(namespace)));
    // What fails here fails because the volume is full, or because the operator is faster.
    let _ = match draw(dice, 4) {
        0 => std::fs::remove_file(&file),
        1 => std::fs::File::create(&file).map(drop),
        2 => std::fs::write(&file, "object Host \"somebody else's\" {\n}\n"),
        _ => std::fs::write(file.with_file_name(format!("{ALIEN}.conf")), "// nobody's\n"),
    };
}

/// Deletes or changes the pointer or a shard of a satellite, as somebody with rights there may.
async fn change_a_config_map(stage: &Stage, at: usize, dice: &Arc<Mutex<StdRng>>) {
    let place = &stage.places[at];
    let maps: Api<ConfigMap> = place.api();
    let names: Vec<_> = match maps.list_metadata(&ListParams::default()).await {
        Ok(list) => list.items.iter().map(ResourceExt::name_any).collect(),
        Err(_) => return,
    };
    let shards: Vec<_> =
        names.iter().filter(|name| name.starts_with(&format!("{}-", place.pointer))).collect();
    let target = match shards.get(draw(dice, shards.len().max(1) as u64) as usize) {
        Some(shard) if draw(dice, 2) == 0 => (*shard).clone(),
        _ => place.pointer.clone(),
    };
    // A shard is immutable: its content cannot be changed, only its marks.
    let patch = json!({ "metadata": { "annotations": { "groundlink.dev/digest": "somebody else's" } } });
    let _ = match draw(dice, 2) {
        0 => maps.delete(&target, &DeleteParams::default()).await.map(drop),
        _ => maps.patch(&target, &PatchParams::default(), &Patch::Merge(&patch)).await.map(drop),
    };
}
