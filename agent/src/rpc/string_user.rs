//! Users by name, as some runtimes send them beside the spec.

use kata_agent_api::agent::StringUser;
use oci_spec::runtime::Process;

/// Lets the container's own files say which numbers a user has that is named.
pub(super) fn apply(process: Option<&mut Process>, user: Option<&StringUser>) {
    let (Some(process), Some(named)) = (process, user) else { return };
    if named.uid.is_empty() {
        return;
    }
    let mut user = process.user().clone();
    let name = match named.gid.as_str() {
        "" => named.uid.clone(),
        group => format!("{}:{group}", named.uid),
    };
    user.set_username(Some(name));
    let mut groups = user.additional_gids().clone().unwrap_or_default();
    for group in &named.additionalGids {
        match group.parse() {
            Ok(number) if !groups.contains(&number) => groups.push(number),
            Ok(_) => {}
            Err(_) => log::warn!("the additional group {group:?} is no number and left out"),
        }
    }
    user.set_additional_gids(Some(groups));
    process.set_user(user);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_where_the_container_s_files_are_asked() {
        let mut process = Process::default();
        apply(Some(&mut process), Some(&StringUser::default()));
        assert_eq!(process.user().username(), &None);
        let named = StringUser {
            uid: "web".into(),
            gid: "www".into(),
            additionalGids: vec!["7".into(), "x".into()],
            ..StringUser::default()
        };
        apply(Some(&mut process), Some(&named));
        assert_eq!(process.user().username().as_deref(), Some("web:www"));
        assert_eq!(process.user().additional_gids(), &Some(vec![7]));
    }
}
