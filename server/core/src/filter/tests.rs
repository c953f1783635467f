// SPDX-License-Identifier: Apache-2.0
//! What filters let through.

use crate::model::*;
use crate::testing::{World, replicated};

use super::*;

fn requirement<K>(key: K, operator: Option<Operator>, values: &[&str]) -> Requirement<K> {
    Requirement {
        key,
        operator,
        values: values.iter().map(|v| (*v).to_owned()).collect(),
    }
}

#[test]
fn services_by_reference_and_mode() {
    let mut world = World::with_nodes(1);
    let id = world.create_service(replicated("Web", 1));
    let service = world.state.service(id).expect("it is there").clone();
    let by = |text: &str| ServiceFilter {
        services: vec![Reference::parse(text)],
        ..ServiceFilter::default()
    };
    assert!(by("web").matches(&service));
    assert!(by(&id.to_string()).matches(&service));
    assert!(!by("we").matches(&service));
    let mode = |value: &str| ServiceFilter {
        requirements: vec![requirement(ServiceFilterKey::Mode, None, &[value])],
        ..ServiceFilter::default()
    };
    assert!(mode("replicated").matches(&service));
    assert!(!mode("every-node").matches(&service));
}

#[test]
fn nodes_by_name_role_and_address() {
    let world = World::with_nodes(2);
    let node = world.state.node(NodeId(2)).expect("it is there");
    let by = |key: &str, operator, values: &[&str]| NodeFilter {
        requirements: vec![requirement(
            NodeFilterKey::parse(key).expect("a known key"),
            operator,
            values,
        )],
        ..NodeFilter::default()
    };
    assert!(by("name", Some(Operator::Prefix), &["node-"]).matches(node));
    assert!(by("node.ip", None, &["127.0.0.0/8"]).matches(node));
    assert!(by("node.role", Some(Operator::NotIn), &["manager"]).matches(node));
    assert!(by("labels.zone", Some(Operator::NotExists), &[]).matches(node));
    assert!(!by("labels.zone", None, &[]).matches(node));
    assert_eq!(NodeFilterKey::parse("node.zone"), None);
    let roles = NodeFilter {
        roles: vec![NodeRole::Manager],
        ..NodeFilter::default()
    };
    assert!(!roles.matches(node));
}
