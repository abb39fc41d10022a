//! Rules and the programs that they become, without a kernel.

use expect_test::expect;
use oci_spec::runtime::{LinuxDevice, LinuxDeviceCgroup};

use super::evaluator::{Access, answered, said};
use super::instruction::Instruction;
use super::program::assemble;
use super::rules::{BLOCK, CHARACTER, EVERY_ACCESS, MAKE, Policy, READ, Rule, WRITE};
use crate::spec::Invalid;

fn policy(rules: &str, nodes: &str) -> Result<Policy, Invalid> {
    let rules: Vec<LinuxDeviceCgroup> = serde_json::from_str(rules).expect("they are rules");
    let nodes: Vec<LinuxDevice> = serde_json::from_str(nodes).expect("they are nodes");
    Policy::new(&rules, &nodes)
}

/// Whether an access is allowed, as `c 1:3 rw`.
fn allows(policy: &Policy, text: &str) -> bool {
    let (kind, rest) = text.split_at(2);
    let (major, rest) = rest.split_once(':').expect("a number");
    let (minor, letters) = rest.split_once(' ').expect("an access");
    let letter = |letter| match letter {
        'r' => READ,
        'w' => WRITE,
        'm' => MAKE,
        other => panic!("{other}"),
    };
    let asked = Access {
        kind: if kind == "b " { BLOCK } else { CHARACTER },
        major: major.parse().expect("a number"),
        minor: minor.parse().expect("a number"),
        access: letters.chars().map(letter).sum(),
    };
    answered(&assemble(policy), asked)
}

/// Rules over few devices, so that every list of two can be tried with every access.
fn small_rules() -> Vec<Rule> {
    let mut rules = Vec::new();
    for allow in [true, false] {
        for kind in [None, Some(CHARACTER), Some(BLOCK)] {
            for (major, minor) in
                [(None, None), (Some(1), None), (None, Some(3)), (Some(1), Some(3))]
            {
                for access in 1..=EVERY_ACCESS {
                    rules.push(Rule { allow, kind, major, minor, access });
                }
            }
        }
    }
    rules
}

fn agrees(rules: &[Rule]) {
    let program = assemble(&Policy::of(rules.to_vec()));
    for kind in [CHARACTER, BLOCK] {
        for (major, minor) in [(1, 3), (1, 4), (2, 3), (2, 4)] {
            for access in 1..=EVERY_ACCESS {
                let asked = Access { kind, major, minor, access };
                assert_eq!(answered(&program, asked), said(rules, asked), "{asked:?} of {rules:?}");
            }
        }
    }
}

#[test]
fn programs_say_what_rules_say() {
    let all = small_rules();
    agrees(&[]);
    for first in &all {
        agrees(&[*first]);
        for second in &all {
            agrees(&[*first, *second]);
        }
    }
}

#[test]
fn programs_of_three_rules_say_so_too() {
    // Fewer kinds of access, for there are many lists.
    let some: Vec<_> = small_rules()
        .into_iter()
        .filter(|rule| [EVERY_ACCESS, READ, READ | WRITE].contains(&rule.access))
        .filter(|rule| rule.kind != Some(BLOCK) && (rule.major.is_some() || rule.minor.is_none()))
        .collect();
    for first in &some {
        for second in &some {
            for third in &some {
                agrees(&[*first, *second, *third]);
            }
        }
    }
}

#[test]
fn without_rules_a_container_has_what_every_container_has() {
    let policy = policy("[]", "[]").expect("it can be");
    assert!(!policy.allows_all());
    for allowed in [
        "c 1:3 rwm",
        "c 1:5 rw",
        "c 1:7 rw",
        "c 1:8 r",
        "c 1:9 r",
        "c 5:0 rw",
        "c 5:2 rw",
        "c 136:0 rw",
        "c 136:77 rwm",
        "c 10:200 rw",
        "b 8:0 m",
        "c 4:4 m",
    ] {
        assert!(allows(&policy, allowed), "{allowed}");
    }
    for forbidden in ["b 8:0 r", "b 8:0 rm", "c 1:1 r", "c 4:4 w", "b 1:3 r", "c 5:1 rw"] {
        assert!(!allows(&policy, forbidden), "{forbidden}");
    }
}

