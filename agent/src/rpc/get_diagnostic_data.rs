//! `GetDiagnosticData`: explanations by type.

use kata_agent_api::BOOT_REPORT;
use kata_agent_api::agent::{GetDiagnosticDataRequest, GetDiagnosticDataResponse};

use super::{Fault, in_background, termination_log};
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
        TERMINATION_LOG => {
            let paths = agent.paths.clone();
            let work = move || termination_log::of_container(&paths, &request.container_id);
            let data = in_background("read the message", work).await??;
            Ok(GetDiagnosticDataResponse { data, ..Default::default() })
        }
        other => Err(Fault::InvalidArgument(format!(
            "log type {other:?} is not known; there are {BOOT_REPORT} and {TERMINATION_LOG}"
        ))),
    }
}
