//! One real kube-apiserver, and everything needed to talk to it.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::ByteString;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::binaries::binary;
use super::ports::Port;
use super::supervised::{Launch, Supervised};

/// Longest time from the start of the process to `/readyz`: usually about 4 s, more under load.
const READY_DEADLINE: Duration = Duration::from_secs(120);

/// A kube-apiserver with RBAC on. Dropping it kills the process.
#[derive(Debug)]
pub struct ApiServer {
    process: Mutex<Arc<Supervised>>,
    name: String,
    port: Port,
    directory: PathBuf,
    args: Vec<String>,
    token: String,
}

/// Returns a text as the `-data` fields of a kubeconfig have it.
pub fn base64(text: &str) -> String {
    let encoded = serde_json::to_value(ByteString(text.as_bytes().to_vec())).expect("base64");
    encoded.as_str().expect("a string").to_owned()
}

impl ApiServer {
    /// Starts it with its files below `directory`. Returns when `/readyz` answers 200.
    pub(super) async fn start(name: &str, directory: &Path, etcd_url: &str, flags: Vec<String>) -> Self {
        let certificates = directory.join("certificates");
        std::fs::create_dir_all(&certificates).expect("create the certificate directory");
        let token = format!("{:032x}", rand::random::<u128>());
        let tokens = directory.join("tokens.csv");
        std::fs::write(&tokens, format!("{token},admin,admin,\"system:masters\"\n")).expect("write tokens");
        // The server creates this key at its first start, and then uses it to sign its tokens.
        let key = certificates.join("apiserver.key");
        for attempt in 1.. {
            let port = Port::reserve();
            let number = port.number();
            let mut args = vec![
                format!("--etcd-servers={etcd_url}"),
                format!("--etcd-prefix=/{name}"),
                format!("--cert-dir={}", certificates.display()),
                "--bind-address=127.0.0.1".into(),
                "--advertise-address=127.0.0.1".into(),
                format!("--secure-port={number}"),
                "--service-cluster-ip-range=10.0.0.0/24".into(),
                "--authorization-mode=RBAC".into(),
                "--disable-admission-plugins=ServiceAccount".into(),
                "--endpoint-reconciler-type=none".into(),
                format!("--service-account-issuer=https://127.0.0.1:{number}/"),
                format!("--service-account-key-file={}", key.display()),
                format!("--service-account-signing-key-file={}", key.display()),
                format!("--token-auth-file={}", tokens.display()),
            ];
            args.extend(flags.iter().cloned());
            let server = Self {
                process: Mutex::new(Arc::new(launch(directory, &args))),
                name: name.to_owned(),
                port,
                directory: directory.to_path_buf(),
                args,
                token: token.clone(),
            };
            match server.wait_until_ready().await {
                Ok(()) => {
                    std::fs::write(server.admin_kubeconfig_path(), server.admin_kubeconfig())
                        .expect("write the admin kubeconfig");
                    return server;
                }
                Err(log) if log.contains("address already in use") && attempt < 5 => {}
                Err(log) => panic!("kube-apiserver {name} does not become ready; its log:\n{log}"),
            }
        }
        unreachable!("the loop ends by return or panic")
    }

