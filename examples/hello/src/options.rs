// SPDX-License-Identifier: Apache-2.0
//! The command line.

use std::time::Duration;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
A small server that says who it is, to try an orchestrator with.

Usage: skep-hello [OPTIONS]

  --udp                 also echo UDP, on the HTTP port's number
  --udp=TARGET          also echo UDP, on the port in SKEP_PORT_<TARGET>
  --exit-after=DURATION exit by itself after this time, such as 500ms, 3s, 1m
  --exit-code=N         exit status for --exit-after, 0 to 255 (default 0)
  --ignore-sigterm      carry on at SIGTERM, so that only SIGKILL ends it
  --eat-memory=BYTES    take and touch this much memory, such as 1000, 64K, 256M, 1G
  --unhealthy           answer 503 on /healthz
  --check               ask the server that runs beside it for /healthz, and exit with 0 if it is
                        well: for the health check of an image
  --print-every=DURATION write a numbered line to standard output this often
  --help                this text

A value may also follow its option after a space (--udp's only after '=').

HTTP answers: / (text, or JSON if 'Accept: application/json'), /json, /task (the task's id
alone), /healthz. UDP answers: who it is, a space, and what was sent.

Environment: SKEP_ADDR (address to bind, default 0.0.0.0), PORT (default 8080; 0: a free one,
named in the first line of output); SKEP_TASK_ID, SKEP_TASK_NAME, SKEP_SERVICE_NAME,
SKEP_NODE_NAME, SKEP_SLOT, GREETING and VERSION appear in the answers.
";

/// Which port UDP is echoed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UdpPort {
    /// The number that HTTP has.
    SameAsHttp,
    /// The one the agent opened for this target port.
    Target(u16),
}

impl UdpPort {
    /// The number to bind.
    ///
    /// # Errors
    /// If the target's variable is missing or holds no port.
    pub(crate) fn port(
        self,
        http: u16,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<u16, String> {
        let UdpPort::Target(target) = self else {
            return Ok(http);
        };
        let name = format!("SKEP_PORT_{target}");
        let value = env(&name).ok_or_else(|| format!("--udp={target}: {name} is not set"))?;
        value
            .parse()
            .map_err(|_| format!("{name}: {value:?} is not a port number"))
    }
}

/// What to do besides answering who one is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) udp: Option<UdpPort>,
    pub(crate) exit_after: Option<Duration>,
    pub(crate) exit_code: u8,
    pub(crate) ignore_sigterm: bool,
    pub(crate) eat_memory: Option<usize>,
    pub(crate) healthy: bool,
    pub(crate) check: bool,
    pub(crate) print_every: Option<Duration>,
}

impl Options {
    /// Reads the arguments that follow the program's name; nothing if help is asked for.
    ///
    /// # Errors
    /// In words that name the option and what it takes.
    pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
        let mut options = Options {
            udp: None,
            exit_after: None,
            exit_code: 0,
            ignore_sigterm: false,
            eat_memory: None,
            healthy: true,
            check: false,
            print_every: None,
        };
        let mut args = args;
        while let Some(arg) = args.next() {
            let (name, attached) = match arg.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (arg, None),
            };
            match (name.as_str(), attached) {
                ("--help" | "-h", None) => return Ok(None),
                ("--ignore-sigterm", None) => options.ignore_sigterm = true,
                ("--unhealthy", None) => options.healthy = false,
                ("--check", None) => options.check = true,
                ("--udp", None) => options.udp = Some(UdpPort::SameAsHttp),
                ("--udp", Some(target)) => {
                    let target = number(&name, &target)?;
                    options.udp = Some(UdpPort::Target(target));
                }
                ("--exit-after" | "--exit-code" | "--eat-memory" | "--print-every", attached) => {
                    let value = attached
                        .or_else(|| args.next())
                        .ok_or_else(|| format!("{name} needs a value"))?;
                    options.set(&name, &value)?;
                }
                ("--help" | "-h" | "--ignore-sigterm" | "--unhealthy" | "--check", Some(_)) => {
                    return Err(format!("{name} takes no value"));
                }
                _ => return Err(format!("unknown option {name}")),
            }
        }
        Ok(Some(options))
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "--exit-after" => self.exit_after = Some(duration(name, value)?),
            "--exit-code" => self.exit_code = number(name, value)?,
            "--eat-memory" => self.eat_memory = Some(bytes(name, value)?),
            _ => self.print_every = Some(duration(name, value)?),
        }
        Ok(())
    }
}

