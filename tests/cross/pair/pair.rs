//! One half of a pair: serves tools until its input ends (`pair serve URL`), or calls them (`pair call URL`).

#![allow(clippy::print_stdout, reason = "what it says is for the test that runs it")]

use std::fmt::Write;
use std::io::BufRead;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use stargazer_core::envelope::{Attachment, Map, Value};
use stargazer_core::rpc::{CallOptions, Cancel, Failure};
use stargazer_core::tools::{Tool, ToolContext};
use stargazer_core::{Bus, Error, Result, Role};
use tokio::sync::mpsc;

#[derive(Deserialize, JsonSchema)]
struct Text {
    text: String,
}

#[derive(Deserialize, JsonSchema)]
struct City {
    city: String,
}

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

/// One line for the test.
fn say(what: &str, value: &serde_json::Value) {
    println!("{}", &json!([what, value]));
}

fn data() -> Vec<u8> {
    (0..=255).cycle().take(76_800).collect()
}

fn tools() -> [Tool; 4] {
    [
        Tool::from_fn("echo", async |Text { text }| Ok::<_, Failure>(text)),
        Tool::from_fn("fail", async |City { city }| {
            Err::<(), _>(Failure::new("no_city", "no such city").with_details(Map::from([("city", city)])))
        }),
        Tool::from_fn_with("draw", async |Nothing {}, context: ToolContext| {
            context.sent_file(&Attachment::new(data(), "image/png", "p.png"));
            Ok::<_, Failure>("sent")
        }),
        Tool::from_fn_with("endless", async |Nothing {}, context: ToolContext| {
            say("began", &json!(null));
            say("ended", &json!(context.cancel().cancelled().await.as_str()));
            Ok::<_, Failure>(())
        }),
    ]
}

/// The lines of the input, until its end.
fn lines() -> mpsc::UnboundedReceiver<String> {
    let (tell, told) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(std::result::Result::ok) {
            if tell.send(line).is_err() {
                break;
            }
        }
    });
    told
}

async fn serve(bus: &Bus) -> Result<()> {
    let service = bus.serve_tools(tools()).await?;
    say("ready", &json!(null));
    let mut lines = lines();
    while lines.recv().await.is_some() {}
    service.close().await
}

async fn call(bus: &Bus) -> Result<()> {
    let registry = bus.tool_registry().await?;
    let names: Vec<_> = registry.definitions().iter().map(|tool| tool.name.clone()).collect();
    say("offered", &json!(names));
    let text = |text: &str| Map::from([("text", text)]);
    let answer = registry.call("echo", text("Ünï"), CallOptions::default()).await?;
    say("registry", &json!(answer.decode::<String>()?));
    let answer = bus.call_with("echo", text("Berlin"), CallOptions::default()).await?;
    say("ok", &json!(answer.decode::<String>()?));
    let city = Map::from([("city", "Xanadu")]);
    if let Err(error) = bus.call_with("fail", city, CallOptions::default()).await {
        let failure = Failure::of(&error).cloned().ok_or(error)?;
        say("failed", &json!([failure.code, failure.message, { "city": failure.details.text("city") }]));
    }
    let answer = bus.call_with("draw", Map::new(), CallOptions::default()).await?;
    let file = answer.writeback.get("sent_files").and_then(Value::as_list).and_then(<[_]>::first);
    let of = |name| file.and_then(|file| file.get(name)).ok_or_else(|| Error::internal("there is no such file"));
    let hash = ring::digest::digest(&ring::digest::SHA256, of("data")?.as_bytes().map_or(&[][..], |bytes| bytes));
    let mut hex = String::new();
    for byte in hash.as_ref() {
        // Writing to a text cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    say("bytes", &json!([answer.decode::<String>()?, of("filename")?.as_str(), hex]));
    let (cancel, mut lines) = (Cancel::new(), lines());
    let options = CallOptions::default().with_cancel(cancel.clone());
    let (ended, ()) = tokio::join!(bus.call_with("endless", Map::new(), options), async {
        lines.recv().await;
        cancel.cancel();
    });
    if let Err(error) = ended {
        say(error.code(), &json!(null));
    }
    lines.recv().await;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let role = arguments.next().unwrap_or_default();
    let bus = Bus::connect(arguments.next().unwrap_or_default()).role(Role::Tools).await?;
    if role == "serve" {
        serve(&bus).await?;
    } else {
        call(&bus).await?;
    }
    bus.close().await
}
