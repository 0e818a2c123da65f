//! A load: many connections, each sending the next request when the last is answered.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

static NUMBERS: AtomicU32 = AtomicU32::new(0);

/// What came of a load.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    pub(crate) seconds: f64,
    /// Of each request, in the order in which they were answered per connection.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) refused: usize,
}

impl Answered {
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.seconds
    }

    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let place = ((sorted.len() as f64 * quantile) as usize).min(sorted.len() - 1);
        sorted[place].as_secs_f64() * 1000.0
    }
}

/// An HTTP/1.1 request, written once.
pub(crate) fn request(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    [head.as_bytes(), body].concat()
}

/// Eight bytes of a request's body that are another number every time: else all would be the same firing, of which one
/// is in flight and the others are its duplicates.
const NUMBER: &[u8] = b"########";

/// Sends `request` over `clients` connections for `duration`. Counts 2xx answers; anything else is refused.
pub(crate) async fn run(address: SocketAddr, clients: usize, duration: Duration, request: &[u8]) -> Answered {
    let begun = Instant::now();
    let until = begun + duration;
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let request = request.to_vec();
            tokio::spawn(async move { client(address, until, &request).await })
        })
        .collect();
    let mut answered = Answered::default();
    for task in tasks {
        let (latencies, refused) = task.await.unwrap();
        answered.latencies.extend(latencies);
        answered.refused += refused;
    }
    answered.seconds = begun.elapsed().as_secs_f64();
    answered
}

async fn client(address: SocketAddr, until: Instant, request: &[u8]) -> (Vec<Duration>, usize) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut latencies, mut refused) = (Vec::with_capacity(4096), 0);
    let mut buffer = vec![0_u8; 64 << 10];
    let mut request = request.to_vec();
    let numbered = find(&request, NUMBER);
    while Instant::now() < until {
        if let Some(at) = numbered {
            let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
            request[at..at + NUMBER.len()].copy_from_slice(format!("{number:08x}").as_bytes());
        }
        let begun = Instant::now();
        stream.write_all(&request).await.unwrap();
        let status = answer(&mut stream, &mut buffer).await;
        if (200..300).contains(&status) {
            latencies.push(begun.elapsed());
        } else {
            refused += 1;
        }
    }
    (latencies, refused)
}

/// Reads one answer with a `content-length` and gives its status.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> u16 {
    let mut filled = 0;
    loop {
        if filled == buffer.len() {
            buffer.resize(filled * 2, 0);
        }
        let count = stream.read(&mut buffer[filled..]).await.unwrap();
        assert!(count > 0, "the server closed the connection");
        filled += count;
        let Some(head) = find(&buffer[..filled], b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head]).unwrap();
        let length: usize = text
            .lines()
            .find_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("content-length")))
            .map_or(0, |(_, value)| value.parse().unwrap());
        if filled >= head + 4 + length {
            return text[9..12].parse().unwrap();
        }
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