fn number<N: std::str::FromStr>(name: &str, value: &str) -> Result<N, String> {
    value
        .parse()
        .map_err(|_| format!("{name}: {value:?} is not a number it takes"))
}

/// Splits "64M" into the number and its unit.
fn split_unit(value: &str) -> (Option<u64>, &str) {
    let digits = value
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(value.len());
    (value[..digits].parse().ok(), &value[digits..])
}

fn duration(name: &str, value: &str) -> Result<Duration, String> {
    let parsed = match split_unit(value) {
        (Some(n), "ms") => Some(Duration::from_millis(n)),
        (Some(n), "s") => Some(Duration::from_secs(n)),
        (Some(n), "m") => n.checked_mul(60).map(Duration::from_secs),
        _ => None,
    };
    parsed.ok_or_else(|| format!("{name}: {value:?} is not a duration such as 500ms, 3s or 1m"))
}

fn bytes(name: &str, value: &str) -> Result<usize, String> {
    let (count, unit) = split_unit(value);
    let shift = match unit {
        "" => Some(0),
        "K" => Some(10),
        "M" => Some(20),
        "G" => Some(30),
        _ => None,
    };
    count
        .zip(shift)
        .and_then(|(count, shift)| count.checked_mul(1 << shift))
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| format!("{name}: {value:?} is not a size such as 1000, 64K, 256M or 1G"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Option<Options>, String> {
        Options::parse(args.iter().map(|arg| (*arg).to_owned()))
    }

    #[test]
    fn every_option_is_read() {
        let options = parse(&[
            "--udp=53",
            "--exit-after",
            "1500ms",
            "--exit-code=3",
            "--ignore-sigterm",
            "--eat-memory=64M",
            "--unhealthy",
            "--check",
            "--print-every",
            "2m",
        ]);
        let expected = Options {
            udp: Some(UdpPort::Target(53)),
            exit_after: Some(Duration::from_millis(1500)),
            exit_code: 3,
            ignore_sigterm: true,
            eat_memory: Some(64 << 20),
            healthy: false,
            check: true,
            print_every: Some(Duration::from_secs(120)),
        };
        assert_eq!(options, Ok(Some(expected)));
    }

    #[test]
    fn wrong_words_are_refused_by_name() {
        for (args, word) in [
            (&["--wat"][..], "unknown option --wat"),
            (&["--exit-after"], "needs a value"),
            (&["--exit-after=3"], "is not a duration"),
            (&["--exit-after=s"], "is not a duration"),
            (&["--exit-code=256"], "--exit-code"),
            (&["--eat-memory=1T"], "is not a size"),
            (&["--eat-memory=99999999999G"], "is not a size"),
            (&["--unhealthy=yes"], "takes no value"),
            (&["--udp=http"], "--udp"),
        ] {
            let error = parse(args).expect_err("refused");
            assert!(error.contains(word), "{args:?}: {error}");
        }
    }

    #[test]
    fn help_is_no_error() {
        assert_eq!(parse(&["--unhealthy", "--help"]), Ok(None));
    }

    #[test]
    fn udp_takes_the_port_the_agent_opened() {
        let env = |name: &str| (name == "SKEP_PORT_53").then(|| "20007".to_owned());
        assert_eq!(UdpPort::SameAsHttp.port(8080, &env), Ok(8080));
        assert_eq!(UdpPort::Target(53).port(8080, &env), Ok(20007));
        assert!(UdpPort::Target(54).port(8080, &env).is_err());
    }
}
