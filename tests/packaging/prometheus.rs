//! A real Prometheus that scrapes one process and evaluates the chart's rules.

use crate::support::{GENEROUS, Operator, Port, binary, eventually};
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::{Client, Config};
use serde_json::Value;
use std::path::Path;

/// A running Prometheus.
pub struct Prometheus {
    client: Client,
    _process: Operator,
    _port: Port,
}

impl Prometheus {
    /// Starts it with a target `HOST:PORT` of the job `groundlink`, and with rule files. It scrapes and
    /// evaluates every second.
    pub async fn start(directory: &Path, target: &str, rules: &[String]) -> Self {
        let port = Port::reserve();
        let config = serde_json::json!({
            "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
            "rule_files": rules,
            "scrape_configs": [{
                "job_name": "groundlink",
                "static_configs": [{ "targets": [target], "labels": { "namespace": "groundlink" } }],
            }],
        });
        let file = directory.join("prometheus.json");
        std::fs::write(&file, config.to_string()).unwrap();
        let process = Operator::builder(binary("prometheus"))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", directory.join("prometheus").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{}", port.number()))
            .spawn();
        process.wait_for_log("Server is ready to receive web requests", GENEROUS).await;
        let mut config = Config::new(format!("http://127.0.0.1:{}", port.number()).parse().unwrap());
        config.default_retry = false;
        Self { client: Client::try_from(config).unwrap(), _process: process, _port: port }
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, String> {
        let encoded = query.iter().map(|(key, value)| format!("{key}={}", encode(value)));
        let uri = format!("{path}?{}", encoded.collect::<Vec<_>>().join("&"));
        let request = http::Request::get(uri).body(Body::empty()).unwrap();
        let answer = self.client.send(request).await.map_err(|error| error.to_string())?;
        let body = answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        let answer: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        match answer["status"] == "success" {
            true => Ok(answer["data"].clone()),
            false => Err(answer.to_string()),
        }
    }

    /// Returns the series that a query gives now.
    ///
    /// # Errors
    /// If Prometheus refuses the query.
    pub async fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let data = self.get("/api/v1/query", &[("query", query)]).await?;
        Ok(data["result"].as_array().cloned().unwrap_or_default())
    }

    /// Returns every rule, with its health.
    pub async fn rules(&self) -> Vec<Value> {
        let data = self.get("/api/v1/rules", &[]).await.unwrap();
        let groups = data["groups"].as_array().unwrap().iter();
        groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
    }

    /// Waits until a query gives a series.
    pub async fn has(&self, query: &str) {
        eventually(GENEROUS, query, async || match self.query(query).await?.is_empty() {
            false => Ok(()),
            true => Err("no series".to_owned()),
        })
        .await;
    }
}

/// Encodes a value of a URL's query.
fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let encoded = text.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    encoded.collect()
}
