//! `render` and a real API server read a manifest alike: what `render` accepts, `kubectl apply`
//! stores with the same content, and what an API server refuses, `render` refuses.

use super::{hub, text};
use crate::GROUNDLINK;
use crate::support::binary;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::process::Stdio;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Number of random documents of each test.
const DOCUMENTS: usize = 1_500;

fn seed() -> u64 {
    let seed = std::env::var("GROUNDLINK_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(rand::random);
    println!("GROUNDLINK_TEST_SEED={seed}");
    seed
}

/// What `render` says of a text: the names that it refuses because of what they say themselves.
/// What is only refused because of another object is accepted by an API server, too.
async fn refused_by_render(manifests: &str) -> BTreeMap<String, String> {
    let mut command = Command::new(GROUNDLINK);
    command.args(["render", "-f", "-", "-o", "json", "-n", "refused", "--privileged-namespaces", "refused"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(manifests.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let told: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let one = |one: &Value| {
        let name = one["name"].as_str().unwrap();
        let name = if name.is_empty() { &one["place"] } else { &one["name"] };
        (name.as_str().unwrap().to_owned(), format!("{}: {}", one["reason"], one["message"]))
    };
    let refused = told["refused"].as_array().unwrap().iter();
    refused.filter(|one| one["reason"] == "Invalid" || one["reason"] == "NotAllowed").map(one).collect()
}

/// What the API server says of objects: the names that it refuses. They are sent as they are.
async fn refused_by_server(objects: &[Value]) -> BTreeMap<String, String> {
    use futures::{StreamExt as _, stream};
    let client = hub().await.client().await;
    let asked = objects.iter().map(|object| {
        let client = client.clone();
        async move {
            let request = http::Request::post(
                "/apis/groundlink.dev/v1alpha1/namespaces/refused/monitoringobjects?dryRun=All&fieldValidation=Strict",
            );
            let request = request.header("content-type", "application/json");
            let request = request.body(object.to_string().into_bytes()).unwrap();
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            let answer = client.request::<Value>(request).await;
            answer.err().map(|error| (name, error.to_string()))
        }
    });
    stream::iter(asked).buffer_unordered(16).filter_map(|refused| async { refused }).collect().await
}

/// The schema of the spec, from the CRD that the program prints.
fn schema() -> Value {
    let crd =
        super::crds().into_iter().find(|crd| crd["spec"]["names"]["kind"] == "MonitoringObject").unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
}

/// Makes values of a schema, most of them right.
struct Generator {
    random: StdRng,
}

impl Generator {
    fn one_in(&mut self, n: u32) -> bool {
        self.random.random_range(0..n) == 0
    }

    fn choose<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.random.random_range(0..from.len())]
    }

    fn spec(&mut self, schema: &Value) -> Value {
        let properties = schema["properties"].as_object().unwrap();
        let members: Vec<_> =
            properties.iter().filter(|(_, below)| below["type"] == "object").map(|(name, _)| name).collect();
        let mut spec = Map::new();
        let count = if self.one_in(20) { self.random.random_range(0..3) } else { 1 };
        for _ in 0..count {
            let member = (*self.choose(&members)).clone();
            let value = self.value(&properties[&member], 3);
            spec.insert(member, value);
        }
        for name in ["zone", "name", "template", "suspend"] {
            if self.one_in(4) {
                spec.insert(name.into(), self.value(&properties[name], 12));
            }
        }
        Value::Object(spec)
    }

    /// Makes a value. Of optional fields one in `sparse` is there.
    fn value(&mut self, schema: &Value, sparse: u32) -> Value {
        if self.one_in(60) {
            return self.wrong(schema);
        }
        if let Some(known) = schema["enum"].as_array() {
            return self.choose(known).clone();
        }
        match schema["type"].as_str() {
            Some("string") => self.string(schema),
            Some("boolean") => json!(self.one_in(2)),
            Some("integer") => {
                let limit = |name: &str, or: i64| schema[name].as_f64().map_or(or, |limit| limit as i64);
                let (min, max) = (limit("minimum", 0), limit("maximum", 100));
                json!(if self.one_in(4) {
                    *self.choose(&[min, max])
                } else {
                    self.random.random_range(min..=max)
                })
            }
            Some("array") => {
                let most = schema["maxItems"].as_u64().unwrap_or(3);
                let count = if self.one_in(30) { most } else { self.random.random_range(0..3).min(most) };
                (0..count).map(|_| self.value(&schema["items"], sparse)).collect()
            }
            _ if schema["x-kubernetes-preserve-unknown-fields"] == true => self.free(3),
            _ if schema["additionalProperties"].is_object() => {
                let count = self.random.random_range(0..3);
                let one = |maker: &mut Self| {
                    let name =
                        (*maker.choose(&["-H", "a", "monday", "A", "2026-01-01", "x y", "0"])).to_owned();
                    (name, maker.value(&schema["additionalProperties"], sparse))
                };
                Value::Object((0..count).map(|_| one(self)).collect())
            }
            _ => {
                let required: Vec<_> =
                    schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                let mut fields = Map::new();
                for (name, below) in schema["properties"].as_object().into_iter().flatten() {
                    let forget = self.one_in(40);
                    if (required.contains(&name.as_str()) && !forget) || self.one_in(sparse) {
                        let value = self.value(below, sparse);
                        fields.insert(name.clone(), value);
                    }
                }
                Value::Object(fields)
            }
        }
    }

    fn string(&mut self, schema: &Value) -> Value {
        let most = schema["maxLength"].as_u64().unwrap_or(10) as usize;
        let pattern = schema["pattern"].as_str().unwrap_or_default();
        let known: &[&str] = if pattern.contains("ms|s|m|h|d") {
            &["5m", "1h30m", "90s", "0s", "999999999d", "1d1h1m1s1ms", "10ms"]
        } else if pattern.starts_with("^[0-9:, -]") {
            &["00:00-24:00", "08:00-12:00,13:00-17:30", "22:00-06:00"]
        } else if pattern.contains("vars") {
            &["host.vars.disks", "host.vars[\"a b\"]", "service.vars.x"]
        } else if pattern.contains("A-Za-z_") {
            &["disk", "_a1"]
        } else {
            &["a", "web-01", "host.vars.a == 1", "$address$", "ü b", "/bin/true", "vars.x"]
        };
        if self.one_in(30) {
            // Exactly at the limit, and in characters, not in bytes.
            return json!("ü".repeat(most));
        }
        json!(self.choose(known))
    }

    fn free(&mut self, depth: u32) -> Value {
        match self.random.random_range(0..if depth == 0 { 5 } else { 7 }) {
            0 => json!(null),
            1 => json!(self.one_in(2)),
            2 => json!(self.random.random_range(-5..5)),
            3 => json!(1.5),
            4 => json!("text"),
            5 => (0..2).map(|_| self.free(depth - 1)).collect(),
            _ => Value::Object((0..2).map(|i| (format!("k{i}"), self.free(depth - 1))).collect()),
        }
    }

    /// Makes a value that is wrong, or nearly.
    fn wrong(&mut self, schema: &Value) -> Value {
        let most = schema["maxLength"].as_u64().unwrap_or(10) as usize;
        let items = schema["maxItems"].as_u64().unwrap_or(1) as usize;
        let values = [
            json!(null),
            json!(""),
            json!("a!b"),
            json!("a\nb"),
            json!("x".repeat(most + 1)),
            json!(-1),
            json!(0),
            json!(1.5),
            json!(99_999_999_999_i64),
            json!(true),
            json!("true"),
            json!([]),
            json!({}),
            json!({ "unknown": 1 }),
            json!(vec!["a"; items + 1]),
            json!([null]),
            json!("1.5m"),
            json!(" "),
            json!("5m "),
            json!("\u{7f}"),
            json!("٣m"),
            json!(3.0),
        ];
        self.choose(&values).clone()
    }

    fn metadata(&mut self, number: usize) -> Value {
        let mut metadata = json!({ "name": format!("x{number}") });
        if self.one_in(6) {
            let labels = [
                json!({ "a": "b" }),
                json!({ "a/b": "" }),
                json!({ "A.b/c": "d" }),
                json!({ "a b": "c" }),
                json!({ "a": "-" }),
                json!({ "a": 1 }),
            ];
            metadata["labels"] = self.choose(&labels).clone();
        }
        if self.one_in(6) {
            let annotations = [
                json!({ "A.b/c": "ü\n" }),
                json!({ "/a": "" }),
                json!({ "a/b/c": "" }),
                json!({ "a": true }),
                json!(null),
            ];
            metadata["annotations"] = self.choose(&annotations).clone();
        }
        metadata
    }
}

#[tokio::test]
async fn what_render_accepts_the_api_server_accepts() {
    let mut generator = Generator { random: StdRng::seed_from_u64(seed()) };
    let schema = schema();
    let mut objects = Vec::new();
    for number in 0..DOCUMENTS {
        let mut object = super::monitoring_object("", generator.spec(&schema));
        object["metadata"] = generator.metadata(number);
        if generator.one_in(50) {
            object["more"] = json!(1);
        }
        objects.push(object);
    }
    let manifests: String = objects.iter().map(|object| format!("{object}\n")).collect();
    let (render, server) = tokio::join!(refused_by_render(&manifests), refused_by_server(&objects));
    let accepted = DOCUMENTS - server.len();
    println!("the API server accepts {accepted} of {DOCUMENTS}, render {}", DOCUMENTS - render.len());
    assert!(accepted > DOCUMENTS / 5 && server.len() > DOCUMENTS / 5, "the documents show little");
    for object in &objects {
        let name = object["metadata"]["name"].as_str().unwrap();
        if let Some(why) = server.get(name) {
            assert!(render.contains_key(name), "render accepts, and the API server refuses: {why}\n{object}");
        }
    }
}

/// Plain scalars and forms of YAML in which readers differ.
const SCALARS: [&str; 62] = [
    "y",
    "Y",
    "n",
    "N",
    "yes",
    "Yes",
    "YES",
    "no",
    "No",
    "NO",
    "on",
    "On",
    "off",
    "OFF",
    "true",
    "True",
    "TRUE",
    "false",
    "tRUE",
    "~",
    "null",
    "Null",
    "",
    "0755",
    "0o17",
    "0O17",
    "0x1F",
    "0X1f",
    "0b101",
    "0B11",
    "-0755",
    "+5",
    "-0",
    "08",
    "09.5",
    "1_000",
    "1__0",
    "_1",
    "0x_1",
    "1e3",
    "1E3",
    "1.0",
    "3.",
    ".5",
    "-.5",
    "+.5",
    "1.10",
    "1e999",
    "12:30",
    "190:20:30",
    "2001-01-01",
    "2001-12-14t21:59:43.10-05:00",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "1.7976931348623157e308",
    "0.1",
    "123456789.123",
    "1e21",
    "=",
];
/// Characters that mean something to YAML.
const EXTRA: [&str; 26] = [
    " ", "\t", "\n", ":", ": ", "#", " #", "-", "- ", "[", "]", "{", "}", ",", "&a", "*a", "!", "|", ">",
    "'", "\"", "%", "@", "`", "\\", "\r",
];
/// The same, written in more than a scalar. `@` stands for one.
const FORMS: [&str; 37] = [
    "\"@\"",
    "'@'",
    "!!str @",
    "|\n    @\n",
    ">\n    @\n    b\n\n    c\n",
    "|-\n    @\n",
    "|+\n    @\n\n",
    "[@, b]",
    "{a: @}",
    "[@ , \"b\" ]",
    "[a: @]",
    "&x @",
    "{a: &x {b: @}, c: *x}",
    "{a: &x {b: @}, c: {<<: *x, d: 1}}",
    "\n    - @\n    - - @\n",
    "\n    a: @\n    b: [@]\n",
    "@ # comment",
    "a#@",
    "\"a\\\n      b@\"",
    "'a\n\n      @'",
    "a\n      @",
    "\"\\x41\\u00fc\\t@\"",
    "\n    ? a\n    : @\n",
    "{ \"a\":@ }",
    "[ @\t, b]",
    "\t@",
    "@\t# c",
    "'it''s @'",
    "\"\\/@\"",
    "!!seq [@]",
    // As the name of an entry.
    "{@: a}",
    "{ \"@\": a }",
    "\n    @: a\n    'b': @\n",
    "\n    ? @\n    : a\n",
    // Where a tab may be one too many.
    "\n    -\n      a: @\n      b: c\n    - \n      @\n",
    "\n    a:\n      - b: @\n        c: d\n    # e\n    f: |\n      g\n\n      @\n",
    "\"a\n\n      @\n      b\" # c\n    # d",
];

#[tokio::test]
async fn yaml_is_read_as_kubectl_reads_it() {
    let mut generator = Generator { random: StdRng::seed_from_u64(seed()) };
    let mut values: Vec<String> = SCALARS.iter().map(ToString::to_string).collect();
    for _ in 0..DOCUMENTS {
        let scalar: &&str = generator.choose(&SCALARS[..]);
        let mut value = (*generator.choose(&FORMS)).replace('@', scalar);
        let more = if generator.one_in(3) { generator.random.random_range(1..3) } else { 0 };
        for _ in 0..more {
            // Somewhere a character too many.
            let at: Vec<_> = value.char_indices().map(|(at, _)| at).collect();
            let at = at.get(generator.random.random_range(0..at.len().max(1))).copied().unwrap_or(0);
            let extra: &&str = generator.choose(&EXTRA[..]);
            value.insert_str(at, extra);
        }
        values.push(value);
    }
    let document = |number: usize, value: &str| {
        format!(
            "apiVersion: groundlink.dev/v1alpha1\nkind: MonitoringObject\nmetadata:\n  name: x{number}\nspec:\n  host:\n    \
             checkCommand: dummy\n    vars:\n      v: {}\n",
            value.replace('\n', "\n    ")
        )
    };
    let texts: Vec<_> = values.iter().enumerate().map(|(number, value)| document(number, value)).collect();
    let rendered = rendered(&texts).await;
    println!("render reads {} of {}", rendered.len(), texts.len());
    assert!(rendered.len() > texts.len() / 2);
    // A document that render refuses would keep kubectl from reading the rest.
    let read: Vec<_> = rendered.keys().map(|number| texts[*number].as_str()).collect();
    let mut objects = Vec::new();
    for some in read.chunks(50) {
        let kubectl = kubectl_reads(&some.join("---\n")).await.ok().filter(|read| read.len() == some.len());
        if let Some(read) = kubectl {
            objects.extend(read);
            continue;
        }
        for text in some {
            let alone = kubectl_reads(text).await;
            let alone =
                alone.unwrap_or_else(|why| panic!("render accepts, and kubectl refuses: {why}\n{text}"));
            assert_eq!(alone.len(), 1, "render and kubectl see other documents:\n{text}");
            objects.extend(alone);
        }
    }
    let sent: Vec<_> = objects.iter().map(ToString::to_string).collect();
    let again = self::rendered(&sent).await;
    assert_eq!(sent.len(), rendered.len());
    for ((number, own), sent) in rendered.iter().zip(&sent) {
        let text = &texts[*number];
        assert_eq!(Some(own), again.get(number), "render reads this otherwise than kubectl:\n{text}\n{sent}");
    }
}

/// Returns the rendered text of each manifest, by the number in its name. What is refused is left
/// out.
async fn rendered(manifests: &[String]) -> BTreeMap<usize, String> {
    let directory = tempfile::tempdir().unwrap();
    for (number, text) in manifests.iter().enumerate() {
        std::fs::write(directory.path().join(format!("{number:06}.yaml")), text).unwrap();
    }
    let mut command = Command::new(GROUNDLINK);
    command.args(["render", "-n", "refused", "-o", "json", "-f"]).arg(directory.path());
    let output = command.output().await.unwrap();
    let told: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let published = told["published"].as_array().unwrap().iter();
    let one = |one: &Value| {
        let number = one["name"].as_str().unwrap()[1..].parse::<usize>().unwrap();
        (number, one["content"].as_str().unwrap().to_owned())
    };
    published.map(one).collect()
}

/// Returns each document, as kubectl would send it.
async fn kubectl_reads(text: &str) -> Result<Vec<Value>, String> {
    let mut command = Command::new(binary("kubectl"));
    command.args(["label", "--local", "-f", "-", "-o", "json", "--overwrite", "a=b"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let (out, err) = self::text(&output);
    if !output.status.success() {
        return Err(err);
    }
    let objects = serde_json::Deserializer::from_str(&out).into_iter::<Value>();
    Ok(objects.map(Result::unwrap).collect())
}
