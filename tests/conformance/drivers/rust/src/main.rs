// SPDX-License-Identifier: Apache-2.0
//! The driver of the conformance scenarios for Rust: does what the runner asks for, a line of
//! JSON each, by the public surface of the SDK alone. tests/conformance/README.md has the words.

mod edit;
mod faults;
mod json;
mod stubs;
mod wait;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use skep_sdk::{Client, Context};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::{Mutex, mpsc};

use crate::faults::Fault;
use crate::json::{Answer, broken, failure};
use crate::stubs::Bare;
use crate::watch::Watches;

/// What is open.
#[derive(Clone)]
struct Driver {
    client: Arc<Mutex<Option<Client>>>,
    watches: Watches,
    fault: Option<Fault>,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let driver = Driver {
        client: Arc::default(),
        watches: Watches::default(),
        fault: Fault::from_env(),
    };
    let (answers, mut to_write) = mpsc::unbounded_channel::<Value>();
    let writer = tokio::spawn(async move {
        let mut stdout = tokio::io::stdout();
        while let Some(answer) = to_write.recv().await {
            stdout.write_all(format!("{answer}\n").as_bytes()).await?;
            stdout.flush().await?;
        }
        std::io::Result::Ok(())
    });
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let (driver, answers) = (driver.clone(), answers.clone());
        tokio::spawn(async move {
            let order: Value = serde_json::from_str(&line).unwrap_or_default();
            let mut answer = match driver.obey(&order).await {
                Ok(ok) => json!({"ok": ok}),
                Err(error) => json!({"error": error}),
            };
            answer["id"] = order["id"].clone();
            // Nobody to write it means that the runner is gone.
            let _ = answers.send(answer);
        });
    }
    drop((driver, answers));
    writer.await?
}

impl Driver {
    async fn obey(&self, order: &Value) -> Answer {
        let op = order["op"].as_str().unwrap_or_default();
        match op {
            "connect" => return self.connect(order["host"].as_str()).await,
            "watch_next" => return self.watches.next(text(order, "watch"), within(order)).await,
            "watch_close" => return self.watches.close(text(order, "watch")).await,
            "close" => {
                self.client.lock().await.take();
                return Ok(json!({}));
            }
            _ => {}
        }
        let client = self.client.lock().await.clone();
        let client = client.ok_or_else(|| broken("connect comes first"))?;
        let (method, request) = (text(order, "method"), &order["request"]);
        match op {
            "call" => {
                let timeout = order["timeout_ms"].as_u64().map(Duration::from_millis);
                if self.fault == Some(Fault::ForgetRequestId) {
                    let bare = Bare::to(client.host())?;
                    return faults::forgetful_call(&bare, method, request, timeout).await;
                }
                stubs::call(&client, method, request, timeout).await
            }
            "stream" => {
                let max = order["max"].as_u64().and_then(|max| max.try_into().ok());
                let max = max.unwrap_or(usize::MAX);
                stubs::stream(&client, method, request, max, within(order)).await
            }
            "watch_open" => self.watches.open(&client, self.fault, order).await,
            "wait" => wait::wait(&client, order).await,
            "edit" => edit::edit(&client, order).await,
            other => Err(broken(&format!("there is no op {other:?}"))),
        }
    }

    async fn connect(&self, host: Option<&str>) -> Answer {
        let context = Context::choose(host, None).map_err(|error| failure(&error))?;
        let client = Client::connect(&context).await;
        let client = client.map_err(|error| failure(&error))?;
        *self.client.lock().await = Some(client);
        Ok(json!({}))
    }
}

fn text<'a>(order: &'a Value, key: &str) -> &'a str {
    order[key].as_str().unwrap_or_default()
}

fn within(order: &Value) -> Duration {
    Duration::from_millis(order["timeout_ms"].as_u64().unwrap_or(10_000))
}
