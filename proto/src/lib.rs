// SPDX-License-Identifier: Apache-2.0
//! The contract in Rust: messages, clients and servers generated from the files in `proto/`.
//!
//! [`v1`] is the public API. `internal::v1`, behind the feature `internal`, is what agents and
//! managers say to each other and what is stored; no SDK takes it. The code under `src/gen/`
//! is written by `make gen` and committed, so that reading and building it needs no further
//! tool. Change a `.proto` file, run `make gen`, and commit both.
//!
//! Maps are `BTreeMap`s: equal messages have equal bytes.

mod frame;
pub mod methods;
pub mod reflect;

/// The public API, package `skep.v1`.
#[allow(missing_docs, unreachable_pub, clippy::all, rustdoc::all)]
pub mod v1 {
    pub use crate::frame::EncodedFrame;

    include!("gen/skep.v1.rs");

    /// The files of this package and all they import, as an encoded
    /// `google.protobuf.FileDescriptorSet`, with comments: for reflection, for conversion from
    /// and to JSON, and for reading method options.
    pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/descriptor.bin");
}

#[cfg(feature = "internal")]
pub mod internal {
    //! What is never public: the package `skep.internal.v1`.

    /// What agents and managers say to each other, and what is stored.
    #[allow(missing_docs, unreachable_pub, clippy::all, rustdoc::all)]
    pub mod v1 {
        include!("gen/skep.internal.v1.rs");

        /// The files of this package and all they import, as an encoded
        /// `google.protobuf.FileDescriptorSet`. Not for reflection: it is served nowhere.
        pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/internal_descriptor.bin");
    }
}

pub use v1::FILE_DESCRIPTOR_SET;
