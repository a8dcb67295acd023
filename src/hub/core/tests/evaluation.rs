//! What the expressions of rules come to: reported in few writes, and healed.

use super::*;

impl Hub {
    /// Time goes by, and everything is answered.
    fn go_on(&mut self, seconds: u64) {
        for _ in 0..seconds * 4 {
            self.watch();
            if !self.commits.is_empty() {
                self.commit();
            }
            self.answer_all();
            self.pass(250 * MILLISECOND);
        }
        self.answer_all();
    }

    fn values(&self, name: &str) -> Option<(ConditionStatus, Reason)> {
        self.condition(name, ConditionType::ValuesTaken)
    }

    fn words(&self, name: &str) -> String {
        let status = self.api.objects[&key(name)].status.as_ref().unwrap();
        let found = status.conditions.iter().find(|condition| condition.r#type == ConditionType::ValuesTaken);
        found.unwrap().message.clone()
    }

    /// Returns a hub that knows that there are no satellites.
    fn evaluating(objects: &[(&str, Spec)]) -> Self {
        let mut hub = Self::new();
        hub.fleet(&[]);
        objects.iter().for_each(|(name, spec)| hub.apply(name, *spec));
        hub.list();
        hub.go_on(3);
        hub
    }
}

const TAKEN: Option<(ConditionStatus, Reason)> = Some((ConditionStatus::True, Reason::AllTaken));
const LEFT_OUT: Option<(ConditionStatus, Reason)> = Some((ConditionStatus::False, Reason::ValueLeftOut));
const SHARED: Option<(ConditionStatus, Reason)> = Some((ConditionStatus::False, Reason::NameShared));

#[test]
fn a_name_that_does_not_exist_is_reported_with_host_and_variable_and_heals() {
    let mut hub = Hub::evaluating(&[("h0", PLAIN), ("h1", OTHER), ("p1", PLAIN), ("r0", PLAIN)]);
    assert_eq!((hub.values("r0"), hub.ready("r0")), (LEFT_OUT, READY), "a warning leaves Ready as it is");
    let words = hub.words("r0");
    let named = "h0: checkPeriod from host.vars.period names TimePeriod \"p0\", which does not exist";
    assert!(words.contains(named) && !words.contains("h1"), "{words}");
    assert_eq!(hub.values("h0"), None, "only rules have the condition");

    hub.apply("p0", PLAIN);
    hub.go_on(15);
    assert_eq!(hub.values("r0"), TAKEN, "the period is there");
    hub.delete("p0");
    hub.go_on(15);
    assert_eq!((hub.values("r0"), hub.ready("r0")), (LEFT_OUT, READY));
    hub.apply("h0", OTHER);
    hub.go_on(15);
    assert_eq!(hub.values("r0"), TAKEN, "the host names another period");
    hub.apply("h2", PLAIN);
    hub.go_on(15);
    assert_eq!(hub.values("r0"), LEFT_OUT, "a new host");
    hub.delete("h2");
    hub.go_on(15);
    assert_eq!(hub.values("r0"), TAKEN, "the host is gone");
}

#[test]
fn the_first_status_of_a_rule_has_it_and_a_restart_writes_nothing() {
    let hub = Hub::evaluating(&[("h0", PLAIN), ("r0", PLAIN)]);
    assert_eq!(hub.values("r0"), LEFT_OUT);
    let writes = hub.api.status_writes;
    assert_eq!(writes, 2, "one write for each object");
    let mut hub = hub.restarted();
    hub.fleet(&[]);
    hub.list();
    hub.go_on(30);
    assert_eq!((hub.values("r0"), hub.api.status_writes), (LEFT_OUT, writes));
}

/// The first step after a restart does not evaluate all, and what was recorded stays until then.
#[test]
fn a_restart_of_a_large_set_writes_nothing() {
    let names: Vec<_> = (0..1200).map(|number| format!("h{number}")).collect();
    let mut objects: Vec<_> = names.iter().map(|name| (name.as_str(), OTHER)).collect();
    objects.extend([("h-last", PLAIN), ("p1", PLAIN), ("r0", PLAIN)]);
    let mut hub = Hub::evaluating(&objects);
    hub.go_on(40);
    assert_eq!(hub.values("r0"), LEFT_OUT);
    let writes = hub.api.status_writes;
    hub = hub.restarted();
    hub.fleet(&[]);
    hub.list();
    hub.go_on(30);
    assert_eq!((hub.values("r0"), hub.api.status_writes), (LEFT_OUT, writes));
}

#[test]
fn a_value_that_comes_and_goes_is_few_writes() {
    let mut hub = Hub::evaluating(&[("h0", OTHER), ("p1", PLAIN), ("r0", PLAIN)]);
    assert_eq!(hub.values("r0"), TAKEN);
    let writes = |hub: &Hub| hub.api.objects[&key("r0")].version;
    let mut last = writes(&hub);
    let mut written = 0;
    for turn in 0..20 {
        hub.apply("h0", if turn % 2 == 0 { PLAIN } else { OTHER });
        hub.go_on(3);
        written += u32::from(writes(&hub) != last);
        last = writes(&hub);
    }
    assert!(written <= 7, "{written} writes in a minute");
    hub.go_on(30);
    assert_eq!(hub.values("r0"), TAKEN, "what is said in the end is true");
}

#[test]
fn of_rules_of_one_name_the_one_that_makes_nothing_says_so() {
    let mut hub = Hub::evaluating(&[("h0", OTHER), ("p1", PLAIN), ("r-a", PLAIN), ("r", PLAIN)]);
    // A hyphen goes before the dot of `r.conf`.
    assert_eq!((hub.values("r-a"), hub.values("r")), (TAKEN, SHARED));
    let words = hub.words("r");
    assert!(words.contains("\"rule\" on h0: Icinga reads the rule a/r-a first"), "{words}");
    hub.delete("r-a");
    hub.go_on(15);
    assert_eq!(hub.values("r"), TAKEN);
}

/// More hosts than one step evaluates.
#[test]
fn a_large_set_is_evaluated_in_several_steps() {
    let names: Vec<_> = (0..2500).map(|number| format!("h{number}")).collect();
    let mut objects: Vec<_> = names.iter().map(|name| (name.as_str(), OTHER)).collect();
    objects.extend([("h-last", PLAIN), ("p1", PLAIN), ("r0", PLAIN)]);
    let mut hub = Hub::new();
    hub.fleet(&[]);
    objects.iter().for_each(|(name, spec)| hub.apply(name, *spec));
    hub.list();
    let first = hub.core.evaluation.values(&key("r0"));
    assert_eq!(first, Some(crate::status::Values::Unknown), "one step does not evaluate all");
    for _ in 0..10 {
        hub.pass(50 * MILLISECOND);
    }
    let Some(crate::status::Values::LeftOut { message, .. }) = hub.core.evaluation.values(&key("r0")) else {
        panic!("all hosts are evaluated");
    };
    assert!(message.contains("h-last: ") && !message.contains("more hosts"), "{message}");
}
