//! The fault that began this project, replayed: objects come, change and go while parts of the way
//! to Icinga are down. What Icinga lists in the end is what the hub declares.

use crate::support::{Action, Fault, Installation, Operator, Site, eventually_every, generations};
use crate::{GROUNDLINK, seed};
use groundlink::api::agent_report::AgentResult;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const SAT: &str = "sat-a";
const TEAM: &str = "team-a";
/// Rounds, unless `GROUNDLINK_TEST_REPLAYS` says another number.
const ROUNDS: usize = 6;
/// Longest wait for one round: a hub that was killed gets its Lease back only after it expired.
const LONG: Duration = Duration::from_secs(180);
/// Pause between two questions to Icinga.
const LOOK: Duration = Duration::from_millis(100);
/// With more objects than this, more are deleted than made.
const MOST: usize = 40;

/// What Icinga lists beside what the hub declares.
#[derive(Debug, Default, PartialEq, Eq)]
struct Difference {
    missing: Vec<String>,
    undead: Vec<String>,
    stale: Vec<String>,
}

#[derive(Default, Debug)]
struct Counts {
    created: usize,
    changed: usize,
    deleted: usize,
    killed: BTreeMap<&'static str, usize>,
    slowest: Duration,
}

struct Replay {
    installation: Installation,
    operator: Operator,
    site: Site,
    rng: StdRng,
    /// The address of each host, by name.
    declared: BTreeMap<String, String>,
    /// Names and addresses that were used.
    used: usize,
    counts: Counts,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_icinga_lists_is_what_the_hub_declares_after_every_fault() {
    let Some(generation) = generations().pop() else { return };
    let seed = seed("replay");
    let given = std::env::var("GROUNDLINK_TEST_REPLAYS").ok().and_then(|text| text.parse().ok());
    let rounds: usize = given.unwrap_or(ROUNDS);
    let installation = Installation::start(&[SAT]).await;
    installation.namespace(TEAM).await;
    let operator = installation.operator(GROUNDLINK).await;
    let site = Site::prepare(GROUNDLINK, &installation, SAT, generation, "signal").await;
    let mut replay = Replay {
        installation,
        operator,
        site,
        rng: StdRng::seed_from_u64(seed),
        declared: BTreeMap::new(),
        used: 0,
        counts: Counts::default(),
    };
    replay.create(6).await;
    replay.site.start_icinga().await;
    replay.settle("at the start").await;
    let started = Instant::now();
    for round in 0..rounds {
        if round.is_multiple_of(50) {
            // Many leave within ten minutes, and a person has agreed.
            replay.installation.allow_removals().await;
        }
        replay.round(round).await;
    }
    println!(
        "replay: {rounds} rounds in {:.0?}: 0 missing, 0 undead, 0 stale of {} hosts; {:?}",
        started.elapsed(),
        replay.declared.len(),
        replay.counts
    );
}

impl Replay {
    async fn round(&mut self, round: usize) {
        // What was right must not have become wrong by itself.
        assert_eq!(self.difference().await, Ok(Difference::default()), "before round {round}");
        // While all is up.
        self.create(2).await;
        self.change(1).await;
        self.partition().await;
        self.outage(round).await;
        if round.is_multiple_of(3) {
            self.kill(round / 3).await;
        }
        self.settle(&format!("after round {round}")).await;
    }

    /// Objects are deleted while the satellite refuses everybody.
    async fn partition(&mut self) {
        let refuse = || Some(Fault::on(Action::refuse(503, "ServiceUnavailable"), |_, _| true));
        let proxies = [&self.installation.proxies[SAT], &self.site.proxy];
        for proxy in proxies {
            proxy.set_fault(refuse());
            proxy.cut_connections();
        }
        self.remove(if self.declared.len() > MOST { 8 } else { 2 }).await;
        // Some are published before the satellite comes back, some after.
        let pause = self.rng.random_range(0..800);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        for proxy in [&self.installation.proxies[SAT], &self.site.proxy] {
            proxy.set_fault(None);
        }
    }

