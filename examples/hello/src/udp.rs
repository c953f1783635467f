// SPDX-License-Identifier: Apache-2.0
//! Echoes datagrams, with who it is in front.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::thread;

use crate::identity::Identity;

/// The largest UDP payload over IPv4.
const DATAGRAM_BYTES_MAX: usize = 65_507;

/// Answers every datagram on `socket` with the task's id (else name), a space and what was sent, cut
/// to what a datagram holds, for as long as the process lives.
///
/// # Errors
/// If no thread can be started.
pub(crate) fn start(socket: UdpSocket, identity: Arc<Identity>) -> io::Result<()> {
    thread::Builder::new().name("udp".into()).spawn(move || {
        let who = if identity.task.is_empty() {
            identity.to_string()
        } else {
            identity.task.clone()
        };
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            // A receive can report that an earlier answer found no one: go on.
            let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            let answer = answer(&who, &buffer[..length]);
            let _ = socket.send_to(&answer, from);
        }
    })?;
    Ok(())
}

fn answer(who: &str, sent: &[u8]) -> Vec<u8> {
    let mut answer = [who.as_bytes(), b" ", sent].concat();
    answer.truncate(DATAGRAM_BYTES_MAX);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_fits_a_datagram() {
        assert_eq!(answer("tsk_1", b"ping"), b"tsk_1 ping");
        assert_eq!(
            answer("tsk_1", &[7; DATAGRAM_BYTES_MAX]).len(),
            DATAGRAM_BYTES_MAX
        );
    }
}
