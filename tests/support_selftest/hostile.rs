//! Every manner of a hostile server is what it says, as a client sees it, and is counted.

use std::time::{Duration, Instant};

use http::Request;
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::client::Body;
use kube::{Api, Client};

use super::shared;
use crate::support::{ApiServer, Hostile, Manner, client_of, eventually};

const PATIENCE: Duration = Duration::from_millis(1500);

async fn start(server: &ApiServer, manner: Manner) -> (Hostile, Client) {
    let hostile = Hostile::start(manner, &server.cert_and_key());
    let kubeconfig = server.kubeconfig_for(&hostile.url(), "canary-token");
    (hostile, client_of(&kubeconfig).await)
}

async fn get(client: &Client) -> Option<kube::Result<ConfigMap>> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    tokio::time::timeout(PATIENCE, api.get("groundlink")).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_are_silent_are_silent() {
    let server = shared().await.server("hub");
    let manners = [
        (Manner::BlackHole, 0),
        (Manner::NoHandshake, 0),
        (Manner::HandshakeStall, 0),
        (Manner::NeverAnswers, 1),
        (Manner::HeadOnly, 1),
        (Manner::OneByteASecond, 1),
    ];
    for (manner, requests) in manners {
        let (hostile, client) = start(&server, manner.clone()).await;
        assert!(get(&client).await.is_none(), "{manner:?} answers");
        assert_eq!(hostile.requests(), requests, "{manner:?}");
        let connections = u64::from(manner != Manner::BlackHole);
        assert_eq!((hostile.connections(), hostile.peak() as u64), (connections, connections), "{manner:?}");
        drop(client);
        eventually(Duration::from_secs(10), &format!("{manner:?} notices the end"), async || {
            if hostile.open() == 0 { Ok(()) } else { Err(format!("{} open", hostile.open())) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_answer_answer_so() {
    let server = shared().await.server("hub");
    for (code, reason) in [
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (413, "RequestEntityTooLarge"),
        (422, "Invalid"),
        (429, "TooManyRequests"),
        (500, "InternalError"),
    ] {
        let (hostile, client) = start(&server, Manner::Refuses(code, reason, "Retry-After: 3600\r\n")).await;
        match get(&client).await {
            Some(Err(kube::Error::Api(status))) => {
                assert_eq!((status.code, status.reason.as_str()), (code, reason));
                assert!(status.message.contains('\u{7}') && status.message.len() > 10_000, "it is dirty");
            }
            other => panic!("{code}: {other:?}"),
        }
        assert_eq!(hostile.requests(), 1);
    }
    let (_hostile, client) = start(&server, Manner::QuotesTheToken).await;
    let said = get(&client).await.unwrap().unwrap_err().to_string();
    assert!(said.contains("canary-token"), "{said}");
    for manner in [Manner::Garbage, Manner::Html, Manner::NoTls] {
        let (hostile, client) = start(&server, manner.clone()).await;
        assert!(get(&client).await.unwrap().is_err(), "{manner:?}");
        assert_eq!(hostile.connections(), 1, "{manner:?}");
    }
    let other = Hostile::start(Manner::NeverAnswers, &server.cert_and_key());
    let (_hostile, client) = start(&server, Manner::Redirects(other.url())).await;
    let request = Request::get("/api").body(Body::empty()).unwrap();
    let response = client.send(request).await.unwrap();
    assert_eq!(response.status(), 301);
    assert!(response.headers()["location"].to_str().unwrap().starts_with(&other.url()));
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_pour_pour_more_than_anybody_should_read() {
    let server = shared().await.server("hub");
    for manner in [Manner::HugeBody, Manner::GzipBomb] {
        let (hostile, client) = start(&server, manner.clone()).await;
        let request = Request::get("/api").body(Body::empty()).unwrap();
        let response = client.send(request).await.unwrap();
        let is_packed = response.headers().contains_key("content-encoding");
        assert_eq!(is_packed, manner == Manner::GzipBomb);
        let mut body = response.into_body();
        let mut read = 0;
        while read < 1 << 19 {
            let frame = body.frame().await.unwrap().unwrap();
            read += frame.into_data().unwrap().len();
        }
        // The rest is not held anywhere, and ends with the connection.
        drop((body, client));
        eventually(Duration::from_secs(10), "the server notices", async || {
            if hostile.open() == 0 { Ok(()) } else { Err("still open".into()) }
        })
        .await;
        assert!(hostile.sent() < 64 << 20, "{} bytes were taken", hostile.sent());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flapping_one_is_up_and_down() {
    let server = shared().await.server("hub");
    let hostile = Hostile::start(Manner::Flapping(server.port()), &server.cert_and_key());
    let kubeconfig = server.admin_kubeconfig().replace(&server.url(), &hostile.url());
    let (mut good, mut bad) = (0, 0);
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(8) {
        // A client each: a connection of its own.
        match get(&client_of(&kubeconfig).await).await {
            Some(Err(kube::Error::Api(status))) if status.code == 404 => good += 1,
            _ => bad += 1,
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(good > 0 && bad > good, "{good} answered, {bad} not");
}
