//! What of a request gets into its span: the ids of the container and the process,
//! and nothing else. It must not look at environments, arguments or data.

use std::any::Any;

use kata_agent_api::agent;

/// Name and value.
pub(super) type Attribute = (&'static str, String);

/// Most bytes of an id that are taken; one that names anything is shorter.
const LONGEST: usize = 128;

fn bounded(id: &str) -> String {
    id[..id.floor_char_boundary(LONGEST)].to_owned()
}

macro_rules! ids {
    ($($request:ident: $($field:ident),+;)*) => {
        /// The requests that have ids, and which.
        #[cfg(test)]
        const TABLE: &[(&str, &[&str])] =
            &[$((stringify!($request), &[$(stringify!($field)),+])),*];

        /// The ids that `request` has and that are not empty.
        pub(super) fn of(request: &dyn Any) -> Vec<Attribute> {
            $(
                if let Some(request) = request.downcast_ref::<agent::$request>() {
                    let all = [$((stringify!($field), request.$field.as_str())),+];
                    let said = all.into_iter().filter(|(_, id)| !id.is_empty());
                    return said.map(|(name, id)| (name, bounded(id))).collect();
                }
            )*
            Vec::new()
        }
    };
}

ids! {
    CloseStdinRequest: container_id, exec_id;
    CreateContainerRequest: container_id, exec_id;
    ExecProcessRequest: container_id, exec_id;
    GetDiagnosticDataRequest: container_id;
    PauseContainerRequest: container_id;
    ReadStreamRequest: container_id, exec_id;
    RemoveContainerRequest: container_id;
    ResumeContainerRequest: container_id;
    SignalProcessRequest: container_id, exec_id;
    StartContainerRequest: container_id;
    StatsContainerRequest: container_id;
    TtyWinResizeRequest: container_id, exec_id;
    UpdateContainerRequest: container_id;
    WaitProcessRequest: container_id, exec_id;
    WriteStreamRequest: container_id, exec_id;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The contract knows every request; a new one with an id is missing here until
    /// the table has it.
    #[test]
    fn every_request_with_an_id_is_in_the_table() {
        let contract = include_str!("../../api/tests/contract.txt");
        let words = contract.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let mut expected = BTreeMap::<&str, Vec<&str>>::new();
        for line in words {
            if let [_, "field", message, _, field @ ("container_id" | "exec_id"), ..] = *line
                && let Some(message) = message.strip_prefix("grpc.")
                && message.ends_with("Request")
            {
                expected.entry(message).or_default().push(field);
            }
        }
        let table = TABLE.iter().map(|(request, fields)| (*request, fields.to_vec()));
        assert_eq!(table.collect::<BTreeMap<_, _>>(), expected);
    }

    #[test]
    fn ids_are_taken_whole_but_not_endless() {
        let mut request = agent::SignalProcessRequest::new();
        request.container_id = "abc".into();
        assert_eq!(of(&request), [("container_id", "abc".to_owned())]);
        request.exec_id = format!("x{}", "\u{e9}".repeat(LONGEST));
        let exec = format!("x{}", "\u{e9}".repeat((LONGEST - 1) / 2));
        assert_eq!(of(&request), [("container_id", "abc".to_owned()), ("exec_id", exec)]);
        assert_eq!(of(&agent::ListRoutesRequest::new()), []);
    }
}
