//! A client of Icinga's REST API. It asks on a fresh connection each time: while the daemon loads,
//! an old connection would keep asking the old worker.

mod counting;
mod tls;

use super::candidate::{MARKER, USER};
use crate::api::agent_report::Checked;
use crate::request::causes;
use crate::text::clean;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use counting::Counting;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Time for one request, from the connection to the end of the answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// Time for a request that lists objects: 100,000 of them are 10 MB.
const LIST_DEADLINE: Duration = Duration::from_secs(60);
/// Largest answer that is kept, in bytes.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// Longest text of an answer that a message shows, in bytes.
const MESSAGE_MAX: usize = 300;

/// Where the API is, and how the agent proves who it is and knows whom it asks.
#[derive(Clone)]
pub struct Api {
    /// Address of the `ApiListener`.
    pub address: SocketAddr,
    /// Path of the certificate of Icinga's CA: `<DataDir>/certs/ca.crt`.
    pub ca: PathBuf,
    /// Name in the daemon's certificate: its `NodeName`.
    pub node_name: String,
    /// Password of the agent's `ApiUser`.
    pub password: Password,
}

/// A password, which no message shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Wraps a password.
    pub fn new(password: String) -> Self {
        Self(password)
    }

    /// Returns it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("address", &self.address)
            .field("node_name", &self.node_name)
            .finish_non_exhaustive()
    }
}

/// What the marker object of the answering process says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Its display name: the marker of the candidate that was loaded.
    pub value: String,
}

/// The answering process.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Process {
    /// Pid of the worker, in its own PID namespace.
    pub pid: i64,
    /// When it took over, in seconds since 1970.
    pub program_start: f64,
    /// Version, such as `r2.13.6-1`.
    pub version: String,
}

/// Why the API does not answer a question, which while the daemon loads is no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotYet {
    /// Nobody listens.
    #[error("nothing listens on {0}")]
    Refused(SocketAddr),
    /// The connection ended before the answer did.
    #[error("the connection was closed: {0}")]
    Closed(String),
    /// No answer within this time.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The certificate of the CA cannot be read, so nobody can be trusted.
    #[error("the certificate of Icinga's CA cannot be used: {0}")]
    Ca(String),
    /// The certificate is not of Icinga's CA, or names another node.
    #[error("the API's certificate is not trusted: {0}")]
    Untrusted(String),
    /// 401: the user is unknown or has another password.
    #[error("401: the API user {USER} is unknown, or its password is another one")]
    Unauthorized,
    /// 403, or 404 of 2.13: the permission is missing, or the object does not exist.
    #[error("{0}: the object does not exist, or the permission is missing")]
    NotFound(u16),
    /// 503: the daemon is loading.
    #[error("503: Icinga is loading")]
    Unavailable,
    /// Another status than 200.
    #[error("{code}: {message}")]
    Status {
        /// HTTP status.
        code: u16,
        /// What the API said, cut and cleaned.
        message: String,
    },
    /// The answer cannot be read.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
    /// The process runs another set.
    #[error("Icinga still runs the set {0:?}")]
    OtherMarker(String),
}

#[derive(Deserialize)]
struct Answer<T> {
    results: Vec<T>,
}

#[derive(Deserialize)]
struct Object<T> {
    attrs: T,
}

#[derive(Deserialize)]
struct Named {
    display_name: String,
}

#[derive(Deserialize)]
struct Status {
    status: Application,
}

#[derive(Deserialize)]
struct Application {
    icingaapplication: App,
}

#[derive(Deserialize)]
struct App {
    app: Process,
}

impl Api {
    /// Returns the marker of the set that the answering process runs.
    ///
    /// # Errors
    /// If it does not answer, or has no marker.
    pub async fn marker(&self) -> Result<Marker, NotYet> {
        let path = format!("/v1/objects/usergroups/{MARKER}?attrs=display_name");
        let group: Object<Named> = self.first(&path).await?;
        Ok(Marker { value: clean(&group.attrs.display_name, 512) })
    }

    /// Returns if the answering process has loaded the candidate with this marker, whose hosts and
    /// services are then active.
    ///
    /// # Errors
    /// If it does not answer, or runs another set.
    pub async fn proves(&self, marker: &str) -> Result<(), NotYet> {
        let found = self.marker().await?.value;
        if found == marker { Ok(()) } else { Err(NotYet::OtherMarker(found)) }
    }

    /// Returns which process answers.
    ///
    /// # Errors
    /// If none does.
    pub async fn process(&self) -> Result<Process, NotYet> {
        let status: Status = self.first("/v1/status/IcingaApplication").await?;
        let process = status.status.icingaapplication.app;
        Ok(Process { version: clean(&process.version, 64), ..process })
    }

    /// Makes the daemon load its configuration again, within 2.5 s and the time that it needs. The
    /// answer says nothing of the result.
    ///
    /// # Errors
    /// If the request was not answered with success. It may have been done nevertheless.
    pub async fn restart(&self) -> Result<(), NotYet> {
        self.read(Method::POST, "/v1/actions/restart-process", None).await.map(drop)
    }

    /// Returns the checks of the hosts and services of the tree that is loaded. `since` is the
    /// time since the proof: those that have no result after two of their check intervals are
    /// overdue, but for those with a check period, which may be outside it.
    ///
    /// Icinga walks through all objects and answers with 100 bytes for each of the tree: once
    /// after a proof, and [`Self::overdue`] from then on.
    ///
    /// # Errors
    /// If a request was not answered with success.
    pub async fn checks(&self, since: Duration) -> Result<Checked, NotYet> {
        let mut checked = self.overdue(since).await?;
        for kind in ["host", "service"] {
            checked.checkables += self.list(kind, "true", since).await?.objects();
        }
        Ok(checked)
    }

