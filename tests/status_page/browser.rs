//! A real Chromium, driven by WebDriver, in which a test does what a person does: looks, and presses keys.

use super::http::send;
use crate::support::{GENEROUS, Launch, Port, Supervised, eventually, skip};
use http::Method;
use k8s_openapi::ByteString;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The Tab key, as WebDriver names it.
pub const TAB: &str = "\u{e004}";
/// The Enter key.
pub const ENTER: &str = "\u{e007}";

/// A window of a browser. Dropping it ends the browser: its only other end is a pipe of the driver.
pub struct Browser {
    session: String,
    driver: Supervised,
    _port: Port,
    _scratch: TempDir,
}

fn program(name: &str) -> Option<PathBuf> {
    let places = std::env::var_os("PATH")?;
    std::env::split_paths(&places).map(|place| place.join(name)).find(|path| path.is_file())
}

impl Browser {
    /// Starts it. `None`, which fails in CI, if it is not installed.
    pub async fn start() -> Option<Self> {
        let (Some(driver), Some(_)) = (program("chromedriver"), program("chromium")) else {
            skip("chromium or chromedriver is not here; hack/chromium.sh installs both");
            return None;
        };
        let (port, scratch) = (Port::reserve(), TempDir::new().unwrap());
        let arguments = [format!("--port={}", port.number())];
        let log = scratch.path().join("chromedriver.log");
        let launch =
            Launch { program: &driver, args: &arguments, env: &[], log: &log, scratch: Some(scratch.path()) };
        let driver = Supervised::spawn(&launch);
        let base = format!("http://127.0.0.1:{}", port.number());
        let profile = format!("--user-data-dir={}", scratch.path().join("profile").display());
        let options = json!({ "args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
            "--disable-background-networking", "--disable-component-update", "--no-first-run", "--remote-debugging-pipe",
            "--window-size=1180,900", profile,
        ] });
        let capabilities = json!({ "browserName": "chrome", "goog:loggingPrefs": { "browser": "ALL" }, "goog:chromeOptions": options });
        let wanted = json!({ "capabilities": { "alwaysMatch": capabilities } }).to_string();
        let session = eventually(GENEROUS, "the browser starts", async || {
            let answer = send(Method::POST, &format!("{base}/session"), &[], &wanted).await?;
            match answer.json()["value"]["sessionId"].as_str() {
                Some(id) => Ok(format!("{base}/session/{id}")),
                None => Err(answer.text),
            }
        })
        .await;
        Some(Self { session, driver, _port: port, _scratch: scratch })
    }

    async fn command(&self, path: &str, body: Value) -> Result<Value, String> {
        let answer = send(Method::POST, &format!("{}{path}", self.session), &[], &body.to_string()).await?;
        match answer.code {
            200 => Ok(answer.json()["value"].clone()),
            _ => Err(format!("{path}: {}", answer.text)),
        }
    }

    /// Sends a command of Chromium's own protocol.
    pub async fn chromium(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.command("/goog/cdp/execute", body)
            .await
            .unwrap_or_else(|why| panic!("{why}: {}", self.driver.log_tail()))
    }

    /// Opens an address.
    pub async fn open(&self, url: &str) {
        self.command("/url", json!({ "url": url })).await.unwrap();
    }

    /// Runs a script in the page, and returns its value.
    pub async fn run(&self, script: &str) -> Value {
        self.command("/execute/sync", json!({ "script": script, "args": [] })).await.unwrap()
    }

    /// Waits until a script returns true.
    pub async fn until(&self, what: &str, script: &str) {
        eventually(GENEROUS, what, async || match self.run(script).await {
            Value::Bool(true) => Ok(()),
            other => Err(format!(
                "{other}; the page shows: {}",
                self.run("return document.body.innerText.slice(0, 1500)").await
            )),
        })
        .await;
    }

    /// Presses keys, one after the other, wherever the focus is.
    pub async fn press(&self, keys: &str) {
        let strokes: Vec<_> = keys
            .chars()
            .flat_map(|key| {
                ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }))
            })
            .collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": strokes });
        self.command("/actions", json!({ "actions": [keyboard] })).await.unwrap();
    }

    /// Presses Tab until the element with this id has the focus.
    pub async fn tab_to(&self, id: &str) {
        let mut passed = Vec::new();
        for _ in 0..20 {
            self.press(TAB).await;
            let focused =
                self.run("return document.activeElement.id || document.activeElement.tagName").await;
            if focused == id {
                return;
            }
            passed.push(focused);
        }
        panic!("the focus never comes to {id}, but to {passed:?}");
    }

    /// Sets width and height of the window, and what the person prefers.
    pub async fn look(&self, width: u32, height: u32, scheme: &str) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.chromium("Emulation.setDeviceMetricsOverride", metrics).await;
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.chromium("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Returns the roles of everything that a screen reader meets, with repetitions.
    pub async fn roles(&self) -> Vec<String> {
        let tree = self.chromium("Accessibility.getFullAXTree", json!({})).await;
        let nodes = tree["nodes"].as_array().unwrap();
        let heard = nodes.iter().filter(|node| node["ignored"] == false);
        heard.filter_map(|node| node["role"]["value"].as_str().map(str::to_owned)).collect()
    }

    /// Returns the lines of the browser's console since the last call.
    pub async fn console(&self) -> Vec<String> {
        let lines = self.command("/se/log", json!({ "type": "browser" })).await.unwrap();
        lines.as_array().unwrap().iter().map(|line| line["message"].to_string()).collect()
    }

    /// Writes what is seen to a PNG.
    pub async fn picture(&self, file: &Path) {
        let answer = send(Method::GET, &format!("{}/screenshot", self.session), &[], "").await.unwrap();
        let ByteString(png) = serde_json::from_value(answer.json()["value"].clone()).unwrap();
        std::fs::write(file, png).unwrap();
    }

    /// Ends it.
    pub async fn end(self) {
        let _ = send(Method::DELETE, &self.session, &[], "").await;
    }
}
