// SPDX-License-Identifier: Apache-2.0
//! As much of HTTP/2 as tells an answer from what servers send besides: the frames' headers.

/// Bytes of a frame's header: length, type, flags, stream.
const HEADER: usize = 9;

/// The type of a frame with the headers of an answer.
const HEADERS: u8 = 1;

/// Where the frames of one direction of a connection begin.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// The part of a frame's header that has come.
    header: Vec<u8>,
    /// Bytes of the present frame that are still to come.
    rest: usize,
}

impl Frames {
    /// Takes in bytes that a server sent: whether an answer begins in them.
    pub(crate) fn answers(&mut self, mut bytes: &[u8]) -> bool {
        let mut found = false;
        while !bytes.is_empty() {
            let skipped = self.rest.min(bytes.len());
            self.rest -= skipped;
            bytes = &bytes[skipped..];
            let taken = (HEADER - self.header.len()).min(bytes.len());
            self.header.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if let [a, b, c, kind, ..] = self.header[..]
                && self.header.len() == HEADER
            {
                found |= kind == HEADERS;
                self.rest = u32::from_be_bytes([0, a, b, c]) as usize;
                self.header.clear();
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, 0, 0, 0, 0, 1];
        frame.extend(std::iter::repeat_n(1, length.into()));
        frame
    }

    #[test]
    fn an_answer_is_found_however_the_bytes_come() {
        let before = [frame(4, 18), frame(8, 4), frame(6, 0)].concat();
        assert!(!Frames::default().answers(&before));
        let all = [before, frame(1, 3), frame(0, 9)].concat();
        for size in 1..all.len() {
            let mut frames = Frames::default();
            let found = all
                .chunks(size)
                .filter(|bytes| frames.answers(bytes))
                .count();
            assert_eq!(found, 1, "in pieces of {size} bytes");
        }
    }
}
