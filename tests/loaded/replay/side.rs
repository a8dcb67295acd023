//! The two sides that execute the same steps: Groundlink, and Icinga's own sync.

use super::schedule::{Manner, Part, Step};
use crate::GROUNDLINK;
use crate::support::{
    Action, Fault, GENEROUS, Installation, Operator, Proxy, Refused, Site, Stock, User, eventually_every,
};
use groundlink::api::agent_report::AgentResult;
use serde_json::json;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

pub const SAT: &str = "sat-a";
pub const TEAM: &str = "team-a";
/// Pause before a request that was not accepted is sent again.
const AGAIN: Duration = Duration::from_millis(100);

/// Hosts with their addresses.
pub type Hosts = BTreeMap<String, String>;

/// The way from a declared host to a satellite's running Icinga.
pub trait Side {
    type Hands: Hands;

    /// Returns a client of the API that objects are declared in.
    fn hands(&self) -> Self::Hands;
    fn cut(&mut self, manner: Manner);
    async fn mend(&mut self);
    fn kill(&mut self, part: Part);
    async fn start(&mut self, parts: &[Part]);
    /// Returns the hosts that the satellite's running Icinga lists.
    async fn listed(&self) -> Result<Hosts, String>;
    /// Checks that the side says of itself that all has arrived, if it says anything.
    async fn says_so(&self) -> Result<(), String>;
    /// Returns true if hub and satellite are connected, and nothing is known to be under way. False
    /// if nobody knows.
    async fn is_at_rest(&self) -> bool;
    /// Ends every process as a service manager does, and starts it again.
    async fn restart(&mut self);
}

/// Declares objects. Each call returns when the change is accepted.
pub trait Hands {
    async fn create(&self, name: &str, address: &str);
    async fn change(&self, name: &str, address: &str);
    async fn delete(&self, name: &str);
}

/// Executes the steps of a round.
pub async fn play(side: &mut impl Side, steps: &[Step]) {
    for step in steps {
        match step {
            Step::Cut(manner) => side.cut(*manner),
            Step::Mend => side.mend().await,
            Step::Kill(part) => side.kill(*part),
            Step::Start { parts, meanwhile } => {
                let hands = side.hands();
                let edits = async {
                    for step in meanwhile {
                        edit(&hands, step).await;
                    }
                };
                tokio::join!(side.start(parts), edits);
            }
            step => edit(&side.hands(), step).await,
        }
    }
}

async fn edit(hands: &impl Hands, step: &Step) {
    match step {
        Step::Create { name, address } => hands.create(name, address).await,
        Step::Change { name, address } => hands.change(name, address).await,
        Step::Delete { name } => hands.delete(name).await,
        Step::Pause(time) => tokio::time::sleep(*time).await,
        step => panic!("{step:?} is no change of an object"),
    }
}

/// Groundlink: a hub, and an Icinga with its agent.
pub struct Ours {
    pub installation: Rc<Installation>,
    operator: Operator,
    pub site: Site,
}

impl Ours {
    /// Starts all but Icinga, which starts when its agent has a set.
    pub async fn prepare(generation: &'static str) -> Self {
        let installation = Installation::start(&[SAT]).await;
        installation.namespace(TEAM).await;
        let operator = installation.operator(GROUNDLINK).await;
        let site = Site::prepare(GROUNDLINK, &installation, SAT, generation, "signal").await;
        Self { installation: Rc::new(installation), operator, site }
    }

    fn proxies(&self) -> [&Proxy; 2] {
        [&self.installation.proxies[SAT], &self.site.proxy]
    }
}

impl Side for Ours {
    type Hands = Rc<Installation>;

    fn hands(&self) -> Self::Hands {
        self.installation.clone()
    }

    fn cut(&mut self, manner: Manner) {
        for proxy in self.proxies() {
            match manner {
                Manner::Refusing => {
                    proxy.set_fault(Some(Fault::on(Action::DropBefore, |_, _| true)));
                    proxy.cut_connections();
                }
                Manner::Silent => {
                    proxy.pause_all();
                    proxy.silence_watches();
                }
            }
        }
    }

    async fn mend(&mut self) {
        for proxy in self.proxies() {
            proxy.cut_connections();
            proxy.set_fault(None);
            proxy.resume_all();
        }
    }

    fn kill(&mut self, part: Part) {
        match part {
            Part::Hub => {
                self.operator.kill();
            }
            Part::Agent => {
                self.site.agent.kill();
            }
            Part::Icinga => self.site.icinga.kill(),
        }
    }

    async fn start(&mut self, parts: &[Part]) {
        for part in parts {
            match part {
                Part::Hub => {
                    self.operator = self.installation.operator_builder(GROUNDLINK).await.spawn();
                }
                Part::Agent => self.site.restart_agent(),
                Part::Icinga => self.site.icinga.start().await,
            }
        }
    }

