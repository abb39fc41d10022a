//! Users and groups by the container's own files. Those belong to the image: each is
//! read within the root, up to a bound, and lines that make no sense are passed over.

use std::path::Path;

use oci_spec::runtime::User;

use crate::confine::{self, Root};
use crate::error::{During, Error};
use crate::mounts::is_missing;

/// The largest passwd or group file that is read.
const MOST_BYTES: u64 = 4 << 20;
/// As many groups as the kernel takes.
const MOST_GROUPS: usize = 65536;

/// Who the program runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
    /// The home folder that goes with the user.
    pub home: String,
}

/// The files' contents; empty when there is none.
struct Files {
    passwd: String,
    group: String,
}

/// Finds out who the program runs as. `user` has numbers; if it has a name too, as
/// `user`, `user:group`, or numbers in their places, that name decides.
pub(crate) fn resolve(root: &Root, user: &User) -> Result<Identity, Error> {
    let files = Files { passwd: read(root, "/etc/passwd")?, group: read(root, "/etc/group")? };
    identify(&files, user)
}

fn read(root: &Root, path: &str) -> Result<String, Error> {
    match confine::read(root, Path::new(path), MOST_BYTES) {
        Ok(content) => Ok(String::from_utf8_lossy(&content).into_owned()),
        Err(error) if is_missing(&error) => Ok(String::new()),
        Err(error) => Err(error).during(|| format!("can't read the container's {path}")),
    }
}

fn identify(files: &Files, user: &User) -> Result<Identity, Error> {
    let mut identity = Identity {
        uid: user.uid(),
        gid: user.gid(),
        groups: user.additional_gids().clone().unwrap_or_default(),
        home: String::new(),
    };
    if let Some(name) = user.username().as_deref().filter(|name| !name.is_empty()) {
        by_name(files, name, &mut identity)?;
    }
    identity.groups.truncate(MOST_GROUPS);
    let own = Account::all(&files.passwd).find(|account| account.uid == identity.uid);
    identity.home =
        own.map(|own| own.home).filter(|home| !home.is_empty()).unwrap_or("/").to_owned();
    Ok(identity)
}

fn by_name(files: &Files, name: &str, identity: &mut Identity) -> Result<(), Error> {
    let (name, group) = match name.split_once(':') {
        Some((name, group)) => (name, Some(group)),
        None => (name, None),
    };
    let number = name.parse::<u32>().ok();
    let account = Account::all(&files.passwd)
        .find(|account| (account.name == name && !name.is_empty()) || Some(account.uid) == number);
    match (&account, number) {
        (Some(account), _) => {
            (identity.uid, identity.gid) = (account.uid, account.gid);
        }
        (None, Some(number)) => (identity.uid, identity.gid) = (number, 0),
        (None, None) => {
            return Err(Error::Stage(format!("the container's /etc/passwd has no user {name:?}")));
        }
    }
    match group.filter(|group| !group.is_empty()) {
        Some(group) => {
            let number = group.parse::<u32>().ok();
            identity.gid = Group::all(&files.group)
                .find(|one| one.name == group || Some(one.gid) == number)
                .map(|one| one.gid)
                .or(number)
                .ok_or_else(|| {
                    Error::Stage(format!("the container's /etc/group has no group {group:?}"))
                })?;
        }
        // Membership counts only when no group was named, as runc has it.
        None => {
            let member_of = account.as_ref().map_or(name, |account| account.name);
            for group in Group::all(&files.group) {
                if group.members.split(',').any(|member| member == member_of)
                    && !identity.groups.contains(&group.gid)
                {
                    identity.groups.push(group.gid);
                }
            }
        }
    }
    Ok(())
}

/// A line of passwd.
struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

impl<'a> Account<'a> {
    fn all(passwd: &'a str) -> impl Iterator<Item = Self> {
        passwd.lines().filter_map(|line| {
            let mut fields = line.trim().split(':');
            // One without a name has a home all the same.
            let name = fields.next()?;
            let _password = fields.next()?;
            let uid = fields.next()?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            let home = fields.nth(1).unwrap_or_default();
            Some(Account { name, uid, gid, home })
        })
    }
}

/// A line of group.
struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

impl<'a> Group<'a> {
    fn all(group: &'a str) -> impl Iterator<Item = Self> {
        group.lines().filter_map(|line| {
            let mut fields = line.trim().split(':');
            let name = fields.next().filter(|name| !name.is_empty())?;
            let _password = fields.next()?;
            let gid = fields.next()?.parse().ok()?;
            Some(Group { name, gid, members: fields.next().unwrap_or_default() })
        })
    }
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::UserBuilder;

    use super::*;

    fn identified(user: &User) -> Result<Identity, Error> {
        let files = Files {
            passwd: "root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:33:34:web:/var/www:/bin/false\n"
                .to_owned(),
            group: "root:x:0:\nwww:x:34:\naudio:x:29:root,web\nstaff:x:50:web\n".to_owned(),
        };
        identify(&files, user)
    }

    fn named(name: &str) -> Result<Identity, Error> {
        let user = UserBuilder::default().username(name).additional_gids([7]).build();
        identified(&user.expect("it is whole"))
    }

    #[test]
    fn numbers_stay_and_find_their_home() {
        let user = UserBuilder::default().uid(33_u32).gid(5_u32).build().expect("it is whole");
        let identity = identified(&user).expect("it is there");
        assert_eq!((identity.uid, identity.gid, identity.groups), (33, 5, vec![]));
        assert_eq!(identity.home, "/var/www");
        let user = UserBuilder::default().uid(99_u32).gid(5_u32).build().expect("it is whole");
        assert_eq!(identified(&user).expect("any number").home, "/");
    }

    #[test]
    fn names_decide_over_numbers() {
        let web = named("web").expect("it is there");
        assert_eq!((web.uid, web.gid, web.groups), (33, 34, vec![7, 29, 50]));
        let web = named("web:audio").expect("both are there");
        assert_eq!((web.uid, web.gid, web.groups), (33, 29, vec![7]));
        let numbers = named("1000:1000").expect("numbers need no file");
        assert_eq!((numbers.uid, numbers.gid), (1000, 1000));
    }

    #[test]
    fn an_unknown_name_is_an_error() {
        assert!(named("nobody").is_err());
        assert!(named("web:nobody").is_err());
    }
}
