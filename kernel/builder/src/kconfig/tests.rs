//! Tests of the Kconfig reader, on small trees written for them.

use std::collections::BTreeMap;
use std::fs;

use super::*;

pub(crate) fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn read(text: &str) -> Result<Kconfig, KconfigError> {
    Kconfig::read(tree(&[("Kconfig", text)]).path(), "x86")
}

fn depends(kconfig: &Kconfig, symbol: &str) -> Vec<String> {
    let definition = &kconfig.definitions(symbol)[0];
    let all = definition.depends.iter().chain(&definition.prompt_if);
    all.map(|c| format!("{}: {}", c.place.line, c.expr)).collect()
}

#[test]
fn enclosing_blocks_are_dependencies() {
    let kconfig = read(
        "mainmenu \"Linux\"\nif-success = $(shell,x)\nif NET\nmenu \"A menu\"\n\tdepends on A || B\n\tvisible if C\n\n\
         config X\n\tbool \"X, if you like\" if EXPERT\n\tdepends on D && \\\n\t\t!E\n\tdepends on (F = 3)\n\
         endmenu\nendif\nconfig Y\n\tint\n",
    )
    .unwrap();
    assert_eq!(
        depends(&kconfig, "X"),
        ["3: NET", "5: A || B", "6: C", "10: D && !E", "12: F = 3", "9: EXPERT"]
    );
    assert_eq!(kconfig.kind("X"), Some(Kind::Bool));
    assert!(kconfig.definitions("X")[0].prompt);
    assert!(depends(&kconfig, "Y").is_empty());
    assert!(!kconfig.definitions("Y")[0].prompt);
    assert_eq!(kconfig.definitions("X")[0].place.to_string(), "Kconfig:8");
}

#[test]
fn help_is_skipped_however_it_is_indented() {
    let kconfig = read(
        "config A\n\tbool \"A\"\n\thelp\n\t  Say Y.\n\n\t  config B\n\t  depends on X\n\nconfig C\n\
         \tbool \"C\"\n\thelp\n\n\t  Text.\n\tdepends on D\nconfig E\n\tbool\n\thelp\nconfig F\n\tbool\n",
    )
    .unwrap();
    assert_eq!(kconfig.names().collect::<Vec<_>>(), ["A", "C", "E", "F"]);
    assert!(depends(&kconfig, "A").is_empty());
    assert_eq!(depends(&kconfig, "C"), ["14: D"]);
}

#[test]
fn files_are_included_by_architecture() {
    let dir = tree(&[
        ("Kconfig", "source \"arch/$(SRCARCH)/Kconfig\"\nif A\nsource \"lib/Kconfig\"\nendif\n"),
        ("arch/x86/Kconfig", "config X86\n\tdef_bool y\n\tselect LIB if A # why\n\timply OTHER\n"),
        ("arch/arm/Kconfig", "config ARM\n\tdef_bool y\n"),
        ("lib/Kconfig", "config LIB\n\ttristate\n\trange 1 8 if SMALL\n\trange 1 9\n"),
    ]);
    let kconfig = Kconfig::read(dir.path(), "x86").unwrap();
    assert_eq!(kconfig.names().collect::<Vec<_>>(), ["LIB", "X86"]);
    assert_eq!(kconfig.definitions("LIB")[0].depends[0].place.to_string(), "Kconfig:2");
    let selected = &kconfig.selected_by("LIB")[0];
    assert_eq!((selected.by.as_str(), selected.place.line), ("X86", 3));
    assert_eq!(selected.condition.as_ref().unwrap().to_string(), "A");
    assert!(kconfig.selected_by("OTHER").is_empty());
    assert_eq!(kconfig.definitions("LIB")[0].ranges.len(), 2);
}

#[test]
fn choices_know_their_members() {
    let kconfig = read(
        "choice\n\tprompt \"Which\"\n\tdepends on Z\nconfig A\n\tbool \"A\"\nconfig B\n\tbool \"B\"\nendchoice\n",
    )
    .unwrap();
    let number = kconfig.definitions("B")[0].choice.unwrap();
    assert_eq!(kconfig.choice(number), ["A", "B"]);
    assert_eq!(depends(&kconfig, "A"), ["3: Z"]);
}

