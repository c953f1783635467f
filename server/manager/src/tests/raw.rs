// SPDX-License-Identifier: Apache-2.0
//! Calls of any method with any bytes, as a client would make that knows only descriptors.

use bytes::{Buf, BufMut, Bytes};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Request, Status};

/// Leaves messages as the bytes that they are.
#[derive(Default)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = BytesCodec;
    type Decoder = BytesCodec;

    fn encoder(&mut self) -> BytesCodec {
        BytesCodec
    }

    fn decoder(&mut self) -> BytesCodec {
        BytesCodec
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// Calls the method at `path`.
pub(super) async fn call(channel: &Channel, path: &str, request: Bytes) -> Result<Bytes, Status> {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.expect("the connection is in memory");
    let path = path.parse().expect("a path");
    let response = client
        .unary(Request::new(request), path, BytesCodec)
        .await?;
    Ok(response.into_inner())
}

/// Calls the method at `path` with a message.
pub(super) async fn call_with(
    channel: &Channel,
    path: &str,
    request: &DynamicMessage,
) -> Result<Bytes, Status> {
    call(channel, path, request.encode_to_vec().into()).await
}

pub(super) fn pool() -> &'static DescriptorPool {
    skep_proto::reflect::pool()
}
