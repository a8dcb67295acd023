//! What the operator's driver does for one delivery: it sends requests, takes answers, follows the watch. Every request can
//! be late, lost, or heard without an answer.

use super::planted::Planted;
use super::random::Random;
use super::rules::{Rule, Violation, hold};
use super::satellite::{Server, destination, silent};
use super::witness::key_of;
use crate::api::Reason;
use crate::api::satellite_cluster::{AdoptionPolicy, Layout};
use crate::identity::{Digest, ObjectKey, Revision};
use crate::satellite::Problem;
use crate::satellite::core::delivery::{Delivery, Ended, Job, Outcome, PARALLEL};
use crate::satellite::core::inventory::Event;
use crate::satellite::core::order::Wanted;
use crate::satellite::core::requests::{Answer, Command, Request};
use crate::snapshot::{manifest, pointer};
use std::time::Duration;

/// How often the driver reads the pointer although nothing happened, as the real one does.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Longest time of a delivery.
const LIMIT: Duration = Duration::from_secs(60);

/// The operator's side of one satellite.
pub struct Client {
    delivery: Delivery,
    /// Requests on their way, and the answer if the server has heard them.
    under_way: Vec<(u64, Sent)>,
    is_busy: bool,
    /// What it should hold.
    wanted: Option<Wanted>,
    /// The revision that was delivered last.
    pub delivered: Option<Revision>,
    /// Which watch the events come from, and how far it is in the server's log.
    watch: Option<(u64, usize)>,
    /// Nothing is tried before this time.
    rests_until: Duration,
    failures: u32,
    /// When the pointer was last read for itself.
    looked: Duration,
    /// Requests that a job left behind: they may still arrive.
    late: Vec<Request>,
}

/// A request between the two.
pub enum Sent {
    Request(Box<Request>),
    Answer(Box<Answer>),
}

impl Client {
    pub fn new(number: usize, layout: Layout) -> Self {
        let mut delivery = Delivery::new(destination(number), layout, AdoptionPolicy::Never);
        delivery.follow();
        Self {
            delivery,
            under_way: Vec::new(),
            is_busy: false,
            wanted: None,
            delivered: None,
            watch: None,
            rests_until: Duration::ZERO,
            failures: 0,
            looked: Duration::ZERO,
            late: Vec::new(),
        }
    }

    pub fn want(&mut self, wanted: Wanted) {
        self.wanted = Some(wanted);
        self.rests_until = Duration::ZERO;
    }

    /// The digest of the set that it should hold.
    pub fn digest(&self) -> Option<Digest> {
        self.wanted.as_ref().map(|wanted| wanted.view.digest)
    }

    /// Returns when something is to be done without a cause. `None` if nothing waits.
    pub fn wakes(&self) -> Option<Duration> {
        if self.is_busy { self.delivery.wakes() } else { Some(self.rests_until).filter(|_| self.is_behind()) }
    }

    fn is_behind(&self) -> bool {
        self.wanted.as_ref().is_some_and(|wanted| self.delivered != Some(wanted.revision))
    }

    /// Whether nothing is under way and nothing waits.
    pub fn is_quiet(&self, server: &Server) -> bool {
        let is_heard = self.watch.is_some_and(|(_, at)| at == server.log.len())
            && self.watch.map(|(number, _)| number) == self.delivery.watching();
        !self.is_busy && !self.is_behind() && is_heard
    }

    /// Whether the pointer is to be read, or is being read.
    pub fn looks(&self, now: Duration) -> bool {
        self.is_busy || now >= self.looked + LOOK_EVERY
    }

