// SPDX-License-Identifier: Apache-2.0
//! The contract as data: for proto JSON, for masks, for whoever wants to look.

use std::sync::LazyLock;

use prost::Name;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(crate::FILE_DESCRIPTOR_SET)
        .expect("the descriptors are generated with the code, and tests read them")
});

/// The files of the API and all they import.
#[must_use]
pub fn pool() -> &'static DescriptorPool {
    &POOL
}

/// The descriptor of a message type.
#[must_use]
pub fn describe<M: Name>() -> MessageDescriptor {
    POOL.get_message_by_name(&M::full_name())
        .expect("every generated message of the API is in its descriptors")
}

/// A message as a dynamic one, which can be walked by field and written as proto JSON.
#[must_use]
pub fn dynamic<M: Name>(message: &M) -> DynamicMessage {
    DynamicMessage::decode(describe::<M>(), message.encode_to_vec().as_slice())
        .expect("what was encoded by the contract can be read by it")
}
