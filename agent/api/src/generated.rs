//! What the build script made of the .proto files. Nothing here is written by
//! hand, so the house lints do not look at it.
#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::restriction)]
#![allow(unused, non_snake_case, non_camel_case_types, non_upper_case_globals)]

include!(concat!(env!("OUT_DIR"), "/modules.rs"));
