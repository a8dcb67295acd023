//! The register of faults and threats: what is injected, which rules watch, and by which tests.
//!
//! To cover a case, name its tests here, then run `make faults ARGS="--list --write"`. The names
//! of the rules are those of `tests/order/rules.rs`. A test is `<target>::<path>`, with `lib` for
//! the library, or a command of `hack/`.

mod hub;
mod process;
mod satellites;
mod threats;
mod volume;

/// A fault or a threat.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its number; `T` and a number for a threat.
    pub id: &'static str,
    pub title: &'static str,
    /// What the tests inject. What a test would inject, if there is none.
    pub injected: &'static str,
    /// The rules that the tests watch, separated by spaces.
    pub oracles: &'static str,
    pub by: By,
    /// The part that no test injects. Empty if there is none.
    pub open: &'static str,
}

/// Who injects it.
#[derive(Clone, Copy, Debug)]
pub enum By {
    Tests(&'static [&'static str]),
    /// Nobody, for this reason.
    NotInjected(&'static str),
}

impl Case {
    /// Its tests. None of a case that nothing injects.
    pub fn tests(&self) -> &'static [&'static str] {
        match self.by {
            By::Tests(tests) => tests,
            By::NotInjected(_) => &[],
        }
    }

    /// Names the part that no test injects.
    const fn open(mut self, open: &'static str) -> Self {
        self.open = open;
        self
    }
}

const fn case(
    id: &'static str,
    title: &'static str,
    injected: &'static str,
    oracles: &'static str,
    tests: &'static [&'static str],
) -> Case {
    Case { id, title, injected, oracles, by: By::Tests(tests), open: "" }
}

const fn not_injected(
    id: &'static str,
    title: &'static str,
    injected: &'static str,
    why: &'static str,
) -> Case {
    Case { id, title, injected, oracles: "", by: By::NotInjected(why), open: "" }
}

/// Random load and faults on the real process, with every rule checked.
const SOAK: &str = "suites::order::soak::a_short_soak_ends_equal_silent_and_without_a_violation";

/// 10,000 seeds of `src/simulation`: people, kills, power cuts, failing disks, lost answers.
const SIMULATION: &str = "lib::simulation::no_seed_breaks_a_rule";

/// Every case, in the order of the numbers.
pub fn all() -> Vec<Case> {
    [volume::CASES, hub::CASES, satellites::CASES, process::CASES, threats::CASES].concat()
}
