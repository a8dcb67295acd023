//! Who sees what. Each answer is the real API server's.

use super::http::{Answer, ask, get, send};
use super::sample::{DONE, state};
use super::served::Served;
use super::{people, people::token};
use crate::support::{GENEROUS, OPERATOR, eventually};
use http::Method;
use serde_json::Value;
use std::collections::BTreeSet;

fn namespaces(view: &Value) -> BTreeSet<&str> {
    let rows = view["objects"]["rows"].as_array().unwrap();
    rows.iter().map(|row| row["namespace"].as_str().unwrap()).collect()
}

/// No header that keeps the page closed is missing, and nothing may be kept.
fn is_closed(answer: &Answer) {
    let policy = answer.header("content-security-policy");
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "form-action 'none'",
    ] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert!(
        answer.headers.get("set-cookie").is_none()
            && answer.headers.get("access-control-allow-origin").is_none()
    );
}

fn is_refused(answer: &Answer, code: u16) {
    assert_eq!(answer.code, code, "{answer:?}");
    is_closed(answer);
    let body = answer.json();
    assert!(body["error"].is_string() && body.as_object().unwrap().len() == 1, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_what_they_may_not_list_and_without_an_answer_nobody_sees_anything() {
    let (_plane, server, guard) = people::hub().await;
    let served = Served::start(state(1_900_000_000, false), guard).await;
    let view = format!("{}/api/view", served.url);
    let (all, one, fleet, nobody) = tokio::join!(
        token(&server, "all"),
        token(&server, "one"),
        token(&server, "fleet"),
        token(&server, "nobody")
    );

    // The files of the page have no data, and need no token.
    for path in ["/", "/page.css", "/page.js", "/icon.svg"] {
        let file = get(&format!("{}{path}", served.url), &[]).await;
        assert_eq!(file.code, 200);
        is_closed(&file);
        assert!(!file.text.contains("edge-") && !file.text.contains("team-"));
    }
    is_refused(
        &get(&format!("{}/api", served.url), &[("authorization", &format!("Bearer {all}"))]).await,
        404,
    );
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = send(method, &view, &[("authorization", &format!("Bearer {all}"))], "{}").await.unwrap();
        assert_eq!(answer.code, 405);
        is_closed(&answer);
    }

    // No token, a wrong one, one in another place, one for somebody else.
    is_refused(&get(&view, &[]).await, 401);
    is_refused(&ask(&view, "wrong").await, 401);
    let payload_of_another = format!("{}x", all);
    is_refused(&ask(&view, &payload_of_another).await, 401);
    is_refused(&get(&view, &[("authorization", &format!("Basic {all}"))]).await, 401);
    is_refused(&get(&view, &[("cookie", &format!("token={all}"))]).await, 401);
    for name in ["token", "access_token", "authorization"] {
        let answer = ask(&format!("{view}?{name}={all}"), &all).await;
        is_refused(&answer, 400);
        assert!(!answer.text.contains(&all));
    }
    let for_another = ["create", "token", "all", "-n", "people", "--audience", "vault"];
    let for_another = server.kubectl(&for_another).await;
    is_refused(&ask(&view, String::from_utf8(for_another.stdout).unwrap().trim()).await, 401);

    // Everything.
    let answer = ask(&view, &all).await;
    assert_eq!(answer.code, 200, "{answer:?}");
    is_closed(&answer);
    let seen = answer.json();
    assert_eq!(
        (&seen["objects"]["total"], &seen["satellites"]["total"]),
        (&(10_000 + DONE).into(), &50.into())
    );
    assert_eq!(seen["objects"]["rows"].as_array().unwrap().len(), 100);
    assert!(seen["objects"]["rows"][0]["remedy"].is_string());
    // Unchanged: no body, and still an age.
    let known =
        [("authorization", format!("Bearer {all}")), ("if-none-match", answer.header("etag").to_owned())];
    let known = get(&view, &known.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    assert_eq!((known.code, known.text.as_str()), (304, ""));
    assert!(known.header("groundlink-age").parse::<u64>().is_ok_and(|age| age < 4_000), "{known:?}");
    // A tag is not a right.
    is_refused(&get(&view, &[("if-none-match", answer.header("etag"))]).await, 401);

    // One namespace: that one, if it is asked for, and no satellite.
    is_refused(&ask(&view, &one).await, 403);
    is_refused(&ask(&format!("{view}?namespace=team-b"), &one).await, 403);
    let seen = ask(&format!("{view}?namespace=team-a"), &one).await.json();
    assert!(seen["satellites"].is_null(), "{seen}");
    assert_eq!(namespaces(&seen), BTreeSet::from(["team-a"]));
    assert_eq!(
        (&seen["objects"]["total"], &seen["objects"]["namespaces"]),
        (&(500 + DONE).into(), &Value::Array(vec![]))
    );
    // The satellites, and objects of no other namespace than the operator's.
    let seen = ask(&view, &fleet).await.json();
    assert!(seen["objects"].is_null() && seen["satellites"]["total"] == 50, "{seen}");
    let seen = ask(&format!("{view}?namespace=team-a"), &fleet).await.json();
    assert!(seen["objects"].is_null(), "{seen}");
    let seen = ask(&format!("{view}?namespace={OPERATOR}"), &fleet).await.json();
    assert_eq!(seen["objects"]["total"], 0);
    // Nothing, whatever is asked for.
    for query in ["", "?namespace=team-a", "?namespace=people", "?state=refused"] {
        is_refused(&ask(&format!("{view}{query}"), &nobody).await, 403);
    }

    // A right that is taken away.
    let delete = ["delete", "rolebinding", "page-one", "-n", "team-a"];
    assert!(server.kubectl(&delete).await.status.success());
    eventually(GENEROUS, "one lost the right", async || {
        match ask(&format!("{view}?namespace=team-a"), &one).await {
            answer if answer.code == 403 => Ok(()),
            answer => Err(format!("{}", answer.code)),
        }
    })
    .await;

    // The API server hangs, and is gone: nobody new gets in, and soon nobody at all.
    server.pause();
    let (hanging, elsewhere) = (format!("{view}?namespace=team-c"), format!("{view}?namespace=team-d"));
    let (first, second) = tokio::join!(ask(&hanging, &all), ask(&elsewhere, &nobody));
    for answer in [first, second] {
        is_refused(&answer, 503);
        // The cause names the API server, and is in the log alone.
        assert!(!answer.text.contains("127.0.0.1"), "{answer:?}");
    }
    server.stop();
    eventually(GENEROUS, "what was remembered is forgotten", async || match ask(&view, &all).await {
        answer if answer.code == 503 => {
            is_refused(&answer, 503);
            Ok(())
        }
        answer => Err(format!("{}", answer.code)),
    })
    .await;
    is_refused(&ask(&view, "wrong").await, 503);
    is_refused(&get(&view, &[]).await, 401);
}