    /// Returns [`Self::checks`] without the number of all (0). Icinga answers with the overdue
    /// ones alone.
    ///
    /// # Errors
    /// If a request was not answered with success.
    pub async fn overdue(&self, since: Duration) -> Result<Checked, NotYet> {
        let mut checked = Checked::default();
        for kind in ["host", "service"] {
            let filter = format!(
                "{kind}.last_check_result == null && {kind}.check_period == \"\" \
                 && 2 * {kind}.check_interval < since"
            );
            let found = self.list(kind, &filter, since).await?;
            checked.overdue += found.objects();
            checked.first = checked.first.or_else(|| found.first_name()).map(|name| clean(&name, 512));
        }
        Ok(checked)
    }

    /// Counts the objects that the user may see and the filter takes.
    async fn list(&self, kind: &str, filter: &str, since: Duration) -> Result<Counting, NotYet> {
        let body = serde_json::json!({
            "filter": filter,
            "filter_vars": { "since": since.as_secs() },
            "attrs": ["__name"],
        });
        let mut counting = Counting::default();
        let path = format!("/v1/objects/{kind}s");
        let count = |chunk: &[u8]| {
            counting.push(chunk);
            Ok(())
        };
        self.within(LIST_DEADLINE, self.send(Method::POST, &path, Some(body.to_string()), count)).await?;
        if counting.is_whole() {
            Ok(counting)
        } else {
            Err(NotYet::Unreadable("it is no list of objects".into()))
        }
    }

    /// Returns the only result of a question.
    async fn first<T: DeserializeOwned>(&self, path: &str) -> Result<T, NotYet> {
        let body = self.read(Method::GET, path, None).await?;
        let answer: Answer<T> = serde_json::from_slice(&body)
            .map_err(|error| NotYet::Unreadable(clean(&error.to_string(), MESSAGE_MAX)))?;
        answer.results.into_iter().next().ok_or_else(|| NotYet::Unreadable("it has no result".into()))
    }

    /// Returns a whole answer of at most 4 MiB.
    async fn read(&self, method: Method, path: &str, body: Option<String>) -> Result<Vec<u8>, NotYet> {
        let mut kept = Vec::new();
        let keep = |chunk: &[u8]| {
            if kept.len() + chunk.len() > MOST_BYTES {
                return Err(NotYet::Unreadable(format!("it is larger than {MOST_BYTES} bytes")));
            }
            kept.extend_from_slice(chunk);
            Ok(())
        };
        self.within(DEADLINE, self.send(method, path, body, keep)).await?;
        Ok(kept)
    }

    async fn within(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<(), NotYet>>,
    ) -> Result<(), NotYet> {
        tokio::time::timeout(limit, work).await.unwrap_or(Err(NotYet::TimedOut(limit)))
    }

    /// Asks on a connection of its own, and hands each part of a good answer on.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        mut take: impl FnMut(&[u8]) -> Result<(), NotYet>,
    ) -> Result<(), NotYet> {
        let connector = tls::connector(&self.ca, &self.node_name).await.map_err(NotYet::Ca)?;
        let tcp = TcpStream::connect(self.address).await.map_err(|error| self.io(&error))?;
        let tls = connector.connect(tls::server_name(), tcp).await.map_err(|error| self.io(&error))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(tls)).await.map_err(closed)?;
        // Ends with this function.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let credentials = STANDARD.encode(format!("{USER}:{}", self.password.reveal()));
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::ACCEPT, "application/json")
            .header(header::CONNECTION, "close")
            .header(header::AUTHORIZATION, format!("Basic {credentials}"));
        if body.is_some() {
            request = request
                .header("X-HTTP-Method-Override", "GET")
                .header(header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|error| NotYet::Unreadable(error.to_string()))?;
        let answer = sender.send_request(request).await.map_err(closed)?;
        let status = answer.status();
        let mut body = answer.into_body();
        if status != StatusCode::OK {
            return Err(refusal(status, body).await);
        }
        while let Some(frame) = body.frame().await {
            if let Some(chunk) = frame.map_err(closed)?.data_ref() {
                take(chunk)?;
            }
        }
        Ok(())
    }

    fn io(&self, error: &std::io::Error) -> NotYet {
        let certificate = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match certificate {
            Some(rustls::Error::InvalidCertificate(_) | rustls::Error::General(_)) => {
                NotYet::Untrusted(clean(&causes(error), MESSAGE_MAX))
            }
            _ if error.kind() == std::io::ErrorKind::ConnectionRefused => NotYet::Refused(self.address),
            _ => closed(error),
        }
    }
}

fn closed(error: impl std::error::Error) -> NotYet {
    NotYet::Closed(clean(&causes(&error), MESSAGE_MAX))
}

/// Returns what an answer other than 200 means. The beginning of its text is read.
async fn refusal(status: StatusCode, mut body: Incoming) -> NotYet {
    match status.as_u16() {
        401 => return NotYet::Unauthorized,
        503 => return NotYet::Unavailable,
        code @ (403 | 404) => return NotYet::NotFound(code),
        _ => {}
    }
    let mut text = Vec::new();
    while text.len() < MESSAGE_MAX
        && let Some(Ok(frame)) = body.frame().await
    {
        text.extend(frame.data_ref().into_iter().flatten());
    }
    NotYet::Status { code: status.as_u16(), message: clean(&String::from_utf8_lossy(&text), MESSAGE_MAX) }
}