    async fn listed(&self) -> Result<Hosts, String> {
        self.site.hosts().await
    }

    async fn says_so(&self) -> Result<(), String> {
        let report = self.site.report().await?;
        if report.result == AgentResult::Loaded && report.revision.is_some() {
            return Ok(());
        }
        let log = self.site.agent.log_text();
        let tail: Vec<_> = log.lines().rev().take(8).collect();
        Err(format!("{report:?}; the agent's log, last line first: {tail:#?}"))
    }

    async fn is_at_rest(&self) -> bool {
        false
    }

    async fn restart(&mut self) {
        self.operator.terminate(GENEROUS).await;
        self.site.agent.terminate(GENEROUS).await;
        self.site.icinga.terminate().await;
        self.start(&[Part::Hub, Part::Agent, Part::Icinga]).await;
    }
}

impl Hands for Rc<Installation> {
    async fn create(&self, name: &str, address: &str) {
        let spec = json!({ "host": { "address": address, "checkCommand": "dummy" } });
        self.put(TEAM, name, spec).await;
    }

    async fn change(&self, name: &str, address: &str) {
        self.create(name, address).await;
    }

    async fn delete(&self, name: &str) {
        Installation::delete(self, TEAM, name).await;
    }
}

/// Icinga's own sync. Changes that the master does not know the host of are counted.
pub struct Theirs {
    pub stock: Stock,
    /// Changes and deletions that the master answered with 404.
    pub unknown: Rc<Cell<usize>>,
    down: BTreeSet<Part>,
}

/// A user of the master's API, who sends a request again until it is accepted.
pub struct Patient {
    user: User,
    unknown: Rc<Cell<usize>>,
}

impl Theirs {
    /// Starts both daemons.
    pub async fn start(generation: &'static str) -> Self {
        let mut stock = Stock::prepare(generation).await;
        stock.start().await;
        Self { stock, unknown: Rc::default(), down: BTreeSet::new() }
    }

    /// The daemon that stands for a part: the satellite is Icinga and agent in one.
    fn node(part: Part) -> Part {
        if part == Part::Hub { Part::Hub } else { Part::Icinga }
    }
}

impl Side for Theirs {
    type Hands = Patient;

    fn hands(&self) -> Self::Hands {
        Patient { user: self.stock.user(), unknown: self.unknown.clone() }
    }

    fn cut(&mut self, manner: Manner) {
        match manner {
            Manner::Refusing => self.stock.wire.cut(),
            Manner::Silent => self.stock.wire.silence(),
        }
    }

    async fn mend(&mut self) {
        self.stock.wire.mend().await;
    }

    fn kill(&mut self, part: Part) {
        let node = Self::node(part);
        if self.down.insert(node) {
            let icinga = if node == Part::Hub { &mut self.stock.master } else { &mut self.stock.satellite };
            icinga.kill();
        }
    }

    async fn start(&mut self, parts: &[Part]) {
        for part in parts {
            let node = Self::node(*part);
            if self.down.remove(&node) {
                let icinga =
                    if node == Part::Hub { &mut self.stock.master } else { &mut self.stock.satellite };
                icinga.start().await;
            }
        }
    }

    async fn listed(&self) -> Result<Hosts, String> {
        self.stock.satellite.hosts().await
    }

    async fn says_so(&self) -> Result<(), String> {
        Ok(())
    }

    async fn is_at_rest(&self) -> bool {
        self.stock.is_connected().await.unwrap_or(false)
    }

    async fn restart(&mut self) {
        self.stock.master.terminate().await;
        self.stock.satellite.terminate().await;
        self.stock.start().await;
    }
}

impl Hands for Patient {
    async fn create(&self, name: &str, address: &str) {
        let attributes = json!({ "address": address, "check_command": "dummy" });
        self.accepted(name, async || self.user.create(name, attributes.clone()).await).await;
    }

    async fn change(&self, name: &str, address: &str) {
        self.accepted(name, async || self.user.change(name, json!({ "address": address })).await).await;
    }

    async fn delete(&self, name: &str) {
        self.accepted(name, async || self.user.delete(name).await).await;
    }
}

impl Patient {
    /// Sends a request until the master accepts it, or does not know the host.
    async fn accepted(&self, name: &str, request: impl AsyncFn() -> Result<(), Refused>) {
        let found =
            eventually_every(
                AGAIN,
                GENEROUS,
                &format!("the master accepts {name}"),
                async || match request().await {
                    Err(refused) if refused.status == 404 => Ok(false),
                    answer => answer.map(|()| true).map_err(|refused| refused.to_string()),
                },
            )
            .await;
        self.unknown.set(self.unknown.get() + usize::from(!found));
    }
}
