//! File capabilities: from the text in a header (`cap_net_raw=ep`) to the value
//! of `security.capability` that the kernel reads. It knows no files.

/// Capabilities in the order of their bits.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];
/// All of them.
const ALL: u64 = (1 << NAMES.len()) - 1;
/// Revision 2 of the value: two 32-bit words for each set.
const REVISION: u32 = 0x0200_0000;

/// The three sets.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sets {
    effective: u64,
    permitted: u64,
    inheritable: u64,
}

/// The extended attribute for a text; `None` for one that gives nothing. The
/// error is a sentence that names the text.
pub(super) fn attribute(text: &str) -> Result<Option<Vec<u8>>, String> {
    let bad =
        |reason: &str| format!("`{}` is no set of capabilities: {reason}", text.escape_debug());
    let mut sets = Sets::default();
    for clause in text.split_ascii_whitespace() {
        apply(&mut sets, clause).map_err(bad)?;
    }
    if sets == Sets::default() {
        return Ok(None);
    }
    // A file has one bit for all effective capabilities.
    let granted = sets.permitted | sets.inheritable;
    if sets.effective != 0 && sets.effective != granted {
        return Err(bad("a file's capabilities are all effective or none is"));
    }
    let word = |set: u64, shift: u32| (set >> shift & 0xffff_ffff) as u32;
    let words = [
        REVISION | u32::from(sets.effective != 0),
        word(sets.permitted, 0),
        word(sets.inheritable, 0),
        word(sets.permitted, 32),
        word(sets.inheritable, 32),
    ];
    Ok(Some(words.iter().flat_map(|word| word.to_le_bytes()).collect()))
}

/// One clause: names, then operators with the sets that they are about.
fn apply(sets: &mut Sets, clause: &str) -> Result<(), &'static str> {
    let is_operator = |c: char| matches!(c, '=' | '+' | '-');
    let at = clause.find(is_operator).ok_or("an operator is missing")?;
    let (names, mut actions) = clause.split_at(at);
    let mut mask = 0;
    for name in names.split(',') {
        mask |= match name {
            "all" => ALL,
            // Nothing before `=` means all.
            "" if names.is_empty() && actions.starts_with('=') => ALL,
            name => {
                let name = name.to_ascii_lowercase();
                let name = name.strip_prefix("cap_").ok_or("a name is unknown")?;
                let bit = NAMES.iter().position(|known| *known == name);
                1 << bit.ok_or("a name is unknown")?
            }
        };
    }
    while let Some(operator) = actions.chars().next() {
        let rest = &actions[1..];
        let end = rest.find(is_operator).unwrap_or(rest.len());
        let (flags, after) = rest.split_at(end);
        if operator == '=' {
            for set in [&mut sets.effective, &mut sets.permitted, &mut sets.inheritable] {
                *set &= !mask;
            }
        }
        for flag in flags.chars() {
            let set = match flag {
                'e' => &mut sets.effective,
                'p' => &mut sets.permitted,
                'i' => &mut sets.inheritable,
                _ => return Err("a set is none of e, i and p"),
            };
            if operator == '-' { *set &= !mask } else { *set |= mask }
        }
        actions = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match attribute(text) {
            Ok(None) => "none".to_owned(),
            Ok(Some(bytes)) => hex::encode(bytes),
            Err(error) => error,
        }
    }

    #[test]
    fn texts_become_what_the_kernel_reads() {
        let table = [
            ("", "none"),
            ("=", "none"),
            ("cap_net_raw=ep", "0100000200200000000000000000000000000000"),
            ("cap_net_raw+p", "0000000200200000000000000000000000000000"),
            ("= cap_net_raw+ep", "0100000200200000000000000000000000000000"),
            ("cap_net_raw,cap_net_admin=p", "0000000200300000000000000000000000000000"),
            ("cap_bpf=ei", "0100000200000000000000000000000080000000"),
            ("=ep", "01000002ffffffff00000000ff01000000000000"),
            ("=ep cap_chown-ep", "01000002feffffff00000000ff01000000000000"),
            (
                "cap_chown=p cap_kill=e",
                "`cap_chown=p cap_kill=e` is no set of capabilities: a file's capabilities are all effective or none is",
            ),
            ("cap_foo=p", "`cap_foo=p` is no set of capabilities: a name is unknown"),
            ("cap_chown", "`cap_chown` is no set of capabilities: an operator is missing"),
            ("cap_chown=x", "`cap_chown=x` is no set of capabilities: a set is none of e, i and p"),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
