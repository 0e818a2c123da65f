//! The program as a process of its own, for what a process alone can be asked: its memory.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// `fusebox serve`, ended when this goes.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
    /// From its start until it was ready.
    pub(crate) ready_ms: f64,
}

impl Program {
    pub(crate) fn start(data: &Path) -> Program {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let begun = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_fusebox"))
            .args(["serve", "--listen", &address.to_string(), "--data"])
            .arg(data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut program = Program { child, address, token: String::new(), ready_ms: 0.0 };
        while ureq::get(format!("http://{address}/readyz")).call().is_err() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the server did not start");
            std::thread::sleep(Duration::from_millis(2));
        }
        program.ready_ms = begun.elapsed().as_secs_f64() * 1000.0;
        program.token = std::fs::read_to_string(data.join("admin.token")).unwrap().trim().to_owned();
        program
    }

    /// What it has in memory, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        resident.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
