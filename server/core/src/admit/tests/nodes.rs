// SPDX-License-Identifier: Apache-2.0
//! Nodes.

use super::*;

fn node(desk: &Desk, number: u128) -> Arc<Node> {
    desk.world
        .state
        .node(NodeId(number))
        .expect("it is there")
        .clone()
}

fn down(desk: &mut Desk, number: u128) {
    desk.world.apply([Write::SetNodeState {
        node: NodeId(number),
        state: NodeState::Down,
        message: "silent".into(),
    }]);
}

#[test]
fn a_node_is_renamed_to_what_is_free() {
    let mut desk = Desk::new();
    let second = node(&desk, 2);
    let named = |name: &str| NodeSpec {
        name: Name::parse(name).expect("a good name"),
        ..second.spec.as_ref().clone()
    };
    let state = desk.world.state.clone();
    let ctx = desk.ctx.clone();
    let update = |name, seen| update_node(&state, &second, named(name), seen, &ctx);
    let taken = update("NODE-3", None).expect_err("it is taken");
    assert_eq!(
        taken.to_string(),
        "there is a node \"node-3\" already; take another name, or update that one"
    );
    let same = desk.settle(update("node-2", None).expect("it is so"));
    assert_eq!(same, (Some(ObjectId::Node(NodeId(2))), false));
    let stale = update("worker", Some(Revision(1)));
    assert!(matches!(stale, Err(Rejection::SpecRevisionMismatch { .. })));
    assert!(desk.settle(update("Node-2", None).expect("its own name")).1);
    assert_eq!(node(&desk, 2).spec.name.as_str(), "Node-2");
}

#[test]
fn nodes_that_are_there_are_not_forgotten() {
    let mut desk = Desk::new();
    let state = desk.world.state.clone();
    let manager = delete_node(&state, &node(&desk, 1), true, None, &desk.ctx);
    assert!(matches!(manager, Err(Rejection::NodeIsManager { .. })));
    let ready = delete_node(&state, &node(&desk, 2), false, None, &desk.ctx);
    let refused = ready.expect_err("it is ready");
    assert!(refused.to_string().contains("is ready, not down"));
    down(&mut desk, 2);
    let state = desk.world.state.clone();
    let gone = delete_node(&state, &node(&desk, 2), false, None, &desk.ctx);
    desk.settle(gone.expect("it is down"));
    assert!(desk.world.state.node(NodeId(2)).is_none());
    let forced = delete_node(&state, &node(&desk, 3), true, None, &desk.ctx);
    assert!(desk.settle(forced.expect("it is forced")).1);
}

#[test]
fn the_tasks_of_a_forgotten_node_are_lost() {
    let mut desk = Desk::new();
    let service = desk.create(replicated("web", 3)).expect("it is free");
    let live = desk.task_on(&service, 1, NodeId(2));
    let ended = desk.task_on(&service, 2, NodeId(2));
    let elsewhere = desk.task_on(&service, 3, NodeId(3));
    desk.world.observe(ended, TaskState::Failed);
    let state = desk.world.state.clone();
    let gone = delete_node(&state, &node(&desk, 2), true, None, &desk.ctx);
    desk.settle(gone.expect("it is forced"));
    let seen = |task| {
        let task = desk.world.state.task(task).expect("it is there");
        (task.status.state, task.desired)
    };
    assert_eq!(seen(live), (TaskState::Orphaned, DesiredState::Stopped));
    assert_eq!(seen(ended), (TaskState::Failed, DesiredState::Running));
    assert_eq!(
        seen(elsewhere),
        (TaskState::Assigned, DesiredState::Running)
    );
}

#[test]
fn a_node_with_very_many_tasks_goes_in_parts() {
    let mut desk = Desk::new();
    let service = desk.create(replicated("web", 1)).expect("it is free");
    let tasks = u32::try_from(CHANGE_WRITES_MAX / 2 + 1).expect("a small number");
    for slot in 1..=tasks {
        desk.task_on(&service, slot, NodeId(2));
    }
    let mut rounds = 0;
    while desk.world.state.node(NodeId(2)).is_some() {
        let state = desk.world.state.clone();
        let part = delete_node(&state, &node(&desk, 2), true, None, &desk.ctx);
        desk.settle(part.expect("it is forced"));
        rounds += 1;
    }
    assert_eq!(rounds, 2);
    assert!(desk.world.state.tasks().all(|task| task.is_terminal()));
}

#[test]
fn a_node_joins_under_a_free_name() {
    let mut desk = Desk::new();
    let long = "x".repeat(80);
    let cases = [
        ("host", "host"),
        ("host", "host-2"),
        ("HOST", "HOST-3"),
        ("-bad name!", "bad-name"),
        ("svc_1", "node"),
        ("", "node-4"),
        (long.as_str(), &long[..63]),
        (long.as_str(), &format!("{}-2", &long[..61])),
    ];
    let template = node(&desk, 2).status.description.clone();
    for (number, (hostname, name)) in (10u128..).zip(cases) {
        let description = Arc::new(NodeDescription {
            hostname: hostname.to_owned(),
            ..template.as_ref().clone()
        });
        let id = NodeId(number);
        let join = |desk: &Desk, description: &Arc<NodeDescription>| {
            let state = &desk.world.state;
            join_node(state, id, NodeRole::Worker, description.clone(), None, None)
        };
        let writes = join(&desk, &description);
        desk.world.apply(writes);
        assert_eq!(node(&desk, number).spec.name.as_str(), name);
        assert_eq!(join(&desk, &description), []);
        down(&mut desk, number);
        let writes = join(&desk, &template);
        assert_eq!(writes.len(), 2);
        desk.world.apply(writes);
        assert_eq!(node(&desk, number).status.state, NodeState::Ready);
        assert_eq!(node(&desk, number).status.description, template);
    }
}
