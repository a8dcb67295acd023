//! The fault that began this project, replayed: objects come, change and go while parts of the way
//! to Icinga are down. What Icinga lists in the end is what the hub declares. `make replay` also
//! gives the same schedule to Icinga's own sync, and counts what that loses.

mod losses;
mod report;
mod schedule;
mod side;

use crate::seed;
use crate::support::generations;
use losses::{Ledger, Loss, difference};
use report::Report;
use schedule::{Schedule, Step};
use side::{Hosts, Ours, Side, Theirs, play};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Rounds of the test.
const ROUNDS: usize = 6;
/// Rounds of `make replay`, unless `ROUNDS` says another number.
const MANY: usize = 30;
/// How long each side gets after a round. A hub that was killed gets its Lease back only after 15 s;
/// a master tries to reach its satellite every 10 s.
const DEADLINE: Duration = Duration::from_secs(120);
/// Icinga's own sync gets no more if master and satellite are connected, and nothing has changed on
/// the satellite for so long. Whatever comes later is counted apart.
const STILL: Duration = Duration::from_secs(15);
/// Pause between two questions to Icinga.
const LOOK: Duration = Duration::from_millis(250);
/// Many leave within ten minutes, and a person agrees again after so many rounds.
const AGREED: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn what_icinga_lists_is_what_the_hub_declares_after_every_fault() {
    let Some(generation) = generations().pop() else { return };
    let mut schedule = Schedule::new(seed("replay"));
    let mut ours = Ours::prepare(generation).await;
    let mut ledger = Ledger::new("Groundlink");
    begin(&mut ours, &mut ledger, &mut schedule).await;
    for round in 0..ROUNDS {
        let steps = schedule.round(round);
        nothing_lost(&mut ours, &mut ledger, &schedule, &steps, round).await;
    }
    println!("replay: {:?}, slowest {:.1} s", schedule.counts, ledger.seconds(100));
}

/// `make replay`: reads `ROUNDS` and `SEED` from the environment.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes as long as it is told: make replay"]
async fn beside_icinga() {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{name}={text:?} is no number; write {name}=30")))
    };
    let generation = generations().pop().expect("an icinga2, which hack/icinga-generations.sh installs");
    let seed = number("SEED").unwrap_or_else(|| rand::random::<u32>().into());
    let rounds = number("ROUNDS").map_or(MANY, |rounds| rounds as usize);
    println!("replay: {rounds} rounds, SEED={seed}, Icinga {generation} on both sides");
    let mut schedule = Schedule::new(seed);
    let (mut ours, mut theirs) = tokio::join!(Ours::prepare(generation), Theirs::start(generation));
    let (mut here, mut there) = (Ledger::new("Groundlink"), Ledger::new("Icinga's own sync"));
    let first = begin(&mut ours, &mut here, &mut schedule).await;
    play(&mut theirs, &first).await;
    let settled = settle(&theirs, &mut there, &schedule, 0).await;
    settled.unwrap_or_else(|unsettled| panic!("theirs, while nothing fails: {}", unsettled.why));
    let began = Instant::now();
    let report = |schedule: &Schedule, theirs: &Theirs, sides: [&Ledger; 2], rounds| Report {
        seed,
        rounds,
        icinga: generation,
        seconds: began.elapsed().as_secs(),
        deadline_seconds: DEADLINE.as_secs(),
        still_seconds: STILL.as_secs(),
        counts: schedule.counts.clone(),
        unknown_to_the_master: theirs.unknown.get(),
        after_a_restart: None,
        sides: sides.map(Ledger::clone),
    };
    for round in 0..rounds {
        let steps = schedule.round(round);
        tokio::join!(
            nothing_lost(&mut ours, &mut here, &schedule, &steps, round),
            count(&mut theirs, &mut there, &schedule, &steps, round),
        );
        let wrong = [&here, &there].map(|ledger| ledger.wrong().len());
        println!(
            "replay: round {round}: {:.0?}, wrong now: ours {}, theirs {}",
            began.elapsed(),
            wrong[0],
            wrong[1]
        );
        // Whoever ends the run has the result until then.
        report(&schedule, &theirs, [&here, &there], round + 1).save();
    }
    let mut report = report(&schedule, &theirs, [&here, &there], rounds);
    // Whoever sees such a loss restarts the daemons.
    schedule.before = schedule.declared.clone();
    tokio::join!(ours.restart(), theirs.restart());
    tokio::join!(
        nothing_lost(&mut ours, &mut here, &schedule, &[], rounds),
        count(&mut theirs, &mut there, &schedule, &[], rounds),
    );
    report.after_a_restart = Some([&here, &there].map(|ledger| ledger.wrong().len()));
    println!("{}", report.table());
    println!("{}", report.save().display());
}

