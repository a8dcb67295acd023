use super::*;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server on loopback that gives every request this answer, and counts connections.
async fn server(answer: &'static str) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (port, connections)
}

async fn ask(host: &str, port: u16, allow_loopback: bool) -> kube::Error {
    let kubeconfig = Kubeconfig::from_yaml(&format!(
        "{{current-context: c, contexts: [{{name: c, context: {{cluster: k, user: u}}}}], users: [{{name: u, user: {{}}}}], \
         clusters: [{{name: k, cluster: {{server: \"http://{host}:{port}\"}}}}]}}"
    ))
    .unwrap();
    let policy = HostPolicy { allow_loopback, hub: None };
    let client = connect(kubeconfig, policy, Duration::from_secs(10)).await.unwrap();
    Api::<ConfigMap>::namespaced(client, "icinga").get("groundlink").await.unwrap_err()
}

const BUSY: &str = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\
                    Connection: close\r\n\r\nbusy";

/// A name that anybody may give a loopback address: the text of the URL does not show it.
#[tokio::test]
async fn a_name_that_leads_to_loopback_is_not_connected_to() {
    let (port, connections) = server(BUSY).await;
    let error = ask("localhost", port, false).await;
    let text = crate::request::causes(&error);
    assert!(text.contains("no address that is allowed for a satellite"), "{text}");
    assert_eq!(connections.load(Ordering::SeqCst), 0, "nothing was sent there");
    // It could be reached.
    ask("localhost", port, true).await;
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[test]
fn of_the_addresses_of_a_name_the_refused_ones_are_dropped() {
    let address = |text: &str| -> SocketAddr { text.parse().unwrap() };
    let hub = Some("192.0.2.1".parse().unwrap());
    let resolver = Resolver { policy: HostPolicy::default(), hub };
    let mixed = ["127.0.0.1:0", "192.0.2.7:0", "169.254.169.254:0", "[::ffff:192.0.2.1]:0", "[fe80::1]:0"];
    let allowed = resolver.allowed(mixed.map(address).into_iter()).unwrap();
    assert_eq!(allowed, [address("192.0.2.7:0")]);
    for refused in ["127.9.9.9:0", "[::1]:0", "[::ffff:127.0.0.1]:0", "0.0.0.0:0", "192.0.2.1:0"] {
        assert!(resolver.allowed([address(refused)].into_iter()).is_err(), "{refused}");
    }
}

#[tokio::test]
async fn a_pause_in_a_header_is_read() {
    let (port, _) = server(BUSY).await;
    let kube::Error::Api(status) = ask("127.0.0.1", port, true).await else { panic!("an answer") };
    assert_eq!((status.code, status.details.unwrap().retry_after_seconds), (429, 7));
}
