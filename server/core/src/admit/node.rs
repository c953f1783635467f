// SPDX-License-Identifier: Apache-2.0
//! Nodes that join, change and are forgotten.

use std::sync::Arc;

use crate::model::{
    Availability, DesiredState, NAME_LENGTH_MAX, NODE_LOST, Name, Node, NodeDescription, NodeId,
    NodeRole, NodeSpec, NodeState, ObjectId, Revision, Task, TaskState,
};
use crate::state::{CHANGE_WRITES_MAX, Change, Found, Observation, Precondition, State, Write};

use super::find::check_spec_revision;
use super::{Admitted, Context, Rejection};

/// Gives a node another spec; an equal one changes nothing.
///
/// # Errors
/// If `if_spec_revision` is not the present one, or another node has the name.
pub fn update_node(
    state: &State,
    node: &Node,
    spec: NodeSpec,
    if_spec_revision: Option<Revision>,
    ctx: &Context,
) -> Result<Admitted, Rejection> {
    let id = node.meta.id;
    check_spec_revision(if_spec_revision, node.meta.spec_revision)?;
    if *node.spec == spec {
        return Ok(Admitted::AlreadySo(Some(ObjectId::Node(id))));
    }
    if let Found::One(known) = state.find_node(spec.name.as_str())
        && known.meta.id != id
    {
        return Err(Rejection::NameTaken {
            name: known.spec.name.clone(),
            id: ObjectId::Node(known.meta.id),
            deleting: false,
        });
    }
    let write = Write::PutNodeSpec {
        node: id,
        spec: Arc::new(spec),
    };
    Ok(ctx.change(ObjectId::Node(id), vec![unchanged(node)], vec![write]))
}

/// Forgets a node; its tasks are lost with it and replaced elsewhere.
///
/// # Errors
/// If it is a manager, not down (unless `force`), or `if_spec_revision` is not the present one.
pub fn delete_node(
    state: &State,
    node: &Node,
    force: bool,
    if_spec_revision: Option<Revision>,
    ctx: &Context,
) -> Result<Admitted, Rejection> {
    let id = node.meta.id;
    check_spec_revision(if_spec_revision, node.meta.spec_revision)?;
    let name = || node.spec.name.clone();
    if node.status.role == NodeRole::Manager {
        return Err(Rejection::NodeIsManager { name: name() });
    }
    if node.status.state != NodeState::Down && !force {
        return Err(Rejection::NodeNotDown {
            name: name(),
            state: node.status.state,
        });
    }
    let live = state.node_tasks(id).filter(|task| !task.is_terminal());
    let mut writes: Vec<Write> = live.flat_map(|task| lose(task, node, ctx)).collect();
    if writes.len() >= CHANGE_WRITES_MAX {
        writes.truncate(CHANGE_WRITES_MAX);
        return Ok(Admitted::Part(Change {
            preconditions: vec![unchanged(node)],
            writes,
            time: ctx.now,
            caller: ctx.caller.clone(),
            request: None,
        }));
    }
    writes.push(Write::DeleteNode { node: id });
    Ok(ctx.change(ObjectId::Node(id), vec![unchanged(node)], writes))
}

/// A task whose node is forgotten: it is not wanted back, so its loss is no failure that its
/// service has to wait after.
fn lose(task: &Arc<Task>, node: &Node, ctx: &Context) -> [Write; 2] {
    let message = format!("node \"{}\" was deleted", node.spec.name);
    let observation = Observation::of(TaskState::Orphaned, ctx.now).because(NODE_LOST, message);
    [
        Write::SetDesired {
            task: task.meta.id,
            desired: DesiredState::Stopped,
        },
        Write::ObserveTask {
            task: task.meta.id,
            observation,
        },
    ]
}

/// That the node is there and has the spec that was looked at.
fn unchanged(node: &Node) -> Precondition {
    Precondition::SpecRevision(ObjectId::Node(node.meta.id), node.meta.spec_revision)
}

/// What is to be written when a node opens a session: it is created if it is new, else it is
/// ready again, with what its agent says of it now. `name` and `availability` are for a new one.
#[must_use]
pub fn join_node(
    state: &State,
    id: NodeId,
    role: NodeRole,
    description: Arc<NodeDescription>,
    name: Option<Name>,
    availability: Option<Availability>,
) -> Vec<Write> {
    let Some(known) = state.node(id) else {
        let wanted = name
            .as_ref()
            .map_or(description.hostname.as_str(), Name::as_str);
        let spec = NodeSpec {
            name: free_node_name(state, wanted),
            labels: Arc::default(),
            availability,
        };
        return vec![Write::CreateNode {
            id,
            spec: Arc::new(spec),
            role,
            description,
        }];
    };
    let mut writes = Vec::new();
    if known.status.description != description {
        let node = id;
        writes.push(Write::DescribeNode { node, description });
    }
    if known.status.state != NodeState::Ready {
        writes.push(Write::SetNodeState {
            node: id,
            state: NodeState::Ready,
            message: "".into(),
        });
    }
    writes
}

/// A name that no node has yet, like `wanted`, which is a host name mostly: what names may not
/// have becomes "-", it is cut to fit, and a number follows if it is taken.
#[must_use]
pub fn free_node_name(state: &State, wanted: &str) -> Name {
    let base = name_like(wanted);
    let free = |name: &Name| !matches!(state.find_node(name.as_str()), Found::One(_));
    if let Some(name) = Name::parse(&base).ok().filter(free) {
        return name;
    }
    (2..=state.node_count() + 2)
        .filter_map(|number| {
            let end = format!("-{number}");
            let room = NAME_LENGTH_MAX - end.len();
            let text = format!("{}{end}", &base[..base.len().min(room)]);
            Name::parse(&text).ok()
        })
        .find(free)
        .expect("more numbers are tried than there are nodes")
}

fn name_like(wanted: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric();
    let text: String = wanted
        .chars()
        .map(|c| {
            if plain(c) || matches!(c, '.' | '_' | '-') {
                c
            } else {
                '-'
            }
        })
        .take(NAME_LENGTH_MAX)
        .collect();
    let text = text.trim_matches(|c| !plain(c));
    match Name::parse(text) {
        Ok(_) => text.to_owned(),
        Err(_) => "node".to_owned(),
    }
}
