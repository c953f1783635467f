// SPDX-License-Identifier: Apache-2.0
//! Scenarios as they are written: the README has the words.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value, json};

/// A file of scenarios, which share a server and a driver and run one after the other.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Suite {
    /// The file's name.
    #[serde(skip)]
    pub(crate) name: String,
    /// What it is about.
    #[serde(rename = "about")]
    pub(crate) _about: String,
    #[serde(default)]
    pub(crate) server: Server,
    /// It takes long, so it begins first.
    #[serde(default)]
    pub(crate) long: bool,
    pub(crate) scenarios: Vec<Scenario>,
}

/// What the driver talks to.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Server {
    /// Not a daemon but the stand-in, which answers what a scenario tells it.
    pub(crate) stand_in: bool,
    /// Flags of the daemon.
    pub(crate) flags: Vec<String>,
    /// The driver goes to the daemon's socket and not through the link that can be cut.
    pub(crate) by_socket: bool,
}

/// One scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// The planted faults that it finds, and what its failure then says.
    #[serde(default)]
    pub(crate) finds: BTreeMap<String, String>,
    pub(crate) steps: Vec<Step>,
}

/// One step: what is done, and what has to come of it.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) action: Action,
    /// The request.
    pub(crate) with: Value,
    /// The runner itself calls, not the driver.
    pub(crate) by_runner: bool,
    /// Names, and the paths of what is saved under them.
    pub(crate) save: BTreeMap<String, String>,
    pub(crate) expect: Option<Value>,
    pub(crate) error: Option<Value>,
    /// Goes on in the background under this name.
    pub(crate) background: Option<String>,
    /// Repeated until it is as expected, for so long.
    pub(crate) within: Option<Duration>,
    /// Done so often, with $i from 1.
    pub(crate) repeat: u32,
    /// The deadline of the call itself.
    pub(crate) timeout: Option<Duration>,
}

/// What is done.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    Call(String),
    Stream(Stream),
    Watch(Watch),
    Until(Until),
    Expect(Verdict),
    Unwatch(String),
    Wait(Wait),
    Edit(Edit),
    Join(String),
    Traffic(Traffic),
    Fault(Fault),
    Connect(Value),
    Answers(BTreeMap<String, Vec<Value>>),
    Requests(Requests),
}

/// Paths of the spec and what they are set to.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edit {
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) name: Value,
    pub(crate) set: Value,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stream {
    pub(crate) of: String,
    pub(crate) max: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Watch {
    #[serde(rename = "as")]
    pub(crate) name: String,
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) filter: Option<Value>,
    #[serde(default)]
    pub(crate) from_revision: Option<Value>,
}

/// Reads events of a watch until all that is set here holds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Until {
    pub(crate) watch: String,
    /// So many objects that the watch shows are like this.
    #[serde(default)]
    pub(crate) count: Option<Count>,
    /// An event like this comes.
    #[serde(default)]
    pub(crate) event: Option<Value>,
    /// It is complete through this revision.
    #[serde(default)]
    pub(crate) revision: Option<Value>,
    /// It was told so often to begin anew.
    #[serde(default)]
    pub(crate) resets: Option<usize>,
    #[serde(deserialize_with = "span")]
    pub(crate) within: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Count {
    pub(crate) of: Value,
    pub(crate) is: usize,
}

/// What a watch has told so far is judged. That it is ordered and tells nothing twice is looked
/// at with every event.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verdict {
    pub(crate) watch: String,
    #[serde(default)]
    pub(crate) resets: Option<usize>,
    /// The same as one watch that was never disturbed, and as a listing.
    #[serde(default)]
    pub(crate) same_as_oracle: bool,
    /// Types of the events that came, in order, without progress.
    #[serde(default)]
    pub(crate) types: Option<Value>,
    /// How often there was progress, at least.
    #[serde(default)]
    pub(crate) progress_min: Option<usize>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wait {
    pub(crate) service: Value,
    #[serde(deserialize_with = "span")]
    pub(crate) timeout: Duration,
    #[serde(deserialize_with = "span")]
    pub(crate) stable_for: Duration,
}

