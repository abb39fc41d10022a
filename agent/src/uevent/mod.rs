//! Listens to what the kernel says about devices that come and go, has those look
//! who wait for one, and switches new memory on. Knows no kind of device.

mod message;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvfrom, setsockopt,
    socket, sockopt,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub use message::Uevent;

use crate::device::Devices;
use crate::os::Os;

/// The kernel's own messages; those of a device daemon have another number.
const KERNEL_GROUP: u32 = 1;

/// Room for the many messages of a bus that appears at once.
const QUEUE: usize = 1 << 20;

/// Listens in the background from now on. Must be called within a runtime.
///
/// # Errors
///
/// When the kernel can't be listened to.
pub fn start(os: Arc<dyn Os>, devices: Arc<Devices>) -> io::Result<()> {
    // SAFETY: the socket is open, and belongs to what is made here alone until that
    // goes.
    let socket = unsafe { AsyncFd::register_with_interest(open()?, Interest::READABLE) }?;
    tokio::spawn(async move {
        let mut buffer = vec![0; message::LONGEST + 1];
        loop {
            let Ok(mut ready) = socket.readable().await else { return };
            let outcome = ready.try_io(|socket| receive(socket.get_ref(), &mut buffer));
            match outcome {
                // There is nothing yet.
                Err(_) => {}
                Ok(Ok(length)) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    if let Some(event) = Uevent::parse(bytes) {
                        heed(&os, &devices, &event);
                    }
                }
                Ok(Err(error)) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                    log::warn!("messages of the kernel about devices got lost");
                    devices.look_again();
                }
                Ok(Err(error)) => {
                    log::warn!("the kernel is not listened to any more: {error}");
                    return;
                }
            }
        }
    });
    Ok(())
}

fn open() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let protocol = SockProtocol::NetlinkKObjectUEvent;
    let socket = socket(AddressFamily::Netlink, SockType::Datagram, flags, protocol)?;
    // Needs root; the usual size does for most guests.
    let _ = setsockopt(&socket, sockopt::RcvBufForce, &QUEUE);
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, KERNEL_GROUP))?;
    Ok(socket)
}

/// One message of the kernel; the length 0 for one of somebody else.
fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    let (length, from) = recvfrom::<NetlinkAddr>(socket.as_raw_fd(), buffer)?;
    Ok(if from.is_some_and(|from| from.pid() == 0) { length } else { 0 })
}

fn heed(os: &Arc<dyn Os>, devices: &Devices, event: &Uevent<'_>) {
    log::debug!("the kernel says {} of {}", event.action, event.path);
    if event.action == "remove" {
        return;
    }
    if event.action == "add"
        && let Some(file) = event.memory_switch(devices.sys())
    {
        let os = Arc::clone(os);
        // Takes its time, and fails for memory that is on already.
        tokio::task::spawn_blocking(move || switch_on(os.as_ref(), &file));
    }
    devices.look_again();
}

fn switch_on(os: &dyn Os, file: &Path) {
    if os.read(file).is_ok_and(|state| state.trim() == "0")
        && let Err(error) = os.write(file, b"1")
    {
        log::warn!("new memory stays off, {}: {error}", file.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::Recorder;

    #[tokio::test]
    async fn the_kernel_can_be_listened_to() {
        let os: Arc<dyn Os> = Arc::new(Recorder::new());
        let patience = std::time::Duration::from_secs(60);
        start(Arc::clone(&os), Arc::new(Devices::new(os, patience))).unwrap();
    }

    #[test]
    fn what_a_program_says_is_not_heeded() {
        let (socket, other) = (open().unwrap(), open().unwrap());
        let me = nix::sys::socket::getsockname::<NetlinkAddr>(socket.as_raw_fd()).unwrap();
        let words = b"add@/devices/evil\0ACTION=add\0DEVPATH=/devices/evil\0";
        let flags = nix::sys::socket::MsgFlags::empty();
        let sent = nix::sys::socket::sendto(other.as_raw_fd(), words, &me, flags);
        // Not everybody may; whoever may is not believed.
        if sent.is_ok() {
            assert_eq!(receive(&socket, &mut [0; 4096]).unwrap(), 0);
        }
    }

    #[tokio::test]
    async fn only_memory_that_is_off_is_switched_on() {
        let (on, off) = ("/sys/devices/system/memory/memory3/online", "/sys/m/online");
        let os = Recorder::new().with_file(on, "1\n").with_file(off, "0\n");
        switch_on(&os, Path::new(on));
        switch_on(&os, Path::new("/sys/nothing"));
        assert_eq!(os.log(), "");
        switch_on(&os, Path::new(off));
        assert_eq!(os.log(), "write /sys/m/online \"1\"\n");
    }
}
