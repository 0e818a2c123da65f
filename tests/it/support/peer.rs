use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

/// Somebody to send HTTP requests to, on a free port of this machine.
pub(crate) struct Peer {
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// Answers every request with these bytes and closes the connection.
    pub(crate) fn answering(answer: impl AsRef<[u8]> + Send + Sync + 'static) -> Peer {
        Peer::with(move |_, connection| connection.write_all(answer.as_ref()))
    }

    /// Answers 200 with this text.
    pub(crate) fn saying(text: &str) -> Peer {
        Peer::answering(ok(text))
    }

    /// Answers 200 with the request as it came.
    pub(crate) fn echoing() -> Peer {
        Peer::with(|request, connection| connection.write_all(ok(request).as_bytes()))
    }

    /// Does this with every request and its connection, each in a thread of its own. That the other side goes away is no
    /// error here.
    pub(crate) fn with(answer: impl Fn(&str, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (requests, answer) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(answer));
        let taken = Arc::clone(&requests);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let Ok(mut connection) = connection else { return };
                let (taken, answer) = (Arc::clone(&taken), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let request = read_request(&mut connection);
                    taken.lock().unwrap().push(request.clone());
                    drop(answer(&request, &mut connection));
                });
            }
        });
        Peer { port, requests }
    }

    /// A URL of it by its address.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What came, in the order in which it was read.
    pub(crate) fn requests(&self) -> MutexGuard<'_, Vec<String>> {
        self.requests.lock().unwrap()
    }
}

/// An answer with this text.
pub(crate) fn ok(text: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len())
}

/// As far as its head says; what breaks off is what there is.
fn read_request(connection: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 << 10];
    while !is_whole(&bytes) {
        match connection.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    if head.contains("transfer-encoding: chunked") {
        return body.ends_with("0\r\n\r\n");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| body.len() >= length.trim().parse().unwrap())
}
