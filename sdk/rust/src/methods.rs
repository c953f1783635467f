// SPDX-License-Identifier: Apache-2.0
//! What the layer under the stubs must know of each method. A test compares it with the
//! contract; looking it up there at run time would cost every start of a program.

/// Facts about one method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Method {
    /// `/package.Service/Method`.
    pub(crate) path: &'static str,
    /// How it may be called.
    pub(crate) kind: Kind,
}

/// How a method may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It changes nothing, so it may be repeated.
    Read,
    /// It answers with a stream, which has no deadline. Opening it may be repeated.
    Stream,
    /// It changes something once for each value of `request_id`, its field of this number.
    Change(u32),
    /// Nothing protects it from being done twice.
    Once,
}

const fn method(path: &'static str, kind: Kind) -> Method {
    Method { path, kind }
}

/// All methods.
pub(crate) const METHODS: [Method; 22] = [
    method("/skep.v1.DaemonService/GetDaemon", Kind::Read),
    method("/skep.v1.DaemonService/InitSwarm", Kind::Once),
    method("/skep.v1.DaemonService/LeaveSwarm", Kind::Once),
    method("/skep.v1.LogService/StreamLogs", Kind::Stream),
    method("/skep.v1.NodeService/DeleteNode", Kind::Change(5)),
    method("/skep.v1.NodeService/GetNode", Kind::Read),
    method("/skep.v1.NodeService/ListNodes", Kind::Read),
    method("/skep.v1.NodeService/UpdateNode", Kind::Change(5)),
    method("/skep.v1.ServiceService/ControlRollout", Kind::Change(5)),
    method("/skep.v1.ServiceService/CreateService", Kind::Change(2)),
    method("/skep.v1.ServiceService/DeleteService", Kind::Change(4)),
    method("/skep.v1.ServiceService/GetService", Kind::Read),
    method("/skep.v1.ServiceService/ListServiceRevisions", Kind::Read),
    method("/skep.v1.ServiceService/ListServices", Kind::Read),
    method("/skep.v1.ServiceService/UpdateService", Kind::Change(6)),
    method("/skep.v1.SwarmService/GetSwarm", Kind::Read),
    method("/skep.v1.SwarmService/UpdateSwarm", Kind::Change(4)),
    method("/skep.v1.TaskService/GetTask", Kind::Read),
    method("/skep.v1.TaskService/ListTasks", Kind::Read),
    method("/skep.v1.TaskService/StopTask", Kind::Change(2)),
    method("/skep.v1.TaskService/WatchTasks", Kind::Stream),
    method("/skep.v1.WatchService/Watch", Kind::Stream),
];

/// How the method at `path` may be called; of an unknown one nothing is assumed.
pub(crate) fn kind_of(path: &str) -> Kind {
    METHODS
        .iter()
        .find(|method| method.path == path)
        .map_or(Kind::Once, |method| method.kind)
}

#[cfg(test)]
mod tests {
    use prost_reflect::MethodDescriptor;
    use prost_types::method_options::IdempotencyLevel;

    use super::*;

    fn from_contract(method: &MethodDescriptor) -> Kind {
        let level = method.method_descriptor_proto().options.as_ref();
        let level = level
            .map(|options| options.idempotency_level())
            .unwrap_or_default();
        let request_id = method.input().get_field_by_name("request_id");
        match (method.is_server_streaming(), level, request_id) {
            (true, IdempotencyLevel::NoSideEffects, None) => Kind::Stream,
            (false, IdempotencyLevel::NoSideEffects, None) => Kind::Read,
            (false, IdempotencyLevel::Idempotent, Some(field)) => Kind::Change(field.number()),
            (false, IdempotencyLevel::IdempotencyUnknown, None) => Kind::Once,
            other => panic!("{}: {other:?} fits no kind", method.full_name()),
        }
    }

    #[test]
    fn the_table_is_what_the_contract_says() {
        let mut found = Vec::new();
        for service in crate::pool()
            .services()
            .filter(|s| s.package_name() == "skep.v1")
        {
            for method in service.methods() {
                let path = format!("/{}/{}", service.full_name(), method.name());
                found.push((path, from_contract(&method)));
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let table: Vec<_> = METHODS
            .iter()
            .map(|m| (m.path.to_owned(), m.kind))
            .collect();
        assert_eq!(table, found);
        assert_eq!(kind_of("/x/Y"), Kind::Once);
    }
}
