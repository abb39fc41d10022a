//! Compares our .proto files, as a pure parser reads them, with the contract in
//! contract.txt, so that no number, type or label can change unnoticed.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::BTreeSet;
use std::path::Path;

use protobuf::descriptor::field_descriptor_proto::{Label, Type};
use protobuf::descriptor::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
};

const FILES: [&str; 5] = ["agent.proto", "csi.proto", "health.proto", "oci.proto", "types.proto"];

fn scalar(kind: Type) -> String {
    format!("{kind:?}").trim_start_matches("TYPE_").to_lowercase()
}

fn type_of(field: &FieldDescriptorProto, message: &DescriptorProto) -> String {
    if !matches!(field.type_(), Type::TYPE_MESSAGE | Type::TYPE_ENUM) {
        return scalar(field.type_());
    }
    let name = field.type_name().trim_start_matches('.');
    let entry = message.nested_type.iter().find(|nested| {
        nested.options.map_entry() && name.ends_with(&format!(".{}", nested.name()))
    });
    match entry {
        Some(entry) => {
            format!("map<{},{}>", type_of(&entry.field[0], entry), type_of(&entry.field[1], entry))
        }
        None => name.to_owned(),
    }
}

fn label_of(field: &FieldDescriptorProto, message: &DescriptorProto) -> String {
    if field.proto3_optional() {
        return "optional".to_owned();
    }
    if field.has_oneof_index() {
        let index = usize::try_from(field.oneof_index()).unwrap();
        return format!("oneof:{}", message.oneof_decl[index].name());
    }
    match field.label() {
        Label::LABEL_REPEATED => "repeated".to_owned(),
        Label::LABEL_OPTIONAL => "single".to_owned(),
        Label::LABEL_REQUIRED => "required".to_owned(),
    }
}

fn describe_enum(file: &str, scope: &str, item: &EnumDescriptorProto, lines: &mut Vec<String>) {
    for value in &item.value {
        let (number, name) = (value.number(), value.name());
        lines.push(format!("{file} value {scope}.{} {number} {name}", item.name()));
    }
}

fn describe_message(file: &str, scope: &str, item: &DescriptorProto, lines: &mut Vec<String>) {
    let name = format!("{scope}.{}", item.name());
    if item.field.is_empty() {
        lines.push(format!("{file} message {name}"));
    }
    for field in &item.field {
        let (label, kind) = (label_of(field, item), type_of(field, item));
        let (number, field) = (field.number(), field.name());
        lines.push(format!("{file} field {name} {number} {field} {label} {kind}"));
    }
    for nested in &item.enum_type {
        describe_enum(file, &name, nested, lines);
    }
    for nested in item.nested_type.iter().filter(|nested| !nested.options.map_entry()) {
        describe_message(file, &name, nested, lines);
    }
}

fn describe(file: &FileDescriptorProto) -> Vec<String> {
    let (name, package) = (file.name(), file.package());
    assert_eq!(file.syntax(), "proto3", "{name}");
    let mut lines = Vec::new();
    for service in &file.service {
        for method in &service.method {
            assert!(!method.client_streaming() && !method.server_streaming());
            lines.push(format!(
                "{name} rpc {package}.{} {} {} {}",
                service.name(),
                method.name(),
                method.input_type().trim_start_matches('.'),
                method.output_type().trim_start_matches('.'),
            ));
        }
    }
    for item in &file.enum_type {
        describe_enum(name, package, item, &mut lines);
    }
    for item in &file.message_type {
        describe_message(name, package, item, &mut lines);
    }
    lines
}

#[test]
fn proto_files_match_the_contract() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let parsed = protobuf_parse::Parser::new()
        .pure()
        .include(&folder)
        .inputs(FILES.map(|file| folder.join(file)))
        .file_descriptor_set()
        .expect("the .proto files parse");
    let ours: BTreeSet<String> =
        parsed.file.iter().filter(|file| FILES.contains(&file.name())).flat_map(describe).collect();
    let contract: BTreeSet<String> = include_str!("contract.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    assert!(contract.len() > 400, "the contract file is whole");
    let lost: Vec<_> = contract.difference(&ours).collect();
    let extra: Vec<_> = ours.difference(&contract).collect();
    assert!(
        lost.is_empty() && extra.is_empty(),
        "in the contract but not in the .proto files:\n{lost:#?}\n\
         in the .proto files but not in the contract:\n{extra:#?}"
    );
}
