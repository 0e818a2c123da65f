//! `fusebox serve`: the server, until it is told to stop.

use super::{ServerArgs, demo};
use crate::dispatch::Keep;
use crate::domain::{AllowedHost, ChainLimits};
use crate::server::{Config, Server, SystemClock};
use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// How long anything may be kept.
const DAYS: std::ops::RangeInclusive<i64> = Keep::DAYS_MIN as i64..=Keep::DAYS_MAX as i64;

/// Start the server.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Where to listen. Every request needs a token; elsewhere than on loopback put TLS in front
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// The file with the keys of the secrets, made if there is none [default: secrets.key in the data folder]
    #[arg(long, value_name = "PATH")]
    secrets_key: Option<PathBuf>,
    /// Install the example actions, fire their sample events and show what ran
    #[arg(long)]
    demo: bool,
    /// Attempts that run at once, in all
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    concurrency: u32,
    /// Attempts of one tenant that run at once
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    concurrency_per_tenant: u32,
    /// Memory for pages of the store
    #[arg(long, default_value_t = 64, value_name = "MIB", value_parser = clap::value_parser!(u32).range(8..=65_536))]
    cache: u32,
    /// Days that an event is kept after its end, with its runs and logs
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(DAYS))]
    retention_days: u32,
    /// Days that an entry of the audit log is kept
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(DAYS))]
    audit_retention_days: u32,
    /// Steps of a chain below the event that began it
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=64))]
    chain_depth: u32,
    /// How often an event type may fire in one line of a chain
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=64))]
    chain_repeats: u32,
    /// Events of one chain, that which began it included
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    chain_events: u32,
    /// Let runs of the built-in sink type send HTTP requests there, if their action allows it too: `https://*` for every
    /// host of the internet, `private http://10.0.0.5:8000` for what is none [default: nowhere]
    #[arg(long = "allow-host", value_name = "RULE")]
    allow_hosts: Vec<AllowedHost>,
    /// How long a shutdown lets attempts finish; what does not is run again at the next start
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    grace: u64,
}

pub(super) fn run(serve: &Serve, server: &ServerArgs, json: bool) -> Result<ExitCode> {
    // The demo shows what ran itself.
    let usual = if serve.demo { "warn" } else { "info" };
    let filter = EnvFilter::try_from_env("FUSEBOX_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    // On a full disk, where its log may be as well, a line that cannot be written is no reason to stop.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    if json {
        log.json().init()
    } else {
        log.init()
    }
    let compiler = std::env::current_exe().context("the path of this program cannot be found")?;
    let config = Config {
        concurrency: serve.concurrency,
        concurrency_per_tenant: serve.concurrency_per_tenant.min(serve.concurrency),
        cache_bytes: serve.cache as usize * (1 << 20),
        keep: Keep::days(serve.retention_days, serve.audit_retention_days),
        chain: ChainLimits { depth: serve.chain_depth, repeats: serve.chain_repeats, events: serve.chain_events },
        hosts_of_wasm: serve.allow_hosts.clone(),
        grace: Duration::from_secs(serve.grace),
        secrets_key: serve.secrets_key.clone(),
        ..Config::new(serve.listen, server.data.clone(), compiler)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve_until_told(config, (serve.demo, server), json))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve_until_told(mut config: Config, (demo, args): (bool, &ServerArgs), json: bool) -> Result<()> {
    // Before the server starts, so that no signal is missed.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    // It is there for as long as the server is.
    let channel = if demo { Some(demo::Channel::open(json).await?) } else { None };
    if let Some(channel) = &channel {
        config.hosts_of_wasm.push(channel.rule()?);
    }
    let data = config.data.display().to_string();
    let server = Server::start(config, Arc::new(SystemClock)).await?;
    announce(&server, &data, json);
    if let Some(channel) = &channel {
        let (args, url) = (reach(&server, args), channel.url());
        let shown = tokio::task::spawn_blocking(move || demo::run(&args, &url, json));
        tokio::select! {
            shown = shown => shown??,
            _ = terminate.recv() => return stop(server).await,
            _ = interrupt.recv() => return stop(server).await,
        }
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    server.stop().await;
    Ok(())
}

async fn stop(server: Server) -> Result<()> {
    server.stop().await;
    Ok(())
}

/// Where the server is and the key to it, for a client in this process.
fn reach(server: &Server, args: &ServerArgs) -> ServerArgs {
    let mut address = server.address();
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let token = args.token.clone().or_else(|| server.first_token().map(str::to_owned));
    ServerArgs { url: format!("http://{address}"), token, ..args.clone() }
}

fn announce(server: &Server, data: &str, json: bool) {
    let url = format!("http://{}", server.address());
    if json {
        println!("{}", json!({ "url": url, "data": data, "token": server.first_token() }));
        return;
    }
    println!("Fusebox listens on {url}, with its data in {data}");
    if let Some(token) = server.first_token() {
        println!("The admin token, shown this once: {token}");
        println!("It is also in {data}/{}, where the command line finds it.", crate::server::ADMIN_TOKEN_FILE);
    }
}
