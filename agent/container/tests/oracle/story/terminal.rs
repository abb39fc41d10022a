//! Receives a terminal from runc, over the socket that is made for it.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

pub struct Console {
    listener: UnixListener,
    pub path: PathBuf,
}

impl Console {
    pub fn new(folder: &Path, name: &str) -> Self {
        let path = folder.join(format!("{name}.sock"));
        let _ = std::fs::remove_file(&path);
        Self { listener: UnixListener::bind(&path).unwrap(), path }
    }

    /// The terminal, once runc has sent it; the command must have ended well.
    pub fn receive(&self) -> OwnedFd {
        let (socket, _) = self.listener.accept().expect("runc has connected");
        let mut room = [0; 4096];
        let mut slices = [IoSliceMut::new(&mut room)];
        let mut space = nix::cmsg_space!([i32; 1]);
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message =
            recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut space), flags).unwrap();
        for control in message.cmsgs().unwrap() {
            if let ControlMessageOwned::ScmRights(received) = control {
                // SAFETY: the kernel has just made this descriptor for us.
                return unsafe { OwnedFd::from_raw_fd(received[0]) };
            }
        }
        panic!("runc sends no terminal")
    }
}
