//! From a destination to a connection: the name is looked up once, every address that it has is judged, and one of these
//! is connected to.

use super::CallError;
use super::network::{CONNECT_TIMEOUT, Network};
use super::played::Stage;
use crate::domain::{AddressKind, Destination, Granted, Host, HttpFault, Scheme};
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::either::Either;

/// Addresses of a name that are tried, in the order in which they were found.
const ADDRESSES_TRIED: usize = 4;

pub(super) type Connection = Either<TcpStream, Either<Box<TlsStream<TcpStream>>, Stage>>;

/// Connects to where a request goes.
///
/// # Errors
/// An address is not of those that were granted, or nobody answers there as whom the name says.
pub(super) async fn connect(
    network: &Network,
    destination: &Destination,
    granted: Granted,
) -> Result<Connection, CallError> {
    let addresses = addresses(network, destination, granted).await?;
    let tcp = reach_any(&addresses, destination.port).await.map_err(|error| {
        let authority = destination.authority();
        CallError::new(HttpFault::Failed, format!("`{authority}` cannot be connected to: {error}"))
    })?;
    // Requests are written whole; waiting for more of them would only cost time.
    drop(tcp.set_nodelay(true));
    if destination.scheme == Scheme::Http {
        return Ok(Either::Left(tcp));
    }
    let name = match &destination.host {
        Host::Address(address) => ServerName::from(*address),
        Host::Name(name) => ServerName::try_from(name.clone())
            .map_err(|_| CallError::invalid(format!("`{name}` is no name that a certificate can have")))?,
    };
    let tls = network.tls.connect(name, tcp).await;
    tls.map(|tls| Either::Right(Either::Left(Box::new(tls)))).map_err(|error| {
        let host = &destination.host;
        CallError::new(HttpFault::Failed, format!("no trusted connection to `{host}` by TLS: {error}"))
    })
}

/// All addresses of the host, each of them looked at: one that may not be reached refuses the host, so that nobody
/// slips such a one in among others.
async fn addresses(
    network: &Network,
    Destination { host, .. }: &Destination,
    granted: Granted,
) -> Result<Vec<IpAddr>, CallError> {
    let found = match host {
        Host::Address(address) => vec![*address],
        Host::Name(name) => network.find(name).await.map_err(|error| {
            CallError::new(HttpFault::Failed, format!("the name `{name}` cannot be found: {error}"))
        })?,
    };
    if found.is_empty() {
        return Err(CallError::new(HttpFault::Failed, format!("the name `{host}` has no address")));
    }
    for address in &found {
        // The address itself stays here: a guest does not learn how names are given out around the server.
        match AddressKind::of(*address) {
            AddressKind::Public => {}
            AddressKind::Private(_) if granted == Granted::Private => {}
            AddressKind::Private(kind) => {
                let message = format!(
                    "`{host}` has an address that is {kind}: only a rule of the sink type that begins with `private` \
                     leads there"
                );
                return Err(CallError::new(HttpFault::Denied, message));
            }
            AddressKind::Unusable(kind) => {
                let message = format!("`{host}` has an address that is {kind}: no rule leads there");
                return Err(CallError::new(HttpFault::Denied, message));
            }
        }
    }
    Ok(found)
}

async fn reach_any(addresses: &[IpAddr], port: u16) -> io::Result<TcpStream> {
    let tried = &addresses[..addresses.len().min(ADDRESSES_TRIED)];
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (place, address) in tried.iter().enumerate() {
        let connecting = TcpStream::connect(SocketAddr::new(address.to_canonical(), port));
        let connected = if place + 1 == tried.len() {
            connecting.await
        } else {
            tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or_else(|late| Err(late.into()))
        };
        match connected {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
