// SPDX-License-Identifier: Apache-2.0
//! The frames of gRPC: each message comes after a byte that says whether it is compressed and
//! four that say how long it is.

use bytes::{Buf, BufMut, Bytes, BytesMut};

const HEADER_BYTES: usize = 5;

/// A message in its frame.
pub(crate) fn frame(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(HEADER_BYTES + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    framed.freeze()
}

/// Messages out of bytes that come in pieces of any size. None of them is compressed: the
/// request that asked for them accepts no compression.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    held: BytesMut,
}

impl Frames {
    /// Takes in what has come.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.held.put_slice(piece);
    }

    /// The next message that is whole.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        let (_, length) = self.held.get(..HEADER_BYTES)?.split_first_chunk::<1>()?;
        let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
        if self.held.len() < HEADER_BYTES + length {
            return None;
        }
        self.held.advance(HEADER_BYTES);
        Some(self.held.split_to(length).freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_whole_however_they_are_cut() {
        let messages: [&[u8]; 4] = [b"one", b"", b"three", &[7; 300]];
        let all: Vec<u8> = messages.iter().flat_map(|it| frame(it)).collect();
        for size in [1, 2, 5, 7, 100, all.len()] {
            let mut frames = Frames::default();
            let mut found = Vec::new();
            for piece in all.chunks(size) {
                frames.push(piece);
                while let Some(message) = frames.next() {
                    found.push(message);
                }
            }
            assert_eq!(found, messages, "in pieces of {size}");
        }
    }
}
