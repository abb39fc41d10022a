//! The ttRPC server and what its handlers share. Knows which services there are,
//! not what they do.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kata_agent_api::{agent_ttrpc, health_ttrpc};
use nix::time::{ClockId, clock_gettime};
use tokio::sync::{Mutex, Notify};

use crate::container::{Containers, OomEvents};
use crate::device::Devices;
use crate::mem_agent::MemAgent;
use crate::os::Os;
use crate::policy::Policy;
use crate::process::Handover;
use crate::reaper::Reaper;
use crate::resources::Resources;
use crate::rpc::Service;
use crate::sandbox::{Paths, Sandbox};
use crate::storage::Tools;
use crate::trace::Tracer;

/// How long a device may take to appear, where nobody says.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a process of a container may take until it runs its program. Disks of a
/// host that is busy, and hooks without a timeout of their own, are in it.
const SET_UP: Duration = Duration::from_secs(60);

/// What all handlers share.
pub struct Agent {
    /// The operating system.
    pub os: Arc<dyn Os>,
    /// Starts and collects processes.
    pub reaper: Arc<Reaper>,
    /// Devices that the host plugs in.
    pub devices: Arc<Devices>,
    /// Reclaims memory, where it is on.
    pub mem_agent: MemAgent,
    /// Processors and memory that the host adds.
    pub resources: Arc<Resources>,
    /// What requests are judged by.
    pub policy: Policy,
    /// Makes spans of requests.
    pub tracer: Tracer,
    /// Folders to work in.
    pub paths: Paths,
    /// All containers.
    pub containers: Containers,
    /// What containers need to know of the guest.
    pub options: guest_container::Options,
    /// Bytes of the pipes to containers; 0 is the kernel's own size.
    pub pipe_size: u32,
    /// Connections for streams that the host makes ahead.
    pub handover: Arc<Handover>,
    /// Containers that ran out of memory.
    pub oom_events: Arc<OomEvents>,
    /// The sandbox, once there is one.
    pub sandbox: Mutex<Option<Sandbox>>,
    end: Notify,
    ready_ns: OnceLock<u64>,
    scrapes: AtomicU64,
}

impl Agent {
    /// An agent without a sandbox.
    #[must_use]
    pub fn new(os: Arc<dyn Os>, reaper: Arc<Reaper>, paths: Paths) -> Self {
        let devices = Arc::new(Devices::new(Arc::clone(&os), PATIENCE));
        let mut options = guest_container::Options::new(Arc::clone(&reaper) as _);
        options.patience = SET_UP;
        Self {
            os,
            reaper,
            mem_agent: MemAgent::default(),
            resources: Arc::new(Resources::new(devices.sys())),
            devices,
            policy: Policy::default(),
            tracer: Tracer::default(),
            paths,
            containers: Containers::default(),
            options,
            pipe_size: 0,
            handover: Arc::new(Handover::default()),
            oom_events: Arc::new(OomEvents::default()),
            sandbox: Mutex::new(None),
            end: Notify::new(),
            ready_ns: OnceLock::new(),
            scrapes: AtomicU64::new(0),
        }
    }

    /// The same agent with other devices, or with more patience for them.
    #[must_use]
    pub fn with_devices(mut self, devices: Arc<Devices>) -> Self {
        self.resources = Arc::new(Resources::new(devices.sys()));
        self.devices = devices;
        self
    }

    /// What drivers of storages work with.
    #[must_use]
    pub fn tools(&self) -> Tools {
        Tools {
            os: Arc::clone(&self.os),
            devices: Arc::clone(&self.devices),
            reaper: Arc::clone(&self.reaper),
            paths: self.paths.clone(),
        }
    }

    /// The same agent with a memory agent.
    #[must_use]
    pub fn with_mem_agent(mut self, mem_agent: MemAgent) -> Self {
        self.mem_agent = mem_agent;
        self
    }

    /// The same agent with pipes of another size to containers.
    #[must_use]
    pub fn with_pipe_size(mut self, bytes: u32) -> Self {
        self.pipe_size = bytes;
        self
    }

    /// The same agent with a policy.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The same agent with spans.
    #[must_use]
    pub fn with_tracer(mut self, tracer: Tracer) -> Self {
        self.tracer = tracer;
        self
    }

    /// Asks for the end of the agent.
    pub fn end(&self) {
        self.end.notify_one();
    }

    /// Waits until [`Agent::end`] has been called.
    pub async fn wait_for_end(&self) {
        self.end.notified().await;
    }

    /// Nanoseconds since boot when the server began to listen; 0 before.
    #[must_use]
    pub fn ready_ns(&self) -> u64 {
        self.ready_ns.get().copied().unwrap_or(0)
    }

    /// Counts one reading of the metrics and returns how many there were.
    pub fn count_scrape(&self) -> u64 {
        self.scrapes.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Why the agent does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address can't be listened on.
    #[error(
        "can't listen on {address}{}",
        if .address.starts_with("vsock:") {
            "; is vsock built into the guest kernel (CONFIG_VSOCKETS, CONFIG_VIRTIO_VSOCKETS)?"
        } else {
            ""
        }
    )]
    Listen {
        /// As configured.
        address: String,
        /// What the server says.
        source: ttrpc::Error,
    },
    /// Signals can't be received.
    #[error("can't receive signals")]
    Signals(#[source] io::Error),
}

/// A server that listens.
pub struct Server {
    server: ttrpc::asynchronous::Server,
}

impl Server {
    /// Listens on `address`: `vsock://CID:PORT` (CID -1 for any) or `unix://PATH`.
    ///
    /// # Errors
    ///
    /// [`ServerError::Listen`].
    pub async fn start(address: &str, agent: Arc<Agent>) -> Result<Self, ServerError> {
        let failed = |source| ServerError::Listen { address: address.to_owned(), source };
        remove_dead_socket(address);
        let service = Arc::new(Service::new(Arc::clone(&agent)));
        let mut server = ttrpc::asynchronous::Server::new()
            .bind(address)
            .map_err(failed)?
            .register_service(agent_ttrpc::create_agent_service(Arc::clone(&service) as _))
            .register_service(health_ttrpc::create_health(service));
        server.start().await.map_err(failed)?;
        let since_boot = since_boot_ns();
        let _ = agent.ready_ns.set(since_boot);
        // Whoever watches the console learns from this line that the agent is ready.
        log::info!(address = address, since_boot_ns = since_boot; "ttRPC server started");
        Ok(Self { server })
    }

    /// Stops listening, lets answers out that are on their way, and closes all
    /// connections.
    pub async fn stop(mut self) {
        // Whatever can't be sent now never will be.
        let _ = self.server.shutdown().await;
    }
}

/// A socket file that an earlier agent left behind, and that nobody answers on,
/// would only be in the way.
fn remove_dead_socket(address: &str) {
    let Some(path) = address.strip_prefix("unix://").filter(|path| !path.starts_with('@')) else {
        return;
    };
    let refused = UnixStream::connect(path)
        .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if refused {
        let _ = std::fs::remove_file(path);
    }
}

fn since_boot_ns() -> u64 {
    let Ok(now) = clock_gettime(ClockId::CLOCK_BOOTTIME) else { return 0 };
    let seconds = u64::try_from(now.tv_sec()).unwrap_or(0);
    let nanoseconds = u64::try_from(now.tv_nsec()).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}
