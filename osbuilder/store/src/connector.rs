//! How the HTTP client reaches a host: directly, through a tunnel, or by asking
//! a proxy for the whole URL.
//!
//! The client itself only knows tunnels. Caches for packages and strict proxies
//! refuse a tunnel to port 80, so `http:` requests go out in absolute form here.
//! This file must not know about files, digests or retries.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, NextTimeout, RustlsConnector,
    TcpConnector, Transport,
};
use ureq::{Agent, Error};

use crate::options::StoreOptions;
use crate::proxy::Proxies;
use crate::resolver::Remembering;

/// The client with the store's patience and this process's proxies.
pub(crate) fn agent(options: &StoreOptions, proxies: Proxies) -> Agent {
    let config = |proxy: Option<ureq::Proxy>| {
        Agent::config_builder()
            .proxy(proxy)
            .http_status_as_error(false)
            .user_agent(concat!("kata-osbuilder/", env!("CARGO_PKG_VERSION")))
            // Digests are of the files as they are; no server may repack them.
            .accept_encoding("identity")
            .timeout_resolve(Some(options.connect_timeout))
            .timeout_connect(Some(options.connect_timeout))
            // The head may not trickle in either.
            .timeout_recv_response(Some(options.pace_period.max(options.read_timeout)))
            .timeout_per_read(Some(options.read_timeout))
            .timeout_per_write(Some(options.read_timeout))
            .max_idle_connections(32)
            .max_idle_connections_per_host(16)
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
            .build()
    };
    let tunnel = config(proxies.https.clone());
    let proxies = Arc::new(proxies);
    let connector =
        ().chain(ProxyConnector { proxies: Arc::clone(&proxies), tunnel })
            .chain(TcpConnector::default())
            .chain(RustlsConnector::default());
    let resolver = ProxyResolver { proxies, direct: Remembering::new(DefaultResolver::default()) };
    Agent::with_parts(config(None), connector, resolver)
}

/// Leaves names to the proxy where there is one: the machine may not know them.
#[derive(Debug)]
struct ProxyResolver {
    proxies: Arc<Proxies>,
    direct: Remembering<DefaultResolver>,
}

impl Resolver for ProxyResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        match self.proxies.for_uri(uri) {
            Some(_) => Ok(self.empty()),
            None => self.direct.resolve(uri, config, timeout),
        }
    }
}

#[derive(Debug)]
struct ProxyConnector {
    proxies: Arc<Proxies>,
    tunnel: Config,
}

impl<In: Transport> Connector<In> for ProxyConnector {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let Some(proxy) = self.proxies.for_uri(details.uri) else { return Ok(None) };
        let failed = |source: Error| {
            let proxy = shown(proxy);
            Error::Other(Box::new(ProxyFailure { proxy, source }))
        };
        if details.needs_tls() {
            let through = with(details, details.uri, details.resolver.empty(), &self.tunnel);
            let connected = ConnectProxyConnector::default().connect(&through, None::<()>);
            let transport = connected.map_err(failed)?;
            return Ok(transport.map(|transport| Box::new(transport) as Self::Out));
        }
        let addresses = details.resolver.resolve(proxy.uri(), details.config, details.timeout);
        let addresses = addresses.map_err(failed)?;
        let to_proxy = with(details, proxy.uri(), addresses, details.config);
        let transport = (details.run_connector)(&to_proxy).map_err(failed)?;
        Ok(Some(Box::new(AbsoluteForm {
            transport,
            origin: origin(details.uri),
            authorization: authorization(proxy),
        })))
    }
}

/// A proxy that could not be reached, or would not let a request through.
#[derive(Debug)]
pub(crate) struct ProxyFailure {
    /// The proxy, without user name and password.
    pub proxy: String,
    pub source: Error,
}

impl std::fmt::Display for ProxyFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the proxy {} can't be used", self.proxy)
    }
}

impl std::error::Error for ProxyFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

fn shown(proxy: &ureq::Proxy) -> String {
    let scheme = proxy.uri().scheme_str().unwrap_or("http");
    format!("{scheme}://{}:{}", proxy.host(), proxy.port())
}

/// The same connection's details for another target.
fn with<'a>(
    details: &'a ConnectionDetails<'_>,
    uri: &'a Uri,
    addrs: ResolvedSocketAddrs,
    config: &'a Config,
) -> ConnectionDetails<'a> {
    ConnectionDetails {
        uri,
        addrs,
        config,
        request_level: details.request_level,
        resolver: details.resolver,
        now: details.now,
        timeout: details.timeout,
        current_time: Arc::clone(&details.current_time),
        run_connector: Arc::clone(&details.run_connector),
        register_shutdown: Arc::clone(&details.register_shutdown),
    }
}

/// Scheme, host and port, without any user name: `http://host:port`.
fn origin(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    match uri.port_u16() {
        Some(port) => format!("http://{host}:{port}"),
        None => format!("http://{host}"),
    }
}

fn authorization(proxy: &ureq::Proxy) -> Option<String> {
    let user = proxy.username()?;
    let pair = format!("{user}:{}", proxy.password().unwrap_or_default());
    Some(format!("Proxy-Authorization: Basic {}\r\n", BASE64_STANDARD.encode(pair)))
}

/// Rewrites the first line of each request on its way to a proxy.
struct AbsoluteForm {
    transport: Box<dyn Transport>,
    origin: String,
    authorization: Option<String>,
}

impl std::fmt::Debug for AbsoluteForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AbsoluteForm").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl AbsoluteForm {
    /// `None` where the bytes do not start a request of ours, which are all GET.
    fn rewrite(&self, head: &[u8]) -> Option<Vec<u8>> {
        let target = head.strip_prefix(b"GET ").filter(|rest| rest.first() == Some(&b'/'))?;
        let end = target.windows(2).position(|pair| pair == b"\r\n")? + 2;
        let (line, headers) = target.split_at(end);
        let authorization = self.authorization.as_deref().unwrap_or_default();
        let parts = [b"GET ", self.origin.as_bytes(), line, authorization.as_bytes(), headers];
        Some(parts.concat())
    }
}

impl Transport for AbsoluteForm {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let sent = self.transport.buffers().output().get(..amount).map(<[u8]>::to_vec);
        let head = sent.and_then(|sent| self.rewrite(&sent));
        let Some(head) = head else { return self.transport.transmit_output(amount, timeout) };
        let output = self.transport.buffers().output();
        let room = output.get_mut(..head.len()).ok_or(Error::BadUri(self.origin.clone()))?;
        room.copy_from_slice(&head);
        self.transport.transmit_output(head.len(), timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.transport.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.transport.is_open()
    }
}
