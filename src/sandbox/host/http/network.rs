//! What leads out of the process: names and roots of trust, the same for all attempts.

use super::played::Answering;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// Lookups at once; each keeps a thread busy, and a name server that does not answer keeps it for long.
const LOOKUPS_AT_ONCE: usize = 32;
/// Connections of all attempts at once. Each is a file descriptor, of which a process often has 1,024.
const CONNECTIONS_MAX: usize = 400;

/// Finds the addresses of a name, on a thread that may block.
#[derive(Clone)]
pub struct Names(Arc<Find>);

type Find = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

impl Names {
    /// As this machine finds them.
    pub fn of_system() -> Names {
        Names::by(|name| Ok((name, 0).to_socket_addrs()?.map(|found| found.ip()).collect()))
    }

    pub fn by(find: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Names {
        Names(Arc::new(find))
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Names")
    }
}

/// How guests find and trust those whom they send requests to.
#[derive(Clone, Debug)]
pub struct Peers {
    pub names: Names,
    /// Certificates (DER) that are trusted as roots besides those of the web.
    pub roots: Vec<Vec<u8>>,
    pub answering: Answering,
}

impl Default for Peers {
    fn default() -> Peers {
        Peers { names: Names::of_system(), roots: Vec::new(), answering: Answering::Peers }
    }
}

pub(in crate::sandbox) struct Network {
    names: Names,
    pub(super) tls: TlsConnector,
    pub(super) answering: Answering,
    lookups: Arc<Semaphore>,
    connections: Arc<Semaphore>,
}

impl Network {
    /// # Errors
    /// A root is no certificate.
    pub(in crate::sandbox) fn new(Peers { names, roots, answering }: Peers) -> Result<Network, rustls::Error> {
        let mut trusted = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for root in roots {
            trusted.add(CertificateDer::from(root))?;
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(trusted)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Network {
            names,
            tls: TlsConnector::from(Arc::new(config)),
            answering,
            lookups: Arc::new(Semaphore::new(LOOKUPS_AT_ONCE)),
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        })
    }

    /// A place among the connections of all attempts; who asks waits for one.
    pub(super) async fn line(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.connections).acquire_owned().await.ok()
    }

    /// The addresses of a name. A lookup that is given up goes on and keeps its place until it is over.
    pub(super) async fn find(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let place = Arc::clone(&self.lookups).acquire_owned().await;
        let (names, name) = (self.names.clone(), name.to_owned());
        let looking = tokio::task::spawn_blocking(move || {
            let _place = place;
            (names.0)(&name)
        });
        looking.await.map_err(io::Error::other)?
    }
}

/// How long one address is tried while there are others.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