    /// Returns its name in [`super::ControlPlane`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port())
    }

    /// Returns its port on 127.0.0.1, which never changes, even while it is stopped.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Returns the pid of the running (or last) process.
    pub fn pid(&self) -> u32 {
        self.process().pid()
    }

    /// Returns the process, for its log.
    pub fn process(&self) -> Arc<Supervised> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the certificates to trust.
    pub fn ca_pem(&self) -> String {
        self.cert_and_key().0
    }

    /// Returns the server's certificate chain and key in PEM, for a server that impersonates it on
    /// another port.
    pub fn cert_and_key(&self) -> (String, String) {
        let read = |file: &str| {
            let path = self.directory.join("certificates").join(file);
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
        };
        (read("apiserver.crt"), read("apiserver.key"))
    }

    /// Returns a kubeconfig of a member of `system:masters`.
    pub fn admin_kubeconfig(&self) -> String {
        self.kubeconfig_for(&self.url(), &self.token)
    }

    /// Returns the path of the file with [`Self::admin_kubeconfig`].
    pub fn admin_kubeconfig_path(&self) -> PathBuf {
        self.directory.join("admin.kubeconfig")
    }

    /// Returns a kubeconfig for any bearer token, and for any URL that presents this server's
    /// certificate: its own, or that of a [`super::Proxy`].
    pub fn kubeconfig_for(&self, server_url: &str, token: &str) -> String {
        self.kubeconfig_of(server_url, &self.ca_pem(), &format!("token: {token}"))
    }

    /// Returns a kubeconfig for any URL, the authority that its certificate must be of, and the fields of its user.
    pub fn kubeconfig_of(&self, server_url: &str, authority: &str, user: &str) -> String {
        let ca = base64(authority);
        let name = &self.name;
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: {name}\n\
             clusters:\n- name: {name}\n  cluster:\n    server: {server_url}\n    \
             certificate-authority-data: {ca}\n\
             users:\n- name: {name}\n  user:\n    {user}\n\
             contexts:\n- name: {name}\n  context:\n    cluster: {name}\n    user: {name}\n"
        )
    }

    /// Returns a kubeconfig with a new token of a ServiceAccount.
    pub async fn service_account_kubeconfig(&self, namespace: &str, account: &str) -> String {
        let token = self.service_account_token(namespace, account).await;
        self.kubeconfig_for(&self.url(), &token)
    }

    /// Requests a token of an existing ServiceAccount, valid for an hour (TokenRequest).
    pub async fn service_account_token(&self, namespace: &str, account: &str) -> String {
        self.service_account_token_for(namespace, account, 3600).await
    }

    /// [`Self::service_account_token`] that is valid for this many seconds.
    pub async fn service_account_token_for(&self, namespace: &str, account: &str, seconds: i64) -> String {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client().await, namespace);
        let spec = TokenRequestSpec { expiration_seconds: Some(seconds), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
        let answer = accounts.create_token_request(account, &PostParams::default(), &request).await;
        answer.expect("TokenRequest").status.and_then(|status| status.token).expect("a token")
    }

    /// Returns a client of the admin, without kube's own retries. It belongs to the calling
    /// runtime.
    pub async fn client(&self) -> Client {
        client_of(&self.admin_kubeconfig()).await
    }

    /// Sends SIGSTOP: the port stays open, but nothing answers.
    pub fn pause(&self) {
        self.process().pause();
    }

    /// Sends SIGCONT.
    pub fn resume(&self) {
        self.process().resume();
    }

    /// Sends SIGKILL. Connections are refused when this returns.
    pub fn stop(&self) {
        self.process().kill();
    }

    /// Starts it again with the same port, objects and certificates. Stops it first if it still
    /// runs.
    pub async fn restart(&self) {
        self.stop();
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(launch(&self.directory, &self.args));
        if let Err(log) = self.wait_until_ready().await {
            panic!("kube-apiserver {} does not come back; its log:\n{log}", self.name);
        }
    }

    /// Runs `kubectl` as the admin.
    pub async fn kubectl(&self, args: &[&str]) -> Output {
        self.kubectl_with_input(args, "").await
    }

    /// [`Self::kubectl`] with a standard input, for `apply -f -`.
    pub async fn kubectl_with_input(&self, args: &[&str], input: &str) -> Output {
        run(self.command("kubectl").args(args), input).await
    }

    /// Runs `helm` as the admin.
    pub async fn helm(&self, args: &[&str]) -> Output {
        run(self.command("helm").args(args), "").await
    }

    /// Returns a command of [`binary`] with this server's admin kubeconfig, and its own home
    /// directory.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(binary(program));
        command.env("KUBECONFIG", self.admin_kubeconfig_path()).env("HOME", self.directory.join("home"));
        for variable in ["XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "KUBECACHEDIR"] {
            command.env_remove(variable);
        }
        command
    }

    /// Returns the log as the error.
    async fn wait_until_ready(&self) -> Result<(), String> {
        let process = self.process();
        let deadline = Instant::now() + READY_DEADLINE;
        while process.exit_status().is_none() && Instant::now() < deadline {
            if self.directory.join("certificates/apiserver.key").is_file() {
                let client = client_of(&self.admin_kubeconfig()).await;
                let request = http::Request::get("/readyz").body(Vec::new()).expect("a valid request");
                let answer = tokio::time::timeout(Duration::from_secs(5), client.request_text(request)).await;
                if let Ok(Ok(_)) = answer {
                    return Ok(());
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(process.log_tail())
    }
}

fn launch(directory: &Path, args: &[String]) -> Supervised {
    let log = directory.join("kube-apiserver.log");
    Supervised::spawn(&Launch {
        program: &binary("kube-apiserver"),
        args,
        env: &[],
        log: &log,
        scratch: None,
    })
}

/// Returns a client for a kubeconfig, without kube's own retries and without a timeout for answers.
pub async fn client_of(kubeconfig: &str) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).expect("a valid kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let mut config = config.expect("a usable kubeconfig");
    config.default_retry = false;
    Client::try_from(config).expect("a client")
}

async fn run(command: &mut Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("start {command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("piped stdin");
    let feed = async move {
        // A program may close its input without reading it.
        let _ = stdin.write_all(input.as_bytes()).await;
    };
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    output.expect("wait for the program")
}
