// SPDX-License-Identifier: Apache-2.0
//! How a simulated task behaves, as its environment says.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::executor::ExecutorError;

/// What a simulated task does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Behaviour {
    /// `SIM_REFUSE`: it cannot be started, for this reason.
    pub(super) refuse: Option<String>,
    /// `SIM_AFTER`: it ends by itself after this long; none: only when it is stopped.
    pub(super) after: Option<Duration>,
    /// `SIM_EXIT`: with this code; 0 if it is not set.
    pub(super) exit: i32,
    /// `SIM_SIGNAL`: or by this signal.
    pub(super) signal: Option<i32>,
    /// `SIM_STOP`: it takes this long to end when it is stopped; no time if it is not set.
    pub(super) stop: Duration,
    /// `SIM_SICK`: its health checks fail, for this reason.
    pub(super) sick: Option<String>,
    /// `SIM_LOG`: a line it prints when it starts.
    pub(super) log: Option<String>,
    /// `SIM_LOG_EVERY`: and again and again after so long.
    pub(super) log_every: Option<Duration>,
}

impl Behaviour {
    /// Reads it from the environment of a task, which `workload` holds.
    ///
    /// # Errors
    /// `Refused` if a variable cannot be understood.
    pub(super) fn of(
        workload: &str,
        env: &BTreeMap<String, String>,
    ) -> Result<Self, ExecutorError> {
        let number = |key| read(workload, env, key, |text| text.parse::<i32>().ok());
        let span = |key| read(workload, env, key, parse_span);
        let (exit, signal) = (number("SIM_EXIT")?, number("SIM_SIGNAL")?);
        // A task that is told how to end ends at once unless it is told when.
        let ends = exit.is_some() || signal.is_some();
        Ok(Behaviour {
            refuse: env.get("SIM_REFUSE").cloned(),
            after: span("SIM_AFTER")?.or(ends.then_some(Duration::ZERO)),
            exit: exit.unwrap_or(0),
            signal,
            stop: span("SIM_STOP")?.unwrap_or_default(),
            sick: env.get("SIM_SICK").cloned(),
            log: env.get("SIM_LOG").cloned(),
            log_every: span("SIM_LOG_EVERY")?.filter(|every| !every.is_zero()),
        })
    }
}

fn read<T>(
    workload: &str,
    env: &BTreeMap<String, String>,
    key: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, ExecutorError> {
    let Some(text) = env.get(key) else {
        return Ok(None);
    };
    let field = format!("{workload}.env[{key:?}]");
    let problem = format!("{text:?}: give a number, or for a time such as 20ms, 5s or 1m");
    parse(text)
        .map(Some)
        .ok_or_else(|| ExecutorError::refused(field, problem))
}

/// "20ms", "5s", "1m".
fn parse_span(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let count: u64 = digits.parse().ok()?;
    match &text[digits.len()..] {
        "ms" => Some(Duration::from_millis(count)),
        "s" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_secs(count.checked_mul(60)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(env: &[(&str, &str)]) -> Result<Behaviour, String> {
        let env = env
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Behaviour::of("process", &env.collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_task_that_is_told_nothing_runs_until_it_is_stopped() {
        let behaviour = of(&[]).expect("a behaviour");
        assert_eq!((behaviour.after, behaviour.stop), (None, Duration::ZERO));
    }

    #[test]
    fn an_exit_code_alone_ends_it_at_once() {
        let behaviour = of(&[("SIM_EXIT", "3")]).expect("a behaviour");
        assert_eq!((behaviour.exit, behaviour.after), (3, Some(Duration::ZERO)));
        let behaviour = of(&[("SIM_EXIT", "3"), ("SIM_AFTER", "250ms")]).expect("a behaviour");
        assert_eq!(behaviour.after, Some(Duration::from_millis(250)));
    }

    #[test]
    fn times_have_a_unit_and_other_texts_are_refused() {
        assert_eq!(parse_span("90s"), Some(Duration::from_secs(90)));
        assert_eq!(parse_span("2m"), Some(Duration::from_secs(120)));
        for text in ["", "5", "s", "1h", "-1s", "1.5s"] {
            assert_eq!(parse_span(text), None, "{text}");
        }
        let refused = of(&[("SIM_STOP", "soon")]).expect_err("no time");
        assert!(
            refused.ends_with("(field process.env[\"SIM_STOP\"])"),
            "{refused}"
        );
    }
}
