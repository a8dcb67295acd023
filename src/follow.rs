//! Lists and watches objects of one kind, for as long as anybody polls.
//!
//! kube's watcher repeats a watch start that is answered with 410 for ever, begins a watch that
//! ends at once again without a pause, forgets its pauses with every LIST that begins, and never
//! lists again by itself.

use crate::backoff::Backoff;
use crate::request::{Failure, ask};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, stream};
use kube::api::{Api, ListParams, WatchParams};
use kube::core::WatchEvent;
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::mem::replace;
use std::time::Duration;
use std::vec::IntoIter;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Longest life of one watch request, in seconds. The API server ends it then.
const WATCH_SECONDS: u32 = 50;
/// A watch that is silent for this long, without even an end, is dead.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 5);
/// Longest wait for one page of a LIST.
const PAGE_DEADLINE: Duration = Duration::from_secs(120);
/// Objects of one page.
const PAGE: u32 = 500;
/// Longest wait for the start of a watch.
const START_DEADLINE: Duration = Duration::from_secs(30);
/// Pause after a failure. `readiness::Interruption` knows its figures.
const PAUSE: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(30) };
/// Failures in a row that an answer of 410 leaves. The pause after it is at most 4 s.
const EXPIRED: u32 = 2;
/// A failure this long after the one before it is the first of its kind.
const FORGOTTEN: Duration = Duration::from_secs(60);
/// A watch that ended before it was this old is not begun again at once.
const SHORTEST: Duration = Duration::from_secs(1);

/// How often everything is listed again, about.
pub(crate) const RELIST: Duration = Duration::from_mins(30);

/// Returns the events of every object that `api` reaches. A failure ends nothing: the stream
/// pauses, and goes on where it can, else with a LIST. Another LIST follows after about `relist`
/// in any case: it finds whatever the watch did not deliver.
pub(crate) fn follow<K>(api: Api<K>, relist: Duration) -> impl Stream<Item = Result<Event<K>, Failure>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    follow_selected(api, None, relist)
}

/// Returns the events of the one object of this name, as [`follow`] does.
pub(crate) fn follow_one<K>(
    api: Api<K>,
    name: &str,
    relist: Duration,
) -> impl Stream<Item = Result<Event<K>, Failure>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    // A right to list and watch that is limited to this name allows exactly this selector.
    follow_selected(api, Some(format!("metadata.name={name}")), relist)
}

fn follow_selected<K>(
    api: Api<K>,
    fields: Option<String>,
    relist: Duration,
) -> impl Stream<Item = Result<Event<K>, Failure>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let follower = Follower {
        api,
        fields,
        relist,
        list_due: Instant::now(),
        place: Place::Begin,
        failures: 0,
        failed: None,
        resume: None,
    };
    stream::unfold(follower, async |mut follower| Some((follower.next().await, follower)))
}

struct Follower<K> {
    api: Api<K>,
    /// Field selector. None for every object.
    fields: Option<String>,
    relist: Duration,
    list_due: Instant,
    place: Place<K>,
    /// Failures in a row, and when the last one was.
    failures: u32,
    failed: Option<Instant>,
    /// The end of the pause.
    resume: Option<Instant>,
}

/// Where it goes on.
enum Place<K> {
    /// With a LIST.
    Begin,
    /// With the objects of a page, and then with the next page.
    Page {
        objects: IntoIter<K>,
        next: Next,
    },
    /// With a watch from this version.
    Listed {
        version: String,
    },
    Watching {
        version: String,
        stream: BoxStream<'static, kube::Result<WatchEvent<K>>>,
        since: Instant,
    },
}

/// What follows a page.
enum Next {
    First,
    Page(String),
    /// Nothing: the list is complete as of this version.
    Complete(String),
}

