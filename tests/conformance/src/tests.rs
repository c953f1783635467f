// SPDX-License-Identifier: Apache-2.0
//! The set of scenarios as a whole: what it has to contain.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use skep_proto::methods::METHODS;
use skep_proto::reflect::pool;

use crate::folder;
use crate::scenario::{Action, Step, Suite};

fn suites() -> Vec<Suite> {
    Suite::read_all(&folder().join("scenarios")).unwrap()
}

fn steps(suites: &[Suite], stand_in: bool) -> impl Iterator<Item = &Step> {
    let suites = suites
        .iter()
        .filter(move |suite| suite.server.stand_in == stand_in);
    suites
        .flat_map(|suite| &suite.scenarios)
        .flat_map(|scenario| &scenario.steps)
}

/// The reasons of errors that scenarios expect.
fn reasons(suites: &[Suite], stand_in: bool) -> BTreeSet<String> {
    let errors = steps(suites, stand_in).filter_map(|step| step.error.as_ref());
    let reasons = errors.filter_map(|error| error["reason"].as_str().map(str::to_owned));
    reasons.collect()
}

#[test]
fn every_reason_is_met_or_it_is_said_why_not() {
    let suites = suites();
    let (real, played) = (reasons(&suites, false), reasons(&suites, true));
    let text = std::fs::read_to_string(folder().join("absent.yaml")).unwrap();
    let absent: BTreeMap<String, String> = serde_yaml_ng::from_str(&text).unwrap();
    let contract = pool().get_enum_by_name("skep.v1.ErrorReason").unwrap();
    let mut known = BTreeSet::new();
    for value in contract.values() {
        let reason = value.name().strip_prefix("ERROR_REASON_").unwrap();
        known.insert(reason.to_owned());
        let is_absent = absent.contains_key(reason);
        assert!(
            real.contains(reason) != is_absent,
            "{reason}: either a daemon gives it in a scenario, or absent.yaml says why not"
        );
        let is_played = played.contains(reason) || reason == "UNSPECIFIED";
        assert!(
            !is_absent || is_played,
            "{reason}: the stand-in has to give it"
        );
    }
    for reason in absent.keys() {
        assert!(
            known.contains(reason),
            "the contract has no reason {reason}"
        );
    }
}

#[test]
fn every_method_is_called() {
    let suites = suites();
    let all = steps(&suites, false).chain(steps(&suites, true));
    let called: BTreeSet<_> = all
        .filter_map(|step| match &step.action {
            Action::Call(method) => Some(method.clone()),
            Action::Stream(stream) => Some(stream.of.clone()),
            Action::Watch(_) => Some("WatchService/Watch".to_owned()),
            _ => None,
        })
        .collect();
    for method in METHODS {
        let name = method.path.trim_start_matches("/skep.v1.");
        assert!(called.contains(name), "no scenario calls {name}");
    }
}

#[test]
fn every_planted_fault_is_to_be_found() {
    let suites = suites();
    let scenarios = suites.iter().flat_map(|suite| &suite.scenarios);
    let found: BTreeSet<_> = scenarios
        .flat_map(|scenario| scenario.finds.iter())
        .inspect(|(fault, words)| assert!(!words.is_empty(), "{fault} is found by which words?"))
        .map(|(fault, _)| fault.as_str())
        .collect();
    let faults = ["drop_event", "forget_request_id", "resume_late"];
    assert_eq!(found.into_iter().collect::<Vec<_>>(), faults);
}

#[test]
fn names_are_told_apart() {
    let suites = suites();
    let mut titles = BTreeSet::new();
    for suite in &suites {
        for scenario in &suite.scenarios {
            assert!(
                titles.insert(suite.title(scenario)),
                "{:?} is twice",
                scenario.name
            );
            assert!(
                !scenario.steps.is_empty(),
                "{:?} does nothing",
                scenario.name
            );
        }
    }
}

#[test]
fn a_step_that_cannot_be_read_is_told_whole() {
    let bad = |text: &str, words: &str| {
        let step = serde_yaml_ng::from_str::<Step>(text);
        let error = step.expect_err(text).to_string();
        assert!(error.contains(words), "{error}");
    };
    bad("{call: A/B, wiht: {}}", "a step does one thing");
    bad("{fault: {link: loose}}", "unknown variant `loose`");
    bad("{until: {watch: w, within: 5}}", "no time such as 20s");
    let step: Step = serde_yaml_ng::from_str("{expect: {watch: w, resets: 1}}").unwrap();
    assert!(matches!(step.action, Action::Expect(_)));
    assert_eq!(step.with, Value::Object(serde_json::Map::new()));
}
