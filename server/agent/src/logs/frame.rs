// SPDX-License-Identifier: Apache-2.0
//! Cuts a stream of bytes into lines.

use super::LINE_BYTES;

/// Gathers the bytes of one pipe until they make a line.
#[derive(Default)]
pub(super) struct Framer {
    pending: Vec<u8>,
}

impl Framer {
    /// Takes more bytes and gives each line that is now whole to `emit`, with whether it goes
    /// on in the next piece. A line of exactly [`LINE_BYTES`] is whole, not partial.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut emit: impl FnMut(&[u8], bool)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.gather(&bytes[..end], &mut emit);
            emit(&self.pending, false);
            self.pending.clear();
            bytes = &bytes[end + 1..];
        }
        self.gather(bytes, &mut emit);
    }

    /// The pipe has ended: what is left is a line without newline.
    pub(super) fn finish(&mut self, mut emit: impl FnMut(&[u8], bool)) {
        if !self.pending.is_empty() {
            emit(&self.pending, false);
            self.pending.clear();
        }
    }

    /// Adds bytes without a newline; a full piece leaves only when more follows it.
    fn gather(&mut self, mut bytes: &[u8], emit: &mut impl FnMut(&[u8], bool)) {
        while self.pending.len() + bytes.len() > LINE_BYTES {
            let (now, later) = bytes.split_at(LINE_BYTES - self.pending.len());
            self.pending.extend_from_slice(now);
            emit(&self.pending, true);
            self.pending.clear();
            bytes = later;
        }
        self.pending.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces that come of `chunks`, each with its partial mark.
    fn pieces(chunks: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let mut out = Vec::new();
        let mut framer = Framer::default();
        for chunk in chunks {
            framer.push(chunk, |line, partial| out.push((line.to_vec(), partial)));
        }
        framer.finish(|line, partial| out.push((line.to_vec(), partial)));
        out
    }

    fn whole(text: &str) -> (Vec<u8>, bool) {
        (text.as_bytes().to_vec(), false)
    }

    #[test]
    fn lines_are_cut_at_newlines_wherever_reads_are_cut() {
        let want = vec![whole("one"), whole(""), whole("two"), whole("rest")];
        let text = b"one\n\ntwo\nrest";
        for cut in 0..text.len() {
            let (a, b) = text.split_at(cut);
            assert_eq!(pieces(&[a, b]), want, "cut at {cut}");
        }
    }

    #[test]
    fn nothing_printed_is_no_line() {
        assert_eq!(pieces(&[b""]), vec![]);
        assert_eq!(pieces(&[b"end\n"]), vec![whole("end")]);
    }

    #[test]
    fn a_line_of_just_the_limit_is_whole_and_one_more_byte_makes_it_partial() {
        let mut text = vec![b'x'; LINE_BYTES];
        text.push(b'\n');
        assert_eq!(pieces(&[&text]), vec![(vec![b'x'; LINE_BYTES], false)]);

        text.insert(0, b'x');
        let want = vec![(vec![b'x'; LINE_BYTES], true), whole("x")];
        assert_eq!(pieces(&[&text]), want);
    }

    #[test]
    fn a_line_without_end_is_cut_again_and_again() {
        let text = vec![b'y'; 3 * LINE_BYTES + 5];
        let got = pieces(&[&text]);
        assert_eq!(
            got.iter().map(|(piece, _)| piece.len()).sum::<usize>(),
            text.len()
        );
        let marks: Vec<bool> = got.iter().map(|(_, partial)| *partial).collect();
        assert_eq!(marks, [true, true, true, false]);
    }
}
