//! Who a person is, and what they may list: asked of the hub's API server, by TokenReview and
//! SubjectAccessReview. Without its yes the answer is no.

mod remembered;

use super::view::{Rights, Scope};
use crate::lasting::{Change, Lasting};
use crate::request::{Failure, ask};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::Client;
use kube::api::{Api, PostParams};
use remembered::{Key, Remembered};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Longest time until everything is asked, with the wait for others.
const LIMIT: Duration = Duration::from_secs(5);
/// People who are asked about at once. Others wait.
const AT_ONCE: usize = 4;

/// Why a person sees nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// The token is not valid.
    Unauthenticated,
    /// The operator may not ask.
    MayNotAsk,
    /// There was no answer.
    Unanswered,
}

/// Asks the hub's API server about people.
pub struct Guard {
    client: Client,
    namespace: String,
    places: Semaphore,
    remembered: Mutex<Remembered>,
    started: Instant,
    trouble: Mutex<Lasting>,
}

impl Guard {
    /// Returns a guard. The SatelliteClusters are in `namespace`.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            places: Semaphore::new(AT_ONCE),
            remembered: Mutex::default(),
            started: Instant::now(),
            trouble: Mutex::default(),
        }
    }

    /// Returns the operator's namespace.
    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns what the owner of a token may list. `namespace` counts if they may not list all
    /// objects.
    ///
    /// # Errors
    /// If the token is not valid, or if that cannot be known.
    pub(super) async fn rights(&self, token: &str, namespace: Option<&str>) -> Result<Rights, Denied> {
        let key = Key::of(token, namespace);
        if let Some(answer) = self.remembered().get(&key, self.started.elapsed()) {
            return answer.ok_or(Denied::Unauthenticated);
        }
        // From before the question: the answer may be old when it comes.
        let asked = self.started.elapsed();
        let answer = tokio::time::timeout(LIMIT, self.ask(token, namespace)).await;
        let answer = answer.unwrap_or(Err(Failure::Deadline(LIMIT)));
        self.log(answer.as_ref().err());
        match answer {
            Ok(rights) => {
                self.remembered().put(key, asked, rights);
                rights.ok_or(Denied::Unauthenticated)
            }
            Err(failure) if failure.code() == Some(403) => Err(Denied::MayNotAsk),
            Err(_) => Err(Denied::Unanswered),
        }
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the rights. `None` if the token is not valid.
    async fn ask(&self, token: &str, namespace: Option<&str>) -> Result<Option<Rights>, Failure> {
        let Ok(_place) = self.places.acquire().await else { return Err(Failure::Deadline(LIMIT)) };
        let Some(person) = self.authenticate(token).await? else { return Ok(None) };
        let satellites = self.may_list(&person, "satelliteclusters", Some(&self.namespace)).await?;
        let mut objects = Scope::Nothing;
        if self.may_list(&person, "monitoringobjects", None).await? {
            objects = Scope::All;
        } else if let Some(namespace) = namespace
            && self.may_list(&person, "monitoringobjects", Some(namespace)).await?
        {
            objects = Scope::Namespace;
        }
        Ok(Some(Rights { objects, satellites }))
    }

    async fn authenticate(&self, token: &str) -> Result<Option<UserInfo>, Failure> {
        let spec = TokenReviewSpec { token: token.to_owned(), ..TokenReviewSpec::default() };
        let review = TokenReview { spec, ..TokenReview::default() };
        let api = Api::<TokenReview>::all(self.client.clone());
        let status =
            ask(LIMIT, api.create(&PostParams::default(), &review)).await?.status.unwrap_or_default();
        let is_known =
            status.authenticated == Some(true) && status.error.is_none_or(|error| error.is_empty());
        Ok(status
            .user
            .filter(|user| is_known && user.username.as_deref().is_some_and(|name| !name.is_empty())))
    }

    async fn may_list(
        &self,
        person: &UserInfo,
        resource: &str,
        namespace: Option<&str>,
    ) -> Result<bool, Failure> {
        let attributes = ResourceAttributes {
            group: Some("groundlink.dev".into()),
            version: Some("v1alpha1".into()),
            resource: Some(resource.into()),
            verb: Some("list".into()),
            // Empty is all namespaces.
            namespace: namespace.map(str::to_owned),
            ..ResourceAttributes::default()
        };
        let spec = SubjectAccessReviewSpec {
            user: person.username.clone(),
            groups: person.groups.clone(),
            uid: person.uid.clone(),
            extra: person.extra.clone(),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let api = Api::<SubjectAccessReview>::all(self.client.clone());
        let status = ask(LIMIT, api.create(&PostParams::default(), &review)).await?.status;
        Ok(status.is_some_and(|status| status.allowed && status.denied != Some(true)))
    }

    /// Logs that nobody can be asked about, when that begins, changes or ends. The browser is not
    /// told the cause, which names the API server.
    fn log(&self, failure: Option<&Failure>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match trouble.set(failure.map(ToString::to_string)) {
            Change::Began(why) | Change::Changed(why) => {
                tracing::warn!(%why, "the status page shows nothing: cannot ask the hub's API server who a person is");
            }
            Change::Ended => tracing::info!("the status page can ask the hub's API server again"),
            Change::None => {}
        }
    }
}