/// The runner calls again and again in the background.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Traffic {
    pub(crate) call: String,
    pub(crate) times: u32,
    #[serde(deserialize_with = "span")]
    pub(crate) every: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// kill -9.
    Kill(Daemon),
    /// Starts it again, at the same address and with the same data.
    Start(Daemon),
    /// Another daemon takes its place, which knows nothing.
    Replace(Daemon),
    Pause(Daemon),
    Cont(Daemon),
    /// The link between driver and daemon.
    Link(Link),
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Daemon {
    Daemon,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Link {
    /// Everything passes.
    Whole,
    /// Open connections end, new ones are closed at once.
    Cut,
    /// Open connections end.
    Broken,
    /// The next connection over which the daemon answers ends instead of the answer.
    LosesAnswer,
    /// What the daemon sends is swallowed, and that it went away too.
    Silent,
}

/// What the stand-in was asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Requests {
    pub(crate) of: String,
    /// The path of what all of them have in common.
    #[serde(default)]
    pub(crate) same: Option<String>,
}

impl Suite {
    /// The full name of a scenario.
    pub(crate) fn title(&self, scenario: &Scenario) -> String {
        format!("{}: {}", self.name, scenario.name)
    }

    /// Reads all files of a directory, by name.
    pub(crate) fn read_all(folder: &Path) -> Result<Vec<Suite>> {
        let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
        let mut suites = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let text = std::fs::read_to_string(&path)?;
            let suite = serde_yaml_ng::from_str(&text);
            let mut suite: Suite = suite.with_context(|| path.display().to_string())?;
            let name = path.file_stem().unwrap_or_default();
            suite.name = name.to_string_lossy().into_owned();
            suites.push(suite);
        }
        suites.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(suites)
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let step = Map::deserialize(deserializer)?;
        let text = Value::Object(step.clone()).to_string();
        Step::new(step).map_err(|error| de::Error::custom(format!("{error:#} in {text}")))
    }
}

impl Step {
    fn new(mut step: Map<String, Value>) -> Result<Self> {
        let mut take = |key: &str| step.remove(key);
        let (with, by, save) = (take("with"), take("by"), take("save"));
        let (error, background) = (take("error"), take("as"));
        let (within, repeat, timeout) = (take("within"), take("repeat"), take("timeout"));
        // Expecting something of a watch is a step of its own.
        let is_verdict = step.get("expect").is_some_and(|e| e.get("watch").is_some());
        let expect = if is_verdict {
            None
        } else {
            step.remove("expect")
        };
        if step.len() != 1 {
            let keys: Vec<_> = step.keys().collect();
            bail!("a step does one thing, not {keys:?}");
        }
        let by_runner = match by.as_ref().and_then(Value::as_str) {
            None if by.is_none() => false,
            Some("runner") => true,
            _ => bail!("a call is made by the driver or, with by: runner, by the runner"),
        };
        let save: Option<BTreeMap<String, String>> = read(save)?;
        let spans = [within, timeout].map(|span| span.as_ref().map(parse_span).transpose());
        let [within, timeout] = spans;
        Ok(Step {
            action: serde_json::from_value(Value::Object(step))?,
            with: with.unwrap_or_else(|| json!({})),
            by_runner,
            save: save.unwrap_or_default(),
            expect,
            error,
            background: read(background)?,
            within: within?,
            repeat: read(repeat)?.unwrap_or(1),
            timeout: timeout?,
        })
    }
}

fn read<T: de::DeserializeOwned>(value: Option<Value>) -> Result<Option<T>> {
    Ok(value.map(serde_json::from_value).transpose()?)
}

fn parse_span(value: &Value) -> Result<Duration> {
    let text = value.as_str().unwrap_or_default();
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number = || {
        number
            .parse()
            .map_err(|_| anyhow!("{value} is no time such as 20s"))
    };
    match unit {
        "s" => Ok(Duration::from_secs(number()?)),
        "ms" => Ok(Duration::from_millis(number()?)),
        _ => bail!("{value} is no time such as 20s or 500ms"),
    }
}

fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_span(&Value::deserialize(deserializer)?).map_err(de::Error::custom)
}
