// SPDX-License-Identifier: Apache-2.0
//! Settings: a flag goes before the environment, the environment before the file, the file
//! before the default.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, ValueEnum};

use crate::variables;

/// Where the file of settings is looked for unless --config says otherwise.
const DEFAULT_FILE: &str = "/etc/skep/skepd.toml";

/// What a node runs tasks with.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub(crate) enum ExecutorKind {
    /// Containers of a Docker engine.
    Docker,
    /// Programs on the node itself.
    Process,
    /// Nothing: tasks only seem to run. For trying out thousands of them. It stands alone.
    Simulated,
}

/// How log lines are written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// skepd, the daemon of skep: it runs on every node of a swarm, keeps the swarm's state and runs
/// its tasks.
///
/// To try it out, nothing else is needed:
///
///     skepd --dev --nodes 3
///
/// That is a swarm of three nodes in one process, at 127.0.0.1, 127.0.0.2 and 127.0.0.3; it ends
/// its tasks and leaves nothing behind when it is stopped. In another terminal:
///
///     skep -H http://127.0.0.1:2378 node ls
///
/// Without --dev the daemon waits for `skep swarm init`.
///
/// SIGTERM and SIGINT stop it, with exit code 0. A second one ends it at once, with exit code 143
/// or 130: tasks may run on then, and a temporary directory stays.
#[derive(Clone, Parser, Debug)]
#[command(name = "skepd", version, verbatim_doc_comment, max_term_width = 100)]
pub(crate) struct Config {
    /// File of settings, in TOML: its keys are the names of the flags below. Default:
    /// /etc/skep/skepd.toml, if it is there.
    #[arg(long, env = "SKEPD_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Directory of everything that is kept. Default: /var/lib/skep as root, else
    /// ~/.local/share/skep.
    #[arg(long, env = "SKEPD_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Unix socket that the API is served on, for the callers its permissions let in. Default:
    /// skep.sock in the data directory if that is given, else /run/skep/skep.sock as root, else
    /// $XDG_RUNTIME_DIR/skep/skep.sock.
    #[arg(long, env = "SKEPD_SOCKET", value_name = "PATH")]
    pub socket: Option<PathBuf>,

    /// Start a swarm right away, with the API in plain text on a loopback address too. Unless
    /// --data-dir is given, everything is kept in a temporary directory, tasks end with the
    /// daemon, and nothing is left behind.
    #[arg(long, env = "SKEPD_DEV")]
    pub dev: bool,

    /// With --dev: how many nodes this one process is. They share what the machine has evenly;
    /// with --executor simulated each has all of it.
    #[arg(long, env = "SKEPD_NODES", value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub nodes: u32,

    /// Address of this node, which published ports bind on. With --nodes the others take the
    /// addresses that follow. Default: with --dev 127.0.0.1, else all addresses.
    #[arg(long, env = "SKEPD_NODE_ADDR", value_name = "IP")]
    pub node_addr: Option<IpAddr>,

    /// Name of this node. Default: the host name.
    #[arg(long, env = "SKEPD_NODE_NAME", value_name = "NAME")]
    pub node_name: Option<String>,

    /// Loopback address to serve the API on in plain text, to callers who may do everything.
    /// Default: with --dev 127.0.0.1:2378, else none. Port 0 takes a free one, see ready.json in
    /// the data directory.
    #[arg(long, env = "SKEPD_DEV_ADDR", value_name = "IP:PORT")]
    pub dev_addr: Option<SocketAddr>,

    /// Address to serve metrics on, for Prometheus, such as 127.0.0.1:9377. Default: none.
    #[arg(long, env = "SKEPD_METRICS_ADDR", value_name = "IP:PORT")]
    pub metrics_addr: Option<SocketAddr>,

    /// What this node runs tasks with: one kind, or several with commas between them. Tasks of
    /// processes run as the user that the daemon runs as, unless their spec names another.
    /// Default: docker where an engine answers, and with --dev process too.
    #[arg(
        long,
        env = "SKEPD_EXECUTOR",
        value_name = "KIND",
        value_delimiter = ','
    )]
    pub executor: Vec<ExecutorKind>,

    /// Where the Docker engine is: unix:///path/of/socket or tcp://host:port. Who may use the
    /// engine may do everything on its machine. Default: $DOCKER_HOST, else
    /// unix:///var/run/docker.sock.
    #[arg(long, env = "SKEPD_DOCKER_HOST", value_name = "URL")]
    pub docker_host: Option<String>,

    /// File with credentials for registries, as "docker login" writes it. It is read for every
    /// pull. Default: ~/.docker/config.json of the user that the daemon runs as.
    #[arg(long, env = "SKEPD_REGISTRY_CONFIG", value_name = "FILE")]
    pub registry_config: Option<PathBuf>,

    /// Most watches that are served at a time.
    #[arg(
        long,
        env = "SKEPD_WATCHES_MAX",
        value_name = "N",
        default_value_t = 10_000
    )]
    pub watches_max: usize,

    /// What is logged: error, warn, info, debug or trace, also by room, such as
    /// "info,skep_store=debug".
    #[arg(
        long,
        env = "SKEPD_LOG_LEVEL",
        value_name = "LEVEL",
        default_value = "info"
    )]
    pub log_level: String,

    /// How log lines are written.
    #[arg(
        long,
        env = "SKEPD_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,
}

