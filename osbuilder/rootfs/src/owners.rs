//! Numbers of users and groups for archives that tell owners by name. It does
//! not know which archives do, nor where the numbers were given.

use std::collections::BTreeMap;

use crate::merge::MergeProblem;

/// The numbers behind names; `root` is always 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    /// Users by name.
    pub users: BTreeMap<String, u32>,
    /// Groups by name.
    pub groups: BTreeMap<String, u32>,
}

impl Owners {
    /// The numbers of a user and a group; a name that is empty is root's.
    pub(crate) fn numbers(&self, user: &str, group: &str) -> Result<(u32, u32), MergeProblem> {
        let find = |what, numbers: &BTreeMap<String, u32>, name: &str| match numbers.get(name) {
            Some(number) => Ok(*number),
            None if matches!(name, "" | "root") => Ok(0),
            None => Err(MergeProblem::Owner { what, name: name.to_owned() }),
        };
        Ok((find("user", &self.users, user)?, find("group", &self.groups, group)?))
    }
}
