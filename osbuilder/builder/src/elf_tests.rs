//! Programs of several kinds, real and made by hand, and what is said of them.

use super::*;

/// A header, one program header of the given type and what that points to.
fn program(machine: u16, big: bool, kind: u16, header: u32, content: &[u8]) -> Vec<u8> {
    let mut out = b"\x7fELF\x02".to_vec();
    out.extend([if big { 2 } else { 1 }, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut put = |size: usize, value: u64| {
        let bytes = value.to_be_bytes();
        let mut field = bytes[8 - size..].to_vec();
        if !big {
            field.reverse();
        }
        out.extend(field);
    };
    let length = content.len() as u64;
    for (size, value) in [
        (2, u64::from(kind)),
        (2, u64::from(machine)),
        (4, 1),
        (8, 0x40_0078),
        (8, 64),
        (8, 0),
        (4, 0),
        (2, 64),
        (2, 56),
        (2, 1),
        (2, 0),
        (2, 0),
        (2, 0),
        (4, u64::from(header)),
        (4, 5),
        (8, 120),
        (8, 0x40_0078),
        (8, 0x40_0078),
        (8, length),
        (8, length),
        (8, 4096),
    ] {
        put(size, value);
    }
    out.extend(content);
    out
}

fn said(bytes: &[u8], architecture: &str) -> String {
    match check_agent_file(bytes, architecture) {
        Ok(()) => "fine".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn static_programs_of_the_guests_machine_are_fine() {
    for (architecture, machine, big) in MACHINES {
        for kind in [ET_EXEC, ET_DYN] {
            let bytes = program(machine, big, kind, 1, b"code");
            assert_eq!(said(&bytes, architecture), "fine", "{architecture}");
        }
    }
}

#[test]
fn other_files_are_called_by_their_name() {
    let x86 = program(62, false, ET_EXEC, 1, b"code");
    let dynamic = program(183, false, ET_DYN, PT_INTERP, b"/lib/ld-linux-aarch64.so.1\0");
    let with = |at: usize, byte: u8| {
        let mut bytes = program(183, false, ET_EXEC, 1, b"code");
        bytes[at] = byte;
        bytes
    };
    let table: [(&[u8], &str); 13] = [
        (b"", "it is empty, not an ELF program"),
        (b"#!/bin/sh\n", "it is a script, not an ELF program"),
        (b"\x1f\x8b\x08", "it is a packed file, not an ELF program"),
        (b"MZ", "it is something else, not an ELF program"),
        (b"\x7fELF", "it is an ELF file that is damaged or cut off"),
        (&x86[..30], "it is a program for x86_64, but the guest is aarch64"),
        (&x86, "it is a program for x86_64, but the guest is aarch64"),
        (
            &program(22, false, ET_EXEC, 1, b""),
            "it is a program for another machine (ELF number 22, 64 bits, little endian), but the guest is aarch64",
        ),
        (&with(16, 1), "it is an ELF object file, not a program"),
        (&with(16, 4), "it is an ELF core dump, not a program"),
        (&with(39, 0xff), "it is an ELF file that is damaged or cut off"),
        (&with(54, 8), "it is an ELF file that is damaged or cut off"),
        (
            &dynamic,
            "it needs the dynamic loader `/lib/ld-linux-aarch64.so.1`, which the guest need not have; link it statically (-C target-feature=+crt-static)",
        ),
    ];
    for (bytes, expected) in table {
        assert_eq!(said(bytes, "aarch64"), expected);
    }
    assert!(said(&x86, "mips").ends_with("but the guest is mips"));
}

#[test]
fn programs_of_this_machine_are_told_apart() {
    // The test itself is linked dynamically; its object files are no programs.
    let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let wanted = std::env::consts::ARCH;
    assert!(said(&own, wanted).starts_with("it needs the dynamic loader `/lib"), "{wanted}");
}

#[test]
fn no_damage_makes_it_panic() {
    let good = program(183, false, ET_DYN, PT_INTERP, b"/lib/ld.so\0");
    for cut in 0..good.len() {
        let _ = check_agent_file(&good[..cut], "aarch64");
    }
    for at in 4..good.len() {
        for byte in [0, 1, 3, 0x7f, 0x80, 0xff] {
            let mut damaged = good.clone();
            damaged[at] = byte;
            let _ = check_agent_file(&damaged, "aarch64");
        }
    }
}