impl Config {
    /// The settings of this call of the program, or what is wrong with them. Ends the program
    /// where clap would: for --help, --version and misuse.
    ///
    /// # Errors
    /// If the file of settings cannot be read, or settings do not fit together.
    pub(crate) fn load(arguments: Vec<OsString>) -> Result<Config> {
        let matches = Self::command().try_get_matches_from(&arguments);
        let matches = matches.unwrap_or_else(|error| variables::explain(error, &arguments).exit());
        let named = matches.get_one::<PathBuf>("config").cloned();
        let settings = match &named {
            Some(file) => settings_of(file)?,
            None if Path::new(DEFAULT_FILE).exists() => settings_of(Path::new(DEFAULT_FILE))?,
            None => toml::Table::new(),
        };
        let file = named.unwrap_or_else(|| DEFAULT_FILE.into());
        let more = flags_from(&settings, &matches)
            .with_context(|| format!("the file of settings {} is wrong", file.display()))?;
        let matches = Self::command().try_get_matches_from(arguments.into_iter().chain(more));
        let matches = matches.unwrap_or_else(|error| error.exit());
        let config = Config::from_arg_matches(&matches)?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        if self.nodes > 1 && !self.dev {
            bail!("--nodes is for --dev: outside of it each node is a daemon of its own");
        }
        if self.executor.len() > 1 && self.executor.contains(&ExecutorKind::Simulated) {
            bail!("--executor simulated stands alone: with it no task really runs");
        }
        if let Some(address) = self.dev_addr
            && !address.ip().is_loopback()
        {
            bail!(
                "--dev-addr {address} is not a loopback address: whoever can connect there may do \
                 everything, so it must be one such as 127.0.0.1:2378"
            );
        }
        Ok(())
    }
}

fn settings_of(file: &Path) -> Result<toml::Table> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the file of settings {}", file.display()))?;
    text.parse()
        .with_context(|| format!("the file of settings {} is not TOML", file.display()))
}

/// The settings of the file as flags, less those that a flag or the environment sets.
fn flags_from(settings: &toml::Table, matches: &ArgMatches) -> Result<Vec<OsString>> {
    let command = Config::command();
    let mut flags = Vec::new();
    for (key, value) in settings {
        let known = command
            .get_arguments()
            .find(|argument| argument.get_long() == Some(key.as_str()) && key != "config");
        let Some(argument) = known else {
            let names: Vec<_> = command
                .get_arguments()
                .filter_map(|a| a.get_long())
                .filter(|n| *n != "config")
                .collect();
            bail!(
                "there is no setting \"{key}\"; there are: {}",
                names.join(", ")
            );
        };
        let source = matches.value_source(argument.get_id().as_str());
        if matches!(
            source,
            Some(ValueSource::CommandLine | ValueSource::EnvVariable)
        ) {
            continue;
        }
        match value {
            toml::Value::Boolean(true) => flags.push(format!("--{key}").into()),
            toml::Value::Boolean(false) => {}
            toml::Value::String(text) => flags.push(format!("--{key}={text}").into()),
            toml::Value::Integer(number) => flags.push(format!("--{key}={number}").into()),
            _ => bail!("the setting \"{key}\" is not a text, a number, true or false"),
        }
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(text: &str, arguments: &[&str]) -> Result<Vec<OsString>> {
        let all = std::iter::once(&"skepd").chain(arguments);
        let matches = Config::command()
            .try_get_matches_from(all)
            .expect("good flags");
        flags_from(&text.parse().expect("good TOML"), &matches)
    }

    #[test]
    fn a_flag_goes_before_the_file() {
        let text = "dev = true\nnodes = 3\nlog-level = \"debug\"";
        assert_eq!(
            flags(text, &["--nodes", "5"]).expect("good"),
            ["--dev", "--log-level=debug"]
        );
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        let error = flags("node = 3", &[]).expect_err("bad").to_string();
        assert!(
            error.starts_with("there is no setting \"node\"; there are: data-dir,"),
            "{error}"
        );
    }

    #[test]
    fn settings_that_do_not_fit_together_are_refused() {
        let config = |arguments: &[&str]| {
            Config::try_parse_from(std::iter::once(&"skepd").chain(arguments)).expect("good flags")
        };
        assert!(config(&["--nodes", "3"]).check().is_err());
        assert!(config(&["--dev-addr", "10.0.0.1:2378"]).check().is_err());
        let both = config(&["--executor", "docker,process"]);
        assert_eq!(both.executor, [ExecutorKind::Docker, ExecutorKind::Process]);
        assert!(both.check().is_ok());
        assert!(config(&["--executor", "docker,simulated"]).check().is_err());
        assert!(
            config(&["--dev", "--nodes", "3", "--dev-addr", "127.0.0.1:0"])
                .check()
                .is_ok()
        );
    }
}
