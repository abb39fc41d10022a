//! Tests of the fragment reader: each way in which a file can be wrong, with
//! the sentence that its author will read.

use super::*;

fn problems(text: &str) -> String {
    let problems = parse("a.conf", text.as_bytes()).unwrap_err();
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_form_of_a_line_is_read() {
    let text = "# Why.\nCONFIG_A=y\nCONFIG_B=n\n# CONFIG_C is not set\nCONFIG_D=240\n\n\
                # Also why, CONFIG_E=y being named in prose.\n# More.\nCONFIG_E=0x10\n\
                # Still the same block.\nCONFIG_F=\"a \\\"b\\\" \\\\\"\nCONFIG_G=-1   \n";
    let fragment = parse("a.conf", text.as_bytes()).unwrap();
    let lines: Vec<_> = fragment.requested.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "CONFIG_A=y",
            "# CONFIG_B is not set",
            "# CONFIG_C is not set",
            "CONFIG_D=240",
            "CONFIG_E=0x10",
            "CONFIG_F=\"a \\\"b\\\" \\\\\"",
            "CONFIG_G=-1",
        ]
    );
    assert_eq!(fragment.requested[2].place.to_string(), "a.conf:4");
}

#[test]
fn a_block_without_a_reason_is_refused_once() {
    assert_eq!(
        problems("# Why.\nCONFIG_A=y\n\nCONFIG_B=y\nCONFIG_C=y\n"),
        "a.conf:4: the block that starts with CONFIG_B has no comment above it; say why a guest needs it"
    );
}

#[test]
fn switching_an_option_off_is_no_reason_for_it() {
    assert!(problems("# CONFIG_A is not set\nCONFIG_B=y\n").contains("starts with CONFIG_A"));
}

#[test]
fn wrong_lines_are_shown() {
    assert_eq!(
        problems("# Why.\nCONFIG_A\nA=y\nCONFIG_=y\nCONFIG_A-B=y\n CONFIG_A=y\n")
            .lines()
            .map(|line| line.split("found ").nth(1).unwrap())
            .collect::<Vec<_>>(),
        ["\"CONFIG_A\"", "\"A=y\"", "\"CONFIG_=y\"", "\"CONFIG_A-B=y\"", "\" CONFIG_A=y\""]
    );
}

#[test]
fn wrong_values_are_shown() {
    assert_eq!(
        problems("# Why.\nCONFIG_A=yes\nCONFIG_B=\nCONFIG_C=\"a\nCONFIG_D=\"a\"b\"\nCONFIG_E=0x\n"),
        "a.conf:2: CONFIG_A has the value yes; known are y, n, numbers and \"text\"\n\
         a.conf:3: CONFIG_B has the value ; known are y, n, numbers and \"text\"\n\
         a.conf:4: CONFIG_C has the value \"a; known are y, n, numbers and \"text\"\n\
         a.conf:5: CONFIG_D has the value \"a\"b\"; known are y, n, numbers and \"text\"\n\
         a.conf:6: CONFIG_E has the value 0x; known are y, n, numbers and \"text\""
    );
}

#[test]
fn modules_are_refused() {
    assert_eq!(
        problems("# Why.\nCONFIG_A=m\n"),
        "a.conf:2: CONFIG_A=m asks for a module, which a guest cannot load; say y or leave it out"
    );
}

#[test]
fn comments_that_read_like_options_are_refused() {
    for line in ["#CONFIG_A is not set", "# CONFIG_A=y", "#CONFIG_A=n", "# CONFIG_A is not  set"] {
        assert!(problems(&format!("# Why.\n{line}\n")).contains("reads like an option"), "{line}");
    }
}

#[test]
fn the_release_belongs_to_the_builder() {
    assert_eq!(
        problems("# Why.\nCONFIG_LOCALVERSION=\"-x\"\n"),
        "a.conf:2: CONFIG_LOCALVERSION is set by the builder from the flavour; take the line out"
    );
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let problem = &parse("a.conf", &[0xff]).unwrap_err()[0];
    assert_eq!(problem.to_string(), "a.conf is not UTF-8 text of at most 1048576 bytes");
    assert!(parse("a.conf", &vec![b'\n'; LIMIT + 1]).is_err());
}

#[test]
fn two_owners_of_an_option_are_named_both() {
    let a = parse("a.conf", b"# Why.\nCONFIG_B=y\nCONFIG_A=y\n").unwrap();
    let b = parse("b.conf", b"# Why.\n\n# Why.\nCONFIG_B=y\n# CONFIG_A is not set\n").unwrap();
    let merged = merge(std::slice::from_ref(&a)).unwrap();
    assert_eq!(merged.iter().map(|r| r.symbol.as_str()).collect::<Vec<_>>(), ["A", "B"]);
    let problems: Vec<_> = merge(&[a, b]).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "b.conf:4: CONFIG_B is asked for again; it is already at a.conf:2",
            "b.conf:5: \"# CONFIG_A is not set\" contradicts \"CONFIG_A=y\" at a.conf:3",
        ]
    );
}