    /// Begins what is due, and takes the requests that the delivery wants sent. Returns the contents in them.
    pub fn go_on(
        &mut self,
        now: Duration,
        may_write: bool,
        is_leader: bool,
    ) -> Result<Vec<(ObjectKey, Digest)>, Violation> {
        let mut contents = Vec::new();
        if !self.is_busy && may_write && now >= self.rests_until && self.watch.is_some() {
            let is_disturbed = self.delivery.take_disturbance(true);
            if is_disturbed {
                self.delivered = None;
            }
            if let Some(wanted) = self.wanted.clone().filter(|_| self.is_behind()) {
                self.delivery.begin(Job::Deliver(wanted), Some(LIMIT), now);
                self.is_busy = true;
            } else if self.delivery.facts().garbage > 0 {
                self.delivery.begin(Job::Collect, Some(LIMIT), now);
                self.is_busy = true;
            } else if now >= self.looked + LOOK_EVERY {
                self.looked = now;
                self.delivery.begin(Job::Read, Some(LIMIT), now);
                self.is_busy = true;
            }
        }
        for Command { id, request } in self.delivery.next(now) {
            let is_write = matches!(
                request,
                Request::WritePointer(_)
                    | Request::CreateShard { .. }
                    | Request::MarkShard { .. }
                    | Request::Delete(_)
            );
            // The driver asks before each write.
            if is_write && !may_write {
                self.under_way.push((id, Sent::Answer(Box::new(silent()))));
                continue;
            }
            hold(Rule::R4, is_leader || !is_write, || {
                format!("{request:.60?} is sent without the leadership")
            })?;
            contents.extend(contents_of(&request));
            let sent = Sent::Request(Box::new(request));
            self.under_way.push((id, sent));
        }
        hold(Rule::I9, self.under_way.len() <= PARALLEL, || {
            format!("{} requests to one satellite are under way", self.under_way.len())
        })?;
        Ok(contents)
    }

    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// One request gets a step further: it is heard, answered, or lost. Returns true if a delivery ended well.
    pub fn advance(
        &mut self,
        server: &mut Server,
        now: Duration,
        random: &mut Random,
        faults: bool,
        planted: Option<Planted>,
        terms: &mut u64,
    ) -> Result<bool, Violation> {
        if self.under_way.is_empty() {
            return Ok(false);
        }
        let at = random.below(self.under_way.len());
        let (id, sent) = self.under_way.swap_remove(at);
        match sent {
            Sent::Request(request) => {
                let asks_nobody = matches!(*request, Request::Divide { .. } | Request::RaiseTerm { .. });
                if let Request::RaiseTerm { above } = *request {
                    *terms = (*terms).max(above.term + 1);
                }
                let is_lost = !asks_nobody && (server.is_silent || faults && random.percent(4));
                let is_late = planted == Some(Planted::PointerBeforeShards)
                    && matches!(*request, Request::CreateShard { .. });
                let answer = match is_lost {
                    true => silent(),
                    false if is_late => {
                        // Answered, and never heard.
                        let Request::CreateShard { shard, revision, .. } = &*request else {
                            return Ok(false);
                        };
                        match pointer::shard(&destination(server.number), *revision, shard.shard()) {
                            Ok(mut stored) => {
                                stored.metadata.uid = Some(format!("late-{now:?}"));
                                stored.metadata.resource_version = Some("1".into());
                                Answer::shard_stored(&stored.clone(), &stored)
                            }
                            Err(_) => silent(),
                        }
                    }
                    false => {
                        let answer = server.apply(*request, planted, *terms)?;
                        // Heard, and the answer is lost.
                        if !asks_nobody && faults && random.percent(4) { silent() } else { answer }
                    }
                };
                self.under_way.push((id, Sent::Answer(Box::new(answer))));
                Ok(false)
            }
            Sent::Answer(answer) => {
                self.delivery.answered(id, *answer, now);
                Ok(self.take_end(now))
            }
        }
    }

    /// Looks whether the job ended. True if a set was delivered.
    pub fn take_end(&mut self, now: Duration) -> bool {
        let Some(ended) = self.delivery.ended() else { return false };
        self.is_busy = false;
        // What is still on its way is not waited for, and may arrive all the same.
        self.leave_requests();
        match ended {
            Ok(Outcome::Delivered(delivered)) => {
                self.failures = 0;
                let is_wanted = self.digest() == Some(delivered.digest);
                self.delivered = self.wanted.as_ref().map(|wanted| wanted.revision).filter(|_| is_wanted);
                self.delivered.is_some()
            }
            Ok(Outcome::Read) => {
                if self.delivery.facts().digest != self.digest() {
                    self.delivered = None;
                }
                false
            }
            Ok(_) => false,
            Err(Ended::Failed(_) | Ended::OutOfTime) => {
                self.failures += 1;
                self.rests_until = now + Duration::from_millis(250) * (1 << self.failures.min(6));
                false
            }
        }
    }

    fn leave_requests(&mut self) {
        let requests = self.under_way.drain(..).filter_map(|(_, sent)| match sent {
            Sent::Request(request) => Some(*request),
            Sent::Answer(_) => None,
        });
        self.late.extend(requests);
    }

    /// Returns the requests that were left behind.
    pub fn take_late(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.late)
    }

    /// The process is gone. Returns the requests that may still arrive.
    pub fn end(mut self) -> Vec<Request> {
        self.leave_requests();
        self.late
    }

    /// The watch reports one event, or begins anew.
    pub fn hear(&mut self, server: &Server, now: Duration, random: &mut Random, faults: bool) {
        let Some(wanted) = self.delivery.watching() else { return };
        if server.is_silent || faults && random.percent(3) {
            self.watch = None;
            let problem = Problem::silent(Reason::Unreachable, "the watch broke off");
            self.delivery.observed(wanted, Event::Failed(problem), now);
            return;
        }
        match self.watch.filter(|(number, _)| *number == wanted) {
            None => {
                self.delivery.observed(wanted, server.list(now), now);
                self.delivery.observed(wanted, Event::Watching, now);
                self.watch = Some((wanted, server.log.len()));
            }
            Some((_, at)) => {
                if let Some(event) = server.log.get(at) {
                    self.delivery.observed(wanted, event.clone(), now);
                    self.watch = Some((wanted, at + 1));
                }
            }
        }
    }
}

/// Returns the contents that a request carries to the satellite.
fn contents_of(request: &Request) -> Vec<(ObjectKey, Digest)> {
    match request {
        Request::CreateShard { shard, .. } => {
            shard.shard().files().into_iter().map(|file| (file.key().clone(), file.digest())).collect()
        }
        Request::WritePointer(write)
            if write.object().data.iter().flatten().all(|(key, _)| key != manifest::KEY) =>
        {
            let files = write.object().data.iter().flatten();
            files.filter_map(|(key, text)| Some((key_of(key)?, Digest::of(text.as_bytes())))).collect()
        }
        _ => Vec::new(),
    }
}
