//! The one thing that a new network namespace needs: its loopback interface.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

/// Sets the flag "up" of the interface `lo` of this network namespace.
pub(crate) fn loopback_up() -> io::Result<()> {
    // SAFETY: the call takes numbers only; the descriptor is new.
    let socket = unsafe {
        let raw = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        OwnedFd::from_raw_fd(Errno::result(raw)?)
    };
    // SAFETY: all zeros are a valid request.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(*b"lo") {
        *to = from.cast_signed() as libc::c_char;
    }
    // SAFETY: the structure outlives both calls, and the kernel knows its size; the
    // flags are the member that the first call fills.
    unsafe {
        Errno::result(libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request))?;
        let up = i16::try_from(libc::IFF_UP).map_err(io::Error::other)?;
        request.ifr_ifru.ifru_flags |= up;
        Errno::result(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw mut request))?;
    }
    Ok(())
}
