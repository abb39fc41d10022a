//! `GetDiagnosticData`: explanations by type.

use kata_agent_api::BOOT_REPORT;
use kata_agent_api::agent::{GetDiagnosticDataRequest, GetDiagnosticDataResponse};

use super::Fault;
use crate::report;
use crate::server::Agent;

const TERMINATION_LOG: &str = "termination_log";

pub(super) async fn call(
    agent: &Agent,
    request: GetDiagnosticDataRequest,
) -> Result<GetDiagnosticDataResponse, Fault> {
    match request.log_type.as_str() {
        BOOT_REPORT => {
            let report = report::collect(agent).await;
            let data = serde_json::to_string(&report)
                .map_err(|error| Fault::internal("can't write the report")(error.into()))?;
            Ok(GetDiagnosticDataResponse { data, ..Default::default() })
        }
        // There are no containers in this agent, so none has left a message.
        TERMINATION_LOG => {
            Err(Fault::NotFound(format!("there is no container {:?}", request.container_id)))
        }
        other => Err(Fault::InvalidArgument(format!(
            "log type {other:?} is not known; there are {BOOT_REPORT} and {TERMINATION_LOG}"
        ))),
    }
}
