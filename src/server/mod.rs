//! The server: configuration, wiring and shutdown. The only layer that knows everybody.

mod clock;
mod install;
mod listener;
mod restore;

use crate::api::{self, Api, Bounds};
use crate::console;
use crate::dispatch::{self, Dispatch, Keep, Load, Permits, Secrets};
use crate::domain::{AllowedHost, ChainLimits, Clock, Entropy, Ids, Timestamp};
use crate::sandbox::{self, Sandbox};
use crate::store::{self, CatalogueBounds, Store};
use install::Installation;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use clock::SystemClock;
pub use install::{ADMIN_TOKEN_FILE, InstallError, SECRETS_KEY_FILE};
pub use restore::{RestoreError, Restored, Sealed, restore};

/// How a server is set up. [`Config::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    pub data: PathBuf,
    /// The file with the keys of the secrets; `secrets.key` in the data folder if it is not given.
    pub secrets_key: Option<PathBuf>,
    /// The program that compiles uploads in a child process: this one.
    pub compiler: PathBuf,
    /// Attempts that run at once, in all.
    pub concurrency: u32,
    /// Attempts of one tenant that run at once.
    pub concurrency_per_tenant: u32,
    /// Memory for pages of the store, in bytes.
    pub cache_bytes: usize,
    pub bounds: Bounds,
    /// How much the catalogue may hold.
    pub catalogue: CatalogueBounds,
    pub connections: usize,
    pub queue_per_tenant: usize,
    /// How far chains go.
    pub chain: ChainLimits,
    /// Where runs of the built-in sink type may send HTTP requests, as far as their action also allows it.
    pub hosts_of_wasm: Vec<AllowedHost>,
    /// How long history is kept.
    pub keep: Keep,
    /// How long a shutdown lets attempts finish.
    pub grace: Duration,
}

impl Config {
    pub fn new(listen: SocketAddr, data: PathBuf, compiler: PathBuf) -> Config {
        Config {
            listen,
            data,
            secrets_key: None,
            compiler,
            concurrency: 128,
            concurrency_per_tenant: 32,
            cache_bytes: 64 << 20,
            bounds: Bounds {
                body_bytes: 1 << 20,
                document_bytes: 32 << 20,
                module_bytes: 32 << 20,
                wait_s: 60,
                streams: 1_000,
            },
            catalogue: CatalogueBounds::default(),
            connections: 10_000,
            queue_per_tenant: 1_000_000,
            chain: ChainLimits::default(),
            hosts_of_wasm: Vec::new(),
            keep: Keep::days(30, 365),
            grace: Duration::from_secs(5),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Install(#[from] InstallError),
    #[error(transparent)]
    Store(#[from] store::OpenError),
    #[error(transparent)]
    Sandbox(#[from] sandbox::StartError),
    #[error(transparent)]
    Dispatch(#[from] dispatch::StartError),
    #[error("cannot listen on {address}: {error}")]
    Listen { address: SocketAddr, error: std::io::Error },
}

/// A running server.
pub struct Server {
    address: SocketAddr,
    first_token: Option<String>,
    parts: Wired,
    stopping: CancellationToken,
    serving: JoinHandle<()>,
}

/// The layers, connected.
struct Wired {
    store: Store,
    dispatch: Dispatch,
    sandbox: Sandbox,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
}

impl Server {
    /// Opens the data folder, resumes what was left open, and listens. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// See [`StartError`]; nothing keeps running then.
    pub async fn start(config: Config, clock: Arc<dyn Clock>) -> Result<Server, StartError> {
        let installation = Installation::open(&config.data)?;
        let entropy = Arc::new(Entropy::new(install::random()?));
        let ids = Arc::new(Ids::new(Arc::clone(&entropy)));
        // Bound before anything else starts: a taken port should not cost a recovery.
        let listen_error = |error| StartError::Listen { address: config.listen, error };
        let listener = TcpListener::bind(config.listen).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let store = Store::open(store::Config {
            path: installation.store(),
            cache_bytes: config.cache_bytes,
            // Microseconds of this start: larger than the numbers of every earlier one.
            first_notice: u64::try_from(clock.now().as_ms()).unwrap_or(0) * 1_000,
        })?;
        store.bound(config.catalogue);
        let path = config.secrets_key.unwrap_or_else(|| installation.secrets_key());
        let keyring = install::open_keyring(&path, &store.catalogue())?;
        let save = Box::new(move |keyring: &_| install::save_keyring(&path, keyring));
        let secrets = Secrets::new(keyring, save, Arc::clone(&entropy));
        let first_token = installation.admin_token(&store, (&ids, &entropy), clock.as_ref()).await?;
        let compiling = sandbox::Config::new(installation.artifacts(), installation.key, config.compiler.clone());
        let sandbox = Sandbox::start(sandbox::Config { concurrency: config.concurrency, ..compiling })?;
        let dispatching = dispatch::Config {
            permits: Permits { total: config.concurrency, per_tenant: config.concurrency_per_tenant },
            queue_per_tenant: config.queue_per_tenant,
            chain: config.chain,
            hosts_of_wasm: config.hosts_of_wasm,
            keep: config.keep,
            grace: config.grace,
        };
        let randomness = (Arc::clone(&ids), Arc::clone(&entropy), secrets);
        let dispatch =
            Dispatch::start(dispatching, store.clone(), sandbox.clone(), Arc::clone(&clock), randomness).await?;
        let parts = Wired { store, dispatch, sandbox, clock, ids };
        let api = Api::new(parts.api(entropy, config.bounds));
        let router = api::router(&api, console::pages(&api));
        let stopping = CancellationToken::new();
        let serving = tokio::spawn(listener::serve(listener, router, config.connections, stopping.clone()));
        tracing::info!(%address, data = %config.data.display(), "listening");
        Ok(Server { address, first_token, parts, stopping, serving })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The admin token, if this start made it. Show it once.
    pub fn first_token(&self) -> Option<&str> {
        self.first_token.as_deref()
    }

    /// For tests with a clock of their own: does what is due now.
    pub fn tick(&self) {
        self.parts.dispatch.tick(self.parts.clock.now());
    }

    /// Tells up to which time everything that was old is forgotten.
    pub fn forgotten_up_to(&self) -> watch::Receiver<Option<Timestamp>> {
        self.parts.dispatch.forgotten_up_to()
    }

    /// How much there is to do.
    pub fn load(&self) -> Load {
        self.parts.dispatch.load()
    }

    /// The store, for looking at it from outside.
    pub fn store(&self) -> &Store {
        &self.parts.store
    }

    /// Takes nothing more, lets requests and attempts finish, queues again what does not, and closes the store.
    pub async fn stop(self) {
        tracing::info!("shutting down");
        self.stopping.cancel();
        // Attempts first: requests that wait for them are answered by their end.
        self.parts.dispatch.stop().await;
        let store = self.parts.store;
        let closing = store.clone();
        if tokio::task::spawn_blocking(move || closing.close()).await.is_err() {
            tracing::error!("the store could not be closed properly");
        }
        if self.serving.await.is_err() {
            tracing::error!("the listener ended with a panic");
        }
        tracing::info!("stopped");
    }
}

impl Wired {
    fn api(&self, entropy: Arc<Entropy>, bounds: Bounds) -> api::Parts {
        api::Parts {
            store: self.store.clone(),
            dispatch: self.dispatch.clone(),
            sandbox: self.sandbox.clone(),
            clock: Arc::clone(&self.clock),
            ids: Arc::clone(&self.ids),
            entropy,
            bounds,
        }
    }
}
