//! A peer for requests that are sent.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

/// Answers every request with the same few bytes.
pub(crate) fn stub() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { return };
            let mut request = [0; 1024];
            // Whoever breaks off is not waited for.
            let _ = connection.read(&mut request);
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        }
    });
    address
}
