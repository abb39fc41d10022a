//! `GetGuestDetails`: what this guest and agent can do.

use std::path::Path;

use kata_agent_api::agent::{AgentDetails, GuestDetailsRequest, GuestDetailsResponse};

use super::Fault;
use crate::container::KINDS;
use crate::server::Agent;
use crate::storage::DRIVERS;

const BLOCK_SIZE: &str = "/sys/devices/system/memory/block_size_bytes";
const SECCOMP: &str = "/proc/sys/kernel/seccomp/actions_avail";
const PROBE: &str = "/sys/devices/system/memory/probe";

pub(super) async fn call(
    agent: &Agent,
    request: GuestDetailsRequest,
) -> Result<GuestDetailsResponse, Fault> {
    let details = AgentDetails {
        version: crate::VERSION.to_owned(),
        init_daemon: std::process::id() == 1,
        device_handlers: KINDS.map(str::to_owned).to_vec(),
        supports_seccomp: Path::new(SECCOMP).exists(),
        storage_handlers: DRIVERS.map(str::to_owned).to_vec(),
        extra_features: vec![kata_agent_api::BOOT_REPORT.to_owned()],
        ..Default::default()
    };
    // Kernels without memory hot-plug have no such file, which is an answer too.
    let block_size = if request.mem_block_size {
        agent.os.read(Path::new(BLOCK_SIZE)).map_or(0, |text| parse_hex(&text))
    } else {
        0
    };
    Ok(GuestDetailsResponse {
        mem_block_size_bytes: block_size,
        agent_details: Some(details).into(),
        support_mem_hotplug_probe: request.mem_hotplug_probe && Path::new(PROBE).exists(),
        ..Default::default()
    })
}

/// The kernel writes the size in hexadecimal, without saying so.
fn parse_hex(text: &str) -> u64 {
    u64::from_str_radix(text.trim().trim_start_matches("0x"), 16).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_size_is_hexadecimal() {
        assert_eq!(parse_hex("8000000\n"), 128 << 20);
        assert_eq!(parse_hex("junk"), 0);
    }
}