fn problem(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn what_is_no_kconfig_is_refused_with_its_place() {
    assert_eq!(problem("\nendif\n"), "Kconfig:2: endif closes nothing");
    assert_eq!(problem("menu \"M\"\nendif\n"), "Kconfig:2: endif closes nothing");
    assert_eq!(problem("if A\n"), "Kconfig:0: an if, menu or choice is not closed");
    assert_eq!(problem("config A-B\n"), "Kconfig:1: \"A-B\" is no option's name");
    assert_eq!(problem("if A &&\nendif\n"), "Kconfig:1: expected an option, found \"\"");
    assert_eq!(problem("if (A\nendif\n"), "Kconfig:1: a ) is missing");
    assert_eq!(problem("if A B\nendif\n"), "Kconfig:1: unexpected \"B\"");
    assert!(problem("source \"../x\"\n").ends_with("\"../x\" leaves the source tree"));
    assert!(problem("source \"/etc/passwd\"\n").contains("leaves the source tree"));
    assert!(problem("source \"$(HOME)/x\"\n").contains("cannot tell which file"));
    assert!(problem("source \"absent\"\n").contains("named at Kconfig:1"));
}

#[test]
fn nesting_is_bounded() {
    assert!(problem("source \"Kconfig\"\n").contains("more than 40 files inside each other"));
    assert!(problem(&"if A\n".repeat(50)).contains("more than 40 blocks"));
    let deep = format!("if {}A{}\nendif\n", "(".repeat(5000), ")".repeat(5000));
    assert!(problem(&deep).contains("nests deeper than 64"));
    assert!(problem(&format!("if {}A\nendif\n", "!".repeat(5000))).contains("nests deeper"));
}

#[test]
fn expressions_have_kconfigs_values() {
    let values: BTreeMap<&str, &str> =
        [("Y", "y"), ("M", "m"), ("N3", "3"), ("H", "0x10"), ("S", "\"gcc\""), ("64BIT", "y")]
            .into();
    let check = |text: &str, expected: Tri| {
        let expr = Expr::parse(text).unwrap();
        assert_eq!(expr.eval(&|name: &str| values.get(name).copied()), expected, "{text}");
        let again = Expr::parse(&expr.to_string()).unwrap();
        assert_eq!(again, expr, "{text}");
    };
    for (text, expected) in [
        ("Y", Tri::Yes),
        ("y", Tri::Yes),
        ("N", Tri::No),
        ("64BIT", Tri::Yes),
        ("Y && M", Tri::Mod),
        ("M || N", Tri::Mod),
        ("!M", Tri::Mod),
        ("!N && Y", Tri::Yes),
        ("Y && N || Y", Tri::Yes),
        ("Y && (N || N)", Tri::No),
        ("Y = y", Tri::Yes),
        ("N = n", Tri::Yes),
        ("Y!=y", Tri::No),
        ("N3 >= 10", Tri::No),
        ("H = 16", Tri::Yes),
        ("S = \"gcc\"", Tri::Yes),
        ("$(cc-option,-mfoo(bar))", Tri::Unknown),
        ("N && $(x)", Tri::No),
        ("Y || $(x)", Tri::Yes),
        ("M && $(x)", Tri::Unknown),
        ("!(Y && N)", Tri::Yes),
    ] {
        check(text, expected);
    }
}

#[test]
fn any_bytes_are_read_or_refused() {
    // A cheap stand-in for the fuzz target: every prefix and many mangled
    // copies of a text with all the words in it.
    let text = "if A && !(B || C = 3)\nmenu 'x' \ndepends on \"a\\\"\nchoice\nconfig D\n\tbool \"p\" if $(x,y)\n\
                \thelp\n\t a\n range 1 2 if !D\n select E if (F)\nendchoice\nendmenu\nendif\nsource \"x\"\n";
    for end in 0..=text.len() {
        let _ = read(&text[..end]);
    }
    for at in 0..text.len() {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] = b"\"(\\$\xff\n"[at % 6];
        let _ = read(&String::from_utf8_lossy(&bytes));
    }
}