#[test]
fn the_last_rule_counts_and_what_all_have_stays() {
    let rules = r#"[{"allow":false,"access":"rwm"},
        {"allow":true,"type":"b","major":8,"access":"rw"},
        {"allow":false,"type":"b","major":8,"minor":1,"access":"w"},
        {"allow":false,"type":"c","major":1,"minor":3,"access":"rwm"}]"#;
    let policy = policy(rules, "[]").expect("it can be");
    for allowed in ["b 8:0 rw", "b 8:0 rwm", "b 8:1 r", "c 1:3 rw"] {
        assert!(allows(&policy, allowed), "{allowed}");
    }
    for forbidden in ["b 8:1 w", "b 8:1 rw", "b 9:0 r"] {
        assert!(!allows(&policy, forbidden), "{forbidden}");
    }
}

#[test]
fn a_node_of_the_spec_may_be_another_device() {
    let nodes = r#"[{"path":"/dev/full","type":"c","major":9,"minor":9}]"#;
    let policy = policy("[]", nodes).expect("it can be");
    assert!(!allows(&policy, "c 1:7 r"), "the spec said nothing of it");
    assert!(!allows(&policy, "c 9:9 r"), "a node alone allows nothing");
    assert!(allows(&policy, "c 1:3 r"));
}

#[test]
fn everything_allowed_needs_no_program() {
    let all = r#"{"allow":true,"type":"a","access":"rwm"}"#;
    let numbered = r#"{"allow":true,"type":"a","major":0,"minor":0,"access":"mrw"}"#;
    let no_type = r#"{"allow":true,"access":"rwm"}"#;
    let forbidden = r#"{"allow":false,"type":"c","major":1,"access":"r"}"#;
    let nothing = r#"{"allow":false,"type":"a","major":-1,"minor":-1,"access":"rwm"}"#;
    let is_all = |rules: &[&str]| {
        policy(&format!("[{}]", rules.join(",")), "[]").expect("it can be").allows_all()
    };
    for one in [all, numbered, no_type] {
        assert!(is_all(&[one]), "{one}");
        assert!(is_all(&[nothing, forbidden, one]), "{one}");
        assert!(!is_all(&[one, forbidden]), "{one}");
        assert!(!is_all(&[one, nothing]), "{one}");
    }
    assert!(!is_all(&[r#"{"allow":true,"type":"a","access":"rw"}"#]));
}

#[test]
fn rules_that_can_not_be_are_named() {
    for (bad, expected) in [
        (r#"{"allow":true,"type":"p","access":"r"}"#, "\"p\" is no type of a rule: a, b and c are"),
        (r#"{"allow":true,"type":"c","access":"rx"}"#, "'x' is no access: r, w and m are"),
        (r#"{"allow":true,"type":"c"}"#, "has no access: r, w and m are"),
        (r#"{"allow":true,"type":"c","access":""}"#, "has no access: r, w and m are"),
        (
            r#"{"allow":true,"type":"c","minor":4294967296,"access":"r"}"#,
            "4294967296 is no device's number",
        ),
    ] {
        let rules = format!(r#"[{{"allow":false,"access":"rwm"}},{bad}]"#);
        let error = policy(&rules, "[]").expect_err(bad);
        assert_eq!(
            (error.at.as_str(), error.why.as_str()),
            ("linux.resources.devices[1]", expected)
        );
    }
    let many = vec![LinuxDeviceCgroup::default(); 1025];
    assert!(Policy::new(&many, &[]).is_err());
}

#[test]
fn a_program_is_what_the_kernel_reads() {
    let rule = Rule {
        allow: true,
        kind: Some(CHARACTER),
        major: Some(0xfff),
        minor: Some(0x8000_0001),
        access: READ,
    };
    let program = assemble(&Policy::of(vec![rule]));
    let bytes = |one: &Instruction| {
        let mut bytes = Vec::new();
        one.encode(&mut bytes);
        assert_eq!(bytes.len(), 8);
        let mut hexadecimal: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        hexadecimal.push('\n');
        hexadecimal
    };
    if cfg!(target_endian = "little") {
        let text: String = program.iter().map(bytes).collect();
        expect![[r#"
            6110000000000000
            5400000000000100
            1600020000000000
            b400000000000000
            9500000000000000
            6110000000000000
            5400000000000200
            16000a0000000000
            6110000000000000
            54000000ffff0000
            5600050002000000
            6110040000000000
            56000300ff0f0000
            6110080000000000
            5600010001000080
            0500020000000000
            b400000000000000
            9500000000000000
            6110000000000000
            5400000000000400
            1600020000000000
            b400000000000000
            9500000000000000
            b400000001000000
            9500000000000000
        "#]]
        .assert_eq(&text);
    }
}
