//! The end of a process, for any number of tasks that wait for it.

use tokio::sync::watch;

/// How a process ended, once it has: its exit code, 128 plus the signal for one
/// that was killed.
#[derive(Debug, Clone)]
pub struct Ending {
    code: watch::Receiver<Option<i32>>,
}

impl Ending {
    /// An end that is told by calling the second value once.
    pub fn pair() -> (Self, impl FnOnce(i32) + Send + 'static) {
        let (sender, code) = watch::channel(None);
        (Self { code }, move |ended: i32| {
            // Nobody may be interested any more.
            let _ = sender.send(Some(ended));
        })
    }

    /// The exit code, where the process has ended.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        *self.code.borrow()
    }

    /// Waits for the end. `None` where nobody will ever tell it.
    pub async fn wait(&self) -> Option<i32> {
        let mut code = self.code.clone();
        code.wait_for(Option::is_some).await.ok().and_then(|code| *code)
    }
}
