//! The page of a real operator, from the chart's switch to what a person reads.

use super::browser::Browser;
use super::people;
use super::seen::sign_in;
use crate::GROUNDLINK;
use crate::status_page::http::ask;
use crate::support::{GENEROUS, Installation, eventually, host};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_reads_why_their_object_is_refused_and_where_the_satellites_are() {
    let installation = Installation::start(&["edge-a"]).await;
    let server = installation.plane.server("hub");
    people::populate(&server).await;
    let token = people::token(&server, "all").await;
    let operator =
        installation.operator_builder(GROUNDLINK).await.args(["--page-address", "127.0.0.1:0"]).spawn();
    let line = operator.wait_for_log("serving the status page", GENEROUS).await;
    let line: Value = serde_json::from_str(&line).unwrap();
    let url = format!("http://{}", line["fields"]["address"].as_str().unwrap());
    let view = format!("{url}/api/view");

    // The chart was installed without the page: the operator may ask nobody, and shows nothing.
    let refused = ask(&view, &token).await;
    assert!(refused.code == 503 && refused.text.contains("page.enabled"), "{refused:?}");
    people::install(&server).await;
    let seen = async || match ask(&view, &token).await {
        answer if answer.code == 200 => Ok(answer.json()),
        answer => Err(answer.text),
    };
    eventually(GENEROUS, "the person is let in", seen).await;

    installation.put("team-a", "fine", host("fine")).await;
    installation
        .put("team-b", "lone", json!({ "service": { "hostName": "missing", "checkCommand": "http" } }))
        .await;
    eventually(GENEROUS, "one is done, and one is refused with its remedy", async || {
        let seen = seen().await?;
        let (objects, satellite) = (&seen["objects"], &seen["satellites"]["rows"][0]);
        let row = &objects["rows"][0];
        let is_so = (&objects["done"], &objects["total"]) == (&json!(1), &json!(2))
            && (&row["namespace"], &row["name"]) == (&json!("team-b"), &json!("lone"))
            && row["reason"] == "UnresolvedReference"
            && row["message"].as_str().is_some_and(|why| why.contains("missing"))
            && row["remedy"].as_str().is_some_and(|what| what.starts_with("Create what is missing"))
            && (&satellite["name"], &satellite["stage"]) == (&json!("edge-a"), &json!("current"))
            && satellite["delivered"].is_string()
            && satellite["delivered"] == satellite["desired"]
            && seen["operator"]["leads"] == true
            && seen["operator"]["ready"] == true;
        if is_so { Ok(()) } else { Err(seen.to_string()) }
    })
    .await;

    let Some(browser) = Browser::start().await else { return };
    sign_in(&browser, &url, &token).await;
    browser.until("the object is there", "return document.getElementById('object-rows').innerText.includes('lone') && document.getElementById('current-rows').innerText.includes('edge-a')").await;
    // It is mended, and the page shows it by itself.
    installation.put("team-b", "missing", host("missing")).await;
    browser.until("the object is done", "return document.querySelectorAll('#object-rows tr').length === 0 && document.getElementById('object-tiles').innerText.includes('done of 3')").await;
    installation.register("edge-a", json!({ "suspend": true })).await;
    browser
        .until(
            "the satellite is suspended",
            "return document.getElementById('satellite-rows').innerText.includes('suspended')",
        )
        .await;
    browser.end().await;
    assert!(!operator.log_text().contains(&token), "a token in the log");
    assert!(operator.terminate(GENEROUS).await.success());
}