/// Does the first steps on our side, starts Icinga, and returns the steps.
async fn begin(side: &mut Ours, ledger: &mut Ledger, schedule: &mut Schedule) -> Vec<Step> {
    let first = schedule.first();
    play(side, &first).await;
    side.site.start_icinga().await;
    let settled = settle(side, ledger, schedule, 0).await;
    settled.unwrap_or_else(|unsettled| panic!("at the start: {}", unsettled.why));
    first
}

/// Executes a round on our side: nothing may be wrong after it.
async fn nothing_lost(
    side: &mut Ours,
    ledger: &mut Ledger,
    schedule: &Schedule,
    steps: &[Step],
    round: usize,
) {
    if round.is_multiple_of(AGREED) {
        side.installation.allow_removals().await;
    }
    if !steps.is_empty() {
        // What was right must not have become wrong by itself.
        assert_eq!(side.listed().await.as_ref(), Ok(&schedule.before), "before round {round}");
    }
    play(side, steps).await;
    let settled = settle(side, ledger, schedule, round).await;
    settled.unwrap_or_else(|unsettled| panic!("round {round}: not within {DEADLINE:?}: {}", unsettled.why));
}

/// Executes a round on the other side, counts what is wrong after it, and goes on.
async fn count(side: &mut Theirs, ledger: &mut Ledger, schedule: &Schedule, steps: &[Step], round: usize) {
    play(side, steps).await;
    let Err(unsettled) = settle(side, ledger, schedule, round).await else { return };
    let Unsettled { found: Some(found), why } = unsettled else {
        panic!("round {round}: the satellite does not answer: {}", unsettled.why)
    };
    println!("replay: round {round}: theirs: {why}");
    let hub = side.stock.master.hosts().await.expect("the master answers");
    let is_right = |loss: &Loss| hub.get(&loss.host) == schedule.declared.get(&loss.host);
    ledger.lost(round, found, &schedule.touched, is_right);
}

/// A side that has something wrong at its deadline.
struct Unsettled {
    /// None if it never answered.
    found: Option<BTreeSet<Loss>>,
    why: String,
}

/// Waits until nothing is wrong that was right before, and the side says so.
///
/// # Errors
/// If that is not so at the deadline, or when the side gets no more.
async fn settle(
    side: &impl Side,
    ledger: &mut Ledger,
    schedule: &Schedule,
    round: usize,
) -> Result<(), Unsettled> {
    let began = Instant::now();
    let known = ledger.wrong().clone();
    let mut last = Unsettled { found: None, why: "no answer".into() };
    let mut still_since = Instant::now();
    while began.elapsed() < DEADLINE && still_since.elapsed() < STILL {
        let left = DEADLINE.saturating_sub(began.elapsed());
        let found = tokio::time::timeout(left, look(side, &known, &schedule.declared)).await;
        // A question that the deadline cuts off says less than the one before it.
        let Ok(found) = found else { break };
        match found {
            Ok(wrong) => {
                ledger.right(round, wrong, &schedule.touched, began.elapsed());
                return Ok(());
            }
            Err(unsettled) => {
                if unsettled.found.is_none() || unsettled.found != last.found || !side.is_at_rest().await {
                    still_since = Instant::now();
                }
                last = unsettled;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(last)
}

/// Returns what is wrong, if all of that is known.
async fn look(
    side: &impl Side,
    known: &BTreeSet<Loss>,
    declared: &Hosts,
) -> Result<BTreeSet<Loss>, Unsettled> {
    let listed = side.listed().await.map_err(|why| Unsettled { found: None, why })?;
    let found = difference(declared, &listed);
    let new: Vec<_> = found.difference(known).collect();
    let says_so = side.says_so().await;
    if let (true, Ok(())) = (new.is_empty(), &says_so) {
        return Ok(found);
    }
    let why = format!("{new:?}; {says_so:?}");
    Err(Unsettled { found: Some(found), why })
}
