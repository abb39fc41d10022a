//! Tests of the key: each input changes it, and nothing else does.

use std::collections::BTreeSet;

use super::*;

fn inputs() -> Inputs {
    Inputs {
        builder_format: 1,
        unpack_rules: 1,
        source_sha256: "aa".to_owned(),
        architecture: "x86_64".to_owned(),
        flavour: "kata".to_owned(),
        source_date_epoch: 0,
        fragments: vec![("a.conf".to_owned(), "bb".to_owned())],
        patches: vec![("a.patch".to_owned(), "cc".to_owned())],
        tools: [("gcc".to_owned(), "12".to_owned()), ("ld".to_owned(), "2".to_owned())].into(),
    }
}

#[test]
fn each_input_changes_the_key() {
    let changes: [&dyn Fn(&mut Inputs); 12] = [
        &|_| {},
        &|i| i.builder_format = 2,
        &|i| i.unpack_rules = 2,
        &|i| i.source_sha256 = "ab".to_owned(),
        &|i| i.architecture = "aarch64".to_owned(),
        &|i| i.flavour = "kata-debug".to_owned(),
        &|i| i.source_date_epoch = 1,
        &|i| i.fragments[0].1 = "bc".to_owned(),
        &|i| i.fragments.push(("b.conf".to_owned(), "bb".to_owned())),
        &|i| i.patches[0].1 = "cd".to_owned(),
        &|i| i.patches.clear(),
        &|i| {
            i.tools.insert("gcc".to_owned(), "13".to_owned());
        },
    ];
    let keys: BTreeSet<String> = changes
        .iter()
        .map(|change| {
            let mut inputs = inputs();
            change(&mut inputs);
            inputs.key()
        })
        .collect();
    assert_eq!(keys.len(), changes.len());
}

#[test]
fn a_manifest_keeps_inputs_as_they_are() {
    let text = serde_json::to_string(&inputs()).unwrap();
    assert_eq!(serde_json::from_str::<Inputs>(&text).unwrap(), inputs());
}

#[test]
fn names_do_not_tell_where_a_checkout_is() {
    assert_eq!(
        short_name(Path::new("/home/me/kernel/configs/common/core.conf")),
        "common/core.conf"
    );
    assert_eq!(short_name(Path::new("core.conf")), "core.conf");
}
