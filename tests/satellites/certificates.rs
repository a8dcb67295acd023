//! A satellite whose certificate is wrong, and a client certificate that is: the reason is reported, no other
//! satellite is delayed, and the right one heals it.

use crate::GROUNDLINK;
use crate::support::{Authority, GENEROUS, Installation, base64, carries, host};
use groundlink::api::{ConditionStatus, ConditionType, Reason};
use std::time::{Duration, Instant};

const HERE: &[&str] = &["127.0.0.1"];

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_certificate_is_reported_delays_no_other_and_the_right_one_heals() {
    let mut installation = Installation::start(&["sat-b"]).await;
    installation.prepare("sat-a").await;
    let (trusted, stranger) = (Authority::new("trusted"), Authority::new("stranger"));
    let right = trusted.issue("sat-a", HERE, -1..30);
    let server = installation.plane.server("sat-a");
    let token = server.service_account_token("icinga", "groundlink").await;
    let (url, user) = (installation.proxies["sat-a"].url(), format!("token: {token}"));
    installation.set_secret("sat-a", &server.kubeconfig_of(&url, &trusted.pem(), &user)).await;
    installation.proxies["sat-a"].present(&right);
    installation.register("sat-a", serde_json::json!({})).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    installation.put("team-a", "web", host("begin")).await;
    installation.synced("team-a", "web").await;

    let cases = [
        ("expired", trusted.issue("sat-a", HERE, -30..-1), ["expired", "renew the certificate"]),
        ("early", trusted.issue("sat-a", HERE, 2..30), ["not valid yet", "renew the certificate"]),
        ("renamed", trusted.issue("sat-a", &["other.example"], -1..30), ["other.example", "tls-server-name"]),
        ("foreign", stranger.issue("sat-a", HERE, -1..30), ["UnknownIssuer", "certificate-authority-data"]),
    ];
    for (what, wrong, words) in cases {
        let marker = format!("marker-{what}-end");
        installation.proxies["sat-a"].present(&wrong);
        installation.put("team-a", "web", host(&marker)).await;
        installation.published("team-a", "web").await;
        let started = Instant::now();
        installation.equal("sat-b", Duration::from_secs(10)).await;
        let healthy = started.elapsed();
        let unreachable = (ConditionStatus::False, Reason::TLSError);
        let message =
            installation.satellite_says("sat-a", ConditionType::Reachable, unreachable, GENEROUS).await;
        assert!(words.iter().all(|word| message.contains(word)), "{what}: {message}");
        let writes = installation.satellite_writes();
        assert!(!writes.iter().any(|e| e.server == "sat-a" && carries(e, &marker)), "{what}: it was written");

        installation.proxies["sat-a"].present(&right);
        let ended = Instant::now();
        installation.synced("team-a", "web").await;
        installation.satellite_in_sync("sat-a", GENEROUS).await;
        println!(
            "{what}: sat-b after {healthy:?}, healed {:?} after it was right again: {message}",
            ended.elapsed()
        );
    }
    assert!(!operator.log_text().contains(&token));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_that_ended_is_reported_and_a_new_one_is_used_at_once() {
    let mut installation = Installation::start_direct(&["sat-b"]).await;
    let (trusted, stranger) = (Authority::new("trusted"), Authority::new("stranger"));
    let file = installation.scratch().join("clients.pem");
    std::fs::write(&file, trusted.pem()).unwrap();
    let flag = format!("--client-ca-file={}", file.display());
    let server = installation.plane.add_with("sat-a", &[&flag]).await;
    installation.prepare("sat-a").await;
    // The user that the example's Role is bound to.
    let account = "system:serviceaccount:icinga:groundlink";
    let kubeconfig = |(certificate, key): &(String, String)| {
        let (certificate, key) = (base64(certificate), base64(key));
        let user = format!("client-certificate-data: {certificate}\n    client-key-data: {key}");
        server.kubeconfig_of(&server.url(), &server.ca_pem(), &user)
    };
    let right = trusted.issue(account, &[], -1..30);
    installation.set_secret("sat-a", &kubeconfig(&right)).await;
    installation.register("sat-a", serde_json::json!({})).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    installation.put("team-a", "web", host("begin")).await;
    installation.synced("team-a", "web").await;

    let mut secrets = vec![right.1.clone()];
    for (what, wrong) in
        [("ended", trusted.issue(account, &[], -30..-1)), ("foreign", stranger.issue(account, &[], -1..30))]
    {
        installation.set_secret("sat-a", &kubeconfig(&wrong)).await;
        installation.put("team-a", "web", host(what)).await;
        installation.published("team-a", "web").await;
        installation.equal("sat-b", Duration::from_secs(10)).await;
        let refused = (ConditionStatus::False, Reason::Unauthorized);
        let message =
            installation.satellite_says("sat-a", ConditionType::CredentialsValid, refused, GENEROUS).await;
        assert!(message.contains("renew the credential in the Secret"), "{what}: {message}");
        installation.set_secret("sat-a", &kubeconfig(&right)).await;
        installation.synced("team-a", "web").await;
        installation.satellite_in_sync("sat-a", GENEROUS).await;
        secrets.push(wrong.1);
    }
    for secret in secrets {
        for line in secret.lines().filter(|line| !line.starts_with("-----")) {
            assert!(!operator.log_text().contains(line) && !operator.log_text().contains(&base64(&secret)));
        }
    }
}
