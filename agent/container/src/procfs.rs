//! Files of /proc, as the starter sees it.

use std::fs::OpenOptions;
use std::io::Write;

use crate::error::{During, Error};

/// Writes to a file of a process at once: each write is one order to the kernel.
pub(crate) fn write(pid: i32, file: &str, text: &str) -> Result<(), Error> {
    let path = format!("/proc/{pid}/{file}");
    OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|mut open| open.write_all(text.as_bytes()))
        .during(|| format!("can't write {:?} to {path}", text.trim_end()))
}
