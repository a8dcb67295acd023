//! The agent's `ApiUser` may do what the agent does, and nothing else.

use super::stage::{HOST, PASSWORD, api, candidate, proved};
use crate::support::{GENEROUS, Hook, Icinga, eventually, generations};
use groundlink::agent::icinga::api::{Api, NotYet};
use groundlink::agent::icinga::daemon::Umbrella;
use std::time::Duration;
use tokio::process::Command;

/// Makes each request of the agent, and returns the names of those that are refused. Without
/// `reload` the daemon is not asked to load again.
async fn refused(api: &Api, reload: bool) -> Result<Vec<&'static str>, String> {
    let mut answers = vec![
        ("marker", api.marker().await.err()),
        ("process", api.process().await.err()),
        ("checks", api.checks(Duration::from_secs(1_000)).await.err()),
    ];
    if reload {
        answers.push(("restart", api.restart().await.err()));
    }
    let mut refused = Vec::new();
    for (name, error) in answers {
        match error {
            None => {}
            Some(NotYet::NotFound(_)) => refused.push(name),
            Some(other) => return Err(format!("{name}: {other}")),
        }
    }
    Ok(refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_permission_is_needed() {
    let _alone = crate::ONE_AT_A_TIME.lock().await;
    for generation in generations() {
        let mut icinga = Icinga::prepare(generation, Hook::Package);
        if generation == "2.16" {
            let main = std::fs::read_to_string(icinga.path("etc/icinga2.conf")).unwrap();
            let strict = main.replace("bind_host", "enforce_filter_expression_permission = true; bind_host");
            std::fs::write(icinga.path("etc/icinga2.conf"), strict).unwrap();
        }
        let tree = icinga.tree("1.1", &[HOST]);
        let whole = candidate("whole", &tree, true);
        icinga.activate(&whole);
        icinga.start().await;
        let api = api(&icinga);
        proved(&api, "whole").await;
        assert_eq!(refused(&api, false).await, Ok(vec![]));
        let cases = [
            ("actions/restart-process", "restart"),
            ("objects/query/UserGroup", "marker"),
            ("status/query", "process"),
            ("objects/query/Host", "checks"),
            ("objects/query/Service", "checks"),
            ("filter-expression", "checks"),
        ];
        let lines = whole.lines().filter(|line| line.trim_start().starts_with(['"', '{'])).count();
        assert_eq!(lines, cases.len(), "a permission without a case:\n{whole}");
        for (permission, wanted) in cases {
            if permission == "filter-expression" && generation != "2.16" {
                continue;
            }
            let line = whole.lines().find(|line| line.contains(&format!("\"{permission}\""))).unwrap();
            let without =
                whole.replace(&format!("{line}\n"), "").replace("\"whole\"", &format!("\"{permission}\""));
            assert_ne!(without, whole);
            let before = api.process().await.ok().map(|process| process.pid);
            icinga.activate(&without);
            Umbrella::find(&icinga.pid_file()).unwrap().reload().unwrap();
            // The marker may be what is missing, so that a new process is waited for.
            eventually(GENEROUS, "the set without it is loaded", async || {
                let now = api.process().await.ok().map(|process| process.pid);
                if now == before {
                    return Err("the old process answers".into());
                }
                let refused = refused(&api, permission == "actions/restart-process").await?;
                if refused == [wanted] {
                    Ok(())
                } else {
                    Err(format!("without {permission} {refused:?} is refused"))
                }
            })
            .await;
            icinga.activate(&whole);
            Umbrella::find(&icinga.pid_file()).unwrap().reload().unwrap();
            proved(&api, "whole").await;
        }
        assert_eq!(refused(&api, true).await, Ok(vec![]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_is_permitted() {
    let _alone = crate::ONE_AT_A_TIME.lock().await;
    for generation in generations() {
        let mut icinga = Icinga::prepare(generation, Hook::Package);
        icinga.activate(&candidate("1.1", &icinga.tree("1.1", &[HOST]), false));
        icinga.start().await;
        proved(&api(&icinga), "1.1").await;
        let port = icinga.port();
        let ask = async |method: &str, path: &str, body: &str| {
            let output = Command::new("curl")
                .args(["--silent", "--insecure", "--max-time", "20", "--request", method])
                .args([
                    "--user",
                    &format!("groundlink-agent:{PASSWORD}"),
                    "--header",
                    "Accept: application/json",
                ])
                .args(["--write-out", "\n%{http_code}", "--data", body])
                .arg(format!("https://127.0.0.1:{port}{path}"))
                .output()
                .await
                .expect("curl");
            let text = String::from_utf8(output.stdout).unwrap();
            let (body, code) = text.rsplit_once('\n').unwrap();
            (code.to_owned(), body.to_owned())
        };
        let (code, body) = ask("GET", "/v1/objects/hosts/web?attrs=name", "").await;
        assert_eq!(code, "200", "the question is right: {body}");
        for (method, path, body) in [
            ("GET", "/v1/objects/hosts/by%20hand", ""),
            ("GET", "/v1/objects/apiusers", ""),
            ("GET", "/v1/objects/endpoints", ""),
            ("GET", "/v1/status/CIB", ""),
            ("GET", "/v1/variables", ""),
            ("GET", "/v1/templates/hosts", ""),
            ("GET", "/v1/types", ""),
            ("GET", "/v1/config/packages", ""),
            ("POST", "/v1/config/packages/other", ""),
            ("POST", "/v1/actions/restart-process", ""),
            ("POST", "/v1/actions/shutdown-process", ""),
            ("POST", "/v1/actions/reschedule-check?type=Host", "{}"),
            ("POST", "/v1/events?queue=q&types=CheckResult", ""),
            ("POST", "/v1/console/execute-script?command=1", ""),
            ("POST", "/v1/objects/hosts/web", r#"{"attrs":{"notes":"x"}}"#),
            ("PUT", "/v1/objects/hosts/new", r#"{"attrs":{"check_command":"dummy"}}"#),
            ("DELETE", "/v1/objects/hosts/web", ""),
        ] {
            let (code, body) = ask(method, path, body).await;
            assert!(["403", "404"].contains(&&*code), "{generation}: {method} {path}: {code} {body}");
        }
        let (_, body) = ask("GET", "/v1/objects/hosts?attrs=name", "").await;
        assert!(body.contains("\"web\"") && !body.contains("by hand"), "{body}");
        let (_, body) = ask("GET", "/v1/objects/usergroups", "").await;
        assert_eq!(body.matches("\"joins\":").count(), 1, "{body}");
    }
}