    /// Objects are created and changed while Icinga, the agent or both are down, and while they
    /// start.
    async fn outage(&mut self, round: usize) {
        let (icinga, agent) = [(true, true), (true, false), (false, true)][round % 3];
        if agent {
            self.site.agent.kill();
        }
        if icinga {
            self.site.icinga.kill();
        }
        self.create(1).await;
        self.change(2).await;
        let pause = self.rng.random_range(0..1500);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if agent {
            self.site.restart_agent();
        }
        let wanted = self.new_hosts(2);
        let Self { installation, site, .. } = self;
        let starts = async {
            if icinga {
                site.icinga.start().await;
            }
        };
        let puts = async {
            for (name, address) in &wanted {
                put(installation, name, address).await;
            }
        };
        tokio::join!(starts, puts);
        self.change(1).await;
    }

    /// Somebody dies at a random moment of a load.
    async fn kill(&mut self, which: usize) {
        self.create(1).await;
        self.change(1).await;
        let pause = self.rng.random_range(0..1500);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let victim = ["icinga2", "agent", "operator"][which % 3];
        match victim {
            "icinga2" => {
                self.site.icinga.kill();
                self.site.icinga.start().await;
            }
            "agent" => {
                self.site.agent.kill();
                self.site.restart_agent();
            }
            _ => {
                self.operator.kill();
                self.change(1).await;
                self.operator = self.installation.operator_builder(GROUNDLINK).await.spawn();
            }
        }
        *self.counts.killed.entry(victim).or_default() += 1;
    }

    fn new_address(&mut self) -> String {
        self.used += 1;
        format!("10.{}.{}.{}", self.used >> 16, (self.used >> 8) & 255, self.used & 255)
    }

    fn new_hosts(&mut self, count: usize) -> Vec<(String, String)> {
        let mut hosts = Vec::new();
        for _ in 0..count {
            let address = self.new_address();
            let name = format!("h{:05}", self.used);
            self.declared.insert(name.clone(), address.clone());
            hosts.push((name, address));
        }
        self.counts.created += count;
        hosts
    }

    async fn create(&mut self, count: usize) {
        for (name, address) in self.new_hosts(count) {
            put(&self.installation, &name, &address).await;
        }
    }

    async fn change(&mut self, count: usize) {
        for _ in 0..count {
            let name = self.pick();
            let address = self.new_address();
            put(&self.installation, &name, &address).await;
            self.declared.insert(name, address);
            self.counts.changed += 1;
        }
    }

    async fn remove(&mut self, count: usize) {
        for _ in 0..count {
            let name = self.pick();
            self.installation.delete(TEAM, &name).await;
            self.declared.remove(&name);
            self.counts.deleted += 1;
        }
    }

    fn pick(&mut self) -> String {
        let which = self.rng.random_range(0..self.declared.len());
        self.declared.keys().nth(which).expect("there are always some").clone()
    }

    async fn difference(&self) -> Result<Difference, String> {
        let listed = self.site.hosts().await?;
        let (mut missing, mut stale) = (Vec::new(), Vec::new());
        for (name, address) in &self.declared {
            match listed.get(name) {
                None => missing.push(name.clone()),
                Some(found) if found != address => stale.push(format!("{name}: {found}, not {address}")),
                Some(_) => {}
            }
        }
        let undead = listed.into_keys().filter(|name| !self.declared.contains_key(name)).collect();
        Ok(Difference { missing, undead, stale })
    }

    /// Waits until Icinga lists what the hub declares, and the agent says so.
    async fn settle(&mut self, when: &str) {
        let started = Instant::now();
        eventually_every(LOOK, LONG, &format!("Icinga lists what the hub declares {when}"), async || {
            let found = self.difference().await?;
            let report = self.site.report().await?;
            let is_told = report.result == AgentResult::Loaded && report.revision.is_some();
            if found == Difference::default() && is_told {
                return Ok(());
            }
            let log = self.site.agent.log_text();
            let tail: Vec<_> = log.lines().rev().take(8).collect();
            Err(format!("{found:?}; {report:?}; its log, last line first: {tail:#?}"))
        })
        .await;
        let took = started.elapsed();
        println!("replay: {when}: {} hosts, right after {took:.1?}", self.declared.len());
        self.counts.slowest = self.counts.slowest.max(took);
    }
}

async fn put(installation: &Installation, name: &str, address: &str) {
    let spec = json!({ "host": { "address": address, "checkCommand": "dummy" } });
    installation.put(TEAM, name, spec).await;
}
