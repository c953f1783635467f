// SPDX-License-Identifier: Apache-2.0
//! The methods that can be called, as the descriptors know them: ours, and `grpc.health.v1`.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, MethodDescriptor};

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let mut pool = skep_proto::reflect::pool().clone();
    pool.decode_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .expect("the descriptors come with the library, and a test reads them");
    pool
});

/// The method at `/package.Service/Method`.
pub(crate) fn find(path: &str) -> Option<MethodDescriptor> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let service = POOL.get_service_by_name(service)?;
    let found = service.methods().find(|known| known.name() == method);
    // A request in JSON is one message.
    found.filter(|method| !method.is_client_streaming())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_of_the_contract_is_found() {
        for method in skep_proto::methods::METHODS {
            let found = find(method.path).expect(method.path);
            assert_eq!(found.is_server_streaming(), method.streams);
        }
        assert!(find("/grpc.health.v1.Health/Check").is_some());
        for path in [
            "",
            "/",
            "/x",
            "/skep.v1.NodeService",
            "/skep.v1.NodeService/",
            "/skep.v1.X/Y",
        ] {
            assert!(find(path).is_none(), "{path}");
        }
    }

    /// The line that ends a stream with an error has this one field, so no message may have it.
    #[test]
    fn no_message_of_a_stream_has_a_field_error() {
        for service in POOL.services() {
            for method in service
                .methods()
                .filter(MethodDescriptor::is_server_streaming)
            {
                let output = method.output();
                assert!(
                    output.get_field_by_json_name("error").is_none(),
                    "{}",
                    output.full_name()
                );
            }
        }
    }
}
