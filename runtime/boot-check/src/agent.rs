//! The host's side of the conversation with an agent that is on its way up.
//!
//! Readiness: the agent's own line on the console says that it listens. Nobody
//! knocks before: a connection to a guest whose vsock driver is just coming up
//! can end the worker of the vsock daemon for good (seen with
//! vhost-device-vsock 0.3.0), and each attempt costs the guest instructions. An
//! agent that prints no such line is asked every now and then all the same.

use std::time::Duration;

use hypervisor::Console;
use hypervisor::vsock::VsockAddress;
use kata_agent_api::agent::{
    CreateSandboxRequest, DestroySandboxRequest, GetDiagnosticDataRequest, GuestDetailsRequest,
    SetGuestDateTimeRequest,
};
use kata_agent_api::agent_ttrpc::AgentServiceClient;
use kata_agent_api::connect::{Address, connect_to};
use kata_agent_api::health::CheckRequest;
use kata_agent_api::health::health_check_response::ServingStatus;
use kata_agent_api::health_ttrpc::HealthClient;
use kata_agent_api::{BOOT_REPORT, BootReport as GuestReport, ports};
use tokio::time::{sleep, timeout};
use ttrpc::context::{Context, with_duration};

use crate::timeline::agent_listens;

/// How long one attempt may take: the agent said that it listens.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between attempts, once it said so.
const POLL: Duration = Duration::from_millis(20);
/// How long a silent agent is waited for before it is asked all the same.
const SILENCE: Duration = Duration::from_secs(15);
/// How long one question may take once the agent has answered before.
const QUESTION: Duration = Duration::from_secs(30);
/// The largest report accepted from a guest, in bytes.
const REPORT_LIMIT: usize = 4 * 1024 * 1024;

/// A question the agent did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("the agent did not answer {question}: {reason}")]
    Rpc { question: &'static str, reason: String },
    #[error("the agent's boot report can't be read: {0}")]
    Report(String),
}

/// An agent that answers.
pub(crate) struct Agent {
    health: HealthClient,
    service: AgentServiceClient,
}

/// The agent's address in the API's terms.
pub(crate) fn address(vsock: &VsockAddress) -> Address {
    match vsock {
        VsockAddress::Hybrid(path) => Address::Hybrid { path: path.clone(), port: ports::TTRPC },
        VsockAddress::Cid(cid) => Address::Vsock { cid: *cid, port: ports::TTRPC },
    }
}

/// Tries until the agent answers that it serves. Ends only with success, so
/// the caller sets the deadline and watches the machine beside it.
pub(crate) async fn wait_until_ready(address: &Address, console: &Console) -> Agent {
    loop {
        // Over at once when the line is there already.
        let _ = timeout(SILENCE, until_agent_listens(console)).await;
        if let Ok(Some(agent)) = timeout(PATIENCE, attempt(address, PATIENCE)).await {
            return agent;
        }
        sleep(POLL).await;
    }
}

async fn until_agent_listens(console: &Console) {
    let mut changes = console.watch();
    loop {
        changes.borrow_and_update();
        if console.lines().iter().any(|line| agent_listens(&line.text)) {
            return;
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

async fn attempt(address: &Address, patience: Duration) -> Option<Agent> {
    let client = match connect_to(address, patience).await {
        Ok(client) => client,
        Err(error) => {
            if !error.is_transient() {
                tracing::warn!(%error, "the agent's socket answers strangely");
            }
            return None;
        }
    };
    let health = HealthClient::new(client.clone());
    let answer = health.check(with_duration(patience), &CheckRequest::new()).await.ok()?;
    let serving = answer.status.enum_value() == Ok(ServingStatus::SERVING);
    serving.then(|| Agent { health, service: AgentServiceClient::new(client) })
}

fn context() -> Context {
    with_duration(QUESTION)
}

/// Names the question in a failure.
fn rpc(question: &'static str) -> impl FnOnce(ttrpc::Error) -> AskError {
    move |error| AskError::Rpc { question, reason: error.to_string() }
}

impl Agent {
    /// The agent's version.
    pub(crate) async fn version(&self) -> Result<String, AskError> {
        let answer = self.health.version(context(), &CheckRequest::new()).await;
        answer.map(|version| version.agent_version).map_err(rpc("Version"))
    }

    /// The agent's version as its guest details have it, and the size of a
    /// memory block in bytes.
    pub(crate) async fn details(&self) -> Result<(String, u64), AskError> {
        let mut request = GuestDetailsRequest::new();
        request.mem_block_size = true;
        let answer = self.service.get_guest_details(context(), &request).await;
        let details = answer.map_err(rpc("GetGuestDetails"))?;
        Ok((details.agent_details.version.clone(), details.mem_block_size_bytes))
    }

    /// How the guest looks from inside.
    pub(crate) async fn report(&self) -> Result<GuestReport, AskError> {
        let mut request = GetDiagnosticDataRequest::new();
        BOOT_REPORT.clone_into(&mut request.log_type);
        let answer = self.service.get_diagnostic_data(context(), &request).await;
        let data = answer.map_err(rpc("GetDiagnosticData"))?.data;
        if data.len() > REPORT_LIMIT {
            return Err(AskError::Report(format!("it has {} bytes", data.len())));
        }
        serde_json::from_str(&data).map_err(|error| AskError::Report(error.to_string()))
    }

    /// Sets the guest's clock, given as time since 1970.
    pub(crate) async fn set_clock(&self, now: Duration) -> Result<(), AskError> {
        let mut request = SetGuestDateTimeRequest::new();
        request.Sec = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        request.Usec = i64::from(now.subsec_micros());
        let answer = self.service.set_guest_date_time(context(), &request).await;
        answer.map(drop).map_err(rpc("SetGuestDateTime"))
    }

    /// Makes a sandbox.
    pub(crate) async fn create_sandbox(&self) -> Result<(), AskError> {
        let mut request = CreateSandboxRequest::new();
        request.hostname = "boot-check".to_owned();
        request.sandbox_id = "boot-check".to_owned();
        let answer = self.service.create_sandbox(context(), &request).await;
        answer.map(drop).map_err(rpc("CreateSandbox"))
    }

    /// Ends the sandbox, after which the guest powers off.
    pub(crate) async fn destroy_sandbox(&self) -> Result<(), AskError> {
        let answer = self.service.destroy_sandbox(context(), &DestroySandboxRequest::new()).await;
        answer.map(drop).map_err(rpc("DestroySandbox"))
    }
}