impl<K> Follower<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    async fn next(&mut self) -> Result<Event<K>, Failure> {
        loop {
            if let Some(resume) = self.resume.take() {
                sleep_until(resume).await;
            }
            // A place that fails is left, and replaced below by the one from which it goes on.
            let event = match replace(&mut self.place, Place::Begin) {
                Place::Listed { .. } | Place::Watching { .. } if self.list_due <= Instant::now() => None,
                Place::Begin => {
                    // Jitter: many operators that started together do not list together for ever.
                    self.list_due = Instant::now() + self.relist.mul_f64(rand::random_range(0.8..1.2));
                    self.place = Place::Page { objects: Vec::new().into_iter(), next: Next::First };
                    Some(Event::Init)
                }
                Place::Page { objects, next } => self.page(objects, next).await?,
                Place::Listed { version } => {
                    self.start(version).await?;
                    None
                }
                Place::Watching { version, stream, since } => self.watch(version, stream, since).await?,
            };
            if let Some(event) = event {
                return Ok(event);
            }
        }
    }

    async fn page(&mut self, mut objects: IntoIter<K>, next: Next) -> Result<Option<Event<K>>, Failure> {
        if let Some(object) = objects.next() {
            self.place = Place::Page { objects, next };
            return Ok(Some(Event::InitApply(object)));
        }
        let token = match next {
            Next::Complete(version) => {
                self.place = Place::Listed { version };
                return Ok(Some(Event::InitDone));
            }
            Next::First => None,
            Next::Page(token) => Some(token),
        };
        // Without a resourceVersion: as of now, whatever the caches of the API server hold.
        let parameters = ListParams {
            limit: Some(PAGE),
            continue_token: token,
            field_selector: self.fields.clone(),
            ..ListParams::default()
        };
        let page = ask(PAGE_DEADLINE, self.api.list(&parameters)).await.map_err(|why| self.fails(why))?;
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let next = match (given(page.metadata.continue_), given(page.metadata.resource_version)) {
            (Some(token), _) => Next::Page(token),
            (None, Some(version)) => Next::Complete(version),
            (None, None) => return Err(self.fails(unversioned())),
        };
        self.place = Place::Page { objects: page.items.into_iter(), next };
        Ok(None)
    }

    async fn start(&mut self, version: String) -> Result<(), Failure> {
        let parameters = WatchParams {
            field_selector: self.fields.clone(),
            ..WatchParams::default().timeout(WATCH_SECONDS)
        };
        match ask(START_DEADLINE, self.api.watch(&parameters, &version)).await {
            Ok(stream) => {
                let (stream, since) = (stream.boxed(), Instant::now());
                self.place = Place::Watching { version, stream, since };
                Ok(())
            }
            // The version is too old. The next LIST gives a newer one.
            Err(why) if why.code() == Some(410) => Err(self.expired(why)),
            Err(why) => {
                self.place = Place::Listed { version };
                Err(self.fails(why))
            }
        }
    }

    async fn watch(
        &mut self,
        version: String,
        mut stream: BoxStream<'static, kube::Result<WatchEvent<K>>>,
        since: Instant,
    ) -> Result<Option<Event<K>>, Failure> {
        let silent = Instant::now() + SILENCE;
        let (event, object) = match timeout_at(silent.min(self.list_due), stream.next()).await {
            Err(_) if self.list_due < silent => return Ok(None),
            // Ended by the API server, or silent: what happened meanwhile comes with the next
            // watch.
            Ok(None) | Err(_) => {
                if since.elapsed() < SHORTEST {
                    self.resume = Some(Instant::now() + SHORTEST.mul_f64(rand::random_range(0.5..1.0)));
                }
                self.place = Place::Listed { version };
                return Ok(None);
            }
            Ok(Some(Err(error))) => {
                self.place = match &error {
                    // One object that cannot be read: the events after it can.
                    kube::Error::SerdeError(_) => Place::Watching { version, stream, since },
                    _ => Place::Listed { version },
                };
                return Err(self.fails(Failure::from(&error)));
            }
            Ok(Some(Ok(WatchEvent::Error(status)))) => {
                let why = Failure::from(&*status);
                if status.code == 410 {
                    return Err(self.expired(why));
                }
                self.place = Place::Listed { version };
                return Err(self.fails(why));
            }
            Ok(Some(Ok(WatchEvent::Bookmark(bookmark)))) => {
                self.failures = 0;
                let version = bookmark.metadata.resource_version;
                self.place = Place::Watching { version, stream, since };
                return Ok(None);
            }
            Ok(Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)))) => {
                (Event::Apply as fn(K) -> Event<K>, object)
            }
            Ok(Some(Ok(WatchEvent::Deleted(object)))) => (Event::Delete as fn(K) -> Event<K>, object),
        };
        let Some(version) = object.resource_version() else { return Err(self.fails(unversioned())) };
        self.failures = 0;
        self.place = Place::Watching { version, stream, since };
        Ok(Some(event(object)))
    }

    /// Plans the pause after an answer that the version is too old. The server works: a long pause
    /// that is left from its outage would only delay the LIST.
    fn expired(&mut self, why: Failure) -> Failure {
        self.failures = self.failures.min(EXPIRED);
        self.fails(why)
    }

    /// Plans the pause after a failure.
    fn fails(&mut self, why: Failure) -> Failure {
        if self.failed.is_some_and(|last| last.elapsed() > FORGOTTEN) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        let now = Instant::now();
        self.failed = Some(now);
        self.resume = Some(now + PAUSE.pause(self.failures, rand::random()));
        why
    }
}

fn unversioned() -> Failure {
    Failure::Transport("the API server gave no resourceVersion".into())
}
