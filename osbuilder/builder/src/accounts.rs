//! /etc/passwd, /etc/group and /etc/shadow from the nouns of a recipe: what
//! maintainer scripts would have made with useradd.

use recipe::Layer;
use std::fmt::Write as _;

/// The text of the account files, in number order.
pub(crate) struct Accounts {
    pub(crate) passwd: String,
    pub(crate) group: String,
    pub(crate) shadow: String,
}

/// Renders the users and groups of `layer`. Every password is locked; the day
/// of the last change is left empty, since it would be the build's.
pub(crate) fn render(layer: &Layer) -> Accounts {
    let mut users = layer.users.clone();
    users.sort_by(|a, b| (a.uid, &a.name).cmp(&(b.uid, &b.name)));
    let mut groups = layer.groups.clone();
    groups.sort_by(|a, b| (a.gid, &a.name).cmp(&(b.gid, &b.name)));
    let mut accounts =
        Accounts { passwd: String::new(), group: String::new(), shadow: String::new() };
    for user in &users {
        let (name, home, shell) = (&user.name, &user.home, &user.shell);
        let line = format!("{name}:x:{}:{}:{}:{home}:{shell}", user.uid, user.gid, user.comment);
        writeln!(accounts.passwd, "{line}").expect("a String takes everything");
        writeln!(accounts.shadow, "{name}:*:::::::").expect("a String takes everything");
    }
    for group in &groups {
        let members = group.members.join(",");
        writeln!(accounts.group, "{}:x:{}:{members}", group.name, group.gid)
            .expect("a String takes everything");
    }
    accounts
}

#[cfg(test)]
mod tests {
    use super::*;
    use recipe::GuestPath;
    use recipe::layer::{Group, User};

    #[test]
    fn lines_are_sorted_and_locked() {
        let user = |name: &str, uid| User {
            name: name.into(),
            uid,
            gid: uid,
            comment: String::new(),
            home: GuestPath::new("/root").unwrap(),
            shell: GuestPath::new("/bin/sh").unwrap(),
        };
        let group = |name: &str, gid| Group { name: name.into(), gid, members: vec!["a".into()] };
        let layer = Layer {
            users: vec![user("b", 7), user("root", 0)],
            groups: vec![group("g", 5)],
            ..Layer::default()
        };
        let accounts = render(&layer);
        assert_eq!(accounts.passwd, "root:x:0:0::/root:/bin/sh\nb:x:7:7::/root:/bin/sh\n");
        assert_eq!(accounts.group, "g:x:5:a\n");
        assert_eq!(accounts.shadow, "root:*:::::::\nb:*:::::::\n");
    }
}
