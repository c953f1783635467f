// SPDX-License-Identifier: Apache-2.0
//! Which methods there are and which role each needs: read from the descriptors of the contract,
//! so that there is no second table.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, MethodDescriptor, Value};
use skep_proto::v1::Role;

use crate::error::Failure;

/// The package whose methods need a role.
const PACKAGE: &str = "skep.v1";

/// Services beside our own, which everybody may call who gets in.
const COMMON: [&str; 3] = [
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
];

static METHODS: LazyLock<Methods> = LazyLock::new(|| Methods::read(skep_proto::reflect::pool()));

/// What there is to know of a method before it is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Method {
    /// The least role that may call it; nothing: nobody may.
    role: Option<Role>,
    /// It answers with a stream, which has no time limit of its own.
    pub(crate) streams: bool,
    /// It answers once something has come to pass: its request says how long that may take.
    pub(crate) waits: bool,
}

/// All methods, by their path.
#[derive(Debug)]
pub(crate) struct Methods(BTreeMap<String, Method>);

impl Methods {
    /// Those that this daemon serves.
    pub(crate) fn served() -> &'static Methods {
        &METHODS
    }

    fn read(pool: &DescriptorPool) -> Methods {
        let services = pool
            .services()
            .filter(|service| service.package_name() == PACKAGE);
        let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
        let entry = |method: MethodDescriptor| {
            let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
            let facts = Method {
                role: role_option(pool, &method),
                streams: method.is_server_streaming(),
                waits: option(pool, &method, "skep.v1.waits")
                    .is_some_and(|it| it == Value::Bool(true)),
            };
            (path, facts)
        };
        Methods(methods.map(entry).collect())
    }

    /// The method at a path, if a caller with this role may call it.
    pub(crate) fn admit(&self, path: &str, role: Role) -> Result<Method, Failure> {
        if COMMON.iter().any(|prefix| path.starts_with(prefix)) {
            return Ok(Method {
                role: Some(Role::Viewer),
                streams: true,
                waits: false,
            });
        }
        let method = self.0.get(path).ok_or_else(|| Failure::NotEnabled {
            feature: format!("method {}", path.trim_start_matches('/')),
        })?;
        match method.role {
            Some(needed) if role >= needed => Ok(*method),
            needed => Err(role_required(needed.unwrap_or(Role::Admin), path)),
        }
    }
}

fn role_required(needed: Role, path: &str) -> Failure {
    let role = role_name(needed);
    Failure::RoleRequired {
        role,
        message: format!("{} needs the role {role}", path.trim_start_matches('/')),
    }
}

/// The name of a role in the contract, less its prefix.
pub(crate) fn role_name(role: Role) -> &'static str {
    let name = role.as_str_name();
    name.strip_prefix("ROLE_").unwrap_or(name)
}

fn role_option(pool: &DescriptorPool, method: &MethodDescriptor) -> Option<Role> {
    let number = option(pool, method, "skep.v1.role")?.as_enum_number()?;
    let role = Role::try_from(number).ok()?;
    (role != Role::Unspecified).then_some(role)
}

/// What the contract says of a method in an option of its own.
fn option(pool: &DescriptorPool, method: &MethodDescriptor, name: &str) -> Option<Value> {
    let option = pool.get_extension_by_name(name)?;
    Some(method.options().get_extension(&option).into_owned())
}

#[cfg(test)]
mod tests {
    use prost_reflect::prost_types::{
        DescriptorProto, FileDescriptorProto, MethodDescriptorProto, ServiceDescriptorProto,
    };

    use super::*;

    #[test]
    fn each_method_asks_for_its_role() {
        let methods = Methods::served();
        assert!(methods.0.len() >= 20);
        for (path, role, granted) in [
            ("/skep.v1.TaskService/ListTasks", Role::Viewer, true),
            ("/skep.v1.TaskService/StopTask", Role::Viewer, false),
            ("/skep.v1.TaskService/StopTask", Role::Operator, true),
            ("/skep.v1.NodeService/DeleteNode", Role::Operator, false),
            ("/skep.v1.NodeService/DeleteNode", Role::Admin, true),
            ("/skep.v1.TaskService/ListTasks", Role::Unspecified, false),
            ("/grpc.health.v1.Health/Check", Role::Viewer, true),
        ] {
            assert_eq!(
                methods.admit(path, role).is_ok(),
                granted,
                "{path} {role:?}"
            );
        }
        let refused = methods.admit("/skep.v1.TaskService/StopTask", Role::Viewer);
        let Err(Failure::RoleRequired { role, .. }) = refused else {
            panic!("a viewer stops no tasks: {refused:?}");
        };
        assert_eq!(role, "OPERATOR");
    }

    #[test]
    fn streams_are_known_as_such() {
        let streams = |path| {
            Methods::served()
                .admit(path, Role::Admin)
                .map(|m| m.streams)
        };
        assert_eq!(streams("/skep.v1.WatchService/Watch"), Ok(true));
        assert_eq!(streams("/skep.v1.TaskService/GetTask"), Ok(false));
    }

    #[test]
    fn only_methods_that_wait_have_their_own_time() {
        let methods = Methods::served();
        let waits = methods.0.iter().filter(|(_, method)| method.waits);
        let waits: Vec<_> = waits.map(|(path, _)| path.as_str()).collect();
        assert_eq!(waits, ["/skep.v1.ServiceService/WaitService"]);
    }

    #[test]
    fn a_method_that_is_not_there_is_a_feature_that_is_missing() {
        let missing = Methods::served().admit("/skep.v1.TaskService/ExplainTask", Role::Admin);
        let feature = "method skep.v1.TaskService/ExplainTask".to_owned();
        assert_eq!(missing, Err(Failure::NotEnabled { feature }));
    }

    /// A contract with one method that says nothing of roles.
    fn careless_contract() -> DescriptorPool {
        let message = DescriptorProto {
            name: Some("Nothing".to_owned()),
            ..DescriptorProto::default()
        };
        let method = MethodDescriptorProto {
            name: Some("Forget".to_owned()),
            input_type: Some(".skep.v1.Nothing".to_owned()),
            output_type: Some(".skep.v1.Nothing".to_owned()),
            ..MethodDescriptorProto::default()
        };
        let service = ServiceDescriptorProto {
            name: Some("CarelessService".to_owned()),
            method: vec![method],
            ..ServiceDescriptorProto::default()
        };
        let mut pool = DescriptorPool::new();
        pool.add_file_descriptor_proto(FileDescriptorProto {
            name: Some("careless.proto".to_owned()),
            package: Some(PACKAGE.to_owned()),
            syntax: Some("proto3".to_owned()),
            message_type: vec![message],
            service: vec![service],
            ..FileDescriptorProto::default()
        })
        .expect("a whole file");
        pool
    }

    #[test]
    fn a_method_without_a_role_is_for_nobody() {
        let methods = Methods::read(&careless_contract());
        let refused = methods.admit("/skep.v1.CarelessService/Forget", Role::Admin);
        assert!(
            matches!(refused, Err(Failure::RoleRequired { .. })),
            "{refused:?}"
        );
    }
}
