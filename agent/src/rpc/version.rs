//! `Version`: API and agent versions.

use kata_agent_api::API_VERSION;
use kata_agent_api::health::VersionCheckResponse;

pub(super) fn call() -> VersionCheckResponse {
    VersionCheckResponse {
        grpc_version: API_VERSION.to_owned(),
        agent_version: crate::VERSION.to_owned(),
        ..Default::default()
    }
}
