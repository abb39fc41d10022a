//! All RPCs of the protocol, from its description. Sends nothing.

use kata_agent_api::{agent, health};
use protobuf::reflect::MessageDescriptor;

/// One RPC.
#[derive(Debug, Clone)]
pub struct Method {
    /// Full name of the service.
    pub service: String,
    /// Name on the wire.
    pub name: String,
    /// What it takes.
    pub request: MessageDescriptor,
    /// What it answers.
    pub response: MessageDescriptor,
}

/// All RPCs in alphabetical order.
pub fn methods() -> Vec<Method> {
    let mut methods = Vec::new();
    for file in [health::file_descriptor(), agent::file_descriptor()] {
        for service in file.services() {
            for method in service.methods() {
                methods.push(Method {
                    service: format!("{}.{}", file.package(), service.proto().name()),
                    name: method.proto().name().to_owned(),
                    request: method.input_type(),
                    response: method.output_type(),
                });
            }
        }
    }
    methods.sort_by(|a, b| a.name.cmp(&b.name));
    methods
}

/// The RPC of that name; upper and lower case are the same, since tools differ.
pub fn find(name: &str) -> Option<Method> {
    methods().into_iter().find(|method| method.name.eq_ignore_ascii_case(name))
}

/// The one of `names` that `wrong` was probably meant to be.
pub fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    names
        .map(|name| (strsim::damerau_levenshtein(&wrong, &name.to_lowercase()), name))
        .min()
        .filter(|(distance, name)| *distance <= 2.max(name.len() / 3))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rpc_is_there() {
        let methods = methods();
        assert_eq!(methods.len(), 44);
        let check = find("check").unwrap();
        assert_eq!((check.service.as_str(), check.name.as_str()), ("grpc.Health", "Check"));
        assert_eq!(check.response.full_name(), "grpc.HealthCheckResponse");
        let interface = find("UpdateInterface").unwrap();
        assert_eq!(interface.response.full_name(), "types.Interface");
        assert_eq!(find("GetIptables").unwrap().name, "GetIPTables");
    }

    #[test]
    fn nearest_names() {
        let names = ["CopyFile", "CreateSandbox", "DestroySandbox"];
        assert_eq!(nearest("copyfil", names.into_iter()), Some("CopyFile"));
        assert_eq!(nearest("xyz", names.into_iter()), None);
    }
}
