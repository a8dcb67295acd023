use super::*;

#[derive(Debug, thiserror::Error)]
#[error("outer")]
struct Outer(#[source] std::io::Error);

#[test]
fn a_failure_names_the_last_cause() {
    assert_eq!(
        causes(&Outer(std::io::Error::other("certificate is from nobody"))),
        "outer: certificate is from nobody"
    );
}

#[test]
fn the_manual_of_a_dependency_is_not_quoted() {
    let error = Outer(std::io::Error::other("peer closed connection: https://docs.rs/rustls/latest/manual"));
    assert_eq!(causes(&error), "outer: peer closed connection");
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_given_up() {
    let silent = std::future::pending::<Result<(), kube::Error>>();
    let limit = Duration::from_secs(7);
    let failure = ask(limit, silent).await.unwrap_err();
    assert_eq!(failure, Failure::Deadline(limit));
    assert_eq!(failure.to_string(), "no answer within 7 s");
}

#[test]
fn the_remedy_names_what_is_to_be_corrected() {
    let server = Server::new("https://hub:6443", "CN=old (certificate-authority of the kubeconfig)");
    let transport = |text: &str| Failure::Transport(text.to_owned());
    for (failure, words) in [
        (transport("client error (Connect): invalid peer certificate: UnknownIssuer"), "CN=old"),
        (transport("invalid peer certificate: BadSignature"), "certificate authority of https://hub:6443"),
        (
            transport("certificate not valid for name \"hub\"; certificate is only valid for x"),
            "tls-server-name",
        ),
        (transport("certificate expired: verification time 1 (UNIX)"), "renew the server's certificate"),
        (transport("tcp connect error: Connection refused (os error 111)"), "https://hub:6443 is the hub's"),
        (Failure::Deadline(Duration::from_secs(5)), "https://hub:6443 is the hub's"),
        (Failure::Refused { code: 401, message: "Unauthorized".into() }, "renew the operator's credential"),
    ] {
        let told = server.explain(&failure);
        assert!(told.starts_with(&failure.to_string()) && told.contains(words), "{told}");
    }
    let refused = Failure::Refused { code: 409, message: "the object has been modified".into() };
    assert_eq!(server.explain(&refused), refused.to_string());
}
