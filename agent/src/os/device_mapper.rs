//! Device-mapper's ioctls, as far as one read-only device of one target needs
//! them. The kernel's header linux/dm-ioctl.h describes the structures.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::libc;

/// Where requests go.
const CONTROL: &str = "/dev/mapper/control";

/// Major and minor version of the interface; every kernel since 2.6 speaks it.
const VERSION: [u32; 3] = [4, 0, 0];

const CREATE: u8 = 3;
const REMOVE: u8 = 4;
const SUSPEND_OR_RESUME: u8 = 6;
const LOAD_TABLE: u8 = 9;
const READ_ONLY: u32 = 1;

/// Room for the arguments: the longest salt and a digest, with some to spare.
const ARGUMENTS: usize = 1024;

/// `struct dm_ioctl`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Header {
    version: [u32; 3],
    data_size: u32,
    data_start: u32,
    target_count: u32,
    open_count: i32,
    flags: u32,
    event_number: u32,
    padding: u32,
    device: u64,
    name: [u8; 128],
    uuid: [u8; 129],
    data: [u8; 7],
}

/// `struct dm_target_spec`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Target {
    start: u64,
    length: u64,
    status: i32,
    next: u32,
    kind: [u8; 16],
}

/// A header with one target and its arguments behind it.
#[repr(C)]
#[derive(Clone, Copy)]
struct Request {
    header: Header,
    target: Target,
    arguments: [u8; ARGUMENTS],
}

const _: () = assert!(size_of::<Header>() == 312 && size_of::<Target>() == 40);

/// A device as it is to be.
pub(super) struct Device<'a> {
    pub name: &'a str,
    /// The target's type.
    pub kind: &'a str,
    /// Sectors of 512 bytes.
    pub sectors: u64,
    pub arguments: &'a str,
}

/// Makes a read-only device and returns its node.
pub(super) fn make(device: &Device<'_>) -> io::Result<PathBuf> {
    let control = OpenOptions::new().read(true).write(true).open(CONTROL)?;
    let mut request = request(device)?;
    call(&control, CREATE, &mut request)?;
    let number = request.header.device;
    let activated = activate(&control, device);
    if activated.is_err() {
        // A device without a table is of no use and would only hold the name.
        let _ = self::request(device).and_then(|mut gone| call(&control, REMOVE, &mut gone));
    }
    activated?;
    Ok(PathBuf::from(format!("/dev/dm-{}", libc::minor(number))))
}

fn activate(control: &File, device: &Device<'_>) -> io::Result<()> {
    let mut load = request(device)?;
    load.header.target_count = 1;
    load.header.flags = READ_ONLY;
    call(control, LOAD_TABLE, &mut load)?;
    // Without the flag for suspending it resumes, which makes the table live.
    call(control, SUSPEND_OR_RESUME, &mut request(device)?)
}

fn request(device: &Device<'_>) -> io::Result<Request> {
    let size = size_of::<Request>();
    let mut request = Request {
        header: Header {
            version: VERSION,
            data_size: u32::try_from(size).map_err(io::Error::other)?,
            data_start: u32::try_from(size_of::<Header>()).map_err(io::Error::other)?,
            target_count: 0,
            open_count: 0,
            flags: 0,
            event_number: 0,
            padding: 0,
            device: 0,
            name: [0; 128],
            uuid: [0; 129],
            data: [0; 7],
        },
        target: Target { start: 0, length: device.sectors, status: 0, next: 0, kind: [0; 16] },
        arguments: [0; ARGUMENTS],
    };
    put(&mut request.header.name, device.name)?;
    put(&mut request.target.kind, device.kind)?;
    put(&mut request.arguments, device.arguments)?;
    Ok(request)
}

/// Texts end with a NUL in these structures.
fn put(field: &mut [u8], text: &str) -> io::Result<()> {
    let place = match field.get_mut(..=text.len()) {
        Some(place) => place.iter_mut(),
        None => return Err(io::ErrorKind::InvalidInput.into()),
    };
    for (to, from) in place.zip(text.bytes()) {
        *to = from;
    }
    Ok(())
}

fn call(control: &File, command: u8, request: &mut Request) -> io::Result<()> {
    let code = nix::request_code_readwrite!(0xfd, command, size_of::<Header>());
    // SAFETY: the descriptor is open; the structure outlives the call, and its
    // header says how long it is, beyond which the kernel does not write.
    let answer = unsafe { libc::ioctl(control.as_raw_fd(), code, &raw mut *request) };
    Errno::result(answer)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_holds_what_the_kernel_reads_and_nothing_too_long() {
        let device = Device { name: "a", kind: "verity", sectors: 8, arguments: "1 2" };
        let made = request(&device).unwrap();
        assert_eq!(&made.header.name[..2], b"a\0");
        assert_eq!(&made.target.kind[..7], b"verity\0");
        assert_eq!((&made.arguments[..4], made.target.length), (&b"1 2\0"[..], 8));
        assert_eq!((made.header.data_start, made.header.data_size), (312, 312 + 40 + 1024));
        // With the NUL it would be too long by one.
        let long = "n".repeat(128);
        assert!(request(&Device { name: &long, ..device }).is_err());
        let long = "n".repeat(ARGUMENTS);
        assert!(request(&Device { arguments: &long, name: "a", kind: "b", sectors: 1 }).is_err());
    }
}
